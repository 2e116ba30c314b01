/* SPDX-License-Identifier: Apache-2.0 */
/* Log commands: what a DATA entry's payload holds. Pure: bytes out, bytes in, versioned, under a
 * CRC32C of its own. Whatever apply needs that is random or a time is in here. The bodies byte by
 * byte: README.md. Thread: any.
 *
 *   0  u8   version (COMMAND_VERSION)
 *   1  u8   kind
 *   2  le16 flags
 *   4  le32 crc32c of the body, then of the header's other 12 bytes
 *   8  le64 time, ms since the epoch: set by the leader when it proposes (command_set_time)
 *   16      body
 */
#ifndef WIRE_COMMAND_H
#define WIRE_COMMAND_H

#include "base/arena.h"
#include "base/blob.h"
#include "base/channel.h"
#include "base/hash.h"
#include "base/ranges.h"
#include "base/why.h"

enum { COMMAND_VERSION = 1, COMMAND_HEADER_BYTES = 16, COMMAND_SALT_BYTES = 16 };

enum command_kind {
    COMMAND_APPEND = 1,
    COMMAND_DELETE = 2,
    COMMAND_DEDUP_GENERATION = 3, /* starts a new generation and drops expired ones */
    COMMAND_RAISE_FLOOR = 4,      /* collects delete records up to an index */
    COMMAND_CHECK = 5,            /* every replica recomputes its digest at this index */
    COMMAND_SET_RETENTION = 6,
    COMMAND_MEMBERS = 7, /* another table of the cluster's nodes (members.h); slot 0 alone */
    COMMAND_KIND_LAST = COMMAND_MEMBERS
};

/* The feature level that brought a command: no build below it can apply it, so that it may be proposed
 * only when all builds of the cluster are of that level (node/node.h). */
uint32_t command_feature_level(enum command_kind kind);

enum command_flag {
    COMMAND_ATOMIC = 1, /* APPEND: all or nothing (one part) */
    COMMAND_CLAMP = 2   /* DELETE: a range beyond last_seq is cut, not refused */
};

struct command_message {
    struct bytes from_uid, client_msg_no, payload, topic;
    uint8_t payload_encoding; /* enum payload_encoding of store/rows.h */
    uint8_t header[3];
    uint8_t setting;
    uint32_t expire_s;
    uint8_t salt[COMMAND_SALT_BYTES];
};

/* Messages of one channel, in order. */
struct command_part {
    struct channel channel;
    bool has_expected_last_seq;
    uint64_t expected_last_seq;
    const struct command_message *messages;
    uint32_t messages_count;
};

struct command_append {
    const struct command_part *parts; /* all of one slot; 1..ENTRY_MESSAGES_MAX messages in all */
    uint32_t parts_count;
};

struct command_delete {
    struct channel channel;
    const struct range *ranges; /* ascending, merged; 1..; at most 10,000 */
    uint32_t ranges_count;
    struct bytes operator_name, reason, request_id;
};

struct command_dedup_generation {
    uint64_t window_ms; /* generations wholly older than this before the command's time go */
};

struct command_raise_floor {
    uint64_t floor;
    bool forced;
};

struct command_check {
    uint64_t id;
};

struct command_set_retention {
    struct channel channel;
    uint64_t max_age_ms, max_messages, max_bytes; /* 0: no limit; all 0: none */
};

/* Takes effect when the table in force is the one that this was made from. */
struct command_members {
    uint64_t expected_revision; /* 0: there is none yet */
    struct bytes table;         /* members_encode; the one with revision expected + 1 */
};

struct command {
    uint8_t kind;
    uint16_t flags;
    uint64_t time_ms;
    union {
        struct command_append append;
        struct command_delete delete_;
        struct command_dedup_generation dedup_generation;
        struct command_raise_floor raise_floor;
        struct command_check check;
        struct command_set_retention set_retention;
        struct command_members members;
    };
};

/* How many bytes the encoded command takes: at most COMMAND_MAX_BYTES (limits.h) are allowed, so
 * who builds commands from outside's sizes compares first. */
size_t command_size(const struct command *command);
/* ERR_BAD_PARAMETER or ERR_BAD_CHANNEL with the reason when command_decode would refuse what
 * command_encode made of it (counts, lengths, order of ranges); ERR_TOO_LARGE: see command_size. */
MUST_USE enum err command_check(const struct command *command, struct why *why);
/* One reference to a new blob. The command must be valid (asserts command_check). */
struct blob *command_encode(const struct command *command);
/* Overwrites the time of an encoded command that is not shared yet, and its checksum. */
void command_set_time(struct blob *encoded, uint64_t time_ms);
/* Arrays go into arena, slices borrow from encoded: no payload is copied. What it gives passes
 * command_check. *ret is untouched on failure; the arena may have grown.
 * Errors: ERR_BAD_FORMAT    damaged or impossible bytes.
 *         ERR_WRONG_FORMAT  a version or kind this build does not know. */
MUST_USE enum err command_decode(struct bytes encoded, struct arena *arena, struct command *ret,
                                 struct why *why);
/* Kind without decoding the body; 0 when it is no command. */
uint8_t command_kind_of(struct bytes encoded);

#endif
