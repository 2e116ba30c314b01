/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: long work that a node does by itself, /v1/jobs. Thread: main. */
#ifndef CTL_JOBS_H
#define CTL_JOBS_H

#include "ctl/command.h"

/* Starts a job by POST path with body (NULL: "{}"). With --no-wait its id is printed, *ret_job stays
 * NULL. Else it is followed to its end, at most --wait when that is given (then CTL_NOT_YET), and
 * *ret_job is what it became: the caller frees it. A server that answers at once, without a job,
 * gives that answer as *ret_job. A job that failed or was cancelled is told and CTL_REFUSED. */
int ctl_job_run(struct ctl *ctl, const char *path, const char *body, struct client_json **ret_job);
/* Follows the job at path until it is over or deadline_ms (monotonic; 0: for ever). */
int ctl_job_follow(struct ctl *ctl, const char *path, uint64_t deadline_ms,
                   struct client_json **ret_job);

/* Adds --node to the members of a body that is not closed yet. */
void ctl_job_add_node(struct ctl *ctl, struct buf *body);

int ctl_run_job_ls(struct ctl *ctl);
int ctl_run_job_show(struct ctl *ctl);
int ctl_run_job_cancel(struct ctl *ctl);
int ctl_run_job_wait(struct ctl *ctl);

#endif
