/* SPDX-License-Identifier: Apache-2.0 */
/* A backup is whole and says whose it is, or it is none: manifests with damaged bytes, copies that
 * were interrupted, folders that are taken for data. */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "fixture.h"
#include "store/backup.h"
#include "sys/file.h"

static struct backup_manifest example(struct backup_slot slots[2])
{
    struct backup_manifest manifest = {.id = "first",
                                       .identity = {.format = STORE_FORMAT,
                                                    .cluster_id = "unit",
                                                    .node_id = 3,
                                                    .incarnation = 0x0123456789abcdef,
                                                    .boot = 5,
                                                    .slot_count = 2},
                                       .created_ms = 1000,
                                       .verified_ms = 2000,
                                       .bytes = 77,
                                       .damage = "slot 1: bad",
                                       .slots = slots};
    slots[0] = (struct backup_slot){.applied = {10, 2, {5, 6}},
                                    .last_delete = 9,
                                    .log_index = 12,
                                    .log_term = 2,
                                    .hard_term = 3};
    slots[1] = (struct backup_slot){.is_incomplete = true};
    return manifest;
}

START_TEST(manifest_comes_back)
{
    struct backup_slot slots[2];
    struct backup_manifest manifest = example(slots), back;
    struct buf buf = BUF_INIT;
    backup_manifest_encode(&manifest, &buf);
    assert_ok(backup_manifest_decode(buf_bytes(&buf), &back, NULL));
    ck_assert_str_eq(back.id, "first");
    ck_assert_str_eq(back.identity.cluster_id, "unit");
    ck_assert_str_eq(back.damage, "slot 1: bad");
    ck_assert_uint_eq(back.identity.node_id, 3);
    ck_assert_uint_eq(back.identity.incarnation, 0x0123456789abcdef);
    ck_assert_uint_eq(back.identity.boot, 5);
    ck_assert_uint_eq(back.created_ms, 1000);
    ck_assert_uint_eq(back.verified_ms, 2000);
    ck_assert_uint_eq(back.bytes, 77);
    ck_assert_uint_eq(back.slots[0].applied.digest.high, 6);
    ck_assert_uint_eq(back.slots[0].last_delete, 9);
    ck_assert_uint_eq(back.slots[0].log_index, 12);
    ck_assert_uint_eq(back.slots[0].hard_term, 3);
    ck_assert(back.slots[1].is_incomplete && !back.slots[0].is_incomplete);
    backup_manifest_done(&back);
    buf_done(&buf);
}
END_TEST

START_TEST(damaged_manifests_are_refused)
{
    struct backup_slot slots[2];
    struct backup_manifest manifest = example(slots), back = {.bytes = 42};
    struct buf buf = BUF_INIT;
    backup_manifest_encode(&manifest, &buf);
    for (size_t bit = 0; bit < buf.len * 8; bit++) {
        buf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(backup_manifest_decode(buf_bytes(&buf), &back, NULL) != OK, "bit %zu", bit);
        buf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < buf.len; len++)
        assert_err(backup_manifest_decode(bytes_of(buf.data, len), &back, NULL), ERR_CORRUPT);
    ck_assert_uint_eq(back.bytes, 42); /* untouched */
    buf_done(&buf);
}
END_TEST

/* With a checksum that is right: bounds are looked at before anything is allocated. */
static enum err decode_changed(const struct backup_manifest *manifest, size_t at, uint8_t value)
{
    struct buf buf = BUF_INIT;
    struct backup_manifest back;
    backup_manifest_encode(manifest, &buf);
    buf.data[at] = value;
    buf_set_le32(&buf, buf.len - 4, crc32c(bytes_of(buf.data, buf.len - 4)));
    enum err err = backup_manifest_decode(buf_bytes(&buf), &back, NULL);
    if (err == OK)
        backup_manifest_done(&back);
    buf_done(&buf);
    return err;
}

START_TEST(impossible_manifests_are_refused)
{
    struct backup_slot slots[2];
    struct backup_manifest manifest = example(slots);
    enum { VERSION = 8, FORMAT = 12, ID_LEN = 16, ID = 17, SLOTS = 16 + 6 + 5 + 1 + 8 + 1 };
    assert_err(decode_changed(&manifest, VERSION, 2), ERR_WRONG_FORMAT);
    assert_err(decode_changed(&manifest, FORMAT, 9), ERR_WRONG_FORMAT);
    assert_err(decode_changed(&manifest, ID_LEN, 200), ERR_CORRUPT);
    assert_err(decode_changed(&manifest, ID, '/'), ERR_CORRUPT);
    assert_err(decode_changed(&manifest, ID, '.'), ERR_CORRUPT);
    assert_err(decode_changed(&manifest, SLOTS, 3), ERR_CORRUPT);        /* more than there are */
    assert_err(decode_changed(&manifest, SLOTS + 3, 0xff), ERR_CORRUPT); /* 4 thousand millions */
    slots[0].last_delete = 11;                                           /* above applied */
    assert_err(decode_changed(&manifest, VERSION, 1), ERR_CORRUPT);
    slots[0].last_delete = 9;
    slots[0].log_index = 9; /* below applied */
    assert_err(decode_changed(&manifest, VERSION, 1), ERR_CORRUPT);
    slots[0].log_index = UINT64_MAX;
    assert_err(decode_changed(&manifest, VERSION, 1), ERR_CORRUPT);
    slots[0].log_index = 12;
    assert_ok(decode_changed(&manifest, VERSION, 1));
}
END_TEST

START_TEST(names_are_checked)
{
    static const char *const bad[] = {"", ".part-a", "a/b", "..", "a b", "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_err(backup_check_id(bytes_of_string(bad[i]), NULL), ERR_BAD_PARAMETER);
    char name[BACKUP_ID_MAX_BYTES + 2] = {0};
    memset(name, 'x', BACKUP_ID_MAX_BYTES);
    assert_ok(backup_check_id(bytes_of_string(name), NULL));
    name[BACKUP_ID_MAX_BYTES] = 'x';
    assert_err(backup_check_id(bytes_of_string(name), NULL), ERR_BAD_PARAMETER);
    assert_ok(backup_check_id(bytes_of_string("2026-11-26_v1.2"), NULL));
}
END_TEST

/* ---- real ones ------------------------------------------------------------------------------------- */

struct backed {
    struct fixture f;
    char dir[700];
};

static void fill(struct fixture *f, uint64_t from, uint64_t to)
{
    put_messages(f, 3, channel_of(1, "a"), from, to);
    const struct row_applied applied = {to, 1, {to, 0}};
    store_put_applied(f->batch, 3, &applied);
    const struct row_entry entry = entry_of(to, 1, "x");
    store_put_entry(f->batch, 3, &entry);
    fixture_write(f, true);
}

static void backed_open(struct backed *b)
{
    fixture_open(&b->f, ON_ROCKS);
    snprintf(b->dir, sizeof(b->dir), "%s/backups", b->f.dir);
    fill(&b->f, 1, 10);
}

static void make(struct backed *b, const char *id, uint64_t ms)
{
    struct backup_manifest manifest;
    enum err err = backup_make(b->f.store, b->dir, id, ms, &manifest, &b->f.why);
    ck_assert_msg(err == OK, "%s: %s", err_slug(err), b->f.why.text);
    backup_manifest_done(&manifest);
}

START_TEST(copy_holds_what_was_there_and_no_more)
{
    struct backed b;
    char path[800];
    backed_open(&b);
    struct backup_manifest manifest;
    assert_ok(backup_make(b.f.store, b.dir, "one", 500, &manifest, &b.f.why));
    ck_assert_uint_eq(manifest.slots[3].applied.index, 10);
    ck_assert_uint_eq(manifest.slots[3].log_index, 10);
    ck_assert_uint_eq(manifest.verified_ms, 0);
    ck_assert_uint_gt(manifest.bytes, 0);
    backup_manifest_done(&manifest);
    fill(&b.f, 11, 20); /* not in it */
    snprintf(path, sizeof(path), "%s/one", b.dir);
    struct store *copy = NULL;
    assert_ok(backup_open(path, &copy, &b.f.why));
    ck_assert_str_eq(seqs_of(store_iter_messages(copy, NULL, 3, channel_of(1, "a"), 1, 100, false)),
                     "1,2,3,4,5,6,7,8,9,10");
    ck_assert_uint_eq(store_identity(copy)->incarnation, store_identity(b.f.store)->incarnation);
    store_close(copy);
    assert_err(backup_make(b.f.store, b.dir, "one", 600, &manifest, NULL), ERR_CONFLICT);
    fixture_done(&b.f);
}
END_TEST

/* Started as a node it would vote twice: it promised nothing, and knows of none of the promises. */
START_TEST(backup_is_no_data_folder)
{
    struct backed b;
    char path[800];
    backed_open(&b);
    make(&b, "one", 500);
    fixture_close(&b.f);
    snprintf(path, sizeof(path), "%s/one", b.dir);
    struct store_options options = b.f.options;
    options.dir = path;
    struct store *store = NULL;
    assert_err(store_open(&options, &store, NULL), ERR_LOG_TOO_SHORT);
    options.read_only = true;
    assert_err(store_open(&options, &store, NULL), ERR_LOG_TOO_SHORT);
    fixture_done(&b.f);
}
END_TEST

START_TEST(list_tells_damage_and_sweep_removes_the_rest)
{
    struct backed b;
    char path[800];
    backed_open(&b);
    struct backup_list list;
    assert_ok(backup_list(b.dir, &list, NULL)); /* no folder yet */
    ck_assert_uint_eq(list.count, 0);
    backup_list_done(&list);
    make(&b, "young", 900);
    make(&b, "old", 100);
    make(&b, "bad", 500);
    snprintf(path, sizeof(path), "%s/bad/manifest", b.dir);
    assert_ok(file_write_atomic(path, TEXT("LETHEBAK and nothing"), 0600, NULL));
    snprintf(path, sizeof(path), "%s/.part-gone/db", b.dir);
    assert_ok(file_make_dirs(path, 0700, NULL));
    assert_ok(backup_list(b.dir, &list, NULL));
    ck_assert_uint_eq(list.count, 3);
    ck_assert_str_eq(list.items[0].id, "bad");
    ck_assert_str_ne(list.items[0].damage, "");
    ck_assert_str_eq(list.items[1].id, "old");
    ck_assert_str_eq(list.items[2].id, "young");
    backup_list_done(&list);
    assert_ok(backup_remove(b.dir, "bad", NULL));
    assert_err(backup_remove(b.dir, "bad", NULL), ERR_NOT_FOUND);
    assert_err(backup_remove(b.dir, ".part-gone", NULL), ERR_NOT_FOUND);
    assert_err(backup_remove(b.dir, "..", NULL), ERR_NOT_FOUND);
    assert_ok(backup_sweep(b.dir, NULL));
    struct file_names names;
    assert_ok(file_list(b.dir, &names, NULL));
    ck_assert_uint_eq(names.count, 2);
    ck_assert_str_eq(names.items[0], "old");
    file_names_done(&names);
    fixture_done(&b.f);
}
END_TEST

START_TEST(store_in_memory_has_none)
{
    struct fixture f;
    struct backup_manifest manifest;
    fixture_open(&f, ON_MEMORY);
    char *dir = unit_temp_dir();
    assert_err(backup_make(f.store, dir, "one", 1, &manifest, NULL), ERR_NOT_SUPPORTED);
    free(dir);
    fixture_done(&f);
}
END_TEST

Suite *suite_backup(void)
{
    return UNIT_SUITE("backup", 60, manifest_comes_back, damaged_manifests_are_refused,
                      impossible_manifests_are_refused, names_are_checked,
                      copy_holds_what_was_there_and_no_more, backup_is_no_data_folder,
                      list_tells_damage_and_sweep_removes_the_rest, store_in_memory_has_none);
}
