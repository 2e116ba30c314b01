/* SPDX-License-Identifier: Apache-2.0 */
/* What catch-up costs: a full install in MB/s, and a delta of 1 % against it in bytes and time, both
 * halves in one thread with real frames between them. INSTALL_MESSAGES=1000000 for a real
 * measurement (default: a short one). Seconds are CPU time of the thread. Bytes are asserted; of
 * time only what no machine should miss. */
#include "transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "unit.h"

Suite *suite_install_speed(void);

enum { CHANNELS = 1000, PAYLOAD_BYTES = 1024, BATCH = 100, MEMORY_MESSAGES_MAX = 200000 };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint32_t messages_wanted(void)
{
    const char *text = getenv("INSTALL_MESSAGES");
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 50000;
}

/* Messages of 1 KiB with a client_msg_no, in channels of slot 0. */
static void fill(struct pair *pair, uint32_t from, uint32_t count, bool both)
{
    static uint64_t names[CHANNELS]; /* numbers whose channels lie in slot 0 */
    char *payload = alloc_zero(PAYLOAD_BYTES + 1);
    struct rng rng = rng_of(from + 1);
    for (size_t i = 0; i < PAYLOAD_BYTES; i++) {
        payload[i] = (char)('a' + rng_below(&rng, 26));
    }
    char name[24];
    for (uint64_t number = 0, found = 0; names[CHANNELS - 1] == 0 && found < CHANNELS; number++) {
        snprintf(name, sizeof(name), "channel-%" PRIu64, number);
        if (rig_slot(channel_of(name)) == 0) {
            names[found++] = number;
        }
    }
    for (uint32_t i = from; i < from + count; i += BATCH) {
        char numbers[BATCH][16];
        struct command_message messages[BATCH];
        for (uint32_t j = 0; j < BATCH; j++) {
            snprintf(numbers[j], sizeof(numbers[j]), "n%u", i + j);
            memcpy(payload, numbers[j], strlen(numbers[j]));
            messages[j] = message_of(payload, numbers[j]);
        }
        snprintf(name, sizeof(name), "channel-%" PRIu64, names[i / BATCH * 7 % CHANNELS]);
        struct command_part part = {
            .channel = channel_of(name), .messages = messages, .messages_count = BATCH};
        struct command command = {.kind = COMMAND_APPEND, .append = {&part, 1}};
        pair_apply(pair, 0, &command, both);
        if (i % 10000 == 0) {
            rig_flush(&pair->leader);
            rig_flush(&pair->follower);
        }
    }
    free(payload);
    rig_sync(&pair->leader);
    rig_sync(&pair->follower);
}

static double timed(struct pair *pair, enum msg_install_kind kind, uint64_t base,
                    uint64_t *ret_bytes)
{
    struct transfer transfer;
    double begin = now_s(), making = 0;
    transfer_begin(&transfer, pair, 0, kind, base, 0);
    while (!transfer.done) {
        struct chunk chunk;
        double at = now_s();
        transfer_make(&transfer, &chunk);
        making += now_s() - at;
        ck_assert_ok(msg_sink_rows(transfer.sink, &chunk.rows, why));
    }
    *ret_bytes = transfer.bytes;
    transfer_finish(&transfer);
    double took = now_s() - begin;
    printf("install: %s %s: %.1f MB in %.3f s: %.0f MB/s; source %.3f s, sink %.3f s\n",
           pair->rocks ? "rocksdb" : "memory", kind == MSG_INSTALL_FULL ? "full" : "delta",
           (double)*ret_bytes * 1e-6, took, (double)*ret_bytes * 1e-6 / took, making,
           took - making);
    fflush(stdout);
    return took;
}

/* Digests recomputed from the rows: dumps of so many would take longer than all else. */
static void compare(struct pair *pair)
{
    struct hash128 digest = rig_check(&pair->leader, 0);
    ck_assert(hash128_is_equal(digest, rig_check(&pair->follower, 0)));
}

START_TEST(delta_costs_what_was_missed)
{
    uint32_t count = messages_wanted() / BATCH * BATCH;
    if (_i == 0 && count > MEMORY_MESSAGES_MAX) {
        count = MEMORY_MESSAGES_MAX;
    }
    uint32_t missed = count / 100 / BATCH * BATCH;
    struct pair pair;
    uint64_t delta_bytes, full_bytes;
    pair_open(&pair, 1, _i == 1);
    fill(&pair, 0, count - missed, true);
    fill(&pair, count, missed, false);
    struct msg_source *source;
    struct msg_source_estimate estimate;
    struct why fault = {0};
    ck_assert_int_eq(msg_source_open(pair.leader.msg, 0, &source, &fault), OK);
    double begin = now_s();
    ck_assert_int_eq(msg_source_estimate(source, pair.follower.index[0], &estimate, &fault), OK);
    printf("install: estimate of %d channels: %.1f ms\n", CHANNELS, (now_s() - begin) * 1e3);
    msg_source_close(source);
    double delta_s = timed(&pair, MSG_INSTALL_DELTA, pair.follower.index[0], &delta_bytes);
    compare(&pair);
    double full_s = timed(&pair, MSG_INSTALL_FULL, 0, &full_bytes);
    compare(&pair);
    printf("install: delta of 1 %%: %.2f %% of the bytes, %.2f %% of the time\n",
           (double)delta_bytes / (double)full_bytes * 100, delta_s / full_s * 100);
    ck_assert_uint_le(delta_bytes * 1000, full_bytes * 15);
    ck_assert(delta_s < full_s / 5);
    ck_assert_uint_gt(estimate.delta_bytes, delta_bytes / 2);
    ck_assert_uint_lt(estimate.delta_bytes, delta_bytes * 2);
    pair_close(&pair);
}
END_TEST

Suite *suite_install_speed(void)
{
    Suite *suite = suite_create("install_speed");
    TCase *both = tcase_create("both engines");
    tcase_set_timeout(both, 900);
    tcase_add_loop_test(both, delta_costs_what_was_missed, 0, 2);
    suite_add_tcase(suite, both);
    return suite;
}
