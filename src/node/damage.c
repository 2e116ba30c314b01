/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of this replica that fail their checksum (reliability.md 4.2). Its log is sound, and others hold the
 * same rows: so the replica is quarantined, says so to whoever leads, and gets a full install, as one whose
 * digest is a minority's does (digest.c). Other slots are not touched by it.
 *
 * An entry that needs such a row cannot be applied. The slot stops in front of it, alone or not: nothing that
 * comes later may be applied without it. Where nobody else has the rows it stays so, over restarts too, and
 * serves what it has to `local` reads.
 *
 * A row that only a reader needed is no reason to give up what still works: that row is answered with an
 * error, all others are served. The node has the replicas of the slot checked (checks.c). If a majority holds
 * all rows soundly, this replica is found to be wrong and gets a full install; if not, nobody is
 * better, and nothing is given up. */
#include "node/parts.h"

void damage_seen(struct node *node, slot_id slot)
{
    alarm_raise(node, NODE_ALARM_CORRUPT, "slot %u: a row that was read fails its checksum", slot);
    if (slot < node->groups_count) {
        atomic_store(&node->groups[slot].is_rotten, true);
        atomic_store(&node->rot_seen, true);
        node->world.wake(node->world.arg);
    }
}

/* Has the replicas of the slot checked, unless that was done a short while ago and changed nothing. */
static void damage_look_at(struct group *group)
{
    struct node *node = group->node;
    if (!atomic_load_explicit(&group->is_rotten, memory_order_relaxed)) {
        return;
    }
#ifdef LETHE_MUTANT_rot_is_kept
    return;
#endif
    char job[NODE_JOB_ID_BYTES];
    bool is_seen_to =
        group->receiving.is_open || atomic_load(&group->is_replacing) ||
        atomic_load(&group->is_diverged) || group->is_alone ||
        (group->rot_checked_ms != 0 && node->now_ms - group->rot_checked_ms < NODE_ROT_CHECK_MS);
    if (!is_seen_to && node_start_check(node, group->slot, job, NULL) != OK) {
        return; /* another one runs: the next second tries again */
    }
    atomic_store(&group->is_rotten, false);
    if (!is_seen_to) {
        group->rot_checked_ms = node->now_ms;
        log_warn("node", "a row that was read is damaged: the replicas of its slot are checked",
                 "slot=%u job=%s", group->slot, job);
    }
}

void damage_second(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        damage_look_at(&node->groups[i]);
    }
}

void damage_look(struct node *node)
{
    if (atomic_load_explicit(&node->rot_seen, memory_order_relaxed)) {
        atomic_store(&node->rot_seen, false);
        damage_second(node);
    }
}

void damage_stops_apply(struct group *group, const char *text)
{
#ifdef LETHE_MUTANT_damage_ends_node
    node_fail(group->node, ERR_CORRUPT, text);
    return;
#endif
    group->is_halted = true;
    receiver_halt(group);
    if (!group->is_alone) {
        digest_confess(group, text);
        return;
    }
    alarm_raise(group->node, NODE_ALARM_CORRUPT, "slot %u takes no writes: %s", group->slot, text);
    log_error("node",
              "a row that a committed entry needs is damaged, and no other node has it: the slot "
              "takes no writes",
              "slot=%u applied=%" PRIu64 " detail=%s", group->slot, group->applied,
              LOG_QUOTED(text));
    group_touch(group);
}
