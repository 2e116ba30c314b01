/* SPDX-License-Identifier: Apache-2.0 */
/* How many commands of its clients a node has under way. Private to node. */
#ifndef NODE_ADMIT_H
#define NODE_ADMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct node;
struct node_call;

struct admit {
    atomic_uint_fast64_t under_way, window; /* Thread: any adds; the loop sets the window */
    uint64_t answered, late;                /* since the last tick: loop */
};

void admit_init(struct node *node);
/* False: it is one too many. Else it counts until admit_let_go. Thread: any, both */
bool admit_call(struct node *node, struct node_call *call);
bool admit_is_full(const struct node *node); /* Thread: any */
void admit_let_go(struct node *node, struct node_call *call);
/* It is answered: was it late? Thread: loop, as the next */
void admit_note(struct node *node, const struct node_call *call);
void admit_tick(struct node *node);

#endif
