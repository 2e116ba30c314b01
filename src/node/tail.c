/* SPDX-License-Identifier: Apache-2.0 */
/* The tail cache of a group: its newest entries, so that neither peers nor apply read them back
 * from RocksDB. A ring whose place is the index itself. Entries that are not durable yet are in it
 * and nowhere else that could be read; who evicts says up to where. */
#include "node/parts.h"

enum { TAIL_FIRST_CAPACITY = 16 };

static struct tail_entry *tail_at(const struct tail *tail, raft_index index)
{
    return &tail->ring[index & (tail->capacity - 1)];
}

uint64_t tail_entry_bytes(const struct tail_entry *entry)
{
    return sizeof(*entry) +
           (entry->payload == NULL ? 0 : sizeof(struct blob) + entry->payload->len);
}

void tail_done(struct tail *tail)
{
    tail_truncate(tail, tail->first);
    free(tail->ring);
    *tail = (struct tail){0};
}

static void tail_grow(struct tail *tail)
{
    uint32_t capacity = tail->capacity == 0 ? TAIL_FIRST_CAPACITY : tail->capacity * 2;
    struct tail_entry *ring = alloc_array(capacity, sizeof(*ring));
    for (raft_index i = tail->first; i < tail->next; i++) {
        ring[i & (capacity - 1)] = *tail_at(tail, i);
    }
    free(tail->ring);
    tail->ring = ring;
    tail->capacity = capacity;
}

void tail_append(struct tail *tail, raft_index index, raft_term term, uint8_t kind,
                 struct blob *payload)
{
    if (tail->first == tail->next) {
        tail->first = tail->next = index;
    }
    assert(index == tail->next);
    if (tail->next - tail->first == tail->capacity) {
        tail_grow(tail);
    }
    struct tail_entry *entry = tail_at(tail, index);
    *entry = (struct tail_entry){term, payload == NULL ? NULL : blob_ref(payload), kind};
    tail->bytes += tail_entry_bytes(entry);
    tail->next++;
}

const struct tail_entry *tail_find(const struct tail *tail, raft_index index)
{
    return index >= tail->first && index < tail->next ? tail_at(tail, index) : NULL;
}

static void tail_drop(struct tail *tail, raft_index index)
{
    struct tail_entry *entry = tail_at(tail, index);
    tail->bytes -= tail_entry_bytes(entry);
    blob_unref(entry->payload);
    *entry = (struct tail_entry){0};
}

void tail_truncate(struct tail *tail, raft_index from)
{
    while (tail->next > tail->first && tail->next > from) {
        tail_drop(tail, --tail->next);
    }
}

void tail_evict(struct tail *tail, raft_index through)
{
    while (tail->first < tail->next && tail->first <= through) {
        tail_drop(tail, tail->first++);
    }
}
