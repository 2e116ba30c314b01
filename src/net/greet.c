/* SPDX-License-Identifier: Apache-2.0 */
/* Who is acceptable (raft.md R20; reliability.md 4.2). Both sides check the other by the same
 * rules; the accepting side answers first. What is refused here is refused in words that say what
 * to do, in both logs: the texts travel in the HELLO_REPLY.
 *
 * A start counter that falls, or the same one with another nonce, is a data folder that was rolled
 * back or copied: what it promised in the meantime it does not know any more. Another incarnation
 * of a known id is a new folder under an old name. None of them may vote.
 *
 * So what is known must outlive this process too: else the old folder only has to wait until the
 * others were restarted. Therefore a start of a peer that is not known yet is remembered (durably:
 * on_peer_learn) as the last step of the check, before a link to it opens in either direction. */
#include <string.h>

#include "net/inner.h"
#include "wire/limits.h"

static const char *const refusal_slugs[NET_REFUSALS] = {
#define X(symbol, slug) [NET_REFUSAL_##symbol] = (slug),
    NET_REFUSAL_TABLE(X)
#undef X
};

const char *net_refusal_slug(enum net_refusal refusal)
{
    assert(refusal < NET_REFUSALS);
    return refusal_slugs[refusal];
}

void net_greet_fill(const struct net *net, node_id to, uint8_t lane, struct hello *ret)
{
    *ret = (struct hello){
        .version_min = WIRE_VERSION_MIN,
        .version_max = WIRE_VERSION_MAX,
        .lane = lane,
        .node = net->self,
        .to = to,
        .incarnation = net->incarnation,
        .boot = net->boot,
        .feature_level = net->feature_level,
        .slot_count = net->slot_count,
        .cluster_id = bytes_of_string(net->cluster_id),
        .peer_address = bytes_of_string(net->peer_address),
        .http_address = bytes_of_string(net->http_address),
        .software = bytes_of_string(net->software),
        .zone = bytes_of_string(net->zone),
    };
    if (net->events.is_blank != NULL && net->events.is_blank(net->events.arg)) {
        ret->flags |= HELLO_BLANK;
    }
    memcpy(ret->nonce, net->nonce, sizeof(ret->nonce));
}

enum err net_greet_refuse(struct net *net, enum net_refusal refusal, enum err err)
{
    COUNT(net->refused_here[refusal], 1);
    return err;
}

/* That it is the cluster, and in it the node, that was meant. */
static enum err check_place(struct net *net, const struct hello *hello, node_id expected,
                            struct why *why)
{
    unsigned long long node = hello->node, self = net->self, to = hello->to;
    if (hello_common_version(hello) == 0) {
        (void)why_set(why, ERR_WRONG_FORMAT,
                      "node %llu speaks protocol %u to %u, node %llu %d to %d: upgrade one version "
                      "at a time",
                      node, hello->version_min, hello->version_max, self, WIRE_VERSION_MIN,
                      WIRE_VERSION_MAX);
        return net_greet_refuse(net, NET_REFUSAL_VERSION, ERR_WRONG_FORMAT);
    }
    if (!bytes_is_equal(hello->cluster_id, bytes_of_string(net->cluster_id))) {
        (void)why_set(why, ERR_WRONG_IDENTITY,
                      "node %llu belongs to cluster '%.*s', node %llu to '%s': check 'cluster.id' "
                      "and the addresses of the members",
                      node, (int)(hello->cluster_id.len < 64 ? hello->cluster_id.len : 64),
                      (const char *)hello->cluster_id.data, self, net->cluster_id);
        return net_greet_refuse(net, NET_REFUSAL_CLUSTER, ERR_WRONG_IDENTITY);
    }
    if (hello->node == net->self) {
        bool is_own_process = memcmp(hello->nonce, net->nonce, sizeof(net->nonce)) == 0;
        (void)why_set(why, ERR_WRONG_IDENTITY,
                      is_own_process ? "a member's address leads back to node %llu itself: check "
                                       "the addresses of the members"
                                     : "two processes say that they are node %llu: stop one, or "
                                       "give it its own 'node.id' and data folder",
                      self);
        return net_greet_refuse(net, NET_REFUSAL_SELF, ERR_WRONG_IDENTITY);
    }
    if ((expected != 0 && hello->node != expected) || (to != 0 && to != net->self)) {
        unsigned long long meant = expected != 0 ? expected : to;
        (void)why_set(why, ERR_WRONG_IDENTITY,
                      "node %llu is at the address that the members give for node %llu: correct it",
                      expected != 0 ? node : self, meant);
        return net_greet_refuse(net, NET_REFUSAL_WRONG_NODE, ERR_WRONG_IDENTITY);
    }
    if (hello->slot_count != net->slot_count) {
        (void)why_set(why, ERR_WRONG_IDENTITY,
                      "node %llu has %u slots, node %llu has %u: 'cluster.slot_count' is the same "
                      "on all nodes and never changes",
                      node, hello->slot_count, self, net->slot_count);
        return net_greet_refuse(net, NET_REFUSAL_SLOT_COUNT, ERR_WRONG_IDENTITY);
    }
    return OK;
}

/* That it is the very node that this one knows, with all that it ever promised. */
static enum err check_identity(struct net *net, const struct net_peer *peer,
                               const struct hello *hello, struct why *why)
{
    unsigned long long node = hello->node;
    uint64_t incarnation = COUNT_OF(peer->incarnation), boot = COUNT_OF(peer->boot);
#ifdef LETHE_MUTANT_any_incarnation
    incarnation = 0;
#endif
    if (incarnation != 0 && hello->incarnation != incarnation) {
        (void)why_set(
            why, ERR_NEW_FOLDER,
            "node %llu has a new data folder (%016llx, was %016llx): replace it by a new node "
            "under an id that was never used (lethectl node replace)",
            node, (unsigned long long)hello->incarnation, (unsigned long long)incarnation);
        return net_greet_refuse(net, NET_REFUSAL_INCARNATION, ERR_NEW_FOLDER);
    }
    if (hello->boot < boot) {
        (void)why_set(why, ERR_OLD_FOLDER,
                      "node %llu is at start %llu, but was at %llu: its data folder was rolled "
                      "back; replace it by a new node under a new id (lethectl node replace)",
                      node, (unsigned long long)hello->boot, (unsigned long long)boot);
        return net_greet_refuse(net, NET_REFUSAL_ROLLED_BACK, ERR_OLD_FOLDER);
    }
    if (hello->boot == boot && peer->has_nonce &&
        memcmp(hello->nonce, peer->nonce, sizeof(peer->nonce)) != 0) {
        (void)why_set(why, ERR_OLD_FOLDER,
                      "two processes say that they are node %llu at start %llu: its data folder "
                      "was copied; stop the copy",
                      node, (unsigned long long)boot);
        return net_greet_refuse(net, NET_REFUSAL_COPIED, ERR_OLD_FOLDER);
    }
    return OK;
}

static bool is_known(const struct net_peer *peer, const struct hello *hello)
{
    return COUNT_OF(peer->incarnation) == hello->incarnation &&
           COUNT_OF(peer->boot) == hello->boot && peer->has_nonce &&
           memcmp(peer->nonce, hello->nonce, sizeof(peer->nonce)) == 0;
}

static enum err remember(struct net *net, const struct net_peer *peer, const struct hello *hello,
                         struct why *why)
{
    if (net->events.on_peer_learn == NULL || is_known(peer, hello)) {
        return OK;
    }
    struct net_identity identity = {.id = peer->id,
                                    .incarnation = hello->incarnation,
                                    .boot = hello->boot,
                                    .feature_level = hello->feature_level};
    _Static_assert(sizeof(identity.nonce) == sizeof(hello->nonce), "the handshake's nonce");
    memcpy(identity.nonce, hello->nonce, sizeof(identity.nonce));
    struct why own = {0};
    enum err err = net->events.on_peer_learn(&identity, &own, net->events.arg);
    if (err == OK) {
        return OK;
    }
    (void)why_set(why, err, "node %llu cannot remember node %llu, so it does not let it in: %s",
                  (unsigned long long)net->self, (unsigned long long)peer->id, own.text);
    return net_greet_refuse(net, NET_REFUSAL_UNSAVED, err);
}

/* With TLS nobody speaks for another node: what a HELLO says of start counters is remembered for
 * good, so that it must be that node's own word. */
static enum err check_certificate(struct net_link *link, const struct hello *hello, struct why *why)
{
    struct net *net = link->net;
    if (net->tls == NULL || link->certified == hello->node) {
        return OK;
    }
    (void)why_set(why, ERR_WRONG_IDENTITY,
                  "who says that it is node %llu has the certificate of node %llu: give each node "
                  "its own",
                  (unsigned long long)hello->node, (unsigned long long)link->certified);
    return net_greet_refuse(net, NET_REFUSAL_CERTIFICATE, ERR_WRONG_IDENTITY);
}

enum err net_greet_check(struct net_link *link, const struct hello *hello, node_id expected,
                         struct net_peer **ret_peer, struct why *why)
{
    struct net *net = link->net;
    enum err err = OK;
#ifndef LETHE_MUTANT_any_node_certified
    err = check_certificate(link, hello, why);
#endif
    if (err == OK) {
        err = check_place(net, hello, expected, why);
    }
    if (err != OK) {
        return err;
    }
    struct net_peer *peer = net_find_peer(net, hello->node);
#ifndef LETHE_MUTANT_any_incarnation
    if (peer == NULL && net_is_removed(net, hello->node)) {
        (void)why_set(
            why, ERR_REMOVED,
            "node %llu was removed from the cluster and never comes back: start a new node "
            "with an id that was never used and an empty data folder, and add that",
            (unsigned long long)hello->node);
        return net_greet_refuse(net, NET_REFUSAL_REMOVED, ERR_REMOVED);
    }
#endif
    if (peer == NULL) {
        (void)why_set(
            why, ERR_WRONG_IDENTITY,
            "node %llu is no member for node %llu: add it first; who joins must list a member "
            "of today in its cluster.members",
            (unsigned long long)hello->node, (unsigned long long)net->self);
        return net_greet_refuse(net, NET_REFUSAL_NO_MEMBER, ERR_WRONG_IDENTITY);
    }
    err = check_identity(net, peer, hello, why);
    if (err == OK) {
        err = remember(net, peer, hello, why);
    }
    if (err != OK) {
        return err;
    }
    *ret_peer = peer;
    return OK;
}
