/* SPDX-License-Identifier: Apache-2.0 */
/* lethed: one node. Reads like a table of contents: options, log, signals, node, http, wait, and
 * the same in reverse. Exit codes: lethed.h. */
#include "config/config.h"
#include "http/http.h"
#include "lethed.h"
#include "node/node.h"
#include "reload.h"
#include "setup.h"
#include "sys/failpoint.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/signal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REPLIES_TIMEOUT_MS = 2000, REPEATS_MS = 1000 };

/* ---- what the command line asks for besides running ------------------------------------------- */

static int print(const struct buf *text)
{
    bool is_written = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    return is_written ? LETHED_OK : LETHED_CANNOT_START;
}

static int answer(const struct config *config, enum config_action action)
{
    struct buf text = BUF_INIT;
    struct why why = {0};
    if (action == CONFIG_CHECK && setup_check_files(config, &why) != OK) {
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

static void wait_for_stop(struct signal_source *signals, struct running *running)
{
    enum signal_event event = SIGNAL_NONE;
    while ((event = signal_wait(signals, REPEATS_MS)) != SIGNAL_STOP) {
        log_tell_repeats(false);
        if (event != SIGNAL_RELOAD)
            continue;
        tell_manager(NOTIFY_RELOADING);
        reload(running);
        tell_manager(NOTIFY_READY);
    }
}

static int run(int argc, char **argv, struct config *config)
{
    struct signal_source signals = {.fd = -1};
    struct node_member members[NODE_MEMBERS_MAX] = {{0}};
    struct running running = {.argc = argc, .argv = argv, .config = config};
    struct why why = {0};

    running.shown = shown_new(config, NULL);
    setup_log(config);
    for (size_t i = 0; i < config->warnings.count; i++)
        log_warn("config", "odd configuration", "detail=%s", LOG_QUOTED(config->warnings.items[i]));
    log_info("lethed", "starting", "version=%s node=%llu data_dir=%s", LETHE_VERSION,
             (unsigned long long)config->node_id, LOG_QUOTED(config->node_data_dir));

    enum err err = signal_open(&signals, &why);
    if (err == OK) {
        setup_members(config, members);
        const struct node_options node_options = setup_node(config, members);
        node_on_fatal(on_fatal, NULL);
        err = node_start(&node_options, &running.node, &why);
    }
    if (err == OK) {
        struct http_options http_options = setup_http(config);
        http_options.config = running.shown->values;
        http_options.config_count = CONFIG_OPTIONS_COUNT;
        err = http_start(&http_options, running.node, &running.http, &why);
    }
    if (err == OK) {
        log_info("lethed", "serving", "http=%s", http_address(running.http));
        tell_manager(NOTIFY_READY);
        wait_for_stop(&signals, &running);
        log_info("lethed", "stopping");
        tell_manager(NOTIFY_STOPPING);
    } else {
        log_error("lethed", "cannot start", "code=%s detail=%s", err_slug(err),
                  LOG_QUOTED(why.text));
    }

    http_stop(running.http, REPLIES_TIMEOUT_MS);
    shown_free(running.shown);
    if (running.node != NULL)
        node_stop(running.node, (uint32_t)config->node_stop_timeout_ms);
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
