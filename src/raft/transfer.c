/* SPDX-License-Identifier: Apache-2.0 */
/* Handing leadership over (thesis 3.10): proposals stop, the target gets the whole log, TAKE_OVER
 * lets it campaign at once. It ends with the term, or after an election timeout; a leader that must
 * go (its disk stalls, it is quarantined, it left the configuration) then steps down. */
#include "raft/internal.h"

void transfer_end(struct raft *raft)
{
    raft->transfer_to = 0;
    raft->transfer_told = false;
    raft->transfer_elapsed = 0;
}

static void begin(struct raft *raft, node_id to)
{
    raft->transfer_to = to;
    raft->transfer_told = false;
    raft->transfer_elapsed = 0;
    raft->replicate_wanted = true;
    transfer_advance(raft);
}

void transfer_advance(struct raft *raft)
{
    if (raft->role != RAFT_LEADER || raft->transfer_to == 0 || raft->transfer_told)
        return;
    const struct progress *p = member_peer(raft, raft->transfer_to);
    if (p == NULL || p->match < raft->log.last)
        return;
    raft->transfer_told = true;
    out_packet(raft, RAFT_TAKE_OVER, raft->transfer_to);
}

void transfer_tick(struct raft *raft)
{
    if (raft->transfer_to == 0)
        return;
    if (++raft->transfer_elapsed >= raft->options.election_ticks) {
        transfer_end(raft);
        if (raft->leaving)
            state_become_follower(raft, raft->term, 0);
        return;
    }
    if (raft->transfer_elapsed % raft->options.heartbeat_ticks == 0) {
        raft->transfer_told = false; /* TAKE_OVER may be lost; twice does no harm */
        transfer_advance(raft);
    }
}

enum err raft_transfer(struct raft *raft, node_id to)
{
    if (raft->role != RAFT_LEADER)
        return ERR_NOT_LEADER;
    if (raft->transfer_to != 0)
        return ERR_TRANSFERRING;
    const struct progress *p = member_peer(raft, to);
    if (p == NULL || p->learner || p->amnesia || p->forgot)
        return ERR_IGNORED;
    begin(raft, to);
    return OK;
}

/* The voter that is nearest to the end of the log among those heard of lately; 0: none. */
static node_id find_heir(const struct raft *raft)
{
    const struct progress *best = NULL;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        const struct progress *p = &raft->peers[i];
        bool fit = !p->learner && !p->amnesia && !p->forgot && p->state == RAFT_REPLICATE &&
                   raft->tick - p->heard_tick < raft->options.election_ticks;
        if (fit && (best == NULL || p->match > best->match))
            best = p;
    }
    return best == NULL ? 0 : best->peer;
}

void transfer_leave(struct raft *raft)
{
    if (raft->role != RAFT_LEADER || raft->leaving)
        return;
    raft->leaving = true;
    if (raft->transfer_to != 0)
        return;
    node_id heir = find_heir(raft);
    if (heir == 0)
        state_become_follower(raft, raft->term, 0);
    else
        begin(raft, heir);
}

static void leave_when_unfit(struct raft *raft)
{
    if (raft->role == RAFT_LEADER && (!raft->may_lead || raft->quarantined))
        transfer_leave(raft);
    else if (raft->role != RAFT_LEADER && raft->role != RAFT_FOLLOWER && !election_is_fit(raft))
        state_become_follower(raft, raft->term, 0);
}

void raft_may_lead(struct raft *raft, bool yes, uint32_t disk_free_mb)
{
    raft->may_lead = yes;
    raft->disk_free_mb = disk_free_mb;
    leave_when_unfit(raft);
}

void raft_set_disk_low(struct raft *raft, uint32_t disk_low_mb)
{
    raft->options.disk_low_mb = disk_low_mb;
}

void raft_quarantine(struct raft *raft, bool yes)
{
    raft->quarantined = yes;
    leave_when_unfit(raft);
}
