/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: restarts, whose store it is, what is refused and in which words, on both engines. */
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "store/internal.h"
#include "sys/file.h"

static void remove_in(struct fixture *f, const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    assert_ok(file_remove_tree(path, NULL));
}

static void remove_database(struct fixture *f)
{
    if (f->disk != NULL)
        memdisk_wipe_database(f->disk);
    else
        remove_in(f, "db");
}

static void remove_promise(struct fixture *f)
{
    if (f->disk != NULL)
        memdisk_wipe_promise(f->disk);
    else
        remove_in(f, "promise");
}

static void assert_refused(struct fixture *f, enum err expected, const char *words)
{
    enum err err = fixture_try(f);
    assert_err(err, expected);
    ck_assert_msg(strstr(f->why.text, words) != NULL, "'%s' lacks '%s'", f->why.text, words);
}

START_TEST(restart_keeps_all_and_counts_boots)
{
    struct fixture f;
    fixture_open(&f, _i);
    struct channel channel = channel_of(2, "b");
    const struct store_identity *identity = store_identity(f.store);
    ck_assert(identity->created);
    ck_assert_uint_eq(identity->boot, 1);
    ck_assert_uint_eq(identity->format, STORE_FORMAT);
    put_messages(&f, 1, channel, 1, 3);
    f.options.new_incarnation = 99; /* of no use once it is made */
    for (uint64_t boot = 2; boot <= 4; boot++) {
        fixture_reopen(&f);
        identity = store_identity(f.store);
        ck_assert(!identity->created);
        ck_assert_uint_eq(identity->boot, boot);
        ck_assert_uint_eq(identity->incarnation, 0x1122334455667788);
        ck_assert_uint_eq(identity->node_id, 7);
        ck_assert_uint_eq(identity->slot_count, 64);
        ck_assert_str_eq(identity->cluster_id, "test");
        ck_assert_str_eq(seqs_of(store_iter_slot_messages(f.store, NULL, 1)), "1,2,3");
    }
    fixture_done(&f);
}
END_TEST

static void assert_peer(struct fixture *f, uint64_t id, uint64_t incarnation, uint64_t boot,
                        const char *nonce)
{
    struct row_peer row;
    assert_ok(store_get_peer(f->store, id, &row));
    ck_assert_uint_eq(row.incarnation, incarnation);
    ck_assert_uint_eq(row.boot, boot);
    assert_bytes(bytes_of(row.nonce, sizeof(row.nonce)), bytes_of(nonce, sizeof(row.nonce)));
}

/* One row a member; a later start takes its place; a synced one outlives a crash. */
START_TEST(what_was_seen_of_peers_is_kept)
{
    struct fixture f;
    struct row_peer row;
    fixture_open(&f, _i);
    assert_err(store_get_peer(f.store, 1, &row), ERR_NOT_FOUND);
    store_put_peer(f.batch, 1, &(struct row_peer){77, 3, "first-start-of1"});
    store_put_peer(f.batch, 65535, &(struct row_peer){UINT64_MAX, UINT64_MAX, "start-of-65535."});
    fixture_write(&f, true);
    store_put_peer(f.batch, 1, &(struct row_peer){77, 4, "other-start-of1"});
    fixture_write(&f, true);
    for (int i = 0; i < 2; i++) {
        assert_peer(&f, 1, 77, 4, "other-start-of1");
        assert_peer(&f, 65535, UINT64_MAX, UINT64_MAX, "start-of-65535.");
        assert_err(store_get_peer(f.store, 2, &row), ERR_NOT_FOUND);
        fixture_close(&f);
        if (f.disk != NULL)
            memdisk_crash(f.disk, 0);
        assert_ok(fixture_try(&f));
    }
    fixture_done(&f);
}
END_TEST

/* Another member's row, or a damaged one, is neither "never met" nor taken. */
START_TEST(damaged_row_of_a_peer_is_told)
{
    struct fixture f;
    struct store_key key, other;
    struct buf value = BUF_INIT;
    struct row_peer row = {5, 6, "any-start-of-it"}, found = {.boot = 99};
    fixture_open(&f, _i);
    key_peer(&key, 2);
    key_peer(&other, 3);
    record_peer_encode(&value, key_bytes(&key), &row);
    fixture_put_raw(&f, STORE_DEFAULT, key_bytes(&other), buf_bytes(&value));
    assert_err(store_get_peer(f.store, 3, &found), ERR_CORRUPT);
    value.data[3] ^= 4;
    fixture_put_raw(&f, STORE_DEFAULT, key_bytes(&key), buf_bytes(&value));
    assert_err(store_get_peer(f.store, 2, &found), ERR_CORRUPT);
    ck_assert_uint_eq(found.boot, 99);
    buf_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(read_only_changes_nothing)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_messages(&f, 1, channel_of(2, "b"), 1, 3);
    fixture_close(&f);
    f.options.read_only = true;
    for (int i = 0; i < 2; i++) {
        assert_ok(fixture_try(&f));
        ck_assert_uint_eq(store_identity(f.store)->boot, 1);
        ck_assert_str_eq(seqs_of(store_iter_slot_messages(f.store, NULL, 1)), "1,2,3");
        fixture_close(&f);
    }
    f.options.read_only = false;
    assert_ok(fixture_try(&f));
    ck_assert_uint_eq(store_identity(f.store)->boot, 2);
    fixture_done(&f);
}
END_TEST

START_TEST(nothing_there_and_not_to_be_made)
{
    struct fixture f;
    fixture_open(&f, _i);
    fixture_close(&f);
    remove_database(&f);
    remove_promise(&f);
    f.options.create = false;
    assert_refused(&f, ERR_NOT_FOUND, "no store");
    f.options.create = f.options.read_only = true;
    assert_refused(&f, ERR_NOT_FOUND, "no store");
    f.options.read_only = false;
    assert_ok(fixture_try(&f));
    ck_assert(store_identity(f.store)->created);
    fixture_done(&f);
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    struct fixture f;
    fixture_open(&f, _i);
    fixture_close(&f);
    struct store_options good = f.options;
    char long_name[66];
    memset(long_name, 'x', 65);
    long_name[65] = 0;
    f.options.cluster_id = "";
    assert_refused(&f, ERR_BAD_CONFIG, "cluster id");
    f.options.cluster_id = long_name;
    assert_refused(&f, ERR_BAD_CONFIG, "65 bytes");
    f.options = good;
    f.options.node_id = 65536;
    assert_refused(&f, ERR_BAD_CONFIG, "65536");
    f.options = good;
    f.options.slot_count = 4097;
    assert_refused(&f, ERR_BAD_CONFIG, "4097");
    f.options = good;
    f.options.dir = NULL;
    f.options.memdisk = NULL;
    assert_refused(&f, ERR_BAD_CONFIG, "folder");
    f.options = good;
    fixture_done(&f);
}
END_TEST

START_TEST(strangers_are_refused)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_messages(&f, 1, channel_of(2, "b"), 1, 3);
    fixture_close(&f);
    struct store_options own = f.options;
    f.options.cluster_id = "other";
    assert_refused(&f, ERR_WRONG_IDENTITY, "cluster 'test', this node is configured for 'other'");
    f.options = own;
    f.options.node_id = 8;
    assert_refused(&f, ERR_WRONG_IDENTITY, "node 7, this node is configured as 8");
    f.options = own;
    f.options.slot_count = 128;
    assert_refused(&f, ERR_WRONG_IDENTITY, "64 slots, the configuration says 128");
    ck_assert(strstr(f.why.text, "'cluster.slot_count'") != NULL);
    f.options = own;
    assert_ok(fixture_try(&f));
    ck_assert_uint_eq(store_identity(f.store)->boot, 2); /* no refused start was counted */
    ck_assert_str_eq(seqs_of(store_iter_slot_messages(f.store, NULL, 1)), "1,2,3");

    struct store_key key;
    struct buf value = BUF_INIT;
    struct store_identity identity = *store_identity(f.store);
    identity.format = STORE_FORMAT + 1;
    key_identity(&key);
    record_identity_encode(&value, key_bytes(&key), &identity);
    fixture_put_raw(&f, STORE_DEFAULT, key_bytes(&key), buf_bytes(&value));
    buf_done(&value);
    fixture_close(&f);
    assert_refused(&f, ERR_WRONG_FORMAT, "format 2, this version knows 1");
    fixture_done(&f);
}
END_TEST

START_TEST(second_opener_is_locked_out)
{
    struct fixture f;
    struct store *second;
    struct why why;
    fixture_open(&f, _i);
    assert_err(store_open(&f.options, &second, &why), ERR_LOCKED);
    fixture_done(&f);
}
END_TEST

static void promise(struct fixture *f, uint32_t slot, uint64_t term, uint64_t vote, uint64_t index,
                    uint64_t last_term)
{
    struct promise *file = store_promise(f->store);
    promise_set(file, slot, &(struct promise_row){term, vote, index, last_term});
    assert_ok(promise_write(file, &f->why));
    assert_ok(promise_sync(file, &f->why));
}

/* A log that ends at (20, 5) with term 6 and a vote for 2, in slot 63. */
static void put_log(struct fixture *f)
{
    struct row_entry row = entry_of(20, 5, "e");
    store_put_entry(f->batch, 63, &row);
    store_put_hard_state(f->batch, 63, &(struct row_hard_state){6, 2, 20});
    fixture_write(f, true);
}

START_TEST(log_behind_its_promise_is_refused)
{
    const struct {
        uint64_t term, vote, index, last_term;
        bool refused;
    } cases[] = {
        {6, 2, 20, 5, false}, {6, 0, 20, 5, false}, {5, 9, 20, 5, false},
        {6, 2, 19, 5, false}, {6, 2, 99, 4, false}, /* a longer log of an older term is behind ours */
        {7, 0, 20, 5, true},                        /* the term was forgotten */
        {6, 3, 20, 5, true},                        /* the vote was */
        {6, 2, 21, 5, true},                        /* entries were */
        {6, 2, 1, 6, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct promise_row row;
        fixture_open(&f, _i);
        put_log(&f);
        promise(&f, 63, cases[i].term, cases[i].vote, cases[i].index, cases[i].last_term);
        fixture_close(&f);
        if (cases[i].refused) {
            assert_refused(&f, ERR_LOG_TOO_SHORT, "slot 63");
            ck_assert(strstr(f.why.text, "add it anew") != NULL);
            f.options.accept_short_log = true;
        }
        assert_ok(fixture_try(&f));
        assert_err(store_check_promise(f.store, 63, &f.why),
                   cases[i].refused ? ERR_LOG_TOO_SHORT : OK);
        assert_ok(store_check_promise(f.store, 62, &f.why));
        promise_get(store_promise(f.store), 63, &row);
        ck_assert_uint_eq(row.last_index, cases[i].index);
        ck_assert_uint_eq(row.term, cases[i].term);
        fixture_done(&f);
    }
}
END_TEST

START_TEST(base_counts_as_the_end_of_an_empty_log)
{
    struct fixture f;
    fixture_open(&f, _i);
    store_compact_prefix(f.batch, 63, 1, 20, 5);
    store_put_hard_state(f.batch, 63, &(struct row_hard_state){6, 2, 20});
    fixture_write(&f, true);
    promise(&f, 63, 6, 2, 20, 5);
    fixture_reopen(&f);
    promise(&f, 63, 6, 2, 21, 5);
    fixture_close(&f);
    assert_refused(&f, ERR_LOG_TOO_SHORT, "slot 63");
    fixture_done(&f);
}
END_TEST

START_TEST(parts_without_the_other_are_refused)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_log(&f);
    promise(&f, 63, 6, 2, 20, 5);
    fixture_close(&f);
    remove_promise(&f);
    assert_refused(&f, ERR_LOG_TOO_SHORT, "put it back, or remove this member");
    f.options.accept_short_log = true;
    assert_ok(fixture_try(&f));
    fixture_close(&f);
    f.options.accept_short_log = false;
    assert_ok(fixture_try(&f)); /* it has a promise file again */
    fixture_close(&f);
    remove_database(&f);
    assert_refused(&f, ERR_LOG_TOO_SHORT, "database is gone");
    f.options.accept_short_log = true;
    assert_refused(&f, ERR_LOG_TOO_SHORT, "database is gone");
    fixture_done(&f);
}
END_TEST

/* Takes the identity out: a database whose making stopped before its end. */
static void forget_identity(struct fixture *f)
{
    struct store_key key;
    key_identity(&key);
    store_batch_remove(f->batch, STORE_DEFAULT, &key);
    key_boot(&key);
    store_batch_remove(f->batch, STORE_DEFAULT, &key);
    fixture_write(f, true);
}

START_TEST(interrupted_making_is_made_again)
{
    struct fixture f;
    fixture_open(&f, _i);
    forget_identity(&f);
    fixture_close(&f);
    f.options.create = false;
    assert_refused(&f, ERR_NOT_FOUND, "never completely made");
    f.options.create = true;
    f.options.new_incarnation = 5;
    assert_ok(fixture_try(&f));
    ck_assert(store_identity(f.store)->created);
    ck_assert_uint_eq(store_identity(f.store)->incarnation, 5);
    /* But not when something was promised. */
    promise(&f, 1, 1, 0, 0, 0);
    forget_identity(&f);
    fixture_close(&f);
    assert_refused(&f, ERR_LOG_TOO_SHORT, "promise file is not");
    ck_assert(strstr(f.why.text, "add it anew") != NULL);
    fixture_done(&f);
}
END_TEST

START_TEST(promise_file_of_another_folder_is_refused)
{
    struct fixture f, other;
    fixture_open(&f, _i);
    fixture_open(&other, _i);
    fixture_close(&f);
    fixture_close(&other);
    if (_i == ON_ROCKS) {
        remove_database(&other);
        remove_promise(&other);
        other.options.new_incarnation = 12345;
        assert_ok(fixture_try(&other));
        fixture_close(&other);
        char from[600], to[600];
        snprintf(from, sizeof(from), "%s/promise", other.dir);
        snprintf(to, sizeof(to), "%s/promise", f.dir);
        assert_ok(file_rename(from, to, NULL));
    } else {
        struct store_identity stranger = {
            .node_id = 7, .incarnation = 12345, .slot_count = 64, .cluster_id = "test"};
        assert_ok(promise_create(NULL, f.disk, &stranger, NULL));
    }
    assert_refused(&f, ERR_WRONG_IDENTITY, "another data folder");
    fixture_done(&other);
    fixture_done(&f);
}
END_TEST

START_TEST(damage_that_open_meets_is_refused)
{
    struct fixture f;
    struct store_key key;
    fixture_open(&f, _i);
    store_put_applied(f.batch, 20, &(struct row_applied){1, 1, {1, 1}});
    fixture_write(&f, true);
    key_page(&key, 1);
    fixture_put_raw(&f, STORE_SLOTS, key_bytes(&key), TEXT("\1damaged!"));
    fixture_close(&f);
    assert_refused(&f, ERR_LOG_TOO_SHORT, "damaged");
    fixture_done(&f);
}
END_TEST

Suite *suite_open(void)
{
    return BOTH_SUITE("open", restart_keeps_all_and_counts_boots, what_was_seen_of_peers_is_kept,
                      damaged_row_of_a_peer_is_told, read_only_changes_nothing,
                      nothing_there_and_not_to_be_made, options_out_of_range_are_refused,
                      strangers_are_refused, second_opener_is_locked_out,
                      log_behind_its_promise_is_refused, base_counts_as_the_end_of_an_empty_log,
                      parts_without_the_other_are_refused, interrupted_making_is_made_again,
                      promise_file_of_another_folder_is_refused, damage_that_open_meets_is_refused);
}
