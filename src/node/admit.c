/* SPDX-License-Identifier: Apache-2.0 */
/* How many commands of its clients a node has under way. One more than it can carry out soon only
 * waits behind the others: its client is told at once to come back (QUEUE_FULL), so that those who
 * are in are answered in time. Reads are not counted: they are short and never wait for the disk.
 *
 * The window is at most `submit_max_commands`. Each tick it shrinks by an eighth when more than one
 * of 16 commands took longer than NODE_ADMIT_TARGET_MS, by half when most did, and grows by an eighth
 * when not. It never shrinks below NODE_ADMIT_MIN, so that a slow disk alone refuses nobody who has
 * few clients; and while nothing is answered at all, as without a leader, it stays as it is. */
#include "node/parts.h"

void admit_init(struct node *node)
{
    atomic_store(&node->admit.window, node->options.submit_max_commands);
}

static uint64_t admit_window(const struct node *node)
{
#ifdef LETHE_MUTANT_admit_all
    return UINT64_MAX;
#endif
    return atomic_load_explicit(&node->admit.window, memory_order_relaxed);
}

bool admit_is_full(const struct node *node)
{
    return atomic_load_explicit(&node->admit.under_way, memory_order_relaxed) >= admit_window(node);
}

bool admit_call(struct node *node, struct node_call *call)
{
    call->is_admitted = call->kind == NODE_CALL_COMMAND;
    if (!call->is_admitted) {
        return true;
    }
    if (atomic_fetch_add(&node->admit.under_way, 1) < admit_window(node)) {
        return true;
    }
    admit_let_go(node, call);
    return false;
}

void admit_let_go(struct node *node, struct node_call *call)
{
    if (call->is_admitted) {
        atomic_fetch_sub(&node->admit.under_way, 1);
        call->is_admitted = false;
    }
}

void admit_note(struct node *node, const struct node_call *call)
{
    if (!call->is_admitted) {
        return;
    }
    uint64_t now_us = node->now_ms * 1000; /* of this turn: exact enough */
    node->admit.answered++;
    node->admit.late += now_us > call->started_us + NODE_ADMIT_TARGET_MS * 1000;
}

void admit_tick(struct node *node)
{
    struct admit *admit = &node->admit;
    if (admit->answered == 0) {
        return;
    }
    uint64_t most = node->options.submit_max_commands;
    uint64_t least = most < NODE_ADMIT_MIN ? most : NODE_ADMIT_MIN;
    uint64_t window = atomic_load_explicit(&admit->window, memory_order_relaxed);
    bool is_late = admit->late * NODE_ADMIT_LATE_ONE_OF > admit->answered;
    uint64_t part = admit->late * 2 > admit->answered ? 2 : 8;
#ifdef LETHE_MUTANT_admit_fixed
    is_late = false;
#endif
    window = is_late ? window - window / part : window + window / 8 + 1;
    window = window < least ? least : window > most ? most : window;
    atomic_store_explicit(&admit->window, window, memory_order_relaxed);
    admit->answered = admit->late = 0;
}
