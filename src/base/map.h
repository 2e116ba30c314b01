/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from bytes or from a uint64 to a pointer. Keys are copied, values are the caller's.
 * Not thread-safe. Iteration order is that of insertion and removal alone (no address in it), so
 * that a simulation repeats. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/bytes.h"

struct map;

struct map *map_new(void);
/* Frees the map; free_value (may be NULL) is called for each value. map may be NULL. */
void map_free(struct map *map, void (*free_value)(void *value));
size_t map_count(const struct map *map);
void *map_find(const struct map *map, struct bytes key); /* NULL when absent */
/* Puts value (not NULL) under key; returns the value that was there, or NULL. */
void *map_put(struct map *map, struct bytes key, void *value);
void *map_remove(struct map *map, struct bytes key); /* what was there, or NULL */
void *map_find_u64(const struct map *map, uint64_t key);
void *map_put_u64(struct map *map, uint64_t key, void *value);
void *map_remove_u64(struct map *map, uint64_t key);
/* Walks: start with *at = 0; false at the end. Removing the entry just returned is allowed. */
bool map_next(const struct map *map, size_t *at, struct bytes *ret_key, void **ret_value);

#endif
