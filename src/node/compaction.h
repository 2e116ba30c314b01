/* SPDX-License-Identifier: Apache-2.0 */
/* compaction.c: the job that writes this node's tables anew. Private to the room, part of parts.h.
 * Thread: loop. */
#ifndef NODE_COMPACTION_H
#define NODE_COMPACTION_H

struct node;
struct compaction;

void compaction_turn(struct node *node); /* begins what was asked for */
void compaction_free(struct node *node);

#endif
