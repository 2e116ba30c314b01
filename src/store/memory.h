/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a disk in memory, for memory.c (the engine on it), memdisk.c (what befalls it) and
 * promise.c (the file on it). */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "base/list.h"
#include "store/engine.h"
#include "store/memdisk.h"
#include "store/memtable.h"
#include "sys/thread.h"

/* A version that may have to be undone (while it is not synced) and that made older ones useless
 * (once nobody reads below it). */
struct change {
    struct memtable *table;
    struct memtable_node *node;
    uint64_t seq;
};

struct memfile {
    bool is_there;
    struct buf now, synced; /* content; what a power cut leaves */
};

/* A snapshot, or an iterator: versions at seq stay. */
struct memdisk_pin {
    struct list link;
    uint64_t seq;
};

struct memdisk {
    struct mutex lock; /* guards all below */
    struct memtable tables[STORE_FAMILIES];
    uint64_t seq, synced_seq; /* of the last row written, of the last one synced */
    /* Changes in the order of seq, from changes_start on: those at or below synced_seq wait only
     * for readers. */
    struct change *changes;
    size_t changes_start, changes_count, changes_capacity;
    uint64_t *batch_ends; /* seq of the last row of each unsynced batch */
    uint32_t batches, batches_capacity;
    struct list pins; /* of memdisk_pin, by seq */
    bool has_database, is_open, refuse_log;
    struct memfile promise;

    uint64_t fail_write_in, fail_sync_in, fail_read_in, fail_promise_in; /* 0: not */
    enum memdisk_outcome fail_outcome;
    bool writes_fail, reads_fail, promise_fails;
    struct buf doubtful; /* rows of a failed batch that the next open will find */
    uint64_t free_bytes, total_bytes;
};

/* Under the lock. Rows of a batch in the form of memory.c. */
void memdisk_apply(struct memdisk *disk, struct bytes operations);
void memdisk_mark_synced(struct memdisk *disk);
void memdisk_settle(struct memdisk *disk); /* forgets versions that nobody can read any more */
void memdisk_pin(struct memdisk *disk, struct memdisk_pin *pin, uint64_t seq);
void memdisk_unpin(struct memdisk *disk, struct memdisk_pin *pin);
/* Counts one down; true when this is the one to fail. */
bool memdisk_is_due(uint64_t *fail_in);

/* The promise file, by itself locking. */
bool memfile_is_there(struct memdisk *disk);
void memfile_read(struct memdisk *disk, struct buf *ret);
MUST_USE enum err memfile_replace(struct memdisk *disk, struct bytes bytes, struct why *why);
MUST_USE enum err memfile_write(struct memdisk *disk, struct bytes bytes, uint64_t offset,
                                struct why *why);
MUST_USE enum err memfile_sync(struct memdisk *disk, struct why *why);

#endif
