/* SPDX-License-Identifier: Apache-2.0 */
/* The server over a socket, with a node that does as it is told: what the contract says about
 * faults of the cluster, about waiting and stopping, and about requests that try to fool a parser.
 * (tests/api asks a real daemon.) */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "fake_node.h"
#include "http/http.h"
#include "suites.h"
#include "sys/clock.h"
#include "sys/thread.h"

#define JSON "Content-Type: application/json\r\n"
#define MESSAGES "/v1/channels/2/room/messages"

static struct node *node;
static struct http *http;
static struct client client;

static void start(void)
{
    struct http_options options;
    struct why why;
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    client_set_options(&options);
    options.max_connections = 100;
    ck_assert_int_eq(http_start(&options, node, &http, &why), OK);
    client_open(&client, http_address(http));
}

static void stop(void)
{
    client_close(&client);
    http_stop(http, 1000);
    fake_node_free(node);
}

static int ask(const char *method, const char *target, const char *headers, const char *body)
{
    return client_ask(&client, method, target, headers, body);
}

static int post(const char *target, const char *body)
{
    return ask("POST", target, JSON, body);
}

START_TEST(sends_reads_deletes)
{
    start();
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"aGk=\",\"client_msg_no\":\"1\"}"), 201);
    ck_assert(client_has(&client, "\"message_seq\":1,"));
    ck_assert(client_has(&client, "Location: " MESSAGES "/1\r\n"));
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"aGk=\",\"client_msg_no\":\"1\"}"), 200);
    ck_assert(client_has(&client, "\"duplicate\":true"));
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"aGkh\",\"client_msg_no\":\"1\"}"), 422);
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"aGk=\",\"expected_last_seq\":7}"), 412);
    ck_assert(client_has(&client, "\"last_seq\":1"));
    ck_assert_int_eq(ask("GET", MESSAGES "/1", NULL, NULL), 200);
    ck_assert_int_eq(ask("HEAD", MESSAGES "/1", NULL, NULL), 200);
    ck_assert_int_eq(ask("GET", MESSAGES "/1", "Accept: application/octet-stream\r\n", NULL), 200);
    ck_assert_str_eq(client.body, "hi");
    ck_assert_int_eq(ask("DELETE", MESSAGES "?start_seq=1&end_seq=1", NULL, NULL), 200);
    ck_assert_int_eq(ask("GET", MESSAGES "/1", NULL, NULL), 410);
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"aGk=\",\"client_msg_no\":\"1\"}"), 200);
    ck_assert(client_has(&client, "\"deleted\":true"));
    stop();
}
END_TEST

START_TEST(tells_faults_apart)
{
    static const struct {
        enum err err;
        int status;
        bool retry;
    } rows[] = {{ERR_NO_LEADER, 503, true},  {ERR_PROVEN_LOST, 503, true},
                {ERR_DRAINING, 503, true},   {ERR_OUTCOME_UNKNOWN, 504, false},
                {ERR_DISK_FULL, 507, false}, {ERR_CORRUPT, 500, false},
                {ERR_UNREADY, 503, true},    {ERR_QUEUE_FULL, 503, true}};
    start();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fake_node_fail(node, NODE_CALL_COMMAND, rows[i].err, 0);
        ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), rows[i].status);
        ck_assert_int_eq(client_has(&client, "Retry-After: "), rows[i].retry);
        ck_assert_int_eq(client_has(&client, "told to fail"), rows[i].status != 500);
        ck_assert_int_eq(post("/v1/messages:batch",
                              "{\"messages\":[{\"channel_type\":1,\"channel_id\":\"a\","
                              "\"payload\":\"\"},{\"channel_type\":1,\"channel_id\":\"b\","
                              "\"payload\":\"\"}]}"),
                         rows[i].status);
    }
    fake_node_fail(node, NODE_CALL_COMMAND, OK, 0);
    fake_node_refuse(node, ERR_QUEUE_FULL);
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 503);
    ck_assert(client_has(&client, "\"code\":\"queue_full\""));
    ck_assert(client_has(&client, "Retry-After: 1"));
    /* Nobody looked at the body; the connection goes on all the same. */
    ck_assert_int_eq(post(MESSAGES, "no JSON at all"), 503);
    ck_assert_uint_eq(fake_node_refused_early(node), 2);
    ck_assert_int_eq(ask("GET", MESSAGES, NULL, NULL), 503);
    ck_assert_uint_eq(fake_node_commands(node), 0);
    stop();
}
END_TEST

/* The whole header, once: the scheme that this server speaks, the other node, the target as it came. */
static void expect_redirect(const char *rest)
{
    char wanted[256];
    snprintf(wanted, sizeof(wanted), "\r\nLocation: %s://%s\r\n",
             client_certificates() == NULL ? "http" : "https", rest);
    const char *found = strstr(client.reply, wanted);
    ck_assert_msg(found != NULL, "no%sin%s", wanted, client.reply);
    ck_assert_ptr_null(strstr(found + 2, "\r\nLocation:"));
}

START_TEST(redirects_when_asked)
{
    start();
    fake_node_set_follower(node, 1);
    fake_node_fail(node, NODE_CALL_COMMAND, ERR_NOT_LEADER, 2);
    ck_assert_int_eq(post(MESSAGES "?redirect=1", "{\"payload\":\"\"}"), 307);
    expect_redirect("127.0.0.1:7002" MESSAGES "?redirect=1");
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 503);
    fake_node_fail(node, NODE_CALL_COMMAND, ERR_NOT_LEADER, 9);
    ck_assert_int_eq(post(MESSAGES "?redirect=1", "{\"payload\":\"\"}"), 503);
    stop();
}
END_TEST

/* Only a leader hears of every replica: it is asked, and who could not be asked is not made up. */
START_TEST(slots_as_their_leaders_see_them)
{
    start();
    ck_assert_int_eq(ask("GET", "/v1/slots/3", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"view\":\"leader\""));
    ck_assert(!client_has(&client, "\"lag\":77"));
    fake_node_set_slot_leader(node, 2);
    ck_assert_int_eq(ask("GET", "/v1/slots/3", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"slot\":3,\"leader\":2,"));
    ck_assert(client_has(&client, "\"view\":\"leader\""));
    ck_assert(client_has(&client, "\"node\":7,"));
    ck_assert(client_has(&client, "\"lag\":77"));
    ck_assert_int_eq(ask("GET", "/v1/slots/3/local", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"view\":\"local\""));
    ck_assert(!client_has(&client, "\"lag\":77"));
    ck_assert_int_eq(ask("GET", "/v1/slots", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"lag\":77"));
    ck_assert(client_has(&client, "\"slot\":15,"));
    ck_assert(!client_has(&client, "\"view\":\"local\""));
    ck_assert_int_eq(ask("GET", "/v1/slots?columns=slot,view", "Accept: text/plain\r\n", NULL),
                     200);
    ck_assert(client_has(&client, "15    leader"));
    fake_node_fail(node, NODE_CALL_SLOT, ERR_NO_LEADER, 0);
    ck_assert_int_eq(ask("GET", "/v1/slots/3", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"view\":\"local\""));
    ck_assert_int_eq(ask("GET", "/v1/slots", NULL, NULL), 200);
    ck_assert(!client_has(&client, "\"view\":\"leader\""));
    stop();
}
END_TEST

START_TEST(conditions_hold)
{
    start();
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(ask("GET", "/v1/channels/2/room", NULL, NULL), 200);
    ck_assert(client_has(&client, "ETag: \"1-0\"\r\n"));
    ck_assert_int_eq(ask("GET", "/v1/channels/2/room", "If-None-Match: \"1-0\"\r\n", NULL), 304);
    ck_assert_int_eq(ask("POST", MESSAGES, JSON "If-Match: \"0-0\"\r\n", "{\"payload\":\"\"}"),
                     412);
    ck_assert_int_eq(ask("POST", MESSAGES, JSON "If-Match: \"1-0\"\r\n", "{\"payload\":\"\"}"),
                     201);
    ck_assert_int_eq(ask("DELETE", "/v1/channels/2/room", "If-Match: \"1-0\"\r\n", NULL), 412);
    ck_assert_int_eq(ask("DELETE", "/v1/channels/2/room", "If-Match: \"2-0\"\r\n", NULL), 200);
    ck_assert_int_eq(
        ask("POST", MESSAGES ":batch", JSON "If-Match: \"2-1\"\r\n", "{\"messages\":[]}"), 501);
    ck_assert_int_eq(ask("GET", MESSAGES "?min_index=99", NULL, NULL), 503);
    stop();
}
END_TEST

/* A delete is followed until the other replica has it too. */
START_TEST(waits_for_replicas)
{
    start();
    fake_node_set_follower(node, 1);
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(ask("DELETE", "/v1/channels/2/room", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"replicas\":{\"applied\":[1],\"pending\":[2]}"));
    char id[64] = "", target[128];
    ck_assert_int_eq(sscanf(client.body, "{\"delete_id\":\"%63[^\"]", id), 1);
    snprintf(target, sizeof(target), "/v1/deletes/%s?wait=applied&timeout=200ms", id);
    uint64_t before_ms = clock_mono_ms();
    ck_assert_int_eq(ask("GET", target, NULL, NULL), 200);
    ck_assert_uint_ge(clock_mono_ms() - before_ms, 190);
    ck_assert(client_has(&client, "\"applied_everywhere\":false"));
    ck_assert(client_has(&client, "\"blocked_by\":[\"not_applied\"]"));
    fake_node_set_follower(node, 2);
    snprintf(target, sizeof(target), "/v1/deletes/%s?wait=applied", id);
    ck_assert_int_eq(ask("GET", target, NULL, NULL), 200);
    ck_assert(client_has(&client, "\"applied_everywhere\":true"));
    snprintf(target, sizeof(target), "/v1/deletes/%s?wait=purged", id);
    ck_assert_int_eq(ask("GET", target, NULL, NULL), 501);
    stop();
}
END_TEST

#define BALANCE "/v1/admin/leaders/balance"

/* With a second node, half of the slots should go there. */
START_TEST(balances_leaders)
{
    start();
    ck_assert_int_eq(post(BALANCE, "{\"dry_run\":true}"), 200);
    ck_assert(client_has(&client, "\"moves\":[],\"before\":{\"1\":16},\"after\":{\"1\":16}"));
    fake_node_set_follower(node, 1);
    ck_assert_int_eq(post(BALANCE, "{\"dry_run\":true}"), 200);
    ck_assert(
        client_has(&client, "{\"dry_run\":true,\"moves\":[{\"slot\":0,\"from\":1,\"to\":2},"));
    ck_assert(client_has(&client, "\"before\":{\"1\":16,\"2\":0},\"after\":{\"1\":8,\"2\":8}"));
    ck_assert(!client_has(&client, "done"));
    ck_assert_int_eq(ask("POST", BALANCE, NULL, NULL), 200);
    ck_assert(client_has(&client, "{\"slot\":8,\"from\":1,\"to\":2,\"done\":true}],"));
    ck_assert(!client_has(&client, "{\"slot\":3,")); /* node 2 has no part in it */
    ck_assert(client_has(&client, "\"after\":{\"1\":8,\"2\":8}"));
    fake_node_fail(node, NODE_CALL_TRANSFER, ERR_BUSY, 0);
    ck_assert_int_eq(post(BALANCE, "{}"), 200);
    ck_assert(client_has(&client, "\"done\":false,\"type\":\"urn:lethe:problem:busy\""));
    ck_assert(client_has(&client, "\"after\":{\"1\":16,\"2\":0}"));
    ck_assert_int_eq(post(BALANCE, "{\"dry_run\":1}"), 400);
    ck_assert_int_eq(post(BALANCE, "[]"), 400);
    stop();
}
END_TEST

START_TEST(orders_of_operators)
{
    start();
    fake_node_set_follower(node, 1);
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(post("/v1/admin/slots/3/compact-log", "{\"through_index\":7,\"keep\":1}"),
                     200);
    ck_assert(client_has(&client, "{\"items\":[{\"slot\":3,\"node\":1,\"first_index_before\":1,"
                                  "\"first_index_after\":7,\"applied_index\":1,"
                                  "\"skipped_reason\":null},"));
    ck_assert(client_has(&client, "\"skipped_reason\":\"transfer\"}],\"failed\":[]}"));
    ck_assert_int_eq(ask("POST", "/v1/admin/compact-log", NULL, NULL), 200);
    ck_assert(client_has(&client, "{\"slot\":15,\"node\":2,"));
    ck_assert_int_eq(post("/v1/admin/compact-log", "{\"through_index\":7}"), 400);
    ck_assert_int_eq(post("/v1/admin/slots/3/compact-log", "{\"through_index\":0}"), 400);
    ck_assert_int_eq(post("/v1/admin/delete-log/collect", "{\"slot\":2,\"force_floor\":true}"),
                     200);
    ck_assert_str_eq(client.body, "{\"items\":[{\"slot\":2,\"floor_before\":1,\"floor_after\":1,"
                                  "\"removed\":1,\"held_by\":[]}],\"failed\":[]}");
    ck_assert_int_eq(ask("POST", "/v1/admin/delete-log/collect", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"held_by\":[2]},{\"slot\":15,"));
    ck_assert_int_eq(post("/v1/admin/delete-log/collect", "{\"slot\":16}"), 400);
    ck_assert_int_eq(post("/v1/admin/delete-log/collect", "{\"force_floor\":\"yes\"}"), 400);
    ck_assert_int_eq(post("/v1/admin/slots/3/full-sync", "{\"node\":2}"), 202);
    ck_assert_str_eq(client.body, "{\"slot\":3,\"node\":2,\"ordered\":true}");
    ck_assert_int_eq(post("/v1/admin/slots/3/full-sync", "{}"), 400);
    stop();
}
END_TEST

START_TEST(jobs_are_told)
{
    start();
    fake_node_fail(node, NODE_CALL_PLACEMENT, ERR_NO_LEADER, 0);
    ck_assert_int_eq(ask("GET", "/v1/jobs", NULL, NULL), 200);
    ck_assert_str_eq(client.body, "{\"jobs\":[],\"more\":false}");
    ck_assert_int_eq(post("/v1/admin/checks", "{\"slot\":16}"), 404);
    ck_assert_int_eq(post("/v1/admin/checks", "{\"slot\":1.5}"), 400);
    ck_assert_int_eq(post("/v1/admin/checks", "{}"), 202);
    ck_assert_str_eq(client.body, "{\"id\":\"1-7-1\"}");
    ck_assert(client_has(&client, "Location: /v1/jobs/1-7-1\r\n"));
    ck_assert_int_eq(post("/v1/admin/checks", "{}"), 409);
    ck_assert(client_has(&client, "1-7-1"));
    ck_assert_int_eq(ask("GET", "/v1/jobs/1-7-1", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"state\":\"running\",\"node\":1,\"slot\":null,"
                                  "\"progress\":0.000,\"eta_ms\":null,\"created_at\":1000,"));
    ck_assert(client_has(&client, "{\"slot\":1,\"result\":\"diverged\",\"reason\":null,\"nodes\":["
                                  "{\"node\":1,\"result\":\"ok\",\"reason\":null},{\"node\":2,"
                                  "\"result\":\"diverged\",\"reason\":\"the rows do not add up\"}"
                                  "]}]}"));
    ck_assert_int_eq(ask("POST", "/v1/jobs/1-7-1:cancel", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"state\":\"cancelled\""));
    ck_assert_int_eq(ask("POST", "/v1/jobs/1-7-1:cancel", NULL, NULL), 409);
    ck_assert_int_eq(ask("GET", "/v1/jobs/1-6-1", NULL, NULL), 404);
    ck_assert_int_eq(ask("GET", "/v1/jobs", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"items_count\":5}],\"more\":false}"));
    stop();
}
END_TEST

/* They are asked of the node whose they are, or that is named. */
START_TEST(jobs_of_other_nodes)
{
    start();
    ck_assert_int_eq(ask("GET", "/v1/jobs/3-1-1", NULL, NULL), 200);
    ck_assert(client_has(&client, "{\"id\":\"3-1-1\",\"kind\":\"compaction\",\"state\":\"running\","
                                  "\"node\":3,\"slot\":null,\"progress\":0.250,"));
    ck_assert(client_has(&client, "{\"slot\":null,\"family\":\"messages\",\"result\":\"ok\","));
    ck_assert_int_eq(post("/v1/jobs/3-1-1:cancel", ""), 200);
    ck_assert(client_has(&client, "\"state\":\"cancelled\""));
    ck_assert_int_eq(post("/v1/admin/compactions", "{\"node\":3,\"family\":\"messages\"}"), 202);
    ck_assert_str_eq(client.body, "{\"id\":\"3-1-1\"}");
    ck_assert(client_has(&client, "Location: /v1/jobs/3-1-1\r\n"));
    ck_assert_int_eq(post("/v1/admin/backups", "{\"node\":3}"), 202);
    ck_assert_str_eq(client.body, "{\"id\":\"3-1-1\"}");
    ck_assert_int_eq(post("/v1/admin/compactions", "{\"node\":1}"), 202);
    ck_assert_str_eq(client.body, "{\"id\":\"1-7-1\"}");
    ck_assert_int_eq(post("/v1/admin/compactions", "{\"node\":0}"), 400);
    ck_assert_int_eq(post("/v1/admin/compactions", "{\"node\":\"all\"}"), 400);
    fake_node_fail(node, NODE_CALL_JOB, ERR_BUSY, 0);
    ck_assert_int_eq(ask("GET", "/v1/jobs/3-1-1", NULL, NULL), 503);
    fake_node_fail(node, NODE_CALL_JOB, ERR_NOT_FOUND, 0);
    ck_assert_int_eq(post("/v1/admin/compactions", "{\"node\":9}"), 404);
    fake_node_fail(node, NODE_CALL_JOB, ERR_BAD_FORMAT, 0);
    ck_assert_int_eq(ask("GET", "/v1/jobs/3-1-1", NULL, NULL), 501);
    ck_assert(client_has(&client, "node 3 runs an older version"));
    stop();
}
END_TEST

START_TEST(orders_about_nodes)
{
    start();
    ck_assert_int_eq(post("/v1/admin/nodes", "{\"id\":7,\"address\":\"h:1\",\"zone\":\"rack-1\"}"),
                     202);
    ck_assert(client_has(&client, "Location: /v1/jobs/members-3\r\n"));
    ck_assert_str_eq(client.body,
                     "{\"revision\":3,\"replica_count\":3,\"done\":false,\"job\":\"members-3\","
                     "\"feature_level\":4,\"slots\":{\"total\":4,"
                     "\"settled\":2},\"nodes\":[{\"id\":7,\"state\":\"draining\",\"learner\":false,"
                     "\"zone\":\"rack-1\",\"slots_before\":4,\"slots_after\":3}],\"moves\":[{"
                     "\"slot\":2,\"from\":[7],\"to\":[8]}]}");
    ck_assert_int_eq(post("/v1/admin/nodes", "{\"id\":7,\"address\":\"h:1\",\"dry_run\":true}"),
                     200);
    static const char *const bad[] = {
        "{\"address\":\"h:1\"}",
        "{\"id\":7}",
        "{\"id\":0,\"address\":\"h:1\"}",
        "{\"id\":65536,\"address\":\"h:1\"}",
        "{\"id\":7,\"address\":5}",
        "{\"id\":7,\"address\":\"h:1\\n\"}",
        "{\"id\":7,\"address\":\"h:1\",\"learner\":1}",
        "{\"id\":7,\"address\":\"h:1\",\"learner\":true,\"replaces\":2}",
        "{\"id\":7,\"address\":\"h:1\",\"zone\":[]}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(post("/v1/admin/nodes", bad[i]) == 400, "%s", bad[i]);
    ck_assert_int_eq(post("/v1/admin/nodes/3:promote", ""), 202);
    ck_assert_int_eq(post("/v1/admin/nodes/3:drain", "{\"dry_run\":true}"), 200);
    ck_assert_int_eq(post("/v1/admin/nodes/3:undrain", "{\"dry_run\":1}"), 400);
    ck_assert_int_eq(post("/v1/admin/nodes/0:undrain", ""), 404);
    ck_assert_int_eq(post("/v1/admin/nodes/x:undrain", ""), 400);
    ck_assert_int_eq(ask("DELETE", "/v1/admin/nodes/3", NULL, NULL), 202);
    ck_assert_int_eq(ask("DELETE", "/v1/admin/nodes/3?dry_run=1", NULL, NULL), 200);
    ck_assert_int_eq(ask("GET", "/v1/admin/placement", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"done\":false,\"job\":\"members-3\",\"feature_level\":4"));
    ck_assert_int_eq(post("/v1/admin/placement", "{\"dry_run\":true}"), 200);
    ck_assert_int_eq(post("/v1/admin/upgrade:finalize", ""), 202);
    ck_assert_int_eq(post("/v1/admin/upgrade:finalize", "{\"dry_run\":true}"), 200);
    ck_assert_int_eq(ask("GET", "/v1/jobs/members-3", NULL, NULL), 200);
    ck_assert(client_has(&client, "{\"id\":\"members-3\",\"kind\":\"drain_node\",\"state\":"
                                  "\"running\",\"node\":null,\"slot\":null,\"member\":7,"
                                  "\"progress\":0.250,\"eta_ms\":"));
    ck_assert(client_has(&client, "\"cancellable\":true,\"created_at\":1000"));
    ck_assert_int_eq(ask("GET", "/v1/jobs/members-4", NULL, NULL), 404);
    ck_assert_int_eq(ask("GET", "/v1/jobs/members-", NULL, NULL), 404);
    ck_assert_int_eq(ask("GET", "/v1/jobs/members-3x", NULL, NULL), 404);
    ck_assert_int_eq(post("/v1/jobs/members-3:cancel", ""), 200);
    ck_assert_int_eq(ask("GET", "/v1/jobs", NULL, NULL), 200);
    ck_assert(client_has(&client, "{\"jobs\":[{\"id\":\"members-3\""));
    fake_node_fail(node, NODE_CALL_MEMBER, ERR_CONFLICT, 0);
    ck_assert_int_eq(ask("DELETE", "/v1/admin/nodes/3", NULL, NULL), 409);
    ck_assert_int_eq(post("/v1/jobs/members-3:cancel", ""), 409);
    fake_node_fail(node, NODE_CALL_PLACEMENT, ERR_REMOVED, 0);
    ck_assert_int_eq(ask("GET", "/v1/jobs", NULL, NULL), 200); /* those of this node */
    ck_assert(!client_has(&client, "members-3"));
    ck_assert_int_eq(ask("GET", "/v1/jobs/members-3", NULL, NULL), 503);
    ck_assert_int_eq(ask("GET", "/v1/admin/placement", NULL, NULL), 503);
    stop();
}
END_TEST

START_TEST(backups_are_told)
{
    start();
    ck_assert_int_eq(ask("GET", "/v1/admin/backups", NULL, NULL), 200);
    ck_assert(client_has(&client,
                         "{\"backups\":[{\"id\":\"good\",\"state\":\"verified\",\"verified\":true,"
                         "\"node\":1,\"cluster_id\":\"lethe\",\"incarnation\":"
                         "\"0000000000000abc\",\"created_at\":1000,\"verified_at\":2000,"
                         "\"expires_at\":9000,\"age_ms\":5000,\"bytes\":4096,"
                         "\"holds_deleted\":true,\"path\":\"/backups/good\",\"detail\":null},"));
    ck_assert(client_has(&client, "\"state\":\"damaged\",\"verified\":false,\"node\":null,"));
    ck_assert_int_eq(post("/v1/admin/backups", "{\"name\":7}"), 400);
    ck_assert_int_eq(post("/v1/admin/backups", "{\"name\":\"good\"}"), 409);
    ck_assert_int_eq(post("/v1/admin/backups", "{\"name\":\"new\"}"), 202);
    ck_assert(client_has(&client, "Location: /v1/jobs/1-7-1\r\n"));
    ck_assert_int_eq(ask("GET", "/v1/jobs/1-7-1", NULL, NULL), 200);
    ck_assert(client_has(&client, "\"kind\":\"backup\","));
    ck_assert(client_has(&client, "\"backup\":null,"));
    ck_assert_int_eq(post("/v1/admin/backups/good:verify", "{}"), 202);
    ck_assert_int_eq(post("/v1/admin/backups/none:verify", "{}"), 404);
    ck_assert_int_eq(ask("DELETE", "/v1/admin/backups/good", NULL, NULL), 200);
    ck_assert_str_eq(client.body, "{\"id\":\"good\",\"removed\":true}");
    ck_assert_int_eq(ask("DELETE", "/v1/admin/backups/bad", NULL, NULL), 409);
    ck_assert_int_eq(ask("DELETE", "/v1/admin/backups/none", NULL, NULL), 404);
    stop();
}
END_TEST

/* One slot that cannot: the request's answer. One of all: its own, beside those that could. */
START_TEST(orders_that_fail)
{
    start();
    fake_node_fail(node, NODE_CALL_COMPACT, ERR_NO_LEADER, 0);
    ck_assert_int_eq(post("/v1/admin/slots/3/compact-log", "{}"), 503);
    ck_assert_int_eq(post("/v1/admin/compact-log", "{}"), 200);
    ck_assert(client_has(&client, "{\"items\":[],\"failed\":[{\"slot\":0,"));
    ck_assert(client_has(&client, "\"code\":\"no_leader\"},{\"slot\":1,"));
    fake_node_fail(node, NODE_CALL_FULL_SYNC, ERR_CONFLICT, 0);
    ck_assert_int_eq(post("/v1/admin/slots/3/full-sync", "{\"node\":1}"), 409);
    ck_assert_int_eq(ask("GET", "/v1/admin/config", NULL, NULL), 501);
    stop();
}
END_TEST

START_TEST(tells_its_configuration)
{
    static const struct http_config_value values[] = {
        {"node.id", "1", "flag", true, NULL}, {"auth.tokens_file", "hidden", "file", false, NULL}};
    struct http_options options;
    struct why why;
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    client_set_options(&options);
    options.config = values;
    options.config_count = ARRAY_LEN(values);
    ck_assert_int_eq(http_start(&options, node, &http, &why), OK);
    client_open(&client, http_address(http));
    ck_assert_int_eq(ask("GET", "/v1/admin/config", NULL, NULL), 200);
    ck_assert_str_eq(client.body, "{\"values\":[{\"key\":\"node.id\",\"value\":\"1\",\"source\":"
                                  "\"flag\",\"reloadable\":true},{\"key\":"
                                  "\"auth.tokens_file\",\"value\":\"hidden\","
                                  "\"source\":\"file\",\"reloadable\":false}]}");
    stop();
}
END_TEST

/* ---- long polls ------------------------------------------------------------------------------------ */
static void send_later(void *arg)
{
    struct client other;
    (void)arg;
    usleep(150000);
    client_open(&other, http_address(http));
    ck_assert_int_eq(client_ask(&other, "POST", MESSAGES, JSON, "{\"payload\":\"\"}"), 201);
    client_close(&other);
}

START_TEST(waits_for_a_message)
{
    struct thread sender = {.is_started = false};
    start();
    uint64_t before_ms = clock_mono_ms();
    ck_assert_int_eq(thread_start(&sender, "sender", send_later, NULL), OK);
    ck_assert_int_eq(ask("GET", MESSAGES "?after_seq=0&wait=20s", NULL, NULL), 200);
    ck_assert_uint_ge(clock_mono_ms() - before_ms, 140);
    ck_assert_uint_le(clock_mono_ms() - before_ms, 5000);
    ck_assert(client_has(&client, "\"messages\":[{\"message_seq\":1,"));
    thread_join(&sender);
    before_ms = clock_mono_ms();
    ck_assert_int_eq(ask("GET", MESSAGES "?after_seq=1&wait=200ms", NULL, NULL), 200);
    ck_assert_uint_ge(clock_mono_ms() - before_ms, 190);
    ck_assert(client_has(&client, "\"messages\":[],"));
    stop();
}
END_TEST

/* The consistency that was asked for holds at the end of the wait too, and its fault is told. */
START_TEST(waits_and_finds_no_leader)
{
    start();
    client_send(&client, "GET " MESSAGES "?after_seq=0&wait=300ms HTTP/1.1\r\nHost: x\r\n\r\n",
                strlen("GET " MESSAGES "?after_seq=0&wait=300ms HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(100000);
    fake_node_fail(node, NODE_CALL_READ, ERR_NO_LEADER, 0);
    ck_assert(client_read(&client, 5000));
    ck_assert_int_eq(client.status, 503);
    ck_assert(client_has(&client, "\"code\":\"no_leader\""));
    stop();
}
END_TEST

/* ---- what tries to fool a parser ----------------------------------------------------------------- */
START_TEST(raw_nul_in_the_target)
{
    static const char request[] =
        "DELETE /v1/channels/2/room\0x/messages HTTP/1.1\r\nHost: x\r\n\r\n";
    start();
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    client_send(&client, request, sizeof(request) - 1);
    client_read(&client, 5000);
    ck_assert_msg(client.status == 400 || client.status == 0, "%d", client.status);
    client_close(&client);
    client_open(&client, http_address(http));
    ck_assert_int_eq(ask("GET", MESSAGES "/1", NULL, NULL), 200);
    ck_assert_int_eq(ask("DELETE", "/v1/channels/2/room%00x", NULL, NULL), 400);
    ck_assert_int_eq(ask("GET", MESSAGES "/1", NULL, NULL), 200);
    ck_assert_uint_eq(fake_node_commands(node), 1);
    stop();
}
END_TEST

START_TEST(two_lengths)
{
    static const char *const heads[] = {
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 14\r\nContent-Length: 0\r\n\r\n{\"payload\":\"\"}",
        "Content-Length: +14\r\n\r\n{\"payload\":\"\"}",
        "Content-Length: 14, 14\r\n\r\n{\"payload\":\"\"}"};
    start();
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        char request[512];
        int len = snprintf(request, sizeof(request),
                           "POST " MESSAGES " HTTP/1.1\r\nHost: x\r\n" JSON "%s", heads[i]);
        client_send(&client, request, (size_t)len);
        client_read(&client, 5000);
        ck_assert_msg(client.status == 400 || client.status == 0, "%d: %s", client.status,
                      heads[i]);
        client_close(&client);
        client_open(&client, http_address(http));
    }
    ck_assert_uint_eq(fake_node_commands(node), 0);
    stop();
}
END_TEST

START_TEST(bodies_in_pieces)
{
    static const char head[] =
        "POST " MESSAGES " HTTP/1.1\r\nHost: x\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n";
    static const char *const pieces[] = {"5\r\n{\"pay\r\n", "9\r\nload\":\"\"}\r\n", "0\r\n\r\n"};
    start();
    client_send(&client, head, sizeof(head) - 1);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        usleep(20000);
        client_send(&client, pieces[i], strlen(pieces[i]));
    }
    ck_assert(client_read(&client, 5000));
    ck_assert_int_eq(client.status, 201);
    /* The connection is still good. */
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    stop();
}
END_TEST

START_TEST(large_bodies)
{
    size_t len = 9 * 1024 * 1024;
    char *body = malloc(len + 1), head[256];
    memset(body, 'a', len);
    body[len] = '\0';
    start();
    /* Told by its length; the client gets to read the answer although it sends all of it. */
    ck_assert_int_eq(ask("POST", MESSAGES, "Content-Type: text/plain\r\n", body), 413);
    ck_assert(client_has(&client, "'http.max_body_bytes' 8388608"));
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    /* In chunks: the length is not known before. */
    snprintf(head, sizeof(head),
             "POST " MESSAGES " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
             "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
             len);
    client_send(&client, head, strlen(head));
    client_send(&client, body, len);
    client_send(&client, "\r\n0\r\n\r\n", 7);
    ck_assert(client_read(&client, 10000));
    ck_assert_int_eq(client.status, 413);
    body[1024 * 1024 + 1] = '\0';
    ck_assert_int_eq(ask("POST", MESSAGES, "Content-Type: text/plain\r\n", body), 413);
    ck_assert(client_has(&client, "'max_message_bytes' 1048576"));
    body[1024 * 1024] = '\0';
    ck_assert_int_eq(ask("POST", MESSAGES, "Content-Type: text/plain\r\n", body), 201);
    free(body);
    stop();
}
END_TEST

START_TEST(request_ids)
{
    start();
    ck_assert_int_eq(ask("GET", "/livez", "X-Request-Id: my-id_1.2\r\n", NULL), 200);
    ck_assert(client_has(&client, "X-Request-Id: my-id_1.2\r\n"));
    ck_assert_int_eq(ask("GET", "/nowhere", "X-Request-Id: bad id\r\n", NULL), 404);
    ck_assert(!client_has(&client, "bad id"));
    ck_assert(client_has(&client, "X-Request-Id: "));
    ck_assert_int_eq(ask("GET", "/livez",
                         "X-Request-Id: 0123456789012345678901234567890123456789012345678901234567"
                         "89012345\r\n",
                         NULL),
                     200);
    ck_assert(!client_has(&client, "0123456789"));
    stop();
}
END_TEST

/* ---- stopping ------------------------------------------------------------------------------------ */
static void stop_http(void *arg)
{
    (void)arg;
    http_stop(http, 2000);
}

/* An open call is answered before the server ends; what comes meanwhile is refused. */
START_TEST(stops_after_the_last_answer)
{
    struct thread stopper = {.is_started = false};
    struct client other;
    start();
    client_open(&other, http_address(http));
    ck_assert_int_eq(client_ask(&other, "GET", "/livez", NULL, NULL), 200);
    fake_node_delay(node, 400);
    client_send(&client,
                "POST " MESSAGES " HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n"
                "{\"payload\":\"\"}",
                strlen("POST " MESSAGES " HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n"
                       "{\"payload\":\"\"}"));
    usleep(100000);
    ck_assert_int_eq(thread_start(&stopper, "stopper", stop_http, NULL), OK);
    usleep(50000);
    ck_assert_int_eq(client_ask(&other, "GET", MESSAGES, NULL, NULL), 503);
    ck_assert(client_has(&other, "\"code\":\"draining\""));
    ck_assert(client_read(&client, 5000));
    ck_assert_int_eq(client.status, 201);
    thread_join(&stopper);
    client_close(&other);
    client_close(&client);
    fake_node_free(node);
}
END_TEST

/* Two types, a coding, a target as proxies send it: before anything is stored. */
START_TEST(heads_that_say_two_things)
{
    static const char body[] = "{\"payload\":\"\"}";
    start();
    ck_assert_int_eq(ask("POST", MESSAGES, JSON "Content-Type: text/plain\r\n", body), 400);
    ck_assert(client_has(&client, "'Content-Type' is there more than once"));
    ck_assert_int_eq(ask("POST", MESSAGES, JSON JSON, body), 400);
    ck_assert_int_eq(ask("POST", MESSAGES, JSON "Content-Encoding: gzip\r\n", body), 415);
    ck_assert(client_has(&client, "'Content-Encoding' is 'gzip'"));
    ck_assert_int_eq(
        ask("POST", MESSAGES, JSON "Content-Encoding: br\r\nContent-Encoding: identity\r\n", body),
        415);
    ck_assert_int_eq(ask("POST", MESSAGES "#x", JSON, body), 400);
    ck_assert_int_eq(ask("POST", "http:///v1/channels/2/room/messages", JSON, body), 400);
    ck_assert_uint_eq(fake_node_commands(node), 0);
    ck_assert_int_eq(ask("POST", MESSAGES, JSON "Content-Encoding: Identity\r\n", body), 201);
    ck_assert_int_eq(ask("GET", MESSAGES, "Content-Encoding: gzip\r\n", NULL), 200);
    ck_assert_int_eq(ask("POST", "http://proxied:80" MESSAGES, JSON, body), 201);
    ck_assert(client_has(&client, "Location: " MESSAGES "/2\r\n"));
    fake_node_set_follower(node, 1);
    fake_node_fail(node, NODE_CALL_COMMAND, ERR_NOT_LEADER, 2);
    ck_assert_int_eq(ask("POST", "http://proxied" MESSAGES "?redirect=1", JSON, body), 307);
    expect_redirect("127.0.0.1:7002" MESSAGES "?redirect=1");
    stop();
}
END_TEST

/* Whoever reads a batch's answer need not ask again for what it should have expected. */
START_TEST(expectations_of_a_batch)
{
    start();
    ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(post(MESSAGES ":batch",
                          "{\"messages\":[{\"payload\":\"\",\"expected_last_seq\":"
                          "7},{\"payload\":\"\"}]}"),
                     200);
    ck_assert(client_has(&client, "after this batch the last seq is "));
    ck_assert(client_has(&client, "\"last_seq\":"));
    ck_assert(client_has(&client, "\"ok\":1,\"failed\":1"));
    stop();
}
END_TEST

/* Right after an answer, when the call's end may still be at its last step. */
START_TEST(stops_at_once)
{
    for (int i = 0; i < 150; i++) {
        start();
        ck_assert_int_eq(post(MESSAGES, "{\"payload\":\"\"}"), 201);
        uint64_t before_ms = clock_mono_ms();
        stop();
        ck_assert_uint_le(clock_mono_ms() - before_ms, 2000);
    }
}
END_TEST

START_TEST(refuses_bad_options)
{
    struct http_options options;
    struct http *never = NULL;
    struct why why;
    static const char *const listens[] = {"",
                                          "127.0.0.1",
                                          "127.0.0.1:",
                                          "127.0.0.1:x",
                                          ":5001",
                                          "127.0.0.1:70000",
                                          "no.such.host.invalid:1"};
    node = fake_node_new();
    http_options_init(&options);
    for (size_t i = 0; i < ARRAY_LEN(listens); i++) {
        options.listen = listens[i];
        ck_assert_int_eq(http_start(&options, node, &never, &why), ERR_BAD_CONFIG);
    }
    options.listen = "127.0.0.1:0";
    client_set_options(&options);
    options.max_connections = 0;
    ck_assert_int_eq(http_start(&options, node, &never, &why), ERR_BAD_CONFIG);
    ck_assert_ptr_null(never);
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    client_set_options(&options);
    ck_assert_int_eq(http_start(&options, node, &http, &why), OK);
    options.listen = http_address(http);
    ck_assert_int_eq(http_start(&options, node, &never, &why), ERR_IO);
    http_stop(http, 100);
    http_stop(NULL, 0);
    fake_node_free(node);
}
END_TEST

static const TTest *const *all_tests(size_t *ret_count)
{
    static const TTest *tests[32];
    const TTest *const rows[] = {sends_reads_deletes,
                                 tells_faults_apart,
                                 redirects_when_asked,
                                 slots_as_their_leaders_see_them,
                                 conditions_hold,
                                 waits_for_replicas,
                                 balances_leaders,
                                 orders_of_operators,
                                 orders_about_nodes,
                                 jobs_are_told,
                                 jobs_of_other_nodes,
                                 backups_are_told,
                                 orders_that_fail,
                                 tells_its_configuration,
                                 waits_for_a_message,
                                 waits_and_finds_no_leader,
                                 raw_nul_in_the_target,
                                 two_lengths,
                                 bodies_in_pieces,
                                 large_bodies,
                                 request_ids,
                                 heads_that_say_two_things,
                                 expectations_of_a_batch,
                                 stops_after_the_last_answer,
                                 stops_at_once,
                                 refuses_bad_options};
    memcpy(tests, rows, sizeof(rows));
    *ret_count = ARRAY_LEN(rows);
    return tests;
}

Suite *suite_server(void)
{
    size_t count = 0;
    const TTest *const *tests = all_tests(&count);
    return unit_suite_of("server", 60, tests, count);
}

/* The same once more, by TLS. */
Suite *suite_server_tls(void)
{
    size_t count = 0;
    const TTest *const *tests = all_tests(&count);
    return unit_suite_with("server_tls", 60, client_use_tls, tests, count);
}
