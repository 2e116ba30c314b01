/* SPDX-License-Identifier: Apache-2.0 */
/* context ls, use, set, rm: what is kept, and that no token is shown. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

START_TEST(test_contexts)
{
    struct probe probe = {.rows = {{"GET /v1/nodes", "{\"nodes\":[]}"}}};
    char *dir = unit_temp_dir();
    setenv("XDG_CONFIG_HOME", dir, 1);
    ck_assert_int_eq(PROBE(&probe, "context", "set", "prod"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "context", "set", "a/b", "-s", "h"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "context", "set", "prod", "-s", "h:x"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "context", "set", "prod", "-s", "h", "--token", "a b"),
                     CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "context", "ls", "-o", "json"), CTL_OK);
    ck_assert_str_eq(probe.out, "{\"contexts\":[]}\n");
    ck_assert_int_eq(PROBE(&probe, "context", "set", "prod", "-s", "h,i:7", "--token", "s3cret"),
                     CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "context", "set", "try", "-s", "127.0.0.1:1"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "context", "ls"), CTL_OK);
    ck_assert(probe_said(&probe, "*  prod     http://h:5001,http://i:7  yes    -\n"
                                 "   try      http://127.0.0.1:1        -      -\n"));
    ck_assert(!probe_said(&probe, "s3cret"));
    /* A second set changes what it names and keeps the rest. */
    ck_assert_int_eq(PROBE(&probe, "context", "set", "prod", "-s", "h"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "context", "ls"), CTL_OK);
    ck_assert(probe_said(&probe, "*  prod     http://h:5001       yes "));
    ck_assert_int_eq(PROBE(&probe, "context", "use", "none"), CTL_REFUSED);
    ck_assert_int_eq(PROBE(&probe, "context", "use", "try"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "nodes"), CTL_OK); /* LETHE_SERVER comes first */
    ck_assert_int_eq(PROBE(&probe, "nodes", "--context", "try"), CTL_UNREACHABLE);
    ck_assert_int_eq(PROBE(&probe, "nodes", "--context", "none"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "context", "rm", "try"), CTL_NOT_CONFIRMED);
    ck_assert_int_eq(PROBE(&probe, "context", "rm", "try", "--yes"), CTL_OK);
    ck_assert_int_eq(PROBE(&probe, "context", "rm", "try", "--yes"), CTL_REFUSED);
    ck_assert_int_eq(PROBE(&probe, "context", "ls"), CTL_OK);
    ck_assert(!probe_said(&probe, "try") && !probe_said(&probe, "*"));
    free(dir);
}
END_TEST

Suite *suite_contexts(void)
{
    return UNIT_SUITE("contexts", 20, test_contexts);
}
