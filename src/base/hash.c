/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

struct hash128 hash128_of(struct bytes bytes, uint64_t key)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data, bytes.len, key);
    return (struct hash128){hash.low64, hash.high64};
}

uint64_t hash64_of(struct bytes bytes, uint64_t key)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.len, key);
}

void hash128_hex(struct hash128 hash, char ret_text[HASH128_HEX_SIZE])
{
    snprintf(ret_text, HASH128_HEX_SIZE, "%016llx%016llx", (unsigned long long)hash.high,
             (unsigned long long)hash.low);
}
