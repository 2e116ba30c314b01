/* SPDX-License-Identifier: Apache-2.0 */
/* Queries on other threads while the apply thread goes on: every page is one state, with all of a
 * delete or nothing of it. Meant for a run with SANITIZE=thread too. */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "unit.h"

Suite *suite_threads(void);

enum { READERS = 2, ROUNDS = 400, BLOCK = 10 };

struct shared {
    struct msg *msg;
    atomic_bool stop;
    atomic_uint pages;
};

/* The writer deletes whole blocks of ten: a page that shows part of a block is torn. */
static void check_page(const struct msg_page *page)
{
    uint64_t next = 1;
    uint32_t at = 0, hole = 0;
    while (next <= page->last_seq && (at < page->messages_count || hole < page->deleted_count)) {
        if (hole < page->deleted_count && page->deleted[hole].start == next) {
            ck_assert_uint_eq((page->deleted[hole].end - next + 1) % BLOCK, 0);
            next = page->deleted[hole++].end + 1;
        } else {
            ck_assert_uint_lt(at, page->messages_count);
            ck_assert_uint_eq(page->messages[at++].seq, next++);
        }
    }
    ck_assert_uint_eq(next, page->last_seq + 1);
}

static void *read_pages(void *arg)
{
    struct shared *shared = arg;
    struct arena arena;
    arena_init(&arena);
    uint64_t last_seq = 0, applied_index = 0;
    while (!atomic_load(&shared->stop)) {
        struct msg_page_query query = {.channel = channel_of("room"), .limit = 10000};
        struct msg_page page;
        struct msg_channel channel;
        arena_clear(&arena);
        ck_assert_ok(msg_get_page(shared->msg, &query, &arena, &page, why));
        check_page(&page);
        ck_assert_uint_ge(page.last_seq, last_seq);
        ck_assert_uint_ge(page.applied_index, applied_index);
        last_seq = page.last_seq;
        applied_index = page.applied_index;
        ck_assert_ok(msg_get_channel(shared->msg, channel_of("room"), &arena, &channel, why));
        ck_assert_uint_eq(channel.deleted_count % BLOCK, 0);
        ck_assert_uint_eq(channel.message_count + channel.deleted_count, channel.last_seq);
        atomic_fetch_add(&shared->pages, 1);
    }
    arena_done(&arena);
    return NULL;
}

START_TEST(pages_beside_apply_are_whole)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    struct shared shared = {.msg = rig.msg};
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_pages, &shared), 0);
    }
    struct rng rng = rng_of(5);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        rig_fill(&rig, "room", BLOCK);
        uint64_t block = rng_below(&rng, round + 1);
        rig_delete(&rig, "room", block * BLOCK + 1, (block + 1) * BLOCK);
        if (rng_below(&rng, 3) == 0) {
            rig_flush(&rig);
        }
    }
    rig_flush(&rig);
    while (atomic_load(&shared.pages) < 10) {
        sched_yield();
    }
    atomic_store(&shared.stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    rig_check(&rig, rig_slot(channel_of("room")));
    rig_close(&rig);
}
END_TEST

Suite *suite_threads(void)
{
    return UNIT_SUITE("threads", 120, pages_beside_apply_are_whole);
}
