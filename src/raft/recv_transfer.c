/* SPDX-License-Identifier: Apache-2.0 */
/* TAKE_OVER: the leader of this term wants this node to campaign at once, without PREVOTE, although
 * all others have heard of it lately. Of another term, or when unfit by R3, it is ignored. */
#include "raft/internal.h"

enum err recv_take_over(struct raft *raft, const struct raft_packet *packet)
{
    if (raft->role != RAFT_FOLLOWER || raft->leader != packet->from || !election_is_fit(raft))
        return ERR_IGNORED;
    election_start(raft, false, true);
    return OK;
}
