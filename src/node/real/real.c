/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's world, and node_start and node_stop, which set it up and take it down. */
#include <inttypes.h>
#include <unistd.h>

#include "base/alloc.h"
#include "node/real/real.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/random.h"

static void (*real_on_fatal)(enum err err, const char *text, void *arg);
static void *real_on_fatal_arg;

enum { REAL_ALARMS_MAX_BYTES = 64 * 1024 };

void node_on_fatal(void (*on_fatal)(enum err err, const char *text, void *arg), void *arg)
{
    real_on_fatal = on_fatal;
    real_on_fatal_arg = arg;
}

static uint64_t world_mono_us(void *arg)
{
    (void)arg;
    return clock_mono_us();
}

static uint64_t world_wall_ms(void *arg)
{
    (void)arg;
    return clock_wall_ms();
}

static uint64_t world_random_u64(void *arg)
{
    (void)arg;
    return random_u64();
}

static void world_wake(void *arg)
{
    struct real *real = arg;
    net_loop_wake(real->loop);
}

static void world_disk_submit(void *arg, struct node_disk_job *job)
{
    struct real *real = arg;
    real->job = job;
    real_disk_submit(&real->disk, job);
}

static void world_background_submit(void *arg, struct node_background_job *job)
{
    struct real *real = arg;
    enum node_background_lane lane = node_background_lane(job);
    real->background_jobs[lane] = job;
    real_background_submit(&real->background[lane], job);
}

static void world_pause_us(void *arg, uint64_t us)
{
    (void)arg;
    (void)usleep((useconds_t)us); /* woken early: the job waits for the rest */
}

static enum err ballast_set(const char *path, uint64_t bytes, struct why *why)
{
    return bytes == 0 ? file_remove_tree(path, why) : file_reserve(path, bytes, why);
}

static enum err world_set_ballast(void *arg, uint64_t bytes, struct why *why)
{
    const struct real *real = arg;
    return ballast_set(real->ballast_path, bytes, why);
}

static enum err world_save_alarms(void *arg, struct bytes text, struct why *why)
{
    const struct real *real = arg;
    return file_write_atomic(real->alarms_path, text, 0640, why);
}

/* A file that makes no sense is no reason not to serve: it is said, and replaced at the next change. */
static void real_recall_alarms(struct real *real)
{
    struct buf text = BUF_INIT;
    struct why why = {0};
    enum err err = file_read(real->alarms_path, REAL_ALARMS_MAX_BYTES, &text, &why);
    if (err == OK) {
        err = node_recall_alarms(real->node, buf_bytes(&text), &why);
    }
    if (err != OK && err != ERR_NOT_FOUND) {
        log_warn("node", "the kept alarms cannot be read, going on without", "detail=%s",
                 LOG_QUOTED(why.text));
    }
    buf_done(&text);
}

void real_fatal(void *arg, enum err err, const char *text)
{
    struct real *real = arg;
    if (atomic_exchange(&real->is_failed, true)) {
        return;
    }
    log_error("node", "cannot go on", "error=%s detail=%s", err_slug(err), LOG_QUOTED(text));
    if (real_on_fatal == NULL) {
        _exit(EXIT_FAILURE);
    }
    real_on_fatal(err, text, real_on_fatal_arg);
}

static const struct node_world real_world = {
    .mono_us = world_mono_us,
    .wall_ms = world_wall_ms,
    .random_u64 = world_random_u64,
    .wake = world_wake,
    .disk_submit = world_disk_submit,
    .background_submit = world_background_submit,
    .pause_us = world_pause_us,
    .send = links_send,
    .flush = links_flush,
    .send_request = links_send_request,
    .send_response = links_send_response,
    .send_frame = links_send_frame,
    .link_figures = links_figures,
    .save_alarms = world_save_alarms,
    .set_members = links_set_members,
    .heard_ms = links_heard_ms,
    .has_met = links_has_met,
    .probe = links_probe,
    .set_ballast = world_set_ballast,
    .fatal = real_fatal,
};

enum { REAL_LINGER_MS = 50, REAL_START_MIN_FREE_BYTES = 4 * 1024 * 1024 };

/* The end of the loop: all calls answered, nothing with the disk thread, and answers to other nodes
 * had a moment to leave. */
static bool real_is_over(struct real *real)
{
    uint64_t stop_at_ms = atomic_load(&real->stop_at_ms);
    if (stop_at_ms == 0) {
        return false;
    }
    uint64_t now_ms = clock_mono_ms();
    if (real->calls_ended_ms == 0 && (node_is_drained(real->node) || now_ms >= stop_at_ms)) {
        node_end_calls(real->node);
        links_flush(real);
        real->calls_ended_ms = now_ms;
    }
    bool has_background = false;
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        has_background |= real->background_jobs[i] != NULL;
    }
    return real->calls_ended_ms != 0 && real->job == NULL && !has_background &&
           (node_is_failed(real->node) || node_is_idle(real->node)) &&
           (real->net == NULL || now_ms >= real->calls_ended_ms + REAL_LINGER_MS);
}

static uint64_t real_turn(void *arg)
{
    struct real *real = arg;
    if (!real->is_claimed) {
        node_claim_loop(real->node);
        real->is_claimed = true;
    }
    struct node_disk_job *job = real->job;
    for (unsigned parts = real_disk_take_done(&real->disk); parts > 0; parts--) {
        if (node_disk_done(real->node, job)) {
            real->job = NULL;
        }
    }
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        if (real_background_take_done(&real->background[i])) {
            struct node_background_job *done = real->background_jobs[i];
            real->background_jobs[i] = NULL;
            node_background_done(real->node, done);
        }
    }
    node_turn(real->node);
    if (real_is_over(real)) {
        node_release_loop(real->node);
        return 0;
    }
    uint64_t next_ms = node_next_deadline_ms(real->node);
    uint64_t stop_at_ms = atomic_load(&real->stop_at_ms);
    if (stop_at_ms != 0) {
        uint64_t wanted_ms =
            real->calls_ended_ms == 0 ? stop_at_ms : real->calls_ended_ms + REAL_LINGER_MS;
        next_ms = wanted_ms < next_ms ? wanted_ms : next_ms;
    }
    return next_ms == 0 ? 1 : next_ms;
}

static char *real_path(const struct node_options *options, const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", options->data_dir, name);
    char *copy = alloc_string(buf_string(&path));
    buf_done(&path);
    return copy;
}

/* What an earlier run left. One of another size is no use: the next look makes a new one. */
static enum err real_find_ballast(struct real *real, const struct node_options *options,
                                  struct node_boot *boot, struct why *why)
{
    uint64_t bytes;
    enum err err = file_size(real->ballast_path, &bytes, why);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    boot->has_ballast = err == OK && bytes != 0 && bytes == options->disk_ballast_bytes;
    return err != OK || boot->has_ballast ? err : ballast_set(real->ballast_path, 0, why);
}

/* For a store that finds no room to open in. False: there is none to free. */
static bool real_free_ballast(struct real *real, struct node_boot *boot)
{
    struct why why;
    if (!boot->has_ballast) {
        return false;
    }
    if (ballast_set(real->ballast_path, 0, &why) != OK) {
        log_error("node", "the ballast cannot be freed", "detail=%s", LOG_QUOTED(why.text));
        return false;
    }
    log_warn("node", "the disk is full: the ballast was freed, so that the store can be opened");
    boot->has_ballast = false;
    boot->owes_ballast = true;
    return true;
}

/* RocksDB 7.8 ends the process by an assert when it meets a full disk while it opens. */
static enum err real_check_room(struct real *real, const struct node_options *options,
                                struct node_boot *boot, struct why *why)
{
    struct file_disk disk;
    enum err err = file_disk_of(options->data_dir, &disk, why);
    if (err == OK && disk.free_bytes < REAL_START_MIN_FREE_BYTES && real_free_ballast(real, boot)) {
        err = file_disk_of(options->data_dir, &disk, why);
    }
    if (err == OK && disk.free_bytes < REAL_START_MIN_FREE_BYTES) {
        return why_set(why, ERR_DISK_FULL,
                       "%" PRIu64 " bytes free in '%s' are less than the %d that a start needs: "
                       "make room, nothing was changed",
                       disk.free_bytes, options->data_dir, REAL_START_MIN_FREE_BYTES);
    }
    return err;
}

static enum err real_open_store(struct real *real, const struct node_options *options,
                                struct node_boot *boot, struct why *why)
{
    struct store_options store;
    store_options_init(&store);
    store.dir = options->data_dir;
    store.create = true;
    store.cluster_id = options->cluster_id;
    store.node_id = options->id;
    store.slot_count = options->slot_count;
    store.new_incarnation = random_u64();
    store.block_cache_bytes = options->block_cache_bytes;
    store.memtable_bytes = options->memtable_bytes;
    enum err err = file_make_dirs(options->data_dir, 0750, why);
    if (err != OK) {
        return err;
    }
    real->ballast_path = real_path(options, "ballast");
    err = real_find_ballast(real, options, boot, why);
    if (err == OK) {
        err = real_check_room(real, options, boot, why);
    }
    if (err != OK) {
        return err;
    }
    err = store_open(&store, &real->store, why);
    if (err == ERR_DISK_FULL && real_free_ballast(real, boot)) {
        err = store_open(&store, &real->store, why);
    }
    if (err == ERR_LOG_TOO_SHORT && options->members_count > 1) {
        log_error("node", "the log is damaged: this node may not vote until it is re-synced",
                  "detail=%s", LOG_QUOTED(why->text));
        store.accept_short_log = true;
        boot->suspect_log = true;
        err = store_open(&store, &real->store, why);
    }
    return err;
}

/* Everything but the loop, which must have ended or never begun. */
static void real_free(struct real *real)
{
    real_disk_stop(&real->disk);
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        real_background_stop(&real->background[i]);
    }
    node_free(real->node);
    net_stop(real->net);
    net_loop_free(real->loop);
    msg_free(real->msg);
    store_close(real->store);
    free(real->alarms_path);
    free(real->ballast_path);
    free(real);
}

static enum err real_start_background(struct real *real, struct why *why)
{
    static const char *const names[NODE_BACKGROUND_LANES] = {
        "lethe-back", "lethe-check", "lethe-backup", "lethe-compact", "lethe-query"};
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        /* A client waits for a query: it is no less than what the HTTP threads read. */
        bool is_patient = i != NODE_BACKGROUND_QUERY;
        if (real_background_start(&real->background[i], names[i], is_patient, world_wake, real) !=
            OK) {
            return why_set(why, ERR_INTERNAL, "cannot start the thread '%s'", names[i]);
        }
    }
    return OK;
}

enum err node_start(const struct node_options *options, struct node **ret_node, struct why *why)
{
    struct real *real = alloc_zero(sizeof(*real));
    struct node_boot boot = {0};
    struct why own;
    enum err err = real_open_store(real, options, &boot, &own);
    if (err == OK) {
        err = net_loop_new(real_turn, real, &real->loop, &own);
    }
    if (err == OK) {
        real->msg =
            msg_new(&(struct msg_options){.store = real->store, .slot_count = options->slot_count});
        struct node_world world = real_world;
        world.arg = real;
        err = node_new(options, &world, real->store, real->msg, &boot, &real->node, &own);
    }
    if (err == OK) {
        real->alarms_path = real_path(options, "alarms");
        real_recall_alarms(real);
    }
    if (err == OK) {
        err = real_disk_start(&real->disk, world_wake, real);
        if (err != OK) {
            err = why_set(&own, err, "cannot start the disk thread");
        }
    }
    if (err == OK) {
        err = real_start_background(real, &own);
    }
    struct node *node = real->node;
    if (err == OK) {
        err = links_start(real, options, &own);
    }
    if (err == OK) {
        err = net_loop_start(real->loop, "lethe-loop", &own);
    }
    if (err != OK) {
        real_free(real);
        return why_set(why, err, "%s", own.text);
    }
    *ret_node = node;
    return OK;
}

enum err node_reload(struct node *node, struct why *why)
{
    struct real *real = node_world_arg(node);
    return real->net == NULL ? OK : net_reload(real->net, why);
}

void node_stop(struct node *node, uint32_t timeout_ms)
{
    if (node == NULL) {
        return;
    }
    struct real *real = node_world_arg(node);
    atomic_store(&real->stop_at_ms, clock_mono_ms() + timeout_ms);
    node_drain(node);
    net_loop_join(real->loop);
    real_free(real);
}
