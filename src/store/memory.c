/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on a disk in memory. A batch is a run of operations in one buffer; each row it writes
 * gets a sequence number of its own. Readers see everything up to the number at which they began.
 * An iterator stands on a node that its reader can see; such a node has a version at or below the
 * reader's number, so it is not removed while the iterator is open. */
#include "store/memory.h"

#include "base/alloc.h"

enum operation { OPERATION_PUT = 1, OPERATION_DELETE = 2, OPERATION_DELETE_RANGE = 3 };

struct memory {
    struct engine engine;
    struct memdisk *disk; /* borrowed */
};

struct memory_batch {
    struct buf operations; /* owned */
};

struct memory_snapshot {
    struct memdisk_pin pin;
};

struct memory_iter {
    struct engine_iter iter;
    struct memdisk *disk;
    const struct memtable *table;
    struct memtable_node *node;
    struct bytes lower, upper;
    struct memdisk_pin pin;
    bool failed;
};

static struct memdisk *disk_of(struct engine *engine)
{
    return CONTAINER_OF(engine, struct memory, engine)->disk;
}

/* ---- batches ----------------------------------------------------------------------------------- */
static struct buf *operations_of(struct engine_batch *batch)
{
    return &((struct memory_batch *)(void *)batch)->operations;
}

static struct engine_batch *memory_batch_new(struct engine *engine)
{
    (void)engine;
    return alloc_zero(sizeof(struct memory_batch));
}

static void memory_batch_free(struct engine_batch *batch)
{
    buf_done(operations_of(batch));
    free(batch);
}

static void memory_batch_clear(struct engine_batch *batch)
{
    buf_clear(operations_of(batch));
}

static void add(struct engine_batch *batch, enum operation operation, enum store_family family,
                struct bytes key, struct bytes value)
{
    struct buf *buf = operations_of(batch);
    buf_put_u8(buf, (uint8_t)operation);
    buf_put_u8(buf, (uint8_t)family);
    buf_put_block(buf, key);
    buf_put_block(buf, value);
}

static void memory_batch_put(struct engine *engine, struct engine_batch *batch,
                             enum store_family family, struct bytes key, struct bytes value)
{
    (void)engine;
    add(batch, OPERATION_PUT, family, key, value);
}

static void memory_batch_delete(struct engine *engine, struct engine_batch *batch,
                                enum store_family family, struct bytes key)
{
    (void)engine;
    add(batch, OPERATION_DELETE, family, key, BYTES_NONE);
}

static void memory_batch_delete_range(struct engine *engine, struct engine_batch *batch,
                                      enum store_family family, struct bytes start,
                                      struct bytes end)
{
    (void)engine;
    add(batch, OPERATION_DELETE_RANGE, family, start, end);
}

static void note_change(struct memdisk *disk, struct memtable *table, struct memtable_node *node)
{
    size_t end = disk->changes_start + disk->changes_count;
    if (end == disk->changes_capacity && disk->changes_start > disk->changes_capacity / 2) {
        memmove(disk->changes, disk->changes + disk->changes_start,
                disk->changes_count * sizeof(*disk->changes));
        disk->changes_start = 0;
        end = disk->changes_count;
    }
    if (end == disk->changes_capacity) {
        disk->changes_capacity = disk->changes_capacity == 0 ? 256 : disk->changes_capacity * 2;
        disk->changes = alloc_resize(disk->changes, disk->changes_capacity, sizeof(*disk->changes));
    }
    disk->changes[end] = (struct change){table, node, disk->seq};
    disk->changes_count++;
}

static void write_row(struct memdisk *disk, struct memtable *table, struct bytes key,
                      struct bytes value, bool is_delete)
{
    note_change(disk, table, memtable_put(table, key, ++disk->seq, value, is_delete));
}

static void delete_row(struct memdisk *disk, struct memtable *table, struct bytes key)
{
    struct memtable_node *node = memtable_find(table, key);
    if (node != NULL && bytes_is_equal(memtable_key(node), key) &&
        memtable_visible(node, disk->seq) != NULL)
        write_row(disk, table, key, BYTES_NONE, true);
}

static void delete_rows(struct memdisk *disk, struct memtable *table, struct bytes start,
                        struct bytes end)
{
    struct memtable_node *node = memtable_find(table, start);
    for (; node != NULL && bytes_compare(memtable_key(node), end) < 0; node = node->next[0])
        if (memtable_visible(node, disk->seq) != NULL)
            write_row(disk, table, memtable_key(node), BYTES_NONE, true);
}

void memdisk_apply(struct memdisk *disk, struct bytes operations)
{
    struct reader reader = reader_of(operations);
    while (reader_left(&reader) > 0) {
        enum operation operation = reader_u8(&reader);
        struct memtable *table = &disk->tables[reader_u8(&reader)];
        struct bytes key = reader_block(&reader);
        struct bytes value = reader_block(&reader);
        assert(!reader.failed);
        switch (operation) {
        case OPERATION_PUT:
            write_row(disk, table, key, value, false);
            break;
        case OPERATION_DELETE:
            delete_row(disk, table, key);
            break;
        case OPERATION_DELETE_RANGE:
            delete_rows(disk, table, key, value);
            break;
        }
    }
}

static void note_batch(struct memdisk *disk)
{
    if (disk->batches == disk->batches_capacity) {
        disk->batches_capacity = disk->batches_capacity == 0 ? 64 : disk->batches_capacity * 2;
        disk->batch_ends =
            alloc_resize(disk->batch_ends, disk->batches_capacity, sizeof(*disk->batch_ends));
    }
    disk->batch_ends[disk->batches++] = disk->seq;
}

static enum err write_locked(struct memdisk *disk, struct bytes operations, bool sync,
                             struct why *why)
{
    if (disk->writes_fail)
        return why_set(why, ERR_DISK_FAILED, "an earlier write failed: open the store anew");
    if (disk->free_bytes == 0) {
        disk->writes_fail = true;
        return why_set(why, ERR_DISK_FAILED, "no space left on the disk in memory");
    }
    bool fails = memdisk_is_due(&disk->fail_write_in);
    if (sync)
        fails = memdisk_is_due(&disk->fail_sync_in) || fails;
    if (fails) {
        disk->writes_fail = true;
        if (disk->fail_outcome == MEMDISK_PRESENT)
            buf_append_bytes(&disk->doubtful, operations);
        return why_set(why, ERR_DISK_FAILED, "the disk in memory failed as it was told to");
    }
    memdisk_apply(disk, operations);
    if (sync)
        memdisk_mark_synced(disk);
    else
        note_batch(disk);
    return OK;
}

static enum err memory_write(struct engine *engine, struct engine_batch *batch, bool sync,
                             struct why *why)
{
    struct memdisk *disk = disk_of(engine);
    mutex_lock(&disk->lock);
    enum err err = write_locked(disk, buf_bytes(operations_of(batch)), sync, why);
    mutex_unlock(&disk->lock);
    return err;
}

/* ---- reads ------------------------------------------------------------------------------------- */
static struct engine_snapshot *memory_snapshot_new(struct engine *engine)
{
    struct memdisk *disk = disk_of(engine);
    struct memory_snapshot *snapshot = alloc(sizeof(*snapshot));
    mutex_lock(&disk->lock);
    memdisk_pin(disk, &snapshot->pin, disk->seq);
    mutex_unlock(&disk->lock);
    return (struct engine_snapshot *)(void *)snapshot;
}

static void memory_snapshot_free(struct engine *engine, struct engine_snapshot *snapshot)
{
    struct memdisk *disk = disk_of(engine);
    mutex_lock(&disk->lock);
    memdisk_unpin(disk, &((struct memory_snapshot *)(void *)snapshot)->pin);
    mutex_unlock(&disk->lock);
    free(snapshot);
}

static uint64_t seq_of(const struct memdisk *disk, const struct engine_snapshot *snapshot)
{
    return snapshot == NULL ? disk->seq
                            : ((const struct memory_snapshot *)(const void *)snapshot)->pin.seq;
}

static bool read_fails(struct memdisk *disk)
{
    if (memdisk_is_due(&disk->fail_read_in))
        disk->reads_fail = true;
    return disk->reads_fail;
}

static enum err memory_get(struct engine *engine, const struct engine_snapshot *snapshot,
                           enum store_family family, struct bytes key, struct buf *ret)
{
    struct memdisk *disk = disk_of(engine);
    enum err err = ERR_NOT_FOUND;
    mutex_lock(&disk->lock);
    struct memtable_node *node = memtable_find(&disk->tables[family], key);
    const struct version *version = NULL;
    if (read_fails(disk))
        err = ERR_DISK_FAILED;
    else if (node != NULL && bytes_is_equal(memtable_key(node), key))
        version = memtable_visible(node, seq_of(disk, snapshot));
    if (version != NULL) {
        buf_clear(ret);
        buf_append(ret, version->data, version->len);
        err = OK;
    }
    mutex_unlock(&disk->lock);
    return err;
}

static struct memory_iter *iter_of(struct engine_iter *iter)
{
    return CONTAINER_OF(iter, struct memory_iter, iter);
}

static struct engine_iter *memory_iter_new(struct engine *engine,
                                           const struct engine_snapshot *snapshot,
                                           enum store_family family, struct bytes lower,
                                           struct bytes upper, bool is_scan)
{
    (void)is_scan;
    struct memdisk *disk = disk_of(engine);
    struct memory_iter *it = alloc_zero(sizeof(*it));
    it->disk = disk;
    it->table = &disk->tables[family];
    it->lower = lower;
    it->upper = upper;
    mutex_lock(&disk->lock);
    memdisk_pin(disk, &it->pin, seq_of(disk, snapshot));
    mutex_unlock(&disk->lock);
    return &it->iter;
}

/* Stands on node, or on the next one in this direction that the reader sees. */
static void settle_on(struct memory_iter *it, struct memtable_node *node, bool forward)
{
    const struct version *version = NULL;
    if (read_fails(it->disk)) {
        it->failed = true;
        node = NULL;
    }
    for (; node != NULL; node = forward ? node->next[0] : node->previous) {
        struct bytes key = memtable_key(node);
        if (forward ? bytes_compare(key, it->upper) >= 0 : bytes_compare(key, it->lower) < 0) {
            node = NULL;
            break;
        }
        version = memtable_visible(node, it->pin.seq);
        if (version != NULL)
            break;
    }
    it->node = node;
    it->iter.valid = node != NULL;
    if (node != NULL) {
        it->iter.key = memtable_key(node);
        it->iter.value = bytes_of(version->data, version->len);
    }
}

static void memory_iter_seek(struct engine_iter *iter, struct bytes key)
{
    struct memory_iter *it = iter_of(iter);
    if (bytes_compare(key, it->lower) < 0)
        key = it->lower;
    mutex_lock(&it->disk->lock);
    settle_on(it, memtable_find(it->table, key), true);
    mutex_unlock(&it->disk->lock);
}

static void memory_iter_first(struct engine_iter *iter)
{
    memory_iter_seek(iter, iter_of(iter)->lower);
}

static void memory_iter_last(struct engine_iter *iter)
{
    struct memory_iter *it = iter_of(iter);
    mutex_lock(&it->disk->lock);
    struct memtable_node *node = memtable_find(it->table, it->upper);
    settle_on(it, node == NULL ? it->table->last : node->previous, false);
    mutex_unlock(&it->disk->lock);
}

static void memory_iter_seek_before(struct engine_iter *iter, struct bytes key)
{
    struct memory_iter *it = iter_of(iter);
    if (bytes_compare(key, it->upper) >= 0) {
        memory_iter_last(iter);
        return;
    }
    mutex_lock(&it->disk->lock);
    settle_on(it, memtable_find_before(it->table, key), false);
    mutex_unlock(&it->disk->lock);
}

static void memory_iter_next(struct engine_iter *iter)
{
    struct memory_iter *it = iter_of(iter);
    assert(it->iter.valid);
    mutex_lock(&it->disk->lock);
    settle_on(it, it->node->next[0], true);
    mutex_unlock(&it->disk->lock);
}

static void memory_iter_prev(struct engine_iter *iter)
{
    struct memory_iter *it = iter_of(iter);
    assert(it->iter.valid);
    mutex_lock(&it->disk->lock);
    settle_on(it, it->node->previous, false);
    mutex_unlock(&it->disk->lock);
}

static enum err memory_iter_close(struct engine_iter *iter)
{
    struct memory_iter *it = iter_of(iter);
    mutex_lock(&it->disk->lock);
    memdisk_unpin(it->disk, &it->pin);
    mutex_unlock(&it->disk->lock);
    enum err err = it->failed ? ERR_DISK_FAILED : OK;
    free(it);
    return err;
}

/* ---- the whole --------------------------------------------------------------------------------- */
/* Nothing waits in a buffer here: a flush has nothing to write. */
static enum err memory_flush(struct engine *engine, enum store_family family, bool wait,
                             struct why *why)
{
    (void)engine;
    (void)family;
    (void)wait;
    (void)why;
    return OK;
}

/* Nothing is kept twice here: there is nothing to write again. */
static enum err memory_compact(struct engine *engine, enum store_family family,
                               struct store_compacted *ret, struct why *why)
{
    struct memdisk *disk = disk_of(engine);
    (void)why;
    mutex_lock(&disk->lock);
    ret->before_bytes = ret->after_bytes = disk->tables[family].bytes;
    mutex_unlock(&disk->lock);
    return OK;
}

static void memory_stop_compacting(struct engine *engine)
{
    (void)engine;
}

static void memory_forget_cached(struct engine *engine)
{
    (void)engine; /* it has none */
}

static void memory_stats(struct engine *engine, struct store_stats *ret)
{
    struct memdisk *disk = disk_of(engine);
    mutex_lock(&disk->lock);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        ret->memtable_bytes += disk->tables[i].bytes;
        ret->estimated_keys += disk->tables[i].nodes;
    }
    ret->disk_free_bytes = disk->free_bytes;
    ret->disk_total_bytes = disk->total_bytes;
    ret->background_errors = disk->writes_fail || disk->reads_fail;
    mutex_unlock(&disk->lock);
}

static void memory_close(struct engine *engine)
{
    struct memory *memory = CONTAINER_OF(engine, struct memory, engine);
    mutex_lock(&memory->disk->lock);
    assert(list_is_empty(&memory->disk->pins));
    memory->disk->is_open = false;
    mutex_unlock(&memory->disk->lock);
    free(memory);
}

static enum err memory_checkpoint(struct engine *engine, const char *path, struct why *why)
{
    (void)engine;
    return why_set(why, ERR_NOT_SUPPORTED, "a store in memory cannot be copied to '%s'", path);
}

static const struct engine_ops memory_ops = {
    .batch_new = memory_batch_new,
    .batch_free = memory_batch_free,
    .batch_clear = memory_batch_clear,
    .batch_put = memory_batch_put,
    .batch_delete = memory_batch_delete,
    .batch_delete_range = memory_batch_delete_range,
    .write = memory_write,
    .snapshot_new = memory_snapshot_new,
    .snapshot_free = memory_snapshot_free,
    .get = memory_get,
    .iter_new = memory_iter_new,
    .iter_seek = memory_iter_seek,
    .iter_seek_before = memory_iter_seek_before,
    .iter_first = memory_iter_first,
    .iter_last = memory_iter_last,
    .iter_next = memory_iter_next,
    .iter_prev = memory_iter_prev,
    .iter_close = memory_iter_close,
    .flush = memory_flush,
    .checkpoint = memory_checkpoint,
    .compact = memory_compact,
    .stop_compacting = memory_stop_compacting,
    .forget_cached = memory_forget_cached,
    .stats = memory_stats,
    .close = memory_close,
};

/* What a failed write left in doubt is settled now, as when a log is read again. */
static enum err open_locked(struct memdisk *disk, struct why *why)
{
    if (disk->is_open)
        return why_set(why, ERR_LOCKED, "another store is open on this disk in memory");
    if (disk->refuse_log)
        return why_set(why, ERR_LOG_TOO_SHORT, "the log of the disk in memory is damaged");
    disk->is_open = disk->has_database = true;
    disk->writes_fail = disk->reads_fail = disk->promise_fails = false;
    if (disk->doubtful.len > 0) {
        memdisk_apply(disk, buf_bytes(&disk->doubtful));
        note_batch(disk);
        buf_clear(&disk->doubtful);
    }
    return OK;
}

enum err memory_open(struct memdisk *disk, struct engine **ret_engine, struct why *why)
{
    mutex_lock(&disk->lock);
    enum err err = open_locked(disk, why);
    mutex_unlock(&disk->lock);
    if (err != OK)
        return err;
    struct memory *memory = alloc_zero(sizeof(*memory));
    memory->engine.ops = &memory_ops;
    memory->disk = disk;
    *ret_engine = &memory->engine;
    return OK;
}
