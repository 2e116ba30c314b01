/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator ordered of the cluster's nodes last. It stands in the table beside what it changed,
 * with how that was before: so it is a job that outlives every process, whoever leads slot 0 can say how
 * far it is, and it can be taken back until it is through. Then what was before is forgotten. Of the few
 * orders before it the table keeps what they were and how they ended. */
#include "node/parts.h"

static void note_rows(const struct members *from, struct members *next)
{
    struct members_order *order = &next->order;
    order->rows = alloc_array(next->rows_count + 1, sizeof(*order->rows));
    for (uint32_t i = 0; i < next->rows_count; i++) {
        const struct members_row *row = &next->rows[i];
        const struct members_row *old = members_find(from, row->id);
        if (old == NULL || old->state != row->state || old->learner != row->learner) {
            order->rows[order->rows_count++] =
                (struct members_was){.id = row->id,
                                     .state = old == NULL ? 0 : old->state,
                                     .learner = old != NULL && old->learner};
        }
    }
}

static void note_moves(const struct members *from, struct members *next)
{
    struct members_order *order = &next->order;
    order->moves = alloc_array(next->places_count + 1, sizeof(*order->moves));
    for (uint32_t i = 0; i < next->places_count && i < from->places_count; i++) {
        if (!placement_is_same(&from->places[i], &next->places[i])) {
            order->moves[order->moves_count++] =
                (struct members_moved){.slot = i, .from = from->places[i]};
        }
    }
}

/* What was ordered before is kept, without what it changed: it is through when all that is wanted is. */
static void note_earlier(const struct members *from, struct members *next)
{
    if (from->order.state == MEMBERS_ORDER_NONE || next->feature_level < NODE_FEATURE_EARLIER) {
        return;
    }
    if (next->earlier_count == MEMBERS_EARLIER_MAX) {
        next->earlier_count--;
        memmove(&next->earlier[0], &next->earlier[1],
                next->earlier_count * sizeof(next->earlier[0]));
    }
    struct members_order *kept = &next->earlier[next->earlier_count++];
    *kept = from->order;
    kept->rows = NULL;
    kept->moves = NULL;
    kept->rows_count = kept->moves_count = 0;
}

void order_note(const struct members *from, struct members *next,
                const struct node_member_change *change, uint64_t wall_ms)
{
    note_earlier(from, next);
    members_order_clear(&next->order);
    next->order = (struct members_order){.state = MEMBERS_ORDER_RUNNING,
                                         .what = (uint8_t)change->what,
                                         .revision = next->revision,
                                         .node = change->id,
                                         .replaced = change->replaces,
                                         .started_ms = wall_ms};
    note_rows(from, next);
    note_moves(from, next);
}

static void forget_before(struct members_order *order)
{
    free(order->rows);
    free(order->moves);
    order->rows = NULL;
    order->moves = NULL;
    order->rows_count = order->moves_count = 0;
}

static bool end_one(struct members_order *order, uint64_t wall_ms)
{
    if (order->state != MEMBERS_ORDER_RUNNING) {
        return false;
    }
    order->state = MEMBERS_ORDER_DONE;
    order->ended_ms = wall_ms;
    forget_before(order);
    return true;
}

bool order_end(struct members *next, uint64_t wall_ms)
{
    bool did = end_one(&next->order, wall_ms);
    for (uint32_t i = 0; i < next->earlier_count; i++) {
        did |= end_one(&next->earlier[i], wall_ms);
    }
    return did;
}

const struct members_order *order_find_earlier(const struct members *table, uint64_t revision)
{
    for (uint32_t i = 0; i < table->earlier_count; i++) {
        if (table->earlier[i].revision == revision) {
            return &table->earlier[i];
        }
    }
    return NULL;
}

static enum err check_running(const struct members_order *order, uint64_t revision, struct why *why)
{
    if (order->state == MEMBERS_ORDER_NONE || order->revision != revision) {
        return why_set(why, ERR_NOT_FOUND,
                       "there is no job 'members-%" PRIu64 "': only the last order is kept, and "
                       "GET /v1/jobs has it",
                       revision);
    }
    if (order->state != MEMBERS_ORDER_RUNNING) {
        return why_set(why, ERR_CONFLICT, "job 'members-%" PRIu64 "' has ended: it is %s", revision,
                       order->state == MEMBERS_ORDER_DONE ? "done" : "cancelled");
    }
    return OK;
}

/* Who came with the order leaves again: its id was given away, and is not used again. */
static void restore_rows(struct members *next)
{
    for (uint32_t i = 0; i < next->order.rows_count; i++) {
        const struct members_was *was = &next->order.rows[i];
        struct members_row *row = members_find(next, was->id);
        if (row == NULL || row->state == MEMBERS_REMOVED) {
            continue;
        }
        row->state = was->state == 0 ? MEMBERS_LEAVING : was->state;
        row->learner = was->state == 0 ? row->learner : was->learner;
    }
}

static bool may_hold(const struct members *table, node_id id)
{
    const struct members_row *row = members_find(table, id);
    return row != NULL && (row->state == MEMBERS_ACTIVE || row->state == MEMBERS_DRAINING);
}

enum err order_take_back(struct members *next, uint64_t revision, uint64_t wall_ms, struct why *why)
{
    struct members_order *order = &next->order;
    enum err err = check_running(order, revision, why);
    if (err != OK) {
        return err;
    }
    restore_rows(next);
    for (uint32_t i = 0; i < order->moves_count; i++) {
        const struct members_moved *moved = &order->moves[i];
        next->places[moved->slot] = moved->from;
    }
    for (uint32_t i = 0; i < next->places_count; i++) {
        for (uint8_t k = 0; k < next->places[i].count; k++) {
            if (!may_hold(next, next->places[i].ids[k])) {
                return why_set(why, ERR_CONFLICT,
                               "slot %u was on node %u, which has left the cluster since: let the "
                               "change end, then make another one",
                               i, (unsigned)next->places[i].ids[k]);
            }
        }
    }
    order->state = MEMBERS_ORDER_CANCELLED;
    order->ended_ms = wall_ms;
    forget_before(order);
    return OK;
}
