/* SPDX-License-Identifier: Apache-2.0 */
/* Links to the other members of the cluster: each node connects to each other one and sends on its
 * own connection; what the other says comes on the reverse one.
 *
 * Knows sockets, the handshake, who is who, lanes and bounds. Refuses to know what packets and
 * calls mean, and what is to be done when a peer is gone: that is the node's. Nothing here is
 * reliable: what was given to a link that breaks may be lost, and the giver is not told which.
 *
 * Thread: the loop's for everything (before the loop runs and after it ended: the one that sets up
 * and takes down), but for what says any. Callbacks come on the loop's thread, never from inside a
 * call, but for net_set_members (on_peer_down of those removed). */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/bytes.h"
#include "base/why.h"
#include "net/limits.h"
#include "raft/types.h"

struct net;
struct net_loop;

/* URGENT: heartbeats, votes and their replies: written before everything that waits.
 * BULK: appends, calls, digests. */
enum net_lane { NET_URGENT, NET_BULK, NET_LANES };

struct net_member {
    node_id id;
    char address[NET_ADDRESS_MAX_BYTES]; /* host:port of its peer listener */
    /* What is known of it, 0: not yet. Whoever comes with this id must have this incarnation and no
     * lower start counter. What links see themselves is remembered too, as long as the process
     * lives; for longer, see on_peer_learn. */
    uint64_t incarnation, boot;
    bool is_removed; /* it was a member: no links, and whoever comes with this id is told so */
    bool has_nonce;  /* the one of start `boot` is known: another one is refused */
    uint8_t nonce[NET_NONCE_BYTES];
};

/* Who a peer proved to be. */
struct net_identity {
    node_id id;
    uint64_t incarnation, boot;
    uint32_t feature_level; /* the highest its build can apply */
    uint8_t nonce[NET_NONCE_BYTES];
};

/* Who answered on the other side. */
struct net_peer_info {
    node_id id;
    uint64_t incarnation, boot;
    uint32_t feature_level; /* the highest its build can apply */
    uint16_t version;       /* of the protocol, common to both */
    char peer_address[NET_ADDRESS_MAX_BYTES], http_address[NET_ADDRESS_MAX_BYTES];
    char software[NET_SOFTWARE_MAX_BYTES + 1], zone[NET_ZONE_MAX_BYTES + 1]; /* "": not said */
};

struct net_events {
    /* Packets of one frame, in order; from is the proven peer and to is this node. Borrowed for the
     * call; who keeps a payload takes a reference of its own. */
    void (*on_packet)(const struct raft_packet *packet, void *arg);
    /* REQUEST, RESPONSE, DIGESTS, INSTALL: the body as it came, borrowed for the call. */
    void (*on_frame)(node_id from, uint8_t kind, struct bytes body, void *arg);
    /* In a handshake that is found good, of a peer that is new or was started again since it was
     * seen last: remembers it, so that it comes back with net_member after this process has ended.
     * Until it returns OK nothing that this start of the peer says is taken, and nothing is sent to
     * it; anything else refuses the handshake. It must not call into net. NULL: nothing outlives
     * the process. peer is borrowed for the call. */
    enum err (*on_peer_learn)(const struct net_identity *peer, struct why *why, void *arg);
    /* Both directions are open: called once, then on_peer_down once, and so on. Packets may come
     * before it. info is borrowed for the call. */
    void (*on_peer_up)(const struct net_peer_info *info, void *arg);
    /* One direction broke. is_gone: the other side closed it, so its process has most likely ended;
     * else it fell silent, sent garbage, or was removed here. What was not sent yet is lost. */
    void (*on_peer_down)(node_id peer, bool is_gone, void *arg);
    /* A handshake with a member was refused: by its word, or by this node's. text is borrowed for the
     * call. It must not call into net. NULL: nobody wants to know. */
    void (*on_peer_refused)(node_id peer, bool is_its_word, enum err err, const char *text,
                            void *arg);
    /* Whether this node's data folder holds nothing of a cluster yet: for each HELLO. It must not call
     * into net. NULL: it does. */
    bool (*is_blank)(void *arg);
    void *arg; /* borrowed */
};

/* PEM files for TLS between members; see tls.h for what a certificate must say. */
struct net_tls_files {
    const char *authority, *certificate, *key;
    const char *revoked; /* lists of what the authorities took back; NULL, "": none */
};

struct net_options {
    struct net_loop *loop; /* borrowed: must live longer */
    node_id self;
    const char *cluster_id; /* 1-128 bytes; this and the texts below are copied */
    uint64_t incarnation;   /* of this data folder */
    uint64_t boot;          /* start counter: durable before net_start */
    uint32_t feature_level;
    uint32_t slot_count;
    const char *listen;               /* host:port; port 0: any free one */
    const char *peer_address;         /* told to peers: where this node listens; "": not known */
    const char *http_address;         /* told to peers; "": not known */
    const char *software, *zone;      /* likewise */
    const struct net_member *members; /* borrowed for the call; self in it is skipped */
    uint32_t members_count;
    const struct net_tls_files *tls; /* borrowed for the call; NULL: peers are believed */
    struct net_events events;
    /* 0: the default of limits.h. Tests shorten them. */
    size_t bulk_max_bytes;
    uint64_t handshake_ms, ping_ms, silent_ms;
};

/* Zeroed, with what is the same for all. */
void net_options_init(struct net_options *options);

/* Listens, and connects to the members as soon as the loop runs.
 * Errors: ERR_BAD_PARAMETER  an address or the cluster id is not valid
 *         ERR_BAD_CONFIG, ERR_NOT_FOUND  a file of tls cannot be used: why has it
 *         ERR_IO             the address cannot be listened on; nothing is left behind. */
MUST_USE enum err net_start(const struct net_options *options, struct net **ret_net,
                            struct why *why);
/* Closes everything, without callbacks: what was not written is lost. NULL is fine.
 * Not from inside a callback. */
void net_stop(struct net *net);
/* Reads the files of TLS again, for links that are made from now on; on a fault (as net_start) all
 * stays as it is. Fine without TLS. Thread: any */
MUST_USE enum err net_reload(struct net *net, struct why *why);
uint16_t net_port(const struct net *net); /* that it listens on. Thread: any */

/* Connects to who is new, drops who is not in it any more, reconnects to who has another address.
 * An incarnation or boot of 0 leaves what is known already. Not from on_peer_up or on_peer_down:
 * post it. */
void net_set_members(struct net *net, const struct net_member *members, uint32_t count);

/* Encodes at once into the peer's buffer; it leaves at the next net_flush. packet is borrowed for
 * the call; see wire/packet.h for what is valid. False: no link, or its lane is full: it is gone
 * (and counted). */
MUST_USE bool net_send_packet(struct net *net, node_id to, enum net_lane lane,
                              const struct raft_packet *packet);
/* The same for the body of a REQUEST, RESPONSE or DIGESTS frame (BULK, after what was added before),
 * or of an INSTALL frame, which has a connection of its own that is made when it is needed. */
MUST_USE bool net_send_frame(struct net *net, node_id to, uint8_t kind, struct bytes body);
/* Writes what was added since the last one: as few frames and writes as possible. */
void net_flush(struct net *net);
/* Who answered at an address. */
struct net_answer {
    node_id node;
    uint64_t incarnation;
    uint32_t feature_level, slot_count;
    bool is_blank; /* its data folder holds nothing of a cluster yet */
    bool speaks;   /* a protocol that this build speaks too */
    char cluster_id[NET_CLUSTER_ID_MAX_BYTES + 1];
};
/* answer NULL: nobody did, why says more. Both are borrowed for the call. Thread: loop */
typedef void net_on_probed(uint64_t number, const struct net_answer *answer, const struct why *why,
                           void *arg);
/* Asks who listens for peers at host:port, where node `to` shall be; nothing is remembered of it. on_done
 * comes once, later, with number (the caller's), within about timeout_ms; not at all when the net is
 * stopped before. */
void net_probe(struct net *net, const char *address, node_id to, uint64_t number,
               uint64_t timeout_ms, net_on_probed *on_done, void *arg);
/* When something came from it last (clock_mono_ms), pings too; 0: it is not up. */
uint64_t net_heard_ms(const struct net *net, node_id id);
/* Whether packets to it would leave now. */
bool net_can_send(const struct net *net, node_id to);

/* ---- what links say of themselves: Thread: any ------------------------------------------------- */

/* Why a connection was refused at its handshake, by either side. */
#define NET_REFUSAL_TABLE(X) /* symbol, slug */                                                    \
    X(VERSION, "version")                                                                          \
    X(CLUSTER, "cluster")                                                                          \
    X(SELF, "self")                                                                                \
    X(WRONG_NODE, "wrong_node")                                                                    \
    X(SLOT_COUNT, "slot_count")                                                                    \
    X(NO_MEMBER, "no_member")                                                                      \
    X(REMOVED, "removed")                                                                          \
    X(INCARNATION, "incarnation")                                                                  \
    X(ROLLED_BACK, "rolled_back")                                                                  \
    X(COPIED, "copied")                                                                            \
    X(UNSAVED, "unsaved")                                                                          \
    X(CERTIFICATE, "certificate")

enum net_refusal {
#define X(symbol, slug) NET_REFUSAL_##symbol,
    NET_REFUSAL_TABLE(X)
#undef X
        NET_REFUSALS
};
const char *net_refusal_slug(enum net_refusal refusal); /* static text */

struct net_peer_status {
    node_id id;
    bool is_up, can_send, can_receive;
    uint64_t heard_ms;          /* clock_mono_ms when something came from it last; 0: never */
    uint64_t round_trip_us;     /* of the last ping; 0: none yet */
    uint64_t incarnation, boot; /* as it said last; 0: never */
    uint64_t sent_bytes, received_bytes, sent_packets, received_packets;
    uint64_t dropped;       /* packets and frames that found no link or no room */
    uint64_t waiting_bytes; /* for its socket */
    uint64_t connects;      /* connections made to it */
    uint64_t garbage;       /* links dropped for what came on them */
    char address[NET_ADDRESS_MAX_BYTES], http_address[NET_ADDRESS_MAX_BYTES];
};

struct net_status {
    struct net_peer_status peers[NET_MEMBERS_MAX]; /* ascending by id */
    uint32_t peers_count;
    uint64_t accepted, accept_refused;   /* connections from outside; beyond a maximum */
    uint64_t garbage;                    /* links dropped for it, those of strangers too */
    uint64_t timeouts;                   /* handshakes that took too long, silent links */
    uint64_t refused_here[NET_REFUSALS]; /* handshakes that this node refused */
    uint64_t refused_there;              /* that a peer refused */
    uint64_t certificate_expiry_s;       /* since 1970; 0: no TLS */
};
void net_get_status(struct net *net, struct net_status *ret);

#endif
