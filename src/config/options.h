/* SPDX-License-Identifier: Apache-2.0 */
/* Every option there is, once. From this table come the struct, the file's keys, the environment
 * variables, the flags, the range errors, --print-config and conf/lethe.yaml.
 *
 *   type     TEXT    any text
 *            CHOICE  one of the words in `unit`
 *            NUMBER  a whole number from min to max
 *            SIZE    bytes; 8MiB, 64KiB, 1GiB or a plain number
 *            TIME    kept in milliseconds; 250ms, 10s, 5m, 2h, 7d
 *            BOOL    true or false
 *            LIST    texts; in the environment and in flags separated by commas
 *   default  as one would write it in the file
 *   reload   RELOAD: SIGHUP takes a new value over; FIXED: only a restart does
 *
 * The order is that of the printed file: options of one section stand together. */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

/* clang-format off */
#define CONFIG_KIB 1024ull
#define CONFIG_MIB (1024ull * 1024)
#define CONFIG_GIB (1024ull * 1024 * 1024)
#define CONFIG_HOUR_MS (3600ull * 1000)

#define CONFIG_TABLE(X) \
    /* field, key, type, default, min, max, unit, reload, help */ \
    X(node_id, "node.id", NUMBER, "1", 1, 65535, "", FIXED, \
      "number of this node in the cluster; never reused for another data directory") \
    X(node_data_dir, "node.data_dir", TEXT, "lethe-data", 1, 4096, "", FIXED, \
      "where this node keeps its data; made when it is missing; one process at a time") \
    X(node_zone, "node.zone", TEXT, "", 0, 64, "", FIXED, \
      "rack or room of this node: replicas of a slot stand in different ones when they can") \
    X(node_queue_max_commands, "node.queue_max_commands", NUMBER, "1024", 1, 1048576, "commands", RELOAD, \
      "writes of this node's clients that may be under way, fewer while they take long; beyond that 503 queue_full") \
    X(node_queue_max_bytes, "node.queue_max_bytes", SIZE, "64MiB", CONFIG_MIB, 64 * CONFIG_GIB, "", RELOAD, \
      "bytes of writes that may wait for the loop") \
    X(node_stop_timeout_ms, "node.stop_timeout", TIME, "10s", 0, CONFIG_HOUR_MS, "", RELOAD, \
      "how long a stopping node waits for requests that are open") \
    X(http_listen, "http.listen", TEXT, "127.0.0.1:5001", 1, 255, "", FIXED, \
      "address and port for clients; [::1]:5001 for IPv6, 0.0.0.0:5001 for every interface") \
    X(http_admin_listen, "http.admin_listen", TEXT, "", 0, 255, "", FIXED, \
      "address and port of a second listener; then orders (/v1/admin) are taken there only; empty: none") \
    X(http_advertise, "http.advertise", TEXT, "", 0, 255, "", FIXED, \
      "host and port that clients reach this node by, for redirects; empty: as http.listen") \
    X(http_threads, "http.threads", NUMBER, "0", 0, 128, "threads", FIXED, \
      "loops that serve requests, each its share of the connections; 0: two") \
    X(http_max_connections, "http.max_connections", NUMBER, "2000", 1, 12800, "connections", RELOAD, \
      "open client connections; more wait until one closes") \
    X(http_max_connections_per_address, "http.max_connections_per_address", NUMBER, "0", 0, 12800, "connections", RELOAD, \
      "of one address (IPv6: of its first 64 bits); more are closed at once; 0: no bound of its own") \
    X(http_max_inflight_bytes, "http.max_inflight_bytes", SIZE, "512MiB", 8 * CONFIG_MIB, 1024 * CONFIG_GIB, "", RELOAD, \
      "bytes of request bodies and replies in memory; beyond that new requests get 503 busy") \
    X(http_max_body_bytes, "http.max_body_bytes", SIZE, "8MiB", CONFIG_KIB, 8 * CONFIG_MIB, "", RELOAD, \
      "largest request body; larger ones get 413") \
    X(http_max_message_bytes, "http.max_message_bytes", SIZE, "1MiB", 1, 8 * CONFIG_MIB, "", RELOAD, \
      "largest payload of one message; larger ones get 413") \
    X(http_request_timeout_ms, "http.request_timeout", TIME, "10s", 10, CONFIG_HOUR_MS, "", RELOAD, \
      "a request is answered by then, whatever happens") \
    X(http_cors_origins, "http.cors_origins", LIST, "", 0, 16, "", FIXED, \
      "pages of these origins may ask this node from a browser: https://app.example.org, or * for all; empty: none") \
    X(http_tls_certificate, "http.tls.certificate", TEXT, "", 0, 4096, "", FIXED, \
      "PEM file with the certificate for clients and its chain; SIGHUP reads it again; empty: plain HTTP") \
    X(http_tls_key, "http.tls.key", TEXT, "", 0, 4096, "", FIXED, \
      "PEM file with the certificate's key, without a password") \
    X(cluster_id, "cluster.id", TEXT, "", 0, 64, "", FIXED, \
      "name of the cluster, the same on all members; required for several members") \
    X(cluster_listen, "cluster.listen", TEXT, "127.0.0.1:11110", 1, 255, "", FIXED, \
      "address and port for the other members; not opened by a cluster of one") \
    X(cluster_advertise, "cluster.advertise", TEXT, "", 0, 255, "", FIXED, \
      "host and port that members reach this node by; empty: as in cluster.members") \
    X(cluster_members, "cluster.members", LIST, "", 0, 64, "", FIXED, \
      "the first members, id@host:port each, this one included; empty: a cluster of one") \
    X(cluster_join, "cluster.join", BOOL, "false", 0, 1, "", FIXED, \
      "an empty data folder waits until the cluster of cluster.members adds this node, and founds none") \
    X(cluster_replica_count, "cluster.replica_count", NUMBER, "3", 1, 7, "nodes", FIXED, \
      "how many nodes hold each slot, when there are as many; taken over when a cluster begins") \
    X(cluster_slot_count, "cluster.slot_count", NUMBER, "64", 1, 4096, "slots", FIXED, \
      "Raft groups that channels are spread over; fixed for a cluster's life") \
    X(cluster_tick_ms, "cluster.tick", TIME, "100ms", 10, 10000, "", FIXED, \
      "Raft's unit of time: a heartbeat each, an election after about ten without one") \
    X(cluster_replica_lag_threshold, "cluster.replica_lag_threshold", NUMBER, "1000", 1, 1000000000, "entries", RELOAD, \
      "a replica further behind than this counts as lagging in the metrics") \
    X(cluster_balance, "cluster.balance", BOOL, "true", 0, 1, "", RELOAD, \
      "nodes hand leaderships over by themselves until each leads its share") \
    X(cluster_catchup_bytes_per_s, "cluster.catchup_bytes_per_second", SIZE, "32MiB", 0, 1024 * CONFIG_GIB, "", RELOAD, \
      "what this node sends to replicas that catch up without the log; 0: as fast as it can") \
    X(cluster_check_interval_ms, "cluster.check_interval", TIME, "24h", 0, 87600 * CONFIG_HOUR_MS, "", RELOAD, \
      "how often a node has the replicas of the slots that it leads checked from stored bytes; 0: never") \
    X(cluster_check_bytes_per_s, "cluster.check_bytes_per_second", SIZE, "8MiB", 0, 1024 * CONFIG_GIB, "", RELOAD, \
      "what a consistency check reads on this node; 0: as fast as it can") \
    X(cluster_tls_authority, "cluster.tls.authority", TEXT, "", 0, 4096, "", FIXED, \
      "PEM file with the certificates of who vouches for members; nobody else's are taken") \
    X(cluster_tls_certificate, "cluster.tls.certificate", TEXT, "", 0, 4096, "", FIXED, \
      "PEM file with this node's certificate, which has the URI lethe://CLUSTER/NODE; SIGHUP reads it again; empty: members are believed") \
    X(cluster_tls_key, "cluster.tls.key", TEXT, "", 0, 4096, "", FIXED, \
      "PEM file with its key, without a password") \
    X(cluster_tls_revoked, "cluster.tls.revoked", TEXT, "", 0, 4096, "", FIXED, \
      "PEM file with the authorities' lists of certificates that they took back; SIGHUP reads it again, and cuts the links of who is in it") \
    X(log_keep_applied, "cluster.raft_log_retention.keep_applied_logs", NUMBER, "100000", 0, 1000000000, "entries", RELOAD, \
      "applied entries kept for members that come back; the largest lower bound wins") \
    X(log_keep_hours, "cluster.raft_log_retention.keep_hours", NUMBER, "48", 0, 87600, "hours", RELOAD, \
      "entries younger than this are kept") \
    X(log_min_keep, "cluster.raft_log_retention.min_keep_logs", NUMBER, "10000", 0, 1000000000, "entries", RELOAD, \
      "entries kept at the least") \
    X(log_max_bytes, "cluster.raft_log_retention.max_bytes", SIZE, "64MiB", CONFIG_MIB, 1024 * CONFIG_GIB, "", RELOAD, \
      "cap of one slot's log; wins over the three lower bounds") \
    X(delete_log_retention_days, "delete_log.retention_days", NUMBER, "30", 0, 36500, "days", RELOAD, \
      "age before a record of the delete log may go; it also must be applied by every member") \
    X(delete_log_max_records, "delete_log.max_records", NUMBER, "1000000", 1, 1000000000, "records", RELOAD, \
      "records kept in a slot; beyond that the oldest go whoever is behind, who then takes a full copy") \
    X(dedup_window_hours, "dedup.window_hours", NUMBER, "24", 1, 8760, "hours", RELOAD, \
      "how long a repeated client_msg_no gives the first result; made longer, it counts for what is still known") \
    X(storage_block_cache_bytes, "storage.block_cache_bytes", SIZE, "32MiB", CONFIG_MIB, 1024 * CONFIG_GIB, "", FIXED, \
      "memory for blocks read from disk") \
    X(storage_memtable_bytes, "storage.memtable_bytes", SIZE, "128MiB", 4 * CONFIG_MIB, 64 * CONFIG_GIB, "", FIXED, \
      "memory for rows not yet written to table files") \
    X(storage_soft_free_bytes, "storage.soft_free_bytes", SIZE, "512MiB", 0, 1024 * CONFIG_GIB, "", RELOAD, \
      "with less free disk than this, appends get 507; reads and deletes go on") \
    X(storage_hard_free_bytes, "storage.hard_free_bytes", SIZE, "64MiB", 0, 1024 * CONFIG_GIB, "", RELOAD, \
      "with less than this the ballast is freed for deletes, and no appends are taken from leaders; at most half of soft_free_bytes counts") \
    X(storage_ballast_bytes, "storage.ballast_bytes", SIZE, "64MiB", 0, 64 * CONFIG_GIB, "", FIXED, \
      "a file that only takes up room until a full disk needs it; 0: none") \
    X(storage_backup_dir, "storage.backup_dir", TEXT, "", 0, 4096, "", FIXED, \
      "folder of this node's backups; empty means backups in the data folder, where a copy costs no room at first") \
    X(storage_backup_keep, "storage.backup_keep", NUMBER, "7", 0, 200, "backups", RELOAD, \
      "good backups that are kept: the oldest goes when one more was made; 0 keeps all") \
    X(storage_backup_expire_days, "storage.backup_expire_days", NUMBER, "30", 0, 36500, "days", RELOAD, \
      "age at which a backup is removed, as it holds what was deleted since; 0 means never") \
    X(auth_tokens_file, "auth.tokens_file", TEXT, "", 0, 4096, "", FIXED, \
      "who may do what: a line a token, made by 'lethed token'; SIGHUP reads it again; empty: no tokens, everybody may do everything") \
    X(auth_allow_insecure, "auth.allow_insecure", BOOL, "false", 0, 1, "", FIXED, \
      "listen on other than loopback addresses although nobody has to prove who they are") \
    X(log_level, "log.level", CHOICE, "info", 0, 0, "error|warn|info|debug", RELOAD, \
      "the least important lines that are still written to stderr; audit lines always are, unless log.rooms says otherwise") \
    X(log_rooms, "log.rooms", LIST, "", 0, 16, "", RELOAD, \
      "rooms with a level of their own, room=level each: net=debug,http=warn") \
    X(log_format, "log.format", CHOICE, "text", 0, 0, "text|json", RELOAD, \
      "how a line of the log looks") \
    X(log_access, "log.access", BOOL, "false", 0, 1, "", RELOAD, \
      "a line for every request that is answered, up to 1,000 a second: token, path, status, bytes, time") \
    X(log_audit_reads, "log.audit_reads", BOOL, "false", 0, 1, "", RELOAD, \
      "audit lines also for what operators only read; orders, deletes and who was denied one always have one") \
    X(metrics_prefix, "metrics.prefix", TEXT, "lethe_", 1, 64, "", FIXED, \
      "what the names at /metrics begin with")

/* Sections that the printed file explains in a line. */
#define CONFIG_SECTIONS(X) \
    X("node", "This process and its data.") \
    X("http", "The address that clients talk to.") \
    X("http.tls", "HTTPS, TLS 1.2 and 1.3.") \
    X("cluster", "The other nodes, and how data is spread over them.") \
    X("cluster.tls", "Mutual TLS between members: all three files, on all members.") \
    X("cluster.raft_log_retention", "How much of each slot's Raft log stays after it is applied.") \
    X("delete_log", "The record of every delete.") \
    X("dedup", "Safe retries.") \
    X("storage", "Memory and disk.") \
    X("auth", "Who may do what.") \
    X("log", "The program's own log, on stderr.") \
    X("metrics", "Prometheus.")

/* Keys that are promised and not there yet: refused with a sentence of their own, never taken
 * silently. A key stands for everything below it. */
#define CONFIG_RESERVED(X) \
    X("erasure")
/* clang-format on */

#endif
