/* SPDX-License-Identifier: Apache-2.0 */
/* How a wake gets through without a system call too many. `is_wanted` says that a turn was asked
 * for, `is_asleep` that the loop is in epoll_wait or about to be. A waker sets the first, then looks
 * at the second; the loop sets the second, then looks at the first: whatever the order, one of the
 * two sees the other (all are sequentially consistent). Only a waker that finds the loop asleep
 * writes the eventfd, and only the first of them. Work is queued before the wake, and the loop
 * clears is_wanted before the turn that takes the work: so no work waits for the next event.
 *
 * The eventfd is watched by edges and never read: each write is an edge. All libevent calls come
 * from the loop's thread, so that the base needs no locks. */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/inner.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/thread.h"

enum { LOOP_MAGIC = 0x4c4f4f50, SLEEP_MAX_MS = 60000 };

struct net_job {
    void (*fn)(void *arg);
    void *arg;
    struct net_job *next;
};

struct net_loop {
    unsigned magic;
    struct event_base *base;                   /* owned */
    struct event *wake_event, *deadline_event; /* owned */
    int event_fd;                              /* owned */
    net_on_turn *on_turn;
    void *arg; /* borrowed */
    atomic_bool is_wanted, is_asleep, is_stopping;
    atomic_bool has_jobs; /* a hint: saves the lock when there are none */
    struct mutex lock;
    struct net_job *first_job, **last_job; /* under lock; owned */
    struct thread_owner owner;
    struct thread thread;
};

static void *event_resize(void *ptr, size_t size)
{
    return alloc_resize(ptr, size == 0 ? 1 : size, 1);
}

static void event_log(int severity, const char *text)
{
    if (severity == EVENT_LOG_DEBUG) {
        return;
    }
    log_every(1000, severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "net",
              "libevent complains", "detail=%s", LOG_QUOTED(text));
}

/* Once a process: libevent aborts like the rest of us when memory runs out. */
static void event_setup(void)
{
    event_set_mem_functions(alloc, event_resize, free);
    event_set_log_callback(event_log);
}

static void on_wake_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* the turn that follows is all it is for */
}

static enum err loop_open(struct net_loop *loop, struct why *why)
{
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->event_fd < 0) {
        return why_set(why, ERR_IO, "eventfd: %s", strerror(errno));
    }
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(config, EV_FEATURE_ET);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL) {
        return why_set(why, ERR_IO, "cannot make an event loop: %s", strerror(errno));
    }
    loop->wake_event =
        event_new(loop->base, loop->event_fd, EV_READ | EV_ET | EV_PERSIST, on_wake_event, NULL);
    loop->deadline_event = event_new(loop->base, -1, 0, on_wake_event, NULL);
    if (event_add(loop->wake_event, NULL) != 0) {
        return why_set(why, ERR_IO, "cannot watch an eventfd: %s", strerror(errno));
    }
    return OK;
}

enum err net_loop_new(net_on_turn *on_turn, void *arg, struct net_loop **ret_loop, struct why *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, event_setup);
    struct net_loop *loop = alloc_zero(sizeof(*loop));
    loop->magic = LOOP_MAGIC;
    loop->on_turn = on_turn;
    loop->arg = arg;
    mutex_init(&loop->lock);
    loop->last_job = &loop->first_job;
    enum err err = loop_open(loop, why);
    if (err != OK) {
        net_loop_free(loop);
        return err;
    }
    *ret_loop = loop;
    return OK;
}

static void run_jobs(struct net_loop *loop)
{
    if (!atomic_exchange(&loop->has_jobs, false)) {
        return;
    }
    mutex_lock(&loop->lock);
    struct net_job *job = loop->first_job;
    loop->first_job = NULL;
    loop->last_job = &loop->first_job;
    mutex_unlock(&loop->lock);
    while (job != NULL) {
        struct net_job *next = job->next;
        job->fn(job->arg);
        free(job);
        job = next;
    }
}

void net_loop_free(struct net_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(!loop->thread.is_started);
    while (atomic_load(&loop->has_jobs)) {
        run_jobs(loop);
    }
    if (loop->wake_event != NULL) {
        event_free(loop->wake_event);
        event_free(loop->deadline_event);
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    if (loop->event_fd >= 0) {
        (void)close(loop->event_fd);
    }
    mutex_done(&loop->lock);
    free(loop);
}

/* Sleeps until an event, a wake or the deadline. */
static void loop_wait(struct net_loop *loop, uint64_t deadline_ms)
{
    uint64_t now_ms = clock_mono_ms();
    int flags = EVLOOP_ONCE;
    if (deadline_ms <= now_ms) {
        flags = EVLOOP_NONBLOCK;
    } else {
        uint64_t left_ms = deadline_ms - now_ms;
        left_ms = left_ms < SLEEP_MAX_MS ? left_ms : SLEEP_MAX_MS;
        struct timeval left = {(time_t)(left_ms / 1000), (suseconds_t)(left_ms % 1000 * 1000)};
        (void)event_add(loop->deadline_event, &left);
    }
    atomic_store(&loop->is_asleep, true);
    if (atomic_load(&loop->is_wanted)) {
        flags = EVLOOP_NONBLOCK;
    }
    int result = event_base_loop(loop->base, flags);
    /* -1 would be a broken epoll: nothing of this process could go on. */
    assert(result >= 0);
    atomic_store(&loop->is_asleep, false);
    (void)atomic_exchange(&loop->is_wanted, false);
}

/* libevent writes with writev: a connection that the peer closed must be an error code here, even
 * in a program that did not ignore the signal. */
static void block_pipe_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void net_loop_run(struct net_loop *loop)
{
    thread_claim(&loop->owner);
    block_pipe_signal();
    for (;;) {
        run_jobs(loop);
        uint64_t deadline_ms = loop->on_turn != NULL ? loop->on_turn(loop->arg) : UINT64_MAX;
        if (deadline_ms == 0 || atomic_load(&loop->is_stopping)) {
            break;
        }
        loop_wait(loop, deadline_ms);
    }
    thread_release(&loop->owner);
}

static void loop_thread(void *arg)
{
    struct net_loop *loop;
    CAST_OBJ(loop, arg, LOOP_MAGIC);
    net_loop_run(loop);
}

enum err net_loop_start(struct net_loop *loop, const char *thread_name, struct why *why)
{
    enum err err = thread_start(&loop->thread, thread_name, loop_thread, loop);
    return err == OK ? OK : why_set(why, err, "cannot start the loop thread");
}

void net_loop_join(struct net_loop *loop)
{
    thread_join(&loop->thread);
}

void net_loop_wake(struct net_loop *loop)
{
    if (atomic_exchange(&loop->is_wanted, true) || !atomic_exchange(&loop->is_asleep, false)) {
        return;
    }
    uint64_t one = 1;
    ssize_t put;
    do {
        put = write(loop->event_fd, &one, sizeof(one));
    } while (put < 0 && errno == EINTR);
    /* EAGAIN would mean 2^64 wakes. */
    assert(put == (ssize_t)sizeof(one));
}

void net_loop_stop(struct net_loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    net_loop_wake(loop);
}

void net_post(struct net_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct net_job *job = alloc_zero(sizeof(*job));
    job->fn = fn;
    job->arg = arg;
    mutex_lock(&loop->lock);
    *loop->last_job = job;
    loop->last_job = &job->next;
    atomic_store(&loop->has_jobs, true);
    mutex_unlock(&loop->lock);
    net_loop_wake(loop);
}

bool net_loop_is_here(const struct net_loop *loop)
{
    return thread_is(&loop->owner);
}

struct event_base *net_loop_base(struct net_loop *loop)
{
    return loop->base;
}

/* ---- timers ------------------------------------------------------------------------------------- */

static void on_timer_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct net_timer *timer = arg;
    timer->on_time(timer->arg);
}

void net_timer_init(struct net_timer *timer, struct net_loop *loop, void (*on_time)(void *arg),
                    void *arg)
{
    timer->event = event_new(loop->base, -1, 0, on_timer_event, timer);
    timer->on_time = on_time;
    timer->arg = arg;
}

void net_timer_set(struct net_timer *timer, uint64_t after_ms)
{
    struct timeval after = {(time_t)(after_ms / 1000), (suseconds_t)(after_ms % 1000 * 1000)};
    (void)event_add(timer->event, &after);
}

void net_timer_clear(struct net_timer *timer)
{
    (void)event_del(timer->event);
}

void net_timer_done(struct net_timer *timer)
{
    if (timer->event != NULL) {
        event_free(timer->event);
        timer->event = NULL;
    }
}
