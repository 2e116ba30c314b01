/* SPDX-License-Identifier: Apache-2.0 */
/* The liveness half: `serve` and `converge`. What is healed must answer within bounded time, and all
 * replicas must become equal (I39, I41). */
#include "node_expect.h"

#include <stdio.h>
#include <string.h>

#include "node_clients.h"
#include "node_witness.h"

enum {
    PROBE_ROUNDS = 20, /* a second each, but for those that find the node's places all taken */
    PROBE_MS = 6000,
    AMNESIA_ROUNDS = 100,
    SERVE_SECONDS = 30,
    ANSWER_MS = 40000 /* longer than any deadline that is open */
};

/* ---- convergence ------------------------------------------------------------------------------------- */
/* Until installs are built, a node whose log ends before its leader's begins stays behind. A quorum
 * never does: it holds all that is committed, and no log is compacted beyond that. */
static bool is_excused(struct world *world, slot_id slot, node_id leader, const struct seat *seat)
{
    struct raft_status own, status;
    if (leader == 0 || world->has_catchup)
        return false;
    node_group_status(world->seats[leader].node, slot, &status);
    node_group_status(seat->node, slot, &own);
    for (uint32_t i = 0; i < status.peers_count; i++) {
        if (status.peers[i].peer == seat->id && (status.peers[i].state == RAFT_PROGRESS_DELTA ||
                                                 status.peers[i].state == RAFT_PROGRESS_FULL))
            return true;
    }
    return false;
}

/* One of two voters whose rows are damaged: it votes and acks, and is healed when there is a third one, as nobody
 * would ack meanwhile. Its log is whole. */
static bool waits_for_a_third(const struct raft_status *leader, const struct raft_status *own)
{
    return own->quarantined && leader->config.voters_count == 2 &&
           leader->config.voters_old_count == 0 && own->term == leader->term &&
           own->last.index == leader->last.index;
}

static bool slot_is_converged(struct world *world, slot_id slot)
{
    node_id leader = world_leader(world, slot);
    struct raft_status status, own;
    uint32_t equal = 0;
    if (leader == 0)
        return false;
    node_group_status(world->seats[leader].node, slot, &status);
    if (status.applied != status.last.index || !status.read_ready ||
        !world_is_settled(world, slot, &status))
        return false;
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        if (!world_is_in_slot(&status.config, id) || !world_is_member(world, id) ||
            is_excused(world, slot, leader, seat))
            continue;
        node_group_status(seat->node, slot, &own);
        if (waits_for_a_third(&status, &own)) {
            equal++;
            continue;
        }
        struct row_applied x, y;
        if (own.term != status.term || own.last.index != status.last.index || own.installing ||
            store_get_applied(world->seats[leader].store, NULL, slot, &x) != OK ||
            store_get_applied(seat->store, NULL, slot, &y) != OK || x.index != y.index ||
            x.index != status.last.index)
            return false;
        if (!hash128_is_equal(x.digest, y.digest))
            world_fail(world, "I12: node %llu differs from its leader", LLU(id));
        equal++;
    }
    return equal > status.config.voters_count / 2;
}

static bool is_converged(struct world *world)
{
    for (slot_id slot = 0; slot < world->slots; slot++) {
        if (!slot_is_converged(world, slot))
            return false;
    }
    return true;
}

static enum step why_not(struct world *world)
{
    char text[500];
    size_t len = 0;
    text[0] = '\0';
    for (slot_id slot = 0; slot < world->slots; slot++) {
        for (node_id id = 1; id <= world->nodes && len < sizeof(text); id++) {
            struct raft_status status;
            node_group_status(world->seats[id].node, slot, &status);
            len += (size_t)snprintf(
                text + len, sizeof(text) - len,
                " %llu/%u: role %u term=%llu base=%llu last=%llu commit=%llu applied=%llu%s%s;",
                LLU(id), slot, status.role, LLU(status.term), LLU(status.base.index),
                LLU(status.last.index), LLU(status.commit), LLU(status.applied),
                status.amnesia ? " amnesia" : "", status.may_lead ? "" : " slow");
            for (uint32_t i = 0; i < status.peers_count; i++)
                world_note(world, "%llu/%u: peer %llu state %u match %llu next %llu in flight %u",
                           LLU(id), slot, LLU(status.peers[i].peer), status.peers[i].state,
                           LLU(status.peers[i].match), LLU(status.peers[i].next),
                           status.peers[i].inflight_packets);
        }
    }
    return world_no(world, "I39: not converged:%s", text);
}

static void heal(struct world *world, const bool in[WORLD_NODES_MAX + 1])
{
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        /* A leader whose disk is nearly full refuses appends, whatever room the others have. */
        memdisk_set_space(seat->disk, (uint64_t)1 << 40, (uint64_t)1 << 40);
        if (!in[id])
            continue;
        seat->is_paused = seat->is_stalled = false;
        seat->slow_ms = 0;
        seat->job_due_us = world->now_us;
        seat->rate_percent = 100;
        memdisk_fail_write(seat->disk, 0, MEMDISK_ABSENT);
        memdisk_fail_sync(seat->disk, 0, MEMDISK_ABSENT);
        memdisk_fail_promise(seat->disk, 0);
        memdisk_fail_read(seat->disk, 0);
        seat_mend(seat);
        for (node_id to = 1; to <= world->nodes; to++) {
            if (!in[to])
                continue;
            world->is_cut[id][to] = world->is_clogged[id][to] = false;
            struct list *queue = &world->links[id][to];
            for (struct list *item = queue->next; item != queue; item = item->next)
                CONTAINER_OF(item, struct parcel, link)->is_held = false;
        }
    }
}

/* Whoever is down, or failed, or saw a fault end, runs. */
static bool restart(struct world *world, const bool in[WORLD_NODES_MAX + 1])
{
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        if (seat->is_drained || (in[id] && seat->fatal != OK)) /* whoever drains soon ends */
            seat_crash(seat, MEMDISK_KEEP_ALL);
        if (!in[id])
            continue;
        if (seat->node == NULL)
            seat_start(seat);
        if (seat->node == NULL)
            return false;
    }
    return true;
}

static enum step wait_converged(struct world *world, uint64_t within_ticks)
{
    bool all[WORLD_NODES_MAX + 1];
    memset(all, true, sizeof(all));
    for (uint64_t tick = 0; tick <= within_ticks; tick++) {
        if (!world_run(world, world->options.tick_ms))
            return world_no(world, "I39: an endless exchange of packets");
        if (world->error[0] != '\0' || !restart(world, all))
            return STEP_FAILED;
        if (is_converged(world))
            return world->error[0] == '\0' ? STEP_OK : STEP_FAILED;
    }
    return why_not(world);
}

static enum step run_line(struct world *world, const char *line,
                          enum step (*verb)(struct clients *, struct seat *, const struct words *),
                          node_id id)
{
    struct words words;
    words_parse(&words, line);
    enum step step = verb(world->clients, &world->seats[id], &words);
    if (seat_is_live(&world->seats[id]))
        seat_turn(&world->seats[id]); /* it may take only two commands at a time */
    return step;
}

/* Of the ops from..to, those that are a node's writes and not answered yet: each holds one of the few
 * places (submit=2) until its deadline, at most 30 s after it was sent. */
static uint32_t open_writes(const struct world *world, node_id id, uint32_t from, uint32_t to)
{
    uint32_t ret = 0;
    for (uint32_t k = from; k < to; k++) {
        const struct op *op = world->clients->ops[k];
        ret += op->is_open && op->node == id && (op->kind == OP_SEND || op->kind == OP_DELETE);
    }
    return ret;
}

static bool any_is_refused_full(const struct world *world, uint32_t from)
{
    for (uint32_t k = from; k < world->clients->count; k++) {
        if (world->clients->ops[k]->err == ERR_QUEUE_FULL)
            return true;
    }
    return false;
}

/* A round of a node whose places are taken by what was sent before says nothing of its recovery. */
struct probing {
    uint32_t before; /* ops that are none of ours */
    int rounds;      /* that count */
};

/* A fresh send, delete and read at every node, for every slot; refused ones are tried again. */
static enum step probe_once(struct world *world, node_id id, slot_id slot, bool *ret_ok)
{
    /* Names that fall into the slot: found by trying. */
    char name[24] = "", line[128];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "probe%u", i);
        if (channel_slot((struct channel){2, bytes_of_string(name)}, world->slots) == slot)
            break;
    }
    uint32_t from = world->clients->count;
    snprintf(line, sizeof(line), "send %llu %s \"p\" timeout=%d", LLU(id), name, PROBE_MS);
    run_line(world, line, clients_send, id);
    snprintf(line, sizeof(line), "delete %llu %s 1-1 clamp=1 timeout=%d", LLU(id), name, PROBE_MS);
    run_line(world, line, clients_delete, id);
    struct node_slot view;
    bool is_behind = is_excused(world, slot, world_leader(world, slot), &world->seats[id]) ||
                     (node_get_slot(world->seats[id].node, slot, &view) && !view.holds);
    snprintf(line, sizeof(line), "read %llu %s timeout=%d", LLU(id), name, PROBE_MS);
    if (!is_behind)
        run_line(world, line, clients_read, id);
    *ret_ok = false;
    for (int i = 0; i < PROBE_MS / 100 && !*ret_ok; i++) {
        if (!world_run(world, 100))
            return world_no(world, "I39: an endless exchange of packets");
        *ret_ok = true;
        for (uint32_t k = from; k < world->clients->count; k++)
            *ret_ok &= world->clients->ops[k]->is_done;
    }
    for (uint32_t k = from; k < world->clients->count; k++)
        *ret_ok &= world->clients->ops[k]->err == OK;
    return world->error[0] == '\0' ? STEP_OK : STEP_FAILED;
}

/* One round; counts it unless it met what was sent before. */
static enum step probe_round(struct world *world, struct probing *probing, node_id id, slot_id slot,
                             bool *ret_ok)
{
    uint32_t from = world->clients->count;
    bool is_taken = open_writes(world, id, 0, probing->before) > 0;
    enum step step = probe_once(world, id, slot, ret_ok);
    probing->rounds += !(is_taken && any_is_refused_full(world, from));
    return step;
}

static enum step probe_all(struct world *world, const bool in[WORLD_NODES_MAX + 1])
{
    for (slot_id slot = 0; slot < world->slots; slot++) {
        for (node_id id = 1; id <= world->nodes; id++) {
            bool ok = !in[id] || !world_is_member(world, id);
            struct probing probing = {.before = world->clients->count};
            while (probing.rounds < PROBE_ROUNDS && !ok) {
                enum step step = probe_round(world, &probing, id, slot, &ok);
                if (step != STEP_OK)
                    return step;
                ok = ok || !world_is_member(world, id); /* it was leaving when it was asked */
                /* Who had a slow disk may not lead for ten seconds after. */
                if (!ok && !world_run(world, 1000))
                    return world_no(world, "I39: an endless exchange of packets");
            }
            if (!ok)
                return world_no(world, "I39: node %llu does not answer for slot %u", LLU(id), slot);
        }
    }
    return STEP_OK;
}

/* R19: amnesia ends once the log is as long as what was promised, so it may take new entries. */
static enum step end_amnesia(struct world *world)
{
    for (int round = 0; round < AMNESIA_ROUNDS; round++) {
        bool is_over = true, ok;
        for (slot_id slot = 0; slot < world->slots; slot++) {
            for (node_id id = 1; id <= world->nodes; id++) {
                struct raft_status status;
                node_group_status(world->seats[id].node, slot, &status);
                if (!status.amnesia || !world_is_member(world, id) ||
                    is_excused(world, slot, world_leader(world, slot), &world->seats[id]))
                    continue;
                is_over = false;
                if (probe_once(world, id, slot, &ok) != STEP_OK)
                    return STEP_FAILED;
            }
        }
        if (is_over)
            return STEP_OK;
    }
    return why_not(world);
}

static enum step all_answered(struct world *world)
{
    for (uint32_t i = 0; i < world->clients->count; i++) {
        const struct op *op = world->clients->ops[i];
        if (op->is_open)
            return world_no(world, "I39: op %llu was never answered", LLU(op->number));
    }
    return STEP_OK;
}

static bool link_is_shut(const struct world *world, node_id from, node_id to)
{
    return world->is_cut[from][to] || world->is_clogged[from][to];
}

/* Does each node outside reach all of these, and is reached by all of them, or neither by any? Else
 * it may lead some of them while others of them hear nothing from it, and cannot depose it. */
static bool is_clean_cut(const struct world *world, const bool in[WORLD_NODES_MAX + 1])
{
    for (node_id out = 1; out <= world->nodes; out++) {
        uint32_t shut = 0, all = 0;
        for (node_id id = 1; !in[out] && id <= world->nodes; id++) {
            if (in[id]) {
                shut += link_is_shut(world, id, out) + link_is_shut(world, out, id);
                all += 2;
            }
        }
        if (shut != 0 && shut != all)
            return false;
    }
    return true;
}

/* Some of these nodes must answer. */
static enum step probe_any(struct world *world, const bool in[WORLD_NODES_MAX + 1])
{
    for (slot_id slot = 0; slot < world->slots; slot++) {
        bool ok = false;
        struct probing probing[WORLD_NODES_MAX + 1];
        int rounds = 0; /* of the node that was asked most often */
        for (node_id id = 1; id <= world->nodes; id++)
            probing[id] = (struct probing){.before = world->clients->count};
        while (rounds < PROBE_ROUNDS && !ok) {
            for (node_id id = 1; id <= world->nodes && !ok; id++) {
                if (in[id] && probe_round(world, &probing[id], id, slot, &ok) != STEP_OK)
                    return STEP_FAILED;
                rounds = probing[id].rounds > rounds ? probing[id].rounds : rounds;
            }
            if (!ok && !world_run(world, 1000))
                return world_no(world, "I39: an endless exchange of packets");
        }
        if (!ok)
            return world_no(world, "I39: nobody answers for slot %u", slot);
    }
    return STEP_OK;
}

/* serve 1,2: these nodes, a majority, are healed; whatever befell the others goes on. They must
 * answer. Not asked of nodes that need an install, forgot, or are damaged. */
enum step world_serve(struct world *world, const struct words *words)
{
    uint64_t ids[WORLD_NODES_MAX];
    size_t count;
    bool in[WORLD_NODES_MAX + 1] = {false};
    if (words->words_count < 2 || !ids_parse(words->word[1], ids, WORLD_NODES_MAX, &count))
        return STEP_UNKNOWN;
    if (world->has_members || count <= world->nodes / 2 ||
        (world->options.log_keep_hours == 0 && !world->has_catchup))
        return STEP_NOTHING;
    for (size_t i = 0; i < count; i++) {
        if (world_seat(world, ids[i]) == NULL)
            return STEP_UNKNOWN;
        in[ids[i]] = true;
        if (world->seats[ids[i]].is_damaged)
            return STEP_NOTHING; /* it may have to be healed first, by a leader that has all of its log */
        for (slot_id slot = 0; slot < world->slots; slot++) {
            if (world->seats[ids[i]].slots[slot].amnesia)
                return STEP_NOTHING;
        }
    }
    heal(world, in);
    if (!restart(world, in))
        return STEP_FAILED;
    for (int second = 0; second < SERVE_SECONDS; second++) {
        if (!world_run(world, 1000))
            return world_no(world, "I39: an endless exchange of packets");
        if (world->error[0] != '\0' || !restart(world, in))
            return STEP_FAILED;
        bool has_leaders = true;
        for (slot_id slot = 0; slot < world->slots; slot++)
            has_leaders &= world_leader(world, slot) != 0;
        if (has_leaders)
            break;
    }
    return is_clean_cut(world, in) ? probe_all(world, in) : probe_any(world, in);
}

enum step world_converge(struct world *world, uint64_t within_ticks)
{
    bool all[WORLD_NODES_MAX + 1];
    memset(all, true, sizeof(all));
    world->weather = (struct weather){0};
    heal(world, all);
    if (!restart(world, all))
        return STEP_FAILED;
    enum step step = wait_converged(world, within_ticks);
    if (step == STEP_OK)
        step = probe_all(world, all);
    if (step == STEP_OK)
        step = end_amnesia(world);
    if (step == STEP_OK)
        step = wait_converged(world, within_ticks);
    for (node_id id = 1; step == STEP_OK && id <= world->nodes; id++) {
        for (slot_id slot = 0; slot < world->slots; slot++)
            check_state(&world->seats[id], slot);
    }
    check_unharmed(world);
    if (step == STEP_OK && world_run(world, ANSWER_MS))
        step = all_answered(world);
    return world->error[0] != '\0' ? STEP_FAILED : step;
}
