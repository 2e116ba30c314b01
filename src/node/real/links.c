/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's links to its peers: what the node sends goes to src/net, what net hears goes to the
 * node. All of it on the loop's thread. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "node/real/real.h"
#include "sys/log.h"
#include "wire/call.h"
#include "wire/frame.h"

/* ---- who the peers are -------------------------------------------------------------------------- */

_Static_assert((int)PEER_NONCE_BYTES == (int)NET_NONCE_BYTES, "the nonce of a start");

/* Written at once and synced, on the loop's thread: net lets the peer in when this returns, so that
 * no vote or acknowledgement of it can come before the row is durable. It is one small batch each
 * time a peer was started anew, not each time it connects; the engine takes it beside those of the
 * disk thread, and at most waits for the one being synced. Should the disk stand still just then,
 * this node falls silent as long: it could promise nothing meanwhile either, and the others go on
 * without it. */
static enum err on_peer_learn(const struct net_identity *peer, struct why *why, void *arg)
{
    struct real *real = arg;
    /* What the cluster wrote down counts, even when this node has not set its links by it yet. */
    enum err err = node_admits(real->node, peer->id, peer->incarnation, peer->feature_level, why);
    if (err != OK) {
        return err;
    }
    struct row_peer row = {.incarnation = peer->incarnation, .boot = peer->boot};
    memcpy(row.nonce, peer->nonce, sizeof(row.nonce));
    struct store_batch *batch = store_batch_new(real->store);
    store_put_peer(batch, peer->id, &row);
    err = store_write(real->store, batch, true, why);
    store_batch_free(batch);
    if (err != OK) { /* whether it is written nobody knows: as after any failed write */
        real_fatal(real, err, why->text);
    }
    return err;
}

/* A row that is damaged is not "never met": whoever came under that id would be let in. */
static enum err recall_peer(struct real *real, struct net_member *member, struct why *why)
{
    struct row_peer row;
    enum err err = store_get_peer(real->store, member->id, &row);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return why_set(why, err,
                       "what this node knows of node %u cannot be read: remove this member, empty "
                       "its data folder and add it anew",
                       (unsigned)member->id);
    }
    member->incarnation = row.incarnation;
    member->boot = row.boot;
    member->has_nonce = true;
    memcpy(member->nonce, row.nonce, sizeof(member->nonce));
    return OK;
}

/* ---- in --------------------------------------------------------------------------------------- */

static void on_packet(const struct raft_packet *packet, void *arg)
{
    struct real *real = arg;
    node_receive(real->node, packet);
}

static void on_frame(node_id from, uint8_t kind, struct bytes body, void *arg)
{
    struct real *real = arg;
    struct call_request request;
    struct call_response response;
    struct why why = {0};
    enum err err = ERR_NOT_SUPPORTED;
    if (kind == FRAME_REQUEST) {
        err = call_decode_request(body, &request, &why);
        if (err == OK) {
            node_receive_request(real->node, from, &request);
        }
    } else if (kind == FRAME_RESPONSE) {
        err = call_decode_response(body, &response, &why);
        if (err == OK) {
            node_receive_response(real->node, from, &response);
        }
    } else if (kind == FRAME_INSTALL || kind == FRAME_DIGESTS) {
        err = node_receive_frame(real->node, from, kind, body, &why);
    }
    if (err != OK) {
        log_every(10000, LOG_LEVEL_WARN, "node", "a peer sent what is not understood, ignored",
                  "peer=%u kind=%u error=%s", (unsigned)from, kind, err_slug(err));
    }
}

static void on_peer_up(const struct net_peer_info *info, void *arg)
{
    struct real *real = arg;
    log_debug("node", "peer is up", "peer=%u boot=%llu", (unsigned)info->id,
              (unsigned long long)info->boot);
    node_peer_up(real->node, info->id,
                 &(struct node_peer_hello){.http_address = info->http_address,
                                           .version = info->software,
                                           .zone = info->zone,
                                           .incarnation = info->incarnation,
                                           .feature_level = info->feature_level});
}

static void on_peer_down(node_id peer, bool is_gone, void *arg)
{
    struct real *real = arg;
    log_debug("node", "peer is down", "peer=%u gone=%d", (unsigned)peer, is_gone);
    node_peer_down(real->node, peer, is_gone);
}

static void on_peer_refused(node_id peer, bool is_its_word, enum err err, const char *text,
                            void *arg)
{
    struct real *real = arg;
    node_peer_refused(real->node, peer, is_its_word, err, text);
}

static bool is_blank(void *arg)
{
    const struct real *real = arg;
    return node_is_blank(real->node);
}

static void on_probed(uint64_t number, const struct net_answer *answer, const struct why *why,
                      void *arg)
{
    struct real *real = arg;
    struct node_found found = {.cluster_id = "", .text = why->text};
    if (answer != NULL) {
        found = (struct node_found){.is_answered = true,
                                    .is_blank = answer->is_blank,
                                    .speaks = answer->speaks,
                                    .node = answer->node,
                                    .feature_level = answer->feature_level,
                                    .slot_count = answer->slot_count,
                                    .cluster_id = answer->cluster_id,
                                    .text = ""};
    }
    node_found(real->node, number, &found);
}

bool links_probe(void *arg, uint64_t number, const char *address, node_id to, uint64_t timeout_ms)
{
    struct real *real = arg;
    if (real->net == NULL) {
        return false;
    }
    net_probe(real->net, address, to, number, timeout_ms, on_probed, real);
    return true;
}

/* ---- out: NULL net: a cluster of one without a listener ------------------------------------------ */

bool links_send(void *arg, node_id to, enum node_lane lane, const struct raft_packet *packet)
{
    struct real *real = arg;
    return real->net != NULL &&
           net_send_packet(real->net, to, lane == NODE_LANE_URGENT ? NET_URGENT : NET_BULK, packet);
}

/* net wants the body alone. */
static bool links_send_whole(struct real *real, node_id to, uint8_t kind, struct buf *frame)
{
    struct bytes body = bytes_of(frame->data + FRAME_HEADER_BYTES, frame->len - FRAME_HEADER_BYTES);
    bool did_send = net_send_frame(real->net, to, kind, body);
    buf_done(frame);
    return did_send;
}

bool links_send_request(void *arg, node_id to, const struct call_request *request)
{
    struct real *real = arg;
    if (real->net == NULL || !net_can_send(real->net, to)) {
        return false;
    }
    struct buf frame = BUF_INIT;
    call_encode_request(&frame, request);
    return links_send_whole(real, to, FRAME_REQUEST, &frame);
}

bool links_send_response(void *arg, node_id to, const struct call_response *response)
{
    struct real *real = arg;
    if (real->net == NULL || !net_can_send(real->net, to)) {
        return false;
    }
    struct buf frame = BUF_INIT;
    call_encode_response(&frame, response);
    return links_send_whole(real, to, FRAME_RESPONSE, &frame);
}

bool links_send_frame(void *arg, node_id to, uint8_t kind, struct bytes body)
{
    struct real *real = arg;
    return real->net != NULL && net_can_send(real->net, to) &&
           net_send_frame(real->net, to, kind, body);
}

void links_flush(void *arg)
{
    struct real *real = arg;
    if (real->net != NULL) {
        net_flush(real->net);
    }
}

uint64_t links_heard_ms(void *arg, node_id peer)
{
    struct real *real = arg;
    return real->net == NULL ? 0 : net_heard_ms(real->net, peer);
}

/* A row that cannot be read has ended the start before. */
bool links_has_met(void *arg, node_id peer)
{
    const struct real *real = arg;
    struct row_peer row;
    return store_get_peer(real->store, peer, &row) == OK;
}

void links_figures(void *arg, struct node_link_figures *ret)
{
    struct real *real = arg;
    *ret = (struct node_link_figures){0};
    if (real->net == NULL) {
        return;
    }
    struct net_status status;
    net_get_status(real->net, &status);
    ret->garbage = status.garbage;
    for (int i = 0; i < NET_REFUSALS; i++) {
        ret->refused += status.refused_here[i];
    }
    ret->certificates_refused = status.refused_here[NET_REFUSAL_CERTIFICATE];
    ret->certificate_expiry_s = status.certificate_expiry_s;
    for (uint32_t i = 0; i < status.peers_count; i++) {
        ret->sent_bytes += status.peers[i].sent_bytes;
        ret->received_bytes += status.peers[i].received_bytes;
        ret->queued_bytes += status.peers[i].waiting_bytes;
    }
}

/* ---- who the links go to ------------------------------------------------------------------------- */

/* The nodes of the table, with what is known of each: by the table, and by what this node remembers
 * of their starts. */
static enum err links_members(struct real *real, const struct members *table,
                              struct net_member *ret, uint32_t *ret_count, struct why *why)
{
    *ret_count = table->rows_count;
    for (uint32_t i = 0; i < table->rows_count; i++) {
        const struct members_row *row = &table->rows[i];
        struct net_member *member = &ret[i];
        *member = (struct net_member){.id = row->id, .is_removed = !members_is_live(row)};
        (void)snprintf(member->address, sizeof(member->address), "%s",
                       node_address_of(real->node, row));
        enum err err = row->id == node_self(real->node) || member->is_removed
                           ? OK
                           : recall_peer(real, member, why);
        if (err != OK) {
            return err;
        }
        /* What the cluster wrote down is older than what this node may have been shown. */
        if (row->incarnation != 0) {
            bool is_same = member->incarnation == row->incarnation;
            member->incarnation = row->incarnation;
            member->boot = is_same ? member->boot : 0;
            member->has_nonce = is_same && member->has_nonce;
        }
    }
    return OK;
}

void links_set_members(void *arg, const struct members *table)
{
    struct real *real = arg;
    if (real->net == NULL) {
        return;
    }
    struct net_member *members = alloc_array(MEMBERS_ROWS_MAX, sizeof(*members));
    uint32_t count = 0;
    struct why why = {0};
    enum err err = links_members(real, table, members, &count, &why);
    if (err == OK) {
        net_set_members(real->net, members, count);
    } else {
        real_fatal(real, err, why.text);
    }
    free(members);
}

/* ---- set up ---------------------------------------------------------------------------------------- */

enum err links_start(struct real *real, const struct node_options *options, struct why *why)
{
    if (options->listen[0] == 0 && options->members_count < 2) {
        return OK;
    }
    const struct store_identity *identity = store_identity(real->store);
    struct net_member *members = alloc_array(MEMBERS_ROWS_MAX, sizeof(*members));
    struct net_options net;
    net_options_init(&net);
    net.loop = real->loop;
    net.self = options->id;
    net.cluster_id = options->cluster_id;
    net.incarnation = identity->incarnation;
    net.boot = identity->boot;
    net.slot_count = options->slot_count;
    net.listen = options->listen;
    net.peer_address = "";
    net.http_address = options->http_address;
    net.feature_level = options->feature_level;
    net.software = LETHE_VERSION;
    net.zone = options->zone;
    for (uint32_t i = 0; i < options->members_count; i++) {
        if (options->members[i].id == options->id) {
            net.peer_address = options->members[i].address;
        }
    }
    net.members = members;
    enum err err = links_members(real, node_members(real->node), members, &net.members_count, why);
    if (err != OK) {
        free(members);
        return err;
    }
    const struct net_tls_files tls = {options->tls_authority, options->tls_certificate,
                                      options->tls_key, options->tls_revoked};
    net.tls = options->tls_certificate != NULL && options->tls_certificate[0] != '\0' ? &tls : NULL;
    net.events = (struct net_events){.on_packet = on_packet,
                                     .on_frame = on_frame,
                                     .on_peer_learn = on_peer_learn,
                                     .on_peer_up = on_peer_up,
                                     .on_peer_down = on_peer_down,
                                     .on_peer_refused = on_peer_refused,
                                     .is_blank = is_blank,
                                     .arg = real};
    err = net_start(&net, &real->net, why);
    free(members);
    return err;
}
