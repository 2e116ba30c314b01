/* SPDX-License-Identifier: Apache-2.0 */
/* What a model disk holds and how a write changes it. Each entry carries the hash of all entries up to
 * it, so that two logs are compared by one number. */
#include "core_disk.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

raft_index model_log_last(const struct model_log *log)
{
    return log->base.index + log->count;
}

struct model_entry *model_log_at(struct model_log *log, raft_index index)
{
    if (index <= log->base.index || index > model_log_last(log))
        return NULL;
    return &log->items[index - log->base.index - 1];
}

raft_term model_log_term(const struct model_log *log, raft_index index)
{
    if (index == log->base.index)
        return log->base.term;
    const struct model_entry *entry = model_log_at((struct model_log *)log, index);
    return entry == NULL ? 0 : entry->term;
}

uint64_t disk_chain_at(const struct model_log *log, raft_index index)
{
    if (index == log->base.index)
        return log->base_chain;
    return model_log_at((struct model_log *)log, index)->chain;
}

void disk_entry_drop(struct model_entry *entry)
{
    blob_unref(entry->payload);
}

void disk_log_truncate(struct model_log *log, raft_index from)
{
    while (log->count > 0 && model_log_last(log) >= from)
        disk_entry_drop(&log->items[--log->count]);
}

static uint64_t chain_of(uint64_t before, raft_index index, const struct model_entry *entry)
{
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, before);
    buf_put_le64(&buf, index);
    buf_put_le64(&buf, entry->term);
    buf_put_u8(&buf, entry->kind);
    if (entry->payload != NULL)
        buf_append_bytes(&buf, blob_bytes(entry->payload));
    if (entry->kind == RAFT_ENTRY_CONFIG)
        buf_append(&buf, &entry->config, sizeof(entry->config));
    uint64_t ret = hash64_of(buf_bytes(&buf), 1);
    buf_done(&buf);
    return ret;
}

static void log_append(struct model_log *log, const struct model_entry *entry)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 16 : log->capacity * 2;
        log->items = alloc_resize(log->items, log->capacity, sizeof(*log->items));
    }
    struct model_entry copy = *entry;
    if (copy.payload != NULL)
        blob_ref(copy.payload);
    copy.chain = chain_of(disk_chain_at(log, model_log_last(log)), model_log_last(log) + 1, entry);
    log->items[log->count++] = copy;
}

static void log_reset(struct model_log *log, struct raft_pos base, uint64_t chain)
{
    disk_log_truncate(log, log->base.index + 1);
    log->base = base;
    log->base_chain = chain;
}

/* The config in force at index: the newest CONFIG entry at or below it, or the base's. */
struct raft_config_at disk_config_at(const struct model_disk *disk, raft_index index)
{
    struct raft_config_at ret = disk->base_config;
    for (size_t i = 0; i < disk->log.count; i++) {
        const struct model_entry *entry = &disk->log.items[i];
        raft_index at = disk->log.base.index + 1 + i;
        if (at <= index && entry->kind == RAFT_ENTRY_CONFIG) {
            ret.pos = (struct raft_pos){entry->term, at};
            ret.config = entry->config;
        }
    }
    return ret;
}

static void log_compact(struct model_disk *disk, raft_index to)
{
    struct model_log *log = &disk->log;
    assert(to >= log->base.index && to <= model_log_last(log));
    disk->base_config = disk_config_at(disk, to);
    struct raft_pos base = {model_log_term(log, to), to};
    uint64_t chain = disk_chain_at(log, to);
    size_t gone = to - log->base.index;
    for (size_t i = 0; i < gone; i++)
        disk_entry_drop(&log->items[i]);
    memmove(log->items, log->items + gone, (log->count - gone) * sizeof(*log->items));
    log->count -= gone;
    log->base = base;
    log->base_chain = chain;
}

static void disk_install(struct model_disk *disk, const struct model_write *write)
{
    struct raft_pos target = write->install.target;
    bool keep = model_log_term(&disk->log, target.index) == target.term &&
                target.index >= disk->log.base.index;
    if (keep)
        log_compact(disk, target.index);
    else
        log_reset(&disk->log, target, write->state.hash);
    disk->base_config.pos = write->install.config_pos;
    disk->base_config.config = write->install.config;
    disk->marker.kind = RAFT_INSTALL_NONE;
    if (disk->commit < target.index)
        disk->commit = target.index;
}

void disk_apply_write(struct model_disk *disk, const struct model_write *write)
{
    if (write->hard_state) {
        disk->term = write->term;
        disk->vote = write->vote;
        disk->commit = write->commit > disk->commit ? write->commit : disk->commit;
    }
    if (write->set_marker)
        disk->marker = write->install;
    if (write->installed) {
        disk_install(disk, write);
    } else {
        if (write->truncate_from != 0)
            disk_log_truncate(&disk->log, write->truncate_from);
        for (uint32_t i = 0; i < write->entries_count; i++)
            log_append(&disk->log, &write->entries[i]);
        if (write->compact_to.index != 0 && write->compact_to.index > disk->log.base.index)
            log_compact(disk, write->compact_to.index);
    }
    if (write->has_state)
        disk->state = write->state;
}

void disk_copy(struct model_disk *to, const struct model_disk *from)
{
    struct model_log log = to->log;
    log_reset(&log, from->log.base, from->log.base_chain);
    *to = *from;
    to->log = log;
    for (size_t i = 0; i < from->log.count; i++)
        log_append(&to->log, &from->log.items[i]);
}

void disk_done(struct model_disk *disk)
{
    disk_log_truncate(&disk->log, disk->log.base.index + 1);
    free(disk->log.items);
    memset(disk, 0, sizeof(*disk));
}
