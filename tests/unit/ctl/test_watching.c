/* SPDX-License-Identifier: Apache-2.0 */
/* status, top, tail, health: what they show of the answers they get, and their exit codes. */
#include "probe.h"
#include "unit_server.h"

#include <stdio.h>
#include <string.h>

#define NODES(state)                                                                               \
    "\"nodes\":[{\"id\":1,\"state\":\"" state "\",\"http_address\":\"%URL%\",\"slots\":1,"         \
    "\"leaders\":1,\"last_contact_ms\":7}]"
#define CLUSTER(led, degraded)                                                                     \
    {                                                                                              \
        "GET /v1/cluster",                                                                         \
            "{\"cluster_id\":\"c\",\"version\":\"9\"," NODES(                                      \
                "up") ",\"slots\":{"                                                               \
                      "\"total\":1,\"with_leader\":" led ",\"degraded\":" degraded "}}"            \
    }
#define VERSION                                                                                    \
    {                                                                                              \
        "GET /version", "{\"node\":1,\"version\":\"9.8\"}"                                         \
    }
#define READY                                                                                      \
    {                                                                                              \
        "GET /readyz", "ok"                                                                        \
    }
#define SLOTS                                                                                      \
    {                                                                                              \
        "GET /v1/slots ", "{\"slots\":[{\"slot\":0,\"leader\":1,\"last_index\":9,"                 \
                          "\"log_count\":1234,\"log_bytes\":2048,\"delete_log_count\":5,"          \
                          "\"channels\":3,\"replicas\":[]}]}"                                      \
    }

START_TEST(test_status)
{
    struct probe well = {.rows = {CLUSTER("1", "0"), VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&well, "status"), CTL_OK);
    ck_assert(probe_said(&well, "all well\nnodes     1: 1 ready\nslots     1: 1 led, 0 degraded\n"
                                "replicas  1: 1 level\n"
                                "logs      1,234 entries in 2.0 KiB; 5 delete records; 3 channels\n"
                                "alarms    not in this version yet\n"));
    ck_assert(probe_said(&well, "   1  yes    up         1        1    0  9.8"));
    struct probe degraded = {.rows = {CLUSTER("1", "1"), VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&degraded, "status"), CTL_REFUSED);
    ck_assert(probe_said(&degraded, "NOT WELL"));
    struct probe leaderless = {.rows = {CLUSTER("0", "0"), VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&leaderless, "status", "-o", "json"), CTL_REFUSED);
    ck_assert(probe_said(&leaderless, "{\"well\":false,"));
    struct probe alarmed = {
        .rows = {CLUSTER("1", "0"),
                 VERSION,
                 READY,
                 SLOTS,
                 {"GET /v1/alarms",
                  "{\"alarms\":[{\"id\":\"1-nospace\",\"kind\":\"nospace\",\"node\":1,"
                  "\"detail\":\"2 % free\"}]}"},
                 {"GET /v1/jobs", "{\"jobs\":[{\"id\":\"1-2\",\"kind\":\"check\",\"state\":"
                                  "\"running\",\"progress\":0.25},{\"id\":\"1-1\",\"state\":"
                                  "\"done\"}]}"}}};
    ck_assert_int_eq(PROBE(&alarmed, "status"), CTL_REFUSED);
    ck_assert(probe_said(&alarmed, "alarms    nospace 1-nospace, node 1: 2 % free\n"
                                   "jobs      check 1-2, 25 %\n"));
    struct probe unready = {
        .rows = {CLUSTER("1", "0"),
                 VERSION,
                 {"GET /readyz", "{\"code\":\"starting\",\"detail\":\"d\"}", 503},
                 SLOTS}};
    ck_assert_int_eq(PROBE(&unready, "status"), CTL_REFUSED);
    ck_assert(probe_said(&unready, "node 1: 503 starting: d"));
}
END_TEST

START_TEST(test_watch)
{
    struct probe probe = {.rows = {CLUSTER("1", "0"), VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&probe, "status", "--watch=100ms", "--count", "3"), CTL_OK);
    const char *second = strstr(probe.out + 1, "\n\ncluster ");
    ck_assert(second != NULL && strstr(second + 2, "\n\ncluster ") != NULL);
    ck_assert(!probe_said(&probe, "\033")); /* no terminal, nothing to clear */
    ck_assert_int_eq(PROBE(&probe, "status", "now"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "status", "--watch=50ms"), CTL_USAGE);
}
END_TEST

START_TEST(test_top)
{
#define METRICS(requests, faults, sum, count)                                                      \
    "# HELP wk_http_connections_total x\n# TYPE wk_http_connections_total counter\n"               \
    "wk_http_connections_total 5\nwk_http_connections 3\n"                                         \
    "wk_http_requests_total{route=\"a\",code=\"2xx\"} " requests "\n"                              \
    "wk_http_requests_total{route=\"b\",code=\"5xx\"} " faults "\nwk_fsync_seconds_sum " sum       \
    "\nwk_fsync_seconds_count " count "\n"
    struct probe probe = {.rows = {CLUSTER("1", "0"),
                                   VERSION,
                                   READY,
                                   SLOTS,
                                   {"GET /metrics", METRICS("100", "0", "1.5", "10"), 200, 1},
                                   {"GET /metrics", METRICS("1000100", "0", "1.52", "20")}}};
    ck_assert_int_eq(PROBE(&probe, "top", "100ms"), CTL_OK);
    ck_assert(probe_said(&probe, "  0.0 ")); /* 5xx */
    ck_assert(probe_said(&probe, "2.00"));   /* 0.02 s for 10 fsyncs */
    const char *row = strchr(probe.out, '\n');
    unsigned node = 0, leads = 0, requests = 0;
    ck_assert_int_eq(sscanf(row, "%u %u %u", &node, &leads, &requests), 3);
    ck_assert_msg(requests > 1000000 && requests <= 10000000, "%u", requests);
}
END_TEST

START_TEST(test_tail)
{
    const char *page =
        "{\"messages\":[{\"message_seq\":8,\"timestamp\":1,\"from_uid\":\"u\\u001b\","
        "\"payload\":\"hi\\u0007\",\"payload_encoding\":\"utf8\"}],"
        "\"deleted\":[{\"start_seq\":3,\"end_seq\":7}],\"last_seq\":8,"
        "\"more\":true}";
    struct probe probe = {.rows = {{"GET /v1/channels/2/a/messages?limit=10 ", page}}};
    ck_assert_int_eq(PROBE(&probe, "tail", "2/a"), CTL_OK);
    ck_assert_str_eq(probe.out, "       -  deleted: 3-7\n"
                                "       8  1970-01-01T00:00:00.001Z  u?            hi?\n");
    ck_assert_int_eq(PROBE(&probe, "tail", "a"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "tail", "2/a", "-n", "20000"), CTL_USAGE);
}
END_TEST

#define EMPTY "{\"messages\":[],\"deleted\":[],\"last_seq\":4,\"more\":false}"
#define GONE "{\"code\":\"forbidden\",\"detail\":\"no more\"}"

/* Without a stream and a long poll it asks again and again behind what it has shown. */
START_TEST(test_tail_asks_again)
{
    struct probe probe = {
        .rows = {{"GET /v1/channels/2/a/messages?limit=10", EMPTY},
                 {"GET /v1/channels/2/a/messages?after_seq=4&limit=1000&wait=25s",
                  "{\"code\":\"not_supported\"}", 501},
                 {"GET /v1/channels/2/a/messages?after_seq=4&limit=1000",
                  "{\"messages\":[{\"message_seq\":5,\"payload\":\"x\",\"payload_encoding\":"
                  "\"utf8\"}],\"last_seq\":5}"},
                 {"GET /v1/channels/2/a/messages?after_seq=5", GONE, 403}}};
    ck_assert_int_eq(PROBE(&probe, "tail", "2/a", "-f", "-o", "json"), CTL_REFUSED);
    ck_assert_str_eq(probe.out,
                     "{\"message_seq\":5,\"payload\":\"x\",\"payload_encoding\":\"utf8\"}\n");
    ck_assert(probe_told(&probe, "403 forbidden: no more"));
}
END_TEST

#define EVENT(kind, id, data) "{\"event\":\"" kind "\",\"id\":\"" id "\",\"data\":{" data "}}\n"

/* The stream is resumed behind its last event, shows no seq twice, and half a line is no event. */
START_TEST(test_tail_streams)
{
    struct probe probe = {
        .rows = {{"GET /v1/channels/2/a/messages?limit=10", EMPTY},
                 {"GET /v1/channels/2/a/messages:tail?after_seq=4 ",
                  EVENT("message", "5-70", "\"message_seq\":5,\"payload\":\"x\"")
                      EVENT("message", "5-70", "\"message_seq\":5,\"payload\":\"x\"")
                          EVENT("head", "5-71", "\"last_seq\":5")
                              EVENT("delete", "5-72", "\"start_seq\":2,\"end_seq\":3")
                                  EVENT("reset", "5\\n-73",
                                        "\"last_seq\":5") "{\"event\":\"message\",\"id\":\"6-80\","
                                                          "\"data\":{\"message_seq\":6,\"pay"},
                 {"GET /v1/channels/2/a/messages:tail ", "{\"code\":\"x\"}", 404},
                 {"GET /v1/channels/2/a/messages?after_seq=5", GONE, 403}}};
    ck_assert_int_eq(PROBE(&probe, "tail", "2/a", "-f", "-o", "json"), CTL_REFUSED);
    ck_assert_str_eq(probe.out, "{\"message_seq\":5,\"payload\":\"x\"}\n"
                                "{\"start_seq\":2,\"end_seq\":3}\n");
    ck_assert(probe_sent(&probe, "Accept: application/x-ndjson"));
    ck_assert(probe_sent(&probe, "\r\nLast-Event-ID: 5-72\r\n"));
    ck_assert(probe_told(&probe, "may be deleted by now"));
}
END_TEST

START_TEST(test_exit_when_healthy)
{
    struct probe probe = {
        .rows = {{"GET /readyz", "{\"code\":\"starting\"}", 503, 2}, READY, CLUSTER("1", "0")}};
    ck_assert_int_eq(PROBE(&probe, "health", "--exit-when-healthy", "--timeout", "10s"), CTL_OK);
    ck_assert_str_eq(probe.out, "healthy\n");
    ck_assert(probe_told(&probe, "503 starting"));
    struct probe degraded = {.rows = {READY, CLUSTER("1", "1")}};
    ck_assert_int_eq(PROBE(&degraded, "health", "--exit-when-healthy", "--timeout", "400ms"),
                     CTL_NOT_YET);
    ck_assert(probe_told(&degraded, "not healthy in time: 1 of 1 slots led, 1 degraded\n"));
    struct probe silent = {.rows = {{"GET /readyz", NULL}}};
    ck_assert_int_eq(PROBE(&silent, "health", "--exit-when-healthy", "--timeout", "300ms"),
                     CTL_NOT_YET);
}
END_TEST

Suite *suite_watching(void)
{
    return UNIT_SUITE("watching", 60, test_status, test_watch, test_top, test_tail,
                      test_tail_asks_again, test_tail_streams, test_exit_when_healthy);
}
