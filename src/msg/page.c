/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a channel.
 *
 * A page walks its window seq by seq in one direction. Each seq is in one of two places: inside a
 * deleted interval (stepped over, a long one by a seek to its other end, and listed in `deleted`, so
 * that a hole is always explained), or a message row. A seq in neither is ERR_CORRUPT: a hole is
 * never silent, and no page shows less than what is there without saying so.
 *
 * RocksDB steps back through a memtable far slower than forwards (a search from the top for each
 * step). So a descending page first counts its intervals from above, which gives the seq where
 * `limit` messages are full, and then walks upwards from there; only a page that ends at its bytes
 * before that walks down row by row.
 *
 * Both walks run on one snapshot and end at last_seq of that snapshot. The walk stops at `limit`
 * messages, at `max_bytes`, or at MSG_PAGE_MAX_DELETED intervals; after the last message it still
 * steps over intervals, so that `more` means exactly: a visible message follows. */
#include "msg/inner.h"

enum {
    MESSAGE_OVERHEAD_BYTES = 64, /* counts towards max_bytes beside the slices */
    STEP_MAX_SEQS = 16           /* an interval up to here is stepped over, beyond by a seek */
};

struct pager {
    struct view *view;
    struct arena *arena;
    bool descending;
    uint64_t from, to; /* window; from > to: empty */
    uint64_t at;       /* next seq to look at */
    bool ended;        /* at has left the window */
    uint32_t limit;
    uint64_t bytes, max_bytes;
    struct store_iter *intervals; /* owned; NULL: nothing was ever deleted here */
    bool has_interval;
    struct range interval;   /* next one in page direction */
    struct store_iter *rows; /* owned; opened with the first message */
    bool moved;              /* rows must seek to at */
    struct msg_message *messages;
    uint32_t messages_count, messages_capacity;
    struct range *deleted;
    uint32_t deleted_count, deleted_capacity, deleted_max;
    bool more;
};

static void next_interval(struct pager *pager)
{
    pager->has_interval = pager->intervals != NULL && store_iter_next(pager->intervals);
    if (pager->has_interval) {
        const struct row_deleted *row = store_iter_deleted_row(pager->intervals);
        pager->interval = (struct range){row->start, row->end};
    }
}

/* An array of the arena that doubles: what was there is copied, at most half is lost. */
static void *grow(struct arena *arena, void *old, uint32_t count, uint32_t *capacity, size_t size)
{
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    void *array = arena_alloc(arena, *capacity * size);
    if (count != 0) {
        memcpy(array, old, count * size);
    }
    return array;
}

static void add_deleted(struct pager *pager, struct range range)
{
    if (range.start < pager->from) {
        range.start = pager->from;
    }
    if (range.end > pager->to) {
        range.end = pager->to;
    }
    if (pager->deleted_count == pager->deleted_capacity) {
        pager->deleted = grow(pager->arena, pager->deleted, pager->deleted_count,
                              &pager->deleted_capacity, sizeof(*pager->deleted));
    }
    pager->deleted[pager->deleted_count++] = range;
}

/* Goes on behind seq in page direction. */
static void step_past(struct pager *pager, uint64_t seq)
{
    if (seq == (pager->descending ? pager->from : pager->to)) {
        pager->ended = true;
        return;
    }
    pager->at = pager->descending ? seq - 1 : seq + 1;
}

/* Steps over the interval at pager->at; false when there is none. */
static bool skip_interval(struct pager *pager)
{
    while (pager->has_interval && (pager->descending ? pager->interval.start > pager->at
                                                     : pager->interval.end < pager->at)) {
        next_interval(pager);
    }
    if (!pager->has_interval || pager->at < pager->interval.start ||
        pager->at > pager->interval.end) {
        return false;
    }
    struct range range = pager->interval;
    add_deleted(pager, range);
    uint64_t edge = pager->descending ? range.start : range.end;
    if (pager->descending && edge < pager->from) {
        edge = pager->from;
    } else if (!pager->descending && edge > pager->to) {
        edge = pager->to;
    }
    step_past(pager, edge);
    /* The rows of a short interval are gone, or a few tombstones: the next row is soon there. */
    pager->moved = pager->moved || range.end - range.start >= STEP_MAX_SEQS;
    return true;
}

static void open_rows(struct pager *pager)
{
    struct view *view = pager->view;
    uint64_t from = pager->descending ? pager->from : pager->at;
    uint64_t to = pager->descending ? pager->at : pager->to;
    pager->rows = store_iter_messages(view->store, view->snapshot, view->slot, view->channel, from,
                                      to, pager->descending);
    pager->moved = false;
}

/* Goes to the row at pager->at. */
static enum err find_message(struct pager *pager, struct why *why)
{
    if (pager->rows == NULL) {
        open_rows(pager);
    } else if (pager->moved) {
        store_iter_seek(pager->rows, pager->at);
        pager->moved = false;
    }
    bool is_there = store_iter_next(pager->rows);
    if (is_there && store_iter_seq(pager->rows) != pager->at) {
        /* What else may stand there was stepped over as deleted. */
        store_iter_seek(pager->rows, pager->at);
        is_there = store_iter_next(pager->rows);
    }
    if (!is_there) {
        enum err err = store_iter_done(pager->rows);
        pager->rows = NULL;
        return view_fault(pager->view, err == OK ? ERR_CORRUPT : err, "a message", pager->at, why);
    }
    return store_iter_seq(pager->rows) == pager->at
               ? OK
               : view_fault(pager->view, ERR_CORRUPT, "a message", pager->at, why);
}

/* Takes the row at pager->at. *ret_full: it does not fit any more and was left. */
static enum err take_message(struct pager *pager, bool *ret_full, struct why *why)
{
    enum err err = find_message(pager, why);
    if (err != OK) {
        return err;
    }
    const struct row_message *row = store_iter_message(pager->rows);
    uint64_t bytes = row->payload.len + row->from_uid.len + row->client_msg_no.len +
                     row->topic.len + MESSAGE_OVERHEAD_BYTES;
    if (pager->messages_count > 0 && pager->bytes + bytes > pager->max_bytes) {
        *ret_full = true;
        return OK;
    }
    pager->bytes += bytes;
    if (pager->messages_count == pager->messages_capacity) {
        pager->messages = grow(pager->arena, pager->messages, pager->messages_count,
                               &pager->messages_capacity, sizeof(*pager->messages));
    }
    message_copy(pager->arena, pager->at, row, &pager->messages[pager->messages_count++]);
    step_past(pager, pager->at);
    return OK;
}

static void reverse_messages(struct msg_message *items, uint32_t count)
{
    for (uint32_t i = 0, k = count; i + 1 < k--; i++) {
        struct msg_message swap = items[i];
        items[i] = items[k];
        items[k] = swap;
    }
}

static void reverse_ranges(struct range *items, uint32_t count)
{
    for (uint32_t i = 0, k = count; i + 1 < k--; i++) {
        struct range swap = items[i];
        items[i] = items[k];
        items[k] = swap;
    }
}

static enum err walk(struct pager *pager, struct why *why)
{
    pager->ended = pager->from > pager->to;
    pager->at = pager->descending ? pager->to : pager->from;
    while (!pager->ended) {
        if (pager->deleted_count == pager->deleted_max) {
            pager->more = true;
            return OK;
        }
        if (skip_interval(pager)) {
            continue;
        }
        if (pager->messages_count == pager->limit) {
            pager->more = true;
            return OK;
        }
        bool full = false;
        enum err err = take_message(pager, &full, why);
        if (err != OK) {
            return err;
        }
        if (full) {
            pager->more = true;
            return OK;
        }
    }
    return OK;
}

static void open_intervals(struct pager *pager)
{
    struct view *view = pager->view;
    if (view->row.deleted_count == 0 || pager->from > pager->to) {
        return;
    }
    pager->intervals = store_iter_deleted(view->store, view->snapshot, view->slot, view->channel,
                                          pager->from, pager->to, pager->descending);
    next_interval(pager);
}

static enum err close_pager(struct pager *pager, enum err err, struct why *why)
{
    enum err rows = store_iter_done(pager->rows);
    enum err intervals = store_iter_done(pager->intervals);
    pager->rows = pager->intervals = NULL;
    if (err != OK) {
        return err;
    }
    if (rows != OK) {
        return view_fault(pager->view, rows, "messages", pager->at, why);
    }
    if (intervals != OK) {
        return view_fault(pager->view, intervals, "deleted intervals", pager->at, why);
    }
    return OK;
}

static enum err run_pager(struct pager *pager, struct why *why)
{
    open_intervals(pager);
    return close_pager(pager, walk(pager, why), why);
}

/* Where walking down would end: *ret_low is the lowest seq it covers, *ret_next the visible one
 * below, 0 at the end of the window. Looks at intervals only. */
static enum err find_low(struct pager *pager, uint64_t *ret_low, uint64_t *ret_next,
                         struct why *why)
{
    uint64_t high = pager->to; /* (high, to] is covered */
    uint64_t left = pager->limit;
    uint32_t intervals = 0;
    open_intervals(pager);
    while (high >= pager->from) {
        if (pager->has_interval && pager->interval.end >= high) {
            if (intervals == pager->deleted_max) {
                break;
            }
            intervals++;
            high =
                pager->interval.start > pager->from ? pager->interval.start - 1 : pager->from - 1;
            next_interval(pager);
            continue;
        }
        if (left == 0 || intervals == pager->deleted_max) {
            break;
        }
        uint64_t below = pager->from - 1;
        if (pager->has_interval && pager->interval.end > below) {
            below = pager->interval.end;
        }
        uint64_t taken = high - below < left ? high - below : left;
        left -= taken;
        high -= taken;
    }
    *ret_low = high + 1;
    *ret_next = high >= pager->from ? high : 0;
    return close_pager(pager, OK, why);
}

/* A page in descending order, read upwards where that gives the same one. */
static enum err run_down(struct pager *pager, struct why *why)
{
    uint64_t low = 1, next = 0;
    if (pager->from > pager->to) {
        return OK;
    }
    enum err err = find_low(pager, &low, &next, why);
    if (err != OK) {
        return err;
    }
    struct pager up = *pager;
    up.descending = false;
    up.from = low;
    up.deleted_max = UINT32_MAX; /* counted in find_low */
    err = run_pager(&up, why);
    if (err != OK) {
        return err;
    }
    if (up.more) { /* too many bytes: those at the other end count */
        return run_pager(pager, why);
    }
    up.more = next != 0;
    up.at = next;
    *pager = up;
    return OK;
}

/* The highest seq before the first visible message of the window that is too late. */
static enum err find_until(struct pager *pager, uint64_t until_ms, uint64_t *ret_to,
                           struct why *why)
{
    uint64_t seq;
    enum err err = view_last_before(pager->view, pager->from, pager->to, until_ms + 1, &seq, why);
    if (err != OK) {
        return err;
    }
    *ret_to = pager->to;
    uint64_t next = seq != 0 ? seq + 1 : pager->from;
    while (next <= pager->to) {
        bool is_deleted;
        struct range interval;
        err = view_find_interval(pager->view, next, &is_deleted, &interval, why);
        if (err != OK) {
            return err;
        }
        if (!is_deleted) {
            *ret_to = next - 1;
            break;
        }
        next = interval.end + 1;
    }
    return OK;
}

/* Cuts the window to timestamps in [since, until]. What was deleted between the last message before
 * and the first one inside may have been inside: it stays in the window. */
static enum err cut_times(struct pager *pager, const struct msg_page_query *query, struct why *why)
{
    uint64_t from = pager->from, to = pager->to;
    if (from > to) {
        return OK;
    }
    if (query->since_ms != 0) {
        uint64_t seq;
        enum err err = view_last_before(pager->view, from, to, query->since_ms, &seq, why);
        if (err != OK) {
            return err;
        }
        from = seq != 0 ? seq + 1 : from;
    }
    if (query->until_ms != 0 && query->until_ms != UINT64_MAX) {
        enum err err = find_until(pager, query->until_ms, &to, why);
        if (err != OK) {
            return err;
        }
    }
    pager->from = from;
    pager->to = to;
    return OK;
}

static void fill_page(const struct pager *pager, bool descending, struct msg_page *ret)
{
    if (pager->descending) {
        reverse_ranges(pager->deleted, pager->deleted_count);
    }
    if (pager->descending != descending) {
        reverse_messages(pager->messages, pager->messages_count);
    }
    *ret = (struct msg_page){
        .messages = pager->messages,
        .messages_count = pager->messages_count,
        .deleted = pager->deleted,
        .deleted_count = pager->deleted_count,
        .first_seq = pager->view->first_seq,
        .last_seq = pager->view->last_seq,
        .more = pager->more,
        .next_seq = pager->more ? pager->at : 0,
        .applied_index = pager->view->applied.index,
    };
}

enum err msg_get_page(struct msg *msg, const struct msg_page_query *query, struct arena *arena,
                      struct msg_page *ret, struct why *why)
{
    struct view view;
    enum err err = view_open(msg, query->channel, &view, why);
    if (err != OK) {
        return err;
    }
    uint32_t limit = query->limit == 0                      ? 1
                     : query->limit > MSG_PAGE_MAX_MESSAGES ? MSG_PAGE_MAX_MESSAGES
                                                            : query->limit;
    struct pager pager = {
        .view = &view,
        .arena = arena,
        .descending = query->descending || query->newest,
        .from = query->from_seq != 0 ? query->from_seq : 1,
        .to = query->to_seq != 0 && query->to_seq < view.last_seq ? query->to_seq : view.last_seq,
        .limit = limit,
        .deleted_max = MSG_PAGE_MAX_DELETED,
        .max_bytes = query->max_bytes != 0 ? query->max_bytes : MSG_PAGE_MAX_BYTES,
    };
    err = cut_times(&pager, query, why);
    if (err == OK) {
        err = pager.descending ? run_down(&pager, why) : run_pager(&pager, why);
    }
    if (err == OK) {
        fill_page(&pager, query->descending, ret);
    }
    view_close(&view);
    return err;
}
