/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/members.h"

#include "base/alloc.h"
#include "base/channel.h"
#include "base/utf8.h"
#include "wire/limits.h"
#include "wire/reading.h"

enum { ROW_BYTES_MIN = 1 + 1 + 1 + 8 + 1 + 3, PLACE_BYTES_MIN = 2, FLAG_LEARNER = 1 };

void members_done(struct members *members)
{
    free(members->rows);
    free(members->places);
    members_order_clear(&members->order);
    *members = (struct members){0};
}

void members_order_clear(struct members_order *order)
{
    free(order->rows);
    free(order->moves);
    *order = (struct members_order){0};
}

void members_copy(const struct members *from, struct members *ret)
{
    *ret = *from;
    ret->rows = alloc_array(from->rows_count + 1, sizeof(*ret->rows));
    ret->places = alloc_array(from->places_count + 1, sizeof(*ret->places));
    for (uint32_t i = 0; i < from->rows_count; i++)
        ret->rows[i] = from->rows[i];
    for (uint32_t i = 0; i < from->places_count; i++)
        ret->places[i] = from->places[i];
    const struct members_order *order = &from->order;
    ret->order.rows = alloc_array(order->rows_count + 1, sizeof(*order->rows));
    ret->order.moves = alloc_array(order->moves_count + 1, sizeof(*order->moves));
    for (uint32_t i = 0; i < order->rows_count; i++)
        ret->order.rows[i] = order->rows[i];
    for (uint32_t i = 0; i < order->moves_count; i++)
        ret->order.moves[i] = order->moves[i];
}

struct members_row *members_find(const struct members *members, node_id id)
{
    for (uint32_t i = 0; i < members->rows_count; i++) {
        if (members->rows[i].id == id)
            return &members->rows[i];
    }
    return NULL;
}

struct members_row *members_insert(struct members *members, node_id id)
{
    assert(members->rows_count < MEMBERS_ROWS_MAX && members_find(members, id) == NULL);
    members->rows =
        alloc_resize(members->rows, members->rows_count + 1, sizeof(struct members_row));
    uint32_t at = members->rows_count++;
    for (; at > 0 && members->rows[at - 1].id > id; at--)
        members->rows[at] = members->rows[at - 1];
    members->rows[at] = (struct members_row){.id = id};
    return &members->rows[at];
}

bool members_is_live(const struct members_row *row)
{
    return row != NULL && row->state != MEMBERS_REMOVED;
}

bool members_has(const struct members_place *place, node_id id)
{
    for (uint8_t i = 0; i < place->count; i++) {
        if (place->ids[i] == id)
            return true;
    }
    return false;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static void put_row(struct buf *buf, const struct members_row *row)
{
    buf_put_varint(buf, row->id);
    buf_put_u8(buf, row->state);
    buf_put_u8(buf, row->learner ? FLAG_LEARNER : 0);
    buf_put_le64(buf, row->incarnation);
    buf_put_varint(buf, row->feature_level);
    buf_put_block(buf, bytes_of_string(row->address));
    buf_put_block(buf, bytes_of_string(row->http_address));
    buf_put_block(buf, bytes_of_string(row->zone));
}

static void put_place(struct buf *buf, const struct members_place *place)
{
    buf_put_u8(buf, place->count);
    for (uint8_t k = 0; k < place->count; k++)
        buf_put_varint(buf, place->ids[k]);
}

static void put_order(struct buf *buf, const struct members_order *order)
{
    buf_put_u8(buf, order->state);
    if (order->state == MEMBERS_ORDER_NONE)
        return;
    buf_put_u8(buf, order->what);
    buf_put_varint(buf, order->revision);
    buf_put_varint(buf, order->node);
    buf_put_varint(buf, order->replaced);
    buf_put_varint(buf, order->started_ms);
    buf_put_varint(buf, order->ended_ms);
    buf_put_varint(buf, order->rows_count);
    for (uint32_t i = 0; i < order->rows_count; i++) {
        buf_put_varint(buf, order->rows[i].id);
        buf_put_u8(buf, order->rows[i].state);
        buf_put_u8(buf, order->rows[i].learner ? FLAG_LEARNER : 0);
    }
    buf_put_varint(buf, order->moves_count);
    for (uint32_t i = 0; i < order->moves_count; i++) {
        buf_put_varint(buf, order->moves[i].slot);
        put_place(buf, &order->moves[i].from);
    }
}

void members_encode(struct buf *buf, const struct members *members)
{
    assert(members->rows_count <= MEMBERS_ROWS_MAX && members->places_count <= SLOTS_MAX);
    buf_put_u8(buf, MEMBERS_VERSION);
    buf_put_varint(buf, members->replica_count);
    buf_put_varint(buf, members->feature_level);
    buf_put_varint(buf, members->rows_count);
    for (uint32_t i = 0; i < members->rows_count; i++)
        put_row(buf, &members->rows[i]);
    buf_put_varint(buf, members->places_count);
    for (uint32_t i = 0; i < members->places_count; i++)
        put_place(buf, &members->places[i]);
    put_order(buf, &members->order);
    if (members->earlier_count > 0)
        buf_put_u8(buf, (uint8_t)members->earlier_count);
    for (uint32_t i = 0; i < members->earlier_count; i++)
        put_order(buf, &members->earlier[i]);
}

static void get_text(struct reader *reader, char *to, size_t max)
{
    struct bytes text = reading_block(reader, max);
    if (!utf8_is_valid(text) || utf8_has_control(text))
        reader->failed = true;
    if (!reader->failed && text.len > 0)
        memcpy(to, text.data, text.len);
}

static void get_row(struct reader *reader, struct members_row *ret)
{
    ret->id = reading_number(reader, WIRE_NODE_ID_MAX);
    ret->state = reader_u8(reader);
    uint8_t flags = reader_u8(reader);
    ret->learner = flags == FLAG_LEARNER;
    ret->incarnation = reader_le64(reader);
    ret->feature_level = (uint32_t)reading_number(reader, UINT32_MAX);
    get_text(reader, ret->address, MEMBERS_ADDRESS_MAX_BYTES);
    get_text(reader, ret->http_address, MEMBERS_ADDRESS_MAX_BYTES);
    get_text(reader, ret->zone, MEMBERS_ZONE_MAX_BYTES);
    if (ret->state < MEMBERS_ACTIVE || ret->state > MEMBERS_REMOVED || flags > FLAG_LEARNER)
        reader->failed = true;
}

static void get_place(struct reader *reader, const struct members *members,
                      struct members_place *ret)
{
    ret->count = reader_u8(reader);
    if (ret->count == 0 || ret->count > RAFT_MEMBERS_MAX) {
        reader->failed = true;
        return;
    }
    node_id before = 0;
    for (uint8_t i = 0; i < ret->count && !reader->failed; i++) {
        ret->ids[i] = reading_number(reader, WIRE_NODE_ID_MAX);
        if (ret->ids[i] <= before || members_find(members, ret->ids[i]) == NULL)
            reader->failed = true;
        before = ret->ids[i];
    }
}

static void get_was(struct reader *reader, const struct members *members, struct members_was *ret)
{
    ret->id = reading_number(reader, WIRE_NODE_ID_MAX);
    ret->state = reader_u8(reader);
    uint8_t flags = reader_u8(reader);
    ret->learner = flags == FLAG_LEARNER;
    if (ret->state > MEMBERS_LEAVING || flags > FLAG_LEARNER ||
        members_find(members, ret->id) == NULL)
        reader->failed = true;
}

static void get_moves(struct reader *reader, const struct members *members,
                      struct members_order *ret)
{
    ret->moves_count = reading_count(reader, SLOTS_MAX, 1 + PLACE_BYTES_MIN);
    ret->moves = alloc_array(ret->moves_count + 1, sizeof(*ret->moves));
    for (uint32_t i = 0; i < ret->moves_count && !reader->failed; i++) {
        ret->moves[i] = (struct members_moved){0};
        ret->moves[i].slot = (uint32_t)reading_number(reader, SLOTS_MAX - 1);
        get_place(reader, members, &ret->moves[i].from);
        if ((i > 0 && ret->moves[i].slot <= ret->moves[i - 1].slot) ||
            ret->moves[i].slot >= members->places_count)
            reader->failed = true;
    }
}

static void get_order(struct reader *reader, const struct members *members,
                      struct members_order *ret)
{
    ret->state = reader_u8(reader);
    if (reader->failed || ret->state == MEMBERS_ORDER_NONE)
        return;
    ret->what = reader_u8(reader);
    ret->revision = reader_varint(reader);
    ret->node = reading_number(reader, WIRE_NODE_ID_MAX);
    ret->replaced = reading_number(reader, WIRE_NODE_ID_MAX);
    ret->started_ms = reader_varint(reader);
    ret->ended_ms = reader_varint(reader);
    ret->rows_count = reading_count(reader, MEMBERS_ROWS_MAX, 3);
    ret->rows = alloc_array(ret->rows_count + 1, sizeof(*ret->rows));
    for (uint32_t i = 0; i < ret->rows_count && !reader->failed; i++) {
        ret->rows[i] = (struct members_was){0};
        get_was(reader, members, &ret->rows[i]);
        if (i > 0 && ret->rows[i].id <= ret->rows[i - 1].id)
            reader->failed = true;
    }
    if (!reader->failed)
        get_moves(reader, members, ret);
    if (ret->state > MEMBERS_ORDER_CANCELLED)
        reader->failed = true;
}

static void get_earlier(struct reader *reader, struct members *ret)
{
    uint8_t count = reader_u8(reader);
    if (count == 0 || count > MEMBERS_EARLIER_MAX)
        reader->failed = true;
    for (uint8_t i = 0; i < count && !reader->failed; i++) {
        struct members_order *order = &ret->earlier[ret->earlier_count++];
        get_order(reader, ret, order);
        if (order->state == MEMBERS_ORDER_NONE || order->rows_count > 0 || order->moves_count > 0)
            reader->failed = true;
        free(order->rows);
        free(order->moves);
        order->rows = NULL;
        order->moves = NULL;
    }
}

static void get_table(struct reader *reader, struct members *ret)
{
    ret->replica_count = (uint8_t)reading_number(reader, RAFT_MEMBERS_MAX);
    ret->feature_level = (uint32_t)reading_number(reader, UINT32_MAX);
    ret->rows_count = reading_count(reader, MEMBERS_ROWS_MAX, ROW_BYTES_MIN);
    ret->rows = alloc_array(ret->rows_count + 1, sizeof(*ret->rows));
    node_id before = 0;
    uint32_t live = 0;
    for (uint32_t i = 0; i < ret->rows_count && !reader->failed; i++) {
        ret->rows[i] = (struct members_row){0};
        get_row(reader, &ret->rows[i]);
        live += members_is_live(&ret->rows[i]);
        if (ret->rows[i].id <= before || live > MEMBERS_LIVE_MAX)
            reader->failed = true;
        before = ret->rows[i].id;
    }
    ret->places_count = reading_count(reader, SLOTS_MAX, PLACE_BYTES_MIN);
    ret->places = alloc_array(ret->places_count + 1, sizeof(*ret->places));
    for (uint32_t i = 0; i < ret->places_count && !reader->failed; i++) {
        ret->places[i] = (struct members_place){0};
        get_place(reader, ret, &ret->places[i]);
    }
    if (!reader->failed)
        get_order(reader, ret, &ret->order);
    if (!reader->failed && !reader_is_done(reader))
        get_earlier(reader, ret);
    if (ret->replica_count == 0 || live == 0)
        reader->failed = true;
}

enum err members_decode(struct bytes bytes, struct members *ret, struct why *why)
{
    struct reader reader = reader_of(bytes);
    uint8_t version = reader_u8(&reader);
    if (!reader.failed && version != MEMBERS_VERSION)
        return why_set(why, ERR_WRONG_FORMAT, "a table of members of version %u, not %d", version,
                       MEMBERS_VERSION);
    struct members members = {0};
    if (bytes.len > MEMBERS_MAX_BYTES)
        reader.failed = true;
    if (!reader.failed)
        get_table(&reader, &members);
    if (!reader_is_done(&reader)) {
        members_done(&members);
        return why_set(why, ERR_BAD_FORMAT, "a table of members of %zu bytes does not add up",
                       bytes.len);
    }
    *ret = members;
    return OK;
}
