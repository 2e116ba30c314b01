/* SPDX-License-Identifier: Apache-2.0 */
/* The face: birth, time, packets and completions come in here and are handed to the file whose
 * business they are. The comparison of terms, which comes before everything else (thesis 3.3), is
 * made here once for all kinds of packets. */
#include "raft/raft.h"

#include <string.h>

#include "base/alloc.h"
#include "raft/internal.h"

void raft_options_init(struct raft_options *options, slot_id slot, node_id self, uint64_t boot)
{
    *options =
        (struct raft_options){.slot = slot,
                              .self = self,
                              .boot = boot,
                              .seed = (uint64_t)slot * 0x9e3779b97f4a7c15u + self * 31 + boot,
                              .heartbeat_ticks = 3,
                              .election_ticks = 15,
                              .append_max_bytes = 256 * 1024,
                              .append_max_entries = 1024,
                              .inflight_max_packets = 64,
                              .inflight_max_bytes = 4 * 1024 * 1024,
                              .uncommitted_max_bytes = 8 * 1024 * 1024,
                              .entry_max_bytes = 8 * 1024 * 1024,
                              .apply_max_bytes = 4 * 1024 * 1024,
                              .unapplied_max_bytes = 64 * 1024 * 1024,
                              .unapplied_max_entries = 100000,
                              .disk_low_mb = 1024};
}

static void boot_configs(struct raft *raft, const struct raft_boot *boot)
{
    assert(boot->configs_count > 0);
    for (uint32_t i = 0; i < boot->configs_count; i++)
        member_push(raft, boot->configs[i].pos, &boot->configs[i].config);
    member_compact(raft, raft->log.base.index);
    raft->config_changed = false;
}

/* R19: is what the disk holds behind what was promised, compared as in votes? Then the promised
 * term and vote are taken over, so that no older leader can be helped by mistake. */
static void boot_promise(struct raft *raft, const struct raft_boot *boot)
{
    struct raft_pos last = log_last(&raft->log), promised = boot->promised_last;
    bool term_behind = boot->promised_term > raft->term ||
                       (boot->promised_term == raft->term && boot->promised_vote != 0 &&
                        raft->vote != boot->promised_vote);
    bool log_behind =
        promised.term > last.term || (promised.term == last.term && promised.index > last.index);
    if (!RULE_R19 || !(term_behind || log_behind || boot->suspect_log))
        return;
    raft->amnesia = true;
    raft->suspect = boot->suspect_log;
    raft->promised_index = log_behind ? promised.index : 0;
    if (term_behind) {
        raft->term = boot->promised_term;
        state_set_vote(raft, boot->promised_vote);
    }
}

struct raft *raft_new(const struct raft_options *options, const struct raft_boot *boot)
{
    assert(options->self != 0 && options->boot != 0);
    assert(options->heartbeat_ticks > 0 && options->election_ticks > options->heartbeat_ticks);
    assert(options->inflight_max_packets > 0 && options->append_max_entries > 0);
    assert(boot->last >= boot->base.index);
    struct raft *raft = alloc_zero(sizeof(*raft));
    raft->options = *options;
    raft->self = options->self;
    raft->rng = rng_of(options->seed);
    raft->may_lead = true;
    raft->disk_free_mb = UINT32_MAX;
    raft->term = boot->term;
    raft->vote = boot->vote;
    log_init(&raft->log, boot);
    bool bad_applied = boot->applied > boot->last;
    raft->applied = bad_applied ? raft->log.floor : boot->applied;
    raft->durable_applied = raft->handed = raft->applied;
    /* What is below the base was committed; what was applied was too (R8). */
    raft->commit = boot->commit < boot->last ? boot->commit : boot->last;
    if (RULE_R8 && raft->commit < raft->log.floor)
        raft->commit = raft->log.floor;
    raft->verified = raft->commit;
    boot_configs(raft, boot);
    raft->quarantined = boot->quarantined;
    if (boot->install.kind != RAFT_INSTALL_NONE) {
        raft->installing = true;
        raft->install = boot->install;
    }
    boot_promise(raft, boot);
    if (bad_applied && !raft->installing)
        raft->amnesia = raft->suspect =
            true; /* a state ahead of its log: one of them is not ours */
    state_reset_timer(raft);
    return raft;
}

void raft_free(struct raft *raft)
{
    if (raft == NULL)
        return;
    for (uint32_t i = 0; i < raft->peers_count; i++)
        progress_done(&raft->peers[i]);
    free(raft->peers);
    free(raft->configs);
    log_done(&raft->log);
    read_done_all(raft);
    out_done(&raft->out[0]);
    out_done(&raft->out[1]);
    free(raft);
}

/* ---- time ------------------------------------------------------------------------------------------ */
static void tick_once(struct raft *raft)
{
    raft->tick++;
    if (raft->reads.forwards_count > 0)
        read_tick(raft);
    if (raft->role != RAFT_LEADER) {
        election_tick(raft);
        return;
    }
    transfer_tick(raft);
    if (raft->role == RAFT_LEADER)
        election_check_quorum(raft);
    if (raft->role == RAFT_LEADER)
        replicate_tick(raft);
}

void raft_tick(struct raft *raft, unsigned ticks)
{
    for (unsigned i = 0; i < ticks; i++)
        tick_once(raft);
}

void raft_campaign(struct raft *raft)
{
    if (raft->role != RAFT_LEADER)
        election_start(raft, true, false);
}

void raft_forget_leader(struct raft *raft)
{
    if (raft->role == RAFT_LEADER || raft->leader == 0)
        return;
    state_set_leader(raft, 0);
    uint32_t soon = 1 + (uint32_t)rng_below(&raft->rng, raft->options.election_ticks / 3);
    if (raft->election_timeout > raft->election_elapsed + soon)
        raft->election_timeout = raft->election_elapsed + soon;
}

void raft_pin_timeout(struct raft *raft, uint32_t ticks)
{
    raft->pinned_timeout = ticks;
    if (ticks != 0)
        raft->election_timeout = ticks;
}

/* ---- completions -------------------------------------------------------------------------------------- */
void raft_persisted(struct raft *raft, uint64_t seq)
{
    assert(seq <= raft->seq);
    if (seq <= raft->durable_seq)
        return;
    raft->durable_seq = seq;
    log_persisted(&raft->log, seq);
    election_own_vote(raft);
    if (raft->role == RAFT_LEADER)
        replicate_advance_commit(raft);
    state_check_amnesia(raft);
}

void raft_applied(struct raft *raft, raft_index index, bool durable)
{
    /* What an install overtook counts no more: its target's state is another. */
    if (raft->installing || index > raft->handed)
        return;
    if (index > raft->applied) {
        raft->applied = index;
        log_raise_floor(&raft->log, index);
    }
    if (durable && index > raft->durable_applied)
        raft->durable_applied = index;
}

void raft_compacted(struct raft *raft, raft_index to)
{
    assert(to <= raft->durable_applied); /* R12 */
    if (to <= raft->log.base.index)
        return;
    log_compact(&raft->log, to);
    member_compact(raft, to);
}

/* ---- packets --------------------------------------------------------------------------------------------- */
static bool is_reply(uint8_t kind)
{
    return kind == RAFT_PREVOTE_REPLY || kind == RAFT_VOTE_REPLY || kind == RAFT_APPEND_REPLY ||
           kind == RAFT_HEARTBEAT_REPLY || kind == RAFT_INSTALL_REPLY || kind == RAFT_READ_REPLY;
}

static bool is_of_leader(uint8_t kind)
{
    return kind == RAFT_APPEND || kind == RAFT_HEARTBEAT || kind == RAFT_INSTALL ||
           kind == RAFT_TAKE_OVER;
}

/* R20: a reply answers this boot's question, and comes from a member. READ_REPLY is checked by its
 * number and comes from the leader, whom we may not know as a member yet. */
static bool is_foreign(const struct raft *raft, const struct raft_packet *packet)
{
    if (packet->slot != raft->options.slot || packet->to != raft->self || packet->from == 0 ||
        packet->from == raft->self)
        return true;
    if (!RULE_R20 || !is_reply(packet->kind))
        return false;
    if (packet->to_boot != raft->options.boot)
        return true;
    return packet->kind != RAFT_READ_REPLY && !member_is_member(member_config(raft), packet->from);
}

/* A sender of the past learns that its term is over, so that it cannot stick there (R17a). */
static enum err answer_old_term(struct raft *raft, const struct raft_packet *packet)
{
    static const uint8_t replies[RAFT_PACKET_KINDS] = {[RAFT_PREVOTE] = RAFT_PREVOTE_REPLY,
                                                       [RAFT_VOTE] = RAFT_VOTE_REPLY,
                                                       [RAFT_APPEND] = RAFT_APPEND_REPLY,
                                                       [RAFT_HEARTBEAT] = RAFT_HEARTBEAT_REPLY,
                                                       [RAFT_INSTALL] = RAFT_INSTALL_REPLY};
    uint8_t kind = replies[packet->kind];
    if (kind == 0 ||
        (RULE_R19 && raft->amnesia && (packet->kind == RAFT_PREVOTE || packet->kind == RAFT_VOTE)))
        return ERR_IGNORED;
    struct raft_packet *reply = out_reply(raft, kind, packet);
    reply->flags |= RAFT_REFUSED;
    reply->pos = packet->pos;
    reply->install.session = packet->install.session;
    return OK;
}

/* A later term is adopted, unless the packet is only a question about it, or of a node that a
 * fresh leader does not let disturb. false: the packet is ignored. */
static bool adopt_term(struct raft *raft, const struct raft_packet *packet)
{
    bool is_vote = packet->kind == RAFT_PREVOTE || packet->kind == RAFT_VOTE;
    if (is_vote && RULE_R19 && raft->amnesia)
        return false;
    if (is_vote && state_leader_is_fresh(raft) && !(packet->flags & RAFT_TRANSFER))
        return false;
    if (packet->term == raft->term || packet->kind == RAFT_PREVOTE)
        return true;
    if (packet->kind == RAFT_PREVOTE_REPLY && !(packet->flags & RAFT_REFUSED))
        return true;
    bool leads = is_of_leader(packet->kind) && packet->kind != RAFT_TAKE_OVER;
    state_become_follower(raft, packet->term, leads ? packet->from : 0);
    return true;
}

static enum err dispatch(struct raft *raft, const struct raft_packet *packet)
{
    switch ((enum raft_packet_kind)packet->kind) {
    case RAFT_PREVOTE:
    case RAFT_VOTE:
        return recv_vote(raft, packet);
    case RAFT_PREVOTE_REPLY:
    case RAFT_VOTE_REPLY:
        return recv_vote_reply(raft, packet);
    case RAFT_APPEND:
        return recv_append(raft, packet);
    case RAFT_APPEND_REPLY:
        return recv_append_reply(raft, packet);
    case RAFT_HEARTBEAT:
        return recv_heartbeat(raft, packet);
    case RAFT_HEARTBEAT_REPLY:
        return recv_heartbeat_reply(raft, packet);
    case RAFT_INSTALL:
        return recv_install(raft, packet);
    case RAFT_INSTALL_REPLY:
        return recv_install_reply(raft, packet);
    case RAFT_TAKE_OVER:
        return recv_take_over(raft, packet);
    case RAFT_READ:
        return recv_read(raft, packet);
    case RAFT_READ_REPLY:
        return recv_read_reply(raft, packet);
    case RAFT_PACKET_KINDS:
        break;
    }
    return ERR_IGNORED;
}

enum err raft_receive(struct raft *raft, const struct raft_packet *packet)
{
    if (packet->kind == 0 || packet->kind >= RAFT_PACKET_KINDS || is_foreign(raft, packet))
        return ERR_IGNORED;
    if (packet->term < raft->term) {
        if (RULE_R17A || packet->kind != RAFT_APPEND)
            return answer_old_term(raft, packet);
    } else if (!adopt_term(raft, packet)) {
        return ERR_IGNORED;
    }
    bool leads = is_of_leader(packet->kind);
    if (leads && packet->term == raft->term &&
        (raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != packet->from)))
        return ERR_IGNORED; /* two leaders of a term: not one of ours */
    return dispatch(raft, packet);
}
