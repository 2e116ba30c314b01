/* SPDX-License-Identifier: Apache-2.0 */
/* A peer has an outlet for each lane of the handshake: MAIN, which is always being connected, and
 * INSTALL, which is connected while a catch-up has something to send; and it has the connections
 * that the peer made to us. An outlet goes round
 *
 *     RESTING -> ASKING (a name's addresses) -> LINKING (each address in turn) -> OPEN -> RESTING
 *
 * and rests a random part of a time that doubles up to NET_BACKOFF_MAX_MS; it begins anew once a
 * link was open for NET_STEADY_MS. Names are asked for each time: a container that comes back has
 * another address. A HELLO from a peer ends the rest of the outlet to it: it is there. What waits to
 * be sent dies with its link: Raft and the callers of calls send again, in their own time.
 *
 * The peer counts as up when both MAIN directions are open; net_peer_refresh, which may call into
 * the node, is always the last thing that a function here does to a peer. */
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "net/inner.h"
#include "sys/clock.h"
#include "sys/log.h"

/* Failures of the first moments say nothing: the other node may be starting too. */
enum { COMPLAIN_FROM_MS = 400 };

static void outlet_start(struct net_outlet *outlet);
static void outlet_try(struct net_outlet *outlet);

static unsigned long long id_of(const struct net_outlet *outlet)
{
    return outlet->peer->id;
}

static const char *lane_name(uint8_t lane)
{
    return lane == HELLO_LANE_INSTALL ? "install" : "main";
}

/* ---- outlets: resting ----------------------------------------------------------------------------- */

static bool outlet_is_needed(const struct net_outlet *outlet)
{
    return outlet->lane == HELLO_LANE_MAIN ||
           net_sendq_bytes(&outlet->sendq, NET_BULK) + net_sendq_bytes(&outlet->sendq, NET_URGENT) >
               0;
}

static void outlet_rest(struct net_outlet *outlet, const char *detail)
{
    struct net *net = outlet->peer->net;
    uint64_t now_ms = clock_mono_ms();
    net_sendq_clear(&outlet->sendq);
    outlet->state = NET_OUTLET_RESTING;
    bool is_lasting = outlet->backoff_ms >= COMPLAIN_FROM_MS;
    struct rng rng = rng_of(net->random);
    uint64_t after_ms = rng_between(&rng, outlet->backoff_ms / 2, outlet->backoff_ms);
    net->random = rng.state;
    outlet->backoff_ms *= 2;
    if (outlet->backoff_ms > NET_BACKOFF_MAX_MS) {
        outlet->backoff_ms = NET_BACKOFF_MAX_MS;
    }
    net_timer_set(&outlet->timer, after_ms);
    if (detail != NULL && is_lasting && now_ms >= outlet->complain_ms) {
        outlet->complain_ms = now_ms + NET_COMPLAIN_MS;
        log_warn("net", "cannot reach a peer, retrying", "peer=%llu address=%s lane=%s detail=%s",
                 id_of(outlet), LOG_QUOTED(outlet->peer->address), lane_name(outlet->lane),
                 LOG_QUOTED(detail));
    }
}

static void on_rested(void *arg)
{
    struct net_outlet *outlet = arg;
    if (outlet->state != NET_OUTLET_RESTING) {
        return;
    }
    if (outlet_is_needed(outlet)) {
        outlet_start(outlet);
    } else {
        outlet->state = NET_OUTLET_OFF;
    }
}

void net_outlet_hurry(struct net_outlet *outlet)
{
    if (outlet->state == NET_OUTLET_RESTING && !outlet->is_refused) {
        net_timer_set(&outlet->timer, 0);
    } else if (outlet->state == NET_OUTLET_OFF) {
        outlet_start(outlet);
    }
}

/* ---- outlets: connecting -------------------------------------------------------------------------- */

static void on_addresses(const struct net_addresses *found, const struct why *why, void *arg)
{
    struct net_outlet *outlet = arg;
    outlet->question = NULL;
    if (found == NULL) {
        outlet_rest(outlet, why->text);
        return;
    }
    outlet->addresses = *found;
    outlet->address_at = 0;
    outlet_try(outlet);
}

static void outlet_start(struct net_outlet *outlet)
{
    struct net_peer *peer = outlet->peer;
    enum err err = OK;
    struct why why = {0};
    outlet->is_refused = false;
    outlet->address_at = 0;
    outlet->state = NET_OUTLET_ASKING;
    outlet->question = net_address_ask(peer->net->loop, peer->address, on_addresses, outlet,
                                       &outlet->addresses, &err, &why);
    if (outlet->question != NULL) {
        return;
    }
    if (err != OK) {
        outlet_rest(outlet, why.text);
        return;
    }
    outlet_try(outlet);
}

static void on_connected(struct net_link *link)
{
    struct net_outlet *outlet = link->outlet;
    struct hello hello;
    net_greet_fill(link->net, outlet->peer->id, outlet->lane, &hello);
    struct buf buf = BUF_INIT;
    hello_encode(&buf, &hello);
    net_link_write(link, buf_bytes(&buf));
    buf_done(&buf);
}

/* Its answer does not suit us: tell it, so that its log says so too. */
static void outlet_refuse(struct net_outlet *outlet, enum err err, const struct why *why)
{
    struct net_link *link = outlet->link;
    log_every(1000, LOG_LEVEL_ERROR, "net", "refusing a peer that this node connected to",
              "peer=%llu address=%s error=%s detail=%s", id_of(outlet), link->remote, err_slug(err),
              LOG_QUOTED(why->text));
    outlet->is_refused = true;
    outlet->backoff_ms = NET_BACKOFF_MAX_MS;
    net_tell_refused(link->net, outlet->peer->id, false, err, why->text);
    struct hello_reply reply = {.err = err, .text = bytes_of_string(why->text)};
    net_greet_fill(link->net, outlet->peer->id, outlet->lane, &reply.hello);
    struct buf buf = BUF_INIT;
    hello_encode_reply(&buf, &reply);
    net_link_write_last(link, buf_bytes(&buf));
    buf_done(&buf);
}

static void outlet_refused(struct net_outlet *outlet, const struct hello_reply *reply)
{
    struct net_link *link = outlet->link;
    struct why why;
    (void)why_set(&why, reply->err, "%.*s", (int)reply->text.len, (const char *)reply->text.data);
    COUNT(link->net->refused_there, 1);
    log_every(1000, LOG_LEVEL_ERROR, "net", "a peer refuses this node",
              "peer=%llu address=%s error=%s detail=%s", id_of(outlet), link->remote,
              err_slug(reply->err), LOG_QUOTED(why.text));
    outlet->is_refused = true;
    outlet->backoff_ms = NET_BACKOFF_MAX_MS;
    /* Only this cluster's nodes can say that this one was removed from it. */
    bool is_ours = bytes_is_equal(reply->hello.cluster_id, bytes_of_string(link->net->cluster_id));
    net_tell_refused(link->net, outlet->peer->id, is_ours, reply->err, why.text);
    net_link_close(link, NET_CLOSE_REFUSED, &why);
}

static void outlet_open(struct net_outlet *outlet, const struct hello_reply *reply)
{
    struct net_peer *peer = outlet->peer;
    net_peer_learn(peer, &reply->hello, reply->version);
    outlet->boot = reply->hello.boot;
    net_link_open(outlet->link); /* reply is gone from here on */
    outlet->state = NET_OUTLET_OPEN;
    outlet->opened_ms = outlet->used_ms = clock_mono_ms();
    outlet->complain_ms = 0;
    COUNT(peer->connects, 1);
    log_info("net", "connected to a peer", "peer=%llu address=%s lane=%s", id_of(outlet),
             outlet->link->remote, lane_name(outlet->lane));
    net_sendq_seal(&outlet->sendq);
    net_link_pump(outlet->link, &outlet->sendq);
    net_peer_refresh(peer, false);
}

static enum err on_outlet_frame(struct net_link *link, const struct frame *frame, struct why *why)
{
    struct net_outlet *outlet = link->outlet;
    if (link->state != NET_LINK_GREETING || frame->kind != FRAME_HELLO_REPLY) {
        return why_set(why, ERR_BAD_FORMAT, "a frame of kind %u on a link that only answers",
                       frame->kind);
    }
    struct hello_reply reply;
    enum err err = hello_decode_reply(frame->body, &reply, why);
    if (err != OK) {
        return err;
    }
    if (reply.err != OK) {
        outlet_refused(outlet, &reply);
        return OK;
    }
    if (reply.version != hello_common_version(&reply.hello)) {
        return why_set(why, ERR_BAD_FORMAT, "protocol %u was chosen, which is not the common one",
                       reply.version);
    }
    struct net_peer *peer = NULL;
    struct why own = {0};
    err = net_greet_check(link, &reply.hello, outlet->peer->id, &peer, &own);
    if (err != OK) {
        outlet_refuse(outlet, err, &own);
        return OK;
    }
    outlet_open(outlet, &reply);
    return OK;
}

static void on_outlet_writable(struct net_link *link)
{
    net_link_pump(link, &link->outlet->sendq);
}

static void on_outlet_closed(struct net_link *link, enum net_close cause, const struct why *why)
{
    struct net_outlet *outlet = link->outlet;
    struct net_peer *peer = outlet->peer;
    outlet->link = NULL;
    COUNT(peer->garbage, cause == NET_CLOSE_GARBAGE ? 1 : 0);
    if (outlet->state == NET_OUTLET_OPEN) {
        log_warn("net", "lost the link to a peer", "peer=%llu address=%s lane=%s detail=%s",
                 id_of(outlet), link->remote, lane_name(outlet->lane), LOG_QUOTED(why->text));
        if (clock_mono_ms() >= outlet->opened_ms + NET_STEADY_MS) {
            outlet->backoff_ms = NET_BACKOFF_MIN_MS;
        }
        outlet_rest(outlet, NULL);
        net_peer_refresh(peer, cause == NET_CLOSE_GONE);
        return;
    }
    if (!outlet->is_refused && cause != NET_CLOSE_GARBAGE &&
        outlet->address_at + 1 < outlet->addresses.count) {
        outlet->address_at++;
        outlet_try(outlet);
        return;
    }
    outlet_rest(outlet, outlet->is_refused ? NULL : why->text);
}

static const struct net_link_owner outlet_owner = {
    .on_connected = on_connected,
    .on_frame = on_outlet_frame,
    .on_writable = on_outlet_writable,
    .on_closed = on_outlet_closed,
};

static void outlet_try(struct net_outlet *outlet)
{
    struct net *net = outlet->peer->net;
    struct why why = {0};
    outlet->state = NET_OUTLET_LINKING;
    for (; outlet->address_at < outlet->addresses.count; outlet->address_at++) {
        const struct net_address *address = &outlet->addresses.items[outlet->address_at];
        if (net_link_connect(net, &outlet_owner, address, &outlet->link, &why) == OK) {
            outlet->link->outlet = outlet;
            outlet->link->peer = outlet->peer;
            outlet->link->lane = outlet->lane;
            return;
        }
    }
    outlet_rest(outlet, why.text);
}

/* The process at the other end is not the one it was: do not wait for the network to say so. */
static void outlet_restart(struct net_outlet *outlet)
{
    net_address_forget(outlet->question);
    outlet->question = NULL;
    net_link_free(outlet->link);
    outlet->link = NULL;
    net_timer_clear(&outlet->timer);
    net_sendq_clear(&outlet->sendq);
    outlet->state = NET_OUTLET_OFF;
    outlet->backoff_ms = NET_BACKOFF_MIN_MS;
    if (outlet->lane == HELLO_LANE_MAIN) {
        outlet_start(outlet);
    }
}

static void outlet_init(struct net_outlet *outlet, struct net_peer *peer, uint8_t lane)
{
    *outlet = (struct net_outlet){.peer = peer, .lane = lane, .backoff_ms = NET_BACKOFF_MIN_MS};
    size_t bulk_max = lane == HELLO_LANE_MAIN ? peer->net->bulk_max_bytes : NET_INSTALL_MAX_BYTES;
    net_sendq_init(&outlet->sendq, NET_URGENT_MAX_BYTES, bulk_max);
    net_timer_init(&outlet->timer, peer->net->loop, on_rested, outlet);
}

static void outlet_done(struct net_outlet *outlet)
{
    net_timer_done(&outlet->timer);
    net_address_forget(outlet->question);
    net_link_free(outlet->link);
    net_sendq_done(&outlet->sendq);
}

/* ---- peers ---------------------------------------------------------------------------------------- */

static void take_boot(struct net_peer *peer, const struct net_member *member)
{
    COUNT_SET(peer->boot, member->boot);
    peer->has_nonce = member->has_nonce;
    memcpy(peer->nonce, member->nonce, sizeof(peer->nonce));
}

struct net_peer *net_peer_new(struct net *net, const struct net_member *member)
{
    struct net_peer *peer = alloc_zero(sizeof(*peer));
    peer->net = net;
    peer->id = member->id;
    peer->info.id = member->id;
    (void)snprintf(peer->address, sizeof(peer->address), "%s", member->address);
    COUNT_SET(peer->incarnation, member->incarnation);
    take_boot(peer, member);
    for (uint8_t i = 0; i < NET_OUTLETS; i++) {
        outlet_init(&peer->outlets[i], peer, i + 1);
    }
    return peer;
}

void net_peer_free(struct net_peer *peer)
{
    for (unsigned i = 0; i < NET_OUTLETS; i++) {
        outlet_done(&peer->outlets[i]);
        net_link_free(peer->in[i]);
    }
    free(peer);
}

void net_peer_update(struct net_peer *peer, const struct net_member *member)
{
    if (member->incarnation != 0) {
        COUNT_SET(peer->incarnation, member->incarnation);
    }
    if (member->boot > COUNT_OF(peer->boot)) {
        take_boot(peer, member);
    }
    if (strcmp(peer->address, member->address) == 0) {
        return;
    }
    mutex_lock(&peer->net->lock);
    (void)snprintf(peer->address, sizeof(peer->address), "%s", member->address);
    mutex_unlock(&peer->net->lock);
    for (unsigned i = 0; i < NET_OUTLETS; i++) {
        outlet_restart(&peer->outlets[i]);
    }
    net_peer_refresh(peer, false);
}

void net_peer_start(struct net_peer *peer)
{
    struct net_outlet *outlet = net_peer_outlet(peer, HELLO_LANE_MAIN);
    outlet->state = NET_OUTLET_RESTING;
    net_timer_set(&outlet->timer, 0);
}

struct net_outlet *net_peer_outlet(struct net_peer *peer, uint8_t lane)
{
    assert(lane >= HELLO_LANE_MAIN && lane < HELLO_LANES);
    return &peer->outlets[lane - 1];
}

void net_peer_refresh(struct net_peer *peer, bool is_gone)
{
    struct net *net = peer->net;
    bool can_send = net_peer_outlet(peer, HELLO_LANE_MAIN)->state == NET_OUTLET_OPEN;
    bool can_receive = peer->in[HELLO_LANE_MAIN - 1] != NULL;
    atomic_store(&peer->status_can_send, can_send);
    atomic_store(&peer->status_can_receive, can_receive);
    bool is_up = can_send && can_receive;
    if (is_up == peer->is_up) {
        return;
    }
    peer->is_up = is_up;
    atomic_store(&peer->status_up, is_up);
    if (is_up) {
        struct net_peer_info info = peer->info;
        net->events.on_peer_up(&info, net->events.arg);
    } else {
        net->events.on_peer_down(peer->id, is_gone, net->events.arg);
    }
}

/* A text that is longer than ours may be is as good as none. */
static void learn_text(char *to, size_t size, struct bytes from)
{
    size_t len = from.len < size ? from.len : 0;
    if (len > 0) {
        memcpy(to, from.data, len);
    }
    to[len] = '\0';
}

void net_peer_learn(struct net_peer *peer, const struct hello *hello, uint16_t version)
{
    struct net *net = peer->net;
    COUNT_SET(peer->incarnation, hello->incarnation);
    COUNT_SET(peer->boot, hello->boot);
    memcpy(peer->nonce, hello->nonce, sizeof(peer->nonce));
    peer->has_nonce = true;
    mutex_lock(&net->lock);
    peer->info.incarnation = hello->incarnation;
    peer->info.boot = hello->boot;
    peer->info.feature_level = hello->feature_level;
    peer->info.version = version;
    learn_text(peer->info.peer_address, sizeof(peer->info.peer_address), hello->peer_address);
    learn_text(peer->info.http_address, sizeof(peer->info.http_address), hello->http_address);
    learn_text(peer->info.software, sizeof(peer->info.software), hello->software);
    learn_text(peer->info.zone, sizeof(peer->info.zone), hello->zone);
    mutex_unlock(&net->lock);
}

/* ---- what the peer made --------------------------------------------------------------------------- */

void net_peer_take_in(struct net_peer *peer, struct net_link *link, const struct hello *hello,
                      uint16_t version)
{
    bool is_restarted = COUNT_OF(peer->boot) != hello->boot;
    uint8_t lane = hello->lane;
    struct net_link *before = peer->in[lane - 1];
    peer->in[lane - 1] = NULL;
    net_link_free(before);
    net_peer_learn(peer, hello, version);
    struct hello_reply reply = {.err = OK, .version = version};
    net_greet_fill(peer->net, hello->node, lane, &reply.hello);
    struct buf buf = BUF_INIT;
    hello_encode_reply(&buf, &reply);
    net_link_write(link, buf_bytes(&buf));
    buf_done(&buf);
    net_link_open(link); /* hello is gone from here on */
    link->peer = peer;
    link->lane = lane;
    for (unsigned i = 0; i < NET_OUTLETS; i++) {
        struct net_outlet *outlet = &peer->outlets[i];
        if (outlet->state == NET_OUTLET_OPEN && outlet->boot != COUNT_OF(peer->boot)) {
            outlet_restart(outlet);
        }
    }
    net_outlet_hurry(net_peer_outlet(peer, HELLO_LANE_MAIN));
    if (lane == HELLO_LANE_MAIN) {
        net_peer_refresh(peer, is_restarted); /* down, if it was up by the one before */
    }
    peer->in[lane - 1] = link;
    net_peer_refresh(peer, false);
}

void net_peer_lose_in(struct net_peer *peer, struct net_link *link, enum net_close cause,
                      const struct why *why)
{
    assert(peer->in[link->lane - 1] == link);
    peer->in[link->lane - 1] = NULL;
    COUNT(peer->garbage, cause == NET_CLOSE_GARBAGE ? 1 : 0);
    uint64_t suppressed = 0;
    bool is_idle_end = link->lane == HELLO_LANE_INSTALL && cause == NET_CLOSE_GONE;
    if (!is_idle_end && log_gate_pass(&peer->lost_gate, 1000, &suppressed)) {
        log_warn("net", "lost the link from a peer",
                 "peer=%llu address=%s lane=%s detail=%s suppressed=%llu",
                 (unsigned long long)peer->id, link->remote, lane_name(link->lane),
                 LOG_QUOTED(why->text), (unsigned long long)suppressed);
    }
    net_peer_refresh(peer, cause == NET_CLOSE_GONE);
}

static enum err receive_packets(struct net_peer *peer, struct net_link *link,
                                const struct frame *frame, struct why *why)
{
    struct net *net = peer->net;
    struct packet_in in;
    enum err err = packet_in_decode(frame->body, &in, why);
    if (err != OK) {
        return err;
    }
    for (uint32_t i = 0; i < in.packets_count && err == OK; i++) {
        if (in.packets[i].from != peer->id || in.packets[i].to != net->self) {
            err = why_set(why, ERR_BAD_FORMAT, "a packet from node %llu to %llu",
                          (unsigned long long)in.packets[i].from,
                          (unsigned long long)in.packets[i].to);
        }
    }
    if (err == OK) {
        COUNT(peer->received_packets, in.packets_count);
        /* A callback may remove the peer: then the link is closed, and peer must not be touched. */
        for (uint32_t i = 0; i < in.packets_count && !link->is_closed; i++) {
            net->events.on_packet(&in.packets[i], net->events.arg);
        }
    }
    packet_in_done(&in);
    return err;
}

enum err net_peer_receive(struct net_peer *peer, struct net_link *link, const struct frame *frame,
                          struct why *why)
{
    switch (frame->kind) {
    case FRAME_PACKETS:
    case FRAME_HEARTBEATS:
        return receive_packets(peer, link, frame, why);
    case FRAME_REQUEST:
    case FRAME_RESPONSE:
    case FRAME_INSTALL:
    case FRAME_DIGESTS:
        peer->net->events.on_frame(peer->id, frame->kind, frame->body, peer->net->events.arg);
        return OK;
    default:
        return why_set(why, ERR_BAD_FORMAT, "a frame of kind %u after the handshake", frame->kind);
    }
}
