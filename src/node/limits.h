/* SPDX-License-Identifier: Apache-2.0 */
/* All maxima of the room, and what happens at each. */
#ifndef NODE_LIMITS_H
#define NODE_LIMITS_H

enum {
    NODE_TICKS_MAX = 3,   /* a turn: the rest of a pause is forgotten */
    NODE_TAKES_MAX = 8,   /* updates of a group in a turn: it stays dirty for the next one */
    NODE_HELD_MAX = 4096, /* packets of a group that wait for the disk: more are dropped */
    NODE_FILL_ENTRIES_MAX = 1024,             /* entries of an APPEND; the core asks for no more */
    NODE_BATCH_SOFT_BYTES = 8 * 1024 * 1024,  /* of the batch being built: no more is taken */
    NODE_APPLY_SOFT_BYTES = 64 * 1024 * 1024, /* handed to apply: likewise */
    NODE_TAIL_MAX_BYTES = 64 * 1024 * 1024,   /* of cached entries that are durable */
    NODE_QUEUE_MAX_CALLS = 16384,             /* of all kinds that wait for the loop: QUEUE_FULL */
    NODE_ADMIT_MIN = 256,                     /* commands under way that are never too many */
    NODE_ADMIT_TARGET_MS = 100, /* what most of them may take before fewer are let in */
    NODE_ADMIT_LATE_ONE_OF = 16,
    NODE_OPEN_MAX_BYTES = 256 * 1024 * 1024, /* of proposals in doubt: ERR_BUSY */
    NODE_DISK_SLOW_MS = 1500,                /* a job this old: leaderships are handed over */
    NODE_DISK_CALM_MS = 10000,               /* without one: this node may lead again */
    NODE_DISK_STUCK_MS = 30000,              /* a job this old: the process stops */
    NODE_SPACE_WAIT_MS = 2000,   /* a full disk spurns appends that long although none commits */
    NODE_SPACE_NEEDED_MS = 5000, /* then it takes them that long */
    NODE_TELL_MS = 10,          /* a commit that no entries carry to the followers: an own packet */
    NODE_LAZY_SYNC_MS = 1000,   /* how long what is not urgent waits for somebody else's sync */
    NODE_SECOND_MS = 1000,      /* housekeeping */
    NODE_PEER_SILENT_MS = 2000, /* a peer unheard of for this long is shown as down */
    NODE_LEADERLESS_MS = 1000,  /* how long a call waits for the next leader */
    NODE_LEADERLESS_MAX = 4096, /* that wait: more are refused at once */
    NODE_FORWARD_GRACE_MS = 500,   /* for the answer of a node that does not lead any more */
    NODE_QUERY_PATIENCE_MS = 1000, /* no answer to a read: another member is asked */
    NODE_QUERIES_MAX = 4096,       /* reads for other nodes that are open: BUSY beyond */
    NODE_QUERIES_MAX_BYTES = 16 * 1024 * 1024, /* of what they ask: likewise */
    NODE_MARKS_MAX = 64,                       /* of a group's log: index, time, bytes */
    NODE_COMPACT_MIN_ENTRIES = 1024,           /* fewer are not worth a range tombstone */
    NODE_COMPACT_GROUPS = 64,                  /* looked at each second */
    NODE_COMPACT_MAX_ENTRIES = 200000,         /* of one step */
    NODE_CATCHUP_OUT_MAX = 2,     /* sessions sent at a time: others wait for their turn */
    NODE_CATCHUP_NEEDS_MAX = 256, /* that wait: the core lists what finds no place again */
    NODE_DISK_SINKS_MAX = 1,  /* chunks that a disk job writes: others' writes wait behind them */
    NODE_CATCHUP_CREDITS = 4, /* chunks on their way to one receiver */
    NODE_CATCHUP_REFETCH_MS = 1000,   /* nothing came: what was on its way is asked for again */
    NODE_CATCHUP_IDLE_MS = 10000,     /* nothing was asked for: the session ends */
    NODE_CATCHUP_PIN_MS = 3600000,    /* a session's snapshot and log: it ends */
    NODE_CATCHUP_KEEP_MS = 10000,     /* the log stays after a session, so that it can be read */
    NODE_DIGESTS_KEPT = 16,           /* of a group's last applied states */
    NODE_DIGEST_STRIDE = 1024,        /* every replica notes its state at multiples of it */
    NODE_DIGEST_ROUNDS = 3,           /* a member silent for so many comparisons is unchecked */
    NODE_COLLECT_LOOK_MS = 10000,     /* how often a leader looks for old delete records */
    NODE_COLLECT_MAX_RECORDS = 10000, /* looked at each time */
    NODE_CHECK_WAIT_MS = 10000, /* a replica that has not applied the command by then is behind */
    NODE_CHECK_SLOT_MS = 6 * 3600 * 1000, /* a slot's check ends, whoever has not answered */
    NODE_CHECK_SLOTS = 4,                 /* looked at together */
    NODE_CHECK_TRIES = 10,                /* of a slot without a leader, one a second */
    NODE_ROT_CHECK_MS =
        600 * 1000, /* no check again because of a damaged row that one found and did not heal */
    NODE_CHECK_FIRST_MS = 3600 * 1000,   /* after a start: then each interval */
    NODE_CHECK_PAUSE_US = 50000,         /* at most: it must be seen that a check is to end */
    NODE_BACKUP_SWEEP_MS = 600 * 1000,   /* how often a node looks for backups that expired */
    NODE_CHECK_UNCACHED_MS = 600 * 1000, /* the store's cache is emptied at most so often */
    NODE_ADMIN_MARGIN_MS = 100           /* a call to all replicas ends before who asked gives up */
};

#endif
