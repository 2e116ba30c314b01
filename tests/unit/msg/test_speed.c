/* SPDX-License-Identifier: Apache-2.0 */
/* How fast apply and pages are on RocksDB: figures are printed, only results are asserted, because
 * machines differ. Seconds are CPU time of the one thread that applies and reads. SPEED_MESSAGES=1000000 for a real measurement (default: a short one). */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "unit.h"

Suite *suite_speed(void);

enum { CHANNELS = 100, PAYLOAD_BYTES = 128, FLUSH_EVERY = 500 };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint32_t messages_wanted(void)
{
    const char *text = getenv("SPEED_MESSAGES");
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 20000;
}

static struct blob *encode_one(uint32_t i, bool named, const char *payload)
{
    char name[16], number[16];
    snprintf(name, sizeof(name), "channel-%u", i % CHANNELS);
    snprintf(number, sizeof(number), "n%u", i);
    struct command_message message = message_of(payload, named ? number : NULL);
    struct command_part part = {
        .channel = channel_of(name), .messages = &message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .time_ms = 1000 + i, .append = {&part, 1}};
    return command_encode(&command);
}

static double apply_appends(struct rig *rig, uint32_t count, bool named)
{
    char payload[PAYLOAD_BYTES + 1];
    memset(payload, 'p', PAYLOAD_BYTES);
    payload[PAYLOAD_BYTES] = '\0';
    struct blob **blobs = alloc_array(count, sizeof(*blobs));
    uint32_t *slots = alloc_array(count, sizeof(*slots));
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "channel-%u", i % CHANNELS);
        slots[i] = rig_slot(channel_of(name));
        blobs[i] = encode_one(i, named, payload);
    }
    double begin = now_s();
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_ok(msg_apply(rig->msg, slots[i], ++rig->index[slots[i]], 1, blob_bytes(blobs[i]),
                               NULL, why));
        if (i % FLUSH_EVERY == FLUSH_EVERY - 1) {
            rig_flush(rig);
        }
    }
    rig_flush(rig);
    double took = now_s() - begin;
    for (uint32_t i = 0; i < count; i++) {
        blob_unref(blobs[i]);
    }
    free(blobs);
    free(slots);
    return took;
}

START_TEST(appends)
{
    uint32_t count = messages_wanted();
    for (int named = 0; named < 2; named++) {
        struct rig rig = {0};
        rig_open_rocks(&rig);
        double took = apply_appends(&rig, count, named == 1);
        printf("speed: %u single appends %s client_msg_no: %.0f/s\n", count,
               named == 1 ? "with" : "without", count / took);
        ck_assert_uint_eq(rig.index[0] + rig.index[1], count);
        rig_close(&rig);
    }
}
END_TEST

START_TEST(pages)
{
    enum { ROUNDS = 2000 };
    struct rig rig = {0};
    rig_open_rocks(&rig);
    rig_fill(&rig, "room", 20000);
    for (int deleted = 0; deleted < 2; deleted++) {
        if (deleted == 1) {
            for (uint64_t seq = 100; seq < 19000; seq += 50) {
                rig_delete(&rig, "room", seq, seq + 9);
            }
        }
        rig_flush(&rig);
        struct rng rng = rng_of(3);
        for (int down = 0; down < 2; down++) {
            double begin = now_s();
            for (int i = 0; i < ROUNDS; i++) {
                rig_clear(&rig);
                struct msg_page page =
                    rig_page(&rig, "room", down == 0 ? rng_between(&rng, 1, 18000) : 0,
                             down == 1 ? rng_between(&rng, 1000, 18000) : 0, 100, down == 1);
                ck_assert_uint_eq(page.messages_count, 100);
            }
            printf("speed: a page of 100, %s, %s: %.1f us\n", down == 1 ? "down" : "up",
                   deleted == 1 ? "with deletes" : "nothing deleted",
                   (now_s() - begin) / ROUNDS * 1e6);
        }
    }
    rig_close(&rig);
}
END_TEST

START_TEST(deletes_do_not_cost_by_count)
{
    struct rig rig = {0};
    rig_open_rocks(&rig);
    rig_fill(&rig, "room", 40000);
    rig_flush(&rig);
    double begin = now_s();
    for (uint64_t i = 0; i < 200; i++) {
        rig_delete(&rig, "room", 1 + 150 * i, 1 + 150 * i);
        rig_flush(&rig);
    }
    double one = (now_s() - begin) / 200;
    begin = now_s();
    struct msg_delete_result result = rig_delete(&rig, "room", 30001, 40000);
    rig_flush(&rig);
    double many = now_s() - begin;
    ck_assert_uint_eq(result.deleted_count, 10000);
    printf("speed: a delete of 1: %.1f us, of 10,000: %.1f us\n", one * 1e6, many * 1e6);
    rig_close(&rig);
}
END_TEST

Suite *suite_speed(void)
{
    return UNIT_SUITE("speed", 300, appends, pages, deletes_do_not_cost_by_count);
}
