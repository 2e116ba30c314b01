/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas compare their states all the time, at equal log indexes only (reliability.md 4.1).
 *
 * Every second the leader of a slot tells the others its newest (index, digest), or its newest one
 * at a multiple of the stride, where every replica notes its state: under load no other index would
 * be met by all. Who has kept the
 * digest of that index answers at once; who has not applied that far yet stops its next apply exactly
 * there and answers then; who is past it and has forgotten says "unknown". What is held by a majority
 * of all members is right. A minority is told so: it stops serving (quarantined, the alarm
 * `diverged`), and the leader orders a full install for it. A leader in the minority steps down by
 * the same means, and the next one sees to it. Without a majority nobody is right: the slot takes no
 * appends until replicas that were away have come back or an operator decides.
 *
 * A member that could not answer is unchecked, never fine. */
#include "node/parts.h"
#include "wire/frame.h"

struct answer {
    node_id peer;
    bool has_answered;            /* in this round, with a digest of the round's index */
    bool is_judged;               /* and was told already that it is wrong */
    struct hash128 digest;        /* then: its own */
    uint32_t silent;              /* rounds without one */
    uint8_t checked;              /* enum node_checked */
    raft_index index;             /* of the last answer */
    bool was_behind, had_install; /* away or far behind; brought up by more than the log */
};

/* States reached here: the last ones, as a ring. */
struct ring {
    struct row_applied states[NODE_DIGESTS_KEPT];
    uint32_t count, at;
};

struct compared {
    struct ring kept;  /* at the end of each apply: they fit when little happens */
    struct ring marks; /* at multiples of the stride: they fit when much happens */

    struct wire_digest asked; /* by the leader, for a state that is still to come; index 0: none */
    node_id asked_by;

    struct row_applied told; /* the leader's round; index 0: none */
    raft_term term;          /* in which it was told */
    struct answer answers[RAFT_MEMBERS_MAX * 2];
    uint32_t answers_count;
    uint8_t self_checked;
    raft_index self_index;
    bool is_decided;
};

static struct compared *compared_of(struct group *group)
{
    if (group->compared == NULL) {
        group->compared = alloc_zero(sizeof(*group->compared));
    }
    return group->compared;
}

void digest_done(struct group *group)
{
    free(group->compared);
    group->compared = NULL;
}

void digest_forget(struct group *group)
{
    check_forget(group);
    if (group->compared != NULL) {
        group->compared->kept = group->compared->marks = (struct ring){0};
        group->compared->asked.index = 0;
    }
}

static void ring_add(struct ring *ring, const struct row_applied *state)
{
    ring->states[ring->at] = *state;
    ring->at = (ring->at + 1) % NODE_DIGESTS_KEPT;
    ring->count += ring->count < NODE_DIGESTS_KEPT;
}

static const struct row_applied *ring_find(const struct ring *ring, raft_index index)
{
    for (uint32_t i = 0; i < ring->count; i++) {
        if (ring->states[i].index == index) {
            return &ring->states[i];
        }
    }
    return NULL;
}

static const struct row_applied *kept_find(const struct compared *compared, raft_index index)
{
    const struct row_applied *found = ring_find(&compared->kept, index);
    return found == NULL ? ring_find(&compared->marks, index) : found;
}

static void digest_send(struct node *node, node_id to, const struct wire_digest *digests,
                        uint32_t count)
{
    struct buf frame = BUF_INIT;
    digest_encode(&frame, digests, count);
    struct bytes body = bytes_of(frame.data + FRAME_HEADER_BYTES, frame.len - FRAME_HEADER_BYTES);
    if (!node->world.send_frame(node->world.arg, to, FRAME_DIGESTS, body)) {
        STAT_ADD(node, packets_dropped_total, 1); /* the next round asks again */
    }
    buf_done(&frame);
}

/* What a replica answers that was found to be wrong, whatever its digest says. */
static struct hash128 inverse_of(struct hash128 digest)
{
    return (struct hash128){~digest.low, ~digest.high};
}

static void digest_answer(struct group *group, node_id to, const struct wire_digest *asked,
                          const struct row_applied *own)
{
    struct wire_digest answer = {.slot = group->slot, .index = asked->index};
    if (own == NULL) {
        answer.verdict = DIGEST_UNKNOWN;
    } else {
        answer.digest = own->digest;
        answer.verdict =
            hash128_is_equal(own->digest, asked->digest) ? DIGEST_EQUAL : DIGEST_DIFFERENT;
    }
    digest_send(group->node, to, &answer, 1);
}

void digest_note(struct group *group, const struct row_applied *applied)
{
    struct compared *compared = compared_of(group);
    ring_add(&compared->kept, applied);
    if (applied->index % NODE_DIGEST_STRIDE == 0) {
        ring_add(&compared->marks, applied);
    }
    struct wire_digest asked = compared->asked;
    if (asked.index != 0 && applied->index >= asked.index) {
        compared->asked.index = 0;
        digest_answer(group, compared->asked_by, &asked, kept_find(compared, asked.index));
    }
}

raft_index digest_stop(const struct group *group, raft_index from, raft_index to)
{
    const struct compared *compared = group->compared;
    if (group->is_alone || group->node->world.send_frame == NULL) {
        return to;
    }
    raft_index mark = (from + NODE_DIGEST_STRIDE - 1) / NODE_DIGEST_STRIDE * NODE_DIGEST_STRIDE;
    raft_index stop = mark < to ? mark : to;
    if (compared != NULL && compared->asked.index >= from && compared->asked.index < stop) {
        stop = compared->asked.index;
    }
    return stop;
}

/* ---- the leader tells -------------------------------------------------------------------------------- */

static struct answer *answer_of(struct compared *compared, node_id peer)
{
    for (uint32_t i = 0; i < compared->answers_count; i++) {
        if (compared->answers[i].peer == peer) {
            return &compared->answers[i];
        }
    }
    return NULL;
}

void digest_note_install(struct group *group, node_id peer)
{
    struct answer *answer = group->compared == NULL ? NULL : answer_of(group->compared, peer);
    if (answer != NULL) {
        answer->had_install = true;
    }
}

/* A member that was away and has all of the log again, by the log alone, is a catch-up too. */
static void digest_count_by_log(struct group *group, struct answer *answer,
                                const struct raft_progress_status *peer, raft_index last)
{
    struct node *node = group->node;
    uint64_t lag = last - peer->match;
    answer->was_behind |= (!peer->active && lag > 0) || lag > node->options.replica_lag_threshold;
    if (!answer->was_behind && lag == 0) {
        answer->had_install = false;
    }
    if (!answer->was_behind || peer->state != RAFT_REPLICATE || !peer->active || lag > 0) {
        return;
    }
    if (!answer->had_install) {
        atomic_fetch_add_explicit(&node->stats.catchups[NODE_BY_LOG][NODE_WHY_BEHIND], 1,
                                  memory_order_relaxed);
        log_info("node", "catch-up ended: the log was enough",
                 "slot=%u peer=%" PRIu64 " mode=log match=%" PRIu64, group->slot, peer->peer,
                 peer->match);
    }
    answer->was_behind = answer->had_install = false;
}

/* The others of the configuration in force, with what is known of them so far. */
static void digest_members(struct group *group, const struct raft_status *status)
{
    struct compared *compared = group->compared;
    struct answer members[RAFT_MEMBERS_MAX * 2];
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->peers_count && count < ARRAY_LEN(members); i++) {
        const struct answer *known = answer_of(compared, status->peers[i].peer);
        members[count] = known == NULL ? (struct answer){.peer = status->peers[i].peer} : *known;
        struct answer *answer = &members[count++];
        answer->has_answered = answer->is_judged = false;
        digest_count_by_log(group, answer, &status->peers[i], status->last.index);
        bool is_away = !status->peers[i].active || status->peers[i].install_session != 0;
        if (++answer->silent > NODE_DIGEST_ROUNDS || is_away) {
#ifndef LETHE_MUTANT_unreachable_ok
            answer->checked = NODE_UNCHECKED;
#endif
        }
    }
    memcpy(compared->answers, members, count * sizeof(members[0]));
    compared->answers_count = count;
}

static uint32_t holders_of(const struct compared *compared, struct hash128 digest)
{
    uint32_t ret = hash128_is_equal(compared->told.digest, digest);
    for (uint32_t i = 0; i < compared->answers_count; i++) {
        const struct answer *answer = &compared->answers[i];
        ret += answer->has_answered && hash128_is_equal(answer->digest, digest);
    }
    return ret;
}

/* The digest that more than half of all members hold. */
static bool digest_majority(const struct compared *compared, struct hash128 *ret)
{
    uint32_t members = compared->answers_count + 1;
    if (holders_of(compared, compared->told.digest) * 2 > members) {
        *ret = compared->told.digest;
        return true;
    }
    for (uint32_t i = 0; i < compared->answers_count; i++) {
        const struct answer *answer = &compared->answers[i];
        if (answer->has_answered && holders_of(compared, answer->digest) * 2 > members) {
            *ret = answer->digest;
            return true;
        }
    }
    return false;
}

/* At a round's end, when whoever could has answered: do states differ without one that has a
 * majority? */
static void digest_look_for_split(struct group *group)
{
    const struct compared *compared = group->compared;
    struct hash128 right;
    bool is_split = false;
    for (uint32_t i = 0; i < compared->answers_count; i++) {
        const struct answer *answer = &compared->answers[i];
        is_split |=
            answer->has_answered && !hash128_is_equal(answer->digest, compared->told.digest);
    }
    if (!is_split || digest_majority(compared, &right) || group->is_undecided) {
        return;
    }
    group->is_undecided = true;
    alarm_raise(group->node, NODE_ALARM_DIVERGED,
                "slot %u: replicas differ at index %" PRIu64 ", no state has a majority",
                group->slot, compared->told.index);
    log_error("node", "replicas differ and no state has a majority: no appends until it has",
              "slot=%u index=%" PRIu64, group->slot, compared->told.index);
}

static bool digest_begin_round(struct group *group, struct wire_digest *ret)
{
    struct node *node = group->node;
    if (group->role != RAFT_LEADER || group->is_alone || group->applied == 0) {
        return false;
    }
    struct compared *compared = compared_of(group);
    struct raft_status status;
    raft_status(group->raft, &status);
    struct row_applied own;
    enum err err = store_get_applied(node->store, NULL, group->slot, &own);
    if (err != OK) {
        node_fail(node, err, "cannot read an applied index");
        return false;
    }
    if (compared->term != status.term) {
        compared->answers_count = 0;
        compared->told.index = 0;
        compared->self_checked = NODE_UNCHECKED;
        group->is_undecided = false;
    }
    digest_look_for_split(group);
    digest_members(group, &status);
    compared->term = status.term;
    /* A mark is remembered by who is ahead, and still to come for who is behind. */
    const struct ring *marks = &compared->marks;
    if (marks->count > 0) {
        const struct row_applied *mark =
            &marks->states[(marks->at + NODE_DIGESTS_KEPT - 1) % NODE_DIGESTS_KEPT];
        own = mark->index > compared->told.index ? *mark : own;
    }
    compared->told = own;
    compared->is_decided = false;
    *ret = (struct wire_digest){
        .slot = group->slot, .verdict = DIGEST_TOLD, .index = own.index, .digest = own.digest};
    return true;
}

void digest_run(struct node *node)
{
    if (node->world.send_frame == NULL) {
        return;
    }
    uint32_t most =
        node->groups_count < NODE_COMPACT_GROUPS ? node->groups_count : NODE_COMPACT_GROUPS;
    struct wire_digest *digests = arena_alloc(&node->turn, most * sizeof(*digests));
    uint32_t count = 0;
    for (uint32_t i = 0; i < most && !node->is_failed; i++) {
        struct group *group = &node->groups[node->digest_at];
        node->digest_at = (node->digest_at + 1) % node->groups_count;
        count += digest_begin_round(group, &digests[count]);
        group_touch(group);
    }
    for (uint32_t p = 0; p < node->peers_count && count > 0; p++) {
        if (node->peers[p].member.id != node->options.id) {
            digest_send(node, node->peers[p].member.id, digests, count);
        }
    }
}

/* ---- the leader decides ---------------------------------------------------------------------------------- */

/* Tells a member that its state is a minority's, and orders the right one for it. */
static void digest_condemn(struct group *group, struct answer *answer, raft_index index,
                           struct hash128 right)
{
    struct node *node = group->node;
    answer->is_judged = true;
    if (answer->checked != NODE_DIVERGED) {
        answer->checked = NODE_DIVERGED;
        log_error("node", "a replica has diverged: it is taken out of service and re-synced",
                  "slot=%u peer=%" PRIu64 " index=%" PRIu64, group->slot, answer->peer, index);
    }
    struct wire_digest verdict = {
        .slot = group->slot, .verdict = DIGEST_DIFFERENT, .index = index, .digest = right};
    digest_send(node, answer->peer, &verdict, 1);
    if (raft_order_install(group->raft, answer->peer) == OK) {
        group->ordered_peer = answer->peer;
        group->ordered_reason = NODE_WHY_DIVERGED;
        group_dirty(group);
    } /* BUSY: the next round tries again */
}

/* This replica leads and serves nothing from now on, over restarts too, until it was re-synced. */
static void quarantine(struct group *group)
{
#ifndef LETHE_MUTANT_forget_quarantine
    static const uint8_t mark = 1;
    store_put_slot_value(disk_batch(group->node), group->slot, STORE_SLOT_QUARANTINE,
                         bytes_of(&mark, 1));
    disk_want_sync(group->node);
#endif
    atomic_store(&group->is_diverged, true);
    raft_quarantine(group->raft, true);
    atomic_store(&group->is_unfit, true);
    group_dirty(group);
    group_touch(group);
}

static void digest_condemn_self(struct group *group, raft_index index)
{
    log_error("node", "this replica leads and has diverged: it hands over",
              "slot=%u index=%" PRIu64, group->slot, index);
    compared_of(group)->self_checked = NODE_DIVERGED;
    alarm_raise(group->node, NODE_ALARM_DIVERGED,
                "slot %u: this replica led and is a minority's at index %" PRIu64, group->slot,
                index);
    quarantine(group);
}

void digest_confess(struct group *group, const char *found)
{
    if (atomic_load(&group->is_diverged)) {
        return;
    }
    log_error("node", "rows of this replica are damaged: it serves nothing until it is re-synced",
              "slot=%u applied=%" PRIu64 " detail=%s", group->slot, group->applied,
              LOG_QUOTED(found));
    alarm_raise(group->node, NODE_ALARM_CORRUPT, "slot %u: %s", group->slot, found);
    alarm_raise(group->node, NODE_ALARM_DIVERGED,
                "slot %u: this replica has damaged rows and waits for a full copy", group->slot);
    compared_of(group)->self_checked = NODE_DIVERGED;
    quarantine(group);
}

void digest_condemn_by_check(struct group *group, node_id member, raft_index index,
                             struct hash128 right)
{
    struct answer *answer = answer_of(compared_of(group), member);
    struct wire_digest begun;
    if (answer == NULL && digest_begin_round(group, &begun)) { /* it has just begun to lead */
        answer = answer_of(group->compared, member);
    }
    if (member == group->node->options.id) {
        digest_condemn_self(group, index);
    } else if (answer != NULL) { /* else it is no member any more */
        digest_condemn(group, answer, index, right);
    }
}

static void digest_judge(struct group *group)
{
    struct compared *compared = group->compared;
    struct hash128 right = {0};
    if (!digest_majority(compared, &right)) {
        return;
    }
    group->is_undecided = false;
    if (!hash128_is_equal(compared->told.digest, right)) {
        if (!compared->is_decided) {
            compared->is_decided = true;
            digest_condemn_self(group, compared->told.index);
        }
        return;
    }
    compared->self_checked = NODE_CHECKED_OK;
    compared->self_index = compared->told.index;
    for (uint32_t i = 0; i < compared->answers_count; i++) {
        struct answer *answer = &compared->answers[i];
        if (!answer->has_answered) {
            continue;
        }
        if (hash128_is_equal(answer->digest, right)) {
            answer->checked = NODE_CHECKED_OK;
        } else if (!answer->is_judged) {
            digest_condemn(group, answer, compared->told.index, right);
        }
    }
}

/* It was found to be wrong before, and says so: it is no witness for any state, and nobody else is needed
 * to condemn it. Members may have left since it was found, so that no majority is to be had. */
static bool digest_hear_confession(struct group *group, struct answer *answer,
                                   const struct wire_digest *heard)
{
#ifdef LETHE_MUTANT_known_bad_counts
    return false;
#endif
    const struct row_applied *told = &group->compared->told;
    if (!hash128_is_equal(heard->digest, inverse_of(told->digest))) {
        return false;
    }
    STAT_ADD(group->node, digests_different_total, 1);
    answer->index = heard->index;
    answer->silent = 0;
    if (!answer->is_judged) {
        digest_condemn(group, answer, told->index, told->digest);
    }
    group_touch(group);
    return true;
}

static void digest_hear(struct group *group, node_id from, const struct wire_digest *heard)
{
    struct node *node = group->node;
    struct compared *compared = compared_of(group);
    struct answer *answer = answer_of(compared, from);
    if (group->role != RAFT_LEADER || answer == NULL || heard->index != compared->told.index ||
        compared->term != raft_current_term(group->raft) || answer->has_answered) {
        return;
    }
    if (heard->verdict == DIGEST_UNKNOWN) {
        STAT_ADD(node, digests_unknown_total, 1);
        return;
    }
    if (digest_hear_confession(group, answer, heard)) {
        return;
    }
    bool is_equal = hash128_is_equal(heard->digest, compared->told.digest);
#ifdef LETHE_MUTANT_no_compare
    is_equal = true;
#endif
    STAT_ADD(node, digests_equal_total, is_equal);
    STAT_ADD(node, digests_different_total, !is_equal);
    answer->has_answered = true;
    answer->digest = is_equal ? compared->told.digest : heard->digest;
    answer->index = heard->index;
    answer->silent = 0;
    digest_judge(group);
    group_touch(group);
}

/* ---- the others ------------------------------------------------------------------------------------------ */

/* The leader's verdict: a majority holds another state than this one. It is of the leader that is
 * followed now, and about a state that was really this replica's. */
static void digest_condemned(struct group *group, node_id from, const struct wire_digest *heard)
{
    const struct row_applied *own =
        group->compared == NULL ? NULL : kept_find(group->compared, heard->index);
    bool is_other = (own != NULL && !hash128_is_equal(own->digest, heard->digest)) ||
                    check_disagrees(group, heard->index, heard->digest);
    if (group->leader != from || !is_other || group->receiving.is_open) {
        return;
    }
    if (!atomic_load(&group->is_diverged)) {
        log_error("node", "this replica has diverged: it serves nothing until it is re-synced",
                  "slot=%u index=%" PRIu64, group->slot, heard->index);
        alarm_raise(group->node, NODE_ALARM_DIVERGED,
                    "slot %u: this replica is a minority's at index %" PRIu64, group->slot,
                    heard->index);
    }
    quarantine(group);
}

static void digest_told(struct group *group, node_id from, const struct wire_digest *heard)
{
    struct compared *compared = compared_of(group);
    if (group->leader != from || group->receiving.is_open) {
        digest_answer(group, from, heard, NULL);
        return;
    }
    if (atomic_load(&group->is_diverged)) {
        /* Its rows are not what its digest says, or that one differs: whoever leads now must know. */
        struct row_applied confession = {.digest = inverse_of(heard->digest)};
        digest_answer(group, from, heard, &confession);
        return;
    }
    const struct row_applied *own = kept_find(compared, heard->index);
    struct row_applied stored;
    if (own == NULL && heard->index == group->applied &&
        store_get_applied(group->node->store, NULL, group->slot, &stored) == OK &&
        stored.index == heard->index) {
        digest_note(group, &stored); /* reached before this process, or by an install */
        own = &stored;
    }
    if (own == NULL && heard->index > group->applying) {
        compared->asked = *heard;
        compared->asked_by = from;
        return;
    }
    digest_answer(group, from, heard, own);
}

void digest_receive(struct node *node, node_id from, const struct wire_digest *digests,
                    uint32_t count)
{
    for (uint32_t i = 0; i < count && node->world.send_frame != NULL; i++) {
        if (digests[i].slot >= node->groups_count) {
            continue;
        }
        struct group *group = &node->groups[digests[i].slot];
        if (digests[i].verdict == DIGEST_TOLD) {
            digest_told(group, from, &digests[i]);
        } else if (group->role == RAFT_LEADER) {
            digest_hear(group, from, &digests[i]);
        } else if (digests[i].verdict == DIGEST_DIFFERENT) {
            digest_condemned(group, from, &digests[i]);
        }
    }
}

enum node_checked digest_checked(const struct group *group, node_id peer, raft_index *ret_index)
{
    struct compared *compared = group->compared;
    *ret_index = 0;
    if (compared == NULL) {
        return NODE_UNCHECKED;
    }
    if (peer == group->node->options.id) {
        *ret_index = compared->self_index;
        return (enum node_checked)compared->self_checked;
    }
    const struct answer *answer = answer_of(compared, peer);
    if (answer == NULL) {
        return NODE_UNCHECKED;
    }
    *ret_index = answer->index;
    return (enum node_checked)answer->checked;
}
