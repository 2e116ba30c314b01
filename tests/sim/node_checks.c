/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of whole nodes (design: reliability.md section 8). Raft's own are looked at in every
 * turn and for every packet; what the rows of the store say, at every write and apply; digests
 * recomputed and the whole state held against the witness, now and then, after a restart, and at the
 * end. */
#include <string.h>

#include "msg/msg.h"
#include "node_witness.h"
#include "node_world.h"
#include "base/map.h"
#include "store/memory.h"

enum { STATE_EVERY = 24, PAGE_LIMIT = 10000 };

static bool pos_is_behind(struct raft_pos a, struct raft_pos b)
{
    return a.term < b.term || (a.term == b.term && a.index < b.index);
}

static bool disk_failed(const struct seat *seat)
{
    return seat->disk->writes_fail || seat->disk->promise_fails;
}

/* What the checks read themselves is no read of the node: a fault that was ordered waits for one. */
struct peek {
    uint64_t fail_read_in;
    bool reads_fail;
};

static struct peek peek_begin(struct seat *seat)
{
    struct peek ret = {seat->disk->fail_read_in, seat->disk->reads_fail};
    seat->disk->fail_read_in = 0;
    seat->disk->reads_fail = false;
    return ret;
}

static void peek_end(struct seat *seat, struct peek peek)
{
    seat->disk->fail_read_in = peek.fail_read_in;
    seat->disk->reads_fail = peek.reads_fail;
}

/* ---- packets (I1, I3, I7, I8) -------------------------------------------------------------------- */
static void note_vote(struct seat *seat, const struct raft_packet *packet, node_id vote)
{
    struct told *told = &seat->slots[packet->slot].told;
    if (told->vote_term == packet->term && told->vote != vote)
        world_fail(seat->world, "I1: node %llu votes twice in term %llu of slot %u", LLU(seat->id),
                   LLU(packet->term), packet->slot);
    if (packet->term >= told->vote_term) {
        told->vote_term = packet->term;
        told->vote = vote;
    }
}

static void note_ack(struct seat *seat, const struct raft_packet *packet)
{
    struct seat_slot *at = &seat->slots[packet->slot];
    if (packet->pos.index > at->durable_last)
        world_fail(seat->world, "I7: node %llu acks index %llu of slot %u, durable is %llu",
                   LLU(seat->id), LLU(packet->pos.index), packet->slot, LLU(at->durable_last));
    /* What is acked is named by its index; its term is the log's. */
    struct raft_pos pos = {
        raft_term_at(node_group_raft(seat->node, packet->slot), packet->pos.index),
        packet->pos.index};
    if (pos_is_behind(at->told.acked, pos))
        at->told.acked = pos;
}

void check_sent(struct seat *seat, const struct raft_packet *packet)
{
    struct world *world = seat->world;
    struct seat_slot *at = &seat->slots[packet->slot];
    bool is_grant = (packet->flags & RAFT_REFUSED) == 0;
    bool is_free = packet->kind == RAFT_PREVOTE || (packet->kind == RAFT_PREVOTE_REPLY && is_grant);
    for (uint32_t i = 0; i < packet->entries_count; i++) {
        const struct raft_entry *entry = &packet->entries[i];
        struct bytes payload = entry->payload == NULL ? BYTES_NONE : blob_bytes(entry->payload);
        witness_saw(world->witness, packet->slot, entry->pos, witness_hash(entry->kind, payload));
    }
    if (is_free)
        return;
    if (packet->term > at->durable_term)
        world_fail(world, "I7: node %llu sends %s of term %llu, durable is %llu", LLU(seat->id),
                   packet_name(packet->kind), LLU(packet->term), LLU(at->durable_term));
    if (packet->term > at->told.term)
        at->told.term = packet->term;
    if (packet->kind == RAFT_VOTE)
        note_vote(seat, packet, seat->id);
    if (packet->kind == RAFT_VOTE_REPLY && is_grant) {
        note_vote(seat, packet, packet->to);
        if (seat->slots[packet->slot].amnesia)
            world_fail(world, "I8: node %llu votes in amnesia", LLU(seat->id));
    }
    if (packet->kind == RAFT_APPEND_REPLY && is_grant)
        note_ack(seat, packet);
}

/* ---- what the core says after a turn (I1, I4, I6, I8) ------------------------------------------------ */
static void check_leader(struct seat *seat, slot_id slot, const struct raft_status *status)
{
    struct world *world = seat->world;
    struct witness *witness = world->witness;
    struct seat_slot *at = &seat->slots[slot];
    if (status->amnesia || status->installing)
        world_fail(world, "I8: node %llu leads slot %u in amnesia", LLU(seat->id), slot);
    /* A leader counts what is durable on its own disk, which is a promise like an ack. */
    struct raft_pos own = {raft_term_at(node_group_raft(seat->node, slot), status->durable),
                           status->durable};
    if (pos_is_behind(at->told.acked, own))
        at->told.acked = own;
    if (at->led_term == status->term)
        return;
    at->led_term = status->term;
    world->elections++;
    world_note(world, "node %llu leads slot %u in term %llu", LLU(seat->id), slot,
               LLU(status->term));
    uint64_t key = ((uint64_t)slot << 56) | status->term;
    void *other = map_put_u64(witness->leaders, key, (void *)(uintptr_t)seat->id);
    if (other != NULL && (node_id)(uintptr_t)other != seat->id)
        world_fail(world, "I1: nodes %llu and %llu lead slot %u in term %llu",
                   LLU((uintptr_t)other), LLU(seat->id), slot, LLU(status->term));
    const struct raft *raft = node_group_raft(seat->node, slot);
    for (uint64_t i = status->base.index + 1; i <= witness->slots[slot].committed; i++) {
        const struct witness_entry *entry = witness_at(witness, slot, i);
        if (entry->committed_by == 0 || entry->committed_by >= status->term)
            continue;
        if (i > status->last.index || raft_term_at(raft, i) != entry->committed_term)
            world_fail(world, "I4: leader %llu of term %llu lacks committed index %llu of slot %u",
                       LLU(seat->id), LLU(status->term), LLU(i), slot);
    }
}

static void check_commit(struct seat *seat, slot_id slot, const struct raft_status *status)
{
    struct witness *witness = seat->world->witness;
    struct witness_slot *at = &witness->slots[slot];
    const struct raft *raft = node_group_raft(seat->node, slot);
    raft_index known = status->commit < status->last.index ? status->commit : status->last.index;
    for (raft_index i = at->committed + 1; i <= known; i++) {
        struct witness_entry *entry = witness_at(witness, slot, i);
        entry->committed_term = raft_term_at(raft, i);
        entry->committed_by = entry->committed_term == 0 ? 0 : status->term;
        at->committed = i;
    }
}

void check_turned(struct seat *seat)
{
    struct world *world = seat->world;
    struct raft_status status;
    for (slot_id slot = 0; slot < world->slots; slot++) {
        struct seat_slot *at = &seat->slots[slot];
        node_group_status(seat->node, slot, &status);
        if (status.term < at->term)
            world_fail(world, "I6: the term of node %llu falls", LLU(seat->id));
        if (status.commit < at->commit && !status.amnesia)
            world_fail(world, "I6: the commit index of node %llu falls", LLU(seat->id));
        if (at->amnesia && !status.amnesia && seat->fatal == OK)
            world_note(world, "node %llu remembers slot %u", LLU(seat->id), slot);
        at->term = status.term;
        at->commit = status.commit;
        at->amnesia = status.amnesia;
        if (status.role == RAFT_LEADER)
            check_leader(seat, slot, &status);
        check_commit(seat, slot, &status);
    }
}

/* ---- what the disk did (I5, I6, I12, I13) -------------------------------------------------------------- */
/* An install is under way: what the rows say is no state at all, and nobody is shown it. */
static bool has_marker(struct seat *seat, slot_id slot)
{
    struct store_value value;
    struct bytes marker = BYTES_NONE;
    store_value_init(&value);
    enum err err =
        store_get_slot_value(seat->store, NULL, slot, STORE_SLOT_INSTALLING, &value, &marker);
    assert(err == OK || err == ERR_NOT_FOUND);
    bool ret = err == OK && marker.len > 0;
    store_value_done(&value);
    return ret;
}

/* No log is compacted beyond what is applied: a base above it is an install's target. What is there
 * now must be what everybody has at that index (I23, I24, I26). */
static void check_installed(struct seat *seat, slot_id slot)
{
    struct world *world = seat->world;
    struct seat_slot *at = &seat->slots[slot];
    uint64_t base, base_term, last;
    enum err err = store_log_bounds(seat->store, slot, &base, &base_term, &last);
    assert(err == OK);
    if (base <= at->applied)
        return;
    world_note(world, "node %llu has slot %u installed at %llu", LLU(seat->id), slot, LLU(base));
    if (base > world->witness->slots[slot].applied)
        world_fail(world, "I26: node %llu has an install at %llu of slot %u, which nobody applied",
                   LLU(seat->id), LLU(base), slot);
    at->applied = at->durable_applied = base;
    check_state(seat, slot);
}

static void check_applied_slot(struct seat *seat, slot_id slot)
{
    struct world *world = seat->world;
    struct seat_slot *at = &seat->slots[slot];
    struct row_applied applied;
    struct store_value value;
    enum err err = store_get_applied(seat->store, NULL, slot, &applied);
    assert(err == OK);
    if (has_marker(seat, slot)) {
        at->applied = at->durable_applied = applied.index;
        return;
    }
    if (applied.index > at->applied)
        check_installed(seat, slot);
    if (applied.index < at->applied)
        world_fail(world, "I6: the applied index of node %llu falls", LLU(seat->id));
    store_value_init(&value);
    for (uint64_t i = at->applied + 1; i <= applied.index; i++) {
        struct row_entry row;
        err = store_get_entry(seat->store, slot, i, &value, &row);
        if (err != OK)
            world_fail(world,
                       "I13: node %llu applied index %llu of slot %u, which is not in its log",
                       LLU(seat->id), LLU(i), slot);
        else
            witness_apply(world->witness, seat->id, slot, &row);
    }
    store_value_done(&value);
    if (applied.index > at->applied)
        witness_digest(world->witness, seat->id, slot, applied.index, applied.digest);
    at->applied = applied.index;
}

void check_applied(struct seat *seat)
{
    if (disk_failed(seat))
        return;
    struct peek peek = peek_begin(seat);
    for (slot_id slot = 0; slot < seat->world->slots; slot++)
        check_applied_slot(seat, slot);
    peek_end(seat, peek);
}

static void read_durable(struct seat *seat, slot_id slot)
{
    struct seat_slot *at = &seat->slots[slot];
    struct row_hard_state hard = {0};
    uint64_t base = 0, base_term = 0;
    enum err err = store_get_hard_state(seat->store, slot, &hard);
    assert(err == OK || err == ERR_NOT_FOUND);
    err = store_log_bounds(seat->store, slot, &base, &base_term, &at->durable_last);
    assert(err == OK);
    at->durable_term = hard.term;
    if (base > at->durable_applied && !has_marker(seat, slot)) /* a full install begins at 0 */
        world_fail(seat->world, "I13: node %llu compacted slot %u to %llu, durably applied %llu",
                   LLU(seat->id), slot, LLU(base), LLU(at->durable_applied));
}

void check_written(struct seat *seat, const uint64_t applied_before[WORLD_SLOTS_MAX])
{
    if (disk_failed(seat))
        return;
    struct peek peek = peek_begin(seat);
    for (slot_id slot = 0; slot < seat->world->slots; slot++) {
        seat->slots[slot].durable_applied = applied_before[slot];
        check_applied_slot(seat, slot); /* an install may have ended, or begun */
        read_durable(seat, slot);
    }
    peek_end(seat, peek);
}

/* ---- a restart (I6, I7) ------------------------------------------------------------------------------- */
static void check_restarted_slot(struct seat *seat, slot_id slot)
{
    struct world *world = seat->world;
    struct seat_slot *at = &seat->slots[slot];
    struct raft_status status;
    struct row_applied applied;
    node_group_status(seat->node, slot, &status);
    enum err err = store_get_applied(seat->store, NULL, slot, &applied);
    assert(err == OK);
    bool is_installing = has_marker(seat, slot);
    if (is_installing && !status.installing)
        world_fail(world, "I8: node %llu does not know that slot %u is half installed",
                   LLU(seat->id), slot);
    if (applied.index < at->durable_applied && !is_installing)
        world_fail(world, "I6: node %llu lost durably applied entries of slot %u: %llu of %llu",
                   LLU(seat->id), slot, LLU(applied.index), LLU(at->durable_applied));
    bool is_behind = status.term < at->told.term ||
                     (status.term == at->told.vote_term && status.vote != at->told.vote) ||
                     pos_is_behind(status.last, at->told.acked);
    if (is_behind && !status.amnesia)
        world_fail(world,
                   "I7: node %llu forgot what it told others of slot %u (term %llu of %llu, last "
                   "%llu:%llu, acked %llu:%llu)",
                   LLU(seat->id), slot, LLU(status.term), LLU(at->told.term),
                   LLU(status.last.index), LLU(status.last.term), LLU(at->told.acked.index),
                   LLU(at->told.acked.term));
    if (status.amnesia)
        at->told = (struct told){.term = status.term};
    /* A write that failed may be there all the same: then nobody saw these being applied. */
    at->applied = world->witness->slots[slot].applied;
    if (applied.index > at->applied)
        check_applied_slot(seat, slot);
    if (!is_installing)
        witness_digest(world->witness, seat->id, slot, applied.index, applied.digest);
    *at = (struct seat_slot){.told = at->told,
                             .applied = applied.index,
                             .durable_applied = applied.index,
                             .term = status.term,
                             .commit = status.commit,
                             .led_term = at->led_term,
                             .amnesia = status.amnesia};
    read_durable(seat, slot);
}

void check_restarted(struct seat *seat)
{
    struct peek peek = peek_begin(seat);
    for (slot_id slot = 0; slot < seat->world->slots; slot++) {
        check_restarted_slot(seat, slot);
        check_state(seat, slot);
    }
    peek_end(seat, peek);
}

/* ---- the whole state (I11, I12, I15-I21) ----------------------------------------------------------------- */
static void check_delete_log(struct seat *seat, slot_id slot, uint64_t applied)
{
    struct world *world = seat->world;
    const struct witness_slot *want = &world->witness->slots[slot];
    struct arena arena;
    struct msg_deletes got;
    struct msg_deletes_query query = {.slot = slot, .limit = MSG_LIST_MAX};
    arena_init(&arena);
    enum err err = msg_list_deletes(seat->msg, &query, &arena, &got, NULL);
    assert(err == OK);
    uint32_t at = 0;
    for (size_t i = 0; i < want->records_count && want->records[i].log_index <= applied; i++) {
        const struct witness_record *record = &want->records[i];
        if (record->log_index <= got.floor)
            continue;
        if (at >= got.count || got.records[at].log_index != record->log_index ||
            got.records[at].deleted_count != record->deleted_count) {
            world_fail(world, "I21: node %llu lacks delete %llu of slot %u", LLU(seat->id),
                       LLU(record->log_index), slot);
            break;
        }
        at++;
    }
    if (world->error[0] == '\0' && at != got.count)
        world_fail(world, "I21: node %llu has deletes of slot %u that were never made",
                   LLU(seat->id), slot);
    arena_done(&arena);
}

static void check_rows(struct seat *seat, slot_id slot)
{
    struct world *world = seat->world;
    struct msg_check check;
    struct why why = {0};
    if (has_marker(seat, slot))
        return;
    if (msg_recompute(seat->msg, slot, &check, &why) != OK) {
        world_fail(world, "I14: node %llu: %s", LLU(seat->id), why.text);
        return;
    }
    if (!hash128_is_equal(check.stored, check.recomputed))
        world_fail(world, "I11: the digest of slot %u on node %llu is not that of its rows", slot,
                   LLU(seat->id));
    if (!check.counts_fit)
        world_fail(world, "I15: slot %u on node %llu: %s", slot, LLU(seat->id), check.misfit);
    const struct witness_slot *want = &world->witness->slots[slot];
    for (uint32_t c = 0; c < want->channels_count; c++) {
        struct arena arena;
        struct msg_page page;
        struct msg_page_query query = {.channel = want->channels[c].name, .limit = PAGE_LIMIT};
        arena_init(&arena);
        enum err err = msg_get_page(seat->msg, &query, &arena, &page, &why);
        if (err != OK)
            world_fail(world, "I14: node %llu: %s", LLU(seat->id), why.text);
        else
            witness_page(world->witness, seat->id, slot, query.channel, &page);
        arena_done(&arena);
    }
    check_delete_log(seat, slot, check.applied_index);
}

void check_state(struct seat *seat, slot_id slot)
{
    if (disk_failed(seat) || seat->is_damaged) /* that it never shows it is seen at its answers */
        return;
    struct peek peek = peek_begin(seat);
    check_rows(seat, slot);
    peek_end(seat, peek);
}

void check_world(struct world *world)
{
    if (++world->commands % STATE_EVERY != 0)
        return;
    uint64_t at = world->commands / STATE_EVERY;
    struct seat *seat = &world->seats[1 + at % world->nodes];
    if (seat->node != NULL)
        check_state(seat, (slot_id)(at / world->nodes % world->slots));
}
