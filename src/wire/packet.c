/* SPDX-License-Identifier: Apache-2.0 */
/* A packet is a fixed head (slot, kind, a mask of 16 bits, from, to, from_boot, term), then the
 * fields the mask names, in the order of its bits; all numbers are varints. The mask, not the
 * kind, says what is there: the core alone decides which fields a kind needs, and a field it
 * starts to use needs no change here.
 *
 * Terms of entries are written as differences: they never fall along a log, so a falling one
 * cannot be expressed. Indexes are not written at all: they follow pos.
 *
 * Bounds before memory: the packets of a frame are counted in front, entries in front of each
 * packet's; a count is held against its limit and against the bytes left. The largest frame makes
 * at most WIRE_PACKETS_MAX packets, WIRE_FRAME_ENTRIES_MAX entries and copies of its payloads. */
#include "wire/packet.h"

#include "base/alloc.h"
#include "base/blob.h"
#include "base/channel.h"
#include "wire/config.h"
#include "wire/limits.h"
#include "wire/reading.h"

enum packet_field {
    FIELD_FLAGS = 1,
    FIELD_TO_BOOT = 2,
    FIELD_POS = 4,
    FIELD_HINT = 8,
    FIELD_COMMIT = 16,
    FIELD_APPLIED = 32,
    FIELD_NUMBER = 64,
    FIELD_DISK_FREE = 128,
    FIELD_SESSION = 256, /* of the install */
    FIELD_INSTALL = 512, /* all else of it */
    FIELD_ENTRIES = 1024,
    FIELD_ALL = 2047
};

enum {
    PACKET_BYTES_MIN = 8, /* slot, kind, mask, from, to, from_boot, term */
    ENTRY_BYTES_MIN = 3,
    VARINT_MAX = 10,
    /* Head and all fields but entries. */
    PACKET_BYTES_MAX = 3 + 20 * VARINT_MAX + 1 + 3 + WIRE_CONFIG_MAX_BYTES,
    ENTRY_HEAD_MAX = 1 + VARINT_MAX + 5
};

static const raft_index INDEX_LIMIT = (raft_index)1 << MESSAGE_ID_INDEX_BITS;

/* ---- out ------------------------------------------------------------------------------------ */

static bool has_pos(struct raft_pos pos)
{
    return pos.term != 0 || pos.index != 0;
}

static bool has_config(const struct raft_config *config)
{
    return (config->voters_count | config->voters_old_count | config->learners_count |
            config->learners_next_count) != 0;
}

static bool has_install(const struct raft_install *install)
{
    return install->kind != RAFT_INSTALL_NONE || install->base != 0 || has_pos(install->target) ||
           has_pos(install->config_pos) || has_config(&install->config);
}

static uint16_t fields_of(const struct raft_packet *packet)
{
    uint16_t ret = 0;
    ret |= packet->flags != 0 ? FIELD_FLAGS : 0;
    ret |= packet->to_boot != 0 ? FIELD_TO_BOOT : 0;
    ret |= has_pos(packet->pos) ? FIELD_POS : 0;
    ret |= has_pos(packet->hint) ? FIELD_HINT : 0;
    ret |= packet->commit != 0 ? FIELD_COMMIT : 0;
    ret |= packet->applied != 0 ? FIELD_APPLIED : 0;
    ret |= packet->number != 0 ? FIELD_NUMBER : 0;
    ret |= packet->disk_free_mb != 0 ? FIELD_DISK_FREE : 0;
    ret |= packet->install.session != 0 ? FIELD_SESSION : 0;
    ret |= has_install(&packet->install) ? FIELD_INSTALL : 0;
    ret |= packet->entries_count != 0 ? FIELD_ENTRIES : 0;
    return ret;
}

static void put_pos(struct buf *buf, struct raft_pos pos)
{
    buf_put_varint(buf, pos.term);
    buf_put_varint(buf, pos.index);
}

static void put_install(struct buf *buf, const struct raft_install *install)
{
    assert(install->kind <= RAFT_FULL);
    buf_put_u8(buf, install->kind);
    buf_put_varint(buf, install->base);
    put_pos(buf, install->target);
    put_pos(buf, install->config_pos);
    buf_put_u8(buf, has_config(&install->config));
    if (!has_config(&install->config))
        return;
    size_t len_at = buf->len; /* a membership is shorter than 128 bytes: its length is one byte */
    buf_put_u8(buf, 0);
    wire_config_encode(buf, &install->config);
    static_assert(WIRE_CONFIG_MAX_BYTES < 128, "the length must be one byte");
    buf->data[len_at] = (uint8_t)(buf->len - len_at - 1);
}

static void put_entry(struct buf *buf, const struct raft_entry *entry, raft_term term_before)
{
    assert(entry->kind >= RAFT_ENTRY_EMPTY && entry->kind <= RAFT_ENTRY_CONFIG);
    assert(entry->pos.term >= term_before && entry->pos.term > 0);
    assert(entry->pos.index < INDEX_LIMIT);
    buf_put_u8(buf, entry->kind);
    buf_put_varint(buf, entry->pos.term - term_before);
    if (entry->payload != NULL) {
        buf_put_block(buf, blob_bytes(entry->payload));
    } else if (entry->kind == RAFT_ENTRY_CONFIG) {
        assert(entry->config != NULL);
        struct blob *payload = wire_config_blob(entry->config);
        buf_put_block(buf, blob_bytes(payload));
        blob_unref(payload);
    } else {
        buf_put_varint(buf, 0);
    }
}

static void put_entries(struct buf *buf, const struct raft_packet *packet)
{
    raft_term term = packet->pos.term;
    buf_put_varint(buf, packet->entries_count);
    for (uint32_t i = 0; i < packet->entries_count; i++) {
        assert(packet->entries[i].pos.index == packet->pos.index + 1 + i);
        put_entry(buf, &packet->entries[i], term);
        term = packet->entries[i].pos.term;
    }
}

static void put_packet(struct buf *buf, const struct raft_packet *packet)
{
    uint16_t fields = fields_of(packet);
    buf_put_varint(buf, packet->slot);
    buf_put_u8(buf, packet->kind);
    buf_put_le16(buf, fields);
    buf_put_varint(buf, packet->from);
    buf_put_varint(buf, packet->to);
    buf_put_varint(buf, packet->from_boot);
    buf_put_varint(buf, packet->term);
    if (fields & FIELD_FLAGS)
        buf_put_u8(buf, packet->flags);
    if (fields & FIELD_TO_BOOT)
        buf_put_varint(buf, packet->to_boot);
    if (fields & FIELD_POS)
        put_pos(buf, packet->pos);
    if (fields & FIELD_HINT)
        put_pos(buf, packet->hint);
    if (fields & FIELD_COMMIT)
        buf_put_varint(buf, packet->commit);
    if (fields & FIELD_APPLIED)
        buf_put_varint(buf, packet->applied);
    if (fields & FIELD_NUMBER)
        buf_put_varint(buf, packet->number);
    if (fields & FIELD_DISK_FREE)
        buf_put_varint(buf, packet->disk_free_mb);
    if (fields & FIELD_SESSION)
        buf_put_varint(buf, packet->install.session);
    if (fields & FIELD_INSTALL)
        put_install(buf, &packet->install);
    if (fields & FIELD_ENTRIES)
        put_entries(buf, packet);
}

size_t packet_max_bytes(const struct raft_packet *packet)
{
    size_t ret = PACKET_BYTES_MAX;
    for (uint32_t i = 0; i < packet->entries_count; i++) {
        const struct raft_entry *entry = &packet->entries[i];
        ret += ENTRY_HEAD_MAX + (entry->payload != NULL  ? entry->payload->len
                                 : entry->config != NULL ? WIRE_CONFIG_MAX_BYTES
                                                         : 0);
    }
    return ret;
}

void packet_out_begin(struct packet_out *out, struct buf *buf, enum frame_kind kind)
{
    assert(kind == FRAME_PACKETS || kind == FRAME_HEARTBEATS);
    *out = (struct packet_out){.buf = buf, .max_bytes = frame_max_bytes((uint8_t)kind)};
    out->begin = frame_begin(buf, kind);
    out->count_at = buf->len;
    buf_put_le16(buf, 0);
}

bool packet_out_add(struct packet_out *out, const struct raft_packet *packet)
{
    assert(packet->kind > 0 && packet->kind < RAFT_PACKET_KINDS);
    assert(packet->slot < SLOTS_MAX);
    assert(packet->from > 0 && packet->from <= WIRE_NODE_ID_MAX);
    assert(packet->to > 0 && packet->to <= WIRE_NODE_ID_MAX);
    assert(packet->entries_count <= WIRE_PACKET_ENTRIES_MAX);
    assert(packet->entries_count == 0 || packet->entries != NULL);
    size_t used = out->buf->len - out->begin - FRAME_HEADER_BYTES;
    if (out->count == WIRE_PACKETS_MAX ||
        out->entries_count + packet->entries_count > WIRE_FRAME_ENTRIES_MAX ||
        used + packet_max_bytes(packet) > out->max_bytes)
        return false;
    put_packet(out->buf, packet);
    out->count++;
    out->entries_count += packet->entries_count;
    return true;
}

void packet_out_end(struct packet_out *out)
{
    out->buf->data[out->count_at] = (uint8_t)out->count;
    out->buf->data[out->count_at + 1] = (uint8_t)(out->count >> 8);
    frame_end(out->buf, out->begin);
    out->buf = NULL;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* What a decoding in progress has at hand. */
struct decoding {
    struct reader reader;
    struct arena *arena;
    uint32_t entries_left; /* of the frame's limit */
    enum err config_err;   /* why a membership was refused */
};

static struct raft_pos get_pos(struct reader *reader)
{
    struct raft_pos ret;
    ret.term = reader_varint(reader);
    ret.index = reader_varint(reader);
    return ret;
}

static void get_config(struct decoding *in, struct bytes bytes, struct raft_config *ret)
{
    if (in->reader.failed)
        return;
    in->config_err = wire_config_decode(bytes, ret, NULL);
    if (in->config_err != OK)
        in->reader.failed = true;
}

static void get_install(struct decoding *in, struct raft_install *ret)
{
    struct reader *reader = &in->reader;
    ret->kind = reader_u8(reader);
    if (ret->kind > RAFT_FULL)
        reader->failed = true;
    ret->base = reader_varint(reader);
    ret->target = get_pos(reader);
    ret->config_pos = get_pos(reader);
    if (reading_bool(reader))
        get_config(in, reading_block(reader, WIRE_CONFIG_MAX_BYTES), &ret->config);
}

static void get_entry(struct decoding *in, struct raft_pos pos_before, struct raft_entry *ret)
{
    struct reader *reader = &in->reader;
    ret->kind = reader_u8(reader);
    uint64_t step = reader_varint(reader);
    if (ret->kind < RAFT_ENTRY_EMPTY || ret->kind > RAFT_ENTRY_CONFIG ||
        step > UINT64_MAX - pos_before.term)
        reader->failed = true;
    ret->pos = (struct raft_pos){pos_before.term + step, pos_before.index + 1};
    if (ret->pos.term == 0)
        reader->failed = true;
    struct bytes payload = reading_block(reader, COMMAND_MAX_BYTES);
    if (ret->kind == RAFT_ENTRY_CONFIG) {
        struct raft_config *config = arena_zero(in->arena, sizeof(*config));
        get_config(in, payload, config);
        ret->config = config;
    }
    if (reader->failed || payload.len == 0)
        return;
    ret->payload = blob_copy(payload);
    ret->size_bytes = (uint32_t)payload.len;
}

static void get_entries(struct decoding *in, struct raft_packet *ret)
{
    uint32_t max =
        in->entries_left < WIRE_PACKET_ENTRIES_MAX ? in->entries_left : WIRE_PACKET_ENTRIES_MAX;
    uint32_t count = reading_count(&in->reader, max, ENTRY_BYTES_MIN);
    if (ret->pos.index > INDEX_LIMIT - 1 || count > INDEX_LIMIT - 1 - ret->pos.index)
        in->reader.failed = true;
    if (count == 0 || in->reader.failed) {
        in->reader.failed = true; /* the mask said that there are some */
        return;
    }
    struct raft_entry *entries = arena_zero(in->arena, count * sizeof(*entries));
    ret->entries = entries;
    ret->entries_count = count;
    in->entries_left -= count;
    struct raft_pos before = ret->pos;
    for (uint32_t i = 0; i < count && !in->reader.failed; i++) {
        get_entry(in, before, &entries[i]);
        before = entries[i].pos;
    }
}

static void get_head(struct reader *reader, struct raft_packet *ret, uint16_t *ret_fields)
{
    ret->slot = (slot_id)reading_number(reader, SLOTS_MAX - 1);
    ret->kind = reader_u8(reader);
    *ret_fields = reader_le16(reader);
    ret->from = reading_number(reader, WIRE_NODE_ID_MAX);
    ret->to = reading_number(reader, WIRE_NODE_ID_MAX);
    ret->from_boot = reader_varint(reader);
    ret->term = reader_varint(reader);
    if (ret->kind == 0 || ret->kind >= RAFT_PACKET_KINDS || (*ret_fields & ~FIELD_ALL) != 0 ||
        ret->from == 0 || ret->to == 0)
        reader->failed = true;
}

static void get_packet(struct decoding *in, struct raft_packet *ret)
{
    struct reader *reader = &in->reader;
    uint16_t fields = 0;
    get_head(reader, ret, &fields);
    if (fields & FIELD_FLAGS)
        ret->flags = reader_u8(reader);
    if (fields & FIELD_TO_BOOT)
        ret->to_boot = reader_varint(reader);
    if (fields & FIELD_POS)
        ret->pos = get_pos(reader);
    if (fields & FIELD_HINT)
        ret->hint = get_pos(reader);
    if (fields & FIELD_COMMIT)
        ret->commit = reader_varint(reader);
    if (fields & FIELD_APPLIED)
        ret->applied = reader_varint(reader);
    if (fields & FIELD_NUMBER)
        ret->number = reader_varint(reader);
    if (fields & FIELD_DISK_FREE)
        ret->disk_free_mb = (uint32_t)reading_number(reader, UINT32_MAX);
    if (fields & FIELD_SESSION)
        ret->install.session = reader_varint(reader);
    if (fields & FIELD_INSTALL)
        get_install(in, &ret->install);
    if (fields & FIELD_ENTRIES)
        get_entries(in, ret);
    ret->first = ret->entries_count > 0 ? ret->pos.index + 1 : 1;
    ret->last = ret->entries_count > 0 ? ret->pos.index + ret->entries_count : 0;
}

void packet_in_done(struct packet_in *in)
{
    for (uint32_t i = 0; i < in->packets_count; i++) {
        for (uint32_t k = 0; k < in->packets[i].entries_count; k++)
            blob_unref(in->packets[i].entries[k].payload);
    }
    arena_done(&in->arena);
    *in = (struct packet_in){0};
}

enum err packet_in_decode(struct bytes body, struct packet_in *ret, struct why *why)
{
    struct packet_in in = {0};
    arena_init(&in.arena);
    struct decoding decoding = {reader_of(body), &in.arena, WIRE_FRAME_ENTRIES_MAX, OK};
    struct reader *reader = &decoding.reader;
    uint32_t count = reader_le16(reader);
    if (count > WIRE_PACKETS_MAX || count > reader_left(reader) / PACKET_BYTES_MIN)
        reader->failed = true;
    if (!reader->failed) {
        in.packets = arena_zero(&in.arena, count * sizeof(*in.packets));
        in.packets_count = count;
    }
    uint32_t at = 0;
    while (at < in.packets_count && !reader->failed)
        get_packet(&decoding, &in.packets[at++]);
    if (reader_is_done(reader)) {
        *ret = in;
        return OK;
    }
    packet_in_done(&in);
    if (decoding.config_err == ERR_WRONG_FORMAT)
        return why_set(why, ERR_WRONG_FORMAT, "packet %u of %u: a membership of another version",
                       at, count);
    return why_set(why, ERR_BAD_FORMAT, "packet %u of %u does not add up", at, count);
}
