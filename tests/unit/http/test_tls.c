/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate: what is refused, how it is replaced, who does not get in. (suite server_tls asks
 * everything else over TLS.) */
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "fake_node.h"
#include "http/http.h"
#include "suites.h"
#include "sys/clock.h"
#include "sys/file.h"

static struct node *node;
static struct http *http;
static struct http_options options;

static enum err start(struct why *why)
{
    node = fake_node_new();
    http_options_init(&options);
    options.listen = "127.0.0.1:0";
    options.header_timeout_ms = 700;
    client_set_options(&options);
    return http_start(&options, node, &http, why);
}

static void stop(void)
{
    http_stop(http, 1000);
    fake_node_free(node);
}

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    ck_assert_int_eq(system(command), 0);
}

/* The serial number that a new connection is shown. */
static void serial_of(char ret_text[64])
{
    struct client client;
    unsigned count = 0;
    client_open(&client, http_address(http));
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(client.tls, &count);
    ck_assert_uint_ge(count, 1);
    for (unsigned i = 0; i < 31; i++) /* its last bytes are the signature's */
        snprintf(ret_text + 2 * i, 3, "%02x", shown->data[shown->size - 31 + i]);
    ck_assert_int_eq(client_ask(&client, "GET", "/livez", NULL, NULL), 200);
    client_close(&client);
}

START_TEST(certificate_is_replaced)
{
    char before[64], after[64], file[512];
    struct client old;
    struct why why = {0};
    ck_assert_msg(start(&why) == OK, "%s", why.text);
    client_open(&old, http_address(http));
    ck_assert_int_eq(client_ask(&old, "GET", "/livez", NULL, NULL), 200);
    serial_of(before);
    ck_assert_int_eq(http_reload(http, &why), OK);
    serial_of(after);
    ck_assert_str_eq(before, after);
    run("scripts/make-certs --days 1 %s test 1 >/dev/null", client_certificates());
    serial_of(after);
    ck_assert_str_eq(before, after); /* not before it is told to */
    ck_assert_int_eq(http_reload(http, &why), OK);
    serial_of(after);
    ck_assert_str_ne(before, after);
    ck_assert_int_eq(client_ask(&old, "GET", "/livez", NULL, NULL), 200);
    client_close(&old);
    /* What is wrong changes nothing. */
    snprintf(file, sizeof(file), "%s/node-1.key", client_certificates());
    ck_assert_int_eq(file_write_atomic(file, bytes_of_string("nonsense"), 0600, NULL), OK);
    ck_assert_int_eq(http_reload(http, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "node-1.key: no key in PEM") != NULL, "%s", why.text);
    serial_of(before);
    ck_assert_str_eq(before, after);
    stop();
}
END_TEST

START_TEST(expiry_is_a_metric)
{
    struct client client;
    struct why why = {0};
    run("scripts/make-certs --days 2 %s test 1 >/dev/null", client_certificates());
    ck_assert_int_eq(start(&why), OK);
    client_open(&client, http_address(http));
    ck_assert_int_eq(client_ask(&client, "GET", "/metrics", NULL, NULL), 200);
    const char *line =
        strstr(client.reply, "\nlethe_certificate_expiry_timestamp_seconds{use=\"http\"} ");
    ck_assert_ptr_nonnull(line);
    uint64_t expiry_s = strtoull(strchr(line, ' ') + 1, NULL, 10), now_s = clock_wall_ms() / 1000;
    ck_assert_uint_gt(expiry_s, now_s + 86400);
    ck_assert_uint_le(expiry_s, now_s + 2 * 86400);
    client_close(&client);
    stop();
}
END_TEST

START_TEST(wrong_files_do_not_start)
{
    static const struct {
        const char *certificate, *key, *words;
    } rows[] = {
        {"node-1.key", "node-1.key", "node-1.key: no certificate in PEM"},
        {"node-1.crt", "node-1.crt", "node-1.crt: no key in PEM"},
        {"node-1.crt", "node-2.key", "node-2.key is not the key of the certificate in"},
        {"none", "node-1.key", "none"},
        {"node-1.crt", "", "go together"},
        {"", "node-1.key", "go together"},
    };
    run("scripts/make-certs %s test 2 >/dev/null", client_certificates());
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char certificate[512] = "", key[512] = "";
        struct why why = {0};
        if (rows[i].certificate[0] != '\0')
            snprintf(certificate, sizeof(certificate), "%s/%s", client_certificates(),
                     rows[i].certificate);
        if (rows[i].key[0] != '\0')
            snprintf(key, sizeof(key), "%s/%s", client_certificates(), rows[i].key);
        node = fake_node_new();
        http_options_init(&options);
        options.listen = "127.0.0.1:0";
        options.tls_certificate = certificate;
        options.tls_key = key;
        ck_assert_int_ne(http_start(&options, node, &http, &why), OK);
        ck_assert_msg(strstr(why.text, rows[i].words) != NULL, "%s", why.text);
        fake_node_free(node);
    }
}
END_TEST

/* 0: a client that offers only this gets in. */
static int handshake_with(const char *flags)
{
    char command[256];
    snprintf(command, sizeof(command),
             "echo | openssl s_client -connect 127.0.0.1%s %s >/dev/null 2>&1",
             strrchr(http_address(http), ':'), flags);
    return system(command);
}

START_TEST(old_versions_are_refused)
{
    struct why why = {0};
    ck_assert_int_eq(start(&why), OK);
    ck_assert_int_eq(handshake_with("-tls1_3"), 0);
    ck_assert_int_eq(handshake_with("-tls1_2"), 0);
    ck_assert_int_ne(handshake_with("-tls1_1 -cipher ALL:@SECLEVEL=0"), 0);
    ck_assert_int_ne(handshake_with("-tls1 -cipher ALL:@SECLEVEL=0"), 0);
    stop();
}
END_TEST

/* Sends bytes of a handshake that never ends, and what is no TLS at all: both are cut off. */
START_TEST(strangers_are_cut_off)
{
    static const uint8_t hello[] = {22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3, 7, 7, 7, 7, 7, 7, 7};
    struct why why = {0};
    ck_assert_int_eq(start(&why), OK);
    for (int plain = 0; plain < 2; plain++) {
        struct client client = {0};
        uint64_t started_ms = clock_mono_ms();
        bool is_closed = false;
        client_connect(&client, http_address(http));
        for (int i = 0; i < 200 && !is_closed; i++) {
            char byte;
            struct pollfd poller = {.fd = client.fd, .events = POLLIN};
            const void *at = plain ? (const void *)"GET /livez HTTP/1.1\r\n" : hello;
            (void)!send(client.fd, (const uint8_t *)at + i % 18, 1, MSG_NOSIGNAL);
            if (poll(&poller, 1, 50) == 1)
                is_closed = recv(client.fd, &byte, 1, 0) <= 0;
        }
        ck_assert(is_closed);
        ck_assert_uint_le(clock_mono_ms() - started_ms, 3000);
        close(client.fd);
    }
    stop();
}
END_TEST

Suite *suite_tls(void)
{
    static const TTest *tests[8];
    const TTest *const rows[] = {certificate_is_replaced, expiry_is_a_metric,
                                 wrong_files_do_not_start, old_versions_are_refused,
                                 strangers_are_cut_off};
    memcpy(tests, rows, sizeof(rows));
    return unit_suite_with("tls", 30, client_use_tls, tests, ARRAY_LEN(rows));
}
