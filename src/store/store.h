/* SPDX-License-Identifier: Apache-2.0 */
/* The one store of a node: its column families, the layout of every key and row, and batches.
 * Knows RocksDB (and a stand-in in memory with the same face, that can lose unsynced writes and
 * fail on demand), rows, fsync, identity, the promise file. Refuses to know terms, leaders and
 * what a command means.
 * Thread: any, but open and close (main, while no other runs); a batch, an iterator and a
 * store_value belong to one thread at a time; store_put_applied has one writer, the apply thread. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/why.h"
#include "store/rows.h"

struct store;
struct store_batch;
struct store_snapshot;
struct store_iter;
struct memdisk; /* store/memdisk.h: the disk that a store in memory lives on */

enum store_family {
    STORE_DEFAULT, /* identity, boot number, what was seen of peers, purge marks */
    STORE_SLOTS,   /* pages of 16 slots; per slot: floor, membership, base, marker, tombstone */
    STORE_RAFT,    /* hard states and entries */
    STORE_MESSAGES,
    STORE_CHANNELS,
    STORE_DELETED,
    STORE_DELETE_LOG, /* by log index, and an index by channel */
    STORE_DEDUP,
    STORE_FAMILIES
};

enum { STORE_FORMAT = 1 };         /* of keys and rows; another one is refused */
#define STORE_ALL_SLOTS UINT32_MAX /* for store_iter_slot_messages, store_iter_slot_deleted */

struct store_options {
    const char *dir;         /* RocksDB lives in dir/db, the promise file beside it */
    struct memdisk *memdisk; /* not NULL: a store in memory on this disk; dir is not used */
    bool create;             /* make one when there is none */
    bool read_only;          /* for `lethed dump`: no boot number is counted up */
    bool is_backup;          /* with read_only: a copy, which has promised nothing to anybody */
    const char *cluster_id;  /* 1-64 bytes; NULL with read_only: whoever it is */
    uint64_t node_id;        /* 1..65535 */
    uint32_t slot_count;
    uint64_t new_incarnation;                   /* random; used when the directory is created */
    uint64_t block_cache_bytes, memtable_bytes; /* in all; 0: defaults (32 MiB, 128 MiB) */
    uint32_t max_background_jobs;
    bool accept_short_log; /* open although the promise file says more (the node is in amnesia) */
};

struct store_identity {
    uint32_t format;
    char cluster_id[65];
    uint64_t node_id, incarnation, boot;
    uint32_t slot_count;
    bool created; /* by this open */
};

void store_options_init(struct store_options *options);
/* Opens, or makes when options->create is set, and checks whose it is; counts the boot number up
 * (synced) unless read_only. On success the caller owns *ret_store.
 * Errors: ERR_NOT_FOUND       nothing there and create is off.
 *         ERR_WRONG_IDENTITY  it belongs to another node or cluster; nothing was changed.
 *         ERR_WRONG_FORMAT    made by a version this one does not know.
 *         ERR_LOG_TOO_SHORT   RocksDB refuses its log, or it was found damaged, or (unless
 *                             accept_short_log) the log is behind the promise file, or the one of
 *                             database and promise file is there without the other: re-sync.
 *         ERR_BAD_CONFIG      an option is out of range.
 *         ERR_LOCKED          another process has it open.
 *         ERR_DISK_FAILED     why has the disk's own words. */
MUST_USE enum err store_open(const struct store_options *options, struct store **ret_store,
                             struct why *why);
void store_close(struct store *store); /* NULL is fine; open iterators are not (asserts) */
const struct store_identity *store_identity(const struct store *store);

/* ---- batches ------------------------------------------------------------------------------ */
struct store_batch *store_batch_new(struct store *store);
void store_batch_free(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);
size_t store_batch_bytes(const struct store_batch *batch);   /* about what the log will grow by */
uint32_t store_batch_count(const struct store_batch *batch); /* operations; 0: nothing in it */
/* Writes all of batch or nothing and empties it (on failure too); an empty one with sync makes all
 * earlier writes durable. With sync it returns when it would survive a power
 * cut. Also counts range tombstones and asks for a flush near 1,000 of them.
 * Errors: ERR_DISK_FAILED  outcome unknown: stop the process, never try again. */
MUST_USE enum err store_write(struct store *store, struct store_batch *batch, bool sync,
                              struct why *why);

/* ---- the Raft log ------------------------------------------------------------------------- */
void store_put_hard_state(struct store_batch *batch, uint32_t slot,
                          const struct row_hard_state *row);
void store_put_entry(struct store_batch *batch, uint32_t slot, const struct row_entry *row);
/* truncate_suffix: entries [from, last] are overwritten by another leader's. */
void store_truncate_suffix(struct store_batch *batch, uint32_t slot, uint64_t from, uint64_t last);
/* compact_prefix: entries (base, through] go; the new base (through, its term) is in the batch. */
void store_compact_prefix(struct store_batch *batch, uint32_t slot, uint64_t first,
                          uint64_t through, uint64_t through_term);
/* A config entry at index (also the initial one): encoded by src/wire. Truncation and compaction of
 * these rows is the caller's, with store_remove_config. */
void store_put_config(struct store_batch *batch, uint32_t slot, uint64_t index, uint64_t term,
                      struct bytes config);
void store_remove_config(struct store_batch *batch, uint32_t slot, uint64_t index);
/* Small per-slot values, opaque here; empty value removes. Keys are below. */
enum store_slot_key {
    STORE_SLOT_BASE = 1,   /* written by store_compact_prefix */
    STORE_SLOT_FLOOR,      /* of the delete log */
    STORE_SLOT_INSTALLING, /* marker */
    STORE_SLOT_TOMBSTONE,
    STORE_SLOT_GENERATIONS,  /* live dedup generations */
    STORE_SLOT_STATE,        /* what msg keeps of the slot beside its rows */
    STORE_SLOT_SINK,         /* how far an unfinished install got: cursor, running digest, counts */
    STORE_SLOT_QUARANTINE,   /* this replica's rows are not what they should be: not served */
    STORE_SLOT_MEMBERS,      /* slot 0: the table of the cluster's nodes */
    STORE_SLOT_KNOWN_MEMBERS /* slot 0: the newest such table this node was told; its own alone */
};
void store_put_slot_value(struct store_batch *batch, uint32_t slot, enum store_slot_key key,
                          struct bytes value);

/* ---- the other members ---------------------------------------------------------------------- */
/* One row a member, by its node id (1..65535). It counts once it was written with sync. */
void store_put_peer(struct store_batch *batch, uint64_t node_id, const struct row_peer *row);

/* ---- the state machine's rows ------------------------------------------------------------- */
/* Sets what the slot's page row will say; the row is written once per batch and page. */
void store_put_applied(struct store_batch *batch, uint32_t slot, const struct row_applied *row);
void store_put_message(struct store_batch *batch, uint32_t slot, struct channel channel,
                       uint64_t seq, const struct row_message *row);
/* Removes rows [start, end]: point deletes below ~100 of them, else a range tombstone. */
void store_remove_messages(struct store_batch *batch, uint32_t slot, struct channel channel,
                           uint64_t start, uint64_t end);
void store_put_channel(struct store_batch *batch, uint32_t slot, struct channel channel,
                       const struct row_channel *row);
void store_put_deleted(struct store_batch *batch, uint32_t slot, struct channel channel,
                       const struct row_deleted *row);
void store_remove_deleted(struct store_batch *batch, uint32_t slot, struct channel channel,
                          uint64_t start);
void store_put_delete_record(struct store_batch *batch, uint32_t slot,
                             const struct row_delete_record *row); /* and its index by channel */
void store_remove_delete_record(struct store_batch *batch, uint32_t slot,
                                const struct row_delete_record *row);
void store_put_dedup(struct store_batch *batch, uint32_t slot, uint64_t generation,
                     struct channel channel, struct bytes from_uid, struct bytes client_msg_no,
                     const struct row_dedup *row);
void store_remove_dedup_generation(struct store_batch *batch, uint32_t slot, uint64_t generation);
/* The whole slot's state before a full install: messages, channels, deleted, delete log, dedup, the
 * slot values FLOOR, GENERATIONS, STATE and MEMBERS. Not its Raft log, base, configs, marker, tombstone, and
 * not its applied index (that is store_put_applied's, in the same batch). */
void store_remove_slot_state(struct store_batch *batch, uint32_t slot);

/* ---- reads: snapshot NULL reads the newest state ------------------------------------------- */
struct store_snapshot *store_snapshot_new(struct store *store);
void store_snapshot_free(struct store *store, struct store_snapshot *snapshot); /* NULL is fine */

/* Holds what a row read points into; reuse it for the next read, end it with store_value_done. */
struct store_value {
    struct buf raw;   /* owned */
    struct buf extra; /* owned */
};
void store_value_init(struct store_value *value);
void store_value_done(struct store_value *value);

/* All: OK, ERR_NOT_FOUND, ERR_CORRUPT (bad CRC), ERR_DISK_FAILED. */
MUST_USE enum err store_get_peer(struct store *store, uint64_t node_id, struct row_peer *ret);
MUST_USE enum err store_get_hard_state(struct store *store, uint32_t slot,
                                       struct row_hard_state *ret);
MUST_USE enum err store_get_entry(struct store *store, uint32_t slot, uint64_t index,
                                  struct store_value *value, struct row_entry *ret);
/* First and last index kept and the base: (0,0) when nothing was ever compacted. An empty log gives
 * last == base. Found by seeks, not by a scan. */
MUST_USE enum err store_log_bounds(struct store *store, uint32_t slot, uint64_t *ret_base_index,
                                   uint64_t *ret_base_term, uint64_t *ret_last);
MUST_USE enum err store_get_slot_value(struct store *store, const struct store_snapshot *snapshot,
                                       uint32_t slot, enum store_slot_key key,
                                       struct store_value *value, struct bytes *ret);
MUST_USE enum err store_get_applied(struct store *store, const struct store_snapshot *snapshot,
                                    uint32_t slot, struct row_applied *ret); /* zeros when never */
/* What the last write that was done left of it, without a look at the row. */
void store_last_applied(struct store *store, uint32_t slot, struct row_applied *ret);
MUST_USE enum err store_get_message(struct store *store, const struct store_snapshot *snapshot,
                                    uint32_t slot, struct channel channel, uint64_t seq,
                                    struct store_value *value, struct row_message *ret);
MUST_USE enum err store_get_channel(struct store *store, const struct store_snapshot *snapshot,
                                    uint32_t slot, struct channel channel,
                                    struct store_value *value, struct row_channel *ret);
MUST_USE enum err store_get_delete_record(struct store *store,
                                          const struct store_snapshot *snapshot, uint32_t slot,
                                          uint64_t log_index, struct store_value *value,
                                          struct row_delete_record *ret);
MUST_USE enum err store_get_dedup(struct store *store, const struct store_snapshot *snapshot,
                                  uint32_t slot, uint64_t generation, struct channel channel,
                                  struct bytes from_uid, struct bytes client_msg_no,
                                  struct row_dedup *ret);
/* The highest log index of a delete record in (above, below); ERR_NOT_FOUND. */
MUST_USE enum err store_find_delete_before(struct store *store,
                                           const struct store_snapshot *snapshot, uint32_t slot,
                                           uint64_t above, uint64_t below, uint64_t *ret_index);
/* The message row with the highest seq <= seq. */
MUST_USE enum err store_find_message_before(struct store *store,
                                            const struct store_snapshot *snapshot, uint32_t slot,
                                            struct channel channel, uint64_t seq,
                                            struct store_value *value, uint64_t *ret_seq,
                                            struct row_message *ret);
/* The deleted interval with the highest start <= seq. */
MUST_USE enum err store_find_deleted_before(struct store *store,
                                            const struct store_snapshot *snapshot, uint32_t slot,
                                            struct channel channel, uint64_t seq,
                                            struct row_deleted *ret);

/* ---- iterators: always bounded; one struct, several kinds ----------------------------------
 *     while (store_iter_next(it)) { ... use store_iter_x(it) ... }   err = store_iter_done(it);
 * What an iterator shows is valid until its next call. */
struct store_iter *store_iter_entries(struct store *store, uint32_t slot, uint64_t from,
                                      uint64_t to);
struct store_iter *store_iter_configs(struct store *store, uint32_t slot);
struct store_iter *store_iter_messages(struct store *store, const struct store_snapshot *snapshot,
                                       uint32_t slot, struct channel channel, uint64_t from,
                                       uint64_t to, bool descending);
/* All message rows of a slot, or of all (STORE_ALL_SLOTS): for checks and dumps. */
struct store_iter *store_iter_slot_messages(struct store *store,
                                            const struct store_snapshot *snapshot, uint32_t slot);
/* Channels of a slot with ids that begin with prefix; type -1: all types; after: exclusive start
 * (id empty: from the beginning). Order: type, then id bytes. */
struct store_iter *store_iter_channels(struct store *store, const struct store_snapshot *snapshot,
                                       uint32_t slot, int type, struct bytes prefix,
                                       struct channel after);
/* Intervals that touch [from, to]. */
struct store_iter *store_iter_deleted(struct store *store, const struct store_snapshot *snapshot,
                                      uint32_t slot, struct channel channel, uint64_t from,
                                      uint64_t to, bool descending);
/* All deleted intervals of a slot, or of all, in key order: for checks and dumps. */
struct store_iter *store_iter_slot_deleted(struct store *store,
                                           const struct store_snapshot *snapshot, uint32_t slot);
/* Delete records with log index in [from, to]; of one channel when channel is not NULL. */
struct store_iter *store_iter_delete_log(struct store *store, const struct store_snapshot *snapshot,
                                         uint32_t slot, const struct channel *channel,
                                         uint64_t from, uint64_t to);
struct store_iter *store_iter_dedup(struct store *store, const struct store_snapshot *snapshot,
                                    uint32_t slot); /* all generations */

bool store_iter_next(struct store_iter *iter);
/* Messages and deleted only: goes on at seq (in the iterator's direction) with the next call. */
void store_iter_seek(struct store_iter *iter, uint64_t seq);
uint32_t store_iter_slot(const struct store_iter *iter);
uint64_t store_iter_seq(const struct store_iter *iter); /* seq, start, log or entry index */
struct channel store_iter_channel(const struct store_iter *iter);
const struct row_message *store_iter_message(struct store_iter *iter);
const struct row_channel *store_iter_channel_row(struct store_iter *iter);
const struct row_deleted *store_iter_deleted_row(struct store_iter *iter);
const struct row_delete_record *store_iter_delete_record(struct store_iter *iter);
const struct row_entry *store_iter_entry(struct store_iter *iter);
/* Config: index in store_iter_seq. */
struct bytes store_iter_config(struct store_iter *iter, uint64_t *ret_term);
const struct row_dedup *store_iter_dedup_row(struct store_iter *iter, uint64_t *ret_generation,
                                             struct bytes *ret_from_uid,
                                             struct bytes *ret_client_msg_no);
/* Frees it. OK, or ERR_CORRUPT or ERR_DISK_FAILED: then what was seen is not all. NULL is fine. */
MUST_USE enum err store_iter_done(struct store_iter *iter);

/* ---- the promise file (reliability.md 2.1) -------------------------------------------------- */
struct promise_row {
    uint64_t term, vote;
    uint64_t last_index, last_term; /* highest position promised to a peer, or acknowledged */
};
struct promise;
/* The store's own, opened by store_open; rows are kept in memory. */
struct promise *store_promise(struct store *store);
/* Holds the slot's log and hard state against its promise, as store_open does for all slots: OK, or
 * ERR_LOG_TOO_SHORT for a slot that forgot (R19), or as the reads. */
MUST_USE enum err store_check_promise(struct store *store, uint32_t slot, struct why *why);
void promise_get(const struct promise *promise, uint32_t slot, struct promise_row *ret);
void promise_set(struct promise *promise, uint32_t slot,
                 const struct promise_row *row); /* memory */
bool promise_is_dirty(const struct promise *promise);
/* pwrite of what changed (after the synced batch, before the promise leaves). */
MUST_USE enum err promise_write(struct promise *promise, struct why *why);
MUST_USE enum err promise_sync(struct promise *promise,
                               struct why *why); /* fdatasync, each second */

/* ---- figures and maintenance ---------------------------------------------------------------- */
struct store_stats {
    uint64_t memtable_bytes, block_cache_bytes, table_readers_bytes, live_sst_bytes, wal_bytes;
    uint64_t pending_compaction_bytes, running_compactions, running_flushes, background_errors;
    uint64_t snapshots, estimated_keys, disk_free_bytes, disk_total_bytes;
    uint64_t writes, synced_writes, written_bytes, range_tombstones_in_memtables;
    uint64_t live_versions, oldest_snapshot_s; /* unix seconds; 0: none is open */
    uint64_t immutable_memtables, level0_files;
    uint64_t writes_stopped,
        delayed_writes_bytes_per_s; /* 1: all writes wait; 0: none is delayed */
};
void store_stats(struct store *store, struct store_stats *ret);
/* From now on rows are read from the disk again, not from blocks that were read before. (The system's
 * own cache of files is not touched.) */
void store_forget_cached(struct store *store);
MUST_USE enum err store_flush(struct store *store, struct why *why); /* all families, waits */
/* Makes the folder dir, in it a copy of the database as it is now, and syncs it; writes go on
 * meanwhile. It is no data folder (it has no promise file): only read_only with is_backup opens it.
 * Not a byte is copied of files that never change, when dir is on the same file system.
 * Errors: ERR_NOT_SUPPORTED (in memory), ERR_IO, ERR_DISK_FULL  dir may be there in part. */
MUST_USE enum err store_checkpoint(struct store *store, const char *dir, struct why *why);
const char *store_family_name(enum store_family family); /* static text */
struct store_compacted {
    uint64_t before_bytes, after_bytes; /* of the family's tables */
    bool is_cut_short;                  /* by store_stop_compacting */
};
/* Writes a family's tables anew, the last level too, without what was deleted and nobody reads any
 * more. Blocks for minutes when there is much; reads and writes go on. Thread: one at a time.
 * Errors: ERR_DISK_FAILED */
MUST_USE enum err store_compact(struct store *store, enum store_family family,
                                struct store_compacted *ret, struct why *why);
/* The store is about to be closed: a compaction that runs ends, and none begins any more. */
void store_stop_compacting(struct store *store);
/* Test of the disk's health, each second: background errors that rose are ERR_DISK_FAILED. */
MUST_USE enum err store_poll(struct store *store, struct why *why);

#endif
