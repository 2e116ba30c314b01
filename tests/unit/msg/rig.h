/* SPDX-License-Identifier: Apache-2.0 */
/* A store, a state machine on it, and short ways to build and apply commands. */
#ifndef TESTS_UNIT_MSG_RIG_H
#define TESTS_UNIT_MSG_RIG_H

#include <check.h>

#include "base/arena.h"
#include "base/rng.h"
#include "msg/msg.h"
#include "store/memdisk.h"
#include "wire/command.h"

enum { RIG_SLOTS = 2 };

struct rig {
    struct memdisk *disk; /* NULL: RocksDB in dir */
    char *dir;
    struct store *store;
    struct msg *msg;
    struct arena arena;        /* for queries and commands; rig_clear */
    uint64_t index[RIG_SLOTS]; /* last one applied */
    uint32_t cache_channels;
    uint64_t batch_max_bytes;
    bool flush_each;
    uint64_t time_ms; /* of the next command */
};

void rig_open_memory(struct rig *rig);
void rig_open_rocks(struct rig *rig);
/* Closes the state machine and the store and opens both again; what was not flushed is lost. */
void rig_reopen(struct rig *rig);
void rig_crash(struct rig *rig, int64_t keep);
void rig_close(struct rig *rig);
uint32_t rig_slot(struct channel channel);
struct channel channel_of(const char *id);

struct command_message message_of(const char *payload, const char *client_msg_no);
struct command_message message_from(const char *payload, const char *from_uid,
                                    const char *client_msg_no);

/* Encodes and applies at the next index of the slot. Free the result. */
struct msg_result *rig_apply(struct rig *rig, uint32_t slot, const struct command *command);
struct msg_append_result rig_append(struct rig *rig, const char *channel,
                                    struct command_message message);
/* n messages of few bytes, no client_msg_no. */
void rig_fill(struct rig *rig, const char *channel, uint32_t n);
struct msg_append_result rig_append_expecting(struct rig *rig, const char *channel,
                                              struct command_message message, uint64_t expected);
struct msg_result *rig_append_batch(struct rig *rig, const char *channel,
                                    const struct command_message *messages, uint32_t count,
                                    uint16_t flags);
/* The result's ranges live until rig_clear. */
struct msg_delete_result rig_delete(struct rig *rig, const char *channel, uint64_t start,
                                    uint64_t end);
struct msg_delete_result rig_delete_ranges(struct rig *rig, const char *channel,
                                           const struct range *ranges, uint32_t count,
                                           uint16_t flags);
void rig_generation(struct rig *rig, uint32_t slot, uint64_t window_ms);
void rig_flush(struct rig *rig);
void rig_clear(struct rig *rig);

/* Page of the flushed state. */
struct msg_page rig_page(struct rig *rig, const char *channel, uint64_t from, uint64_t to,
                         uint32_t limit, bool descending);
/* Flushes, and fails the test unless stored and recomputed digest agree and all shapes fit. */
struct hash128 rig_check(struct rig *rig, uint32_t slot);
/* All logical rows of a slot as text. */
void rig_dump(struct rig *rig, uint32_t slot, struct buf *ret);

#define ck_assert_ok(expr)                                                                         \
    do {                                                                                           \
        struct why why_ = {0};                                                                     \
        struct why *why = &why_;                                                                   \
        enum err err_ = (expr);                                                                    \
        ck_assert_msg(err_ == OK, "%s: %s (%s)", #expr, err_slug(err_), why->text);                \
    } while (0)

#endif
