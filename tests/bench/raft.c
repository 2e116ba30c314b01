/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the core is by itself, three replicas in one thread, disks and network done at once:
 * entries/s in batches, what idle groups cost at the default tick, and their memory.
 *     bench-raft [seconds] [idle groups] [batch] [payload bytes] */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "../unit/raft/group.h"
#include "base/alloc.h"

enum { NODES = 3, TICK_MS = 100, IDLE_TICKS = 300, WARM_ENTRIES = 256 };

static double cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "bench-raft: %s\n", what);
        exit(1);
    }
}

static void start(struct group *group)
{
    group_init(group, NODES, NODES);
    group->check = false;
    must(group_elect(group, 1) == 1, "no leader");
}

static void bench_entries(double seconds, uint32_t batch, uint32_t bytes)
{
    struct group group;
    start(&group);
    double began = cpu_s(), busy = 0;
    uint64_t entries = 0;
    while (busy < seconds) {
        for (int i = 0; i < 100; i++) {
            must(group_propose(&group, 1, bytes, batch) == OK, "a proposal was refused");
            group_settle(&group);
            entries += batch;
        }
        busy = cpu_s() - began;
    }
    must(group_last(&group, 3) == entries + 1, "a replica lacks entries");
    printf("entries: %.0f/s of CPU time, three replicas, batches of %u, %u bytes each\n",
           (double)entries / busy, batch, bytes);
    group_done(&group);
}

/* What the harness itself keeps: its logs and its queue. */
static size_t harness_bytes(struct group *group)
{
    size_t ret = malloc_usable_size(group->queue);
    for (node_id id = 1; id <= NODES; id++) {
        ret += malloc_usable_size(group->nodes[id].log);
    }
    return ret;
}

static void bench_idle(uint32_t count, uint32_t bytes)
{
    struct group *groups = alloc_array(count, sizeof(*groups));
    size_t before = heap_bytes(), harness = 0;
    for (uint32_t i = 0; i < count; i++) {
        start(&groups[i]);
        for (int j = 0; j < WARM_ENTRIES / 64; j++) {
            must(group_propose(&groups[i], 1, bytes, 64) == OK, "a proposal was refused");
            group_settle(&groups[i]);
        }
        group_tick(&groups[i], 30); /* idle for a while */
        harness += harness_bytes(&groups[i]);
    }
    size_t used = heap_bytes() - before - harness;
    double began = cpu_s();
    for (int tick = 0; tick < IDLE_TICKS; tick++) {
        for (uint32_t i = 0; i < count; i++) {
            group_tick(&groups[i], 1);
        }
    }
    double busy = cpu_s() - began, lasted = IDLE_TICKS * TICK_MS / 1000.0;
    printf(
        "idle: %u groups cost %.2f %% of a core per node at a tick of %d ms (all nodes: %.2f %%)\n",
        count, 100 * busy / lasted / NODES, TICK_MS, 100 * busy / lasted);
    printf("memory: %zu bytes per idle group and node\n", used / count / NODES);
    for (uint32_t i = 0; i < count; i++) {
        group_done(&groups[i]);
    }
    free(groups);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    uint32_t groups = argc > 2 ? (uint32_t)atoi(argv[2]) : 256;
    uint32_t batch = argc > 3 ? (uint32_t)atoi(argv[3]) : 64;
    uint32_t bytes = argc > 4 ? (uint32_t)atoi(argv[4]) : 512;
    if (seconds <= 0 || groups == 0 || batch == 0) {
        (void)fprintf(stderr, "usage: bench-raft [seconds] [idle groups] [batch] [bytes]\n");
        return 2;
    }
    bench_idle(groups, bytes); /* first: the heap is still in order */
    bench_entries(seconds, batch, bytes);
    return 0;
}
