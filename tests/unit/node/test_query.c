/* SPDX-License-Identifier: Apache-2.0 */
/* A replica that may not be read has another member read: any query, fresh, within its deadline, and
 * at the end a refusal, never a doubt. */
#include <stdlib.h>
#include <string.h>

#include "helpers.h"
#include "msg/remote.h"
#include "wire/call.h"
#include "wire/frame.h"

Suite *suite_query(void);

static bool drop_installs(node_id from, node_id to, uint8_t kind, struct bytes body, void *arg)
{
    (void)from;
    (void)to;
    (void)body;
    (void)arg;
    return kind == FRAME_INSTALL;
}

static void delete_range(struct fakeworld *world, node_id id, uint64_t start, uint64_t end)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, test_delete("c", start, end), 5000), OK);
    test_wait(world, &call, 2000);
    ck_assert_int_eq(call.call.err, OK);
    fakecall_done(&call);
}

static void send_many(struct fakeworld *world, node_id id, int count)
{
    for (int i = 0; i < count; i++) {
        (void)test_send(world, id, "a payload");
    }
}

/* Three nodes; *ret_away is being installed and gets no chunk. Channel c has 1-80, of which 2-30 and
 * 62-63 are gone: that node knows of none of the latter. */
static struct fakeworld *installing_world(node_id *ret_leader, node_id *ret_away)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, 31);
    options.node.log_keep_applied = 8;
    options.node.log_keep_hours = 0;
    options.node.log_min_keep = 8;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    node_id leader = *ret_leader = fakeworld_elect(world, 0);
    node_id away = *ret_away = leader % 3 + 1;
    send_many(world, leader, 60);
    delete_range(world, leader, 2, 30);
    fakeworld_run(world, 2000);
    fakeworld_crash(world, away, MEMDISK_KEEP_ALL);
    send_many(world, leader, 20);
    delete_range(world, leader, 62, 63);
    fakeworld_run(world, 3000);
    fakeworld_on_frame(world, drop_installs, NULL);
    test_start(world, away);
    fakeworld_run(world, 1000);
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, away), 0, &view));
    ck_assert(view.installing);
    return world;
}

static struct msg_query page_query(void)
{
    return (struct msg_query){.kind = MSG_QUERY_PAGE,
                              .page = {.channel = test_channel("c"), .limit = 1000}};
}

static struct node_metrics metrics_of(struct fakeworld *world, node_id id)
{
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, id), &metrics);
    return metrics;
}

/* The bytes of an answer: equal ones are equal answers. */
static void answer_bytes(struct fakeworld *world, node_id id, const struct fakecall *call,
                         struct buf *ret)
{
    struct arena arena;
    struct msg_answer answer;
    arena_init(&arena);
    (void)!node_answer(fakeworld_node(world, id), &call->call, 0, &arena, &answer, NULL);
    msg_encode_answer(ret, call->call.queries[0].kind, &answer);
    arena_done(&arena);
}

static void expect_same(struct fakeworld *world, node_id leader, node_id away,
                        const struct msg_query *query, enum node_consistency consistency)
{
    node_id ids[] = {leader, away};
    struct buf answers[2] = {BUF_INIT, BUF_INIT};
    for (int i = 0; i < 2; i++) {
        struct fakecall call;
        ck_assert_int_eq(fakecall_query(world, ids[i], &call, 0, consistency, query, 1000), OK);
        test_wait(world, &call, 1100);
        ck_assert_msg(call.call.err == OK, "kind %d at %d: %s: %s", query->kind, (int)ids[i],
                      err_slug(call.call.err), call.call.why.text);
        ck_assert_uint_eq(call.call.served_by, leader);
        ck_assert_uint_eq(call.call.leader, leader);
        ck_assert_int_eq(call.call.answer != NULL, ids[i] == away);
        answer_bytes(world, ids[i], &call, &answers[i]);
        fakecall_done(&call);
    }
    ck_assert_msg(bytes_is_equal(buf_bytes(&answers[0]), buf_bytes(&answers[1])), "kind %d",
                  query->kind);
    ck_assert_uint_gt(answers[0].len, 0);
    buf_done(&answers[0]);
    buf_done(&answers[1]);
}

START_TEST(every_query)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    (void)test_send(world, leader, "the newest");
    struct channel c = test_channel("c");
    uint64_t seqs[] = {81, 1, 62, 70};
    struct range ranges[] = {{60, 70}, {75, 75}};
    struct msg_query queries[] = {
        page_query(),
        {.kind = MSG_QUERY_MESSAGE, .channel = c, .number = 81},
        {.kind = MSG_QUERY_MESSAGE, .channel = c, .number = 62},  /* deleted */
        {.kind = MSG_QUERY_MESSAGE, .channel = c, .number = 900}, /* not there */
        {.kind = MSG_QUERY_SEQS, .channel = c, .seqs = seqs, .seqs_count = 4},
        {.kind = MSG_QUERY_CLIENT_MSG_NO, .channel = c, .client_msg_no = bytes_of_string("x")},
        {.kind = MSG_QUERY_MESSAGE_ID, .channel = c, .number = 12345},
        {.kind = MSG_QUERY_CHANNEL, .channel = c},
        {.kind = MSG_QUERY_CHANNEL, .channel = test_channel("nothing")},
        {.kind = MSG_QUERY_CHANNELS, .channels = {.type = -1, .limit = 10}},
        {.kind = MSG_QUERY_DELETES, .deletes = {.limit = 10}},
        {.kind = MSG_QUERY_DELETES, .deletes = {.channel = &c, .limit = 1}},
        {.kind = MSG_QUERY_DELETE, .number = 1}, /* no delete */
        {.kind = MSG_QUERY_PREVIEW,
         .preview = {.channel = c, .ranges = ranges, .ranges_count = 2, .clamp = true}},
        {.kind = MSG_QUERY_PREVIEW, .preview = {.channel = c, .form = MSG_DELETE_KEEP, .keep = 3}},
        {.kind = MSG_QUERY_PREVIEW, /* beyond the end */
         .preview = {.channel = c, .form = MSG_DELETE_THROUGH, .through_seq = 900}},
    };
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        expect_same(world, leader, away, &queries[i], NODE_LINEARIZABLE);
        expect_same(world, leader, away, &queries[i], NODE_LEADER);
    }
    ck_assert_uint_eq(metrics_of(world, away).reads_forwarded_total, 2 * ARRAY_LEN(queries));
    ck_assert_uint_eq(metrics_of(world, leader).reads_for_others_total, 2 * ARRAY_LEN(queries));
    fakeworld_free(world);
}
END_TEST

/* What it shows is the state after the request began, not what the replica had. */
START_TEST(fresh)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    struct msg_query query = page_query();
    for (int i = 0; i < 3; i++) {
        uint64_t seq = test_send(world, leader, "newer");
        struct fakecall call;
        struct arena arena;
        struct msg_answer answer;
        arena_init(&arena);
        ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 1000),
                         OK);
        test_wait(world, &call, 1100);
        ck_assert_int_eq(
            node_answer(fakeworld_node(world, away), &call.call, 0, &arena, &answer, NULL), OK);
        ck_assert_uint_eq(answer.page.last_seq, seq);
        ck_assert_uint_eq(answer.page.messages[answer.page.messages_count - 1].seq, seq);
        ck_assert_uint_eq(answer.page.applied_index, call.call.applied_index);
        ck_assert_uint_eq(answer.page.deleted_count, 2);
        fakecall_done(&call);
        arena_done(&arena);
    }
    fakeworld_free(world);
}
END_TEST

/* Local reads, and those whose asker wants to go there himself, stay refusals. */
START_TEST(refused_here)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    struct msg_query query = page_query();
    struct fakecall call;
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LOCAL, &query, 1000), OK);
    test_wait(world, &call, 1100);
    ck_assert_int_eq(call.call.err, ERR_UNREADY);
    ck_assert_ptr_nonnull(strstr(call.call.why.text, "being brought up to date"));
    ck_assert_uint_gt(call.call.retry_after_ms, 0);
    fakecall_done(&call);
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 1000), OK);
    call.call.no_forward = true;
    test_wait(world, &call, 1100);
    ck_assert_int_eq(call.call.err, ERR_NOT_LEADER);
    ck_assert_uint_eq(call.call.leader, leader);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

/* The leader cannot be asked: the other follower asks it. */
START_TEST(another_member)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    node_id other = 6 - leader - away;
    struct msg_query query = page_query();
    struct fakecall call;
    fakeworld_cut(world, away, leader, true);
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 3000), OK);
    test_wait(world, &call, 1300); /* it was lost on its way: a second later it goes elsewhere */
    ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
    ck_assert_uint_eq(call.call.served_by, other);
    fakecall_done(&call);
    fakeworld_cut(world, away, leader, false);
    /* It took the question, and then its link breaks. */
    fakeworld_hold_background(world, leader, true);
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 2000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert(!call.is_done);
    node_peer_down(fakeworld_node(world, away), leader, false);
    test_wait(world, &call, 1100);
    ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
    ck_assert_uint_eq(call.call.served_by, other);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

/* Nobody can be asked: a refusal by the deadline, as nothing was written. */
START_TEST(nobody)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    struct msg_query query = page_query();
    struct fakecall call;
    fakeworld_hold_background(world, leader, true);
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 700), OK);
    test_wait(world, &call, 800);
    ck_assert_int_eq(err_kind(call.call.err), ERR_KIND_REFUSED);
    fakecall_done(&call);
    fakeworld_hold_background(world, leader, false);
    fakeworld_cut(world, away, 0, true);
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 700), OK);
    test_wait(world, &call, 800);
    ck_assert_int_eq(err_kind(call.call.err), ERR_KIND_REFUSED);
    fakecall_done(&call);
    ck_assert_uint_eq(metrics_of(world, away).outcome_unknown_total, 0);
    fakeworld_free(world);
}
END_TEST

/* Answers that are too large together: pages end earlier, what cannot is refused with a reason. */
START_TEST(too_large)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    char *payload = malloc(1000001);
    ck_assert_ptr_nonnull(payload);
    memset(payload, 'p', 1000000);
    payload[1000000] = '\0';
    uint64_t seqs[10];
    for (int i = 0; i < 10; i++) {
        seqs[i] = test_send(world, leader, payload);
    }
    free(payload);
    struct msg_query pages[] = {page_query(), page_query()};
    pages[0].page.from_seq = pages[1].page.from_seq = seqs[0];
    struct fakecall call;
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, pages, 3000), OK);
    call.call.queries_count = 2;
    test_wait(world, &call, 3100);
    ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
    struct arena arena;
    arena_init(&arena);
    struct msg_answer answer;
    struct node *node = fakeworld_node(world, away);
    ck_assert_int_eq(node_answer(node, &call.call, 0, &arena, &answer, NULL), OK);
    ck_assert_uint_eq(answer.page.messages_count, 8);
    ck_assert(answer.page.more);
    ck_assert_uint_eq(answer.page.next_seq, seqs[8]);
    ck_assert_int_eq(node_answer(node, &call.call, 1, &arena, &answer, NULL), OK);
    ck_assert_uint_eq(answer.page.messages_count, 1);
    ck_assert(answer.page.more);
    ck_assert_uint_eq(answer.page.next_seq, seqs[1]);
    arena_done(&arena);
    fakecall_done(&call);
    struct msg_query many = {
        .kind = MSG_QUERY_SEQS, .channel = test_channel("c"), .seqs = seqs, .seqs_count = 10};
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &many, 3000), OK);
    test_wait(world, &call, 3100);
    ck_assert_int_eq(call.call.err, ERR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(call.call.why.text, "ask for less"));
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

/* What a peer asks is looked at before anything is done with it, and there is an end to how much. */
START_TEST(strange_requests)
{
    node_id leader;
    struct fakeworld *world = test_world(3, &leader);
    struct node *node = fakeworld_node(world, leader);
    node_id other = leader % 3 + 1;
    struct msg_query query = page_query();
    struct buf body = BUF_INIT;
    buf_put_u8(&body, NODE_LINEARIZABLE);
    buf_put_varint(&body, 0);
    msg_encode_queries(&body, &query, 1);
    struct call_request request = {
        .id = 1, .kind = CALL_QUERY, .hops = 1, .deadline_ms = 1000, .body = buf_bytes(&body)};
    fakeworld_hold_background(world, leader, true);
    for (size_t len = 0; len < body.len; len++) {
        request.body.len = len;
        node_receive_request(node, other, &request);
    }
    request.body.len = body.len;
    body.data[0] = NODE_LOCAL; /* that one is refused where it was asked */
    node_receive_request(node, other, &request);
    ck_assert(fakeworld_settle(world));
    ck_assert_uint_eq(metrics_of(world, leader).reads_total, 0);
    body.data[0] = NODE_LINEARIZABLE;
    /* Each asks for a moment of the thread that does not come. */
    for (int i = 0; i < 5000; i++) {
        request.id = (uint64_t)i;
        node_receive_request(node, other, &request);
    }
    fakeworld_run(world, 200);
    ck_assert_uint_eq(metrics_of(world, leader).reads_total, 4096);
    fakeworld_run(world, 1500); /* late by now: none of them is read */
    fakeworld_hold_background(world, leader, false);
    fakeworld_run(world, 500);
    ck_assert_uint_eq(metrics_of(world, leader).reads_for_others_total, 0);
    node_receive_request(node, other, &request);
    fakeworld_run(world, 200);
    ck_assert_uint_eq(metrics_of(world, leader).reads_for_others_total, 1);
    buf_done(&body);
    fakeworld_free(world);
}
END_TEST

/* The leader that was asked sleeps; the next one is asked as soon as it is known. */
START_TEST(leader_changes)
{
    node_id leader, away;
    struct fakeworld *world = installing_world(&leader, &away);
    node_id other = 6 - leader - away;
    struct msg_query query = page_query();
    struct fakecall call, transfer;
    fakeworld_hold_background(world, leader, true);
    ck_assert_int_eq(fakecall_query(world, away, &call, 0, NODE_LINEARIZABLE, &query, 5000), OK);
    ck_assert(fakeworld_settle(world));
    ck_assert_int_eq(fakecall_start_transfer(world, leader, &transfer, 0, other, 3000), OK);
    test_wait(world, &transfer, 3000);
    ck_assert_int_eq(transfer.call.err, OK);
    fakecall_done(&transfer);
    test_wait(world, &call, 1000);
    ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
    ck_assert_uint_eq(call.call.served_by, other);
    fakecall_done(&call);
    fakeworld_free(world);
}
END_TEST

/* Streams look into the store without a call: one that has no replica says so, and shows no emptiness. */
START_TEST(no_replica)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 4, 12);
    options.node.slot_count = 4;
    options.node.replica_count = 3;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 4; id++) {
        test_start(world, id);
    }
    slot_id slot = channel_slot(test_channel("c"), 4);
    node_id leader = fakeworld_elect(world, slot);
    ck_assert_uint_ne(leader, 0);
    fakeworld_run(world, 5000);
    struct msg_query query = page_query();
    uint32_t strangers = 0;
    for (node_id id = 1; id <= 4; id++) {
        struct node_slot view;
        struct arena arena;
        struct msg_answer answer;
        struct why why = {.err = OK};
        ck_assert(node_get_slot(fakeworld_node(world, id), slot, &view));
        arena_init(&arena);
        enum err err = node_ask(fakeworld_node(world, id), &query, &arena, &answer, &why);
        ck_assert_int_eq(err, view.holds ? OK : ERR_UNREADY);
        ck_assert_int_eq(answer.err, err);
        if (!view.holds) {
            strangers++;
            ck_assert_ptr_nonnull(strstr(why.text, "no replica"));
            ck_assert(bytes_is_equal(answer.text, bytes_of_string(why.text)));
            struct fakecall call;
            ck_assert_int_eq(fakecall_query(world, id, &call, slot, NODE_LEADER, &query, 1000), OK);
            test_wait(world, &call, 1100);
            ck_assert_msg(call.call.err == OK, "%s", call.call.why.text);
            ck_assert_uint_ne(call.call.served_by, id);
            fakecall_done(&call);
        }
        arena_done(&arena);
    }
    ck_assert_uint_eq(strangers, 1);
    fakeworld_free(world);
}
END_TEST

Suite *suite_query(void)
{
    return UNIT_SUITE("query", 30, every_query, fresh, refused_here, another_member, nobody,
                      too_large, strange_requests, leader_changes, no_replica);
}
