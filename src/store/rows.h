/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the store as plain structs. Slices in them are borrowed: from the caller when put,
 * from the store_value or iterator that gave them when read. Every stored value carries its own
 * CRC32C bound to its key, so that a misplaced or damaged row is found (ERR_CORRUPT). */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "base/channel.h"
#include "base/hash.h"

/* Running totals of a channel over all messages ever appended up to a seq, deleted ones included:
 * sums over a range are a difference of two rows. The digest sums message_hash of each row. */
struct totals {
    uint64_t bytes; /* payload bytes */
    struct hash128 digest;
};

enum payload_encoding { PAYLOAD_BASE64 = 0, PAYLOAD_UTF8 = 1, PAYLOAD_JSON = 2 };

enum { MESSAGE_SALT_BYTES = 16 };

struct row_message {
    uint64_t message_id; /* its log index is message_id_log_index(message_id) */
    uint64_t timestamp_ms;
    struct bytes from_uid, client_msg_no;
    struct bytes payload;     /* as stored: raw bytes, or compact UTF-8 JSON text */
    uint8_t payload_encoding; /* how it was sent and is given back */
    uint8_t header[3];        /* WuKongIM: no_persist, red_dot, sync_once */
    uint8_t setting;
    uint32_t expire_s;
    struct bytes topic;
    uint8_t salt[MESSAGE_SALT_BYTES];
    struct totals totals; /* up to and including this message */
};

/* Written at creation, at each delete and at a change of settings, not at appends. */
struct row_channel {
    uint64_t log_index; /* of that change */
    uint64_t created_ms;
    uint64_t last_seq, last_timestamp_ms; /* as of then */
    struct totals totals_at_last;         /* running totals at last_seq, as of then */
    uint64_t deleted_count, deleted_bytes;
    uint64_t delete_version; /* deletes carried out so far */
    struct bytes retention;  /* encoded settings; empty: none */
};

/* One merged interval of deleted seqs: the read fence. */
struct row_deleted {
    uint64_t start, end;                /* inclusive */
    struct totals before_start, at_end; /* running totals just before start and at end */
};

enum { DELETE_RANGES_MAX = 256, DELETE_SEQS_MAX = 10000, DELETE_TEXT_MAX_BYTES = 256 };

struct seq_range {
    uint64_t start, end; /* inclusive */
};

struct row_delete_record {
    uint64_t log_index, deleted_at_ms;
    struct channel channel;
    const struct seq_range *ranges; /* normalised, ascending */
    uint32_t ranges_count;
    uint64_t deleted_count, already_deleted;
    struct bytes operator_name, reason, request_id;
};

struct row_dedup {
    uint64_t seq, log_index, timestamp_ms;
    uint32_t position;      /* in its entry, for message_id */
    struct hash128 request; /* digest of the request: another payload under the same number */
};

/* Per slot: what one page row of 16 slots holds of it. */
struct row_applied {
    uint64_t index, term;
    struct hash128 digest; /* of the slot's logical state at index */
};

struct row_hard_state {
    uint64_t term, vote, commit;
};

struct row_entry {
    uint64_t index, term;
    uint8_t kind;
    struct bytes payload;
};

enum { PEER_NONCE_BYTES = 16 };

/* What this node saw of another member: nobody else's memory of it is asked for. */
struct row_peer {
    uint64_t incarnation, boot; /* of its data folder; the highest start counter it came with */
    uint8_t nonce[PEER_NONCE_BYTES]; /* of that start: another one is another process's */
};

/* A message's contribution to digests: hash of (slot, channel, seq, all fields but totals). */
struct hash128 row_message_hash(uint32_t slot, struct channel channel, uint64_t seq,
                                const struct row_message *row);
/* Likewise for the other logical rows. */
struct hash128 row_channel_hash(uint32_t slot, struct channel channel,
                                const struct row_channel *row);
struct hash128 row_deleted_hash(uint32_t slot, struct channel channel,
                                const struct row_deleted *row);
struct hash128 row_delete_record_hash(uint32_t slot, const struct row_delete_record *row);
struct hash128 row_dedup_hash(uint32_t slot, uint64_t generation, struct channel channel,
                              struct bytes from_uid, struct bytes client_msg_no,
                              const struct row_dedup *row);

#endif
