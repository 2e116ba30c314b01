/* SPDX-License-Identifier: Apache-2.0 */
/* What a leader knows of one peer: how far its log is proven equal (match), what to send next, and
 * what is on its way. A record lives while its peer is a member and this node leads.
 * Refuses to know packets, terms and other peers. */
#ifndef RAFT_PROGRESS_H
#define RAFT_PROGRESS_H

#include "raft/raft.h"

struct inflight { /* one APPEND with entries on its way */
    raft_index first, last;
    uint64_t bytes;
};

struct progress {
    node_id peer;
    uint64_t session;    /* index of the config at which this record began (R20) */
    uint64_t boot;       /* newest boot of the peer heard of; 0: none yet */
    uint64_t match_boot; /* the boot that acked match */
    uint8_t state;       /* enum raft_progress_state */
    bool learner;        /* votes in neither half */
    bool active;         /* heard of since the last CheckQuorum */
    bool probe_sent;     /* PROBE: its one packet is out */
    bool unfilled;       /* a range of unknown size is out: nothing more until raft_filled */
    bool amnesia;        /* it said so: counted nowhere (R19) */
    bool forgot;         /* it lacks what it acked, and must be told */
    bool needs_install;  /* to be listed in update.installs until one is offered */
    bool ordered;        /* a full one was ordered, or a delta's digest differed */
    bool offered;        /* an install is under way: `install` is what was offered */
    bool accepted;       /* and the peer has taken it */
    raft_index match, next, applied;
    raft_index sent_commit;
    raft_index forgot_to; /* what it had acked when it forgot */
    uint64_t read_number; /* highest read number echoed */
    uint64_t heard_tick, retry_tick;
    uint64_t marker;   /* session of the marker it reported; 0: none */
    uint64_t settled;  /* session of the last install that ended well */
    uint32_t failures; /* installs that failed in a row */
    uint32_t disk_free_mb;
    uint32_t unfilled_beats; /* heartbeat replies since that range left */
    struct raft_install install;
    /* catch-up rounds (thesis 4.2.1) */
    raft_index round_end;
    uint64_t round_tick;
    uint32_t round_ticks; /* of the last round that ended; UINT32_MAX: none yet */

    struct inflight *inflights; /* owned ring; NULL until needed */
    uint32_t inflight_first, inflight_count, inflight_capacity;
    uint64_t inflight_bytes;
};

void progress_init(struct progress *p, node_id peer, uint64_t session, raft_index last,
                   uint64_t tick);
void progress_done(struct progress *p);

/* State changes; each empties the window. */
void progress_probe(struct progress *p);
void progress_replicate(struct progress *p);

/* An ack up to index: true when match moved. Frees the window up to there. */
bool progress_ack(struct progress *p, raft_index index);
/* A refusal at `at`; hint: where the logs may still agree, already searched on the leader's side; base:
 * where the leader's log begins. false: stale, nothing changed. */
bool progress_refuse(struct progress *p, raft_index at, raft_index hint, raft_index base);

bool progress_window_full(const struct progress *p, const struct raft_options *options);
/* The entries [first, last] leave (REPLICATE). */
void progress_sent(struct progress *p, raft_index first, raft_index last, uint64_t bytes);
/* What the range that ends with last really carried; count 0: nothing from last + 1 on. */
void progress_filled(struct progress *p, raft_index last, uint32_t count, uint32_t bytes);

/* A catch-up round ends when the peer has what was the end of the log as the round began. */
void progress_round(struct progress *p, raft_index last, uint64_t tick);

void progress_check(const struct progress *p, const struct raft_options *options);

#endif
