/* SPDX-License-Identifier: Apache-2.0 */
/* A load generator for the systems that Lethe is compared with: connections in a closed loop, each
 * with `window` operations under way, over each system's own protocol. One thread, libevent.
 *
 * A system gives three functions. Operations of one connection end in the order in which they were
 * begun. Sizes come from the command line and from servers that the operator started; nothing here
 * is meant for servers that lie. */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op { OP_PUT, OP_POINT, OP_PAGE, OP_DELETE };

struct bench {
    const struct system *system;
    enum op op;
    bool serializable; /* etcd: reads without a quorum */
    bool wait;         /* Redis: WAIT for two replicas after each write */
    unsigned clients, window, keys, first_key, page;
    size_t size;
    uint64_t start_us, measure_us, end_us, random;
    uint64_t limit, begun; /* limit 0: by time */
    uint64_t refused;      /* answered, but not done; they are in the figures all the same */
    char *payload, *payload_base64;
    struct event_base *base;
};

struct peer {
    struct bench *bench;
    struct bufferevent *link;
    int stage; /* the system's own: how far its greeting is */
    unsigned index, under_way;
    uint64_t *begun_us; /* a ring of window */
    unsigned oldest;
    uint64_t sequence;
};

struct system {
    const char *name;
    /* Called when the connection is open, and then for each piece of input until it returns true:
     * the greeting is done. */
    bool (*greet)(struct peer *peer, struct evbuffer *in);
    void (*begin)(struct peer *peer, struct evbuffer *out);
    /* Takes whole replies from in; returns how many operations ended. */
    unsigned (*take)(struct peer *peer, struct evbuffer *in);
};

extern const struct system etcd_system, redis_system, nats_system, amqp_system;

/* Ends the program: a server answered what makes figures worthless. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t next_random(struct bench *bench);
/* In order for writes, drawn for reads. */
uint64_t next_key(struct peer *peer);

#endif
