/* SPDX-License-Identifier: Apache-2.0 */
/* Each slot's leader brings the slot's configuration towards the table, a step at a time, as long as
 * they differ. It keeps no plan: the next step follows from the two alone, so any leader goes on
 * where the last one stopped.
 *
 *   1. Who shall vote and is no member yet, and who shall be a learner, is added as a learner: it
 *      counts in no quorum, is brought up by the ladder of catch-up, and holds the floor of the
 *      delete log from then on.
 *   2. When all of them have what the leader has, the voters become those of the table: one more or
 *      less by itself, else through a joint configuration. A majority of the new ones must be up and
 *      hold nearly all of the log: so a slot never depends on replicas that are not whole.
 *
 * A node leads at most a few such moves at a time. Nodes that shall lead nothing hand over. */
#include "node/parts.h"

enum { MOVES_MAX = 4, MOVE_LAG_MAX = 64 };

static const struct raft_progress_status *find_progress(const struct raft_status *status,
                                                        node_id id)
{
    for (uint32_t i = 0; i < status->peers_count; i++) {
        if (status->peers[i].peer == id) {
            return &status->peers[i];
        }
    }
    return NULL;
}

static bool has_id(const node_id *ids, uint8_t count, node_id id)
{
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static void add_id(node_id *ids, uint8_t *count, node_id id)
{
    if (*count == RAFT_MEMBERS_MAX || has_id(ids, *count, id)) {
        return;
    }
    uint8_t at = (*count)++;
    for (; at > 0 && ids[at - 1] > id; at--) {
        ids[at] = ids[at - 1];
    }
    ids[at] = id;
}

/* Its data folder is known to all who know the table: no other one can come and vote in its place. */
static bool is_met(const struct node *node, node_id id)
{
    const struct members_row *row = members_find(&node->membership.table, id);
    return row != NULL && row->incarnation != 0;
}

/* Whole: it answers, gets entries as they come, and is nearly at the end of the log. */
static bool is_whole(const struct raft_status *status, node_id id)
{
    if (id == status->self) {
        return true;
    }
    const struct raft_progress_status *peer = find_progress(status, id);
    return peer != NULL && peer->active && !peer->amnesia && peer->state == RAFT_REPLICATE &&
           peer->match + MOVE_LAG_MAX >= status->last.index &&
           peer->applied + MOVE_LAG_MAX >= status->commit;
}

static bool is_same(const struct raft_config *config, const struct raft_config *target)
{
    return config->voters_count == target->voters_count &&
           config->learners_count == target->learners_count &&
           memcmp(config->voters, target->voters,
                  sizeof(config->voters[0]) * config->voters_count) == 0 &&
           memcmp(config->learners, target->learners,
                  sizeof(config->learners[0]) * config->learners_count) == 0;
}

/* Has a part in the slot, or can be given one: nothing is begun with a node that is down. */
static bool is_reachable(const struct group *group, const struct raft_config *config, node_id id)
{
    return has_id(config->voters, config->voters_count, id) ||
           has_id(config->learners, config->learners_count, id) || node_peer_is_up(group->node, id);
}

/* A node that is up is on its way into the slot: one of the moves that are counted. */
static bool is_busy(const struct group *group, const struct raft_status *status,
                    const struct raft_config *target, const node_id *standbys, uint8_t count)
{
    for (uint8_t i = 0; i < target->learners_count; i++) {
        node_id id = target->learners[i];
        bool is_there = has_id(standbys, count, id) && is_whole(status, id);
        if (!is_there && node_peer_is_up(group->node, id)) {
            return true;
        }
    }
    return false;
}

static bool has_new(const struct raft_config *config, const struct raft_config *target)
{
    for (uint8_t i = 0; i < target->learners_count; i++) {
        if (!has_id(config->learners, config->learners_count, target->learners[i])) {
            return true;
        }
    }
    return false;
}

struct step {
    struct raft_config config; /* after it */
    bool is_move, begins;      /* a node comes into the slot; with this step */
};

/* The next step. False: there is none now; is_move is set all the same. */
static bool next_step(const struct group *group, const struct raft_status *status, struct step *ret)
{
    const struct raft_config *config = &status->config;
    struct members_place place = table_place(group->node, group->slot);
    struct raft_config target = {0};
    node_id standbys[RAFT_MEMBERS_MAX], all[RAFT_MEMBERS_MAX];
    uint8_t all_count = table_standbys(group->node, all), standbys_count = 0;
    uint32_t missing = 0, whole = 0;
    for (uint8_t i = 0; i < all_count; i++) {
        if (!is_reachable(group, config, all[i])) {
            continue;
        }
        standbys[standbys_count++] = all[i];
        if (!has_id(config->voters, config->voters_count, all[i])) {
            add_id(target.learners, &target.learners_count, all[i]);
        }
    }
    for (uint8_t i = 0; i < place.count; i++) {
        bool is_voter = has_id(config->voters, config->voters_count, place.ids[i]);
        whole += is_whole(status, place.ids[i]);
        if (!is_voter) {
            missing += !is_whole(status, place.ids[i]) || !is_met(group->node, place.ids[i]);
            if (is_reachable(group, config, place.ids[i])) {
                add_id(target.learners, &target.learners_count, place.ids[i]);
            }
        }
    }
    memcpy(target.voters, config->voters, sizeof(target.voters));
    target.voters_count = config->voters_count;
    *ret = (struct step){.config = target,
                         .is_move = is_busy(group, status, &target, standbys, standbys_count),
                         .begins = has_new(config, &target)};
    if (!is_same(config, &target)) {
        return true; /* step 1 */
    }
    if (missing > 0 || whole <= place.count / 2u) {
        return false;
    }
    struct raft_config last = {.voters_count = place.count};
    memcpy(last.voters, place.ids, place.count * sizeof(node_id));
    memcpy(last.learners, standbys, standbys_count * sizeof(node_id));
    last.learners_count = standbys_count;
    ret->config = last;
    return !is_same(config, &last); /* step 2 */
}

static bool may_move(const struct group *group, const struct raft_status *status)
{
    return status->role == RAFT_LEADER && status->read_ready && !status->transferring &&
           !status->config_pending && status->config.voters_old_count == 0 &&
           table_place(group->node, group->slot).count > 0;
}

static void move_group(struct group *group, const struct raft_status *status, uint32_t *moves)
{
    struct step step;
    bool has_step = next_step(group, status, &step);
    if (step.is_move) {
        if (step.begins && *moves >= MOVES_MAX) {
            return;
        }
        (*moves)++;
    }
    if (!has_step) {
        return;
    }
    enum err err = raft_change_config(group->raft, &step.config);
    if (err == OK) {
        log_info("node", "the members of a slot change",
                 "slot=%" PRIu32 " voters=%u learners=%u revision=%" PRIu64, group->slot,
                 step.config.voters_count, step.config.learners_count,
                 group->node->membership.table.revision);
        group_dirty(group);
        group_touch(group);
    }
}

/* This node shall lead nothing: it hands over to who may. It may win again when nobody else can. */
static void hand_over(struct group *group, const struct raft_status *status)
{
    node_id best = 0;
    raft_index best_match = 0;
    for (uint32_t i = 0; i < status->peers_count; i++) {
        const struct raft_progress_status *peer = &status->peers[i];
        if (!peer->learner && is_whole(status, peer->peer) &&
            table_may_lead(group->node, peer->peer) && (best == 0 || peer->match > best_match)) {
            best = peer->peer;
            best_match = peer->match;
        }
    }
    if (best != 0 && raft_transfer(group->raft, best) == OK) {
        group_dirty(group);
    }
}

void move_run(struct node *node)
{
    if (node->membership.table.revision == 0) {
        return;
    }
    bool may_lead = table_may_lead(node, node->options.id);
    uint32_t moves = 0;
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        if (group->role != RAFT_LEADER) {
            continue;
        }
        struct raft_status status;
        raft_status(group->raft, &status);
        if (!may_move(group, &status)) {
            continue;
        }
        if (!may_lead && status.peers_count > 0) {
            hand_over(group, &status);
            raft_status(group->raft, &status);
        }
        if (!status.transferring) {
            move_group(group, &status, &moves);
        }
    }
}
