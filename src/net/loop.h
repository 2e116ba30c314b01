/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: one thread that waits for sockets, timers, posts and wakes, and then takes a turn.
 *
 * Owns libevent's event base. Refuses to know what a turn does: after each batch of events it calls
 * on_turn once, which says when it must be called again at latest. So the work that several packets
 * and posts brought is done together, and what it sends leaves together.
 *
 * Thread: the one that runs the loop ("loop"), but for what says any. Before it runs and after it
 * ended, whoever sets it up or takes it down. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/why.h"

struct net_loop;

/* Returns when it must be called again at latest (clock_mono_ms), UINT64_MAX: only when something
 * happens, or 0: the loop ends. Thread: loop */
typedef uint64_t net_on_turn(void *arg);

/* on_turn may be NULL: a loop of events alone. Borrows arg.
 * Errors: ERR_IO    the system gives no more descriptors; nothing is left behind. */
MUST_USE enum err net_loop_new(net_on_turn *on_turn, void *arg, struct net_loop **ret_loop,
                               struct why *why);
/* It must not run any more. Posts that came too late are executed here. NULL is fine. */
void net_loop_free(struct net_loop *loop);

/* Runs until on_turn gives 0 or net_loop_stop: in the calling thread, or in one of its own. */
void net_loop_run(struct net_loop *loop);
MUST_USE enum err net_loop_start(struct net_loop *loop, const char *thread_name, struct why *why);
void net_loop_join(struct net_loop *loop); /* fine when it was never started */

/* Asks for a turn soon. Wakes that were not answered yet, and those during a turn, cost no system
 * call. Thread: any */
void net_loop_wake(struct net_loop *loop);
/* The loop ends after the turn it is in, or after one more. Thread: any */
void net_loop_stop(struct net_loop *loop);
/* Has fn(arg) called once by the loop's thread, before its next turn; posts of one thread in their
 * order. Not bounded: who posts bounds what is open. Thread: any */
void net_post(struct net_loop *loop, void (*fn)(void *arg), void *arg);

/* True in the loop's thread, and in any while it does not run. Thread: any */
bool net_loop_is_here(const struct net_loop *loop);

/* ---- timers: called once, by the loop ---------------------------------------------------------- */
struct net_timer {
    struct event *event; /* owned; NULL: not initialised */
    void (*on_time)(void *arg);
    void *arg; /* borrowed */
};

void net_timer_init(struct net_timer *timer, struct net_loop *loop, void (*on_time)(void *arg),
                    void *arg);
void net_timer_set(struct net_timer *timer, uint64_t after_ms); /* replaces what was set */
void net_timer_clear(struct net_timer *timer);
void net_timer_done(struct net_timer *timer); /* a zeroed one is fine */

#endif
