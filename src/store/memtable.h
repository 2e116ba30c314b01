/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted table of versioned rows in memory: a skip list of keys, each with its versions, newest
 * first. A reader at sequence number s sees of each key the newest version at or below s.
 * Deterministic: heights come from a generator of its own. Not thread-safe: the disk locks. */
#ifndef STORE_MEMTABLE_H
#define STORE_MEMTABLE_H

#include "base/bytes.h"
#include "base/rng.h"

enum { MEMTABLE_HEIGHT_MAX = 14 };

struct version {
    struct version *older; /* owned */
    uint64_t seq;
    uint32_t len;
    bool is_delete;
    uint8_t data[];
};

struct memtable_node {
    struct version *newest; /* owned; never NULL while the node is in a table */
    struct memtable_node *previous;
    uint8_t *key; /* behind next, in the same allocation */
    uint32_t key_len, height;
    struct memtable_node *next[];
};

struct memtable {
    struct memtable_node *head[MEMTABLE_HEIGHT_MAX]; /* first node of each level */
    struct memtable_node *last;
    uint64_t nodes, bytes; /* of keys and values, all versions */
    uint32_t height;
    struct rng rng;
};

void memtable_init(struct memtable *table, uint64_t seed);
void memtable_done(struct memtable *table);

static inline struct bytes memtable_key(const struct memtable_node *node)
{
    return bytes_of(node->key, node->key_len);
}

/* First node at or after key, last node at or before it; NULL when there is none. */
struct memtable_node *memtable_find(const struct memtable *table, struct bytes key);
struct memtable_node *memtable_find_before(const struct memtable *table, struct bytes key);
/* What a reader at seq sees; NULL when nothing. */
const struct version *memtable_visible(const struct memtable_node *node, uint64_t seq);
/* Adds a version newer than all there are of the key; returns its node. */
struct memtable_node *memtable_put(struct memtable *table, struct bytes key, uint64_t seq,
                                   struct bytes value, bool is_delete);
/* Takes the newest version away, and the node when it was the only one. */
void memtable_undo(struct memtable *table, struct memtable_node *node);
/* Forgets what no reader at seq or later sees, the node too when nothing is left to see. */
void memtable_prune(struct memtable *table, struct memtable_node *node, uint64_t seq);

#endif
