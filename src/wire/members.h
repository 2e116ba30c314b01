/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the cluster's nodes: who belongs to it and which nodes shall hold which slot. It is
 * replicated as a value of slot 0 (COMMAND_MEMBERS) and told to every node, those without a replica
 * of slot 0 too. What a slot's members really are at a moment is its own Raft configuration; the
 * table says what it shall become.
 *
 * Knows the fields, their bounds and their bytes. Refuses to know who may change what: that is the
 * node's. A table is owned by who made it. Thread: any.
 *
 *   0  u8      version (MEMBERS_VERSION)
 *   1  varint  replicas a slot shall have (1..7)
 *      varint  feature level in force
 *      varint  rows, ascending by id; each: varint id, u8 state, u8 flags (1 learner), le64
 *              incarnation, varint feature level, blocks address, http_address, zone
 *      varint  slots (0: no slot was ever placed), each: u8 count (1..7), varint ids, ascending
 *      u8      state of the last order (0: there was none); then u8 what, varints revision, node,
 *              replaced, started_ms, ended_ms; varint rows, each: varint id, u8 state (0: it was not
 *              there), u8 flags; varint slots, each: varint slot, then as above
 *      u8      orders before it (1..8), oldest first, each as the last one; nothing when there is none,
 *              as builds below feature level 5 know it */
#ifndef WIRE_MEMBERS_H
#define WIRE_MEMBERS_H

#include "base/buf.h"
#include "base/why.h"
#include "raft/types.h"

enum {
    MEMBERS_VERSION = 1,
    MEMBERS_ROWS_MAX = 1024, /* tombstones included: a removed node's row stays for ever */
    MEMBERS_LIVE_MAX = 64,
    MEMBERS_ADDRESS_MAX_BYTES = 255,
    MEMBERS_ZONE_MAX_BYTES = 64,
    MEMBERS_EARLIER_MAX = 8,
    MEMBERS_MAX_BYTES = 512 * 1024
};

enum members_state {
    MEMBERS_ACTIVE = 1,
    MEMBERS_DRAINING = 2, /* leads nothing, and holds nothing that others could hold */
    MEMBERS_LEAVING = 3,  /* as DRAINING; once no slot has it any more it becomes REMOVED */
    MEMBERS_REMOVED = 4   /* never again: neither this id nor what was stored under it */
};

struct members_row {
    node_id id;
    uint8_t state;          /* enum members_state */
    bool learner;           /* of every slot, and a voter of none, until it is promoted */
    uint64_t incarnation;   /* of its data folder; 0: it was never heard of */
    uint32_t feature_level; /* the highest its build can apply, as it said last */
    char address[MEMBERS_ADDRESS_MAX_BYTES + 1];      /* host:port of its peer listener */
    char http_address[MEMBERS_ADDRESS_MAX_BYTES + 1]; /* "": not known */
    char zone[MEMBERS_ZONE_MAX_BYTES + 1];            /* "": none */
};

/* Who shall vote in a slot: ascending. */
struct members_place {
    uint8_t count;
    node_id ids[RAFT_MEMBERS_MAX];
};

enum members_order_state {
    MEMBERS_ORDER_NONE,
    MEMBERS_ORDER_RUNNING,
    MEMBERS_ORDER_DONE,
    MEMBERS_ORDER_CANCELLED
};

/* What an operator ordered last, and, while it runs, what it changed: so whoever leads slot 0 can tell
 * how far it is, and can take it back. */
struct members_order {
    uint8_t state;     /* enum members_order_state */
    uint8_t what;      /* the node's word for it */
    uint64_t revision; /* of the table that began it */
    node_id node, replaced;
    uint64_t started_ms, ended_ms; /* wall clock; ended_ms 0: it runs */
    struct members_was {
        node_id id;
        uint8_t state; /* 0: it was not there */
        bool learner;
    } * rows; /* owned, ascending by id: those it changed, as they were */
    uint32_t rows_count;
    struct members_moved {
        uint32_t slot;
        struct members_place from;
    } * moves; /* owned, ascending by slot: those that it places elsewhere, as they were */
    uint32_t moves_count;
};

struct members {
    uint64_t revision; /* not in the bytes: it is counted where they are kept */
    uint8_t replica_count;
    /* What all builds of the cluster can apply, and nobody may be older than: never falls. */
    uint32_t feature_level;
    struct members_row *rows; /* owned, ascending by id */
    uint32_t rows_count;
    struct members_place *places; /* owned, by slot */
    uint32_t places_count;
    struct members_order order;
    /* Before it, oldest first; without rows and moves. A later one came on top of those that run. */
    struct members_order earlier[MEMBERS_EARLIER_MAX];
    uint32_t earlier_count;
};

void members_done(struct members *members); /* zeroes it; a zeroed one is fine */
void members_copy(const struct members *from, struct members *ret);
struct members_row *members_find(const struct members *members, node_id id); /* NULL: unknown */
/* Room for a row in its place, zeroed but for its id, which must be new. */
struct members_row *members_insert(struct members *members, node_id id);
bool members_is_live(const struct members_row *row);   /* a row, and not removed */
void members_order_clear(struct members_order *order); /* nothing was ordered */
bool members_has(const struct members_place *place, node_id id);

/* Within the bounds above (asserts). */
void members_encode(struct buf *buf, const struct members *members);
/* All of bytes must be one table. *ret is untouched on failure; else the caller's.
 * Errors: ERR_BAD_FORMAT    damaged or impossible bytes.
 *         ERR_WRONG_FORMAT  a version this build does not know. */
MUST_USE enum err members_decode(struct bytes bytes, struct members *ret, struct why *why);

#endif
