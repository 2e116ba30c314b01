/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask what, over a socket: every route of the table with every role. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "fake_node.h"
#include "http/access.h"
#include "http/http.h"
#include "http/routes.h"
#include "suites.h"
#include "sys/file.h"
#include "sys/log.h"

#define JSON "Content-Type: application/json\r\n"
#define BEARER(token) "Authorization: Bearer " token "\r\n"

static struct node *node;
static struct http *http;
static struct client client;
static char *dir;
static char path[256];

/* Tokens "token-of-NAME-------" with these roles. */
static void write_tokens(const char *const rows[][2], size_t count)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        char token[64];
        snprintf(token, sizeof(token), "token-of-%s-------", rows[i][0]);
        ck_assert_int_eq(
            token_make_line(rows[i][0], rows[i][1], bytes_of_string(token), &text, NULL), OK);
    }
    ck_assert_int_eq(file_write_atomic(path, buf_bytes(&text), 0600, NULL), OK);
    buf_done(&text);
}

static const char *const one_each[][2] = {{"read", "read"},
                                          {"write", "write"},
                                          {"delete", "delete"},
                                          {"admin", "admin"},
                                          {"metrics", "metrics"}};

static void start(const char *const rows[][2], size_t count)
{
    struct http_options options;
    struct why why = {0};
    dir = unit_temp_dir();
    snprintf(path, sizeof(path), "%s/tokens", dir);
    write_tokens(rows, count);
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    options.tokens_file = path;
    ck_assert_msg(http_start(&options, node, &http, &why) == OK, "%s", why.text);
    client_open(&client, http_address(http));
}

static void stop(void)
{
    client_close(&client);
    http_stop(http, 1000);
    fake_node_free(node);
    free(dir);
}

static int ask(const char *method, const char *target, const char *headers, const char *body)
{
    return client_ask(&client, method, target, headers, body);
}

static int ask_as(const char *who, const char *method, const char *target, const char *body)
{
    char headers[256];
    snprintf(headers, sizeof(headers), "Authorization: Bearer token-of-%s-------\r\n%s", who,
             body == NULL ? "" : JSON);
    return ask(method, target, headers, body);
}

/* A target that fits the route's pattern. */
static void target_of(const struct route *route, char *ret_target, size_t size)
{
    size_t len = 0;
    for (const char *at = route->path; *at != '\0'; at++) {
        if (*at != '{') {
            len += (size_t)snprintf(ret_target + len, size - len, "%c", *at);
            continue;
        }
        len += (size_t)snprintf(ret_target + len, size - len, "1");
        at = strchr(at, '}');
    }
}

START_TEST(every_route_asks_for_its_roles)
{
    start(one_each, ARRAY_LEN(one_each));
    for (uint32_t i = 0; i < routes_count; i++) {
        const struct route *route = &routes[i];
        char target[128];
        target_of(route, target, sizeof(target));
        bool is_open = (route->access & ACCESS_OPEN) != 0;
        /* Some bodies are large. */
        const char *method = strcmp(route->method, "GET") == 0 ? "HEAD" : route->method;
        int status = ask(method, target, NULL, NULL);
        ck_assert_msg((status == 401) == !is_open, "%s %s without a token: %d", route->method,
                      target, status);
        ck_assert_int_eq(client_has(&client, "WWW-Authenticate: Bearer realm=\"lethe\"\r\n"),
                         !is_open);
        for (unsigned role = 0; role < ROLES_COUNT; role++) {
            bool is_enough = is_open || (route->access & 1u << role) != 0;
            status = ask_as(one_each[role][0], method, target, NULL);
            ck_assert_msg((status == 403) == !is_enough && status != 401, "%s %s as %s: %d",
                          route->method, target, one_each[role][0], status);
        }
    }
    ck_assert_uint_eq(fake_node_commands(node), 0);
    stop();
}
END_TEST

START_TEST(strangers_are_told_what_to_send)
{
    static const char *const headers[] = {
        "Authorization:\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Basic dG9rZW4tb2YtcmVhZC0tLS0tLS0=\r\n",
        "Authorization: token-of-read-------\r\n",
        BEARER("token-of-read------"),
        BEARER("token-of-read--------"),
        BEARER("Token-of-read-------"),
        BEARER("token-of-read-------") BEARER("token-of-read-------"),
        BEARER("token-of-read------- x"),
    };
    start(one_each, ARRAY_LEN(one_each));
    ck_assert_int_eq(ask("GET", "/v1/channels/2/a", NULL, NULL), 401);
    ck_assert(client_has(&client, "\"code\":\"unauthorized\""));
    ck_assert(client_has(&client, "role 'read': send it as 'Authorization: Bearer TOKEN'"));
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        ck_assert_msg(ask("GET", "/v1/channels/2/a", headers[i], NULL) == 401, "%s", headers[i]);
        ck_assert(client_has(&client, "error=\"invalid_token\""));
        ck_assert(!client_has(&client, "token-of-read")); /* never repeated */
    }
    ck_assert_int_eq(
        ask("GET", "/v1/channels/2/a", "authorization:  bearer   token-of-read------- \r\n", NULL),
        200);
    ck_assert_int_eq(ask("GET", "/nothing", NULL, NULL), 404);
    ck_assert_int_eq(ask("OPTIONS", "/v1/channels/2/a", NULL, NULL), 204);
    stop();
}
END_TEST

/* Who has no token cannot make the server read much. */
START_TEST(strangers_send_little)
{
    char head[256];
    start(one_each, ARRAY_LEN(one_each));
    int len = snprintf(head, sizeof(head),
                       "POST /v1/channels/2/a/messages HTTP/1.1\r\nHost: x\r\n" JSON
                       "Content-Length: %d\r\n\r\n",
                       1024 * 1024);
    client_send(&client, head, (size_t)len);
    ck_assert(client_read(&client, 5000)); /* before any of the body */
    ck_assert_int_eq(client.status, 401);
    ck_assert(client_has(&client, "Connection: close"));
    stop();
}
END_TEST

START_TEST(roles_end_at_their_channels)
{
    static const char *const rows[][2] = {
        {"part", "read@2/room-,write@2/room-,delete@2/room-,read@3/"},
        {"all", "read,write,delete"}};
    static const struct {
        const char *method, *target, *body;
        bool is_fine;
    } asks[] = {
        {"POST", "/v1/channels/2/room-1/messages", "{\"payload\":\"\"}", true},
        {"GET", "/v1/channels/2/room-1", NULL, true},
        {"GET", "/v1/channels/2/room%2D1", NULL, true},
        {"DELETE", "/v1/channels/2/room-1", NULL, true},
        {"GET", "/v1/channels/3/x/messages", NULL, true},
        {"POST", "/v1/channels/3/x/messages", "{\"payload\":\"\"}", false},
        {"GET", "/v1/channels/2/room", NULL, false},
        {"GET", "/v1/channels/2/Room-1", NULL, false},
        {"GET", "/v1/channels/1/room-1", NULL, false},
        {"GET", "/v1/channels/2/x/messages", NULL, false},
        {"DELETE", "/v1/channels/2/x", NULL, false},
        {"GET", "/v1/channels?prefix=room-", NULL, false},
        {"GET", "/v1/deletes?channel_type=2&channel_id=room-1", NULL, false},
        {"GET", "/v1/slots", NULL, true},
    };
    start(rows, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        int status = ask_as("part", asks[i].method, asks[i].target, asks[i].body);
        ck_assert_msg((status == 403) == !asks[i].is_fine && status != 401, "%s %s: %d",
                      asks[i].method, asks[i].target, status);
        status = ask_as("all", asks[i].method, asks[i].target, asks[i].body);
        ck_assert_msg(status != 403 && status != 401, "%s %s: %d", asks[i].method, asks[i].target,
                      status);
    }
    uint64_t before = fake_node_commands(node);
    ck_assert_int_eq(
        ask_as("part", "POST", "/v1/messages:batch",
               "{\"messages\":[{\"channel_type\":2,\"channel_id\":\"room-1\",\"payload\":\"\"},"
               "{\"channel_type\":2,\"channel_id\":\"other\",\"payload\":\"\"}]}"),
        200);
    ck_assert(client_has(&client, "\"code\":\"forbidden\""));
    ck_assert_uint_eq(fake_node_commands(node), before + 1);
    stop();
}
END_TEST

START_TEST(a_delete_is_by_who_made_it)
{
    start(one_each, ARRAY_LEN(one_each));
    ck_assert_int_eq(ask_as("write", "POST", "/v1/channels/2/a/messages", "{\"payload\":\"\"}"),
                     201);
    ck_assert_int_eq(ask_as("delete", "POST", "/v1/channels/2/a/deletes",
                            "{\"start_seq\":1,\"end_seq\":1,\"operator\":\"somebody\"}"),
                     200);
    ck_assert_int_eq(ask_as("read", "GET", "/v1/channels/2/a/deletes", NULL), 200);
    ck_assert_msg(client_has(&client, "\"operator\":\"delete\""), "%s", client.body);
    ck_assert(!client_has(&client, "somebody"));
    stop();
}
END_TEST

START_TEST(tokens_are_read_again)
{
    static const char *const other[][2] = {{"read", "write"}, {"new", "read"}};
    struct why why = {0};
    start(one_each, ARRAY_LEN(one_each));
    ck_assert_int_eq(ask_as("read", "GET", "/v1/channels/2/a", NULL), 200);
    ck_assert_int_eq(ask_as("new", "GET", "/v1/channels/2/a", NULL), 401);
    write_tokens(other, ARRAY_LEN(other));
    ck_assert_int_eq(ask_as("read", "GET", "/v1/channels/2/a", NULL), 200);
    ck_assert_int_eq(http_reload(http, &why), OK);
    ck_assert_int_eq(ask_as("read", "GET", "/v1/channels/2/a", NULL), 403);
    ck_assert_int_eq(ask_as("delete", "DELETE", "/v1/channels/2/a", NULL), 401);
    ck_assert_int_eq(ask_as("new", "GET", "/v1/channels/2/a", NULL), 200);
    /* What is wrong changes nothing, and says where. */
    ck_assert_int_eq(file_write_atomic(path, bytes_of_string("new read\n"), 0600, NULL), OK);
    ck_assert_int_eq(http_reload(http, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "tokens:1: ") != NULL, "%s", why.text);
    ck_assert_int_eq(ask_as("new", "GET", "/v1/channels/2/a", NULL), 200);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(http_reload(http, &why), ERR_NOT_FOUND);
    ck_assert_int_eq(ask_as("new", "GET", "/v1/channels/2/a", NULL), 200);
    ck_assert_int_eq(ask("GET", "/v1/channels/2/a", NULL, NULL), 401);
    stop();
}
END_TEST

START_TEST(no_start_with_wrong_tokens)
{
    struct http_options options;
    struct why why = {0};
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    options.tokens_file = "/nowhere/tokens";
    ck_assert_int_eq(http_start(&options, node, &http, &why), ERR_NOT_FOUND);
    ck_assert(strstr(why.text, "/nowhere/tokens") != NULL);
    fake_node_free(node);
}
END_TEST

/* A line is written when its request is over; the next answer on the connection comes after that. */
START_TEST(who_was_denied_is_told)
{
    char file[300], text[8192];
    start(one_each, ARRAY_LEN(one_each));
    snprintf(file, sizeof(file), "%s/log", dir);
    FILE *log = fopen(file, "w+e");
    ck_assert_ptr_nonnull(log);
    log_set_fd(fileno(log));
    ck_assert_int_eq(ask_as("admin", "GET", "/v1/jobs", NULL), 200);
    ck_assert_int_eq(ask_as("read", "GET", "/v1/admin/config", NULL), 403);
    ck_assert_int_eq(ask("GET", "/v1/admin/backups", NULL, NULL), 401);
    ck_assert_int_eq(ask_as("write", "DELETE", "/v1/channels/2/c", NULL), 403);
    ck_assert_int_eq(ask_as("admin", "POST", "/v1/admin/compact-log", "{}"), 200);
    ck_assert_int_eq(ask("GET", "/livez", NULL, NULL), 200);
    log_set_fd(2);
    rewind(log);
    size_t len = fread(text, 1, sizeof(text) - 1, log);
    text[len] = '\0';
    fclose(log);
    static const char *const wanted[] = {
        "operator=read method=GET path=/v1/admin/config status=403 ",
        "operator=- method=GET path=/v1/admin/backups status=401 ",
        "operator=write method=DELETE path=/v1/channels/2/c status=403 ",
        "operator=admin method=POST path=/v1/admin/compact-log status=200 "};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        ck_assert_msg(strstr(text, wanted[i]) != NULL, "%s is not in\n%s", wanted[i], text);
    ck_assert_ptr_null(strstr(text, "path=/v1/jobs"));
    ck_assert_ptr_null(strstr(text, "token-of-"));
    stop();
}
END_TEST

Suite *suite_access(void)
{
    return UNIT_SUITE("access", 20, every_route_asks_for_its_roles, strangers_are_told_what_to_send,
                      strangers_send_little, roles_end_at_their_channels,
                      a_delete_is_by_who_made_it, tokens_are_read_again, no_start_with_wrong_tokens,
                      who_was_denied_is_told);
}
