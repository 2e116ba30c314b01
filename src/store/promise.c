/* SPDX-License-Identifier: Apache-2.0 */
/* The promise file. RocksDB can lose the end of its newest log without noticing (the log's own
 * checksums cannot tell a lost end from a clean one), and a node that forgot what it acknowledged
 * or whom it voted for breaks Raft. So this file, outside of that log, holds for each slot the
 * term, the vote and the highest position promised; at start the log is held against it.
 *
 * The file has a head and, for each 16 slots, a page with three places. A page is written whole, to
 * the place that is neither the newest nor the last one known to be synced: a write that tears
 * damages neither, so the last synced record always survives, and after a kill (no power cut) the
 * newest does. A record counts when its CRC holds; the one with the highest number wins.
 *
 *   head, 4096 bytes: "LETHEPRM", le32 version, le32 slot count, le64 node id, le64 incarnation,
 *                     le32 CRC32C of all before it, zeros
 *   place, 1024 bytes, at 4096 + (page * 3 + place) * 1024:
 *                     le32 magic, le32 page, le64 number, 16 x (le64 term, vote, last index, last
 *                     term), le32 CRC32C of the incarnation and all before it, zeros
 *
 * Order, kept by the caller: the batch is synced, promise_write, then the promise leaves. So what is
 * here is never more than what the log held at that moment. */
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/crc.h"
#include "store/internal.h"
#include "store/memory.h"
#include "sys/failpoint.h"
#include "sys/file.h"

enum { HEAD_BYTES = 4096, PLACE_BYTES = 1024, PLACES = 3, FILE_VERSION = 1 };
enum { RECORD_USED_BYTES = 16 + PAGE_SLOTS * 32 + 4 };
#define HEAD_MAGIC "LETHEPRM"
#define RECORD_MAGIC 0x4d4f5250u
#define RECORD_NUMBER_MAX (UINT64_MAX / 2)

struct page {
    uint64_t numbers[PLACES]; /* of the record in each place; 0: none that counts */
    uint8_t newest, synced;   /* places */
    bool is_dirty;            /* rows differ from what the newest place holds */
};

struct promise {
    struct mutex lock;    /* guards all below, but fd while it is synced */
    int fd;               /* owned; -1: in memory */
    struct memdisk *disk; /* borrowed; NULL: a file */
    uint64_t incarnation;
    uint32_t slot_count, pages_count;
    struct promise_row *rows; /* owned; by slot, rounded up to whole pages */
    struct page *pages;       /* owned */
    bool is_dirty, is_unsynced;
    struct buf record;
};

static uint64_t place_offset(uint32_t page, uint32_t place)
{
    return HEAD_BYTES + ((uint64_t)page * PLACES + place) * PLACE_BYTES;
}

static uint32_t record_crc(uint64_t incarnation, struct bytes covered)
{
    uint8_t bound[8];
    for (int i = 0; i < 8; i++)
        bound[i] = (uint8_t)(incarnation >> (8 * i));
    return crc32c_more(crc32c(bytes_of(bound, sizeof(bound))), covered);
}

static void encode_record(struct buf *buf, uint64_t incarnation, uint32_t page, uint64_t number,
                          const struct promise_row *rows)
{
    size_t start = buf->len;
    buf_put_le32(buf, RECORD_MAGIC);
    buf_put_le32(buf, page);
    buf_put_le64(buf, number);
    for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
        buf_put_le64(buf, rows[i].term);
        buf_put_le64(buf, rows[i].vote);
        buf_put_le64(buf, rows[i].last_index);
        buf_put_le64(buf, rows[i].last_term);
    }
    struct bytes covered = bytes_of(buf->data + start, buf->len - start);
    buf_put_le32(buf, record_crc(incarnation, covered));
}

/* The record's number, or 0 when it does not count; then rows are as they were. */
static uint64_t decode_record(struct bytes place, uint64_t incarnation, uint32_t page,
                              struct promise_row *rows)
{
    struct reader reader = reader_of(place);
    struct bytes covered = bytes_of(place.data, RECORD_USED_BYTES - 4);
    struct reader crc = reader_of(bytes_of(place.data + covered.len, 4));
    if (reader_le32(&reader) != RECORD_MAGIC || reader_le32(&reader) != page ||
        reader_le32(&crc) != record_crc(incarnation, covered))
        return 0;
    uint64_t number = reader_le64(&reader);
    if (number > RECORD_NUMBER_MAX) /* nobody counts as far */
        return 0;
    for (uint32_t i = 0; rows != NULL && i < PAGE_SLOTS; i++) {
        rows[i].term = reader_le64(&reader);
        rows[i].vote = reader_le64(&reader);
        rows[i].last_index = reader_le64(&reader);
        rows[i].last_term = reader_le64(&reader);
    }
    return number;
}

static void pad(struct buf *buf, size_t len)
{
    assert(buf->len <= len);
    size_t more = len - buf->len;
    memset(buf_extend(buf, more), 0, more);
}

static void encode_head(struct buf *buf, const struct store_identity *identity)
{
    buf_append(buf, HEAD_MAGIC, 8);
    buf_put_le32(buf, FILE_VERSION);
    buf_put_le32(buf, identity->slot_count);
    buf_put_le64(buf, identity->node_id);
    buf_put_le64(buf, identity->incarnation);
    buf_put_le32(buf, crc32c(buf_bytes(buf)));
    pad(buf, HEAD_BYTES);
}

struct head {
    uint32_t slot_count;
    uint64_t node_id, incarnation;
};

static enum err decode_head(struct bytes file, struct head *ret, struct why *why)
{
    struct reader reader = reader_of(file);
    struct bytes magic = reader_bytes(&reader, 8);
    uint32_t version = reader_le32(&reader);
    ret->slot_count = reader_le32(&reader);
    ret->node_id = reader_le64(&reader);
    ret->incarnation = reader_le64(&reader);
    struct bytes covered = bytes_of(file.data, (size_t)(reader.at - file.data));
    uint32_t crc = reader_le32(&reader);
    if (reader.failed || !bytes_is_equal(magic, bytes_of(HEAD_MAGIC, 8)) || crc != crc32c(covered))
        return why_set(why, ERR_LOG_TOO_SHORT,
                       "the head of the promise file is damaged: what this node promised is "
                       "lost; " STORE_RESYNC);
    if (version != FILE_VERSION)
        return why_set(why, ERR_WRONG_FORMAT,
                       "the promise file has format %u, this version knows %d: run the version "
                       "that wrote it",
                       version, FILE_VERSION);
    if (ret->slot_count == 0 || ret->slot_count > SLOTS_MAX ||
        file.len < place_offset(store_pages(ret->slot_count), 0))
        return why_set(
            why, ERR_LOG_TOO_SHORT,
            "the promise file was cut to %zu bytes: what this node promised is lost; " STORE_RESYNC,
            file.len);
    return OK;
}

static enum err check_head(const struct head *head, const struct store_identity *identity,
                           struct why *why)
{
    if (head->node_id == identity->node_id && head->incarnation == identity->incarnation &&
        head->slot_count == identity->slot_count)
        return OK;
    return why_set(why, ERR_WRONG_IDENTITY,
                   "the promise file belongs to another data folder (node %llu, incarnation "
                   "%016llx): put back the one of this folder",
                   (unsigned long long)head->node_id, (unsigned long long)head->incarnation);
}

bool promise_is_there(const char *path, struct memdisk *disk)
{
    return disk != NULL ? memfile_is_there(disk) : file_is_there(path);
}

enum err promise_create(const char *path, struct memdisk *disk,
                        const struct store_identity *identity, struct why *why)
{
    struct promise_row rows[PAGE_SLOTS] = {0};
    struct buf file = BUF_INIT;
    encode_head(&file, identity);
    for (uint32_t page = 0; page < store_pages(identity->slot_count); page++) {
        encode_record(&file, identity->incarnation, page, 1, rows);
        pad(&file, place_offset(page + 1, 0));
    }
    enum err err = disk != NULL ? memfile_replace(disk, buf_bytes(&file), why)
                                : file_write_atomic(path, buf_bytes(&file), 0600, why);
    buf_done(&file);
    return err;
}

static enum err load_page(struct promise *promise, struct bytes file, uint32_t number,
                          struct why *why)
{
    struct page *page = &promise->pages[number];
    for (uint32_t place = 0; place < PLACES; place++) {
        struct bytes bytes = bytes_of(file.data + place_offset(number, place), PLACE_BYTES);
        page->numbers[place] = decode_record(bytes, promise->incarnation, number, NULL);
        if (page->numbers[place] > page->numbers[page->newest])
            page->newest = (uint8_t)place;
    }
    if (page->numbers[page->newest] == 0)
        return why_set(why, ERR_LOG_TOO_SHORT,
                       "all three records of slots %u to %u in the promise file are damaged: what "
                       "was promised is lost; " STORE_RESYNC,
                       number * PAGE_SLOTS, number * PAGE_SLOTS + PAGE_SLOTS - 1);
    (void)decode_record(bytes_of(file.data + place_offset(number, page->newest), PLACE_BYTES),
                        promise->incarnation, number, &promise->rows[number * PAGE_SLOTS]);
    page->synced = page->newest;
    return OK;
}

static enum err read_all(const char *path, struct memdisk *disk, struct buf *ret, struct why *why)
{
    enum { FILE_MAX_BYTES = HEAD_BYTES + SLOTS_MAX / PAGE_SLOTS * PLACES * PLACE_BYTES };
    if (disk == NULL)
        return file_read(path, FILE_MAX_BYTES, ret, why);
    memfile_read(disk, ret);
    return OK;
}

static void set_up(struct promise *promise, const struct head *head)
{
    promise->incarnation = head->incarnation;
    promise->slot_count = head->slot_count;
    promise->pages_count = store_pages(head->slot_count);
    promise->rows = alloc_array(promise->pages_count * PAGE_SLOTS, sizeof(*promise->rows));
    promise->pages = alloc_array(promise->pages_count, sizeof(*promise->pages));
}

/* What was read may be in the system's cache only, left there by a killed process: it is synced
 * before a place is written again. */
static enum err load(struct promise *promise, const char *path,
                     const struct store_identity *identity, struct why *why)
{
    struct buf file = BUF_INIT;
    struct head head;
    enum err err = read_all(path, promise->disk, &file, why);
    if (err == OK)
        err = decode_head(buf_bytes(&file), &head, why);
    if (err == OK && identity != NULL)
        err = check_head(&head, identity, why);
    if (err == OK)
        set_up(promise, &head);
    for (uint32_t i = 0; err == OK && i < promise->pages_count; i++)
        err = load_page(promise, buf_bytes(&file), i, why);
    if (err == OK && promise->disk == NULL)
        err = file_open(path, O_RDWR, 0, &promise->fd, why);
    if (err == OK)
        err = promise->disk != NULL ? memfile_sync(promise->disk, why)
                                    : file_sync_data(promise->fd, why);
    buf_done(&file);
    return err;
}

enum err promise_open(const char *path, struct memdisk *disk, const struct store_identity *identity,
                      struct promise **ret_promise, struct why *why)
{
    struct promise *promise = alloc_zero(sizeof(*promise));
    mutex_init(&promise->lock);
    promise->fd = -1;
    promise->disk = disk;
    enum err err = load(promise, path, identity, why);
    if (err != OK) {
        promise_close(promise);
        return err;
    }
    *ret_promise = promise;
    return OK;
}

bool promise_is_empty(const struct promise *promise)
{
    static const struct promise_row nothing;
    for (uint32_t slot = 0; slot < promise->slot_count; slot++)
        if (memcmp(&promise->rows[slot], &nothing, sizeof(nothing)) != 0)
            return false;
    return true;
}

void promise_close(struct promise *promise)
{
    if (promise == NULL)
        return;
    if (promise->fd >= 0)
        close(promise->fd);
    free(promise->rows);
    free(promise->pages);
    buf_done(&promise->record);
    mutex_done(&promise->lock);
    free(promise);
}

void promise_get(const struct promise *promise, uint32_t slot, struct promise_row *ret)
{
    /* The lock alone changes. */
    struct mutex *lock = &((struct promise *)(uintptr_t)promise)->lock;
    assert(slot < promise->slot_count);
    mutex_lock(lock);
    *ret = promise->rows[slot];
    mutex_unlock(lock);
}

void promise_set(struct promise *promise, uint32_t slot, const struct promise_row *row)
{
    assert(slot < promise->slot_count);
    mutex_lock(&promise->lock);
    struct promise_row *old = &promise->rows[slot];
    if (old->term != row->term || old->vote != row->vote || old->last_index != row->last_index ||
        old->last_term != row->last_term) {
        *old = *row;
        promise->pages[slot / PAGE_SLOTS].is_dirty = true;
        promise->is_dirty = true;
    }
    mutex_unlock(&promise->lock);
}

bool promise_is_dirty(const struct promise *promise)
{
    struct mutex *lock = &((struct promise *)(uintptr_t)promise)->lock;
    mutex_lock(lock);
    bool is_dirty = promise->is_dirty;
    mutex_unlock(lock);
    return is_dirty;
}

static enum err write_page(struct promise *promise, uint32_t number, struct why *why)
{
    struct page *page = &promise->pages[number];
    uint8_t place = 0;
    while (place == page->newest || place == page->synced)
        place++;
    assert(place < PLACES);
    uint64_t next = page->numbers[page->newest] + 1;
    if (next > RECORD_NUMBER_MAX) /* it would not count when it is read again */
        return why_set(why, ERR_CORRUPT,
                       "the promise file counts further than any can: replace this node");
    buf_clear(&promise->record);
    encode_record(&promise->record, promise->incarnation, number, next,
                  &promise->rows[number * PAGE_SLOTS]);
    struct bytes bytes = buf_bytes(&promise->record);
    uint64_t offset = place_offset(number, place);
    FAILPOINT("promise.page");
    enum err err = promise->disk != NULL ? memfile_write(promise->disk, bytes, offset, why)
                                         : file_pwrite(promise->fd, bytes, offset, why);
    if (err != OK)
        return err;
    page->numbers[place] = next;
    page->newest = place;
    page->is_dirty = false;
    promise->is_unsynced = true;
    return OK;
}

enum err promise_write(struct promise *promise, struct why *why)
{
    enum err err = OK;
    mutex_lock(&promise->lock);
    for (uint32_t i = 0; promise->is_dirty && err == OK && i < promise->pages_count; i++)
        if (promise->pages[i].is_dirty)
            err = write_page(promise, i, why);
    if (err == OK)
        promise->is_dirty = false;
    mutex_unlock(&promise->lock);
    return err;
}

/* Writes go on while the disk syncs. A place that was written again meanwhile is not what was
 * synced, so it does not become the page's synced one; the older synced one stays. */
enum err promise_sync(struct promise *promise, struct why *why)
{
    mutex_lock(&promise->lock);
    bool has_work = promise->is_unsynced;
    promise->is_unsynced = false;
    struct page *before =
        has_work ? alloc_copy(promise->pages, promise->pages_count * sizeof(*before)) : NULL;
    mutex_unlock(&promise->lock);
    if (!has_work)
        return OK;

    enum err err =
        promise->disk != NULL ? memfile_sync(promise->disk, why) : file_sync_data(promise->fd, why);
    mutex_lock(&promise->lock);
    for (uint32_t i = 0; err == OK && i < promise->pages_count; i++) {
        uint8_t place = before[i].newest;
        if (promise->pages[i].numbers[place] == before[i].numbers[place])
            promise->pages[i].synced = place;
    }
    mutex_unlock(&promise->lock);
    free(before);
    return err;
}
