/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, whose store it is, and the store as a whole. A folder has three things that must fit: a
 * database, the identity in it, and the promise file beside it. They are made in this order: an
 * empty database, the promise file, then (synced) identity and first boot number. So a database
 * without identity is one whose making was interrupted, and is made anew as long as nothing was
 * ever promised; every other combination means that something was lost or mixed up, and is refused
 * with a sentence that says what to do. */
#include "store/store.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/internal.h"
#include "store/memory.h"
#include "sys/failpoint.h"
#include "sys/file.h"

const char *const engine_family_names[STORE_FAMILIES] = {
    [STORE_DEFAULT] = "default",       [STORE_SLOTS] = "slots",       [STORE_RAFT] = "raft",
    [STORE_MESSAGES] = "messages",     [STORE_CHANNELS] = "channels", [STORE_DELETED] = "deleted",
    [STORE_DELETE_LOG] = "delete_log", [STORE_DEDUP] = "dedup"};

enum { BLOCK_CACHE_BYTES = 32 << 20, MEMTABLE_BYTES = 128 << 20, BACKGROUND_JOBS = 2 };

void store_options_init(struct store_options *options)
{
    *options = (struct store_options){.block_cache_bytes = BLOCK_CACHE_BYTES,
                                      .memtable_bytes = MEMTABLE_BYTES,
                                      .max_background_jobs = BACKGROUND_JOBS};
}

static enum err check_options(const struct store_options *options, struct why *why)
{
    size_t len = options->cluster_id == NULL ? 0 : strlen(options->cluster_id);
    if (options->dir == NULL && options->memdisk == NULL)
        return why_set(why, ERR_BAD_CONFIG, "no data folder is named");
    if (options->read_only && options->cluster_id == NULL)
        return OK; /* whoever it is: for a look at a stopped store */
    if (len == 0 || len > 64)
        return why_set(why, ERR_BAD_CONFIG, "cluster id of %zu bytes is not within 1 and 64", len);
    if (options->node_id == 0 || options->node_id > UINT16_MAX)
        return why_set(why, ERR_BAD_CONFIG, "node id %llu is not within 1 and 65535",
                       (unsigned long long)options->node_id);
    if (options->slot_count == 0 || options->slot_count > SLOTS_MAX)
        return why_set(why, ERR_BAD_CONFIG, "slot count %u is not within 1 and %d",
                       options->slot_count, SLOTS_MAX);
    return OK;
}

/* ---- identity ----------------------------------------------------------------------------------- */
static enum err read_row(struct store *store, enum store_family family, const struct store_key *key,
                         struct buf *raw)
{
    return store->engine->ops->get(store->engine, NULL, family, key_bytes(key), raw);
}

/* A row that open needs and that fails its CRC: the database is not to be trusted. */
static enum err damaged(struct why *why, enum err err, const char *what)
{
    if (err == ERR_CORRUPT)
        return why_set(why, ERR_LOG_TOO_SHORT, "%s is damaged; " STORE_RESYNC, what);
    if (err == ERR_WRONG_FORMAT)
        return why_set(
            why, err,
            "%s has a format that this version does not know: run the version that wrote "
            "it",
            what);
    return why_set(why, err, "%s cannot be read", what);
}

/* ERR_NOT_FOUND: the database has none. */
static enum err read_identity(struct store *store, struct why *why)
{
    struct store_key key;
    struct buf raw = BUF_INIT;
    key_identity(&key);
    enum err err = read_row(store, STORE_DEFAULT, &key, &raw);
    if (err == OK) {
        err = record_identity_decode(key_bytes(&key), buf_bytes(&raw), &store->identity);
        if (err == ERR_WRONG_FORMAT)
            (void)why_set(why, err,
                          "the data has format %u, this version knows %d: run the version that "
                          "wrote it",
                          store->identity.format, STORE_FORMAT);
        else if (err != OK)
            (void)damaged(why, err, "the identity of this data");
        err = err == ERR_CORRUPT ? ERR_LOG_TOO_SHORT : err;
    } else if (err != ERR_NOT_FOUND) {
        err = damaged(why, err, "the identity of this data");
    }
    buf_done(&raw);
    return err;
}

static enum err check_identity(const struct store_identity *found,
                               const struct store_options *options, struct why *why)
{
    if (options->read_only && options->cluster_id == NULL)
        return OK;
    if (strcmp(found->cluster_id, options->cluster_id) != 0)
        return why_set(why, ERR_WRONG_IDENTITY,
                       "the data belongs to cluster '%s', this node is configured for '%s': use "
                       "the right data folder, or correct 'cluster.id'",
                       found->cluster_id, options->cluster_id);
    if (found->node_id != options->node_id)
        return why_set(why, ERR_WRONG_IDENTITY,
                       "the data belongs to node %llu, this node is configured as %llu: use the "
                       "right data folder, or correct 'node.id'",
                       (unsigned long long)found->node_id, (unsigned long long)options->node_id);
    if (found->slot_count != options->slot_count)
        return why_set(why, ERR_WRONG_IDENTITY,
                       "the data has %u slots, the configuration says %u: a cluster's slot count "
                       "is fixed for its life, so correct 'cluster.slot_count'",
                       found->slot_count, options->slot_count);
    return OK;
}

static enum err read_boot(struct store *store, struct why *why)
{
    struct store_key key;
    struct buf raw = BUF_INIT;
    key_boot(&key);
    enum err err = read_row(store, STORE_DEFAULT, &key, &raw);
    if (err == OK)
        err = record_number_decode(key_bytes(&key), buf_bytes(&raw), &store->identity.boot);
    buf_done(&raw);
    if (err == ERR_NOT_FOUND) /* it is written together with the identity */
        err = ERR_CORRUPT;
    return err == OK ? OK : damaged(why, err, "the boot number");
}

/* Writes the next boot number, and the identity with the first one. */
static enum err write_boot(struct store *store, struct why *why)
{
    struct store_key key;
    struct store_batch *batch = store_batch_new(store);
    if (store->identity.created) {
        key_identity(&key);
        record_identity_encode(&batch->value, key_bytes(&key), &store->identity);
        store_batch_put(batch, STORE_DEFAULT, &key);
    }
    key_boot(&key);
    record_number_encode(&batch->value, key_bytes(&key), store->identity.boot + 1);
    store_batch_put(batch, STORE_DEFAULT, &key);
    enum err err = store_write(store, batch, true, why);
    store_batch_free(batch);
    if (err == OK)
        store->identity.boot++;
    return err;
}

/* ---- promises ----------------------------------------------------------------------------------- */
static bool is_zero(const struct promise_row *row)
{
    return row->term == 0 && row->vote == 0 && row->last_index == 0 && row->last_term == 0;
}

/* Compared as Raft compares logs: the term of the last entry first, then its index. Term and vote
 * were given away in a packet: to have forgotten them is to vote twice. */
static bool is_behind(const struct promise_row *promised, const struct row_hard_state *state,
                      uint64_t last_index, uint64_t last_term)
{
    if (state->term < promised->term)
        return true;
    if (state->term == promised->term && promised->vote != 0 && state->vote != promised->vote)
        return true;
    if (last_term != promised->last_term)
        return last_term < promised->last_term;
    return last_index < promised->last_index;
}

enum err store_check_promise(struct store *store, uint32_t slot, struct why *why)
{
    struct promise_row promised;
    struct row_hard_state state = {0};
    uint64_t last_index, last_term;
    promise_get(store->promise, slot, &promised);
    if (is_zero(&promised))
        return OK;
    enum err err = store_get_hard_state(store, slot, &state);
    if (err == OK || err == ERR_NOT_FOUND)
        err = store_log_last(store, slot, &last_index, &last_term);
    if (err != OK)
        return damaged(why, err, "the Raft log");
#ifndef LETHE_MUTANT_no_amnesia
    if (is_behind(&promised, &state, last_index, last_term))
        return why_set(why, ERR_LOG_TOO_SHORT,
                       "slot %u: term %llu, log end (%llu, %llu); promised: term %llu, (%llu, "
                       "%llu). Writes were lost; " STORE_RESYNC,
                       slot, (unsigned long long)state.term, (unsigned long long)last_index,
                       (unsigned long long)last_term, (unsigned long long)promised.term,
                       (unsigned long long)promised.last_index,
                       (unsigned long long)promised.last_term);
#else
    (void)is_behind;
#endif
    return OK;
}

static enum err check_promises(struct store *store, struct why *why)
{
    enum err err = OK;
    for (uint32_t slot = 0; err == OK && slot < store->identity.slot_count; slot++)
        err = store_check_promise(store, slot, why);
    return err;
}

/* ---- open --------------------------------------------------------------------------------------- */
static char *path_in(const char *dir, const char *name)
{
    struct buf buf = BUF_INIT;
    buf_printf(&buf, "%s/%s", dir, name);
    char *path = alloc_string(buf_string(&buf));
    buf_done(&buf);
    return path;
}

static enum err load_pages(struct store *store, struct why *why)
{
    struct buf raw = BUF_INIT;
    uint32_t pages = store_pages(store->identity.slot_count);
    enum err err = OK;
    store->applied = alloc_array(pages * PAGE_SLOTS, sizeof(*store->applied));
    for (uint32_t page = 0; err == OK && page < pages; page++) {
        struct store_key key;
        key_page(&key, page);
        err = read_row(store, STORE_SLOTS, &key, &raw);
        if (err == OK)
            err = record_page_decode(key_bytes(&key), buf_bytes(&raw),
                                     &store->applied[page * PAGE_SLOTS]);
        if (err == ERR_NOT_FOUND)
            err = OK;
    }
    buf_done(&raw);
    return err == OK ? OK : damaged(why, err, "a page of applied indexes");
}

static bool has_any_row(struct store *store)
{
    static const uint8_t last[] = {0xff, 0xff, 0xff};
    const struct engine_ops *ops = store->engine->ops;
    struct engine_iter *iter =
        ops->iter_new(store->engine, NULL, STORE_DEFAULT, bytes_of_string(""),
                      bytes_of(last, sizeof(last)), false);
    ops->iter_first(iter);
    bool has = iter->valid;
    return ops->iter_close(iter) != OK || has;
}

/* A promise file beside an empty database is left by an interrupted making, under an incarnation of
 * its own, unless something was promised in it. */
static enum err check_nothing_promised(const char *path, struct memdisk *disk, struct why *why)
{
    struct promise *promise;
    if (!promise_is_there(path, disk))
        return OK;
    enum err err = promise_open(path, disk, NULL, &promise, why);
    if (err != OK)
        return err;
    bool is_empty = promise_is_empty(promise);
    promise_close(promise);
    if (is_empty)
        return OK;
    return why_set(
        why, ERR_LOG_TOO_SHORT,
        "the database is empty but the promise file is not: the disk lost data; " STORE_RESYNC);
}

/* A database without an identity: new, or its making was interrupted. */
static enum err make(struct store *store, const struct store_options *options,
                     const char *promise_path, struct why *why)
{
    if (!options->create || options->read_only)
        return why_set(why, ERR_NOT_FOUND, "the data was never completely made");
    if (has_any_row(store))
        return why_set(why, ERR_WRONG_FORMAT, "the database is not one of Lethe's");
    store->identity = (struct store_identity){.format = STORE_FORMAT,
                                              .node_id = options->node_id,
                                              .incarnation = options->new_incarnation,
                                              .slot_count = options->slot_count,
                                              .created = true};
    memcpy(store->identity.cluster_id, options->cluster_id, strlen(options->cluster_id));
    enum err err = check_nothing_promised(promise_path, options->memdisk, why);
    if (err != OK)
        return err;
    FAILPOINT("store.empty");
    err = promise_create(promise_path, options->memdisk, &store->identity, why);
    FAILPOINT("store.promise_made");
    return err;
}

static enum err check_whose(struct store *store, const struct store_options *options,
                            const char *promise_path, struct why *why)
{
    enum err err = read_identity(store, why);
    if (err == ERR_NOT_FOUND)
        return make(store, options, promise_path, why);
    if (err == OK)
        err = check_identity(&store->identity, options, why);
    if (err == OK)
        err = read_boot(store, why);
    bool is_copy = options->read_only && options->is_backup;
    if (err != OK || is_copy || promise_is_there(promise_path, options->memdisk))
        return err;
    if (!options->accept_short_log)
        return why_set(why, ERR_LOG_TOO_SHORT,
                       "the promise file '%s' is gone: put it back, or " STORE_RESYNC,
                       promise_path);
    return promise_create(promise_path, options->memdisk, &store->identity, why);
}

static bool database_is_there(const struct store_options *options)
{
    return options->memdisk != NULL ? options->memdisk->has_database : rocks_is_there(options->dir);
}

static enum err open_engine(struct store *store, const struct store_options *options,
                            const char *promise_path, struct why *why)
{
    bool is_there = database_is_there(options);
    if (!is_there && promise_is_there(promise_path, options->memdisk))
        return why_set(why, ERR_LOG_TOO_SHORT,
                       "the promise file is there but the database is gone: the disk lost "
                       "data; " STORE_RESYNC);
    if (!is_there && (!options->create || options->read_only))
        return why_set(why, ERR_NOT_FOUND, "there is no store in '%s'",
                       options->dir != NULL ? options->dir : "memory");
    if (options->memdisk != NULL)
        return memory_open(options->memdisk, &store->engine, why);
    return rocks_open(options, !is_there, &store->engine, why);
}

static enum err open_all(struct store *store, const struct store_options *options,
                         const char *promise_path, struct why *why)
{
    enum err err = open_engine(store, options, promise_path, why);
    if (err == OK)
        err = check_whose(store, options, promise_path, why);
    if (err == OK && !(options->read_only && options->is_backup))
        err = promise_open(promise_path, options->memdisk, &store->identity, &store->promise, why);
    if (err == OK)
        err = load_pages(store, why);
    if (err == OK && !options->read_only && !options->accept_short_log)
        err = check_promises(store, why);
    if (err == OK && !options->read_only) {
        FAILPOINT("store.boot");
        err = write_boot(store, why);
        FAILPOINT("store.booted");
    }
    return err;
}

enum err store_open(const struct store_options *options, struct store **ret_store, struct why *why)
{
    enum err err = check_options(options, why);
    if (err != OK)
        return err;
    struct store *store = alloc_zero(sizeof(*store));
    mutex_init(&store->pages_lock);
    char *promise_path = NULL;
    if (options->memdisk == NULL) {
        store->dir = alloc_string(options->dir);
        promise_path = path_in(options->dir, "promise");
        if (options->create && !options->read_only)
            err = file_make_dirs(options->dir, 0700, why);
    }
    if (err == OK)
        err = open_all(store, options, promise_path, why);
    store->read_only = options->read_only;
    free(promise_path);
    if (err != OK) {
        store_close(store);
        return err;
    }
    *ret_store = store;
    return OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    assert(atomic_load(&store->open_iters) == 0);
    assert(atomic_load(&store->open_snapshots) == 0);
    promise_close(store->promise);
    if (store->engine != NULL)
        store->engine->ops->close(store->engine);
    mutex_done(&store->pages_lock);
    free(store->applied);
    free(store->dir);
    free(store);
}

const struct store_identity *store_identity(const struct store *store)
{
    return &store->identity;
}

struct promise *store_promise(struct store *store)
{
    return store->promise;
}

/* ---- figures and maintenance -------------------------------------------------------------------- */
void store_forget_cached(struct store *store)
{
    store->engine->ops->forget_cached(store->engine);
}

void store_stats(struct store *store, struct store_stats *ret)
{
    struct file_disk disk;
    *ret = (struct store_stats){0};
    store->engine->ops->stats(store->engine, ret);
    if (store->dir != NULL && file_disk_of(store->dir, &disk, NULL) == OK) {
        ret->disk_free_bytes = disk.free_bytes;
        ret->disk_total_bytes = disk.total_bytes;
    }
    ret->snapshots = (uint64_t)atomic_load(&store->open_snapshots);
    ret->writes = atomic_load(&store->writes);
    ret->synced_writes = atomic_load(&store->synced_writes);
    ret->written_bytes = atomic_load(&store->written_bytes);
    for (int i = 0; i < STORE_FAMILIES; i++)
        ret->range_tombstones_in_memtables += atomic_load(&store->tombstones[i]);
}

const char *store_family_name(enum store_family family)
{
    assert(family < STORE_FAMILIES);
    return engine_family_names[family];
}

enum err store_compact(struct store *store, enum store_family family, struct store_compacted *ret,
                       struct why *why)
{
    *ret = (struct store_compacted){0};
    enum err err = OK;
    if (!atomic_load(&store->is_compacting_over))
        err = store->engine->ops->compact(store->engine, family, ret, why);
    ret->is_cut_short = atomic_load(&store->is_compacting_over);
    return err;
}

void store_stop_compacting(struct store *store)
{
    if (!atomic_exchange(&store->is_compacting_over, true))
        store->engine->ops->stop_compacting(store->engine);
}

enum err store_flush(struct store *store, struct why *why)
{
    enum err err = store->engine->ops->flush(store->engine, STORE_FAMILIES, true, why);
    for (int i = 0; err == OK && i < STORE_FAMILIES; i++)
        atomic_store(&store->tombstones[i], 0);
    return err;
}

static enum err sync_file(const char *path, struct why *why)
{
    int fd = -1;
    enum err err = file_open(path, O_RDONLY, 0, &fd, why);
    if (err != OK)
        return err;
    err = file_sync_data(fd, why);
    (void)close(fd);
    return err;
}

/* RocksDB leaves the logs that it copied unsynced. */
static enum err sync_files(const char *dir, struct why *why)
{
    struct file_names names = {0};
    enum err err = file_list(dir, &names, why);
    for (size_t i = 0; err == OK && i < names.count; i++) {
        char *path = path_in(dir, names.items[i]);
        err = sync_file(path, why);
        free(path);
    }
    file_names_done(&names);
    return err == OK ? file_sync_dir(dir, why) : err;
}

enum err store_checkpoint(struct store *store, const char *dir, struct why *why)
{
    char *path = path_in(dir, "db");
    enum err err = file_make_dirs(dir, 0700, why);
    if (err == OK)
        err = store->engine->ops->checkpoint(store->engine, path, why);
    if (err == OK)
        err = sync_files(path, why);
    if (err == OK)
        err = file_sync_dir(dir, why);
    free(path);
    return err;
}

enum err store_poll(struct store *store, struct why *why)
{
    struct store_stats stats = {0};
    store->engine->ops->stats(store->engine, &stats);
    if (atomic_load(&store->flush_failed))
        return why_set(why, ERR_DISK_FAILED, "writing a memtable out was refused");
    /* Counted since open, and none is ever forgiven: the first one stops the process. */
    if (stats.background_errors > 0)
        return why_set(why, ERR_DISK_FAILED, "the database reports %llu errors in the background",
                       (unsigned long long)stats.background_errors);
    return OK;
}
