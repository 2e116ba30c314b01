/* SPDX-License-Identifier: Apache-2.0 */
/* Binary heap of deadlines, soonest first; equal ones in the order they came. The node is inside
 * the caller's struct. Not thread-safe. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key, order; /* owned by the heap while the node is in it */
    size_t place;        /* 1-based; 0: in no heap */
};

struct heap {
    struct heap_node **nodes; /* owned array of borrowed nodes */
    size_t count, capacity;
    uint64_t next_order;
};

void heap_init(struct heap *heap);
void heap_done(struct heap *heap); /* frees the array, not the nodes */
void heap_push(struct heap *heap, struct heap_node *node, uint64_t key);
struct heap_node *heap_peek(const struct heap *heap);        /* NULL when empty */
struct heap_node *heap_pop(struct heap *heap);               /* NULL when empty */
void heap_remove(struct heap *heap, struct heap_node *node); /* fine when it is in none */

#endif
