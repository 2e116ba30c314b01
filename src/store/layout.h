/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of every key (README.md has it byte by byte). Numbers are big-endian, so that keys
 * sort as their numbers do; a channel id ends with 0x00, which no id holds, so that ids sort as
 * their bytes do and none is the beginning of another's keys. Pure. Thread: any. */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include "base/channel.h"

enum { KEY_NAMES_MAX_BYTES = 1024 /* from_uid and client_msg_no together */ };
enum { KEY_MAX_BYTES = 2 + 8 + 1 + CHANNEL_ID_MAX_BYTES + 1 + 2 + KEY_NAMES_MAX_BYTES + 1 };
enum { PAGE_SLOTS = 16 };

struct store_key {
    uint32_t len;
    uint8_t data[KEY_MAX_BYTES];
};

static inline struct bytes key_bytes(const struct store_key *key)
{
    return bytes_of(key->data, key->len);
}

/* default */
void key_identity(struct store_key *ret);
void key_boot(struct store_key *ret);
void key_peer(struct store_key *ret, uint64_t node_id);

/* slots */
void key_page(struct store_key *ret, uint32_t page);
void key_slot_value(struct store_key *ret, uint32_t slot, uint8_t which);
void key_config(struct store_key *ret, uint32_t slot, uint64_t index);
bool key_config_parse(struct bytes key, uint64_t *ret_index);

/* raft */
void key_hard_state(struct store_key *ret, uint32_t slot);
void key_entry(struct store_key *ret, uint32_t slot, uint64_t index);
bool key_entry_parse(struct bytes key, uint64_t *ret_index);

/* Every key of the slot in messages, channels, deleted, delete_log, dedup begins with this. */
void key_slot(struct store_key *ret, uint32_t slot);

/* channels: the name; messages and deleted: the name and a number (seq, start). */
void key_channel(struct store_key *ret, uint32_t slot, struct channel channel);
void key_channel_seq(struct store_key *ret, uint32_t slot, struct channel channel, uint64_t seq);
/* slot, type and the beginning of an id, without its end: for scans. */
void key_channel_prefix(struct store_key *ret, uint32_t slot, uint32_t type, struct bytes prefix);
bool key_channel_parse(struct bytes key, uint32_t *ret_slot, struct channel *ret_channel);
bool key_channel_seq_parse(struct bytes key, uint32_t *ret_slot, struct channel *ret_channel,
                           uint64_t *ret_seq);

/* delete_log */
void key_delete_record(struct store_key *ret, uint32_t slot, uint64_t log_index);
bool key_delete_record_parse(struct bytes key, uint64_t *ret_log_index);
void key_delete_index(struct store_key *ret, uint32_t slot, struct channel channel,
                      uint64_t log_index);
bool key_delete_index_parse(struct bytes key, uint64_t *ret_log_index);

/* dedup */
void key_dedup(struct store_key *ret, uint32_t slot, uint64_t generation, struct channel channel,
               struct bytes from_uid, struct bytes client_msg_no);
void key_dedup_generation(struct store_key *ret, uint32_t slot, uint64_t generation);
bool key_dedup_parse(struct bytes key, uint64_t *ret_generation, struct channel *ret_channel,
                     struct bytes *ret_from_uid, struct bytes *ret_client_msg_no);

/* The smallest key above key itself. */
void key_step(struct store_key *key);
/* The smallest key above every key that begins with key's bytes (they are not all 0xff). */
void key_end_of_prefix(struct store_key *key);

#endif
