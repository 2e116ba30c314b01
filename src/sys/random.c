/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/random.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The most that getentropy gives at once. */
enum { ENTROPY_MAX = 256 };

void random_fill(void *ret, size_t len)
{
    uint8_t *at = ret;
    while (len > 0) {
        size_t part = len < ENTROPY_MAX ? len : ENTROPY_MAX;
        /* Going on without would make salts and identities that repeat. */
        if (getentropy(at, part) != 0)
            abort();
        at += part;
        len -= part;
    }
}

uint64_t random_u64(void)
{
    uint64_t ret;
    random_fill(&ret, sizeof(ret));
    return ret;
}

enum { POOL_BYTES = 4096 };
static _Thread_local struct {
    uint8_t bytes[POOL_BYTES];
    size_t left;
} pool;

void random_salt(void *ret, size_t len)
{
    if (len > POOL_BYTES / 4) {
        random_fill(ret, len);
        return;
    }
    if (pool.left < len) {
        random_fill(pool.bytes, sizeof(pool.bytes));
        pool.left = sizeof(pool.bytes);
    }
    uint8_t *from = pool.bytes + sizeof(pool.bytes) - pool.left;
    if (len > 0)
        memcpy(ret, from, len);
    /* A salt hides what was deleted: no copy of it stays here. */
    memset(from, 0, len);
    pool.left -= len;
}
