/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines of the tools: a table of flags with their targets, the words between them, and the
 * help text made from the same table. Forms: --name value, --name=value, --switch, -o value.
 * One letter may stand for flags of several commands: `takes` decides.
 * Thread: main. */
#ifndef CLIENT_FLAGS_H
#define CLIENT_FLAGS_H

#include "base/buf.h"
#include "base/why.h"

enum client_flag_kind {
    CLIENT_FLAG_SWITCH,   /* bool */
    CLIENT_FLAG_TEXT,     /* const char *, borrowed from argv */
    CLIENT_FLAG_NUMBER,   /* uint64_t, from min to max */
    CLIENT_FLAG_TIME,     /* uint64_t milliseconds: 250ms, 10s, 5m, 2h; a plain number is seconds */
    CLIENT_FLAG_MAY_TIME, /* the same, but the value may be missing: --wait or --wait=10s */
    CLIENT_FLAG_REAL,     /* double >= 0 */
    CLIENT_FLAG_LIST      /* struct client_list: comma separated, may be repeated */
};

enum { CLIENT_LIST_MAX = 64 };

struct client_list {
    char *items[CLIENT_LIST_MAX]; /* owned */
    size_t count;
};

struct client_flag {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    enum client_flag_kind kind;
    void *target;
    const char *value; /* what the help calls the value */
    const char *help;
    uint64_t min, max; /* NUMBER; max 0: no limit but 2^63-1 */
    bool *is_given;    /* may be NULL */
};

/* Sets targets; *ret_words (at most words_max, borrowed from argv) are the rest. "--" ends flags.
 * `takes`, when not NULL, says whether a flag of the table may be used here.
 * Errors: ERR_BAD_PARAMETER. */
MUST_USE enum err client_flags_parse(const struct client_flag *flags, size_t count,
                                     bool (*takes)(const char *name, void *arg), void *arg,
                                     int argc, char *const *argv, const char **ret_words,
                                     size_t words_max, size_t *ret_words_count, struct why *why);
/* One line a flag. */
void client_flags_help(const struct client_flag *flags, size_t count,
                       bool (*takes)(const char *name, void *arg), void *arg, struct buf *out);
/* Adds the items of a comma separated text. */
MUST_USE enum err client_list_add(struct client_list *list, const char *text, struct why *why);
void client_list_done(struct client_list *list);
/* Whole texts only; false for anything else. */
bool client_flag_number(const char *text, uint64_t *ret_value);
bool client_flag_time_ms(const char *text, uint64_t *ret_ms);

#endif
