/* SPDX-License-Identifier: Apache-2.0 */
/* The log without its entries.
 *
 * The trail: terms never fall along a log, so the term of every index is known from the first
 * index of each run of equal terms; a log of a million entries has a handful of runs.
 *
 * The sums: sizes as running totals in a ring over [floor, last], so that "bytes uncommitted",
 * "bytes not applied" and "bytes of this range" are differences of two numbers and no counter can
 * leak. floor is the applied index: below it sizes are the driver's business.
 *
 * The clamp: a ticket says "when I am durable, the log is durable up to high". An append that
 * overwrites the tail from T on lowers high to T - 1 in every ticket under way, so that a late
 * completion never speaks for the entries that replaced those it was about (the ABA race of
 * asynchronous log writes). Tickets complete in order, so a maximum is enough. */
#include "raft/log.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum { SUMS_MIN = 64, PENDING_MIN = 8, TRAIL_MIN = 4, SUMS_KEEP = 4096 };

static uint64_t *sum_at(const struct raft_log *log, raft_index index)
{
    return &log->sums[index & (log->sums_capacity - 1)];
}

static uint64_t sum_get(const struct raft_log *log, raft_index index)
{
    assert(index >= log->floor && index <= log->last);
    return log->sums == NULL ? log->floor_sum : *sum_at(log, index);
}

/* Moves the sums of [floor, last] into a ring of this capacity, a power of two. */
static void resize_sums(struct raft_log *log, uint32_t capacity)
{
    uint64_t *bigger = alloc_array(capacity, sizeof(*bigger));
    for (raft_index i = log->floor; i <= log->last; i++)
        bigger[i & (capacity - 1)] = sum_get(log, i);
    free(log->sums);
    log->sums = bigger;
    log->sums_capacity = capacity;
}

static void push_sum(struct raft_log *log, uint32_t size_bytes)
{
    if (log->last - log->floor + 2 > log->sums_capacity)
        resize_sums(log, log->sums_capacity == 0 ? SUMS_MIN : log->sums_capacity * 2);
    uint64_t before = sum_get(log, log->last);
    *sum_at(log, log->last + 1) = before + size_bytes;
}

static void push_run(struct raft_log *log, raft_term term, raft_index first)
{
    if (log->trail_count == log->trail_capacity) {
        log->trail_capacity = log->trail_capacity == 0 ? TRAIL_MIN : log->trail_capacity * 2;
        log->trail = alloc_resize(log->trail, log->trail_capacity, sizeof(*log->trail));
    }
    log->trail[log->trail_count++] = (struct raft_trail_run){term, first};
}

void log_init(struct raft_log *log, const struct raft_boot *boot)
{
    memset(log, 0, sizeof(*log));
    log->base = boot->base;
    log->last = boot->last;
    log->durable = boot->last;
    for (uint32_t i = 0; i < boot->trail_count; i++)
        push_run(log, boot->trail[i].term, boot->trail[i].first);
    raft_index applied = boot->applied < boot->last ? boot->applied : boot->last;
    log->floor = applied > log->base.index ? applied : log->base.index;
    log->last = log->floor;
    for (raft_index i = log->floor; i < boot->last; i++) {
        push_sum(log, boot->sizes == NULL ? 0 : boot->sizes[i - log->floor]);
        log->last = i + 1;
    }
}

void log_done(struct raft_log *log)
{
    free(log->trail);
    free(log->sums);
    free(log->pending);
    memset(log, 0, sizeof(*log));
}

/* The run that holds index; SIZE: trail_count when index is at base. */
static uint32_t run_of(const struct raft_log *log, raft_index index)
{
    uint32_t low = 0, high = log->trail_count; /* runs in [0, low) begin at or below index */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (log->trail[middle].first <= index)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? log->trail_count : low - 1;
}

raft_term log_term(const struct raft_log *log, raft_index index)
{
    if (index < log->base.index || index > log->last)
        return 0;
    if (index == log->base.index)
        return log->base.term;
    /* Nearly every question is about the newest run. */
    const struct raft_trail_run *newest = &log->trail[log->trail_count - 1];
    return index >= newest->first ? newest->term : log->trail[run_of(log, index)].term;
}

struct raft_pos log_last(const struct raft_log *log)
{
    return (struct raft_pos){log_term(log, log->last), log->last};
}

struct raft_pos log_find_hint(const struct raft_log *log, raft_index index, raft_term term)
{
    if (index > log->last)
        index = log->last;
    if (index <= log->base.index)
        return log->base;
    for (uint32_t run = run_of(log, index) + 1; run-- > 0;) {
        if (log->trail[run].term <= term)
            return (struct raft_pos){log->trail[run].term, index};
        index = log->trail[run].first - 1;
    }
    return log->base;
}

void log_append(struct raft_log *log, raft_term term, uint32_t size_bytes)
{
    raft_term before = log_term(log, log->last);
    assert(term >= before);
    push_sum(log, size_bytes);
    if (log->trail_count == 0 || term != before)
        push_run(log, term, log->last + 1);
    log->last++;
}

void log_truncate(struct raft_log *log, raft_index from)
{
    assert(from > log->base.index && from > log->floor);
    if (from > log->last)
        return;
    log->last = from - 1;
    while (log->trail_count > 0 && log->trail[log->trail_count - 1].first >= from)
        log->trail_count--;
    if (log->durable > log->last)
        log->durable = log->last;
    for (uint32_t i = 0; i < log->pending_count; i++) {
        struct log_pending *p =
            &log->pending[(log->pending_first + i) & (log->pending_capacity - 1)];
        if (p->high > log->last)
            p->high = log->last;
    }
}

/* Drops the runs at or below the new base; the run that goes on above it begins there now. */
static void cut_trail(struct raft_log *log, raft_index to)
{
    uint32_t gone = 0;
    while (gone < log->trail_count &&
           (gone + 1 < log->trail_count ? log->trail[gone + 1].first - 1 : log->last) <= to)
        gone++;
    log->trail_count -= gone;
    memmove(log->trail, log->trail + gone, log->trail_count * sizeof(*log->trail));
    if (log->trail_count > 0 && log->trail[0].first <= to)
        log->trail[0].first = to + 1;
}

void log_compact(struct raft_log *log, raft_index to)
{
    assert(to >= log->base.index && to <= log->last);
    if (to == log->base.index)
        return;
    raft_term term = log_term(log, to);
    cut_trail(log, to);
    log->base = (struct raft_pos){term, to};
    if (log->floor < to)
        log_raise_floor(log, to);
}

void log_install(struct raft_log *log, struct raft_pos target)
{
    if (target.index >= log->base.index && log_term(log, target.index) == target.term) {
        log_compact(log, target.index);
        log_raise_floor(log, target.index);
        return;
    }
    log->trail_count = 0;
    log->pending_count = 0;
    free(log->sums);
    log->sums = NULL;
    log->sums_capacity = 0;
    log->floor_sum = 0;
    log->base = target;
    log->last = target.index;
    log->floor = target.index;
    log->durable = 0; /* the new log's ticket is still to come */
}

void log_ticket(struct raft_log *log, uint64_t seq, raft_index high)
{
    if (log->pending_count == log->pending_capacity) {
        uint32_t capacity = log->pending_capacity == 0 ? PENDING_MIN : log->pending_capacity * 2;
        struct log_pending *bigger = alloc_array(capacity, sizeof(*bigger));
        for (uint32_t i = 0; i < log->pending_count; i++)
            bigger[i] = log->pending[(log->pending_first + i) & (log->pending_capacity - 1)];
        free(log->pending);
        log->pending = bigger;
        log->pending_capacity = capacity;
        log->pending_first = 0;
    }
    uint32_t end = (log->pending_first + log->pending_count++) & (log->pending_capacity - 1);
    log->pending[end] = (struct log_pending){seq, high};
}

void log_persisted(struct raft_log *log, uint64_t seq)
{
    while (log->pending_count > 0 && log->pending[log->pending_first].seq <= seq) {
        raft_index high = log->pending[log->pending_first].high;
        log->pending_first = (log->pending_first + 1) & (log->pending_capacity - 1);
        log->pending_count--;
        if (high > log->durable)
            log->durable = high;
    }
}

uint64_t log_ticket_of(const struct raft_log *log, raft_index index)
{
    if (index <= log->durable)
        return 0;
    for (uint32_t i = 0; i < log->pending_count; i++) {
        const struct log_pending *p =
            &log->pending[(log->pending_first + i) & (log->pending_capacity - 1)];
        if (p->high >= index)
            return p->seq;
    }
    return UINT64_MAX;
}

void log_raise_floor(struct raft_log *log, raft_index to)
{
    assert(to <= log->last);
    if (to <= log->floor)
        return;
    uint64_t sum = sum_get(log, to);
    log->floor = to;
    log->floor_sum = sum;
    if (log->floor == log->last && log->sums_capacity > SUMS_KEEP) {
        free(log->sums); /* a burst is over: an idle group is small again */
        log->sums = NULL;
        log->sums_capacity = 0;
    }
}

uint64_t log_bytes(const struct raft_log *log, raft_index from, raft_index to)
{
    return from >= to ? 0 : sum_get(log, to) - sum_get(log, from);
}

raft_index log_fit(const struct raft_log *log, raft_index first, raft_index last,
                   uint64_t max_bytes)
{
    assert(first > log->floor && first <= last && last <= log->last);
    uint64_t start = sum_get(log, first - 1);
    if (sum_get(log, last) - start <= max_bytes)
        return last;
    raft_index low = first, high = last; /* low fits (the first always does), high does not */
    while (high - low > 1) {
        raft_index middle = low + (high - low) / 2;
        if (sum_get(log, middle) - start <= max_bytes)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void log_check(const struct raft_log *log)
{
    assert(log->base.index <= log->last);
    assert(log->durable <= log->last);
    assert(log->floor >= log->base.index && log->floor <= log->last);
    assert((log->trail_count == 0) == (log->last == log->base.index));
    raft_term term = log->base.term;
    for (uint32_t i = 0; i < log->trail_count; i++) {
        const struct raft_trail_run *run = &log->trail[i];
        raft_index above = i == 0 ? log->base.index + 1 : log->trail[i - 1].first + 1;
        assert(i == 0 ? run->first == above && run->term >= term
                      : run->first >= above && run->term > term);
        assert(run->first <= log->last);
        term = run->term;
    }
    uint64_t seq = 0;
    for (uint32_t i = 0; i < log->pending_count; i++) {
        const struct log_pending *p =
            &log->pending[(log->pending_first + i) & (log->pending_capacity - 1)];
        assert(p->seq > seq && p->high <= log->last);
        seq = p->seq;
    }
    if (log->sums == NULL)
        assert(log->floor == log->last);
}
