/* SPDX-License-Identifier: Apache-2.0 */
/* The network between the nodes of a world: what a node sends becomes a parcel in the queue of its
 * direction, encoded by src/wire; it is decoded when it is delivered. Packets of Raft may be lost,
 * doubled, reordered and delayed. A call between nodes travels on a link that does neither double
 * nor reorder; it may be lost when the link breaks. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "node_world.h"
#include "wire/call.h"
#include "wire/packet.h"

static uint64_t face_mono_us(void *arg)
{
    return ((struct seat *)arg)->mono_us;
}

static uint64_t face_wall_ms(void *arg)
{
    const struct seat *seat = arg;
    return (uint64_t)(1700000000000ll + (int64_t)(seat->mono_us / 1000) + seat->wall_shift_ms);
}

static uint64_t face_random_u64(void *arg)
{
    return rng_next(&((struct seat *)arg)->world->rng);
}

static void face_wake(void *arg)
{
    ((struct seat *)arg)->is_woken = true;
}

static void face_disk_submit(void *arg, struct node_disk_job *job)
{
    struct seat *seat = arg;
    assert(seat->job == NULL);
    if (seat->fatal != OK)
        world_fail(seat->world, "I10: node %llu writes after it failed", LLU(seat->id));
    seat->job = job;
    seat->job_due_us = seat->world->now_us + seat->slow_ms * 1000;
}

/* ---- sending -------------------------------------------------------------------------------------- */
void parcel_free(struct parcel *parcel)
{
    buf_done(&parcel->frame);
    free(parcel);
}

struct parcel *parcel_copy(const struct parcel *parcel)
{
    struct parcel *copy = alloc_zero(sizeof(*copy));
    *copy = *parcel;
    copy->frame = (struct buf)BUF_INIT;
    buf_append_bytes(&copy->frame, buf_bytes(&parcel->frame));
    list_init(&copy->link);
    return copy;
}

bool parcel_is_call(const struct parcel *parcel)
{
    return parcel->kind == PARCEL_REQUEST || parcel->kind == PARCEL_RESPONSE;
}

static void link_add(struct world *world, struct parcel *parcel)
{
    struct list *queue = &world->links[parcel->from][parcel->to];
    uint32_t *count = &world->link_counts[parcel->from][parcel->to];
    if (*count == WORLD_LINK_MAX) { /* as a buffer that overflows */
        parcel_free(parcel);
        return;
    }
    (*count)++;
    bool is_call = parcel_is_call(parcel);
    if (!is_call && !list_is_empty(queue) &&
        rng_below(&world->rng, 100) < world->weather.reorder_percent)
        list_append(queue->previous, &parcel->link); /* before the one that was last */
    else
        list_append(queue, &parcel->link);
}

static void world_post(struct world *world, struct parcel *parcel)
{
    const struct weather *weather = &world->weather;
    bool is_call = parcel_is_call(parcel);
    parcel->due_us = world->now_us;
    if (weather->loss_percent > 0 && rng_below(&world->rng, 100) < weather->loss_percent) {
        parcel_free(parcel);
        return;
    }
    if (weather->delay_ms > 0)
        parcel->due_us += rng_below(&world->rng, weather->delay_ms) * 1000;
    if (!is_call && weather->dup_percent > 0 && rng_below(&world->rng, 100) < weather->dup_percent)
        link_add(world, parcel_copy(parcel));
    link_add(world, parcel);
}

static bool face_is_open(struct seat *seat, node_id to)
{
    struct world *world = seat->world;
    assert(to >= 1 && to <= world->nodes && to != seat->id);
    if (seat->is_dying)
        return false;
    if (seat->fatal != OK)
        world_fail(world, "I10: node %llu sends after it failed", LLU(seat->id));
    if (world->has_members && !seat_may_send(seat, &world->seats[to]))
        return false;
    return !world->is_cut[seat->id][to];
}

static struct parcel *face_parcel(struct seat *seat, node_id to, int kind)
{
    struct parcel *parcel = alloc_zero(sizeof(*parcel));
    list_init(&parcel->link);
    parcel->from = seat->id;
    parcel->to = to;
    parcel->kind = kind;
    parcel->incarnation = seat->incarnation;
    parcel->boot = seat->disk_boot;
    parcel->start = seat->start;
    return parcel;
}

static bool face_send(void *arg, node_id to, enum node_lane lane, const struct raft_packet *packet)
{
    (void)lane;
    struct seat *seat = arg;
    struct world *world = seat->world;
    assert(packet->from == seat->id && packet->to == to);
    if (world->is_clogged[seat->id][to])
        return false;
    bool is_open = face_is_open(seat, to);
    check_sent(seat, packet);
    if (!is_open)
        return true; /* lost on the way: the sender does not notice */
    struct parcel *parcel = face_parcel(seat, to, packet->kind);
    struct packet_out out;
    packet_out_begin(&out, &parcel->frame, FRAME_PACKETS);
    bool fits = packet_out_add(&out, packet);
    assert(fits);
    packet_out_end(&out);
    world_post(world, parcel);
    return true;
}

static bool face_send_request(void *arg, node_id to, const struct call_request *request)
{
    struct seat *seat = arg;
    if (seat->world->is_clogged[seat->id][to] || !face_is_open(seat, to))
        return false; /* a link that is cut is soon known to be */
    struct parcel *parcel = face_parcel(seat, to, PARCEL_REQUEST);
    call_encode_request(&parcel->frame, request);
    world_post(seat->world, parcel);
    return true;
}

static bool face_send_response(void *arg, node_id to, const struct call_response *response)
{
    struct seat *seat = arg;
    if (seat->world->is_clogged[seat->id][to] || !face_is_open(seat, to))
        return false;
    struct parcel *parcel = face_parcel(seat, to, PARCEL_RESPONSE);
    call_encode_response(&parcel->frame, response);
    world_post(seat->world, parcel);
    return true;
}

static void face_background_submit(void *arg, struct node_background_job *job)
{
    struct seat *seat = arg;
    struct node_background_job **at = &seat->background[node_background_lane(job)];
    assert(*at == NULL);
    *at = job;
}

static bool face_send_frame(void *arg, node_id to, uint8_t kind, struct bytes body)
{
    struct seat *seat = arg;
    if (seat->world->is_clogged[seat->id][to])
        return false;
    if (!face_is_open(seat, to))
        return true;
    int as = kind == FRAME_INSTALL ? PARCEL_INSTALL : PARCEL_DIGESTS;
    struct parcel *parcel = face_parcel(seat, to, as);
    frame_encode(&parcel->frame, kind, body);
    world_post(seat->world, parcel);
    return true;
}

static void face_flush(void *arg)
{
    (void)arg;
}

static void face_fatal(void *arg, enum err err, const char *text)
{
    struct seat *seat = arg;
    world_note(seat->world, "node %llu fails: %s", LLU(seat->id), text);
    if (err == ERR_CORRUPT && seat_is_damaged_in_slot(seat))
        world_fail(seat->world, "I31: a damaged row ended node %llu, not its slot: %s",
                   LLU(seat->id), text);
    seat->fatal = err;
}

const struct node_world seat_face = {
    .mono_us = face_mono_us,
    .wall_ms = face_wall_ms,
    .random_u64 = face_random_u64,
    .wake = face_wake,
    .disk_submit = face_disk_submit,
    .send = face_send,
    .send_request = face_send_request,
    .send_response = face_send_response,
    .background_submit = face_background_submit,
    .send_frame = face_send_frame,
    .flush = face_flush,
    .fatal = face_fatal,
};

static void note_packet(struct world *world, const struct raft_packet *packet)
{
    bool has_pos = packet->kind == RAFT_VOTE || packet->kind == RAFT_PREVOTE ||
                   packet->kind == RAFT_APPEND || packet->kind == RAFT_APPEND_REPLY;
    char pos[64] = "";
    if (has_pos)
        snprintf(pos, sizeof(pos), " %llu:%llu+%u", LLU(packet->pos.index), LLU(packet->pos.term),
                 packet->entries_count);
    world_note(world, "%llu->%llu %s/%u term=%llu%s%s%s", LLU(packet->from), LLU(packet->to),
               packet_name(packet->kind), packet->slot, LLU(packet->term), pos,
               packet->flags & RAFT_REFUSED ? " refused" : "",
               packet->flags & RAFT_AMNESIA ? " amnesia" : "");
}

/* ---- delivering ------------------------------------------------------------------------------------ */
static void give_frame(struct seat *seat, node_id from, const struct frame *frame)
{
    struct call_request request;
    struct call_response response;
    struct packet_in in;
    enum err err;
    if (frame->kind == FRAME_REQUEST) {
        err = call_decode_request(frame->body, &request, NULL);
        assert(err == OK);
        node_receive_request(seat->node, from, &request);
    } else if (frame->kind == FRAME_RESPONSE) {
        err = call_decode_response(frame->body, &response, NULL);
        assert(err == OK);
        node_receive_response(seat->node, from, &response);
    } else if (frame->kind == FRAME_INSTALL || frame->kind == FRAME_DIGESTS) {
        struct why why = {0};
        if (node_receive_frame(seat->node, from, frame->kind, frame->body, &why) != OK)
            world_fail(seat->world, "I25: node %llu does not understand a frame of %llu: %s",
                       LLU(seat->id), LLU(from), why.text);
    } else {
        err = packet_in_decode(frame->body, &in, NULL);
        assert(err == OK);
        for (uint32_t i = 0; i < in.packets_count; i++) {
            note_packet(seat->world, &in.packets[i]);
            node_receive(seat->node, &in.packets[i]);
        }
        packet_in_done(&in);
    }
}

/* Takes the parcel out of its queue and gives it to its node; a node that is down loses it. */
static void parcel_give(struct world *world, struct parcel *parcel)
{
    struct seat *seat = &world->seats[parcel->to];
    list_remove(&parcel->link);
    world->link_counts[parcel->from][parcel->to]--;
    if (seat->node != NULL && seat->fatal == OK &&
        (!world->has_members || seat_lets_in(seat, parcel))) {
        struct frame frame;
        bool has = false;
        struct frame_reader reader;
        frame_reader_init(&reader);
        frame_reader_trust(&reader);
        frame_reader_feed(&reader, buf_bytes(&parcel->frame));
        enum err err = frame_reader_next(&reader, &frame, &has, NULL);
        assert(err == OK);
        assert(has);
        if (parcel->kind >= PARCEL_REQUEST)
            world_note(world, "%llu->%llu %s", LLU(parcel->from), LLU(parcel->to),
                       packet_name(parcel->kind));
        give_frame(seat, parcel->from, &frame);
        frame_reader_done(&reader);
        seat->is_moved = true;
    }
    parcel_free(parcel);
}

unsigned link_deliver(struct world *world, node_id from, node_id to, int kind, unsigned n,
                      bool is_patient)
{
    struct list *queue = &world->links[from][to], *item = queue->next;
    unsigned done = 0;
    while (item != queue && done < n) {
        struct parcel *parcel = CONTAINER_OF(item, struct parcel, link);
        item = item->next;
        if (parcel->is_held || (kind >= 0 && parcel->kind != kind) ||
            (is_patient && parcel->due_us > world->now_us))
            continue;
        parcel_give(world, parcel);
        done++;
    }
    return done;
}

unsigned world_deliver(struct world *world, node_id from, node_id to, int kind, unsigned n)
{
    unsigned done = 0;
    for (node_id t = 1; t <= world->nodes; t++) {
        struct seat *seat = &world->seats[t];
        unsigned before = done;
        for (node_id f = 1; f <= world->nodes; f++) {
            if ((to == 0 || t == to) && (from == 0 || f == from) && !seat->is_paused)
                done += link_deliver(world, f, t, kind, n - done, false);
        }
        if (done > before && seat_is_live(seat))
            seat_turn(seat);
    }
    return done;
}

void world_drop_link(struct world *world, node_id from, node_id to)
{
    struct list *queue = &world->links[from][to];
    while (!list_is_empty(queue)) {
        struct parcel *parcel = CONTAINER_OF(queue->next, struct parcel, link);
        list_remove(&parcel->link);
        parcel_free(parcel);
    }
    world->link_counts[from][to] = 0;
}

void world_drop_calls(struct world *world, node_id to)
{
    for (node_id from = 1; from <= world->nodes; from++) {
        struct list *queue = &world->links[from][to], *item = queue->next;
        while (item != queue) {
            struct parcel *parcel = CONTAINER_OF(item, struct parcel, link);
            item = item->next;
            if (!parcel_is_call(parcel))
                continue;
            list_remove(&parcel->link);
            parcel_free(parcel);
            world->link_counts[from][to]--;
        }
    }
}
