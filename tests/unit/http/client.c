/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"
#include "unit.h"

static char *certificates;
static gnutls_certificate_credentials_t authorities;

void client_use_tls(void)
{
    char command[512], path[512];
    certificates = unit_temp_dir();
    snprintf(command, sizeof(command), "scripts/make-certs %s test 1 >/dev/null", certificates);
    ck_assert_int_eq(system(command), 0);
    snprintf(path, sizeof(path), "%s/ca.crt", certificates);
    ck_assert_int_eq(gnutls_certificate_allocate_credentials(&authorities), 0);
    ck_assert_int_eq(gnutls_certificate_set_x509_trust_file(authorities, path, GNUTLS_X509_FMT_PEM),
                     1);
}

const char *client_certificates(void)
{
    return certificates;
}

void client_set_options(struct http_options *options)
{
    static char certificate[512], key[512];
    if (certificates == NULL)
        return;
    snprintf(certificate, sizeof(certificate), "%s/node-1.crt", certificates);
    snprintf(key, sizeof(key), "%s/node-1.key", certificates);
    options->tls_certificate = certificate;
    options->tls_key = key;
}

static void begin_tls(struct client *client)
{
    ck_assert_int_eq(gnutls_init(&client->tls, GNUTLS_CLIENT), 0);
    ck_assert_int_eq(gnutls_set_default_priority(client->tls), 0);
    ck_assert_int_eq(gnutls_credentials_set(client->tls, GNUTLS_CRD_CERTIFICATE, authorities), 0);
    gnutls_session_set_verify_cert(client->tls, "localhost", 0);
    gnutls_transport_set_int(client->tls, client->fd);
    gnutls_handshake_set_timeout(client->tls, 10000);
    int code = gnutls_handshake(client->tls);
    ck_assert_msg(code == 0, "%s", gnutls_strerror(code));
}

static ssize_t send_some(struct client *client, const void *data, size_t len)
{
    return client->tls == NULL ? send(client->fd, data, len, MSG_NOSIGNAL)
                               : gnutls_record_send(client->tls, data, len);
}

/* What comes within the time; 0 or less: nothing, or the end. */
static ssize_t receive_some(struct client *client, void *data, size_t size, int timeout_ms)
{
    struct pollfd poller = {.fd = client->fd, .events = POLLIN};
    if (client->tls == NULL)
        return poll(&poller, 1, timeout_ms) == 1 ? recv(client->fd, data, size, 0) : 0;
    gnutls_record_set_timeout(client->tls, (unsigned)timeout_ms);
    ssize_t got;
    do {
        got = gnutls_record_recv(client->tls, data, size);
    } while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
    return got;
}

void client_connect(struct client *client, const char *address)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(client, 0, sizeof(*client));
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(client->fd, 0);
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    int on = 1; /* else the second piece of what is sent waits for an acknowledgement, 40 ms */
    ck_assert_int_eq(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

void client_open(struct client *client, const char *address)
{
    client_connect(client, address);
    if (certificates != NULL)
        begin_tls(client);
}

void client_close(struct client *client)
{
    if (client->tls != NULL)
        gnutls_deinit(client->tls);
    close(client->fd);
}

void client_send(struct client *client, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send_some(client, at, len);
        if (sent <= 0)
            return; /* closed by the other side: the test sees it when it reads */
        at += sent;
        len -= (size_t)sent;
    }
}

/* How long the whole reply is; 0 while that is not known. */
static size_t reply_len(struct client *client, bool is_head)
{
    char *end = strstr(client->reply, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - client->reply) + 4, body = 0;
    char *length = strcasestr(client->reply, "\r\nContent-Length:");
    if (length != NULL && length < end && !is_head)
        body = strtoul(length + 17, NULL, 10);
    client->body = end + 4;
    char *chunked = strcasestr(client->reply, "\r\nTransfer-Encoding: chunked");
    if (chunked != NULL && chunked < end && !is_head) { /* texts alone: no such end is in them */
        char *last = strstr(end + 4, "\r\n0\r\n\r\n");
        return last == NULL ? 0 : (size_t)(last - client->reply) + 7;
    }
    return head + body;
}

static bool read_reply(struct client *client, int timeout_ms, bool is_head)
{
    size_t len = 0;
    client->status = 0;
    client->reply[0] = '\0';
    client->body = client->reply;
    for (;;) {
        ssize_t got =
            receive_some(client, client->reply + len, sizeof(client->reply) - 1 - len, timeout_ms);
        if (got <= 0)
            return false;
        len += (size_t)got;
        client->reply[len] = '\0';
        size_t wanted = reply_len(client, is_head);
        if (wanted != 0 && len >= wanted)
            break;
    }
    return sscanf(client->reply, "HTTP/1.%*d %d", &client->status) == 1;
}

bool client_read(struct client *client, int timeout_ms)
{
    return read_reply(client, timeout_ms, false);
}

int client_ask(struct client *client, const char *method, const char *target, const char *headers,
               const char *body)
{
    char head[8192];
    int len = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, target,
                       headers == NULL ? "" : headers);
    if (body != NULL)
        len += snprintf(head + len, sizeof(head) - (size_t)len, "Content-Length: %zu\r\n",
                        strlen(body));
    len += snprintf(head + len, sizeof(head) - (size_t)len, "\r\n");
    ck_assert_int_lt(len, (int)sizeof(head));
    client_send(client, head, (size_t)len);
    if (body != NULL)
        client_send(client, body, strlen(body));
    read_reply(client, 10000, strcmp(method, "HEAD") == 0);
    return client->status;
}

bool client_has(const struct client *client, const char *text)
{
    return strstr(client->reply, text) != NULL;
}
