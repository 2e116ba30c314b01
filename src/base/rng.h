/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded, repeatable pseudo-random numbers (splitmix64; Steele, Lea, Flood 2014). Not for
 * secrets: those come from sys/random.h. Not thread-safe. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline struct rng rng_of(uint64_t seed)
{
    return (struct rng){seed};
}

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Uniform in [0, limit); 0 when limit is 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    return limit == 0 ? 0 : (uint64_t)(((unsigned __int128)rng_next(rng) * limit) >> 64);
}

/* Uniform in [low, high], both ends included. */
static inline uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high)
{
    uint64_t width = high - low + 1;
    return width == 0 ? rng_next(rng) : low + rng_below(rng, width);
}

#endif
