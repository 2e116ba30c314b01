/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: which nodes shall vote in which slot. From the places as they are, with as few moves as
 * give an even spread:
 *
 *   1. a slot keeps whoever may stay;
 *   2. two of one zone: the fuller one goes when a zone without a replica has room;
 *   3. what is missing comes from the nodes with the fewest slots, other zones first;
 *   4. while one node has two slots more than another, one of them moves, unless zones say no.
 *
 * The same table gives the same places, whoever computes them. Pure. */
#include <string.h>

#include "base/alloc.h"
#include "node/member.h"

struct seat { /* a node that may be given slots */
    node_id id;
    const char *zone;
    uint32_t load;
    bool is_draining; /* it keeps what nobody else can hold, and gets nothing that others can */
};

struct plan {
    struct members *table;
    struct seat seats[MEMBERS_LIVE_MAX];
    uint32_t seats_count;
    uint32_t want; /* replicas of each slot */
};

static void add_seats(struct plan *plan, uint8_t state)
{
    for (uint32_t i = 0; i < plan->table->rows_count; i++) {
        const struct members_row *row = &plan->table->rows[i];
        if (row->state == state && !row->learner && plan->seats_count < MEMBERS_LIVE_MAX)
            plan->seats[plan->seats_count++] = (struct seat){
                .id = row->id, .zone = row->zone, .is_draining = state == MEMBERS_DRAINING};
    }
}

static struct seat *find_seat(struct plan *plan, node_id id)
{
    for (uint32_t i = 0; i < plan->seats_count; i++) {
        if (plan->seats[i].id == id)
            return &plan->seats[i];
    }
    return NULL;
}

static void take(struct plan *plan, struct members_place *place, node_id id)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < place->count; i++) {
        if (place->ids[i] != id)
            place->ids[kept++] = place->ids[i];
    }
    place->count = kept;
    struct seat *seat = find_seat(plan, id);
    if (seat != NULL)
        seat->load--;
}

static void give(struct plan *plan, struct members_place *place, node_id id)
{
    uint8_t at = place->count++;
    for (; at > 0 && place->ids[at - 1] > id; at--)
        place->ids[at] = place->ids[at - 1];
    place->ids[at] = id;
    find_seat(plan, id)->load++;
}

/* How many of the place are in that zone, but for the node `except`. */
static uint32_t in_zone(struct plan *plan, const struct members_place *place, const char *zone,
                        node_id except)
{
    uint32_t ret = 0;
    for (uint8_t i = 0; i < place->count && zone[0] != 0; i++) {
        const struct seat *seat = find_seat(plan, place->ids[i]);
        ret += seat != NULL && seat->id != except && strcmp(seat->zone, zone) == 0;
    }
    return ret;
}

/* The best node to add: zones without a replica first, then the emptiest, then by id. NULL: none. */
static struct seat *find_best(struct plan *plan, const struct members_place *place, node_id except)
{
    struct seat *best = NULL;
    uint32_t best_zone = 0;
    for (uint32_t i = 0; i < plan->seats_count; i++) {
        struct seat *seat = &plan->seats[i];
        if (members_has(place, seat->id))
            continue;
        uint32_t zone = in_zone(plan, place, seat->zone, except);
        if (best == NULL || seat->is_draining < best->is_draining ||
            (seat->is_draining == best->is_draining &&
             (zone < best_zone || (zone == best_zone && seat->load < best->load)))) {
            best = seat;
            best_zone = zone;
        }
    }
    return best;
}

/* The one to let go: where its zone has another one, then the fullest. */
static struct seat *find_worst(struct plan *plan, const struct members_place *place)
{
    struct seat *worst = NULL;
    uint32_t worst_zone = 0;
    for (uint8_t i = 0; i < place->count; i++) {
        struct seat *seat = find_seat(plan, place->ids[i]);
        uint32_t zone = in_zone(plan, place, seat->zone, seat->id);
        if (worst == NULL || seat->is_draining > worst->is_draining ||
            (seat->is_draining == worst->is_draining &&
             (zone > worst_zone || (zone == worst_zone && seat->load > worst->load)))) {
            worst = seat;
            worst_zone = zone;
        }
    }
    return worst;
}

static void keep(struct plan *plan, struct members_place *place)
{
    struct members_place old = *place;
    *place = (struct members_place){0};
    for (uint8_t i = 0; i < old.count; i++) {
        if (find_seat(plan, old.ids[i]) != NULL)
            give(plan, place, old.ids[i]);
    }
}

static void part_zones(struct plan *plan, struct members_place *place)
{
    for (uint8_t i = 0; i < RAFT_MEMBERS_MAX && place->count > 1; i++) {
        struct seat *worst = find_worst(plan, place);
        struct seat *best = find_best(plan, place, worst->id);
        if (in_zone(plan, place, worst->zone, worst->id) == 0 || best == NULL ||
            best->is_draining || in_zone(plan, place, best->zone, worst->id) > 0)
            return;
        take(plan, place, worst->id);
        give(plan, place, best->id);
    }
}

/* One slot of the fullest node goes to the emptiest. False: they are even, or zones forbid it. */
static bool even_out(struct plan *plan, struct seat *from, struct seat *to)
{
    if (from->load < to->load + 2 || from->is_draining || to->is_draining)
        return false;
    for (uint32_t i = 0; i < plan->table->places_count; i++) {
        struct members_place *place = &plan->table->places[i];
        if (!members_has(place, from->id) || members_has(place, to->id) ||
            in_zone(plan, place, to->zone, from->id) > in_zone(plan, place, from->zone, from->id))
            continue;
        take(plan, place, from->id);
        give(plan, place, to->id);
        return true;
    }
    return false;
}

static bool even_any(struct plan *plan)
{
    struct seat *from = &plan->seats[0], *to = &plan->seats[0];
    for (uint32_t i = 1; i < plan->seats_count && !plan->seats[i].is_draining; i++) {
        from = plan->seats[i].load > from->load ? &plan->seats[i] : from;
        to = plan->seats[i].load < to->load ? &plan->seats[i] : to;
    }
    if (even_out(plan, from, to))
        return true;
    if (from->load < to->load + 2)
        return false;
    for (uint32_t i = 0; i < plan->seats_count; i++) { /* zones are in the way of those two */
        for (uint32_t k = 0; k < plan->seats_count; k++) {
            if (even_out(plan, &plan->seats[i], &plan->seats[k]))
                return true;
        }
    }
    return false;
}

bool place_plan(struct members *table, uint32_t slots)
{
    struct plan plan = {.table = table};
    add_seats(&plan, MEMBERS_ACTIVE);
    /* With nobody to spare, a draining node keeps what it has. */
    if (plan.seats_count < table->replica_count)
        add_seats(&plan, MEMBERS_DRAINING);
    if (plan.seats_count == 0)
        return false;
    plan.want = plan.seats_count < table->replica_count ? plan.seats_count : table->replica_count;
    if (table->places_count != slots) {
        free(table->places);
        table->places = alloc_zero((slots + 1) * sizeof(*table->places));
        table->places_count = slots;
    }
    for (uint32_t i = 0; i < slots; i++)
        keep(&plan, &table->places[i]);
    for (uint32_t i = 0; i < slots; i++) {
        struct members_place *place = &table->places[i];
        part_zones(&plan, place);
        while (place->count > plan.want)
            take(&plan, place, find_worst(&plan, place)->id);
        while (place->count < plan.want)
            give(&plan, place, find_best(&plan, place, 0)->id);
    }
    while (even_any(&plan)) {
    }
    return true;
}
