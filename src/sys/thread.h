/* SPDX-License-Identifier: Apache-2.0 */
/* Named threads, who owns what, and locks that abort on misuse instead of returning errors.
 * Thread: any, but what a function says otherwise. */
#ifndef SYS_THREAD_H
#define SYS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/err.h"

enum { THREAD_NAME_SIZE = 16 };

struct thread {
    pthread_t handle;
    bool is_started;
    char name[THREAD_NAME_SIZE];
    void (*run)(void *arg);
    void *arg; /* borrowed */
};

/* Runs run(arg) in a thread of this name (cut to 15 bytes), which tools like top show.
 * thread must stay where it is until thread_join. The thread has the signal mask of its creator:
 * see sys/signal.h. Errors: ERR_IO  the system gives no more threads; nothing was started. */
MUST_USE enum err thread_start(struct thread *thread, const char *name, void (*run)(void *arg),
                               void *arg);
/* Waits until run has returned. Fine for a thread that is zeroed or was joined already. */
void thread_join(struct thread *thread);

/* Who may touch something. Zeroed: anybody, which is right while a room is being set up. */
struct thread_owner {
    atomic_uintptr_t who;
};

void thread_claim(struct thread_owner *owner);   /* now it is the calling thread's alone */
void thread_release(struct thread_owner *owner); /* anybody's again */
bool thread_is(const struct thread_owner *owner);
/* Stands first in functions that only one thread may call. */
#define ASSERT_THREAD(owner) assert(thread_is(owner))

struct mutex {
    pthread_mutex_t raw;
};
#define MUTEX_INIT ((struct mutex){PTHREAD_MUTEX_INITIALIZER})

void mutex_init(struct mutex *mutex);
void mutex_done(struct mutex *mutex); /* nobody may hold it */
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* Its timed wait goes by the monotonic clock. */
struct cond {
    pthread_cond_t raw;
};

void cond_init(struct cond *cond);
void cond_done(struct cond *cond);
/* May return without a signal: check what is waited for, in a loop. */
void cond_wait(struct cond *cond, struct mutex *mutex);
/* The same, but false once clock_mono_ms() has come to deadline_ms. */
bool cond_wait_until(struct cond *cond, struct mutex *mutex, uint64_t deadline_ms);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

#endif
