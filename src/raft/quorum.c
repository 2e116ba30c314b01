/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/quorum.h"

#include "base/check.h"
#include "raft/rules.h"

uint64_t quorum_majority_index(const node_id *voters, uint8_t count, quorum_index_of *index_of,
                               const void *arg)
{
    uint64_t sorted[RAFT_MEMBERS_MAX]; /* descending */
    assert(count <= RAFT_MEMBERS_MAX);
    if (count == 0)
        return UINT64_MAX;
    for (uint8_t i = 0; i < count; i++) {
        uint64_t index = index_of(arg, voters[i]);
        uint8_t at = i;
        for (; at > 0 && sorted[at - 1] < index; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = index;
    }
    return sorted[count / 2];
}

enum quorum_vote quorum_majority_vote(const node_id *voters, uint8_t count,
                                      quorum_ballot_of *ballot_of, const void *arg)
{
    unsigned yes = 0, no = 0, needed = count / 2u + 1;
    if (count == 0)
        return QUORUM_WON;
    for (uint8_t i = 0; i < count; i++) {
        int ballot = ballot_of(arg, voters[i]);
        yes += ballot > 0;
        no += ballot < 0;
    }
    if (yes >= needed)
        return QUORUM_WON;
    return count - no < needed ? QUORUM_LOST : QUORUM_PENDING;
}

uint64_t quorum_index(const struct raft_config *config, quorum_index_of *index_of, const void *arg)
{
    if (config->voters_count == 0)
        return 0;
    uint64_t now = quorum_majority_index(config->voters, config->voters_count, index_of, arg);
    uint64_t old =
        quorum_majority_index(config->voters_old, config->voters_old_count, index_of, arg);
    return RULE_BOTH_QUORUMS && old < now ? old : now;
}

enum quorum_vote quorum_vote(const struct raft_config *config, quorum_ballot_of *ballot_of,
                             const void *arg)
{
    if (config->voters_count == 0)
        return QUORUM_PENDING;
    enum quorum_vote now =
        quorum_majority_vote(config->voters, config->voters_count, ballot_of, arg);
    if (!RULE_BOTH_QUORUMS)
        return now;
    enum quorum_vote old =
        quorum_majority_vote(config->voters_old, config->voters_old_count, ballot_of, arg);
    if (now == QUORUM_LOST || old == QUORUM_LOST)
        return QUORUM_LOST;
    return now == QUORUM_WON && old == QUORUM_WON ? QUORUM_WON : QUORUM_PENDING;
}
