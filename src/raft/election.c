/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns and CheckQuorum (thesis 3.4, 9.6, 6.2).
 *
 * A campaign asks twice: PREVOTE changes nothing anywhere and finds out whether a VOTE would win;
 * only then does the term rise. A VOTE is a promise like a grant and waits for its own ticket (R3),
 * and so does the candidate's own ballot (R4): it is counted when the hard state became durable. */
#include "raft/internal.h"

/* A voter of the configuration in force, or of the one before while that one is not committed:
 * only this node may hold the entry that takes it out, and be needed to commit it (thesis 4.2.2). */
static bool is_eligible(const struct raft *raft)
{
    if (member_is_voter(member_config(raft), raft->self))
        return true;
    uint32_t count = raft->configs_count;
    return count > 1 && raft->configs[count - 1].pos.index > raft->commit &&
           member_is_voter(&raft->configs[count - 2].config, raft->self);
}

bool election_is_fit(const struct raft *raft)
{
    if (raft->self == 0 || !is_eligible(raft))
        return false;
    if (!RULE_R3)
        return true;
    return raft->may_lead && !raft->installing && !raft->amnesia && !raft->suspect &&
           !raft->quarantined && raft->log.durable == raft->log.last;
}

static int ballot_of(const void *arg, node_id voter)
{
    const struct raft *raft = arg;
    for (uint32_t i = 0; i < raft->ballots_count; i++) {
        if (raft->ballots[i].voter == voter)
            return raft->ballots[i].yes;
    }
    return 0;
}

static void ask(struct raft *raft, node_id voter)
{
    bool pre = raft->role == RAFT_CANDIDATE_PRE;
    if (voter == raft->self)
        return;
    struct raft_packet *packet = out_packet(raft, pre ? RAFT_PREVOTE : RAFT_VOTE, voter);
    packet->number = raft->campaign;
    packet->pos = log_last(&raft->log);
    if (raft->campaign_transfer)
        packet->flags |= RAFT_TRANSFER;
    if (pre)
        packet->term = raft->term + 1;
    if (pre || !RULE_R3)
        packet->wait_seq = 0;
}

static void ask_all(struct raft *raft)
{
    const struct raft_config *config = member_config(raft);
    for (uint8_t i = 0; i < config->voters_count; i++)
        ask(raft, config->voters[i]);
    for (uint8_t i = 0; i < config->voters_old_count; i++) {
        bool asked = false;
        for (uint8_t j = 0; j < config->voters_count; j++)
            asked |= config->voters[j] == config->voters_old[i];
        if (!asked)
            ask(raft, config->voters_old[i]);
    }
}

void election_start(struct raft *raft, bool pre, bool transfer)
{
    if (!election_is_fit(raft))
        return; /* the timer stands: a tail that becomes durable campaigns at the next tick */
    pre = pre && RULE_PREVOTE;
    state_become_candidate(raft, pre);
    raft->campaign_transfer = transfer;
    ask_all(raft);
    /* Nothing is promised by a PREVOTE; the ballot of a VOTE waits for its ticket. */
    if (pre || !RULE_R4)
        election_count(raft, raft->self, true);
}

void election_own_vote(struct raft *raft)
{
    if (raft->role != RAFT_CANDIDATE || raft->hard_dirty || raft->hard_seq > raft->durable_seq)
        return;
    election_count(raft, raft->self, true);
}

void election_count(struct raft *raft, node_id voter, bool yes)
{
    if (!member_is_voter(member_config(raft), voter) || ballot_of(raft, voter) != 0)
        return;
    assert(raft->ballots_count < RAFT_BALLOTS_MAX);
    raft->ballots[raft->ballots_count++] = (struct ballot){voter, yes ? 1 : -1};
    switch (quorum_vote(member_config(raft), ballot_of, raft)) {
    case QUORUM_PENDING:
        return;
    case QUORUM_LOST:
        state_become_follower(raft, raft->term, 0);
        return;
    case QUORUM_WON:
        if (raft->role == RAFT_CANDIDATE_PRE)
            election_start(raft, false, false);
        else
            state_become_leader(raft);
        return;
    }
}

void election_tick(struct raft *raft)
{
    if (++raft->election_elapsed < raft->election_timeout)
        return;
    election_start(raft, true, false);
}

static int heard_of(const void *arg, node_id voter)
{
    const struct raft *raft = arg;
    if (voter == raft->self)
        return 1;
    const struct progress *p = member_peer(raft, voter);
    return p != NULL && p->active && !(RULE_R19 && (p->amnesia || p->forgot)) ? 1 : -1;
}

/* A leader that hears no quorum cannot commit, and must not keep others from trying. */
void election_check_quorum(struct raft *raft)
{
    if (++raft->check_elapsed < raft->options.election_ticks)
        return;
    raft->check_elapsed = 0;
    enum quorum_vote heard = quorum_vote(member_config(raft), heard_of, raft);
    for (uint32_t i = 0; i < raft->peers_count; i++)
        raft->peers[i].active = false;
    if (RULE_CHECK_QUORUM && heard != QUORUM_WON)
        state_become_follower(raft, raft->term, 0);
}
