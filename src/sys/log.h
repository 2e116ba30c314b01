/* SPDX-License-Identifier: Apache-2.0 */
/* The program's log: one event, one line on stderr: time, level, room, a sentence that never
 * varies, then key=value fields that tell which.
 *
 *     log_warn("net", "cannot reach a peer, retrying", "peer=%u retry_ms=%u", peer, retry_ms);
 *     2024-02-29T12:34:56.789Z warn net: cannot reach a peer, retrying peer=3 retry_ms=200
 *
 * Values that came from outside, or may hold spaces, go through LOG_QUOTED. Never log payloads or
 * tokens. A line is one write(2); it never has a control character, is cut at LOG_LINE_MAX, and
 * when stderr does not block and takes no more it is dropped, counted, and the next one says how
 * many were. Arguments are not evaluated when the level is off.
 *
 * The rooms "audit" and "access" are not silenced by the general level: their lines up to info are
 * always written, unless they have a level of their own. Thread: any. */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum { LOG_LINE_MAX = 4096, LOG_QUOTE_SIZE = 512 };

/* The third argument, a literal with the fields, and its values may be left out. */
#define log_error(room, sentence, ...) LOG_AT(LOG_LEVEL_ERROR, room, sentence, __VA_ARGS__)
#define log_warn(room, sentence, ...) LOG_AT(LOG_LEVEL_WARN, room, sentence, __VA_ARGS__)
#define log_info(room, sentence, ...) LOG_AT(LOG_LEVEL_INFO, room, sentence, __VA_ARGS__)
#define log_debug(room, sentence, ...) LOG_AT(LOG_LEVEL_DEBUG, room, sentence, __VA_ARGS__)

/* For what can repeat: at most one line of this place in the program every `ms` milliseconds, which
 * then has the field suppressed=N when N were left out before it. Those that nothing follows are told
 * by log_tell_repeats. level, room and sentence are the same each time. */
#define log_every(ms, level, room, sentence, ...)                                                  \
    do {                                                                                           \
        static struct log_gate log_gate_;                                                          \
        uint64_t log_suppressed_ = 0;                                                              \
        if (!log_is_on((level), (room)))                                                           \
            break;                                                                                 \
        if (log_gate_pass(&log_gate_, (ms), &log_suppressed_))                                     \
            log_write((level), (room), log_suppressed_, (sentence), " " __VA_ARGS__);              \
        else                                                                                       \
            log_gate_list(&log_gate_, (level), (room), (sentence));                                \
    } while (0)

/* text, quoted and escaped where it needs to be, cut to what fits; lives to the end of the block.
 * NULL is written as "". */
#define LOG_QUOTED(text) log_quote((char[LOG_QUOTE_SIZE]){0}, (text))

/* Sets the level of all rooms without one of their own. At first: info, text. */
void log_set(enum log_level level, enum log_format format);
/* Gives a room its own level; at most 32 rooms (asserts). room is copied. */
void log_set_room(const char *room, enum log_level level);
/* Takes all rooms' own levels away. */
void log_reset_rooms(void);
/* Where lines go, 2 at first; borrowed. -1: nowhere. */
void log_set_fd(int fd);
/* A line for each place whose time is over and that left lines out since its last one, however many:
 * "a line was repeated" with the sentence and times=N. is_end: whose time is not over, too. To be
 * called once a second. */
void log_tell_repeats(bool is_end);
/* How many lines stderr did not take since the program started. */
uint64_t log_dropped(void);

/* "error", "warn", "info", "debug"; "text", "json". False for anything else. */
bool log_level_parse(const char *text, enum log_level *ret_level);
bool log_format_parse(const char *text, enum log_format *ret_format);
const char *log_level_name(enum log_level level);

/* ---- behind the macros ---- */

#define LOG_AT(level, room, sentence, ...)                                                         \
    do {                                                                                           \
        if (log_is_on((level), (room)))                                                            \
            log_write((level), (room), 0, (sentence), " " __VA_ARGS__);                            \
    } while (0)

struct log_gate {
    atomic_uint_fast64_t next_ms, suppressed;
    /* of one that is listed, for log_tell_repeats; it stays so for the program's life */
    atomic_bool is_listed;
    enum log_level level;
    const char *room, *sentence;
    struct log_gate *next;
};

bool log_is_on(enum log_level level, const char *room);
void log_gate_list(struct log_gate *gate, enum log_level level, const char *room,
                   const char *sentence); /* all borrowed for ever */
bool log_gate_pass(struct log_gate *gate, uint64_t every_ms, uint64_t *ret_suppressed);
const char *log_quote(char ret_text[LOG_QUOTE_SIZE], const char *text);
void log_write(enum log_level level, const char *room, uint64_t suppressed, const char *sentence,
               const char *format, ...) PRINTF_LIKE(5, 6);

#endif
