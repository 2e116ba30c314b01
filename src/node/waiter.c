/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for what, until when. An open call is in exactly one list and in the heap of
 * deadlines. What its end may say follows from its stage: before WAITER_PROPOSED it was certainly
 * not applied; from there on only apply knows, so a deadline answers OUTCOME_UNKNOWN. */
#include "node/parts.h"

void waiter_open(struct node *node, struct node_call *call)
{
    call->stage = WAITER_NEW;
    list_init(&call->link);
    heap_push(&node->deadlines, &call->deadline, call->deadline_ms);
    node->open_calls++;
    if (call->command != NULL) {
        node->open_bytes += call->command->len;
    }
}

void waiter_hurry(struct node *node, struct node_call *call, uint64_t by_ms)
{
    if (call->deadline_ms <= by_ms) {
        return;
    }
    call->deadline_ms = by_ms;
    heap_remove(&node->deadlines, &call->deadline);
    heap_push(&node->deadlines, &call->deadline, by_ms);
}

void waiter_finish(struct node *node, struct node_call *call, enum err err, const char *text)
{
#ifndef LETHE_MUTANT_fail_goes_on
    if (node->is_failed && err == OK) { /* it noticed while it was about to answer */
        err = ERR_OUTCOME_UNKNOWN;
        text = "this node is about to stop";
    }
#endif
    heap_remove(&node->deadlines, &call->deadline);
    list_remove(&call->link);
    if (call->stage == WAITER_FORWARDED) {
        forward_forget(node, call);
    }
    node->leaderless_count -= call->stage == WAITER_LEADERLESS;
    node->open_calls--;
    if (call->command != NULL) {
        node->open_bytes -= call->command->len;
        blob_unref(call->command);
        call->command = NULL;
    }
    admit_note(node, call);
    admit_let_go(node, call);
    const struct group *group = &node->groups[call->slot];
    call->err = err;
    if (call->answer == NULL ||
        call->kind != NODE_CALL_READ) { /* else it says whose store was read */
        call->served_by = node->options.id;
        call->applied_index = group->applied;
    }
    call->leader = atomic_load(&group->holds) ? group->leader : table_route(group);
    if (err == OK && call->kind == NODE_CALL_TRANSFER && call->to != 0) {
        call->leader = call->to; /* of another node's slot this one may not have heard it yet */
    }
    if (err != OK) {
        free(call->admin);
        call->admin = NULL;
        blob_unref(call->answer);
        call->answer = NULL;
        (void)why_set(&call->why, err, "%s", text == NULL ? err_sentence(err) : text);
    }
    if (err == ERR_OUTCOME_UNKNOWN && call->kind != NODE_CALL_TELL &&
        call->kind != NODE_CALL_GONE) {
        STAT_ADD(node, outcome_unknown_total, 1);
    } else if (err != OK && call->kind == NODE_CALL_COMMAND) {
        STAT_ADD(node, proposals_refused_total, 1);
    }
    call->on_done(call, call->arg);
}

void waiter_add(struct list *list, struct node_call *call)
{
    struct list *before = list->previous;
    while (before != list && WAITER_OF(before)->index > call->index) {
        before = before->previous;
    }
    list_append(before->next, &call->link);
}

/* What can be said when a call ends before its answer is known. */
static void waiter_end(struct node *node, struct node_call *call, bool by_deadline)
{
    const char *late = "the deadline passed";
    if (call->stage == WAITER_FORWARDED && call->kind == NODE_CALL_READ) {
        waiter_finish(node, call,
                      !by_deadline           ? ERR_DRAINING
                      : call->min_index != 0 ? ERR_TOO_STALE
                                             : ERR_NO_LEADER,
                      by_deadline ? "the member that was asked did not answer before the deadline"
                                  : NULL);
        return;
    }
    switch ((enum waiter_stage)call->stage) {
    case WAITER_PROPOSED:
    case WAITER_FORWARDED:
#ifdef LETHE_MUTANT_late_is_refused
        waiter_finish(node, call, ERR_NO_LEADER, NULL);
        return;
#endif
        waiter_finish(node, call, ERR_OUTCOME_UNKNOWN,
                      by_deadline ? "the deadline passed after the command was proposed"
                                  : "the node stopped after the command was proposed");
        return;
    case WAITER_NEW:
    case WAITER_LEADERLESS:
    case WAITER_ASKED:
    case WAITER_TRANSFER:
        waiter_finish(node, call, by_deadline ? ERR_NO_LEADER : ERR_DRAINING,
                      by_deadline ? "no leader answered before the deadline" : NULL);
        return;
    case WAITER_ADMIN:
        waiter_finish(node, call, by_deadline ? ERR_TIMEOUT : ERR_DRAINING,
                      by_deadline ? late : NULL);
        return;
    case WAITER_APPLYING:
        waiter_finish(node, call, by_deadline ? ERR_TOO_STALE : ERR_DRAINING,
                      by_deadline ? late : NULL);
        return;
    }
}

void waiter_expire(struct node *node)
{
    for (;;) {
        struct heap_node *soonest = heap_peek(&node->deadlines);
        if (soonest == NULL || soonest->key > node->now_ms) {
            return;
        }
        waiter_end(node, CONTAINER_OF(soonest, struct node_call, deadline), true);
    }
}

void waiter_end_list(struct node *node, struct list *list)
{
    for (struct list *item = list_first(list); item != NULL; item = list_first(list)) {
        waiter_end(node, WAITER_OF(item), false);
    }
}
