/* SPDX-License-Identifier: Apache-2.0 */
/* The disk in memory. All writes since the last sync can be undone, because every row keeps its
 * older versions until then, and `changes` says in which order they were made: a power cut undoes
 * from the back. The same list, read from the front, says which versions became useless once
 * everything up to there is synced and no reader is below: that is the only collection there is, so
 * its cost is one step a row written. */
#include "store/memory.h"

#include "base/alloc.h"

struct memdisk *memdisk_new(void)
{
    struct memdisk *disk = alloc_zero(sizeof(*disk));
    mutex_init(&disk->lock);
    for (int i = 0; i < STORE_FAMILIES; i++)
        memtable_init(&disk->tables[i], (uint64_t)i);
    list_init(&disk->pins);
    disk->free_bytes = disk->total_bytes = (uint64_t)1 << 40;
    return disk;
}

void memdisk_free(struct memdisk *disk)
{
    if (disk == NULL)
        return;
    assert(!disk->is_open);
    for (int i = 0; i < STORE_FAMILIES; i++)
        memtable_done(&disk->tables[i]);
    free(disk->changes);
    free(disk->batch_ends);
    buf_done(&disk->doubtful);
    buf_done(&disk->promise.now);
    buf_done(&disk->promise.synced);
    mutex_done(&disk->lock);
    free(disk);
}

/* ---- under the lock ---------------------------------------------------------------------------- */
void memdisk_pin(struct memdisk *disk, struct memdisk_pin *pin, uint64_t seq)
{
    pin->seq = seq;
    struct list *after = disk->pins.previous;
    while (after != &disk->pins && CONTAINER_OF(after, struct memdisk_pin, link)->seq > seq)
        after = after->previous;
    list_append(after->next, &pin->link);
}

void memdisk_unpin(struct memdisk *disk, struct memdisk_pin *pin)
{
    list_remove(&pin->link);
    memdisk_settle(disk);
}

void memdisk_settle(struct memdisk *disk)
{
    uint64_t needed = disk->synced_seq;
    struct list *first = list_first(&disk->pins);
    if (first != NULL && CONTAINER_OF(first, struct memdisk_pin, link)->seq < needed)
        needed = CONTAINER_OF(first, struct memdisk_pin, link)->seq;
    while (disk->changes_count > 0 && disk->changes[disk->changes_start].seq <= needed) {
        struct change *change = &disk->changes[disk->changes_start++];
        disk->changes_count--;
        memtable_prune(change->table, change->node, change->seq);
    }
    if (disk->changes_count == 0)
        disk->changes_start = 0;
}

void memdisk_mark_synced(struct memdisk *disk)
{
    disk->synced_seq = disk->seq;
    disk->batches = 0;
    memdisk_settle(disk);
}

bool memdisk_is_due(uint64_t *fail_in)
{
    return *fail_in > 0 && --*fail_in == 0;
}

/* ---- crashes ----------------------------------------------------------------------------------- */
static void undo_to(struct memdisk *disk, uint64_t seq)
{
    while (disk->changes_count > 0) {
        struct change *change = &disk->changes[disk->changes_start + disk->changes_count - 1];
        if (change->seq <= seq)
            break;
        memtable_undo(change->table, change->node);
        disk->changes_count--;
    }
    disk->seq = seq;
}

static void file_after_crash(struct memfile *file, bool keep)
{
    struct buf *from = keep ? &file->now : &file->synced;
    struct buf *to = keep ? &file->synced : &file->now;
    buf_clear(to);
    buf_append_bytes(to, buf_bytes(from));
}

/* Undoes to the row `seq`; what a failed write left in doubt comes after all others. */
static void crash_at(struct memdisk *disk, uint64_t seq, bool is_whole)
{
    assert(!disk->is_open && list_is_empty(&disk->pins));
    undo_to(disk, seq);
    if (is_whole)
        memdisk_apply(disk, buf_bytes(&disk->doubtful));
    buf_clear(&disk->doubtful);
    memdisk_mark_synced(disk);
}

static uint64_t end_of_kept(const struct memdisk *disk, int64_t keep)
{
    if (keep == MEMDISK_KEEP_ALL || keep >= disk->batches)
        return disk->seq;
    return keep == 0 ? disk->synced_seq : disk->batch_ends[keep - 1];
}

uint32_t memdisk_unsynced_batches(struct memdisk *disk)
{
    mutex_lock(&disk->lock);
    uint32_t count = disk->batches;
    mutex_unlock(&disk->lock);
    return count;
}

void memdisk_crash(struct memdisk *disk, int64_t keep)
{
    mutex_lock(&disk->lock);
    uint64_t end = end_of_kept(disk, keep);
    crash_at(disk, end, end == disk->seq);
    file_after_crash(&disk->promise, keep == MEMDISK_KEEP_ALL);
    mutex_unlock(&disk->lock);
}

void memdisk_crash_torn(struct memdisk *disk, int64_t keep, uint32_t operations)
{
    mutex_lock(&disk->lock);
    uint64_t end = end_of_kept(disk, keep), next = end_of_kept(disk, keep + 1);
    uint64_t torn = end + operations < next ? end + operations : next;
    crash_at(disk, torn, false);
    file_after_crash(&disk->promise, false);
    mutex_unlock(&disk->lock);
}

void memdisk_tear_promise(struct memdisk *disk)
{
    mutex_lock(&disk->lock);
    struct memfile *file = &disk->promise;
    /* Of each run of changed bytes the first half reached the disk. */
    for (size_t i = 0; i < file->now.len && i < file->synced.len;) {
        size_t run = 0;
        while (i + run < file->now.len && i + run < file->synced.len &&
               file->now.data[i + run] != file->synced.data[i + run])
            run++;
        memcpy(file->synced.data + i, file->now.data + i, (run + 1) / 2);
        i += run + 1;
    }
    mutex_unlock(&disk->lock);
}

static void wipe_database(struct memdisk *disk)
{
    assert(!disk->is_open);
    for (int i = 0; i < STORE_FAMILIES; i++)
        memtable_done(&disk->tables[i]);
    disk->seq = disk->synced_seq = 0;
    disk->changes_start = disk->changes_count = 0;
    disk->batches = 0;
    disk->has_database = false;
    buf_clear(&disk->doubtful);
}

void memdisk_wipe_database(struct memdisk *disk)
{
    mutex_lock(&disk->lock);
    wipe_database(disk);
    mutex_unlock(&disk->lock);
}

void memdisk_wipe_promise(struct memdisk *disk)
{
    mutex_lock(&disk->lock);
    disk->promise.is_there = false;
    buf_clear(&disk->promise.now);
    buf_clear(&disk->promise.synced);
    mutex_unlock(&disk->lock);
}

void memdisk_wipe(struct memdisk *disk)
{
    memdisk_wipe_database(disk);
    memdisk_wipe_promise(disk);
}

static void copy_file(struct memfile *to, const struct memfile *from)
{
    to->is_there = from->is_there;
    buf_append_bytes(&to->now, buf_bytes(&from->now));
    buf_append_bytes(&to->synced, buf_bytes(&from->now));
}

struct memdisk *memdisk_clone(struct memdisk *disk)
{
    struct memdisk *copy = memdisk_new();
    mutex_lock(&disk->lock);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        const struct memtable_node *node = disk->tables[i].head[0];
        for (; node != NULL; node = node->next[0]) {
            const struct version *version = memtable_visible(node, disk->seq);
            if (version != NULL)
                memtable_put(&copy->tables[i], memtable_key(node), ++copy->seq,
                             bytes_of(version->data, version->len), false);
        }
    }
    copy->synced_seq = copy->seq;
    copy->has_database = disk->has_database;
    copy_file(&copy->promise, &disk->promise);
    copy->free_bytes = disk->free_bytes;
    copy->total_bytes = disk->total_bytes;
    mutex_unlock(&disk->lock);
    return copy;
}

/* ---- faults ------------------------------------------------------------------------------------ */
void memdisk_fail_write(struct memdisk *disk, uint64_t n, enum memdisk_outcome outcome)
{
    mutex_lock(&disk->lock);
    disk->fail_write_in = n;
    disk->fail_outcome = outcome;
    mutex_unlock(&disk->lock);
}

void memdisk_fail_sync(struct memdisk *disk, uint64_t n, enum memdisk_outcome outcome)
{
    mutex_lock(&disk->lock);
    disk->fail_sync_in = n;
    disk->fail_outcome = outcome;
    mutex_unlock(&disk->lock);
}

void memdisk_fail_read(struct memdisk *disk, uint64_t n)
{
    mutex_lock(&disk->lock);
    disk->fail_read_in = n;
    mutex_unlock(&disk->lock);
}

void memdisk_fail_promise(struct memdisk *disk, uint64_t n)
{
    mutex_lock(&disk->lock);
    disk->fail_promise_in = n;
    mutex_unlock(&disk->lock);
}

void memdisk_set_space(struct memdisk *disk, uint64_t free_bytes, uint64_t total_bytes)
{
    mutex_lock(&disk->lock);
    disk->free_bytes = free_bytes;
    disk->total_bytes = total_bytes;
    mutex_unlock(&disk->lock);
}

uint64_t memdisk_free_bytes(struct memdisk *disk)
{
    mutex_lock(&disk->lock);
    uint64_t free_bytes = disk->free_bytes;
    mutex_unlock(&disk->lock);
    return free_bytes;
}

void memdisk_set_free(struct memdisk *disk, uint64_t free_bytes)
{
    mutex_lock(&disk->lock);
    disk->free_bytes = free_bytes;
    mutex_unlock(&disk->lock);
}

void memdisk_refuse_log(struct memdisk *disk, bool refuse)
{
    mutex_lock(&disk->lock);
    disk->refuse_log = refuse;
    mutex_unlock(&disk->lock);
}

/* ---- damage ------------------------------------------------------------------------------------ */
static uint64_t count_rows(const struct memdisk *disk, enum store_family family)
{
    uint64_t count = 0;
    const struct memtable_node *node = disk->tables[family].head[0];
    for (; node != NULL; node = node->next[0])
        count += memtable_visible(node, disk->seq) != NULL;
    return count;
}

static struct memtable_node *row_at(const struct memdisk *disk, enum store_family family,
                                    uint64_t row)
{
    struct memtable_node *node = disk->tables[family].head[0];
    for (; node != NULL; node = node->next[0])
        if (memtable_visible(node, disk->seq) != NULL && row-- == 0)
            return node;
    return NULL;
}

uint64_t memdisk_rows(struct memdisk *disk, enum store_family family)
{
    mutex_lock(&disk->lock);
    uint64_t count = count_rows(disk, family);
    mutex_unlock(&disk->lock);
    return count;
}

bool memdisk_flip(struct memdisk *disk, enum store_family family, uint64_t row, uint64_t bit)
{
    mutex_lock(&disk->lock);
    uint64_t count = count_rows(disk, family);
    if (count > 0) {
        struct version *version = row_at(disk, family, row % count)->newest;
        bit %= (uint64_t)version->len * 8;
        version->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    mutex_unlock(&disk->lock);
    return count > 0;
}

bool memdisk_misplace(struct memdisk *disk, enum store_family family, uint64_t from, uint64_t to)
{
    mutex_lock(&disk->lock);
    uint64_t count = count_rows(disk, family);
    bool done = count > 1 && from % count != to % count;
    if (done) {
        const struct version *version = row_at(disk, family, from % count)->newest;
        struct memtable_node *node = row_at(disk, family, to % count);
        struct version *copy = alloc_copy(version, sizeof(*version) + version->len);
        copy->seq = node->newest->seq;
        copy->older = node->newest->older;
        disk->tables[family].bytes += copy->len - (uint64_t)node->newest->len;
        free(node->newest);
        node->newest = copy;
    }
    mutex_unlock(&disk->lock);
    return done;
}

bool memdisk_flip_promise(struct memdisk *disk, uint64_t bit)
{
    mutex_lock(&disk->lock);
    bool is_there = disk->promise.is_there && disk->promise.now.len > 0;
    if (is_there) {
        bit %= disk->promise.now.len * 8;
        disk->promise.now.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_after_crash(&disk->promise, true);
    }
    mutex_unlock(&disk->lock);
    return is_there;
}

/* ---- the promise file --------------------------------------------------------------------------- */
bool memfile_is_there(struct memdisk *disk)
{
    mutex_lock(&disk->lock);
    bool is_there = disk->promise.is_there;
    mutex_unlock(&disk->lock);
    return is_there;
}

void memfile_read(struct memdisk *disk, struct buf *ret)
{
    mutex_lock(&disk->lock);
    buf_append_bytes(ret, buf_bytes(&disk->promise.now));
    mutex_unlock(&disk->lock);
}

static bool file_fails(struct memdisk *disk)
{
    if (memdisk_is_due(&disk->fail_promise_in))
        disk->promise_fails = true;
    return disk->promise_fails;
}

static enum err file_failed(struct why *why)
{
    return why_set(why, ERR_DISK_FAILED, "the disk in memory failed as it was told to");
}

enum err memfile_replace(struct memdisk *disk, struct bytes bytes, struct why *why)
{
    mutex_lock(&disk->lock);
    bool fails = file_fails(disk);
    if (!fails) {
        disk->promise.is_there = true;
        buf_clear(&disk->promise.now);
        buf_append_bytes(&disk->promise.now, bytes);
        file_after_crash(&disk->promise, true);
    }
    mutex_unlock(&disk->lock);
    return fails ? file_failed(why) : OK;
}

enum err memfile_write(struct memdisk *disk, struct bytes bytes, uint64_t offset, struct why *why)
{
    mutex_lock(&disk->lock);
    assert(offset + bytes.len <= disk->promise.now.len);
    bool fails = file_fails(disk);
    if (!fails)
        memcpy(disk->promise.now.data + offset, bytes.data, bytes.len);
    mutex_unlock(&disk->lock);
    return fails ? file_failed(why) : OK;
}

enum err memfile_sync(struct memdisk *disk, struct why *why)
{
    mutex_lock(&disk->lock);
    bool fails = file_fails(disk);
    if (!fails)
        file_after_crash(&disk->promise, true);
    mutex_unlock(&disk->lock);
    return fails ? file_failed(why) : OK;
}
