/* SPDX-License-Identifier: Apache-2.0 */
/* Linearizable reads (R16; thesis 6.4) without leases.
 *
 * A leader notes commit, takes the next read number and puts it on heartbeats; when a quorum of the
 * configuration in force has echoed that number or a later one, this node still led after the reads
 * came in, and the noted commit is a sound index for them. One round runs; reads that come in
 * meanwhile gather and share the next number. Before an entry of the own term is committed, commit
 * may lag behind what older leaders acknowledged: reads wait.
 *
 * A follower asks the leader by READ under a number of its own, so that the answer to an older
 * question can never be taken for this one's, whatever tags the caller uses. */
#include <string.h>

#include "base/alloc.h"
#include "raft/internal.h"

static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    return alloc_resize(array, *capacity, size);
}

static void answer(struct raft *raft, const struct read_wait *wait, raft_index index, enum err err)
{
    if (wait->from == raft->self) {
        out_read(raft, wait->tag, index, err);
        return;
    }
    struct raft_packet *reply = out_packet(raft, RAFT_READ_REPLY, wait->from);
    reply->to_boot = wait->from_boot;
    reply->number = wait->tag;
    reply->commit = index;
    if (err != OK)
        reply->flags |= RAFT_REFUSED;
}

static uint64_t number_of(const void *arg, node_id voter)
{
    const struct raft *raft = arg;
    if (voter == raft->self)
        return raft->reads.number;
    const struct progress *p = member_peer(raft, voter);
    return p == NULL ? 0 : p->read_number;
}

static bool is_confirmed(const struct raft *raft)
{
    if (!RULE_READ_INDEX)
        return true;
    return quorum_index(member_config(raft), number_of, raft) >= raft->reads.round_number;
}

static void start_round(struct raft *raft)
{
    struct reads *reads = &raft->reads;
    struct read_wait *empty = reads->running;
    uint32_t capacity = reads->running_capacity;
    reads->running = reads->gathering;
    reads->running_count = reads->gathering_count;
    reads->running_capacity = reads->gathering_capacity;
    reads->gathering = empty;
    reads->gathering_count = 0;
    reads->gathering_capacity = capacity;
    reads->round_number = ++reads->number;
    reads->round_index = raft->commit;
    if (!is_confirmed(raft)) /* a waiting read does not wait for the tick */
        replicate_heartbeats(raft);
    else /* a learner's read waits for the commit, which no heartbeat carries to it now */
        raft_tell_commit(raft);
}

void read_advance(struct raft *raft)
{
    struct reads *reads = &raft->reads;
    if (raft->role != RAFT_LEADER)
        return;
    if (RULE_R16 && !replicate_has_own_term_commit(raft))
        return;
    for (;;) {
        if (reads->running_count > 0) {
            if (!is_confirmed(raft))
                return;
            for (uint32_t i = 0; i < reads->running_count; i++)
                answer(raft, &reads->running[i], reads->round_index, OK);
            reads->running_count = 0;
        }
        if (reads->gathering_count == 0)
            return;
        start_round(raft);
    }
}

static enum err gather(struct raft *raft, struct read_wait wait)
{
    struct reads *reads = &raft->reads;
    if (reads->gathering_count >= RAFT_READS_MAX)
        return ERR_BUSY;
    reads->gathering = grow(reads->gathering, reads->gathering_count, &reads->gathering_capacity,
                            sizeof(*reads->gathering));
    reads->gathering[reads->gathering_count++] = wait;
    read_advance(raft);
    return OK;
}

static enum err forward(struct raft *raft, uint64_t tag)
{
    struct reads *reads = &raft->reads;
    if (reads->forwards_count >= RAFT_READS_MAX)
        return ERR_BUSY;
    reads->forwards = grow(reads->forwards, reads->forwards_count, &reads->forwards_capacity,
                           sizeof(*reads->forwards));
    uint64_t number = ++reads->number;
    reads->forwards[reads->forwards_count++] = (struct read_forward){number, tag, raft->tick};
    struct raft_packet *packet = out_packet(raft, RAFT_READ, raft->leader);
    packet->number = number;
    return OK;
}

enum err raft_read(struct raft *raft, uint64_t tag)
{
    if (raft->installing || raft->amnesia || raft->suspect || raft->quarantined)
        return ERR_UNREADY;
    if (raft->role == RAFT_LEADER)
        return gather(raft, (struct read_wait){raft->self, raft->options.boot, tag});
    if (raft->leader == 0)
        return ERR_NO_LEADER;
    return forward(raft, tag);
}

enum err recv_read(struct raft *raft, const struct raft_packet *packet)
{
    struct read_wait wait = {packet->from, packet->from_boot, packet->number};
    if (raft->role != RAFT_LEADER || gather(raft, wait) != OK)
        answer(raft, &wait, 0, ERR_NO_LEADER);
    return OK;
}

enum err recv_read_reply(struct raft *raft, const struct raft_packet *packet)
{
    struct reads *reads = &raft->reads;
    for (uint32_t i = 0; i < reads->forwards_count; i++) {
        if (reads->forwards[i].number != packet->number)
            continue;
        bool refused = packet->flags & RAFT_REFUSED;
        out_read(raft, reads->forwards[i].tag, refused ? 0 : packet->commit,
                 refused ? ERR_NO_LEADER : OK);
        reads->forwards_count--;
        memmove(reads->forwards + i, reads->forwards + i + 1,
                (reads->forwards_count - i) * sizeof(*reads->forwards));
        return OK;
    }
    return ERR_IGNORED;
}

void read_refuse_all(struct raft *raft)
{
    struct reads *reads = &raft->reads;
    for (uint32_t i = 0; i < reads->running_count; i++)
        answer(raft, &reads->running[i], 0, ERR_NO_LEADER);
    for (uint32_t i = 0; i < reads->gathering_count; i++)
        answer(raft, &reads->gathering[i], 0, ERR_NO_LEADER);
    reads->running_count = reads->gathering_count = 0;
}

void read_refuse_forwards(struct raft *raft)
{
    struct reads *reads = &raft->reads;
    for (uint32_t i = 0; i < reads->forwards_count; i++)
        out_read(raft, reads->forwards[i].tag, 0, ERR_NO_LEADER);
    reads->forwards_count = 0;
}

/* The question or its answer was lost: the caller may ask again. */
void read_tick(struct raft *raft)
{
    struct reads *reads = &raft->reads;
    uint32_t gone = 0;
    while (gone < reads->forwards_count &&
           raft->tick - reads->forwards[gone].tick >= raft->options.election_ticks) {
        out_read(raft, reads->forwards[gone].tag, 0, ERR_NO_LEADER);
        gone++;
    }
    if (gone == 0)
        return;
    reads->forwards_count -= gone;
    memmove(reads->forwards, reads->forwards + gone,
            reads->forwards_count * sizeof(*reads->forwards));
}

void read_done_all(struct raft *raft)
{
    free(raft->reads.running);
    free(raft->reads.gathering);
    free(raft->reads.forwards);
}
