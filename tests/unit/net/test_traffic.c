/* SPDX-License-Identifier: Apache-2.0 */
/* Packets and frames between nodes: they come whole, in order in their lane, however large. */
#include "suites.h"

#include "rig.h"
#include "sys/clock.h"
#include "wire/limits.h"

START_TEST(thousands_both_ways)
{
    static struct rig rigs[3];
    rig_cluster(rigs, 3);
    enum { ROUNDS = 20, EACH = 250 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 3; i++) {
            node_id to = (i + 1 + round % 2) % 3 + 1;
            uint64_t at = (uint64_t)(round / 2) * EACH;
            ck_assert_uint_eq(rig_send(&rigs[i], to, NET_BULK, at, EACH, round % 4, 300, 64), EACH);
            ck_assert_uint_eq(rig_send(&rigs[i], to, NET_URGENT, at, EACH, 0, 0, 100), EACH);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 3; k++) {
            if (i != k) {
                rig_wait_packets(&rigs[i], k + 1, NET_BULK, ROUNDS / 2 * EACH);
                rig_wait_packets(&rigs[i], k + 1, NET_URGENT, ROUNDS / 2 * EACH);
            }
        }
    }
    struct net_status status = rig_status(&rigs[0]);
    ck_assert_uint_eq(status.peers[0].received_packets, ROUNDS * EACH);
    ck_assert_uint_eq(status.peers[0].sent_packets, ROUNDS * EACH);
    ck_assert_uint_eq(status.peers[0].dropped, 0);
    ck_assert_uint_eq(status.garbage, 0);
    rig_stop_all(rigs, 3);
}
END_TEST

START_TEST(large_packets)
{
    static struct rig rigs[2];
    rig_cluster(rigs, 2);
    static const uint32_t lens[] = {8 << 20, 1 << 20, 3, 65536, (8 << 20) - 1, 262144, 0, 100000};
    for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        if (lens[i] != 0) {
            ck_assert_uint_eq(rig_send(&rigs[0], 2, NET_BULK, i, 1, 1, lens[i], 1), 1);
        }
        ck_assert_uint_eq(rig_send(&rigs[1], 1, NET_BULK, i, 1, 4, lens[i] / 8 + 1, 1), 1);
    }
    rig_wait_packets(&rigs[1], 1, NET_BULK, 8);
    rig_wait_packets(&rigs[0], 2, NET_BULK, 8);
    rig_stop_all(rigs, 2);
}
END_TEST

struct framing {
    struct rig *rig;
    uint8_t kind;
    struct bytes body;
    bool is_taken;
};

static void send_frame(void *arg)
{
    struct framing *framing = arg;
    framing->is_taken = net_send_frame(framing->rig->net, 2, framing->kind, framing->body);
    net_flush(framing->rig->net);
}

static bool has_frames(struct rig *rig, uint64_t count)
{
    return rig->from[1].frames >= count;
}

START_TEST(calls_and_installs)
{
    static struct rig rigs[2];
    rig_cluster(rigs, 2);
    static uint8_t body[100000];
    static const uint8_t kinds[] = {FRAME_REQUEST, FRAME_RESPONSE, FRAME_DIGESTS, FRAME_INSTALL,
                                    FRAME_INSTALL};
    for (unsigned i = 0; i < sizeof(kinds); i++) {
        struct framing framing = {&rigs[0], kinds[i], bytes_of(body, sizeof(body)), false};
        rig_do(&rigs[0], send_frame, &framing);
        ck_assert(framing.is_taken); /* an INSTALL waits for the connection that it needs */
    }
    rig_wait(&rigs[1], has_frames, sizeof(kinds), 10000);
    ck_assert_uint_eq(rig_seen(&rigs[1], 1).frame_bytes, sizeof(kinds) * sizeof(body));
    ck_assert_uint_eq(rig_status(&rigs[0]).peers[0].connects, 2);
    rig_stop_all(rigs, 2);
}
END_TEST

START_TEST(without_a_link_nothing_is_taken)
{
    static struct rig rig;
    rig_init(&rig, 1);
    rig_start(&rig);
    ck_assert_uint_eq(rig_send(&rig, 2, NET_BULK, 0, 1, 1, 10, 1), 0); /* no member */
    rig_member(&rig, 2, "127.0.0.1:9");
    ck_assert_uint_eq(rig_send(&rig, 2, NET_URGENT, 0, 3, 0, 0, 1), 0);
    ck_assert_uint_eq(rig_status(&rig).peers[0].dropped, 3);
    rig_stop(&rig);
}
END_TEST

/* Nobody says anything for longer than silent_ms: pings keep the links. */
START_TEST(idle_links_stay)
{
    static struct rig rigs[2];
    for (unsigned i = 0; i < 2; i++) {
        rig_init(&rigs[i], i + 1);
        rigs[i].options.ping_ms = 300;
        rigs[i].options.silent_ms = 1500;
        rig_start(&rigs[i]);
    }
    rig_join(rigs, 2);
    rig_wait_up(&rigs[0], 2, true);
    rig_wait_up(&rigs[1], 1, true);
    uint64_t deadline_ms = clock_mono_ms() + 4000;
    while (clock_mono_ms() < deadline_ms) {
        ck_assert(rig_status(&rigs[0]).peers[0].is_up);
        struct rig *rig = &rigs[0];
        mutex_lock(&rig->lock);
        (void)cond_wait_until(&rig->changed, &rig->lock, clock_mono_ms() + 100);
        mutex_unlock(&rig->lock);
    }
    struct net_status status = rig_status(&rigs[0]);
    ck_assert_uint_gt(status.peers[0].round_trip_us, 0);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).downs, 0);
    ck_assert_uint_eq(status.timeouts, 0);
    rig_stop_all(rigs, 2);
}
END_TEST

#define TESTS                                                                                      \
    thousands_both_ways, large_packets, calls_and_installs, without_a_link_nothing_is_taken,       \
        idle_links_stay

Suite *suite_traffic(void)
{
    return UNIT_SUITE("traffic", 60, TESTS);
}

/* The same once more, by TLS. */
Suite *suite_traffic_tls(void)
{
    const TTest *const tests[] = {TESTS};
    return unit_suite_with("traffic_tls", 60, rig_use_tls, tests, sizeof(tests) / sizeof(tests[0]));
}
