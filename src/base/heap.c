/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/alloc.h"
#include "base/check.h"

/* Places count from 1, so that the parent of place p is p / 2; place p is nodes[p - 1]. */

void heap_init(struct heap *heap)
{
    *heap = (struct heap){NULL, 0, 0, 0};
}

void heap_done(struct heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->nodes[i]->place = 0;
    free(heap->nodes);
    heap_init(heap);
}

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void set_place(struct heap *heap, struct heap_node *node, size_t place)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void sift_up(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    while (place > 1 && is_before(node, heap->nodes[place / 2 - 1])) {
        set_place(heap, heap->nodes[place / 2 - 1], place);
        place /= 2;
    }
    set_place(heap, node, place);
}

static void sift_down(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;
    while (place * 2 <= heap->count) {
        size_t child = place * 2;
        if (child < heap->count && is_before(heap->nodes[child], heap->nodes[child - 1]))
            child++;
        if (!is_before(heap->nodes[child - 1], node))
            break;
        set_place(heap, heap->nodes[child - 1], place);
        place = child;
    }
    set_place(heap, node, place);
}

void heap_push(struct heap *heap, struct heap_node *node, uint64_t key)
{
    assert(node->place == 0);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
        heap->nodes = alloc_resize(heap->nodes, heap->capacity, sizeof(struct heap_node *));
    }
    node->key = key;
    node->order = heap->next_order++;
    heap->count++;
    set_place(heap, node, heap->count);
    sift_up(heap, node);
}

struct heap_node *heap_peek(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

struct heap_node *heap_pop(struct heap *heap)
{
    struct heap_node *ret = heap_peek(heap);
    if (ret != NULL)
        heap_remove(heap, ret);
    return ret;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0)
        return;
    size_t place = node->place;
    assert(place <= heap->count && heap->nodes[place - 1] == node);
    struct heap_node *last = heap->nodes[heap->count - 1];
    heap->count--;
    node->place = 0;
    if (last == node)
        return;
    set_place(heap, last, place);
    sift_up(heap, last);
    sift_down(heap, last);
}
