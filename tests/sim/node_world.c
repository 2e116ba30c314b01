/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of a world: made, turned, crashed, restarted; and the disk's side of each. */
#include "node_world.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "msg/msg.h"
#include "node_clients.h"
#include "node_witness.h"
#include "sys/log.h"

static const char *const packet_names[RAFT_PACKET_KINDS] = {
    [RAFT_PREVOTE] = "PREVOTE",
    [RAFT_PREVOTE_REPLY] = "PREVOTE_REPLY",
    [RAFT_VOTE] = "VOTE",
    [RAFT_VOTE_REPLY] = "VOTE_REPLY",
    [RAFT_APPEND] = "APPEND",
    [RAFT_APPEND_REPLY] = "APPEND_REPLY",
    [RAFT_HEARTBEAT] = "HEARTBEAT",
    [RAFT_HEARTBEAT_REPLY] = "HEARTBEAT_REPLY",
    [RAFT_INSTALL] = "INSTALL",
    [RAFT_INSTALL_REPLY] = "INSTALL_REPLY",
    [RAFT_TAKE_OVER] = "TAKE_OVER",
    [RAFT_READ] = "READ",
    [RAFT_READ_REPLY] = "READ_REPLY",
};

/* In the order of PARCEL_*. */
static const char *const parcel_names[] = {"REQUEST", "RESPONSE", "CHUNK", "DIGESTS"};

const char *packet_name(int kind)
{
    if (kind >= PARCEL_REQUEST)
        return parcel_names[kind - PARCEL_REQUEST];
    return packet_names[kind];
}

int packet_kind_of_name(const char *name)
{
    for (int i = 1; i < RAFT_PACKET_KINDS; i++) {
        if (strcmp(packet_names[i], name) == 0)
            return i;
    }
    for (int i = 0; i < (int)ARRAY_LEN(parcel_names); i++) {
        if (strcmp(parcel_names[i], name) == 0)
            return PARCEL_REQUEST + i;
    }
    return -1;
}

void world_fail(struct world *world, const char *format, ...)
{
    if (world->error[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(world->error, sizeof(world->error), format, args);
    va_end(args);
}

void world_note(struct world *world, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    len = len < (int)sizeof(line) - 2 ? len : (int)sizeof(line) - 2;
    line[len++] = '\n';
    buf_append(world->transcript, line, (size_t)len);
}

struct seat *world_seat(struct world *world, node_id id)
{
    return id >= 1 && id <= world->nodes ? &world->seats[id] : NULL;
}

bool seat_is_live(const struct seat *seat)
{
    return seat->node != NULL && seat->fatal == OK && !seat->is_paused;
}

uint64_t seat_now_ms(const struct seat *seat)
{
    return seat->mono_us / 1000;
}

/* ---- made and freed -------------------------------------------------------------------------------- */
static void world_limits(struct world *world, const struct words *words)
{
    struct raft_options *limits = &world->limits;
    struct node_options *options = &world->options;
    raft_options_init(limits, 0, 1, 1);
    limits->append_max_entries =
        (uint32_t)words_number(words, "append_entries", limits->append_max_entries);
    limits->append_max_bytes =
        (uint32_t)words_number(words, "append_bytes", limits->append_max_bytes);
    limits->inflight_max_packets =
        (uint32_t)words_number(words, "inflight_packets", limits->inflight_max_packets);
    limits->inflight_max_bytes = words_number(words, "inflight_bytes", limits->inflight_max_bytes);
    limits->uncommitted_max_bytes =
        words_number(words, "uncommitted_bytes", limits->uncommitted_max_bytes);
    limits->apply_max_bytes = words_number(words, "apply_bytes", limits->apply_max_bytes);
    limits->unapplied_max_entries =
        (uint32_t)words_number(words, "unapplied_entries", limits->unapplied_max_entries);
    node_options_init(options);
    options->slot_count = world->slots;
    options->cluster_id = "simulated";
    options->dedup_window_ms = words_number(words, "dedup_window", options->dedup_window_ms);
    /* log_keep=N: a log of N applied entries, whatever its age. */
    if (words_option(words, "log_keep") != NULL) {
        options->log_keep_applied = words_number(words, "log_keep", 0);
        options->log_min_keep = options->log_keep_applied;
        options->log_keep_hours = 0;
    }
    options->submit_max_commands = words_number(words, "submit", options->submit_max_commands);
    options->delete_log_max_records =
        words_number(words, "delete_log", options->delete_log_max_records);
    options->catchup_chunk_rows =
        (uint32_t)words_number(words, "chunk_rows", options->catchup_chunk_rows);
    options->replica_count = (uint32_t)words_number(words, "replicas", options->replica_count);
    options->leave_delay_ms = words_number(words, "leave_delay", options->leave_delay_ms);
    options->delete_log_retention_ms =
        words_number(words, "delete_keep", options->delete_log_retention_ms);
}

/* A folder of its own in $TMPDIR; the path is owned. */
static char *seat_make_dir(void)
{
    const char *parent = getenv("TMPDIR");
    char path[256];
    int len = snprintf(path, sizeof(path), "%s/lethe-sim-XXXXXX", parent != NULL ? parent : "/tmp");
    if (len < 0 || (size_t)len >= sizeof(path) || mkdtemp(path) == NULL) {
        perror("a folder for RocksDB cannot be made: set TMPDIR to one that may be written");
        exit(2);
    }
    return alloc_string(path);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void seat_remove_dir(struct seat *seat)
{
    enum { DESCRIPTORS_MAX = 8 };
    if (seat->dir != NULL &&
        nftw(seat->dir, remove_one, DESCRIPTORS_MAX, FTW_DEPTH | FTW_PHYS) != 0)
        perror(seat->dir);
    free(seat->dir);
    seat->dir = NULL;
}

static bool words_want_rocks(const struct words *words)
{
    const char *store = words_option(words, "store");
    if (store != NULL && strcmp(store, "rocks") != 0 && strcmp(store, "memory") != 0) {
        fprintf(stderr, "scenario: store=memory or store=rocks\n");
        exit(2);
    }
    return store != NULL && strcmp(store, "rocks") == 0;
}

struct world *world_new(const struct words *words, struct buf *transcript)
{
    struct world *world = alloc_zero(sizeof(*world));
    uint64_t ids[WORLD_NODES_MAX];
    size_t count = 0;
    const char *voters = words_option(words, "voters");
    if (voters == NULL || !ids_parse(voters, ids, WORLD_NODES_MAX, &count) || count == 0) {
        fprintf(stderr, "scenario: cluster needs voters=1,2,3\n");
        exit(2);
    }
    log_set_fd(-1);
    world->transcript = transcript;
    world->founders = (uint32_t)count;
    world->nodes = world->founders + (uint32_t)words_number(words, "joiners", 0);
    world->has_members = world->nodes > world->founders || words_number(words, "members", 0) != 0;
    if (world->nodes > WORLD_NODES_MAX) {
        fprintf(stderr, "scenario: at most %d nodes\n", WORLD_NODES_MAX);
        exit(2);
    }
    world->slots = (uint32_t)words_number(words, "slots", 1);
    if (world->slots == 0 || world->slots > WORLD_SLOTS_MAX) {
        fprintf(stderr, "scenario: slots=1..%d\n", WORLD_SLOTS_MAX);
        exit(2);
    }
    world->has_catchup = words_number(words, "catchup", 0) != 0;
    world->is_on_rocks = words_want_rocks(words);
    world->rng = rng_of(words_number(words, "seed", 1));
    world->now_us = 1000000;
    world_limits(world, words);
    world->witness = witness_new(world);
    world->clients = clients_new(world);
    for (uint32_t i = 0; i < world->nodes; i++)
        world->members[i].id = i + 1;
    world->options.members = world->members;
    world->options.members_count = world->founders;
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        *seat = (struct seat){.world = world,
                              .id = id,
                              .disk = memdisk_new(),
                              .dir = world->is_on_rocks ? seat_make_dir() : NULL,
                              .rate_percent = 100,
                              .mono_us = 1000000};
        for (node_id to = 1; to <= world->nodes; to++)
            list_init(&world->links[id][to]);
    }
    for (node_id id = 1; id <= world->founders; id++)
        seat_start(&world->seats[id]);
    return world;
}

static void seat_close(struct seat *seat)
{
    seat->is_dying = true;
    node_free(seat->node);
    seat->is_dying = false;
    msg_free(seat->msg);
    store_close(seat->store);
    seat->node = NULL;
    seat->msg = NULL;
    seat->store = NULL;
}

void world_free(struct world *world)
{
    for (node_id id = 1; id <= world->nodes; id++) {
        seat_crash(&world->seats[id], MEMDISK_KEEP_ALL);
        seat_free_damage(&world->seats[id]);
        seat_free_copy(&world->seats[id]);
        memdisk_free(world->seats[id].disk);
        seat_remove_dir(&world->seats[id]);
        for (node_id to = 1; to <= world->nodes; to++)
            world_drop_link(world, id, to);
    }
    clients_free(world->clients);
    witness_free(world->witness);
    free(world);
}

/* ---- up and down ------------------------------------------------------------------------------------ */
enum err seat_open_store(struct seat *seat, bool accept_short_log, struct why *why)
{
    struct store_options options;
    store_options_init(&options);
    options.dir = seat->dir;
    options.memdisk = seat->dir == NULL ? seat->disk : NULL;
    options.create = true;
    options.cluster_id = seat->world->options.cluster_id;
    options.node_id = seat->id;
    options.slot_count = seat->world->slots;
    options.new_incarnation = rng_next(&seat->world->rng);
    options.accept_short_log = accept_short_log;
    return store_open(&options, &seat->store, why);
}

/* As the daemon does it, but for a log that is merely behind its promise: the core sees that by
 * itself (R19), and may be brought up by log again. */
static enum err seat_open(struct seat *seat, struct why *why)
{
    struct world *world = seat->world;
    struct node_boot boot = {.limits = &world->limits};
    enum err err = seat_open_store(seat, false, why);
    if (err == ERR_LOG_TOO_SHORT && world->nodes > 1) {
        world_note(world, "node %llu: %s", LLU(seat->id), why->text);
        err = seat_open_store(seat, true, why);
    }
    if (err != OK)
        return err;
    seat->msg = msg_new(&(struct msg_options){.store = seat->store, .slot_count = world->slots});
    struct node_options options = world->options;
    options.trusts_founders = !world->has_members;
    options.id = seat->id;
    struct node_world face = seat_face;
    struct node_member members[WORLD_NODES_MAX];
    face.arg = seat;
    if (world->has_members) {
        seat_options(seat, &options, members);
        face.heard_ms = seat_heard_ms;
        face.has_met = seat_has_met;
    }
    if (!world->has_catchup) {
        face.background_submit = NULL;
        face.send_frame = NULL;
    }
    return node_new(&options, &face, seat->store, seat->msg, &boot, &seat->node, why);
}

void seat_start(struct seat *seat)
{
    struct why why = {0};
    assert(seat->node == NULL);
    seat->fatal = OK;
    seat->is_moved = true;
    seat->is_paused = seat->is_drained = seat->must_end = false;
    enum err err = seat_open(seat, &why);
    if (err != OK) { /* a disk that was told to fail may do so here: the node stays down */
        if (err == ERR_DISK_FAILED || seat->is_damaged)
            world_note(seat->world, "node %llu does not start: %s", LLU(seat->id), why.text);
        else
            world_fail(seat->world, "I7: node %llu does not start: %s", LLU(seat->id), why.text);
        seat_close(seat);
        return;
    }
    world_note(seat->world, "node %llu is up", LLU(seat->id));
    check_restarted(seat);
}

void seat_crash(struct seat *seat, int64_t keep)
{
    if (seat->node == NULL)
        return;
    if (seat->job != NULL) { /* it dies with the process */
        node_disk_abandon(seat->node, seat->job);
        seat->job = NULL;
    }
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        if (seat->background[i] != NULL) {
            node_background_abandon(seat->node, seat->background[i]);
            seat->background[i] = NULL;
        }
    }
    seat_close(seat);
    memdisk_crash(seat->disk, keep);
    seat->fatal = OK;
    world_drop_calls(seat->world, seat->id);
    world_note(seat->world, "node %llu is down", LLU(seat->id));
}

bool seat_forget_log(struct seat *seat, slot_id slot, raft_index to)
{
    uint64_t base, base_term, last;
    struct row_applied applied;
    memdisk_fail_read(seat->disk, 0); /* that was ordered for the node, not for this */
    enum err err = seat_open_store(seat, true, NULL);
    if (err != OK) /* its disk was told to fail */
        return false;
    err = store_log_bounds(seat->store, slot, &base, &base_term, &last);
    assert(err == OK);
    err = store_get_applied(seat->store, NULL, slot, &applied);
    assert(err == OK);
    if (to < applied.index)
        to = applied.index;
    /* The promise file is synced each second only: after a power cut it may lag behind what others
     * were told, and a log that was lost as well is then a second fault, which nobody can see. */
    struct promise_row promise;
    promise_get(store_promise(seat->store), slot, &promise);
    const struct raft_pos *acked = &seat->slots[slot].told.acked;
    if (promise.last_term < acked->term ||
        (promise.last_term == acked->term && promise.last_index < acked->index))
        to = last;
    uint32_t sound = 0;
    for (node_id id = 1; id <= seat->world->nodes; id++)
        sound += id != seat->id && !seat->world->seats[id].slots[slot].amnesia;
    if (sound <= seat->world->nodes / 2) /* a majority that forgot is lost for good */
        to = last;
    if (to < last) {
        seat->slots[slot].amnesia = true;
        struct store_batch *batch = store_batch_new(seat->store);
        store_truncate_suffix(batch, slot, to + 1, last);
        err = store_write(seat->store, batch, true, NULL);
        store_batch_free(batch);
    }
    store_close(seat->store);
    seat->store = NULL;
    return err == OK && to < last;
}

/* ---- at work ----------------------------------------------------------------------------------------- */
void seat_turn(struct seat *seat)
{
    seat->is_woken = seat->is_moved = false;
    if (seat->world->has_members)
        seat_meet(seat);
    bool must_end = seat->must_end;
    node_turn(seat->node);
    if (must_end && seat->fatal == OK)
        world_fail(seat->world, "I10: node %llu goes on after a read that the disk failed",
                   LLU(seat->id));
    check_turned(seat);
}

bool seat_disk(struct seat *seat, bool is_lost)
{
    struct node_disk_job *job = seat->job;
    if (job == NULL)
        return false;
    enum node_disk_part part = node_disk_next(job);
    if (part == NODE_DISK_PARTS) /* all done; the node was not told of the last one */
        return false;
    uint64_t applied[WORLD_SLOTS_MAX];
    for (slot_id slot = 0; slot < seat->world->slots; slot++)
        applied[slot] = seat->slots[slot].applied;
    (void)node_disk_run(job);
    if (part == NODE_DISK_APPLY || part == NODE_DISK_INSTALL)
        check_applied(seat);
    else if (part == NODE_DISK_WRITE)
        check_written(seat, applied);
    if (is_lost)
        return true;
    if (node_disk_done(seat->node, job))
        seat->job = NULL;
    seat->job_due_us = seat->world->now_us + seat->slow_ms * 1000;
    seat->is_moved = true;
    return true;
}

bool seat_background(struct seat *seat)
{
    unsigned lane = 0;
    while (lane < NODE_BACKGROUND_LANES && seat->background[lane] == NULL)
        lane++;
    if (lane == NODE_BACKGROUND_LANES)
        return false;
    struct node_background_job *job = seat->background[lane];
    seat->background[lane] = NULL; /* the next one may be submitted by node_background_done */
    node_background_run(job);
    node_background_done(seat->node, job);
    seat->is_moved = true;
    return true;
}
