/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of jobs, newest last, under one lock that is held for copies alone. Room for NODE_JOBS_MAX:
 * the oldest one that has ended makes way; while all are open none is added. */
#include "node/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "node/limits.h"
#include "sys/thread.h"

struct job {
    struct node_job shown; /* items: owned */
    uint32_t items_capacity;
    uint64_t total, done;
};

struct jobs {
    struct mutex lock;
    node_id self;
    uint64_t boot, made;
    struct job items[NODE_JOBS_MAX]; /* oldest first */
    uint32_t count;
};

struct jobs *jobs_new(node_id self, uint64_t boot)
{
    struct jobs *jobs = alloc_zero(sizeof(*jobs));
    mutex_init(&jobs->lock);
    jobs->self = self;
    jobs->boot = boot;
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < jobs->count; i++) {
        free(jobs->items[i].shown.items);
    }
    mutex_done(&jobs->lock);
    free(jobs);
}

const char *node_job_kind_slug(enum node_job_kind kind)
{
    static const char *const slugs[NODE_JOB_KINDS] = {
#define X(symbol, slug) slug,
        NODE_JOB_KIND_TABLE(X)
#undef X
    };
    assert(kind < NODE_JOB_KINDS);
    return slugs[kind];
}

const char *node_job_state_slug(enum node_job_state state)
{
    static const char *const slugs[NODE_JOB_STATES] = {
#define X(symbol, slug) slug,
        NODE_JOB_STATE_TABLE(X)
#undef X
    };
    assert(state < NODE_JOB_STATES);
    return slugs[state];
}

static bool is_open(const struct job *job)
{
    return job->shown.state == NODE_JOB_QUEUED || job->shown.state == NODE_JOB_RUNNING;
}

static struct job *find_open(struct jobs *jobs, enum node_job_kind kind)
{
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].shown.kind == kind && is_open(&jobs->items[i])) {
            return &jobs->items[i];
        }
    }
    return NULL;
}

static struct job *find(struct jobs *jobs, struct bytes id)
{
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (bytes_is_equal(bytes_of_string(jobs->items[i].shown.id), id)) {
            return &jobs->items[i];
        }
    }
    return NULL;
}

/* An open one, by the id that jobs_begin gave. */
static struct job *find_running(struct jobs *jobs, const char *id)
{
    struct job *job = find(jobs, bytes_of_string(id));
    return job != NULL && is_open(job) ? job : NULL;
}

/* Room for one more; false: all are open. */
static bool make_room(struct jobs *jobs)
{
    if (jobs->count < NODE_JOBS_MAX) {
        return true;
    }
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (!is_open(&jobs->items[i])) {
            free(jobs->items[i].shown.items);
            memmove(&jobs->items[i], &jobs->items[i + 1],
                    (jobs->count - i - 1) * sizeof(struct job));
            jobs->count--;
            return true;
        }
    }
    return false;
}

enum err jobs_add(struct jobs *jobs, enum node_job_kind kind, int64_t slot, uint64_t total,
                  uint64_t wall_ms, char *ret_id, struct why *why)
{
    enum err err = OK;
    mutex_lock(&jobs->lock);
    const struct job *same = find_open(jobs, kind);
    if (same != NULL) {
        err = why_set(why, ERR_CONFLICT, "job '%s' is a %s too and has not ended", same->shown.id,
                      node_job_kind_slug(kind));
    } else if (!make_room(jobs)) {
        err = why_set(why, ERR_BUSY, "%d jobs are open: wait for one, or cancel it", NODE_JOBS_MAX);
    } else {
        struct job *job = &jobs->items[jobs->count++];
        *job = (struct job){.total = total};
        job->shown.kind = kind;
        job->shown.slot = slot;
        job->shown.created_ms = wall_ms;
        (void)snprintf(job->shown.id, sizeof(job->shown.id), "%" PRIu64 "-%" PRIu64 "-%" PRIu64,
                       (uint64_t)jobs->self, jobs->boot, ++jobs->made);
        memcpy(ret_id, job->shown.id, NODE_JOB_ID_BYTES);
    }
    mutex_unlock(&jobs->lock);
    return err;
}

bool jobs_begin(struct jobs *jobs, enum node_job_kind kind, uint64_t wall_ms, char *ret_id,
                int64_t *ret_slot)
{
    mutex_lock(&jobs->lock);
    struct job *job = find_open(jobs, kind);
    bool is_new = job != NULL && job->shown.state == NODE_JOB_QUEUED;
    if (is_new) {
        job->shown.state = NODE_JOB_RUNNING;
        job->shown.started_ms = wall_ms;
        memcpy(ret_id, job->shown.id, NODE_JOB_ID_BYTES);
        *ret_slot = job->shown.slot;
    }
    mutex_unlock(&jobs->lock);
    return is_new;
}

void jobs_report(struct jobs *jobs, const char *id, uint64_t done)
{
    mutex_lock(&jobs->lock);
    struct job *job = find_running(jobs, id);
    if (job != NULL && done > job->done && done <= job->total) {
        job->done = done;
    }
    mutex_unlock(&jobs->lock);
}

void jobs_add_item(struct jobs *jobs, const char *id, const struct node_job_item *item)
{
    mutex_lock(&jobs->lock);
    struct job *job = find_running(jobs, id);
    if (job != NULL && job->shown.items_count == NODE_JOB_ITEMS_MAX) {
        job->shown.items_left_out++;
    } else if (job != NULL) {
        if (job->shown.items_count == job->items_capacity) {
            job->items_capacity = job->items_capacity == 0 ? 16 : job->items_capacity * 2;
            job->shown.items =
                alloc_resize(job->shown.items, job->items_capacity, sizeof(struct node_job_item));
        }
        job->shown.items[job->shown.items_count++] = *item;
    }
    mutex_unlock(&jobs->lock);
}

void jobs_set_subject(struct jobs *jobs, const char *id, const char *subject)
{
    mutex_lock(&jobs->lock);
    struct job *job = find_running(jobs, id);
    if (job != NULL) {
        (void)snprintf(job->shown.subject, sizeof(job->shown.subject), "%s", subject);
    }
    mutex_unlock(&jobs->lock);
}

bool jobs_is_cancelled(struct jobs *jobs, const char *id)
{
    mutex_lock(&jobs->lock);
    const struct job *job = find(jobs, bytes_of_string(id));
    bool ret = job == NULL || job->shown.state == NODE_JOB_CANCELLED;
    mutex_unlock(&jobs->lock);
    return ret;
}

void jobs_end(struct jobs *jobs, const char *id, enum node_job_state state, const char *text,
              uint64_t wall_ms)
{
    mutex_lock(&jobs->lock);
    struct job *job = find_running(jobs, id);
    if (job != NULL) {
        job->shown.state = state;
        job->shown.ended_ms = wall_ms;
        if (text != NULL) {
            (void)snprintf(job->shown.text, sizeof(job->shown.text), "%s", text);
        }
    }
    mutex_unlock(&jobs->lock);
}

bool jobs_is_open(struct jobs *jobs, enum node_job_kind kind)
{
    mutex_lock(&jobs->lock);
    bool ret = find_open(jobs, kind) != NULL;
    mutex_unlock(&jobs->lock);
    return ret;
}

/* ---- how they are read ---------------------------------------------------------------------------- */

/* How far it got, and, by the time that took, when it may end. */
static void show(const struct job *job, uint64_t wall_ms, struct node_job *ret)
{
    *ret = job->shown;
    uint64_t parts = NODE_JOB_PROGRESS_MAX;
    bool is_done = job->shown.state == NODE_JOB_DONE;
    ret->progress = (uint32_t)(is_done           ? parts
                               : job->total == 0 ? 0
                                                 : job->done * parts / job->total);
    if (job->shown.state == NODE_JOB_RUNNING && job->done > 0 && wall_ms > job->shown.started_ms) {
        uint64_t spent_ms = wall_ms - job->shown.started_ms;
        ret->eta_ms = spent_ms * (job->total - job->done) / job->done;
    }
}

bool jobs_get(struct jobs *jobs, struct bytes id, uint64_t wall_ms, struct arena *arena,
              struct node_job *ret)
{
    mutex_lock(&jobs->lock);
    const struct job *job = find(jobs, id);
    if (job != NULL) {
        show(job, wall_ms, ret);
        size_t size = job->shown.items_count * sizeof(struct node_job_item);
        ret->items = arena_alloc(arena, size + 1);
        if (size > 0) {
            memcpy(ret->items, job->shown.items, size);
        }
    }
    mutex_unlock(&jobs->lock);
    return job != NULL;
}

uint32_t jobs_list(struct jobs *jobs, uint64_t wall_ms, struct arena *arena, struct node_job **ret)
{
    mutex_lock(&jobs->lock);
    uint32_t count = jobs->count;
    *ret = arena_alloc(arena, count * sizeof(struct node_job) + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct node_job *job = &(*ret)[count - 1 - i];
        show(&jobs->items[i], wall_ms, job);
        job->items = NULL;
    }
    mutex_unlock(&jobs->lock);
    return count;
}

/* A job may be of another node, or of this one before its restart. */
void jobs_why_absent(struct jobs *jobs, struct bytes id, struct why *why)
{
    char text[NODE_JOB_ID_BYTES];
    size_t len = id.len < sizeof(text) - 1 ? id.len : sizeof(text) - 1;
    memcpy(text, len == 0 ? (const uint8_t *)"" : id.data, len);
    text[len] = '\0';
    uint64_t node = 0, boot = 0, number = 0;
    int parts = sscanf(text, "%" SCNu64 "-%" SCNu64 "-%" SCNu64, &node, &boot, &number);
    if (parts == 3 && node != jobs->self) {
        (void)why_set(why, ERR_NOT_FOUND, "job '%s' is of node %" PRIu64 ": ask that one", text,
                      node);
        return;
    }
    mutex_lock(&jobs->lock);
    if (jobs->count == 0) {
        (void)why_set(why, ERR_NOT_FOUND,
                      "there is no job '%s': node %" PRIu64 " has had none since it started", text,
                      (uint64_t)jobs->self);
    } else {
        (void)why_set(
            why, ERR_NOT_FOUND, "there is no job '%s': node %" PRIu64 " keeps '%s' to '%s'", text,
            (uint64_t)jobs->self, jobs->items[0].shown.id, jobs->items[jobs->count - 1].shown.id);
    }
    mutex_unlock(&jobs->lock);
}

enum err jobs_cancel(struct jobs *jobs, struct bytes id, uint64_t wall_ms, struct why *why)
{
    enum err err = OK;
    mutex_lock(&jobs->lock);
    struct job *job = find(jobs, id);
    if (job == NULL) {
        err = ERR_NOT_FOUND;
    } else if (!is_open(job)) {
        err = why_set(why, ERR_CONFLICT, "job '%s' has ended: it is %s", job->shown.id,
                      node_job_state_slug((enum node_job_state)job->shown.state));
    } else {
        job->shown.state = NODE_JOB_CANCELLED;
        job->shown.ended_ms = wall_ms;
    }
    mutex_unlock(&jobs->lock);
    if (err == ERR_NOT_FOUND) {
        jobs_why_absent(jobs, id, why);
    }
    return err;
}
