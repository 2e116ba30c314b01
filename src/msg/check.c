/* SPDX-License-Identifier: Apache-2.0 */
/* msg_recompute: what the stored rows of one snapshot really say, held against what apply kept up
 * from entry to entry.
 *
 * Two questions. The digest: the sum of the hashes of all logical rows, read from the store (each
 * row's CRC is checked on the way). And the shape: each channel is walked from seq 1 on; every seq
 * is a message row or inside an interval, running totals continue from each to the next, intervals
 * neither overlap nor touch, timestamps and message ids never fall, and the channel row's counts
 * are what the walk found. A row that cannot be read ends it with an error; a shape that does not
 * fit is told in `misfit` and the rest is still summed, so that both answers come together.
 *
 * No order between families is taken for granted: messages are grouped by channel as they come,
 * channels without messages are walked on their own, and orphans are looked up. */
#include "msg/inner.h"

#include <stdarg.h>
#include <stdio.h>

struct check {
    struct store *store;             /* borrowed */
    struct store_snapshot *snapshot; /* borrowed */
    uint32_t slot;
    struct row_applied applied;
    struct store_value value; /* owned */
    struct msg_check *ret;
    msg_on_check_progress *on_progress; /* may be NULL */
    void *arg;
    uint64_t bytes, told_bytes;
};

enum { PROGRESS_BYTES = 256 * 1024, ROW_OVERHEAD_BYTES = 100 };

/* The walk through one channel. */
struct walk {
    struct channel channel;
    uint8_t id[CHANNEL_ID_MAX_BYTES];
    struct row_channel row;
    bool exists;
    struct store_iter *intervals; /* owned */
    bool has_interval;
    struct row_deleted interval;
    uint64_t next_seq; /* the seq that must come now */
    struct totals totals;
    uint64_t last_timestamp_ms, last_message_id;
    uint64_t deleted_count, deleted_bytes, previous_end;
    bool row_point_seen; /* the channel row's last_seq was met, with its totals */
};

static void PRINTF_LIKE(3, 4)
    misfit(struct check *check, struct channel channel, const char *format, ...)
{
    check->ret->counts_fit = false;
    if (check->ret->misfit[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    char text[96];
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    int id_len = (int)(channel.id.len < 64 ? channel.id.len : 64);
    snprintf(check->ret->misfit, sizeof(check->ret->misfit), "slot %u channel %u/'%.*s': %s",
             check->slot, channel.type, id_len, id_len == 0 ? "" : (const char *)channel.id.data,
             text);
}

static void add_hash(struct check *check, struct hash128 hash)
{
    check->ret->recomputed = hash128_add(check->ret->recomputed, hash);
}

/* Counts a row of about that many bytes, and lets the caller wait or end it. */
static enum err count_bytes(struct check *check, size_t len, struct why *why)
{
    check->bytes += len + ROW_OVERHEAD_BYTES;
    if (check->on_progress == NULL || check->bytes - check->told_bytes < PROGRESS_BYTES) {
        return OK;
    }
    check->told_bytes = check->bytes;
    return check->on_progress(check->bytes, check->arg)
               ? OK
               : why_set(why, ERR_CONFLICT, "the check of slot %u was ended", check->slot);
}

static bool totals_is_equal(struct totals a, struct totals b)
{
    return a.bytes == b.bytes && hash128_is_equal(a.digest, b.digest);
}

static enum err fault(const struct check *check, enum err err, const char *what, struct why *why)
{
    return why_set(why, err, "cannot read the %s of slot %u", what, check->slot);
}

/* The seq before next_seq may be the one the channel row speaks of. */
static void meet_row_point(struct check *check, struct walk *walk)
{
    if (walk->next_seq - 1 != walk->row.last_seq) {
        return;
    }
    walk->row_point_seen = true;
    if (!totals_is_equal(walk->totals, walk->row.totals_at_last)) {
        misfit(check, walk->channel, "totals of the channel row at %" PRIu64, walk->row.last_seq);
    }
}

static void load_interval(struct walk *walk)
{
    walk->has_interval = walk->intervals != NULL && store_iter_next(walk->intervals);
    if (walk->has_interval) {
        walk->interval = *store_iter_deleted_row(walk->intervals);
    }
}

static enum err begin_walk(struct check *check, struct walk *walk, struct channel channel,
                           struct why *why)
{
    *walk = (struct walk){.next_seq = 1};
    memcpy(walk->id, channel.id.data, channel.id.len);
    walk->channel = (struct channel){channel.type, bytes_of(walk->id, channel.id.len)};
    enum err err = store_get_channel(check->store, check->snapshot, check->slot, walk->channel,
                                     &check->value, &walk->row);
    if (err == ERR_NOT_FOUND) {
        misfit(check, walk->channel, "rows without a channel row");
        walk->row = (struct row_channel){0};
    } else if (err != OK) {
        return fault(check, err, "channels", why);
    }
    walk->exists = err == OK;
    walk->row.retention = BYTES_NONE; /* not looked at, and check->value moves on */
    walk->intervals = store_iter_deleted(check->store, check->snapshot, check->slot, walk->channel,
                                         1, MSG_SEQ_MAX, false);
    load_interval(walk);
    meet_row_point(check, walk);
    return OK;
}

static void walk_interval(struct check *check, struct walk *walk)
{
    const struct row_deleted *interval = &walk->interval;
    if (interval->start > interval->end || interval->start < walk->next_seq) {
        misfit(check, walk->channel, "interval %" PRIu64 "-%" PRIu64 " overlaps", interval->start,
               interval->end);
    } else if (interval->start > walk->next_seq) {
        misfit(check, walk->channel, "hole from %" PRIu64 " to interval %" PRIu64, walk->next_seq,
               interval->start);
    } else if (interval->start > 1 && interval->start == walk->previous_end + 1) {
        misfit(check, walk->channel, "interval %" PRIu64 " touches the one before",
               interval->start);
    }
    if (!totals_is_equal(interval->before_start, walk->totals)) {
        misfit(check, walk->channel, "totals before interval %" PRIu64, interval->start);
    }
    walk->deleted_count += interval->end - interval->start + 1;
    walk->deleted_bytes += interval->at_end.bytes - interval->before_start.bytes;
    walk->totals = interval->at_end;
    walk->next_seq = walk->previous_end = interval->end;
    walk->next_seq++;
    meet_row_point(check, walk);
    load_interval(walk);
}

static void walk_message(struct check *check, struct walk *walk, uint64_t seq,
                         const struct row_message *row, struct hash128 hash)
{
    while (walk->has_interval && walk->interval.start <= seq) {
        walk_interval(check, walk);
    }
    if (seq < walk->next_seq) {
        misfit(check, walk->channel, "message %" PRIu64 " lies inside an interval", seq);
        return;
    }
    if (seq > walk->next_seq) {
        misfit(check, walk->channel, "hole from %" PRIu64 " to %" PRIu64, walk->next_seq, seq);
    }
    walk->totals.bytes += row->payload.len;
    walk->totals.digest = hash128_add(walk->totals.digest, hash);
    if (!totals_is_equal(walk->totals, row->totals)) {
        misfit(check, walk->channel, "totals do not continue at %" PRIu64, seq);
        walk->totals = row->totals;
    }
    if (row->timestamp_ms < walk->last_timestamp_ms || row->message_id <= walk->last_message_id) {
        misfit(check, walk->channel, "timestamp or id falls at %" PRIu64, seq);
    }
    if (message_id_slot(row->message_id) != check->slot ||
        message_id_log_index(row->message_id) > check->applied.index) {
        misfit(check, walk->channel, "message %" PRIu64 " is from above the applied index", seq);
    }
    walk->last_timestamp_ms = row->timestamp_ms;
    walk->last_message_id = row->message_id;
    walk->next_seq = seq + 1;
    meet_row_point(check, walk);
}

static enum err end_walk(struct check *check, struct walk *walk, struct why *why)
{
    while (walk->has_interval) {
        walk_interval(check, walk);
    }
    if (walk->exists && !walk->row_point_seen) {
        misfit(check, walk->channel, "rows end at %" PRIu64 ", the channel row says %" PRIu64,
               walk->next_seq - 1, walk->row.last_seq);
    }
    if (walk->deleted_count != walk->row.deleted_count ||
        walk->deleted_bytes != walk->row.deleted_bytes) {
        misfit(check, walk->channel, "%" PRIu64 " seqs in intervals, the channel row says %" PRIu64,
               walk->deleted_count, walk->row.deleted_count);
    }
    if (walk->row.log_index > check->applied.index) {
        misfit(check, walk->channel, "channel row from above the applied index");
    }
    enum err err = store_iter_done(walk->intervals);
    walk->intervals = NULL;
    return err == OK ? OK : fault(check, err, "deleted intervals", why);
}

static enum err check_messages(struct check *check, struct why *why)
{
    struct walk walk = {0};
    bool open = false;
    enum err err = OK;
    struct store_iter *iter = store_iter_slot_messages(check->store, check->snapshot, check->slot);
    while (err == OK && store_iter_next(iter)) {
        struct channel channel = store_iter_channel(iter);
        if (!open || !channel_is_equal(channel, walk.channel)) {
            err = open ? end_walk(check, &walk, why) : OK;
            open = false;
            if (err == OK) {
                err = begin_walk(check, &walk, channel, why);
                open = err == OK;
            }
            if (err != OK) {
                break;
            }
        }
        const struct row_message *row = store_iter_message(iter);
        struct hash128 hash =
            row_message_hash(check->slot, walk.channel, store_iter_seq(iter), row);
        add_hash(check, hash);
        check->ret->messages++;
        walk_message(check, &walk, store_iter_seq(iter), row, hash);
        err = count_bytes(check, row->payload.len, why);
    }
    if (open) {
        enum err ended = end_walk(check, &walk, why);
        err = err == OK ? ended : err;
    }
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : fault(check, done, "messages", why);
}

/* A channel whose messages are all deleted, or that never had one. */
static enum err check_bare_channel(struct check *check, struct channel channel, struct why *why)
{
    uint64_t seq;
    struct row_message row;
    enum err err = store_find_message_before(check->store, check->snapshot, check->slot, channel,
                                             MSG_SEQ_MAX, &check->value, &seq, &row);
    if (err == OK) {
        return OK; /* walked with its messages */
    }
    if (err != ERR_NOT_FOUND) {
        return fault(check, err, "messages", why);
    }
    struct walk walk;
    err = begin_walk(check, &walk, channel, why);
    return err == OK ? end_walk(check, &walk, why) : err;
}

static enum err check_channels(struct check *check, struct why *why)
{
    enum err err = OK;
    struct store_iter *iter = store_iter_channels(check->store, check->snapshot, check->slot, -1,
                                                  BYTES_NONE, (struct channel){0});
    while (err == OK && store_iter_next(iter)) {
        struct channel channel = store_iter_channel(iter);
        add_hash(check, row_channel_hash(check->slot, channel, store_iter_channel_row(iter)));
        check->ret->channels++;
        err = check_bare_channel(check, channel, why);
        if (err == OK) {
            err = count_bytes(check, 0, why);
        }
    }
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : fault(check, done, "channels", why);
}

static enum err check_intervals(struct check *check, struct why *why)
{
    enum err err = OK;
    struct store_iter *iter = store_iter_slot_deleted(check->store, check->snapshot, check->slot);
    while (err == OK && store_iter_next(iter)) {
        struct channel channel = store_iter_channel(iter);
        add_hash(check, row_deleted_hash(check->slot, channel, store_iter_deleted_row(iter)));
        check->ret->intervals++;
        struct row_channel row;
        err = store_get_channel(check->store, check->snapshot, check->slot, channel, &check->value,
                                &row);
        if (err == ERR_NOT_FOUND) {
            misfit(check, channel, "an interval without a channel row");
            err = OK;
        } else if (err != OK) {
            fault(check, err, "channels", why);
        }
        if (err == OK) {
            err = count_bytes(check, 0, why);
        }
    }
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : fault(check, done, "deleted intervals", why);
}

static enum err check_delete_log(struct check *check, const struct slot_state_row *state,
                                 struct why *why)
{
    enum err err = OK;
    struct store_iter *iter =
        store_iter_delete_log(check->store, check->snapshot, check->slot, NULL, 0, UINT64_MAX);
    while (err == OK && store_iter_next(iter)) {
        const struct row_delete_record *record = store_iter_delete_record(iter);
        add_hash(check, row_delete_record_hash(check->slot, record));
        check->ret->delete_records++;
        if (record->log_index <= state->floor || record->log_index > check->applied.index) {
            misfit(check, record->channel, "delete record %" PRIu64 " out of bounds",
                   record->log_index);
        }
        err = count_bytes(check, record->ranges_count * sizeof(*record->ranges), why);
    }
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : fault(check, done, "delete log", why);
}

static enum err sum_dedup(struct check *check, const struct slot_state_row *state,
                          struct generation found[MSG_GENERATIONS_MAX], struct why *why)
{
    enum err err = OK;
    struct store_iter *iter = store_iter_dedup(check->store, check->snapshot, check->slot);
    while (err == OK && store_iter_next(iter)) {
        uint64_t generation;
        struct bytes from_uid, client_msg_no;
        const struct row_dedup *row =
            store_iter_dedup_row(iter, &generation, &from_uid, &client_msg_no);
        struct channel channel = store_iter_channel(iter);
        struct hash128 hash =
            row_dedup_hash(check->slot, generation, channel, from_uid, client_msg_no, row);
        add_hash(check, hash);
        check->ret->dedup_rows++;
        uint32_t i = 0;
        while (i < state->generations_count && state->generations[i].id != generation) {
            i++;
        }
        if (i == state->generations_count) {
            misfit(check, channel, "a dedup row of the dead generation %" PRIu64, generation);
            continue;
        }
        found[i].rows++;
        found[i].digest = hash128_add(found[i].digest, hash);
        err = count_bytes(check, client_msg_no.len, why);
    }
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : fault(check, done, "dedup rows", why);
}

static enum err check_dedup(struct check *check, const struct slot_state_row *state,
                            struct why *why)
{
    struct generation found[MSG_GENERATIONS_MAX] = {0};
    enum err err = sum_dedup(check, state, found, why);
    if (err != OK) {
        return err;
    }
    for (uint32_t i = 0; i < state->generations_count; i++) {
        if (found[i].rows != state->generations[i].rows ||
            !hash128_is_equal(found[i].digest, state->generations[i].digest)) {
            misfit(check, (struct channel){0}, "dedup generation %" PRIu64 " has other rows",
                   state->generations[i].id);
        }
    }
    return OK;
}

static enum err check_values(struct check *check, struct slot_state_row *ret_state, struct why *why)
{
    enum err err = slot_read_state(check->store, check->snapshot, check->slot, ret_state, why);
    static const enum store_slot_key keys[] = {STORE_SLOT_FLOOR, STORE_SLOT_GENERATIONS,
                                               STORE_SLOT_MEMBERS};
    for (size_t i = 0; err == OK && i < ARRAY_LEN(keys); i++) {
        struct bytes bytes;
        err = store_get_slot_value(check->store, check->snapshot, check->slot, keys[i],
                                   &check->value, &bytes);
        if (err == OK) {
            add_hash(check, slot_value_hash(check->slot, keys[i], bytes));
        } else if (err == ERR_NOT_FOUND) {
            err = OK;
        } else {
            fault(check, err, "small values", why);
        }
    }
    return err;
}

static void check_counts(struct check *check, const struct slot_state_row *state)
{
    if (state->channels != check->ret->channels) {
        misfit(check, (struct channel){0}, "%" PRIu64 " channels, the slot says %" PRIu64,
               check->ret->channels, state->channels);
    }
    if (state->delete_records != check->ret->delete_records) {
        misfit(check, (struct channel){0}, "%" PRIu64 " delete records, the slot says %" PRIu64,
               check->ret->delete_records, state->delete_records);
    }
}

static enum err run_check(struct check *check, struct why *why)
{
    struct slot_state_row state;
    enum err err = store_get_applied(check->store, check->snapshot, check->slot, &check->applied);
    if (err != OK) {
        return fault(check, err, "applied index", why);
    }
    check->ret->applied_index = check->applied.index;
    check->ret->stored = check->applied.digest;
    check->ret->counts_fit = true;
    err = check_values(check, &state, why);
    if (err == OK) {
        err = check_messages(check, why);
    }
    if (err == OK) {
        err = check_channels(check, why);
    }
    if (err == OK) {
        err = check_intervals(check, why);
    }
    if (err == OK) {
        err = check_delete_log(check, &state, why);
    }
    if (err == OK) {
        err = check_dedup(check, &state, why);
    }
    if (err == OK) {
        check_counts(check, &state);
    }
    return err;
}

enum err msg_recompute(struct msg *msg, uint32_t slot, struct msg_check *ret, struct why *why)
{
    return msg_recompute_paced(msg, slot, NULL, NULL, NULL, ret, why);
}

enum err msg_recompute_paced(struct msg *msg, uint32_t slot, struct store_snapshot *snapshot,
                             msg_on_check_progress *on_progress, void *arg, struct msg_check *ret,
                             struct why *why)
{
    struct msg_check result = {0};
    struct store_snapshot *own = snapshot == NULL ? store_snapshot_new(msg->store) : NULL;
    struct check check = {.store = msg->store,
                          .snapshot = own == NULL ? snapshot : own,
                          .slot = slot,
                          .ret = &result,
                          .on_progress = on_progress,
                          .arg = arg};
    store_value_init(&check.value);
    enum err err = run_check(&check, why);
    store_value_done(&check.value);
    store_snapshot_free(msg->store, own);
    if (err == OK || err == ERR_CORRUPT) {
        *ret = result;
    }
    return err;
}
