/* SPDX-License-Identifier: Apache-2.0 */
/* What a delta since base A sends, from the snapshot at T (raft.md section 4):
 *
 *   RECORDS  the delete records in (A, T]
 *   CHANGES  of each changed channel, in key order:
 *     INTERVALS  T's intervals that cover a range deleted in (A, T], each once
 *     MESSAGES   message rows above A; with each its dedup row, found by its name
 *     ROW        the channel row
 *     NAMES      dedup rows above A by a scan, only when messages appended since A were deleted
 *                since: their dedup rows live on and no message row names them
 *
 * A channel is changed when its row (creation, delete, settings) or its last message is above A: one
 * seek for each channel of the slot. Seq order is log order within a channel, so its message rows
 * above A are a suffix, found by galloping back from the end; and if no delete since A reaches into
 * that suffix, no message appended since A is missing from it, and NAMES has nothing to find. The
 * scan of NAMES is of one channel's rows in the generations that may hold rows above A.
 *
 * Ranges deleted since A come from the channel's part of the delete log. An interval of T covers
 * many of them: their starts are sorted and one lookup is made for each interval. The starts are
 * held as a window of the lowest CHANGES_WINDOW, so that memory stays bounded. */
#include "msg/installing.h"

enum { CHANGES_WINDOW = 65536, CHANNELS_PER_ITERATOR = 4096, ROWS_PER_ITERATOR = 100000 };

enum err feed_records(struct feed *feed, struct why *why)
{
#ifdef LETHE_MUTANT_delta_without_deletes
    return OK;
#endif
    struct msg_source *source = feed->source;
    uint64_t after = feed->at.number > source->base ? feed->at.number : source->base;
    struct store_iter *iter = store_iter_delete_log(source->store, source->snapshot, source->slot,
                                                    NULL, after + 1, UINT64_MAX);
    while (store_iter_next(iter)) {
        struct store_row row = {.family = STORE_DELETE_LOG,
                                .slot = source->slot,
                                .number = store_iter_seq(iter),
                                .record = *store_iter_delete_record(iter)};
        if (!feed_add_row(feed, &row)) {
            break;
        }
        feed->at.number = row.number;
    }
    enum err err = store_iter_done(iter);
    return err == OK ? OK : source_fault(source, err, "delete log", why);
}

/* ---- what changed in a channel -------------------------------------------------------------------- */
/* The last message row at or before seq and whether it is above base; *ret_seq 0: none. */
static enum err probe(struct msg_source *source, struct channel channel, uint64_t base,
                      uint64_t seq, uint64_t *ret_seq, bool *ret_above, struct why *why)
{
    struct row_message row;
    enum err err = store_find_message_before(source->store, source->snapshot, source->slot, channel,
                                             seq, &source->value, ret_seq, &row);
    if (err == ERR_NOT_FOUND) {
        *ret_seq = 0;
        *ret_above = false;
        return OK;
    }
    if (err != OK) {
        return source_fault(source, err, "messages", why);
    }
    *ret_above = message_id_log_index(row.message_id) > base;
    return OK;
}

enum err source_find_suffix(struct msg_source *source, struct channel channel, uint64_t base,
                            uint64_t *ret_first, uint64_t *ret_below, struct why *why)
{
    uint64_t seq, high, low = 0, below = 0, step = 1;
    bool above;
    enum err err = probe(source, channel, base, MSG_SEQ_MAX, &high, &above, why);
    if (err != OK) {
        return err;
    }
    if (!above) {
        *ret_first = 0;
        *ret_below = high;
        return OK;
    }
    /* Rows from high on are above base; there is none above it at or before low. */
    bool gallops = true;
    while (low + 1 < high) {
        uint64_t at = low + (high - low) / 2;
        if (gallops && high - low > step) {
            at = high - step;
            step *= 2;
        }
        err = probe(source, channel, base, at, &seq, &above, why);
        if (err != OK) {
            return err;
        }
        if (above) {
            high = seq;
        } else {
            gallops = false;
            low = at;
            below = seq;
        }
    }
    *ret_first = high;
    *ret_below = below;
    return OK;
}

static int compare_starts(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Sorts the starts, each once, and keeps the lowest half of the room. */
static void tidy_window(struct changes *changes)
{
    if (changes->starts_count > 1) {
        qsort(changes->starts, changes->starts_count, sizeof(uint64_t), compare_starts);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < changes->starts_count; i++) {
        if (kept == 0 || changes->starts[i] != changes->starts[kept - 1]) {
            changes->starts[kept++] = changes->starts[i];
        }
    }
    if (kept > CHANGES_WINDOW) {
        kept = CHANGES_WINDOW;
        changes->is_cut = true;
    }
    changes->starts_count = kept;
}

static void add_start(struct changes *changes, uint64_t start)
{
    if (start <= changes->window_after) {
        return;
    }
    if (changes->starts == NULL) {
        changes->starts = alloc_array(2 * CHANGES_WINDOW, sizeof(uint64_t));
    }
    if (changes->starts_count == 2 * CHANGES_WINDOW) {
        tidy_window(changes);
    }
    changes->starts[changes->starts_count++] = start;
}

/* The lowest ranges deleted since the base that begin behind `after`. */
static enum err load_window(struct msg_source *source, struct channel channel, uint64_t after,
                            struct why *why)
{
    struct changes *changes = &source->changes;
    changes->starts_count = 0;
    changes->is_cut = false;
    changes->window_after = after;
    struct store_iter *iter = store_iter_delete_log(source->store, source->snapshot, source->slot,
                                                    &channel, source->base + 1, UINT64_MAX);
    while (store_iter_next(iter)) {
        const struct row_delete_record *record = store_iter_delete_record(iter);
        for (uint32_t i = 0; i < record->ranges_count; i++) {
            add_start(changes, record->ranges[i].start);
            if (record->ranges[i].end > changes->max_end) {
                changes->max_end = record->ranges[i].end;
            }
        }
    }
    tidy_window(changes);
    enum err err = store_iter_done(iter);
    return err == OK ? OK : source_fault(source, err, "delete log", why);
}

static enum err load_changes(struct msg_source *source, struct channel channel,
                             const struct row_channel *row, struct why *why)
{
    struct changes *changes = &source->changes;
    struct channel loaded = {changes->channel_type, bytes_of(changes->id, changes->id_len)};
    if (changes->is_loaded && channel_is_equal(loaded, channel)) {
        return OK;
    }
    changes->is_loaded = false;
    changes->max_end = 0;
    changes->starts_count = 0;
    changes->is_cut = false;
    changes->window_after = 0;
    enum err err =
        source_find_suffix(source, channel, source->base, &changes->first, &changes->below, why);
    if (err == OK && row->log_index > source->base) {
        err = load_window(source, channel, 0, why);
    }
    if (err != OK) {
        return err;
    }
    changes->channel_type = channel.type;
    changes->id_len = (uint32_t)channel.id.len;
    memcpy(changes->id, channel.id.data, channel.id.len);
    changes->is_loaded = true;
    return OK;
}

/* Whether a message appended since the base may have been deleted since. */
static bool needs_scan(const struct changes *changes)
{
    return changes->max_end > changes->below;
}

/* ---- parts of a channel ---------------------------------------------------------------------------- */
static enum err feed_window(struct feed *feed, struct channel channel, struct why *why)
{
    struct msg_source *source = feed->source;
    const struct changes *changes = &source->changes;
    for (uint32_t i = 0; i < changes->starts_count; i++) {
        uint64_t start = changes->starts[i];
        if (start <= feed->at.number) {
            continue; /* inside the interval just sent */
        }
        struct store_row row = {.family = STORE_DELETED, .slot = source->slot, .channel = channel};
        enum err err = store_find_deleted_before(source->store, source->snapshot, source->slot,
                                                 channel, start, &row.deleted);
        if (err == OK && row.deleted.end < start) {
            err = ERR_CORRUPT; /* a record says deleted, no interval does */
        }
        if (err != OK) {
            return source_fault(source, err, "deleted intervals", why);
        }
        row.number = row.deleted.start;
        if (!feed_add_row(feed, &row)) {
            return OK;
        }
        feed->at.number = row.deleted.end;
    }
    return OK;
}

static enum err feed_intervals(struct feed *feed, struct channel channel, struct why *why)
{
#ifdef LETHE_MUTANT_delta_without_deletes
    return OK;
#endif
    struct changes *changes = &feed->source->changes;
    for (;;) {
        enum err err = OK;
        if (changes->window_after > feed->at.number) {
            /* The stream went back behind what is in memory. */
            err = load_window(feed->source, channel, feed->at.number, why);
        }
        if (err == OK) {
            err = feed_window(feed, channel, why);
        }
        if (err != OK || feed->is_full || !changes->is_cut) {
            return err;
        }
        err = load_window(feed->source, channel, feed->at.number, why);
        if (err != OK) {
            return err;
        }
    }
}

/* The dedup row that this message left, if it is still there. */
static enum err feed_name(struct feed *feed, struct channel channel, const struct row_message *row,
                          struct why *why)
{
    struct msg_source *source = feed->source;
    uint64_t index = message_id_log_index(row->message_id);
    uint32_t i = source->state.generations_count;
    while (i > 0 && source->state.generations[i - 1].id >= index) {
        i--;
    }
    if (row->client_msg_no.len == 0 || i == 0) {
        return OK; /* none, or its generation is gone */
    }
    struct store_row name = {.family = STORE_DEDUP,
                             .slot = source->slot,
                             .channel = channel,
                             .number = source->state.generations[i - 1].id,
                             .from_uid = row->from_uid,
                             .client_msg_no = row->client_msg_no};
    enum err err = store_get_dedup(source->store, source->snapshot, source->slot, name.number,
                                   channel, row->from_uid, row->client_msg_no, &name.dedup);
    if (err != OK) {
        return source_fault(source, err, "dedup rows", why);
    }
    (void)feed_add_row(feed, &name);
    return OK;
}

static enum err feed_pending_name(struct feed *feed, struct channel channel, struct why *why)
{
    struct msg_source *source = feed->source;
    struct row_message row;
    enum err err = store_get_message(source->store, source->snapshot, source->slot, channel,
                                     feed->at.number, &source->value, &row);
    if (err != OK) {
        return source_fault(source, err, "messages", why);
    }
    err = feed_name(feed, channel, &row, why);
    if (err == OK && !feed->is_full) {
        feed->at.part = PART_MESSAGES;
    }
    return err;
}

static enum err feed_messages(struct feed *feed, struct channel channel, struct why *why)
{
    struct msg_source *source = feed->source;
    const struct changes *changes = &source->changes;
    if (changes->first == 0) {
        return OK;
    }
    uint64_t from = feed->at.number >= changes->first ? feed->at.number + 1 : changes->first;
    struct store_iter *iter = store_iter_messages(source->store, source->snapshot, source->slot,
                                                  channel, from, MSG_SEQ_MAX, false);
    enum err err = OK;
    while (err == OK && !feed->is_full && store_iter_next(iter)) {
        struct store_row row = {.family = STORE_MESSAGES,
                                .slot = source->slot,
                                .channel = channel,
                                .number = store_iter_seq(iter),
                                .message = *store_iter_message(iter)};
        if (!feed_add_row(feed, &row)) {
            break;
        }
        feed->at.number = row.number;
        if (!needs_scan(changes)) {
            err = feed_name(feed, channel, &row.message, why);
            feed->at.part = feed->is_full ? PART_NAME : PART_MESSAGES;
        }
    }
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : source_fault(source, done, "messages", why);
}

/* Rows of one generation and channel behind the cursor; *ret_more: the iterator lived long enough. */
static enum err scan_names(struct feed *feed, struct channel channel, uint64_t generation,
                           bool *ret_more, struct why *why)
{
    struct msg_source *source = feed->source;
    struct store_raw_range range = {.family = STORE_DEDUP,
                                    .slot = source->slot,
                                    .channel = &channel,
                                    .generation = generation,
                                    .after = bytes_of(feed->at.key, feed->at.key_len)};
    struct store_raw *raw = store_raw_open(source->store, source->snapshot, &range);
    enum err err = OK;
    uint32_t seen = 0;
    while (seen < ROWS_PER_ITERATOR && store_raw_next(raw)) {
        struct store_row row;
        seen++;
        err = store_row_decode(STORE_DEDUP, store_raw_key(raw), store_raw_value(raw), NULL, &row);
        if (err != OK || (row.dedup.log_index > source->base &&
                          !feed_add(feed, STORE_DEDUP, store_raw_key(raw), store_raw_value(raw)))) {
            break;
        }
        cursor_set_key(&feed->at, store_raw_key(raw));
    }
    *ret_more = seen == ROWS_PER_ITERATOR;
    enum err done = store_raw_done(raw);
    err = err == OK ? done : err;
    return err == OK ? OK : source_fault(source, err, "dedup rows", why);
}

static enum err feed_names(struct feed *feed, struct channel channel, struct why *why)
{
    const struct msg_source *source = feed->source;
    const struct slot_state_row *state = &source->state;
    if (!needs_scan(&source->changes)) {
        return OK;
    }
    for (uint32_t i = 0; i < state->generations_count; i++) {
        uint64_t id = state->generations[i].id;
        /* A row's index lies between its generation's and the next one's. */
        bool is_below =
            i + 1 < state->generations_count && state->generations[i + 1].id <= source->base + 1;
        if (is_below || id < feed->at.generation || state->generations[i].rows == 0) {
            continue;
        }
        if (id != feed->at.generation) {
            feed->at.generation = id;
            feed->at.key_len = 0;
        }
        bool more = true;
        while (more && !feed->is_full) {
            enum err err = scan_names(feed, channel, id, &more, why);
            if (err != OK) {
                return err;
            }
        }
        if (feed->is_full) {
            return OK;
        }
    }
    return OK;
}

static void enter_part(struct install_cursor *at, enum install_part part)
{
    at->part = (uint8_t)part;
    at->number = at->generation = 0;
    at->key_len = 0;
}

/* The channel at the cursor, as far as there is room. */
static enum err feed_channel(struct feed *feed, const struct row_channel *row, struct why *why)
{
    struct channel channel = cursor_channel(&feed->at);
    struct msg_source *source = feed->source;
    enum err err = load_changes(source, channel, row, why);
    if (err == OK && feed->at.part == PART_INTERVALS) {
        err = feed_intervals(feed, channel, why);
        if (err == OK && !feed->is_full) {
            enter_part(&feed->at, PART_MESSAGES);
        }
    }
    if (err == OK && feed->at.part == PART_NAME && !feed->is_full) {
        err = feed_pending_name(feed, channel, why);
    }
    if (err == OK && feed->at.part == PART_MESSAGES && !feed->is_full) {
        err = feed_messages(feed, channel, why);
        if (err == OK && !feed->is_full) {
            enter_part(&feed->at, PART_ROW);
        }
    }
    if (err == OK && feed->at.part == PART_ROW && !feed->is_full) {
        struct store_row out = {.family = STORE_CHANNELS,
                                .slot = source->slot,
                                .channel = channel,
                                .channel_row = *row};
        if (feed_add_row(feed, &out)) {
            enter_part(&feed->at, PART_NAMES);
        }
    }
    if (err == OK && feed->at.part == PART_NAMES && !feed->is_full) {
        err = feed_names(feed, channel, why);
        if (err == OK && !feed->is_full) {
            enter_part(&feed->at, PART_END);
        }
    }
    return err;
}

/* ---- from channel to channel ------------------------------------------------------------------------ */
static enum err is_changed(struct msg_source *source, struct channel channel,
                           const struct row_channel *row, bool *ret, struct why *why)
{
    uint64_t seq;
    if (row->log_index > source->base) {
        *ret = true;
        return OK;
    }
    return probe(source, channel, source->base, MSG_SEQ_MAX, &seq, ret, why);
}

/* Channels behind `after`, as many as one iterator may see; *ret_more: there may be others. */
static enum err feed_next_channels(struct feed *feed, struct install_cursor *after, bool *ret_more,
                                   struct why *why)
{
    struct msg_source *source = feed->source;
    struct store_iter *iter = store_iter_channels(source->store, source->snapshot, source->slot, -1,
                                                  BYTES_NONE, cursor_channel(after));
    enum err err = OK;
    uint32_t seen = 0;
    while (err == OK && !feed->is_full && seen < CHANNELS_PER_ITERATOR && store_iter_next(iter)) {
        struct channel channel = store_iter_channel(iter);
        const struct row_channel *row = store_iter_channel_row(iter);
        bool changed = false;
        seen++;
        cursor_set_channel(after, channel);
        err = is_changed(source, channel, row, &changed, why);
        if (err == OK && changed) {
            cursor_set_channel(&feed->at, channel);
            enter_part(&feed->at, PART_INTERVALS);
            err = feed_channel(feed, row, why);
        }
    }
    *ret_more = seen == CHANNELS_PER_ITERATOR;
    enum err done = store_iter_done(iter);
    return err != OK || done == OK ? err : source_fault(source, done, "channels", why);
}

/* The channel that a chunk ended in. */
static enum err feed_open_channel(struct feed *feed, struct why *why)
{
    struct msg_source *source = feed->source;
    struct store_value value;
    struct row_channel row;
    store_value_init(&value);
    enum err err = store_get_channel(source->store, source->snapshot, source->slot,
                                     cursor_channel(&feed->at), &value, &row);
    if (err == ERR_NOT_FOUND) {
        err = why_set(why, ERR_BAD_FORMAT, "a cursor at a channel that is not in slot %u",
                      source->slot);
    } else if (err != OK) {
        source_fault(source, err, "channels", why);
    } else {
        err = feed_channel(feed, &row, why);
    }
    store_value_done(&value);
    return err;
}

enum err feed_changes(struct feed *feed, struct why *why)
{
    enum err err = OK;
    if (feed->at.id_len != 0 && feed->at.part != PART_END) {
        err = feed_open_channel(feed, why);
    }
    struct install_cursor after;
    after.id_len = 0;
    cursor_set_channel(&after, cursor_channel(&feed->at));
    bool more = true;
    while (err == OK && more && !feed->is_full) {
        err = feed_next_channels(feed, &after, &more, why);
    }
    return err;
}
