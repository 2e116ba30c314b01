/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include "http/http.h"
#include "http/tls.h"
#include "http/tokens.h"
#include "sys/log.h"

#include <stdio.h>
#include <string.h>

void setup_log(const struct config *config)
{
    enum log_level level = LOG_LEVEL_INFO;
    enum log_format format = LOG_FORMAT_TEXT;
    bool is_known = log_level_parse(config->log_level, &level);
    is_known = log_format_parse(config->log_format, &format) && is_known;
    assert(is_known); /* the table of options has the same words */
    log_set(level, format);
    log_reset_rooms();
    for (size_t i = 0; i < config->log_rooms.count; i++) {
        char room[32] = "";
        const char *item = config->log_rooms.items[i];
        const char *word = strchr(item, '=');
        assert(word != NULL && (size_t)(word - item) < sizeof(room)); /* as config checked it */
        memcpy(room, item, (size_t)(word - item));
        is_known = log_level_parse(word + 1, &level);
        assert(is_known);
        log_set_room(room, level);
    }
}

static const char *http_address_of(const struct config *config)
{
    return config->http_advertise[0] != '\0' ? config->http_advertise : config->http_listen;
}

void setup_members(const struct config *config, struct node_member *members)
{
    for (size_t i = 0; i < config->members_count; i++) {
        const struct config_member *from = &config->members[i];
        bool is_self = from->id == config->node_id;
        bool is_advertised = is_self && config->cluster_advertise[0] != '\0';
        members[i].id = from->id;
        snprintf(members[i].address, sizeof(members[i].address), "%s",
                 is_advertised ? config->cluster_advertise : from->address);
        snprintf(members[i].http_address, sizeof(members[i].http_address), "%s",
                 is_self ? http_address_of(config) : "");
    }
}

struct node_options setup_node(const struct config *config, const struct node_member *members)
{
    struct node_options options;
    node_options_init(&options);
    options.id = config->node_id;
    options.data_dir = config->node_data_dir;
    options.cluster_id = config->cluster_id[0] != '\0' ? config->cluster_id : "lethe";
    options.slot_count = (uint32_t)config->cluster_slot_count;
    options.members = members;
    options.members_count = (uint32_t)config->members_count;
    snprintf(options.listen, sizeof(options.listen), "%s",
             config->members_count > 0 ? config->cluster_listen : "");
    snprintf(options.http_address, sizeof(options.http_address), "%s", http_address_of(config));
    options.tls_authority = config->cluster_tls_authority;
    options.tls_certificate = config->cluster_tls_certificate;
    options.tls_key = config->cluster_tls_key;
    options.tls_revoked = config->cluster_tls_revoked;
    options.dedup_window_ms = config->dedup_window_hours * CONFIG_HOUR_MS;
    options.block_cache_bytes = config->storage_block_cache_bytes;
    options.memtable_bytes = config->storage_memtable_bytes;
    options.log_keep_applied = config->log_keep_applied;
    options.log_keep_hours = config->log_keep_hours;
    options.log_min_keep = config->log_min_keep;
    options.log_max_bytes = config->log_max_bytes;
    options.tick_ms = (uint32_t)config->cluster_tick_ms;
    options.submit_max_commands = config->node_queue_max_commands;
    options.submit_max_bytes = config->node_queue_max_bytes;
    options.disk_soft_free_bytes = config->storage_soft_free_bytes;
    options.disk_hard_free_bytes =
        config->storage_hard_free_bytes < options.disk_soft_free_bytes / 2
            ? config->storage_hard_free_bytes
            : options.disk_soft_free_bytes / 2;
    options.disk_ballast_bytes = config->storage_ballast_bytes;
    options.delete_log_retention_ms = config->delete_log_retention_days * 24 * CONFIG_HOUR_MS;
    options.delete_log_max_records = config->delete_log_max_records;
    options.catchup_bytes_per_s = config->cluster_catchup_bytes_per_s;
    options.check_bytes_per_s = config->cluster_check_bytes_per_s;
    options.check_interval_ms = config->cluster_check_interval_ms;
    options.backup_dir = config->storage_backup_dir;
    options.backup_keep = config->storage_backup_keep;
    options.backup_expire_ms = config->storage_backup_expire_days * 24 * CONFIG_HOUR_MS;
    options.balance = config->cluster_balance;
    options.join = config->cluster_join;
    options.replica_count = (uint32_t)config->cluster_replica_count;
    snprintf(options.zone, sizeof(options.zone), "%s", config->node_zone);
    options.replica_lag_threshold = (uint32_t)config->cluster_replica_lag_threshold;
    return options;
}

struct http_options setup_http(const struct config *config)
{
    struct http_options options;
    http_options_init(&options);
    options.listen = config->http_listen;
    if (config->http_threads != 0)
        options.threads = (uint32_t)config->http_threads;
    options.max_connections = (uint32_t)config->http_max_connections;
    options.admin_listen = config->http_admin_listen;
    options.max_connections_per_address = (uint32_t)config->http_max_connections_per_address;
    options.max_inflight_bytes = config->http_max_inflight_bytes;
    options.max_body_bytes = config->http_max_body_bytes;
    options.max_message_bytes = config->http_max_message_bytes;
    options.request_timeout_ms = (uint32_t)config->http_request_timeout_ms;
    options.log_access = config->log_access;
    options.audit_reads = config->log_audit_reads;
    options.metrics_prefix = config->metrics_prefix;
    options.replica_lag_threshold = (uint32_t)config->cluster_replica_lag_threshold;
    options.tls_certificate = config->http_tls_certificate;
    options.tls_key = config->http_tls_key;
    options.tokens_file = config->auth_tokens_file;
    options.cors_origins = (const char *const *)config->http_cors_origins.items;
    options.cors_origins_count = (uint32_t)config->http_cors_origins.count;
    return options;
}

enum err setup_check_files(const struct config *config, struct why *why)
{
    struct tokens *tokens = NULL;
    struct tls *tls = NULL;
    if (config->auth_tokens_file[0] != '\0') {
        enum err err = tokens_load(config->auth_tokens_file, &tokens, why);
        tokens_free(tokens);
        if (err != OK) {
            why_wrap(why, "'auth.tokens_file'");
            return err;
        }
    }
    if (config->http_tls_certificate[0] == '\0')
        return OK;
    enum err err = tls_open(config->http_tls_certificate, config->http_tls_key, &tls, why);
    tls_close(tls);
    if (err != OK)
        why_wrap(why, "'http.tls'");
    return err;
}
