/* SPDX-License-Identifier: Apache-2.0 */
/* What both kinds of disk can do: RocksDB (rocks.c) and the one in memory (memory.c). Keys and
 * values are bytes here; their meaning is layout.h and record.h.
 * Thread: as store.h says: any for the engine, one at a time for a batch and an iterator. */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "store/store.h"

struct engine_batch;    /* each engine's own */
struct engine_snapshot; /* likewise */

/* An engine's iterator begins with this. What key and value point to lives until its next move. */
struct engine_iter {
    bool valid;
    struct bytes key, value;
};

struct engine {
    const struct engine_ops *ops;
};

struct engine_ops {
    struct engine_batch *(*batch_new)(struct engine *engine);
    void (*batch_free)(struct engine_batch *batch);
    void (*batch_clear)(struct engine_batch *batch);
    void (*batch_put)(struct engine *engine, struct engine_batch *batch, enum store_family family,
                      struct bytes key, struct bytes value);
    void (*batch_delete)(struct engine *engine, struct engine_batch *batch,
                         enum store_family family, struct bytes key);
    /* Keys in [start, end). */
    void (*batch_delete_range)(struct engine *engine, struct engine_batch *batch,
                               enum store_family family, struct bytes start, struct bytes end);
    /* All or nothing; the batch stays as it is. Any failure is ERR_DISK_FAILED: outcome unknown. */
    enum err (*write)(struct engine *engine, struct engine_batch *batch, bool sync,
                      struct why *why);

    struct engine_snapshot *(*snapshot_new)(struct engine *engine);
    void (*snapshot_free)(struct engine *engine, struct engine_snapshot *snapshot);
    /* OK with the value in ret (replaced), ERR_NOT_FOUND, ERR_CORRUPT, ERR_DISK_FAILED. */
    enum err (*get)(struct engine *engine, const struct engine_snapshot *snapshot,
                    enum store_family family, struct bytes key, struct buf *ret);
    /* Sees [lower, upper) only; both must live as long as the iterator. Not placed at first.
     * is_scan: much is read once, and is not to push out what others have cached. */
    struct engine_iter *(*iter_new)(struct engine *engine, const struct engine_snapshot *snapshot,
                                    enum store_family family, struct bytes lower,
                                    struct bytes upper, bool is_scan);
    void (*iter_seek)(struct engine_iter *iter, struct bytes key);        /* first at or after */
    void (*iter_seek_before)(struct engine_iter *iter, struct bytes key); /* last at or before */
    void (*iter_first)(struct engine_iter *iter);
    void (*iter_last)(struct engine_iter *iter);
    void (*iter_next)(struct engine_iter *iter);
    void (*iter_prev)(struct engine_iter *iter);
    enum err (*iter_close)(struct engine_iter *iter); /* frees; its status */

    /* Writes the family's memtable out, or all of them (STORE_FAMILIES). */
    enum err (*flush)(struct engine *engine, enum store_family family, bool wait, struct why *why);
    /* A copy of the database as of now in the new folder path, from files that do not change any more
     * where that is possible. ERR_NOT_SUPPORTED: this engine has none. */
    enum err (*checkpoint)(struct engine *engine, const char *path, struct why *why);
    /* Writes the family's memtable out, then all its tables again, and fills the sizes. */
    enum err (*compact)(struct engine *engine, enum store_family family,
                        struct store_compacted *ret, struct why *why);
    void (*stop_compacting)(struct engine *engine); /* one that runs ends soon, others at once */
    /* What was read before is read from the disk again. */
    void (*forget_cached)(struct engine *engine);
    void (*stats)(struct engine *engine, struct store_stats *ret); /* its part of the figures */
    void (*close)(struct engine *engine);
};

/* Errors of both: as store_open. create: make the database when there is none. */
MUST_USE enum err rocks_open(const struct store_options *options, bool create,
                             struct engine **ret_engine, struct why *why);
bool rocks_is_there(const char *dir);
MUST_USE enum err memory_open(struct memdisk *disk, struct engine **ret_engine, struct why *why);

extern const char *const engine_family_names[STORE_FAMILIES];

#endif
