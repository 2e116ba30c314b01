/* SPDX-License-Identifier: Apache-2.0 */
/* Installs on the leader: which peers need one, what was offered, how it ended. The bytes travel in
 * the driver's frames.
 *
 * A peer is listed until the driver offers something, again at every heartbeat. Only two things end
 * an install well: the receiver's own ack at the target, or an ack that meets this log again. A
 * failure puts the peer back to PROBE, and the next listing waits longer each time. */
#include "raft/internal.h"

enum { FAILURES_SHIFT_MAX = 5 };

void install_list(struct raft *raft)
{
    raft->installs_due = false;
    if (raft->role != RAFT_LEADER)
        return;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        struct progress *p = &raft->peers[i];
        if (!p->needs_install || p->offered || raft->tick < p->retry_tick)
            continue;
        if (p->boot == 0)
            continue; /* not heard since this leader leads: what it has is not known, so neither is the step */
        p->retry_tick = raft->tick + raft->options.heartbeat_ticks;
        out_need(raft, p);
    }
}

void install_send(struct raft *raft, struct progress *p)
{
    struct raft_packet *packet = out_packet(raft, RAFT_INSTALL, p->peer);
    packet->number = p->session;
    packet->commit = raft->commit;
    packet->install = p->install;
    if (p->ordered)
        packet->flags |= RAFT_ORDERED;
}

void raft_install_offer(struct raft *raft, node_id to, const struct raft_install *install)
{
    struct progress *p = member_peer(raft, to);
    if (p == NULL || !p->needs_install || p->offered)
        return;
    assert(install->kind == RAFT_DELTA || install->kind == RAFT_FULL);
    assert(install->target.index <= raft->commit);
    progress_probe(p);
    p->install = *install;
    p->offered = true;
    p->accepted = p->needs_install = false;
    p->state = install->kind == RAFT_FULL ? RAFT_PROGRESS_FULL : RAFT_PROGRESS_DELTA;
    install_send(raft, p);
}

static void end(struct progress *p)
{
    p->offered = p->accepted = p->needs_install = false;
    p->install.kind = RAFT_INSTALL_NONE;
    progress_probe(p);
}

/* The receiver's log begins behind the target now; what it holds above is found by the probe. */
void install_settle(struct raft *raft, struct progress *p, raft_index at)
{
    p->settled = p->install.session;
    p->ordered = false;
    p->failures = 0;
    p->marker = 0;
    p->match = at;
    p->next = at + 1;
    p->match_boot = p->boot;
    end(p);
    raft->replicate_wanted = true;
    replicate_advance_commit(raft);
}

void install_fail(struct raft *raft, struct progress *p)
{
    uint32_t shift = p->failures < FAILURES_SHIFT_MAX ? p->failures : FAILURES_SHIFT_MAX;
    p->failures++;
    p->retry_tick = raft->tick + ((uint64_t)raft->options.heartbeat_ticks << shift);
    end(p);
    if (p->ordered)
        replicate_need_install(raft, p, true);
    else
        p->probe_sent = true; /* at the next reply to a heartbeat, not at once */
}

void raft_install_failed(struct raft *raft, node_id to, uint64_t session)
{
    struct progress *p = member_peer(raft, to);
    if (p == NULL || !p->offered || p->install.session != session)
        return;
    install_fail(raft, p);
}

/* While it installs, a voter acks nothing: the others must hold all that is committed, durably, and
 * be a quorum, else an ordered repair of a sound log could stop the group for good. */
struct without {
    const struct raft *raft;
    node_id peer;
};

static uint64_t match_without(const void *arg, node_id voter)
{
    const struct without *without = arg;
    return voter == without->peer ? 0 : replicate_match(without->raft, voter);
}

enum err raft_order_install(struct raft *raft, node_id peer)
{
    if (raft->role != RAFT_LEADER)
        return ERR_NOT_LEADER;
    struct progress *p = member_peer(raft, peer);
    if (p == NULL || p->offered)
        return ERR_IGNORED;
    struct without without = {raft, peer};
    raft_index kept = quorum_index(member_config(raft), match_without, &without);
    if (kept == 0 ||
        kept < raft->commit) /* of two voters 0 is all that one can hold, whatever the commit */
        return ERR_BUSY;
    replicate_need_install(raft, p, true);
    return OK;
}
