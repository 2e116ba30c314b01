/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE: one entry, one batch, one record; no seq ever comes back.
 *
 * For each range of the command:
 *   - all old intervals that overlap or touch it are merged with it into one new interval (the read
 *     fence), which keeps the channel's running totals just before its start and at its end: from
 *     the old interval at that edge, or else from one message row. So the bytes and the digest of
 *     what goes are a difference of totals, however many messages that are: a delete of 10,000
 *     messages reads two rows and writes one range tombstone.
 *   - the message rows go.
 * Then once: the channel row (last_seq, last timestamp and totals as of now: this is what keeps
 * last_seq from falling when the newest messages go; counts; delete version) and the delete record.
 *
 * All rows are read before the first one is put, so that an error or a write of the open batch
 * never leaves half a delete. Ranges are ascending, so one merged interval at a time is open: only
 * the last one can touch the next range. A repeated delete changes no interval and has a record of
 * its own, with deleted_count 0. */
#include "msg/inner.h"

struct removal {
    struct row_deleted *fences; /* merged intervals, ascending */
    uint32_t fences_count;
    uint64_t *dropped_starts; /* old intervals that are inside a new one */
    struct hash128 *dropped_hashes;
    size_t dropped_count, dropped_capacity;
    struct hash128 dropped_digest; /* of messages that were deleted before */
    uint64_t dropped_bytes;
    uint64_t deleted_count, already_deleted;
};

/* The ranges as they take effect: cut at last_seq, touching ones joined. */
struct normal {
    struct range *ranges;
    uint32_t count;
};

static enum err normalise(const struct entry *entry, const struct head *head, struct arena *arena,
                          struct normal *ret, bool *ret_beyond, struct why *why)
{
    const struct command_delete *delete_ = &entry->command->delete_;
    bool clamp = (entry->command->flags & COMMAND_CLAMP) != 0;
    ret->ranges = arena_alloc(arena, (delete_->ranges_count + 1) * sizeof(*ret->ranges));
    ret->count = 0;
    *ret_beyond = false;
    uint64_t previous_end = 0;
    for (uint32_t i = 0; i < delete_->ranges_count; i++) {
        struct range range = delete_->ranges[i];
        if (range.start == 0 || range.start > range.end || range.start <= previous_end) {
            return why_set(why, ERR_BAD_FORMAT,
                           "a delete with the impossible range %" PRIu64 "-%" PRIu64, range.start,
                           range.end);
        }
        previous_end = range.end;
        if (range.end > head->last_seq) {
            *ret_beyond = *ret_beyond || !clamp;
            range.end = head->last_seq;
        }
        if (range.start > range.end) {
            continue;
        }
        if (ret->count > 0 && ret->ranges[ret->count - 1].end + 1 == range.start) {
            ret->ranges[ret->count - 1].end = range.end;
        } else {
            ret->ranges[ret->count++] = range;
        }
    }
    return OK;
}

static enum err read_totals(struct msg *msg, const struct head *head, uint64_t seq,
                            struct totals *ret, struct why *why)
{
    if (seq == 0) {
        *ret = (struct totals){0};
        return OK;
    }
    if (seq == head->last_seq) {
        *ret = head->totals;
        return OK;
    }
    struct row_message row;
    enum err err =
        store_get_message(msg->store, NULL, head->slot, head->channel, seq, &msg->value, &row);
    if (err != OK) {
        /* Neither a row nor an interval: the slot is damaged. */
        return why_set(why, err == ERR_NOT_FOUND ? ERR_CORRUPT : err,
                       "cannot read message %" PRIu64 " of channel %u/'%.*s' in slot %u", seq,
                       head->channel.type, (int)head->channel.id.len,
                       (const char *)head->channel.id.data, head->slot);
    }
    *ret = row.totals;
    return OK;
}

static void drop_interval(struct removal *removal, const struct head *head,
                          const struct row_deleted *old)
{
    if (removal->dropped_count == removal->dropped_capacity) {
        removal->dropped_capacity = removal->dropped_capacity * 2 + 16;
        removal->dropped_starts = alloc_resize(removal->dropped_starts, removal->dropped_capacity,
                                               sizeof(*removal->dropped_starts));
        removal->dropped_hashes = alloc_resize(removal->dropped_hashes, removal->dropped_capacity,
                                               sizeof(*removal->dropped_hashes));
    }
    removal->dropped_starts[removal->dropped_count] = old->start;
    removal->dropped_hashes[removal->dropped_count] =
        row_deleted_hash(head->slot, head->channel, old);
    removal->dropped_count++;
    removal->dropped_digest = hash128_add(
        removal->dropped_digest, hash128_sub(old->at_end.digest, old->before_start.digest));
    removal->dropped_bytes += old->at_end.bytes - old->before_start.bytes;
}

static uint64_t overlap(struct range range, uint64_t start, uint64_t end)
{
    uint64_t from = range.start > start ? range.start : start;
    uint64_t to = range.end < end ? range.end : end;
    return from > to ? 0 : to - from + 1;
}

/* Merges the old intervals around range into *fence, which holds what is known of its edges. */
static enum err merge_old(struct msg *msg, const struct head *head, struct range range,
                          uint64_t skip_through, struct row_deleted *fence, bool *ret_has_start,
                          bool *ret_has_end, struct removal *removal, struct why *why)
{
    struct store_iter *iter = store_iter_deleted(msg->store, NULL, head->slot, head->channel,
                                                 range.start - 1, range.end + 1, false);
    while (store_iter_next(iter)) {
        const struct row_deleted *old = store_iter_deleted_row(iter);
        removal->already_deleted += overlap(range, old->start, old->end);
        if (old->start <= skip_through) {
            continue; /* merged by the range before this one */
        }
        drop_interval(removal, head, old);
        if (old->start <= fence->start) {
            fence->start = old->start;
            fence->before_start = old->before_start;
            *ret_has_start = true;
        }
        if (old->end >= fence->end) {
            fence->end = old->end;
            fence->at_end = old->at_end;
            *ret_has_end = true;
        }
    }
    enum err err = store_iter_done(iter);
    return err == OK
               ? OK
               : why_set(why, err, "cannot read the deleted intervals of slot %u", head->slot);
}

static enum err merge_range(struct msg *msg, const struct head *head, struct range range,
                            struct removal *removal, struct why *why)
{
    struct row_deleted *last =
        removal->fences_count > 0 ? &removal->fences[removal->fences_count - 1] : NULL;
    struct row_deleted fence = {.start = range.start, .end = range.end};
    bool has_start = false, has_end = false, joins = false;
    uint64_t already_before = removal->already_deleted;
    if (last != NULL && last->end + 1 >= range.start) {
        joins = true;
        has_start = true;
        fence.start = last->start;
        fence.before_start = last->before_start;
        if (last->end >= range.end) {
            fence.end = last->end;
            fence.at_end = last->at_end;
            has_end = true;
        }
    }
    enum err err = OK;
    if (head->row.deleted_count > 0) {
        err = merge_old(msg, head, range, last != NULL ? last->end : 0, &fence, &has_start,
                        &has_end, removal, why);
    }
    if (err == OK && !has_start) {
        err = read_totals(msg, head, fence.start - 1, &fence.before_start, why);
    }
    if (err == OK && !has_end) {
        err = read_totals(msg, head, fence.end, &fence.at_end, why);
    }
    if (err != OK) {
        return err;
    }
    uint64_t already = removal->already_deleted - already_before;
    removal->deleted_count += range.end - range.start + 1 - already;
    removal->fences[joins ? removal->fences_count - 1 : removal->fences_count++] = fence;
    return OK;
}

static void put_fences(struct msg *msg, struct slot *slot, struct head *head,
                       const struct removal *removal)
{
    struct hash128 gone = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < removal->dropped_count; i++) {
        store_remove_deleted(msg->batch, slot->id, head->channel, removal->dropped_starts[i]);
        slot_sub(slot, removal->dropped_hashes[i]);
    }
    for (uint32_t i = 0; i < removal->fences_count; i++) {
        const struct row_deleted *fence = &removal->fences[i];
#ifndef LETHE_MUTANT_delete_no_fence
        store_put_deleted(msg->batch, slot->id, head->channel, fence);
#endif
        slot_add(slot, row_deleted_hash(slot->id, head->channel, fence));
        gone = hash128_add(gone, hash128_sub(fence->at_end.digest, fence->before_start.digest));
        bytes += fence->at_end.bytes - fence->before_start.bytes;
        if (fence->start == 1) {
            head->first_deleted_end = fence->end;
        }
    }
    slot_sub(slot, hash128_sub(gone, removal->dropped_digest));
    head->row.deleted_bytes += bytes - removal->dropped_bytes;
    head->row.deleted_count += removal->deleted_count;
    head->row.delete_version++;
    head->deleted_batch_no = msg->batch_no;
}

static void put_record(struct msg *msg, struct slot *slot, const struct head *head,
                       const struct entry *entry, const struct normal *normal,
                       const struct removal *removal)
{
    const struct command_delete *delete_ = &entry->command->delete_;
    struct seq_range *ranges = arena_alloc(&msg->arena, normal->count * sizeof(*ranges));
    for (uint32_t i = 0; i < normal->count; i++) {
        ranges[i] = (struct seq_range){normal->ranges[i].start, normal->ranges[i].end};
    }
    struct row_delete_record record = {.log_index = entry->index,
                                       .deleted_at_ms = entry->command->time_ms,
                                       .channel = head->channel,
                                       .ranges = ranges,
                                       .ranges_count = normal->count,
                                       .deleted_count = removal->deleted_count,
                                       .already_deleted = removal->already_deleted,
                                       .operator_name = delete_->operator_name,
                                       .reason = delete_->reason,
                                       .request_id = delete_->request_id};
    store_put_delete_record(msg->batch, slot->id, &record);
    slot_add(slot, row_delete_record_hash(slot->id, &record));
    slot->delete_records++;
    slot->state_changed = true;
}

static void set_result(const struct entry *entry, const struct head *head,
                       const struct normal *normal, const struct removal *removal, bool logged,
                       enum err verdict)
{
    if (entry->result == NULL) {
        return;
    }
    struct msg_delete_result *ret = &entry->result->deleted;
    ret->err = verdict;
    ret->logged = logged;
    ret->first_seq = head_first_seq(head);
    ret->last_seq = head->last_seq;
    ret->deleted_at_ms = entry->command->time_ms;
    if (!logged) {
        return;
    }
    struct range *ranges =
        arena_alloc(&entry->result->arena, normal->count * sizeof(*normal->ranges));
    memcpy(ranges, normal->ranges, normal->count * sizeof(*ranges));
    ret->ranges = ranges;
    ret->ranges_count = normal->count;
    ret->start_seq = ranges[0].start;
    ret->end_seq = ranges[normal->count - 1].end;
    ret->deleted_count = removal->deleted_count;
    ret->already_deleted = removal->already_deleted;
}

static enum err remove_ranges(struct msg *msg, struct slot *slot, struct head *head,
                              const struct entry *entry, const struct normal *normal,
                              struct removal *removal, struct why *why)
{
    removal->fences = arena_alloc(&msg->arena, normal->count * sizeof(*removal->fences));
    for (uint32_t i = 0; i < normal->count; i++) {
        enum err err = merge_range(msg, head, normal->ranges[i], removal, why);
        if (err != OK) {
            return err;
        }
    }
    put_fences(msg, slot, head, removal);
    for (uint32_t i = 0; i < normal->count; i++) {
        store_remove_messages(msg->batch, slot->id, head->channel, normal->ranges[i].start,
                              normal->ranges[i].end);
    }
    head_put_row(msg, slot, head, entry->index);
    put_record(msg, slot, head, entry, normal, removal);
    return OK;
}

enum err delete_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                      struct why *why)
{
    struct head *head;
    enum err err = head_get(msg, slot, entry->command->delete_.channel, &head, why);
    if (err != OK) {
        return err;
    }
    struct normal normal;
    struct removal removal = {0};
    bool beyond;
    err = normalise(entry, head, &msg->arena, &normal, &beyond, why);
    if (err != OK) {
        return err;
    }
    if (beyond || normal.count == 0) {
        set_result(entry, head, &normal, &removal, false, beyond ? ERR_END_BEYOND_LAST : OK);
        return OK;
    }
    if (head_is_changed(msg, head)) {
        err = msg_apply_flush(msg, why);
    }
    if (err == OK) {
        err = remove_ranges(msg, slot, head, entry, &normal, &removal, why);
    }
    if (err == OK) {
        set_result(entry, head, &normal, &removal, true, OK);
    }
    free(removal.dropped_starts);
    free(removal.dropped_hashes);
    return err;
}

/* What lies behind the last seq is deleted before it was: the totals there are those of the last one. */
enum err delete_raise(struct msg *msg, struct slot *slot, const struct entry *entry,
                      uint64_t through_seq, struct why *why)
{
    struct head *head;
    struct removal removal = {0};
    enum err err = head_get(msg, slot, entry->command->delete_.channel, &head, why);
    if (err != OK || through_seq <= head->last_seq) {
        return err;
    }
    if (through_seq > MSG_SEQ_MAX) {
        return why_set(why, ERR_BAD_PARAMETER, "seq %" PRIu64 " is above the highest there can be",
                       through_seq);
    }
    if (head_is_changed(msg, head)) {
        err = msg_apply_flush(msg, why);
    }
    struct range range = {head->last_seq + 1, through_seq};
    const struct normal normal = {&range, 1};
    if (!head->exists) {
        head->row.created_ms = entry->command->time_ms;
    }
    head->last_seq = through_seq;
    if (err == OK) {
        err = remove_ranges(msg, slot, head, entry, &normal, &removal, why);
    }
    free(removal.dropped_starts);
    free(removal.dropped_hashes);
    return err;
}
