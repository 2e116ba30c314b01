/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once: one arena per HTTP request, one per turn of the loop.
 * Not thread-safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks; /* owned, newest first */
    size_t used;                /* bytes handed out */
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena);
void arena_clear(struct arena *arena);               /* keeps the newest chunk */
void *arena_alloc(struct arena *arena, size_t size); /* aligned to 16; not zeroed */
void *arena_zero(struct arena *arena, size_t size);
struct bytes arena_copy(struct arena *arena, struct bytes bytes);
char *arena_string(struct arena *arena, struct bytes bytes); /* copy with a NUL */

#endif
