/* SPDX-License-Identifier: Apache-2.0 */
/* A background thread: one slow read of the store at a time; a patient one at the lowest priority, so
 * that it takes what the loop and the disk thread leave. */
#include <sys/resource.h>

#include "node/real/real.h"

enum { BACKGROUND_NICE = 10 };

static struct node_background_job *background_wait(struct real_background *background)
{
    mutex_lock(&background->lock);
    while (background->job == NULL && !background->is_stopped) {
        cond_wait(&background->has_job, &background->lock);
    }
    struct node_background_job *job = background->job;
    background->job = NULL;
    mutex_unlock(&background->lock);
    return job;
}

static void background_run(void *arg)
{
    struct real_background *background = arg;
    /* Of this thread alone (Linux). Refused: it runs like the others. */
    if (background->is_patient) {
        (void)setpriority(PRIO_PROCESS, 0, BACKGROUND_NICE);
    }
    for (struct node_background_job *job = background_wait(background); job != NULL;
         job = background_wait(background)) {
        node_background_run(job);
        atomic_store(&background->is_done, true);
        background->on_done(background->arg);
    }
}

enum err real_background_start(struct real_background *background, const char *name,
                               bool is_patient, void (*on_done)(void *arg), void *arg)
{
    mutex_init(&background->lock);
    cond_init(&background->has_job);
    background->is_patient = is_patient;
    background->on_done = on_done;
    background->arg = arg;
    return thread_start(&background->thread, name, background_run, background);
}

void real_background_submit(struct real_background *background, struct node_background_job *job)
{
    mutex_lock(&background->lock);
    assert(background->job == NULL);
    background->job = job;
    mutex_unlock(&background->lock);
    cond_signal(&background->has_job);
}

bool real_background_take_done(struct real_background *background)
{
    return atomic_exchange(&background->is_done, false);
}

void real_background_stop(struct real_background *background)
{
    if (!background->thread.is_started) {
        return;
    }
    mutex_lock(&background->lock);
    background->is_stopped = true;
    mutex_unlock(&background->lock);
    cond_signal(&background->has_job);
    thread_join(&background->thread);
    mutex_done(&background->lock);
    cond_done(&background->has_job);
}
