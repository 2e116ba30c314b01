/* SPDX-License-Identifier: Apache-2.0 */
/* A disk in memory, for the simulator and for tests: it outlives the store on it, loses what was
 * not synced, fails on demand. Whatever happens to it is asked for: nothing is random here.
 * What changes the disk as a whole (crash, wipe, damage, clone) is called while no store is open on
 * it, but for memdisk_clone and the faults. Thread: any. */
#ifndef STORE_MEMDISK_H
#define STORE_MEMDISK_H

#include "store/store.h"

struct memdisk;

struct memdisk *memdisk_new(void);
void memdisk_free(struct memdisk *disk); /* NULL is fine; no store may be open on it */
/* A copy of all it holds now, as one would copy a folder: nothing in it is unsynced. */
struct memdisk *memdisk_clone(struct memdisk *disk);
void memdisk_wipe(struct memdisk *disk);          /* an empty disk */
void memdisk_wipe_database(struct memdisk *disk); /* the promise file stays */
void memdisk_wipe_promise(struct memdisk *disk);  /* the database stays */

/* ---- crashes -------------------------------------------------------------------------------- */
enum { MEMDISK_KEEP_ALL = -1 };
/* Batches written and not yet covered by a synced one. */
uint32_t memdisk_unsynced_batches(struct memdisk *disk);
/* Of the unsynced batches the first `keep` survive, and nothing of the promise file's unsynced
 * writes: a power cut. MEMDISK_KEEP_ALL: all of both survive, as when a process is killed. */
void memdisk_crash(struct memdisk *disk, int64_t keep);
/* The same power cut, but of the first lost batch `operations` rows survive: a torn batch, which a
 * log that is whole cannot give. */
void memdisk_crash_torn(struct memdisk *disk, int64_t keep, uint32_t operations);
/* The promise file's unsynced writes survive a power cut half-written. */
void memdisk_tear_promise(struct memdisk *disk);

/* ---- faults --------------------------------------------------------------------------------- */
enum memdisk_outcome {
    MEMDISK_ABSENT, /* after the next open the failed batch is not there */
    MEMDISK_PRESENT /* it is there all the same */
};
/* The n-th write from now on (1: the next; 0: none) fails, and all after it until the next open. */
void memdisk_fail_write(struct memdisk *disk, uint64_t n, enum memdisk_outcome outcome);
/* Likewise, but only writes with sync are counted. The batch is as one that was not synced. */
void memdisk_fail_sync(struct memdisk *disk, uint64_t n, enum memdisk_outcome outcome);
/* The n-th read from now on (a get, or a step of an iterator) fails, and all after it until the
 * next open. 0: none. */
void memdisk_fail_read(struct memdisk *disk, uint64_t n);
/* The promise file's n-th write or sync from now on fails. 0: none. */
void memdisk_fail_promise(struct memdisk *disk, uint64_t n);
/* What store_stats says of the space; with no free byte each write fails. At first 1 TiB of both. */
void memdisk_set_space(struct memdisk *disk, uint64_t free_bytes, uint64_t total_bytes);
uint64_t memdisk_free_bytes(struct memdisk *disk);
void memdisk_set_free(struct memdisk *disk, uint64_t free_bytes); /* the total stays */
/* The next opens find the log damaged: ERR_LOG_TOO_SHORT. */
void memdisk_refuse_log(struct memdisk *disk, bool refuse);

/* ---- damage ---------------------------------------------------------------------------------- */
uint64_t memdisk_rows(struct memdisk *disk, enum store_family family); /* rows that can be read */
/* Flips one bit in the value of row number `row % rows` of the family (in key order), at bit
 * `bit % bits`. False when the family is empty. */
bool memdisk_flip(struct memdisk *disk, enum store_family family, uint64_t row, uint64_t bit);
/* Puts the value of one row under another's key: a misplaced write. False with under two rows. */
bool memdisk_misplace(struct memdisk *disk, enum store_family family, uint64_t from, uint64_t to);
/* Flips a bit of the promise file; false when it has none. */
bool memdisk_flip_promise(struct memdisk *disk, uint64_t bit);

#endif
