/* SPDX-License-Identifier: Apache-2.0 */
/* How time passes in a world. A step of `run` lasts until the next moment at which something is due:
 * a node's deadline, a delayed packet, the end of a slow write; so a quiet second costs nothing. */
#include <string.h>

#include "node_world.h"

enum { SETTLE_ROUNDS = 3000, STEP_MIN_US = 1000, STEP_MAX_US = 100000 };

void world_advance(struct world *world, uint64_t us)
{
    world->now_us += us;
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        seat->mono_us += us * seat->rate_percent / 100;
    }
}

static bool seat_disk_is_due(const struct seat *seat)
{
    return seat->job != NULL && !seat->is_stalled && seat->job_due_us <= seat->world->now_us;
}

/* Does what there is to do at one node; true when there was something. */
static bool seat_move(struct seat *seat, const bool in[WORLD_NODES_MAX + 1])
{
    struct world *world = seat->world;
    bool did = seat->is_woken || seat->is_moved;
    if (seat_disk_is_due(seat))
        did |= seat_disk(seat, false);
    if (!seat->is_stalled && seat->fatal == OK)
        did |= seat_background(seat);
    for (node_id from = 1; from <= world->nodes && seat->fatal == OK; from++) {
        if (in[from] && !list_is_empty(&world->links[from][seat->id]))
            did |= link_deliver(world, from, seat->id, -1, WORLD_LINK_MAX, true) > 0;
    }
    if (seat->fatal == OK && (did || node_next_deadline_ms(seat->node) <= seat_now_ms(seat))) {
        seat_turn(seat);
        return true;
    }
    return did;
}

bool world_settle(struct world *world, const bool in[WORLD_NODES_MAX + 1], unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        bool did = false;
        for (node_id id = 1; id <= world->nodes; id++) {
            if (in[id] && seat_is_live(&world->seats[id]))
                did |= seat_move(&world->seats[id], in);
        }
        if (!did || world->error[0] != '\0')
            return true;
    }
    return false;
}

static void sooner(uint64_t *next_us, uint64_t at_us)
{
    if (at_us < *next_us)
        *next_us = at_us;
}

/* When something is due at this node, of the world's clock. */
static uint64_t seat_next_us(struct seat *seat)
{
    struct world *world = seat->world;
    uint64_t next_us = UINT64_MAX, deadline_ms = node_next_deadline_ms(seat->node);
    if (deadline_ms < UINT64_MAX / 1000) {
        uint64_t own_us = deadline_ms * 1000;
        uint64_t left_us = own_us > seat->mono_us ? own_us - seat->mono_us : 0;
        sooner(&next_us, world->now_us + left_us * 100 / seat->rate_percent + 1);
    }
    if (seat->job != NULL && !seat->is_stalled)
        sooner(&next_us, seat->job_due_us);
    for (node_id from = 1; from <= world->nodes; from++) {
        struct list *queue = &world->links[from][seat->id];
        for (struct list *item = queue->next; item != queue; item = item->next) {
            const struct parcel *parcel = CONTAINER_OF(item, struct parcel, link);
            if (!parcel->is_held)
                sooner(&next_us, parcel->due_us);
        }
    }
    return next_us;
}

bool world_run(struct world *world, uint64_t ms)
{
    bool in[WORLD_NODES_MAX + 1];
    memset(in, true, sizeof(in));
    uint64_t end_us = world->now_us + ms * 1000;
    for (;;) {
        if (!world_settle(world, in, SETTLE_ROUNDS))
            return false;
        if (world->now_us >= end_us || world->error[0] != '\0')
            return true;
        uint64_t next_us = world->now_us + STEP_MAX_US;
        for (node_id id = 1; id <= world->nodes; id++) {
            if (seat_is_live(&world->seats[id]))
                sooner(&next_us, seat_next_us(&world->seats[id]));
        }
        if (next_us < world->now_us + STEP_MIN_US)
            next_us = world->now_us + STEP_MIN_US;
        sooner(&next_us, end_us);
        world_advance(world, next_us - world->now_us);
    }
}

node_id world_leader(struct world *world, slot_id slot)
{
    node_id best = 0;
    raft_term term = 0;
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        if (!seat_is_live(seat))
            continue;
        const struct raft *raft = node_group_raft(seat->node, slot);
        if (raft_role(raft) == RAFT_LEADER && raft_current_term(raft) > term) {
            best = id;
            term = raft_current_term(raft);
        }
    }
    return best;
}
