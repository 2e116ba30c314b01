/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of role, term, vote and commit: each happens here and nowhere else, so that what must go
 * with it (the ticket, the timer, the reads that end) cannot be forgotten. */
#include <string.h>

#include "base/alloc.h"
#include "raft/internal.h"

static void set_role(struct raft *raft, enum raft_role role)
{
    if (raft->role != role)
        raft->role_changed = true;
    raft->role = (uint8_t)role;
}

void state_set_leader(struct raft *raft, node_id leader)
{
    if (raft->leader == leader)
        return;
    raft->leader = leader;
    raft->leader_changed = true;
    read_refuse_forwards(raft);
}

void state_set_vote(struct raft *raft, node_id vote)
{
    raft->vote = vote;
    raft->hard_dirty = true;
}

void state_reset_timer(struct raft *raft)
{
    raft->election_elapsed = 0;
    raft->election_timeout = raft->options.election_ticks +
                             (uint32_t)rng_below(&raft->rng, raft->options.election_ticks);
    if (raft->pinned_timeout != 0)
        raft->election_timeout = raft->pinned_timeout;
}

/* A term begins: nothing above commit is known to equal the new leader's log. */
static void set_term(struct raft *raft, raft_term term)
{
    assert(term > raft->term);
    raft->term = term;
    raft->vote = 0;
    raft->hard_dirty = true;
    raft->verified = raft->commit;
}

/* What only a leader keeps. */
static void drop_leadership(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->peers_count; i++)
        progress_done(&raft->peers[i]);
    free(raft->peers);
    raft->peers = NULL;
    raft->peers_count = 0;
    raft->transfer_to = 0;
    raft->transfer_told = raft->leaving = false;
    raft->replicate_wanted = raft->installs_due = raft->owes_commit = raft->tells_commit = false;
    read_refuse_all(raft);
    state_reset_timer(raft);
}

void state_become_follower(struct raft *raft, raft_term term, node_id leader)
{
    bool led = raft->role == RAFT_LEADER;
    if (term > raft->term)
        set_term(raft, term);
    set_role(raft, RAFT_FOLLOWER);
    raft->ballots_count = 0;
    raft->campaign_transfer = false;
    if (led)
        drop_leadership(raft);
    state_set_leader(raft, leader);
}

void state_become_candidate(struct raft *raft, bool pre)
{
    assert(raft->role != RAFT_LEADER);
    state_set_leader(raft, 0);
    raft->ballots_count = 0;
    raft->campaign++;
    if (!pre || !RULE_R7)
        set_term(raft, raft->term + 1);
    if (!pre)
        state_set_vote(raft, raft->self);
    set_role(raft, pre ? RAFT_CANDIDATE_PRE : RAFT_CANDIDATE);
    state_reset_timer(raft);
}

/* The empty entry makes everything before it commit, and opens reads and changes of the
 * configuration (thesis 6.4, 4.1). */
void state_become_leader(struct raft *raft)
{
    assert(raft->role == RAFT_CANDIDATE);
    if (RULE_R4)
        assert(!raft->hard_dirty && raft->hard_seq <= raft->durable_seq);
    set_role(raft, RAFT_LEADER);
    raft->ballots_count = 0;
    raft->campaign_transfer = false;
    state_set_leader(raft, raft->self);
    raft->verified = raft->log.last;
    raft->heartbeat_elapsed = raft->installs_elapsed = raft->check_elapsed = 0;
    raft->transfer_to = 0;
    raft->transfer_told = raft->leaving = false;
    member_rebuild_peers(raft);
    struct raft_entry empty = {.kind = RAFT_ENTRY_EMPTY};
    replicate_append(raft, &empty, 1);
}

void state_hear_leader(struct raft *raft, const struct raft_packet *packet)
{
    if (raft->role != RAFT_FOLLOWER || raft->leader != packet->from)
        state_become_follower(raft, raft->term, packet->from);
    raft->leader_boot = packet->from_boot;
    raft->leader_tick = raft->tick;
    state_reset_timer(raft);
}

bool state_leader_is_fresh(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER)
        return true;
    return raft->leader != 0 && raft->tick - raft->leader_tick < raft->options.election_ticks;
}

void state_set_commit(struct raft *raft, raft_index commit)
{
    if (commit <= raft->commit)
        return;
    assert(commit <= raft->log.last);
    raft->commit = commit;
    state_check_amnesia(raft);
}

/* R19: over once what was promised is durable again, and an entry of the leader's own term is
 * committed and durable here: then the log holds everything that this node can have acked. */
void state_check_amnesia(struct raft *raft)
{
    if (!raft->amnesia || raft->suspect || raft->leader == 0)
        return;
    if (log_term(&raft->log, raft->commit) != raft->term)
        return;
    if (raft->log.durable < raft->commit || raft->log.durable < raft->promised_index ||
        raft->verified < raft->promised_index)
        return;
    raft->amnesia = false;
}
