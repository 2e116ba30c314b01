/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the node's figures and this room's. Tables say which; all are there from the start,
 * at 0, and none has a channel in a label. */
#include "http/metrics.h"

#include "http/handlers.h"
#include "http/http.h"
#include "http/reply.h"
#include "http/stats.h"
#include "sys/log.h"
#include "sys/process.h"

void metrics_head(struct buf *buf, const char *prefix, const char *name, const char *type,
                  const char *help)
{
    buf_printf(buf, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, type);
}

void metrics_value(struct buf *buf, const char *prefix, const char *name, uint64_t value)
{
    buf_printf(buf, "%s%s %llu\n", prefix, name, (unsigned long long)value);
}

#define NODE(field) offsetof(struct node_metrics, field)

static const struct metrics_figure node_figures[] = {
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
    {"reads_forwarded_total", "counter", "Reads that another member carried out for this node.",
     NODE(reads_forwarded_total)},
    {"reads_for_others_total", "counter", "Reads carried out here for other members.",
     NODE(reads_for_others_total)},
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
    {"peer_refused_total", "counter", "Connections of peers that this node refused.",
     NODE(peer_refused_total)},
    {"peer_certificate_refused_total", "counter",
     "Those of them whose certificate was missing, bad, or another node's.",
     NODE(peer_certificate_refused_total)},
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
    {"replicas_left_total", "counter",
     "Replicas of slots that went elsewhere, which this node has removed.",
     NODE(replicas_left_total)},
    {"digests_equal_total", "counter", "Comparisons of replicas that found them equal.",
     NODE(digests_equal_total)},
    {"digests_different_total", "counter", "Comparisons of replicas that found them different.",
     NODE(digests_different_total)},
    {"digests_unknown_total", "counter", "Comparisons of replicas that could not be made.",
     NODE(digests_unknown_total)},
    {"checks_ok_total", "counter", "Slots led here whose replicas a check found equal.",
     NODE(checks_ok_total)},
    {"checks_diverged_total", "counter", "Slots led here in which a check found other rows.",
     NODE(checks_diverged_total)},
    {"checks_unchecked_total", "counter",
     "Slots led here that a check could not ask all members of.", NODE(checks_unchecked_total)},
    {"check_read_bytes_total", "counter", "Bytes of rows that checks read back here.",
     NODE(check_bytes_total)},
    {"delete_log_floor_raises_total", "counter",
     "Times this node, as leader, raised a delete log's floor.", NODE(floor_raises_total)},
    {"submit_queue_depth", "gauge", "Calls that wait for the loop.", NODE(submit_queue_depth)},
    {"submit_queue_bytes", "gauge", "Bytes of the calls that wait for the loop.",
     NODE(submit_queue_bytes)},
    {"open_calls", "gauge", "Calls that are not answered yet.", NODE(open_calls)},
    {"open_proposal_bytes", "gauge", "Bytes of proposals whose outcome is not known yet.",
     NODE(open_bytes)},
    {"raft_tail_bytes", "gauge", "Bytes of log entries kept in memory.", NODE(tail_bytes)},
    {"peer_queued_bytes", "gauge", "Bytes that wait for the peers' links.",
     NODE(peer_queued_bytes)},
    {"catchups_running", "gauge", "Catch-ups that this node sends now.", NODE(catchups_running)},
    {"catchups_waiting", "gauge", "Replicas that wait for a catch-up from this node.",
     NODE(catchups_waiting)},
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
    {"rocksdb_oldest_snapshot_timestamp_seconds", "gauge",
     "When the oldest open snapshot was taken; 0: none is open.", NODE(oldest_snapshot_s)},
    {"rocksdb_live_versions", "gauge", "Versions of the table set that something still holds.",
     NODE(live_versions)},
    {"rocksdb_immutable_memtables", "gauge", "Memtables that wait to be written out.",
     NODE(immutable_memtables)},
    {"rocksdb_level0_files", "gauge", "Tables of level 0.", NODE(level0_files)},
    {"rocksdb_running_compactions", "gauge", "Compactions that run.", NODE(running_compactions)},
    {"rocksdb_running_flushes", "gauge", "Memtables that are being written out.",
     NODE(running_flushes)},
    {"rocksdb_writes_stopped", "gauge", "1 while all writes wait for compaction.",
     NODE(writes_stopped)},
    {"rocksdb_delayed_write_bytes_per_second", "gauge",
     "What writes are slowed down to; 0: they are not.", NODE(delayed_writes_bytes_per_s)},
    {"rocksdb_range_tombstones", "gauge", "Range tombstones in the memtables.",
     NODE(range_tombstones)},
    {"disk_free_bytes", "gauge", "Free space on the data folder's disk.", NODE(disk_free_bytes)},
    {"disk_soft_free_bytes", "gauge", "Appends are refused with less free space than this.",
     NODE(disk_soft_free_bytes)},
    {"disk_total_bytes", "gauge", "Size of the data folder's disk.", NODE(disk_total_bytes)},
};

static const struct {
    const char *name, *help;
    size_t offset; /* of a struct node_histogram */
} histograms[] = {
    {"fsync_seconds", "Time of a synced write.", NODE(fsync)},
    {"apply_seconds", "Time to apply a batch of entries.", NODE(apply)},
    {"commit_seconds", "Time from a proposal to its commit.", NODE(commit)},
    {"append_seconds", "Time from a write of messages to its answer, on the leader.", NODE(append)},
    {"loop_turn_seconds", "Time of a turn of the node's loop.", NODE(loop_turn)},
};

uint64_t metrics_field(const void *base, size_t offset)
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

static void write_process(struct buf *out, const char *prefix)
{
    struct process_figures process;
    process_get_figures(&process);
    const struct {
        const char *name, *help;
        uint64_t value;
    } gauges[] = {
        {"process_resident_memory_bytes", "Memory of the process that is in RAM.",
         process.resident_bytes},
        {"process_virtual_memory_bytes", "Address space of the process.", process.virtual_bytes},
        {"process_open_fds", "Open files and sockets.", process.open_fds},
        {"process_max_fds", "The most that may be open.", process.max_fds},
        {"process_threads", "Threads of the process.", process.threads},
        {"process_start_time_seconds", "When the process started, since 1970.",
         process.started_ms / 1000},
    };
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metrics_head(out, prefix, gauges[i].name, "gauge", gauges[i].help);
        metrics_value(out, prefix, gauges[i].name, gauges[i].value);
    }
    metrics_head(out, prefix, "process_cpu_seconds_total", "counter",
                 "Processor time of all threads.");
    buf_printf(out, "%sprocess_cpu_seconds_total %llu.%06llu\n", prefix,
               (unsigned long long)(process.cpu_us / 1000000),
               (unsigned long long)(process.cpu_us % 1000000));
    metrics_head(out, prefix, "log_lines_dropped_total", "counter",
                 "Lines of the log that stderr did not take.");
    metrics_value(out, prefix, "log_lines_dropped_total", log_dropped());
}

/* Only those that there are. */
static void write_certificates(struct request *req, const char *prefix, uint64_t peers_s)
{
    static const char name[] = "certificate_expiry_timestamp_seconds";
    uint64_t http_s = http_certificate_expiry_s(req->http);
    if (http_s == 0 && peers_s == 0)
        return;
    metrics_head(&req->out, prefix, name, "gauge",
                 "When the certificate ends, in seconds since 1970.");
    if (http_s != 0)
        buf_printf(&req->out, "%s%s{use=\"http\"} %llu\n", prefix, name,
                   (unsigned long long)http_s);
    if (peers_s != 0)
        buf_printf(&req->out, "%s%s{use=\"peers\"} %llu\n", prefix, name,
                   (unsigned long long)peers_s);
}

void metrics_run(struct request *req)
{
    const char *prefix = http_options_of(req->http)->metrics_prefix;
    struct node_metrics *figures = arena_zero(&req->arena, sizeof(*figures));
    struct buf *out = &req->out;
    node_get_metrics(http_node(req->http), figures);
    metrics_head(out, prefix, "build_info", "gauge", "The version that runs; always 1.");
    buf_printf(out, "%sbuild_info{version=\"%s\"} 1\n", prefix, LETHE_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(node_figures); i++) {
        const struct metrics_figure *figure = &node_figures[i];
        metrics_head(out, prefix, figure->name, figure->type, figure->help);
        metrics_value(out, prefix, figure->name, metrics_field(figures, figure->offset));
    }
    for (size_t i = 0; i < ARRAY_LEN(histograms); i++)
        write_histogram(out, prefix, histograms[i].name, histograms[i].help,
                        (const struct node_histogram *)(const void *)((const char *)figures +
                                                                      histograms[i].offset));
    metrics_write_slots(req, prefix);
    metrics_write_alarms(req, prefix);
    write_catchups(out, prefix, figures);
    metrics_head(out, prefix, "http_connections", "gauge", "Open client connections.");
    metrics_value(out, prefix, "http_connections", http_connections(req->http));
    metrics_head(out, prefix, "http_inflight_bytes", "gauge",
                 "Bytes of request bodies and replies in memory.");
    metrics_value(out, prefix, "http_inflight_bytes", http_inflight_bytes(req->http));
    metrics_head(out, prefix, "http_connections_refused_total", "counter",
                 "Connections closed at once because their address had too many.");
    metrics_value(out, prefix, "http_connections_refused_total",
                  http_refused_connections(req->http));
    struct http_stats *stats = arena_alloc(&req->arena, sizeof(*stats));
    http_sum_stats(req->http, stats);
    stats_write(stats, prefix, out);
    write_certificates(req, prefix, figures->peer_certificate_expiry_s);
    write_process(out, prefix);
    reply_send(req, 200, MEDIA_METRICS);
}
