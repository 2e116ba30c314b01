/* SPDX-License-Identifier: Apache-2.0 */
/* The values of all rows: a version byte, the fields, a CRC32C over family, key and all before it
 * (README.md has them byte by byte). Bound to its key, a row that lands under another one, or an
 * old block put back, does not pass. Pure. Thread: any.
 * record_x_encode replaces what is in value; the key is the row's own. record_x_decode gives
 * ERR_CORRUPT for a bad CRC and for fields that do not fit, ERR_WRONG_FORMAT for a version this
 * program does not know; slices point into value. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/buf.h"
#include "store/layout.h"
#include "store/store.h"

enum { RECORD_VERSION = 1, RECORD_CRC_BYTES = 4 };

/* ret: the fields of a value, after its version and before its CRC. */
MUST_USE enum err record_open(enum store_family family, struct bytes key, struct bytes value,
                              struct reader *ret);
void record_seal(struct buf *value, enum store_family family, struct bytes key);

void record_identity_encode(struct buf *value, struct bytes key, const struct store_identity *row);
/* The format number stands first and is read even when it is one that this version does not know;
 * then the rest is not read: ERR_WRONG_FORMAT. */
MUST_USE enum err record_identity_decode(struct bytes key, struct bytes value,
                                         struct store_identity *ret);
void record_number_encode(struct buf *value, struct bytes key, uint64_t number);
MUST_USE enum err record_number_decode(struct bytes key, struct bytes value, uint64_t *ret);

void record_peer_encode(struct buf *value, struct bytes key, const struct row_peer *row);
MUST_USE enum err record_peer_decode(struct bytes key, struct bytes value, struct row_peer *ret);

void record_page_encode(struct buf *value, struct bytes key, const struct row_applied *rows);
MUST_USE enum err record_page_decode(struct bytes key, struct bytes value, struct row_applied *ret);
void record_opaque_encode(struct buf *value, enum store_family family, struct bytes key,
                          struct bytes opaque);
MUST_USE enum err record_opaque_decode(enum store_family family, struct bytes key,
                                       struct bytes value, struct bytes *ret);
void record_config_encode(struct buf *value, struct bytes key, uint64_t term, struct bytes config);
MUST_USE enum err record_config_decode(struct bytes key, struct bytes value, uint64_t *ret_term,
                                       struct bytes *ret_config);

void record_hard_state_encode(struct buf *value, struct bytes key,
                              const struct row_hard_state *row);
MUST_USE enum err record_hard_state_decode(struct bytes key, struct bytes value,
                                           struct row_hard_state *ret);
void record_entry_encode(struct buf *value, struct bytes key, const struct row_entry *row);
MUST_USE enum err record_entry_decode(struct bytes key, struct bytes value, struct row_entry *ret);

void record_message_encode(struct buf *value, struct bytes key, uint32_t slot,
                           const struct row_message *row);
MUST_USE enum err record_message_decode(struct bytes key, struct bytes value,
                                        struct row_message *ret);
void record_channel_encode(struct buf *value, struct bytes key, const struct row_channel *row);
MUST_USE enum err record_channel_decode(struct bytes key, struct bytes value,
                                        struct row_channel *ret);
void record_deleted_encode(struct buf *value, struct bytes key, const struct row_deleted *row);
MUST_USE enum err record_deleted_decode(struct bytes key, struct bytes value,
                                        struct row_deleted *ret);
void record_delete_record_encode(struct buf *value, struct bytes key,
                                 const struct row_delete_record *row);
/* ranges: becomes the memory that ret->ranges points into. */
MUST_USE enum err record_delete_record_decode(struct bytes key, struct bytes value,
                                              struct buf *ranges, struct row_delete_record *ret);
void record_dedup_encode(struct buf *value, struct bytes key, const struct row_dedup *row);
MUST_USE enum err record_dedup_decode(struct bytes key, struct bytes value, struct row_dedup *ret);

#endif
