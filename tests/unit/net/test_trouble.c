/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on a network: connections that break, hang, speak nonsense or do not read. */
#include "suites.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "rig.h"
#include "sys/clock.h"
#include "wire/packet.h"

/* Node 1 with node 2 by hand: out is what node 1 made (we read), in what we made to it. */
struct duo {
    struct rig rig;
    int listen_fd;
    struct raw out, in;
};

static void duo_connect_in(struct duo *duo)
{
    raw_connect(&duo->in, net_port(duo->rig.net));
    struct hello hello;
    raw_hello_fill(&hello, 2, 1);
    raw_hello(&duo->in, &hello);
    struct hello_reply reply;
    raw_reply(&duo->in, &reply);
    ck_assert_int_eq(reply.err, OK);
    frame_reader_trust(&duo->in.reader);
}

static void duo_start(struct duo *duo, int rcvbuf_bytes)
{
    rig_start(&duo->rig);
    char address[64];
    duo->listen_fd = raw_listen(address, rcvbuf_bytes);
    rig_member(&duo->rig, 2, address);
    raw_accept(duo->listen_fd, &duo->out);
    raw_welcome(&duo->out, 2);
    duo_connect_in(duo);
    rig_wait_up(&duo->rig, 2, true);
}

static void duo_stop(struct duo *duo)
{
    rig_stop(&duo->rig);
    raw_close(&duo->out);
    raw_close(&duo->in);
    close(duo->listen_fd);
}

START_TEST(a_closed_connection_is_noticed_at_once)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo_start(&duo, 0);
    uint64_t start_ms = clock_mono_ms();
    raw_close(&duo.in);
    rig_wait_up(&duo.rig, 2, false);
    ck_assert_uint_lt(clock_mono_ms() - start_ms, 1000);
    ck_assert_uint_eq(rig_seen(&duo.rig, 2).gones, 1);
    duo_connect_in(&duo);
    rig_wait_up(&duo.rig, 2, true);
    raw_close(&duo.out); /* now the other one */
    rig_wait_up(&duo.rig, 2, false);
    raw_accept(duo.listen_fd, &duo.out); /* it comes again by itself */
    raw_welcome(&duo.out, 2);
    rig_wait_up(&duo.rig, 2, true);
    ck_assert_uint_eq(rig_seen(&duo.rig, 2).ups, 3);
    duo_stop(&duo);
}
END_TEST

START_TEST(links_that_break_again_and_again)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo_start(&duo, 0);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(rig_send(&duo.rig, 2, NET_BULK, i, 1, 1, 100, 1), 1);
        struct frame frame;
        ck_assert(raw_frame(&duo.out, &frame));
        ck_assert_uint_eq(frame.kind, FRAME_PACKETS);
        raw_close(&duo.out);
        rig_wait_up(&duo.rig, 2, false);
        raw_accept(duo.listen_fd, &duo.out);
        raw_welcome(&duo.out, 2);
        rig_wait_up(&duo.rig, 2, true);
    }
    ck_assert_uint_eq(rig_status(&duo.rig).peers[0].connects, 6);
    duo_stop(&duo);
}
END_TEST

START_TEST(a_new_connection_replaces_the_old_one)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo_start(&duo, 0);
    struct raw before = duo.in;
    duo_connect_in(&duo);
    ck_assert(raw_is_closed_within(&before, 3000));
    raw_close(&before);
    rig_wait_up(&duo.rig, 2, true);
    ck_assert(!raw_is_closed_within(&duo.in, 100));
    duo_stop(&duo);
}
END_TEST

/* A process that stops in the middle: its kernel still answers, it does not. */
START_TEST(a_silent_peer_is_dropped_by_time)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo.rig.options.ping_ms = 200;
    duo.rig.options.silent_ms = 1000;
    uint64_t start_ms = clock_mono_ms(); /* the peer may be quiet from its first moment on */
    duo_start(&duo, 0);
    /* Steady traffic into the socket's buffer must not count as life. */
    for (uint64_t i = 0; rig_status(&duo.rig).peers[0].is_up; i++) {
        ck_assert_uint_lt(clock_mono_ms() - start_ms, 5000);
        (void)rig_send(&duo.rig, 2, NET_URGENT, i, 1, 0, 0, 1);
        usleep(20000);
    }
    ck_assert_uint_ge(clock_mono_ms() - start_ms, 900);
    rig_wait_up(&duo.rig, 2, false);
    ck_assert_uint_eq(rig_seen(&duo.rig, 2).gones, 0);
    ck_assert_uint_ge(rig_status(&duo.rig).timeouts, 1);
    duo_stop(&duo);
}
END_TEST

/* Accepts and never answers, connects and never speaks: both go after handshake_ms. */
START_TEST(half_open_connections)
{
    static struct rig rig;
    rig_init(&rig, 1);
    rig.options.handshake_ms = 500;
    rig_start(&rig);
    char address[64];
    int listen_fd = raw_listen(address, 0);
    rig_member(&rig, 2, address);
    struct raw deaf, mute;
    raw_accept(listen_fd, &deaf);
    raw_connect(&mute, net_port(rig.net));
    ck_assert(raw_is_closed_within(&deaf, 3000));
    ck_assert(raw_is_closed_within(&mute, 3000));
    ck_assert_uint_ge(rig_status(&rig).timeouts, 2);
    raw_close(&deaf);
    raw_accept(listen_fd, &deaf); /* and it is tried again */
    raw_welcome(&deaf, 2);
    raw_close(&deaf);
    raw_close(&mute);
    close(listen_fd);
    rig_stop(&rig);
}
END_TEST

static void expect_garbage(struct duo *duo, struct bytes bytes)
{
    uint64_t before = rig_status(&duo->rig).peers[0].garbage;
    raw_send(&duo->in, bytes);
    ck_assert(raw_is_closed_within(&duo->in, 3000));
    rig_wait_up(&duo->rig, 2, false);
    ck_assert_uint_eq(rig_status(&duo->rig).peers[0].garbage, before + 1);
    raw_close(&duo->in);
    duo_connect_in(duo);
    rig_wait_up(&duo->rig, 2, true);
}

/* Appends a PACKETS frame with one heartbeat. */
static void put_packet(struct buf *buf, node_id from, node_id to)
{
    struct raft_packet packet;
    rig_packet(&packet, from, to, NET_URGENT, 0, 0, 0);
    struct packet_out out;
    packet_out_begin(&out, buf, FRAME_PACKETS);
    ck_assert(packet_out_add(&out, &packet));
    packet_out_end(&out);
}

START_TEST(garbage_drops_the_link_and_is_counted)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo_start(&duo, 0);
    expect_garbage(&duo, bytes_of_string("GET / HTTP/1.1\r\nHost: node1\r\n\r\n"));
    struct buf buf = BUF_INIT;
    put_packet(&buf, 2, 1);
    buf.data[buf.len - 1] ^= 1; /* checksum */
    expect_garbage(&duo, buf_bytes(&buf));
    buf_clear(&buf);
    put_packet(&buf, 2, 1);
    buf.data[5] = 200; /* kind */
    expect_garbage(&duo, buf_bytes(&buf));
    buf_clear(&buf);
    put_packet(&buf, 2, 1);
    buf.data[11] = 0x7f; /* length: 2 GiB */
    expect_garbage(&duo, buf_bytes(&buf));
    buf_clear(&buf);
    put_packet(&buf, 3, 1); /* speaks for another node */
    expect_garbage(&duo, buf_bytes(&buf));
    buf_clear(&buf);
    put_packet(&buf, 2, 3); /* speaks to another node */
    expect_garbage(&duo, buf_bytes(&buf));
    buf_clear(&buf);
    frame_encode(&buf, FRAME_PACKETS, bytes_of_string("\xff\xff no packets at all"));
    expect_garbage(&duo, buf_bytes(&buf));
    buf_clear(&buf);
    frame_encode_ping(&buf, true, 7); /* an answer that nobody asked for */
    expect_garbage(&duo, buf_bytes(&buf));
    buf_done(&buf);
    ck_assert_uint_eq(rig_seen(&duo.rig, 2).next[NET_URGENT], 0); /* nothing of it got through */
    duo_stop(&duo);
}
END_TEST

START_TEST(strangers_get_little)
{
    static struct rig rig;
    rig_init(&rig, 1);
    rig_start(&rig);
    struct rng rng = rng_of(5);
    for (unsigned i = 0; i < 50; i++) {
        struct raw raw;
        raw_connect(&raw, net_port(rig.net));
        uint8_t noise[3000];
        for (size_t k = 0; k < sizeof(noise); k++) {
            noise[k] = (uint8_t)rng_next(&rng);
        }
        raw_send(&raw, bytes_of(noise, sizeof(noise)));
        ck_assert(raw_is_closed_within(&raw, 3000));
        raw_close(&raw);
    }
    struct raw raw;
    raw_connect(&raw, net_port(rig.net)); /* a frame for peers, before any HELLO */
    struct buf buf = BUF_INIT;
    put_packet(&buf, 2, 1);
    raw_send(&raw, buf_bytes(&buf));
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    buf_done(&buf);
    ck_assert_uint_eq(rig_status(&rig).garbage, 51);
    struct raw many[NET_STRANGERS_MAX + 10];
    for (unsigned i = 0; i < NET_STRANGERS_MAX + 10; i++) {
        raw_connect(&many[i], net_port(rig.net));
    }
    ck_assert(raw_is_closed_within(&many[NET_STRANGERS_MAX + 9], 3000));
    ck_assert(!raw_is_closed_within(&many[0], 100));
    ck_assert_uint_eq(rig_status(&rig).accept_refused, 10);
    for (unsigned i = 0; i < NET_STRANGERS_MAX + 10; i++) {
        raw_close(&many[i]);
    }
    rig_stop(&rig);
}
END_TEST

/* A peer that does not read: BULK is bounded and reported, URGENT still taken; then it reads all. */
START_TEST(a_slow_reader_fills_a_bounded_buffer)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo.rig.options.bulk_max_bytes = 8 << 20;
    duo.rig.options.silent_ms = 60000;
    duo_start(&duo, 65536);
    uint64_t taken = rig_send(&duo.rig, 2, NET_BULK, 0, 600, 1, 65536, 1);
    ck_assert_uint_ge(taken, 100);
    ck_assert_uint_lt(taken, 600);
    usleep(400000); /* a check, which counts what waits */
    struct net_status status = rig_status(&duo.rig);
    ck_assert_uint_ge(status.peers[0].dropped, 600 - taken);
    ck_assert_uint_le(status.peers[0].waiting_bytes, (8 << 20) + NET_URGENT_MAX_BYTES);
    ck_assert_uint_ge(status.peers[0].waiting_bytes, 7 << 20);
    ck_assert_uint_eq(rig_send(&duo.rig, 2, NET_URGENT, 0, 1000, 0, 0, 10), 1000);
    uint64_t bulk = 0, urgent = 0;
    while (bulk < taken || urgent < 1000) {
        struct frame frame;
        ck_assert(raw_frame(&duo.out, &frame));
        if (frame.kind != FRAME_PACKETS && frame.kind != FRAME_HEARTBEATS) {
            continue;
        }
        struct packet_in in;
        ck_assert_int_eq(packet_in_decode(frame.body, &in, NULL), OK);
        *(frame.kind == FRAME_PACKETS ? &bulk : &urgent) += in.packets_count;
        packet_in_done(&in);
    }
    ck_assert_uint_eq(bulk, taken);
    ck_assert_uint_eq(urgent, 1000);
    ck_assert_uint_eq(rig_send(&duo.rig, 2, NET_BULK, 0, 1, 1, 65536, 1), 1);
    duo_stop(&duo);
}
END_TEST

/* 32 MiB of appends wait when a heartbeat comes: how much of them does the peer read before it? */
START_TEST(heartbeats_pass_bulk)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo.rig.options.silent_ms = 60000;
    duo_start(&duo, 65536);
    ck_assert_uint_eq(rig_send(&duo.rig, 2, NET_BULK, 0, 512, 1, 65536, 1), 512);
    ck_assert_uint_eq(rig_send(&duo.rig, 2, NET_URGENT, 0, 64, 0, 0, 64), 64);
    size_t before = 0;
    for (;;) {
        struct frame frame;
        ck_assert(raw_frame(&duo.out, &frame));
        if (frame.kind == FRAME_HEARTBEATS) {
            break;
        }
        before += frame.body.len;
    }
    ck_assert_msg(before < (4 << 20), "%zu bytes of appends before the heartbeats", before);
    duo_stop(&duo);
}
END_TEST

static void send_then_remove(const struct raft_packet *packet, void *arg)
{
    struct rig *rig = arg;
    (void)packet;
    net_set_members(rig->net, NULL, 0); /* the peer whose packet this is */
    mutex_lock(&rig->lock);
    rig->from[2].next[NET_URGENT]++;
    mutex_unlock(&rig->lock);
    cond_broadcast(&rig->changed);
}

START_TEST(a_peer_removed_by_its_own_packet)
{
    static struct duo duo;
    rig_init(&duo.rig, 1);
    duo.rig.options.events.on_packet = send_then_remove;
    duo_start(&duo, 0);
    struct buf buf = BUF_INIT;
    for (unsigned i = 0; i < 10; i++) {
        put_packet(&buf, 2, 1);
    }
    raw_send(&duo.in, buf_bytes(&buf));
    buf_done(&buf);
    ck_assert(raw_is_closed_within(&duo.in, 3000));
    rig_wait_up(&duo.rig, 2, false);
    ck_assert_uint_eq(rig_seen(&duo.rig, 2).next[NET_URGENT], 1);
    ck_assert_uint_eq(rig_status(&duo.rig).peers_count, 0);
    duo_stop(&duo);
}
END_TEST

#define TESTS                                                                                      \
    a_closed_connection_is_noticed_at_once, links_that_break_again_and_again,                      \
        a_new_connection_replaces_the_old_one, a_silent_peer_is_dropped_by_time,                   \
        half_open_connections, garbage_drops_the_link_and_is_counted, strangers_get_little,        \
        a_slow_reader_fills_a_bounded_buffer, heartbeats_pass_bulk,                                \
        a_peer_removed_by_its_own_packet

Suite *suite_trouble(void)
{
    return UNIT_SUITE("trouble", 60, TESTS);
}

/* The same once more, by TLS. */
Suite *suite_trouble_tls(void)
{
    const TTest *const tests[] = {TESTS};
    return unit_suite_with("trouble_tls", 60, rig_use_tls, tests, sizeof(tests) / sizeof(tests[0]));
}
