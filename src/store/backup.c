/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest, byte by byte: "LETHEBAK", le32 version (1), le32 format of the store, block id,
 * block cluster id, v node id, le64 incarnation, v boot, le32 slot count, le64 made at (ms), le64
 * verified at (ms), le64 bytes, block damage; of each slot: v applied index, v its term, 16 digest,
 * v last delete, v end of the log, v its term, v hard state's term, u8 1 when
 * it is incomplete; le32 CRC32C of all before it.
 * (block: v length and the bytes; v: LEB128.)
 *
 * A backup is made under another name and renamed when its manifest is durable: what has its name
 * has all its files. */
#include "store/backup.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/crc.h"
#include "store/internal.h"
#include "sys/failpoint.h"
#include "sys/file.h"

#define MAGIC "LETHEBAK"
enum { MANIFEST_VERSION = 1, MAGIC_BYTES = 8, CRC_BYTES = 4 };

/* ---- the manifest -------------------------------------------------------------------------------- */

void backup_manifest_done(struct backup_manifest *manifest)
{
    free(manifest->slots);
    *manifest = (struct backup_manifest){0};
}

static void encode_slot(struct buf *buf, const struct backup_slot *slot)
{
    buf_put_varint(buf, slot->applied.index);
    buf_put_varint(buf, slot->applied.term);
    buf_put_le64(buf, slot->applied.digest.low);
    buf_put_le64(buf, slot->applied.digest.high);
    buf_put_varint(buf, slot->last_delete);
    buf_put_varint(buf, slot->log_index);
    buf_put_varint(buf, slot->log_term);
    buf_put_varint(buf, slot->hard_term);
    buf_put_u8(buf, slot->is_incomplete ? 1 : 0);
}

void backup_manifest_encode(const struct backup_manifest *manifest, struct buf *buf)
{
    size_t start = buf->len;
    buf_append(buf, MAGIC, MAGIC_BYTES);
    buf_put_le32(buf, MANIFEST_VERSION);
    buf_put_le32(buf, manifest->identity.format);
    buf_put_block(buf, bytes_of_string(manifest->id));
    buf_put_block(buf, bytes_of_string(manifest->identity.cluster_id));
    buf_put_varint(buf, manifest->identity.node_id);
    buf_put_le64(buf, manifest->identity.incarnation);
    buf_put_varint(buf, manifest->identity.boot);
    buf_put_le32(buf, manifest->identity.slot_count);
    buf_put_le64(buf, manifest->created_ms);
    buf_put_le64(buf, manifest->verified_ms);
    buf_put_le64(buf, manifest->bytes);
    buf_put_block(buf, bytes_of_string(manifest->damage));
    for (uint32_t i = 0; i < manifest->identity.slot_count; i++)
        encode_slot(buf, &manifest->slots[i]);
    buf_put_le32(buf, crc32c(bytes_of(buf->data + start, buf->len - start)));
}

/* False: longer than there is room for, or with a NUL. */
static bool read_text(struct reader *reader, char *ret, size_t size)
{
    struct bytes block = reader_block(reader);
    if (reader->failed || block.len >= size ||
        (block.len > 0 && memchr(block.data, 0, block.len) != NULL))
        return false;
    memcpy(ret, block.len == 0 ? (const uint8_t *)"" : block.data, block.len);
    ret[block.len] = '\0';
    return true;
}

static void decode_slot(struct reader *reader, struct backup_slot *slot)
{
    slot->applied.index = reader_varint(reader);
    slot->applied.term = reader_varint(reader);
    slot->applied.digest.low = reader_le64(reader);
    slot->applied.digest.high = reader_le64(reader);
    slot->last_delete = reader_varint(reader);
    slot->log_index = reader_varint(reader);
    slot->log_term = reader_varint(reader);
    slot->hard_term = reader_varint(reader);
}

/* Of the last byte: 0 or 1. */
static bool decode_flag(struct reader *reader, bool *ret)
{
    uint8_t flag = reader_u8(reader);
    *ret = flag == 1;
    return flag <= 1;
}

static bool slot_can_be(const struct backup_slot *slot)
{
    return slot->last_delete <= slot->applied.index && slot->applied.index <= slot->log_index &&
           slot->log_index < UINT64_MAX / 2 && slot->hard_term < UINT64_MAX / 2;
}

/* What is behind magic, versions and in front of the CRC. */
static bool decode_body(struct reader *reader, struct backup_manifest *ret)
{
    bool is_good = read_text(reader, ret->id, sizeof(ret->id)) &&
                   read_text(reader, ret->identity.cluster_id, sizeof(ret->identity.cluster_id));
    ret->identity.node_id = reader_varint(reader);
    ret->identity.incarnation = reader_le64(reader);
    ret->identity.boot = reader_varint(reader);
    ret->identity.slot_count = reader_le32(reader);
    ret->created_ms = reader_le64(reader);
    ret->verified_ms = reader_le64(reader);
    ret->bytes = reader_le64(reader);
    is_good = is_good && read_text(reader, ret->damage, sizeof(ret->damage));
    if (!is_good || reader->failed || ret->identity.slot_count == 0 ||
        ret->identity.slot_count > SLOTS_MAX || ret->identity.node_id == 0 ||
        ret->identity.node_id > UINT16_MAX || ret->identity.cluster_id[0] == '\0' ||
        backup_check_id(bytes_of_string(ret->id), NULL) != OK)
        return false;
    ret->slots = alloc_array(ret->identity.slot_count, sizeof(*ret->slots));
    for (uint32_t i = 0; i < ret->identity.slot_count; i++) {
        decode_slot(reader, &ret->slots[i]);
        bool is_flag = decode_flag(reader, &ret->slots[i].is_incomplete);
        if (!is_flag || reader->failed || !slot_can_be(&ret->slots[i]))
            return false;
    }
    return reader_is_done(reader);
}

enum err backup_manifest_decode(struct bytes bytes, struct backup_manifest *ret, struct why *why)
{
    struct backup_manifest manifest = {0};
    enum { HEAD_BYTES = MAGIC_BYTES + 8 };
    if (bytes.len < HEAD_BYTES + CRC_BYTES || bytes.len > BACKUP_MANIFEST_MAX_BYTES ||
        memcmp(bytes.data, MAGIC, MAGIC_BYTES) != 0)
        return why_set(why, ERR_CORRUPT, "this is no manifest of a backup");
    struct bytes covered = bytes_of(bytes.data, bytes.len - CRC_BYTES);
    struct reader tail = reader_of(bytes_of(bytes.data + covered.len, CRC_BYTES));
    if (reader_le32(&tail) != crc32c(covered))
        return why_set(why, ERR_CORRUPT, "the manifest fails its checksum");
    struct reader reader = reader_of(covered);
    (void)reader_bytes(&reader, MAGIC_BYTES);
    uint32_t version = reader_le32(&reader);
    manifest.identity.format = reader_le32(&reader);
    if (version != MANIFEST_VERSION || manifest.identity.format != STORE_FORMAT)
        return why_set(why, ERR_WRONG_FORMAT,
                       "a manifest of version %u, data of format %u; this version knows %d and %d: "
                       "use the version that wrote it",
                       version, manifest.identity.format, MANIFEST_VERSION, STORE_FORMAT);
    if (!decode_body(&reader, &manifest)) {
        backup_manifest_done(&manifest);
        return why_set(why, ERR_CORRUPT, "the manifest has figures that cannot be");
    }
    *ret = manifest;
    return OK;
}

/* ---- names ---------------------------------------------------------------------------------------- */

static bool is_name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

enum err backup_check_id(struct bytes id, struct why *why)
{
    bool is_good = id.len > 0 && id.len <= BACKUP_ID_MAX_BYTES && id.data[0] != '.';
    for (size_t i = 0; is_good && i < id.len; i++)
        is_good = is_name_char(id.data[i]);
    return is_good ? OK
                   : why_set(why, ERR_BAD_PARAMETER,
                             "the name of a backup is 1 to %d of a-z A-Z 0-9 . _ -, and does not "
                             "begin with a dot",
                             BACKUP_ID_MAX_BYTES);
}

static char *path_in(const char *dir, const char *prefix, const char *name)
{
    struct buf buf = BUF_INIT;
    buf_printf(&buf, "%s/%s%s", dir, prefix, name);
    char *path = alloc_string(buf_string(&buf));
    buf_done(&buf);
    return path;
}

bool backup_is_there(const char *dir, const char *id)
{
    char *path = path_in(dir, "", id);
    bool is_there = file_is_there(path);
    free(path);
    return is_there;
}

/* ---- one backup ------------------------------------------------------------------------------------ */

static enum err write_manifest(const char *path, const struct backup_manifest *manifest,
                               struct why *why)
{
    struct buf buf = BUF_INIT;
    char *file = path_in(path, "", "manifest");
    backup_manifest_encode(manifest, &buf);
    enum err err = file_write_atomic(file, buf_bytes(&buf), 0600, why);
    buf_done(&buf);
    free(file);
    return err;
}

enum err backup_write_manifest(const char *dir, const struct backup_manifest *manifest,
                               struct why *why)
{
    char *path = path_in(dir, "", manifest->id);
    enum err err = write_manifest(path, manifest, why);
    free(path);
    return err;
}

enum err backup_read_manifest(const char *path, struct backup_manifest *ret, struct why *why)
{
    struct buf buf = BUF_INIT;
    char *file = path_in(path, "", "manifest");
    enum err err = file_read(file, BACKUP_MANIFEST_MAX_BYTES, &buf, why);
    if (err == ERR_TOO_LARGE)
        err = why_set(why, ERR_CORRUPT, "the manifest is larger than any can be");
    if (err == OK)
        err = backup_manifest_decode(buf_bytes(&buf), ret, why);
    if (err != OK)
        why_wrap(why, "backup '%s'", path);
    buf_done(&buf);
    free(file);
    return err;
}

enum err backup_open(const char *path, struct store **ret_store, struct why *why)
{
    struct store_options options;
    store_options_init(&options);
    options.dir = path;
    options.read_only = true;
    options.is_backup = true;
    struct why own = {0};
    enum err err = store_open(&options, ret_store, &own);
    if (err == OK)
        return OK;
    char *advice = strstr(own.text, "; " STORE_RESYNC); /* that is for data, not for a copy */
    if (advice != NULL)
        *advice = '\0';
    return why_set(why, err == ERR_LOG_TOO_SHORT ? ERR_CORRUPT : err, "%s", own.text);
}

static enum err read_last_delete(struct store *store, uint32_t slot, uint64_t *ret)
{
    enum err err = store_find_delete_before(store, NULL, slot, 0, UINT64_MAX, ret);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err read_value_is_there(struct store *store, uint32_t slot, enum store_slot_key key,
                                    bool *ret)
{
    struct store_value value;
    struct bytes bytes = BYTES_NONE;
    store_value_init(&value);
    enum err err = store_get_slot_value(store, NULL, slot, key, &value, &bytes);
    *ret = *ret || (err == OK && bytes.len > 0);
    store_value_done(&value);
    return err == ERR_NOT_FOUND ? OK : err;
}

enum err backup_read_slot(struct store *store, uint32_t slot, struct backup_slot *ret,
                          struct why *why)
{
    struct row_hard_state hard = {0};
    enum err err = store_get_applied(store, NULL, slot, &ret->applied);
    if (err == OK)
        err = store_get_hard_state(store, slot, &hard);
    if (err == OK || err == ERR_NOT_FOUND)
        err = store_log_last(store, slot, &ret->log_index, &ret->log_term);
    if (err == OK)
        err = read_last_delete(store, slot, &ret->last_delete);
    if (err == OK)
        err = read_value_is_there(store, slot, STORE_SLOT_INSTALLING, &ret->is_incomplete);
    if (err == OK)
        err = read_value_is_there(store, slot, STORE_SLOT_QUARANTINE, &ret->is_incomplete);
    ret->hard_term = hard.term > ret->log_term ? hard.term : ret->log_term;
    if (ret->log_index < ret->applied.index) { /* one whose log was lost, not its state */
        ret->log_index = ret->applied.index;
        ret->log_term = ret->applied.term;
    }
    return err == OK ? OK : why_set(why, err, "cannot read what slot %u holds", slot);
}

static uint64_t folder_bytes(const char *path)
{
    struct file_names names = {0};
    uint64_t sum = 0, bytes = 0;
    if (file_list(path, &names, NULL) != OK)
        return 0;
    for (size_t i = 0; i < names.count; i++) {
        char *file = path_in(path, "", names.items[i]);
        sum += file_size(file, &bytes, NULL) == OK ? bytes : 0;
        free(file);
    }
    file_names_done(&names);
    return sum;
}

static enum err describe(const char *path, struct backup_manifest *manifest, struct why *why)
{
    struct store *copy = NULL;
    enum err err = backup_open(path, &copy, why);
    if (err != OK)
        return err;
    manifest->identity = *store_identity(copy);
    manifest->slots = alloc_array(manifest->identity.slot_count, sizeof(*manifest->slots));
    for (uint32_t i = 0; err == OK && i < manifest->identity.slot_count; i++)
        err = backup_read_slot(copy, i, &manifest->slots[i], why);
    store_close(copy);
    return err;
}

enum err backup_make(struct store *store, const char *dir, const char *id, uint64_t created_ms,
                     struct backup_manifest *ret, struct why *why)
{
    assert(backup_check_id(bytes_of_string(id), NULL) == OK);
    if (backup_is_there(dir, id))
        return why_set(why, ERR_CONFLICT, "there is a backup '%s' already", id);
    struct backup_manifest manifest = {.created_ms = created_ms};
    snprintf(manifest.id, sizeof(manifest.id), "%s", id);
    char *part = path_in(dir, ".part-", id), *path = path_in(dir, "", id);
    char *db = path_in(part, "", "db");
    enum err err = file_remove_tree(part, why);
    if (err == OK)
        err = store_checkpoint(store, part, why);
    FAILPOINT("backup.copied");
    if (err == OK)
        err = describe(part, &manifest, why);
    if (err == OK) {
        manifest.bytes = folder_bytes(db);
        err = write_manifest(part, &manifest, why);
    }
    FAILPOINT("backup.described");
    if (err == OK)
        err = file_rename(part, path, why);
    if (err == OK)
        err = file_sync_dir(dir, why);
    if (err == OK)
        *ret = manifest;
    else
        backup_manifest_done(&manifest);
    free(part);
    free(path);
    free(db);
    return err;
}

/* ---- all of a folder -------------------------------------------------------------------------------- */

static int by_age(const void *left, const void *right)
{
    const struct backup_manifest *a = left, *b = right;
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

static void list_one(const char *dir, const char *name, struct backup_manifest *ret)
{
    struct why why = {0};
    char *path = path_in(dir, "", name);
    if (backup_read_manifest(path, ret, &why) != OK) {
        *ret = (struct backup_manifest){0};
        snprintf(ret->damage, sizeof(ret->damage), "%.*s", BACKUP_DAMAGE_BYTES - 1, why.text);
    }
    free(ret->slots);
    ret->slots = NULL;
    snprintf(ret->id, sizeof(ret->id), "%s", name); /* the folder's name is what it is asked by */
    free(path);
}

enum err backup_list(const char *dir, struct backup_list *ret, struct why *why)
{
    struct file_names names = {0};
    *ret = (struct backup_list){0};
    enum err err = file_list(dir, &names, why);
    if (err != OK)
        return err == ERR_NOT_FOUND ? OK : err;
    ret->items = alloc_array(names.count + 1, sizeof(*ret->items));
    for (size_t i = 0; i < names.count; i++) {
        if (backup_check_id(bytes_of_string(names.items[i]), NULL) != OK)
            continue;
        if (ret->count < BACKUPS_MAX)
            list_one(dir, names.items[i], &ret->items[ret->count++]);
        else
            ret->left_out++;
    }
    file_names_done(&names);
    qsort(ret->items, ret->count, sizeof(*ret->items), by_age);
    return OK;
}

void backup_list_done(struct backup_list *list)
{
    free(list->items);
    *list = (struct backup_list){0};
}

enum err backup_remove(const char *dir, const char *id, struct why *why)
{
    if (backup_check_id(bytes_of_string(id), NULL) != OK || !backup_is_there(dir, id))
        return why_set(why, ERR_NOT_FOUND, "there is no backup '%s'", id);
    char *path = path_in(dir, "", id), *gone = path_in(dir, ".gone-", id);
    enum err err = file_remove_tree(gone, why);
    if (err == OK)
        err = file_rename(path, gone, why);
    if (err == OK)
        err = file_sync_dir(dir, why);
    free(path);
    free(gone);
    return err;
}

enum err backup_sweep(const char *dir, struct why *why)
{
    struct file_names names = {0};
    enum err err = file_list(dir, &names, why);
    if (err != OK)
        return err == ERR_NOT_FOUND ? OK : err;
    for (size_t i = 0; err == OK && i < names.count; i++) {
        if (strncmp(names.items[i], ".part-", 6) != 0 && strncmp(names.items[i], ".gone-", 6) != 0)
            continue;
        char *path = path_in(dir, "", names.items[i]);
        err = file_remove_tree(path, why);
        free(path);
    }
    file_names_done(&names);
    return err;
}
