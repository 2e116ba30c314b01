/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between members: who is not let in, that nobody speaks for another node, and that certificates
 * are replaced. (suites traffic_tls and trouble_tls do all the rest over TLS.) */
#include "suites.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "sys/clock.h"
#include "sys/file.h"

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    ck_assert_int_eq(system(command), 0);
}

/* A folder with certificates of another authority. */
static char *foreign(const char *cluster)
{
    char *dir = unit_temp_dir();
    run("scripts/make-certs %s %s 1 2 3 >/dev/null", dir, cluster);
    return dir;
}

static uint64_t refused(struct rig *rig)
{
    return rig_status(rig).refused_here[NET_REFUSAL_CERTIFICATE];
}

static void wait_refused(struct rig *rig, uint64_t count)
{
    uint64_t end_ms = clock_mono_ms() + 10000;
    while (refused(rig) < count && clock_mono_ms() < end_ms) {
        usleep(5000);
    }
    ck_assert_uint_ge(refused(rig), count);
}

/* A peer that waits for node 2 at this address. */
static void start_one(struct rig *rig)
{
    rig_init(rig, 1);
    rig_start(rig);
    rig_member(rig, 2, "127.0.0.1:9");
}

START_TEST(members_know_each_other_by_certificate)
{
    static struct rig rigs[3];
    rig_cluster(rigs, 3);
    for (int i = 0; i < 3; i++) {
        struct net_status status = rig_status(&rigs[i]);
        ck_assert_uint_eq(status.refused_here[NET_REFUSAL_CERTIFICATE], 0);
        ck_assert_uint_gt(status.certificate_expiry_s, clock_wall_ms() / 1000 + 300 * 86400);
    }
    rig_stop_all(rigs, 3);
}
END_TEST

/* No certificate, another authority's, another cluster's, one without a node: each is refused,
 * counted, and nothing that it says is looked at. */
START_TEST(strangers_are_refused)
{
    static struct rig rig;
    char *other_authority = foreign("test-cluster"), *other_cluster = unit_temp_dir();
    run("cp %s/ca.* %s && scripts/make-certs %s elsewhere 2 >/dev/null", rig_certificates(),
        other_cluster, other_cluster);
    struct {
        const char *dir;
        node_id id;
    } rows[] = {{NULL, 0}, {other_authority, 2}, {other_cluster, 2}};
    start_one(&rig);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw raw;
        struct hello hello;
        uint64_t before = refused(&rig);
        raw_connect(&raw, net_port(rig.net));
        (void)raw_begin_tls(&raw, rows[i].dir, rows[i].id);
        raw_hello_fill(&hello, 2, 1);
        raw_hello(&raw, &hello);
        ck_assert(raw_is_closed_within(&raw, 3000));
        wait_refused(&rig, before + 1);
        raw_close(&raw);
    }
    ck_assert_uint_eq(rig_status(&rig).peers[0].boot, 0);
    ck_assert_uint_eq(rig_status(&rig).garbage, 0);
    ck_assert_uint_eq(rig_status(&rig).refused_there, 0); /* an address where nobody is */
    /* Plain bytes are no session at all. */
    struct raw plain;
    raw_connect(&plain, net_port(rig.net));
    ck_assert_int_eq(write(plain.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    ck_assert(raw_is_closed_within(&plain, 3000));
    raw_close(&plain);
    wait_refused(&rig, ARRAY_LEN(rows) + 1);
    rig_stop(&rig);
    free(other_authority);
    free(other_cluster);
}
END_TEST

/* A HELLO with a huge start counter, in the name of another node, would lock that node out. */
START_TEST(nobody_speaks_for_another_node)
{
    static struct rig rig;
    struct raw raw;
    struct hello hello;
    struct hello_reply reply;
    start_one(&rig);
    raw_connect(&raw, net_port(rig.net));
    ck_assert(raw_begin_tls(&raw, rig_certificates(), 3));
    raw_hello_fill(&hello, 2, 1);
    hello.boot = UINT64_C(1) << 60;
    raw_hello(&raw, &hello);
    raw_reply(&raw, &reply);
    ck_assert_int_eq(reply.err, ERR_WRONG_IDENTITY);
    ck_assert_ptr_nonnull(strstr((const char *)reply.text.data, "has the certificate of node 3"));
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    ck_assert_uint_eq(refused(&rig), 1);
    raw_connect(&raw, net_port(rig.net));
    ck_assert(raw_begin_tls(&raw, rig_certificates(), 2));
    raw_hello_fill(&hello, 2, 1);
    raw_hello(&raw, &hello);
    raw_reply(&raw, &reply);
    ck_assert_int_eq(reply.err, OK);
    raw_close(&raw);
    rig_stop(&rig);
}
END_TEST

/* The side that connects looks at who answers, before it says a word. */
START_TEST(the_connecting_side_looks_too)
{
    static struct rig rig;
    char address[64];
    int listen_fd = raw_listen(address, 0);
    char *other = foreign("test-cluster");
    struct raw raw;
    rig_init(&rig, 1);
    rig_start(&rig);
    rig_member(&rig, 2, address);
    raw_accept(listen_fd, &raw);
    (void)raw_begin_tls(&raw, other, 2);
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    wait_refused(&rig, 1);
    /* The right authority, and another node. */
    raw_accept(listen_fd, &raw);
    ck_assert(raw_begin_tls(&raw, rig_certificates(), 3));
    raw_welcome(&raw, 2);
    wait_refused(&rig, 2);
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    raw_accept(listen_fd, &raw);
    raw_welcome(&raw, 2);
    uint64_t end_ms = clock_mono_ms() + 5000;
    while (!rig_status(&rig).peers[0].can_send && clock_mono_ms() < end_ms) {
        usleep(5000);
    }
    ck_assert(rig_status(&rig).peers[0].can_send);
    raw_close(&raw);
    rig_stop(&rig);
    close(listen_fd);
    free(other);
}
END_TEST

/* A handshake that never ends does not stay. */
START_TEST(a_slow_handshake_is_cut_off)
{
    static struct rig rig;
    struct raw raw;
    rig_init(&rig, 1);
    rig.options.handshake_ms = 500;
    rig_start(&rig);
    raw_connect(&raw, net_port(rig.net));
    static const uint8_t start[] = {22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3};
    uint64_t started_ms = clock_mono_ms();
    bool is_closed = false;
    for (size_t i = 0; i < 100 && !is_closed; i++) {
        (void)!write(raw.fd, &start[i % sizeof(start)], i < sizeof(start));
        is_closed = raw_is_closed_within(&raw, 50);
    }
    ck_assert(is_closed);
    ck_assert_uint_le(clock_mono_ms() - started_ms, 3000);
    ck_assert_uint_ge(rig_status(&rig).timeouts, 1);
    raw_close(&raw);
    rig_stop(&rig);
}
END_TEST

START_TEST(certificates_are_replaced)
{
    static struct rig rigs[2];
    char file[300];
    struct why why = {0};
    rig_cluster(rigs, 2);
    /* What is wrong changes nothing. */
    snprintf(file, sizeof(file), "%s/node-1.crt", rig_certificates());
    run("cp %s %s.kept", file, file);
    ck_assert_int_eq(file_write_atomic(file, bytes_of_string("nonsense"), 0600, NULL), OK);
    ck_assert_int_eq(net_reload(rigs[0].net, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "node-1.crt: no certificate") != NULL, "%s", why.text);
    run("cp %s/node-2.crt %s", rig_certificates(), file);
    ck_assert_int_eq(net_reload(rigs[0].net, &why), ERR_BAD_CONFIG);
    run("mv %s.kept %s", file, file);
    /* A new authority on both: links that are open stay, new ones are made under it. */
    uint64_t expiry_s = rig_status(&rigs[0]).certificate_expiry_s;
    run("rm %s/ca.* && scripts/make-certs --days 2 %s test-cluster 1 2 >/dev/null",
        rig_certificates(), rig_certificates());
    ck_assert_int_eq(net_reload(rigs[0].net, &why), OK);
    ck_assert_uint_lt(rig_status(&rigs[0]).certificate_expiry_s, expiry_s);
    rig_send(&rigs[0], 2, NET_BULK, 0, 10, 1, 100, 5);
    rig_wait_packets(&rigs[1], 1, NET_BULK, 10);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).downs, 0);
    ck_assert_int_eq(net_reload(rigs[1].net, &why), OK);
    rig_member(&rigs[0], 2, NULL); /* removed, and added again */
    rig_wait_up(&rigs[1], 1, false);
    rig_join(rigs, 2);
    rig_wait_up(&rigs[0], 2, true);
    rig_wait_up(&rigs[1], 1, true);
    rig_stop_all(rigs, 2);
}
END_TEST

/* A list that takes certificates back, read while links are open: who is in it loses them and gets none
 * any more, the others go on; also when the list is over by then. */
START_TEST(revoked_ones_are_cut_off)
{
    static struct rig rigs[3];
    static char revoked[300];
    struct why why = {0};
    for (int i = 0; i < 3; i++) {
        rig_init(&rigs[i], (node_id)i + 1);
    }
    snprintf(revoked, sizeof(revoked), "%s/revoked.crl", rig_certificates());
    run("scripts/make-certs --revoke %s >/dev/null", rig_certificates()); /* a list of nobody */
    for (int i = 0; i < 3; i++) {
        rigs[i].tls.revoked = revoked;
        rig_start(&rigs[i]);
    }
    rig_join(rigs, 3);
    for (node_id id = 2; id <= 3; id++) {
        rig_wait_up(&rigs[0], id, true);
    }
    run("scripts/make-certs --revoke --days 0 %s 3 >/dev/null", rig_certificates());
    ck_assert_int_eq(net_reload(rigs[0].net, &why), OK);
    rig_wait_up(&rigs[0], 3, false);
    wait_refused(&rigs[0], 2); /* the link that was open, and one that was tried after it */
    ck_assert(!rig_status(&rigs[0]).peers[1].can_send);
    rig_send(&rigs[0], 2, NET_BULK, 0, 10, 1, 100, 5);
    rig_wait_packets(&rigs[1], 1, NET_BULK, 10);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).downs, 0);
    /* A node that is in the list itself says so, and keeps what it has. */
    ck_assert_int_eq(net_reload(rigs[2].net, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "revoked") != NULL, "%s", why.text);
    ck_assert_int_eq(file_write_atomic(revoked, bytes_of_string("nonsense"), 0600, NULL), OK);
    ck_assert_int_eq(net_reload(rigs[0].net, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "revoked.crl: no list of revoked") != NULL, "%s", why.text);
    rig_stop_all(rigs, 3);
}
END_TEST

START_TEST(start_says_what_is_wrong)
{
    static const struct {
        const char *authority, *certificate, *key, *words;
    } rows[] = {
        {"none", "node-1.crt", "node-1.key", "none: "},
        {"node-1.key", "node-1.crt", "node-1.key", "node-1.key: no certificates of an authority"},
        {"ca.crt", "none", "node-1.key", "none: no certificate"},
        {"ca.crt", "node-1.crt", "none", "none: no key"},
        {"ca.crt", "node-1.crt", "node-2.key", "node-2.key: no key, or not that of"},
        {"ca.crt", "node-2.crt", "node-2.key",
         "node-2.crt is not the certificate of this node: it needs the URI lethe://test-cluster/1"},
        {"other.crt", "node-1.crt", "node-1.key", "does not vouch for"},
    };
    char *other = foreign("test-cluster");
    run("cp %s/ca.crt %s/other.crt", other, rig_certificates());
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct rig rig;
        char texts[3][256];
        struct why why = {0};
        const char *const names[] = {rows[i].authority, rows[i].certificate, rows[i].key};
        rig_init(&rig, 1);
        for (int k = 0; k < 3; k++) {
            snprintf(texts[k], sizeof(texts[k]), "%s/%s", rig_certificates(), names[k]);
        }
        rig.tls = (struct net_tls_files){texts[0], texts[1], texts[2], NULL};
        ck_assert_int_eq(net_loop_new(NULL, NULL, &rig.loop, &why), OK);
        rig.options.loop = rig.loop;
        ck_assert_int_ne(net_start(&rig.options, &rig.net, &why), OK);
        ck_assert_msg(strstr(why.text, rows[i].words) != NULL, "%s", why.text);
        net_loop_free(rig.loop);
    }
    free(other);
}
END_TEST

Suite *suite_tls(void)
{
    const TTest *const tests[] = {members_know_each_other_by_certificate,
                                  strangers_are_refused,
                                  nobody_speaks_for_another_node,
                                  the_connecting_side_looks_too,
                                  a_slow_handshake_is_cut_off,
                                  certificates_are_replaced,
                                  revoked_ones_are_cut_off,
                                  start_says_what_is_wrong};
    return unit_suite_with("tls", 60, rig_use_tls, tests, sizeof(tests) / sizeof(tests[0]));
}
