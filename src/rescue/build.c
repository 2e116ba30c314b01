/* SPDX-License-Identifier: Apache-2.0 */
/* A new data folder out of sources, slot by slot. The order within a slot is that of log indexes, so
 * that each step has a place above the one before:
 *
 *   ..A      the source's state, copied
 *   A+1..L   entries of its log, at their own indexes
 *   ..J      deletes of the journal that are not in there yet, at their own indexes: their ids stay
 *   H+2^28.. (H: the highest index known) deletes of the journal whose place an entry of the log has
 *            that is another's: no majority had it; and one record for each channel that is raised
 *   base     the last index: the log begins, empty, behind it
 *
 * All of it lies in a folder of another name until it is complete. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "msg/msg.h"
#include "rescue/copy.h"
#include "rescue/journal.h"
#include "rescue/rescue.h"
#include "sys/file.h"
#include "wire/command.h"
#include "wire/config.h"
#include "wire/members.h"

#define INDEX_MAX ((UINT64_C(1) << 40) - 1) /* what a message id has room for */

struct build {
    const struct rescue_options *options;
    struct rescue_report *report;
    struct journal journal;
    struct store *store; /* owned: the new one */
    struct msg *msg;     /* owned */
    /* Of the slot at work: */
    uint32_t slot;
    uint64_t term, index; /* of the last thing applied; term: above all that were known */
};

/* ---- what is missing ------------------------------------------------------------------------------- */

/* Where the source's own knowledge ends: an entry behind what it applied may have been replaced by
 * another leader's. */
static uint64_t known_through(const struct rescue_options *options, int source, uint32_t slot)
{
    return source < 0 ? 0 : options->sources[source].slots[slot].applied.index;
}

static void add_unknown(struct rescue_slot_report *slot, uint64_t min, uint64_t max)
{
    slot->unknown_min += min;
    slot->unknown_max = slot->unknown_max > UINT64_MAX - max ? UINT64_MAX : slot->unknown_max + max;
}

static void find_gaps(struct build *build, uint32_t number)
{
    const struct rescue_options *options = build->options;
    struct rescue_slot_report *slot = &build->report->slots[number];
    uint32_t from = 0, to = 0;
    journal_slot(&build->journal, number, &from, &to);
    uint64_t source_end = known_through(options, slot->source, number);
    uint64_t known = source_end;
    for (uint32_t i = from; i < to; i++) {
        const struct journal_record *record = &build->journal.records[i];
        if (record->log_index <= known)
            continue;
        if (record->after_index > known)
            add_unknown(slot, 1, record->after_index - known);
        known = record->log_index;
    }
    /* A journal that ends before the source does says nothing of what came then. */
    uint64_t journal_end = from == to ? 0 : build->journal.records[to - 1].log_index;
    slot->is_short = options->journals_count > 0 && options->needs_journal &&
                     (from == to || journal_end < source_end);
    if (slot->is_short)
        add_unknown(slot, 0, UINT64_MAX);
}

static enum err judge_gaps(struct build *build, struct why *why)
{
    struct rescue_report *report = build->report;
    const struct rescue_options *options = build->options;
    uint32_t first = 0;
    for (uint32_t i = report->slots_count; i > 0; i--) {
        const struct rescue_slot_report *slot = &report->slots[i - 1];
        if (slot->unknown_max == 0)
            continue;
        first = i - 1;
        report->slots_with_gaps++;
        report->unknown_min += slot->unknown_min;
        report->unknown_max = report->unknown_max > UINT64_MAX - slot->unknown_max
                                  ? UINT64_MAX
                                  : report->unknown_max + slot->unknown_max;
    }
    if (options->journals_count == 0 && options->needs_journal) {
        report->unknown_max = UINT64_MAX;
        return options->accept_resurrection
                   ? OK
                   : why_set(why, ERR_CONFLICT,
                             "no journal of deletes is given: all deletes since the backup are "
                             "unknown, and would be undone. Give it with --journal, or say "
                             "--accept-resurrection");
    }
    if (report->slots_with_gaps == 0 || options->accept_resurrection)
        return OK;
    if (report->unknown_max == UINT64_MAX)
        return why_set(why, ERR_CONFLICT,
                       "the journal says nothing of what came behind the source's end in %u slots, "
                       "the first is slot %u: deletes are unknown, at least %" PRIu64
                       ", and would be undone. Give a journal with marks=1 that was taken later, "
                       "or say --accept-resurrection",
                       report->slots_with_gaps, first, report->unknown_min);
    return why_set(why, ERR_CONFLICT,
                   "the journal has gaps in %u slots, the first is slot %u: %" PRIu64 " to %" PRIu64
                   " deletes are unknown, and would be undone. Give the missing part, or say "
                   "--accept-resurrection",
                   report->slots_with_gaps, first, report->unknown_min, report->unknown_max);
}

/* ---- one slot ---------------------------------------------------------------------------------------- */

static enum err apply_log(struct build *build, const struct rescue_source *source, struct why *why)
{
    const struct rescue_slot *slot = &source->slots[build->slot];
    struct rescue_slot_report *report = &build->report->slots[build->slot];
    struct store_iter *iter =
        store_iter_entries(source->store, build->slot, slot->applied.index + 1, slot->log_index);
    enum err err = OK;
    uint64_t next = slot->applied.index + 1;
    while (err == OK && store_iter_next(iter)) {
        const struct row_entry *row = store_iter_entry(iter);
        if (row->index != next++) {
            err = why_set(why, ERR_CORRUPT, "the log of slot %u in '%s' has a hole at %" PRIu64,
                          build->slot, source->dir, next - 1);
            break;
        }
        err =
            row->kind == RAFT_ENTRY_DATA
                ? msg_apply(build->msg, build->slot, row->index, row->term, row->payload, NULL, why)
                : msg_apply_nothing(build->msg, build->slot, row->index, row->term, why);
        build->index = row->index;
        report->entries++;
    }
    enum err done = store_iter_done(iter);
    if (err == OK && done != OK)
        err = why_set(why, done, "the log of slot %u in '%s' cannot be read", build->slot,
                      source->dir);
    return err;
}

static enum err apply_delete(struct build *build, const struct journal_record *record,
                             struct why *why)
{
    struct command command = {.kind = COMMAND_DELETE,
                              .flags = COMMAND_CLAMP,
                              .time_ms = record->deleted_at_ms,
                              .delete_ = {.channel = record->channel,
                                          .ranges = record->ranges,
                                          .ranges_count = record->ranges_count,
                                          .operator_name = record->operator_name,
                                          .reason = record->reason,
                                          .request_id = record->request_id}};
    enum err err = command_check(&command, why);
#ifdef LETHE_MUTANT_restore_no_journal
    return err;
#endif
    if (err != OK)
        return err;
    struct blob *blob = command_encode(&command);
    err =
        msg_apply(build->msg, build->slot, build->index, build->term, blob_bytes(blob), NULL, why);
    blob_unref(blob);
    build->report->slots[build->slot].deletes++;
    return err;
}

/* Those that are not in what was copied. A part beyond the last seq is of messages that are not
 * there: what is raised covers it. */
static enum err apply_journal(struct build *build, struct why *why)
{
    uint32_t from = 0, to = 0;
    enum err err = OK;
    journal_slot(&build->journal, build->slot, &from, &to);
    for (uint32_t i = from; err == OK && i < to; i++) {
        const struct journal_record *record = &build->journal.records[i];
        if (!record->is_mark && record->log_index > build->index) {
            build->index = record->log_index;
            err = apply_delete(build, record, why);
        }
    }
    return err;
}

/* Is this delete in the new store, under its own index? */
static enum err has_delete(struct build *build, const struct journal_record *record, bool *ret,
                           struct why *why)
{
    struct store_value value;
    struct row_delete_record row;
    store_value_init(&value);
    enum err err =
        store_get_delete_record(build->store, NULL, build->slot, record->log_index, &value, &row);
    *ret = err == OK && channel_is_equal(row.channel, record->channel) &&
           row.deleted_at_ms == record->deleted_at_ms;
    store_value_done(&value);
    return err == OK || err == ERR_NOT_FOUND
               ? OK
               : why_set(why, err, "cannot read a delete of slot %u", build->slot);
}

/* Behind applied, the log's entry of an index and the journal's delete may be of two leaders: the
 * journal's was committed. */
static enum err apply_replaced(struct build *build, uint64_t applied, uint64_t log_end,
                               struct why *why)
{
    uint32_t from = 0, to = 0;
    journal_slot(&build->journal, build->slot, &from, &to);
    enum err err = msg_apply_flush(build->msg, why);
    for (uint32_t i = from; err == OK && i < to; i++) {
        const struct journal_record *record = &build->journal.records[i];
        bool is_there = false;
        if (record->is_mark || record->log_index <= applied || record->log_index > log_end)
            continue;
        err = has_delete(build, record, &is_there, why);
        if (err == OK && !is_there) {
            build->index++;
            err = apply_delete(build, record, why);
        }
    }
    return err;
}

/* ---- seqs that may have been given out ----------------------------------------------------------------- */

static enum err raise_channel(struct build *build, struct channel channel, uint64_t through,
                              struct why *why)
{
    char reason[DELETE_TEXT_MAX_BYTES];
    int len = snprintf(reason, sizeof(reason),
                       "%s: seqs that may have been given out are not given out again",
                       build->options->cause);
    const struct msg_raise raise = {.channel = channel,
                                    .through_seq = through,
                                    .time_ms = build->options->now_ms,
                                    .operator_name = bytes_of_string("lethed"),
                                    .reason = bytes_of(reason, (size_t)len)};
    build->report->slots[build->slot].channels++;
    return msg_raise(build->msg, build->slot, ++build->index, build->term, &raise, why);
}

struct channels {
    struct arena arena;
    struct channel_last {
        struct channel channel;
        uint64_t last_seq;
    } * items; /* owned */
    uint32_t count, capacity;
};

static void add_channel(struct channels *list, struct channel channel)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 256 : list->capacity * 2;
        list->items = alloc_resize(list->items, list->capacity, sizeof(*list->items));
    }
    list->items[list->count++] =
        (struct channel_last){.channel = {channel.type, arena_copy(&list->arena, channel.id)}};
}

static enum err list_channels(struct build *build, struct channels *list, struct why *why)
{
    struct store_iter *iter =
        store_iter_channels(build->store, NULL, build->slot, -1, BYTES_NONE, (struct channel){0});
    while (store_iter_next(iter))
        add_channel(list, store_iter_channel(iter));
    enum err err = store_iter_done(iter);
    return err == OK ? OK : why_set(why, err, "cannot list the channels of slot %u", build->slot);
}

static enum err read_last(struct build *build, struct channel_last *item, struct arena *arena,
                          struct why *why)
{
    struct msg_channel found;
    enum err err = msg_get_channel(build->msg, item->channel, arena, &found, why);
    item->last_seq = found.last_seq;
    arena_clear(arena);
    return err;
}

/* Channels that the journal alone knows, and seqs that it alone saw. */
static enum err raise_by_journal(struct build *build, struct why *why)
{
    uint32_t from = 0, to = 0;
    enum err err = OK;
    struct arena arena;
    arena_init(&arena);
    journal_slot(&build->journal, build->slot, &from, &to);
    for (uint32_t i = from; err == OK && i < to; i++) {
        const struct journal_record *record = &build->journal.records[i];
        struct channel_last item = {.channel = record->channel};
        if (record->is_mark)
            continue;
        uint64_t end = record->ranges[record->ranges_count - 1].end;
        err = msg_apply_flush(build->msg, why);
        if (err == OK)
            err = read_last(build, &item, &arena, why);
        if (err == OK && end > item.last_seq)
            err = raise_channel(build, record->channel, end, why);
    }
    arena_done(&arena);
    return err == OK ? msg_apply_flush(build->msg, why) : err;
}

static enum err raise_all(struct build *build, struct why *why)
{
    struct channels list = {.count = 0};
    struct arena arena;
    arena_init(&arena);
    arena_init(&list.arena);
    enum err err = raise_by_journal(build, why);
    if (err == OK)
        err = list_channels(build, &list, why);
    for (uint32_t i = 0; err == OK && i < list.count; i++)
        err = read_last(build, &list.items[i], &arena, why);
    for (uint32_t i = 0; err == OK && i < list.count; i++)
        err = raise_channel(build, list.items[i].channel,
                            list.items[i].last_seq + build->options->seq_margin, why);
    arena_done(&list.arena);
    arena_done(&arena);
    free(list.items);
    return err;
}

/* ---- where the log begins ---------------------------------------------------------------------------------- */

/* The highest index that anybody is known to have used in the slot, and the next term. */
static uint64_t highest(struct build *build)
{
    const struct rescue_options *options = build->options;
    uint64_t index = 0, term = 0;
    uint32_t from = 0, to = 0;
    for (uint32_t i = 0; i < options->sources_count; i++) {
        const struct rescue_slot *slot = &options->sources[i].slots[build->slot];
        index = slot->log_index > index ? slot->log_index : index;
        term = slot->hard_term > term ? slot->hard_term : term;
    }
    journal_slot(&build->journal, build->slot, &from, &to);
    if (from < to && build->journal.records[to - 1].log_index > index)
        index = build->journal.records[to - 1].log_index;
    build->term = term + 1;
    return index;
}

/* The table of the new cluster: this node alone, with all slots. Only when there was one: without,
 * the configuration says who founds it. */
static enum err put_table(struct build *build, struct why *why)
{
    const struct rescue_options *options = build->options;
    struct store_value value;
    struct bytes bytes = BYTES_NONE;
    store_value_init(&value);
    enum err err = store_get_slot_value(build->store, NULL, 0, STORE_SLOT_MEMBERS, &value, &bytes);
    struct reader reader = reader_of(bytes);
    uint64_t revision = err == OK && bytes.len > 8 ? reader_le64(&reader) : 0;
    struct members old = {0}, table = {0};
    if (revision > 0)
        err = members_decode(bytes_of(bytes.data + 8, bytes.len - 8), &old, why);
    store_value_done(&value);
    if (revision == 0 || err != OK)
        return err == ERR_NOT_FOUND ? OK : err;
    table.replica_count = old.replica_count;
    table.feature_level = old.feature_level; /* what stands in the log needs it */
    struct members_row *row = members_insert(&table, options->node_id);
    row->state = MEMBERS_ACTIVE;
    row->incarnation = store_identity(build->store)->incarnation;
    (void)snprintf(row->address, sizeof(row->address), "%s", options->address);
    (void)snprintf(row->http_address, sizeof(row->http_address), "%s", options->http_address);
    table.places_count = store_identity(build->store)->slot_count;
    table.places = alloc_array(table.places_count, sizeof(*table.places));
    for (uint32_t i = 0; i < table.places_count; i++)
        table.places[i] = (struct members_place){.count = 1, .ids = {options->node_id}};
    struct buf buf = BUF_INIT;
    members_encode(&buf, &table);
    const struct command command = {
        .kind = COMMAND_MEMBERS,
        .time_ms = options->now_ms,
        .members = {.expected_revision = revision, .table = buf_bytes(&buf)}};
    struct blob *blob = command_encode(&command);
    err = msg_apply(build->msg, 0, ++build->index, build->term, blob_bytes(blob), NULL, why);
    blob_unref(blob);
    buf_done(&buf);
    members_done(&old);
    members_done(&table);
    return err;
}

/* The log, empty, behind all that was applied. */
static enum err put_log(struct build *build, struct why *why)
{
    uint64_t base = ++build->index;
    enum err err = msg_apply_nothing(build->msg, build->slot, base, build->term, why);
    if (err == OK)
        err = msg_apply_flush(build->msg, why);
    if (err != OK)
        return err;
    struct raft_config config = {.voters_count = 1, .voters = {build->options->node_id}};
    struct buf encoded = BUF_INIT;
    struct store_batch *batch = store_batch_new(build->store);
    wire_config_encode(&encoded, &config);
    store_compact_prefix(batch, build->slot, base, base, build->term);
    store_put_hard_state(batch, build->slot, &(struct row_hard_state){build->term, 0, base});
    store_put_config(batch, build->slot, base, build->term, buf_bytes(&encoded));
    err = store_write(build->store, batch, true, why);
    store_batch_free(batch);
    buf_done(&encoded);
    build->report->slots[build->slot].base_index = base;
    return err;
}

static enum err build_slot(struct build *build, struct why *why)
{
    struct rescue_slot_report *report = &build->report->slots[build->slot];
    const struct rescue_source *source =
        report->source < 0 ? NULL : &build->options->sources[report->source];
    uint64_t known = highest(build);
    enum err err = OK;
    build->index = source == NULL ? 0 : source->slots[build->slot].applied.index;
    report->applied = build->index;
    if (build->index > 0)
        err = copy_slot(source->msg, build->msg, build->store, build->slot, why);
    if (err == OK && source != NULL)
        err = apply_log(build, source, why);
    uint64_t log_end = build->index;
    if (err == OK)
        err = apply_journal(build, why);
    if (err != OK)
        return err;
    if (known + RESCUE_BASE_GAP > INDEX_MAX - RESCUE_BASE_GAP)
        return why_set(why, ERR_CONFLICT,
                       "slot %u has used up the indexes that message ids have room for",
                       build->slot);
    build->index = known + RESCUE_BASE_GAP;
    err = apply_replaced(build, report->applied, log_end, why);
    if (err == OK)
        err = raise_all(build, why);
    if (err == OK && build->slot == 0)
        err = put_table(build, why);
    return err == OK ? put_log(build, why) : err;
}

/* Nothing is believed that was not read back. */
static enum err check_slot(struct build *build, struct why *why)
{
    struct msg_check found;
    enum err err = msg_recompute(build->msg, build->slot, &found, why);
    if (err == OK && !hash128_is_equal(found.stored, found.recomputed))
        err = why_set(why, ERR_CORRUPT, "slot %u does not add up to its digest", build->slot);
    if (err == OK && !found.counts_fit)
        err = why_set(why, ERR_CORRUPT, "%s", found.misfit);
    return err;
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static enum err choose_sources(struct build *build, struct why *why)
{
    const struct rescue_options *options = build->options;
    for (uint32_t i = 0; i < build->report->slots_count; i++) {
        int best = rescue_best(options->sources, options->sources_count, i);
        build->report->slots[i].source = best;
        for (uint32_t k = 0; best < 0 && k < options->sources_count; k++) {
            if (strcmp(options->sources[k].slots[i].state, "incomplete") == 0)
                return why_set(why, ERR_UNREADY,
                               "slot %u: '%s' holds a part of it alone, as an install was under "
                               "way or it was quarantined, and no other source holds it: name "
                               "another backup or survivor too",
                               i, options->sources[k].dir);
        }
    }
    return OK;
}

static enum err read_journals(struct build *build, struct why *why)
{
    const struct rescue_options *options = build->options;
    enum err err = OK;
    for (uint32_t i = 0; err == OK && i < options->journals_count; i++)
        err = journal_read(&build->journal, options->journals[i], build->report->slots_count, why);
    if (err == OK)
        err = journal_sort(&build->journal, why);
    for (uint32_t i = 0; i < build->journal.count; i++) {
        build->report->journal_records += build->journal.records[i].is_mark ? 0 : 1;
        uint64_t at_ms = build->journal.records[i].deleted_at_ms;
        if (at_ms > build->report->journal_last_ms)
            build->report->journal_last_ms = at_ms;
    }
    return err;
}

static enum err open_new(struct build *build, const char *dir, struct why *why)
{
    const struct rescue_options *options = build->options;
    struct store_options store;
    store_options_init(&store);
    store.dir = dir;
    store.create = true;
    store.cluster_id = options->cluster_id;
    store.node_id = options->node_id;
    store.slot_count = options->sources[0].identity.slot_count;
    store.new_incarnation = options->incarnation;
    enum err err = store_open(&store, &build->store, why);
    if (err != OK)
        return err;
    const struct msg_options msg = {.store = build->store, .slot_count = store.slot_count};
    build->msg = msg_new(&msg);
    return OK;
}

static enum err fill(struct build *build, const char *dir, struct why *why)
{
    enum err err = open_new(build, dir, why);
    for (uint32_t i = 0; err == OK && i < build->report->slots_count; i++) {
        build->slot = i;
        err = build_slot(build, why);
        if (err == OK)
            err = check_slot(build, why);
        if (err == OK) {
            build->report->deletes += build->report->slots[i].deletes;
            build->report->entries += build->report->slots[i].entries;
            build->report->channels += build->report->slots[i].channels;
        }
    }
    if (err == OK)
        err = store_flush(build->store, why);
    msg_free(build->msg);
    store_close(build->store);
    build->msg = NULL;
    build->store = NULL;
    return err;
}

static enum err check_folder(const char *dir, struct why *why)
{
    struct file_names names = {0};
    enum err err = file_list(dir, &names, why);
    if (err == ERR_NOT_FOUND)
        return OK;
    if (err == OK && names.count > 0)
        err = why_set(why, ERR_BAD_PARAMETER, "'%s' is not empty: it has '%s'; name a new folder",
                      dir, names.items[0]);
    file_names_done(&names);
    return err;
}

/* A table of the cluster's nodes says where each is reached: what it says of the old ones is of no use. */
static enum err check_address(const struct rescue_options *options, struct why *why)
{
    bool has_table = false;
    for (uint32_t i = 0; i < options->sources_count; i++)
        has_table = has_table || options->sources[i].members_count > 0;
    if (has_table && options->address[0] == '\0')
        return why_set(why, ERR_BAD_PARAMETER,
                       "say where other nodes will reach this one, its own address in "
                       "'cluster.members': --address HOST:PORT");
    if (strlen(options->address) > MEMBERS_ADDRESS_MAX_BYTES ||
        strlen(options->http_address) > MEMBERS_ADDRESS_MAX_BYTES)
        return why_set(why, ERR_BAD_PARAMETER, "an address is longer than %d bytes",
                       MEMBERS_ADDRESS_MAX_BYTES);
    return OK;
}

static enum err check_options(const struct rescue_options *options, struct why *why)
{
    const struct store_identity *of = &options->sources[0].identity;
    size_t len = strlen(options->cluster_id);
    enum err err = rescue_refuse_removed(options->sources, options->sources_count, why);
    if (err != OK)
        return err;
    if (len == 0 || len > 64)
        return why_set(why, ERR_BAD_PARAMETER, "the cluster's id is not of 1 to 64 bytes");
    if (strcmp(options->cluster_id, of->cluster_id) == 0)
        return why_set(why, ERR_BAD_PARAMETER,
                       "'%s' is the id of the cluster that this comes from: its nodes would take "
                       "the new one for their own; choose another",
                       options->cluster_id);
    if (options->node_id == 0 || options->node_id > UINT16_MAX)
        return why_set(why, ERR_BAD_PARAMETER, "the node's id is not within 1 and 65535");
    if (options->seq_margin == 0 || options->seq_margin > INT64_MAX / 4)
        return why_set(why, ERR_BAD_PARAMETER, "the margin of seqs is 0, or impossible");
    err = check_address(options, why);
    return err == OK ? check_folder(options->data_dir, why) : err;
}

/* Complete under another name, then under its own. */
static enum err make(struct build *build, struct why *why)
{
    const char *dir = build->options->data_dir;
    struct buf part = BUF_INIT;
    buf_printf(&part, "%s.part", dir);
    enum err err = file_remove_tree(buf_string(&part), why);
    if (err == OK)
        err = fill(build, buf_string(&part), why);
    if (err == OK)
        err = file_rename(buf_string(&part), dir, why);
    if (err != OK && file_remove_tree(buf_string(&part), NULL) != OK)
        why_wrap(why, "'%s' is left and may be removed", buf_string(&part));
    buf_done(&part);
    return err;
}

void rescue_report_done(struct rescue_report *report)
{
    free(report->slots);
    *report = (struct rescue_report){0};
}

enum err rescue_build(const struct rescue_options *options, struct rescue_report *ret_report,
                      struct why *why)
{
    assert(options->sources_count > 0);
    struct rescue_report report = {.slots_count = options->sources[0].identity.slot_count};
    struct build build = {.options = options, .report = &report};
    enum err err = check_options(options, why);
    if (err != OK)
        return err;
    report.slots = alloc_array(report.slots_count, sizeof(*report.slots));
    journal_init(&build.journal);
    err = read_journals(&build, why);
    if (err == OK)
        err = choose_sources(&build, why);
    for (uint32_t i = 0; err == OK && i < report.slots_count; i++)
        find_gaps(&build, i);
    if (err == OK)
        err = judge_gaps(&build, why);
    if (err == OK)
        err = make(&build, why);
    journal_done(&build.journal);
    if (err == OK || err == ERR_CONFLICT)
        *ret_report = report;
    else
        rescue_report_done(&report);
    return err;
}
