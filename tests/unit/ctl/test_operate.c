/* SPDX-License-Identifier: Apache-2.0 */
/* replicas, deletes, audit, check, jobs, log, full-sync: what is asked, what is shown, and which
 * exit code each answer becomes. */
#include "probe.h"

#include <string.h>

#define CLUSTER                                                                                    \
    {                                                                                              \
        "GET /v1/cluster",                                                                         \
            "{\"cluster_id\":\"c\",\"version\":\"1\",\"nodes\":["                                  \
            "{\"id\":1,\"state\":\"up\",\"http_address\":\"%URL%\",\"slots\":2,\"leaders\":1},"    \
            "{\"id\":2,\"state\":\"down\",\"http_address\":\"127.0.0.1:1\",\"slots\":2}],"         \
            "\"slots\":{\"total\":2,\"with_leader\":2,\"degraded\":1}}",                           \
    }
#define VERSION                                                                                    \
    {                                                                                              \
        "GET /version", "{\"node\":1}"                                                             \
    }
#define READY                                                                                      \
    {                                                                                              \
        "GET /readyz", "ok"                                                                        \
    }
#define SLOTS                                                                                      \
    {                                                                                              \
        "GET /v1/slots ",                                                                          \
            "{\"slots\":[{\"slot\":0,\"leader\":1,\"last_index\":90,\"applied_index\":90,"         \
            "\"replicas\":[{\"node\":2,\"role\":\"follower\",\"state\":\"delta\",\"lag\":80,"      \
            "\"match_index\":10,\"applied_index\":10,\"checked\":\"ok\",\"transfer\":{"            \
            "\"bytes\":512,\"total_bytes\":2048,\"eta_ms\":12000}}]},"                             \
            "{\"slot\":1,\"leader\":2,\"last_index\":5,\"applied_index\":5,\"replicas\":[]}]}"     \
    }

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

START_TEST(test_replicas)
{
    struct probe probe = {.rows = {CLUSTER, VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&probe, "replicas"), CTL_OK);
    ck_assert(probe_said(&probe, "   0     1  leader    replicate     90       90    0"));
    ck_assert(probe_said(&probe, "25 % of 2.0 KiB (512 B), 12 s left"));
    ck_assert(probe_said(&probe, "   1     2  leader    unseen"));
    ck_assert(probe_told(&probe, "node 2 did not say what it leads"));
    struct probe lagging = {.rows = {CLUSTER, VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&lagging, "replicas", "--lagging", "-o", "json"), CTL_OK);
    ck_assert(has(lagging.out, "{\"replicas\":[{\"slot\":0,\"node\":2,"));
    ck_assert(!has(lagging.out, "\"node\":1"));
    struct probe level = {.rows = {CLUSTER, VERSION, READY, SLOTS}};
    ck_assert_int_eq(PROBE(&level, "replicas", "--slot", "2"), CTL_REFUSED);
    ck_assert(probe_told(&level, "there is no slot 2: the cluster has 2"));
}
END_TEST

#define RECORD(id, at)                                                                             \
    "{\"delete_id\":\"" id "\",\"channel_type\":2,\"channel_id\":\"a,\\\"b\",\"start_seq\":1,"     \
    "\"end_seq\":9,\"ranges\":[[1,4],[9,9]],\"deleted_count\":5,\"deleted_at\":" at ","            \
    "\"log_index\":7,\"operator\":\"=cmd\",\"reason\":\"r\"}"

START_TEST(test_deletes_of_several_pages)
{
    struct probe probe = {
        .rows = {
            {"GET /v1/deletes?slot=3&operator=al&since=-1h&limit=99&cursor=NEXT ",
             "{\"deletes\":[" RECORD("3-9", "2000") "],\"floor\":4,\"more\":false}"},
            {"GET /v1/deletes?",
             "{\"deletes\":[" RECORD("3-7", "1000") "],\"floor\":4,"
                                                    "\"more\":true,\"next_cursor\":\"NEXT\"}"}}};
    ck_assert_int_eq(PROBE(&probe, "deletes", "--slot", "3", "--operator", "al", "--since", "-1h"),
                     CTL_OK);
    ck_assert(probe_said(&probe, "3-9"));
    struct probe csv = {
        .rows = {
            {"GET /v1/deletes?limit=1000&cursor=NEXT ",
             "{\"deletes\":[" RECORD("3-9", "2000") "],\"floor\":null,\"more\":false}"},
            {"GET /v1/deletes?limit=1000 ",
             "{\"deletes\":[" RECORD("3-7", "1000") "],"
                                                    "\"more\":true,\"next_cursor\":\"NEXT\"}"}}};
    ck_assert_int_eq(PROBE(&csv, "deletes", "-o", "csv"), CTL_OK);
    ck_assert_str_eq(csv.out, "delete_id,channel_type,channel_id,ranges,deleted_count,deleted_at,"
                              "log_index,operator,reason\n"
                              "3-7,2,\"a,\"\"b\",1-4 9-9,5,1000,7,\"'=cmd\",\"r\"\n"
                              "3-9,2,\"a,\"\"b\",1-4 9-9,5,2000,7,\"'=cmd\",\"r\"\n");
    struct probe one = {
        .rows = {{"GET /v1/deletes?",
                  "{\"deletes\":[" RECORD("3-7", "1000") "],\"floor\":4,"
                                                         "\"more\":true,\"next_cursor\":\"N\"}"}}};
    ck_assert_int_eq(PROBE(&one, "deletes", "-n", "1", "-o", "json"), CTL_OK);
    ck_assert(probe_said(&one, "],\"floor\":4,\"more\":true}"));
    ck_assert(!probe_sent(&one, "cursor"));
}
END_TEST

START_TEST(test_one_delete_is_waited_for)
{
    const char *pending = "{\"delete_id\":\"3-7\",\"replicas\":[{\"node\":1,\"state\":\"applied\"},"
                          "{\"node\":2,\"state\":\"pending\",\"blocked_by\":[\"node_down\"]}],"
                          "\"applied_everywhere\":false}";
    const char *applied = "{\"delete_id\":\"3-7\",\"replicas\":[{\"node\":1,\"state\":\"applied\"},"
                          "{\"node\":2,\"state\":\"applied\"}],\"applied_everywhere\":true}";
    struct probe probe = {.rows = {{"GET /v1/deletes/3-7 ", pending},
                                   {"GET /v1/deletes/3-7?wait=applied&timeout=", applied}}};
    ck_assert_int_eq(PROBE(&probe, "deletes", "3-7", "--wait=20s"), CTL_OK);
    ck_assert(probe_told(&probe, "delete 3-7: applied on 1 of 2 replicas"));
    ck_assert(probe_said(&probe, "applied everywhere"));
    struct probe late = {.rows = {{"GET /v1/deletes/3-7", pending}}};
    ck_assert_int_eq(PROBE(&late, "deletes", "3-7", "--wait=150ms"), CTL_NOT_YET);
    ck_assert(probe_said(&late, "   2  pending  node_down"));
    struct probe now = {.rows = {{"GET /v1/deletes/3-7", pending}}};
    ck_assert_int_eq(PROBE(&now, "deletes", "3-7"), CTL_OK);
    ck_assert_int_eq(PROBE(&now, "deletes", "--wait"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&now, "deletes", "2/a", "--slot", "1"), CTL_USAGE);
}
END_TEST

START_TEST(test_audit_is_by_time)
{
    struct probe probe = {
        .rows = {{"GET /v1/deletes?",
                  "{\"deletes\":[" RECORD("1-5", "3000") "," RECORD("2-5", "1000") "," RECORD(
                      "3-5", "2000") "],"
                                     "\"more\":false}"}}};
    ck_assert_int_eq(PROBE(&probe, "audit"), CTL_OK);
    ck_assert_ptr_nonnull(strstr(probe.out, "2-5"));
    ck_assert(strstr(probe.out, "2-5") < strstr(probe.out, "3-5") &&
              strstr(probe.out, "3-5") < strstr(probe.out, "1-5"));
    ck_assert(probe_said(&probe, "1-4 9-9"));
    ck_assert_int_eq(PROBE(&probe, "audit", "-n", "2", "-o", "ndjson"), CTL_OK);
    ck_assert(!probe_said(&probe, "2-5") && probe_said(&probe, "1-5"));
    ck_assert(probe_told(&probe, "older ones are left out"));
}
END_TEST

#define STARTED                                                                                    \
    {                                                                                              \
        "POST /v1/admin/checks", "{\"id\":\"j-1\"}", 202, 0, "Location: /v1/jobs/j-1\r\n"          \
    }
#define RUNNING                                                                                    \
    {                                                                                              \
        "GET /v1/jobs/j-1",                                                                        \
            "{\"id\":\"j-1\",\"kind\":\"check\",\"state\":\"running\","                            \
            "\"progress\":0.5,\"eta_ms\":3000}",                                                   \
            200, 1                                                                                 \
    }

START_TEST(test_check)
{
    static const struct {
        const char *job;
        int code;
    } rows[] = {
        {"{\"id\":\"j-1\",\"state\":\"done\",\"items\":[{\"slot\":0,\"result\":\"ok\"}]}", CTL_OK},
        {"{\"id\":\"j-1\",\"state\":\"done\",\"items\":[{\"slot\":0,\"result\":\"ok\"},"
         "{\"slot\":1,\"result\":\"unchecked\",\"reason\":\"node_down\",\"nodes\":["
         "{\"node\":1,\"result\":\"ok\"},{\"node\":3,\"result\":\"unchecked\"}]}]}",
         CTL_UNPROVEN},
        {"{\"id\":\"j-1\",\"state\":\"done\",\"items\":[{\"slot\":0,\"result\":\"diverged\","
         "\"nodes\":[3]}]}",
         CTL_REFUSED},
        {"{\"id\":\"j-1\",\"state\":\"done\",\"items\":[]}", CTL_UNPROVEN},
        {"{\"id\":\"j-1\",\"state\":\"done\",\"items_left_out\":1,\"items\":[{\"slot\":0,"
         "\"result\":\"ok\"}]}",
         CTL_UNPROVEN},
        {"{\"id\":\"j-1\",\"state\":\"failed\",\"error\":\"the disk\"}", CTL_REFUSED},
        {"{\"id\":\"j-1\",\"state\":\"cancelled\"}", CTL_REFUSED}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct probe probe = {.rows = {STARTED, RUNNING, {"GET /v1/jobs/j-1", rows[i].job}}};
        ck_assert_msg(PROBE(&probe, "check") == rows[i].code, "%zu", i);
        ck_assert(probe_told(&probe, "check j-1: running 50 %, 3 s left"));
        ck_assert_msg(i != 1 || probe_said(&probe, "   1  unchecked  3 unchecked  node_down"), "%s",
                      probe.out);
    }
    struct probe only = {.rows = {STARTED}};
    ck_assert_int_eq(PROBE(&only, "check", "--no-wait", "--slot", "4"), CTL_OK);
    ck_assert_str_eq(only.out, "j-1\n");
    ck_assert(probe_sent(&only, "{\"slot\":4}") && !probe_sent(&only, "GET"));
    struct probe slow = {.rows = {STARTED, {"GET /v1/jobs/j-1", "{\"state\":\"running\"}"}}};
    ck_assert_int_eq(PROBE(&slow, "check", "--wait=300ms"), CTL_NOT_YET);
}
END_TEST

START_TEST(test_jobs)
{
    struct probe probe = {
        .rows = {CLUSTER,
                 VERSION,
                 READY,
                 {"GET /v1/jobs ", "{\"jobs\":[{\"id\":\"1-2-3\",\"kind\":\"check\","
                                   "\"state\":\"done\",\"progress\":1}]}"},
                 {"POST /v1/jobs/1-2-3:cancel", "{\"id\":\"1-2-3\",\"state\":\"cancelled\"}"},
                 {"GET /v1/jobs/no", "{\"code\":\"not_found\",\"detail\":\"there is none\"}", 404},
                 {"GET /v1/jobs/1-2-3", "{\"id\":\"1-2-3\",\"state\":\"done\",\"progress\":1}"}}};
    ck_assert_int_eq(PROBE(&probe, "job", "ls"), CTL_UNREACHABLE); /* of node 2 */
    ck_assert(probe_told(&probe, "node 2 does not list its jobs: no answer at 127.0.0.1:1"));
    ck_assert(probe_said(&probe, "1-2-3  check  done      100 %"));
    ck_assert_int_eq(PROBE(&probe, "job", "show", "1-2-3"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "job", "wait", "1-2-3"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "job", "show", "no"), CTL_REFUSED);
    ck_assert(probe_told(&probe, "404 not_found: there is none"));
    ck_assert_int_eq(PROBE(&probe, "job", "cancel", "1-2-3"), CTL_NOT_CONFIRMED);
    ck_assert(!probe_sent(&probe, "POST"));
    ck_assert_int_eq(PROBE(&probe, "job", "cancel", "1-2-3", "--yes"), CTL_OK);
}
END_TEST

START_TEST(test_log)
{
    struct probe probe = {
        .rows = {{"POST /v1/admin/slots/3/compact-log",
                  "{\"items\":[{\"slot\":3,\"node\":1,\"first_index_before\":1,"
                  "\"first_index_after\":9,\"applied_index\":8,\"skipped_reason\":null}],"
                  "\"failed\":[]}"},
                 {"POST /v1/admin/compact-log",
                  "{\"items\":[{\"slot\":0,\"node\":1,\"skipped_reason\":\"nothing_to_do\"}],"
                  "\"failed\":[{\"slot\":1,\"code\":\"no_leader\"}]}"},
                 {"POST /v1/admin/delete-log/collect",
                  "{\"items\":[{\"slot\":0,\"floor_before\":1,\"floor_after\":1,\"removed\":0,"
                  "\"held_by\":[2,3]},{\"slot\":1,\"floor_before\":4,\"floor_after\":4,"
                  "\"held_by\":[]}]}"},
                 {"POST /v1/admin/slots/3/full-sync", "{\"slot\":3,\"node\":2,\"ordered\":true}"}}};
    ck_assert_int_eq(PROBE(&probe, "log", "compact", "--slot", "3"), CTL_NOT_CONFIRMED);
    ck_assert_int_eq(PROBE(&probe, "log", "compact", "--yes"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "log", "compact", "--all", "--through-index", "4", "--yes"),
                     CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "log", "collect", "--all", "--force-floor"), CTL_NOT_CONFIRMED);
    ck_assert_int_eq(PROBE(&probe, "full-sync", "3", "2"), CTL_NOT_CONFIRMED);
    ck_assert_int_eq(PROBE(&probe, "full-sync", "3", "x", "--yes"), CTL_USAGE);
    ck_assert_str_eq(probe.requests, "");
    ck_assert_int_eq(PROBE(&probe, "log", "compact", "--slot", "3", "--keep", "7",
                           "--through-index", "8", "--yes"),
                     CTL_OK);
    ck_assert(probe_sent(&probe, "{\"keep\":7,\"through_index\":8}"));
    ck_assert(probe_said(&probe, "   3     1             1    9        8  -"));
    ck_assert_int_eq(PROBE(&probe, "log", "compact", "--all", "--yes"), CTL_REFUSED);
    ck_assert(probe_said(&probe, "1 of 1 replicas had nothing"));
    ck_assert(probe_told(&probe, "no_leader"));
    ck_assert_int_eq(PROBE(&probe, "log", "collect", "--all"), CTL_OK);
    ck_assert(probe_sent(&probe, "{\"force_floor\":false}"));
    ck_assert(probe_said(&probe, "        0  2, 3\n"));
    ck_assert_int_eq(PROBE(&probe, "full-sync", "3", "2", "--yes"), CTL_OK);
    ck_assert(probe_sent(&probe, "{\"node\":2}"));
}
END_TEST

Suite *suite_operate(void)
{
    return UNIT_SUITE("operate", 60, test_replicas, test_deletes_of_several_pages,
                      test_one_delete_is_waited_for, test_audit_is_by_time, test_check, test_jobs,
                      test_log);
}
