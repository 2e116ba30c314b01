/* SPDX-License-Identifier: Apache-2.0 */
/* node, leader, backup, alarm, debug bundle: what is ordered, and that nothing is without a yes. */
#include "probe.h"
#include "sys/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACEMENT(done, settled)                                                                   \
    "{\"revision\":2,\"replica_count\":3,\"done\":" done                                           \
    ",\"slots\":{\"total\":4,\"settled\":" settled                                                 \
    "},\"nodes\":[{\"id\":4,\"state\":\"active\",\"zone\":\"z\",\"slots_before\":0,"               \
    "\"slots_after\":3}],\"moves\":[{\"slot\":1,\"from\":[1,2,3],\"to\":[1,2,4]}]}"
#define REFUSED                                                                                    \
    {                                                                                              \
        "", "{\"code\":\"conflict\",\"detail\":\"a change is under way\"}", 409                    \
    }

START_TEST(test_node_orders)
{
    static const struct {
        const char *words[8], *line, *body;
    } rows[] = {
        {{"node", "add", "4@h:11110", "--zone", "z"},
         "POST /v1/admin/nodes HTTP",
         "{\"id\":4,\"address\":\"h:11110\",\"zone\":\"z\",\"dry_run\":false}"},
        {{"node", "add", "4@[::1]:1", "--learner"},
         "POST /v1/admin/nodes HTTP",
         "{\"id\":4,\"address\":\"[::1]:1\",\"learner\":true,\"dry_run\":false}"},
        {{"node", "replace", "3", "4@h:11110"},
         "POST /v1/admin/nodes HTTP",
         "{\"id\":4,\"address\":\"h:11110\",\"replaces\":3,\"dry_run\":false}"},
        {{"node", "drain", "3"}, "POST /v1/admin/nodes/3:drain HTTP", "{\"dry_run\":false}"},
        {{"node", "undrain", "3"}, "POST /v1/admin/nodes/3:undrain HTTP", "{\"dry_run\":false}"},
        {{"node", "promote", "3"}, "POST /v1/admin/nodes/3:promote HTTP", "{\"dry_run\":false}"},
        {{"node", "remove", "3"}, "DELETE /v1/admin/nodes/3 HTTP", ""}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *words[10] = {NULL};
        size_t count = 0;
        while (rows[i].words[count] != NULL) {
            words[count] = rows[i].words[count];
            count++;
        }
        /* Without --yes the plan is asked for and shown, and nothing is ordered. */
        struct probe asked = {.rows = {{"POST /v1/admin/nodes", PLACEMENT("false", "3")},
                                       {"DELETE /v1/admin/nodes", PLACEMENT("false", "3")}}};
        ck_assert_msg(probe_run(&asked, words) == CTL_NOT_CONFIRMED, "%zu", i);
        ck_assert(probe_told(&asked, "   4  active  z                0      3"));
        ck_assert(probe_sent(&asked, "\"dry_run\":true}") || probe_sent(&asked, "?dry_run=true "));
        ck_assert(!probe_sent(&asked, "\"dry_run\":false}") &&
                  !probe_sent(&asked, "DELETE /v1/admin/nodes/3 HTTP"));
        words[count] = "--yes";
        struct probe done = {.rows = {{"POST /v1/admin/nodes", PLACEMENT("false", "3"), 202},
                                      {"DELETE /v1/admin/nodes", PLACEMENT("false", "3"), 202},
                                      {"GET /v1/admin/placement", PLACEMENT("false", "3"), 200, 1},
                                      {"GET /v1/admin/placement", PLACEMENT("true", "4")}}};
        ck_assert_msg(probe_run(&done, words) == CTL_OK, "%zu: %s", i, done.err);
        ck_assert_msg(probe_sent(&done, rows[i].line) && probe_sent(&done, rows[i].body),
                      "%zu sent %s", i, done.requests);
        ck_assert(probe_told(&done, "moving: 3 of 4 slots settled"));
        ck_assert(probe_said(&done, "1 slots to move; 4 of 4 slots are where they shall be"));
        words[count + 1] = "--no-wait";
        struct probe once = {.rows = {{"POST /v1/admin/nodes", PLACEMENT("false", "3"), 202},
                                      {"DELETE /v1/admin/nodes", PLACEMENT("false", "3"), 202}}};
        ck_assert_int_eq(probe_run(&once, words), CTL_OK);
        ck_assert(!probe_sent(&once, "GET "));
        struct probe refused = {.rows = {REFUSED}};
        ck_assert_int_eq(probe_run(&refused, words), CTL_REFUSED);
        ck_assert(probe_told(&refused, "409 conflict: a change is under way"));
    }
}
END_TEST

START_TEST(test_node_usage)
{
    static const char *const members[] = {"4",     "@h:1",      "4@h",   "4@:1",     "4@h:0",
                                          "4@h:x", "4@h:65536", "0@h:1", "70000@h:1"};
    struct probe probe = {.rows = {REFUSED}};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        ck_assert_msg(PROBE(&probe, "node", "add", members[i], "--yes") == CTL_USAGE, "%s",
                      members[i]);
    ck_assert_int_eq(PROBE(&probe, "node", "replace", "4", "4@h:1", "--yes"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "node", "drain", "x", "--yes"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "node"), CTL_USAGE);
    ck_assert_str_eq(probe.requests, "");
}
END_TEST

START_TEST(test_node_wait_ends)
{
    struct probe probe = {.rows = {{"POST /v1/admin/nodes", PLACEMENT("false", "3"), 202},
                                   {"GET /v1/admin/placement", PLACEMENT("false", "3")}}};
    ck_assert_int_eq(PROBE(&probe, "node", "add", "4@h:1", "--yes", "--wait=100ms"), CTL_NOT_YET);
    ck_assert(probe_told(&probe, "still moving"));
    ck_assert_int_eq(PROBE(&probe, "node", "placement"), CTL_OK);
}
END_TEST

/* The server names a job: it is followed by that, which says how long it may take. */
START_TEST(test_node_job)
{
#define JOB(state, progress)                                                                       \
    "{\"id\":\"members-5\",\"kind\":\"drain_node\",\"state\":\"" state "\",\"progress\":" progress \
    ",\"eta_ms\":61000}"
    struct probe probe = {.rows = {{"POST /v1/admin/nodes", PLACEMENT("false", "3"), 202, 0,
                                    "Location: /v1/jobs/members-5\r\n"},
                                   {"GET /v1/jobs/members-5", JOB("running", "0.25"), 200, 1},
                                   {"GET /v1/jobs/members-5", JOB("done", "1")},
                                   {"GET /v1/admin/placement", PLACEMENT("true", "4")}}};
    ck_assert_int_eq(PROBE(&probe, "node", "drain", "3", "--yes"), CTL_OK);
    ck_assert_msg(probe_told(&probe, "drain_node members-5: running 25 %, 1 m 1 s left"), "%s",
                  probe.err);
    ck_assert(probe_said(&probe, "4 of 4 slots are where they shall be"));
    struct probe cancelled = {.rows = {{"POST /v1/admin/nodes", PLACEMENT("false", "3"), 202, 0,
                                        "Location: /v1/jobs/members-5\r\n"},
                                       {"GET /v1/jobs/members-5", JOB("cancelled", "0")}}};
    ck_assert_int_eq(PROBE(&cancelled, "node", "drain", "3", "--yes"), CTL_REFUSED);
    ck_assert(probe_told(&cancelled, "job members-5 ended as cancelled"));
#undef JOB
}
END_TEST

START_TEST(test_upgrade_finalize)
{
    struct probe probe = {.rows = {{"POST /v1/admin/upgrade:finalize", "{\"feature_level\":5}"}}};
    ck_assert_int_eq(PROBE(&probe, "upgrade", "finalize"), CTL_NOT_CONFIRMED);
    ck_assert(!probe_sent(&probe, "{\"dry_run\":false}"));
    ck_assert_int_eq(PROBE(&probe, "upgrade", "finalize", "--dry-run"), CTL_OK);
    ck_assert(probe_said(&probe, "feature level 5 would be in force"));
    ck_assert(!probe_sent(&probe, "{\"dry_run\":false}"));
    ck_assert_int_eq(PROBE(&probe, "upgrade", "finalize", "--yes"), CTL_OK);
    ck_assert(probe_sent(&probe, "{\"dry_run\":false}"));
    ck_assert(probe_said(&probe, "feature level 5 is in force"));
    struct probe refused = {.rows = {REFUSED}};
    ck_assert_int_eq(PROBE(&refused, "upgrade", "finalize", "--yes"), CTL_REFUSED);
}
END_TEST

START_TEST(test_leader_balance)
{
    struct probe probe = {
        .rows = {{"POST /v1/admin/leaders/balance",
                  "{\"dry_run\":false,\"moves\":[{\"slot\":1,\"from\":2,\"to\":3,\"done\":true},"
                  "{\"slot\":2,\"from\":2,\"to\":3,\"done\":false,\"code\":\"timeout\"}]}"}}};
    ck_assert_int_eq(PROBE(&probe, "leader", "balance"), CTL_REFUSED);
    ck_assert(probe_said(&probe, "   1     2   3  done\n   2     2   3  timeout\n"));
    ck_assert(probe_sent(&probe, "{\"dry_run\":false}"));
    ck_assert_int_eq(PROBE(&probe, "leader", "balance", "--dry-run", "-o", "json"), CTL_OK);
    ck_assert(probe_sent(&probe, "{\"dry_run\":true}"));
}
END_TEST

START_TEST(test_backup)
{
    struct probe probe = {
        .rows = {{"POST /v1/admin/backups HTTP", "{\"id\":\"1-2\"}", 202, 0,
                  "Location: /v1/jobs/1-2\r\n"},
                 {"POST /v1/admin/backups/b%2F1:verify", "{\"id\":\"1-2\"}", 202, 0,
                  "Location: /v1/jobs/1-2\r\n"},
                 {"GET /v1/jobs/1-2", "{\"id\":\"1-2\",\"state\":\"done\",\"backup\":\"b/1\"}"},
                 {"GET /v1/admin/backups", "{\"backups\":[{\"id\":\"b/1\",\"node\":2,"
                                           "\"bytes\":1024,\"verified\":true}]}"}}};
    ck_assert_int_eq(PROBE(&probe, "backup", "create", "b/1"), CTL_OK);
    ck_assert(probe_sent(&probe, "{\"name\":\"b/1\"}"));
    ck_assert_str_eq(probe.out, "b/1: done\n");
    ck_assert_int_eq(PROBE(&probe, "backup", "verify", "b/1"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "backup", "ls"), CTL_OK);
    ck_assert(probe_said(&probe, "b/1     -        2  1.0 KiB  yes"));
}
END_TEST

#define CLUSTER                                                                                    \
    {                                                                                              \
        "GET /v1/cluster", "{\"nodes\":[{\"id\":1,\"http_address\":\"%URL%\"}],\"slots\":{"        \
                           "\"total\":1,\"with_leader\":1}}"                                       \
    }
#define VERSION                                                                                    \
    {                                                                                              \
        "GET /version", "{\"node\":1}"                                                             \
    }

START_TEST(test_alarms)
{
    struct probe none = {.rows = {CLUSTER, VERSION, {"GET /v1/alarms", "{\"alarms\":[]}"}}};
    ck_assert_int_eq(PROBE(&none, "alarm", "ls"), CTL_OK);
    ck_assert_str_eq(none.out, "no alarms\n");
    struct probe some = {.rows = {CLUSTER,
                                  VERSION,
                                  {"GET /v1/alarms", "{\"alarms\":[{\"id\":\"1-nospace\",\"kind\":"
                                                     "\"nospace\",\"node\":1}]}"},
                                  {"POST /v1/alarms/no:disarm", "{\"code\":\"not_found\"}", 404},
                                  {"POST /v1/alarms/1-nospace:disarm", "{}"}}};
    ck_assert_int_eq(PROBE(&some, "alarm", "ls"), CTL_REFUSED);
    ck_assert(probe_said(&some, "1-nospace  nospace"));
    ck_assert_int_eq(PROBE(&some, "alarm", "disarm", "1-nospace"), CTL_NOT_CONFIRMED);
    ck_assert(!probe_sent(&some, "POST"));
    ck_assert_int_eq(PROBE(&some, "alarm", "disarm", "1-nospace", "--yes"), CTL_OK);
    ck_assert_int_eq(PROBE(&some, "alarm", "disarm", "no", "-y"), CTL_REFUSED);
    ck_assert(probe_told(&some, "404 not_found"));
    struct probe old = {.rows = {CLUSTER, VERSION}};
    ck_assert_int_eq(PROBE(&old, "alarm", "ls"), CTL_REFUSED);
}
END_TEST

START_TEST(test_bundle)
{
    char *dir = unit_temp_dir();
    char path[600], log[600];
    struct buf got = BUF_INIT;
    snprintf(path, sizeof(path), "%s/bundle.tar", dir);
    snprintf(log, sizeof(log), "%s/lethed.log", dir);
    ck_assert_int_eq(file_write_atomic(log, bytes_of_string("a Bearer s3cret z\n"), 0600, NULL),
                     OK);
    struct probe probe = {.rows = {CLUSTER,
                                   VERSION,
                                   {"GET /v1/admin/config",
                                    "{\"values\":[{\"key\":\"x.password\",\"value\":\"hunter3\"},"
                                    "{\"key\":\"node.id\",\"value\":\"1\"}]}"},
                                   {"GET /metrics", "lethe_x 5\n"}}};
    ck_assert_int_eq(
        PROBE(&probe, "debug", "bundle", "-f", path, "--log", log, "--token", "my-own-t0ken"),
        CTL_OK);
    ck_assert_int_eq(file_read(path, 1 << 20, &got, NULL), OK);
    const char *all = buf_string(&got);
    ck_assert_ptr_nonnull(memmem(all, got.len, "a Bearer [removed] z\n", 21));
    ck_assert_ptr_nonnull(memmem(all, got.len, "\"node.id\",\"value\":\"1\"", 21));
    ck_assert_ptr_nonnull(memmem(all, got.len, "lethe_x 5\n", 10));
    ck_assert_ptr_nonnull(memmem(all, got.len, "node-1/jobs.json: status 501\n", 29));
    ck_assert_ptr_null(memmem(all, got.len, "hunter3", 7));
    ck_assert_ptr_null(memmem(all, got.len, "s3cret", 6));
    ck_assert_ptr_null(memmem(all, got.len, "my-own-t0ken", 12));
    ck_assert_int_eq(PROBE(&probe, "debug", "bundle", "-f", path), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "debug", "bundle", "-f", path, "-y", "--log", "/nonexistent/x"),
                     CTL_LOCAL);
    buf_done(&got);
    free(dir);
}
END_TEST

Suite *suite_admin(void)
{
    return UNIT_SUITE("admin", 60, test_node_orders, test_node_usage, test_node_wait_ends,
                      test_node_job, test_upgrade_finalize, test_leader_balance, test_backup,
                      test_alarms, test_bundle);
}
