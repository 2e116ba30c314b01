/* SPDX-License-Identifier: Apache-2.0 */
/* What only RocksDB can show: its settings as it wrote them down, kill -9, damaged logs, tombstones
 * written out, the figures it gives. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "store/internal.h"
#include "sys/file.h"

/* ---- settings ------------------------------------------------------------------------------------ */
/* The newest OPTIONS file. */
static void read_options(struct fixture *f, struct buf *ret)
{
    char path[700];
    struct file_names names;
    snprintf(path, sizeof(path), "%s/db", f->dir);
    assert_ok(file_list(path, &names, NULL));
    const char *newest = NULL;
    for (size_t i = 0; i < names.count; i++)
        if (strncmp(names.items[i], "OPTIONS-", 8) == 0)
            newest = names.items[i];
    ck_assert_ptr_nonnull(newest);
    snprintf(path, sizeof(path), "%s/db/%s", f->dir, newest);
    assert_ok(file_read(path, 1 << 20, ret, NULL));
    file_names_done(&names);
}

/* The part of the file from the section's head to the next. */
static char *section_of(const char *file, const char *head)
{
    const char *start = strstr(file, head);
    ck_assert_msg(start != NULL, "no section %s", head);
    const char *end = strstr(start + strlen(head), "\n[");
    return strndup(start, end != NULL ? (size_t)(end - start) : strlen(start));
}

static void assert_lines(const char *section, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char line[200];
        snprintf(line, sizeof(line), "\n  %s\n", lines[i]);
        ck_assert_msg(strstr(section, line) != NULL, "'%s' is not in\n%s", lines[i], section);
    }
}

START_TEST(settings_are_all_in_force)
{
    static const char *const of_database[] = {
        "wal_recovery_mode=kTolerateCorruptedTailRecords",
        "track_and_verify_wals_in_manifest=true",
        "recycle_log_file_num=0",
        "WAL_ttl_seconds=0",
        "WAL_size_limit_MB=0",
        "manual_wal_flush=false",
        "atomic_flush=false",
        "max_bgerror_resume_count=0",
        "paranoid_checks=true",
        "max_open_files=-1",
        "max_background_jobs=2",
        "use_direct_reads=false",
        "use_direct_io_for_flush_and_compaction=false",
        "allow_mmap_reads=false",
        "allow_mmap_writes=false",
        "info_log_level=WARN_LEVEL",
        "keep_log_file_num=2",
        "max_log_file_size=1048576",
        "db_write_buffer_size=134217728",
        "max_total_wal_size=167772160",
    };
    static const char *const of_family[] = {
        "paranoid_file_checks=true",
        "force_consistency_checks=true",
        "memtable_protection_bytes_per_key=8",
        "periodic_compaction_seconds=604800",
        "memtable_insert_with_hint_prefix_extractor=nullptr",
        "merge_operator=nullptr",
        "compaction_style=kCompactionStyleLevel",
        "disable_auto_compactions=false",
    };
    static const char *const of_table[] = {"checksum=kXXH3", "format_version=5"};
    struct fixture f;
    struct buf file = BUF_INIT;
    fixture_open(&f, ON_ROCKS);
    read_options(&f, &file);
    const char *text = buf_string(&file);
    char *section = section_of(text, "[DBOptions]");
    assert_lines(section, of_database, ARRAY_LEN(of_database));
    free(section);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        const char *name = engine_family_names[i];
        char head[100];
        snprintf(head, sizeof(head), "[CFOptions \"%s\"]", name);
        section = section_of(text, head);
        assert_lines(section, of_family, ARRAY_LEN(of_family));
        bool is_plain = i == STORE_RAFT || i == STORE_DEFAULT || i == STORE_SLOTS;
        const char *compression =
            is_plain ? "compression=kNoCompression" : "compression=kLZ4Compression";
        assert_lines(section, &compression, 1);
        ck_assert_ptr_nonnull(strstr(section, is_plain ? "compression_per_level=kNoCompression"
                                                       : "compression_per_level=kNoCompression:"
                                                         "kLZ4Compression:kLZ4Compression:"
                                                         "kLZ4Compression:kLZ4Compression:"
                                                         "kLZ4Compression:kLZ4Compression"));
        const char *level0 = i == STORE_RAFT       ? "level0_file_num_compaction_trigger=32"
                             : i == STORE_MESSAGES ? "level0_file_num_compaction_trigger=8"
                                                   : "level0_file_num_compaction_trigger=4";
        assert_lines(section, &level0, 1);
        const char *base = i == STORE_RAFT ? "max_bytes_for_level_base=1073741824"
                                           : "max_bytes_for_level_base=268435456";
        assert_lines(section, &base, 1);
        free(section);
        snprintf(head, sizeof(head), "[TableOptions/BlockBasedTable \"%s\"]", name);
        section = section_of(text, head);
        assert_lines(section, of_table, ARRAY_LEN(of_table));
        bool has_bloom = i == STORE_DEDUP || i == STORE_CHANNELS;
        ck_assert((strstr(section, "filter_policy=bloomfilter") != NULL) == has_bloom);
        ck_assert((strstr(section, "filter_policy=nullptr") != NULL) == !has_bloom);
        free(section);
    }
    buf_done(&file);
    fixture_done(&f);
}
END_TEST

/* ---- kills ---------------------------------------------------------------------------------------- */
/* Writes synced batches of four rows and says after each one, until it is killed. */
static void write_until_killed(const struct store_options *options, int out)
{
    struct fixture f = {.options = *options};
    if (fixture_try(&f) != OK)
        _exit(1);
    for (uint32_t i = 1;; i++) {
        put_messages(&f, 1, channel_of(2, "c"), 2 * i + 1, 2 * i + 2); /* not synced */
        struct row_entry row = entry_of(i, 1, "e");
        store_put_entry(f.batch, 1, &row);
        store_put_applied(f.batch, 1, &(struct row_applied){i, 1, {0, 0}});
        fixture_write(&f, true);
        promise_set(store_promise(f.store), 1, &(struct promise_row){0, 0, i, 1});
        if (promise_write(store_promise(f.store), NULL) != OK ||
            write(out, &i, sizeof(i)) != sizeof(i))
            _exit(2);
    }
}

static uint32_t kill_while_writing(const struct store_options *options, unsigned after_us)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[0]);
        write_until_killed(options, ends[1]);
    }
    close(ends[1]);
    uint32_t acknowledged = 0, got;
    while (acknowledged < 20 && read(ends[0], &got, sizeof(got)) == sizeof(got))
        acknowledged = got;
    usleep(after_us);
    kill(child, SIGKILL);
    while (read(ends[0], &got, sizeof(got)) == sizeof(got))
        acknowledged = got;
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    return acknowledged;
}

START_TEST(killed_writer_loses_nothing_acknowledged)
{
    struct fixture f;
    fixture_prepare(&f, ON_ROCKS);
    uint32_t acknowledged = kill_while_writing(&f.options, 1000 + (unsigned)_i * 7000);
    ck_assert_uint_ge(acknowledged, 20);
    enum err err = fixture_try(&f);
    ck_assert_msg(err == OK, "%s", f.why.text);
    uint64_t base, term, last;
    struct row_applied applied;
    struct promise_row row;
    assert_ok(store_log_bounds(f.store, 1, &base, &term, &last));
    assert_ok(store_get_applied(f.store, NULL, 1, &applied));
    promise_get(store_promise(f.store), 1, &row);
    ck_assert_uint_ge(last, acknowledged);
    ck_assert_uint_le(last, acknowledged + 1);
    ck_assert_uint_eq(applied.index, last); /* one batch */
    ck_assert_uint_ge(row.last_index, acknowledged);
    struct store_iter *iter = store_iter_slot_messages(f.store, NULL, 1);
    uint64_t seq = 3;
    while (store_iter_next(iter))
        ck_assert_uint_eq(store_iter_seq(iter), seq++);
    assert_ok(store_iter_done(iter));
    ck_assert_uint_ge(seq, 2 * last + 3);
    fixture_done(&f);
}
END_TEST

/* ---- damaged logs --------------------------------------------------------------------------------- */
/* The n-th log file in order of its number, counted from the newest (0). Free it. */
static char *log_path(struct fixture *f, size_t from_newest)
{
    struct file_names names;
    char path[700], *found = NULL;
    size_t logs = 0;
    snprintf(path, sizeof(path), "%s/db", f->dir);
    assert_ok(file_list(path, &names, NULL));
    for (size_t i = names.count; i-- > 0 && found == NULL;) {
        const char *dot = strrchr(names.items[i], '.');
        if (dot == NULL || strcmp(dot, ".log") != 0 || logs++ != from_newest)
            continue;
        snprintf(path, sizeof(path), "%s/db/%s", f->dir, names.items[i]);
        found = strdup(path);
    }
    file_names_done(&names);
    ck_assert_ptr_nonnull(found);
    return found;
}

/* Leaves a folder as a killed process would: 400 batches in one log, or half of them in an older
 * one. */
static void leave_logs(struct fixture *f, bool two_logs)
{
    fixture_prepare(f, ON_ROCKS);
    pid_t child = fork();
    if (child == 0) {
        if (fixture_try(f) != OK)
            _exit(1);
        for (uint32_t i = 1; i <= 400; i++) {
            struct row_entry row = entry_of(i, 1, "some bytes of an entry");
            store_put_entry(f->batch, 1, &row);
            put_messages(f, 1, channel_of(2, "c"), i, i);
            if (store_write(f->store, f->batch, true, NULL) != OK)
                _exit(2);
            /* One family is written out: the log is changed, but the others keep the old one. */
            if (two_logs && i == 200 &&
                f->store->engine->ops->flush(f->store->engine, STORE_RAFT, true, NULL) != OK)
                _exit(3);
        }
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void flip(const char *path, uint64_t place)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)place), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)place), 1);
    close(fd);
}

static void assert_resync(struct fixture *f)
{
    assert_err(fixture_try(f), ERR_LOG_TOO_SHORT);
    ck_assert_msg(strstr(f->why.text, "re-sync") != NULL, "%s", f->why.text);
}

START_TEST(undamaged_logs_are_taken)
{
    struct fixture f;
    leave_logs(&f, true);
    assert_ok(fixture_try(&f));
    uint64_t base, term, last;
    assert_ok(store_log_bounds(f.store, 1, &base, &term, &last));
    ck_assert_uint_eq(last, 400);
    fixture_done(&f);
}
END_TEST

START_TEST(flip_inside_the_log_is_refused)
{
    struct fixture f;
    uint64_t bytes;
    leave_logs(&f, false);
    char *path = log_path(&f, 0);
    assert_ok(file_size(path, &bytes, NULL));
    flip(path, bytes / 2);
    assert_resync(&f);
    free(path);
    fixture_done(&f);
}
END_TEST

START_TEST(older_log_cut_or_missing_is_refused)
{
    struct fixture f;
    uint64_t bytes;
    leave_logs(&f, true);
    char *path = log_path(&f, 1);
    assert_ok(file_size(path, &bytes, NULL));
    if (_i == 0)
        ck_assert_int_eq(truncate(path, (off_t)(bytes * 3 / 4)), 0);
    else
        ck_assert_int_eq(unlink(path), 0);
    assert_resync(&f);
    free(path);
    fixture_done(&f);
}
END_TEST

/* The newest log may end early: only the promise file can tell. */
START_TEST(newest_log_cut_is_caught_by_the_promise)
{
    struct fixture f;
    uint64_t bytes;
    bool promised = _i == 1;
    leave_logs(&f, false);
    if (promised) {
        struct promise *promise;
        struct store_identity identity = {
            .node_id = 7, .incarnation = f.options.new_incarnation, .slot_count = 64};
        char path[700];
        snprintf(path, sizeof(path), "%s/promise", f.dir);
        assert_ok(promise_open(path, NULL, &identity, &promise, NULL));
        promise_set(promise, 1, &(struct promise_row){0, 0, 400, 1});
        assert_ok(promise_write(promise, NULL));
        promise_close(promise);
    }
    char *path = log_path(&f, 0);
    assert_ok(file_size(path, &bytes, NULL));
    ck_assert_int_eq(truncate(path, (off_t)(bytes * 3 / 4)), 0);
    if (promised)
        assert_err(fixture_try(&f), ERR_LOG_TOO_SHORT);
    else
        assert_ok(fixture_try(&f));
    free(path);
    fixture_done(&f);
}
END_TEST

/* ---- the rest -------------------------------------------------------------------------------------- */
START_TEST(tombstones_are_written_out_near_a_thousand)
{
    struct fixture f;
    struct store_stats stats;
    fixture_open(&f, ON_ROCKS);
    put_messages(&f, 1, channel_of(2, "c"), 1, 1000);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.live_sst_bytes, 0);
    for (uint64_t i = 0; i < 999; i++) {
        store_remove_messages(f.batch, 1, channel_of(2, "c"), 1000 * (i + 1), 1000 * (i + 1) + 200);
        fixture_write(&f, false);
    }
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.range_tombstones_in_memtables, 999);
    store_remove_messages(f.batch, 1, channel_of(2, "c"), 900, 999);
    fixture_write(&f, false);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.range_tombstones_in_memtables, 0);
    for (int wait = 0; stats.live_sst_bytes == 0 && wait < 500; wait++) {
        usleep(10000);
        store_stats(f.store, &stats);
    }
    ck_assert_uint_gt(stats.live_sst_bytes, 0);
    struct store_iter *iter =
        store_iter_messages(f.store, NULL, 1, channel_of(2, "c"), 890, 2000, false);
    ck_assert_str_eq(seqs_of(iter), "890,891,892,893,894,895,896,897,898,899");
    fixture_done(&f);
}
END_TEST

START_TEST(figures_are_given)
{
    struct fixture f;
    struct store_stats stats;
    fixture_open(&f, ON_ROCKS);
    put_messages(&f, 1, channel_of(2, "c"), 1, 1000);
    fixture_write(&f, true);
    struct store_snapshot *snapshot = store_snapshot_new(f.store);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.writes, 3); /* with the one that opened it */
    ck_assert_uint_eq(stats.synced_writes, 2);
    ck_assert_uint_gt(stats.written_bytes, 70000);
    ck_assert_uint_gt(stats.wal_bytes, 70000);
    ck_assert_uint_gt(stats.memtable_bytes, 70000);
    ck_assert_uint_eq(stats.snapshots, 1);
    ck_assert_uint_gt(stats.disk_total_bytes, stats.disk_free_bytes);
    ck_assert_uint_gt(stats.disk_free_bytes, 0);
    ck_assert_uint_ge(stats.estimated_keys, 1000);
    /* An empty batch with sync is a record in the log all the same: it carries the sync. */
    uint64_t before = stats.wal_bytes;
    fixture_write(&f, true);
    store_stats(f.store, &stats);
    ck_assert_uint_gt(stats.wal_bytes, before);
    store_snapshot_free(f.store, snapshot);
    assert_ok(store_flush(f.store, &f.why));
    assert_ok(store_poll(f.store, &f.why));
    store_stats(f.store, &stats);
    ck_assert_uint_gt(stats.live_sst_bytes, 10000);
    ck_assert_str_eq(
        seqs_of(store_iter_messages(f.store, NULL, 1, channel_of(2, "c"), 998, 9999, false)),
        "998,999,1000");
    fixture_done(&f);
}
END_TEST

START_TEST(foreign_database_is_refused)
{
    struct fixture f;
    struct store_key key;
    fixture_open(&f, ON_ROCKS);
    key_identity(&key);
    store_batch_remove(f.batch, STORE_DEFAULT, &key);
    fixture_write(&f, true);
    fixture_close(&f);
    assert_err(fixture_try(&f), ERR_WRONG_FORMAT);
    ck_assert_msg(strstr(f.why.text, "not one of Lethe's") != NULL, "%s", f.why.text);
    fixture_done(&f);
}
END_TEST

Suite *suite_rocks(void)
{
    Suite *suite =
        UNIT_SUITE("rocks", 60, settings_are_all_in_force, undamaged_logs_are_taken,
                   flip_inside_the_log_is_refused, tombstones_are_written_out_near_a_thousand,
                   figures_are_given, foreign_database_is_refused);
    TCase *forking = tcase_create("rocks, forking");
    tcase_set_timeout(forking, 60);
    tcase_add_loop_test(forking, killed_writer_loses_nothing_acknowledged, 0, 5);
    tcase_add_loop_test(forking, older_log_cut_or_missing_is_refused, 0, 2);
    tcase_add_loop_test(forking, newest_log_cut_is_caught_by_the_promise, 0, 2);
    suite_add_tcase(suite, forking);
    return suite;
}
