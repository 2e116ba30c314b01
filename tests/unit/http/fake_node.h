/* SPDX-License-Identifier: Apache-2.0 */
/* A node for tests of src/http: the functions of node/node.h over arrays in memory, with one thread
 * that answers calls as the loop does. One slot count, one member, no disk, no Raft. It can be told
 * to fail, to hold its answers back, and to forget. */
#ifndef TESTS_HTTP_FAKE_NODE_H
#define TESTS_HTTP_FAKE_NODE_H

#include "node/node.h"

enum { FAKE_SLOTS = 16 };

struct node *fake_node_new(void);
void fake_node_free(struct node *node);
/* All calls of this kind end with err from now on (OK: back to normal). leader: what they say. */
void fake_node_fail(struct node *node, enum node_call_kind kind, enum err err, node_id leader);
/* node_call_start itself refuses. */
void fake_node_refuse(struct node *node, enum err err);
uint64_t fake_node_refused_early(struct node *node); /* sends refused before their body was read */
/* Answers wait that long. */
void fake_node_delay(struct node *node, uint32_t delay_ms);
/* A second replica, that has applied so far; 0: there is none. */
void fake_node_set_follower(struct node *node, raft_index applied_index);
/* Who leads every slot (1: this node). */
void fake_node_set_slot_leader(struct node *node, node_id leader);
/* This node's store may not be read: node `id` reads for it (0: it may). */
void fake_node_read_elsewhere(struct node *node, node_id id);
void fake_node_set_serving(struct node *node, bool serving);
uint64_t fake_node_commands(struct node *node);

#endif
