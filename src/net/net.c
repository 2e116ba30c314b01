/* SPDX-License-Identifier: Apache-2.0 */
/* The face: start, stop, who the peers are, sending, status. */
#include "net/net.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "net/inner.h"
#include "sys/clock.h"
#include "sys/random.h"
#include "wire/limits.h"

void net_options_init(struct net_options *options)
{
    *options = (struct net_options){
        .cluster_id = "",
        .feature_level = 1,
        .listen = "",
        .peer_address = "",
        .http_address = "",
        .software = "",
        .zone = "",
    };
}

struct net_peer *net_find_peer(const struct net *net, node_id id)
{
    for (uint32_t i = 0; i < net->peers_count; i++) {
        if (net->peers[i]->id == id) {
            return net->peers[i];
        }
    }
    return NULL;
}

/* ---- start and stop ------------------------------------------------------------------------------- */

static void check_links(struct net *net)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t late_ms = now_ms - net->checked_ms;
    /* This process stood still: what its peers said meanwhile is yet to be read. */
    uint64_t pause_ms = late_ms > 3 * NET_CHECK_MS ? late_ms - NET_CHECK_MS : 0;
    net->checked_ms = now_ms;
    bool has_reloaded = atomic_exchange(&net->has_reloaded, false);
    struct list *item = net->links.next;
    while (item != &net->links) {
        struct net_link *link = CONTAINER_OF(item, struct net_link, item);
        item = item->next;
        if (!has_reloaded || !net_link_close_revoked(link)) {
            net_link_check(link, now_ms, pause_ms);
        }
    }
}

static void check_outlet(struct net_outlet *outlet, uint64_t now_ms)
{
    struct net_peer *peer = outlet->peer;
    if (outlet->link == NULL) {
        return;
    }
    size_t waiting = net_sendq_bytes(&outlet->sendq, NET_URGENT) +
                     net_sendq_bytes(&outlet->sendq, NET_BULK) +
                     net_link_waiting_bytes(outlet->link);
    if (outlet->lane == HELLO_LANE_MAIN) {
        COUNT_SET(peer->waiting_bytes, waiting);
    } else if (outlet->state == NET_OUTLET_OPEN && waiting == 0 &&
               now_ms >= outlet->used_ms + NET_INSTALL_IDLE_MS) {
        net_link_free(outlet->link);
        outlet->link = NULL;
        outlet->state = NET_OUTLET_OFF;
    }
}

static void on_check(void *arg)
{
    struct net *net = arg;
    check_links(net);
    for (uint32_t i = 0; i < net->peers_count; i++) {
        for (unsigned k = 0; k < NET_OUTLETS; k++) {
            check_outlet(&net->peers[i]->outlets[k], net->checked_ms);
        }
    }
    net_timer_set(&net->check_timer, NET_CHECK_MS);
}

static enum err check_options(const struct net_options *options, struct why *why)
{
    assert(options->self > 0 && options->self <= WIRE_NODE_ID_MAX);
    assert(options->slot_count > 0 && options->boot > 0);
    assert(options->events.on_packet != NULL && options->events.on_frame != NULL);
    assert(options->events.on_peer_up != NULL && options->events.on_peer_down != NULL);
    struct bytes cluster_id = bytes_of_string(options->cluster_id);
    if (cluster_id.len == 0 || cluster_id.len > WIRE_CLUSTER_ID_MAX_BYTES ||
        !utf8_is_valid(cluster_id) || utf8_has_control(cluster_id)) {
        return why_set(why, ERR_BAD_PARAMETER,
                       "a cluster of several members needs a 'cluster.id' of 1 to %d printable "
                       "bytes",
                       WIRE_CLUSTER_ID_MAX_BYTES);
    }
    const char *const texts[] = {options->peer_address, options->http_address, options->software,
                                 options->zone};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct bytes text = bytes_of_string(texts[i]);
        if (text.len >= NET_ADDRESS_MAX_BYTES || !utf8_is_valid(text) || utf8_has_control(text)) {
            return why_set(why, ERR_BAD_PARAMETER, "an address to tell peers is not printable");
        }
    }
    return OK;
}

static struct net *net_new(const struct net_options *options)
{
    struct net *net = alloc_zero(sizeof(*net));
    net->loop = options->loop;
    net->self = options->self;
    net->incarnation = options->incarnation;
    net->boot = options->boot;
    random_fill(net->nonce, sizeof(net->nonce));
    net->feature_level = options->feature_level;
    net->slot_count = options->slot_count;
    net->cluster_id = alloc_string(options->cluster_id);
    net->peer_address = alloc_string(options->peer_address);
    net->http_address = alloc_string(options->http_address);
    net->software = alloc_string(options->software);
    net->zone = alloc_string(options->zone);
    net->events = options->events;
    net->bulk_max_bytes =
        options->bulk_max_bytes != 0 ? options->bulk_max_bytes : NET_BULK_MAX_BYTES;
    net->handshake_ms = options->handshake_ms != 0 ? options->handshake_ms : NET_HANDSHAKE_MS;
    net->ping_ms = options->ping_ms != 0 ? options->ping_ms : NET_PING_MS;
    net->silent_ms = options->silent_ms != 0 ? options->silent_ms : NET_SILENT_MS;
    list_init(&net->links);
    list_init(&net->probes);
    net->random = random_u64();
    net->checked_ms = clock_mono_ms();
    mutex_init(&net->lock);
    return net;
}

enum err net_start(const struct net_options *options, struct net **ret_net, struct why *why)
{
    assert(net_loop_is_here(options->loop));
    enum err err = check_options(options, why);
    if (err != OK) {
        return err;
    }
    struct net *net = net_new(options);
    net_timer_init(&net->check_timer, net->loop, on_check, net);
    if (options->tls != NULL) {
        err = net_tls_open(options->tls, net->cluster_id, net->self, &net->tls, why);
    }
    if (err == OK) {
        err = net_listen_start(net, options->listen, why);
    }
    if (err != OK) {
        net_stop(net);
        return err;
    }
    net_timer_set(&net->check_timer, NET_CHECK_MS);
    net_set_members(net, options->members, options->members_count);
    *ret_net = net;
    return OK;
}

void net_stop(struct net *net)
{
    if (net == NULL) {
        return;
    }
    assert(net_loop_is_here(net->loop));
    net_listen_stop(net);
    net_timer_done(&net->check_timer);
    net_probes_end(net);
    for (uint32_t i = 0; i < net->peers_count; i++) {
        net_peer_free(net->peers[i]);
    }
    while (!list_is_empty(&net->links)) { /* strangers' */
        net_link_free(CONTAINER_OF(list_first(&net->links), struct net_link, item));
    }
    net_tls_close(net->tls);
    mutex_done(&net->lock);
    free(net->cluster_id);
    free(net->peer_address);
    free(net->http_address);
    free(net->software);
    free(net->zone);
    free(net->removed);
    free(net);
}

enum err net_reload(struct net *net, struct why *why)
{
    enum err err = net->tls == NULL ? OK : net_tls_reload(net->tls, why);
    if (err == OK) {
        atomic_store(&net->has_reloaded, true); /* links that are open are looked at by on_check */
    }
    return err;
}

uint16_t net_port(const struct net *net)
{
    return net->port;
}

/* ---- members -------------------------------------------------------------------------------------- */

static const struct net_member *find_member(const struct net_member *members, uint32_t count,
                                            node_id id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return &members[i];
        }
    }
    return NULL;
}

static struct net_peer *take_out(struct net *net, uint32_t at)
{
    struct net_peer *peer = net->peers[at];
    mutex_lock(&net->lock);
    net->peers_count--;
    memmove(&net->peers[at], &net->peers[at + 1], (net->peers_count - at) * sizeof(net->peers[0]));
    mutex_unlock(&net->lock);
    return peer;
}

static void put_in(struct net *net, struct net_peer *peer)
{
    assert(net->peers_count < NET_MEMBERS_MAX);
    uint32_t at = net->peers_count;
    while (at > 0 && net->peers[at - 1]->id > peer->id) {
        at--;
    }
    mutex_lock(&net->lock);
    memmove(&net->peers[at + 1], &net->peers[at], (net->peers_count - at) * sizeof(net->peers[0]));
    net->peers[at] = peer;
    net->peers_count++;
    mutex_unlock(&net->lock);
}

static void drop_peer(struct net *net, uint32_t at)
{
    struct net_peer *peer = take_out(net, at);
    node_id id = peer->id;
    bool was_up = peer->is_up;
    net_peer_free(peer);
    if (was_up) {
        net->events.on_peer_down(id, false, net->events.arg);
    }
}

bool net_is_removed(const struct net *net, node_id id)
{
    for (uint32_t i = 0; i < net->removed_count; i++) {
        if (net->removed[i] == id) {
            return true;
        }
    }
    return false;
}

void net_tell_refused(struct net *net, node_id peer, bool is_its_word, enum err err,
                      const char *text)
{
    if (net->events.on_peer_refused != NULL) {
        net->events.on_peer_refused(peer, is_its_word, err, text, net->events.arg);
    }
}

static void set_removed(struct net *net, const struct net_member *members, uint32_t count)
{
    net->removed = alloc_resize(net->removed, count + 1, sizeof(net->removed[0]));
    net->removed_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].is_removed) {
            net->removed[net->removed_count++] = members[i].id;
        }
    }
}

void net_set_members(struct net *net, const struct net_member *members, uint32_t count)
{
    assert(net_loop_is_here(net->loop));
    set_removed(net, members, count);
    for (uint32_t at = net->peers_count; at > 0; at--) {
        struct net_peer *peer = net->peers[at - 1];
        const struct net_member *member = find_member(members, count, peer->id);
        /* Under another address it is connected to anew, but it is known still. */
        if (member == NULL || member->is_removed) {
            drop_peer(net, at - 1);
        } else {
            net_peer_update(peer, member);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        assert(members[i].id > 0 && members[i].id <= WIRE_NODE_ID_MAX);
        if (members[i].is_removed || members[i].id == net->self ||
            net_find_peer(net, members[i].id) != NULL) {
            continue;
        }
        struct net_peer *peer = net_peer_new(net, &members[i]);
        put_in(net, peer);
        net_peer_start(peer);
    }
}

/* ---- sending -------------------------------------------------------------------------------------- */

/* Where a frame of this lane may be added now; NULL: nowhere. */
static struct net_outlet *find_outlet(struct net *net, node_id to, uint8_t lane)
{
    assert(net_loop_is_here(net->loop));
    struct net_peer *peer = net_find_peer(net, to);
    if (peer == NULL) {
        return NULL;
    }
    struct net_outlet *outlet = net_peer_outlet(peer, lane);
    if (lane == HELLO_LANE_INSTALL && outlet->state == NET_OUTLET_OFF) {
        net_outlet_hurry(outlet);
    }
    bool may_wait = lane == HELLO_LANE_INSTALL && outlet->state != NET_OUTLET_RESTING;
    if (outlet->state == NET_OUTLET_OPEN || may_wait) {
        return outlet;
    }
    COUNT(peer->dropped, 1);
    return NULL;
}

static size_t already_bytes(const struct net_outlet *outlet, enum net_lane lane)
{
    bool counts = lane == NET_BULK && outlet->state == NET_OUTLET_OPEN;
    return counts ? net_link_waiting_bytes(outlet->link) : 0;
}

static bool count_added(struct net_outlet *outlet, bool is_added)
{
    COUNT(outlet->peer->sent_packets, is_added ? 1 : 0);
    COUNT(outlet->peer->dropped, is_added ? 0 : 1);
    return is_added;
}

bool net_send_packet(struct net *net, node_id to, enum net_lane lane,
                     const struct raft_packet *packet)
{
    struct net_outlet *outlet = find_outlet(net, to, HELLO_LANE_MAIN);
    if (outlet == NULL) {
        return false;
    }
    return count_added(
        outlet, net_sendq_add_packet(&outlet->sendq, lane, packet, already_bytes(outlet, lane)));
}

bool net_send_frame(struct net *net, node_id to, uint8_t kind, struct bytes body)
{
    assert(kind == FRAME_REQUEST || kind == FRAME_RESPONSE || kind == FRAME_INSTALL ||
           kind == FRAME_DIGESTS);
    assert(body.len <= frame_max_bytes(kind));
    uint8_t lane = kind == FRAME_INSTALL ? HELLO_LANE_INSTALL : HELLO_LANE_MAIN;
    struct net_outlet *outlet = find_outlet(net, to, lane);
    if (outlet == NULL) {
        return false;
    }
    return count_added(outlet, net_sendq_add_frame(&outlet->sendq, NET_BULK, kind, body,
                                                   already_bytes(outlet, NET_BULK)));
}

static void flush_outlet(struct net_outlet *outlet)
{
    if (outlet->state != NET_OUTLET_OPEN) {
        return;
    }
    net_sendq_seal(&outlet->sendq);
    if (!net_sendq_has_sealed(&outlet->sendq)) {
        return;
    }
    outlet->used_ms = outlet->peer->net->checked_ms;
    net_link_pump(outlet->link, &outlet->sendq);
}

void net_flush(struct net *net)
{
    assert(net_loop_is_here(net->loop));
    for (uint32_t i = 0; i < net->peers_count; i++) {
        for (unsigned k = 0; k < NET_OUTLETS; k++) {
            flush_outlet(&net->peers[i]->outlets[k]);
        }
    }
}

uint64_t net_heard_ms(const struct net *net, node_id id)
{
    const struct net_peer *peer = net_find_peer(net, id);
    return peer == NULL || !peer->is_up ? 0 : COUNT_OF(peer->heard_ms);
}

bool net_can_send(const struct net *net, node_id to)
{
    struct net_peer *peer = net_find_peer(net, to);
    return peer != NULL && net_peer_outlet(peer, HELLO_LANE_MAIN)->state == NET_OUTLET_OPEN;
}

/* ---- status --------------------------------------------------------------------------------------- */

static void get_peer_status(struct net_peer *peer, struct net_peer_status *ret)
{
    ret->id = peer->id;
    ret->is_up = atomic_load(&peer->status_up);
    ret->can_send = atomic_load(&peer->status_can_send);
    ret->can_receive = atomic_load(&peer->status_can_receive);
    ret->heard_ms = COUNT_OF(peer->heard_ms);
    ret->round_trip_us = COUNT_OF(peer->round_trip_us);
    ret->incarnation = COUNT_OF(peer->incarnation);
    ret->boot = COUNT_OF(peer->boot);
    ret->sent_bytes = COUNT_OF(peer->sent_bytes);
    ret->received_bytes = COUNT_OF(peer->received_bytes);
    ret->sent_packets = COUNT_OF(peer->sent_packets);
    ret->received_packets = COUNT_OF(peer->received_packets);
    ret->dropped = COUNT_OF(peer->dropped);
    ret->waiting_bytes = COUNT_OF(peer->waiting_bytes);
    ret->connects = COUNT_OF(peer->connects);
    ret->garbage = COUNT_OF(peer->garbage);
    memcpy(ret->address, peer->address, sizeof(ret->address));
    memcpy(ret->http_address, peer->info.http_address, sizeof(ret->http_address));
}

void net_get_status(struct net *net, struct net_status *ret)
{
    *ret = (struct net_status){0};
    mutex_lock(&net->lock);
    for (uint32_t i = 0; i < net->peers_count; i++) {
        get_peer_status(net->peers[i], &ret->peers[i]);
    }
    ret->peers_count = net->peers_count;
    mutex_unlock(&net->lock);
    ret->accepted = COUNT_OF(net->accepted);
    ret->accept_refused = COUNT_OF(net->accept_refused);
    ret->garbage = COUNT_OF(net->garbage);
    ret->timeouts = COUNT_OF(net->timeouts);
    ret->refused_there = COUNT_OF(net->refused_there);
    ret->certificate_expiry_s = net->tls == NULL ? 0 : net_tls_expiry_s(net->tls);
    for (unsigned i = 0; i < NET_REFUSALS; i++) {
        ret->refused_here[i] = COUNT_OF(net->refused_here[i]);
    }
}
