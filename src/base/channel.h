/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a channel (type and id) and the slot it lives in. Thread: any. */
#ifndef BASE_CHANNEL_H
#define BASE_CHANNEL_H

#include "base/bytes.h"
#include "base/why.h"

enum { CHANNEL_ID_MAX_BYTES = 255, SLOTS_MAX = 4096 };

struct channel {
    uint8_t type;
    struct bytes id; /* borrowed; 1-255 bytes of UTF-8 without control characters */
};

/* crc32(id) % slot_count (IEEE CRC-32): the slot of both directions of everything in it. */
uint32_t channel_slot(struct channel channel, uint32_t slot_count);
/* ERR_BAD_CHANNEL with the reason, or OK. */
MUST_USE enum err channel_check(struct channel channel, struct why *why);
static inline bool channel_is_equal(struct channel a, struct channel b)
{
    return a.type == b.type && bytes_is_equal(a.id, b.id);
}

/* message_id: slot (12 bits), log index (40), position in the entry (11): unique, no clock. */
enum { MESSAGE_ID_POSITION_BITS = 11, MESSAGE_ID_INDEX_BITS = 40, ENTRY_MESSAGES_MAX = 2048 };
static inline uint64_t message_id_of(uint32_t slot, uint64_t log_index, uint32_t position)
{
    return ((uint64_t)slot << (MESSAGE_ID_POSITION_BITS + MESSAGE_ID_INDEX_BITS)) |
           (log_index << MESSAGE_ID_POSITION_BITS) | position;
}
static inline uint64_t message_id_log_index(uint64_t message_id)
{
    return (message_id >> MESSAGE_ID_POSITION_BITS) & (((uint64_t)1 << MESSAGE_ID_INDEX_BITS) - 1);
}
static inline uint32_t message_id_slot(uint64_t message_id)
{
    return (uint32_t)(message_id >> (MESSAGE_ID_POSITION_BITS + MESSAGE_ID_INDEX_BITS));
}

#endif
