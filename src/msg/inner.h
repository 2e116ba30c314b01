/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/msg share and nobody else sees: the open batch, the slots' small states,
 * the cache of channel heads, and a snapshot's view of one channel.
 * Thread: struct msg's mutable part belongs to the apply thread; views belong to their caller. */
#ifndef MSG_INNER_H
#define MSG_INNER_H

#include <inttypes.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "msg/msg.h"
#include "wire/command.h"

/* Seqs go up to 2^63-1 (api.md section 1). */
#define MSG_SEQ_MAX ((uint64_t)INT64_MAX)

enum {
    MSG_GENERATIONS_MAX = 64, /* live dedup generations of a slot: each lookup probes them all */
    MSG_RETENTION_BYTES = 24, /* three le64: max_age_ms, max_messages, max_bytes */
    MSG_LOOK_BACK_MAX = 10000 /* messages a search without an index may walk over */
};

/* Keys of what this room hashes itself: constants of the format. */
#define MSG_KEY_SLOT_VALUE 0x4c53564c4c544801ull
#define MSG_KEY_REQUEST 0x4c53564c4c544802ull

/* ---- slots ------------------------------------------------------------------------------------ */
struct generation {
    uint64_t id; /* log index of the command that started it; 0: the one before any command */
    uint64_t started_ms;
    uint64_t rows;         /* dedup rows in it */
    struct hash128 digest; /* their sum: dropping a generation reads none of them */
};

struct slot {
    uint32_t id;
    struct row_applied applied; /* as of the last entry applied, the open batch included */
    uint64_t floor;
    uint64_t channels, delete_records;
    uint64_t members_revision; /* of the value MEMBERS; 0: there is none */
    struct hash128 members_hash;
    struct generation generations[MSG_GENERATIONS_MAX]; /* oldest first; at least one */
    uint32_t generations_count;
    bool has_generations_row;
    bool is_touched;    /* by the open batch */
    bool state_changed; /* STORE_SLOT_STATE is to be written with the open batch */
};

struct slot_state_row {
    uint64_t floor, channels, delete_records;
    uint64_t members_revision;
    struct hash128 members_hash;
    struct generation generations[MSG_GENERATIONS_MAX];
    uint32_t generations_count;
    bool has_generations_row;
};

/* ---- heads ------------------------------------------------------------------------------------ */
/* What apply must know of a channel to append to it without reading a row. */
struct head {
    struct list lru; /* first: newest use last */
    uint32_t slot;
    struct channel channel; /* id points into id_bytes */
    bool exists;            /* it has a channel row */
    struct row_channel row; /* as stored; row.retention points into retention */
    struct hash128 row_hash;
    uint8_t retention[MSG_RETENTION_BYTES];
    uint64_t last_seq, last_timestamp_ms; /* now */
    struct totals totals;                 /* running totals at last_seq */
    uint64_t first_deleted_end;           /* end of the interval that starts at 1; 0: none */
    uint64_t batch_no;                    /* open batch that last changed rows of this channel */
    uint64_t deleted_batch_no;            /* open batch that last changed its intervals */
    uint8_t id_bytes[];                   /* as many as the id has */
};

struct fresh_dedup; /* a dedup row that is in the open batch alone */

struct msg {
    struct store *store; /* borrowed */
    uint32_t slot_count;
    uint32_t cache_channels;
    uint64_t batch_max_bytes;

    /* Below: the apply thread's. */
    struct slot **slots;     /* owned; NULL: not loaded yet */
    uint32_t *touched_slots; /* owned; slots with entries in the open batch */
    uint32_t touched_count;
    struct store_batch *batch; /* owned */
    uint64_t batch_no;         /* counts open batches; a head with this number has changed rows */
    struct map *heads;         /* owned; slot + channel -> struct head */
    struct list heads_lru;
    struct map *fresh;        /* owned; dedup key -> struct fresh_dedup; NULL: none */
    struct arena fresh_arena; /* owned; lives as long as the open batch */
    struct arena arena;       /* owned; of the entry being applied */
    struct store_value value; /* owned; of the row last read by apply */
};

/* The entry that is being applied. */
struct entry {
    uint64_t index, term;
    const struct command *command;
    struct msg_result *result; /* NULL: nobody waits */
};

/* slot.c */
MUST_USE enum err slot_open(struct msg *msg, uint32_t id, struct slot **ret, struct why *why);
void slot_touch(struct msg *msg, struct slot *slot);
void slot_add(struct slot *slot, struct hash128 hash);
void slot_sub(struct slot *slot, struct hash128 hash);
struct bytes slot_encode_generations(const struct slot *slot, struct arena *arena);
struct bytes slot_encode_state(const struct slot *slot, struct arena *arena);
struct bytes slot_encode_floor(uint64_t floor, struct arena *arena);
struct hash128 slot_value_hash(uint32_t slot, enum store_slot_key key, struct bytes value);
/* The three small values of a slot as one snapshot has them. */
MUST_USE enum err slot_read_state(struct store *store, const struct store_snapshot *snapshot,
                                  uint32_t slot, struct slot_state_row *ret, struct why *why);
/* A GENERATIONS value; empty: the one generation of a slot that has none. Figures are zero. */
MUST_USE enum err slot_decode_generations(uint32_t slot, struct bytes value,
                                          struct slot_state_row *ret, struct why *why);
/* Forgets what is cached of one slot: its rows were changed below. The open batch has nothing
 * of it (asserts). */
void slot_forget(struct msg *msg, uint32_t id);

/* head.c */
MUST_USE enum err head_get(struct msg *msg, struct slot *slot, struct channel channel,
                           struct head **ret, struct why *why);
/* Notes that the open batch changes rows of the channel. */
void head_touch(struct msg *msg, struct head *head);
bool head_is_changed(const struct msg *msg, const struct head *head);
/* Writes the channel row as head says now, and swaps its hash in the digest. */
void head_put_row(struct msg *msg, struct slot *slot, struct head *head, uint64_t index);
/* Brings the cache down to its bound; may write the open batch. Between entries only. */
MUST_USE enum err heads_trim(struct msg *msg, struct why *why);
void heads_clear(struct msg *msg);
void heads_forget(struct msg *msg, uint32_t slot); /* those of one slot */
uint64_t head_first_seq(const struct head *head);

/* dedup.c */
struct dedup_hit {
    bool found;
    struct row_dedup row;
    bool deleted; /* the message it names was deleted since */
};
struct hash128 dedup_request_hash(struct bytes payload);
/* Rows of the open batch, then those stored; with `deleted` it may write the open batch. */
MUST_USE enum err dedup_find(struct msg *msg, struct slot *slot, struct head *head,
                             const struct command_message *message, struct dedup_hit *ret,
                             struct why *why);
/* Rows of the open batch alone. */
bool dedup_find_fresh(const struct msg *msg, uint32_t slot, struct channel channel,
                      const struct command_message *message, struct row_dedup *ret);
void dedup_put(struct msg *msg, struct slot *slot, struct channel channel,
               const struct command_message *message, const struct row_dedup *row);
void dedup_forget_fresh(struct msg *msg);
MUST_USE enum err dedup_apply_generation(struct msg *msg, struct slot *slot,
                                         const struct entry *entry, struct why *why);

/* append.c, delete.c, settings.c: one command kind each. */
MUST_USE enum err append_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                               struct why *why);
MUST_USE enum err delete_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                               struct why *why);
MUST_USE enum err delete_raise(struct msg *msg, struct slot *slot, const struct entry *entry,
                               uint64_t through_seq, struct why *why);
MUST_USE enum err members_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                                struct why *why);
MUST_USE enum err floor_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                              struct why *why);
MUST_USE enum err retention_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                                  struct why *why);

/* ---- view.c: one channel in one snapshot ------------------------------------------------------ */
struct view {
    struct store *store;             /* borrowed */
    struct store_snapshot *snapshot; /* owned */
    struct store_value value, scrap; /* owned; value holds the channel row */
    uint32_t slot;
    struct channel channel; /* borrowed */
    struct row_applied applied;
    bool exists;
    struct row_channel row;
    uint64_t first_seq, last_seq, last_timestamp_ms;
    struct totals totals; /* running, at last_seq */
};

/* On success end it with view_close. */
MUST_USE enum err view_open(struct msg *msg, struct channel channel, struct view *ret,
                            struct why *why);
/* The same with the channel row alone; first and last seq, time and totals are not known before
 * view_load_figures, which costs an iterator. */
MUST_USE enum err view_open_row(struct msg *msg, struct channel channel, struct view *ret,
                                struct why *why);
MUST_USE enum err view_load_figures(struct view *view, struct why *why);
/* The figures from a channel row that is at hand, into a view that has its snapshot; row's slices
 * must outlive the view. */
MUST_USE enum err view_load_row(struct view *view, struct channel channel,
                                const struct row_channel *row, struct why *why);
void view_close(struct view *view);
/* The interval that covers seq; false: none does. */
MUST_USE enum err view_find_interval(struct view *view, uint64_t seq, bool *ret_found,
                                     struct range *ret, struct why *why);
/* Highest visible seq in [from, to] whose timestamp is below time_ms; 0: none. */
MUST_USE enum err view_last_before(struct view *view, uint64_t from, uint64_t to, uint64_t time_ms,
                                   uint64_t *ret_seq, struct why *why);
void view_channel(const struct view *view, struct arena *arena, struct msg_channel *ret);
void message_copy(struct arena *arena, uint64_t seq, const struct row_message *row,
                  struct msg_message *ret);
/* Words for a failed read; returns err. */
enum err view_fault(const struct view *view, enum err err, const char *what, uint64_t seq,
                    struct why *why);

#endif
