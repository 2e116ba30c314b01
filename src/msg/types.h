/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of the state machine and what they and commands give back. Plain values; slices and
 * arrays live in the arena that the caller passed. */
#ifndef MSG_TYPES_H
#define MSG_TYPES_H

#include "base/arena.h"
#include "base/channel.h"
#include "base/hash.h"
#include "base/ranges.h"
#include "base/why.h"

/* ---- results of commands ------------------------------------------------------------------- */
struct msg_append_result {
    /* OK; SEQ_MISMATCH, CLIENT_MSG_NO_REUSED, BATCH_FAILED: this one was not stored. In an atomic
     * batch that fails, the culprits have the first two, the others BATCH_FAILED, but a message
     * that was stored before keeps its first result: look at all for the batch's own verdict. */
    enum err err;
    uint64_t seq, message_id, timestamp_ms;
    uint64_t log_index;      /* of the entry that stored it: an older one for a duplicate */
    bool duplicate, deleted; /* deleted: a duplicate whose message was deleted since */
    uint64_t last_seq;       /* of the channel: for SEQ_MISMATCH */
};

struct msg_delete_result {
    enum err err; /* OK; END_BEYOND_LAST: nothing was deleted */
    bool logged;  /* false: nothing to delete (clamped to nothing): no record, no delete_id */
    const struct range *ranges; /* normalised */
    uint32_t ranges_count;
    uint64_t start_seq, end_seq; /* outermost */
    uint64_t deleted_count, already_deleted;
    uint64_t first_seq, last_seq, deleted_at_ms;
};

/* What applying one command gave. Owned: msg_result_free. */
struct msg_result {
    uint8_t kind; /* enum command_kind */
    uint32_t slot;
    uint64_t log_index, term;
    struct msg_append_result *appends; /* APPEND: one for each message, in command order */
    uint32_t appends_count;
    struct msg_delete_result deleted; /* DELETE */
    uint64_t floor;                   /* RAISE_FLOOR: in force after it */
    uint64_t removed;                 /* RAISE_FLOOR, DEDUP_GENERATION: records that went */
    enum err members_err;             /* MEMBERS: OK, or CONFLICT: it was made from another table */
    uint64_t members_revision;        /* MEMBERS: in force after it */
    struct arena arena;               /* owned */
};

struct msg_result *msg_result_new(uint8_t kind);
void msg_result_free(struct msg_result *result); /* NULL is fine */

/* ---- queries -------------------------------------------------------------------------------- */
struct msg_message {
    uint64_t seq, message_id, timestamp_ms;
    struct bytes from_uid, client_msg_no, payload, topic;
    uint8_t payload_encoding, setting;
    uint8_t header[3];
    uint32_t expire_s;
};

enum {
    MSG_PAGE_MAX_MESSAGES = 10000,
    MSG_PAGE_MAX_BYTES = 8 * 1024 * 1024,
    MSG_PAGE_MAX_DELETED = 10000, /* intervals listed by one page; it ends there with `more` */
    MSG_LIST_MAX = 10000,         /* channels or delete records of one list */
    MSG_FOUND_MAX = 100           /* hits of a search by client_msg_no */
};

struct msg_page_query {
    struct channel channel;
    uint64_t from_seq, to_seq;   /* inclusive; 0: open */
    uint32_t limit;              /* visible messages: 1..MSG_PAGE_MAX_MESSAGES */
    bool descending;             /* order of the page */
    bool newest;                 /* no anchor: the newest `limit`, still in page order */
    uint64_t since_ms, until_ms; /* inclusive; 0: open; timestamps never fall within a channel */
    uint64_t max_bytes;          /* 0: MSG_PAGE_MAX_BYTES; at least one message all the same */
};

struct msg_page {
    const struct msg_message *messages;
    uint32_t messages_count;
    const struct range *deleted; /* deleted intervals, cut to the window that the page covers;
                                  * ascending in both orders */
    uint32_t deleted_count;
    uint64_t first_seq, last_seq; /* of the channel; first visible, 0: none */
    bool more;                    /* a visible message follows; with `newest`: an older one */
    uint64_t next_seq;            /* where the next page starts, in page order; 0: at the end. With
                                   * `newest` the next one is older: to_seq = next_seq, descending */
    uint64_t applied_index;       /* of the state that was read */
};

struct msg_channel {
    struct channel channel;
    uint32_t slot;
    uint64_t first_seq, last_seq, message_count, deleted_count, bytes;
    uint64_t last_timestamp_ms, delete_version, created_ms;
    uint64_t retention_max_age_ms, retention_max_messages, retention_max_bytes;
    uint64_t applied_index;
};

struct msg_channels_query {
    uint32_t slot;
    int type; /* -1: all */
    struct bytes prefix;
    struct channel after; /* id empty: from the beginning */
    uint32_t limit;
};

struct msg_channels {
    const struct msg_channel *channels;
    uint32_t count;
    bool more;
};

/* One record of the delete log. */
struct msg_delete_record {
    uint32_t slot;
    uint64_t log_index, deleted_at_ms;
    uint64_t after_index; /* no other delete of the slot lies between it and log_index */
    struct channel channel;
    const struct range *ranges;
    uint32_t ranges_count;
    uint64_t deleted_count, already_deleted;
    struct bytes operator_name, reason, request_id;
};

struct msg_deletes_query {
    uint32_t slot;
    const struct channel *channel; /* NULL: all of the slot */
    uint64_t since_index;          /* exclusive */
    uint64_t since_ms, until_ms;
    struct bytes operator_name, reason; /* empty: any */
    uint32_t limit;
};

struct msg_deletes {
    const struct msg_delete_record *records;
    uint32_t count;
    bool more;
    uint64_t floor, applied_index;
    uint64_t last_index; /* of the slot's newest record, or the floor */
};

/* Which range a delete means, before it is proposed. */
enum msg_delete_form {
    MSG_DELETE_RANGES,  /* ranges as given */
    MSG_DELETE_THROUGH, /* 1..through_seq */
    MSG_DELETE_KEEP,    /* all but the newest `keep` visible ones: from the first visible one */
    MSG_DELETE_BEFORE,  /* all older than before_ms: from the first visible one */
    MSG_DELETE_ALL      /* all up to now */
};

struct msg_delete_request {
    struct channel channel;
    enum msg_delete_form form;
    const struct range *ranges; /* RANGES: ascending, merged */
    uint32_t ranges_count;
    uint64_t through_seq, keep, before_ms;
    bool clamp;
};

/* ---- a query and what it found, as values: asked here, or of another node (msg/remote.h) --------- */
enum msg_query_kind {
    MSG_QUERY_PAGE = 1,      /* page; all kinds that find messages but MESSAGE fill answer.page */
    MSG_QUERY_MESSAGE,       /* channel, number: the seq */
    MSG_QUERY_SEQS,          /* channel, seqs */
    MSG_QUERY_CLIENT_MSG_NO, /* channel, client_msg_no, from_uid (empty: any) */
    MSG_QUERY_MESSAGE_ID,    /* channel, number: the message_id; fills answer.message */
    MSG_QUERY_CHANNEL,       /* channel */
    MSG_QUERY_CHANNELS,      /* channels */
    MSG_QUERY_DELETES,       /* deletes */
    MSG_QUERY_DELETE,        /* slot, number: the log index */
    MSG_QUERY_PREVIEW,       /* preview */
    MSG_QUERY_KINDS          /* one more than the last */
};

enum {
    MSG_QUERIES_MAX = 2048,   /* that are asked together */
    MSG_QUERY_SEQS_MAX = 1000 /* seqs of one query */
};

struct msg_query {
    uint8_t kind; /* enum msg_query_kind */
    struct channel channel;
    uint32_t slot;
    uint64_t number;
    const uint64_t *seqs;
    uint32_t seqs_count;
    struct bytes client_msg_no, from_uid;
    union {
        struct msg_page_query page;
        struct msg_channels_query channels;
        struct msg_deletes_query deletes;
        struct msg_delete_request preview;
    };
};

struct msg_answer {
    enum err err;           /* OK, or what the query ended with, beside text */
    struct bytes text;      /* of err */
    uint64_t applied_index; /* of the state that was read; 0: the kind does not tell */
    uint64_t delete_index;  /* MESSAGE, when err is SEQ_DELETED */
    struct msg_page page;
    struct msg_message message; /* MESSAGE, MESSAGE_ID */
    struct msg_channel channel;
    struct msg_channels channels;
    struct msg_deletes deletes;
    struct msg_delete_record record;
    struct msg_delete_result preview; /* also when err is END_BEYOND_LAST */
};

struct msg_slot_state {
    uint32_t slot;
    uint64_t applied_index, applied_term;
    struct hash128 digest;
    uint64_t floor, delete_log_count, channels_count;
    uint64_t dedup_rows;        /* in all live generations */
    uint32_t dedup_generations; /* live ones started by commands; 0: none yet */
    uint64_t dedup_started_ms;  /* start of the newest; 0: none yet: it is time for a command */
};

#endif
