/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: which nodes shall vote in which slot. From the places as they are, with as few moves as
 * give an even spread:
 *
 *   1. a slot keeps whoever may stay;
 *   2. two of one zone: the fuller one goes when a zone without a replica has room;
 *   3. what is missing comes from the nodes with the fewest slots, other zones first;
 *   4. while one node has two slots more than another, one of them moves, by way of others where zones ask
 *      for it.
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

/* A slot that may go from the one to the other; NULL: none, or zones forbid it. */
static struct members_place *find_move(struct plan *plan, const struct seat *from,
                                       const struct seat *to)
{
    for (uint32_t i = 0; i < plan->table->places_count; i++) {
        struct members_place *place = &plan->table->places[i];
        if (members_has(place, from->id) && !members_has(place, to->id) &&
            in_zone(plan, place, to->zone, from->id) <= in_zone(plan, place, from->zone, from->id))
            return place;
    }
    return NULL;
}

static bool move_one(struct plan *plan, const struct seat *from, const struct seat *to)
{
    struct members_place *place = find_move(plan, from, to);
    if (place == NULL)
        return false;
    take(plan, place, from->id);
    give(plan, place, to->id);
    return true;
}

/* Zones are in the way of a slot's move from the fullest node to one with two less: by way of others, the
 * fewest there can be (breadth first). Each on the way gets one and gives one. */
static bool even_by_way(struct plan *plan, uint32_t first)
{
    uint32_t queue[MEMBERS_LIVE_MAX], parent[MEMBERS_LIVE_MAX], count = 0, last = first;
    bool is_seen[MEMBERS_LIVE_MAX] = {false};
    queue[count++] = first;
    is_seen[first] = true;
    for (uint32_t at = 0; at < count && last == first; at++) {
        for (uint32_t k = 0; k < plan->seats_count && last == first; k++) {
            const struct seat *to = &plan->seats[k];
            if (is_seen[k] || to->is_draining ||
                find_move(plan, &plan->seats[queue[at]], to) == NULL)
                continue;
            is_seen[k] = true;
            parent[k] = queue[at];
            queue[count++] = k;
            last = to->load + 2 <= plan->seats[first].load ? k : first;
        }
    }
    bool did = last != first;
    /* From its end: so what a node is to give was not given to it just before. */
    for (uint32_t k = last; did && k != first; k = parent[k])
        did = move_one(plan, &plan->seats[parent[k]], &plan->seats[k]);
    return did;
}

/* The fullest node gives one to the emptiest. False: they are even, or zones forbid it. */
static bool even_out(struct plan *plan)
{
    uint32_t from = 0, to = 0;
    for (uint32_t i = 1; i < plan->seats_count && !plan->seats[i].is_draining; i++) {
        from = plan->seats[i].load > plan->seats[from].load ? i : from;
        to = plan->seats[i].load < plan->seats[to].load ? i : to;
    }
    uint32_t most = plan->seats[from].load;
    if (plan->seats[from].is_draining || most < plan->seats[to].load + 2)
        return false;
    if (move_one(plan, &plan->seats[from], &plan->seats[to]))
        return true;
    for (uint32_t i = 0; i < plan->seats_count; i++) { /* from any of the fullest */
        if (plan->seats[i].load == most && !plan->seats[i].is_draining && even_by_way(plan, i))
            return true;
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
    /* Each step brings two nodes nearer to each other: there are not more than there are replicas. */
    for (uint32_t i = 0; i < slots * plan.want && even_out(&plan); i++) {
    }
    return true;
}
