/* SPDX-License-Identifier: Apache-2.0 */
/* The disk thread: one job at a time, each part of it reported as soon as it is done. */
#include "node/real/real.h"

static struct node_disk_job *disk_wait(struct real_disk *disk)
{
    mutex_lock(&disk->lock);
    while (disk->job == NULL && !disk->is_stopped) {
        cond_wait(&disk->has_job, &disk->lock);
    }
    struct node_disk_job *job = disk->job;
    disk->job = NULL;
    mutex_unlock(&disk->lock);
    return job;
}

static void disk_run(void *arg)
{
    struct real_disk *disk = arg;
    for (struct node_disk_job *job = disk_wait(disk); job != NULL; job = disk_wait(disk)) {
        bool has_more = true;
        while (has_more) {
            has_more = node_disk_run(job);
            atomic_fetch_add(&disk->parts_done, 1);
            disk->on_part(disk->arg);
        }
    }
}

enum err real_disk_start(struct real_disk *disk, void (*on_part)(void *arg), void *arg)
{
    mutex_init(&disk->lock);
    cond_init(&disk->has_job);
    disk->on_part = on_part;
    disk->arg = arg;
    return thread_start(&disk->thread, "lethe-disk", disk_run, disk);
}

void real_disk_submit(struct real_disk *disk, struct node_disk_job *job)
{
    mutex_lock(&disk->lock);
    assert(disk->job == NULL);
    disk->job = job;
    mutex_unlock(&disk->lock);
    cond_signal(&disk->has_job);
}

unsigned real_disk_take_done(struct real_disk *disk)
{
    return atomic_exchange(&disk->parts_done, 0);
}

void real_disk_stop(struct real_disk *disk)
{
    if (!disk->thread.is_started) {
        return;
    }
    mutex_lock(&disk->lock);
    disk->is_stopped = true;
    mutex_unlock(&disk->lock);
    cond_signal(&disk->has_job);
    thread_join(&disk->thread);
    mutex_done(&disk->lock);
    cond_done(&disk->has_job);
}
