/* SPDX-License-Identifier: Apache-2.0 */
/* PREVOTE and VOTE (thesis 3.4, 3.6.1, 9.6), and their answers.
 *
 * Terms were compared before (raft.c): here the packet's term is at least ours. Both are ignored
 * while a leader is fresh, so that a node that cannot hear it does not disturb the others (4.2.3);
 * a VOTE flagged TRANSFER is the leader's own wish. Learners answer: they may be voters without
 * knowing it yet. */
#include "raft/internal.h"

/* Compared with the last position in memory: what is not durable yet may have been acked by the
 * time the candidate commits over it. */
static bool is_recent(const struct raft *raft, struct raft_pos pos)
{
    struct raft_pos last = log_last(&raft->log);
    return pos.term > last.term || (pos.term == last.term && pos.index >= last.index);
}

static void answer(struct raft *raft, const struct raft_packet *packet, bool yes)
{
    bool pre = packet->kind == RAFT_PREVOTE;
    struct raft_packet *reply = out_reply(raft, pre ? RAFT_PREVOTE_REPLY : RAFT_VOTE_REPLY, packet);
    if (!yes)
        reply->flags |= RAFT_REFUSED;
    if (pre && yes) {
        reply->term = packet->term; /* a grant promises nothing (R7) */
        reply->wait_seq = 0;
    }
    if (!pre && yes && !RULE_R1)
        reply->wait_seq = 0;
}

static enum err recv_prevote(struct raft *raft, const struct raft_packet *packet)
{
    answer(raft, packet, packet->term > raft->term && is_recent(raft, packet->pos));
    return OK;
}

enum err recv_vote(struct raft *raft, const struct raft_packet *packet)
{
    if (RULE_R19 && raft->amnesia)
        return ERR_IGNORED; /* it may have promised this term to another */
    if (packet->kind == RAFT_PREVOTE)
        return recv_prevote(raft, packet);
    bool free = raft->vote == 0 && (raft->leader == 0 || raft->leader == packet->from);
    bool yes = (free || raft->vote == packet->from) && raft->role != RAFT_LEADER &&
               is_recent(raft, packet->pos);
    if (yes) {
        if (raft->vote != packet->from)
            state_set_vote(raft, packet->from);
        state_reset_timer(raft);
    }
    answer(raft, packet, yes);
    return OK;
}

/* Replies to another campaign say nothing about this one (R20). */
enum err recv_vote_reply(struct raft *raft, const struct raft_packet *packet)
{
    bool pre = packet->kind == RAFT_PREVOTE_REPLY;
    if (raft->role != (pre ? RAFT_CANDIDATE_PRE : RAFT_CANDIDATE))
        return ERR_IGNORED;
    if (RULE_R20 && packet->number != raft->campaign)
        return ERR_IGNORED;
    bool yes = !(packet->flags & RAFT_REFUSED);
    if (RULE_R19 && yes && packet->flags & RAFT_AMNESIA)
        return ERR_IGNORED;
    election_count(raft, packet->from, yes);
    return OK;
}
