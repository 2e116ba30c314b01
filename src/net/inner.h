/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the room share. Private to it. Thread: loop, but what is atomic or under a
 * lock. */
#ifndef NET_INNER_H
#define NET_INNER_H

#include <stdatomic.h>

#include "net/link.h"
#include "net/loop.h"
#include "net/net.h"
#include "net/tls.h"
#include "sys/log.h"
#include "sys/thread.h"
#include "wire/hello.h"

struct event_base;
struct evconnlistener;

struct event_base *net_loop_base(struct net_loop *loop); /* borrowed */

typedef atomic_uint_fast64_t net_count;
#define COUNT(counter, more) atomic_fetch_add_explicit(&(counter), (more), memory_order_relaxed)
#define COUNT_SET(counter, value) atomic_store_explicit(&(counter), (value), memory_order_relaxed)
#define COUNT_OF(counter) atomic_load_explicit(&(counter), memory_order_relaxed)

/* ---- peer.c: a connection that is made again and again, with what waits for it ---------------- */

enum net_outlet_state {
    NET_OUTLET_OFF,     /* catch-up: nothing to send */
    NET_OUTLET_RESTING, /* until the timer */
    NET_OUTLET_ASKING,  /* for the name's addresses */
    NET_OUTLET_LINKING, /* connecting, greeting */
    NET_OUTLET_OPEN
};

struct net_outlet {
    struct net_peer *peer;
    uint8_t lane; /* enum hello_lane */
    enum net_outlet_state state;
    struct net_link *link;         /* owned; NULL but when LINKING or OPEN */
    struct net_question *question; /* ASKING */
    struct net_addresses addresses;
    unsigned address_at; /* the one being tried */
    struct net_timer timer;
    uint64_t backoff_ms, opened_ms, used_ms, complain_ms;
    bool is_refused; /* by either side: a HELLO from the peer does not end the rest */
    uint64_t boot;   /* of the process at the other end */
    struct net_sendq sendq;
};

enum { NET_OUTLETS = HELLO_LANES - 1 };

struct net_peer {
    struct net *net;
    node_id id;
    char address[NET_ADDRESS_MAX_BYTES]; /* changes under net->lock */
    struct net_outlet outlets[NET_OUTLETS];
    struct net_link *in[NET_OUTLETS]; /* owned: accepted, greeted */
    struct net_peer_info info;        /* as it said last; its texts under net->lock */
    bool has_nonce;
    uint8_t nonce[HELLO_NONCE_BYTES];
    bool is_up;
    struct log_gate lost_gate;
    atomic_bool status_up, status_can_send, status_can_receive;
    net_count heard_ms, round_trip_us, incarnation, boot, sent_bytes, received_bytes, sent_packets,
        received_packets, dropped, waiting_bytes, connects, garbage;
};

struct net_peer *net_peer_new(struct net *net, const struct net_member *member);
/* Closes its links, without callbacks. */
void net_peer_free(struct net_peer *peer);
/* Takes over what the cluster knows of it; another address is connected to at once. */
void net_peer_update(struct net_peer *peer, const struct net_member *member);
/* Begins to connect. */
void net_peer_start(struct net_peer *peer);
/* Takes an accepted link whose HELLO was found good, in place of the one before. */
void net_peer_take_in(struct net_peer *peer, struct net_link *link, const struct hello *hello,
                      uint16_t version);
void net_peer_lose_in(struct net_peer *peer, struct net_link *link, enum net_close cause,
                      const struct why *why);
/* Remembers what the peer said of itself. */
void net_peer_learn(struct net_peer *peer, const struct hello *hello, uint16_t version);
/* What came on an accepted link that is open. */
enum err net_peer_receive(struct net_peer *peer, struct net_link *link, const struct frame *frame,
                          struct why *why);
/* Calls on_peer_up or on_peer_down when that changed. */
void net_peer_refresh(struct net_peer *peer, bool is_gone);
struct net_outlet *net_peer_outlet(struct net_peer *peer, uint8_t lane);
/* Makes the connection now, if it is neither there nor being made. */
void net_outlet_hurry(struct net_outlet *outlet);

/* ---- greet.c: who is acceptable ------------------------------------------------------------------ */

/* What this node says of itself; slices borrow from net. */
void net_greet_fill(const struct net *net, node_id to, uint8_t lane, struct hello *ret);
/* Finds the peer that says hello on link and has it remembered, or refuses it (and counts).
 * expected: whom we connected to; 0: whoever connected to us. */
MUST_USE enum err net_greet_check(struct net_link *link, const struct hello *hello,
                                  node_id expected, struct net_peer **ret_peer, struct why *why);
/* Counts a refusal. */
enum err net_greet_refuse(struct net *net, enum net_refusal refusal, enum err err);

/* ---- probe.c --------------------------------------------------------------------------------------- */

void net_probes_end(struct net *net); /* those that are open, without a word */

/* ---- listen.c -------------------------------------------------------------------------------------- */

MUST_USE enum err net_listen_start(struct net *net, const char *listen, struct why *why);
void net_listen_stop(struct net *net);

/* ---- net.c ------------------------------------------------------------------------------------------- */

struct net {
    struct net_loop *loop;
    node_id self;
    uint64_t incarnation, boot;
    uint8_t nonce[HELLO_NONCE_BYTES];
    uint32_t feature_level, slot_count;
    char *cluster_id, *peer_address, *http_address, *software, *zone; /* owned */
    struct net_tls *tls;      /* owned; NULL: links are plain */
    atomic_bool has_reloaded; /* its files were read again. Thread: any */
    struct net_events events;
    size_t bulk_max_bytes;
    uint64_t handshake_ms, ping_ms, silent_ms;
    struct evconnlistener *listener; /* owned */
    struct net_timer accept_timer, check_timer;
    uint16_t port;
    struct list probes; /* probe.c */
    struct list links;  /* all; those of strangers are owned here */
    uint32_t inbound_count, strangers_count;
    uint64_t checked_ms;
    uint64_t random; /* state of the jitter */
    struct mutex lock;
    /* Written by the loop under lock, read by it without. */
    struct net_peer *peers[NET_MEMBERS_MAX]; /* owned, ascending by id */
    uint32_t peers_count;
    node_id *removed; /* owned: ids that were members once */
    uint32_t removed_count;
    net_count accepted, accept_refused, garbage, timeouts, refused_there;
    net_count refused_here[NET_REFUSALS];
};

struct net_peer *net_find_peer(const struct net *net, node_id id);
/* Was it a member once? */
bool net_is_removed(const struct net *net, node_id id);
/* Tells who wants to know that the handshake with a member failed. */
void net_tell_refused(struct net *net, node_id peer, bool is_its_word, enum err err,
                      const char *text);

#endif
