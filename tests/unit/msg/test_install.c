/* SPDX-License-Identifier: Apache-2.0 */
/* Single rules of catch-up: what a delta and a full install leave behind, what is refused, what
 * survives a crash. Slots: channels "room" and others lie where their hash says. */
#include "transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/members.h"
#include "unit.h"

Suite *suite_install(void);

#define ROOM "room"

static uint32_t room_slot(void)
{
    return rig_slot(channel_of(ROOM));
}

static void delta(struct pair *pair)
{
    uint32_t slot = room_slot();
    pair_transfer(pair, slot, MSG_INSTALL_DELTA, pair->follower.index[slot], 7);
}

/* The original case: node 3 is down while messages 100-200 of 1000 are deleted and the log that says
 * so is compacted. Fails with LETHE_MUTANT_delta_without_deletes. */
START_TEST(missed_delete_of_100_to_200_leaves_899)
{
    struct pair pair;
    pair_open(&pair, 1, _i == 1);
    pair_fill(&pair, ROOM, 1000, true);
    pair_delete_one(&pair, ROOM, 100, 200, false);
    delta(&pair);
    struct msg_channel channel;
    struct msg_message message;
    uint64_t index, applied;
    struct why fault = {0};
    struct arena *arena = &pair.follower.arena;
    ck_assert_int_eq(msg_get_channel(pair.follower.msg, channel_of(ROOM), arena, &channel, &fault),
                     OK);
    ck_assert_uint_eq(channel.message_count, 899);
    ck_assert_uint_eq(channel.last_seq, 1000);
    for (uint64_t seq = 99; seq <= 201; seq++) {
        enum err err = msg_get_message(pair.follower.msg, channel_of(ROOM), seq, arena, &message,
                                       &index, &applied, &fault);
        ck_assert_int_eq(err, seq >= 100 && seq <= 200 ? ERR_SEQ_DELETED : OK);
    }
    pair_close(&pair);
}
END_TEST

/* A table of one node under id, made from the one with revision `expected`. */
static void put_members(struct pair *pair, uint32_t slot, uint64_t expected, uint64_t id, bool both)
{
    struct members members = {.replica_count = 3};
    struct buf buf = BUF_INIT;
    members_insert(&members, id)->state = MEMBERS_ACTIVE;
    members_encode(&buf, &members);
    struct command command = {.kind = COMMAND_MEMBERS,
                              .members = {.expected_revision = expected, .table = buf_bytes(&buf)}};
    pair_apply(pair, slot, &command, both);
    buf_done(&buf);
    members_done(&members);
}

/* The table of nodes is state of slot 0: in its digest, in deltas and full installs. */
START_TEST(the_table_of_nodes_comes_along)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    put_members(&pair, 0, 0, 1, true);
    put_members(&pair, 0, 1, 2, false);
    pair_transfer(&pair, 0, MSG_INSTALL_DELTA, pair.follower.index[0], 7);
    rig_check(&pair.follower, 0);
    struct store_value value;
    store_value_init(&value);
    struct bytes bytes;
    ck_assert_int_eq(
        store_get_slot_value(pair.follower.store, NULL, 0, STORE_SLOT_MEMBERS, &value, &bytes), OK);
    struct reader reader = reader_of(bytes);
    ck_assert_uint_eq(reader_le64(&reader), 2);
    struct members members;
    ck_assert_int_eq(members_decode(reader_bytes(&reader, reader_left(&reader)), &members, NULL),
                     OK);
    ck_assert_ptr_nonnull(members_find(&members, 2));
    members_done(&members);
    store_value_done(&value);
    put_members(&pair, 0, 2, 3, false);
    pair_transfer(&pair, 0, MSG_INSTALL_FULL, 0, 7);
    rig_check(&pair.follower, 0);
    pair_close(&pair);
}
END_TEST

START_TEST(a_table_made_from_another_one_is_refused)
{
    struct rig rig = {0};
    rig_open_memory(&rig);
    struct members members = {.replica_count = 1};
    struct buf buf = BUF_INIT;
    members_insert(&members, 1)->state = MEMBERS_ACTIVE;
    members_encode(&buf, &members);
    struct command command = {.kind = COMMAND_MEMBERS, .members = {.table = buf_bytes(&buf)}};
    static const struct {
        uint32_t slot;
        uint64_t expected;
        enum err err;
        uint64_t revision;
    } rows[] = {{0, 1, ERR_CONFLICT, 0},
                {0, 0, OK, 1},
                {0, 0, ERR_CONFLICT, 1},
                {0, 1, OK, 2},
                {1, 0, ERR_CONFLICT, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        command.members.expected_revision = rows[i].expected;
        struct msg_result *result = rig_apply(&rig, rows[i].slot, &command);
        ck_assert_int_eq(result->members_err, rows[i].err);
        ck_assert_uint_eq(result->members_revision, rows[i].revision);
        msg_result_free(result);
        rig_check(&rig, rows[i].slot);
        if (i == 2) /* what is cached is read again */
            rig_reopen(&rig);
    }
    buf_done(&buf);
    members_done(&members);
    rig_close(&rig);
}
END_TEST

/* All shapes of one missed delete, over what was deleted before. */
START_TEST(delta_takes_every_shape_of_delete)
{
    static const struct range shapes[] = {
        {20, 29}, {15, 35}, {22, 25}, {30, 40}, {10, 19}, {1, 60},  {60, 60},
        {55, 80}, {61, 80}, {71, 80}, {1, 80},  {1, 1},   {41, 41}, {49, 51},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct pair pair;
        pair_open(&pair, 1, false);
        pair_fill(&pair, ROOM, 60, true);
        pair_delete_one(&pair, ROOM, 20, 29, true);
        pair_delete_one(&pair, ROOM, 50, 50, true);
        pair_fill(&pair, ROOM, 20, false);
        pair_delete_one(&pair, ROOM, shapes[i].start, shapes[i].end, false);
        pair_fill(&pair, ROOM, 5, false);
        delta(&pair);
        pair_close(&pair);
    }
}
END_TEST

/* Equal first and last seq, equal counts, equal number of records: only the content differs. */
START_TEST(sparse_deletes_with_equal_counts_are_told_apart)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    pair_fill(&pair, ROOM, 100, true);
    struct range ones[20];
    for (uint64_t i = 0; i < 20; i++) {
        ones[i] = (struct range){11 + 4 * i, 11 + 4 * i};
    }
    pair_delete(&pair, ROOM, ones, 20, false);
    for (uint64_t i = 1; i < 19; i++) {
        ones[i].start = ones[i].end = ones[i].start + 1;
    }
    /* The follower deletes others, at the same index: first, last and number are the same. */
    struct command command = {.kind = COMMAND_DELETE,
                              .time_ms = pair.history.time_ms,
                              .delete_ = {.channel = channel_of(ROOM),
                                          .ranges = ones,
                                          .ranges_count = 20,
                                          .operator_name = bytes_of_string("op")}};
    msg_result_free(rig_apply(&pair.follower, room_slot(), &command));
    ck_assert(!hash128_is_equal(rig_check(&pair.leader, room_slot()),
                                rig_check(&pair.follower, room_slot())));
    pair_fill(&pair, ROOM, 1, false);

    struct transfer transfer;
    struct chunk_end end;
    struct why fault = {0};
    uint32_t slot = room_slot();
    transfer_begin(&transfer, &pair, slot, MSG_INSTALL_DELTA, pair.follower.index[slot], 0);
    transfer_run(&transfer);
    transfer_end_of(&transfer, &end);
    struct store_batch *batch = store_batch_new(pair.follower.store);
    ck_assert_int_eq(msg_sink_finish(transfer.sink, &end, batch, &fault), ERR_CORRUPT);
    ck_assert_uint_eq(store_batch_count(batch), 0);
    store_batch_free(batch);
    transfer_drop(&transfer);
    pair_transfer(&pair, slot, MSG_INSTALL_FULL, 0, 0);
    pair_close(&pair);
}
END_TEST

START_TEST(newest_deleted_and_seqs_go_on)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    pair_fill(&pair, ROOM, 50, true);
    pair_fill(&pair, ROOM, 10, false);
    pair_delete_one(&pair, ROOM, 41, 60, false);
    delta(&pair);
    rig_reopen(&pair.follower);
    struct msg_append_result result = rig_append(&pair.follower, ROOM, message_of("new", NULL));
    ck_assert_uint_eq(result.seq, 61);
    pair_close(&pair);
}
END_TEST

/* A retry of a message that was appended and deleted while the node was down. */
START_TEST(dedup_rows_of_deleted_messages_come_along)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    pair_append(&pair, ROOM, message_of("one", "n1"), true);
    pair_append(&pair, ROOM, message_of("two", "n2"), false);
    pair_append(&pair, ROOM, message_of("three", "n3"), false);
    struct command generation = {.kind = COMMAND_DEDUP_GENERATION,
                                 .dedup_generation = {1000 * 1000}};
    pair_apply(&pair, room_slot(), &generation, false);
    pair_append(&pair, ROOM, message_of("four", "n4"), false);
    pair_delete_one(&pair, ROOM, 2, 4, false);
    pair_append(&pair, ROOM, message_of("five", "n5"), false);
    delta(&pair);
    static const char *const retries[][2] = {
        {"one", "n1"}, {"two", "n2"}, {"three", "n3"}, {"four", "n4"}, {"five", "n5"}};
    for (uint32_t i = 0; i < 5; i++) {
        struct msg_append_result result =
            rig_append(&pair.follower, ROOM, message_of(retries[i][0], retries[i][1]));
        ck_assert(result.duplicate);
        ck_assert_uint_eq(result.seq, i + 1);
        ck_assert_int_eq(result.deleted, i >= 1 && i <= 3);
    }
    pair_close(&pair);
}
END_TEST

START_TEST(dropped_generations_and_collected_records_go)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    for (int i = 0; i < 30; i++) {
        char number[16];
        snprintf(number, sizeof(number), "n%d", i);
        pair_append(&pair, ROOM, message_of("text", number), true);
    }
    pair_delete_one(&pair, ROOM, 3, 4, true);
    pair_delete_one(&pair, ROOM, 8, 9, true);
    uint32_t slot = room_slot();
    struct command floor = {.kind = COMMAND_RAISE_FLOOR,
                            .raise_floor = {pair.leader.index[slot] - 1}};
    struct command generation = {.kind = COMMAND_DEDUP_GENERATION, .dedup_generation = {5}};
    pair_apply(&pair, slot, &generation, false);
    pair_apply(&pair, slot, &generation, false);
    pair_apply(&pair, slot, &generation, false);
    pair_apply(&pair, slot, &floor, false);
    pair_append(&pair, ROOM, message_of("text", "n3"), false);
    delta(&pair);
    struct msg_slot_state state;
    ck_assert_ok(msg_get_slot_state(pair.follower.msg, slot, &state, why));
    ck_assert_uint_eq(state.dedup_rows, 1);
    ck_assert_uint_eq(state.delete_log_count, 1);
    pair_close(&pair);
}
END_TEST

START_TEST(delta_below_the_floor_is_refused)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    pair_fill(&pair, ROOM, 20, true);
    pair_delete_one(&pair, ROOM, 3, 4, false);
    uint32_t slot = room_slot();
    uint64_t base = pair.follower.index[slot];
    struct command floor = {.kind = COMMAND_RAISE_FLOOR, .raise_floor = {base + 1}};
    pair_apply(&pair, slot, &floor, false);
    rig_flush(&pair.leader);
    struct msg_source *source;
    struct msg_source_estimate estimate;
    struct why fault = {0};
    ck_assert_int_eq(msg_source_open(pair.leader.msg, slot, &source, &fault), OK);
    ck_assert_int_eq(msg_source_estimate(source, base, &estimate, &fault), OK);
    ck_assert(!estimate.delta_possible);
    ck_assert_uint_eq(estimate.delta_bytes, UINT64_MAX);
    ck_assert_int_eq(msg_source_start(source, MSG_INSTALL_DELTA, base, &fault), ERR_CONFLICT);
    ck_assert_int_eq(msg_source_start(source, MSG_INSTALL_DELTA, base + 3, &fault), ERR_CONFLICT);
    ck_assert_int_eq(msg_source_estimate(source, base + 1, &estimate, &fault), OK);
    ck_assert(estimate.delta_possible);
    msg_source_close(source);
    pair_close(&pair);
}
END_TEST

/* Another history lies in the follower's slots, with channels, intervals and records that the leader
 * never had. Fails with LETHE_MUTANT_merge_snapshot. */
START_TEST(full_replaces_all_that_was_there)
{
    struct pair pair, other;
    pair_open(&pair, 3, _i == 1);
    pair_open(&other, 4, _i == 1);
    pair_run(&pair, 300, false);
    pair_run(&other, 300, false);
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof(name), "foreign-%d", i);
        pair_fill(&other, name, 10, false);
        pair_delete_one(&other, name, 2, 3, false);
    }
    struct rig foreign = other.leader;
    other.leader = pair.follower;
    pair.follower = foreign;
    rig_flush(&pair.follower);
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        pair_transfer(&pair, slot, MSG_INSTALL_FULL, 0, 0);
    }
    pair_run(&pair, 100, true);
    pair_compare(&pair, 0);
    pair_compare(&pair, 1);
    pair_close(&pair);
    pair_close(&other);
}
END_TEST

START_TEST(full_of_an_empty_slot_empties)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    rig_fill(&pair.follower, ROOM, 20);
    pair_transfer(&pair, room_slot(), MSG_INSTALL_FULL, 0, 0);
    pair_close(&pair);
}
END_TEST

/* A crash after every single chunk that loses what was not synced: the marker is found, the sink goes
 * on, and the end is equal. Fails with LETHE_MUTANT_no_marker. */
static void crash_at_every_chunk(enum msg_install_kind kind)
{
    struct pair pair;
    pair_open(&pair, 21, false);
    pair_run(&pair, 200, true);
    rig_sync(&pair.follower);
    pair_run(&pair, 80, false);
    uint32_t slot = room_slot(), crashes = 0;
    struct transfer transfer;
    uint64_t base = kind == MSG_INSTALL_FULL ? 0 : pair.follower.index[slot];
    if (kind == MSG_INSTALL_DELTA) {
        struct msg_slot_state state;
        ck_assert_ok(msg_get_slot_state(pair.leader.msg, slot, &state, why));
        ck_assert_uint_le(state.floor, base);
    }
    transfer_begin(&transfer, &pair, slot, kind, base, 3);
    while (!transfer.done) {
        struct msg_sink_info before, after;
        msg_sink_info(transfer.sink, &before);
        transfer_step(&transfer);
        bool was_done = transfer.done;
        transfer_crash(&transfer, 0); /* the chunk is lost */
        crashes++;
        ck_assert(rig_has_value(&pair.follower, slot, STORE_SLOT_INSTALLING));
        msg_sink_info(transfer.sink, &after);
        ck_assert_uint_eq(after.next_number, before.next_number);
        struct row_applied applied;
        ck_assert_ok(store_get_applied(pair.follower.store, NULL, slot, &applied));
        ck_assert_uint_eq(applied.index, base);
        transfer_step(&transfer);
        rig_sync(&pair.follower);
        transfer_crash(&transfer, 0); /* now it was synced */
        msg_sink_info(transfer.sink, &after);
        ck_assert_uint_eq(after.next_number, before.next_number + 1);
        transfer.done = was_done;
    }
    ck_assert_uint_gt(crashes, 10);
    transfer_finish(&transfer);
    pair_compare(&pair, slot);
    pair_close(&pair);
}

START_TEST(crash_at_every_chunk_of_a_delta)
{
    crash_at_every_chunk(MSG_INSTALL_DELTA);
}
END_TEST

START_TEST(crash_at_every_chunk_of_a_full_install)
{
    crash_at_every_chunk(MSG_INSTALL_FULL);
}
END_TEST

/* Fails with LETHE_MUTANT_early_end_ok. */
START_TEST(end_counts_only_with_target_counts_and_digest)
{
    struct pair pair;
    pair_open(&pair, 5, false);
    pair_run(&pair, 100, true);
    pair_run(&pair, 60, false);
    for (int kind = MSG_INSTALL_DELTA; kind <= MSG_INSTALL_FULL; kind++) {
        uint32_t slot = room_slot();
        struct transfer transfer;
        struct chunk_end end;
        struct why fault = {0};
        struct store_batch *batch = store_batch_new(pair.follower.store);
        uint64_t base = kind == MSG_INSTALL_FULL ? 0 : pair.follower.index[slot];
        transfer_begin(&transfer, &pair, slot, (enum msg_install_kind)kind, base, 5);
        while (!transfer.done) {
            /* An end that comes early, with the true digest and the numbers so far. */
            struct msg_sink_info info;
            msg_sink_info(transfer.sink, &info);
            struct msg_source_info source;
            msg_source_info(transfer.source, &source);
            end = (struct chunk_end){
                .number = info.next_number, .target = info.target, .digest = source.digest};
            end.counts_count = STORE_FAMILIES;
            ck_assert_int_eq(msg_sink_finish(transfer.sink, &end, batch, &fault), ERR_CORRUPT);
            transfer_step(&transfer);
        }
        transfer_end_of(&transfer, &end);
        for (int wrong = 0; wrong < 6; wrong++) {
            struct chunk_end other = end;
            other.target.index += wrong == 0;
            other.target.term += wrong == 1;
            other.digest.low ^= wrong == 2;
            other.counts[STORE_MESSAGES] += wrong == 3;
            other.counts_count -= wrong == 4;
            other.number += wrong == 5;
            ck_assert_int_eq(msg_sink_finish(transfer.sink, &other, batch, &fault), ERR_CORRUPT);
        }
        ck_assert_uint_eq(store_batch_count(batch), 0);
        ck_assert(rig_has_value(&pair.follower, slot, STORE_SLOT_INSTALLING));
        store_batch_free(batch);
        transfer_finish(&transfer);
        pair_compare(&pair, slot);
    }
    pair_close(&pair);
}
END_TEST

static struct chunk_rows with_cursor(struct chunk_rows rows, struct bytes cursor)
{
    rows.cursor = cursor;
    return rows;
}

/* Whatever is wrong with a chunk, nothing of it counts, and the right one is taken after. */
static void refuse_bad_chunks(enum msg_install_kind kind)
{
    struct pair pair;
    pair_open(&pair, 6, false);
    pair_run(&pair, 100, true);
    pair_run(&pair, 60, false);
    uint32_t slot = room_slot();
    struct transfer transfer;
    struct why fault = {0};
    uint64_t base = kind == MSG_INSTALL_FULL ? 0 : pair.follower.index[slot];
    struct buf previous = BUF_INIT, bent = BUF_INIT;
    transfer_begin(&transfer, &pair, slot, kind, base, 4);
    while (!transfer.done) {
        struct chunk chunk;
        transfer_make(&transfer, &chunk);
        struct chunk_rows late = chunk.rows;
        late.number++;
        ck_assert_int_eq(msg_sink_rows(transfer.sink, &late, &fault), ERR_IGNORED);
        struct chunk_rows rows = with_cursor(chunk.rows, BYTES_NONE);
        ck_assert_int_eq(msg_sink_rows(transfer.sink, &rows, &fault), ERR_CORRUPT);
        if (previous.len != 0 && chunk.rows.count > 0) {
            rows = with_cursor(chunk.rows, buf_bytes(&previous));
            ck_assert_int_eq(msg_sink_rows(transfer.sink, &rows, &fault), ERR_CORRUPT);
        }
        if (chunk.rows.count > 0) {
            buf_clear(&bent);
            buf_append_bytes(&bent, chunk.rows.rows);
            bent.data[bent.len - 1] ^= 1; /* the last row's CRC */
            rows = chunk.rows;
            rows.rows = buf_bytes(&bent);
            ck_assert_int_eq(msg_sink_rows(transfer.sink, &rows, &fault), ERR_CORRUPT);
            rows = chunk.rows;
            rows.rows.len--;
            ck_assert_int_eq(msg_sink_rows(transfer.sink, &rows, &fault), ERR_CORRUPT);
        }
        buf_clear(&previous);
        buf_append_bytes(&previous, chunk.rows.cursor);
        ck_assert_ok(msg_sink_rows(transfer.sink, &chunk.rows, why));
    }
    buf_done(&previous);
    buf_done(&bent);
    transfer_finish(&transfer);
    pair_compare(&pair, slot);
    pair_close(&pair);
}

START_TEST(bad_chunks_of_a_delta_change_nothing)
{
    refuse_bad_chunks(MSG_INSTALL_DELTA);
}
END_TEST

START_TEST(bad_chunks_of_a_full_install_change_nothing)
{
    refuse_bad_chunks(MSG_INSTALL_FULL);
}
END_TEST

START_TEST(rows_of_another_slot_are_refused)
{
    struct pair pair;
    pair_open(&pair, 6, false);
    pair_run(&pair, 100, false);
    struct transfer transfer;
    struct why fault = {0};
    struct chunk chunk;
    struct msg_source *other;
    transfer_begin(&transfer, &pair, 0, MSG_INSTALL_FULL, 0, 4);
    ck_assert_int_eq(msg_source_open(pair.leader.msg, 1, &other, &fault), OK);
    ck_assert_int_eq(msg_source_start(other, MSG_INSTALL_FULL, 0, &fault), OK);
    struct msg_source *own = transfer.source;
    transfer.source = other;
    transfer_make(&transfer, &chunk);
    ck_assert_int_eq(msg_sink_rows(transfer.sink, &chunk.rows, &fault), ERR_CORRUPT);
    /* A cursor of one source is none of another's. */
    struct chunk_out out;
    struct buf cursor = BUF_INIT, next = BUF_INIT;
    bool done;
    buf_append_bytes(&cursor, chunk.rows.cursor);
    chunk_out_init(&out, 0, 7, 1, 0);
    pair_run(&pair, 20, false);
    msg_source_close(own);
    ck_assert_int_eq(msg_source_open(pair.leader.msg, 1, &own, &fault), OK);
    ck_assert_int_eq(msg_source_start(own, MSG_INSTALL_FULL, 0, &fault), OK);
    ck_assert_int_eq(msg_source_next(own, buf_bytes(&cursor), 0, 0, &out, &next, &done, &fault),
                     ERR_BAD_FORMAT);
    ck_assert_int_eq(
        msg_source_next(own, bytes_of_string("nonsense"), 0, 0, &out, &next, &done, &fault),
        ERR_BAD_FORMAT);
    chunk_out_done(&out);
    buf_done(&cursor);
    buf_done(&next);
    msg_source_close(own);
    transfer_drop(&transfer);
    pair_close(&pair);
}
END_TEST

static enum err try_begin(struct pair *pair, enum msg_install_kind kind, uint64_t base,
                          uint64_t target, struct msg_sink **ret)
{
    struct why fault = {0};
    struct msg_sink_options options = {.slot = room_slot(),
                                       .kind = kind,
                                       .base = base,
                                       .target = {.term = 1, .index = target},
                                       .marker = bytes_of_string("m")};
    struct store_batch *batch = store_batch_new(pair->follower.store);
    enum err err = msg_sink_begin(pair->follower.msg, &options, batch, ret, &fault);
    if (err == OK) {
        ck_assert_ok(store_write(pair->follower.store, batch, true, why));
    }
    store_batch_free(batch);
    return err;
}

START_TEST(what_may_begin_over_what)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    pair_fill(&pair, ROOM, 50, true);
    for (int i = 0; i < 9; i++) {
        pair_append(&pair, ROOM, message_of("more", NULL), true);
    }
    uint64_t applied = pair.follower.index[room_slot()];
    struct msg_sink *sink;
    ck_assert_int_eq(try_begin(&pair, MSG_INSTALL_DELTA, applied + 1, applied + 5, &sink),
                     ERR_CONFLICT);
    ck_assert_int_eq(try_begin(&pair, MSG_INSTALL_DELTA, 2, applied - 1, &sink), ERR_CONFLICT);
    /* A delta that changed nothing can be given up. */
    ck_assert_int_eq(try_begin(&pair, MSG_INSTALL_DELTA, applied, applied + 5, &sink), OK);
    struct store_batch *batch = store_batch_new(pair.follower.store);
    ck_assert_ok(msg_sink_abandon(sink, batch, why));
    ck_assert_ok(store_write(pair.follower.store, batch, true, why));
    msg_sink_free(sink);
    struct why fault = {0};
    ck_assert_int_eq(msg_sink_resume(pair.follower.msg, room_slot(), &sink, &fault), ERR_NOT_FOUND);
    ck_assert(!rig_has_value(&pair.follower, room_slot(), STORE_SLOT_INSTALLING));
    /* A full one cannot, and only a full one goes over it. */
    ck_assert_int_eq(try_begin(&pair, MSG_INSTALL_FULL, 0, applied, &sink), OK);
    ck_assert_int_eq(msg_sink_abandon(sink, batch, &fault), ERR_CONFLICT);
    msg_sink_free(sink);
    ck_assert_int_eq(try_begin(&pair, MSG_INSTALL_DELTA, 0, applied + 5, &sink), ERR_CONFLICT);
    ck_assert_int_eq(try_begin(&pair, MSG_INSTALL_FULL, 0, applied + 5, &sink), OK);
    msg_sink_free(sink);
    store_batch_free(batch);
    pair_close(&pair);
}
END_TEST

/* The leader goes on deleting while it sends: the snapshot does not see it, the next delta does. */
START_TEST(deletes_while_installing)
{
    struct pair pair;
    pair_open(&pair, 8, _i == 1);
    pair_fill(&pair, ROOM, 300, true);
    pair_fill(&pair, ROOM, 100, false);
    uint32_t slot = room_slot();
    for (int kind = MSG_INSTALL_DELTA; kind <= MSG_INSTALL_FULL; kind++) {
        struct transfer transfer;
        struct buf want = BUF_INIT, got = BUF_INIT;
        uint64_t base = kind == MSG_INSTALL_FULL ? 0 : pair.follower.index[slot];
        transfer_begin(&transfer, &pair, slot, (enum msg_install_kind)kind, base, 10);
        state_dump(&pair.leader, slot, &want);
        uint64_t seq = 1;
        while (!transfer.done) {
            transfer_step(&transfer);
            pair_delete_one(&pair, ROOM, seq, seq + 1, false);
            pair_fill(&pair, ROOM, 2, false);
            rig_flush(&pair.leader);
            seq += 3;
        }
        transfer_finish(&transfer);
        state_dump(&pair.follower, slot, &got);
        ck_assert_str_eq(buf_string(&want), buf_string(&got));
        buf_done(&want);
        buf_done(&got);
        delta(&pair);
    }
    pair_close(&pair);
}
END_TEST

/* Messages larger than a chunk, each with a name: its dedup row comes in the next chunk. */
START_TEST(messages_larger_than_a_chunk)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    char *text = alloc_zero(400001);
    memset(text, 'x', 400000);
    pair_append(&pair, ROOM, message_of(text, "n0"), true);
    for (int i = 1; i < 5; i++) {
        char number[16];
        snprintf(number, sizeof(number), "n%d", i);
        pair_append(&pair, ROOM, message_of(text, number), false);
    }
    delta(&pair);
    struct transfer transfer;
    transfer_begin(&transfer, &pair, room_slot(), MSG_INSTALL_FULL, 0, 0);
    transfer.max_bytes = 1000;
    transfer_run(&transfer);
    transfer_finish(&transfer);
    pair_compare(&pair, room_slot());
    free(text);
    pair_close(&pair);
}
END_TEST

/* More own intervals inside one new one than are taken in a step, then more ranges than the source
 * holds in memory. */
START_TEST(many_intervals_go_in_steps)
{
    enum { MESSAGES = 140000, RANGES = 10000 };
    struct pair pair;
    struct range *ones = alloc_array(RANGES, sizeof(*ones));
    pair_open(&pair, 1, false);
    pair_fill(&pair, ROOM, MESSAGES, true);
    rig_sync(&pair.follower);
    for (uint64_t first = 2; first < MESSAGES; first += 2 * (uint64_t)RANGES) {
        uint32_t count = 0;
        for (uint64_t seq = first; seq <= MESSAGES && count < RANGES; seq += 2) {
            ones[count++] = (struct range){seq, seq};
        }
        pair_delete(&pair, ROOM, ones, count, false);
    }
    uint32_t slot = room_slot();
    pair_transfer(&pair, slot, MSG_INSTALL_DELTA, pair.follower.index[slot], 5000);
    pair_delete_one(&pair, ROOM, 5, MESSAGES - 3, false);
    struct transfer transfer;
    transfer_begin(&transfer, &pair, slot, MSG_INSTALL_DELTA, pair.follower.index[slot], 0);
    transfer_step(&transfer);
    uint32_t batches = memdisk_unsynced_batches(pair.follower.disk);
    ck_assert_uint_gt(batches, MESSAGES / 2 / 10000);
    transfer_crash(&transfer, batches / 2); /* in the middle of that one interval */
    transfer_run(&transfer);
    transfer_finish(&transfer);
    pair_compare(&pair, slot);
    free(ones);
    pair_close(&pair);
}
END_TEST

START_TEST(reads_that_fail_are_told)
{
    for (uint64_t n = 1; n < 60; n += 3) {
        struct pair pair;
        pair_open(&pair, 6, false);
        pair_run(&pair, 60, true);
        pair_run(&pair, 40, false);
        uint32_t slot = room_slot();
        struct transfer transfer;
        struct why fault = {0};
        struct chunk chunk;
        transfer_begin(&transfer, &pair, slot, MSG_INSTALL_DELTA, pair.follower.index[slot], 0);
        transfer_make(&transfer, &chunk);
        memdisk_fail_read(pair.follower.disk, n);
        enum err err = msg_sink_rows(transfer.sink, &chunk.rows, &fault);
        memdisk_fail_read(pair.follower.disk, 0);
        if (n < 20) {
            ck_assert_int_eq(err, ERR_DISK_FAILED);
        }
        memdisk_fail_read(pair.leader.disk, n);
        struct chunk_out out;
        struct buf cursor = BUF_INIT;
        bool done;
        chunk_out_init(&out, slot, 7, 1, 0);
        ck_assert_int_eq(
            msg_source_next(transfer.source, BYTES_NONE, 0, 0, &out, &cursor, &done, &fault),
            ERR_DISK_FAILED);
        memdisk_fail_read(pair.leader.disk, 0);
        chunk_out_done(&out);
        buf_done(&cursor);
        transfer_drop(&transfer);
        pair_close(&pair);
    }
}
END_TEST

/* A damaged row of the leader is found by its CRC and never sent. */
START_TEST(damaged_rows_are_not_sent)
{
    static const enum store_family families[] = {STORE_MESSAGES, STORE_CHANNELS, STORE_DELETED,
                                                 STORE_DELETE_LOG, STORE_DEDUP};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct pair pair;
        struct transfer transfer;
        struct why fault = {0};
        pair_open(&pair, 6, false);
        pair_run(&pair, 100, false);
        msg_free(pair.leader.msg);
        store_close(pair.leader.store);
        ck_assert(memdisk_flip(pair.leader.disk, families[i], 5, 33));
        struct store_options options;
        store_options_init(&options);
        options.memdisk = pair.leader.disk;
        options.cluster_id = "test";
        options.node_id = 1;
        options.slot_count = RIG_SLOTS;
        ck_assert_int_eq(store_open(&options, &pair.leader.store, &fault), OK);
        struct msg_options msg_options = {.store = pair.leader.store, .slot_count = RIG_SLOTS};
        pair.leader.msg = msg_new(&msg_options);
        uint32_t failed = 0;
        for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
            enum err err = OK;
            bool done = false;
            transfer_begin(&transfer, &pair, slot, MSG_INSTALL_FULL, 0, 0);
            while (err == OK && !done) {
                struct chunk_out out;
                struct buf cursor = BUF_INIT;
                chunk_out_init(&out, slot, 7, 1, 0);
                err = msg_source_next(transfer.source, buf_bytes(&transfer.cursor), 0, 0, &out,
                                      &cursor, &done, &fault);
                buf_done(&transfer.cursor);
                transfer.cursor = cursor;
                chunk_out_done(&out);
            }
            failed += err == ERR_CORRUPT;
            transfer_drop(&transfer);
        }
        /* The delete log's index is not sent: damage there is not met. */
        ck_assert_uint_eq(failed, families[i] == STORE_DELETE_LOG ? failed : 1);
        pair_close(&pair);
    }
}
END_TEST

START_TEST(estimates_are_near_what_is_sent)
{
    struct pair pair;
    pair_open(&pair, 1, false);
    char text[801];
    memset(text, 'x', 800);
    text[800] = '\0';
    for (int i = 0; i < 400; i++) {
        char name[32], number[16];
        snprintf(name, sizeof(name), "room-%d", i % 20);
        snprintf(number, sizeof(number), "n%d", i);
        pair_append(&pair, name, message_of(text, number), i < 320);
    }
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        struct transfer transfer;
        struct msg_source_estimate estimate;
        uint64_t base = pair.follower.index[slot];
        transfer_begin(&transfer, &pair, slot, MSG_INSTALL_DELTA, base, 0);
        ck_assert_ok(msg_source_estimate(transfer.source, base, &estimate, why));
        transfer_run(&transfer);
        ck_assert_uint_lt(estimate.delta_bytes, transfer.bytes * 5 / 4);
        ck_assert_uint_gt(estimate.delta_bytes, transfer.bytes * 4 / 5);
        transfer_finish(&transfer);
        transfer_begin(&transfer, &pair, slot, MSG_INSTALL_FULL, 0, 0);
        transfer_run(&transfer);
        ck_assert_uint_lt(estimate.full_bytes, transfer.bytes * 5 / 4);
        ck_assert_uint_gt(estimate.full_bytes, transfer.bytes * 4 / 5);
        transfer_finish(&transfer);
    }
    pair_close(&pair);
}
END_TEST

/* Tests that run on both engines: _i 1 is RocksDB. */
Suite *suite_install(void)
{
    Suite *suite = UNIT_SUITE(
        "install", 300, delta_takes_every_shape_of_delete,
        sparse_deletes_with_equal_counts_are_told_apart, newest_deleted_and_seqs_go_on,
        dedup_rows_of_deleted_messages_come_along, dropped_generations_and_collected_records_go,
        the_table_of_nodes_comes_along, a_table_made_from_another_one_is_refused,
        delta_below_the_floor_is_refused, full_of_an_empty_slot_empties,
        crash_at_every_chunk_of_a_delta, crash_at_every_chunk_of_a_full_install,
        end_counts_only_with_target_counts_and_digest, bad_chunks_of_a_delta_change_nothing,
        bad_chunks_of_a_full_install_change_nothing, rows_of_another_slot_are_refused,
        what_may_begin_over_what, messages_larger_than_a_chunk, many_intervals_go_in_steps,
        reads_that_fail_are_told, damaged_rows_are_not_sent, estimates_are_near_what_is_sent);
    TCase *both = tcase_create("both engines");
    tcase_set_timeout(both, 300);
    tcase_add_loop_test(both, missed_delete_of_100_to_200_leaves_899, 0, 2);
    tcase_add_loop_test(both, full_replaces_all_that_was_there, 0, 2);
    tcase_add_loop_test(both, deletes_while_installing, 0, 2);
    suite_add_tcase(suite, both);
    return suite;
}
