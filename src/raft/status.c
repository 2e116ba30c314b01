/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked without changing anything. */
#include <string.h>

#include "raft/internal.h"

enum raft_role raft_role(const struct raft *raft)
{
    return (enum raft_role)raft->role;
}

node_id raft_leader(const struct raft *raft)
{
    return raft->leader;
}

raft_term raft_current_term(const struct raft *raft)
{
    return raft->term;
}

raft_term raft_term_at(const struct raft *raft, raft_index index)
{
    return log_term(&raft->log, index);
}

static int disk_is_low(const void *arg, node_id voter)
{
    const struct raft *raft = arg;
    const struct progress *p = voter == raft->self ? NULL : member_peer(raft, voter);
    uint32_t free_mb = voter == raft->self ? raft->disk_free_mb : p == NULL ? 0 : p->disk_free_mb;
    /* 0 is "not said": a peer that was never heard of is no reason to refuse appends. */
    return free_mb != 0 && free_mb < raft->options.disk_low_mb ? 1 : -1;
}

static void fill_peer(const struct raft *raft, const struct progress *p,
                      struct raft_progress_status *ret)
{
    uint64_t silent = raft->tick - p->heard_tick;
    /* CheckQuorum begins each of its windows with nobody heard of: that alone makes no peer down. */
    bool is_fresh = p->boot != 0 && silent < raft->options.election_ticks;
    *ret = (struct raft_progress_status){.peer = p->peer,
                                         .state = p->state,
                                         .active = p->active || is_fresh,
                                         .learner = p->learner,
                                         .match = p->match,
                                         .next = p->next,
                                         .applied = p->applied,
                                         .inflight_packets = p->inflight_count,
                                         .inflight_bytes = p->inflight_bytes,
                                         .silent_ticks =
                                             silent < UINT32_MAX ? (uint32_t)silent : UINT32_MAX,
                                         .disk_free_mb = p->disk_free_mb,
                                         .round_ticks = p->round_ticks,
                                         .amnesia = p->amnesia || p->forgot,
                                         .install_session = p->offered ? p->install.session : 0};
}

static void fill_leader(const struct raft *raft, struct raft_status *ret)
{
    const struct raft_config *config = member_config(raft);
    ret->read_ready = replicate_has_own_term_commit(raft);
    ret->transferring = raft->transfer_to != 0;
    ret->disk_low_majority =
        quorum_majority_vote(config->voters, config->voters_count, disk_is_low, raft) == QUORUM_WON;
    ret->peers_count = raft->peers_count;
    for (uint32_t i = 0; i < raft->peers_count; i++)
        fill_peer(raft, &raft->peers[i], &ret->peers[i]);
}

void raft_status(const struct raft *raft, struct raft_status *ret_status)
{
    uint64_t silent = raft->role == RAFT_LEADER ? 0 : raft->tick - raft->leader_tick;
    *ret_status = (struct raft_status){
        .slot = raft->options.slot,
        .self = raft->self,
        .leader = raft->leader,
        .vote = raft->vote,
        .term = raft->term,
        .role = raft->role,
        .amnesia = raft->amnesia,
        .installing = raft->installing,
        .quarantined = raft->quarantined,
        .may_lead = raft->may_lead,
        .commit = raft->commit,
        .applied = raft->applied,
        .durable_applied = raft->durable_applied,
        .verified = raft->verified,
        .durable = raft->log.durable,
        .base = raft->log.base,
        .last = log_last(&raft->log),
        .seq = raft->seq,
        .durable_seq = raft->durable_seq,
        .config = *member_config(raft),
        .config_pos = member_config_pos(raft),
        .config_pending = member_config_pos(raft).index > raft->commit,
        .uncommitted_bytes = log_bytes(&raft->log, raft->commit, raft->log.last),
        .leader_silent_ticks = silent < UINT32_MAX ? (uint32_t)silent : UINT32_MAX,
        .install = raft->install};
    if (raft->role == RAFT_LEADER)
        fill_leader(raft, ret_status);
}
