/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND and HEARTBEAT on a follower (R17; thesis 3.5), and their replies on the leader.
 *
 * `verified` is what makes commit safe here: the log up to it was compared with this term's leader
 * (or was committed before the term began). What lies above may be a dead leader's tail, so
 * neither an ack nor a commit ever goes beyond it. An ack names the ticket that makes its entries
 * durable and leaves when that is reported (R2). */
#include "raft/internal.h"

enum { UNFILLED_BEATS_MAX = 5 };

static bool has_valid_entries(const struct raft_packet *packet)
{
    raft_term term = packet->pos.term;
    for (uint32_t i = 0; i < packet->entries_count; i++) {
        const struct raft_entry *entry = &packet->entries[i];
        if (entry->pos.index != packet->pos.index + 1 + i || entry->pos.term < term ||
            entry->pos.term > packet->term)
            return false;
        if (entry->kind < RAFT_ENTRY_EMPTY || entry->kind > RAFT_ENTRY_CONFIG)
            return false;
        if (entry->kind == RAFT_ENTRY_CONFIG &&
            (entry->config == NULL || !member_is_valid(entry->config)))
            return false;
        term = entry->pos.term;
    }
    return packet->pos.term <= packet->term;
}

static void ack(struct raft *raft, const struct raft_packet *request, raft_index index)
{
    struct raft_packet *reply = out_reply(raft, RAFT_APPEND_REPLY, request);
    reply->pos = (struct raft_pos){log_term(&raft->log, index), index};
    if (RULE_R2)
        reply->wait_seq = out_ticket_of(raft, index);
}

static void refuse(struct raft *raft, const struct raft_packet *request, struct raft_pos hint)
{
    struct raft_packet *reply = out_reply(raft, RAFT_APPEND_REPLY, request);
    reply->flags |= RAFT_REFUSED;
    reply->pos = request->pos;
    reply->hint = hint;
    if (raft->suspect)
        reply->flags |= RAFT_INSTALLING; /* without a session: it needs a full install */
}

/* A follower too far behind in applying takes no more entries; what was sent is sent again. Only
 * committed entries count: refusing for uncommitted ones could keep them uncommitted for ever. */
static bool is_overloaded(const struct raft *raft)
{
    raft_index unapplied = raft->commit - raft->log.floor;
    return unapplied >= raft->options.unapplied_max_entries ||
           log_bytes(&raft->log, raft->log.floor, raft->commit) >=
               raft->options.unapplied_max_bytes;
}

static void truncate(struct raft *raft, raft_index from)
{
    assert(!RULE_R17E || from > raft->commit);
    assert(!RULE_R17E || from > raft->verified);
    if (RULE_R9)
        out_truncate(raft, from);
    log_truncate(&raft->log, from);
    member_truncate(raft, from);
    if (raft->verified >= from)
        raft->verified = from - 1;
}

static void take_entry(struct raft *raft, const struct raft_entry *entry)
{
    log_append(&raft->log, entry->pos.term, entry->size_bytes);
    out_entry(raft, entry);
    if (entry->kind == RAFT_ENTRY_CONFIG)
        member_push(raft, entry->pos, entry->config);
}

/* Skips what is there, truncates at the first conflict of terms, appends the rest (R17e). */
static raft_index merge_entries(struct raft *raft, const struct raft_packet *packet)
{
    raft_index end = packet->pos.index;
    bool busy = is_overloaded(raft);
    if (!RULE_R17E && packet->pos.index < raft->log.last)
        truncate(raft, packet->pos.index + 1);
    for (uint32_t i = 0; i < packet->entries_count; i++) {
        const struct raft_entry *entry = &packet->entries[i];
        if (entry->pos.index <= raft->log.last &&
            log_term(&raft->log, entry->pos.index) == entry->pos.term) {
            end = entry->pos.index;
            continue;
        }
        if (busy)
            return end;
        if (entry->pos.index <= raft->log.last)
            truncate(raft, entry->pos.index);
        take_entry(raft, entry);
        end = entry->pos.index;
    }
    return end;
}

static void follow_commit(struct raft *raft, raft_index commit)
{
    raft_index limit = RULE_R17F ? raft->verified : raft->log.last;
    state_set_commit(raft, commit < limit ? commit : limit);
}

/* The leader's words about us: what it knows that we acked is not in our log (R19). */
static void hear_forgot(struct raft *raft, const struct raft_packet *packet)
{
    if (!RULE_R19 || !(packet->flags & RAFT_FORGOT) || packet->hint.index <= raft->log.durable)
        return;
    raft->amnesia = true;
    if (packet->hint.index > raft->promised_index)
        raft->promised_index = packet->hint.index;
}

static bool is_install_unwritten(const struct raft *raft)
{
    return raft->out[raft->filling].installed;
}

enum err recv_append(struct raft *raft, const struct raft_packet *packet)
{
    if (!has_valid_entries(packet) || is_install_unwritten(raft))
        return ERR_IGNORED;
    state_hear_leader(raft, packet);
    hear_forgot(raft, packet);
    if (RULE_R17B && (raft->installing || raft->suspect)) {
        refuse(raft, packet, log_last(&raft->log));
        return OK;
    }
    raft_index before = packet->pos.index;
    if (RULE_R17C && before < raft->commit) {
        ack(raft, packet, raft->commit);
        return OK;
    }
    if (RULE_R17D && (before > raft->log.last || packet->pos.term == 0
                          ? before != 0
                          : log_term(&raft->log, before) != packet->pos.term)) {
        refuse(raft, packet, log_find_hint(&raft->log, before, packet->pos.term));
        return OK;
    }
    if (before > raft->log.last || before < raft->log.floor)
        return ERR_IGNORED; /* nothing to append to: only without the rules above */
    raft_index end = merge_entries(raft, packet);
    if (end > raft->verified)
        raft->verified = end;
    follow_commit(raft, packet->commit);
    state_check_amnesia(raft);
    /* What was not taken is not answered: the leader tries again at its heartbeats, not at once. */
    if (end == before + packet->entries_count)
        ack(raft, packet, RULE_R2 ? raft->verified : raft->log.last);
    return OK;
}

enum err recv_heartbeat(struct raft *raft, const struct raft_packet *packet)
{
    state_hear_leader(raft, packet);
    hear_forgot(raft, packet);
    if (!raft->installing && !raft->suspect)
        follow_commit(raft, packet->commit);
    out_reply(raft, RAFT_HEARTBEAT_REPLY, packet);
    return OK;
}

/* ---- the leader hears ----------------------------------------------------------------------------- */
/* The peer restarted: what was on its way is lost, and what it acked must be shown again. */
static void hear_boot(struct raft *raft, struct progress *p, const struct raft_packet *packet)
{
    if (p->boot == packet->from_boot)
        return;
    bool restarted = p->boot != 0;
    p->boot = packet->from_boot;
    p->accepted = false; /* the marker may be lost: offer again */
    p->applied = packet->applied;
    if (restarted && (p->state == RAFT_REPLICATE || p->state == RAFT_PROBE)) {
        /* Its log may reach further than it acked: match below the base is no reason to install. */
        if (p->match >= raft->log.base.index)
            p->next = p->match + 1;
        progress_probe(p);
        raft->replicate_wanted = true;
    }
}

static void hear_flags(struct raft *raft, struct progress *p, const struct raft_packet *packet)
{
    p->amnesia = packet->flags & RAFT_AMNESIA;
    if (p->amnesia)
        p->forgot = false; /* it knows */
    p->marker = packet->flags & RAFT_INSTALLING ? packet->install.session : 0;
    if (!(packet->flags & RAFT_INSTALLING)) {
        if (packet->kind != RAFT_HEARTBEAT_REPLY)
            return;
        p->accepted = false; /* it ended and its ack is lost, or its start was: offer again */
        if (p->needs_install && !p->ordered && p->next - 1 >= raft->log.base.index) {
            p->needs_install = false; /* an install of an older leader ended: the log will do */
            progress_probe(p);
        }
        return;
    }
    bool is_old = p->marker != 0 && p->marker == p->settled;
    if (!p->offered && !p->needs_install && !is_old)
        replicate_need_install(raft, p, p->marker == 0);
}

struct progress *recv_from_peer(struct raft *raft, const struct raft_packet *packet)
{
    if (raft->role != RAFT_LEADER)
        return NULL;
    struct progress *p = member_peer(raft, packet->from);
    if (p == NULL || packet->from_boot < p->boot)
        return NULL;
    hear_boot(raft, p, packet);
    p->active = true;
    p->heard_tick = raft->tick;
    p->disk_free_mb = packet->disk_free_mb;
    if (packet->applied > p->applied)
        p->applied = packet->applied;
    bool was_unfit = p->amnesia || p->forgot;
    hear_flags(raft, p, packet);
    if (!was_unfit || p->amnesia || p->forgot)
        return p;
    replicate_advance_commit(raft);         /* what it acked meanwhile counts from now on */
    return member_peer(raft, packet->from); /* the records move when a configuration commits */
}

/* It acked match in an earlier life and lacks it now: it forgot, votes perhaps included (R19). */
static void hear_refusal(struct raft *raft, struct progress *p, const struct raft_packet *packet)
{
    bool lost = p->state == RAFT_PROBE && packet->pos.index == p->next - 1 &&
                packet->pos.index <= p->match && p->match > 0 && p->boot > p->match_boot;
    if (lost) {
        p->forgot = RULE_R19 && !p->amnesia;
        p->forgot_to = p->match;
        p->match = 0;
    }
    struct raft_pos hint = log_find_hint(&raft->log, packet->hint.index, packet->hint.term);
    raft_index at = packet->hint.index < raft->log.base.index ? packet->hint.index : hint.index;
    if (progress_refuse(p, packet->pos.index, at, raft->log.base.index))
        raft->replicate_wanted = true;
}

static void hear_ack(struct raft *raft, struct progress *p, raft_index index)
{
    bool moved = progress_ack(p, index);
    if (index >= p->match) /* a lower ack of a new boot says nothing about what the old one acked */
        p->match_boot = p->boot;
    bool meets = p->state == RAFT_PROBE && (moved || index == p->match);
    bool caught_up = (p->state == RAFT_PROGRESS_DELTA || p->state == RAFT_PROGRESS_FULL) && moved &&
                     !p->ordered && p->match >= raft->log.base.index;
    if (caught_up) {
        p->offered = p->accepted = p->needs_install = false;
        p->failures = 0;
    }
    if (meets || caught_up)
        progress_replicate(p);
    raft->replicate_wanted = true;
    progress_round(p, raft->log.last, raft->tick);
    if (moved) {
        replicate_advance_commit(raft);
        transfer_advance(raft);
    }
}

enum err recv_append_reply(struct raft *raft, const struct raft_packet *packet)
{
    struct progress *p = recv_from_peer(raft, packet);
    if (p == NULL || (RULE_R20 && packet->number != p->session))
        return ERR_IGNORED;
    if (packet->flags & RAFT_REFUSED) {
        if (!(packet->flags & RAFT_INSTALLING))
            hear_refusal(raft, p, packet);
        return OK;
    }
    if (packet->pos.index > raft->log.last)
        return ERR_IGNORED;
    hear_ack(raft, p, packet->pos.index);
    return OK;
}

/* All that was in flight may be lost: a peer that is behind is asked where it stands, by an empty
 * append at the end of what it was sent; it frees the window by its ack, or refuses. */
static void probe_again(struct raft *raft, struct progress *p)
{
    if (p->state == RAFT_REPLICATE && p->unfilled) {
        /* A slow read from the driver's disk is no loss, but one that was given up is. */
        if (++p->unfilled_beats < UNFILLED_BEATS_MAX)
            return;
        p->next = p->match + 1;
        progress_probe(p);
        raft->replicate_wanted = true;
        return;
    }
    p->unfilled_beats = 0;
    if (p->state == RAFT_PROBE) {
        p->probe_sent = false;
        raft->replicate_wanted = true;
    } else if (p->state == RAFT_REPLICATE && p->next - 1 < raft->log.base.index) {
        /* What was lost was compacted too: an install, although nothing new is proposed. */
        raft->replicate_wanted = true;
    } else if (p->state == RAFT_REPLICATE && p->match + 1 < p->next) {
        struct raft_packet *packet = out_packet(raft, RAFT_APPEND, p->peer);
        packet->number = p->session;
        packet->pos = (struct raft_pos){log_term(&raft->log, p->next - 1), p->next - 1};
        packet->commit = raft->commit;
        packet->first = p->next;
        packet->last = p->next - 1;
        raft->replicate_wanted = true;
    }
}

enum err recv_heartbeat_reply(struct raft *raft, const struct raft_packet *packet)
{
    struct progress *p = recv_from_peer(raft, packet);
    if (p == NULL)
        return ERR_IGNORED;
    probe_again(raft, p);
    if (packet->number > p->read_number && packet->number <= raft->reads.number &&
        !(RULE_R19 && (p->amnesia || p->forgot))) {
        p->read_number = packet->number;
        read_advance(raft);
    }
    return OK;
}
