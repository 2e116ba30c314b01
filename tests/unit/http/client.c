/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

void client_open(struct client *client, const char *address)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(client, 0, sizeof(*client));
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(client->fd, 0);
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

void client_close(struct client *client)
{
    close(client->fd);
}

void client_send(struct client *client, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
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
    return head + body;
}

static bool read_reply(struct client *client, int timeout_ms, bool is_head)
{
    size_t len = 0;
    client->status = 0;
    client->reply[0] = '\0';
    client->body = client->reply;
    for (;;) {
        struct pollfd poller = {.fd = client->fd, .events = POLLIN};
        if (poll(&poller, 1, timeout_ms) != 1)
            return false;
        ssize_t got = recv(client->fd, client->reply + len, sizeof(client->reply) - 1 - len, 0);
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
