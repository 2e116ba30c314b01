/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20, CONNECTIONS_MAX = 64 };

struct unit_server {
    unit_server_answer *answer;
    void *arg;
    int listener;
    char url[64];
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_uint requests;
    struct pollfd fds[CONNECTIONS_MAX];
    char *texts[CONNECTIONS_MAX];
    size_t lens[CONNECTIONS_MAX], count;
};

static void drop(struct unit_server *server, size_t i)
{
    close(server->fds[i].fd);
    free(server->texts[i]);
    server->count--;
    server->fds[i] = server->fds[server->count];
    server->texts[i] = server->texts[server->count];
    server->lens[i] = server->lens[server->count];
}

/* Length of the first whole request in the text, 0 when there is none yet. */
static size_t request_len(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 0;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    size_t len = (size_t)(end - text) + 4 + body;
    return strlen(text) >= len ? len : 0;
}

/* False when the connection is to be dropped. */
static bool serve(struct unit_server *server, size_t i)
{
    char *text = server->texts[i];
    ssize_t got = read(server->fds[i].fd, text + server->lens[i], REQUEST_MAX - server->lens[i]);
    if (got <= 0)
        return false;
    server->lens[i] += (size_t)got;
    text[server->lens[i]] = '\0';
    for (size_t len; (len = request_len(text)) > 0;) {
        char kept = text[len];
        text[len] = '\0';
        atomic_fetch_add(&server->requests, 1);
        const char *reply = server->answer(text, server->arg);
        text[len] = kept;
        if (reply == NULL || write(server->fds[i].fd, reply, strlen(reply)) < 0)
            return false;
        memmove(text, text + len, server->lens[i] - len + 1);
        server->lens[i] -= len;
    }
    return true;
}

static void *run(void *arg)
{
    struct unit_server *server = arg;
    while (!atomic_load(&server->is_stopping)) {
        if (poll(server->fds, server->count, 20) <= 0)
            continue;
        for (size_t i = server->count; i-- > 1;) {
            if (server->fds[i].revents != 0 && !serve(server, i))
                drop(server, i);
        }
        if (server->fds[0].revents != 0 && server->count < CONNECTIONS_MAX) {
            server->fds[server->count] =
                (struct pollfd){.fd = accept(server->listener, NULL, NULL), .events = POLLIN};
            server->texts[server->count] = calloc(1, REQUEST_MAX + 1);
            server->lens[server->count++] = 0;
        }
    }
    while (server->count > 1)
        drop(server, server->count - 1);
    return NULL;
}

struct unit_server *unit_server_start(unit_server_answer *answer, void *arg)
{
    struct unit_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server->answer = answer;
    server->arg = arg;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listener, 64) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &len) != 0) {
        perror("unit_server");
        abort();
    }
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    server->fds[0] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    server->count = 1;
    if (pthread_create(&server->thread, NULL, run, server) != 0)
        abort();
    return server;
}

const char *unit_server_url(const struct unit_server *server)
{
    return server->url;
}

unsigned unit_server_requests(struct unit_server *server)
{
    return atomic_load(&server->requests);
}

void unit_server_stop(struct unit_server *server)
{
    atomic_store(&server->is_stopping, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
    free(server);
}
