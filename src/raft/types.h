/* SPDX-License-Identifier: Apache-2.0 */
/* Plain values of the consensus core, also seen by src/wire and the driver.
 * An entry is in the Raft log, a packet travels between peers, a slot is one group, an install is
 * a delta or full catch-up. Positions are (term, index). Owns nothing. */
#ifndef RAFT_TYPES_H
#define RAFT_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct blob;

typedef uint64_t node_id; /* 1..2^16-1; 0: nobody; never reused */
typedef uint64_t raft_index;
typedef uint64_t raft_term;
typedef uint32_t slot_id;

enum { RAFT_MEMBERS_MAX = 7 };

struct raft_pos {
    raft_term term;
    raft_index index;
};

/* voters_old not empty: joint. learners_next: voters of the old half that become learners when
 * the joint configuration is left. Each array is sorted ascending. */
struct raft_config {
    node_id voters[RAFT_MEMBERS_MAX], voters_old[RAFT_MEMBERS_MAX];
    node_id learners[RAFT_MEMBERS_MAX], learners_next[RAFT_MEMBERS_MAX];
    uint8_t voters_count, voters_old_count, learners_count, learners_next_count;
};

enum raft_entry_kind { RAFT_ENTRY_EMPTY = 1, RAFT_ENTRY_DATA = 2, RAFT_ENTRY_CONFIG = 3 };

struct raft_entry {
    struct raft_pos pos;
    uint8_t kind;                     /* enum raft_entry_kind */
    uint32_t size_bytes;              /* of the payload, for windows and limits */
    struct blob *payload;             /* the driver's, never opened by the core; NULL: none */
    const struct raft_config *config; /* CONFIG only, decoded by src/wire; borrowed */
};

enum raft_install_kind { RAFT_INSTALL_NONE = 0, RAFT_DELTA = 1, RAFT_FULL = 2 };

struct raft_install {
    uint64_t session; /* boot number and counter of the sender: never used twice */
    uint8_t kind;     /* enum raft_install_kind */
    raft_index base;  /* A: what the receiver had durably applied */
    struct raft_pos target, config_pos;
    struct raft_config config;
};

enum raft_packet_kind {
    RAFT_PREVOTE = 1,
    RAFT_PREVOTE_REPLY,
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND,
    RAFT_APPEND_REPLY,
    RAFT_HEARTBEAT,
    RAFT_HEARTBEAT_REPLY,
    RAFT_INSTALL,
    RAFT_INSTALL_REPLY,
    RAFT_TAKE_OVER,
    RAFT_READ,
    RAFT_READ_REPLY,
    RAFT_PACKET_KINDS /* one more than the last */
};

enum raft_packet_flag {
    RAFT_REFUSED = 1,
    RAFT_TRANSFER = 2,
    RAFT_INSTALLING = 4,
    RAFT_AMNESIA = 8,
    RAFT_FORGOT = 16, /* leader: your log lacks hint, which you acked: you are in AMNESIA */
    RAFT_ORDERED = 32 /* INSTALL: take it although your log holds the target */
};

struct raft_packet {
    slot_id slot;
    node_id from, to;
    uint64_t from_boot, to_boot; /* to_boot: echoed in replies (R20); 0 in requests */
    uint8_t kind, flags;
    raft_term term;            /* the sender's; in PREVOTE and its grant: the term asked for */
    struct raft_pos pos, hint; /* APPEND: entry before the first; VOTE: last durable;
                                    APPEND_REPLY: pos = acked or refused position, hint */
    raft_index commit,
        applied;     /* READ_REPLY: commit = the read index; any reply: applied = durably applied */
    uint64_t number; /* HEARTBEAT: read number; votes: campaign; READ: tag; APPEND: peer session */
    raft_index first, last; /* APPEND out: the range the driver fills, (first > last: none) */
    const struct raft_entry *entries;  /* APPEND in: the entries; out: NULL until filled */
    uint32_t entries_count, bytes_max; /* bytes_max out: how many payload bytes may be filled */
    struct raft_install install;
    uint32_t disk_free_mb;
    uint64_t wait_seq; /* local: leaves once durable_seq >= wait_seq */
};

#endif
