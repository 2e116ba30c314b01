/* SPDX-License-Identifier: Apache-2.0 */
/* The promise file: what a kill and a power cut leave of it, torn and damaged records. */
#include <inttypes.h>

#include "base/crc.h"
#include "fixture.h"
#include "store/internal.h"
#include "store/memory.h"

static void set(struct fixture *f, uint32_t slot, uint64_t index)
{
    promise_set(store_promise(f->store), slot, &(struct promise_row){3, 2, index, 3});
}

static void put(struct fixture *f, uint32_t slot, uint64_t index)
{
    set(f, slot, index);
    assert_ok(promise_write(store_promise(f->store), &f->why));
}

static uint64_t index_of(struct fixture *f, uint32_t slot)
{
    struct promise_row row;
    promise_get(store_promise(f->store), slot, &row);
    return row.last_index;
}

static void reopen_accepting(struct fixture *f)
{
    if (f->store != NULL)
        fixture_close(f);
    f->options.accept_short_log = true; /* there is no log to compare with here */
    enum err err = fixture_try(f);
    ck_assert_msg(err == OK, "%s", f->why.text);
}

START_TEST(rows_survive_a_restart)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct promise *promise = store_promise(f.store);
    ck_assert(!promise_is_dirty(promise));
    assert_ok(promise_write(promise, &f.why));
    assert_ok(promise_sync(promise, &f.why));
    for (uint64_t round = 1; round <= 10; round++) {
        for (uint32_t slot = 0; slot < 64; slot += 7)
            set(&f, slot, round * 100 + slot);
        ck_assert(promise_is_dirty(promise));
        assert_ok(promise_write(promise, &f.why));
        ck_assert(!promise_is_dirty(promise));
        if (round % 3 == 0)
            assert_ok(promise_sync(promise, &f.why));
    }
    set(&f, 7, 1007);
    ck_assert(!promise_is_dirty(promise)); /* that is what it says already */
    reopen_accepting(&f);
    for (uint32_t slot = 0; slot < 64; slot++)
        ck_assert_uint_eq(index_of(&f, slot), slot % 7 == 0 ? 1000 + slot : 0);
    fixture_done(&f);
}
END_TEST

START_TEST(what_was_set_but_not_written_is_gone)
{
    struct fixture f;
    fixture_open(&f, _i);
    put(&f, 5, 10);
    set(&f, 5, 11);
    reopen_accepting(&f);
    ck_assert_uint_eq(index_of(&f, 5), 10);
    fixture_done(&f);
}
END_TEST

START_TEST(power_cut_leaves_the_synced_record)
{
    for (uint64_t unsynced = 0; unsynced < 7; unsynced++) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        put(&f, 5, 10);
        put(&f, 21, 30);
        assert_ok(promise_sync(store_promise(f.store), &f.why));
        for (uint64_t i = 1; i <= unsynced; i++)
            put(&f, 5, 10 + i);
        fixture_close(&f);
        memdisk_crash(f.disk, 0);
        reopen_accepting(&f);
        ck_assert_uint_eq(index_of(&f, 5), 10);
        ck_assert_uint_eq(index_of(&f, 21), 30);
        fixture_done(&f);
    }
}
END_TEST

START_TEST(kill_leaves_the_newest_record)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    for (uint64_t i = 1; i <= 5; i++)
        put(&f, 5, i);
    fixture_close(&f);
    memdisk_crash(f.disk, MEMDISK_KEEP_ALL);
    reopen_accepting(&f);
    ck_assert_uint_eq(index_of(&f, 5), 5);
    fixture_done(&f);
}
END_TEST

START_TEST(torn_records_leave_the_synced_one)
{
    /* However many unsynced writes a power cut tears, the synced record is not among them. */
    for (uint64_t unsynced = 1; unsynced < 8; unsynced++) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        for (uint64_t i = 0; i < 4; i++) {
            put(&f, 5, 100 + i);
            assert_ok(promise_sync(store_promise(f.store), &f.why));
        }
        for (uint64_t i = 1; i <= unsynced; i++)
            put(&f, 5, 0x1111111111110000 * i);
        fixture_close(&f);
        memdisk_tear_promise(f.disk);
        memdisk_crash(f.disk, 0);
        reopen_accepting(&f);
        ck_assert_uint_eq(index_of(&f, 5), 103);
        put(&f, 5, 7); /* and it goes on from there */
        assert_ok(promise_sync(store_promise(f.store), &f.why));
        reopen_accepting(&f);
        ck_assert_uint_eq(index_of(&f, 5), 7);
        fixture_done(&f);
    }
}
END_TEST

START_TEST(any_flipped_bit_is_harmless_or_found)
{
    uint32_t refused = 0, older = 0;
    for (uint64_t bit = 0; bit < (4096 + 12 * 1024) * 8; bit += 211) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        put(&f, 0, 1); /* a second record only: the third place is empty */
        fixture_close(&f);
        ck_assert(memdisk_flip_promise(f.disk, bit));
        f.options.accept_short_log = true;
        enum err err = fixture_try(&f);
        if (err != OK) {
            ck_assert(err == ERR_LOG_TOO_SHORT || err == ERR_WRONG_FORMAT ||
                      err == ERR_WRONG_IDENTITY);
            refused++;
        } else if (index_of(&f, 0) != 1) {
            ck_assert_uint_eq(index_of(&f, 0), 0);
            older++;
        }
        fixture_done(&f);
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_uint_gt(older, 0);
}
END_TEST

/* Gives the newest record of page 0 that number, with a checksum that holds. */
static void number_newest(struct fixture *f, uint64_t number)
{
    enum { HEAD_BYTES = 4096, PLACE_BYTES = 1024, NUMBER_AT = 8, COVERED = 16 + PAGE_SLOTS * 32 };
    struct buf file = BUF_INIT;
    memfile_read(f->disk, &file);
    size_t newest = 0;
    uint64_t highest = 0;
    for (size_t at = HEAD_BYTES; at < HEAD_BYTES + 3 * PLACE_BYTES; at += PLACE_BYTES) {
        struct reader reader = reader_of(bytes_of(file.data + at + NUMBER_AT, 8));
        uint64_t found = reader_le64(&reader);
        newest = found > highest ? at : newest;
        highest = found > highest ? found : highest;
    }
    buf_set_le32(&file, newest + NUMBER_AT, (uint32_t)number);
    buf_set_le32(&file, newest + NUMBER_AT + 4, (uint32_t)(number >> 32));
    uint32_t bound = crc32c(bytes_of(file.data + 24, 8)); /* the incarnation */
    buf_set_le32(&file, newest + COVERED,
                 crc32c_more(bound, bytes_of(file.data + newest, COVERED)));
    assert_ok(memfile_replace(f->disk, buf_bytes(&file), &f->why));
    buf_done(&file);
}

/* A number beyond all counting does not count, the last one that does is followed by none: a record
 * that is written is found again, or is refused. */
START_TEST(numbers_nobody_counts_to_are_no_records)
{
    static const struct {
        uint64_t number, found;
        enum err err;
    } rows[] = {{UINT64_MAX, 7, OK},
                {UINT64_MAX - 1, 7, OK},
                {UINT64_MAX / 2 + 1, 7, OK},
                {UINT64_MAX / 2, 8, ERR_CORRUPT},
                {UINT64_MAX / 2 - 1, 8, OK}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        put(&f, 0, 7);
        put(&f, 0, 8);
        fixture_close(&f);
        number_newest(&f, rows[i].number);
        reopen_accepting(&f);
        ck_assert_msg(index_of(&f, 0) == rows[i].found, "row %zu: found %" PRIu64, i,
                      index_of(&f, 0));
        set(&f, 0, 10);
        assert_err(promise_write(store_promise(f.store), &f.why), rows[i].err);
        assert_ok(promise_sync(store_promise(f.store), &f.why));
        reopen_accepting(&f);
        ck_assert_uint_eq(index_of(&f, 0), rows[i].err == OK ? 10 : rows[i].found);
        fixture_done(&f);
    }
}
END_TEST

START_TEST(failed_write_and_sync_are_told)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    struct promise *promise = store_promise(f.store);
    set(&f, 1, 1);
    memdisk_fail_promise(f.disk, 1);
    assert_err(promise_write(promise, &f.why), ERR_DISK_FAILED);
    ck_assert(promise_is_dirty(promise));
    reopen_accepting(&f);
    put(&f, 1, 2);
    memdisk_fail_promise(f.disk, 1);
    assert_err(promise_sync(store_promise(f.store), &f.why), ERR_DISK_FAILED);
    fixture_done(&f);
}
END_TEST

Suite *suite_promise(void)
{
    Suite *suite =
        BOTH_SUITE("promise", rows_survive_a_restart, what_was_set_but_not_written_is_gone);
    TCase *memory = tcase_create("promise in memory");
    tcase_set_timeout(memory, 60);
    tcase_add_test(memory, power_cut_leaves_the_synced_record);
    tcase_add_test(memory, kill_leaves_the_newest_record);
    tcase_add_test(memory, torn_records_leave_the_synced_one);
    tcase_add_test(memory, any_flipped_bit_is_harmless_or_found);
    tcase_add_test(memory, numbers_nobody_counts_to_are_no_records);
    tcase_add_test(memory, failed_write_and_sync_are_told);
    suite_add_tcase(suite, memory);
    return suite;
}
