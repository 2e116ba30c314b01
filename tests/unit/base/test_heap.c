/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/check.h"
#include "base/heap.h"
#include "base/rng.h"

enum { NODES = 400 };

/* The model: looks at all nodes that are in. */
static struct heap_node *soonest(struct heap_node *nodes)
{
    struct heap_node *best = NULL;
    for (int i = 0; i < NODES; i++) {
        struct heap_node *node = &nodes[i];
        if (node->place == 0)
            continue;
        if (best == NULL || node->key < best->key ||
            (node->key == best->key && node->order < best->order))
            best = node;
    }
    return best;
}

START_TEST(always_gives_the_soonest)
{
    static struct heap_node nodes[NODES];
    struct rng rng = rng_of(5);
    struct heap heap;
    heap_init(&heap);
    size_t count = 0;
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[rng_below(&rng, NODES)];
        uint64_t what = rng_below(&rng, 10);
        if (node->place == 0 && what < 6) {
            heap_push(&heap, node, rng_below(&rng, 50)); /* few keys: many are equal */
            count++;
        } else if (what < 8) {
            count -= node->place != 0;
            heap_remove(&heap, node);
            ck_assert_uint_eq(node->place, 0);
        } else {
            struct heap_node *expected = soonest(nodes);
            count -= expected != NULL;
            ck_assert_ptr_eq(heap_pop(&heap), expected);
        }
        ck_assert_uint_eq(heap.count, count);
        ck_assert_ptr_eq(heap_peek(&heap), soonest(nodes));
    }
    heap_done(&heap);
    for (int i = 0; i < NODES; i++)
        ck_assert_uint_eq(nodes[i].place, 0);
}
END_TEST

START_TEST(equal_ones_come_in_their_order)
{
    struct heap_node nodes[100] = {{0, 0, 0}};
    struct heap heap;
    heap_init(&heap);
    for (int i = 0; i < 100; i++)
        heap_push(&heap, &nodes[i], 7);
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_eq(heap_pop(&heap), &nodes[i]);
    ck_assert_ptr_null(heap_pop(&heap));
    ck_assert_ptr_null(heap_peek(&heap));
    heap_done(&heap);
}
END_TEST

START_TEST(sorts_the_whole_range_of_keys)
{
    enum { MANY = 5000 };
    static struct heap_node nodes[MANY];
    struct rng rng = rng_of(8);
    struct heap heap;
    heap_init(&heap);
    for (int i = 0; i < MANY; i++)
        heap_push(&heap, &nodes[i], i == 0 ? UINT64_MAX : rng_next(&rng));
    uint64_t before = 0;
    for (int i = 0; i < MANY; i++) {
        const struct heap_node *node = heap_pop(&heap);
        ck_assert_uint_ge(node->key, before);
        before = node->key;
    }
    ck_assert_uint_eq(before, UINT64_MAX);
    heap_done(&heap);
}
END_TEST

static void push_twice(void)
{
    struct heap_node node = {0, 0, 0};
    struct heap heap;
    heap_init(&heap);
    heap_push(&heap, &node, 1);
    heap_push(&heap, &node, 2);
}

START_TEST(a_node_is_in_it_once)
{
    ck_assert_int_eq(dies(push_twice), 1);
}
END_TEST

Suite *suite_heap(void)
{
    return UNIT_SUITE("heap", 60, always_gives_the_soonest, equal_ones_come_in_their_order,
                      sorts_the_whole_range_of_keys, a_node_is_in_it_once);
}
