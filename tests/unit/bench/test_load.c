/* SPDX-License-Identifier: Apache-2.0 */
/* The load against a small server: every message ends in the journal once, with the fate that the
 * server gave it, also when the server hangs up, refuses, or does not know. */
#include "bench/load.h"
#include "bench/reply.h"
#include "suites.h"
#include "unit_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct script {
    unsigned requests, hang_up_every, refuse_every;
    unsigned retry_after_s; /* of refusals; 0: they do not say */
    unsigned slow_us;       /* before each answer */
    uint64_t seq;
    unsigned messages; /* in the last request */
    char text[65536];
};

static unsigned count_of(const char *text, const char *part)
{
    unsigned ret = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        ret++;
    return ret;
}

static const char *answer(const char *request, void *arg)
{
    struct script *script = arg;
    struct buf body = BUF_INIT;
    script->requests++;
    if (script->slow_us != 0)
        usleep(script->slow_us);
    if (script->hang_up_every != 0 && script->requests % script->hang_up_every == 0)
        return NULL;
    bool is_refused = script->refuse_every != 0 && script->requests % script->refuse_every == 0;
    script->messages = count_of(request, "\"payload\":");
    if (is_refused) {
        buf_append_string(&body, "{\"code\":\"queue_full\"}");
    } else if (strstr(request, ":batch") != NULL) {
        buf_append_string(&body, "{\"results\":[");
        for (unsigned i = 0; i < script->messages; i++)
            buf_printf(&body, "%s{\"status\":201,\"message_seq\":%llu}", i > 0 ? "," : "",
                       (unsigned long long)++script->seq);
        buf_append_string(&body, "]}");
    } else {
        buf_printf(&body, "{\"message_seq\":%llu}", (unsigned long long)++script->seq);
    }
    char retry_after[32] = "";
    if (is_refused && script->retry_after_s != 0)
        snprintf(retry_after, sizeof(retry_after), "Retry-After: %u\r\n", script->retry_after_s);
    snprintf(script->text, sizeof(script->text), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s",
             is_refused ? 503 : 201, retry_after, body.len, buf_string(&body));
    buf_done(&body);
    return script->text;
}

struct fates {
    unsigned acknowledged, unknown, refused, seen[64][4096];
};

static void on_event(const struct journal_event *event, void *arg)
{
    struct fates *fates = arg;
    ck_assert_uint_lt(event->client, 64);
    ck_assert_uint_lt(event->number, 4096);
    fates->acknowledged += event->kind == 'A';
    fates->unknown += event->kind == 'U';
    fates->refused += event->kind == 'R';
    ck_assert_uint_eq(++fates->seen[event->client][event->number], 1);
}

/* Runs the options against the script; what the journal says comes back, and the counts. */
static struct fates *run(struct script *script, struct bench_options *options,
                         struct load_counts *counts)
{
    static const volatile int never = 0;
    struct journal_head head = {
        .run = "r1", .prefix = "p-", .size = 64, .channels = 4, .channel_type = 2};
    struct journal *journal = NULL;
    struct load load;
    struct why why = {0};
    double seconds = 0;
    struct unit_server *server = unit_server_start(answer, script);
    atomic_uint_fast64_t last_seqs[4] = {0};
    uint64_t *numbers = calloc(options->clients, sizeof(*numbers));
    options->is_quiet = true;
    options->timeout_ms = 2000;
    options->channels = 4;
    options->size = 64;
    ck_assert_int_eq(client_list_add(&options->targets, unit_server_url(server), NULL), OK);
    ck_assert_int_eq(journal_create(NULL, &head, &journal, NULL), OK);
    enum err err = load_init(&load, options, &head, journal, last_seqs, false, &why);
    if (err == OK)
        err = load_run(&load, numbers, &never, counts, &seconds, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    load_done(&load);
    unit_server_stop(server);
    struct fates *fates = calloc(1, sizeof(*fates));
    ck_assert_int_eq(journal_close(journal, NULL), OK);
    ck_assert_int_eq(journal_read(NULL, journal, &head, on_event, fates, NULL), OK);
    journal_free(journal);
    client_list_done(&options->targets);
    free(numbers);
    return fates;
}

START_TEST(test_counted_run)
{
    struct script *script = calloc(1, sizeof(*script));
    struct load_counts *counts = calloc(1, sizeof(*counts));
    struct bench_options options = {
        .workload = BENCH_SINGLE, .clients = 5, .threads = 2, .count = 500};
    struct fates *fates = run(script, &options, counts);
    ck_assert_uint_eq(fates->acknowledged, 500);
    ck_assert_uint_eq(fates->unknown + fates->refused, 0);
    ck_assert_uint_eq(counts->requests, 500);
    ck_assert_uint_eq(counts->latency.count, 500);
    ck_assert_uint_eq(script->seq, 500);
    free(fates);
    free(counts);
    free(script);
}
END_TEST

START_TEST(test_batches_with_refusals)
{
    struct script *script = calloc(1, sizeof(*script));
    struct load_counts *counts = calloc(1, sizeof(*counts));
    struct bench_options options = {
        .workload = BENCH_BATCH, .clients = 3, .threads = 1, .count = 30, .batch = 10};
    script->refuse_every = 10;
    struct fates *fates = run(script, &options, counts);
    ck_assert_uint_eq(fates->acknowledged, 270);
    ck_assert_uint_eq(fates->refused, 30);
    ck_assert_uint_eq(counts->refused, 3);
    ck_assert_uint_eq(counts->messages, 270);
    free(fates);
    free(counts);
    free(script);
}
END_TEST

/* One client, always refused, half a second: with "Retry-After: 1" it asks once. */
START_TEST(test_refused_clients_come_back_when_told)
{
    static const struct {
        unsigned retry_after_s;
        bool is_impatient;
        unsigned least, most;
    } rows[] = {{1, false, 1, 1}, {1, true, 4, 12}, {0, false, 4, 12}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct script *script = calloc(1, sizeof(*script));
        struct load_counts *counts = calloc(1, sizeof(*counts));
        struct bench_options options = {.workload = BENCH_SINGLE,
                                        .clients = 1,
                                        .threads = 1,
                                        .duration_ms = 500,
                                        .is_impatient = rows[i].is_impatient};
        script->refuse_every = 1;
        script->retry_after_s = rows[i].retry_after_s;
        struct fates *fates = run(script, &options, counts);
        ck_assert_uint_ge(counts->refused, rows[i].least);
        ck_assert_uint_le(counts->refused, rows[i].most);
        ck_assert_uint_eq(fates->acknowledged, 0);
        free(fates);
        free(counts);
        free(script);
    }
}
END_TEST

/* 1,000 a second of a server that does 100: patience bounds how late what is sent is. */
START_TEST(test_patience_bounds_the_wait)
{
    struct script *script = calloc(1, sizeof(*script));
    struct load_counts *counts = calloc(1, sizeof(*counts));
    struct bench_options options = {.workload = BENCH_SINGLE,
                                    .clients = 1,
                                    .threads = 1,
                                    .duration_ms = 1000,
                                    .rate = 1000,
                                    .patience_ms = 50};
    script->slow_us = 10000;
    struct fates *fates = run(script, &options, counts);
    ck_assert_uint_ge(counts->requests, 10);
    ck_assert_uint_le(counts->requests, 101);
    ck_assert_uint_ge(counts->unsent, 850);
    ck_assert_uint_le(counts->requests + counts->unsent, 1005);
    ck_assert_uint_lt(histogram_percentile(&counts->latency, 50), 200000);
    free(fates);
    free(counts);
    free(script);
}
END_TEST

START_TEST(test_server_that_hangs_up)
{
    struct script *script = calloc(1, sizeof(*script));
    struct load_counts *counts = calloc(1, sizeof(*counts));
    struct bench_options options = {
        .workload = BENCH_RAW, .clients = 4, .threads = 1, .count = 100};
    script->hang_up_every = 25;
    struct fates *fates = run(script, &options, counts);
    ck_assert_uint_eq(fates->acknowledged, 96);
    ck_assert_uint_eq(fates->unknown, 4);
    ck_assert_uint_eq(counts->broken, 4);
    free(fates);

    /* Numbered messages are sent again until the server says what became of them. */
    *script = (struct script){.hang_up_every = 25};
    options = (struct bench_options){
        .workload = BENCH_RAW, .clients = 4, .threads = 1, .count = 100, .has_numbers = true};
    fates = run(script, &options, counts);
    ck_assert_uint_eq(fates->acknowledged, 100);
    ck_assert_uint_eq(fates->unknown, 0);
    free(fates);
    free(counts);
    free(script);
}
END_TEST

START_TEST(test_fixed_rate_keeps_its_schedule)
{
    struct script *script = calloc(1, sizeof(*script));
    struct load_counts *counts = calloc(1, sizeof(*counts));
    struct bench_options options = {
        .workload = BENCH_SINGLE, .clients = 4, .threads = 1, .duration_ms = 500, .rate = 400};
    struct fates *fates = run(script, &options, counts);
    ck_assert_uint_ge(counts->requests + counts->unsent, 190);
    ck_assert_uint_le(counts->requests + counts->unsent, 205);
    ck_assert_uint_eq(fates->acknowledged, script->seq);
    free(fates);
    free(counts);
    free(script);
}
END_TEST

Suite *suite_load(void)
{
    return UNIT_SUITE("load", 30, test_counted_run, test_batches_with_refusals,
                      test_refused_clients_come_back_when_told, test_patience_bounds_the_wait,
                      test_server_that_hangs_up, test_fixed_rate_keeps_its_schedule);
}
