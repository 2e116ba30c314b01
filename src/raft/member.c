/* SPDX-License-Identifier: Apache-2.0 */
/* Membership (thesis 4): the configuration in force is the newest in the log, committed or not
 * (R15), so the history is kept with the log and cut with it.
 *
 * One voter more or less is a simple change: majorities before and after share a node. Anything
 * larger passes through a joint configuration (4.3), in which both halves must agree; the leader
 * leaves it by a second entry once the first is committed. That second entry is proposed when the
 * configuration in force is joint and committed, which stops being true as it is appended: it is
 * proposed once, by this leader or by the next one that finds a joint configuration. */
#include <string.h>

#include "base/alloc.h"
#include "raft/internal.h"

const struct raft_config *member_config(const struct raft *raft)
{
    return &raft->configs[raft->configs_count - 1].config;
}

struct raft_pos member_config_pos(const struct raft *raft)
{
    return raft->configs[raft->configs_count - 1].pos;
}

static bool has(const node_id *ids, uint8_t count, node_id id)
{
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

bool member_is_voter(const struct raft_config *config, node_id id)
{
    return has(config->voters, config->voters_count, id) ||
           has(config->voters_old, config->voters_old_count, id);
}

bool member_is_learner(const struct raft_config *config, node_id id)
{
    return has(config->learners, config->learners_count, id);
}

bool member_is_member(const struct raft_config *config, node_id id)
{
    return member_is_voter(config, id) || member_is_learner(config, id);
}

bool member_is_joint(const struct raft_config *config)
{
    return config->voters_old_count > 0;
}

static bool is_sorted(const node_id *ids, uint8_t count)
{
    if (count > RAFT_MEMBERS_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == 0 || (i > 0 && ids[i] <= ids[i - 1]))
            return false;
    }
    return true;
}

static bool is_disjoint(const node_id *a, uint8_t a_count, const node_id *b, uint8_t b_count)
{
    for (uint8_t i = 0; i < a_count; i++) {
        if (has(b, b_count, a[i]))
            return false;
    }
    return true;
}

bool member_is_valid(const struct raft_config *c)
{
    if (!is_sorted(c->voters, c->voters_count) || c->voters_count == 0 ||
        !is_sorted(c->voters_old, c->voters_old_count) ||
        !is_sorted(c->learners, c->learners_count) ||
        !is_sorted(c->learners_next, c->learners_next_count))
        return false;
    if (!is_disjoint(c->learners, c->learners_count, c->voters, c->voters_count) ||
        !is_disjoint(c->learners, c->learners_count, c->voters_old, c->voters_old_count) ||
        !is_disjoint(c->learners_next, c->learners_next_count, c->voters, c->voters_count) ||
        c->learners_count + c->learners_next_count > RAFT_MEMBERS_MAX)
        return false;
    for (uint8_t i = 0; i < c->learners_next_count; i++) {
        if (!has(c->voters_old, c->voters_old_count, c->learners_next[i]))
            return false;
    }
    return true;
}

static void add(node_id *ids, uint8_t *count, node_id id)
{
    uint8_t at = *count;
    assert(*count < RAFT_MEMBERS_MAX);
    for (; at > 0 && ids[at - 1] > id; at--)
        ids[at] = ids[at - 1];
    ids[at] = id;
    (*count)++;
}

static unsigned voters_changed(const struct raft_config *a, const struct raft_config *b)
{
    unsigned ret = 0;
    for (uint8_t i = 0; i < a->voters_count; i++)
        ret += !has(b->voters, b->voters_count, a->voters[i]);
    for (uint8_t i = 0; i < b->voters_count; i++)
        ret += !has(a->voters, a->voters_count, b->voters[i]);
    return ret;
}

/* Copies the used part of the arrays, so that equal configurations are equal bytes. */
static void copy_target(struct raft_config *to, const struct raft_config *from)
{
    memset(to, 0, sizeof(*to));
    for (uint8_t i = 0; i < from->voters_count; i++)
        add(to->voters, &to->voters_count, from->voters[i]);
    for (uint8_t i = 0; i < from->learners_count; i++)
        add(to->learners, &to->learners_count, from->learners[i]);
}

void member_enter(const struct raft_config *from, const struct raft_config *target,
                  struct raft_config *ret_config)
{
    struct raft_config next;
    copy_target(&next, target);
    if (voters_changed(from, target) > 1) {
        memcpy(next.voters_old, from->voters, sizeof(next.voters_old));
        next.voters_old_count = from->voters_count;
        memset(next.learners, 0, sizeof(next.learners));
        next.learners_count = 0;
        for (uint8_t i = 0; i < target->learners_count; i++) {
            node_id id = target->learners[i];
            if (has(from->voters, from->voters_count, id)) /* it votes until the old half ends */
                add(next.learners_next, &next.learners_next_count, id);
            else
                add(next.learners, &next.learners_count, id);
        }
    }
    *ret_config = next;
}

void member_leave(const struct raft_config *joint, struct raft_config *ret_config)
{
    struct raft_config next;
    copy_target(&next, joint);
    for (uint8_t i = 0; i < joint->learners_next_count; i++)
        add(next.learners, &next.learners_count, joint->learners_next[i]);
    *ret_config = next;
}

/* ---- the history -------------------------------------------------------------------------------- */
void member_push(struct raft *raft, struct raft_pos pos, const struct raft_config *config)
{
    if (raft->configs_count == raft->configs_capacity) {
        raft->configs_capacity = raft->configs_capacity == 0 ? 2 : raft->configs_capacity * 2;
        raft->configs = alloc_resize(raft->configs, raft->configs_capacity, sizeof(*raft->configs));
    }
    raft->configs[raft->configs_count++] = (struct raft_config_at){pos, *config};
    raft->config_changed = true;
    if (raft->role == RAFT_LEADER)
        member_rebuild_peers(raft);
}

void member_truncate(struct raft *raft, raft_index from)
{
    uint32_t count = raft->configs_count;
    while (raft->configs_count > 1 && raft->configs[raft->configs_count - 1].pos.index >= from)
        raft->configs_count--;
    if (count != raft->configs_count)
        raft->config_changed = true;
}

/* The newest at or below the base stays: it is in force there. */
void member_compact(struct raft *raft, raft_index to)
{
    uint32_t gone = 0;
    while (gone + 1 < raft->configs_count && raft->configs[gone + 1].pos.index <= to)
        gone++;
    if (gone == 0)
        return;
    raft->configs_count -= gone;
    memmove(raft->configs, raft->configs + gone, raft->configs_count * sizeof(*raft->configs));
}

/* The configuration of the target comes with the install, and is compared by position: what this
 * log held at or below the target may be of a dead leader. */
void member_install(struct raft *raft, const struct raft_install *install)
{
    uint32_t above = 0; /* configs of entries that stay above the target */
    while (above < raft->configs_count &&
           raft->configs[raft->configs_count - 1 - above].pos.index > install->target.index)
        above++;
    if (raft->log.last == install->target.index)
        above = 0;
    struct raft_config_at *kept = alloc_array(above + 1u, sizeof(*kept));
    memcpy(kept + 1, raft->configs + raft->configs_count - above, above * sizeof(*kept));
    kept[0] = (struct raft_config_at){install->config_pos, install->config};
    free(raft->configs);
    raft->configs = kept;
    raft->configs_count = raft->configs_capacity = above + 1;
    raft->config_changed = true;
}

/* ---- progress records ------------------------------------------------------------------------------ */
struct progress *member_peer(const struct raft *raft, node_id id)
{
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        if (raft->peers[i].peer == id)
            return &raft->peers[i];
    }
    return NULL;
}

static void keep_peer(struct raft *raft, struct progress *next, uint32_t *count, node_id id)
{
    if (id == raft->self)
        return;
    for (uint32_t i = 0; i < *count; i++) {
        if (next[i].peer == id)
            return;
    }
    struct progress *p = member_peer(raft, id), *to = &next[(*count)++];
    if (p != NULL) {
        *to = *p;
        p->inflights = NULL; /* moved */
    } else {
        progress_init(to, id, member_config_pos(raft).index, raft->log.last, raft->tick);
    }
    to->learner = !member_is_voter(member_config(raft), id);
}

/* A peer that was removed loses its record: its late replies are a stranger's, and if it comes
 * back its session is another (R20). */
void member_rebuild_peers(struct raft *raft)
{
    const struct raft_config *config = member_config(raft);
    uint32_t count = 0;
    struct progress *next = alloc_array(4 * RAFT_MEMBERS_MAX, sizeof(*next));
    for (uint8_t i = 0; i < config->voters_count; i++)
        keep_peer(raft, next, &count, config->voters[i]);
    for (uint8_t i = 0; i < config->voters_old_count; i++)
        keep_peer(raft, next, &count, config->voters_old[i]);
    for (uint8_t i = 0; i < config->learners_count; i++)
        keep_peer(raft, next, &count, config->learners[i]);
    for (uint32_t i = 0; i < raft->peers_count; i++)
        progress_done(&raft->peers[i]);
    free(raft->peers);
    raft->peers = alloc_resize(next, count == 0 ? 1 : count, sizeof(*next));
    raft->peers_count = count;
    raft->replicate_wanted = true;
    if (raft->transfer_to != 0 && !member_is_voter(config, raft->transfer_to))
        transfer_end(raft);
}

/* ---- changes ------------------------------------------------------------------------------------------ */
static void propose_config(struct raft *raft, const struct raft_config *config)
{
    struct outbox *out = &raft->out[raft->filling];
    out->own_config = *config;
    /* Its payload is the driver's to encode; no byte of it counts against a limit. */
    struct raft_entry entry = {.kind = RAFT_ENTRY_CONFIG, .config = &out->own_config};
    replicate_append(raft, &entry, 1);
}

static bool is_pending(const struct raft *raft)
{
    return member_config_pos(raft).index > raft->commit || member_is_joint(member_config(raft));
}

static bool is_equal_target(const struct raft_config *a, const struct raft_config *b)
{
    return voters_changed(a, b) == 0 && a->learners_count == b->learners_count &&
           memcmp(a->learners, b->learners, a->learners_count * sizeof(node_id)) == 0;
}

enum err raft_change_config(struct raft *raft, const struct raft_config *target)
{
    if (raft->role != RAFT_LEADER)
        return ERR_NOT_LEADER;
    if (!member_is_valid(target) || member_is_joint(target) || target->learners_next_count > 0)
        return ERR_BAD_PARAMETER;
    if (raft->transfer_to != 0)
        return ERR_TRANSFERRING;
    if (RULE_R15 && (is_pending(raft) || !replicate_has_own_term_commit(raft)))
        return ERR_CONFIG_PENDING;
    if (is_equal_target(member_config(raft), target))
        return ERR_IGNORED;
    struct raft_config next;
    member_enter(member_config(raft), target, &next);
    propose_config(raft, &next);
    return OK;
}

void member_after_commit(struct raft *raft)
{
    const struct raft_config *config = member_config(raft);
    if (raft->role != RAFT_LEADER || member_config_pos(raft).index > raft->commit)
        return;
    if (member_is_joint(config)) {
        if (!replicate_has_own_term_commit(raft))
            return;
        struct raft_config next;
        member_leave(config, &next);
        propose_config(raft, &next);
        return;
    }
    /* A leader outside its own configuration has done its duty: it hands over. */
    if (!member_is_voter(config, raft->self) && !raft->leaving)
        transfer_leave(raft);
}
