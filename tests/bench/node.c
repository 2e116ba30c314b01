/* SPDX-License-Identifier: Apache-2.0 */
/* How fast one node is by itself: many calls outstanding from one thread, RocksDB in a folder under
 * $TMPDIR. Prints appends/s, linearizable reads/s, the mean batch, fsync and commit times.
 * With 3 nodes they are in one process, talk over loopback, and each slot's calls go to its leader.
 *     bench-node [seconds] [outstanding] [slots] [payload bytes] [nodes: 1 or 3] */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "node/node.h"
#include "msg/msg.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/thread.h"
#include "wire/command.h"

enum { NODES_MAX = 3 };

struct bench {
    struct node *nodes[NODES_MAX];
    struct node **leaders; /* by slot */
    uint32_t nodes_count, slots, outstanding, payload_bytes;
    uint64_t end_ms;
    bool reads;
    struct mutex lock;
    struct cond changed;
    struct node_call **free; /* under lock: answered calls */
    uint32_t free_count;
    uint64_t answered, refused;
};

static double cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void on_done(struct node_call *call, void *arg)
{
    struct bench *bench = arg;
    mutex_lock(&bench->lock);
    bench->free[bench->free_count++] = call;
    bench->answered += call->err == OK;
    bench->refused += call->err != OK;
    if (bench->free_count == 1) {
        cond_signal(&bench->changed);
    }
    mutex_unlock(&bench->lock);
}

static struct blob *append_of(struct channel channel, struct bytes payload)
{
    struct command_message message = {.payload = payload};
    struct command_part part = {.channel = channel, .messages = &message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {.parts = &part, .parts_count = 1}};
    return command_encode(&command);
}

static void start_call(struct bench *bench, struct node_call *call, uint64_t number)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "channel-%u", (unsigned)(number % 1000));
    struct channel channel = {.type = 2, .id = bytes_of_string(name)};
    static uint8_t payload[65536];
    msg_result_free(call->result);
    *call = (struct node_call){.slot = channel_slot(channel, bench->slots),
                               .deadline_ms = clock_mono_ms() + 10000,
                               .on_done = on_done,
                               .arg = bench};
    if (bench->reads) {
        call->kind = NODE_CALL_READ;
    } else {
        call->command = append_of(channel, bytes_of(payload, bench->payload_bytes));
    }
    enum err err = node_call_start(bench->leaders[call->slot], call, NULL);
    if (err != OK) {
        (void)fprintf(stderr, "refused: %s\n", err_slug(err));
        exit(1);
    }
}

static void run(struct bench *bench, bool reads, uint32_t seconds)
{
    bench->reads = reads;
    bench->answered = bench->refused = 0;
    struct node_call *calls = alloc_array(bench->outstanding, sizeof(*calls));
    struct node_call **taken = alloc_array(bench->outstanding, sizeof(*taken));
    bench->free = alloc_array(bench->outstanding, sizeof(*bench->free));
    bench->free_count = 0;
    uint64_t began_us = clock_mono_us(), number = 0;
    double began_cpu_s = cpu_s();
    bench->end_ms = clock_mono_ms() + seconds * 1000;
    for (uint32_t i = 0; i < bench->outstanding; i++) {
        start_call(bench, &calls[i], number++);
    }
    uint32_t open = bench->outstanding;
    while (open > 0) {
        mutex_lock(&bench->lock);
        while (bench->free_count == 0) {
            cond_wait(&bench->changed, &bench->lock);
        }
        uint32_t count = bench->free_count;
        memcpy(taken, bench->free, count * sizeof(*taken));
        bench->free_count = 0;
        mutex_unlock(&bench->lock);
        bool is_over = clock_mono_ms() >= bench->end_ms;
        for (uint32_t i = 0; i < count; i++) {
            if (is_over) {
                open--;
                msg_result_free(taken[i]->result);
            } else {
                start_call(bench, taken[i], number++);
            }
        }
    }
    double elapsed_s = (double)(clock_mono_us() - began_us) / 1e6;
    (void)printf("%-8s %9.0f/s  (%lu answered, %lu refused), %.1f us of CPU each\n",
                 reads ? "reads" : "appends", (double)bench->answered / elapsed_s,
                 (unsigned long)bench->answered, (unsigned long)bench->refused,
                 (cpu_s() - began_cpu_s) * 1e6 / (double)(bench->answered + 1));
    free(calls);
    free(taken);
    free(bench->free);
}

/* What the node costs when nobody asks it anything. */
static void idle(uint32_t seconds)
{
    double began_s = cpu_s();
    (void)sleep(seconds);
    unsigned long pages = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm != NULL) {
        if (fscanf(statm, "%lu %lu", &pages, &resident) != 2) {
            resident = 0;
        }
        (void)fclose(statm);
    }
    (void)printf("idle     %8.2f %% of a core, %lu MiB resident\n",
                 (cpu_s() - began_s) / (seconds == 0 ? 1 : seconds) * 100,
                 resident * (unsigned long)sysconf(_SC_PAGESIZE) >> 20);
}

static void start_nodes(struct bench *bench, const char *dir)
{
    struct node_member members[NODES_MAX] = {{0}};
    for (uint32_t i = 0; i < bench->nodes_count; i++) {
        members[i].id = i + 1;
        (void)snprintf(members[i].address, NODE_ADDRESS_MAX_BYTES, "127.0.0.1:%u",
                       20000 + (unsigned)getpid() % 10000 + i * 10000);
    }
    for (uint32_t i = 0; i < bench->nodes_count; i++) {
        char own[300];
        (void)snprintf(own, sizeof(own), "%s/%u", dir, i + 1);
        struct node_options options;
        node_options_init(&options);
        options.id = i + 1;
        options.data_dir = own;
        options.cluster_id = "bench";
        options.slot_count = bench->slots;
        options.disk_soft_free_bytes = options.disk_hard_free_bytes = 0;
        options.members = members;
        options.members_count = bench->nodes_count;
        if (bench->nodes_count > 1) {
            (void)snprintf(options.listen, sizeof(options.listen), "%s", members[i].address);
        }
        struct why why;
        if (node_start(&options, &bench->nodes[i], &why) != OK) {
            (void)fprintf(stderr, "%s\n", why.text);
            exit(1);
        }
    }
    struct node_cluster cluster = {0};
    while (!cluster.serving) {
        (void)usleep(1000);
        node_get_cluster(bench->nodes[0], &cluster);
    }
    bench->leaders = alloc_array(bench->slots, sizeof(struct node *));
    for (uint32_t slot = 0; slot < bench->slots; slot++) {
        struct node_slot view;
        (void)node_get_slot(bench->nodes[0], slot, &view);
        bench->leaders[slot] = bench->nodes[view.leader - 1];
    }
}

int main(int argc, char **argv)
{
    uint32_t seconds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 5;
    struct bench bench = {.outstanding = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 256,
                          .slots = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 64,
                          .payload_bytes = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 128};
    mutex_init(&bench.lock);
    cond_init(&bench.changed);
    bench.nodes_count = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 1;
    if (bench.nodes_count != 1 && bench.nodes_count != NODES_MAX) {
        (void)fprintf(stderr, "1 or %d nodes\n", NODES_MAX);
        return 1;
    }
    char dir[256];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(dir, sizeof(dir), "%s/bench-node-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(dir) == NULL) {
        perror("mkdtemp");
        return 1;
    }
    uint64_t began_us = clock_mono_us();
    start_nodes(&bench, dir);
    (void)printf("ready after %.1f ms\n", (double)(clock_mono_us() - began_us) / 1e3);
    idle(seconds);
    run(&bench, false, seconds);
    struct node_metrics m;
    node_get_metrics(bench.leaders[0], &m);
    (void)printf(
        "batches %lu, %.1f entries each, write+sync %.0f us, apply %.0f us, commit %.0f us, "
        "turn %.0f us x %lu\n",
        (unsigned long)m.batches_total,
        (double)m.entries_written_total / (double)(m.batches_total + 1),
        (double)m.fsync.sum_us / (double)(m.fsync.count + 1),
        (double)m.apply.sum_us / (double)(m.apply.count + 1),
        (double)m.commit.sum_us / (double)(m.commit.count + 1),
        (double)m.loop_turn.sum_us / (double)(m.loop_turn.count + 1),
        (unsigned long)m.loop_turn.count);
    run(&bench, true, seconds);
    for (uint32_t i = 0; i < bench.nodes_count; i++) {
        node_stop(bench.nodes[i], 5000);
    }
    free(bench.leaders);
    struct why why;
    return file_remove_tree(dir, &why) == OK ? 0 : 1;
}
