/* SPDX-License-Identifier: Apache-2.0 */
/* The node side of catch-up: what a leader sends (sender.c), what a replica that lags receives
 * (receiver.c), slow reads beside the loop (background.c). Private to the room, part of parts.h.
 * Thread: loop, but for what a comment says. */
#ifndef NODE_CATCHUP_H
#define NODE_CATCHUP_H

#include "base/buf.h"
#include "msg/install.h"
#include "node/driver.h"
#include "wire/chunk.h"

struct group;
struct node_disk_job;

/* ---- background.c -------------------------------------------------------------------------------- */
struct node_background_job {
    struct node *node;
    uint8_t lane;                                    /* enum node_background_lane */
    struct list link;                                /* in node->background[lane] */
    void (*run)(struct node_background_job *job);    /* Thread: background */
    void (*done)(struct node_background_job *job);   /* job may be gone after it */
    void (*forget)(struct node_background_job *job); /* the node ends: it will not be run */
};

void background_submit(struct node *node, struct node_background_job *job);
void background_forget(struct node *node); /* all that wait */

/* ---- sender.c ------------------------------------------------------------------------------------ */
enum sending_state {
    SENDING_OPENING,   /* the snapshot is being taken, the step chosen */
    SENDING_OFFERED,   /* nothing was fetched yet */
    SENDING_STREAMING, /* the peer fetches */
    SENDING_OVER       /* freed as soon as its job is back */
};

/* What a peer waits for while others are served. */
struct need {
    slot_id slot;
    raft_term term;
    struct raft_need need;
};

/* One session: a delta or full install of one slot for one peer. */
struct sending {
    struct list link; /* in node->sendings */
    struct group *group;
    node_id peer;
    uint8_t state;  /* enum sending_state */
    uint8_t reason; /* enum node_catchup_reason */
    raft_term term;
    raft_index applied; /* the peer's, when it began */
    bool is_ordered;
    bool is_marked; /* the peer has an unfinished install */
    struct raft_install install;

    /* While is_busy the fields of this block are the background's. */
    struct node_background_job job;
    struct msg_source *source; /* owned */
    struct msg_source_info info;
    struct msg_source_estimate estimate;
    struct buf cursor;      /* where chunk `next` begins */
    struct buf next_cursor; /* and where it ends */
    struct buf frame;       /* the chunk, a whole frame */
    struct chunk_end end;
    uint64_t next; /* number of the chunk that is read next */
    uint32_t frame_rows;
    bool is_done; /* nothing is behind cursor: end is filled */
    enum err err;
    struct why why;

    bool is_busy;
    bool is_lost; /* the link broke: what was sent may not have come */
    bool was_asked;
    uint64_t asked, limit; /* number of the last FETCH; chunks below limit may be sent */
    bool must_rewind;
    uint64_t rewind_to;
    struct buf rewind_cursor;
    uint64_t bytes, rows, started_ms, heard_ms;
};

/* A frame of a session, either way: it may be lost. */
void sender_send(struct node *node, node_id to, const struct chunk *chunk);
/* A peer needs an install: a session begins, now or when others have ended. */
void sender_need(struct group *group, const struct raft_need *need);
void sender_go_on(struct node *node);           /* each turn */
uint32_t sender_count(const struct node *node); /* sessions that run */
void sender_fetch(struct node *node, node_id from, const struct chunk *chunk);
void sender_check(struct group *group); /* after an update: what the core thinks of its sessions */
void sender_tick(struct node *node);
void sender_lost(struct node *node, node_id peer);
void sender_end_group(struct group *group, enum err err, const char *text);
void sender_forget(struct node *node); /* the node ends */
/* The log above this index must stay. UINT64_MAX: nothing is pinned. */
raft_index sender_pin(const struct group *group);
const struct sending *sender_find(const struct group *group, node_id peer); /* NULL: none */

/* ---- receiver.c ----------------------------------------------------------------------------------- */
struct receiving {
    bool is_open;      /* an install was accepted and has not ended well */
    bool is_ready;     /* its marker is durable: it may fetch */
    bool is_stopped;   /* the sender broke off: wait for another offer */
    bool is_finishing; /* END is with the disk thread */
    bool is_marked;    /* the disk has a marker of install */
    node_id from;
    raft_term term;
    struct raft_install install;
    uint64_t written, wanted; /* numbers of the chunk behind the last one written; taken */
    struct buf cursor;        /* where `written` begins */
    uint64_t rows, bytes, started_ms, fetched_ms, moved_ms;
    uint32_t ops;             /* with the disk thread, or about to be */
    struct store_batch *last; /* owned: the end's rows, to be written before the next ticket */
    bool has_end;             /* all was sent: end waits until all is written */
    struct chunk_end end;
    uint32_t damaged; /* chunks in a row that could not be written */
};

enum sink_kind { SINK_BEGIN, SINK_RESUME, SINK_ROWS, SINK_FINISH, SINK_DROP };

/* What the disk thread shall do with a sink. */
struct sink_op {
    slot_id slot;
    uint8_t kind; /* enum sink_kind */
    uint64_t session;
    struct msg_sink **sink;      /* the group's */
    struct raft_install install; /* BEGIN */
    struct buf marker;           /* owned: BEGIN */
    struct blob *body;           /* owned: ROWS, the frame's body */
    struct chunk_end end;        /* FINISH */
    /* what came of it */
    enum err err;
    struct why why;
    struct msg_sink_info info;
    struct buf cursor;         /* owned: info.cursor's bytes */
    struct store_batch *batch; /* owned: FINISH */
};

struct sink_ops {
    struct sink_op *items; /* owned */
    uint32_t count, capacity;
};

void receiver_begin(struct group *group, const struct raft_install *install, node_id from,
                    raft_term term);
void receiver_chunk(struct node *node, node_id from, const struct chunk *chunk, struct bytes body);
/* The core reset the group to the install's target: the last batch goes before the next ticket. */
void receiver_installed(struct group *group, const struct raft_update *update);
void receiver_wrote_last(struct group *group);                         /* not durable yet */
void receiver_is_durable(struct group *group, struct raft_pos target); /* the ticket is */
void receiver_tick(struct node *node);
struct marker;
/* The slot's state goes, and marker is put instead: into the batch that is being filled. */
void receiver_drop(struct group *group, const struct marker *marker);
/* Nothing more is applied: whoever waits for it is told that the outcome is unknown. */
void receiver_halt(struct group *group);
void receiver_done(struct group *group); /* frees what it owns */

/* The disk thread's side. begin: SINK_BEGIN alone, into the batch that is about to be written. */
MUST_USE enum err receiver_run(struct node *node, struct sink_op *op, struct store_batch *batch,
                               struct why *why);
void receiver_reported(struct node *node, struct sink_op *op); /* what came of it: loop */
void sink_ops_clear(struct sink_ops *ops);

/* The durable word of an unfinished install: what the core must know of it after a restart. */
struct marker {
    struct raft_install install;
    raft_term term;
    node_id from;
};
void marker_encode(struct buf *buf, const struct marker *marker);
MUST_USE enum err marker_decode(struct bytes bytes, struct marker *ret, struct why *why);

/* ---- leave.c: a replica whose slot went elsewhere -------------------------------------------------- */
#define LEAVE_SESSION UINT64_MAX /* of a marker that no sender's session is behind */
bool leave_is_marker(const struct marker *marker);
void leave_run(struct node *node);                              /* each second */
void leave_answer(struct group *group, struct node_call *call); /* the leader's side */
bool leave_is_deaf(const struct group *group);                  /* no packet reaches its core */
bool leave_is_mute(const struct group *group);                  /* no time passes for it */
/* The batch is durable, or failed. */
void leave_gone(struct group *group, enum err err, const char *text);

#endif
