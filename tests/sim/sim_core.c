/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator of the core: one group, up to five nodes, every fault the model knows, small limits
 * on purpose. Goal: no order of events breaks V1-V17. */
#include <stdio.h>

#include "base/check.h"
#include "simulate.h"

struct drawn {
    unsigned nodes, voters, spare;
    bool lost; /* one disk lost its log's end, or all: another would be more than a group stands */
    unsigned tags;
};

static unsigned any_node(struct rng *rng, const struct drawn *d)
{
    return (unsigned)rng_between(rng, 1, d->nodes);
}

static void draw_cluster(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    static const unsigned voters[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5};
    d->voters = voters[rng_below(rng, ARRAY_LEN(voters))];
    unsigned learners = rng_below(rng, 4) == 0 ? 1 : 0;
    d->spare = rng_below(rng, 3) == 0 ? 1 : 0;
    d->nodes = d->voters + learners + d->spare;
    buf_append_string(line, "cluster voters=");
    for (unsigned i = 1; i <= d->voters; i++)
        buf_printf(line, "%s%u", i > 1 ? "," : "", i);
    if (learners > 0)
        buf_printf(line, " learners=%u", d->voters + 1);
    if (d->spare > 0)
        buf_printf(line, " spare=%u", d->voters + learners + 1);
    buf_printf(line, " seed=%llu", (unsigned long long)rng_below(rng, 1000000));
    if (rng_below(rng, 2) == 0)
        buf_append_string(line, " base=10:1");
    if (rng_below(rng, 2) == 0)
        buf_printf(line, " append_entries=%u inflight_packets=%u", (unsigned)rng_between(rng, 1, 5),
                   (unsigned)rng_between(rng, 1, 4));
    if (rng_below(rng, 4) == 0)
        buf_printf(line, " append_bytes=100 inflight_bytes=200 uncommitted_bytes=%u apply_bytes=50",
                   (unsigned)rng_between(rng, 100, 1000));
    if (rng_below(rng, 6) == 0)
        buf_append_string(line, " unapplied_entries=4");
    if (rng_below(rng, 2) == 0)
        buf_append_string(line, " lazy_commit=1");
    buf_put_u8(line, '\n');
}

static void draw_tick(struct rng *rng, struct buf *line, void *state)
{
    if (rng_below(rng, 3) == 0)
        buf_printf(line, "tick %u %u\n", any_node(rng, state), (unsigned)rng_between(rng, 1, 20));
    else
        buf_printf(line, "tick all %u\n", (unsigned)rng_between(rng, 1, 6));
}

static void draw_deliver(struct rng *rng, struct buf *line, void *state)
{
    switch (rng_below(rng, 4)) {
    case 0:
        buf_append_string(line, "deliver *->*\n");
        break;
    case 1:
        buf_printf(line, "deliver *->%u n=%u\n", any_node(rng, state),
                   (unsigned)rng_between(rng, 1, 4));
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
    buf_append_string(line, "settle max=500\n");
}

static void draw_persist(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "persist %u %u\n", any_node(rng, state), (unsigned)rng_between(rng, 1, 4));
}

static void draw_apply(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "apply %u %u\n", any_node(rng, state), (unsigned)rng_between(rng, 1, 8));
}

static void draw_propose(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    unsigned count = (unsigned)rng_between(rng, 1, 3);
    if (rng_below(rng, 8) == 0)
        count = 20;
    /* Whoever leads takes it; the others refuse. */
    for (unsigned i = 1; i <= d->nodes; i++)
        buf_printf(line, "propose %u \"p\" count=%u size=%u\n", i, count,
                   (unsigned)rng_between(rng, 1, 60));
}

static void draw_read(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    buf_printf(line, "read %u tag=%u\n", any_node(rng, d), ++d->tags);
}

static void draw_campaign(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "campaign %u\n", any_node(rng, state));
}

static void draw_crash(struct rng *rng, struct buf *line, void *state)
{
    unsigned node = any_node(rng, state);
    switch (rng_below(rng, 3)) {
    case 0:
        buf_printf(line, "crash %u lose=none\n", node);
        break;
    case 1:
        buf_printf(line, "crash %u lose=torn:%u\n", node, (unsigned)rng_between(rng, 1, 3));
        break;
    default:
        buf_printf(line, "crash %u lose=unsynced\n", node);
    }
}

static void draw_restart(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "restart %u\n", any_node(rng, state));
}

static void draw_cut(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    unsigned a = any_node(rng, d), b = any_node(rng, d);
    if (rng_below(rng, 2) == 0) {
        buf_printf(line, "cut %u->%u\n", a, b);
        return;
    }
    /* One node against all others. */
    buf_printf(line, "cut %u|", a);
    bool first = true;
    for (unsigned i = 1; i <= d->nodes; i++) {
        if (i != a)
            buf_printf(line, "%s%u", first ? "" : ",", i);
        first = i != a ? false : first;
    }
    if (first)
        buf_printf(line, "%u", a);
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
    static const char *const verbs[] = {"drop",    "drop",    "dup",  "dup",
                                        "reorder", "reorder", "hold", "release"};
    buf_printf(line, "%s %u->%u n=%u\n", verbs[rng_below(rng, ARRAY_LEN(verbs))],
               any_node(rng, state), any_node(rng, state), (unsigned)rng_between(rng, 1, 3));
}

static void draw_transfer(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    unsigned to = any_node(rng, d);
    for (unsigned i = 1; i <= d->nodes; i++)
        buf_printf(line, "transfer %u to=%u\n", i, to);
}

static void draw_config(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    static const char *const changes[] = {"+voter", "+voter", "-voter", "+learner"};
    unsigned a = any_node(rng, d), b = any_node(rng, d);
    const char *change_a = changes[rng_below(rng, ARRAY_LEN(changes))];
    const char *change_b = changes[rng_below(rng, ARRAY_LEN(changes))];
    bool two = rng_below(rng, 2) == 0;
    for (unsigned i = 1; i <= d->nodes; i++) {
        buf_printf(line, "config %u %s=%u", i, change_a, a);
        if (two)
            buf_printf(line, " %s=%u", change_b, b);
        buf_put_u8(line, '\n');
    }
}

static void draw_compact(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "compact %u\n", any_node(rng, state));
}

static void draw_stall(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "%s %u\n", rng_below(rng, 3) == 0 ? "stall" : "unstall", any_node(rng, state));
}

static void draw_pause(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "%s %u\n", rng_below(rng, 3) == 0 ? "pause" : "resume", any_node(rng, state));
}

/* The write in front fails: the process stops, whatever is on the disk. */
static void draw_persist_fail(struct rng *rng, struct buf *line, void *state)
{
    buf_printf(line, "persist-fail %u keep=%u\n", any_node(rng, state),
               (unsigned)rng_below(rng, 2));
}

/* A disk that lost the end of its log, or everything: once in a run, and only where a quorum is left
 * to remember. Both are rare, as most runs should have all their nodes. */
static void draw_lose(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    if (d->lost || d->voters < 3 || rng_below(rng, 4) != 0)
        return;
    d->lost = true;
    unsigned node = any_node(rng, d);
    buf_printf(line, "crash %u lose=none\n", node);
    if (rng_below(rng, 3) == 0)
        buf_printf(line, "wipe %u\n", node);
    else
        buf_printf(line, "forget-log %u to=%u\n", node, (unsigned)rng_between(rng, 0, 25));
}

/* In the middle of a run: any quorum must go on without the rest. */
static void draw_survive(struct rng *rng, struct buf *line, void *state)
{
    if (rng_below(rng, 4) == 0)
        buf_printf(line, "survive without=%u within=1500\n", any_node(rng, state));
}

static void draw_fill(struct rng *rng, struct buf *line, void *state)
{
    if (rng_below(rng, 4) == 0)
        buf_printf(line, "cold %u on=%u\n", any_node(rng, state), rng_below(rng, 3) > 0);
    else
        buf_printf(line, "fill %u n=%u\n", any_node(rng, state), (unsigned)rng_between(rng, 1, 3));
}

static void draw_odd(struct rng *rng, struct buf *line, void *state)
{
    struct drawn *d = state;
    unsigned node = any_node(rng, d), peer = any_node(rng, d);
    switch (rng_below(rng, 9)) {
    case 0:
        buf_printf(line, "may-lead %u yes=%u\n", node, (unsigned)rng_below(rng, 2));
        break;
    case 1:
        buf_printf(line, "forget-leader %u\n", node);
        break;
    case 2:
        buf_printf(line, "unreachable %u peer=%u\n", node, peer);
        break;
    case 3:
        buf_printf(line, "full %u peer=%u\n", node, peer);
        break;
    case 4:
        buf_printf(line, "stream-fail %u->%u\n", node, peer);
        break;
    case 5:
        buf_printf(line, "floor %u to=%u\n", node, (unsigned)rng_between(rng, 0, 20));
        break;
    case 6:
        buf_printf(line, "timeout %u %u\n", node,
                   rng_below(rng, 3) == 0 ? 0 : (unsigned)rng_between(rng, 15, 29));
        break;
    case 7:
        buf_printf(line, "skew %u %s\n", node, rng_below(rng, 2) == 0 ? "0.5" : "2");
        break;
    default:
        buf_printf(line, "stream-end %u->%u\n", node, peer);
    }
}

static const struct choice choices[] = {
    {18, draw_tick},  {30, draw_deliver}, {4, draw_settle}, {16, draw_persist},
    {12, draw_apply}, {12, draw_propose}, {5, draw_read},   {1, draw_campaign},
    {3, draw_crash},  {6, draw_restart},  {2, draw_cut},    {4, draw_heal},
    {8, draw_link},   {2, draw_transfer}, {3, draw_config}, {3, draw_compact},
    {3, draw_stall},  {3, draw_pause},    {5, draw_odd},    {1, draw_persist_fail},
    {1, draw_lose},   {1, draw_survive},  {4, draw_fill},
};

static void draw_command(struct rng *rng, struct buf *line, void *state, unsigned step)
{
    (void)step;
    choose(rng, line, state, choices, ARRAY_LEN(choices));
}

static const struct generator generator = {
    .name = "core",
    .backend = &backend_core,
    .cluster = draw_cluster,
    .command = draw_command,
    .state_bytes = sizeof(struct drawn),
    .steps_min = 60,
    .steps_max = 500,
    .converge_ticks = 1500,
};

int main(int argc, char **argv)
{
    return simulate_main(&generator, argc, argv);
}
