/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the table of the cluster's nodes. Slot 0's leader makes the next table from the one in
 * force and proposes it as a command that takes effect only on that one: of two that were made at
 * once, the later finds another table and is refused. What must be refused is refused before.
 *
 * By itself it notes who was heard of for the first time (its incarnation: from then on another data
 * folder under that id is refused), newer builds, and that a node which leaves has left. */
#include "node/parts.h"
#include "wire/command.h"
#include "wire/limits.h"

/* ---- what is refused ------------------------------------------------------------------------------ */

static enum err refuse_address(const char *address, struct why *why)
{
    const char *colon = strrchr(address, ':');
    unsigned port = 0;
    bool is_good = colon != NULL && colon != address && colon[1] != 0;
    for (const char *at = colon == NULL ? "" : colon + 1; is_good && *at != 0; at++) {
        is_good = *at >= '0' && *at <= '9' && (port = port * 10 + (unsigned)(*at - '0')) <= 65535;
    }
    return is_good && port > 0
               ? OK
               : why_set(why, ERR_BAD_PARAMETER,
                         "'address' must be the host:port of the new node's peer "
                         "listener ('cluster.listen' or 'cluster.advertise' there)");
}

static uint32_t count_state(const struct members *table, bool only_voters)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < table->rows_count; i++) {
        const struct members_row *row = &table->rows[i];
        ret += members_is_live(row) &&
               (!only_voters || (row->state == MEMBERS_ACTIVE && !row->learner));
    }
    return ret;
}

static enum err add_row(struct members *table, const struct node_member_change *change,
                        struct why *why)
{
    const struct members_row *old = members_find(table, change->id);
    unsigned id = (unsigned)change->id;
    if (old != NULL && old->state == MEMBERS_REMOVED) {
        return why_set(why, ERR_CONFLICT,
                       "node %u was removed, and its id is never used again: start the new node "
                       "with another 'node.id' and an empty data folder",
                       id);
    }
    if (old != NULL) {
        return why_set(why, ERR_CONFLICT,
                       "node %u is a member already: to replace its disk, start a new node with "
                       "another 'node.id' and give \"replaces\":%u",
                       id, id);
    }
    if (change->replaces == change->id) {
        return why_set(why, ERR_BAD_PARAMETER, "a node cannot replace itself: 'id' must be new");
    }
    enum err err = refuse_address(change->address, why);
    if (err != OK) {
        return err;
    }
    for (uint32_t i = 0; i < table->rows_count; i++) {
        const struct members_row *row = &table->rows[i];
        if (members_is_live(row) && strcmp(row->address, change->address) == 0 &&
            row->id != change->replaces) {
            return why_set(
                why, ERR_CONFLICT,
                "node %u has the address '%s' already: give the new node another one, or "
                "replace that node by it",
                (unsigned)row->id, change->address);
        }
    }
    if (count_state(table, false) >= MEMBERS_LIVE_MAX || table->rows_count >= MEMBERS_ROWS_MAX) {
        return why_set(why, ERR_CONFLICT,
                       "the cluster has %d nodes, or has had %d: no room; remove one that is "
                       "not needed, or use another cluster for a part of the channels",
                       MEMBERS_LIVE_MAX, MEMBERS_ROWS_MAX);
    }
    uint32_t learners = 0;
    for (uint32_t i = 0; i < table->rows_count; i++) {
        learners += members_is_live(&table->rows[i]) && table->rows[i].learner;
    }
    /* A slot that moves has room for all who come besides. */
    uint32_t room =
        table->replica_count < RAFT_MEMBERS_MAX ? RAFT_MEMBERS_MAX - table->replica_count : 1;
    if (change->learner && learners >= room) {
        return why_set(why, ERR_CONFLICT,
                       "the cluster has %u learners already, and %u are the most: promote one, or "
                       "remove one, first",
                       learners, room);
    }
    struct members_row *row = members_insert(table, change->id);
    row->state = MEMBERS_ACTIVE;
    row->learner = change->learner;
    (void)snprintf(row->address, sizeof(row->address), "%s", change->address);
    (void)snprintf(row->zone, sizeof(row->zone), "%s", change->zone);
    return OK;
}

static enum err leave_row(struct members *table, node_id id, struct why *why)
{
    struct members_row *row = members_find(table, id);
    if (row == NULL || row->state == MEMBERS_REMOVED) {
        return why_set(why, ERR_NOT_FOUND, "there is no node %u: GET /v1/nodes has those there are",
                       (unsigned)id);
    }
    if (row->state == MEMBERS_LEAVING) {
        return why_set(why, ERR_CONFLICT,
                       "node %u is leaving already: GET /v1/jobs says how far that is",
                       (unsigned)id);
    }
    row->state = MEMBERS_LEAVING;
    return OK;
}

static enum err set_state(struct members *table, const struct node_member_change *change,
                          struct why *why)
{
    struct members_row *row = members_find(table, change->id);
    unsigned id = (unsigned)change->id;
    if (row == NULL || row->state == MEMBERS_REMOVED) {
        return why_set(why, ERR_NOT_FOUND, "there is no node %u: GET /v1/nodes has those there are",
                       id);
    }
    if (row->state == MEMBERS_LEAVING) {
        return why_set(why, ERR_CONFLICT,
                       "node %u is leaving the cluster: to keep it, cancel that job (GET /v1/jobs)",
                       id);
    }
    if (change->what == NODE_MEMBER_PROMOTE) {
        if (!row->learner) {
            return why_set(why, ERR_CONFLICT,
                           "node %u is no learner: it has its share of the slots already", id);
        }
        row->learner = false;
        return OK;
    }
    uint8_t state = change->what == NODE_MEMBER_DRAIN ? MEMBERS_DRAINING : MEMBERS_ACTIVE;
    if (row->state == state) {
        return why_set(why, ERR_CONFLICT, "node %u is %s", id,
                       state == MEMBERS_ACTIVE
                           ? "not draining: nothing is to be taken back"
                           : "draining already: GET /v1/jobs says how far that is");
    }
    row->state = state;
    return OK;
}

static uint32_t count_up(const struct node *node, const struct members_place *place)
{
    uint32_t ret = 0;
    for (uint8_t i = 0; i < place->count; i++) {
        ret += node_peer_is_up(node, place->ids[i]);
    }
    return ret;
}

/* Where the slot was before the order that runs: who holds it now is there, or there already. */
static const struct members_place *place_before(const struct node *node, slot_id slot)
{
    const struct membership *membership = &node->membership;
    const struct members_order *order = &membership->table.order;
    if (order->state != MEMBERS_ORDER_RUNNING ||
        membership->settled[slot] == membership->table.revision) {
        return NULL;
    }
    for (uint32_t i = 0; i < order->moves_count; i++) {
        if (order->moves[i].slot == slot) {
            return &order->moves[i].from;
        }
    }
    return NULL;
}

/* Old and new majorities must be up. A slot that is still on its way to nodes that do not come has not
 * left those that hold it. */
static enum err check_quorums(const struct node *node, const struct members *from,
                              const struct members *to, struct why *why)
{
    for (uint32_t i = 0; i < to->places_count; i++) {
        const struct members_place *places[] = {i < from->places_count ? &from->places[i] : NULL,
                                                &to->places[i]};
        const struct members_place *before = place_before(node, i);
        for (size_t p = 0; p < ARRAY_LEN(places); p++) {
            const struct members_place *place = places[p];
            uint32_t up = place == NULL ? 0 : count_up(node, place);
            bool is_held = p == 0 && before != NULL && count_up(node, before) > before->count / 2u;
            if (place != NULL && up <= place->count / 2u && !is_held) {
                return why_set(why, ERR_CONFLICT,
                               "slot %u would have %u of %u replicas up %s the change: bring a "
                               "node back, or add one, first",
                               i, up, place->count, p == 0 ? "during" : "after");
            }
        }
    }
    return OK;
}

/* As it says now, else as it said last. */
static uint32_t level_of(const struct members_row *row, const struct peer *peer)
{
    return peer != NULL && peer->feature_level != 0 ? peer->feature_level : row->feature_level;
}

/* A build that does not know this command would stop at it. Who leaves is not asked. */
static enum err check_levels(const struct node *node, const struct members *table, struct why *why)
{
    for (uint32_t i = 0; i < table->rows_count; i++) {
        const struct members_row *row = &table->rows[i];
        const struct peer *peer = node_find_peer(node, row->id);
        if (!members_is_live(row) || row->state == MEMBERS_LEAVING || peer == NULL ||
            row->id == node->options.id || (row->incarnation == 0 && table->revision > 1)) {
            continue; /* who was not met yet says it then */
        }
        uint32_t level = level_of(row, peer);
        if (level == 0) {
            return why_set(why, ERR_CONFLICT,
                           "node %u was not heard of since this node started, so its version is "
                           "not known: start it, or remove it first",
                           (unsigned)row->id);
        }
        if (level < NODE_FEATURE_MEMBERS) {
            return why_set(why, ERR_CONFLICT,
                           "node %u runs a version that does not know this: upgrade it first",
                           (unsigned)row->id);
        }
    }
    return OK;
}

/* One change at a time, but for adding nodes, ending a drain, and removing what is down: that is the
 * way out of a change that cannot end. An order that is done, or none, left every slot in its place;
 * which ones a new leader has not heard of yet does not matter then. */
static enum err check_alone(const struct node *node, const struct node_member_change *change,
                            struct why *why)
{
    bool is_way_out = change->what == NODE_MEMBER_REMOVE && !node_peer_is_up(node, change->id);
    bool is_free = (change->what == NODE_MEMBER_ADD && change->replaces == 0) ||
                   change->what == NODE_MEMBER_UNDRAIN || change->what == NODE_MEMBER_CANCEL ||
                   change->dry_run;
    const struct members_order *order = &node->membership.table.order;
    bool is_over = order->state == MEMBERS_ORDER_NONE || order->state == MEMBERS_ORDER_DONE;
    uint32_t settled = tell_settled(node);
    if (is_over || is_way_out || is_free || settled == node->groups_count) {
        return OK;
    }
    return why_set(why, ERR_CONFLICT,
                   "an earlier change is under way (job 'members-%" PRIu64
                   "'%s): %u of %u slots are not there yet; wait until they are%s",
                   order->revision,
                   order->state == MEMBERS_ORDER_CANCELLED ? ", which was cancelled" : "",
                   node->groups_count - settled, node->groups_count,
                   order->state == MEMBERS_ORDER_CANCELLED ? "" : ", or cancel it");
}

/* ---- carried out -------------------------------------------------------------------------------------- */

enum err change_propose(struct node *node, const struct members *table, struct raft_pos *ret_pos)
{
    struct group *group = &node->groups[0];
    struct buf buf = BUF_INIT;
    members_encode(&buf, table);
    struct command command = {
        .kind = COMMAND_MEMBERS,
        .members = {.expected_revision = table->revision - 1, .table = buf_bytes(&buf)}};
    enum err err = table_may_propose(node, COMMAND_MEMBERS, NULL);
    err = err == OK ? command_check(&command, NULL) : err;
    struct blob *encoded = err == OK ? command_encode(&command) : NULL;
    buf_done(&buf);
    if (err != OK) {
        return err;
    }
    route_stamp(group, encoded);
    struct raft_entry entry = {
        .kind = RAFT_ENTRY_DATA, .size_bytes = encoded->len, .payload = encoded};
    err = raft_propose(group->raft, &entry, 1, ret_pos);
    if (err == OK) {
        group_limbo(group, encoded);
        group_dirty(group);
        node->membership.proposed = *ret_pos;
    }
    blob_unref(encoded);
    return err;
}

/* One is under way, or this leader does not know yet what was decided before it. */
static bool is_unsure(const struct node *node)
{
    const struct group *group = &node->groups[0];
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_pos *proposed = &node->membership.proposed;
    return !status.read_ready || group->applied < status.commit ||
           (proposed->term == status.term && proposed->index > group->applied);
}

/* What was heard of the node that the row does not say yet. */
static bool note_row(const struct node *node, struct members_row *row)
{
    const struct peer *peer = node_find_peer(node, row->id);
    bool is_self = row->id == node->options.id;
    if (peer == NULL || (peer->incarnation == 0 && !is_self)) {
        return false;
    }
    struct members_row old = *row;
    if (row->incarnation == 0) {
        row->incarnation = is_self ? store_identity(node->store)->incarnation : peer->incarnation;
    }
    row->feature_level = is_self ? node->options.feature_level : peer->feature_level;
    const char *zone = is_self ? node->options.zone : peer->said_zone;
    if (peer->member.http_address[0] != 0) {
        (void)snprintf(row->http_address, sizeof(row->http_address), "%s",
                       peer->member.http_address);
    }
    if (zone[0] != 0) {
        (void)snprintf(row->zone, sizeof(row->zone), "%s", zone);
    }
    return old.incarnation != row->incarnation || old.feature_level != row->feature_level ||
           strcmp(old.http_address, row->http_address) != 0 || strcmp(old.zone, row->zone) != 0;
}

/* What the oldest build of the cluster can apply, and whose that is. Who leaves is not asked. */
static uint32_t lowest_level(const struct members *table, node_id *ret_node)
{
    uint32_t lowest = UINT32_MAX;
    for (uint32_t i = 0; i < table->rows_count; i++) {
        const struct members_row *row = &table->rows[i];
        if (members_is_live(row) && row->state != MEMBERS_LEAVING && row->incarnation != 0 &&
            row->feature_level < lowest) {
            lowest = row->feature_level;
            *ret_node = row->id;
        }
    }
    return lowest == UINT32_MAX ? 0 : lowest;
}

static bool has_above(const struct members *table, uint32_t level)
{
    for (uint32_t i = 0; i < table->rows_count; i++) {
        const struct members_row *row = &table->rows[i];
        if (members_is_live(row) && row->state != MEMBERS_LEAVING && row->feature_level > level) {
            return true;
        }
    }
    return false;
}

static enum err finalize(struct members *next, struct why *why)
{
    for (uint32_t i = 0; i < next->rows_count; i++) {
        const struct members_row *row = &next->rows[i];
        if (members_is_live(row) && row->state != MEMBERS_LEAVING && row->incarnation == 0) {
            return why_set(
                why, ERR_CONFLICT,
                "node %u was not met yet, so its build is not known: start it, or remove "
                "it, first",
                (unsigned)row->id);
        }
    }
    node_id oldest = 0;
    uint32_t level = lowest_level(next, &oldest);
    if (level <= next->feature_level && !has_above(next, next->feature_level)) {
        return why_set(why, ERR_CONFLICT,
                       "feature level %u is in force, and no node runs a build of a higher one: "
                       "there is nothing to finalize",
                       next->feature_level);
    }
    if (level <= next->feature_level) {
        return why_set(
            why, ERR_CONFLICT,
            "feature level %u is in force, and node %u runs a build of level %u: upgrade "
            "every node first, those that are down too",
            next->feature_level, (unsigned)oldest, level);
    }
    next->feature_level = level;
    return OK;
}

/* Later orders were planned on what it had planned. */
static enum err refuse_earlier(const struct members *table, uint64_t revision, struct why *why)
{
    const struct members_order *order = order_find_earlier(table, revision);
    if (order == NULL) {
        return OK;
    }
    return order->state == MEMBERS_ORDER_RUNNING
               ? why_set(why, ERR_CONFLICT,
                         "job 'members-%" PRIu64 "' came on top of job 'members-%" PRIu64
                         "': cancel that one, or remove the node that this one added",
                         table->order.revision, revision)
               : why_set(why, ERR_CONFLICT, "job 'members-%" PRIu64 "' has ended: it is %s",
                         revision, order->state == MEMBERS_ORDER_DONE ? "done" : "cancelled");
}

/* What the change does to the rows. */
static enum err change_rows(struct node *node, const struct node_member_change *change,
                            struct members *next, struct why *why)
{
    enum err err = OK;
    switch (change->what) {
    case NODE_MEMBER_ADD:
        err = node->is_unlisted
                  ? why_set(why, ERR_CONFLICT,
                            "this node listens to no others: start it with 'cluster.id' and a "
                            "'cluster.members' that names it, then add nodes")
                  : add_row(next, change, why);
        if (err == OK && change->replaces != 0) {
            err = leave_row(next, change->replaces, why);
        }
        break;
    case NODE_MEMBER_REMOVE:
        err = leave_row(next, change->id, why);
        break;
    case NODE_MEMBER_PROMOTE:
    case NODE_MEMBER_DRAIN:
    case NODE_MEMBER_UNDRAIN:
        err = set_state(next, change, why);
        break;
    case NODE_MEMBER_CANCEL:
        err = refuse_earlier(next, change->revision, why);
        return err != OK ? err
                         : order_take_back(next, change->revision,
                                           node->world.wall_ms(node->world.arg), why);
    case NODE_MEMBER_FINALIZE:
        return finalize(next, why);
    case NODE_MEMBER_PLAN:
    case NODE_MEMBER_WHATS:
        break;
    }
    return err;
}

/* The next table as change wants it, or why not. */
static enum err change_make(struct node *node, const struct node_member_change *change,
                            struct members *next, struct why *why)
{
    const struct members *table = &node->membership.table;
    node_id oldest = 0;
    members_copy(table, next);
    next->revision = table->revision + 1;
    for (uint32_t i = 0; i < next->rows_count; i++) {
        if (members_is_live(&next->rows[i])) {
            (void)note_row(node, &next->rows[i]);
        }
    }
    if (next->feature_level == 0) {
        next->feature_level = lowest_level(next, &oldest);
    }
    enum err err = change_rows(node, change, next, why);
    bool is_planned = change->what != NODE_MEMBER_CANCEL && change->what != NODE_MEMBER_FINALIZE;
    if (err == OK &&
        (count_state(next, true) == 0 || (is_planned && !place_plan(next, node->groups_count)))) {
        err = why_set(why, ERR_CONFLICT, "no node would be left to hold the slots: add one first");
    }
    if (err == OK && is_planned) {
        order_note(table, next, change, node->world.wall_ms(node->world.arg));
    }
    bool takes_away = change->what == NODE_MEMBER_REMOVE || change->what == NODE_MEMBER_DRAIN ||
                      change->what == NODE_MEMBER_CANCEL || change->replaces != 0;
    if (err == OK && takes_away) {
        err = check_quorums(node, table, next, why);
    }
    if (err == OK) {
        err = check_levels(node, next, why);
    }
    return err == OK ? check_alone(node, change, why) : err;
}

void change_member(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    struct node_member_change change;
    if (admin_pass_on(group, call)) {
        return;
    }
    if (!placement_read_change(blob_bytes(call->command), &change)) {
        waiter_finish(node, call, ERR_BAD_PARAMETER, NULL);
        return;
    }
    table_look(node);
    if (is_unsure(node)) {
        waiter_finish(node, call, ERR_CONFIG_PENDING,
                      "another change is being written: try again in a moment");
        return;
    }
    struct members next = {0};
    struct why why = {0};
    enum err err = change_make(node, &change, &next, &why);
    struct raft_pos pos = {0};
    if (err == OK && change.what == NODE_MEMBER_ADD && probe_start(node, call, &change)) {
        members_done(&next);
        return;
    }
    if (err == OK) {
        const struct placement_now now = {.slots = node->groups_count};
        call->answer = placement_encode(&node->membership.table, &next, &now);
    }
    if (err == OK && !change.dry_run) {
        err = change_propose(node, &next, &pos);
    }
    members_done(&next);
    if (err != OK || change.dry_run) {
        waiter_finish(node, call, err, why.err == OK ? NULL : why.text);
        return;
    }
    log_info("node", "the cluster's nodes change", "what=%d node=%u replaces=%u", (int)change.what,
             (unsigned)change.id, (unsigned)change.replaces);
    call->index = pos.index;
    call->term = pos.term;
    call->stage = WAITER_PROPOSED;
    waiter_add(&group->commands, call);
}

void change_applied(struct node *node, struct node_call *call, const struct msg_result *result)
{
    table_look(node);
    bool is_taken = result != NULL && result->members_err == OK;
    waiter_finish(node, call, is_taken ? OK : ERR_CONFLICT,
                  is_taken ? NULL : "another change came first: look at it and try again");
}

void change_placement(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (admin_pass_on(group, call)) {
        return;
    }
    table_look(node);
    const struct members *table = &node->membership.table;
    const struct placement_now now = {.slots = node->groups_count,
                                      .settled = tell_settled(node),
                                      .moves_settled = tell_moves_settled(node)};
    call->answer = placement_encode(table, table, &now);
    waiter_finish(node, call, OK, NULL);
}

/* ---- by itself ------------------------------------------------------------------------------------------ */

static bool note_left(const struct node *node, struct members *next)
{
    if (tell_settled(node) < node->groups_count) {
        return false;
    }
    bool did = order_end(next, node->world.wall_ms(node->world.arg));
    for (uint32_t i = 0; i < next->rows_count; i++) {
        struct members_row *row = &next->rows[i];
        if (row->state == MEMBERS_LEAVING) {
            row->state = MEMBERS_REMOVED;
            row->address[0] = row->http_address[0] = 0;
            did = true;
        }
    }
    return did;
}

void change_run(struct node *node)
{
    const struct members *table = &node->membership.table;
    if (node->groups[0].role != RAFT_LEADER || is_unsure(node) ||
        (table->rows_count < 2 && table->revision == 0) || check_levels(node, table, NULL) != OK) {
        return;
    }
    struct members next = {0};
    members_copy(table, &next);
    next.revision++;
    bool is_all = true, did = false;
    for (uint32_t i = 0; i < next.rows_count; i++) {
        if (members_is_live(&next.rows[i])) {
            did |= note_row(node, &next.rows[i]);
            is_all &= next.rows[i].incarnation != 0;
        }
    }
    /* The first table waits until everybody was met: it says of all whose they are. */
    did = table->revision == 0 ? is_all : did;
    if (table->revision != 0) {
        did |= note_left(node, &next);
    }
    if (next.feature_level == 0 && is_all) {
        node_id oldest = 0;
        next.feature_level = lowest_level(&next, &oldest);
        did |= table->revision != 0;
    }
    struct raft_pos pos;
    if (did) {
        (void)change_propose(node, &next, &pos); /* refused: the next second tries again */
    }
    members_done(&next);
}
