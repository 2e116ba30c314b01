/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the cluster's nodes, and placements, on their way between nodes. Pure.
 *
 * A change: u8 what, u8 flags (1 learner, 2 dry run), le64 id, le64 replaces, le64 revision, blocks
 * address, zone.
 * A placement: le64 revision, u8 replicas, varint slots, varint settled, varint nodes (each: varint id,
 * u8 state, u8 learner, block zone, varint slots before, after), varint moves (each: varint slot, u8
 * count and varint ids before, the same after), varint feature level, u8 state of the last order (0:
 * none), else u8 what, varints revision, node, replaced, started_ms, ended_ms, moves, settled moves;
 * varint earlier orders, each as the last one; nothing when there are none. */
#include "base/alloc.h"
#include "base/channel.h"
#include "node/member.h"
#include "wire/limits.h"

enum { CHANGE_LEARNER = 1, CHANGE_DRY_RUN = 2, CHANGE_FLAGS = 3 };

static_assert((int)NODE_ORDER_CANCELLED == (int)MEMBERS_ORDER_CANCELLED &&
                  (int)NODE_ORDER_RUNNING == (int)MEMBERS_ORDER_RUNNING,
              "what others see of an order");
static_assert((int)NODE_ORDERS_EARLIER_MAX == (int)MEMBERS_EARLIER_MAX, "orders that are kept");
static_assert((int)NODE_PLACED_LEAVING == (int)MEMBERS_LEAVING &&
                  (int)NODE_PLACED_DRAINING == (int)MEMBERS_DRAINING,
              "what others see of a row's state");

/* ---- what travels -------------------------------------------------------------------------------- */

struct blob *node_member_encode(const struct node_member_change *change)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, (uint8_t)change->what);
    buf_put_u8(&buf, (uint8_t)((change->learner ? CHANGE_LEARNER : 0) |
                               (change->dry_run ? CHANGE_DRY_RUN : 0)));
    buf_put_le64(&buf, change->id);
    buf_put_le64(&buf, change->replaces);
    buf_put_le64(&buf, change->revision);
    buf_put_block(&buf, bytes_of_string(change->address));
    buf_put_block(&buf, bytes_of_string(change->zone));
    struct blob *ret = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    return ret;
}

static bool get_text(struct reader *reader, char *to, size_t max)
{
    struct bytes text = reader_block(reader);
    if (reader->failed || text.len > max) {
        return false;
    }
    memcpy(to, text.len == 0 ? (const uint8_t *)"" : text.data, text.len);
    to[text.len] = 0;
    return true;
}

bool placement_read_change(struct bytes bytes, struct node_member_change *ret)
{
    struct reader reader = reader_of(bytes);
    *ret = (struct node_member_change){.what = (enum node_member_what)reader_u8(&reader)};
    uint8_t flags = reader_u8(&reader);
    ret->learner = (flags & CHANGE_LEARNER) != 0;
    ret->dry_run = (flags & CHANGE_DRY_RUN) != 0;
    ret->id = reader_le64(&reader);
    ret->replaces = reader_le64(&reader);
    ret->revision = reader_le64(&reader);
    return get_text(&reader, ret->address, MEMBERS_ADDRESS_MAX_BYTES) &&
           get_text(&reader, ret->zone, MEMBERS_ZONE_MAX_BYTES) && reader_is_done(&reader) &&
           ret->what < NODE_MEMBER_WHATS && flags <= CHANGE_FLAGS && ret->id > 0 &&
           ret->id <= WIRE_NODE_ID_MAX && ret->replaces <= WIRE_NODE_ID_MAX;
}

static void put_place(struct buf *buf, const struct members_place *place)
{
    buf_put_u8(buf, place->count);
    for (uint8_t i = 0; i < place->count; i++) {
        buf_put_varint(buf, place->ids[i]);
    }
}

static uint32_t slots_of(const struct members *table, node_id id)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < table->places_count; i++) {
        ret += members_has(&table->places[i], id);
    }
    return ret;
}

bool placement_is_same(const struct members_place *a, const struct members_place *b)
{
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof(a->ids[0])) == 0;
}

static const struct members_place nowhere;

static uint32_t count_moves(const struct members *from, const struct members *to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < to->places_count; i++) {
        const struct members_place *old = i < from->places_count ? &from->places[i] : &nowhere;
        count += !placement_is_same(old, &to->places[i]);
    }
    return count;
}

static void put_moves(struct buf *buf, const struct members *from, const struct members *to)
{
    buf_put_varint(buf, count_moves(from, to));
    for (uint32_t i = 0; i < to->places_count; i++) {
        const struct members_place *old = i < from->places_count ? &from->places[i] : &nowhere;
        if (!placement_is_same(old, &to->places[i])) {
            buf_put_varint(buf, i);
            put_place(buf, old);
            put_place(buf, &to->places[i]);
        }
    }
}

/* moves: what its progress is counted in. */
static void put_order(struct buf *buf, const struct members_order *order, uint32_t moves,
                      uint32_t moves_settled)
{
    buf_put_u8(buf, order->state);
    if (order->state == MEMBERS_ORDER_NONE) {
        return;
    }
    buf_put_u8(buf, order->what);
    const uint64_t numbers[] = {order->revision, order->node, order->replaced, order->started_ms,
                                order->ended_ms, moves,       moves_settled};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_put_varint(buf, numbers[i]);
    }
}

/* A learner of all slots moves none: its way is through all of them. */
static void put_orders(struct buf *buf, const struct placement_now *now,
                       const struct members *table)
{
    const struct members_order *order = &table->order;
    bool is_all = order->moves_count == 0 && order->what == NODE_MEMBER_ADD;
    put_order(buf, order, is_all ? now->slots : order->moves_count,
              is_all ? now->settled : now->moves_settled);
    if (table->earlier_count > 0) { /* builds below NODE_FEATURE_EARLIER know of none */
        buf_put_varint(buf, table->earlier_count);
    }
    for (uint32_t i = 0; i < table->earlier_count; i++) {
        put_order(buf, &table->earlier[i], now->slots, now->settled);
    }
}

/* What node_placement_decode reads: the way from one table to another one. */
struct blob *placement_encode(const struct members *from, const struct members *to,
                              const struct placement_now *now)
{
    uint32_t slots = now->slots;
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, to->revision);
    buf_put_u8(&buf, to->replica_count);
    buf_put_varint(&buf, slots);
    /* Nothing was begun yet of a plan: what it moves is what is left to do. */
    bool is_plan = from != to || to->revision == 0;
    buf_put_varint(&buf, is_plan ? slots - count_moves(from, to) : now->settled);
    uint32_t count = 0;
    for (uint32_t i = 0; i < to->rows_count; i++) {
        count += to->rows[i].state != MEMBERS_REMOVED;
    }
    buf_put_varint(&buf, count);
    for (uint32_t i = 0; i < to->rows_count; i++) {
        const struct members_row *row = &to->rows[i];
        if (row->state == MEMBERS_REMOVED) {
            continue;
        }
        buf_put_varint(&buf, row->id);
        buf_put_u8(&buf, row->state);
        buf_put_u8(&buf, row->learner);
        buf_put_block(&buf, bytes_of_string(row->zone));
        buf_put_varint(&buf, slots_of(from, row->id));
        buf_put_varint(&buf, slots_of(to, row->id));
    }
    put_moves(&buf, from, to);
    buf_put_varint(&buf, to->feature_level);
    put_orders(&buf, now, to);
    struct blob *ret = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    return ret;
}

static void get_place(struct reader *reader, uint8_t *ret_count, node_id *ids)
{
    *ret_count = reader_u8(reader);
    if (*ret_count > RAFT_MEMBERS_MAX) {
        reader->failed = true;
    }
    for (uint8_t i = 0; !reader->failed && i < *ret_count; i++) {
        ids[i] = reader_varint(reader);
    }
}

static void get_node(struct reader *reader, struct node_placed *ret)
{
    *ret = (struct node_placed){.id = reader_varint(reader)};
    ret->state = reader_u8(reader);
    ret->learner = reader_u8(reader) != 0;
    if (!get_text(reader, ret->zone, NODE_ZONE_MAX_BYTES)) {
        reader->failed = true;
    }
    ret->slots_before = (uint32_t)reader_varint(reader);
    ret->slots_after = (uint32_t)reader_varint(reader);
}

static void get_order(struct reader *reader, struct node_order *ret)
{
    ret->state = reader_u8(reader);
    if (reader->failed || ret->state == NODE_ORDER_NONE) {
        return;
    }
    ret->what = reader_u8(reader);
    ret->revision = reader_varint(reader);
    ret->node = reader_varint(reader);
    ret->replaced = reader_varint(reader);
    ret->started_ms = reader_varint(reader);
    ret->ended_ms = reader_varint(reader);
    ret->moves = (uint32_t)reader_varint(reader);
    ret->moves_settled = (uint32_t)reader_varint(reader);
    if (ret->state > NODE_ORDER_CANCELLED || ret->what >= NODE_MEMBER_WHATS) {
        reader->failed = true;
    }
}

struct node_placement *node_placement_decode(struct bytes bytes)
{
    struct node_placement *ret = alloc_zero(sizeof(*ret));
    struct reader reader = reader_of(bytes);
    ret->revision = reader_le64(&reader);
    ret->replica_count = reader_u8(&reader);
    ret->slots = (uint32_t)reader_varint(&reader);
    ret->settled = (uint32_t)reader_varint(&reader);
    uint64_t nodes = reader_varint(&reader);
    for (uint64_t i = 0; !reader.failed && i < nodes && nodes <= NODE_MEMBERS_MAX; i++) {
        get_node(&reader, &ret->nodes[ret->nodes_count++]);
    }
    uint64_t moves = reader_varint(&reader);
    if (reader.failed || nodes != ret->nodes_count || moves > SLOTS_MAX) {
        free(ret);
        return NULL;
    }
    ret = alloc_resize(ret, 1, sizeof(*ret) + moves * sizeof(ret->moves[0]));
    for (uint64_t i = 0; !reader.failed && i < moves; i++) {
        struct node_move *move = &ret->moves[ret->moves_count++];
        *move = (struct node_move){.slot = (uint32_t)reader_varint(&reader)};
        get_place(&reader, &move->from_count, move->from);
        get_place(&reader, &move->to_count, move->to);
    }
    ret->feature_level = (uint32_t)reader_varint(&reader);
    get_order(&reader, &ret->order);
    bool has_earlier = !reader.failed && !reader_is_done(&reader);
    uint64_t earlier = has_earlier ? reader_varint(&reader) : 0;
    for (uint64_t i = 0; !reader.failed && i < earlier && earlier <= NODE_ORDERS_EARLIER_MAX; i++) {
        get_order(&reader, &ret->earlier[ret->earlier_count++]);
    }
    reader.failed |= earlier > NODE_ORDERS_EARLIER_MAX;
    if (!reader_is_done(&reader)) {
        free(ret);
        return NULL;
    }
    return ret;
}
