/* SPDX-License-Identifier: Apache-2.0 */
/* Entries lie in one array in the order they came; a table of their numbers, open addressing with
 * linear probes, finds them by hash. A removed entry leaves a hole in the array and a mark in the
 * table; both go when the map is rebuilt, which only a put does, so that a walk may remove.
 * Keys of up to 16 bytes lie inside their entry. */
#include "base/map.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"

enum { KEY_INSIDE = 16, TABLE_MIN = 16 };
static const uint32_t TABLE_EMPTY = 0, TABLE_REMOVED = UINT32_MAX;
static const uint64_t MAP_HASH_KEY = 0x6c657468656d6170ull;

struct entry {
    union {
        uint8_t inside[KEY_INSIDE];
        uint8_t *outside; /* owned, when key_len > KEY_INSIDE */
    } key;
    uint32_t key_len;
    uint32_t hash;
    void *value; /* the caller's; NULL: a hole */
};

struct map {
    struct entry *entries; /* owned */
    size_t len, capacity;  /* with the holes; capacity is 3/4 of the table */
    size_t first;          /* no entry before this one: makes walks from the start cheap */
    size_t count;          /* without the holes */
    uint32_t *table;       /* owned: TABLE_EMPTY, TABLE_REMOVED or number of the entry + 1 */
    size_t mask;           /* size of the table - 1; the size is a power of two */
};

struct map *map_new(void)
{
    return alloc_zero(sizeof(struct map));
}

static struct bytes entry_key(const struct entry *entry)
{
    bool is_inside = entry->key_len <= KEY_INSIDE;
    return bytes_of(is_inside ? entry->key.inside : entry->key.outside, entry->key_len);
}

static void entry_done(struct entry *entry)
{
    if (entry->key_len > KEY_INSIDE)
        free(entry->key.outside);
    *entry = (struct entry){.value = NULL};
}

void map_free(struct map *map, void (*free_value)(void *value))
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->len; i++) {
        void *value = map->entries[i].value;
        entry_done(&map->entries[i]);
        if (value != NULL && free_value != NULL)
            free_value(value);
    }
    free(map->entries);
    free(map->table);
    free(map);
}

size_t map_count(const struct map *map)
{
    return map->count;
}

static uint32_t hash_of(struct bytes key)
{
    return (uint32_t)hash64_of(key, MAP_HASH_KEY);
}

/* The place in the table of this key's entry; NULL when there is none. */
static uint32_t *find_place(const struct map *map, struct bytes key, uint32_t hash)
{
    if (map->count == 0)
        return NULL;
    for (size_t at = hash & map->mask; map->table[at] != TABLE_EMPTY; at = (at + 1) & map->mask) {
        if (map->table[at] == TABLE_REMOVED)
            continue;
        const struct entry *entry = &map->entries[map->table[at] - 1];
        if (entry->hash == hash && bytes_is_equal(entry_key(entry), key))
            return &map->table[at];
    }
    return NULL;
}

static void table_add(struct map *map, uint32_t hash, size_t number)
{
    size_t at = hash & map->mask;
    while (map->table[at] != TABLE_EMPTY)
        at = (at + 1) & map->mask;
    map->table[at] = (uint32_t)number + 1;
}

/* Closes the holes and makes the table large enough that the map is at most half full after. */
static void rebuild(struct map *map)
{
    size_t size = TABLE_MIN;
    while (size / 8 * 3 < map->count + 1)
        size *= 2;
    assert(size <= (size_t)1 << 31);
    size_t kept = 0;
    for (size_t i = 0; i < map->len; i++) {
        if (map->entries[i].value != NULL)
            map->entries[kept++] = map->entries[i];
    }
    map->len = kept;
    map->first = 0;
    map->capacity = size / 4 * 3;
    map->entries = alloc_resize(map->entries, map->capacity, sizeof(struct entry));
    free(map->table);
    map->table = alloc_array(size, sizeof(uint32_t));
    map->mask = size - 1;
    for (size_t i = 0; i < map->len; i++)
        table_add(map, map->entries[i].hash, i);
}

void *map_find(const struct map *map, struct bytes key)
{
    const uint32_t *place = find_place(map, key, hash_of(key));
    return place == NULL ? NULL : map->entries[*place - 1].value;
}

void *map_put(struct map *map, struct bytes key, void *value)
{
    assert(value != NULL);
    assert(key.len < UINT32_MAX);
    uint32_t hash = hash_of(key);
    const uint32_t *place = find_place(map, key, hash);
    if (place != NULL) {
        void *before = map->entries[*place - 1].value;
        map->entries[*place - 1].value = value;
        return before;
    }
    if (map->len == map->capacity)
        rebuild(map);
    struct entry *entry = &map->entries[map->len];
    *entry = (struct entry){.key_len = (uint32_t)key.len, .hash = hash, .value = value};
    if (key.len > KEY_INSIDE)
        entry->key.outside = alloc_copy(key.data, key.len);
    else if (key.len > 0)
        memcpy(entry->key.inside, key.data, key.len);
    table_add(map, hash, map->len);
    map->len++;
    map->count++;
    return NULL;
}

void *map_remove(struct map *map, struct bytes key)
{
    uint32_t *place = find_place(map, key, hash_of(key));
    if (place == NULL)
        return NULL;
    struct entry *entry = &map->entries[*place - 1];
    void *ret = entry->value;
    entry_done(entry);
    *place = TABLE_REMOVED;
    map->count--;
    while (map->first < map->len && map->entries[map->first].value == NULL)
        map->first++;
    return ret;
}

static struct bytes key_of_u64(const uint64_t *key)
{
    return bytes_of(key, sizeof(*key));
}

void *map_find_u64(const struct map *map, uint64_t key)
{
    return map_find(map, key_of_u64(&key));
}

void *map_put_u64(struct map *map, uint64_t key, void *value)
{
    return map_put(map, key_of_u64(&key), value);
}

void *map_remove_u64(struct map *map, uint64_t key)
{
    return map_remove(map, key_of_u64(&key));
}

bool map_next(const struct map *map, size_t *at, struct bytes *ret_key, void **ret_value)
{
    if (*at < map->first)
        *at = map->first;
    while (*at < map->len && map->entries[*at].value == NULL)
        (*at)++;
    if (*at >= map->len)
        return false;
    const struct entry *entry = &map->entries[*at];
    (*at)++;
    if (ret_key != NULL)
        *ret_key = entry_key(entry);
    if (ret_value != NULL)
        *ret_value = entry->value;
    return true;
}
