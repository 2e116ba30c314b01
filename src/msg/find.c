/* SPDX-License-Identifier: Apache-2.0 */
/* Single messages: by seq, by seqs, by client_msg_no, by message_id. No index of their own: a seq
 * is a key, a client_msg_no has its dedup row for as long as retries are answered, and message ids
 * rise with the seqs of a channel because a channel's seq order is its log order. */
#include "msg/inner.h"

/* What is under a seq: OK, ERR_SEQ_NOT_FOUND, ERR_SEQ_DELETED (*ret_interval), ERR_NOT_FOUND: no
 * row, which is a fault unless seq is above the last one; or another fault. */
static enum err find_row(struct view *view, uint64_t seq, struct row_message *ret,
                         struct range *ret_interval, struct why *why)
{
    if (seq == 0 || !view->exists) {
        return ERR_SEQ_NOT_FOUND;
    }
    bool is_deleted;
    enum err err = view_find_interval(view, seq, &is_deleted, ret_interval, why);
    if (err != OK) {
        return err;
    }
    if (is_deleted) {
        return ERR_SEQ_DELETED;
    }
    err = store_get_message(view->store, view->snapshot, view->slot, view->channel, seq,
                            &view->scrap, ret);
    return err == OK || err == ERR_NOT_FOUND ? err : view_fault(view, err, "a message", seq, why);
}

/* The same in a view with figures; a missing row is a fault. */
static enum err find_seq(struct view *view, uint64_t seq, struct row_message *ret,
                         struct range *ret_interval, struct why *why)
{
    if (seq > view->last_seq) {
        return ERR_SEQ_NOT_FOUND;
    }
    enum err err = find_row(view, seq, ret, ret_interval, why);
    return err == ERR_NOT_FOUND ? view_fault(view, err, "a message", seq, why) : err;
}

/* The first record of the channel that covers seq is the one that deleted it. A message's delete
 * comes after it in the log, so the search starts at the newest visible message before it. */
static enum err find_delete_index(struct view *view, uint64_t seq, uint64_t *ret_index,
                                  struct why *why)
{
    uint64_t from = 0, found_seq;
    struct row_message row;
    enum err err = store_find_message_before(view->store, view->snapshot, view->slot, view->channel,
                                             seq, &view->scrap, &found_seq, &row);
    if (err == OK) {
        from = message_id_log_index(row.message_id);
    } else if (err != ERR_NOT_FOUND) {
        return view_fault(view, err, "a message", seq, why);
    }
    *ret_index = 0;
    struct store_iter *iter = store_iter_delete_log(view->store, view->snapshot, view->slot,
                                                    &view->channel, from, UINT64_MAX);
    while (*ret_index == 0 && store_iter_next(iter)) {
        const struct row_delete_record *record = store_iter_delete_record(iter);
        for (uint32_t i = 0; i < record->ranges_count; i++) {
            if (record->ranges[i].start <= seq && seq <= record->ranges[i].end) {
                *ret_index = record->log_index;
                break;
            }
        }
    }
    err = store_iter_done(iter);
    return err == OK ? OK : view_fault(view, err, "the delete log", seq, why);
}

enum err msg_get_message(struct msg *msg, struct channel channel, uint64_t seq, struct arena *arena,
                         struct msg_message *ret, uint64_t *ret_delete_index,
                         uint64_t *ret_applied_index, struct why *why)
{
    struct view view;
    enum err err = view_open_row(msg, channel, &view, why);
    if (err != OK) {
        return err;
    }
    struct row_message row;
    struct range interval;
    uint64_t delete_index = 0;
    err = find_row(&view, seq, &row, &interval, why);
    if (err == ERR_NOT_FOUND) { /* only now it matters which one is the last */
        err = view_load_figures(&view, why);
        err = err != OK             ? err
              : seq > view.last_seq ? ERR_SEQ_NOT_FOUND
                                    : view_fault(&view, ERR_CORRUPT, "a message", seq, why);
    }
    if (err == OK) {
        message_copy(arena, seq, &row, ret);
    } else if (err == ERR_SEQ_DELETED) {
        enum err found = find_delete_index(&view, seq, &delete_index, why);
        err =
            found == OK ? why_set(why, ERR_SEQ_DELETED, "seq %" PRIu64 " was deleted", seq) : found;
    } else if (err == ERR_SEQ_NOT_FOUND) {
        why_set(why, err, "seq %" PRIu64 " is above the last one, %" PRIu64, seq, view.last_seq);
    }
    if (ret_delete_index != NULL) {
        *ret_delete_index = delete_index;
    }
    if (ret_applied_index != NULL) {
        *ret_applied_index = view.applied.index;
    }
    view_close(&view);
    return err;
}

/* ---- a few seqs as a page ---------------------------------------------------------------------- */
struct picker {
    struct view *view;
    struct arena *arena;
    struct msg_message *messages;
    uint32_t messages_count;
    struct ranges deleted;
};

static enum err pick(struct picker *picker, uint64_t seq, struct why *why)
{
    struct row_message row;
    struct range interval;
    enum err err = find_seq(picker->view, seq, &row, &interval, why);
    if (err == OK) {
        message_copy(picker->arena, seq, &row, &picker->messages[picker->messages_count++]);
        return OK;
    }
    if (err == ERR_SEQ_DELETED) {
        ranges_add(&picker->deleted, seq, seq);
        return OK;
    }
    return err == ERR_SEQ_NOT_FOUND ? OK : err;
}

static void picker_init(struct picker *picker, struct view *view, struct arena *arena,
                        uint32_t capacity)
{
    *picker = (struct picker){.view = view, .arena = arena};
    picker->messages = arena_alloc(arena, capacity * sizeof(*picker->messages));
    ranges_init(&picker->deleted);
}

static void picker_fill(const struct picker *picker, struct msg_page *ret)
{
    struct range *deleted = NULL;
    if (picker->deleted.count != 0) {
        deleted = arena_alloc(picker->arena, picker->deleted.count * sizeof(*deleted));
        memcpy(deleted, picker->deleted.items, picker->deleted.count * sizeof(*deleted));
    }
    *ret = (struct msg_page){
        .messages = picker->messages,
        .messages_count = picker->messages_count,
        .deleted = deleted,
        .deleted_count = (uint32_t)picker->deleted.count,
        .first_seq = picker->view->first_seq,
        .last_seq = picker->view->last_seq,
        .applied_index = picker->view->applied.index,
    };
}

static int compare_seqs(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

enum err msg_get_seqs(struct msg *msg, struct channel channel, const uint64_t *seqs,
                      uint32_t seqs_count, struct arena *arena, struct msg_page *ret,
                      struct why *why)
{
    struct view view;
    enum err err = view_open(msg, channel, &view, why);
    if (err != OK) {
        return err;
    }
    uint64_t *sorted = arena_alloc(arena, seqs_count * sizeof(*sorted));
    if (seqs_count != 0) {
        memcpy(sorted, seqs, seqs_count * sizeof(*sorted));
        qsort(sorted, seqs_count, sizeof(*sorted), compare_seqs);
    }
    struct picker picker;
    picker_init(&picker, &view, arena, seqs_count);
    for (uint32_t i = 0; err == OK && i < seqs_count; i++) {
        if (i == 0 || sorted[i] != sorted[i - 1]) {
            err = pick(&picker, sorted[i], why);
        }
    }
    if (err == OK) {
        picker_fill(&picker, ret);
    }
    ranges_done(&picker.deleted);
    view_close(&view);
    return err;
}

/* ---- by client_msg_no -------------------------------------------------------------------------- */
/* Seqs with this number from the dedup rows of one sender, oldest generation first. */
static enum err pick_from_dedup(struct picker *picker, struct bytes from_uid,
                                struct bytes client_msg_no, struct why *why)
{
    struct view *view = picker->view;
    struct slot_state_row state;
    enum err err = slot_read_state(view->store, view->snapshot, view->slot, &state, why);
    for (uint32_t i = 0; err == OK && i < state.generations_count; i++) {
        struct row_dedup row;
        err = store_get_dedup(view->store, view->snapshot, view->slot, state.generations[i].id,
                              view->channel, from_uid, client_msg_no, &row);
        if (err == OK) {
            err = pick(picker, row.seq, why);
        } else if (err == ERR_NOT_FOUND) {
            err = OK;
        } else {
            err = view_fault(view, err, "a dedup row", 0, why);
        }
    }
    return err;
}

/* Any sender: the dedup key begins with the sender, so the newest messages are looked through. */
static enum err pick_from_rows(struct picker *picker, struct bytes client_msg_no, struct why *why)
{
    struct view *view = picker->view;
    struct store_iter *iter = store_iter_messages(view->store, view->snapshot, view->slot,
                                                  view->channel, 1, MSG_SEQ_MAX, true);
    uint32_t seen = 0;
    while (seen++ < MSG_LOOK_BACK_MAX && picker->messages_count < MSG_FOUND_MAX &&
           store_iter_next(iter)) {
        const struct row_message *row = store_iter_message(iter);
        if (bytes_is_equal(row->client_msg_no, client_msg_no)) {
            message_copy(picker->arena, store_iter_seq(iter), row,
                         &picker->messages[picker->messages_count++]);
        }
    }
    enum err err = store_iter_done(iter);
    if (err != OK) {
        return view_fault(view, err, "messages", view->last_seq, why);
    }
    for (uint32_t i = 0, k = picker->messages_count; i + 1 < k--; i++) {
        struct msg_message swap = picker->messages[i];
        picker->messages[i] = picker->messages[k];
        picker->messages[k] = swap;
    }
    return OK;
}

enum err msg_find_client_msg_no(struct msg *msg, struct channel channel, struct bytes client_msg_no,
                                struct bytes from_uid, struct arena *arena, struct msg_page *ret,
                                struct why *why)
{
    struct view view;
    enum err err = view_open(msg, channel, &view, why);
    if (err != OK) {
        return err;
    }
    struct picker picker;
    static_assert((int)MSG_FOUND_MAX >= (int)MSG_GENERATIONS_MAX,
                  "room for one hit in each generation");
    picker_init(&picker, &view, arena, MSG_FOUND_MAX);
    if (client_msg_no.len != 0 && from_uid.len != 0) {
        err = pick_from_dedup(&picker, from_uid, client_msg_no, why);
    } else if (client_msg_no.len != 0) {
        err = pick_from_rows(&picker, client_msg_no, why);
    }
    if (err == OK) {
        picker_fill(&picker, ret);
    }
    ranges_done(&picker.deleted);
    view_close(&view);
    return err;
}

/* ---- by message_id ----------------------------------------------------------------------------- */
enum err msg_find_message_id(struct msg *msg, struct channel channel, uint64_t message_id,
                             struct arena *arena, struct msg_message *ret, struct why *why)
{
    struct view view;
    enum err err = view_open(msg, channel, &view, why);
    if (err != OK) {
        return err;
    }
    uint64_t low = 1, high = message_id_slot(message_id) == view.slot ? view.last_seq : 0;
    bool found = false;
    while (err == OK && !found && low <= high) {
        uint64_t middle = low + (high - low) / 2, seq;
        struct row_message row;
        err = store_find_message_before(view.store, view.snapshot, view.slot, view.channel, middle,
                                        &view.scrap, &seq, &row);
        if (err == ERR_NOT_FOUND || (err == OK && seq < low)) {
            err = OK;
            low = middle + 1;
        } else if (err != OK) {
            view_fault(&view, err, "a message", middle, why);
        } else if (row.message_id == message_id) {
            message_copy(arena, seq, &row, ret);
            found = true;
        } else if (row.message_id < message_id) {
            low = middle + 1;
        } else {
            high = seq - 1;
        }
    }
    view_close(&view);
    if (err == OK && !found) {
        err = why_set(why, ERR_NOT_FOUND, "no message has the id %" PRIu64, message_id);
    }
    return err;
}
