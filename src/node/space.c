/* SPDX-License-Identifier: Apache-2.0 */
/* Room on the disk: two marks and a ballast.
 *
 *   soft mark  appends are refused; a leader hands over to a member with room. What is left below
 *              is for what makes room or must go on: deletes, votes, compactions.
 *   hard mark  something else fills the disk. The ballast, a file that only takes up room, is
 *              removed: deletes go on in what it gives. A follower takes no appends any more.
 *
 * What the ballast freed never counts as room for appends: the marks are compared with what is free
 * but for it. So it can be made again exactly when the soft mark is passed, and nothing swings.
 *
 * A follower that takes no appends is one vote less for commits, and while a majority has room that
 * is right: they go on without it, and it catches up when it has room. But appends that the leader
 * proposed before it heard of low disks may stand before a delete, and need this follower. So what
 * does not commit without it for NODE_SPACE_WAIT_MS is taken after all, as long as the ballast's room
 * lasts; the leader, who sees a majority below the soft mark, proposes no more of them. */
#include "node/parts.h"
#include "wire/command.h"

/* ---- the look: disk thread ------------------------------------------------------------------------ */

static void look_free(struct node *node, struct space_seen *ret)
{
    struct store_stats stats;
    store_stats(node->store, &stats);
    uint64_t owed = node->space.is_owed ? node->options.disk_ballast_bytes : 0;
    ret->total_bytes = stats.disk_total_bytes;
    ret->free_bytes = stats.disk_free_bytes;
    ret->spare_bytes = ret->free_bytes > owed ? ret->free_bytes - owed : 0;
}

static void ballast_free(struct node *node)
{
#ifdef LETHE_MUTANT_no_ballast
    return;
#endif
    struct why why;
    if (node->world.set_ballast(node->world.arg, 0, &why) != OK) {
        log_every(60000, LOG_LEVEL_ERROR, "node", "the ballast cannot be freed", "detail=%s",
                  LOG_QUOTED(why.text));
        return;
    }
    node->space.has_ballast = false;
    node->space.is_owed = true;
}

/* Without room for it in this very moment it is tried again at the next look. */
static void ballast_make(struct node *node)
{
    struct why why;
    enum err err = node->world.set_ballast(node->world.arg, node->options.disk_ballast_bytes, &why);
    if (err == OK) {
        node->space.has_ballast = true;
        node->space.is_owed = false;
    } else if (err != ERR_DISK_FULL) {
        node->space.is_owed = false;
        node->space.has_given_up = true;
        log_warn("node", "no ballast can be made here: a full disk stops deletes too", "detail=%s",
                 LOG_QUOTED(why.text));
    }
}

static bool may_make(const struct node *node, const struct space_seen *seen)
{
    uint64_t cost = node->space.is_owed ? 0 : node->options.disk_ballast_bytes;
    return !node->space.has_given_up &&
           seen->spare_bytes >= cost + TUNED(node, disk_soft_free_bytes) &&
           seen->free_bytes > node->options.disk_ballast_bytes;
}

void space_look(struct node *node, struct space_seen *ret)
{
    uint64_t soft_bytes = TUNED(node, disk_soft_free_bytes);
    uint64_t hard_bytes = TUNED(node, disk_hard_free_bytes);
    *ret = (struct space_seen){0};
    look_free(node, ret);
    if (ret->total_bytes == 0) {
        ret->spare_bytes = UINT64_MAX;
        return;
    }
    if (node->world.set_ballast != NULL && node->options.disk_ballast_bytes != 0) {
        if (node->space.has_ballast && ret->free_bytes < hard_bytes) {
            ballast_free(node);
            look_free(node, ret);
        } else if (!node->space.has_ballast && may_make(node, ret)) {
            ballast_make(node);
            look_free(node, ret);
        }
    }
    ret->is_soft = ret->spare_bytes < soft_bytes;
    ret->is_hard = ret->spare_bytes < hard_bytes;
    ret->is_eaten = ret->free_bytes < hard_bytes;
}

/* ---- what follows from it: loop --------------------------------------------------------------------- */

/* The voter with room that is nearest to the end of the log; 0: none. */
static node_id find_roomy(const struct group *group)
{
    uint32_t soft_mb = tune_disk_low_mb(&group->node->options);
    const struct raft_progress_status *best = NULL;
    struct raft_status status;
    raft_status(group->raft, &status);
    if (status.transferring || status.config_pending) {
        return 0;
    }
    for (uint32_t i = 0; i < status.peers_count; i++) {
        const struct raft_progress_status *peer = &status.peers[i];
        if (peer->peer != status.self && peer->active && !peer->learner &&
            peer->state == RAFT_REPLICATE && peer->disk_free_mb > soft_mb &&
            (best == NULL || peer->match > best->match)) {
            best = peer;
        }
    }
    return best == NULL ? 0 : best->peer;
}

/* A leader whose disk is nearly full must refuse appends although a majority may have room: it lets
 * one that has room lead. Where none has, it stays, for deletes. */
static void leave_low(struct node *node)
{
#ifdef LETHE_MUTANT_full_leader_stays
    return;
#endif
    uint32_t moved = 0;
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        node_id to = group->role == RAFT_LEADER && !group->is_majority_low ? find_roomy(group) : 0;
        if (to != 0 && raft_transfer(group->raft, to) == OK) {
            group_dirty(group);
            moved++;
        }
    }
    if (moved > 0) {
        log_warn("node", "handing leaderships over to nodes whose disks have room",
                 "slots=%" PRIu32, moved);
    }
}

/* One line and one alarm at each change; the alarm ends with the soft mark. */
static void tell(struct node *node, const struct space_seen *seen, bool was_soft)
{
    if (seen->is_hard && !node->is_hard) {
        log_warn("node", "the disk is full, taking no appends from leaders",
                 "free_bytes=%" PRIu64 " spare_bytes=%" PRIu64, seen->free_bytes,
                 seen->spare_bytes);
        alarm_raise(node, NODE_ALARM_NOSPACE,
                    "%" PRIu64 " MiB are free, less than the %" PRIu64
                    " MiB of storage.hard_free_bytes: appends are refused and not replicated to "
                    "here; deletes go on in the ballast's room",
                    seen->spare_bytes >> 20, node->options.disk_hard_free_bytes >> 20);
    } else if (!seen->is_hard && node->is_hard) {
        log_info("node", "the disk is not full any more, taking appends from leaders",
                 "free_bytes=%" PRIu64, seen->free_bytes);
    }
    if (seen->is_soft && !was_soft) {
        log_warn("node", "the disk is nearly full, refusing appends", "free_bytes=%" PRIu64,
                 seen->free_bytes);
    } else if (was_soft && !seen->is_soft) {
        log_info("node", "the disk has room again, taking appends", "free_bytes=%" PRIu64,
                 seen->free_bytes);
        alarm_end(node, NODE_ALARM_NOSPACE);
    }
    if (seen->is_soft && !seen->is_hard && (!was_soft || node->is_hard)) {
        alarm_raise(node, NODE_ALARM_NOSPACE,
                    "%" PRIu64 " MiB are free, less than the %" PRIu64
                    " MiB of storage.soft_free_bytes: appends are refused",
                    seen->spare_bytes >> 20, node->options.disk_soft_free_bytes >> 20);
    }
}

void space_seen(struct node *node, const struct space_seen *seen)
{
    atomic_store_explicit(&node->disk_free_bytes, seen->spare_bytes, memory_order_relaxed);
    atomic_store_explicit(&node->disk_total_bytes, seen->total_bytes, memory_order_relaxed);
    bool was_soft = atomic_exchange_explicit(&node->disk_low, seen->is_soft, memory_order_relaxed);
    tell(node, seen, was_soft);
    node->is_hard = seen->is_hard;
    node->is_eaten = seen->is_eaten;
    disk_tell_groups(node);
    if (seen->is_soft) {
        leave_low(node);
    }
}

/* ---- a follower without room: loop ------------------------------------------------------------------ */

static bool is_append(const struct raft_entry *entry)
{
    return entry->kind == RAFT_ENTRY_DATA && entry->payload != NULL &&
           command_kind_of(blob_bytes(entry->payload)) == COMMAND_APPEND;
}

/* Has the slot stood still for want of this replica? `at` is the entry that is left out. */
static bool is_needed(struct group *group, raft_index at)
{
    uint64_t now_ms = group->node->now_ms;
    if (group->node->is_eaten) {
        return false;
    }
    if (group->spurned == 0) {
        group->spurned = at;
        group->spurned_ms = now_ms;
    } else if (now_ms - group->spurned_ms >= NODE_SPACE_WAIT_MS) {
        group->needed_until_ms = now_ms + NODE_SPACE_NEEDED_MS;
    }
    return now_ms < group->needed_until_ms;
}

const struct raft_packet *space_admit(struct group *group, const struct raft_packet *packet,
                                      struct raft_packet *cut)
{
#ifdef LETHE_MUTANT_full_follower_acks
    return packet;
#endif
    if (!group->node->is_hard) {
        group->spurned = 0;
        return packet;
    }
    if (packet->kind == RAFT_INSTALL && !group->receiving.is_open) {
        return NULL; /* a copy of a slot has no place here: it is offered again */
    }
    if (group->spurned != 0 && packet->commit >= group->spurned) {
        group->spurned = 0; /* it goes on without this replica */
    }
    uint32_t keep = 0;
    while (keep < packet->entries_count && !is_append(&packet->entries[keep])) {
        keep++;
    }
    if (keep == packet->entries_count || is_needed(group, packet->pos.index + 1 + keep)) {
        return packet;
    }
    if (keep == 0) {
        return NULL;
    }
    *cut = *packet;
    cut->entries_count = keep;
    return cut;
}
