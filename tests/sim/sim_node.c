/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator of whole nodes: a few slots, channels and clients, small limits on purpose, two or
 * three kinds of faults at a time. Goal: no order of events breaks I1-I28 and I32-I39. A seed first
 * draws which faults it may use: a world with all of them at once hardly ever gets anything done. */
#include <stdio.h>

#include "base/check.h"
#include "simulate.h"

enum { CHANNELS = 5, KINDS_MAX = 40 };

struct drawn {
    unsigned nodes, founders, slots, seq_guess, numbers; /* nodes: with those that may join */
    bool has_network, has_cuts, has_crashes, has_writes, has_slow, has_clocks, has_single_steps;
    bool has_log_limits, has_forget, has_reads, has_members, has_damage;
    unsigned loss, dup, reorder, delay;
};

static unsigned any_node(struct rng *rng, const struct drawn *d)
{
    return (unsigned)rng_between(rng, 1, d->nodes);
}

static bool one_in(struct rng *rng, unsigned n)
{
    return rng_below(rng, n) == 0;
}

static char any_channel(struct rng *rng)
{
    return (char)('a' + rng_below(rng, CHANNELS));
}

static void draw_faults(struct rng *rng, struct drawn *d)
{
    d->has_network = one_in(rng, 2);
    d->has_cuts = one_in(rng, 3);
    d->has_crashes = one_in(rng, 2);
    d->has_writes = one_in(rng, 5);
    d->has_reads = one_in(rng, 6);
    d->has_damage = d->nodes > 2 && one_in(rng, 4);
    d->has_slow = one_in(rng, 5);
    d->has_clocks = one_in(rng, 5);
    d->has_single_steps = one_in(rng, 2);
    d->has_log_limits = one_in(rng, 2);
    d->has_forget = !d->has_log_limits && !d->has_members && d->nodes > 2 && one_in(rng, 4);
    d->loss = d->has_network ? (unsigned)rng_below(rng, 30) : 0;
    d->dup = d->has_network ? (unsigned)rng_below(rng, 20) : 0;
    d->reorder = d->has_network ? (unsigned)rng_below(rng, 30) : 0;
    d->delay = d->has_network && one_in(rng, 2) ? (unsigned)rng_below(rng, 400) : 0;
}

static void draw_cluster(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    static const unsigned nodes[] = {1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5};
    static const unsigned slots[] = {1, 1, 1, 2, 2, 3, 4};
    d->nodes = nodes[rng_below(rng, ARRAY_LEN(nodes))];
    d->slots = slots[rng_below(rng, ARRAY_LEN(slots))];
    d->founders = d->nodes;
    d->has_members = d->nodes > 1 && one_in(rng, 3);
    if (d->has_members)
        d->nodes += (unsigned)rng_below(rng, 8 - d->nodes > 3 ? 3 : 8 - d->nodes);
    draw_faults(rng, d);
    buf_append_string(line, "cluster voters=");
    for (unsigned i = 1; i <= d->founders; i++)
        buf_printf(line, "%s%u", i > 1 ? "," : "", i);
    buf_printf(line, " on=node slots=%u seed=%llu", d->slots,
               (unsigned long long)rng_below(rng, 1000000));
    if (d->has_log_limits)
        buf_printf(line, " log_keep=%u catchup=%u", (unsigned)rng_below(rng, 9),
                   one_in(rng, 5) && !d->has_members ? 0 : 1);
    if (d->has_members)
        buf_printf(line, " members=1 joiners=%u replicas=%u", d->nodes - d->founders,
                   one_in(rng, 4) ? 5 : 3);
    if (d->has_members && one_in(rng, 2)) /* what a slot leaves behind goes soon */
        buf_printf(line, " leave_delay=%u", (unsigned)rng_between(rng, 1, 4000));
    if (one_in(rng, 3)) /* delete records go once every member has applied them, learners too */
        buf_printf(line, " delete_keep=%u", (unsigned)rng_between(rng, 1, 20000));
    if (one_in(rng, 3))
        buf_printf(line, " append_entries=%u inflight_packets=%u", (unsigned)rng_between(rng, 1, 5),
                   (unsigned)rng_between(rng, 1, 4));
    if (one_in(rng, 4))
        buf_printf(line,
                   " append_bytes=300 inflight_bytes=600 uncommitted_bytes=%u apply_bytes=200",
                   (unsigned)rng_between(rng, 200, 3000));
    if (one_in(rng, 6))
        buf_append_string(line, " unapplied_entries=4");
    if (one_in(rng, 3))
        buf_printf(line, " dedup_window=%u", (unsigned)rng_between(rng, 4000, 60000));
    if (one_in(rng, 8))
        buf_append_string(line, " submit=2");
    if (d->has_log_limits && one_in(rng, 2)) /* the floor moves, so that a delta is not enough */
        buf_printf(line, " delete_log=%u", (unsigned)rng_between(rng, 1, 4));
    if (d->has_log_limits && one_in(rng, 2))
        buf_append_string(line, " chunk_rows=3");
    buf_put_u8(line, '\n');
    /* Else it begins without leaders. Of more founders some have no part in a slot. */
    if ((!d->has_members || d->founders <= 3) && one_in(rng, 2))
        buf_printf(line, "%select %u\n", d->has_members ? "run 100\n" : "",
                   (unsigned)rng_between(rng, 1, d->founders));
}

/* ---- time ------------------------------------------------------------------------------------------ */
static void draw_run(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    static const unsigned lengths[] = {1, 20, 100, 100, 300, 300, 1000, 1000, 3000};
    buf_printf(line, "run %u", lengths[rng_below(rng, ARRAY_LEN(lengths))]);
    if (d->loss > 0)
        buf_printf(line, " loss=%u", d->loss);
    if (d->dup > 0)
        buf_printf(line, " dup=%u", d->dup);
    if (d->reorder > 0)
        buf_printf(line, " reorder=%u", d->reorder);
    if (d->delay > 0)
        buf_printf(line, " delay=%u", d->delay);
    buf_put_u8(line, '\n');
}

static void draw_tick(struct rng *rng, struct buf *line, void *state)
{
    if (one_in(rng, 3))
        buf_printf(line, "tick %u %u\n", any_node(rng, state), (unsigned)rng_between(rng, 1, 20));
    else
        buf_printf(line, "tick all %u\n", (unsigned)rng_between(rng, 1, 6));
}

static void draw_step(struct rng *rng, struct buf *line, void *state)
{
    switch (rng_below(rng, 6)) {
    case 0:
        draw_tick(rng, line, state);
        break;
    case 1:
    case 2:
        buf_printf(line, "disk %u %u\n", any_node(rng, state), (unsigned)rng_between(rng, 1, 3));
        break;
    case 3:
        buf_printf(line, "deliver *->%u n=%u\n", any_node(rng, state),
                   (unsigned)rng_between(rng, 1, 6));
        break;
    default:
        buf_printf(line, "deliver %u->%u n=%u\n", any_node(rng, state), any_node(rng, state),
                   (unsigned)rng_between(rng, 1, 4));
    }
}

static void draw_settle(struct rng *rng, struct buf *line, void *state)
{
    (void)rng;
    (void)state;
    buf_append_string(line, "settle\n");
}

/* ---- clients ---------------------------------------------------------------------------------------- */
static void draw_timeout(struct rng *rng, struct buf *line)
{
    static const unsigned timeouts[] = {1, 50, 300, 1000, 10000, 30000, 30000};
    if (one_in(rng, 4))
        buf_printf(line, " timeout=%u", timeouts[rng_below(rng, ARRAY_LEN(timeouts))]);
}

static void draw_send(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    unsigned count = one_in(rng, 3) ? (unsigned)rng_between(rng, 2, 9) : 1;
    if (one_in(rng, 20)) /* enough of them for a range tombstone */
        count = (unsigned)rng_between(rng, 40, 64);
    buf_printf(line, "send %u %c \"m\" count=%u", any_node(rng, d), any_channel(rng), count);
    if (one_in(rng, 2))
        buf_printf(line, " no=k%u", one_in(rng, 8) ? (unsigned)rng_below(rng, 3) : ++d->numbers);
    if (one_in(rng, 10))
        buf_printf(line, " expect_last=%u", (unsigned)rng_below(rng, 12));
    if (one_in(rng, 20))
        buf_printf(line, " size=%u", (unsigned)rng_between(rng, 1, 700));
    draw_timeout(rng, line);
    buf_put_u8(line, '\n');
    d->seq_guess += count;
}

static void draw_retry(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "retry %u back=%u", any_node(rng, state), (unsigned)rng_between(rng, 1, 8));
    draw_timeout(rng, line);
    buf_put_u8(line, '\n');
}

static void draw_delete(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    unsigned most = d->seq_guess / CHANNELS + 3;
    buf_printf(line, "delete %u %c ", any_node(rng, d), any_channel(rng));
    switch (rng_below(rng, 8)) {
    case 0:
        buf_append_string(line, "all clamp=1");
        break;
    case 1:
        buf_printf(line, "tail:%u clamp=1", (unsigned)rng_between(rng, 1, 4));
        break;
    case 2: {
        unsigned a = (unsigned)rng_between(rng, 1, most), b = a + (unsigned)rng_below(rng, 4);
        unsigned c = b + 2 + (unsigned)rng_below(rng, 4);
        buf_printf(line, "%u-%u,%u-%u clamp=1", a, b, c, c + (unsigned)rng_below(rng, 5));
        break;
    }
    default: {
        unsigned a = (unsigned)rng_between(rng, 1, most);
        buf_printf(line, "%u-%u clamp=%u", a,
                   a + (unsigned)rng_below(rng, one_in(rng, 6) ? 150 : 8), one_in(rng, 4) ? 0 : 1);
    }
    }
    draw_timeout(rng, line);
    buf_put_u8(line, '\n');
}

static void draw_read(struct rng *rng, struct buf *line, void *state)
{
    static const char *const levels[] = {"linearizable", "linearizable", "leader", "local"};
    buf_printf(line, "read %u %c level=%s", any_node(rng, state), any_channel(rng),
               levels[rng_below(rng, ARRAY_LEN(levels))]);
    if (one_in(rng, 3))
        buf_append_string(line, " own=1");
    draw_timeout(rng, line);
    buf_put_u8(line, '\n');
}

/* ---- roles --------------------------------------------------------------------------------------------- */
static void draw_role(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    unsigned slot = (unsigned)rng_below(rng, d->slots);
    switch (rng_below(rng, 8)) {
    case 0:
        buf_printf(line, "campaign %u %u\n", any_node(rng, d), slot);
        break;
    case 1: { /* a stop in good order, and a start */
        unsigned node = any_node(rng, d);
        buf_printf(line, "drain %u\nrun %u\ncrash %u lose=none\nrestart %u\n", node,
                   (unsigned)rng_between(rng, 1, 3000), node, node);
        break;
    }
    default:
        buf_printf(line, "transfer %u slot=%u to=%u\n", any_node(rng, d), slot, any_node(rng, d));
    }
}

/* ---- members --------------------------------------------------------------------------------------- */
/* Whoever is asked decides what of it makes sense. */
static void draw_member(struct rng *rng, struct buf *line, void *state)
{
    static const char *const others[] = {"remove",  "remove",  "drain", "undrain",
                                         "undrain", "promote", "plan",  "cancel"};
    const struct drawn *d = state;
    unsigned at = any_node(rng, d), id = any_node(rng, d);
    if (one_in(rng, 8)) { /* its disk is lost; it comes back under its old id */
        buf_printf(line, "crash %u lose=none\nwipe %u\n", id, id);
        if (one_in(rng, 2))
            buf_printf(line, "restart %u\n", id);
        return;
    }
    if (!one_in(rng, 3)) {
        buf_printf(line, "member %u %s id=%u\n", at, others[rng_below(rng, ARRAY_LEN(others))], id);
        return;
    }
    if (d->nodes > d->founders)
        id = (unsigned)rng_between(rng, d->founders + 1, d->nodes);
    if (!one_in(rng, 4))
        buf_printf(line, "restart %u\n", id);
    buf_printf(line, "member %u add id=%u", at, id);
    if (one_in(rng, 3))
        buf_printf(line, " replaces=%u", any_node(rng, d));
    if (one_in(rng, 5))
        buf_append_string(line, " learner=1");
    if (one_in(rng, 3))
        buf_printf(line, " zone=%c", one_in(rng, 2) ? 'a' : 'b');
    buf_put_u8(line, '\n');
}

/* ---- faults -------------------------------------------------------------------------------------------- */
static void draw_crash(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    unsigned node = any_node(rng, d), all = one_in(rng, 12) ? d->nodes : 1;
    for (unsigned i = 0; i < all; i++) { /* now and then a power cut of all */
        buf_printf(line, "crash %u ", all > 1 ? i + 1 : node);
        switch (rng_below(rng, 3)) {
        case 0:
            buf_append_string(line, "lose=none");
            break;
        case 1:
            buf_printf(line, "lose=torn:%u", (unsigned)rng_between(rng, 1, 3));
            break;
        default:
            buf_append_string(line, "lose=unsynced");
        }
        buf_append_string(line, one_in(rng, 3) ? " job=1\n" : "\n");
    }
    /* A disk that lost the end of the log. The promise file is exact after a kill only. */
    if (all == 1 && d->has_forget && one_in(rng, 2))
        buf_printf(line, "restart %u\ncrash %u lose=none\nforget-log %u %u to=%u\n", node, node,
                   node, (unsigned)rng_below(rng, d->slots), (unsigned)rng_below(rng, 60));
    for (unsigned peer = 1; all == 1 && peer <= d->nodes; peer++) {
        if (peer != node && one_in(rng, 2))
            buf_printf(line, "link-down %u peer=%u gone=1\n", peer, node);
    }
}

static void draw_restart(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "restart %u\n", any_node(rng, state));
}

static void draw_cut(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    unsigned a = any_node(rng, d);
    if (one_in(rng, 2)) {
        buf_printf(line, "cut %u->%u\n", a, any_node(rng, d));
        return;
    }
    if (d->nodes == 1)
        return;
    buf_printf(line, "cut %u|", a);
    bool first = true;
    for (unsigned i = 1; i <= d->nodes; i++) {
        if (i == a)
            continue;
        buf_printf(line, "%s%u", first ? "" : ",", i);
        first = false;
    }
    buf_put_u8(line, '\n');
}

static void draw_heal(struct rng *rng, struct buf *line, void *state)
{
    (void)rng;
    (void)state;
    buf_append_string(line, "heal\n");
}

static void draw_link(struct rng *rng, struct buf *line, void *state)
{
    static const char *const verbs[] = {"drop", "drop",    "dup",  "dup",    "reorder", "reorder",
                                        "hold", "release", "clog", "unclog", "unclog"};
    const char *verb = verbs[rng_below(rng, ARRAY_LEN(verbs))];
    const struct drawn *d = state;
    unsigned a = any_node(rng, state), b = any_node(rng, state);
    if (one_in(rng, 8) && d->nodes > 1)
        buf_printf(line, "link-down %u peer=%u\n", a, b == a ? a % 2 + 1 : b);
    else if (verb[1] == 'l' || verb[1] == 'n') /* clog, unclog */
        buf_printf(line, "%s %u->%u\n", verb, a, b);
    else
        buf_printf(line, "%s %u->%u n=%u\n", verb, a, b, (unsigned)rng_between(rng, 1, 3));
}

static void draw_disk_fault(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    unsigned node = any_node(rng, state);
    const char *outcome = one_in(rng, 2) ? "present" : "absent";
    unsigned n = (unsigned)rng_between(rng, 1, 4);
    if (d->has_reads && (!d->has_writes || one_in(rng, 3))) {
        buf_printf(line, "fail-read %u n=%u\n", node, (unsigned)rng_between(rng, 1, 40));
        return;
    }
    switch (rng_below(rng, 4)) {
    case 0:
        buf_printf(line, "fail-sync %u %s n=%u\n", node, outcome, n);
        break;
    case 1:
        buf_printf(line, "fail-promise %u n=%u\n", node, n);
        break;
    default:
        buf_printf(line, "fail-write %u %s n=%u\n", node, outcome, n);
    }
}

/* Of messages most, as there are most; the families in the order of likelihood. */
static void draw_damage(struct rng *rng, struct buf *line, void *state)
{
    static const char *const families[] = {"messages", "messages", "messages",   "channels",
                                           "deleted",  "dedup",    "delete_log", "raft",
                                           "raft",     "slots"};
    const struct drawn *d = state;
    unsigned node = any_node(rng, d);
    if (one_in(rng, 3)) {
        buf_printf(line, "check %u\n", node);
        return;
    }
    buf_printf(line, "crash %u lose=none\ndamage %u %s row=%u bit=%u\n", node, node,
               families[rng_below(rng, ARRAY_LEN(families))], (unsigned)rng_below(rng, 400),
               (unsigned)rng_below(rng, 4000));
    if (!one_in(rng, 4))
        buf_printf(line, "restart %u\n", node);
}

/* A copy of a folder is put aside, and is put back later, or never. */
static void draw_old_copy(struct rng *rng, struct buf *line, void *state)
{
    unsigned node = any_node(rng, state);
    if (one_in(rng, 2)) {
        buf_printf(line, "keep-disk %u\n", node);
        if (one_in(rng, 2))
            buf_printf(line, "crash %u lose=none\nrestart %u\n", node, node);
        return;
    }
    buf_printf(line, "crash %u lose=none\nroll-back %u\n", node, node);
    if (!one_in(rng, 3))
        buf_printf(line, "restart %u\n", node);
}

static void draw_slow(struct rng *rng, struct buf *line, void *state)
{
    static const unsigned delays[] = {0, 0, 0, 5, 50, 300, 2000};
    unsigned node = any_node(rng, state);
    switch (rng_below(rng, 5)) {
    case 0:
        buf_printf(line, "stall %u\n", node);
        break;
    case 1:
        buf_printf(line, "unstall %u\n", node);
        break;
    case 2:
        buf_printf(line, "disk-space %u%s\n", node, one_in(rng, 2) ? " free=1000" : "");
        break;
    default:
        buf_printf(line, "slow %u %u\n", node, delays[rng_below(rng, ARRAY_LEN(delays))]);
    }
}

/* Limits that clocks which jump would trip over; what goes must be the same everywhere. */
static void draw_retain(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "retain %u %c", any_node(rng, state), any_channel(rng));
    if (one_in(rng, 2))
        buf_printf(line, " age=%u", (unsigned)rng_between(rng, 1, 60) * 1000);
    if (one_in(rng, 2))
        buf_printf(line, " messages=%u", (unsigned)rng_between(rng, 1, 20));
    buf_put_u8(line, '\n');
}

static void draw_clock(struct rng *rng, struct buf *line, void *state)
{
    static const char *const rates[] = {"0.5", "0.8", "1", "1.3", "2"};
    unsigned node = any_node(rng, state);
    static const unsigned jumps[] = {60000, 60000, 3600000, 40u * 24 * 3600000};
    if (one_in(rng, 2))
        buf_printf(line, "wall %u %s%u\n", node, one_in(rng, 2) ? "-" : "",
                   (unsigned)rng_below(rng, jumps[rng_below(rng, ARRAY_LEN(jumps))]));
    else
        buf_printf(line, "skew %u %s\n", node, rates[rng_below(rng, ARRAY_LEN(rates))]);
}

static void draw_pause(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "%s %u\n", one_in(rng, 3) ? "pause" : "resume", any_node(rng, state));
}

/* A majority that is left in peace while the others stay in their faults. */
static void draw_serve(struct rng *rng, struct buf *line, void *state)
{
    const struct drawn *d = state;
    unsigned left = d->nodes / 2 + 1, first = any_node(rng, d);
    buf_append_string(line, "serve ");
    for (unsigned i = 0; i < left; i++)
        buf_printf(line, "%s%u", i > 0 ? "," : "", (first + i - 1) % d->nodes + 1);
    buf_put_u8(line, '\n');
}

static void draw_command(struct rng *rng, struct buf *line, void *state, unsigned step)
{
    const struct drawn *d = state;
    (void)step;
    const struct choice choices[] = {
        {22, draw_run},
        {d->has_single_steps ? 30 : 0, draw_step},
        {4, draw_settle},
        {16, draw_send},
        {6, draw_retry},
        {7, draw_delete},
        {9, draw_read},
        {2, draw_role},
        {d->has_members ? 8 : 0, draw_member},
        {d->has_crashes ? 3 : 0, draw_crash},
        {d->has_crashes || d->has_writes || d->has_reads ? 6 : 0, draw_restart},
        {d->has_cuts ? 3 : 0, draw_cut},
        {d->has_cuts || d->has_network ? 4 : 0, draw_heal},
        {d->has_network ? 6 : 0, draw_link},
        {d->has_writes || d->has_reads ? 2 : 0, draw_disk_fault},
        {d->has_damage ? 4 : 0, draw_damage},
        {d->has_damage && d->has_members ? 6 : 0, draw_old_copy},
        {d->has_slow ? 4 : 0, draw_slow},
        {d->has_clocks ? 3 : 0, draw_clock},
        {d->has_clocks ? 2 : 0, draw_retain},
        {d->has_cuts ? 2 : 0, draw_pause},
        {one_in(rng, 2) ? 1 : 0, draw_serve},
    };
    choose(rng, line, state, choices, ARRAY_LEN(choices));
}

static const struct generator generator = {
    .name = "node",
    .backend = &backend_node,
    .cluster = draw_cluster,
    .command = draw_command,
    .state_bytes = sizeof(struct drawn),
    .steps_min = 60,
    .steps_max = 400,
    .converge_ticks = 900,
};

int main(int argc, char **argv)
{
    return simulate_main(&generator, argc, argv);
}
