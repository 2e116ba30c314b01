/* SPDX-License-Identifier: Apache-2.0 */
/* The doors: the first loop accepts for all of them. A new connection goes to the loop that has the
 * fewest. When there are max_connections, or the system is short of something, the listening sockets
 * are not watched for a while, and who comes waits in its queue. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/server.h"
#include "sys/log.h"

enum { ACCEPT_PAUSE_MS = 100 };

void door_uncount(struct loop *loop, struct crowd_key key)
{
    struct http *http = loop->http;
    crowd_leave(&http->crowd, key);
    atomic_fetch_sub(&loop->connections_count, 1);
    atomic_fetch_sub(&http->connections_count, 1);
    if (atomic_load(&http->is_full))
        mailbox_wake(&http->loops[0].mailbox);
}

static void watch_door(struct loop *loop, int index, bool watch)
{
    struct door *door = &loop->http->doors[index];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = SOURCE_DOOR + (uint32_t)index};
    if (door->fd < 0 || door->is_watched == watch)
        return;
    if (epoll_ctl(loop->poll_fd, watch ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, door->fd, &event) != 0)
        log_every(1000, LOG_LEVEL_WARN, "http", "the listening socket cannot be watched",
                  "detail=%s", strerror(errno));
    else
        door->is_watched = watch;
}

static void watch_doors(struct loop *loop, bool watch)
{
    for (int i = 0; i < DOORS; i++)
        watch_door(loop, i, watch);
}

static bool is_watched(const struct http *http)
{
    for (int i = 0; i < DOORS; i++) {
        if (http->doors[i].fd >= 0 && !http->doors[i].is_watched)
            return false;
    }
    return true;
}

/* Says first that it is full, then looks again: who makes room does it the other way round. */
static bool has_room(struct http *http)
{
    if (atomic_load(&http->connections_count) < HTTP_TUNED(http, max_connections))
        return true;
    atomic_store(&http->is_full, true);
    if (atomic_load(&http->connections_count) >= HTTP_TUNED(http, max_connections))
        return false;
    atomic_store(&http->is_full, false);
    return true;
}

static struct loop *emptiest_loop(struct http *http)
{
    struct loop *ret = &http->loops[0];
    for (uint32_t i = 1; i < http->loops_count; i++) {
        if (atomic_load_explicit(&http->loops[i].connections_count, memory_order_relaxed) <
            atomic_load_explicit(&ret->connections_count, memory_order_relaxed))
            ret = &http->loops[i];
    }
    return ret;
}

/* False: not another one now. */
static bool accept_failed(struct loop *door, int fault)
{
    struct http *http = door->http;
    if (fault == EMFILE || fault == ENFILE || fault == ENOBUFS || fault == ENOMEM) {
        log_every(1000, LOG_LEVEL_WARN, "http", "no new connections for a moment",
                  "detail=%s connections=%u", strerror(fault), http_connections(http));
        http->door_again_ms = door->now_ms + ACCEPT_PAUSE_MS;
        watch_doors(door, false);
    }
    /* A client that left before it was let in is no reason to stop. */
    return fault == ECONNABORTED || fault == EINTR || fault == EPROTO;
}

/* An address that has as many as it may have: closed without a word, which is all that it costs. */
static void turn_away(struct http *http, struct accepted *accepted)
{
    char remote[LISTEN_REMOTE_SIZE];
    listen_print_remote((struct sockaddr *)&accepted->address, remote);
    log_every(1000, LOG_LEVEL_WARN, "http",
              "too many connections of one address, closing a new one", "client=%s max=%u", remote,
              HTTP_TUNED(http, max_connections_per_address));
    atomic_fetch_add(&http->refused_connections, 1);
    close(accepted->fd);
    free(accepted);
}

static bool accept_one(struct loop *door, int index)
{
    struct http *http = door->http;
    struct accepted *accepted = alloc(sizeof(*accepted));
    *accepted = (struct accepted){.item = {.kind = MAIL_ACCEPTED},
                                  .address_len = sizeof(accepted->address),
                                  .is_admin = index == DOOR_ADMIN};
    accepted->fd = accept4(http->doors[index].fd, (struct sockaddr *)&accepted->address,
                           &accepted->address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted->fd < 0) {
        int fault = errno;
        free(accepted);
        return accept_failed(door, fault);
    }
    accepted->key = crowd_key_of((struct sockaddr *)&accepted->address);
    if (!crowd_enter(&http->crowd, accepted->key, HTTP_TUNED(http, max_connections_per_address))) {
        turn_away(http, accepted);
        return true;
    }
    struct loop *loop = emptiest_loop(http);
    atomic_fetch_add(&http->connections_count, 1);
    atomic_fetch_add(&loop->connections_count, 1);
    if (loop == door)
        loop_add_connection(door, accepted);
    else
        mailbox_push(&loop->mailbox, &accepted->item);
    return true;
}

void door_accept(struct loop *door, enum source source)
{
    int index = (int)source - SOURCE_DOOR;
    for (int i = 0; i < HTTP_ACCEPTS_PER_TURN; i++) {
        if (!has_room(door->http)) {
            watch_doors(door, false);
            return;
        }
        if (!accept_one(door, index))
            return;
    }
}

/* Closes the door when the server stops, opens it again when what it
 * was shut for is over. */
void door_mind(struct loop *door)
{
    struct http *http = door->http;
    if (http_is_stopping(http)) {
        watch_doors(door, false);
        for (int i = 0; i < DOORS; i++) {
            if (http->doors[i].fd >= 0)
                close(http->doors[i].fd);
            http->doors[i].fd = -1;
        }
        return;
    }
    if (!is_watched(http) && door->now_ms >= http->door_again_ms && has_room(http)) {
        atomic_store(&http->is_full, false);
        watch_doors(door, true);
    }
}

uint64_t door_next_ms(const struct loop *door, uint64_t next_ms)
{
    uint64_t again_ms = door->http->door_again_ms;
    if (is_watched(door->http) || again_ms <= door->now_ms)
        return next_ms;
    return next_ms == 0 || next_ms > again_ms ? again_ms : next_ms;
}
