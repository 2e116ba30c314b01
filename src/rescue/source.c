/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: data folders of stopped nodes, and backups. Read alone; a folder that a node uses is
 * refused, as what it holds would change while it is read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "msg/msg.h"
#include "rescue/rescue.h"
#include "store/backup.h"
#include "sys/file.h"
#include "wire/config.h"
#include "wire/members.h"

static char *path_in(const char *dir, const char *name)
{
    struct buf buf = BUF_INIT;
    buf_printf(&buf, "%s/%s", dir, name);
    char *path = alloc_string(buf_string(&buf));
    buf_done(&buf);
    return path;
}

/* RocksDB locks this file while it may write. */
static enum err check_unused(const char *dir, struct why *why)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *path = path_in(dir, "db/LOCK");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is_used = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return is_used ? why_set(why, ERR_LOCKED, "a node runs on '%s': stop it first", dir) : OK;
}

/* ---- what it knows ---------------------------------------------------------------------------------- */

static void add_node(node_id *nodes, uint32_t *count, uint32_t max, node_id id)
{
    uint32_t at = 0;
    while (at < *count && nodes[at] < id)
        at++;
    if ((at < *count && nodes[at] == id) || *count == max)
        return;
    memmove(&nodes[at + 1], &nodes[at], (*count - at) * sizeof(*nodes));
    nodes[at] = id;
    (*count)++;
}

static void add_config(struct rescue_slot *slot, const struct raft_config *config)
{
    for (uint8_t i = 0; i < config->voters_count; i++)
        add_node(slot->nodes, &slot->nodes_count, ARRAY_LEN(slot->nodes), config->voters[i]);
    for (uint8_t i = 0; i < config->voters_old_count; i++)
        add_node(slot->nodes, &slot->nodes_count, ARRAY_LEN(slot->nodes), config->voters_old[i]);
}

/* The newest membership that it knows, whether it was committed or not. */
static enum err read_config(struct store *store, uint32_t number, struct rescue_slot *slot,
                            struct why *why)
{
    struct raft_config newest = {0};
    struct store_iter *iter = store_iter_configs(store, number);
    enum err bad = OK;
    while (bad == OK && store_iter_next(iter)) {
        uint64_t term = 0;
        bad = wire_config_decode(store_iter_config(iter, &term), &newest, why);
    }
    enum err err = store_iter_done(iter);
    add_config(slot, &newest);
    slot->voters_count = newest.voters_count;
    return bad != OK ? bad : err;
}

static enum err read_slot(struct rescue_source *source, uint32_t number, struct why *why)
{
    struct rescue_slot *slot = &source->slots[number];
    struct backup_slot row = {0};
    enum err err = backup_read_slot(source->store, number, &row, why);
    if (err == OK)
        err = read_config(source->store, number, slot, why);
    if (err != OK)
        return why_set(why, err, "'%s': what it holds of slot %u cannot be read", source->dir,
                       number);
    slot->applied = row.applied;
    slot->last_delete = row.last_delete;
    slot->log_index = row.log_index;
    slot->log_term = row.log_term;
    slot->hard_term = row.hard_term;
    slot->state = "ok";
    bool has_promises = !source->is_backup && store_promise(source->store) != NULL;
    if (row.is_incomplete)
        slot->state = "incomplete";
    else if (has_promises && store_check_promise(source->store, number, NULL) != OK)
        slot->state = "suspect";
    else if (row.applied.index == 0 && row.log_index == 0)
        slot->state = "empty";
    return OK;
}

static enum err read_table(struct rescue_source *source, enum store_slot_key key, struct why *why)
{
    struct store_value value;
    struct bytes bytes = BYTES_NONE;
    struct members members = {0};
    store_value_init(&value);
    enum err err = store_get_slot_value(source->store, NULL, 0, key, &value, &bytes);
    struct reader reader = reader_of(bytes);
    uint64_t revision = reader_le64(&reader);
    if (err == OK && bytes.len > 8)
        err = members_decode(bytes_of(bytes.data + 8, bytes.len - 8), &members, why);
    for (uint32_t i = 0; err == OK && i < members.rows_count; i++) {
        if (members_is_live(&members.rows[i]))
            add_node(source->members, &source->members_count, RESCUE_NODES_MAX, members.rows[i].id);
    }
    if (err == OK && bytes.len > 8 && revision >= source->table_revision) {
        members_done(&source->table);
        source->table = members;
        source->table_revision = revision;
        members = (struct members){0};
    }
    members_done(&members);
    store_value_done(&value);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* It was told that it is out: removed for ever, or an older copy of another folder. */
static enum err read_tombstone(struct rescue_source *source)
{
    struct store_value value;
    struct bytes text = BYTES_NONE;
    store_value_init(&value);
    enum err err =
        store_get_slot_value(source->store, NULL, 0, STORE_SLOT_TOMBSTONE, &value, &text);
    source->is_removed = err == OK && bytes_is_equal(text, bytes_of_string("removed"));
    store_value_done(&value);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err open_store(struct rescue_source *source, struct why *why)
{
    struct store_options options;
    if (source->is_backup) {
        struct backup_manifest manifest;
        enum err err = backup_read_manifest(source->dir, &manifest, why);
        if (err != OK)
            return err;
        source->created_ms = manifest.created_ms;
        backup_manifest_done(&manifest);
        return backup_open(source->dir, &source->store, why);
    }
    enum err err = check_unused(source->dir, why);
    if (err != OK)
        return err;
    store_options_init(&options);
    options.dir = source->dir;
    options.read_only = true;
    return store_open(&options, &source->store, why);
}

static enum err open_one(struct rescue_source *source, const char *dir, struct why *why)
{
    char *manifest = path_in(dir, "manifest");
    source->dir = alloc_string(dir);
    source->is_backup = file_is_there(manifest);
    free(manifest);
    enum err err = open_store(source, why);
    if (err != OK) {
        why_wrap(why, "'%s'", dir);
        return err;
    }
    source->identity = *store_identity(source->store);
    const struct msg_options options = {
        .store = source->store, .slot_count = source->identity.slot_count, .cache_channels = 1};
    source->msg = msg_new(&options);
    source->slots = alloc_array(source->identity.slot_count, sizeof(*source->slots));
    for (uint32_t i = 0; err == OK && i < source->identity.slot_count; i++)
        err = read_slot(source, i, why);
    if (err == OK)
        err = read_table(source, STORE_SLOT_MEMBERS, why);
    if (err == OK)
        err = read_table(source, STORE_SLOT_KNOWN_MEMBERS, why);
    return err == OK ? read_tombstone(source) : err;
}

/* A node that was removed while it was down does not know it: others do. What it holds is as old as its
 * last day, and deletes since are not in it. */
static void find_removed(struct rescue_source *sources, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct rescue_source *source = &sources[i];
        for (uint32_t k = 0; k < count && !source->is_backup; k++) {
            const struct members_row *row =
                members_find(&sources[k].table, source->identity.node_id);
            source->is_removed |= row != NULL && row->state == MEMBERS_REMOVED;
        }
        for (uint32_t slot = 0; source->is_removed && slot < source->identity.slot_count; slot++)
            source->slots[slot].state = "removed";
    }
}

enum err rescue_refuse_removed(const struct rescue_source *sources, uint32_t count, struct why *why)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sources[i].is_removed)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'%s': node %llu was removed from the cluster, and what it holds is as "
                           "old as that: leave its folder out",
                           sources[i].dir, (unsigned long long)sources[i].identity.node_id);
    }
    return OK;
}

static enum err check_together(const struct rescue_source *sources, uint32_t count, struct why *why)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct store_identity *a = &sources[0].identity, *b = &sources[i].identity;
        if (strcmp(a->cluster_id, b->cluster_id) != 0 || a->slot_count != b->slot_count)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'%s' is of cluster '%s' with %u slots, '%s' of '%s' with %u",
                           sources[0].dir, a->cluster_id, a->slot_count, sources[i].dir,
                           b->cluster_id, b->slot_count);
        for (uint32_t k = 0; k < i; k++) {
            if (sources[k].identity.node_id == b->node_id)
                return why_set(why, ERR_BAD_PARAMETER, "'%s' and '%s' are both of node %llu",
                               sources[k].dir, sources[i].dir, (unsigned long long)b->node_id);
        }
    }
    return OK;
}

enum err rescue_open(const char *const *dirs, uint32_t count, struct rescue_source **ret_sources,
                     struct why *why)
{
    if (count == 0 || count > RESCUE_SOURCES_MAX)
        return why_set(why, ERR_BAD_PARAMETER, "%u folders are named: 1 to %d can be", count,
                       RESCUE_SOURCES_MAX);
    struct rescue_source *sources = alloc_array(count, sizeof(*sources));
    enum err err = OK;
    for (uint32_t i = 0; err == OK && i < count; i++)
        err = open_one(&sources[i], dirs[i], why);
    if (err == OK)
        err = check_together(sources, count, why);
    if (err != OK) {
        rescue_close(sources, count);
        return err;
    }
    find_removed(sources, count);
    *ret_sources = sources;
    return OK;
}

void rescue_close(struct rescue_source *sources, uint32_t count)
{
    for (uint32_t i = 0; sources != NULL && i < count; i++) {
        msg_free(sources[i].msg);
        store_close(sources[i].store);
        members_done(&sources[i].table);
        free(sources[i].slots);
        free(sources[i].dir);
    }
    free(sources);
}

static bool is_whole(const struct rescue_slot *slot)
{
    return strcmp(slot->state, "ok") == 0 || strcmp(slot->state, "suspect") == 0;
}

int rescue_best(const struct rescue_source *sources, uint32_t count, uint32_t number)
{
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        const struct rescue_slot *slot = &sources[i].slots[number];
        if (!is_whole(slot))
            continue;
        const struct rescue_slot *other = best < 0 ? NULL : &sources[best].slots[number];
        if (other == NULL || slot->log_term > other->log_term ||
            (slot->log_term == other->log_term && slot->log_index > other->log_index))
            best = (int)i;
    }
    return best;
}
