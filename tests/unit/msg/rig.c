/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "unit.h"

static void open_store(struct rig *rig)
{
    struct store_options options;
    store_options_init(&options);
    options.dir = rig->dir;
    options.memdisk = rig->disk;
    options.create = true;
    options.cluster_id = "test";
    options.node_id = 1;
    options.slot_count = RIG_SLOTS;
    options.new_incarnation = 7;
    ck_assert_ok(store_open(&options, &rig->store, why));
    struct msg_options msg_options = {.store = rig->store,
                                      .slot_count = RIG_SLOTS,
                                      .cache_channels = rig->cache_channels,
                                      .batch_max_bytes = rig->batch_max_bytes};
    rig->msg = msg_new(&msg_options);
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        struct row_applied applied;
        ck_assert_int_eq(store_get_applied(rig->store, NULL, slot, &applied), OK);
        rig->index[slot] = applied.index;
    }
}

static void rig_init(struct rig *rig)
{
    arena_init(&rig->arena);
    rig->time_ms = 1000;
    open_store(rig);
}

void rig_open_memory(struct rig *rig)
{
    rig->disk = memdisk_new();
    rig_init(rig);
}

void rig_open_rocks(struct rig *rig)
{
    rig->dir = unit_temp_dir();
    rig_init(rig);
}

static void close_store(struct rig *rig)
{
    msg_free(rig->msg);
    store_close(rig->store);
}

void rig_reopen(struct rig *rig)
{
    close_store(rig);
    open_store(rig);
}

void rig_crash(struct rig *rig, int64_t keep)
{
    close_store(rig);
    memdisk_crash(rig->disk, keep);
    open_store(rig);
}

void rig_close(struct rig *rig)
{
    close_store(rig);
    memdisk_free(rig->disk);
    free(rig->dir);
    arena_done(&rig->arena);
}

uint32_t rig_slot(struct channel channel)
{
    return channel_slot(channel, RIG_SLOTS);
}

struct channel channel_of(const char *id)
{
    return (struct channel){2, bytes_of_string(id)};
}

struct command_message message_from(const char *payload, const char *from_uid,
                                    const char *client_msg_no)
{
    static uint64_t salt = 1;
    struct command_message message = {.payload = bytes_of_string(payload),
                                      .from_uid = bytes_of_string(from_uid)};
    if (client_msg_no != NULL) {
        message.client_msg_no = bytes_of_string(client_msg_no);
    }
    salt += 0x9e3779b97f4a7c15ull;
    memcpy(message.salt, &salt, sizeof(salt));
    return message;
}

struct command_message message_of(const char *payload, const char *client_msg_no)
{
    return message_from(payload, "u1", client_msg_no);
}

struct msg_result *rig_apply(struct rig *rig, uint32_t slot, const struct command *command)
{
    struct command timed = *command;
    timed.time_ms = rig->time_ms;
    struct blob *blob = command_encode(&timed);
    struct msg_result *result = NULL;
    ck_assert_ok(msg_apply(rig->msg, slot, ++rig->index[slot], 1, blob_bytes(blob), &result, why));
    ck_assert_ptr_nonnull(result);
    blob_unref(blob);
    if (rig->flush_each) {
        rig_flush(rig);
    }
    return result;
}

static struct msg_append_result append_part(struct rig *rig, const struct command_part *part)
{
    struct command command = {.kind = COMMAND_APPEND, .append = {part, 1}};
    struct msg_result *result = rig_apply(rig, rig_slot(part->channel), &command);
    ck_assert_uint_eq(result->appends_count, 1);
    struct msg_append_result first = result->appends[0];
    msg_result_free(result);
    return first;
}

struct msg_append_result rig_append(struct rig *rig, const char *channel,
                                    struct command_message message)
{
    struct command_part part = {
        .channel = channel_of(channel), .messages = &message, .messages_count = 1};
    return append_part(rig, &part);
}

struct msg_append_result rig_append_expecting(struct rig *rig, const char *channel,
                                              struct command_message message, uint64_t expected)
{
    struct command_part part = {.channel = channel_of(channel),
                                .has_expected_last_seq = true,
                                .expected_last_seq = expected,
                                .messages = &message,
                                .messages_count = 1};
    return append_part(rig, &part);
}

struct msg_result *rig_append_batch(struct rig *rig, const char *channel,
                                    const struct command_message *messages, uint32_t count,
                                    uint16_t flags)
{
    struct command_part part = {
        .channel = channel_of(channel), .messages = messages, .messages_count = count};
    struct command command = {.kind = COMMAND_APPEND, .flags = flags, .append = {&part, 1}};
    return rig_apply(rig, rig_slot(part.channel), &command);
}

void rig_fill(struct rig *rig, const char *channel, uint32_t n)
{
    struct command_message *messages = alloc_array(n, sizeof(*messages));
    for (uint32_t done = 0; done < n;) {
        uint32_t count = n - done < 1000 ? n - done : 1000;
        for (uint32_t i = 0; i < count; i++) {
            messages[i] = message_of("payload", NULL);
        }
        msg_result_free(rig_append_batch(rig, channel, messages, count, 0));
        done += count;
    }
    free(messages);
}

struct msg_delete_result rig_delete_ranges(struct rig *rig, const char *channel,
                                           const struct range *ranges, uint32_t count,
                                           uint16_t flags)
{
    struct command command = {.kind = COMMAND_DELETE,
                              .flags = flags,
                              .delete_ = {.channel = channel_of(channel),
                                          .ranges = ranges,
                                          .ranges_count = count,
                                          .operator_name = bytes_of_string("alice"),
                                          .reason = bytes_of_string("test")}};
    struct msg_result *result = rig_apply(rig, rig_slot(command.delete_.channel), &command);
    struct msg_delete_result deleted = result->deleted;
    struct range *copy = arena_alloc(&rig->arena, (deleted.ranges_count + 1) * sizeof(*copy));
    if (deleted.ranges_count != 0) {
        memcpy(copy, deleted.ranges, deleted.ranges_count * sizeof(*copy));
    }
    deleted.ranges = copy;
    msg_result_free(result);
    return deleted;
}

struct msg_delete_result rig_delete(struct rig *rig, const char *channel, uint64_t start,
                                    uint64_t end)
{
    struct range range = {start, end};
    return rig_delete_ranges(rig, channel, &range, 1, 0);
}

void rig_generation(struct rig *rig, uint32_t slot, uint64_t window_ms)
{
    struct command command = {.kind = COMMAND_DEDUP_GENERATION, .dedup_generation = {window_ms}};
    msg_result_free(rig_apply(rig, slot, &command));
}

void rig_flush(struct rig *rig)
{
    ck_assert_ok(msg_apply_flush(rig->msg, why));
}

void rig_clear(struct rig *rig)
{
    arena_clear(&rig->arena);
}

struct msg_page rig_page(struct rig *rig, const char *channel, uint64_t from, uint64_t to,
                         uint32_t limit, bool descending)
{
    struct msg_page_query query = {.channel = channel_of(channel),
                                   .from_seq = from,
                                   .to_seq = to,
                                   .limit = limit,
                                   .descending = descending};
    struct msg_page page;
    rig_flush(rig);
    ck_assert_ok(msg_get_page(rig->msg, &query, &rig->arena, &page, why));
    return page;
}

struct hash128 rig_check(struct rig *rig, uint32_t slot)
{
    struct msg_check check;
    rig_flush(rig);
    ck_assert_ok(msg_recompute(rig->msg, slot, &check, why));
    ck_assert_msg(check.counts_fit, "index %" PRIu64 ": %s", check.applied_index, check.misfit);
    ck_assert_uint_eq(check.applied_index, rig->index[slot]);
    char stored[HASH128_HEX_SIZE], recomputed[HASH128_HEX_SIZE];
    hash128_hex(check.stored, stored);
    hash128_hex(check.recomputed, recomputed);
    ck_assert_str_eq(stored, recomputed);
    return check.stored;
}

static void dump_hash(struct buf *ret, const char *name, struct hash128 hash)
{
    char hex[HASH128_HEX_SIZE];
    hash128_hex(hash, hex);
    buf_printf(ret, " %s=%s", name, hex);
}

static void dump_messages(struct rig *rig, uint32_t slot, struct buf *ret)
{
    struct store_iter *iter = store_iter_slot_messages(rig->store, NULL, slot);
    while (store_iter_next(iter)) {
        const struct row_message *row = store_iter_message(iter);
        struct channel channel = store_iter_channel(iter);
        uint64_t seq = store_iter_seq(iter);
        buf_printf(ret, "message %.*s %" PRIu64 " ts=%" PRIu64 " bytes=%" PRIu64,
                   (int)channel.id.len, (const char *)channel.id.data, seq, row->timestamp_ms,
                   row->totals.bytes);
        dump_hash(ret, "row", row_message_hash(slot, channel, seq, row));
        dump_hash(ret, "totals", row->totals.digest);
        buf_append_string(ret, "\n");
    }
    ck_assert_int_eq(store_iter_done(iter), OK);
}

static void dump_channels(struct rig *rig, uint32_t slot, struct buf *ret)
{
    struct store_iter *iter =
        store_iter_channels(rig->store, NULL, slot, -1, BYTES_NONE, (struct channel){0});
    while (store_iter_next(iter)) {
        struct channel channel = store_iter_channel(iter);
        const struct row_channel *row = store_iter_channel_row(iter);
        buf_printf(ret, "channel %.*s last=%" PRIu64 " deleted=%" PRIu64 " version=%" PRIu64,
                   (int)channel.id.len, (const char *)channel.id.data, row->last_seq,
                   row->deleted_count, row->delete_version);
        dump_hash(ret, "row", row_channel_hash(slot, channel, row));
        buf_append_string(ret, "\n");
    }
    ck_assert_int_eq(store_iter_done(iter), OK);
}

static void dump_deletes(struct rig *rig, uint32_t slot, struct buf *ret)
{
    struct store_iter *iter = store_iter_slot_deleted(rig->store, NULL, slot);
    while (store_iter_next(iter)) {
        const struct row_deleted *row = store_iter_deleted_row(iter);
        buf_printf(ret, "deleted %" PRIu64 "-%" PRIu64, row->start, row->end);
        dump_hash(ret, "row", row_deleted_hash(slot, store_iter_channel(iter), row));
        buf_append_string(ret, "\n");
    }
    ck_assert_int_eq(store_iter_done(iter), OK);
    iter = store_iter_delete_log(rig->store, NULL, slot, NULL, 0, UINT64_MAX);
    while (store_iter_next(iter)) {
        const struct row_delete_record *row = store_iter_delete_record(iter);
        buf_printf(ret, "record %" PRIu64 " count=%" PRIu64, row->log_index, row->deleted_count);
        dump_hash(ret, "row", row_delete_record_hash(slot, row));
        buf_append_string(ret, "\n");
    }
    ck_assert_int_eq(store_iter_done(iter), OK);
}

static void dump_dedup(struct rig *rig, uint32_t slot, struct buf *ret)
{
    struct store_iter *iter = store_iter_dedup(rig->store, NULL, slot);
    while (store_iter_next(iter)) {
        uint64_t generation;
        struct bytes from_uid, number;
        const struct row_dedup *row = store_iter_dedup_row(iter, &generation, &from_uid, &number);
        buf_printf(ret, "dedup %" PRIu64 " %.*s seq=%" PRIu64, generation, (int)number.len,
                   (const char *)number.data, row->seq);
        dump_hash(
            ret, "row",
            row_dedup_hash(slot, generation, store_iter_channel(iter), from_uid, number, row));
        buf_append_string(ret, "\n");
    }
    ck_assert_int_eq(store_iter_done(iter), OK);
}

void rig_dump(struct rig *rig, uint32_t slot, struct buf *ret)
{
    rig_flush(rig);
    struct row_applied applied;
    ck_assert_int_eq(store_get_applied(rig->store, NULL, slot, &applied), OK);
    buf_printf(ret, "applied %" PRIu64, applied.index);
    dump_hash(ret, "digest", applied.digest);
    buf_append_string(ret, "\n");
    dump_messages(rig, slot, ret);
    dump_channels(rig, slot, ret);
    dump_deletes(rig, slot, ret);
    dump_dedup(rig, slot, ret);
}
