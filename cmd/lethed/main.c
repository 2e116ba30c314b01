/* SPDX-License-Identifier: Apache-2.0 */
/* lethed: one node. Reads like a table of contents: options, log, signals, node, http, wait, and
 * the same in reverse. Exit codes: lethed.h. */
#include "config/config.h"
#include "http/http.h"
#include "http/tls.h"
#include "http/tokens.h"
#include "lethed.h"
#include "node/node.h"
#include "sys/failpoint.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/signal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REPLIES_TIMEOUT_MS = 2000, REPEATS_MS = 1000 };

/* ---- options: from the configuration to each room's plain struct ------------------------------ */

static void set_log(const struct config *config)
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

static void fill_members(const struct config *config, struct node_member *members)
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

static struct node_options node_options_of(const struct config *config,
                                           const struct node_member *members)
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

/* What /v1/admin/config tells. No option holds a secret. The texts live in texts, which the caller
 * clears when the server has ended. */
static uint32_t fill_config_values(const struct config *config, struct arena *texts,
                                   struct http_config_value values[CONFIG_OPTIONS_COUNT])
{
    struct buf value = BUF_INIT;
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        buf_clear(&value);
        config_value_text(config, (enum config_option)i, &value);
        values[i] = (struct http_config_value){.key = config_key((enum config_option)i),
                                               .value = arena_string(texts, buf_bytes(&value)),
                                               .source = config_source_name(config->sources[i])};
    }
    buf_done(&value);
    return CONFIG_OPTIONS_COUNT;
}

static struct http_options http_options_of(const struct config *config)
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
    options.metrics_prefix = config->metrics_prefix;
    options.replica_lag_threshold = (uint32_t)config->cluster_replica_lag_threshold;
    options.tls_certificate = config->http_tls_certificate;
    options.tls_key = config->http_tls_key;
    options.tokens_file = config->auth_tokens_file;
    return options;
}

/* ---- what the command line asks for besides running ------------------------------------------- */

static int print(const struct buf *text)
{
    bool is_written = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    return is_written ? LETHED_OK : LETHED_CANNOT_START;
}

/* The files that the configuration names are part of it. */
static enum err check_files(const struct config *config, struct why *why)
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

static int answer(const struct config *config, enum config_action action)
{
    struct buf text = BUF_INIT;
    struct why why = {0};
    if (action == CONFIG_CHECK && check_files(config, &why) != OK) {
        fprintf(stderr, "lethed: %s\n", why.text);
        return LETHED_BAD_CONFIG;
    }
    if (action == CONFIG_HELP)
        config_print_help(&text);
    else if (action == CONFIG_VERSION)
        buf_printf(&text, "lethed %s\n", LETHE_VERSION);
    else if (action == CONFIG_ANNOTATED)
        config_print_annotated(&text);
    else if (action == CONFIG_PRINT)
        config_print(config, &text);
    else
        buf_append_string(&text, "the configuration is right\n");
    for (size_t i = 0; i < config->warnings.count; i++)
        fprintf(stderr, "lethed: %s\n", config->warnings.items[i]);
    int code = print(&text);
    buf_done(&text);
    return code;
}

/* ---- running ----------------------------------------------------------------------------------- */

static void on_fatal(enum err err, const char *text, void *arg)
{
    (void)arg;
    log_error("lethed", "cannot go on, ending at once", "code=%s detail=%s", err_slug(err),
              LOG_QUOTED(text));
    _exit(LETHED_FATAL);
}

/* The service manager, where one waits to hear it. Not being heard is no reason to stop. */
static void tell_manager(const char *text)
{
    struct why why = {0};
    if (notify_send(text, &why) != OK)
        log_warn("lethed", "cannot tell the service manager", "detail=%s", LOG_QUOTED(why.text));
}

/* SIGHUP: takes over what may change, names what may not, keeps everything when it is wrong. */
static void reload(int argc, char **argv, struct config *config, struct node *node,
                   struct http *http)
{
    struct config fresh;
    enum config_action action = CONFIG_RUN;
    struct why why = {0};
    if (config_load(argc, argv, environ, &fresh, &action, &why) != OK) {
        log_warn("lethed", "the configuration is wrong, keeping the one in force", "detail=%s",
                 LOG_QUOTED(why.text));
        config_done(&fresh);
        return;
    }
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        enum config_option option = (enum config_option)i;
        if (!config_is_reloadable(option) && !config_is_equal(config, &fresh, option))
            log_warn("lethed", "this option changes with a restart only", "option=%s",
                     config_key(option));
    }
    set_log(&fresh);
    config_done(&fresh);
    log_info("lethed", "configuration read again");
    if (http_reload(http, &why) != OK)
        log_error("lethed", "tokens or certificates are wrong, keeping those in force", "detail=%s",
                  LOG_QUOTED(why.text));
    if (node_reload(node, &why) != OK)
        log_error("lethed", "certificates for peers are wrong, keeping those in force", "detail=%s",
                  LOG_QUOTED(why.text));
}

static void wait_for_stop(struct signal_source *signals, int argc, char **argv,
                          struct config *config, struct node *node, struct http *http)
{
    enum signal_event event = SIGNAL_NONE;
    while ((event = signal_wait(signals, REPEATS_MS)) != SIGNAL_STOP) {
        log_tell_repeats(false);
        if (event != SIGNAL_RELOAD)
            continue;
        tell_manager(NOTIFY_RELOADING);
        reload(argc, argv, config, node, http);
        tell_manager(NOTIFY_READY);
    }
}

static int run(int argc, char **argv, struct config *config)
{
    struct signal_source signals = {.fd = -1};
    struct node_member members[NODE_MEMBERS_MAX] = {{0}};
    struct http_config_value values[CONFIG_OPTIONS_COUNT];
    struct arena texts;
    struct node *node = NULL;
    struct http *http = NULL;
    struct why why = {0};

    arena_init(&texts);
    set_log(config);
    for (size_t i = 0; i < config->warnings.count; i++)
        log_warn("config", "odd configuration", "detail=%s", LOG_QUOTED(config->warnings.items[i]));
    log_info("lethed", "starting", "version=%s node=%llu data_dir=%s", LETHE_VERSION,
             (unsigned long long)config->node_id, LOG_QUOTED(config->node_data_dir));

    enum err err = signal_open(&signals, &why);
    if (err == OK) {
        fill_members(config, members);
        const struct node_options node_options = node_options_of(config, members);
        node_on_fatal(on_fatal, NULL);
        err = node_start(&node_options, &node, &why);
    }
    if (err == OK) {
        struct http_options http_options = http_options_of(config);
        http_options.config = values;
        http_options.config_count = fill_config_values(config, &texts, values);
        err = http_start(&http_options, node, &http, &why);
    }
    if (err == OK) {
        log_info("lethed", "serving", "http=%s", http_address(http));
        tell_manager(NOTIFY_READY);
        wait_for_stop(&signals, argc, argv, config, node, http);
        log_info("lethed", "stopping");
        tell_manager(NOTIFY_STOPPING);
    } else {
        log_error("lethed", "cannot start", "code=%s detail=%s", err_slug(err),
                  LOG_QUOTED(why.text));
    }

    http_stop(http, REPLIES_TIMEOUT_MS);
    arena_done(&texts);
    if (node != NULL)
        node_stop(node, (uint32_t)config->node_stop_timeout_ms);
    signal_close(&signals);
    log_tell_repeats(true);
    if (err == OK)
        log_info("lethed", "stopped");
    return err == OK ? LETHED_OK : err == ERR_BAD_CONFIG ? LETHED_BAD_CONFIG : LETHED_CANNOT_START;
}

int main(int argc, char **argv)
{
    struct config config;
    enum config_action action = CONFIG_RUN;
    struct why why = {0};
    int code = LETHED_BAD_CONFIG;
    failpoint_start();
    if (argc > 1 && strcmp(argv[1], "dump") == 0)
        return lethed_dump(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "restore") == 0)
        return lethed_restore(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "recover") == 0)
        return lethed_recover(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "token") == 0)
        return lethed_token(argc - 1, argv + 1);
    if (config_load(argc, argv, environ, &config, &action, &why) != OK)
        fprintf(stderr, "lethed: %s\n", why.text);
    else
        code = action == CONFIG_RUN ? run(argc, argv, &config) : answer(&config, action);
    config_done(&config);
    return code;
}
