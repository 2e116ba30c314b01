/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wire/values.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/blob.h"
#include "wire/config.h"
#include "wire/limits.h"

/* ---- generators ----------------------------------------------------------------------------- */

uint64_t gen_number(struct rng *rng)
{
    switch (rng_below(rng, 8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    default:
        return rng_next(rng) >> rng_below(rng, 64);
    }
}

static bool gen_bool(struct rng *rng)
{
    return rng_below(rng, 2) == 1;
}

struct bytes gen_bytes(struct rng *rng, struct arena *arena, size_t min, size_t max)
{
    size_t len = (size_t)rng_between(rng, min, max);
    uint8_t *data = arena_alloc(arena, len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rng_next(rng);
    return len == 0 ? BYTES_NONE : bytes_of(data, len);
}

struct bytes gen_text(struct rng *rng, struct arena *arena, size_t min, size_t max)
{
    size_t len = (size_t)rng_between(rng, min, max);
    uint8_t *data = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rng_between(rng, 0x20, 0x7e);
    if (len >= 2 && gen_bool(rng)) { /* one letter of two bytes: not all of it is ASCII */
        data[len - 2] = 0xc3;
        data[len - 1] = 0xa9;
    }
    return len == 0 ? BYTES_NONE : bytes_of(data, len);
}

static struct channel gen_channel(struct rng *rng, struct arena *arena)
{
    struct channel ret;
    ret.type = (uint8_t)rng_next(rng);
    ret.id = gen_text(rng, arena, 1, gen_bool(rng) ? 12 : CHANNEL_ID_MAX_BYTES);
    return ret;
}

static void gen_message(struct rng *rng, struct arena *arena, struct command_message *ret)
{
    *ret = (struct command_message){0};
    if (gen_bool(rng))
        ret->from_uid = gen_bytes(rng, arena, 0, COMMAND_FROM_UID_MAX_BYTES);
    if (gen_bool(rng))
        ret->client_msg_no = gen_bytes(rng, arena, 0, COMMAND_CLIENT_MSG_NO_MAX_BYTES);
    if (gen_bool(rng))
        ret->topic = gen_bytes(rng, arena, 0, COMMAND_TOPIC_MAX_BYTES);
    ret->payload = gen_bytes(rng, arena, 0, rng_below(rng, 20) == 0 ? 3000 : 100);
    ret->payload_encoding = (uint8_t)rng_below(rng, 3);
    if (gen_bool(rng)) {
        for (int i = 0; i < 3; i++)
            ret->header[i] = (uint8_t)rng_next(rng);
        ret->setting = (uint8_t)rng_next(rng);
    }
    ret->expire_s = gen_bool(rng) ? (uint32_t)rng_next(rng) : 0;
    for (int i = 0; i < COMMAND_SALT_BYTES; i++)
        ret->salt[i] = (uint8_t)rng_next(rng);
}

static void gen_append(struct rng *rng, struct arena *arena, struct command *ret)
{
    uint32_t parts_count = gen_bool(rng) ? 1 : (uint32_t)rng_between(rng, 1, 5);
    struct command_part *parts = arena_zero(arena, parts_count * sizeof(*parts));
    for (uint32_t i = 0; i < parts_count; i++) {
        parts[i].channel = gen_channel(rng, arena);
        parts[i].has_expected_last_seq = gen_bool(rng);
        if (parts[i].has_expected_last_seq)
            parts[i].expected_last_seq = gen_number(rng);
        uint32_t count = (uint32_t)rng_between(rng, 1, 6);
        struct command_message *messages = arena_alloc(arena, count * sizeof(*messages));
        for (uint32_t k = 0; k < count; k++)
            gen_message(rng, arena, &messages[k]);
        parts[i].messages = messages;
        parts[i].messages_count = count;
    }
    ret->append.parts = parts;
    ret->append.parts_count = parts_count;
    ret->flags = parts_count == 1 && gen_bool(rng) ? COMMAND_ATOMIC : 0;
}

static uint32_t gen_ranges(struct rng *rng, struct range *ranges, uint32_t max)
{
    uint32_t count = 0;
    uint64_t next = 1;
    while (count < max) {
        uint64_t gap = gen_number(rng) >> 8, more = gen_number(rng) >> (count == 0 ? 0 : 8);
        if (gap > UINT64_MAX - next || more > UINT64_MAX - next - gap)
            break;
        ranges[count].start = next + gap;
        ranges[count].end = next + gap + more;
        count++;
        if (ranges[count - 1].end > UINT64_MAX - 2)
            break;
        next = ranges[count - 1].end + 2;
    }
    return count;
}

static void gen_delete(struct rng *rng, struct arena *arena, struct command *ret)
{
    struct command_delete *delete_ = &ret->delete_;
    uint32_t max = rng_below(rng, 20) == 0 ? 300 : (uint32_t)rng_between(rng, 1, 9);
    struct range *ranges = arena_zero(arena, max * sizeof(*ranges));
    delete_->channel = gen_channel(rng, arena);
    do {
        delete_->ranges_count = gen_ranges(rng, ranges, max);
    } while (delete_->ranges_count == 0);
    delete_->ranges = ranges;
    delete_->operator_name = gen_bytes(rng, arena, 0, COMMAND_TEXT_MAX_BYTES);
    delete_->reason = gen_bytes(rng, arena, 0, COMMAND_TEXT_MAX_BYTES);
    delete_->request_id = gen_bytes(rng, arena, 0, 40);
    ret->flags = gen_bool(rng) ? COMMAND_CLAMP : 0;
}

static void gen_order(struct rng *rng, struct members *members)
{
    struct members_order *order = &members->order;
    *order = (struct members_order){
        .state = (uint8_t)rng_between(rng, MEMBERS_ORDER_RUNNING, MEMBERS_ORDER_CANCELLED),
        .what = (uint8_t)rng_below(rng, 9),
        .revision = gen_number(rng),
        .node = rng_below(rng, 65536),
        .replaced = rng_below(rng, 65536),
        .started_ms = gen_number(rng),
        .ended_ms = gen_number(rng)};
    order->rows = alloc_array(members->rows_count + 1, sizeof(*order->rows));
    for (uint32_t i = 0; i < members->rows_count; i++) {
        if (gen_bool(rng))
            order->rows[order->rows_count++] =
                (struct members_was){.id = members->rows[i].id,
                                     .state = (uint8_t)rng_below(rng, MEMBERS_REMOVED),
                                     .learner = gen_bool(rng)};
    }
    order->moves = alloc_array(members->places_count + 1, sizeof(*order->moves));
    for (uint32_t i = 0; i < members->places_count; i++) {
        if (gen_bool(rng))
            order->moves[order->moves_count++] =
                (struct members_moved){.slot = i, .from = members->places[i]};
    }
}

void gen_members(struct rng *rng, struct members *ret)
{
    *ret = (struct members){.replica_count = (uint8_t)rng_between(rng, 1, RAFT_MEMBERS_MAX)};
    uint32_t rows = (uint32_t)rng_between(rng, 1, 9);
    for (uint32_t i = 0; i < rows; i++) {
        node_id id = rng_between(rng, 1, 65535);
        if (members_find(ret, id) != NULL)
            continue;
        struct members_row *row = members_insert(ret, id);
        row->state =
            (uint8_t)rng_between(rng, MEMBERS_ACTIVE, i == 0 ? MEMBERS_LEAVING : MEMBERS_REMOVED);
        row->learner = gen_bool(rng);
        row->incarnation = gen_number(rng);
        row->feature_level = (uint32_t)rng_below(rng, 9);
        (void)snprintf(row->address, sizeof(row->address), "host%u:%u", (unsigned)id, i + 1);
        (void)snprintf(row->zone, sizeof(row->zone), "%s", gen_bool(rng) ? "" : "rack-1");
    }
    ret->places_count = (uint32_t)rng_below(rng, 70);
    ret->places = alloc_array(ret->places_count + 1, sizeof(*ret->places));
    for (uint32_t i = 0; i < ret->places_count; i++) {
        struct members_place *place = &ret->places[i];
        for (uint32_t k = 0; k < ret->rows_count && place->count < RAFT_MEMBERS_MAX; k++) {
            if (k == 0 || gen_bool(rng))
                place->ids[place->count++] = ret->rows[k].id;
        }
    }
    ret->feature_level = (uint32_t)rng_below(rng, 9);
    if (gen_bool(rng))
        gen_order(rng, ret);
}

static struct bytes gen_table(struct rng *rng, struct arena *arena)
{
    struct members members;
    struct buf buf = BUF_INIT;
    gen_members(rng, &members);
    members_encode(&buf, &members);
    struct bytes ret = arena_copy(arena, buf_bytes(&buf));
    buf_done(&buf);
    members_done(&members);
    return ret;
}

void gen_command(struct rng *rng, struct arena *arena, struct command *ret)
{
    *ret = (struct command){.kind = (uint8_t)rng_between(rng, 1, COMMAND_KIND_LAST)};
    ret->time_ms = gen_number(rng);
    switch (ret->kind) {
    case COMMAND_APPEND:
        gen_append(rng, arena, ret);
        break;
    case COMMAND_DELETE:
        gen_delete(rng, arena, ret);
        break;
    case COMMAND_DEDUP_GENERATION:
        ret->dedup_generation.window_ms = gen_number(rng);
        break;
    case COMMAND_RAISE_FLOOR:
        ret->raise_floor.floor = gen_number(rng);
        ret->raise_floor.forced = gen_bool(rng);
        break;
    case COMMAND_CHECK:
        ret->check.id = gen_number(rng);
        break;
    case COMMAND_MEMBERS:
        ret->members.expected_revision = gen_number(rng);
        ret->members.table = gen_table(rng, arena);
        break;
    default:
        ret->set_retention.channel = gen_channel(rng, arena);
        ret->set_retention.max_age_ms = gen_number(rng);
        ret->set_retention.max_messages = gen_number(rng);
        ret->set_retention.max_bytes = gen_number(rng);
    }
}

static void gen_nodes(struct rng *rng, node_id *ids, uint8_t *ret_count)
{
    uint8_t count = (uint8_t)rng_below(rng, RAFT_MEMBERS_MAX + 1);
    node_id next = 0;
    for (uint8_t i = 0; i < count; i++) {
        next += rng_between(rng, 1, gen_bool(rng) ? 3 : 9000);
        ids[i] = next;
    }
    *ret_count = count;
}

void gen_config(struct rng *rng, struct raft_config *ret)
{
    *ret = (struct raft_config){0};
    gen_nodes(rng, ret->voters, &ret->voters_count);
    if (gen_bool(rng))
        return;
    gen_nodes(rng, ret->voters_old, &ret->voters_old_count);
    gen_nodes(rng, ret->learners, &ret->learners_count);
    gen_nodes(rng, ret->learners_next, &ret->learners_next_count);
}

static struct raft_pos gen_pos(struct rng *rng)
{
    struct raft_pos ret;
    ret.term = gen_number(rng);
    ret.index = gen_number(rng);
    return ret;
}

static void gen_entries(struct rng *rng, struct arena *arena, struct raft_packet *packet)
{
    uint32_t count = (uint32_t)rng_between(rng, 1, rng_below(rng, 10) == 0 ? 64 : 6);
    struct raft_entry *entries = arena_zero(arena, count * sizeof(*entries));
    packet->pos.term = 1 + (gen_number(rng) >> 20);
    packet->pos.index = rng_next(rng) >> (24 + rng_below(rng, 40));
    if (packet->pos.index > ((raft_index)1 << MESSAGE_ID_INDEX_BITS) - 1 - count)
        packet->pos.index = 7;
    struct raft_pos pos = packet->pos;
    for (uint32_t i = 0; i < count; i++) {
        pos.index++;
        pos.term += rng_below(rng, 4) == 0 ? rng_next(rng) >> 24 : 0;
        entries[i].pos = pos;
        entries[i].kind = (uint8_t)rng_between(rng, RAFT_ENTRY_EMPTY, RAFT_ENTRY_CONFIG);
        if (entries[i].kind == RAFT_ENTRY_CONFIG) {
            struct raft_config *config = arena_zero(arena, sizeof(*config));
            gen_config(rng, config);
            entries[i].config = config;
            entries[i].payload = wire_config_blob(config);
        } else if (entries[i].kind == RAFT_ENTRY_DATA) {
            entries[i].payload = blob_copy(gen_bytes(rng, arena, 1, 200));
        }
        if (entries[i].payload != NULL)
            entries[i].size_bytes = entries[i].payload->len;
    }
    packet->entries = entries;
    packet->entries_count = count;
}

void gen_packet(struct rng *rng, struct arena *arena, struct raft_packet *ret)
{
    *ret = (struct raft_packet){.first = 1};
    ret->kind = (uint8_t)rng_between(rng, 1, RAFT_PACKET_KINDS - 1);
    ret->slot = (slot_id)rng_below(rng, SLOTS_MAX);
    ret->from = rng_between(rng, 1, WIRE_NODE_ID_MAX);
    ret->to = rng_between(rng, 1, WIRE_NODE_ID_MAX);
    ret->from_boot = gen_number(rng);
    ret->term = gen_number(rng);
    uint64_t mask = rng_next(rng);
    ret->flags = (mask & 1) ? (uint8_t)rng_next(rng) : 0;
    ret->to_boot = (mask & 2) ? gen_number(rng) : 0;
    ret->pos = (mask & 4) ? gen_pos(rng) : ret->pos;
    ret->hint = (mask & 8) ? gen_pos(rng) : ret->hint;
    ret->commit = (mask & 16) ? gen_number(rng) : 0;
    ret->applied = (mask & 32) ? gen_number(rng) : 0;
    ret->number = (mask & 64) ? gen_number(rng) : 0;
    ret->disk_free_mb = (mask & 128) ? (uint32_t)rng_next(rng) : 0;
    ret->install.session = (mask & 256) ? gen_number(rng) : 0;
    if (ret->kind == RAFT_INSTALL || (mask & 0xe00) == 0) {
        ret->install.kind = (uint8_t)rng_below(rng, RAFT_FULL + 1);
        ret->install.base = gen_number(rng);
        ret->install.target = gen_pos(rng);
        ret->install.config_pos = gen_pos(rng);
        gen_config(rng, &ret->install.config);
    }
    if (ret->kind == RAFT_APPEND)
        gen_entries(rng, arena, ret);
}

void values_done_packet(struct raft_packet *packet)
{
    for (uint32_t i = 0; i < packet->entries_count; i++)
        blob_unref(packet->entries[i].payload);
}

static enum err gen_err(struct rng *rng)
{
    return gen_bool(rng) ? OK : (enum err)rng_between(rng, 1, ERR_COUNT - 1);
}

void gen_request(struct rng *rng, struct arena *arena, struct call_request *ret)
{
    *ret = (struct call_request){.id = gen_number(rng)};
    ret->kind = (uint8_t)rng_between(rng, 1, 255);
    ret->hops = (uint8_t)rng_below(rng, WIRE_HOPS_MAX + 1);
    ret->slot = (slot_id)rng_below(rng, SLOTS_MAX);
    ret->deadline_ms = (uint32_t)gen_number(rng);
    ret->min_term = gen_number(rng);
    ret->min_index = gen_number(rng);
    ret->body = gen_bytes(rng, arena, 0, 300);
    if (gen_bool(rng))
        ret->request_id = bytes_of_string("r-4711_.A");
    if (gen_bool(rng))
        ret->trace_id = bytes_of_string("4bf92f3577b34da6a3ce929d0e0e4736");
}

void gen_response(struct rng *rng, struct arena *arena, struct call_response *ret)
{
    *ret = (struct call_response){.id = gen_number(rng)};
    ret->err = gen_err(rng);
    ret->leader = rng_below(rng, WIRE_NODE_ID_MAX + 1);
    ret->text = gen_text(rng, arena, 0, WIRE_WHY_MAX_BYTES);
    ret->result = gen_bytes(rng, arena, 0, 300);
}

static void gen_delete_result(struct rng *rng, struct arena *arena, struct wire_delete_result *ret)
{
    ret->err = gen_err(rng);
    ret->logged = gen_bool(rng);
    struct range *ranges = arena_zero(arena, 8 * sizeof(*ranges));
    ret->ranges_count = gen_ranges(rng, ranges, 8);
    ret->ranges = ranges;
    ret->start_seq = gen_number(rng);
    ret->end_seq = gen_number(rng);
    ret->deleted_count = gen_number(rng);
    ret->already_deleted = gen_number(rng);
    ret->first_seq = gen_number(rng);
    ret->last_seq = gen_number(rng);
    ret->deleted_at_ms = gen_number(rng);
}

void gen_result(struct rng *rng, struct arena *arena, struct wire_result *ret)
{
    *ret = (struct wire_result){.kind = (uint8_t)rng_between(rng, 1, COMMAND_KIND_LAST)};
    ret->slot = (slot_id)rng_below(rng, SLOTS_MAX);
    ret->log_index = gen_number(rng);
    ret->term = gen_number(rng);
    ret->floor = gen_number(rng);
    ret->removed = gen_number(rng);
    if (ret->kind == COMMAND_DELETE)
        gen_delete_result(rng, arena, &ret->deleted);
    if (ret->kind != COMMAND_APPEND)
        return;
    ret->appends_count = (uint32_t)rng_below(rng, 12);
    struct wire_append_result *appends = arena_zero(arena, ret->appends_count * sizeof(*appends));
    for (uint32_t i = 0; i < ret->appends_count; i++) {
        appends[i].err = gen_err(rng);
        appends[i].seq = gen_number(rng);
        appends[i].message_id = gen_number(rng);
        appends[i].timestamp_ms = gen_number(rng);
        appends[i].log_index = gen_number(rng);
        appends[i].duplicate = gen_bool(rng);
        appends[i].deleted = gen_bool(rng);
        appends[i].last_seq = gen_number(rng);
    }
    ret->appends = appends;
}

void gen_hello(struct rng *rng, struct arena *arena, struct hello *ret)
{
    *ret = (struct hello){.version_min = (uint16_t)rng_between(rng, 1, 5)};
    ret->version_max = (uint16_t)(ret->version_min + rng_below(rng, 3));
    ret->lane = (uint8_t)rng_between(rng, 1, HELLO_LANES - 1);
    ret->node = rng_between(rng, 1, WIRE_NODE_ID_MAX);
    ret->to = rng_below(rng, WIRE_NODE_ID_MAX + 1);
    ret->incarnation = gen_number(rng);
    ret->boot = gen_number(rng);
    for (int i = 0; i < HELLO_NONCE_BYTES; i++)
        ret->nonce[i] = (uint8_t)rng_next(rng);
    ret->feature_level = (uint32_t)rng_next(rng);
    ret->slot_count = (uint32_t)rng_between(rng, 1, SLOTS_MAX);
    ret->cluster_id = gen_text(rng, arena, 1, WIRE_CLUSTER_ID_MAX_BYTES);
    ret->peer_address = gen_text(rng, arena, 0, WIRE_ADDRESS_MAX_BYTES);
    ret->http_address = gen_text(rng, arena, 0, 30);
    ret->software = gen_text(rng, arena, 0, WIRE_SOFTWARE_MAX_BYTES);
    ret->zone = gen_text(rng, arena, 0, WIRE_ZONE_MAX_BYTES);
    ret->flags = gen_bool(rng) ? HELLO_BLANK : 0;
}

void gen_hello_reply(struct rng *rng, struct arena *arena, struct hello_reply *ret)
{
    *ret = (struct hello_reply){.err = gen_err(rng)};
    ret->text = gen_text(rng, arena, 0, WIRE_WHY_MAX_BYTES);
    ret->version = ret->err == OK ? (uint16_t)rng_between(rng, 1, UINT16_MAX) : 0;
    gen_hello(rng, arena, &ret->hello);
}

void gen_chunk(struct rng *rng, struct arena *arena, struct chunk *ret)
{
    static const uint8_t kinds[] = {CHUNK_FETCH, CHUNK_END, CHUNK_STOP};
    *ret = (struct chunk){.kind = kinds[rng_below(rng, 3)]};
    ret->slot = (slot_id)rng_below(rng, SLOTS_MAX);
    ret->session = gen_number(rng);
    ret->term = gen_number(rng);
    if (ret->kind == CHUNK_STOP) {
        ret->stop = (enum err)rng_between(rng, 1, ERR_COUNT - 1);
        return;
    }
    if (ret->kind == CHUNK_FETCH) {
        ret->fetch.number = gen_number(rng);
        ret->fetch.cursor = gen_bytes(rng, arena, 0, 300);
        ret->fetch.credits = (uint32_t)rng_between(rng, 1, WIRE_CREDITS_MAX);
        return;
    }
    ret->end.number = gen_number(rng);
    ret->end.target = gen_pos(rng);
    ret->end.config_pos = gen_pos(rng);
    gen_config(rng, &ret->end.config);
    ret->end.digest = (struct hash128){rng_next(rng), rng_next(rng)};
    ret->end.counts_count = (uint8_t)rng_below(rng, WIRE_COUNTS_MAX + 1);
    for (uint8_t i = 0; i < ret->end.counts_count; i++)
        ret->end.counts[i] = gen_number(rng);
}

void gen_row(struct rng *rng, struct arena *arena, struct chunk_row *ret)
{
    ret->family = (uint8_t)rng_next(rng);
    ret->key = gen_bytes(rng, arena, 0, 60);
    ret->value = gen_bytes(rng, arena, 0, 200);
}

void gen_digest(struct rng *rng, struct wire_digest *ret)
{
    ret->slot = (slot_id)rng_below(rng, SLOTS_MAX);
    ret->verdict = (uint8_t)rng_below(rng, DIGEST_VERDICTS);
    ret->index = gen_number(rng);
    ret->digest = (struct hash128){rng_next(rng), rng_next(rng)};
}

/* ---- comparison ----------------------------------------------------------------------------- */

static bool same_message(const struct command_message *a, const struct command_message *b)
{
    return bytes_is_equal(a->from_uid, b->from_uid) &&
           bytes_is_equal(a->client_msg_no, b->client_msg_no) &&
           bytes_is_equal(a->payload, b->payload) && bytes_is_equal(a->topic, b->topic) &&
           a->payload_encoding == b->payload_encoding && a->setting == b->setting &&
           memcmp(a->header, b->header, sizeof(a->header)) == 0 && a->expire_s == b->expire_s &&
           memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

static bool same_append(const struct command_append *a, const struct command_append *b)
{
    if (a->parts_count != b->parts_count)
        return false;
    for (uint32_t i = 0; i < a->parts_count; i++) {
        const struct command_part *p = &a->parts[i], *q = &b->parts[i];
        if (!channel_is_equal(p->channel, q->channel) ||
            p->has_expected_last_seq != q->has_expected_last_seq ||
            p->expected_last_seq != q->expected_last_seq || p->messages_count != q->messages_count)
            return false;
        for (uint32_t k = 0; k < p->messages_count; k++) {
            if (!same_message(&p->messages[k], &q->messages[k]))
                return false;
        }
    }
    return true;
}

static bool same_ranges(const struct range *a, uint32_t a_count, const struct range *b,
                        uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].start != b[i].start || a[i].end != b[i].end)
            return false;
    }
    return true;
}

static bool same_delete(const struct command_delete *a, const struct command_delete *b)
{
    return channel_is_equal(a->channel, b->channel) &&
           same_ranges(a->ranges, a->ranges_count, b->ranges, b->ranges_count) &&
           bytes_is_equal(a->operator_name, b->operator_name) &&
           bytes_is_equal(a->reason, b->reason) && bytes_is_equal(a->request_id, b->request_id);
}

bool same_command(const struct command *a, const struct command *b)
{
    if (a->kind != b->kind || a->flags != b->flags || a->time_ms != b->time_ms)
        return false;
    switch (a->kind) {
    case COMMAND_APPEND:
        return same_append(&a->append, &b->append);
    case COMMAND_DELETE:
        return same_delete(&a->delete_, &b->delete_);
    case COMMAND_DEDUP_GENERATION:
        return a->dedup_generation.window_ms == b->dedup_generation.window_ms;
    case COMMAND_RAISE_FLOOR:
        return a->raise_floor.floor == b->raise_floor.floor &&
               a->raise_floor.forced == b->raise_floor.forced;
    case COMMAND_CHECK:
        return a->check.id == b->check.id;
    case COMMAND_MEMBERS:
        return a->members.expected_revision == b->members.expected_revision &&
               bytes_is_equal(a->members.table, b->members.table);
    default:
        return channel_is_equal(a->set_retention.channel, b->set_retention.channel) &&
               a->set_retention.max_age_ms == b->set_retention.max_age_ms &&
               a->set_retention.max_messages == b->set_retention.max_messages &&
               a->set_retention.max_bytes == b->set_retention.max_bytes;
    }
}

static bool same_nodes(const node_id *a, uint8_t a_count, const node_id *b, uint8_t b_count)
{
    return a_count == b_count && memcmp(a, b, a_count * sizeof(*a)) == 0;
}

bool same_config(const struct raft_config *a, const struct raft_config *b)
{
    return same_nodes(a->voters, a->voters_count, b->voters, b->voters_count) &&
           same_nodes(a->voters_old, a->voters_old_count, b->voters_old, b->voters_old_count) &&
           same_nodes(a->learners, a->learners_count, b->learners, b->learners_count) &&
           same_nodes(a->learners_next, a->learners_next_count, b->learners_next,
                      b->learners_next_count);
}

static bool same_pos(struct raft_pos a, struct raft_pos b)
{
    return a.term == b.term && a.index == b.index;
}

static bool same_install(const struct raft_install *a, const struct raft_install *b)
{
    return a->session == b->session && a->kind == b->kind && a->base == b->base &&
           same_pos(a->target, b->target) && same_pos(a->config_pos, b->config_pos) &&
           same_config(&a->config, &b->config);
}

static bool same_entry(const struct raft_entry *a, const struct raft_entry *b)
{
    if (!same_pos(a->pos, b->pos) || a->kind != b->kind || a->size_bytes != b->size_bytes ||
        (a->payload == NULL) != (b->payload == NULL) || (a->config == NULL) != (b->config == NULL))
        return false;
    return (a->payload == NULL || bytes_is_equal(blob_bytes(a->payload), blob_bytes(b->payload))) &&
           (a->config == NULL || same_config(a->config, b->config));
}

bool same_packet(const struct raft_packet *a, const struct raft_packet *b)
{
    if (a->slot != b->slot || a->from != b->from || a->to != b->to ||
        a->from_boot != b->from_boot || a->to_boot != b->to_boot || a->kind != b->kind ||
        a->flags != b->flags || a->term != b->term || !same_pos(a->pos, b->pos) ||
        !same_pos(a->hint, b->hint) || a->commit != b->commit || a->applied != b->applied ||
        a->number != b->number || a->disk_free_mb != b->disk_free_mb ||
        !same_install(&a->install, &b->install) || a->entries_count != b->entries_count)
        return false;
    for (uint32_t i = 0; i < a->entries_count; i++) {
        if (!same_entry(&a->entries[i], &b->entries[i]))
            return false;
    }
    return true;
}

bool same_request(const struct call_request *a, const struct call_request *b)
{
    return a->id == b->id && a->kind == b->kind && a->hops == b->hops && a->slot == b->slot &&
           a->deadline_ms == b->deadline_ms && a->min_term == b->min_term &&
           a->min_index == b->min_index && bytes_is_equal(a->body, b->body) &&
           bytes_is_equal(a->request_id, b->request_id) && bytes_is_equal(a->trace_id, b->trace_id);
}

bool same_response(const struct call_response *a, const struct call_response *b)
{
    return a->id == b->id && a->err == b->err && a->leader == b->leader &&
           bytes_is_equal(a->text, b->text) && bytes_is_equal(a->result, b->result);
}

static bool same_append_result(const struct wire_append_result *a,
                               const struct wire_append_result *b)
{
    return a->err == b->err && a->seq == b->seq && a->message_id == b->message_id &&
           a->timestamp_ms == b->timestamp_ms && a->log_index == b->log_index &&
           a->duplicate == b->duplicate && a->deleted == b->deleted && a->last_seq == b->last_seq;
}

static bool same_delete_result(const struct wire_delete_result *a,
                               const struct wire_delete_result *b)
{
    return a->err == b->err && a->logged == b->logged &&
           same_ranges(a->ranges, a->ranges_count, b->ranges, b->ranges_count) &&
           a->start_seq == b->start_seq && a->end_seq == b->end_seq &&
           a->deleted_count == b->deleted_count && a->already_deleted == b->already_deleted &&
           a->first_seq == b->first_seq && a->last_seq == b->last_seq &&
           a->deleted_at_ms == b->deleted_at_ms;
}

bool same_result(const struct wire_result *a, const struct wire_result *b)
{
    if (a->kind != b->kind || a->slot != b->slot || a->log_index != b->log_index ||
        a->term != b->term || a->floor != b->floor || a->removed != b->removed ||
        a->appends_count != b->appends_count)
        return false;
    for (uint32_t i = 0; i < a->appends_count; i++) {
        if (!same_append_result(&a->appends[i], &b->appends[i]))
            return false;
    }
    return same_delete_result(&a->deleted, &b->deleted);
}

bool same_hello(const struct hello *a, const struct hello *b)
{
    return a->version_min == b->version_min && a->version_max == b->version_max &&
           a->lane == b->lane && a->node == b->node && a->to == b->to &&
           a->incarnation == b->incarnation && a->boot == b->boot &&
           memcmp(a->nonce, b->nonce, sizeof(a->nonce)) == 0 &&
           a->feature_level == b->feature_level && a->slot_count == b->slot_count &&
           bytes_is_equal(a->cluster_id, b->cluster_id) &&
           bytes_is_equal(a->peer_address, b->peer_address) &&
           bytes_is_equal(a->http_address, b->http_address) && a->flags == b->flags &&
           bytes_is_equal(a->software, b->software) && bytes_is_equal(a->zone, b->zone);
}

bool same_hello_reply(const struct hello_reply *a, const struct hello_reply *b)
{
    return a->err == b->err && a->version == b->version && bytes_is_equal(a->text, b->text) &&
           same_hello(&a->hello, &b->hello);
}

static bool same_end(const struct chunk_end *a, const struct chunk_end *b)
{
    return a->number == b->number && same_pos(a->target, b->target) &&
           same_pos(a->config_pos, b->config_pos) && same_config(&a->config, &b->config) &&
           hash128_is_equal(a->digest, b->digest) && a->counts_count == b->counts_count &&
           memcmp(a->counts, b->counts, a->counts_count * sizeof(a->counts[0])) == 0;
}

bool same_chunk(const struct chunk *a, const struct chunk *b)
{
    if (a->kind != b->kind || a->slot != b->slot || a->session != b->session || a->term != b->term)
        return false;
    switch (a->kind) {
    case CHUNK_FETCH:
        return a->fetch.number == b->fetch.number && a->fetch.credits == b->fetch.credits &&
               bytes_is_equal(a->fetch.cursor, b->fetch.cursor);
    case CHUNK_ROWS:
        return a->rows.number == b->rows.number && a->rows.count == b->rows.count &&
               a->rows.crc32c == b->rows.crc32c && bytes_is_equal(a->rows.cursor, b->rows.cursor) &&
               bytes_is_equal(a->rows.rows, b->rows.rows);
    case CHUNK_END:
        return same_end(&a->end, &b->end);
    default:
        return a->stop == b->stop;
    }
}

bool same_digest(const struct wire_digest *a, const struct wire_digest *b)
{
    return a->slot == b->slot && a->verdict == b->verdict && a->index == b->index &&
           hash128_is_equal(a->digest, b->digest);
}
