/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on RocksDB 7.8, through its C API alone. That API reports errors as text; here, and
 * only here, text becomes a code: at open, `Corruption` means that the log or a file is not what
 * was written (ERR_LOG_TOO_SHORT: re-sync); of a read it is ERR_CORRUPT; any error of a write means
 * that the outcome is unknown (ERR_DISK_FAILED), because a failed write may be there after the next
 * open. Never used: DeleteFilesInRange (brings deleted keys back), WriteBatchWithIndex (ignores
 * range deletes), merge, ingestion, insert hints. */
#include <unistd.h>

#include "base/alloc.h"
#include "store/internal.h"
#include "store/rocks_options.h"
#include "sys/failpoint.h"
#include "sys/file.h"

struct rocks {
    struct engine engine;
    struct rocks_options options;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[STORE_FAMILIES];
    rocksdb_writeoptions_t *synced, *unsynced;
    rocksdb_readoptions_t *newest; /* of gets without a snapshot */
    uint64_t cache_bytes;
    char *path;
};

struct rocks_iter {
    struct engine_iter iter;
    rocksdb_iterator_t *rows;
    rocksdb_readoptions_t *options;
    enum err err; /* sticky: a seek would forget it */
};

static struct rocks *rocks_of(struct engine *engine)
{
    return CONTAINER_OF(engine, struct rocks, engine);
}

static const char *text(struct bytes bytes)
{
    return (const char *)bytes.data;
}

/* RocksDB counts each comparison of keys in a thread-local struct that nobody here reads: an eighth
 * to a fifth of what putting a row costs. Told by every thread that enters: there is no setting for
 * all of them. */
static void count_nothing(void)
{
    enum { PERF_LEVEL_DISABLE = 1 };
    static _Thread_local bool is_set;
    if (!is_set) {
        rocksdb_set_perf_level(PERF_LEVEL_DISABLE);
        is_set = true;
    }
}

/* ---- errors ------------------------------------------------------------------------------------- */
static enum err read_error(char *error)
{
    bool is_corrupt = strncmp(error, "Corruption", strlen("Corruption")) == 0;
    rocksdb_free(error);
    return is_corrupt ? ERR_CORRUPT : ERR_DISK_FAILED;
}

static enum err write_error(char *error, struct why *why)
{
    (void)why_set(why, ERR_DISK_FAILED, "%s", error);
    rocksdb_free(error);
    return ERR_DISK_FAILED;
}

static enum err open_error(char *error, const char *path, struct why *why)
{
    enum err err = ERR_DISK_FAILED;
    if (strstr(error, "lock hold by current process") != NULL ||
        strstr(error, "While lock file") != NULL)
        err = why_set(why, ERR_LOCKED, "another process has '%s' open: stop it first", path);
    else if (strstr(error, "Column families not opened") != NULL)
        err = why_set(why, ERR_WRONG_FORMAT,
                      "'%s' has column families that this version does not know: run the version "
                      "that wrote it",
                      path);
    else if (strncmp(error, "Corruption", strlen("Corruption")) == 0)
        err = why_set(why, ERR_LOG_TOO_SHORT, STORE_RESYNC ": the database was damaged: %s", error);
    else
        err = why_set(why, ERR_DISK_FAILED, "%s", error);
    rocksdb_free(error);
    return err;
}

/* ---- batches ------------------------------------------------------------------------------------ */
static rocksdb_writebatch_t *rows_of(struct engine_batch *batch)
{
    return (rocksdb_writebatch_t *)(void *)batch;
}

static struct engine_batch *rocks_batch_new(struct engine *engine)
{
    (void)engine;
    return (struct engine_batch *)(void *)rocksdb_writebatch_create();
}

static void rocks_batch_free(struct engine_batch *batch)
{
    rocksdb_writebatch_destroy(rows_of(batch));
}

static void rocks_batch_clear(struct engine_batch *batch)
{
    rocksdb_writebatch_clear(rows_of(batch));
}

static void rocks_batch_put(struct engine *engine, struct engine_batch *batch,
                            enum store_family family, struct bytes key, struct bytes value)
{
    rocksdb_writebatch_put_cf(rows_of(batch), rocks_of(engine)->families[family], text(key),
                              key.len, text(value), value.len);
}

static void rocks_batch_delete(struct engine *engine, struct engine_batch *batch,
                               enum store_family family, struct bytes key)
{
    rocksdb_writebatch_delete_cf(rows_of(batch), rocks_of(engine)->families[family], text(key),
                                 key.len);
}

static void rocks_batch_delete_range(struct engine *engine, struct engine_batch *batch,
                                     enum store_family family, struct bytes start, struct bytes end)
{
    rocksdb_writebatch_delete_range_cf(rows_of(batch), rocks_of(engine)->families[family],
                                       text(start), start.len, text(end), end.len);
}

static enum err rocks_write(struct engine *engine, struct engine_batch *batch, bool sync,
                            struct why *why)
{
    struct rocks *rocks = rocks_of(engine);
    char *error = NULL;
    count_nothing();
    rocksdb_write(rocks->db, sync ? rocks->synced : rocks->unsynced, rows_of(batch), &error);
    return error == NULL ? OK : write_error(error, why);
}

/* ---- reads -------------------------------------------------------------------------------------- */
static struct engine_snapshot *rocks_snapshot_new(struct engine *engine)
{
    const rocksdb_snapshot_t *snapshot = rocksdb_create_snapshot(rocks_of(engine)->db);
    return (struct engine_snapshot *)(uintptr_t)snapshot;
}

static const rocksdb_snapshot_t *snapshot_of(const struct engine_snapshot *snapshot)
{
    return (const rocksdb_snapshot_t *)(const void *)snapshot;
}

static void rocks_snapshot_free(struct engine *engine, struct engine_snapshot *snapshot)
{
    rocksdb_release_snapshot(rocks_of(engine)->db, snapshot_of(snapshot));
}

static rocksdb_readoptions_t *read_options_new(const struct engine_snapshot *snapshot)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(options, 1);
    if (snapshot != NULL)
        rocksdb_readoptions_set_snapshot(options, snapshot_of(snapshot));
    return options;
}

static enum err rocks_get(struct engine *engine, const struct engine_snapshot *snapshot,
                          enum store_family family, struct bytes key, struct buf *ret)
{
    struct rocks *rocks = rocks_of(engine);
    rocksdb_readoptions_t *own = snapshot == NULL ? NULL : read_options_new(snapshot);
    char *error = NULL;
    count_nothing();
    rocksdb_pinnableslice_t *found =
        rocksdb_get_pinned_cf(rocks->db, own != NULL ? own : rocks->newest, rocks->families[family],
                              text(key), key.len, &error);
    if (own != NULL)
        rocksdb_readoptions_destroy(own);
    if (error != NULL)
        return read_error(error);
    if (found == NULL)
        return ERR_NOT_FOUND;
    size_t len;
    const char *data = rocksdb_pinnableslice_value(found, &len);
    buf_clear(ret);
    buf_append(ret, data, len);
    rocksdb_pinnableslice_destroy(found);
    return OK;
}

static struct rocks_iter *iter_of(struct engine_iter *iter)
{
    return CONTAINER_OF(iter, struct rocks_iter, iter);
}

static struct engine_iter *rocks_iter_new(struct engine *engine,
                                          const struct engine_snapshot *snapshot,
                                          enum store_family family, struct bytes lower,
                                          struct bytes upper, bool is_scan)
{
    struct rocks *rocks = rocks_of(engine);
    struct rocks_iter *it = alloc_zero(sizeof(*it));
    count_nothing();
    it->options = read_options_new(snapshot);
    rocksdb_readoptions_set_fill_cache(it->options, !is_scan);
    rocksdb_readoptions_set_iterate_lower_bound(it->options, text(lower), lower.len);
    rocksdb_readoptions_set_iterate_upper_bound(it->options, text(upper), upper.len);
    it->rows = rocksdb_create_iterator_cf(rocks->db, it->options, rocks->families[family]);
    return &it->iter;
}

/* An iterator that met an error just ends, so its status is read at each end. */
static void settle(struct rocks_iter *it)
{
    it->iter.valid = it->err == OK && rocksdb_iter_valid(it->rows);
    if (it->iter.valid) {
        size_t len;
        const char *data = rocksdb_iter_key(it->rows, &len);
        it->iter.key = bytes_of(data, len);
        data = rocksdb_iter_value(it->rows, &len);
        it->iter.value = bytes_of(data, len);
    } else if (it->err == OK) {
        char *error = NULL;
        rocksdb_iter_get_error(it->rows, &error);
        if (error != NULL)
            it->err = read_error(error);
    }
}

static void rocks_iter_seek(struct engine_iter *iter, struct bytes key)
{
    rocksdb_iter_seek(iter_of(iter)->rows, text(key), key.len);
    settle(iter_of(iter));
}

static void rocks_iter_seek_before(struct engine_iter *iter, struct bytes key)
{
    rocksdb_iter_seek_for_prev(iter_of(iter)->rows, text(key), key.len);
    settle(iter_of(iter));
}

static void rocks_iter_first(struct engine_iter *iter)
{
    rocksdb_iter_seek_to_first(iter_of(iter)->rows);
    settle(iter_of(iter));
}

static void rocks_iter_last(struct engine_iter *iter)
{
    rocksdb_iter_seek_to_last(iter_of(iter)->rows);
    settle(iter_of(iter));
}

static void rocks_iter_next(struct engine_iter *iter)
{
    rocksdb_iter_next(iter_of(iter)->rows);
    settle(iter_of(iter));
}

static void rocks_iter_prev(struct engine_iter *iter)
{
    rocksdb_iter_prev(iter_of(iter)->rows);
    settle(iter_of(iter));
}

static enum err rocks_iter_close(struct engine_iter *iter)
{
    struct rocks_iter *it = iter_of(iter);
    settle(it);
    enum err err = it->err;
    rocksdb_iter_destroy(it->rows);
    rocksdb_readoptions_destroy(it->options);
    free(it);
    return err;
}

/* ---- the whole ---------------------------------------------------------------------------------- */
/* Every table of the last level, but those that this compaction wrote itself. */
enum { BOTTOMMOST_FORCE_OPTIMIZED = 3 };

static enum err flush_one(struct rocks *rocks, enum store_family family, bool wait, struct why *why)
{
    char *error = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, wait);
    FAILPOINT("store.flush");
    rocksdb_flush_cf(rocks->db, options, rocks->families[family], &error);
    rocksdb_flushoptions_destroy(options);
    return error == NULL ? OK : write_error(error, why);
}

static enum err rocks_flush(struct engine *engine, enum store_family family, bool wait,
                            struct why *why)
{
    struct rocks *rocks = rocks_of(engine);
    if (family != STORE_FAMILIES)
        return flush_one(rocks, family, wait, why);
    enum err err = OK;
    for (int i = 0; err == OK && i < STORE_FAMILIES; i++)
        err = flush_one(rocks, (enum store_family)i, wait, why);
    return err;
}

/* Memtables are written out first (log_size_for_flush 0): what a log of the copy holds is only what
 * came meanwhile. */
static enum err rocks_checkpoint(struct engine *engine, const char *path, struct why *why)
{
    struct rocks *rocks = rocks_of(engine);
    char *error = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(rocks->db, &error);
    if (error == NULL) {
        rocksdb_checkpoint_create(checkpoint, path, 0, &error);
        rocksdb_checkpoint_object_destroy(checkpoint);
    }
    if (error == NULL)
        return OK;
    enum err err = why_set(why, ERR_IO, "%s", error);
    rocksdb_free(error);
    return err;
}

static uint64_t property_of(struct rocks *rocks, int family, const char *name)
{
    uint64_t value = 0;
    if (rocksdb_property_int_cf(rocks->db, rocks->families[family], name, &value) != 0)
        return 0; /* unknown here: a figure less, no fault */
    return value;
}

/* A property that is only there as text. */
static uint64_t text_property_of(struct rocks *rocks, int family, const char *name)
{
    char *text = rocksdb_property_value_cf(rocks->db, rocks->families[family], name);
    uint64_t value = text == NULL ? 0 : strtoull(text, NULL, 10);
    rocksdb_free(text);
    return value;
}

static uint64_t tables_bytes(struct rocks *rocks, enum store_family family)
{
    return property_of(rocks, (int)family, "rocksdb.live-sst-files-size");
}

/* The C interface tells no error of a compaction: one counts as an error in the background. */
static enum err rocks_compact(struct engine *engine, enum store_family family,
                              struct store_compacted *ret, struct why *why)
{
    struct rocks *rocks = rocks_of(engine);
    const char *errors = "rocksdb.background-errors";
    uint64_t before = property_of(rocks, (int)family, errors);
    enum err err = flush_one(rocks, family, true, why);
    if (err != OK)
        return err;
    ret->before_bytes = tables_bytes(rocks, family);
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    rocksdb_compactoptions_set_bottommost_level_compaction(options, BOTTOMMOST_FORCE_OPTIMIZED);
    rocksdb_compact_range_cf_opt(rocks->db, rocks->families[family], options, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(options);
    ret->after_bytes = tables_bytes(rocks, family);
    if (property_of(rocks, (int)family, errors) > before)
        return why_set(why, ERR_DISK_FAILED, "compacting '%s' met an error of the disk",
                       engine_family_names[family]);
    return OK;
}

static void rocks_stop_compacting(struct engine *engine)
{
    rocksdb_disable_manual_compaction(rocks_of(engine)->db);
}

static uint64_t log_file_bytes(const char *path)
{
    struct file_names names = {0};
    uint64_t sum = 0;
    if (file_list(path, &names, NULL) != OK)
        return 0;
    for (size_t i = 0; i < names.count; i++) {
        size_t len = strlen(names.items[i]);
        if (len < 4 || strcmp(names.items[i] + len - 4, ".log") != 0)
            continue;
        struct buf file = BUF_INIT;
        uint64_t bytes;
        buf_printf(&file, "%s/%s", path, names.items[i]);
        if (file_size(buf_string(&file), &bytes, NULL) == OK) /* it may be gone meanwhile */
            sum += bytes;
        buf_done(&file);
    }
    file_names_done(&names);
    return sum;
}

/* A cache without room lets go of all that is not in use right now. */
static void rocks_forget_cached(struct engine *engine)
{
    struct rocks *rocks = rocks_of(engine);
    rocksdb_cache_set_capacity(rocks->options.cache, 0);
    rocksdb_cache_set_capacity(rocks->options.cache, rocks->cache_bytes);
}

static void rocks_stats(struct engine *engine, struct store_stats *ret)
{
    struct rocks *rocks = rocks_of(engine);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        ret->memtable_bytes += property_of(rocks, i, "rocksdb.cur-size-all-mem-tables");
        ret->table_readers_bytes += property_of(rocks, i, "rocksdb.estimate-table-readers-mem");
        ret->live_sst_bytes += property_of(rocks, i, "rocksdb.live-sst-files-size");
        ret->pending_compaction_bytes +=
            property_of(rocks, i, "rocksdb.estimate-pending-compaction-bytes");
        ret->estimated_keys += property_of(rocks, i, "rocksdb.estimate-num-keys");
        ret->live_versions += property_of(rocks, i, "rocksdb.num-live-versions");
        ret->immutable_memtables += property_of(rocks, i, "rocksdb.num-immutable-mem-table");
        ret->level0_files += text_property_of(rocks, i, "rocksdb.num-files-at-level0");
    }
    /* Of the whole database, whatever family is asked. */
    ret->running_compactions = property_of(rocks, 0, "rocksdb.num-running-compactions");
    ret->running_flushes = property_of(rocks, 0, "rocksdb.num-running-flushes");
    ret->oldest_snapshot_s = property_of(rocks, 0, "rocksdb.oldest-snapshot-time");
    ret->writes_stopped = property_of(rocks, 0, "rocksdb.is-write-stopped");
    ret->delayed_writes_bytes_per_s = property_of(rocks, 0, "rocksdb.actual-delayed-write-rate");
    for (int i = 0; i < STORE_FAMILIES; i++)
        ret->background_errors += property_of(rocks, i, "rocksdb.background-errors");
    ret->block_cache_bytes = rocksdb_cache_get_usage(rocks->options.cache);
    ret->wal_bytes = log_file_bytes(rocks->path);
}

static void rocks_close(struct engine *engine)
{
    struct rocks *rocks = rocks_of(engine);
    if (rocks->db != NULL) {
        for (int i = 0; i < STORE_FAMILIES; i++)
            rocksdb_column_family_handle_destroy(rocks->families[i]);
        rocksdb_close(rocks->db);
    }
    if (rocks->synced != NULL)
        rocksdb_writeoptions_destroy(rocks->synced);
    if (rocks->unsynced != NULL)
        rocksdb_writeoptions_destroy(rocks->unsynced);
    if (rocks->newest != NULL)
        rocksdb_readoptions_destroy(rocks->newest);
    rocks_options_done(&rocks->options);
    free(rocks->path);
    free(rocks);
}

static const struct engine_ops rocks_ops = {
    .batch_new = rocks_batch_new,
    .batch_free = rocks_batch_free,
    .batch_clear = rocks_batch_clear,
    .batch_put = rocks_batch_put,
    .batch_delete = rocks_batch_delete,
    .batch_delete_range = rocks_batch_delete_range,
    .write = rocks_write,
    .snapshot_new = rocks_snapshot_new,
    .snapshot_free = rocks_snapshot_free,
    .get = rocks_get,
    .iter_new = rocks_iter_new,
    .iter_seek = rocks_iter_seek,
    .iter_seek_before = rocks_iter_seek_before,
    .iter_first = rocks_iter_first,
    .iter_last = rocks_iter_last,
    .iter_next = rocks_iter_next,
    .iter_prev = rocks_iter_prev,
    .iter_close = rocks_iter_close,
    .flush = rocks_flush,
    .compact = rocks_compact,
    .stop_compacting = rocks_stop_compacting,
    .checkpoint = rocks_checkpoint,
    .forget_cached = rocks_forget_cached,
    .stats = rocks_stats,
    .close = rocks_close,
};

static char *path_of(const char *dir, const char *name)
{
    struct buf buf = BUF_INIT;
    buf_printf(&buf, "%s/%s", dir, name);
    char *path = alloc_string(buf_string(&buf));
    buf_done(&buf);
    return path;
}

/* CURRENT names the manifest: it is the last file that the making of a database writes. */
bool rocks_is_there(const char *dir)
{
    char *path = path_of(dir, "db/CURRENT");
    bool is_there = file_is_there(path);
    free(path);
    return is_there;
}

static void open_db(struct rocks *rocks, bool read_only, char **error)
{
    const rocksdb_options_t *families[STORE_FAMILIES];
    const char *names[STORE_FAMILIES];
    for (int i = 0; i < STORE_FAMILIES; i++) {
        families[i] = rocks->options.families[i];
        names[i] = engine_family_names[i];
    }
    rocks->db = read_only
                    ? rocksdb_open_for_read_only_column_families(rocks->options.db, rocks->path,
                                                                 STORE_FAMILIES, names, families,
                                                                 rocks->families, 0, error)
                    : rocksdb_open_column_families(rocks->options.db, rocks->path, STORE_FAMILIES,
                                                   names, families, rocks->families, error);
}

enum err rocks_open(const struct store_options *options, bool create, struct engine **ret_engine,
                    struct why *why)
{
    struct store_options sizes = *options;
    struct store_options defaults;
    store_options_init(&defaults);
    if (sizes.block_cache_bytes == 0)
        sizes.block_cache_bytes = defaults.block_cache_bytes;
    if (sizes.memtable_bytes == 0)
        sizes.memtable_bytes = defaults.memtable_bytes;
    if (sizes.max_background_jobs == 0)
        sizes.max_background_jobs = defaults.max_background_jobs;

    struct rocks *rocks = alloc_zero(sizeof(*rocks));
    rocks->engine.ops = &rocks_ops;
    rocks->path = path_of(options->dir, "db");
    rocks->cache_bytes = sizes.block_cache_bytes;
    enum err err = rocks_options_init(&rocks->options, &sizes, why);
    if (err == OK) {
        char *error = NULL;
        rocksdb_options_set_create_if_missing(rocks->options.db, create);
        open_db(rocks, options->read_only, &error);
        if (error != NULL)
            err = open_error(error, rocks->path, why);
    }
    if (err != OK) {
        rocks->db = NULL;
        rocks_close(&rocks->engine);
        return err;
    }
    rocks->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->synced, 1);
    rocks->unsynced = rocksdb_writeoptions_create();
    rocks->newest = read_options_new(NULL);
    *ret_engine = &rocks->engine;
    return OK;
}
