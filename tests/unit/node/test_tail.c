/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers.h"
#include "node/parts.h"

Suite *suite_tail(void);

static void add(struct tail *tail, raft_index index, raft_term term, const char *text)
{
    struct blob *blob = text == NULL ? NULL : blob_copy(bytes_of_string(text));
    tail_append(tail, index, term, text == NULL ? RAFT_ENTRY_EMPTY : RAFT_ENTRY_DATA, blob);
    blob_unref(blob);
}

START_TEST(grows_and_finds)
{
    struct tail tail = {0};
    for (raft_index i = 5; i < 105; i++) {
        add(&tail, i, i / 10, i % 3 == 0 ? NULL : "payload");
    }
    ck_assert_ptr_null(tail_find(&tail, 4));
    ck_assert_ptr_null(tail_find(&tail, 105));
    for (raft_index i = 5; i < 105; i++) {
        const struct tail_entry *entry = tail_find(&tail, i);
        ck_assert_ptr_nonnull(entry);
        ck_assert_uint_eq(entry->term, i / 10);
        ck_assert_int_eq(entry->payload == NULL, i % 3 == 0);
    }
    tail_done(&tail);
    ck_assert_uint_eq(tail.bytes, 0);
}
END_TEST

START_TEST(truncates_and_evicts)
{
    struct tail tail = {0};
    for (raft_index i = 1; i <= 40; i++) {
        add(&tail, i, 1, "x");
    }
    uint64_t one = tail_entry_bytes(tail_find(&tail, 1));
    tail_truncate(&tail, 31);
    ck_assert_uint_eq(tail.next, 31);
    add(&tail, 31, 2, "y");
    ck_assert_uint_eq(tail_find(&tail, 31)->term, 2);
    tail_evict(&tail, 10);
    ck_assert_uint_eq(tail.first, 11);
    ck_assert_ptr_null(tail_find(&tail, 10));
    ck_assert_uint_eq(tail.bytes, 21 * one);
    tail_evict(&tail, 100);
    ck_assert_uint_eq(tail.bytes, 0);
    add(&tail, 77, 3, "z"); /* an empty tail begins anywhere */
    ck_assert_uint_eq(tail.first, 77);
    tail_truncate(&tail, 5);
    ck_assert_uint_eq(tail.bytes, 0);
    tail_done(&tail);
}
END_TEST

Suite *suite_tail(void)
{
    return UNIT_SUITE("tail", 10, grows_and_finds, truncates_and_evicts);
}
