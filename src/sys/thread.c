/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void *run_thread(void *arg)
{
    struct thread *thread = arg;
    thread->run(thread->arg);
    return NULL;
}

enum err thread_start(struct thread *thread, const char *name, void (*run)(void *arg), void *arg)
{
    *thread = (struct thread){.run = run, .arg = arg};
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    if (pthread_create(&thread->handle, NULL, run_thread, thread) != 0)
        return ERR_IO;
    thread->is_started = true;
    /* Fails only for names that are too long, which ours never is, or when the thread has
     * already ended: a name is a help for people, nothing depends on it. */
    (void)pthread_setname_np(thread->handle, thread->name);
    return OK;
}

void thread_join(struct thread *thread)
{
    if (!thread->is_started)
        return;
    int failed = pthread_join(thread->handle, NULL);
    assert(failed == 0);
    thread->is_started = false;
}

/* The address of a thread's own variable is a name for it that no other living thread has. */
static uintptr_t self(void)
{
    static _Thread_local char here;
    return (uintptr_t)&here;
}

void thread_claim(struct thread_owner *owner)
{
    atomic_store(&owner->who, self());
}

void thread_release(struct thread_owner *owner)
{
    atomic_store(&owner->who, 0);
}

bool thread_is(const struct thread_owner *owner)
{
    uintptr_t who = atomic_load_explicit(&owner->who, memory_order_relaxed);
    return who == 0 || who == self();
}

void mutex_init(struct mutex *mutex)
{
    int failed = pthread_mutex_init(&mutex->raw, NULL);
    assert(failed == 0);
}

void mutex_done(struct mutex *mutex)
{
    int failed = pthread_mutex_destroy(&mutex->raw);
    assert(failed == 0);
}

void mutex_lock(struct mutex *mutex)
{
    int failed = pthread_mutex_lock(&mutex->raw);
    assert(failed == 0);
}

void mutex_unlock(struct mutex *mutex)
{
    int failed = pthread_mutex_unlock(&mutex->raw);
    assert(failed == 0);
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    assert(failed == 0);
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    assert(failed == 0);
    failed = pthread_cond_init(&cond->raw, &attributes);
    assert(failed == 0);
    pthread_condattr_destroy(&attributes);
}

void cond_done(struct cond *cond)
{
    int failed = pthread_cond_destroy(&cond->raw);
    assert(failed == 0);
}

void cond_wait(struct cond *cond, struct mutex *mutex)
{
    int failed = pthread_cond_wait(&cond->raw, &mutex->raw);
    assert(failed == 0);
}

bool cond_wait_until(struct cond *cond, struct mutex *mutex, uint64_t deadline_ms)
{
    /* Beyond any uptime: so that adding a huge timeout to now never overflows time_t. */
    const uint64_t far_ms = UINT64_MAX / 4;
    if (deadline_ms > far_ms)
        deadline_ms = far_ms;
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    int failed = pthread_cond_timedwait(&cond->raw, &mutex->raw, &until);
    assert(failed == 0 || failed == ETIMEDOUT);
    return failed == 0;
}

void cond_signal(struct cond *cond)
{
    int failed = pthread_cond_signal(&cond->raw);
    assert(failed == 0);
}

void cond_broadcast(struct cond *cond)
{
    int failed = pthread_cond_broadcast(&cond->raw);
    assert(failed == 0);
}
