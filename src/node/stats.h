/* SPDX-License-Identifier: Apache-2.0 */
/* stats.c: counters, histograms, and the copies that others see. Private to the room, part of parts.h.
 * Thread: loop, but for what a comment says. */
#ifndef NODE_STATS_H
#define NODE_STATS_H

#include <stdatomic.h>

#include "msg/msg.h"
#include "node/node.h"

struct stat_histogram {
    atomic_uint_fast64_t count, sum_us, buckets[NODE_HISTOGRAM_BUCKETS];
};

#define NODE_COUNTERS(X)                                                                           \
    X(appended_messages_total)                                                                     \
    X(appended_bytes_total)                                                                        \
    X(duplicates_total)                                                                            \
    X(deletes_total)                                                                               \
    X(range_deletes_total)                                                                         \
    X(deleted_messages_total)                                                                      \
    X(proposals_total)                                                                             \
    X(proposals_refused_total)                                                                     \
    X(outcome_unknown_total)                                                                       \
    X(reads_total)                                                                                 \
    X(reads_forwarded_total)                                                                       \
    X(reads_for_others_total)                                                                      \
    X(entries_written_total)                                                                       \
    X(batches_total)                                                                               \
    X(applied_entries_total)                                                                       \
    X(packets_sent_total)                                                                          \
    X(packets_received_total)                                                                      \
    X(packets_dropped_total)                                                                       \
    X(elections_total)                                                                             \
    X(leader_changes_total)                                                                        \
    X(full_syncs_total)                                                                            \
    X(recoveries_total)                                                                            \
    X(replicas_left_total)                                                                         \
    X(catchup_sent_bytes_total)                                                                    \
    X(catchup_received_bytes_total)                                                                \
    X(catchup_ms_total)                                                                            \
    X(catchup_failed_total)                                                                        \
    X(refused_chunks_total)                                                                        \
    X(digests_equal_total)                                                                         \
    X(digests_different_total)                                                                     \
    X(digests_unknown_total)                                                                       \
    X(floor_raises_total)                                                                          \
    X(checks_ok_total)                                                                             \
    X(checks_diverged_total)                                                                       \
    X(checks_unchecked_total)                                                                      \
    X(check_bytes_total)

/* Counters are relaxed atomics: any thread adds, any thread reads. */
struct stats {
#define X(name) atomic_uint_fast64_t name;
    NODE_COUNTERS(X)
#undef X
    atomic_uint_fast64_t catchups[NODE_CATCHUP_MODES][NODE_CATCHUP_REASONS];
    struct stat_histogram fsync, apply, commit, append, loop_turn;
};
#define STAT_ADD(node, name, n)                                                                    \
    atomic_fetch_add_explicit(&(node)->stats.name, (uint64_t)(n), memory_order_relaxed)
void stat_observe(struct stat_histogram *histogram, uint64_t us); /* Thread: any */
void stats_publish(struct node *node);                            /* the views of touched groups */
/* What applying a wanted command did. */
void stats_result(struct node *node, const struct msg_result *result, uint64_t bytes);

#endif
