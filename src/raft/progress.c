/* SPDX-License-Identifier: Apache-2.0 */
/* PROBE: where the logs meet is not known; one packet at a time, freed by an answer or by the
 * reply to a heartbeat. REPLICATE: they meet, next runs ahead of match, and what is on its way is
 * limited in packets and in bytes. DELTA and FULL: an install is wanted or under way, no appends.
 * next stays above match in every state: a stale refusal must never take back what was acked. */
#include "raft/progress.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum { INFLIGHT_MIN = 8 };

void progress_init(struct progress *p, node_id peer, uint64_t session, raft_index last,
                   uint64_t tick)
{
    memset(p, 0, sizeof(*p));
    p->peer = peer;
    p->session = session;
    p->state = RAFT_PROBE;
    p->next = last + 1;
    p->heard_tick = tick;
    p->active = true; /* a new leader, or a new member, gets one whole window */
    p->round_end = last;
    p->round_tick = tick;
    p->round_ticks = UINT32_MAX;
}

void progress_done(struct progress *p)
{
    free(p->inflights);
    memset(p, 0, sizeof(*p));
}

static struct inflight *inflight_at(const struct progress *p, uint32_t i)
{
    return &p->inflights[(p->inflight_first + i) & (p->inflight_capacity - 1)];
}

static void clear_window(struct progress *p)
{
    p->inflight_first = p->inflight_count = 0;
    p->inflight_bytes = 0;
    p->unfilled = false;
}

void progress_probe(struct progress *p)
{
    clear_window(p);
    p->state = RAFT_PROBE;
    p->probe_sent = false;
    if (p->next <= p->match)
        p->next = p->match + 1;
}

void progress_replicate(struct progress *p)
{
    clear_window(p);
    p->state = RAFT_REPLICATE;
    p->probe_sent = false;
    p->next = p->match + 1;
}

static void free_window(struct progress *p, raft_index index)
{
    while (p->inflight_count > 0 && inflight_at(p, 0)->last <= index) {
        p->inflight_bytes -= inflight_at(p, 0)->bytes;
        p->inflight_first = (p->inflight_first + 1) & (p->inflight_capacity - 1);
        p->inflight_count--;
    }
    if (p->inflight_count == 0)
        p->unfilled = false;
}

bool progress_ack(struct progress *p, raft_index index)
{
    free_window(p, index);
    if (index <= p->match)
        return false;
    p->match = index;
    if (p->next <= index)
        p->next = index + 1;
    return true;
}

bool progress_refuse(struct progress *p, raft_index at, raft_index hint, raft_index base)
{
    if (p->state == RAFT_REPLICATE) {
        if (at <= p->match)
            return false;
        p->next = p->match + 1; /* what was lost begins right behind what was acked */
        if (p->match < base && hint > p->match && hint < at)
            p->next = hint + 1; /* compacted meanwhile: behind what it has, written or not */
        progress_probe(p);
        return true;
    }
    if (p->state != RAFT_PROBE || at != p->next - 1)
        return false; /* it does not answer the probe that is out */
    raft_index next = (hint < at ? hint : at - (at > 0)) + 1, before = p->next;
    p->next = next > p->match ? next : p->match + 1;
    p->probe_sent = p->next == before; /* nothing new to ask: not before the next heartbeat */
    p->unfilled = false;
    return true;
}

bool progress_window_full(const struct progress *p, const struct raft_options *options)
{
    return p->inflight_count >= options->inflight_max_packets ||
           p->inflight_bytes >= options->inflight_max_bytes;
}

void progress_sent(struct progress *p, raft_index first, raft_index last, uint64_t bytes)
{
    assert(p->state == RAFT_REPLICATE && first == p->next && last >= first);
    if (p->inflight_count == p->inflight_capacity) {
        uint32_t capacity = p->inflight_capacity == 0 ? INFLIGHT_MIN : p->inflight_capacity * 2;
        struct inflight *bigger = alloc_array(capacity, sizeof(*bigger));
        for (uint32_t i = 0; i < p->inflight_count; i++)
            bigger[i] = *inflight_at(p, i);
        free(p->inflights);
        p->inflights = bigger;
        p->inflight_capacity = capacity;
        p->inflight_first = 0;
    }
    p->inflight_count++;
    *inflight_at(p, p->inflight_count - 1) = (struct inflight){first, last, bytes};
    p->inflight_bytes += bytes;
    p->next = last + 1;
}

/* Forgets the records from i on: their packets begin behind a gap and will be refused. */
static void drop_window_from(struct progress *p, uint32_t i)
{
    for (uint32_t j = i; j < p->inflight_count; j++)
        p->inflight_bytes -= inflight_at(p, j)->bytes;
    p->inflight_count = i;
}

void progress_filled(struct progress *p, raft_index last, uint32_t count, uint32_t bytes)
{
    p->unfilled = false;
    if (p->state != RAFT_REPLICATE)
        return;
    raft_index first = last + 1 - count;
    for (uint32_t i = p->inflight_count; i-- > 0;) {
        struct inflight *f = inflight_at(p, i);
        if (f->first != first)
            continue;
        if (last > f->last)
            return; /* not the range that left: an answer to an older question */
        bool is_short = last < f->last;
        p->inflight_bytes += bytes;
        p->inflight_bytes -= f->bytes;
        f->bytes = bytes;
        f->last = last;
        if (is_short) {
            drop_window_from(p, count == 0 ? i : i + 1);
            p->next = last + 1 > p->match ? last + 1 : p->match + 1;
        }
        return;
    }
}

void progress_round(struct progress *p, raft_index last, uint64_t tick)
{
    if (p->match < p->round_end)
        return;
    uint64_t ticks = tick - p->round_tick;
    p->round_ticks = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX - 1;
    p->round_end = last;
    p->round_tick = tick;
}

void progress_check(const struct progress *p, const struct raft_options *options)
{
    assert(p->next > p->match);
    assert(p->inflight_count <= options->inflight_max_packets);
    if (p->state != RAFT_REPLICATE)
        assert(p->inflight_count == 0 && p->inflight_bytes == 0);
    uint64_t bytes = 0;
    raft_index above = 0;
    for (uint32_t i = 0; i < p->inflight_count; i++) {
        const struct inflight *f = inflight_at(p, i);
        assert(f->first > above && f->last >= f->first && f->last < p->next);
        above = f->last;
        bytes += f->bytes;
    }
    assert(bytes == p->inflight_bytes);
    if (p->offered)
        assert(p->state == RAFT_PROGRESS_DELTA || p->state == RAFT_PROGRESS_FULL);
}
