/* SPDX-License-Identifier: Apache-2.0 */
/* Nets in one process, each with its loop in a thread of its own, on loopback; and bare sockets
 * that play a peer by hand. Packets carry their own number, and their payloads follow from it, so
 * that the receiver can tell that each came whole and in order. */
#ifndef TESTS_UNIT_NET_RIG_H
#define TESTS_UNIT_NET_RIG_H

#include "net/loop.h"
#include "net/net.h"
#include "sys/thread.h"
#include "wire/frame.h"
#include "wire/hello.h"

enum { RIG_NODES_MAX = 4, RIG_SLOTS = 64 };

/* What a node heard of a peer. */
struct rig_seen {
    uint64_t next[NET_LANES]; /* packets so far, of each lane */
    uint64_t entries, bytes, frames, frame_bytes;
    unsigned ups, downs, gones;
    bool is_up;
    struct net_peer_info info;
};

struct raw;

struct rig {
    node_id id;
    struct net_options options;
    struct net_tls_files tls;
    char tls_texts[3][256];
    struct net_loop *loop;
    struct net *net;
    char address[64];
    struct mutex lock;
    struct cond changed;
    /* under lock */
    struct rig_seen from[RIG_NODES_MAX + 1];
    uint64_t faults; /* packets that were not what they should be */
    uint64_t turns;
};

/* Before a test: makes certificates of nodes 1 to 4; from now on rigs use them, and bare sockets
 * that of node 2, from the first byte that is sent or read. */
void rig_use_tls(void);
const char *rig_certificates(void); /* their folder; NULL: no TLS */
/* Files of node id, for options.tls. */
void rig_tls_files(struct net_tls_files *ret, char texts[3][256], const char *dir, node_id id);
/* The session that raw has had no byte for yet, with the certificate of this node; NULL dir: none.
 * False: the handshake fails. */
bool raw_begin_tls(struct raw *raw, const char *dir, node_id id);

/* Options to change before rig_start. */
void rig_init(struct rig *rig, node_id id);
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* Makes each know all others. */
void rig_join(struct rig *rigs, unsigned count);
void rig_member(struct rig *rig, node_id id, const char *address);
/* count of them, started and joined, all links up. */
void rig_cluster(struct rig *rigs, unsigned count);
void rig_stop_all(struct rig *rigs, unsigned count);

/* Executes fn(arg) on the loop and waits for it. */
void rig_do(struct rig *rig, void (*fn)(void *arg), void *arg);
/* Waits until check(rig, arg) holds (called under lock); fails the test after timeout_ms. */
void rig_wait(struct rig *rig, bool (*check)(struct rig *rig, uint64_t arg), uint64_t arg,
              uint64_t timeout_ms);
void rig_wait_up(struct rig *rig, node_id peer, bool is_up);
void rig_wait_packets(struct rig *rig, node_id from, enum net_lane lane, uint64_t count);

/* A packet with this number; BULK ones have entries of payload_len bytes. Free with rig_packet_done. */
void rig_packet(struct raft_packet *ret, node_id from, node_id to, enum net_lane lane,
                uint64_t number, uint32_t entries, uint32_t payload_len);
void rig_packet_done(struct raft_packet *packet);
/* Sends packets number to number + count - 1, flushing after each `flush_every`; returns how many
 * were taken. From the test's thread. */
uint64_t rig_send(struct rig *rig, node_id to, enum net_lane lane, uint64_t number, uint64_t count,
                  uint32_t entries, uint32_t payload_len, uint32_t flush_every);

/* ---- a peer by hand -------------------------------------------------------------------------- */
struct raw {
    int fd;
    struct ssl_st *session; /* NULL: plain, or nothing was said yet */
    bool is_ours;           /* connected, not accepted */
    struct frame_reader reader;
};

int raw_listen(char ret_address[64], int rcvbuf_bytes);
void raw_accept(int listen_fd, struct raw *raw);
void raw_connect(struct raw *raw, uint16_t port);
void raw_close(struct raw *raw);
void raw_send(struct raw *raw, struct bytes bytes);
/* False: closed. Waits at most 10 s for bytes (fails the test then). */
bool raw_frame(struct raw *raw, struct frame *ret);
bool raw_is_closed_within(struct raw *raw, uint64_t ms);
/* What node `id` of the rigs' cluster would say. */
void raw_hello_fill(struct hello *hello, node_id id, node_id to);
void raw_hello(struct raw *raw, const struct hello *hello);
/* Reads the answer; its texts live until the next frame. */
void raw_reply(struct raw *raw, struct hello_reply *ret);
/* The accepting side of a handshake, as node id. */
void raw_welcome(struct raw *raw, node_id id);

struct net_status rig_status(struct rig *rig);
struct rig_seen rig_seen(struct rig *rig, node_id peer);

#endif
