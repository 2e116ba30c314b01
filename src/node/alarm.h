/* SPDX-License-Identifier: Apache-2.0 */
/* Arming and ending alarms (node.h has what is told of them). Private to the room.
 * Thread: any, but for what a comment says. */
#ifndef NODE_ALARM_H
#define NODE_ALARM_H

#include "base/check.h"
#include "node/node.h"
#include "sys/thread.h"

struct alarms {
    struct mutex lock;
    struct node_alarm list[NODE_ALARM_KINDS]; /* under lock; count 0: not armed */
    bool has_changed;                         /* likewise: what is kept is not written yet */
};

void alarm_init(struct node *node);
void alarm_done(struct node *node);
/* Seen once more: counts, and replaces the detail. */
void alarm_raise(struct node *node, enum node_alarm_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
void alarm_end(struct node *node, enum node_alarm_kind kind); /* of those that end by themselves */
/* Keeps what changed. Thread: disk, or the loop's when it is about to end */
void alarm_save(struct node *node);

#endif
