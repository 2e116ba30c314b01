/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed 128-bit hashes (XXH3, seeded) and the multiset sum over them that replicas compare: the
 * order of adding does not matter, and what was added can be taken away. Not cryptographic: it
 * finds bugs and bit rot, not attackers. Thread: any. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/bytes.h"

struct hash128 {
    uint64_t low, high;
};

/* Keyed by `key`, a constant of the format. */
struct hash128 hash128_of(struct bytes bytes, uint64_t key);
uint64_t hash64_of(struct bytes bytes, uint64_t key);
static inline struct hash128 hash128_add(struct hash128 a, struct hash128 b)
{
    unsigned __int128 sum =
        (((unsigned __int128)a.high << 64) | a.low) + (((unsigned __int128)b.high << 64) | b.low);
    return (struct hash128){(uint64_t)sum, (uint64_t)(sum >> 64)};
}
static inline struct hash128 hash128_sub(struct hash128 a, struct hash128 b)
{
    unsigned __int128 difference =
        (((unsigned __int128)a.high << 64) | a.low) - (((unsigned __int128)b.high << 64) | b.low);
    return (struct hash128){(uint64_t)difference, (uint64_t)(difference >> 64)};
}
static inline bool hash128_is_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}
#define HASH128_HEX_SIZE 33
/* 32 lower-case hex digits, high half first, and a NUL. */
void hash128_hex(struct hash128 hash, char ret_text[HASH128_HEX_SIZE]);

#endif
