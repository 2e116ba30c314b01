/* SPDX-License-Identifier: Apache-2.0 */
/* The send queue: packets of a turn share a frame, urgent frames leave first, bounds hold. */
#include "suites.h"

#include <event2/buffer.h>
#include <string.h>

#include "net/sendq.h"
#include "rig.h"

static bool add(struct net_sendq *sendq, enum net_lane lane, uint64_t number, uint32_t entries,
                uint32_t payload_len)
{
    struct raft_packet packet;
    rig_packet(&packet, 1, 2, lane, number, entries, payload_len);
    bool is_added = net_sendq_add_packet(sendq, lane, &packet, 0);
    rig_packet_done(&packet);
    return is_added;
}

struct seen {
    unsigned count;
    uint8_t kinds[256];
    size_t lens[256];
    unsigned packets;
};

/* Moves all there is and cuts it into frames. */
static void drain(struct net_sendq *sendq, size_t ahead_bytes, struct seen *ret)
{
    struct evbuffer *out = evbuffer_new();
    struct frame_reader reader;
    frame_reader_init(&reader);
    frame_reader_trust(&reader);
    memset(ret, 0, sizeof(*ret));
    (void)net_sendq_move(sendq, out, ahead_bytes);
    size_t len = evbuffer_get_length(out);
    frame_reader_feed(&reader, bytes_of(evbuffer_pullup(out, -1), len));
    struct frame frame;
    bool has_frame = true;
    while (has_frame) {
        ck_assert_int_eq(frame_reader_next(&reader, &frame, &has_frame, NULL), OK);
        if (!has_frame) {
            break;
        }
        ret->kinds[ret->count] = frame.kind;
        ret->lens[ret->count++] = frame.body.len;
        if (frame.kind == FRAME_PACKETS || frame.kind == FRAME_HEARTBEATS) {
            struct packet_in in;
            ck_assert_int_eq(packet_in_decode(frame.body, &in, NULL), OK);
            ret->packets += in.packets_count;
            packet_in_done(&in);
        }
    }
    frame_reader_done(&reader);
    evbuffer_free(out);
}

START_TEST(a_turn_is_a_frame_a_lane)
{
    struct net_sendq sendq;
    net_sendq_init(&sendq, 1 << 20, 1 << 20);
    for (unsigned i = 0; i < 64; i++) {
        ck_assert(add(&sendq, NET_BULK, i, 2, 100));
        ck_assert(add(&sendq, NET_URGENT, i, 0, 0));
    }
    ck_assert(!net_sendq_has_sealed(&sendq));
    net_sendq_seal(&sendq);
    struct seen seen;
    drain(&sendq, SIZE_MAX, &seen);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.kinds[0], FRAME_HEARTBEATS);
    ck_assert_uint_eq(seen.kinds[1], FRAME_PACKETS);
    ck_assert_uint_eq(seen.packets, 128);
    ck_assert_uint_eq(net_sendq_bytes(&sendq, NET_BULK), 0);
    net_sendq_done(&sendq);
}
END_TEST

START_TEST(frames_between_packets_keep_their_place)
{
    struct net_sendq sendq;
    net_sendq_init(&sendq, 1 << 20, 1 << 20);
    ck_assert(add(&sendq, NET_BULK, 0, 1, 10));
    ck_assert(net_sendq_add_frame(&sendq, NET_BULK, FRAME_REQUEST, bytes_of_string("ask"), 0));
    ck_assert(add(&sendq, NET_BULK, 1, 1, 10));
    net_sendq_seal(&sendq);
    struct seen seen;
    drain(&sendq, SIZE_MAX, &seen);
    ck_assert_uint_eq(seen.count, 3);
    ck_assert_uint_eq(seen.kinds[0], FRAME_PACKETS);
    ck_assert_uint_eq(seen.kinds[1], FRAME_REQUEST);
    ck_assert_uint_eq(seen.kinds[2], FRAME_PACKETS);
    net_sendq_done(&sendq);
}
END_TEST

START_TEST(long_frames_are_cut_and_urgent_ones_pass)
{
    struct net_sendq sendq;
    net_sendq_init(&sendq, 1 << 20, 64 << 20);
    for (unsigned i = 0; i < 64; i++) {
        ck_assert(add(&sendq, NET_BULK, i, 1, 65536));
    }
    ck_assert(net_sendq_has_sealed(&sendq)); /* the first frames, before any seal */
    ck_assert(add(&sendq, NET_URGENT, 0, 0, 0));
    net_sendq_seal(&sendq);
    struct seen seen;
    drain(&sendq, NET_AHEAD_BYTES, &seen);
    ck_assert_uint_eq(seen.kinds[0], FRAME_HEARTBEATS);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_le(seen.lens[1], NET_FRAME_SOFT_BYTES + 70000);
    drain(&sendq, SIZE_MAX, &seen);
    ck_assert_uint_ge(seen.count, 10);
    net_sendq_done(&sendq);
}
END_TEST

START_TEST(lanes_are_bounded_apart)
{
    struct net_sendq sendq;
    net_sendq_init(&sendq, 10000, 100000);
    unsigned taken = 0;
    while (add(&sendq, NET_BULK, taken, 1, 1000)) {
        taken++;
    }
    ck_assert_uint_ge(taken, 70);
    ck_assert_uint_le(net_sendq_bytes(&sendq, NET_BULK), 100000);
    ck_assert(!net_sendq_add_frame(&sendq, NET_BULK, FRAME_REQUEST,
                                   bytes_of(sendq.lanes[0].buf.data, 0), 100000));
    unsigned urgent = 0;
    while (add(&sendq, NET_URGENT, urgent, 0, 0)) {
        urgent++;
    }
    ck_assert_uint_ge(urgent, 100);
    ck_assert_uint_le(net_sendq_bytes(&sendq, NET_URGENT), 10000);
    net_sendq_seal(&sendq);
    ck_assert(!add(&sendq, NET_BULK, taken, 1, 1000)); /* sealed bytes count too */
    net_sendq_clear(&sendq);
    ck_assert_uint_eq(net_sendq_bytes(&sendq, NET_BULK), 0);
    ck_assert(add(&sendq, NET_BULK, taken, 1, 1000));
    net_sendq_done(&sendq);
}
END_TEST

START_TEST(the_largest_packet_fits_and_a_larger_one_is_refused)
{
    struct net_sendq sendq;
    net_sendq_init(&sendq, 64 << 20, 64 << 20);
    ck_assert(add(&sendq, NET_BULK, 0, 1, 8 << 20));
    ck_assert(!add(&sendq, NET_BULK, 1, 2, 8 << 20)); /* no frame may be that long */
    ck_assert(add(&sendq, NET_BULK, 2, 1, 100));      /* and the queue is as it was */
    net_sendq_seal(&sendq);
    struct seen seen;
    drain(&sendq, SIZE_MAX, &seen);
    ck_assert_uint_eq(seen.packets, 2);
    net_sendq_done(&sendq);
}
END_TEST

Suite *suite_sendq(void)
{
    return UNIT_SUITE("sendq", 60, a_turn_is_a_frame_a_lane,
                      frames_between_packets_keep_their_place,
                      long_frames_are_cut_and_urgent_ones_pass, lanes_are_bounded_apart,
                      the_largest_packet_fits_and_a_larger_one_is_refused);
}
