/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of RocksDB. Only rocks.c includes this. */
#ifndef STORE_ROCKS_OPTIONS_H
#define STORE_ROCKS_OPTIONS_H

#include <rocksdb/c.h>

#include "store/store.h"

struct rocks_options {
    rocksdb_cache_t *cache;                      /* owned; shared by all families */
    rocksdb_options_t *db;                       /* owned; of the database as a whole */
    rocksdb_options_t *families[STORE_FAMILIES]; /* owned */
};

/* ERR_DISK_FAILED with RocksDB's words when it does not take an option: a fault of ours. */
MUST_USE enum err rocks_options_init(struct rocks_options *ret, const struct store_options *options,
                                     struct why *why);
void rocks_options_done(struct rocks_options *options); /* takes a zeroed one */

#endif
