/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the node's figures and this room's. Tables say which; all are there from the start,
 * at 0, and none has a channel in a label. */
#include "http/metrics.h"

#include "http/handlers.h"
#include "http/http.h"
#include "http/reply.h"
#include "http/stats.h"

void metrics_head(struct buf *buf, const char *prefix, const char *name, const char *type,
                  const char *help)
{
    buf_printf(buf, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, type);
}

void metrics_value(struct buf *buf, const char *prefix, const char *name, uint64_t value)
{
    buf_printf(buf, "%s%s %llu\n", prefix, name, (unsigned long long)value);
}

struct figure {
    const char *name, *type, *help;
    size_t offset; /* of a uint64_t */
};

#define NODE(field) offsetof(struct node_metrics, field)
#define SLOT(field) offsetof(struct node_slot, field)

static const struct figure node_figures[] = {
    {"message_delete_total", "counter", "Delete operations applied by this node.",
     NODE(deletes_total)},
    {"message_delete_range_total", "counter",
     "Delete operations applied by this node that covered more than one seq.",
     NODE(range_deletes_total)},
    {"messages_deleted_total", "counter", "Messages that deletes took away on this node.",
     NODE(deleted_messages_total)},
    {"messages_appended_total", "counter", "Messages appended by this node.",
     NODE(appended_messages_total)},
    {"appended_bytes_total", "counter", "Payload bytes appended by this node.",
     NODE(appended_bytes_total)},
    {"duplicates_total", "counter", "Sends answered from an earlier one with the same number.",
     NODE(duplicates_total)},
    {"proposals_total", "counter", "Commands proposed.", NODE(proposals_total)},
    {"proposals_refused_total", "counter", "Commands refused before anything was written.",
     NODE(proposals_refused_total)},
    {"outcome_unknown_total", "counter", "Commands whose outcome could not be told in time.",
     NODE(outcome_unknown_total)},
    {"reads_total", "counter", "Reads confirmed.", NODE(reads_total)},
    {"entries_written_total", "counter", "Log entries written.", NODE(entries_written_total)},
    {"write_batches_total", "counter", "Synced batches written.", NODE(batches_total)},
    {"applied_entries_total", "counter", "Log entries applied.", NODE(applied_entries_total)},
    {"packets_sent_total", "counter", "Packets sent to peers.", NODE(packets_sent_total)},
    {"packets_received_total", "counter", "Packets received from peers.",
     NODE(packets_received_total)},
    {"packets_dropped_total", "counter", "Packets dropped because a queue was full.",
     NODE(packets_dropped_total)},
    {"peer_sent_bytes_total", "counter", "Bytes sent to peers.", NODE(peer_bytes_sent_total)},
    {"peer_received_bytes_total", "counter", "Bytes received from peers.",
     NODE(peer_bytes_received_total)},
    {"peer_garbage_total", "counter", "Frames from peers that could not be understood.",
     NODE(peer_garbage_total)},
    {"elections_total", "counter", "Elections that this node started.", NODE(elections_total)},
    {"leader_changes_total", "counter", "Changes of a slot's leader that this node saw.",
     NODE(leader_changes_total)},
    {"catchup_failed_total", "counter", "Catch-ups led here that were broken off.",
     NODE(catchup_failed_total)},
    {"catchup_sent_bytes_total", "counter", "Bytes of catch-ups sent.",
     NODE(catchup_sent_bytes_total)},
    {"catchup_received_bytes_total", "counter", "Bytes of catch-ups received.",
     NODE(catchup_received_bytes_total)},
    {"refused_chunks_total", "counter", "Chunks of catch-ups that were refused.",
     NODE(refused_chunks_total)},
    {"replica_full_sync_total", "counter", "Full installs completed by this node as receiver.",
     NODE(full_syncs_total)},
    {"replica_recovery_total", "counter", "Catch-ups completed by this node in any mode.",
     NODE(recoveries_total)},
    {"digests_equal_total", "counter", "Comparisons of replicas that found them equal.",
     NODE(digests_equal_total)},
    {"digests_different_total", "counter", "Comparisons of replicas that found them different.",
     NODE(digests_different_total)},
    {"digests_unknown_total", "counter", "Comparisons of replicas that could not be made.",
     NODE(digests_unknown_total)},
    {"delete_log_floor_raises_total", "counter",
     "Times this node, as leader, raised a delete log's floor.", NODE(floor_raises_total)},
    {"submit_queue_depth", "gauge", "Calls that wait for the loop.", NODE(submit_queue_depth)},
    {"submit_queue_bytes", "gauge", "Bytes of the calls that wait for the loop.",
     NODE(submit_queue_bytes)},
    {"open_calls", "gauge", "Calls that are not answered yet.", NODE(open_calls)},
    {"unapplied_entries", "gauge", "Entries committed and not applied yet.",
     NODE(unapplied_entries)},
    {"rocksdb_memtable_bytes", "gauge", "Memory of all memtables.", NODE(memtable_bytes)},
    {"rocksdb_block_cache_bytes", "gauge", "Memory of the block cache.", NODE(block_cache_bytes)},
    {"rocksdb_table_readers_bytes", "gauge", "Memory of open tables.", NODE(table_readers_bytes)},
    {"rocksdb_live_sst_bytes", "gauge", "Size of the live tables.", NODE(live_sst_bytes)},
    {"rocksdb_wal_bytes", "gauge", "Size of the write-ahead logs.", NODE(wal_bytes)},
    {"rocksdb_pending_compaction_bytes", "gauge", "Estimated bytes that wait for compaction.",
     NODE(pending_compaction_bytes)},
    {"rocksdb_background_errors", "gauge", "Errors of background work.", NODE(background_errors)},
    {"rocksdb_snapshots", "gauge", "Open snapshots.", NODE(store_snapshots)},
    {"rocksdb_range_tombstones", "gauge", "Range tombstones in the memtables.",
     NODE(range_tombstones)},
    {"disk_free_bytes", "gauge", "Free space on the data folder's disk.", NODE(disk_free_bytes)},
    {"disk_total_bytes", "gauge", "Size of the data folder's disk.", NODE(disk_total_bytes)},
};

static const struct figure slot_figures[] = {
    {"raft_log_count", "gauge", "Entries in the slot's log.", SLOT(log_count)},
    {"raft_log_size_bytes", "gauge", "Bytes of the slot's log.", SLOT(log_bytes)},
    {"raft_log_first_index", "gauge", "First index in the slot's log.", SLOT(first_index)},
    {"raft_log_last_index", "gauge", "Last index in the slot's log.", SLOT(last_index)},
    {"raft_log_applied_index", "gauge", "Index applied by this node.", SLOT(applied_index)},
    {"message_delete_records_count", "gauge", "Records in the slot's delete log.",
     SLOT(delete_log_count)},
    {"delete_log_floor", "gauge", "Highest index whose delete record may be gone.",
     SLOT(delete_log_floor)},
};

static const struct {
    const char *name, *help;
    size_t offset; /* of a struct node_histogram */
} histograms[] = {
    {"fsync_seconds", "Time of a synced write.", NODE(fsync)},
    {"apply_seconds", "Time to apply a batch of entries.", NODE(apply)},
    {"commit_seconds", "Time from a proposal to its commit.", NODE(commit)},
    {"loop_turn_seconds", "Time of a turn of the node's loop.", NODE(loop_turn)},
};

static uint64_t field_of(const void *base, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

static void write_histogram(struct buf *buf, const char *prefix, const char *name, const char *help,
                            const struct node_histogram *histogram)
{
    uint64_t sum = 0;
    metrics_head(buf, prefix, name, "histogram", help);
    for (int i = 0; i < NODE_HISTOGRAM_BUCKETS - 1; i++) {
        sum += histogram->buckets[i];
        buf_printf(buf, "%s%s_bucket{le=\"%g\"} %llu\n", prefix, name,
                   (double)((uint64_t)16 << i) / 1e6, (unsigned long long)sum);
    }
    sum += histogram->buckets[NODE_HISTOGRAM_BUCKETS - 1];
    buf_printf(buf, "%s%s_bucket{le=\"+Inf\"} %llu\n%s%s_sum %.6f\n%s%s_count %llu\n", prefix, name,
               (unsigned long long)sum, prefix, name, (double)histogram->sum_us / 1e6, prefix, name,
               (unsigned long long)sum);
}

static void write_slots(struct request *req, const char *prefix)
{
    struct node *node = http_node(req->http);
    struct buf *out = &req->out;
    uint32_t slots = node_slot_count(node);
    struct node_slot *all = arena_alloc(&req->arena, slots * sizeof(*all));
    for (uint32_t i = 0; i < slots; i++) {
        memset(&all[i], 0, sizeof(all[i]));
        all[i].slot = i;
        if (!node_get_slot(node, i, &all[i]))
            all[i].replicas_count = 0;
    }
    for (size_t f = 0; f < ARRAY_LEN(slot_figures); f++) {
        const struct figure *figure = &slot_figures[f];
        metrics_head(out, prefix, figure->name, figure->type, figure->help);
        for (uint32_t i = 0; i < slots; i++)
            buf_printf(out, "%s%s{slot=\"%u\"} %llu\n", prefix, figure->name, i,
                       (unsigned long long)field_of(&all[i], figure->offset));
    }
    uint64_t lagging = 0;
    metrics_head(out, prefix, "replica_lag_entries", "gauge",
                 "Entries that a replica of a slot led here lacks (last index minus match index).");
    for (uint32_t i = 0; i < slots; i++) {
        for (uint32_t j = 0; all[i].leader == node_self(node) && j < all[i].replicas_count; j++) {
            const struct node_replica *replica = &all[i].replicas[j];
            if (replica->node == node_self(node))
                continue;
            buf_printf(out, "%sreplica_lag_entries{slot=\"%u\",replica=\"%llu\"} %llu\n", prefix, i,
                       (unsigned long long)replica->node, (unsigned long long)replica->lag);
            lagging += replica->lag > http_options_of(req->http)->replica_lag_threshold;
        }
    }
    metrics_head(out, prefix, "replica_lag_count", "gauge",
                 "Replicas of slots led here that lag by more than the threshold.");
    metrics_value(out, prefix, "replica_lag_count", lagging);
}

static void write_catchups(struct buf *out, const char *prefix, const struct node_metrics *figures)
{
    metrics_head(out, prefix, "catchup_total", "counter",
                 "Replicas that this node, as leader, brought up, by mode and reason.");
    for (int mode = 0; mode < NODE_CATCHUP_MODES; mode++) {
        for (int reason = 0; reason < NODE_CATCHUP_REASONS; reason++)
            buf_printf(out, "%scatchup_total{mode=\"%s\",reason=\"%s\"} %llu\n", prefix,
                       node_catchup_mode_slug((enum node_catchup_mode)mode),
                       node_catchup_reason_slug((enum node_catchup_reason)reason),
                       (unsigned long long)figures->catchups[mode][reason]);
    }
    metrics_head(out, prefix, "catchup_seconds_total", "counter",
                 "Time of the catch-ups led here that ended well.");
    buf_printf(out, "%scatchup_seconds_total %llu.%03llu\n", prefix,
               (unsigned long long)(figures->catchup_ms_total / 1000),
               (unsigned long long)(figures->catchup_ms_total % 1000));
}

void metrics_run(struct request *req)
{
    const char *prefix = http_options_of(req->http)->metrics_prefix;
    struct node_metrics *figures = arena_zero(&req->arena, sizeof(*figures));
    struct buf *out = &req->out;
    node_get_metrics(http_node(req->http), figures);
    for (size_t i = 0; i < ARRAY_LEN(node_figures); i++) {
        const struct figure *figure = &node_figures[i];
        metrics_head(out, prefix, figure->name, figure->type, figure->help);
        metrics_value(out, prefix, figure->name, field_of(figures, figure->offset));
    }
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++)
        write_histogram(out, prefix, histograms[i].name, histograms[i].help,
                        (const struct node_histogram *)(const void *)((const char *)figures +
                                                                      histograms[i].offset));
    write_slots(req, prefix);
    write_catchups(out, prefix, figures);
    metrics_head(out, prefix, "http_connections", "gauge", "Open client connections.");
    metrics_value(out, prefix, "http_connections", http_connections(req->http));
    struct http_stats *stats = arena_alloc(&req->arena, sizeof(*stats));
    http_sum_stats(req->http, stats);
    stats_write(stats, prefix, out);
    reply_send(req, 200, MEDIA_METRICS);
}
