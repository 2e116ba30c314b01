/* SPDX-License-Identifier: Apache-2.0 */
/* Whole command lines against a server that answers from a script: the requests that leave, and the
 * exit code for each kind of answer. */
#include "ctl/command.h"
#include "suites.h"
#include "sys/file.h"
#include "unit_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct script {
    const char *reply; /* body of every answer */
    int status;
    char requests[16384]; /* all of them, one after the other */
    char text[4096];
};

static const char *answer(const char *request, void *arg)
{
    struct script *script = arg;
    size_t len = strlen(script->requests);
    snprintf(script->requests + len, sizeof(script->requests) - len, "%s\n", request);
    if (script->reply == NULL)
        return NULL;
    snprintf(script->text, sizeof(script->text),
             "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             script->status, strlen(script->reply), script->reply);
    return script->text;
}

#define WORDS(...) ((char *[]){(char *)"lethectl", __VA_ARGS__, NULL})

/* Runs a command line; output goes nowhere, input is empty. */
static int run(const char *server, char **words)
{
    int argc = 0, null = open("/dev/null", O_RDWR);
    ck_assert_int_ge(null, 0);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    while (words[argc] != NULL)
        argc++;
    setenv("LETHE_SERVER", server, 1);
    return ctl_main(argc, words);
}

static int run_against(struct script *script, char **words)
{
    struct unit_server *server = unit_server_start(answer, script);
    int code = run(unit_server_url(server), words);
    unit_server_stop(server);
    return code;
}

START_TEST(test_usage)
{
    static const char *const rows[][4] = {{"nothing", NULL},
                                          {"send", "2/a", NULL},
                                          {"send", "a", "b", NULL},
                                          {"get", "2/a", "0", NULL},
                                          {"get", "2/a", "--reason", "x"},
                                          {"get", "2/a", "--raw", NULL},
                                          {"delete", "2/a", NULL},
                                          {"delete", "2/a", "5-4", "--yes"},
                                          {"delete", "2/a", "1-2", "--all"},
                                          {"slots", "x", NULL},
                                          {"leader", "steal", "3", NULL},
                                          {"export", NULL},
                                          {"ls", "-o", "xml", NULL},
                                          {"-q", NULL},
                                          {"-q", "nothing", NULL},
                                          {"--reason", "ls", NULL},
                                          {"--nothing", "ls", NULL},
                                          {"-s", NULL},
                                          {"ls", "--timeout", "0", NULL},
                                          {"ls", "--timeout", "25h", NULL},
                                          {"ls", "--token", "a\nb", NULL},
                                          {"help", "nothing", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(run("127.0.0.1:1", WORDS((char *)rows[i][0], (char *)rows[i][1],
                                               (char *)rows[i][2], (char *)rows[i][3])) ==
                          CTL_USAGE,
                      "%zu", i);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("help", "delete")), CTL_OK);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("help")), CTL_OK);
}
END_TEST

/* Flags that all commands have may stand before the command. */
START_TEST(test_leading_flags)
{
    struct script script = {.reply = "{\"message_seq\":1,\"message_id\":\"5\"}", .status = 201};
    ck_assert_int_eq(run_against(&script, WORDS("-q", "--timeout", "3", "--output=json", "send",
                                                "2/a", "--from-uid", "u1", "-o", "table", "hi")),
                     CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "POST /v1/channels/2/a/messages HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(script.requests, "\"payload\":\"hi\""));
    ck_assert_ptr_nonnull(strstr(script.requests, "\"u1\""));
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("-q", "ls")), CTL_UNREACHABLE);
    ck_assert_int_eq(run("x:y:z", WORDS("-s", "127.0.0.1:1", "ls")), CTL_UNREACHABLE);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("-s", "127.0.0.1:1", "ls", "-h")), CTL_OK);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("node", "--help")), CTL_OK);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("nothing", "--help")), CTL_USAGE);
}
END_TEST

START_TEST(test_exit_codes)
{
    struct script script = {.reply = "{\"message_seq\":1,\"message_id\":\"5\"}", .status = 201};
    ck_assert_int_eq(run_against(&script, WORDS("send", "2/a", "hi")), CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "POST /v1/channels/2/a/messages HTTP/1.1"));
    ck_assert_ptr_nonnull(
        strstr(script.requests, "{\"payload\":\"hi\",\"payload_encoding\":\"utf8\"}"));
    script = (struct script){.reply = "{\"code\":\"bad_channel\"}", .status = 400};
    ck_assert_int_eq(run_against(&script, WORDS("send", "2/a", "hi")), CTL_REFUSED);
    script = (struct script){.reply = "{\"code\":\"outcome_unknown\"}", .status = 504};
    ck_assert_int_eq(run_against(&script, WORDS("send", "2/a", "hi")), CTL_UNKNOWN);
    script = (struct script){.reply = NULL};
    ck_assert_int_eq(run_against(&script, WORDS("send", "2/a", "hi")), CTL_UNKNOWN);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("send", "2/a", "hi")), CTL_UNREACHABLE);
}
END_TEST

START_TEST(test_health)
{
    struct script script = {.reply = "ok", .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("health")), CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "GET /livez HTTP/1.1"));
    script = (struct script){.reply = "{\"code\":\"starting\"}", .status = 503};
    ck_assert_int_eq(run_against(&script, WORDS("health", "--ready", "--timeout", "2s")),
                     CTL_REFUSED);
    ck_assert_ptr_nonnull(strstr(script.requests, "GET /readyz HTTP/1.1"));
    ck_assert_ptr_null(strstr(script.requests, "/livez"));
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("health")), CTL_UNREACHABLE);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("health", "now")), CTL_USAGE);
}
END_TEST

/* One bad server among good ones is not hidden by them. */
START_TEST(test_health_of_several)
{
    struct script script = {.reply = "ok", .status = 200};
    struct unit_server *server = unit_server_start(answer, &script);
    char both[200];
    snprintf(both, sizeof(both), "127.0.0.1:1,%s", unit_server_url(server));
    ck_assert_int_eq(run(both, WORDS("health")), CTL_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(script.requests, "GET /livez HTTP/1.1"));
    unit_server_stop(server);
}
END_TEST

START_TEST(test_delete_asks_before_it_sends)
{
    const char *reply = "{\"deleted_count\":3,\"start_seq\":2,\"end_seq\":4,\"delete_id\":\"1-2\"}";
    struct script script = {.reply = reply, .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("delete", "2/a", "2-4")), CTL_NOT_CONFIRMED);
    ck_assert_ptr_nonnull(strstr(script.requests, "\"ranges\":[[2,4]],\"dry_run\":true"));
    ck_assert_ptr_null(strstr(script.requests, "\"dry_run\":false"));
    script = (struct script){.reply = reply, .status = 200};
    ck_assert_int_eq(
        run_against(&script, WORDS("delete", "2/a", "2-4", "9", "--yes", "--reason", "why \"x\"")),
        CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "{\"ranges\":[[2,4],[9,9]],\"reason\":\"why "
                                                  "\\\"x\\\"\",\"dry_run\":false}"));
    ck_assert_ptr_null(strstr(script.requests, "\"dry_run\":true"));
    script = (struct script){.reply = reply, .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("delete", "2/a", "--keep", "5", "--dry-run")),
                     CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "{\"keep\":5,\"dry_run\":true}"));
}
END_TEST

START_TEST(test_import)
{
    char *dir = unit_temp_dir();
    char path[600];
    snprintf(path, sizeof(path), "%s/in", dir);
    const char *lines = "{\"channel_type\":2,\"channel_id\":\"a\",\"payload\":\"eA==\"}\n\n"
                        "{\"channel_type\":2,\"channel_id\":\"a\",\"payload\":\"eQ==\"}\n";
    ck_assert_int_eq(file_write_atomic(path, bytes_of_string(lines), 0600, NULL), OK);
    struct script script = {.reply = "{\"status\":201,\"message_seq\":1}\n"
                                     "{\"status\":200,\"message_seq\":2,\"duplicate\":true}\n"
                                     "{\"done\":true,\"ok\":2,\"failed\":0}\n",
                            .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("import", path, "--number", "job")), CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "POST /v1/messages:batch HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(script.requests, "\"client_msg_no\":\"job-1\"}\n{"));
    ck_assert_ptr_nonnull(strstr(script.requests, "\"client_msg_no\":\"job-3\"}\n"));

    /* What export writes of messages without a number, and of numbers that no double holds. */
    lines = "{\"channel_id\":\"a\",\"client_msg_no\":\"\",\"payload\":{\"client_msg_no\":\"\","
            "\"n\":1e400}}\n"
            "{\"channel_id\":\"a\",\"client_msg_no\":\"\",\"payload\":1.10}\n";
    ck_assert_int_eq(file_write_atomic(path, bytes_of_string(lines), 0600, NULL), OK);
    script.requests[0] = '\0';
    ck_assert_int_eq(run_against(&script, WORDS("import", path)), CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests,
                                 "\n{\"channel_id\":\"a\",\"payload\":{\"client_msg_no\":\"\","
                                 "\"n\":1e400}}\n{\"channel_id\":\"a\",\"payload\":1.10}\n"));
    script.requests[0] = '\0';
    ck_assert_int_eq(run_against(&script, WORDS("import", path, "--number", "job")), CTL_OK);
    ck_assert_ptr_nonnull(strstr(script.requests, "\"client_msg_no\":\"job-2\""));

    script = (struct script){.reply = "{\"status\":201,\"message_seq\":1}\n"
                                      "{\"status\":422,\"code\":\"x\"}\n",
                             .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("import", path)), CTL_REFUSED);
    script = (struct script){.reply = "{\"status\":201,\"message_seq\":1}\n", .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("import", path)), CTL_UNKNOWN);
    script = (struct script){.reply = NULL};
    ck_assert_int_eq(run_against(&script, WORDS("import", path)), CTL_UNKNOWN);
    script = (struct script){.reply = "{\"code\":\"too_large\"}", .status = 413};
    ck_assert_int_eq(run_against(&script, WORDS("import", path)), CTL_REFUSED);
    ck_assert_int_eq(run("127.0.0.1:1", WORDS("import", "/nonexistent/x")), CTL_LOCAL);
    free(dir);
}
END_TEST

START_TEST(test_export)
{
    char *dir = unit_temp_dir();
    char path[600];
    struct buf got = BUF_INIT;
    snprintf(path, sizeof(path), "%s/out", dir);
    struct script script = {.reply = "{\"messages\":[{\"message_seq\":4,\"payload\":\"eA==\"}],"
                                     "\"more\":false}",
                            .status = 200};
    ck_assert_int_eq(run_against(&script, WORDS("export", "2/a/b", "--file", path, "--quiet")),
                     CTL_OK);
    ck_assert_ptr_nonnull(
        strstr(script.requests, "GET /v1/channels/2/a%2Fb/messages?from_seq=1&limit=1000 "));
    ck_assert_int_eq(file_read(path, 1000, &got, NULL), OK);
    ck_assert_str_eq(buf_string(&got), "{\"channel_type\":2,\"channel_id\":\"a/b\","
                                       "\"message_seq\":4,\"payload\":\"eA==\"}\n");
    buf_done(&got);
    free(dir);
}
END_TEST

Suite *suite_commands(void)
{
    return UNIT_SUITE("commands", 60, test_usage, test_leading_flags, test_exit_codes, test_health,
                      test_health_of_several, test_delete_asks_before_it_sends, test_import,
                      test_export);
}
