/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's side of replication (thesis 3.5, 10.2): what each peer should get next.
 *
 * Events only note that something may have to leave (replicate_wanted); ranges are cut when the
 * update is taken, so that all proposals and acks of a turn share packets. An APPEND leaves as a
 * range of indices. Above `applied` the sizes are known and the range is exact; below, the driver
 * reads the entries from disk and says by raft_filled what went out, and until then nothing more
 * is sent to that peer. A leader's packets need not wait for its own disk (thesis 10.2.1). */
#include "raft/internal.h"

uint64_t replicate_match(const struct raft *raft, node_id voter)
{
    if (voter == raft->self)
        return RULE_R4 ? raft->log.durable : raft->log.last;
    const struct progress *p = member_peer(raft, voter);
    if (p == NULL || (RULE_R19 && (p->amnesia || p->forgot)))
        return 0;
    return p->match;
}

static uint64_t match_of(const void *arg, node_id voter)
{
    return replicate_match(arg, voter);
}

/* Only entries of the own term commit by counting; older ones with them (thesis 3.6.2). */
bool replicate_advance_commit(struct raft *raft)
{
    if (raft->role != RAFT_LEADER)
        return false;
    raft_index index = quorum_index(member_config(raft), match_of, raft);
    if (index > raft->log.last)
        index = raft->log.last;
    if (index <= raft->commit)
        return false;
    if (RULE_OWN_TERM_COMMIT && log_term(&raft->log, index) != raft->term)
        return false;
    state_set_commit(raft, index);
    raft->replicate_wanted = true;
    read_advance(raft);
    member_after_commit(raft);
    return true;
}

bool replicate_has_own_term_commit(const struct raft *raft)
{
    return log_term(&raft->log, raft->commit) == raft->term;
}

void replicate_append(struct raft *raft, struct raft_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct raft_entry *entry = &entries[i];
        entry->pos = (struct raft_pos){raft->term, raft->log.last + 1};
        log_append(&raft->log, raft->term, entry->size_bytes);
        out_entry(raft, entry);
        if (entry->kind == RAFT_ENTRY_CONFIG)
            member_push(raft, entry->pos, entry->config);
    }
    raft->verified = raft->log.last;
    raft->replicate_wanted = true;
    if (!RULE_R4)
        replicate_advance_commit(raft);
}

/* ---- one peer ---------------------------------------------------------------------------------- */
static void mark_forgot(struct raft_packet *packet, const struct progress *p, raft_term term)
{
    if (!p->forgot)
        return;
    packet->flags |= RAFT_FORGOT;
    packet->hint = (struct raft_pos){term, p->forgot_to};
}

/* The entries (pos, last]; none when last is pos.index. */
static void send_range(struct raft *raft, struct progress *p, raft_index first, raft_index last,
                       uint32_t bytes_max)
{
    struct raft_packet *packet = out_packet(raft, RAFT_APPEND, p->peer);
    packet->number = p->session;
    packet->pos = (struct raft_pos){log_term(&raft->log, first - 1), first - 1};
    packet->commit = raft->commit;
    packet->first = first;
    packet->last = last;
    packet->bytes_max = bytes_max;
    if (!RULE_R5)
        packet->wait_seq = out_ticket_of(raft, last);
    mark_forgot(packet, p, raft->term);
    p->sent_commit = raft->commit;
}

/* How far a range from first may reach, and what it weighs; false in *ret_known: a guess. */
static raft_index cut_range(const struct raft *raft, raft_index first, uint32_t budget,
                            uint64_t *ret_bytes, bool *ret_known)
{
    raft_index last = raft->log.last;
    if (last - first >= raft->options.append_max_entries)
        last = first + raft->options.append_max_entries - 1;
    *ret_known = first > raft->log.floor;
    *ret_bytes = budget;
    if (*ret_known) {
        last = log_fit(&raft->log, first, last, budget);
        *ret_bytes = log_bytes(&raft->log, first - 1, last);
    }
    return last;
}

static uint32_t budget_of(const struct raft *raft, const struct progress *p)
{
    uint64_t left = raft->options.inflight_max_bytes - p->inflight_bytes;
    return left < raft->options.append_max_bytes ? (uint32_t)left : raft->options.append_max_bytes;
}

static void probe(struct raft *raft, struct progress *p)
{
    if (p->probe_sent)
        return;
    p->probe_sent = true;
    uint64_t bytes;
    bool known;
    uint32_t budget = raft->options.append_max_bytes;
    raft_index last = raft->log.last;
    if (p->next <= last)
        last = cut_range(raft, p->next, budget, &bytes, &known);
    send_range(raft, p, p->next, last, budget);
}

static void stream(struct raft *raft, struct progress *p)
{
    while (p->next <= raft->log.last && !p->unfilled && !progress_window_full(p, &raft->options)) {
        uint64_t bytes;
        bool known;
        uint32_t budget = budget_of(raft, p);
        raft_index first = p->next, last = cut_range(raft, first, budget, &bytes, &known);
        send_range(raft, p, first, last, budget);
        progress_sent(p, first, last, bytes);
        p->unfilled = !known;
    }
    if (p->sent_commit >= raft->commit || p->unfilled || progress_window_full(p, &raft->options))
        return;
    /* Nothing carried the new commit: an empty append does, at once or when the driver says so. The
     * packet is only news: a follower that does not get it applies later, never something else. */
    if (!raft->options.lazy_commit || raft->tells_commit)
        send_range(raft, p, p->next, p->next - 1, 0);
    else
        raft->owes_commit = true;
}

static void replicate_peer(struct raft *raft, struct progress *p)
{
    if (p->state != RAFT_PROBE && p->state != RAFT_REPLICATE)
        return;
    if (p->next - 1 < raft->log.base.index) {
        replicate_need_install(raft, p, false);
        return;
    }
    if (p->state == RAFT_PROBE)
        probe(raft, p);
    else
        stream(raft, p);
}

void replicate_all(struct raft *raft)
{
    raft->replicate_wanted = raft->owes_commit = false;
    if (raft->role == RAFT_LEADER)
        for (uint32_t i = 0; i < raft->peers_count; i++)
            replicate_peer(raft, &raft->peers[i]);
    raft->tells_commit = false;
}

bool raft_owes_commit(const struct raft *raft)
{
    return raft->owes_commit;
}

void raft_tell_commit(struct raft *raft)
{
    if (raft->owes_commit)
        raft->tells_commit = raft->replicate_wanted = true;
}

void replicate_need_install(struct raft *raft, struct progress *p, bool ordered)
{
    p->ordered |= ordered;
    if (p->offered)
        return;
    progress_probe(p); /* empties the window */
    p->state = p->ordered ? RAFT_PROGRESS_FULL : RAFT_PROGRESS_DELTA;
    p->needs_install = true;
    raft->installs_due = true;
}

/* ---- heartbeats ----------------------------------------------------------------------------------- */
/* Commit is sent uncut: the follower knows how much of its log is verified (R17f). */
void replicate_heartbeats(struct raft *raft)
{
    raft->heartbeat_elapsed = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        struct progress *p = &raft->peers[i];
        struct raft_packet *packet = out_packet(raft, RAFT_HEARTBEAT, p->peer);
        packet->number = raft->reads.round_number;
        packet->commit = raft->commit;
        mark_forgot(packet, p, raft->term);
    }
}

/* They have a beat of their own: reads send heartbeats early, again and again, and put off the next. */
static void replicate_installs(struct raft *raft)
{
    if (++raft->installs_elapsed < raft->options.heartbeat_ticks)
        return;
    raft->installs_elapsed = 0;
    for (uint32_t i = 0; i < raft->peers_count; i++) {
        struct progress *p = &raft->peers[i];
        raft->installs_due |= p->needs_install && !p->offered;
        if (p->offered && !p->accepted)
            install_send(raft, p); /* the offer may be lost */
    }
}

void replicate_tick(struct raft *raft)
{
    if (++raft->heartbeat_elapsed >= raft->options.heartbeat_ticks)
        replicate_heartbeats(raft);
    replicate_installs(raft);
}

enum err raft_propose(struct raft *raft, struct raft_entry *entries, uint32_t count,
                      struct raft_pos *ret_first)
{
    if (raft->role != RAFT_LEADER)
        return ERR_NOT_LEADER;
    if (raft->transfer_to != 0)
        return ERR_TRANSFERRING;
    if (count == 0)
        return ERR_IGNORED;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert(entries[i].kind == RAFT_ENTRY_DATA || entries[i].kind == RAFT_ENTRY_EMPTY);
        if (entries[i].size_bytes > raft->options.entry_max_bytes)
            return ERR_TOO_LARGE;
        bytes += entries[i].size_bytes;
    }
    /* The first entry is never refused, however large: else a small limit would block for ever. */
    uint64_t held = log_bytes(&raft->log, raft->commit, raft->log.last);
    if (bytes > 0 && held > 0 && held + bytes > raft->options.uncommitted_max_bytes)
        return ERR_BUSY;
    replicate_append(raft, entries, count);
    *ret_first = entries[0].pos;
    return OK;
}

void raft_filled(struct raft *raft, node_id to, raft_index last, uint32_t count, uint32_t bytes)
{
    struct progress *p = member_peer(raft, to);
    if (p == NULL)
        return;
    bool waited = p->unfilled;
    progress_filled(p, last, count, bytes);
    if ((waited || p->next <= raft->log.last) && !progress_window_full(p, &raft->options))
        raft->replicate_wanted = true;
}

void raft_unreachable(struct raft *raft, node_id peer)
{
    struct progress *p = member_peer(raft, peer);
    if (p == NULL || p->state != RAFT_REPLICATE)
        return;
    p->next = p->match + 1;
    progress_probe(p); /* one packet when there is something new, then at each heartbeat's reply */
}
