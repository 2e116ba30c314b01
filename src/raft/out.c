/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox: everything the next update will list, and the ticket each packet waits for.
 * A ticket is numbered when its update is taken; what is queued before that waits for seq + 1. */
#include <string.h>

#include "base/alloc.h"
#include "raft/internal.h"

enum { OUT_MIN = 4, OUT_KEEP = 64 };

static struct outbox *filling(struct raft *raft)
{
    return &raft->out[raft->filling];
}

static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? OUT_MIN : *capacity * 2;
    return alloc_resize(array, *capacity, size);
}

uint64_t out_ticket_of_hard_state(const struct raft *raft)
{
    return raft->hard_dirty ? raft->seq + 1 : raft->hard_seq;
}

uint64_t out_ticket_of(const struct raft *raft, raft_index index)
{
    uint64_t hard = out_ticket_of_hard_state(raft);
    uint64_t entries = log_ticket_of(&raft->log, index);
    if (entries == UINT64_MAX)
        entries = raft->seq + 1;
    return entries > hard ? entries : hard;
}

struct raft_packet *out_packet(struct raft *raft, uint8_t kind, node_id to)
{
    struct outbox *out = filling(raft);
    out->packets =
        grow(out->packets, out->packets_count, &out->packets_capacity, sizeof(*out->packets));
    struct raft_packet *ret = &out->packets[out->packets_count++];
    *ret = (struct raft_packet){.slot = raft->options.slot,
                                .from = raft->self,
                                .to = to,
                                .from_boot = raft->options.boot,
                                .kind = kind,
                                .term = raft->term,
                                .applied = raft->durable_applied,
                                .disk_free_mb = raft->disk_free_mb,
                                .wait_seq = RULE_R6 ? out_ticket_of_hard_state(raft) : 0};
    return ret;
}

struct raft_packet *out_reply(struct raft *raft, uint8_t kind, const struct raft_packet *request)
{
    struct raft_packet *ret = out_packet(raft, kind, request->from);
    ret->to_boot = request->from_boot;
    ret->number = request->number;
    if (raft->amnesia)
        ret->flags |= RAFT_AMNESIA;
    if (raft->installing) {
        ret->flags |= RAFT_INSTALLING;
        ret->install.session = raft->install.session;
    }
    return ret;
}

void out_entry(struct raft *raft, const struct raft_entry *entry)
{
    struct outbox *out = filling(raft);
    out->entries =
        grow(out->entries, out->entries_count, &out->entries_capacity, sizeof(*out->entries));
    out->entries[out->entries_count++] = *entry;
}

/* Entries that no update has listed yet are simply not listed; older ones are to be deleted. */
void out_truncate(struct raft *raft, raft_index from)
{
    struct outbox *out = filling(raft);
    if (out->entries_count > 0 && out->entries[0].pos.index < from) {
        out->entries_count = (uint32_t)(from - out->entries[0].pos.index);
        return;
    }
    bool is_listed = out->entries_count == 0 || out->entries[0].pos.index > from;
    out->entries_count = 0;
    if (is_listed && (out->truncate_from == 0 || from < out->truncate_from))
        out->truncate_from = from;
}

void out_read(struct raft *raft, uint64_t tag, raft_index index, enum err err)
{
    struct outbox *out = filling(raft);
    out->reads = grow(out->reads, out->reads_count, &out->reads_capacity, sizeof(*out->reads));
    out->reads[out->reads_count++] = (struct raft_read_done){tag, index, err};
}

void out_need(struct raft *raft, const struct progress *p)
{
    struct outbox *out = filling(raft);
    out->installs =
        grow(out->installs, out->installs_count, &out->installs_capacity, sizeof(*out->installs));
    out->installs[out->installs_count++] =
        (struct raft_need){p->peer, p->applied, p->marker, p->ordered};
}

void out_done(struct outbox *out)
{
    free(out->entries);
    free(out->packets);
    free(out->reads);
    free(out->installs);
    memset(out, 0, sizeof(*out));
}

/* Empty, and ready to be filled; large arrays of a burst are given back. */
static void clear(struct outbox *out)
{
    if (out->entries_capacity > OUT_KEEP && out->entries_count < out->entries_capacity / 4) {
        free(out->entries);
        out->entries = NULL;
        out->entries_capacity = 0;
    }
    if (out->packets_capacity > OUT_MIN * 4 && out->packets_count < out->packets_capacity / 4) {
        free(out->packets);
        out->packets = NULL;
        out->packets_capacity = 0;
    }
    if (out->reads_capacity > OUT_KEEP && out->reads_count < out->reads_capacity / 4) {
        free(out->reads);
        out->reads = NULL;
        out->reads_capacity = 0;
    }
    out->entries_count = out->packets_count = out->reads_count = out->installs_count = 0;
    out->truncate_from = 0;
    out->install_in = out->installed = false;
}

/* ---- committed and durable here: handed out within a budget (R10) ---------------------------- */
/* The end of the next range; handed: nothing. */
static raft_index apply_limit(const struct raft *raft)
{
    raft_index limit = raft->commit;
    if (RULE_R10 && limit > raft->log.durable)
        limit = raft->log.durable;
    if (raft->installing || raft->suspect || limit <= raft->handed)
        return raft->handed;
    uint64_t held = log_bytes(&raft->log, raft->applied, raft->handed);
    uint64_t first = log_bytes(&raft->log, raft->handed, raft->handed + 1);
    if (raft->handed > raft->applied && held + first > raft->options.apply_max_bytes)
        return raft->handed;
    return limit;
}

static void take_apply(struct raft *raft, struct raft_update *update)
{
    raft_index limit = apply_limit(raft);
    update->apply_from = raft->handed + 1;
    update->apply_to = raft->handed;
    if (limit == raft->handed)
        return;
    uint64_t held = log_bytes(&raft->log, raft->applied, raft->handed);
    uint64_t max = raft->options.apply_max_bytes;
    update->apply_to = log_fit(&raft->log, raft->handed + 1, limit, held < max ? max - held : 0);
    raft->handed = update->apply_to;
}

bool raft_has_update(const struct raft *raft)
{
    const struct outbox *out = &raft->out[raft->filling];
    return out->packets_count > 0 || out->entries_count > 0 || raft->hard_dirty ||
           raft->replicate_wanted || out->reads_count > 0 || out->installs_count > 0 ||
           raft->installs_due || out->truncate_from != 0 || out->install_in || out->installed ||
           raft->role_changed || raft->leader_changed || raft->config_changed ||
           apply_limit(raft) != raft->handed;
}

/* Gives the update a ticket when there is something to write. */
static void take_ticket(struct raft *raft, const struct outbox *out, struct raft_update *update)
{
    bool has_entries = out->entries_count > 0 || out->truncate_from != 0;
    if (!raft->hard_dirty && !has_entries && !out->install_in && !out->installed)
        return;
    update->seq = ++raft->seq;
    update->flags |= RAFT_UPDATE_SYNC;
    if (raft->hard_dirty) {
        update->flags |= RAFT_UPDATE_HARD_STATE;
        raft->hard_dirty = false;
        raft->hard_seq = raft->seq;
    }
    if (has_entries)
        update->flags |= RAFT_UPDATE_ENTRIES;
    if (has_entries || out->installed)
        log_ticket(&raft->log, raft->seq, raft->log.last);
}

static void take_flags(struct raft *raft, const struct outbox *out, struct raft_update *update)
{
    update->flags |= raft->role_changed ? RAFT_UPDATE_ROLE : 0;
    update->flags |= raft->leader_changed ? RAFT_UPDATE_LEADER : 0;
    update->flags |= raft->config_changed ? RAFT_UPDATE_CONFIG : 0;
    update->flags |= out->installed ? RAFT_UPDATE_INSTALLED : 0;
    if (out->install_in || out->installed)
        update->install_in = out->install;
    if (out->install_in)
        update->flags |= RAFT_UPDATE_INSTALL_IN;
    raft->role_changed = raft->leader_changed = raft->config_changed = false;
}

void raft_take_update(struct raft *raft, struct raft_update *ret_update)
{
    if (raft->replicate_wanted)
        replicate_all(raft);
    if (raft->installs_due)
        install_list(raft);
    struct outbox *out = filling(raft);
    struct raft_update update = {.term = raft->term,
                                 .vote = raft->vote,
                                 .commit = raft->commit,
                                 .truncate_from = out->truncate_from,
                                 .entries = out->entries,
                                 .packets = out->packets,
                                 .reads = out->reads,
                                 .installs = out->installs,
                                 .entries_count = out->entries_count,
                                 .packets_count = out->packets_count,
                                 .reads_count = out->reads_count,
                                 .installs_count = out->installs_count,
                                 .role = raft->role,
                                 .leader = raft->leader};
    take_ticket(raft, out, &update);
    take_flags(raft, out, &update);
    take_apply(raft, &update);
    raft->filling ^= 1;
    clear(filling(raft));
    *ret_update = update;
}
