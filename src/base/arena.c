/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/check.h"

struct arena_chunk {
    struct arena_chunk *next; /* the one made before */
    size_t used, capacity;
    _Alignas(16) uint8_t data[];
};

enum { ARENA_ALIGN = 16, ARENA_CHUNK_MIN = 4096, ARENA_CHUNK_MAX = 256 * 1024 };

void arena_init(struct arena *arena)
{
    *arena = (struct arena){NULL, 0};
}

static void free_from(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_done(struct arena *arena)
{
    free_from(arena->chunks);
    arena_init(arena);
}

void arena_clear(struct arena *arena)
{
    struct arena_chunk *newest = arena->chunks;
    arena->used = 0;
    if (newest == NULL)
        return;
    free_from(newest->next);
    newest->next = NULL;
    newest->used = 0;
    /* One huge request must not pin its memory for the life of the thread. */
    if (newest->capacity > ARENA_CHUNK_MAX) {
        free(newest);
        arena->chunks = NULL;
    }
}

/* Each chunk is twice the one before, up to a limit, so that few are needed. */
static void add_chunk(struct arena *arena, size_t size)
{
    size_t capacity = ARENA_CHUNK_MIN;
    if (arena->chunks != NULL && arena->chunks->capacity < ARENA_CHUNK_MAX)
        capacity = arena->chunks->capacity * 2;
    else if (arena->chunks != NULL)
        capacity = ARENA_CHUNK_MAX;
    if (capacity < size)
        capacity = size;
    struct arena_chunk *chunk = alloc(sizeof(*chunk) + capacity);
    chunk->next = arena->chunks;
    chunk->used = 0;
    chunk->capacity = capacity;
    arena->chunks = chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    assert(size < (size_t)1 << 48);
    size_t need = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (need == 0)
        need = ARENA_ALIGN;
    if (arena->chunks == NULL || arena->chunks->capacity - arena->chunks->used < need)
        add_chunk(arena, need);
    void *ret = arena->chunks->data + arena->chunks->used;
    arena->chunks->used += need;
    arena->used += need;
    return ret;
}

void *arena_zero(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

struct bytes arena_copy(struct arena *arena, struct bytes bytes)
{
    uint8_t *ret = arena_alloc(arena, bytes.len);
    if (bytes.len > 0)
        memcpy(ret, bytes.data, bytes.len);
    return bytes_of(ret, bytes.len);
}

char *arena_string(struct arena *arena, struct bytes bytes)
{
    char *ret = arena_alloc(arena, bytes.len + 1);
    if (bytes.len > 0)
        memcpy(ret, bytes.data, bytes.len);
    ret[bytes.len] = '\0';
    return ret;
}
