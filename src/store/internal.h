/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share and nobody else sees. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <stdatomic.h>

#include "store/engine.h"
#include "store/layout.h"
#include "store/record.h"
#include "sys/thread.h"

/* What an operator does about a store that lost what it had promised. */
#define STORE_RESYNC                                                                               \
    "remove this member, empty its data folder and add it anew, so that the cluster re-syncs it "  \
    "(a cluster of one: put a backup back)"

enum {
    POINT_DELETES_MAX = 100, /* from here on a range tombstone instead of point deletes */
    TOMBSTONES_MAX = 1000    /* range tombstones of a family's memtable before it is flushed */
};

struct store {
    struct engine *engine;   /* owned */
    struct promise *promise; /* owned */
    struct store_identity identity;
    bool read_only;
    char *dir; /* owned; NULL for a store in memory */

    struct mutex pages_lock;     /* held over the write of a batch with slot pages: their order */
    struct row_applied *applied; /* owned; the slots' pages, guarded by pages_lock */

    atomic_uint_fast64_t writes, synced_writes, written_bytes;
    atomic_uint_fast32_t tombstones[STORE_FAMILIES]; /* ranges since its last flush */
    atomic_bool is_compacting_over;                  /* store_stop_compacting was called */
    atomic_bool flush_failed;                        /* one that was asked for in passing */
    atomic_int open_iters, open_snapshots;
};

struct store_batch {
    struct store *store;       /* borrowed */
    struct engine_batch *rows; /* owned */
    struct buf value;          /* the row being encoded */
    size_t bytes;
    uint32_t count;
    uint32_t tombstones[STORE_FAMILIES];
    /* What the slots' pages will say: by slot, and which of them. Owned; NULL until needed. */
    struct row_applied *applied;
    bool *applied_is_set;
    uint32_t *applied_slots;
    uint32_t applied_count;
};

static inline uint32_t store_pages(uint32_t slot_count)
{
    return (slot_count + PAGE_SLOTS - 1) / PAGE_SLOTS;
}

static inline const struct engine_snapshot *
store_engine_snapshot(const struct store_snapshot *snapshot)
{
    return (const struct engine_snapshot *)(const void *)snapshot;
}

/* Puts batch->value, which record_x_encode made. */
void store_batch_put(struct store_batch *batch, enum store_family family,
                     const struct store_key *key);
void store_batch_remove(struct store_batch *batch, enum store_family family,
                        const struct store_key *key);
/* Keys in [start, end): a range tombstone. */
void store_batch_remove_range(struct store_batch *batch, enum store_family family,
                              const struct store_key *start, const struct store_key *end);
/* Position of the last entry, or the base: (0, 0) when there is neither. */
MUST_USE enum err store_log_last(struct store *store, uint32_t slot, uint64_t *ret_index,
                                 uint64_t *ret_term);

/* ---- promise.c -------------------------------------------------------------------------------- */
bool promise_is_there(const char *path, struct memdisk *disk);
/* A new file with nothing promised, over the old one when there is one. disk NULL: at path. */
MUST_USE enum err promise_create(const char *path, struct memdisk *disk,
                                 const struct store_identity *identity, struct why *why);
/* identity NULL: of any data folder. ERR_WRONG_IDENTITY: another's; ERR_LOG_TOO_SHORT: damaged. */
MUST_USE enum err promise_open(const char *path, struct memdisk *disk,
                               const struct store_identity *identity, struct promise **ret_promise,
                               struct why *why);
bool promise_is_empty(const struct promise *promise); /* nothing was ever promised */
void promise_close(struct promise *promise);          /* NULL is fine */
#endif
