/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold inside one group after every event. Across groups and restarts others look. */
#include "raft/internal.h"

static void check_marks(const struct raft *raft)
{
    assert(raft->commit <= raft->log.last);
    assert(raft->commit >= raft->log.base.index);
    if (RULE_R17F)
        assert(raft->commit <= raft->verified || raft->role == RAFT_LEADER);
    assert(raft->verified <= raft->log.last);
    assert(raft->durable_applied <= raft->applied);
    assert(raft->applied <= raft->handed);
    if (!raft->installing && !raft->suspect) {
        assert(raft->log.base.index <= raft->applied);
        assert(raft->applied == raft->log.floor);
        if (RULE_R8)
            assert(raft->handed <= raft->commit);
    }
    assert(raft->durable_seq <= raft->seq);
    assert(raft->hard_seq <= raft->seq);
    assert(log_term(&raft->log, raft->log.last) <= raft->term || raft->log.last == 0 ||
           raft->amnesia);
}

static void check_configs(const struct raft *raft)
{
    assert(raft->configs_count > 0);
    for (uint32_t i = 0; i < raft->configs_count; i++) {
        const struct raft_config_at *at = &raft->configs[i];
        if (i > 0) {
            assert(at->pos.index > raft->configs[i - 1].pos.index);
            assert(at->pos.index > raft->log.base.index);
            assert(at->pos.index <= raft->log.last);
            assert(log_term(&raft->log, at->pos.index) == at->pos.term);
        }
        assert(at->config.voters_count == 0 || member_is_valid(&at->config));
    }
    /* At most one is uncommitted (R15): what lies above commit may be a tail to be cut, so this
     * holds on the leader alone. */
    if (RULE_R15 && raft->role == RAFT_LEADER && raft->configs_count > 1)
        assert(raft->configs[raft->configs_count - 2].pos.index <= raft->commit);
}

static void check_roles(const struct raft *raft)
{
    bool is_leader = raft->role == RAFT_LEADER;
    assert(is_leader == (raft->leader == raft->self));
    assert(is_leader == (raft->peers != NULL));
    if (RULE_R3 && raft->role != RAFT_FOLLOWER)
        assert(!raft->installing && !raft->amnesia && !raft->suspect);
    if (raft->role == RAFT_CANDIDATE) {
        assert(raft->vote == raft->self);
        assert(raft->leader == 0);
    }
    if (!is_leader) {
        assert(raft->transfer_to == 0);
        assert(raft->reads.running_count == 0 && raft->reads.gathering_count == 0);
    } else {
        assert(raft->reads.forwards_count == 0);
        assert(raft->vote == raft->self);
        assert(raft->verified == raft->log.last);
    }
    if (raft->suspect)
        assert(raft->amnesia);
}

static void check_peers(const struct raft *raft)
{
    const struct raft_config *config = member_config(raft);
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        const struct progress *p = &raft->peers[i];
        progress_check(p, &raft->options);
        assert(p->peer != raft->self && member_is_member(config, p->peer));
        assert(p->match <= raft->log.last && p->next <= raft->log.last + 1);
        assert(p->learner == !member_is_voter(config, p->peer));
    }
    if (raft->role != RAFT_LEADER)
        return;
    for (uint8_t i = 0; i < config->voters_count; i++)
        assert(config->voters[i] == raft->self || member_peer(raft, config->voters[i]) != NULL);
    for (uint8_t i = 0; i < config->voters_old_count; i++)
        assert(config->voters_old[i] == raft->self ||
               member_peer(raft, config->voters_old[i]) != NULL);
}

void raft_check(const struct raft *raft)
{
    log_check(&raft->log);
    check_marks(raft);
    check_configs(raft);
    check_roles(raft);
    check_peers(raft);
}
