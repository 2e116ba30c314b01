/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sendq.h"

#include <event2/buffer.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/limits.h"

static void lane_init(struct net_sendq_lane *lane, enum frame_kind packets_kind, size_t max_bytes)
{
    *lane = (struct net_sendq_lane){.packets_kind = packets_kind, .max_bytes = max_bytes};
    buf_init(&lane->buf);
    lane->last = &lane->first;
}

void net_sendq_init(struct net_sendq *sendq, size_t urgent_max_bytes, size_t bulk_max_bytes)
{
    lane_init(&sendq->lanes[NET_URGENT], FRAME_HEARTBEATS, urgent_max_bytes);
    lane_init(&sendq->lanes[NET_BULK], FRAME_PACKETS, bulk_max_bytes);
}

void net_sendq_clear(struct net_sendq *sendq)
{
    for (unsigned i = 0; i < NET_LANES; i++) {
        struct net_sendq_lane *lane = &sendq->lanes[i];
        while (lane->first != NULL) {
            struct net_sealed *sealed = lane->first;
            lane->first = sealed->next;
            free(sealed->data);
            free(sealed);
        }
        lane->last = &lane->first;
        lane->sealed_bytes = 0;
        lane->is_open = false;
        buf_done(&lane->buf);
    }
}

void net_sendq_done(struct net_sendq *sendq)
{
    net_sendq_clear(sendq);
}

size_t net_sendq_bytes(const struct net_sendq *sendq, enum net_lane lane)
{
    return sendq->lanes[lane].sealed_bytes + sendq->lanes[lane].buf.len;
}

static void lane_end_frame(struct net_sendq_lane *lane)
{
    if (lane->is_open) {
        packet_out_end(&lane->out);
        lane->is_open = false;
    }
}

static void lane_seal(struct net_sendq_lane *lane)
{
    lane_end_frame(lane);
    if (lane->buf.len == 0) {
        return;
    }
    struct net_sealed *sealed = alloc_zero(sizeof(*sealed));
    size_t capacity = lane->buf.capacity;
    sealed->data = buf_take(&lane->buf, &sealed->len);
    /* What has to wait must not hold more memory than it is counted for. */
    if (lane->first != NULL && capacity - sealed->len > sealed->len / 4) {
        sealed->data = alloc_resize(sealed->data, sealed->len, 1);
    }
    lane->sealed_bytes += sealed->len;
    *lane->last = sealed;
    lane->last = &sealed->next;
}

static bool lane_has_room(const struct net_sendq_lane *lane, size_t more, size_t already_bytes)
{
    size_t used = lane->sealed_bytes + lane->buf.len + already_bytes;
    return used < lane->max_bytes && more <= lane->max_bytes - used;
}

bool net_sendq_add_packet(struct net_sendq *sendq, enum net_lane which,
                          const struct raft_packet *packet, size_t already_bytes)
{
    struct net_sendq_lane *lane = &sendq->lanes[which];
    if (!lane_has_room(lane, packet_max_bytes(packet) + FRAME_HEADER_BYTES, already_bytes)) {
        return false;
    }
    if (lane->is_open && packet_out_add(&lane->out, packet)) {
        if (lane->buf.len >= NET_FRAME_SOFT_BYTES) {
            lane_seal(lane);
        }
        return true;
    }
    lane_seal(lane);
    buf_reserve(&lane->buf, packet_max_bytes(packet) + FRAME_HEADER_BYTES);
    packet_out_begin(&lane->out, &lane->buf, lane->packets_kind);
    if (!packet_out_add(&lane->out, packet)) {
        buf_clear(&lane->buf); /* only the head of the frame was in it */
        return false;
    }
    lane->is_open = true;
    if (lane->buf.len >= NET_FRAME_SOFT_BYTES) {
        lane_seal(lane);
    }
    return true;
}

bool net_sendq_add_frame(struct net_sendq *sendq, enum net_lane which, uint8_t kind,
                         struct bytes body, size_t already_bytes)
{
    struct net_sendq_lane *lane = &sendq->lanes[which];
    if (!lane_has_room(lane, body.len + FRAME_HEADER_BYTES, already_bytes)) {
        return false;
    }
    lane_end_frame(lane);
    frame_encode(&lane->buf, (enum frame_kind)kind, body);
    if (lane->buf.len >= NET_FRAME_SOFT_BYTES) {
        lane_seal(lane);
    }
    return true;
}

void net_sendq_seal(struct net_sendq *sendq)
{
    for (unsigned i = 0; i < NET_LANES; i++) {
        lane_seal(&sendq->lanes[i]);
    }
}

bool net_sendq_has_sealed(const struct net_sendq *sendq)
{
    return sendq->lanes[NET_URGENT].first != NULL || sendq->lanes[NET_BULK].first != NULL;
}

static void free_moved(const void *data, size_t len, void *arg)
{
    (void)data, (void)len;
    free(arg);
}

static size_t lane_move_first(struct net_sendq_lane *lane, struct evbuffer *out)
{
    struct net_sealed *sealed = lane->first;
    lane->first = sealed->next;
    if (lane->first == NULL) {
        lane->last = &lane->first;
    }
    size_t len = sealed->len;
    lane->sealed_bytes -= len;
    int failed = evbuffer_add_reference(out, sealed->data, len, free_moved, sealed->data);
    assert(failed == 0);
    free(sealed);
    return len;
}

size_t net_sendq_move(struct net_sendq *sendq, struct evbuffer *out, size_t ahead_bytes)
{
    size_t ret = 0;
    size_t held = evbuffer_get_length(out);
    while (held + ret < ahead_bytes) {
        struct net_sendq_lane *lane = &sendq->lanes[NET_URGENT];
        if (lane->first == NULL) {
            lane = &sendq->lanes[NET_BULK];
        }
        if (lane->first == NULL) {
            break;
        }
        ret += lane_move_first(lane, out);
    }
    return ret;
}
