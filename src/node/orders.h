/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator orders and looks after on a node: jobs, backups, alarms. Part of node.h, which
 * includes it. Thread: any, for everything here. */
#ifndef NODE_ORDERS_H
#define NODE_ORDERS_H

#include "node/node.h"

/* ---- jobs: work that outlasts a request ------------------------------------------------------- */
/* Each node has its own, in memory: a restart forgets them. The last NODE_JOBS_MAX are kept; while
 * one of a kind is open, no other of that kind begins. */
#define NODE_JOB_KIND_TABLE(X)  /* symbol, slug */                                                 \
    X(CHECK, "check")           /* replicas recompute their digests: node_start_check */           \
    X(BACKUP, "backup")         /* a copy of this node's store: node_start_backup */               \
    X(VERIFY, "verify_backup")  /* every row of one is read: node_start_verify */                  \
    X(COMPACTION, "compaction") /* its tables are written anew: node_start_compaction */

#define NODE_JOB_STATE_TABLE(X) /* symbol, slug */                                                 \
    X(QUEUED, "queued")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(DONE, "done")     /* its items say what came of it */                                        \
    X(FAILED, "failed") /* text says why */                                                        \
    X(CANCELLED, "cancelled")

#define X(symbol, slug) NODE_JOB_##symbol,
enum node_job_kind { NODE_JOB_KIND_TABLE(X) NODE_JOB_KINDS };
enum node_job_state { NODE_JOB_STATE_TABLE(X) NODE_JOB_STATES };
#undef X
const char *node_job_kind_slug(enum node_job_kind kind); /* static text, as below */
const char *node_job_state_slug(enum node_job_state state);

enum {
    NODE_JOBS_MAX = 32,
    NODE_JOB_ID_BYTES = 64, /* with its NUL */
    NODE_JOB_ITEMS_MAX = 65536,
    NODE_JOB_PROGRESS_MAX = 1000000
};

/* What came of one part of a job. Those of one slot follow each other; one with node 0 is about the
 * slot as a whole and comes first. */
struct node_job_item {
    uint32_t slot;
    node_id node;       /* 0: the slot as a whole */
    const char *result; /* static text: "ok", "diverged", "unchecked" ... */
    char reason[96];    /* why; "": there is nothing to say */
    /* COMPACTION: of one column family, static text; slot and node are 0 */
    const char *family;
    uint64_t before_bytes, after_bytes;
};

struct node_job {
    char id[NODE_JOB_ID_BYTES];
    uint8_t kind, state;
    int64_t slot;                              /* the only one it is about; -1: all */
    uint32_t progress;                         /* of NODE_JOB_PROGRESS_MAX */
    uint64_t created_ms, started_ms, ended_ms; /* wall clock; 0: not yet */
    uint64_t eta_ms;                           /* running: about what is left; 0: not known */
    char text[192];                            /* FAILED: why */
    char subject[65];                          /* what it is about: a backup; "": nothing more */
    struct node_job_item *items;
    uint32_t items_count, items_left_out; /* left_out: beyond NODE_JOB_ITEMS_MAX */
};

/* Begins a consistency check of a slot, -1: of all, one after the other: through each slot's log
 * every replica is told to recompute its digest from stored bytes at one index. Items: per slot and
 * per replica "ok", "diverged", or "unchecked" with the reason. Fills ret_id (NODE_JOB_ID_BYTES).
 * Errors: ERR_NOT_FOUND (slot), ERR_CONFLICT (one is open), ERR_BUSY (jobs), ERR_DRAINING. */
MUST_USE enum err node_start_check(struct node *node, int64_t slot, char *ret_id, struct why *why);
/* Begins to write this node's tables anew, of one column family or (NULL) of all, one after the
 * other, so that the bytes of what was deleted go. Items: per family "ok" with its size before and
 * after. It can be cancelled between two families. Fills ret_id.
 * Errors: ERR_BAD_PARAMETER (family), ERR_CONFLICT (one is open), ERR_BUSY (jobs), ERR_DRAINING. */
MUST_USE enum err node_start_compaction(struct node *node, const char *family, char *ret_id,
                                        struct why *why);
/* A copy; items go into arena. ERR_NOT_FOUND: why says whose it is, or which there are. */
MUST_USE enum err node_get_job(struct node *node, struct bytes id, struct arena *arena,
                               struct node_job *ret, struct why *why);
/* Newest first, without their items (items_count says how many). Returns how many. */
uint32_t node_list_jobs(struct node *node, struct arena *arena, struct node_job **ret);
/* It is CANCELLED at once; parts that were begun may end later, and are not reported.
 * Errors: ERR_NOT_FOUND, ERR_CONFLICT  it has ended. */
MUST_USE enum err node_cancel_job(struct node *node, struct bytes id, struct why *why);

/* ---- jobs of other nodes: NODE_CALL_JOB (job_ask.c) ------------------------------------------- */
/* call.to is who is asked, call.command what node_job_ask_encode made. Errors besides those above:
 * ERR_NOT_FOUND (there is no such node), ERR_BUSY (it cannot be reached), ERR_BAD_FORMAT,
 * ERR_NOT_SUPPORTED (an older build). */
enum node_job_ask {
    NODE_JOB_ASK_GET,     /* text: a job's id. Answer: node_job_answer_decode, as of the next */
    NODE_JOB_ASK_CANCEL,  /* likewise */
    NODE_JOB_ASK_COMPACT, /* text: a family, "": all. Answer: the id of the new job */
    NODE_JOB_ASK_BACKUP,  /* text: a name, "": one that is made up. Likewise */
    NODE_JOB_ASKS
};
struct blob *node_job_ask_encode(enum node_job_ask what, struct bytes text); /* one reference */
/* False: impossible bytes, or of a newer build. Items and texts go into arena. */
bool node_job_answer_decode(struct bytes answer, struct arena *arena, struct node_job *ret);
/* Whose job has this id; 0: it is no node's id of a job. */
node_id node_job_owner(struct bytes id);

/* ---- backups of this node's store (backup.c) ---------------------------------------------------- */
enum { NODE_BACKUP_ID_BYTES = 65, NODE_BACKUPS_MAX = 256 };
enum node_backup_state { NODE_BACKUP_UNVERIFIED, NODE_BACKUP_VERIFIED, NODE_BACKUP_DAMAGED };

/* It holds what was deleted after it was made: it expires. */
struct node_backup {
    char id[NODE_BACKUP_ID_BYTES];
    uint8_t state; /* enum node_backup_state */
    char cluster_id[65];
    node_id node;
    uint64_t incarnation, bytes;
    uint64_t created_ms, verified_ms; /* wall clock; 0: not known, not yet */
    uint64_t age_ms, expires_ms;      /* expires 0: never */
    char detail[192];                 /* DAMAGED: what was found; "" */
    const char *path;
};

/* Begins a job that copies this node's store while all goes on, reads every row of the copy, and
 * removes what is more than options.backup_keep. name: "" for one that is made up. Items: per slot
 * "ok", "damaged" or "incomplete" (an install was under way) with the reason. Any thread. Errors:
 * ERR_BAD_PARAMETER (name), ERR_CONFLICT (there is one, a job is open), ERR_BUSY, ERR_DRAINING,
 * ERR_DISK_FULL, ERR_NOT_SUPPORTED (this node keeps no files). */
MUST_USE enum err node_start_backup(struct node *node, struct bytes name, char *ret_job,
                                    struct why *why);
/* Begins a job that reads every row of a backup. ERR_NOT_FOUND, and as above. */
MUST_USE enum err node_start_verify(struct node *node, struct bytes id, char *ret_job,
                                    struct why *why);
/* Newest first; all into arena. *ret_left_out: beyond NODE_BACKUPS_MAX. */
MUST_USE enum err node_list_backups(struct node *node, struct arena *arena,
                                    struct node_backup **ret, uint32_t *ret_count,
                                    uint32_t *ret_left_out, struct why *why);
/* ERR_NOT_FOUND, ERR_CONFLICT (a job is at work on it). Its bytes go soon after. */
MUST_USE enum err node_remove_backup(struct node *node, struct bytes id, struct why *why);

/* ---- alarms (alarm.c) -------------------------------------------------------------------------- */
#define NODE_ALARM_TABLE(X) /* symbol, slug, stays until it is disarmed */                         \
    X(NOSPACE, "nospace", false)                                                                   \
    X(CORRUPT, "corrupt", true)                                                                    \
    X(DIVERGED, "diverged", true)                                                                  \
    X(SLOW_DISK, "slow_disk", false)

enum node_alarm_kind {
#define X(symbol, slug, is_kept) NODE_ALARM_##symbol,
    NODE_ALARM_TABLE(X)
#undef X
        NODE_ALARM_KINDS
};
enum { NODE_ALARM_SLOTS_MAX = 32, NODE_ALARM_DETAIL_BYTES = 256 };

struct node_alarm {
    uint8_t kind;               /* enum node_alarm_kind */
    bool active;                /* its reason is there now */
    uint64_t since_ms, last_ms; /* wall clock: first and last time since it was last disarmed */
    uint64_t count;             /* how often it was seen */
    uint32_t slots[NODE_ALARM_SLOTS_MAX]; /* DIVERGED: the first of those that differ now */
    uint32_t slots_count;
    char detail[NODE_ALARM_DETAIL_BYTES]; /* of the last time: one line, nothing of a message */
};
const char *node_alarm_slug(enum node_alarm_kind kind); /* static text */
/* This node's own alarms that are armed; how many. */
uint32_t node_get_alarms(struct node *node, struct node_alarm ret[NODE_ALARM_KINDS]);
/* Takes an alarm away whose reason is over. ERR_NOT_FOUND: it is not armed; ERR_CONFLICT: the reason
 * is still there. */
MUST_USE enum err node_disarm(struct node *node, enum node_alarm_kind kind, struct why *why);

#endif
