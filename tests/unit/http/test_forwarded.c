/* SPDX-License-Identifier: Apache-2.0 */
/* Every route that reads answers the same when another node reads for this one; only who served it
 * differs. The fake node's own store refuses then: a handler that looks into it fails here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_node.h"
#include "http/http.h"
#include "suites.h"

#define JSON "Content-Type: application/json\r\n"
#define CHANNEL "/v1/channels/2/room"
#define MESSAGES CHANNEL "/messages"

static struct node *node;
static struct http *http;
static struct client client;

static int ask(const char *method, const char *target, const char *headers, const char *body)
{
    return client_ask(&client, method, target, headers, body);
}

static void start(void)
{
    struct http_options options;
    struct why why;
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    client_set_options(&options);
    ck_assert_int_eq(http_start(&options, node, &http, &why), OK);
    client_open(&client, http_address(http));
    for (int i = 0; i < 9; i++) {
        char body[96];
        snprintf(body, sizeof(body), "{\"payload\":\"aGk=\",\"client_msg_no\":\"n%d\"}", i);
        ck_assert_int_eq(ask("POST", MESSAGES, JSON, body), 201);
    }
    ck_assert_int_eq(ask("DELETE", MESSAGES "?start_seq=2&end_seq=3&reason=r", NULL, NULL), 200);
}

static void stop(void)
{
    client_close(&client);
    http_stop(http, 1000);
    fake_node_free(node);
}

/* What differs between two replies to the same: cut out of the text. */
static void cut(char *text, const char *from, const char *to)
{
    for (char *at = strstr(text, from); at != NULL; at = strstr(at + 1, from)) {
        char *end = strstr(at + strlen(from), to);
        ck_assert_ptr_nonnull(end);
        memmove(at + strlen(from), end, strlen(end) + 1);
    }
}

/* Pieces may be cut anywhere: their lengths go. */
static void join_chunks(char *text)
{
    if (strstr(text, "Transfer-Encoding: chunked") == NULL)
        return;
    char *to = strstr(text, "\r\n\r\n") + 4;
    for (const char *at = to;;) {
        char *data;
        size_t len = strtoul(at, &data, 16);
        if (len == 0)
            break;
        memmove(to, data + 2, len);
        to += len;
        at = data + 2 + len + 2;
    }
    *to = '\0';
}

static char *reply_text(void)
{
    char *text = strdup(client.reply);
    ck_assert_ptr_nonnull(text);
    join_chunks(text);
    cut(text, "X-Request-Id: ", "\r\n");
    cut(text, "Date: ", "\r\n");
    cut(text, "\"request_id\":\"", "\"");
    cut(text, "\"served_by\":", ",");
    return text;
}

START_TEST(all_routes)
{
    static const struct {
        const char *method, *target, *headers, *body;
    } rows[] = {
        {"GET", MESSAGES, NULL, NULL},
        {"GET", MESSAGES "?after_seq=0&limit=3", NULL, NULL},
        {"GET", MESSAGES "?after_seq=4&before_seq=5", NULL, NULL},
        {"GET", MESSAGES "?after_seq=0&consistency=leader", "Accept: application/x-ndjson\r\n",
         NULL},
        {"GET", MESSAGES "?seqs=1,2,9", NULL, NULL},
        {"GET", MESSAGES "?client_msg_no=n4", NULL, NULL},
        {"GET", MESSAGES "?after_seq=0&min_index=5", NULL, NULL},
        {"GET", MESSAGES "?after_seq=4&wait=5s", NULL, NULL},
        {"GET", MESSAGES "?after_seq=9&wait=600ms", NULL, NULL},
        {"GET", MESSAGES "/1", NULL, NULL},
        {"GET", MESSAGES "/2", NULL, NULL},
        {"GET", MESSAGES "/99", NULL, NULL},
        {"GET", MESSAGES "/4", "Accept: application/octet-stream\r\n", NULL},
        {"GET", CHANNEL, NULL, NULL},
        {"GET", CHANNEL "/retention", NULL, NULL},
        {"GET", CHANNEL "/deletes", NULL, NULL},
        {"GET", "/v1/channels", NULL, NULL},
        {"GET", "/v1/channels?limit=1&prefix=r", "Accept: text/plain\r\n", NULL},
        {"GET", "/v1/deletes", NULL, NULL},
        {"GET", "/v1/deletes?limit=1", "Accept: text/csv\r\n", NULL},
        {"GET", MESSAGES ":export", NULL, NULL},
        {"GET", MESSAGES ":export?from_seq=3&to_seq=7", NULL, NULL},
        {"DELETE", MESSAGES "?start_seq=4&end_seq=5&dry_run=true", NULL, NULL},
        {"DELETE", MESSAGES "?start_seq=4&end_seq=99", NULL, NULL}, /* beyond the end */
        {"POST", CHANNEL "/deletes", JSON, "{\"keep\":2,\"dry_run\":true}"},
        {"POST", CHANNEL "/deletes", JSON, "{\"before\":1,\"dry_run\":true}"},
        {"DELETE", CHANNEL "?dry_run=true", NULL, NULL},
        {"DELETE", MESSAGES "?start_seq=4&end_seq=5", "If-Match: \"none\"\r\n", NULL},
        {"POST", MESSAGES, JSON "If-Match: \"none\"\r\n", "{\"payload\":\"\"}"},
        {"POST", "/channel/messagesync", JSON,
         "{\"channel_id\":\"room\",\"channel_type\":2,\"pull_mode\":1,\"limit\":3}"},
        {"POST", "/messages", JSON,
         "{\"channel_id\":\"room\",\"channel_type\":2,\"message_seqs\":[1,2,5],"
         "\"message_ids\":[77],\"client_msg_nos\":[\"n7\"]}"},
        {"DELETE", CHANNEL "/retention", NULL, NULL},
        {"GET", "/channel/last_message?channel_id=room&channel_type=2", NULL, NULL},
        {"GET", "/channel/max_message_seq?channel_id=room&channel_type=2", NULL, NULL},
    };
    start();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fake_node_read_elsewhere(node, 0);
        int status = ask(rows[i].method, rows[i].target, rows[i].headers, rows[i].body);
        char *here = reply_text();
        ck_assert_msg(status == 200 || (status >= 404 && status < 500), "%s: %s", rows[i].target,
                      client.reply);
        fake_node_read_elsewhere(node, 2);
        (void)ask(rows[i].method, rows[i].target, rows[i].headers, rows[i].body);
        ck_assert(!client_has(&client, "\"served_by\":1"));
        char *there = reply_text();
        ck_assert_msg(strcmp(here, there) == 0, "%s %s\n%s\n%s", rows[i].method, rows[i].target,
                      here, there);
        free(here);
        free(there);
    }
    stop();
}
END_TEST

/* What is written after a read goes its usual way. */
START_TEST(writes_after_a_read)
{
    start();
    fake_node_read_elsewhere(node, 2);
    ck_assert_int_eq(ask("POST", CHANNEL "/deletes", JSON, "{\"keep\":2}"), 200);
    ck_assert(client_has(&client, "\"deleted_count\":5"));
    ck_assert_int_eq(ask("GET", MESSAGES "/4", NULL, NULL), 410);
    ck_assert_int_eq(ask("GET", CHANNEL, NULL, NULL), 200);
    char headers[128];
    const char *tag = strstr(client.reply, "ETag: ");
    ck_assert_ptr_nonnull(tag);
    snprintf(headers, sizeof(headers), JSON "If-Match: %.*s\r\n", (int)strcspn(tag + 6, "\r"),
             tag + 6);
    ck_assert_int_eq(ask("POST", MESSAGES, headers, "{\"payload\":\"\"}"), 201);
    ck_assert_int_eq(ask("POST", MESSAGES, headers, "{\"payload\":\"\"}"), 412);
    stop();
}
END_TEST

START_TEST(says_who_served)
{
    start();
    fake_node_read_elsewhere(node, 2);
    ck_assert_int_eq(ask("GET", MESSAGES, NULL, NULL), 200);
    ck_assert(client_has(&client, "\"served_by\":2,"));
    ck_assert_int_eq(ask("GET", MESSAGES "?consistency=local", NULL, NULL), 503);
    ck_assert(client_has(&client, "\"code\":\"unready\""));
    ck_assert(client_has(&client, "being brought up to date"));
    ck_assert_int_eq(ask("GET", "/v1/channels?consistency=local", NULL, NULL), 503);
    ck_assert_int_eq(ask("GET", MESSAGES ":tail?consistency=local", NULL, NULL), 503);
    fake_node_read_elsewhere(node, 0);
    ck_assert_int_eq(ask("GET", MESSAGES, NULL, NULL), 200);
    ck_assert(client_has(&client, "\"served_by\":1,"));
    stop();
}
END_TEST

/* Somebody waits here for what is stored elsewhere. */
START_TEST(waits_elsewhere)
{
    struct client other;
    start();
    fake_node_read_elsewhere(node, 2);
    client_open(&other, http_address(http));
    const char get[] = "GET " MESSAGES "?after_seq=9&wait=20s HTTP/1.1\r\nHost: a\r\n\r\n";
    client_send(&other, get, strlen(get));
    ck_assert(!client_read(&other, 700));
    ck_assert_int_eq(ask("POST", MESSAGES, JSON, "{\"payload\":\"\"}"), 201);
    ck_assert(client_read(&other, 3000));
    ck_assert_int_eq(other.status, 200);
    ck_assert(client_has(&other, "\"message_seq\":10,"));
    ck_assert(client_has(&other, "\"served_by\":2,"));
    client_close(&other);
    stop();
}
END_TEST

Suite *suite_forwarded(void)
{
    return UNIT_SUITE("forwarded", 60, all_routes, writes_after_a_read, says_who_served,
                      waits_elsewhere);
}
