/* SPDX-License-Identifier: Apache-2.0 */
/* The replicated state machine of all slots of a node: applies commands to batches, answers
 * queries. Deterministic: the same commands give the same rows and digests on every replica;
 * time and anything random come in the command. Owns the cache of channel heads (last_seq, running
 * totals). Refuses to know Raft, sockets, clocks.
 * Thread: the msg_apply functions belong to one thread (apply); queries run on any thread, on
 * RocksDB snapshots of their own. */
#ifndef MSG_MSG_H
#define MSG_MSG_H

#include "msg/types.h"
#include "store/store.h"

struct msg;

struct msg_options {
    struct store *store; /* borrowed */
    uint32_t slot_count;
    uint32_t cache_channels;  /* channel heads kept in memory; 0: 150,000 */
    uint64_t batch_max_bytes; /* an apply batch is written beyond this; 0: 4 MiB */
};

struct msg *msg_new(const struct msg_options *options);
void msg_free(struct msg *msg);

/* ---- apply: one thread ----------------------------------------------------------------------
 * Entries of any slots in their log order; effects gather in one open batch. An entry that must
 * read rows changed in the open batch writes that batch first (without sync). */
/* Applies the command of entry (index, term). *ret_result (may be NULL: nobody waits) is the
 * caller's. The result may be shown to a client only after msg_apply_flush.
 * Errors: ERR_BAD_FORMAT, ERR_WRONG_FORMAT  damaged or unknown command: stop the process.
 *         ERR_CORRUPT      a row it needs fails its checksum: nothing of the entry is in the open batch,
 *                          the slot is as it was before it, and other slots may go on.
 *         ERR_DISK_FAILED  stop. */
MUST_USE enum err msg_apply(struct msg *msg, uint32_t slot, uint64_t index, uint64_t term,
                            struct bytes command, struct msg_result **ret_result, struct why *why);
/* An EMPTY or CONFIG entry: only the applied index moves. */
MUST_USE enum err msg_apply_nothing(struct msg *msg, uint32_t slot, uint64_t index, uint64_t term,
                                    struct why *why);
/* Writes the open batch, without sync: one WriteBatch with effects, delete records, digests and
 * applied indexes. */
MUST_USE enum err msg_apply_flush(struct msg *msg, struct why *why);
/* Forgets cached heads and slot states, after an install changed rows below. Nothing may be open:
 * flush before (asserts). */
void msg_forget_cache(struct msg *msg);

/* Raises a channel's last seq to through_seq and deletes what lies between, with a record of its own: those
 * seqs are never given out. The channel is made when there is none; nothing when it is there already.
 * It is no command: for a store that no other replica shares (src/rescue). */
struct msg_raise {
    struct channel channel;
    uint64_t through_seq, time_ms;
    struct bytes operator_name, reason;
};
MUST_USE enum err msg_raise(struct msg *msg, uint32_t slot, uint64_t index, uint64_t term,
                            const struct msg_raise *raise, struct why *why);

/* ---- queries: any thread; slices and arrays go into arena ------------------------------------ */
MUST_USE enum err msg_get_page(struct msg *msg, const struct msg_page_query *query,
                               struct arena *arena, struct msg_page *ret, struct why *why);
/* ERR_SEQ_NOT_FOUND above last_seq, ERR_SEQ_DELETED (*ret_delete_index: log index of the delete,
 * 0 when its record was collected). */
MUST_USE enum err msg_get_message(struct msg *msg, struct channel channel, uint64_t seq,
                                  struct arena *arena, struct msg_message *ret,
                                  uint64_t *ret_delete_index, uint64_t *ret_applied_index,
                                  struct why *why);
/* Those of seqs that are visible, ascending, each once. page->deleted names the deleted ones. */
MUST_USE enum err msg_get_seqs(struct msg *msg, struct channel channel, const uint64_t *seqs,
                               uint32_t seqs_count, struct arena *arena, struct msg_page *ret,
                               struct why *why);
/* Messages of the channel with this client_msg_no still within the dedup window; from_uid empty:
 * any sender. */
MUST_USE enum err msg_find_client_msg_no(struct msg *msg, struct channel channel,
                                         struct bytes client_msg_no, struct bytes from_uid,
                                         struct arena *arena, struct msg_page *ret,
                                         struct why *why);
/* By message_id: binary search over the channel. ERR_NOT_FOUND. */
MUST_USE enum err msg_find_message_id(struct msg *msg, struct channel channel, uint64_t message_id,
                                      struct arena *arena, struct msg_message *ret,
                                      struct why *why);
/* An unknown channel reads as empty: OK with zeros. */
MUST_USE enum err msg_get_channel(struct msg *msg, struct channel channel, struct arena *arena,
                                  struct msg_channel *ret, struct why *why);
MUST_USE enum err msg_list_channels(struct msg *msg, const struct msg_channels_query *query,
                                    struct arena *arena, struct msg_channels *ret, struct why *why);
MUST_USE enum err msg_list_deletes(struct msg *msg, const struct msg_deletes_query *query,
                                   struct arena *arena, struct msg_deletes *ret, struct why *why);
/* How many records of the slot are above since_index, at most max; *ret_oldest_ms: deleted_at_ms of
 * the first of them, 0 for none. */
MUST_USE enum err msg_count_deletes(struct msg *msg, uint32_t slot, uint64_t since_index,
                                    uint64_t max, uint64_t *ret_count, uint64_t *ret_oldest_ms,
                                    struct why *why);
/* ERR_NOT_FOUND, or ERR_COLLECTED below the floor. */
MUST_USE enum err msg_get_delete(struct msg *msg, uint32_t slot, uint64_t log_index,
                                 struct arena *arena, struct msg_delete_record *ret,
                                 struct why *why);
/* What a delete would do now; resolves every form into ranges (ret->ranges, empty: nothing). The
 * resolved ranges are what a COMMAND_DELETE carries. Without clamp a range that ends above the last seq is OK too,
 * with ret->err ERR_END_BEYOND_LAST and ret->last_seq. */
MUST_USE enum err msg_preview_delete(struct msg *msg, const struct msg_delete_request *request,
                                     struct arena *arena, struct msg_delete_result *ret,
                                     uint64_t *ret_applied_index, struct why *why);
/* Any of the queries above by its value. Fills ret on failure too: err, text, and what the kind tells
 * beside an error. Returns ret->err. */
MUST_USE enum err msg_ask(struct msg *msg, const struct msg_query *query, struct arena *arena,
                          struct msg_answer *ret, struct why *why);
/* Up to which seq the limits of channel (as msg_list_channels gave it) would have it deleted at now_ms;
 * now_ms 0: ages are not judged. */
struct msg_retention_plan {
    uint64_t through_seq; /* 0: nothing */
    const char *reason;   /* max_age, max_messages, max_bytes: static text */
};
MUST_USE enum err msg_plan_retention(struct msg *msg, const struct msg_channel *channel,
                                     uint64_t now_ms, struct msg_retention_plan *ret,
                                     struct why *why);
/* Applied index, digest, floor and counts of one and the same state. */
MUST_USE enum err msg_get_slot_state(struct msg *msg, uint32_t slot, struct msg_slot_state *ret,
                                     struct why *why);

/* ---- checks ------------------------------------------------------------------------------------ */
struct msg_check {
    uint64_t applied_index;
    struct hash128 stored, recomputed;
    uint64_t messages, channels, intervals, delete_records, dedup_rows;
    bool counts_fit;  /* counts, bytes, first and last seq of each channel equal what the rows say,
                      * totals continue from row to row, no row lies inside an interval, no hole */
    char misfit[192]; /* the first thing that does not fit; empty: all fits */
};
/* Recomputes a slot's digest from the stored rows of one snapshot. ERR_CORRUPT names the row. */
MUST_USE enum err msg_recompute(struct msg *msg, uint32_t slot, struct msg_check *ret,
                                struct why *why);
/* Called about every 256 KiB with the bytes read so far: the place to wait, so that a check keeps to
 * its rate. false ends the check. */
typedef bool msg_on_check_progress(uint64_t bytes_read, void *arg);
/* Likewise, of a snapshot that the caller keeps, NULL: of one taken now. ERR_CONFLICT when on_progress
 * ended it. */
MUST_USE enum err msg_recompute_paced(struct msg *msg, uint32_t slot,
                                      struct store_snapshot *snapshot,
                                      msg_on_check_progress *on_progress, void *arg,
                                      struct msg_check *ret, struct why *why);
/* What a small value of a slot adds to its digest: zero for keys that are no logical state. For an
 * install, which sums what it receives. */
struct hash128 msg_slot_value_hash(uint32_t slot, enum store_slot_key key, struct bytes value);

#endif
