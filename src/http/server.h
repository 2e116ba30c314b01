/* SPDX-License-Identifier: Apache-2.0 */
/* The server's inner parts, which http.c (start and stop), loop.c (connections and requests) and
 * door.c (new connections) share. Thread: a loop's own, for what nothing else is said about. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <sys/socket.h>

#include "http/access.h"
#include "http/cors.h"
#include "http/crowd.h"
#include "http/http.h"
#include "http/listen.h"
#include "http/mailbox.h"
#include "http/request.h"
#include "http/stats.h"
#include "http/tls.h"
#include "http/watch.h"
#include "sys/thread.h"

struct MHD_Daemon;

enum { HTTP_MAGIC = 0x48545450, CONNECTION_MAGIC = 0x434f4e4e };

/* What the loop's epoll watches. */
enum source { SOURCE_LIBRARY, SOURCE_MAILBOX, SOURCE_DOOR, SOURCE_ADMIN_DOOR, SOURCES };

enum { DOOR_MAIN, DOOR_ADMIN, DOORS };

/* Kinds of mail. */
enum { MAIL_ANSWERED, MAIL_ACCEPTED };

/* A new connection on its way from the loop that accepts to the one that serves it. */
struct accepted {
    struct mailbox_item item;
    int fd; /* owned */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct crowd_key key; /* of its address */
    bool is_admin;        /* it came by http.admin_listen */
};

/* A listening socket: the first loop's alone. */
struct door {
    int fd; /* owned; -1: closed */
    bool is_watched;
};

struct connection {
    unsigned magic;
    struct list link;     /* in loop->connections */
    struct loop *loop;    /* borrowed */
    int fd;               /* borrowed: the library's */
    uint64_t deadline_ms; /* 0: none now */
    char remote[LISTEN_REMOTE_SIZE];
    struct crowd_key key;
    bool is_admin;
    struct request request;
};

struct loop {
    struct http *http; /* borrowed */
    struct MHD_Daemon *daemon;
    struct thread thread;
    int poll_fd; /* owned; -1: none */
    struct mailbox mailbox;
    uint64_t now_ms; /* when this turn began or its wait ended */
    uint64_t next_sweep_ms, polled_ms;
    struct list connections, sleepers; /* sleepers: requests that wait for a time */
    struct watch watch;
    /* requests that wait for calls which are not started yet; through `done`, oldest first */
    struct mailbox_item *to_start, **to_start_end;
    uint32_t to_start_count;
    const struct accepted *opening; /* the connection that is being added; NULL once it is ours */
    atomic_uint connections_count;  /* given to it: for the loop that accepts */
    atomic_uint requests;           /* between their first line and their end */
    atomic_uint waiting; /* requests with open calls; the last thing that a call's end touches */
    struct http_stats stats;
};

struct http {
    unsigned magic;
    struct http_options options; /* texts are not kept, but for: */
    char prefix[HTTP_PREFIX_MAX_BYTES + 1];
    char address[LISTEN_ADDRESS_SIZE], admin_address[LISTEN_ADDRESS_SIZE];
    char node_text[16];
    struct node *node;        /* borrowed */
    struct mutex config_lock; /* over options.config and its texts */
    struct access access;
    struct cors cors;
    struct tls *tls; /* owned; NULL: plain HTTP */
    struct loop *loops;
    uint32_t loops_count;
    atomic_bool is_stopping, must_end;
    atomic_uint readers_count; /* long polls and streams */

    atomic_uint_fast64_t inflight_bytes, refused_connections;
    struct crowd crowd;

    /* the doors: loops[0] alone, but for the two counts */
    struct door doors[DOORS];
    uint64_t door_again_ms; /* not before, after the system ran short of something */
    atomic_uint connections_count;
    atomic_bool is_full;
};

/* ---- loop.c ---- */
/* Errors: ERR_IO  the system or the library has no more to give; loop_close all the same */
MUST_USE enum err loop_open(struct http *http, struct loop *loop, struct why *why);
void loop_run(void *loop); /* a thread's; returns when the server must end and nothing is open */
void loop_close(struct loop *loop); /* its thread has ended, or never ran */
/* Serves a new connection, which is counted already. Takes accepted over. */
void loop_add_connection(struct loop *loop, struct accepted *accepted);

/* ---- door.c: the first loop's ---- */
void door_mind(struct loop *door);                       /* every turn */
void door_accept(struct loop *door, enum source source); /* somebody is there */
/* The earlier of next_ms (0: never) and the time when the door may be opened again. */
uint64_t door_next_ms(const struct loop *door, uint64_t next_ms);
/* A connection ended, or did not come to be: there is room for another one. Thread: any loop. */
void door_uncount(struct loop *loop, struct crowd_key key);

#endif
