/* SPDX-License-Identifier: Apache-2.0 */
/* `expect` and `converge` of on=node. */
#include "node_expect.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "msg/msg.h"
#include "node_clients.h"
#include "node_witness.h"

enum { PROBE_ROUNDS = 20, PROBE_MS = 6000, AMNESIA_ROUNDS = 100, SERVE_SECONDS = 30 };

static enum step no(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

static enum step no(struct world *world, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    world_fail(world, "%s", text);
    return STEP_FAILED;
}

static void ranges_text(const struct ranges *ranges, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < ranges->count && len < size; i++) {
        const struct range *range = &ranges->items[i];
        int n = range->start == range->end
                    ? snprintf(ret + len, size - len, "%s%llu", i ? "," : "", LLU(range->start))
                    : snprintf(ret + len, size - len, "%s%llu-%llu", i ? "," : "",
                               LLU(range->start), LLU(range->end));
        len += (size_t)n;
    }
    if (ranges->count == 0)
        snprintf(ret, size, "none");
}

static enum step expect_ranges(struct world *world, const char *want, const struct ranges *got)
{
    char text[256], wanted[256];
    struct ranges parsed;
    ranges_init(&parsed);
    bool fine = strcmp(want, "none") == 0 || ranges_parse(want, &parsed);
    ranges_text(got, text, sizeof(text));
    ranges_text(&parsed, wanted, sizeof(wanted));
    ranges_done(&parsed);
    if (!fine)
        return STEP_UNKNOWN;
    return strcmp(text, wanted) == 0 ? STEP_OK : no(world, "visible is %s", text);
}

/* expect visible N channel 1-99,201-300: of N's own store, whatever it may serve. */
static enum step expect_visible(struct world *world, struct seat *seat, const struct words *words)
{
    struct channel channel = {.type = 2, .id = bytes_of_string(words->word[3])};
    struct msg_page_query query = {.channel = channel, .limit = 10000};
    struct msg_page page;
    struct arena arena;
    struct ranges got;
    arena_init(&arena);
    ranges_init(&got);
    enum err err = msg_get_page(seat->msg, &query, &arena, &page, NULL);
    for (uint32_t i = 0; err == OK && i < page.messages_count; i++)
        ranges_add(&got, page.messages[i].seq, page.messages[i].seq);
    enum step step = err == OK ? expect_ranges(world, words->word[4], &got)
                               : no(world, "cannot read: %s", err_slug(err));
    ranges_done(&got);
    arena_done(&arena);
    return step;
}

static enum step expect_last(struct world *world, struct seat *seat, const struct words *words)
{
    struct channel channel = {.type = 2, .id = bytes_of_string(words->word[3])};
    struct msg_channel got = {0};
    struct arena arena;
    uint64_t want;
    arena_init(&arena);
    enum err err = msg_get_channel(seat->msg, channel, &arena, &got, NULL);
    arena_done(&arena);
    if (err != OK || !number_parse(words->word[4], &want))
        return STEP_UNKNOWN;
    return got.last_seq == want ? STEP_OK : no(world, "last_seq is %llu", LLU(got.last_seq));
}

static enum step expect_role(struct world *world, struct seat *seat, const struct words *words)
{
    static const char *const names[] = {"follower", "pre-candidate", "candidate", "leader"};
    uint64_t slot = words_number(words, "slot", 0), term = words_number(words, "term", 0);
    struct raft_status status;
    if (words->words_count < 4 || slot >= world->slots)
        return STEP_UNKNOWN;
    node_group_status(seat->node, (slot_id)slot, &status);
    if (strcmp(names[status.role], words->word[3]) != 0 || (term != 0 && status.term != term))
        return no(world, "node %llu is %s of term %llu", LLU(seat->id), names[status.role],
                  LLU(status.term));
    return STEP_OK;
}

static enum step expect_number(struct world *world, const struct words *words, const char *key,
                               uint64_t got)
{
    const char *text = words_option(words, key);
    uint64_t want;
    if (text == NULL)
        return STEP_OK;
    if (!number_parse(text, &want))
        return STEP_UNKNOWN;
    return got == want ? STEP_OK : no(world, "%s is %llu", key, LLU(got));
}

/* expect answer NAME ok|refused|unknown|open|<slug> [seq=] [duplicate=] [deleted=] [count=]
 * [already=] [last=] [visible=] */
static enum step expect_answer(struct world *world, const struct words *words)
{
    if (words->words_count < 4)
        return STEP_UNKNOWN;
    const struct op *op = clients_find(world->clients, words->word[2]);
    const char *want = words->word[3];
    if (op == NULL)
        return STEP_UNKNOWN;
    const char *got = !op->is_done ? "open" : err_slug(op->err);
    bool fits = strcmp(want, got) == 0;
    if (op->is_done && op->err == OK && op->kind != OP_READ)
        fits |= strcmp(want, err_slug(op->first.err)) == 0 && strcmp(want, "ok") != 0;
    if (strcmp(want, "refused") == 0)
        fits = op->is_done && err_kind(op->err) == ERR_KIND_REFUSED;
    if (strcmp(want, "unknown") == 0)
        fits = op->is_done && op->err == ERR_OUTCOME_UNKNOWN;
    if (strcmp(want, "ok") == 0)
        fits = op->is_done && op->err == OK && op->first.err == OK;
    if (!fits)
        return no(world, "op %s: %s, %s", op->as, got, err_slug(op->first.err));
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"seq", op->first.seq},
                   {"duplicate", op->first.duplicate},
                   {"deleted", op->first.deleted},
                   {"count", op->deleted_count},
                   {"already", op->already_deleted},
                   {"last", op->last_seq}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        enum step step = expect_number(world, words, numbers[i].key, numbers[i].value);
        if (step != STEP_OK)
            return step;
    }
    const char *visible = words_option(words, "visible");
    return visible == NULL ? STEP_OK : expect_ranges(world, visible, &op->visible);
}

static bool states_equal(struct world *world, struct seat *a, struct seat *b)
{
    for (slot_id slot = 0; slot < world->slots; slot++) {
        struct row_applied x, y;
        if (store_get_applied(a->store, NULL, slot, &x) != OK ||
            store_get_applied(b->store, NULL, slot, &y) != OK || x.index != y.index ||
            !hash128_is_equal(x.digest, y.digest))
            return false;
    }
    return true;
}

static enum step expect_state_equal(struct world *world, const struct words *words)
{
    uint64_t ids[WORLD_NODES_MAX];
    size_t count;
    if (words->words_count < 3 || !ids_parse(words->word[2], ids, WORLD_NODES_MAX, &count))
        return STEP_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        struct seat *seat = world_seat(world, ids[i]);
        if (seat == NULL || seat->node == NULL)
            return STEP_UNKNOWN;
        if (!states_equal(world, world_seat(world, ids[0]), seat))
            return no(world, "states of %llu and %llu differ", LLU(ids[0]), LLU(ids[i]));
    }
    return STEP_OK;
}

static enum step expect_flag(struct world *world, const struct words *words, bool got)
{
    bool want = words->words_count < 4 || strcmp(words->word[3], "no") != 0;
    return got == want ? STEP_OK : no(world, "%s is %s", words->word[1], got ? "yes" : "no");
}

static enum step expect_of_seat(struct world *world, struct seat *seat, const struct words *words)
{
    const char *what = words->word[1];
    uint64_t slot = words_number(words, "slot", 0), want;
    if (strcmp(what, "down") == 0)
        return expect_flag(world, words, seat->node == NULL);
    if (strcmp(what, "failed") == 0)
        return expect_flag(world, words, seat->fatal != OK);
    if (seat->node == NULL)
        return no(world, "node %llu is down", LLU(seat->id));
    if (strcmp(what, "role") == 0)
        return expect_role(world, seat, words);
    if (strcmp(what, "visible") == 0 && words->words_count == 5)
        return expect_visible(world, seat, words);
    if (strcmp(what, "last") == 0 && words->words_count == 5)
        return expect_last(world, seat, words);
    struct raft_status status;
    if (!node_group_status(seat->node, (slot_id)slot, &status))
        return STEP_UNKNOWN;
    if (strcmp(what, "amnesia") == 0)
        return expect_flag(world, words, status.amnesia);
    if (words->words_count < 4 || !number_parse(words->word[3], &want))
        return STEP_UNKNOWN;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"commit", status.commit},         {"applied", status.applied},
                   {"durable-applied", status.durable_applied}, {"base", status.base.index},
                   {"log-end", status.last.index},    {"term", status.term}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(numbers[i].name, what) == 0)
            return numbers[i].value == want
                       ? STEP_OK
                       : no(world, "%s is %llu", what, LLU(numbers[i].value));
    }
    return STEP_UNKNOWN;
}

enum step world_expect(struct world *world, const struct words *words)
{
    uint64_t id;
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    const char *what = words->word[1];
    if (strcmp(what, "elections") == 0) {
        uint64_t max = words_number(words, "max", 0);
        return world->elections <= max ? STEP_OK
                                       : no(world, "%llu elections", LLU(world->elections));
    }
    if (strcmp(what, "state-equal") == 0)
        return expect_state_equal(world, words);
    if (strcmp(what, "answer") == 0)
        return expect_answer(world, words);
    if (words->words_count < 3 || !number_parse(words->word[2], &id) ||
        world_seat(world, id) == NULL)
        return STEP_UNKNOWN;
    return expect_of_seat(world, world_seat(world, id), words);
}

/* ---- convergence ------------------------------------------------------------------------------------- */
/* Until installs are built, a node whose log ends before its leader's begins stays behind. A quorum
 * never does: it holds all that is committed, and no log is compacted beyond that. */
static bool is_excused(struct world *world, slot_id slot, node_id leader, const struct seat *seat)
{
    struct raft_status own, status;
    if (leader == 0)
        return false;
    node_group_status(world->seats[leader].node, slot, &status);
    node_group_status(seat->node, slot, &own);
    for (uint32_t i = 0; i < status.peers_count; i++) {
        if (status.peers[i].peer == seat->id &&
            (status.peers[i].state == RAFT_PROGRESS_DELTA ||
             status.peers[i].state == RAFT_PROGRESS_FULL))
            return true;
    }
    return false;
}

static bool slot_is_converged(struct world *world, slot_id slot)
{
    node_id leader = world_leader(world, slot);
    struct raft_status status, own;
    uint32_t equal = 0;
    if (leader == 0)
        return false;
    node_group_status(world->seats[leader].node, slot, &status);
    if (status.applied != status.last.index || !status.read_ready)
        return false;
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        if (is_excused(world, slot, leader, seat))
            continue;
        node_group_status(seat->node, slot, &own);
        struct row_applied x, y;
        if (own.term != status.term || own.last.index != status.last.index ||
            store_get_applied(world->seats[leader].store, NULL, slot, &x) != OK ||
            store_get_applied(seat->store, NULL, slot, &y) != OK || x.index != y.index ||
            x.index != status.last.index)
            return false;
        if (!hash128_is_equal(x.digest, y.digest))
            world_fail(world, "I12: node %llu differs from its leader", LLU(id));
        equal++;
    }
    return equal > world->nodes / 2;
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
    return no(world, "I39: not converged:%s", text);
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
            return no(world, "I39: an endless exchange of packets");
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
        seat_turn(&world->seats[id]); /* its queue may be as short as two calls */
    return step;
}

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
    bool is_behind = is_excused(world, slot, world_leader(world, slot), &world->seats[id]);
    snprintf(line, sizeof(line), "read %llu %s timeout=%d", LLU(id), name, PROBE_MS);
    if (!is_behind)
        run_line(world, line, clients_read, id);
    *ret_ok = false;
    for (int i = 0; i < PROBE_MS / 100 && !*ret_ok; i++) {
        if (!world_run(world, 100))
            return no(world, "I39: an endless exchange of packets");
        *ret_ok = true;
        for (uint32_t k = from; k < world->clients->count; k++)
            *ret_ok &= world->clients->ops[k]->is_done;
    }
    for (uint32_t k = from; k < world->clients->count; k++)
        *ret_ok &= world->clients->ops[k]->err == OK;
    return world->error[0] == '\0' ? STEP_OK : STEP_FAILED;
}

static enum step probe_all(struct world *world, const bool in[WORLD_NODES_MAX + 1])
{
    for (slot_id slot = 0; slot < world->slots; slot++) {
        for (node_id id = 1; id <= world->nodes; id++) {
            bool ok = !in[id];
            for (int round = 0; round < PROBE_ROUNDS && !ok; round++) {
                enum step step = probe_once(world, id, slot, &ok);
                if (step != STEP_OK)
                    return step;
                /* Who had a slow disk may not lead for ten seconds after. */
                if (!ok && !world_run(world, 1000))
                    return no(world, "I39: an endless exchange of packets");
            }
            if (!ok)
                return no(world, "I39: node %llu does not answer for slot %u", LLU(id), slot);
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
                if (!status.amnesia ||
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
            return no(world, "I39: op %llu was never answered", LLU(op->number));
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
        for (int round = 0; round < PROBE_ROUNDS && !ok; round++) {
            for (node_id id = 1; id <= world->nodes && !ok; id++) {
                if (in[id] && probe_once(world, id, slot, &ok) != STEP_OK)
                    return STEP_FAILED;
            }
            if (!ok && !world_run(world, 1000))
                return no(world, "I39: an endless exchange of packets");
        }
        if (!ok)
            return no(world, "I39: nobody answers for slot %u", slot);
    }
    return STEP_OK;
}

/* serve 1,2: these nodes, a majority, are healed; whatever befell the others goes on. They must
 * answer. Not asked of nodes that need an install, or forgot. */
enum step world_serve(struct world *world, const struct words *words)
{
    uint64_t ids[WORLD_NODES_MAX];
    size_t count;
    bool in[WORLD_NODES_MAX + 1] = {false};
    if (words->words_count < 2 || !ids_parse(words->word[1], ids, WORLD_NODES_MAX, &count))
        return STEP_UNKNOWN;
    if (count <= world->nodes / 2 || world->options.log_keep_hours == 0)
        return STEP_NOTHING;
    for (size_t i = 0; i < count; i++) {
        if (world_seat(world, ids[i]) == NULL)
            return STEP_UNKNOWN;
        in[ids[i]] = true;
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
            return no(world, "I39: an endless exchange of packets");
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
    if (step == STEP_OK && world_run(world, 20000)) /* longer than any deadline that is open */
        step = all_answered(world);
    return world->error[0] != '\0' ? STEP_FAILED : step;
}
