/* SPDX-License-Identifier: Apache-2.0 */
/* A node's folder as it is left behind: two slots on RocksDB, its log, state and membership. */
#ifndef TESTS_UNIT_RESCUE_OLD_H
#define TESTS_UNIT_RESCUE_OLD_H

#include <check.h>

#include "msg/msg.h"
#include "raft/types.h"
#include "rescue/rescue.h"
#include "unit.h"
#include "wire/command.h"

Suite *suite_journal(void);
Suite *suite_build(void);
Suite *suite_lost(void);

enum { OLD_SLOTS = 2 };

struct old {
    char *dir;
    struct store *store;
    struct msg *msg;
    uint64_t term, time_ms;
    uint64_t last[OLD_SLOTS];
};

#define ck_assert_ok(expr)                                                                         \
    do {                                                                                           \
        struct why why_ = {0};                                                                     \
        struct why *why = &why_;                                                                   \
        enum err err_ = (expr);                                                                    \
        ck_assert_msg(err_ == OK, "%s: %s (%s)", #expr, err_slug(err_), why->text);                \
    } while (0)

/* In base/id; members 1, 2 and 3 by its membership. */
void old_open(struct old *old, const char *base, node_id id);
void old_close(struct old *old); /* the folder stays */
uint32_t old_slot(const char *channel);
/* A command as a log entry; applied too, or not (yet). Returns its index. */
uint64_t old_append(struct old *old, const char *channel, const char *payload, bool is_applied);
uint64_t old_delete(struct old *old, const char *channel, uint64_t start, uint64_t end,
                    bool is_applied);

/* The table of the cluster's nodes 1, 2 and 3, applied in slot 0. */
void old_table(struct old *old);
void old_table_without(struct old *old, node_id removed); /* it left the cluster */

/* A journal line of such a delete, and a mark. */
void line_delete(struct buf *buf, const char *channel, uint64_t index, uint64_t after,
                 uint64_t start, uint64_t end, uint64_t time_ms);
void line_mark(struct buf *buf, uint32_t slot, uint64_t after, uint64_t through);
void write_file(const char *path, struct buf *buf); /* takes what is in buf */

/* The seqs that can be read in a channel of the folder, joined by commas, "/" and the last seq. */
const char *seqs_in(const char *dir, const char *channel);

#endif
