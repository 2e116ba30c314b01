/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of RocksDB. What binds us (reliability of the log above all) goes through one option
 * string for the database and one for every family, so that what has no setter in C is set the same
 * way as what has; a test holds the OPTIONS file of an opened store against both lists. Sizes and
 * objects (cache, filter) go through setters.
 *
 * The log: mode 0 (a torn tail is cut off, anything else refused) is safe only together with
 * track_and_verify_wals_in_manifest, which notices an older log that is short or missing. The
 * default mode 2 drops synced writes in silence after one flipped byte. */
#include "store/rocks_options.h"

#include "store/engine.h"

/* clang-format off */
#ifndef LETHE_MUTANT_wal_default
#define LOG_OPTIONS                                                                                \
    "wal_recovery_mode=kTolerateCorruptedTailRecords;"                                             \
    "track_and_verify_wals_in_manifest=true;"
#else
#define LOG_OPTIONS                                                                                \
    "wal_recovery_mode=kPointInTimeRecovery;"                                                      \
    "track_and_verify_wals_in_manifest=false;"
#endif

static const char db_options[] =
    LOG_OPTIONS
    "recycle_log_file_num=0;"
    "WAL_ttl_seconds=0;"
    "WAL_size_limit_MB=0;"
    "manual_wal_flush=false;"
    "atomic_flush=false;"
    "max_bgerror_resume_count=0;"
    "paranoid_checks=true;"
    "max_open_files=-1;"
    "allow_mmap_reads=false;"
    "allow_mmap_writes=false;"
    "use_direct_reads=false;"
    "use_direct_io_for_flush_and_compaction=false;"
    "skip_stats_update_on_db_open=true;"
    "stats_dump_period_sec=0;"
    "stats_persist_period_sec=0;"
    "info_log_level=WARN_LEVEL;"
    "keep_log_file_num=2;"
    "max_log_file_size=1048576;"
    "max_manifest_file_size=16777216;";

/* The table's form (checksum, format, filter) stands in table_of. */
static const char family_options[] =
    "paranoid_file_checks=true;"
    "force_consistency_checks=true;"
    "memtable_protection_bytes_per_key=8;"
    "periodic_compaction_seconds=604800;"
    "level_compaction_dynamic_level_bytes=true;"
    "max_write_buffer_number=3;";
/* clang-format on */

enum { XXH3_CHECKSUM = 4, TABLE_FORMAT = 5, BLOOM_BITS = 10 };

/* How each family is used decides its form. Point lookups that often find nothing (dedup at each
 * send, channels at first sight) have a bloom filter. `raft` is written once, read rarely and soon
 * dropped: not worth compressing, and not worth a place in the cache either, which the check of each
 * new file (paranoid_file_checks) would fill with it. Shares are of the memory of all memtables, in 32nds; their sum may
 * exceed the whole, which db_write_buffer_size bounds.
 *
 * level0_files: so many memtables that were written out are merged into the next level together.
 * Each merge reads and writes what lies there over the same keys, which for `raft` and `messages` is
 * nearly all of it, as every slot writes: with RocksDB's 4 that took more of the processor than the
 * commands themselves (docs/performance.md). `raft` is hardly read, so that many files cost nothing;
 * each file more is one more place to look for every read of `messages`. Level 0 is not compressed:
 * its files are soon read and written again. */
static const struct form {
    bool has_bloom, is_compressed, is_uncached;
    uint8_t memtable_share, level0_files;
    uint32_t block_bytes;
} forms[STORE_FAMILIES] = {
    [STORE_DEFAULT] = {false, false, false, 1, 4, 4096},
    [STORE_SLOTS] = {false, false, false, 2, 4, 4096},
    [STORE_RAFT] = {false, false, true, 8, 32, 65536},
    [STORE_MESSAGES] = {false, true, false, 8, 8, 8192},
    [STORE_CHANNELS] = {true, true, false, 4, 4, 4096},
    [STORE_DELETED] = {false, true, false, 2, 4, 4096},
    [STORE_DELETE_LOG] = {false, true, false, 2, 4, 4096},
    [STORE_DEDUP] = {true, true, false, 4, 4, 4096},
};

/* Files of level 0 above those that are merged together, at which writes are slowed, then stopped:
 * RocksDB's 20 and 36 with its 4. */
enum { LEVEL0_SLOW_FILES = 16, LEVEL0_STOP_FILES = 32, LEVELS = 7 };

/* RocksDB merges level 0 also once it is larger than the level it goes to may be, however few its
 * files are. So that one holds a level 0 of full memtables. */
enum { LEVEL_BASE_LEAST_BYTES = 256 << 20 };

static uint64_t level_base_bytes(const struct form *form, uint64_t write_buffer_bytes)
{
    uint64_t level0_bytes = form->level0_files * write_buffer_bytes;
    return level0_bytes > LEVEL_BASE_LEAST_BYTES ? level0_bytes : LEVEL_BASE_LEAST_BYTES;
}

static void set_table(rocksdb_options_t *options, const struct form *form, rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_checksum(table, XXH3_CHECKSUM);
    rocksdb_block_based_options_set_format_version(table, TABLE_FORMAT);
    rocksdb_block_based_options_set_block_size(table, form->block_bytes);
    if (form->is_uncached)
        rocksdb_block_based_options_set_no_block_cache(table, 1);
    else
        rocksdb_block_based_options_set_block_cache(table, cache);
    if (form->has_bloom) /* the table owns it */
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

/* New options: base with those of the string over it. */
static enum err parse(const char *string, rocksdb_options_t **ret, struct why *why)
{
    rocksdb_options_t *base = rocksdb_options_create(), *options = rocksdb_options_create();
    char *error = NULL;
    rocksdb_get_options_from_string(base, string, options, &error);
    rocksdb_options_destroy(base);
    if (error != NULL) {
        (void)why_set(why, ERR_DISK_FAILED, "RocksDB refuses its options: %s", error);
        rocksdb_free(error);
        rocksdb_options_destroy(options);
        return ERR_DISK_FAILED;
    }
    *ret = options;
    return OK;
}

static void set_sizes(rocksdb_options_t *db, const struct store_options *options)
{
    rocksdb_options_set_db_write_buffer_size(db, options->memtable_bytes);
    /* An idle family keeps old logs alive; beyond this it is written out, which also bounds how
     * long a start reads logs. Full memtables of `raft` and `messages` need half of it. */
    rocksdb_options_set_max_total_wal_size(db,
                                           options->memtable_bytes + options->memtable_bytes / 4);
    rocksdb_options_set_max_background_jobs(db, (int)options->max_background_jobs);
    rocksdb_options_set_create_missing_column_families(db, 1);
}

static void set_levels(rocksdb_options_t *options, const struct form *form,
                       uint64_t write_buffer_bytes)
{
    int levels[LEVELS];
    for (int i = 0; i < LEVELS; i++)
        levels[i] = form->is_compressed && i > 0 ? rocksdb_lz4_compression : rocksdb_no_compression;
    rocksdb_options_set_num_levels(options, LEVELS);
    rocksdb_options_set_compression_per_level(options, levels, LEVELS);
    /* Of what no level says: there is none. It is what RocksDB shows as the family's compression. */
    rocksdb_options_set_compression(options, levels[LEVELS - 1]);
    rocksdb_options_set_max_bytes_for_level_base(options,
                                                 level_base_bytes(form, write_buffer_bytes));
    rocksdb_options_set_level0_file_num_compaction_trigger(options, form->level0_files);
    rocksdb_options_set_level0_slowdown_writes_trigger(options,
                                                       form->level0_files + LEVEL0_SLOW_FILES);
    rocksdb_options_set_level0_stop_writes_trigger(options, form->level0_files + LEVEL0_STOP_FILES);
}

static enum err init_family(rocksdb_options_t **ret, enum store_family family,
                            const struct store_options *options, rocksdb_cache_t *cache,
                            struct why *why)
{
    const struct form *form = &forms[family];
    enum err err = parse(family_options, ret, why);
    if (err != OK)
        return err;
    uint64_t write_buffer_bytes = options->memtable_bytes / 32 * form->memtable_share;
    rocksdb_options_set_write_buffer_size(*ret, write_buffer_bytes);
    set_levels(*ret, form, write_buffer_bytes);
    set_table(*ret, form, cache);
    return OK;
}

enum err rocks_options_init(struct rocks_options *ret, const struct store_options *options,
                            struct why *why)
{
    ret->cache = rocksdb_cache_create_lru(options->block_cache_bytes);
    enum err err = parse(db_options, &ret->db, why);
    if (err == OK)
        set_sizes(ret->db, options);
    for (int i = 0; err == OK && i < STORE_FAMILIES; i++)
        err = init_family(&ret->families[i], (enum store_family)i, options, ret->cache, why);
    return err;
}

void rocks_options_done(struct rocks_options *options)
{
    for (int i = 0; i < STORE_FAMILIES; i++)
        if (options->families[i] != NULL)
            rocksdb_options_destroy(options->families[i]);
    if (options->db != NULL)
        rocksdb_options_destroy(options->db);
    if (options->cache != NULL)
        rocksdb_cache_destroy(options->cache);
}
