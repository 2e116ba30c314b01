/* SPDX-License-Identifier: Apache-2.0 */
/* A line is put together on the stack of the thread that logs and leaves by one write(2), which is
 * atomic enough for a pipe, a terminal and a file opened to append: lines never mix, and no lock
 * is held. Levels are atomics, so that a reload needs no lock either.
 *
 * Fields are text, `key=value` with one space between. A value with a space, a quote or a control
 * character was quoted by log_quote, whose escapes are those of JSON: so the JSON form of a line
 * takes quoted values over as they are, bare numbers as numbers, other bare values as strings, and
 * what is not of that form, in one piece, into "text": a caller's slip costs no information and
 * never makes the line invalid. */
#include "sys/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/utf8.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum { ROOMS_MAX = 32, ROOM_SIZE = 24, FIELDS_MAX = LOG_LINE_MAX / 2, SUPPRESSED_MAX = 40 };
enum { LEVEL_INHERIT = -1 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static atomic_int general_level = LOG_LEVEL_INFO;
static atomic_int chosen_format = LOG_FORMAT_TEXT;
static atomic_int out_fd = STDERR_FILENO;
static atomic_uint_fast64_t dropped, dropped_told;

/* Names are written once, before the count says that they are there, and never change. */
static struct {
    char name[ROOM_SIZE];
    atomic_int level;
} rooms[ROOMS_MAX];
static atomic_size_t rooms_count;
static struct mutex rooms_mutex = {PTHREAD_MUTEX_INITIALIZER}; /* for adding a room */

void log_set(enum log_level level, enum log_format format)
{
    atomic_store(&general_level, (int)level);
    atomic_store(&chosen_format, (int)format);
}

void log_set_room(const char *room, enum log_level level)
{
    assert(strlen(room) < ROOM_SIZE);
    mutex_lock(&rooms_mutex);
    size_t count = atomic_load(&rooms_count);
    size_t at = 0;
    while (at < count && strcmp(rooms[at].name, room) != 0)
        at++;
    assert(at < ROOMS_MAX);
    atomic_store(&rooms[at].level, (int)level);
    if (at == count) {
        memcpy(rooms[at].name, room, strlen(room) + 1);
        atomic_store(&rooms_count, count + 1);
    }
    mutex_unlock(&rooms_mutex);
}

void log_reset_rooms(void)
{
    size_t count = atomic_load(&rooms_count);
    for (size_t i = 0; i < count; i++)
        atomic_store(&rooms[i].level, LEVEL_INHERIT);
}

void log_set_fd(int fd)
{
    atomic_store(&out_fd, fd);
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(const char *text, enum log_format *ret_format)
{
    bool is_json = strcmp(text, "json") == 0;
    if (!is_json && strcmp(text, "text") != 0)
        return false;
    *ret_format = is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    return true;
}

const char *log_level_name(enum log_level level)
{
    assert((size_t)level < ARRAY_LEN(level_names));
    return level_names[level];
}

bool log_is_on(enum log_level level, const char *room)
{
    size_t count = atomic_load_explicit(&rooms_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        int own = atomic_load_explicit(&rooms[i].level, memory_order_relaxed);
        if (own != LEVEL_INHERIT && strcmp(rooms[i].name, room) == 0)
            return (int)level <= own;
    }
    if ((int)level <= atomic_load_explicit(&general_level, memory_order_relaxed))
        return true;
    return level <= LOG_LEVEL_INFO && (strcmp(room, "audit") == 0 || strcmp(room, "access") == 0);
}

static _Atomic(struct log_gate *) gates; /* listed ones, newest first */

void log_gate_list(struct log_gate *gate, enum log_level level, const char *room,
                   const char *sentence)
{
    if (atomic_load_explicit(&gate->is_listed, memory_order_relaxed) ||
        atomic_exchange(&gate->is_listed, true))
        return;
    gate->level = level;
    gate->room = room;
    gate->sentence = sentence;
    gate->next = atomic_load(&gates);
    while (!atomic_compare_exchange_weak(&gates, &gate->next, gate)) {
    }
}

void log_tell_repeats(bool is_end)
{
    uint64_t now_ms = clock_mono_ms() + 1;
    for (struct log_gate *gate = atomic_load(&gates); gate != NULL; gate = gate->next) {
        if (!is_end && now_ms < atomic_load(&gate->next_ms))
            continue;
        uint64_t times = atomic_exchange(&gate->suppressed, 0);
        if (times > 0)
            log_write(gate->level, gate->room, 0, "a line was repeated",
                      " sentence=%s times=%" PRIu64, LOG_QUOTED(gate->sentence), times);
    }
}

bool log_gate_pass(struct log_gate *gate, uint64_t every_ms, uint64_t *ret_suppressed)
{
    /* One later, so that the 0 of a new gate lets the first line through at once. */
    uint64_t now_ms = clock_mono_ms() + 1;
    uint64_t next_ms = atomic_load(&gate->next_ms);
    if (now_ms < next_ms ||
        !atomic_compare_exchange_strong(&gate->next_ms, &next_ms, now_ms + every_ms)) {
        atomic_fetch_add(&gate->suppressed, 1);
        return false;
    }
    *ret_suppressed = atomic_exchange(&gate->suppressed, 0);
    return true;
}

/* ---- text that is put together in a fixed place; what does not fit is cut ---- */

struct line {
    char *at, *end; /* end: one place is left behind it, for the newline or the NUL */
};

static bool line_put(struct line *line, const char *text, size_t len)
{
    if ((size_t)(line->end - line->at) < len)
        return false;
    memcpy(line->at, text, len);
    line->at += len;
    return true;
}

static bool line_text(struct line *line, const char *text)
{
    return line_put(line, text, strlen(text));
}

/* How a byte is written inside a JSON string; its length. Bytes of UTF-8 stay what they are. */
static size_t escape(unsigned char byte, bool is_utf8, char ret_text[8])
{
    const char *short_from = "\"\\\n\r\t", *short_to = "\"\\nrt";
    const char *found = byte == '\0' ? NULL : strchr(short_from, byte);
    if (found != NULL) {
        ret_text[0] = '\\';
        ret_text[1] = short_to[found - short_from];
        return 2;
    }
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_utf8))
        return (size_t)snprintf(ret_text, 8, "\\u%04x", byte);
    ret_text[0] = (char)byte;
    return 1;
}

/* Length of the code point that begins at text[0]; only asked of valid UTF-8. */
static size_t point_len(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* A C1 control character, which UTF-8 writes in two bytes: some terminals obey them. */
static bool is_c1(const char *text)
{
    return (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0;
}

/* The inside of a JSON string. False, and "..." at the end, when it did not fit. */
static bool line_escaped(struct line *line, const char *text, size_t len)
{
    const size_t mark = 3;
    bool is_utf8 = utf8_is_valid(bytes_of(text, len));
    for (size_t i = 0; i < len;) {
        char piece[8];
        size_t step = is_utf8 ? point_len((unsigned char)text[i]) : 1;
        size_t size = step;
        if (step == 1)
            size = escape((unsigned char)text[i], is_utf8, piece);
        else if (is_c1(text + i))
            size = escape((unsigned char)text[i + 1], false, piece);
        else
            memcpy(piece, text + i, step);
        if ((size_t)(line->end - line->at) < size + mark) {
            line_text(line, "...");
            return false;
        }
        line_put(line, piece, size);
        i += step;
    }
    return true;
}

static bool needs_quotes(struct bytes text)
{
    if (text.len == 0 || !utf8_is_valid(text) || utf8_has_control(text))
        return true;
    for (size_t i = 0; i < text.len; i++) {
        if (strchr(" \"\\=", text.data[i]) != NULL)
            return true;
    }
    return false;
}

const char *log_quote(char ret_text[LOG_QUOTE_SIZE], const char *text)
{
    struct bytes bytes = bytes_of_string(text == NULL ? "" : text);
    /* Two places are kept for the closing quote and the NUL. */
    struct line line = {ret_text, ret_text + LOG_QUOTE_SIZE - 2};
    bool quotes = needs_quotes(bytes) || bytes.len > LOG_QUOTE_SIZE - 8;
    if (quotes)
        line_text(&line, "\"");
    line_escaped(&line, (const char *)bytes.data, bytes.len);
    if (quotes)
        *line.at++ = '"';
    *line.at = '\0';
    return ret_text;
}

/* ---- the JSON form ---- */

/* Length of the quoted string at text, with its quotes; 0 when it is not whole. */
static size_t quoted_len(const char *text)
{
    size_t i = 1;
    while (text[i] != '\0' && text[i] != '"') {
        if (text[i] == '\\') {
            size_t more = text[i + 1] == 'u' ? 5 : 1;
            if (strnlen(text + i + 1, more) < more || strchr("\"\\nrtu", text[i + 1]) == NULL)
                return 0;
            if (more == 5 && strspn(text + i + 2, "0123456789abcdef") < 4)
                return 0;
            i += more;
        }
        i++;
    }
    return text[i] == '"' && (text[i + 1] == ' ' || text[i + 1] == '\0') ? i + 1 : 0;
}

/* A whole number that JSON readers hold exactly. */
static bool is_number(const char *text, size_t len)
{
    size_t sign = text[0] == '-';
    size_t digits = strspn(text + sign, "0123456789");
    return sign + digits == len && digits > 0 && digits <= 15 && (digits == 1 || text[sign] != '0');
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* The key would stand twice in the object. */
static bool is_reserved(const char *key, size_t len)
{
    return is_word(key, len, "time") || is_word(key, len, "level") || is_word(key, len, "room") ||
           is_word(key, len, "message") || is_word(key, len, "text");
}

/* Puts one member, or nothing of it. */
static void line_member(struct line *line, const char *key, size_t key_len, const char *value,
                        size_t value_len)
{
    struct line undo = *line;
    bool is_plain = value[0] == '"' || is_number(value, value_len) ||
                    is_word(value, value_len, "true") || is_word(value, value_len, "false");
    bool fits = line_text(line, is_reserved(key, key_len) ? ",\"field_" : ",\"") &&
                line_put(line, key, key_len) && line_text(line, "\":");
    if (fits && is_plain)
        fits = line_put(line, value, value_len);
    else if (fits)
        fits =
            line_text(line, "\"") && line_escaped(line, value, value_len) && line_text(line, "\"");
    if (!fits)
        *line = undo;
}

/* Takes `key=value` apart; what is left over from the first slip on goes into "text". */
static void line_members(struct line *line, const char *fields)
{
    const char *key_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    const char *at = fields + strspn(fields, " ");
    while (*at != '\0') {
        size_t key_len = strspn(at, key_letters);
        if (key_len == 0 || at[key_len] != '=')
            break;
        const char *value = at + key_len + 1;
        size_t value_len = value[0] == '"' ? quoted_len(value) : strcspn(value, " ");
        if (value[0] == '"' && value_len == 0)
            break;
        line_member(line, at, key_len, value, value_len);
        at = value + value_len;
        at += strspn(at, " ");
    }
    if (*at != '\0' && line->end - line->at > 16) {
        line_text(line, ",\"text\":\"");
        struct line inner = {line->at, line->end - 1};
        line_escaped(&inner, at, strlen(at));
        line->at = inner.at;
        line_text(line, "\"");
    }
}

struct event {
    const char *time, *level, *room, *sentence, *fields;
};

static void line_json(struct line *line, const struct event *event)
{
    /* The closing brace has its place kept. */
    struct line inner = {line->at, line->end - 1};
    line_text(&inner, "{\"time\":\"");
    line_text(&inner, event->time);
    line_text(&inner, "\",\"level\":\"");
    line_text(&inner, event->level);
    line_text(&inner, "\",\"room\":\"");
    line_escaped(&inner, event->room, strnlen(event->room, ROOM_SIZE));
    line_text(&inner, "\",\"message\":\"");
    line_escaped(&inner, event->sentence, strnlen(event->sentence, LOG_LINE_MAX / 8));
    line_text(&inner, "\"");
    line_members(&inner, event->fields);
    line->at = inner.at;
    line_text(line, "}");
}

static void line_plain(struct line *line, const struct event *event)
{
    const char *const parts[] = {event->time, " ",  event->level,    " ",
                                 event->room, ": ", event->sentence, event->fields};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t room = (size_t)(line->end - line->at);
        line_put(line, parts[i], strnlen(parts[i], room));
    }
}

/* A line must stay one line, whatever a value held that nobody quoted. */
static void clean(char *text)
{
    bool is_utf8 = utf8_is_valid(bytes_of_string(text));
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !is_utf8))
            *text = '?';
        else if (is_utf8 && is_c1(text))
            memcpy(text, "??", 2);
    }
}

/* Cuts a text that did not fit, not inside a code point, and says so. */
static void mark_cut(char *text, size_t size)
{
    size_t len = size - 4;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    memcpy(text + len, "...", 4);
}

static void send_line(const char *text, size_t len)
{
    int fd = atomic_load_explicit(&out_fd, memory_order_relaxed);
    if (fd < 0)
        return;
    ssize_t put;
    do
        put = write(fd, text, len);
    while (put < 0 && errno == EINTR);
    /* There is nobody to tell now; the next line will. */
    if (put != (ssize_t)len)
        atomic_fetch_add(&dropped, 1);
}

static void write_event(const struct event *event)
{
    char text[LOG_LINE_MAX];
    struct line line = {text, text + sizeof(text) - 1};
    if (atomic_load_explicit(&chosen_format, memory_order_relaxed) == LOG_FORMAT_JSON)
        line_json(&line, event);
    else
        line_plain(&line, event);
    *line.at++ = '\n';
    send_line(text, (size_t)(line.at - text));
}

/* Says how many lines were lost since this was last said. */
static void tell_dropped(const char *time)
{
    uint64_t now = atomic_load(&dropped);
    uint64_t told = atomic_load(&dropped_told);
    if (now == told || !atomic_compare_exchange_strong(&dropped_told, &told, now))
        return;
    char fields[48];
    snprintf(fields, sizeof(fields), " lines=%" PRIu64, now - told);
    struct event event = {time, "warn", "sys", "stderr did not take all lines", fields};
    write_event(&event);
}

void log_write(enum log_level level, const char *room, uint64_t suppressed, const char *sentence,
               const char *format, ...)
{
    int number = errno; /* logging must not change what the caller is about to look at */
    char fields[FIELDS_MAX + SUPPRESSED_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(fields, FIELDS_MAX, format, args);
    va_end(args);
    assert(len >= 0);
    if (len >= FIELDS_MAX)
        mark_cut(fields, FIELDS_MAX);
    if (fields[0] == ' ' && fields[1] == '\0')
        fields[0] = '\0';
    clean(fields);
    if (suppressed > 0)
        snprintf(fields + strlen(fields), SUPPRESSED_MAX, " suppressed=%" PRIu64, suppressed);
    char time[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), time);
    tell_dropped(time);
    struct event event = {time, log_level_name(level), room, sentence, fields};
    write_event(&event);
    errno = number;
}
