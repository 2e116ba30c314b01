/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: packets of all kinds arrive as they were sent, small ones in few bytes; a frame that is
 * full says so; damaged bodies never give an impossible packet. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/config.h"
#include "wire/limits.h"

#include "base/alloc.h"
#include "base/blob.h"

static struct bytes body_of(const struct buf *buf)
{
    return bytes_of(buf->data + FRAME_HEADER_BYTES, buf->len - FRAME_HEADER_BYTES);
}

static void encode_one(struct buf *buf, const struct raft_packet *packet)
{
    struct packet_out out;
    buf_clear(buf);
    packet_out_begin(&out, buf, FRAME_PACKETS);
    ck_assert(packet_out_add(&out, packet));
    packet_out_end(&out);
}

START_TEST(round_trip)
{
    struct rng rng = rng_of(21);
    struct arena arena;
    struct buf buf = BUF_INIT;
    bool seen[RAFT_PACKET_KINDS] = {false};
    arena_init(&arena);
    for (int i = 0; i < 5000; i++) {
        struct raft_packet packets[8];
        struct packet_in in;
        struct packet_out out;
        struct why why;
        uint32_t count = (uint32_t)rng_between(&rng, 1, 8);
        packet_out_begin(&out, &buf, i % 2 == 0 ? FRAME_PACKETS : FRAME_HEARTBEATS);
        for (uint32_t k = 0; k < count; k++) {
            gen_packet(&rng, &arena, &packets[k]);
            size_t before = buf.len;
            ck_assert(packet_out_add(&out, &packets[k]));
            ck_assert_uint_le(buf.len - before, packet_max_bytes(&packets[k]));
            seen[packets[k].kind] = true;
        }
        packet_out_end(&out);
        if (packet_in_decode(body_of(&buf), &in, &why) != OK)
            ck_abort_msg("frame %d: %s", i, why.text);
        ck_assert_uint_eq(in.packets_count, count);
        for (uint32_t k = 0; k < count; k++) {
            const struct raft_packet *packet = &in.packets[k];
            ck_assert(same_packet(&packets[k], packet));
            ck_assert_uint_eq(packet->last + 1 - packet->first, packet->entries_count);
            ck_assert(packet->entries_count == 0 || packet->first == packet->entries[0].pos.index);
            values_done_packet(&packets[k]);
        }
        packet_in_done(&in);
        buf_clear(&buf);
        arena_clear(&arena);
    }
    for (int kind = 1; kind < RAFT_PACKET_KINDS; kind++)
        ck_assert(seen[kind]);
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

/* A payload outlives the frame's buffer and the packet_in for who took a reference. */
START_TEST(payloads_are_copies)
{
    struct blob *payload = blob_copy(bytes_of_string("hello"));
    struct raft_entry entry = {.pos = {3, 8}, .kind = RAFT_ENTRY_DATA, .payload = payload};
    struct raft_packet packet = {.kind = RAFT_APPEND, .from = 1, .to = 2, .term = 3};
    struct packet_in in;
    struct buf buf = BUF_INIT;
    packet.pos = (struct raft_pos){2, 7};
    packet.entries = &entry;
    packet.entries_count = 1;
    encode_one(&buf, &packet);
    ck_assert_int_eq(packet_in_decode(body_of(&buf), &in, NULL), OK);
    memset(buf.data, 0xff, buf.len);
    buf_done(&buf);
    struct blob *kept = blob_ref(in.packets[0].entries[0].payload);
    ck_assert_ptr_ne(kept, payload);
    packet_in_done(&in);
    packet_in_done(&in);
    ck_assert(bytes_is_equal(blob_bytes(kept), blob_bytes(payload)));
    blob_unref(kept);
    blob_unref(payload);
}
END_TEST

/* The core may make a CONFIG entry itself: then only its config is there. */
START_TEST(config_without_payload)
{
    struct raft_config config = {.voters = {1, 2, 300}, .voters_count = 3};
    struct raft_entry entry = {.pos = {3, 8}, .kind = RAFT_ENTRY_CONFIG, .config = &config};
    struct raft_packet packet = {.kind = RAFT_APPEND, .from = 1, .to = 2, .term = 3};
    struct packet_in in;
    struct raft_config again;
    struct buf buf = BUF_INIT;
    packet.pos = (struct raft_pos){3, 7};
    packet.entries = &entry;
    packet.entries_count = 1;
    encode_one(&buf, &packet);
    ck_assert_int_eq(packet_in_decode(body_of(&buf), &in, NULL), OK);
    ck_assert(same_config(in.packets[0].entries[0].config, &config));
    ck_assert_int_eq(wire_config_decode(blob_bytes(in.packets[0].entries[0].payload), &again, NULL),
                     OK);
    ck_assert(same_config(&again, &config));
    packet_in_done(&in);
    buf_done(&buf);
}
END_TEST

START_TEST(heartbeats_are_small)
{
    struct raft_packet packet = {.kind = RAFT_HEARTBEAT, .slot = 4095, .from = 1, .to = 2};
    struct buf buf = BUF_INIT;
    packet.from_boot = 900;
    packet.term = 70000;
    packet.commit = 5000000000;
    packet.number = 300000000;
    encode_one(&buf, &packet);
    ck_assert_uint_le(buf.len - FRAME_HEADER_BYTES - 2, 24);
    packet.kind = RAFT_HEARTBEAT_REPLY;
    packet.to_boot = 901;
    packet.applied = 5000000000;
    packet.disk_free_mb = 1000000;
    encode_one(&buf, &packet);
    ck_assert_uint_le(buf.len - FRAME_HEADER_BYTES - 2, 32);
    buf_done(&buf);
}
END_TEST

START_TEST(a_full_frame_says_so)
{
    struct raft_packet packet = {.kind = RAFT_HEARTBEAT, .from = 1, .to = 2};
    struct packet_out out;
    struct packet_in in;
    struct buf buf = BUF_INIT;
    packet_out_begin(&out, &buf, FRAME_HEARTBEATS);
    uint32_t count = 0;
    while (packet_out_add(&out, &packet))
        packet.slot = ++count % SLOTS_MAX;
    ck_assert_uint_eq(count, WIRE_PACKETS_MAX);
    packet_out_end(&out);
    ck_assert_int_eq(packet_in_decode(body_of(&buf), &in, NULL), OK);
    ck_assert_uint_eq(in.packets_count, WIRE_PACKETS_MAX);
    packet_in_done(&in);

    /* The largest entry fits into an empty frame, but only one of it. */
    struct raft_entry entry = {.pos = {1, 1}, .kind = RAFT_ENTRY_DATA};
    entry.payload = blob_new(COMMAND_MAX_BYTES);
    memset(entry.payload->data, 7, COMMAND_MAX_BYTES);
    packet = (struct raft_packet){.kind = RAFT_APPEND, .from = 1, .to = 2, .term = 1};
    packet.entries = &entry;
    packet.entries_count = 1;
    buf_clear(&buf);
    packet_out_begin(&out, &buf, FRAME_PACKETS);
    ck_assert(packet_out_add(&out, &packet));
    size_t len = buf.len;
    ck_assert(!packet_out_add(&out, &packet));
    ck_assert_uint_eq(buf.len, len);
    packet_out_end(&out);
    ck_assert_int_eq(packet_in_decode(body_of(&buf), &in, NULL), OK);
    ck_assert(
        bytes_is_equal(blob_bytes(in.packets[0].entries[0].payload), blob_bytes(entry.payload)));
    packet_in_done(&in);
    blob_unref(entry.payload);
    buf_done(&buf);
}
END_TEST

START_TEST(many_entries_end_a_frame)
{
    struct raft_entry *entries = alloc_array(WIRE_PACKET_ENTRIES_MAX, sizeof(*entries));
    for (uint32_t i = 0; i < WIRE_PACKET_ENTRIES_MAX; i++)
        entries[i] = (struct raft_entry){.pos = {1, i + 1}, .kind = RAFT_ENTRY_EMPTY};
    struct raft_packet packet = {.kind = RAFT_APPEND, .from = 1, .to = 2, .term = 1};
    struct packet_out out;
    struct packet_in in;
    struct buf buf = BUF_INIT;
    packet.entries = entries;
    packet.entries_count = WIRE_PACKET_ENTRIES_MAX;
    packet_out_begin(&out, &buf, FRAME_PACKETS);
    uint32_t count = 0;
    while (packet_out_add(&out, &packet))
        count++;
    packet_out_end(&out);
    ck_assert_uint_eq(count, WIRE_FRAME_ENTRIES_MAX / WIRE_PACKET_ENTRIES_MAX);
    ck_assert_int_eq(packet_in_decode(body_of(&buf), &in, NULL), OK);
    ck_assert_uint_eq(in.packets_count, count);
    ck_assert_uint_lt(in.arena.used, 16 * 1024 * 1024);
    packet_in_done(&in);
    buf_done(&buf);
    free(entries);
}
END_TEST

/* A body has no checksum of its own (the frame has one): what is accepted must be valid, and
 * nothing may be read outside. */
START_TEST(damaged_bodies)
{
    struct rng rng = rng_of(22);
    struct arena arena;
    struct buf buf = BUF_INIT;
    size_t accepted = 0;
    arena_init(&arena);
    for (int i = 0; i < 150; i++) {
        struct raft_packet packet;
        gen_packet(&rng, &arena, &packet);
        encode_one(&buf, &packet);
        ck_assert(probe_packets(body_of(&buf)));
        if (buf.len < 800)
            accepted += damage_all(body_of(&buf), probe_packets);
        values_done_packet(&packet);
        arena_clear(&arena);
    }
    ck_assert_uint_gt(accepted, 1000);
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

static bool refuses(const char *hex)
{
    size_t len;
    uint8_t *bytes = damage_unhex(hex, &len);
    struct packet_in in = {0};
    enum err err = packet_in_decode(bytes_of(bytes, len), &in, NULL);
    bool ret = err == ERR_BAD_FORMAT && in.packets_count == 0 && in.packets == NULL;
    packet_in_done(&in);
    free(bytes);
    return ret;
}

START_TEST(impossible_packets)
{
    ck_assert(refuses(""));
    ck_assert(refuses("0100"));
    ck_assert(refuses("ffff"));
    ck_assert(!refuses("0000"));
    ck_assert(!refuses("0100"
                       "07070000"
                       "01020105"));
    ck_assert(refuses("0100"
                      "0707000001020105"
                      "00")); /* something behind the end */
    ck_assert(refuses("0100"
                      "0700000001020105")); /* no kind */
    ck_assert(refuses("0100"
                      "070e000001020105")); /* a kind beyond the last */
    ck_assert(refuses("0100"
                      "0707000801020105")); /* a field beyond the last */
    ck_assert(refuses("0100"
                      "0707000000020105")); /* from nobody */
    ck_assert(refuses("0100"
                      "802007000001020105")); /* slot 4096 */
    ck_assert(refuses("0100"
                      "070500040102010500")); /* entries, but none */
    ck_assert(refuses("0100"
                      "07050004010201057f010100")); /* 127 entries in 3 bytes */
    ck_assert(refuses("0100"
                      "070500040102010501000100")); /* an entry without kind */
    ck_assert(refuses("0100"
                      "070500040102010501010000")); /* an entry of term 0 */
    ck_assert(refuses("0100"
                      "070500040102010501030100")); /* a membership of no bytes */
    ck_assert(!refuses("0100"
                       "070500040102010501010100"));
}
END_TEST

/* Terms and indexes of entries are sums: they must not run over. */
START_TEST(numbers_that_run_over)
{
    ck_assert(!refuses("0100"
                       "0705040401020105"
                       "ffffffffffffffffff0108"
                       "01010000"));
    ck_assert(refuses("0100"
                      "0705040401020105"
                      "ffffffffffffffffff0108"
                      "01010200")); /* beyond the largest term */
    ck_assert(!refuses("0100"
                       "0705040401020105"
                       "05feffffffff1f"
                       "01010000")); /* index 2^40 - 1 */
    ck_assert(refuses("0100"
                      "0705040401020105"
                      "05ffffffffff1f"
                      "01010000")); /* index 2^40 */
    ck_assert(refuses("0100"
                      "0705040401020105"
                      "05ffffffffffffffffff01"
                      "01010000"));
}
END_TEST

Suite *suite_packet(void);
Suite *suite_packet(void)
{
    return UNIT_SUITE("packet", 120, round_trip, payloads_are_copies, config_without_payload,
                      heartbeats_are_small, a_full_frame_says_so, many_entries_end_a_frame,
                      damaged_bodies, impossible_packets, numbers_that_run_over);
}
