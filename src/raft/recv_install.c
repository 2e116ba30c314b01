/* SPDX-License-Identifier: Apache-2.0 */
/* INSTALL on the receiver, its end, and the replies on the leader (R14; raft.md section 4).
 *
 * INSTALLING is not AMNESIA: term, vote and the old log are intact, so this node still votes and
 * echoes heartbeats; it never campaigns, acks appends, applies or serves. The marker is durable
 * before the reply leaves, and with it before the first change. The end replaces base,
 * configuration and applied in one ticket, and the ack waits for that ticket.
 *
 * A session is taken once: an offer that comes again late, from before the open one or after its
 * end, must not start it anew. Sessions of one leader rise, so the highest of a term is enough. */
#include "raft/internal.h"

/* All of the target is here already, or below what is committed. */
static bool has_target(const struct raft *raft, struct raft_pos target)
{
    return target.index <= raft->commit ||
           (target.index <= raft->verified && log_term(&raft->log, target.index) == target.term);
}

static struct raft_packet *reply_to(struct raft *raft, const struct raft_packet *packet,
                                    uint64_t session)
{
    struct raft_packet *reply = out_reply(raft, RAFT_INSTALL_REPLY, packet);
    reply->install.session = session;
    return reply;
}

static void ack_target(struct raft *raft, const struct raft_packet *packet)
{
    struct raft_packet *reply = reply_to(raft, packet, packet->install.session);
    reply->pos = packet->install.target;
    if (RULE_R14)
        reply->wait_seq = out_ticket_of(raft, packet->install.target.index);
}

static void refuse(struct raft *raft, const struct raft_packet *packet)
{
    struct raft_packet *reply = reply_to(raft, packet, packet->install.session);
    reply->flags |= RAFT_REFUSED;
}

/* May this offer begin here? A marker of a full install means that the old state is gone. */
static bool is_acceptable(const struct raft *raft, const struct raft_install *offer)
{
    if (!raft->suspect && offer->target.index < raft->applied)
        return false; /* what was applied is never taken back: the leader must apply more first */
    if (offer->kind == RAFT_FULL)
        return true;
    if (raft->suspect || raft->quarantined || offer->base > raft->durable_applied)
        return false;
    return !raft->installing ||
           (raft->install.kind == RAFT_DELTA && offer->target.index >= raft->install.target.index);
}

static void accept(struct raft *raft, const struct raft_packet *packet)
{
    struct outbox *out = &raft->out[raft->filling];
    raft->installing = true;
    raft->install = packet->install;
    raft->install_is_told = true;
    raft->install_last_term = raft->term;
    raft->install_last_session = packet->install.session;
    out->install_in = true;
    out->install = packet->install;
    struct raft_packet *reply = reply_to(raft, packet, packet->install.session);
    reply->wait_seq = RULE_R14 ? raft->seq + 1 : 0;
}

static bool is_valid_offer(const struct raft_packet *packet)
{
    const struct raft_install *offer = &packet->install;
    return (offer->kind == RAFT_DELTA || offer->kind == RAFT_FULL) && offer->session != 0 &&
           offer->target.index > 0 && offer->target.term > 0 &&
           offer->target.term <= packet->term &&
           (offer->kind == RAFT_FULL || offer->base <= offer->target.index) &&
           offer->config_pos.index <= offer->target.index && member_is_valid(&offer->config);
}

enum err recv_install(struct raft *raft, const struct raft_packet *packet)
{
    const struct raft_install *offer = &packet->install;
    struct outbox *out = &raft->out[raft->filling];
    if (!is_valid_offer(packet) || out->installed || out->install_in)
        return ERR_IGNORED;
    state_hear_leader(raft, packet);
    if (raft->installing && raft->install.session == offer->session) {
        if (!raft->install_is_told) { /* it goes on after a restart, from the driver's cursor */
            accept(raft, packet);
            return OK;
        }
        struct raft_packet *reply = reply_to(raft, packet, offer->session);
        reply->wait_seq = RULE_R14 ? raft->seq : 0; /* the marker's ticket, or a later one */
        return OK;
    }
    bool is_late =
        raft->install_last_term == raft->term && offer->session <= raft->install_last_session;
    bool is_wanted =
        raft->suspect || raft->quarantined || (packet->flags & RAFT_ORDERED && !is_late);
    if (!raft->installing && !is_wanted && has_target(raft, offer->target)) {
        ack_target(raft, packet);
        return OK;
    }
    if (is_late)
        return ERR_IGNORED;
    if (!is_acceptable(raft, offer)) {
        refuse(raft, packet);
        return OK;
    }
    accept(raft, packet);
    return OK;
}

/* Base, configuration, applied and commit are the target's in one ticket. */
static void finish(struct raft *raft)
{
    struct outbox *out = &raft->out[raft->filling];
    struct raft_pos target = raft->install.target;
    bool had =
        target.index >= raft->log.base.index && log_term(&raft->log, target.index) == target.term;
    if (!had) {
        out->entries_count = 0;
        out->truncate_from = 0;
    }
    log_install(&raft->log, target);
    member_install(raft, &raft->install);
    out->installed = true;
    out->install = raft->install;
    raft->applied = raft->handed = target.index;
    if (raft->commit < target.index)
        raft->commit = target.index;
    if (raft->commit > raft->log.last) /* only of a suspect log: what it knew was not sound */
        raft->commit = raft->log.last;
    if (raft->verified < raft->commit || raft->verified > raft->log.last)
        raft->verified = raft->commit;
    if (raft->install.kind == RAFT_FULL)
        raft->suspect = raft->quarantined = false;
    raft->installing = false;
}

void raft_install_received(struct raft *raft, uint64_t session, bool ok)
{
    if (!raft->installing || raft->install.session != session)
        return;
    if (ok)
        finish(raft);
    if (raft->role != RAFT_FOLLOWER || raft->leader == 0)
        return; /* the next leader will ask */
    struct raft_packet *reply = out_packet(raft, RAFT_INSTALL_REPLY, raft->leader);
    reply->install.session = session;
    reply->to_boot = raft->leader_boot;
    if (!ok) {
        reply->flags |= RAFT_REFUSED | RAFT_INSTALLING;
        reply->hint = raft->install.target; /* it was under way: the digest differed */
        return;
    }
    if (raft->amnesia)
        reply->flags |= RAFT_AMNESIA;
    reply->pos = raft->install.target;
    if (RULE_R14)
        reply->wait_seq = raft->seq + 1;
}

enum err recv_install_reply(struct raft *raft, const struct raft_packet *packet)
{
    struct progress *p = recv_from_peer(raft, packet);
    if (p == NULL || !p->offered || packet->install.session != p->install.session)
        return ERR_IGNORED;
    if (packet->flags & RAFT_REFUSED) {
        /* A delta that was refused, or whose digest differed: the next is a full one. */
        p->ordered |= p->install.kind == RAFT_DELTA;
        install_fail(raft, p);
        return OK;
    }
    if (packet->flags & RAFT_INSTALLING) {
        p->accepted = true;
        return OK;
    }
    if (packet->pos.index == p->install.target.index)
        install_settle(raft, p, packet->pos.index);
    return OK;
}
