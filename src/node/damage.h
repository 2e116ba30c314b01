/* SPDX-License-Identifier: Apache-2.0 */
/* damage.c: rows of this replica that fail their checksum (reliability.md 4.2). Private to the room, part of
 * parts.h. Thread: loop, but for what a comment says. */
#ifndef NODE_DAMAGE_H
#define NODE_DAMAGE_H

#include "node/group.h"

/* A row of slot could not be read: raises the alarm, and the loop sees to it. Thread: any */
void damage_seen(struct node *node, slot_id slot);
/* Each turn: what was seen since. */
void damage_look(struct node *node);
/* Each second: what could not be seen to yet. */
void damage_second(struct node *node);
/* An entry could not be applied, as a row that it needs is damaged; text names it. The slot stays where it is
 * until an install has replaced all of its rows. */
void damage_stops_apply(struct group *group, const char *text);

#endif
