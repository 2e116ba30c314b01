/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/thread.h"

/* Lines go to a file; written() gives what came since it was last asked, until it is asked again. */
static int log_fd = -1;
static uint64_t read_to;
static struct buf text;

static void start(enum log_format format)
{
    char *dir = unit_temp_dir();
    char path[512];
    snprintf(path, sizeof(path), "%s/log", dir);
    free(dir);
    ck_assert_int_eq(file_open(path, O_RDWR | O_CREAT | O_APPEND, 0600, &log_fd, NULL), OK);
    log_set(LOG_LEVEL_INFO, format);
    log_set_fd(log_fd);
}

static const char *written(void)
{
    size_t len;
    buf_clear(&text);
    buf_reserve(&text, 8 << 20);
    ck_assert_int_eq(file_pread(log_fd, text.data, 8 << 20, read_to, &len, NULL), OK);
    text.len = len;
    read_to += len;
    return buf_string(&text);
}

static void stop(void)
{
    log_set_fd(2);
    close(log_fd);
    buf_done(&text);
}

/* What follows the time, which is checked to be one. */
static const char *behind_time(const char *line)
{
    const char *form = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; form[i] != '\0'; i++) {
        bool is_digit = line[i] >= '0' && line[i] <= '9';
        ck_assert_msg(form[i] == 'd' ? is_digit : line[i] == form[i], "%s", line);
    }
    return line + strlen(form);
}

/* The same for JSON. */
static const char *behind_json_time(const char *line)
{
    const char *begin = "{\"time\":\"";
    ck_assert_int_eq(strncmp(line, begin, strlen(begin)), 0);
    return line + strlen(begin) + strlen("2024-02-29T12:34:56.789Z");
}

START_TEST(a_line_has_its_parts)
{
    start(LOG_FORMAT_TEXT);
    log_info("store", "opened the store", "dir=%s ms=%u", "data", 17u);
    ck_assert_str_eq(behind_time(written()), "info store: opened the store dir=data ms=17\n");
    log_error("net", "no fields");
    ck_assert_str_eq(behind_time(written()), "error net: no fields\n");
    log_warn("net", "one field", "peer=3");
    ck_assert_str_eq(behind_time(written()), "warn net: one field peer=3\n");
    stop();
}
END_TEST

static int evaluated;
static int evaluate(void)
{
    return ++evaluated;
}

START_TEST(levels_are_general_or_a_rooms_own)
{
    start(LOG_FORMAT_TEXT);
    log_debug("net", "off", "n=%d", evaluate());
    ck_assert_int_eq(evaluated, 0); /* what is off costs nothing */
    ck_assert_str_eq(written(), "");
    log_set_room("net", LOG_LEVEL_DEBUG);
    log_set_room("store", LOG_LEVEL_ERROR);
    log_debug("net", "on", "n=%d", evaluate());
    log_warn("store", "off");
    log_debug("node", "off");
    ck_assert_str_eq(behind_time(written()), "debug net: on n=1\n");
    log_set(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    log_info("node", "off");
    ck_assert_str_eq(written(), "");
    log_set_room("store", LOG_LEVEL_WARN);
    log_warn("store", "on");
    ck_assert_str_eq(behind_time(written()), "warn store: on\n");
    log_reset_rooms();
    log_warn("store", "off");
    log_debug("net", "off");
    ck_assert_str_eq(written(), "");
    stop();
}
END_TEST

START_TEST(names_are_parsed)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        enum log_level level = LOG_LEVEL_ERROR;
        ck_assert(log_level_parse(log_level_name((enum log_level)i), &level));
        ck_assert_int_eq(level, i);
    }
    enum log_level level = LOG_LEVEL_WARN;
    ck_assert(!log_level_parse("loud", &level));
    ck_assert_int_eq(level, LOG_LEVEL_WARN);
    enum log_format format = LOG_FORMAT_TEXT;
    ck_assert(log_format_parse("json", &format));
    ck_assert_int_eq(format, LOG_FORMAT_JSON);
    ck_assert(!log_format_parse("xml", &format));
    ck_assert_int_eq(format, LOG_FORMAT_JSON);
    ck_assert(log_format_parse("text", &format));
    ck_assert_int_eq(format, LOG_FORMAT_TEXT);
}
END_TEST

START_TEST(values_are_quoted_when_they_must_be)
{
    const struct {
        const char *from, *to;
    } cases[] = {{"plain", "plain"},
                 {"a/b-c.d:1", "a/b-c.d:1"},
                 {"", "\"\""},
                 {NULL, "\"\""},
                 {"two words", "\"two words\""},
                 {"a=b", "\"a=b\""},
                 {"say \"x\"", "\"say \\\"x\\\"\""},
                 {"back\\slash", "\"back\\\\slash\""},
                 {"line\nfeed\r\t", "\"line\\nfeed\\r\\t\""},
                 {"\x1b[31m", "\"\\u001b[31m\""},
                 {"\xc2\x9b"
                  "31m",
                  "\"\\u009b31m\""},
                 {"\xe4\xb8\xad", "\xe4\xb8\xad"},
                 {"bad\xff", "\"bad\\u00ff\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_str_eq(LOG_QUOTED(cases[i].from), cases[i].to);
    /* Cut at any length, never inside a code point or an escape, and closed. */
    char from[1500];
    for (size_t len = 480; len < 520; len++) {
        const char *const fills[] = {"a", "\xe4\xb8\xad", "\"", "\x01", "\xf0\x9f\x98\x80"};
        for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
            size_t at = 0, step = strlen(fills[i]);
            while (at + step <= len) {
                memcpy(from + at, fills[i], step);
                at += step;
            }
            from[at] = '\0';
            const char *to = LOG_QUOTED(from);
            size_t to_len = strlen(to);
            ck_assert_uint_lt(to_len, LOG_QUOTE_SIZE);
            ck_assert(utf8_is_valid(bytes_of_string(to)));
            ck_assert_int_eq(to[0] == '"', to[to_len - 1] == '"');
        }
    }
}
END_TEST

START_TEST(a_line_stays_one_line)
{
    start(LOG_FORMAT_TEXT);
    log_info("net", "raw", "name=%s", "a\nb\x1b\x7f\xc2\x9b");
    ck_assert_str_eq(behind_time(written()), "info net: raw name=a?b????\n");
    log_info("net", "raw", "name=%s", "bad\xff\xc3");
    ck_assert_str_eq(behind_time(written()), "info net: raw name=bad??\n");
    /* Far too long: cut, marked, still one whole line. */
    char huge[9000];
    for (size_t fill = 0; fill < 2; fill++) {
        for (size_t i = 0; i + 1 < sizeof(huge); i++)
            huge[i] = fill == 0 ? 'x' : "\xe4\xb8\xad"[i % 3];
        huge[sizeof(huge) - 1] = '\0';
        log_info("net", "huge", "name=%s", huge);
        const char *line = written();
        size_t len = strlen(line);
        ck_assert_uint_lt(len, LOG_LINE_MAX);
        ck_assert_str_eq(line + len - 4, "...\n");
        ck_assert(strchr(line, '?') == NULL);
    }
    stop();
}
END_TEST

START_TEST(json_lines)
{
    start(LOG_FORMAT_JSON);
    log_info("store", "opened the store", "dir=%s ms=%u ok=true", LOG_QUOTED("my data"), 17u);
    ck_assert_str_eq(behind_json_time(written()),
                     "\",\"level\":\"info\",\"room\":\"store\",\"message\":\"opened the store\","
                     "\"dir\":\"my data\",\"ms\":17,\"ok\":true}\n");
    log_info("net", "none");
    ck_assert_str_eq(behind_json_time(written()),
                     "\",\"level\":\"info\",\"room\":\"net\",\"message\":\"none\"}\n");
    /* Numbers that JSON readers would change, or that JSON does not have, are strings. */
    log_info("net", "numbers", "a=-5 b=007 c=12345678901234567890 d=1.5 e=0x1f f=0 g= h=-");
    ck_assert_ptr_nonnull(strstr(written(),
                                 ",\"a\":-5,\"b\":\"007\",\"c\":\"12345678901234567890\","
                                 "\"d\":\"1.5\",\"e\":\"0x1f\",\"f\":0,\"g\":\"\","
                                 "\"h\":\"-\"}\n"));
    log_info("net", "escapes", "a=%s b=%s c=x\"y\\z", LOG_QUOTED("q\"\\\n\x01\xff"), "caf\xc3\xa9");
    ck_assert_ptr_nonnull(strstr(written(), ",\"a\":\"q\\\"\\\\\\n\\u0001\\u00ff\","
                                            "\"b\":\"caf\xc3\xa9\",\"c\":\"x\\\"y\\\\z\"}\n"));
    log_info("net", "taken names", "time=1 level=2 room=3 message=4 text=5");
    ck_assert_ptr_nonnull(strstr(written(), ",\"field_time\":1,\"field_level\":2,\"field_room\":3,"
                                            "\"field_message\":4,\"field_text\":5}\n"));
    stop();
}
END_TEST

START_TEST(json_stays_json_when_fields_are_not_fields)
{
    start(LOG_FORMAT_JSON);
    log_info("net", "slips", "peer=3 not a field");
    ck_assert_ptr_nonnull(strstr(written(), ",\"peer\":3,\"text\":\"not a field\"}\n"));
    log_info("net", "slips", "a=\"never closed b=1");
    ck_assert_ptr_nonnull(strstr(written(), ",\"text\":\"a=\\\"never closed b=1\"}\n"));
    log_info("net", "slips", "a=\"bad \\q escape\"");
    ck_assert_ptr_nonnull(strstr(written(), ",\"text\":\"a=\\\"bad \\\\q escape\\\"\"}\n"));
    log_info("net", "slips", "a=\"x\"y=1");
    ck_assert_ptr_nonnull(strstr(written(), ",\"text\":\"a=\\\"x\\\"y=1\"}\n"));
    log_info("net", "slips", "a=\"\\u00");
    ck_assert_ptr_nonnull(strstr(written(), ",\"text\":\"a=\\\"\\\\u00\"}\n"));
    log_info("net", "slips", "=5");
    ck_assert_ptr_nonnull(strstr(written(), ",\"text\":\"=5\"}\n"));
    stop();
}
END_TEST

/* Enough of RFC 8259 to say whether a line is an object of strings, numbers and true or false. */
static const char *skip_string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    while (*at != '"') {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at == '\\') {
            at++;
            if (*at == 'u' && strspn(at + 1, "0123456789abcdef") >= 4)
                at += 4;
            else if (*at == '\0' || strchr("\"\\nrt", *at) == NULL)
                return NULL;
        }
        at++;
    }
    return at + 1;
}

static bool is_json_line(const char *line)
{
    const char *at = line;
    if (*at != '{' || !utf8_is_valid(bytes_of_string(line)))
        return false;
    do {
        at = skip_string(at + 1);
        if (at == NULL || *at++ != ':')
            return false;
        if (*at == '"')
            at = skip_string(at);
        else
            at += strspn(at, "-0123456789truefals");
        if (at == NULL)
            return false;
    } while (*at == ',');
    return strcmp(at, "}\n") == 0;
}

START_TEST(any_text_makes_valid_json)
{
    struct rng rng = rng_of(21);
    start(LOG_FORMAT_JSON);
    const char *alphabet = "ab=\"\\ \n\x01\x7f\xc3\xa9u0,{}";
    for (int round = 0; round < 3000; round++) {
        char fields[3000];
        size_t longest = round % 10 == 0 ? sizeof(fields) : 60;
        size_t len = rng_below(&rng, longest);
        for (size_t i = 0; i < len; i++)
            fields[i] = alphabet[rng_below(&rng, strlen(alphabet))];
        fields[len] = '\0';
        if (round % 2 == 0)
            log_info("net", "random", "%s", fields);
        else
            log_info("net", "random", "a=%s b=1", LOG_QUOTED(fields));
        const char *line = written();
        ck_assert_msg(is_json_line(line), "%s", line);
        if (round % 2 == 1)
            ck_assert_ptr_nonnull(strstr(line, ",\"b\":1}\n"));
    }
    stop();
}
END_TEST

static void log_often(int times)
{
    for (int i = 0; i < times; i++)
        log_every(100, LOG_LEVEL_WARN, "net", "often", "i=%d", i);
}

START_TEST(repeats_are_counted)
{
    start(LOG_FORMAT_TEXT);
    log_often(10);
    ck_assert_str_eq(behind_time(written()), "warn net: often i=0\n");
    const struct timespec pause = {0, 150000000};
    nanosleep(&pause, NULL);
    log_often(1);
    ck_assert_str_eq(behind_time(written()), "warn net: often i=0 suppressed=9\n");
    nanosleep(&pause, NULL);
    log_often(1);
    ck_assert_str_eq(behind_time(written()), "warn net: often i=0\n");
    stop();
}
END_TEST

START_TEST(end_of_a_burst_is_told)
{
    start(LOG_FORMAT_TEXT);
    const struct timespec pause = {0, 150000000};
    nanosleep(&pause, NULL); /* of the test before */
    log_often(10);
    ck_assert_str_eq(behind_time(written()), "warn net: often i=0\n");
    log_tell_repeats(false);
    ck_assert_str_eq(written(), ""); /* the burst may go on */
    nanosleep(&pause, NULL);
    log_tell_repeats(false);
    ck_assert_str_eq(behind_time(written()),
                     "warn net: a line was repeated sentence=often times=9\n");
    log_tell_repeats(true);
    ck_assert_str_eq(written(), "");
    log_often(3);
    (void)written();
    log_tell_repeats(true);
    ck_assert_str_eq(behind_time(written()),
                     "warn net: a line was repeated sentence=often times=2\n");
    stop();
}
END_TEST

START_TEST(audit_is_never_silenced_by_the_way)
{
    start(LOG_FORMAT_TEXT);
    log_set(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    log_info("http", "left out");
    log_info("audit", "an order");
    ck_assert_str_eq(behind_time(written()), "info audit: an order\n");
    log_debug("audit", "left out");
    ck_assert_str_eq(written(), "");
    log_set_room("audit", LOG_LEVEL_WARN); /* on purpose */
    log_info("audit", "an order");
    ck_assert_str_eq(written(), "");
    log_reset_rooms();
    stop();
}
END_TEST

START_TEST(what_stderr_does_not_take_is_counted)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    log_set(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_set_fd(ends[1]);
    char filler[400];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    for (int i = 0; i < 1000; i++) {
        errno = 42;
        log_info("net", "filling", "x=%s", filler);
        ck_assert_int_eq(errno, 42);
    }
    uint64_t dropped = log_dropped();
    ck_assert_uint_gt(dropped, 100);
    static char all[1 << 20];
    ck_assert_int_gt(read(ends[0], all, sizeof(all)), 0);
    log_info("net", "room again");
    ssize_t len = read(ends[0], all, sizeof(all) - 1);
    ck_assert_int_gt(len, 0);
    all[len] = '\0';
    ck_assert_ptr_nonnull(strstr(all, "warn sys: stderr did not take all lines lines="));
    ck_assert_ptr_nonnull(strstr(all, "info net: room again\n"));
    log_set_fd(-1);
    log_info("net", "to nobody");
    log_set_fd(2);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Threads log while another changes levels and formats: lines stay whole and none is lost. */
enum { WRITERS = 4, LINES = 2000 };

static void write_lines(void *arg)
{
    const unsigned *me = arg;
    for (int i = 0; i < LINES; i++)
        log_warn("net", "from a thread", "writer=%u line=%d end=x", *me, i);
}

static atomic_bool is_over;
static void change_settings(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !atomic_load(&is_over); i++) {
        log_set(i % 2 == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG,
                i % 3 == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
        char room[16];
        snprintf(room, sizeof(room), "room%u", i % 20);
        log_set_room(room, LOG_LEVEL_ERROR);
        log_every(1, LOG_LEVEL_DEBUG, "room1", "never", "i=%u", i);
    }
}

START_TEST(threads_do_not_mix_lines)
{
    start(LOG_FORMAT_TEXT);
    struct thread threads[WRITERS], changing;
    unsigned numbers[WRITERS];
    ck_assert_int_eq(thread_start(&changing, "changes", change_settings, NULL), OK);
    for (unsigned i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(thread_start(&threads[i], "writer", write_lines, &numbers[i]), OK);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        thread_join(&threads[i]);
    atomic_store(&is_over, true);
    thread_join(&changing);
    size_t lines = 0, whole = 0;
    for (const char *at = written(); *at != '\0'; at = strchr(at, '\n') + 1) {
        const char *end = strchr(at, '\n');
        bool is_json = at[0] == '{' && memcmp(end - 11, ",\"end\":\"x\"}", 11) == 0;
        bool is_text = at[0] == '2' && memcmp(end - 6, " end=x", 6) == 0;
        whole += is_json || is_text;
        lines++;
    }
    ck_assert_uint_eq(lines, WRITERS * LINES);
    ck_assert_uint_eq(whole, WRITERS * LINES);
    stop();
}
END_TEST

Suite *suite_log(void)
{
    return UNIT_SUITE("log", 120, a_line_has_its_parts, levels_are_general_or_a_rooms_own,
                      names_are_parsed, values_are_quoted_when_they_must_be, a_line_stays_one_line,
                      json_lines, json_stays_json_when_fields_are_not_fields,
                      any_text_makes_valid_json, repeats_are_counted, end_of_a_burst_is_told,
                      audit_is_never_silenced_by_the_way, what_stderr_does_not_take_is_counted,
                      threads_do_not_mix_lines);
}
