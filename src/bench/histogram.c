/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/histogram.h"

#include <string.h>

/* Slot of a value: below 2^11 the value itself; above, 2^10 slots for each doubling. */
static uint32_t slot_of(uint64_t value)
{
    if (value < 2 * HISTOGRAM_HALF)
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - (HISTOGRAM_BITS - 1);
    if (shift >= HISTOGRAM_SHIFTS)
        return HISTOGRAM_SLOTS - 1;
    return shift * HISTOGRAM_HALF + (uint32_t)(value >> shift);
}

/* The largest value of a slot. */
static uint64_t highest_of(uint32_t slot)
{
    if (slot < 2 * HISTOGRAM_HALF)
        return slot;
    uint32_t shift = slot / HISTOGRAM_HALF - 1;
    uint64_t low = (uint64_t)(slot % HISTOGRAM_HALF + HISTOGRAM_HALF) << shift;
    return low + ((uint64_t)1 << shift) - 1;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    if (histogram->count == 0 || value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->count++;
    histogram->sum += value;
    histogram->slots[slot_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (uint32_t i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slots[i] += from->slots[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    if (histogram->count == 0)
        return 0;
    /* 99.9 % of 1000 is 999, whatever the last bit of the product says. */
    double exact = percent / 100 * (double)histogram->count - 1e-6;
    uint64_t wanted = exact > 0 ? (uint64_t)exact : 0;
    if ((double)wanted < exact || wanted == 0)
        wanted++;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (seen >= wanted)
            return highest_of(i) < histogram->max ? highest_of(i) : histogram->max;
    }
    return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : (double)histogram->sum / (double)histogram->count;
}
