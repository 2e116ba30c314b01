/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with stores that nobody serves: a new cluster of one node out of backups (restore), or
 * out of the data folders of those that survived the loss of a majority (survey, recover). Sources
 * are read, never written; what comes of them is a new data folder.
 *
 *   - the state of each slot is copied from the source that knows most of it, as a full install
 *     copies it (src/msg/install.h): rows checked one by one, digest and counts held against what
 *     that source had kept; its Raft log is not
 *   - the entries of that source's log behind its applied index are applied, committed or not: an
 *     answer may have gone out for each
 *   - the journal of deletes (journal.h) is replayed, before anybody can read
 *   - every channel's last seq is raised by a margin, covered by a logged delete that says why: no
 *     seq that may have been given out comes again
 *   - the log begins empty at 2^28 above every index known: no message id comes again
 *   - the new folder has another cluster id and another incarnation: who had a part in the old
 *     cluster is refused by it for ever
 *
 * Knows stores, rows, the journal's lines. Refuses to know networks, configuration, who confirms.
 * Thread: the caller's, alone. */
#ifndef RESCUE_RESCUE_H
#define RESCUE_RESCUE_H

#include "base/why.h"
#include "raft/types.h"
#include "store/store.h"
#include "wire/members.h"

enum {
    RESCUE_SOURCES_MAX = 64,
    RESCUE_NODES_MAX = 64,
    RESCUE_BASE_GAP = 1 << 28 /* indexes that are left out */
};
#define RESCUE_MARGIN 1000000ull /* seqs, when nobody says otherwise */

/* ---- what is there --------------------------------------------------------------------------------- */

/* What a source knows of a slot. */
struct rescue_slot {
    struct row_applied applied;
    uint64_t last_delete;                    /* log index of its newest delete record; 0: none */
    uint64_t log_index, log_term, hard_term; /* its log's end; the highest term it knew */
    const char *state; /* "ok", "empty", "incomplete" (an install was under way, or it was
                        * quarantined), "suspect" (it lost what it had promised), "removed" (the node
                        * was, from the cluster: never a source) */
    node_id nodes[2 * RAFT_MEMBERS_MAX]; /* that its membership names: voters of both, ascending */
    uint32_t nodes_count, voters_count;  /* voters_count: of the newest membership alone */
};

struct rescue_source {
    char *dir; /* owned */
    bool is_backup;
    struct store *store; /* owned */
    struct msg *msg;     /* owned */
    struct store_identity identity;
    uint64_t created_ms;               /* of a backup */
    struct rescue_slot *slots;         /* owned; identity.slot_count */
    node_id members[RESCUE_NODES_MAX]; /* by its table of the cluster's nodes: those not removed */
    uint32_t members_count;
    struct members table; /* owned; the newest it has, of that revision (0: none) */
    uint64_t table_revision;
    bool is_removed; /* it was told so, or another one of the sources knows */
};

/* Opens data folders of stopped nodes, or backups, and reads what they know. On success the caller
 * ends them with rescue_close. Errors: ERR_BAD_PARAMETER  of different clusters, or slot counts, or
 *                                      two of one node
 *         ERR_LOCKED         a node runs on one
 *         ERR_NOT_FOUND, ERR_CORRUPT, ERR_WRONG_FORMAT, ERR_LOG_TOO_SHORT, ERR_DISK_FAILED */
MUST_USE enum err rescue_open(const char *const *dirs, uint32_t count,
                              struct rescue_source **ret_sources, struct why *why);
void rescue_close(struct rescue_source *sources, uint32_t count);
/* The source with the highest (term, index) of the slot's log among those that hold it whole; -1:
 * there is none. */
int rescue_best(const struct rescue_source *sources, uint32_t count, uint32_t slot);
/* ERR_BAD_PARAMETER: one is of a node that was removed from the cluster; nothing may be made of it. */
MUST_USE enum err rescue_refuse_removed(const struct rescue_source *sources, uint32_t count,
                                        struct why *why);

/* A table for people, and one JSON object. */
void rescue_print_survey(const struct rescue_source *sources, uint32_t count, struct buf *out);
void rescue_print_survey_json(const struct rescue_source *sources, uint32_t count, struct buf *out);

/* ---- what is made ---------------------------------------------------------------------------------- */

struct rescue_options {
    const struct rescue_source *sources; /* borrowed */
    uint32_t sources_count;
    const char *data_dir;   /* that is made: absent, or an empty folder */
    const char *cluster_id; /* another one than the sources' */
    node_id node_id;
    /* Of that node, for its table: the first must be known when a source has a table. */
    const char *address, *http_address;
    const char *const *journals; /* files */
    uint32_t journals_count;
    bool needs_journal; /* restore: without one nothing is known of deletes since the backup */
    bool accept_resurrection; /* deletes that the journal does not have are lost */
    uint64_t seq_margin;      /* > 0 */
    uint64_t now_ms, incarnation;
    const char *cause;  /* "restore", "recovery": in the records of what is raised */
    const char *reason; /* an operator's words, for the report; "" */
};

struct rescue_slot_report {
    int source;                        /* -1: none knew anything */
    uint64_t applied, entries;         /* copied through; entries of the log applied then */
    uint64_t deletes;                  /* of the journal, replayed */
    uint64_t channels, base_index;     /* raised; where the log begins */
    uint64_t unknown_min, unknown_max; /* deletes that are missing, UINT64_MAX: nobody can say */
    bool is_short;                     /* the journal ends before the source does */
};

struct rescue_report {
    struct rescue_slot_report *slots; /* owned */
    uint32_t slots_count, slots_with_gaps;
    uint64_t deletes, entries, channels, unknown_min, unknown_max, journal_records;
    uint64_t journal_last_ms; /* of the newest record; 0: none */
};
void rescue_report_done(struct rescue_report *report);
void rescue_print_report(const struct rescue_options *options, const struct rescue_report *report,
                         struct buf *out); /* one JSON object */

/* Makes the data folder. Nothing is left when it fails. *ret_report is the caller's, on
 * ERR_CONFLICT too. Errors:
 *   ERR_BAD_PARAMETER  the ids, the folder
 *   ERR_CONFLICT       deletes are missing, and accept_resurrection was not said: they would be undone
 *   ERR_CORRUPT        a source's rows, or the journal; why says where
 *   ERR_UNREADY        no source holds a slot whole of which there are rows */
MUST_USE enum err rescue_build(const struct rescue_options *options,
                               struct rescue_report *ret_report, struct why *why);

/* ---- the loss of a majority -------------------------------------------------------------------------- */

/* Are the nodes that the memberships name, but for the sources', exactly those that are said to be
 * lost, and do they leave some slot without a majority?
 * Errors: ERR_BAD_PARAMETER  why names who is missing in `lost`, or is not lost
 *         ERR_CONFLICT       the others can go on without them: nothing is to be recovered */
MUST_USE enum err rescue_check_lost(const struct rescue_source *sources, uint32_t count,
                                    const node_id *lost, uint32_t lost_count, struct why *why);
/* The cluster id of the next recovery: "id+r1", "id+r2". ERR_BAD_PARAMETER: it would be too long. */
MUST_USE enum err rescue_next_cluster_id(const char *cluster_id, char ret[65], struct why *why);

#endif
