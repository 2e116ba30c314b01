/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of this node's store: jobs that make and verify them in a background lane of their own,
 * what expires. What others call: node.h. What a backup is: store/backup.h. Private to the room,
 * part of parts.h. Thread: loop, but for what a comment says. */
#ifndef NODE_BACKUP_H
#define NODE_BACKUP_H

#include "node/node.h"

struct backups;

struct backups *backups_new(const struct node_options *options);
void backups_free(struct backups *backups);
void backups_run(struct node *node);    /* each turn: does a job wait? */
void backups_second(struct node *node); /* has one expired? */
void backups_end(struct node *node);    /* the node stops: what is read is given up */

#endif
