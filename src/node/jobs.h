/* SPDX-License-Identifier: Apache-2.0 */
/* Work that outlasts a request: what it is, how far it got, what came of each of its parts. The
 * table only remembers: who does a job takes it from here, reports, and looks whether it was
 * cancelled. It is this process's: a restart forgets it. How jobs are read: node.h. Private to the
 * room. Thread: any, for everything here. */
#ifndef NODE_JOBS_H
#define NODE_JOBS_H

#include "base/buf.h"
#include "base/why.h"
#include "node/node.h"

struct jobs;

/* Ids are "<node>-<boot>-<number>": unique in the cluster, over restarts too. */
struct jobs *jobs_new(node_id self, uint64_t boot);
void jobs_free(struct jobs *jobs);

/* A new one, queued, of which total parts are to be done; ret_id (NODE_JOB_ID_BYTES) is filled.
 * slot: of one slot; -1: of all.
 * Errors: ERR_CONFLICT  one of that kind is open; why names it.
 *         ERR_BUSY      as many are open as there is room for. */
MUST_USE enum err jobs_add(struct jobs *jobs, enum node_job_kind kind, int64_t slot, uint64_t total,
                           uint64_t wall_ms, char *ret_id, struct why *why);
/* The oldest queued job of that kind becomes the running one. False: there is none. */
bool jobs_begin(struct jobs *jobs, enum node_job_kind kind, uint64_t wall_ms, char *ret_id,
                int64_t *ret_slot);
/* done of its total parts have ended; item (NULL: none) is copied, text and all. What comes for a
 * job that has ended is left out. */
void jobs_report(struct jobs *jobs, const char *id, uint64_t done);
void jobs_add_item(struct jobs *jobs, const char *id, const struct node_job_item *item);
void jobs_set_subject(struct jobs *jobs, const char *id, const char *subject);
bool jobs_is_cancelled(struct jobs *jobs, const char *id);
/* It is DONE, FAILED (text says why) or CANCELLED. Nothing when it has ended already. */
void jobs_end(struct jobs *jobs, const char *id, enum node_job_state state, const char *text,
              uint64_t wall_ms);
/* Is one of that kind queued or running? */
bool jobs_is_open(struct jobs *jobs, enum node_job_kind kind);

/* As in node.h. */
bool jobs_get(struct jobs *jobs, struct bytes id, uint64_t wall_ms, struct arena *arena,
              struct node_job *ret);
uint32_t jobs_list(struct jobs *jobs, uint64_t wall_ms, struct arena *arena, struct node_job **ret);
MUST_USE enum err jobs_cancel(struct jobs *jobs, struct bytes id, uint64_t wall_ms,
                              struct why *why);
/* What node_job_answer_decode reads (job_bytes.c). Items beyond what one answer holds are left out, and
 * counted. */
void jobs_encode(struct buf *buf, const struct node_job *job);
void jobs_why_absent(struct jobs *jobs, struct bytes id, struct why *why);

#endif
