/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop; what happens in between is in loop.c. */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/jwrite.h"
#include "http/options.h"
#include "http/server.h"
#include "sys/clock.h"

struct node *http_node(const struct http *http)
{
    return http->node;
}

const struct http_options *http_options_of(const struct http *http)
{
    return &http->options;
}

void http_sum_stats(const struct http *http, struct http_stats *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (uint32_t i = 0; i < http->loops_count; i++)
        stats_sum(ret, &http->loops[i].stats);
}

bool http_is_stopping(const struct http *http)
{
    return atomic_load_explicit(&((struct http *)(uintptr_t)http)->is_stopping,
                                memory_order_relaxed);
}

static uint32_t max_readers(const struct http *http)
{
    uint32_t half = (HTTP_TUNED(http, max_connections) + 1) / 2;
    return half < HTTP_MAX_READERS ? half : HTTP_MAX_READERS;
}

bool http_count_reader(struct http *http)
{
    if (atomic_fetch_add(&http->readers_count, 1) < max_readers(http))
        return true;
    atomic_fetch_sub(&http->readers_count, 1);
    return false;
}

void http_uncount_reader(struct http *http)
{
    atomic_fetch_sub(&http->readers_count, 1);
}

uint32_t http_readers(const struct http *http)
{
    return atomic_load(&((struct http *)(uintptr_t)http)->readers_count);
}

/* On the node's loop: nothing but flags and wake-ups. */
static void on_applied(void *arg)
{
    struct http *http = arg;
    for (uint32_t i = 0; i < http->loops_count; i++) {
        if (watch_tell(&http->loops[i].watch))
            mailbox_wake(&http->loops[i].mailbox);
    }
}

uint32_t http_connections(const struct http *http)
{
    return atomic_load(&((struct http *)(uintptr_t)http)->connections_count);
}

uint64_t http_refused_connections(const struct http *http)
{
    return atomic_load(&((struct http *)(uintptr_t)http)->refused_connections);
}

uint64_t http_inflight_bytes(const struct http *http)
{
    return atomic_load(&((struct http *)(uintptr_t)http)->inflight_bytes);
}

const char *http_admin_address(const struct http *http)
{
    return http->admin_address;
}

uint64_t http_certificate_expiry_s(const struct http *http)
{
    return http->tls == NULL ? 0 : tls_expiry_s(http->tls);
}

const char *http_address(const struct http *http)
{
    return http->address;
}

static void wake_all(struct http *http)
{
    for (uint32_t i = 0; i < http->loops_count; i++) {
        if (http->loops[i].thread.is_started)
            mailbox_wake(&http->loops[i].mailbox);
    }
}

/* Joins and frees whatever there is. */
static void end(struct http *http)
{
    node_on_applied(http->node, NULL, NULL);
    atomic_store(&http->must_end, true);
    wake_all(http);
    for (uint32_t i = 0; i < http->loops_count; i++)
        thread_join(&http->loops[i].thread);
    atomic_store(&http->is_full, false); /* nobody is left to be told of room */
    for (uint32_t i = 0; i < http->loops_count; i++)
        loop_close(&http->loops[i]);
    for (int i = 0; i < DOORS; i++) {
        if (http->doors[i].fd >= 0)
            close(http->doors[i].fd);
    }
    free(http->loops);
    access_done(&http->access);
    cors_done(&http->cors);
    tls_close(http->tls);
    crowd_done(&http->crowd);
    mutex_done(&http->config_lock);
    http->magic = 0;
    free(http);
}

static struct http *new_http(const struct http_options *options, struct node *node)
{
    struct http *http = alloc_zero(sizeof(*http));
    http->magic = HTTP_MAGIC;
    http->options = *options;
    memcpy(http->prefix, options->metrics_prefix, strlen(options->metrics_prefix) + 1);
    http->options.metrics_prefix = http->prefix;
    http->options.listen = http->address;
    http->node = node;
    http->doors[DOOR_MAIN].fd = http->doors[DOOR_ADMIN].fd = -1;
    http->options.admin_listen = http->admin_address;
    crowd_init(&http->crowd);
    mutex_init(&http->config_lock);
    http_show_config(http, options->config, options->config_count);
    cors_init(&http->cors, options->cors_origins, options->cors_origins_count);
    http->options.cors_origins = NULL;
    http->options.tokens_file = NULL; /* access and tls keep the paths */
    http->options.tls_certificate = http->options.tls_key = NULL;
    snprintf(http->node_text, sizeof(http->node_text), "%u", (unsigned)node_self(node));
    return http;
}

enum err http_start(const struct http_options *options, struct node *node, struct http **ret_http,
                    struct why *why)
{
    enum err err = options_check(options, why);
    if (err != OK)
        return err;
    struct http *http = new_http(options, node);
    listen_raise_limit(options->max_connections);
    err = access_init(&http->access, options->tokens_file, why);
    if (err == OK && options_has_tls(options))
        err = tls_open(options->tls_certificate, options->tls_key, &http->tls, why);
    if (err == OK)
        err = listen_open("http.listen", options->listen, &http->doors[DOOR_MAIN].fd, http->address,
                          why);
    if (err == OK && options->admin_listen != NULL && options->admin_listen[0] != '\0')
        err = listen_open("http.admin_listen", options->admin_listen, &http->doors[DOOR_ADMIN].fd,
                          http->admin_address, why);
    if (err == OK)
        http->loops = alloc_zero(options->threads * sizeof(*http->loops));
    for (uint32_t i = 0; err == OK && i < options->threads; i++) {
        http->loops_count++;
        err = loop_open(http, &http->loops[i], why);
    }
    if (err == OK)
        node_on_applied(node, on_applied, http);
    for (uint32_t i = 0; err == OK && i < options->threads; i++) {
        char name[THREAD_NAME_SIZE];
        snprintf(name, sizeof(name), "http-%u", i);
        err = thread_start(&http->loops[i].thread, name, loop_run, &http->loops[i]);
    }
    if (err != OK) {
        end(http);
        return err;
    }
    *ret_http = http;
    return OK;
}

enum err http_reload(struct http *http, struct why *why)
{
    struct why second = {0};
    enum err err = access_reload(&http->access, why);
    enum err tls_err = http->tls == NULL ? OK : tls_reload(http->tls, err == OK ? why : &second);
    return err != OK ? err : tls_err;
}

enum err http_tune(struct http *http, const struct http_options *options, struct why *why)
{
    enum err err = options_check(options, why);
    if (err != OK)
        return err;
    listen_raise_limit(options->max_connections);
#define X(field) __atomic_store_n(&http->options.field, options->field, __ATOMIC_RELAXED);
    HTTP_TUNED_TABLE(X)
#undef X
    wake_all(http); /* there may be room for those who wait */
    return OK;
}

void http_show_config(struct http *http, const struct http_config_value *values, uint32_t count)
{
    mutex_lock(&http->config_lock);
    http->options.config = values;
    http->options.config_count = count;
    mutex_unlock(&http->config_lock);
}

bool http_write_config(struct http *http, struct buf *out)
{
    mutex_lock(&http->config_lock);
    uint32_t count = http->options.config_count;
    const struct http_config_value *value = http->options.config;
    buf_append_string(out, count > 0 ? "{\"values\":[" : "");
    for (uint32_t i = 0; i < count; i++, value++) {
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_text(out, "key", value->key);
        jwrite_member_text(out, "value", value->value);
        jwrite_member_text(out, "source", value->source);
        jwrite_member_bool(out, "reloadable", value->is_reloadable);
        if (value->after_restart != NULL)
            jwrite_member_text(out, "after_restart", value->after_restart);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, count > 0 ? "]}" : "");
    mutex_unlock(&http->config_lock);
    return count > 0;
}

static uint32_t open_requests(struct http *http)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < http->loops_count; i++)
        ret += atomic_load_explicit(&http->loops[i].requests, memory_order_relaxed);
    return ret;
}

static void pause_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000};
    nanosleep(&time, NULL);
}

/* Replies get the time that the caller gave. A loop itself goes on for as long as a call is open:
 * the node answers each by its deadline. */
void http_stop(struct http *http, uint32_t timeout_ms)
{
    if (http == NULL)
        return;
    uint64_t end_ms = clock_mono_ms() + timeout_ms;
    atomic_store(&http->is_stopping, true);
    wake_all(http);
    while (open_requests(http) > 0 && clock_mono_ms() < end_ms)
        pause_ms(5);
    end(http);
}
