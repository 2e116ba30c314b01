/* SPDX-License-Identifier: Apache-2.0 */
/* One row of a delta, written over what the receiver has.
 *
 * Rules: a row with a log index is written only over one with a lower index; deletes win; what is
 * there already counts nothing. So rows of an earlier session (another snapshot, an earlier target)
 * and rows above A that the receiver had applied itself are no harm, and the digest is at any time
 * the sum over the rows as they are. All that is read is from the store: the open batch must not hold
 * what is read here, and is written first where it would (intervals before messages). A source sends
 * a key once in a session; one that does not ends with another digest.
 *
 * An interval of T takes the place of all own intervals inside it. What its messages had added to the
 * digest is a difference of running totals, per gap between own intervals: from the last message row
 * in the gap, to the totals at the gap's start. That holds as messages of a channel are complete up
 * to A and come in seq order above it. Own intervals are taken in steps of INTERVALS_PER_STEP, after
 * each the interval so far is a whole one, so that batches stay small. */
#include "msg/installing.h"

enum { INTERVALS_PER_STEP = 10000, RECORDS_PER_STEP = 1000 };

/* ---- small values ---------------------------------------------------------------------------------- */
/* Delete records at or below the floor go, as RAISE_FLOOR does it. */
static enum err collect(struct msg_sink *sink, uint64_t floor, struct why *why)
{
    uint32_t count;
    do {
        struct store_iter *iter =
            store_iter_delete_log(sink->store, NULL, sink->slot, NULL, 0, floor);
        count = 0;
        while (count < RECORDS_PER_STEP && store_iter_next(iter)) {
            const struct row_delete_record *record = store_iter_delete_record(iter);
            sink_sub(sink, row_delete_record_hash(sink->slot, record));
            sink->run.state.delete_records--;
            store_remove_delete_record(sink->batch, sink->slot, record);
            count++;
        }
        enum err err = store_iter_done(iter);
        if (err != OK) {
            return sink_fault(sink, err, "delete log", why);
        }
        if (count == RECORDS_PER_STEP) {
            err = sink_write(sink, why);
            if (err != OK) {
                return err;
            }
        }
    } while (count == RECORDS_PER_STEP);
    return OK;
}

static enum err merge_floor(struct msg_sink *sink, struct bytes value, struct why *why)
{
    struct reader reader = reader_of(value);
    uint64_t floor = reader_le64(&reader);
    if (!reader_is_done(&reader) || floor < sink->run.state.floor) {
        return why_set(why, ERR_CORRUPT, "a floor of slot %u that falls", sink->slot);
    }
    if (floor > sink->run.state.floor) {
        enum err err = collect(sink, floor, why);
        if (err != OK) {
            return err;
        }
    }
    sink->run.state.floor = floor;
    return OK;
}

static enum err merge_generations(struct msg_sink *sink, struct bytes value, struct why *why)
{
    struct slot_state_row old = sink->run.state;
    enum err err = sink_set_generations(sink, value, why);
    if (err != OK) {
        return err;
    }
    for (uint32_t i = 0; i < old.generations_count; i++) {
        const struct generation *generation = &old.generations[i];
        if (sink_find_generation(sink, generation->id) == NULL && generation->rows != 0) {
            store_remove_dedup_generation(sink->batch, sink->slot, generation->id);
            sink_sub(sink, generation->digest);
        }
    }
    return OK;
}

static enum err merge_value(struct msg_sink *sink, const struct store_row *row,
                            const struct chunk_row *raw, struct why *why)
{
    enum store_slot_key key = (enum store_slot_key)row->number;
    enum err err = OK;
    if (key == STORE_SLOT_FLOOR) {
        err = merge_floor(sink, row->small, why);
    } else if (key == STORE_SLOT_GENERATIONS) {
        err = merge_generations(sink, row->small, why);
    }
    if (err != OK) {
        return err;
    }
    struct bytes old;
    err = store_get_slot_value(sink->store, NULL, sink->slot, key, &sink->value, &old);
    if (err == OK) {
        sink_sub(sink, msg_slot_value_hash(sink->slot, key, old));
    } else if (err != ERR_NOT_FOUND) {
        return sink_fault(sink, err, "small values", why);
    }
    sink_add(sink, msg_slot_value_hash(sink->slot, key, row->small));
    store_batch_put_raw(sink->batch, row->family, raw->key, raw->value);
    return OK;
}

/* ---- rows with a log index -------------------------------------------------------------------------- */
static enum err merge_record(struct msg_sink *sink, const struct store_row *row, struct why *why)
{
    struct row_delete_record own;
    enum err err =
        store_get_delete_record(sink->store, NULL, sink->slot, row->number, &sink->value, &own);
    if (err == OK) {
        return OK;
    }
    if (err != ERR_NOT_FOUND) {
        return sink_fault(sink, err, "delete log", why);
    }
    sink->run.state.delete_records++;
    sink_add(sink, row_delete_record_hash(sink->slot, &row->record));
    store_put_delete_record(sink->batch, sink->slot, &row->record);
    return OK;
}

static enum err merge_channel(struct msg_sink *sink, const struct store_row *row,
                              const struct chunk_row *raw, struct why *why)
{
    struct row_channel own;
    enum err err =
        store_get_channel(sink->store, NULL, sink->slot, row->channel, &sink->value, &own);
    if (err == OK) {
        if (own.log_index >= row->channel_row.log_index) {
            return OK;
        }
        sink_sub(sink, row_channel_hash(sink->slot, row->channel, &own));
    } else if (err == ERR_NOT_FOUND) {
        sink->run.state.channels++;
    } else {
        return sink_fault(sink, err, "channels", why);
    }
    sink_add(sink, row_channel_hash(sink->slot, row->channel, &row->channel_row));
    store_batch_put_raw(sink->batch, row->family, raw->key, raw->value);
    return OK;
}

static enum err merge_dedup(struct msg_sink *sink, const struct store_row *row,
                            const struct chunk_row *raw, struct why *why)
{
    struct generation *generation = sink_find_generation(sink, row->number);
    if (generation == NULL) {
        return why_set(why, ERR_CORRUPT,
                       "a dedup row of the dead generation %" PRIu64 " of slot %u", row->number,
                       sink->slot);
    }
    struct row_dedup own;
    enum err err = store_get_dedup(sink->store, NULL, sink->slot, row->number, row->channel,
                                   row->from_uid, row->client_msg_no, &own);
    if (err == OK) {
        if (own.log_index >= row->dedup.log_index) {
            return OK;
        }
        struct hash128 old = row_dedup_hash(sink->slot, row->number, row->channel, row->from_uid,
                                            row->client_msg_no, &own);
        generation->rows--;
        generation->digest = hash128_sub(generation->digest, old);
        sink_sub(sink, old);
    } else if (err != ERR_NOT_FOUND) {
        return sink_fault(sink, err, "dedup rows", why);
    }
    struct hash128 hash = row_dedup_hash(sink->slot, row->number, row->channel, row->from_uid,
                                         row->client_msg_no, &row->dedup);
    generation->rows++;
    generation->digest = hash128_add(generation->digest, hash);
    sink_add(sink, hash);
    store_batch_put_raw(sink->batch, row->family, raw->key, raw->value);
    return OK;
}

/* ---- intervals --------------------------------------------------------------------------------------- */
/* Messages of [from, to], a gap between own intervals, leave the digest; *last: the last one of them
 * that is there, not changed when there is none. */
static enum err drop_gap(struct msg_sink *sink, struct channel channel, uint64_t from, uint64_t to,
                         struct totals before, uint64_t *first, uint64_t *last, struct why *why)
{
    uint64_t seq;
    struct row_message row;
    if (from > to) {
        return OK;
    }
    enum err err = store_find_message_before(sink->store, NULL, sink->slot, channel, to,
                                             &sink->value, &seq, &row);
    if (err == ERR_NOT_FOUND || (err == OK && seq < from)) {
        return OK;
    }
    if (err != OK) {
        return sink_fault(sink, err, "messages", why);
    }
    sink_sub(sink, hash128_sub(row.totals.digest, before.digest));
    *first = *first == 0 ? from : *first;
    *last = seq;
    return OK;
}

/* The own intervals inside fence, as far as one step goes, and the messages between and behind them.
 * *ret_end: how far the fence stands now; its totals in *ret_at_end. */
static enum err absorb(struct msg_sink *sink, struct channel channel,
                       const struct row_deleted *fence, uint64_t *ret_end,
                       struct totals *ret_at_end, struct why *why)
{
    struct store_iter *iter =
        store_iter_deleted(sink->store, NULL, sink->slot, channel, fence->start, fence->end, false);
    uint64_t next = fence->start, first = 0, last = 0;
    struct totals before = fence->before_start;
    uint32_t count = 0;
    enum err err = OK;
    while (err == OK && count < INTERVALS_PER_STEP && store_iter_next(iter)) {
        const struct row_deleted *own = store_iter_deleted_row(iter);
        if (own->start < fence->start || own->end > fence->end) {
            err = why_set(why, ERR_CORRUPT,
                          "slot %u: own interval %" PRIu64 "-%" PRIu64 " is not inside %" PRIu64
                          "-%" PRIu64,
                          sink->slot, own->start, own->end, fence->start, fence->end);
            break;
        }
        err = drop_gap(sink, channel, next, own->start - 1, before, &first, &last, why);
        sink_sub(sink, row_deleted_hash(sink->slot, channel, own));
        store_remove_deleted(sink->batch, sink->slot, channel, own->start);
        next = own->end + 1;
        before = own->at_end;
        count++;
    }
    enum err done = store_iter_done(iter);
    if (err == OK && done != OK) {
        err = sink_fault(sink, done, "deleted intervals", why);
    }
    *ret_end = next - 1;
    *ret_at_end = before;
    if (err == OK && count < INTERVALS_PER_STEP) {
        err = drop_gap(sink, channel, next, fence->end, before, &first, &last, why);
        *ret_end = fence->end;
        *ret_at_end = fence->at_end;
    }
    if (err == OK && last != 0) {
        store_remove_messages(sink->batch, sink->slot, channel, first, last);
    }
    return err;
}

static enum err merge_interval(struct msg_sink *sink, const struct store_row *row,
                               const struct chunk_row *raw, struct why *why)
{
    const struct row_deleted *fence = &row->deleted;
    if (fence->start != row->number || fence->start == 0 || fence->end < fence->start) {
        return why_set(why, ERR_CORRUPT, "an impossible interval in slot %u", sink->slot);
    }
    sink_channel_leave(sink);
    for (;;) {
        struct row_deleted done = *fence;
        enum err err = absorb(sink, row->channel, fence, &done.end, &done.at_end, why);
        if (err != OK) {
            return err;
        }
        sink->has_intervals = true;
        sink_add(sink, row_deleted_hash(sink->slot, row->channel, &done));
        if (done.end == fence->end) {
            store_batch_put_raw(sink->batch, row->family, raw->key, raw->value);
            return OK;
        }
        store_put_deleted(sink->batch, sink->slot, row->channel, &done);
        err = sink_write(sink, why);
        if (err != OK) {
            return err;
        }
    }
}

/* ---- messages ------------------------------------------------------------------------------------------ */
void sink_channel_leave(struct msg_sink *sink)
{
    if (sink->channel.intervals != NULL) {
        /* An iterator that failed was told of by the read that met it. */
        enum err err = store_iter_done(sink->channel.intervals);
        (void)err;
        sink->channel.intervals = NULL;
    }
    sink->channel.is_loaded = false;
}

static enum err next_interval(struct msg_sink *sink, struct why *why)
{
    struct sink_channel *channel = &sink->channel;
    channel->has_interval = store_iter_next(channel->intervals);
    if (channel->has_interval) {
        channel->interval = *store_iter_deleted_row(channel->intervals);
        return OK;
    }
    struct store_iter *iter = channel->intervals;
    channel->intervals = NULL;
    enum err err = store_iter_done(iter);
    return err == OK ? OK : sink_fault(sink, err, "deleted intervals", why);
}

/* Own state of the channel, before its message `seq` comes. */
static enum err load_channel(struct msg_sink *sink, struct channel channel, uint64_t seq,
                             struct why *why)
{
    struct sink_channel *own = &sink->channel;
    struct channel loaded = {own->type, bytes_of(own->id, own->id_len)};
    if (own->is_loaded && channel_is_equal(loaded, channel)) {
        return OK;
    }
    enum err err = OK;
    if (sink->has_intervals) {
        err = sink_write(sink, why);
        if (err != OK) {
            return err;
        }
    }
    sink_channel_leave(sink);
    own->type = channel.type;
    own->id_len = (uint32_t)channel.id.len;
    memcpy(own->id, channel.id.data, channel.id.len);
    struct row_message row;
    err = store_find_message_before(sink->store, NULL, sink->slot, channel, MSG_SEQ_MAX,
                                    &sink->value, &own->last_seq, &row);
    if (err == ERR_NOT_FOUND) {
        own->last_seq = 0;
    } else if (err != OK) {
        return sink_fault(sink, err, "messages", why);
    }
    own->intervals =
        store_iter_deleted(sink->store, NULL, sink->slot, channel, seq, MSG_SEQ_MAX, false);
    err = next_interval(sink, why);
    own->is_loaded = err == OK;
    return err;
}

/* Whether an own interval covers seq. Messages of a channel come in seq order. */
static enum err is_deleted(struct msg_sink *sink, uint64_t seq, bool *ret, struct why *why)
{
    const struct sink_channel *own = &sink->channel;
    while (own->has_interval && own->interval.end < seq) {
        enum err err = next_interval(sink, why);
        if (err != OK) {
            return err;
        }
    }
    *ret = own->has_interval && own->interval.start <= seq;
    return OK;
}

static enum err merge_message(struct msg_sink *sink, const struct store_row *row,
                              const struct chunk_row *raw, struct why *why)
{
    bool deleted = false;
    enum err err = load_channel(sink, row->channel, row->number, why);
    if (err == OK) {
        err = is_deleted(sink, row->number, &deleted, why);
    }
    if (err != OK || deleted) {
        return err;
    }
    if (row->number <= sink->channel.last_seq) {
        struct row_message own;
        err = store_get_message(sink->store, NULL, sink->slot, row->channel, row->number,
                                &sink->value, &own);
        if (err == OK) {
            if (message_id_log_index(own.message_id) >=
                message_id_log_index(row->message.message_id)) {
                return OK;
            }
            sink_sub(sink, row_message_hash(sink->slot, row->channel, row->number, &own));
        } else if (err != ERR_NOT_FOUND) {
            return sink_fault(sink, err, "messages", why);
        }
    }
    sink_add(sink, row_message_hash(sink->slot, row->channel, row->number, &row->message));
    store_batch_put_raw(sink->batch, row->family, raw->key, raw->value);
    return OK;
}

enum err sink_merge(struct msg_sink *sink, const struct store_row *row, const struct chunk_row *raw,
                    struct why *why)
{
    switch (row->family) {
    case STORE_SLOTS:
        return merge_value(sink, row, raw, why);
    case STORE_MESSAGES:
        return merge_message(sink, row, raw, why);
    case STORE_CHANNELS:
        return merge_channel(sink, row, raw, why);
    case STORE_DELETED:
        return merge_interval(sink, row, raw, why);
    case STORE_DELETE_LOG:
        return merge_record(sink, row, why);
    case STORE_DEDUP:
        return merge_dedup(sink, row, raw, why);
    case STORE_DEFAULT:
    case STORE_RAFT:
    case STORE_FAMILIES:
    default:
        break;
    }
    return why_set(why, ERR_CORRUPT, "a row of no slot's state");
}
