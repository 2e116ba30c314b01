/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of a store: a folder of them, each a folder with a copy of the database and a manifest
 * that says whose it is and what each slot held.
 *
 *   DIR/ID/manifest        written last, replaced as a whole
 *   DIR/ID/db/             the copy: store_checkpoint
 *   DIR/.part-ID, .gone-ID one that is being made, removed: no backup; backup_sweep removes them
 *
 * A backup holds what was deleted after it was made, and what deletes before it left in files: it
 * is to be kept as carefully as the data, and not for ever.
 * Knows files and the manifest's bytes. Refuses to know jobs, clocks, whether rows make sense.
 * Thread: any; one writer a DIR. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include "store/store.h"

enum {
    BACKUP_ID_MAX_BYTES = 64,
    BACKUP_DAMAGE_BYTES = 192,
    BACKUP_MANIFEST_MAX_BYTES = 512 * 1024,
    BACKUPS_MAX = 256 /* listed; of one DIR */
};

struct backup_slot {
    struct row_applied applied;              /* of the copy: index, term, digest */
    uint64_t last_delete;                    /* log index of its newest delete record; 0: none */
    uint64_t log_index, log_term, hard_term; /* the log's end, the highest term that was known */
    bool is_incomplete; /* an install was under way, or it was known to be wrong: not to be used */
};

struct backup_manifest {
    char id[BACKUP_ID_MAX_BYTES + 1];
    struct store_identity identity; /* created is not kept */
    uint64_t created_ms;
    uint64_t verified_ms;             /* 0: not yet */
    uint64_t bytes;                   /* of all files, when it was made */
    char damage[BACKUP_DAMAGE_BYTES]; /* what the last verification found; "": nothing */
    struct backup_slot *slots;        /* owned; identity.slot_count */
};
void backup_manifest_done(struct backup_manifest *manifest);

/* The manifest's bytes, with their CRC. */
void backup_manifest_encode(const struct backup_manifest *manifest, struct buf *buf);
/* Errors: ERR_CORRUPT       damaged or cut, or figures that cannot be.
 *         ERR_WRONG_FORMAT  of a version that this one does not know. */
MUST_USE enum err backup_manifest_decode(struct bytes bytes, struct backup_manifest *ret,
                                         struct why *why);

/* 1 to 64 of a-z A-Z 0-9 . _ -, the first no dot. ERR_BAD_PARAMETER. */
MUST_USE enum err backup_check_id(struct bytes id, struct why *why);

/* Copies the store as it is now, reads what each slot of the copy holds, and gives it a manifest,
 * not verified. On success the caller ends *ret with backup_manifest_done.
 * Errors: ERR_CONFLICT  there is one of that id; those of store_checkpoint; nothing is left but a
 *         .part, for backup_sweep. */
MUST_USE enum err backup_make(struct store *store, const char *dir, const char *id,
                              uint64_t created_ms, struct backup_manifest *ret, struct why *why);
/* Replaces the manifest, as after a verification. */
MUST_USE enum err backup_write_manifest(const char *dir, const struct backup_manifest *manifest,
                                        struct why *why);
/* path: of one backup. ERR_NOT_FOUND, and as backup_manifest_decode. */
MUST_USE enum err backup_read_manifest(const char *path, struct backup_manifest *ret,
                                       struct why *why);
/* What a store holds of a slot; *ret is zeroed before. */
MUST_USE enum err backup_read_slot(struct store *store, uint32_t slot, struct backup_slot *ret,
                                   struct why *why);
/* The copy in it, to be read alone. The caller ends it with store_close. */
MUST_USE enum err backup_open(const char *path, struct store **ret_store, struct why *why);

struct backup_list {
    struct backup_manifest *items; /* owned; oldest first; no slots. One that cannot be read has its
                                    * id and damage alone */
    uint32_t count, left_out;      /* beyond BACKUPS_MAX */
};
/* Fine when DIR is not there. */
MUST_USE enum err backup_list(const char *dir, struct backup_list *ret, struct why *why);
void backup_list_done(struct backup_list *list);
bool backup_is_there(const char *dir, const char *id);

/* It is none from now on; its bytes go with the next sweep. ERR_NOT_FOUND. */
MUST_USE enum err backup_remove(const char *dir, const char *id, struct why *why);
/* Removes what is no backup: interrupted ones, removed ones. */
MUST_USE enum err backup_sweep(const char *dir, struct why *why);

#endif
