/* SPDX-License-Identifier: Apache-2.0 */
/* All is looked at before anything is taken over: the configuration, the bounds that several options
 * share, tokens and certificates. What each option does with a new value is its room's part:
 * node_tune, http_tune, log_set; node_stop_timeout is read at the stop. */
#include "reload.h"

#include "base/alloc.h"
#include "http/options.h"
#include "setup.h"
#include "sys/log.h"

#include <stdlib.h>
#include <unistd.h>

static const char *text_of(const struct config *config, enum config_option option,
                           struct arena *texts)
{
    struct buf value = BUF_INIT;
    config_value_text(config, option, &value);
    const char *ret = arena_string(texts, buf_bytes(&value));
    buf_done(&value);
    return ret;
}

struct shown *shown_new(const struct config *config, const struct config *next)
{
    struct shown *shown = alloc_zero(sizeof(*shown));
    arena_init(&shown->texts);
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        enum config_option option = (enum config_option)i;
        bool is_other =
            next != NULL && !config_is_reloadable(option) && !config_is_equal(config, next, option);
        shown->values[i] = (struct http_config_value){
            .key = config_key(option),
            .value = text_of(config, option, &shown->texts),
            .source = config_source_name(config->sources[i]),
            .is_reloadable = config_is_reloadable(option),
            .after_restart = is_other ? text_of(next, option, &shown->texts) : NULL};
    }
    return shown;
}

void shown_free(struct shown *shown)
{
    arena_done(&shown->texts);
    free(shown);
}

/* ---- what has changed: a line each --------------------------------------------------------------- */

static void tell(const struct config *before, const struct config *after,
                 const struct config *configured)
{
    unsigned changed = 0, waiting = 0;
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        enum config_option option = (enum config_option)i;
        struct buf value = BUF_INIT;
        if (config_is_reloadable(option) && !config_is_equal(before, after, option)) {
            config_value_text(after, option, &value);
            log_info("lethed", "this option has a new value", "option=%s value=%s",
                     config_key(option), LOG_QUOTED(buf_string(&value)));
            changed++;
        } else if (!config_is_reloadable(option) && !config_is_equal(after, configured, option)) {
            log_warn("lethed", "this option changes with a restart only", "option=%s",
                     config_key(option));
            waiting++;
        }
        buf_done(&value);
    }
    for (size_t i = 0; i < configured->warnings.count; i++)
        log_warn("config", "odd configuration", "detail=%s",
                 LOG_QUOTED(configured->warnings.items[i]));
    log_info("lethed", "configuration read again", "changed=%u need_restart=%u", changed, waiting);
}

/* ---- taking over ---------------------------------------------------------------------------------- */

/* The peers' files are the last that can be wrong: they are taken over in the same step. */
static enum err take_files(struct running *running, struct why *why)
{
    enum err err = setup_check_files(running->config, why);
    if (err == OK)
        err = node_reload(running->node, why);
    return err != OK ? err : http_reload(running->http, why);
}

static enum err take(struct running *running, struct why *why)
{
    struct http_options http = setup_http(running->config);
    struct node_options node = setup_node(running->config, NULL);
    enum err err = options_check(&http, why);
    if (err == OK)
        err = take_files(running, why);
    if (err == OK)
        err = http_tune(running->http, &http, why);
    if (err == OK)
        err = node_tune(running->node, &node, why);
    return err;
}

static void show(struct running *running, const struct config *configured)
{
    struct shown *before = running->shown;
    running->shown = shown_new(running->config, configured);
    http_show_config(running->http, running->shown->values, CONFIG_OPTIONS_COUNT);
    shown_free(before);
}

void reload(struct running *running)
{
    struct config fresh;
    enum config_action action = CONFIG_RUN;
    struct why why = {0};
    enum err err = config_load(running->argc, running->argv, environ, &fresh, &action, &why);
    if (err == OK) {
        config_exchange_reloadable(running->config, &fresh); /* fresh has those of before now */
        err = take(running, &why);
        if (err != OK)
            config_exchange_reloadable(running->config, &fresh);
    }
    if (err != OK) {
        log_error("lethed", "the configuration is wrong, keeping the one in force", "detail=%s",
                  LOG_QUOTED(why.text));
        config_done(&fresh);
        return;
    }
    setup_log(running->config);
    tell(&fresh, running->config, &fresh);
    show(running, &fresh);
    config_done(&fresh);
}
