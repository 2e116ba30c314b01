/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake: who is let in, who is refused and with what words, on both sides; what is
 * remembered of a peer; that a node that returns is let in again. */
#include "suites.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "sys/clock.h"

START_TEST(two_nodes_know_each_other)
{
    static struct rig rigs[2];
    rig_cluster(rigs, 2);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).info.id, 2);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).info.incarnation, 1002);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).info.boot, 7);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).info.version, 1);
    ck_assert_str_eq(rig_seen(&rigs[0], 2).info.http_address, "127.0.0.1:80");
    struct net_status status = rig_status(&rigs[0]);
    ck_assert_uint_eq(status.peers_count, 1);
    ck_assert(status.peers[0].is_up && status.peers[0].can_send && status.peers[0].can_receive);
    ck_assert_uint_eq(status.peers[0].connects, 1);
    ck_assert_uint_gt(status.peers[0].heard_ms, 0);
    ck_assert_str_eq(status.peers[0].http_address, "127.0.0.1:80");
    rig_stop_all(rigs, 2);
}
END_TEST

struct refusal {
    enum net_refusal reason;
    enum err err;
    const char *words;
    void (*change)(struct hello *hello);
};

static void change_version(struct hello *hello)
{
    hello->version_min = hello->version_max = 99;
}
static void change_cluster(struct hello *hello)
{
    hello->cluster_id = bytes_of_string("another");
}
static void change_to_self(struct hello *hello)
{
    hello->node = 1;
}
static void change_to(struct hello *hello)
{
    hello->to = 3;
}
static void change_slots(struct hello *hello)
{
    hello->slot_count = 32;
}
static void change_member(struct hello *hello)
{
    hello->node = 4;
}
static void change_incarnation(struct hello *hello)
{
    hello->incarnation = 9;
}
static void change_boot(struct hello *hello)
{
    hello->boot = 6;
}
static void change_nonce(struct hello *hello)
{
    hello->nonce[0] = 77;
}

static const struct refusal refusals[] = {
    {NET_REFUSAL_VERSION, ERR_WRONG_FORMAT, "upgrade one version", change_version},
    {NET_REFUSAL_CLUSTER, ERR_WRONG_IDENTITY, "belongs to cluster 'another'", change_cluster},
    {NET_REFUSAL_SELF, ERR_WRONG_IDENTITY, "two processes say", change_to_self},
    {NET_REFUSAL_WRONG_NODE, ERR_WRONG_IDENTITY, "node 1 is at the address", change_to},
    {NET_REFUSAL_SLOT_COUNT, ERR_WRONG_IDENTITY, "has 32 slots", change_slots},
    {NET_REFUSAL_NO_MEMBER, ERR_WRONG_IDENTITY, "is no member", change_member},
    {NET_REFUSAL_INCARNATION, ERR_NEW_FOLDER, "new data folder", change_incarnation},
    {NET_REFUSAL_ROLLED_BACK, ERR_OLD_FOLDER, "rolled back", change_boot},
    {NET_REFUSAL_COPIED, ERR_OLD_FOLDER, "was copied", change_nonce},
};

/* A first good HELLO makes node 2 known; then each kind of wrong one. */
START_TEST(who_is_refused_and_why)
{
    static struct rig rig;
    rig_init(&rig, 1);
    rig_start(&rig);
    rig_member(&rig, 2, "127.0.0.1:9");
    struct raw good;
    raw_connect(&good, net_port(rig.net));
    struct hello hello;
    raw_hello_fill(&hello, 2, 1);
    raw_hello(&good, &hello);
    struct hello_reply reply;
    raw_reply(&good, &reply);
    ck_assert_int_eq(reply.err, OK);
    ck_assert_uint_eq(reply.version, 1);
    ck_assert_uint_eq(reply.hello.node, 1);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct raw bad;
        raw_connect(&bad, net_port(rig.net));
        raw_hello_fill(&hello, 2, 1);
        refusals[i].change(&hello);
        raw_hello(&bad, &hello);
        raw_reply(&bad, &reply);
        ck_assert_int_eq(reply.err, refusals[i].err);
        ck_assert_uint_eq(reply.version, 0);
        char text[256];
        snprintf(text, sizeof(text), "%.*s", (int)reply.text.len, (const char *)reply.text.data);
        ck_assert_msg(strstr(text, refusals[i].words) != NULL, "'%s'", text);
        ck_assert(raw_is_closed_within(&bad, 3000));
        struct net_status status = rig_status(&rig);
        ck_assert_uint_eq(status.refused_here[refusals[i].reason], 1);
        raw_close(&bad);
    }
    ck_assert(!raw_is_closed_within(&good, 100)); /* nobody else harmed it */
    ck_assert_uint_eq(rig_status(&rig).peers[0].incarnation, 1002);
    raw_close(&good);
    ck_assert_str_eq(net_refusal_slug(NET_REFUSAL_ROLLED_BACK), "rolled_back");
    rig_stop(&rig);
}
END_TEST

/* What the configuration knows counts before anybody said anything. */
START_TEST(members_carry_what_is_known)
{
    static struct rig rig;
    rig_init(&rig, 1);
    struct net_member member = {.id = 2, .address = "127.0.0.1:9", .incarnation = 1002, .boot = 9};
    rig.options.members = &member;
    rig.options.members_count = 1;
    rig_start(&rig);
    struct hello hello;
    struct hello_reply reply;
    struct raw raw;
    raw_connect(&raw, net_port(rig.net));
    raw_hello_fill(&hello, 2, 1);
    raw_hello(&raw, &hello); /* start 7, where 9 was seen */
    raw_reply(&raw, &reply);
    ck_assert_int_eq(reply.err, ERR_OLD_FOLDER);
    raw_close(&raw);
    raw_connect(&raw, net_port(rig.net));
    hello.boot = 10;
    raw_hello(&raw, &hello);
    raw_reply(&raw, &reply);
    ck_assert_int_eq(reply.err, OK);
    ck_assert_uint_eq(rig_status(&rig).peers[0].boot, 10);
    raw_close(&raw);
    rig_stop(&rig);
}
END_TEST

struct memory {
    enum err answer;
    unsigned asked;
    struct net_identity last;
};
static struct memory memory; /* written on the loop's thread, read between handshakes */

static enum err on_peer_learn(const struct net_identity *peer, struct why *why, void *arg)
{
    (void)arg;
    memory.asked++;
    memory.last = *peer;
    return memory.answer == OK ? OK : why_set(why, memory.answer, "no room");
}

static enum err greet(struct raw *raw, struct rig *rig, const struct hello *hello)
{
    struct hello_reply reply;
    raw_connect(raw, net_port(rig->net));
    raw_hello(raw, hello);
    raw_reply(raw, &reply);
    return reply.err;
}

/* A start that is new is remembered before the peer gets its answer, once; and if that fails, it is
 * not let in. */
START_TEST(a_peer_counts_once_it_is_remembered)
{
    static struct rig rig;
    rig_init(&rig, 1);
    memory = (struct memory){.answer = ERR_DISK_FAILED};
    rig.options.events.on_peer_learn = on_peer_learn;
    rig_start(&rig);
    rig_member(&rig, 2, "127.0.0.1:9");
    struct hello hello;
    struct raw raw;
    raw_hello_fill(&hello, 2, 1);
    ck_assert_int_eq(greet(&raw, &rig, &hello), ERR_DISK_FAILED);
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    struct net_status status = rig_status(&rig);
    ck_assert_uint_eq(status.refused_here[NET_REFUSAL_UNSAVED], 1);
    ck_assert(!status.peers[0].can_receive);
    ck_assert_uint_eq(status.peers[0].boot, 0);
    memory.answer = OK;
    for (int i = 0; i < 2; i++) { /* the same start again is known */
        ck_assert_int_eq(greet(&raw, &rig, &hello), OK);
        raw_close(&raw);
        ck_assert_uint_eq(memory.asked, 2);
    }
    ck_assert_uint_eq(memory.last.id, 2);
    ck_assert_uint_eq(memory.last.incarnation, 1002);
    ck_assert_uint_eq(memory.last.boot, 7);
    ck_assert_mem_eq(memory.last.nonce, hello.nonce, sizeof(hello.nonce));
    hello.incarnation++; /* who is refused is not remembered */
    ck_assert_int_eq(greet(&raw, &rig, &hello), ERR_NEW_FOLDER);
    raw_close(&raw);
    ck_assert_uint_eq(memory.asked, 2);
    hello.incarnation--;
    hello.boot = 8;
    hello.nonce[0]++;
    ck_assert_int_eq(greet(&raw, &rig, &hello), OK);
    raw_close(&raw);
    ck_assert_uint_eq(memory.asked, 3);
    ck_assert_uint_eq(memory.last.boot, 8);
    rig_stop(&rig);
}
END_TEST

/* The connecting side too: before anything is sent to who answered. */
START_TEST(who_answers_is_remembered_too)
{
    static struct rig rig;
    rig_init(&rig, 1);
    memory = (struct memory){.answer = ERR_DISK_FAILED};
    rig.options.events.on_peer_learn = on_peer_learn;
    rig_start(&rig);
    char address[64];
    int listen_fd = raw_listen(address, 0);
    rig_member(&rig, 2, address);
    struct raw raw;
    struct hello_reply reply;
    raw_accept(listen_fd, &raw);
    raw_welcome(&raw, 2);
    raw_reply(&raw, &reply);
    ck_assert_int_eq(reply.err, ERR_DISK_FAILED);
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    ck_assert(!rig_status(&rig).peers[0].can_send);
    close(listen_fd);
    rig_stop(&rig);
}
END_TEST

/* What was remembered and came back: the nonce of a start counts after this node's own restart. */
START_TEST(a_remembered_nonce_counts)
{
    static struct rig rig;
    rig_init(&rig, 1);
    struct hello hello;
    raw_hello_fill(&hello, 2, 1);
    memory = (struct memory){.answer = OK};
    rig.options.events.on_peer_learn = on_peer_learn;
    struct net_member member = {.id = 2,
                                .address = "127.0.0.1:9",
                                .incarnation = hello.incarnation,
                                .boot = hello.boot,
                                .has_nonce = true};
    memcpy(member.nonce, hello.nonce, sizeof(member.nonce));
    rig.options.members = &member;
    rig.options.members_count = 1;
    rig_start(&rig);
    struct raw raw;
    hello.nonce[3]++;
    ck_assert_int_eq(greet(&raw, &rig, &hello), ERR_OLD_FOLDER);
    raw_close(&raw);
    ck_assert_uint_eq(rig_status(&rig).refused_here[NET_REFUSAL_COPIED], 1);
    hello.nonce[3]--;
    ck_assert_int_eq(greet(&raw, &rig, &hello), OK);
    raw_close(&raw);
    ck_assert_uint_eq(memory.asked, 0); /* there was nothing new */
    rig_stop(&rig);
}
END_TEST

/* Node 1 connects to an address where another node is: it must not take it for node 2. */
START_TEST(the_connecting_side_checks_too)
{
    static struct rig rig;
    rig_init(&rig, 1);
    rig_start(&rig);
    char address[64];
    int listen_fd = raw_listen(address, 0);
    rig_member(&rig, 2, address);
    struct raw raw;
    raw_accept(listen_fd, &raw);
    raw_welcome(&raw, 3); /* says: I am node 3 */
    struct hello_reply reply;
    raw_reply(&raw, &reply); /* and is told why that link goes */
    ck_assert_int_eq(reply.err, ERR_WRONG_IDENTITY);
    ck_assert(raw_is_closed_within(&raw, 3000));
    raw_close(&raw);
    ck_assert_uint_eq(rig_status(&rig).refused_here[NET_REFUSAL_WRONG_NODE], 1);
    ck_assert(!rig_status(&rig).peers[0].can_send);
    close(listen_fd);
    rig_stop(&rig);
}
END_TEST

START_TEST(an_address_that_leads_home)
{
    static struct rig rig;
    rig_init(&rig, 1);
    rig_start(&rig);
    rig_member(&rig, 2, rig.address);
    uint64_t deadline_ms = clock_mono_ms() + 5000;
    while (rig_status(&rig).refused_here[NET_REFUSAL_SELF] == 0 ||
           rig_status(&rig).refused_there == 0) {
        ck_assert_uint_lt(clock_mono_ms(), deadline_ms);
        usleep(1000);
    }
    rig_stop(&rig);
}
END_TEST

/* Node 2 stops and comes again with the next start counter, at another address. */
START_TEST(a_restarted_node_is_let_in)
{
    static struct rig rigs[3];
    rig_cluster(rigs, 3);
    rig_stop(&rigs[1]);
    rig_wait_up(&rigs[0], 2, false);
    rig_wait_up(&rigs[2], 2, false);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).gones, 1);
    ck_assert(rig_seen(&rigs[0], 3).is_up);
    rig_init(&rigs[1], 2);
    rigs[1].options.boot = 8;
    rig_start(&rigs[1]);
    rig_join(rigs, 3);
    for (unsigned i = 0; i < 3; i += 2) {
        rig_wait_up(&rigs[i], 2, true);
        ck_assert_uint_eq(rig_seen(&rigs[i], 2).info.boot, 8);
        rig_wait_up(&rigs[1], i + 1, true);
    }
    ck_assert_uint_eq(rig_seen(&rigs[0], 3).downs, 0); /* the others' link was left alone */
    rig_stop_all(rigs, 3);
}
END_TEST

/* The same folder twice: the second process, with the same start counter, is refused. */
START_TEST(a_copied_folder_is_refused)
{
    static struct rig rigs[2], copy;
    rig_cluster(rigs, 2);
    rig_init(&copy, 2);
    rig_start(&copy);
    rig_member(&copy, 1, rigs[0].address);
    uint64_t deadline_ms = clock_mono_ms() + 5000;
    while (rig_status(&copy).refused_there == 0) {
        ck_assert_uint_lt(clock_mono_ms(), deadline_ms);
        usleep(1000);
    }
    ck_assert_uint_ge(rig_status(&rigs[0]).refused_here[NET_REFUSAL_COPIED], 1);
    ck_assert(rig_seen(&rigs[0], 2).is_up);
    rig_stop(&copy);
    rig_stop_all(rigs, 2);
}
END_TEST

START_TEST(removed_members_are_cut_off)
{
    static struct rig rigs[2];
    rig_cluster(rigs, 2);
    rig_member(&rigs[0], 0, NULL);
    rig_wait_up(&rigs[0], 2, false);
    ck_assert_uint_eq(rig_seen(&rigs[0], 2).gones, 0);
    ck_assert_uint_eq(rig_status(&rigs[0]).peers_count, 0);
    rig_wait_up(&rigs[1], 1, false);
    uint64_t deadline_ms = clock_mono_ms() + 8000;
    while (rig_status(&rigs[0]).refused_here[NET_REFUSAL_NO_MEMBER] == 0) {
        ck_assert_uint_lt(clock_mono_ms(), deadline_ms);
        usleep(1000);
    }
    rig_join(rigs, 2); /* and added again */
    rig_wait_up(&rigs[0], 2, true);
    rig_wait_up(&rigs[1], 1, true);
    rig_stop_all(rigs, 2);
}
END_TEST

START_TEST(start_says_what_is_wrong)
{
    struct rig rig;
    rig_init(&rig, 1);
    struct why why = {0};
    struct net *net = NULL;
    ck_assert_int_eq(net_loop_new(NULL, NULL, &rig.options.loop, &why), OK);
    rig.options.cluster_id = "";
    ck_assert_int_eq(net_start(&rig.options, &net, &why), ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(why.text, "cluster.id"));
    rig.options.cluster_id = "x";
    rig.options.listen = "nonsense";
    ck_assert_int_eq(net_start(&rig.options, &net, &why), ERR_BAD_PARAMETER);
    rig.options.listen = "127.0.0.1:0";
    ck_assert_int_eq(net_start(&rig.options, &net, &why), OK);
    struct net *second = NULL;
    char taken[64];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", net_port(net));
    rig.options.listen = taken;
    ck_assert_int_eq(net_start(&rig.options, &second, &why), ERR_IO);
    ck_assert_ptr_null(second);
    net_stop(net);
    net_stop(NULL);
    net_loop_free(rig.options.loop);
}
END_TEST

struct probing {
    struct rig *rig;
    const char *address;
    node_id to;
    atomic_bool is_done;
    bool is_answered;
    struct net_answer answer;
    struct why why;
};

static void on_probed(uint64_t number, const struct net_answer *answer, const struct why *why,
                      void *arg)
{
    struct probing *probing = arg;
    ck_assert_uint_eq(number, 77);
    probing->is_answered = answer != NULL;
    if (answer != NULL)
        probing->answer = *answer;
    probing->why = *why;
    atomic_store(&probing->is_done, true);
}

static void begin_probe(void *arg)
{
    struct probing *probing = arg;
    net_probe(probing->rig->net, probing->address, probing->to, 77, 1500, on_probed, probing);
}

static struct probing probe(struct rig *rig, const char *address, node_id to)
{
    struct probing probing = {.rig = rig, .address = address, .to = to};
    rig_do(rig, begin_probe, &probing);
    for (int i = 0; i < 1000 && !atomic_load(&probing.is_done); i++)
        usleep(5000);
    ck_assert(probing.is_done);
    return probing;
}

/* Who is nobody's member yet says who it is, whoever was meant, and nothing is remembered of it. */
START_TEST(a_stranger_is_asked_who_it_is)
{
    static struct rig rigs[3];
    for (node_id id = 1; id <= 3; id++) {
        rig_init(&rigs[id - 1], id);
        if (id == 3)
            rigs[2].options.cluster_id = "another";
        rig_start(&rigs[id - 1]);
    }
    struct probing found = probe(&rigs[0], rigs[1].address, 2);
    ck_assert(found.is_answered && found.answer.speaks && !found.answer.is_blank);
    ck_assert_uint_eq(found.answer.node, 2);
    ck_assert_str_eq(found.answer.cluster_id, "test-cluster");
    ck_assert_uint_eq(found.answer.slot_count, RIG_SLOTS);
    ck_assert_uint_eq(found.answer.incarnation, rigs[1].options.incarnation);
    found = probe(&rigs[0], rigs[1].address, 4);
    ck_assert(found.is_answered && found.answer.node == 2);
    found = probe(&rigs[0], rigs[2].address, 3);
    ck_assert(found.is_answered);
    ck_assert_str_eq(found.answer.cluster_id, "another");
    ck_assert_uint_eq(rig_status(&rigs[0]).peers_count, 0);
    rig_stop(&rigs[1]);
    found = probe(&rigs[0], rigs[1].address, 2);
    ck_assert(!found.is_answered && found.why.text[0] != '\0');
    found = probe(&rigs[0], "no-such-host.invalid:1", 2);
    ck_assert(!found.is_answered && found.why.text[0] != '\0');
    rig_stop(&rigs[2]);
    rig_stop(&rigs[0]);
}
END_TEST

Suite *suite_handshake(void)
{
    return UNIT_SUITE(
        "handshake", 60, two_nodes_know_each_other, who_is_refused_and_why,
        members_carry_what_is_known, a_peer_counts_once_it_is_remembered,
        who_answers_is_remembered_too, a_remembered_nonce_counts, the_connecting_side_checks_too,
        an_address_that_leads_home, a_restarted_node_is_let_in, a_copied_folder_is_refused,
        removed_members_are_cut_off, start_says_what_is_wrong, a_stranger_is_asked_who_it_is);
}
