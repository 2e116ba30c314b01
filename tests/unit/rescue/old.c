/* SPDX-License-Identifier: Apache-2.0 */
#include "old.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/store.h"
#include "sys/file.h"
#include "wire/config.h"
#include "wire/members.h"

static struct channel channel_of(const char *id)
{
    return (struct channel){2, bytes_of_string(id)};
}

uint32_t old_slot(const char *channel)
{
    return channel_slot(channel_of(channel), OLD_SLOTS);
}

static void put_configs(struct old *old)
{
    const struct raft_config config = {.voters_count = 3, .voters = {1, 2, 3}};
    struct buf buf = BUF_INIT;
    struct store_batch *batch = store_batch_new(old->store);
    wire_config_encode(&buf, &config);
    for (uint32_t i = 0; i < OLD_SLOTS; i++)
        store_put_config(batch, i, 0, 0, buf_bytes(&buf));
    ck_assert_ok(store_write(old->store, batch, true, why));
    store_batch_free(batch);
    buf_done(&buf);
}

void old_open(struct old *old, const char *base, node_id id)
{
    struct buf dir = BUF_INIT;
    buf_printf(&dir, "%s/%" PRIu64, base, id);
    *old = (struct old){.dir = alloc_string(buf_string(&dir)), .term = 3, .time_ms = 1000};
    buf_done(&dir);
    struct store_options options;
    store_options_init(&options);
    options.dir = old->dir;
    options.create = true;
    options.cluster_id = "old";
    options.node_id = id;
    options.slot_count = OLD_SLOTS;
    options.new_incarnation = 100 + id;
    ck_assert_ok(store_open(&options, &old->store, why));
    const struct msg_options msg = {.store = old->store, .slot_count = OLD_SLOTS};
    old->msg = msg_new(&msg);
    put_configs(old);
}

void old_close(struct old *old)
{
    ck_assert_ok(msg_apply_flush(old->msg, why));
    ck_assert_ok(store_flush(old->store, why));
    msg_free(old->msg);
    store_close(old->store);
    free(old->dir);
}

static uint64_t enter(struct old *old, uint32_t slot, struct command *command, bool is_applied)
{
    command->time_ms = old->time_ms += 10;
    struct blob *blob = command_encode(command);
    uint64_t index = ++old->last[slot];
    const struct row_entry entry = {index, old->term, RAFT_ENTRY_DATA, blob_bytes(blob)};
    const struct row_hard_state hard = {old->term, 0, index};
    struct store_batch *batch = store_batch_new(old->store);
    store_put_entry(batch, slot, &entry);
    store_put_hard_state(batch, slot, &hard);
    ck_assert_ok(store_write(old->store, batch, true, why));
    store_batch_free(batch);
    if (is_applied)
        ck_assert_ok(msg_apply(old->msg, slot, index, old->term, blob_bytes(blob), NULL, why));
    blob_unref(blob);
    return index;
}

uint64_t old_append(struct old *old, const char *channel, const char *payload, bool is_applied)
{
    const struct command_message message = {.payload = bytes_of_string(payload)};
    const struct command_part part = {
        .channel = channel_of(channel), .messages = &message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {&part, 1}};
    return enter(old, old_slot(channel), &command, is_applied);
}

uint64_t old_delete(struct old *old, const char *channel, uint64_t start, uint64_t end,
                    bool is_applied)
{
    const struct range range = {start, end};
    struct command command = {.kind = COMMAND_DELETE,
                              .flags = COMMAND_CLAMP,
                              .delete_ = {.channel = channel_of(channel),
                                          .ranges = &range,
                                          .ranges_count = 1,
                                          .reason = bytes_of_string("test")}};
    return enter(old, old_slot(channel), &command, is_applied);
}

void old_table(struct old *old)
{
    old_table_without(old, 0);
}

void old_table_without(struct old *old, node_id removed)
{
    struct members table = {.replica_count = 3, .places_count = OLD_SLOTS};
    struct buf buf = BUF_INIT;
    table.places = alloc_array(OLD_SLOTS, sizeof(*table.places));
    for (node_id id = 1; id <= 3; id++) {
        struct members_row *row = members_insert(&table, id);
        row->state = id == removed ? MEMBERS_REMOVED : MEMBERS_ACTIVE;
        snprintf(row->address, sizeof(row->address), "old:%d", (int)id);
        for (uint32_t i = 0; i < OLD_SLOTS && id != removed; i++)
            table.places[i].ids[table.places[i].count++] = id;
    }
    members_encode(&buf, &table);
    struct command command = {.kind = COMMAND_MEMBERS, .members = {.table = buf_bytes(&buf)}};
    enter(old, 0, &command, true);
    buf_done(&buf);
    members_done(&table);
}

void line_delete(struct buf *buf, const char *channel, uint64_t index, uint64_t after,
                 uint64_t start, uint64_t end, uint64_t time_ms)
{
    buf_printf(buf,
               "{\"delete_id\":\"x\",\"channel_type\":2,\"channel_id\":\"%s\",\"ranges\":[[%" PRIu64
               ",%" PRIu64 "]],\"deleted_at\":%" PRIu64 ",\"slot\":%u,\"log_index\":%" PRIu64
               ",\"after_index\":%" PRIu64
               ",\"operator\":\"\",\"reason\":\"journal\",\"request_id\":\"\"}\n",
               channel, start, end, time_ms, old_slot(channel), index, after);
}

void line_mark(struct buf *buf, uint32_t slot, uint64_t after, uint64_t through)
{
    buf_printf(buf, "{\"slot\":%u,\"after_index\":%" PRIu64 ",\"through_index\":%" PRIu64 "}\n",
               slot, after, through);
}

void write_file(const char *path, struct buf *buf)
{
    ck_assert_ok(file_write_atomic(path, buf_bytes(buf), 0600, why));
    buf_clear(buf);
}

const char *seqs_in(const char *dir, const char *channel)
{
    static char text[512];
    struct store_options options;
    struct store *store = NULL;
    store_options_init(&options);
    options.dir = dir;
    options.read_only = true;
    ck_assert_ok(store_open(&options, &store, why));
    const struct msg_options msg_options = {.store = store, .slot_count = OLD_SLOTS};
    struct msg *msg = msg_new(&msg_options);
    struct arena arena;
    struct msg_page page;
    struct msg_channel found;
    arena_init(&arena);
    const struct msg_page_query query = {.channel = channel_of(channel), .limit = 50};
    ck_assert_ok(msg_get_page(msg, &query, &arena, &page, why));
    ck_assert_ok(msg_get_channel(msg, channel_of(channel), &arena, &found, why));
    size_t len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < page.messages_count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%" PRIu64, i > 0 ? "," : "",
                                page.messages[i].seq);
    snprintf(text + len, sizeof(text) - len, "/%" PRIu64, found.last_seq);
    for (uint32_t i = 0; i < OLD_SLOTS; i++) {
        struct msg_check check;
        ck_assert_ok(msg_recompute(msg, i, &check, why));
        ck_assert_msg(check.counts_fit, "%s", check.misfit);
        ck_assert(hash128_is_equal(check.stored, check.recomputed));
    }
    arena_done(&arena);
    msg_free(msg);
    store_close(store);
    return text;
}
