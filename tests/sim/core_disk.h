/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of the core model: changed by writes, compared by chains, copied at a crash. */
#ifndef SIM_CORE_DISK_H
#define SIM_CORE_DISK_H

#include "core_model.h"

uint64_t disk_chain_at(const struct model_log *log, raft_index index); /* base.index or an entry */
void disk_log_truncate(struct model_log *log, raft_index from);
void disk_entry_drop(struct model_entry *entry);
/* The config in force at index: the newest CONFIG entry at or below it, or the base's. */
struct raft_config_at disk_config_at(const struct model_disk *disk, raft_index index);
void disk_apply_write(struct model_disk *disk, const struct model_write *write);
void disk_copy(struct model_disk *to, const struct model_disk *from);
void disk_done(struct model_disk *disk); /* empty, its memory given back */

#endif
