/* SPDX-License-Identifier: Apache-2.0 */
#include "http/stats.h"

#include <pthread.h>

#include "http/metrics.h"
#include "http/routes.h"

const uint32_t stats_bounds_us[STATS_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

/* For each route the first one with its name, made once. */
static uint8_t first_of_name[STATS_ROUTES_MAX];
static pthread_once_t first_of_name_once = PTHREAD_ONCE_INIT;

static void fill_first_of_name(void)
{
    assert(routes_count < STATS_ROUTES_MAX);
    for (uint32_t i = 0; i < routes_count; i++) {
        uint32_t first = 0;
        while (strcmp(routes[first].name, routes[i].name) != 0)
            first++;
        first_of_name[i] = (uint8_t)first;
    }
}

uint32_t stats_index(const struct route *route)
{
    pthread_once(&first_of_name_once, fill_first_of_name);
    if (route == NULL)
        return STATS_ROUTES_MAX - 1;
    assert(route >= routes && route < routes + routes_count);
    return first_of_name[route - routes];
}

void stats_add(atomic_uint_fast64_t *figure, uint64_t value)
{
    uint64_t before = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, before + value, memory_order_relaxed);
}

void stats_count(struct http_stats *stats, const struct request *req, uint64_t now_us)
{
    if (req->status == 0)
        return; /* the client left before there was an answer */
    struct stats_route *route = &stats->routes[stats_index(req->route)];
    uint64_t took_us = now_us - req->started_us;
    uint32_t bucket = 0;
    while (bucket < STATS_BUCKETS && took_us > stats_bounds_us[bucket])
        bucket++;
    if (bucket < STATS_BUCKETS)
        stats_add(&route->buckets[bucket], 1);
    stats_add(&route->by_class[req->status / 100 - 1], 1);
    stats_add(&stats->unauthorized, req->status == 401);
    stats_add(&stats->forbidden, req->status == 403);
    stats_add(&route->sum_us, took_us);
}

/* The struct is nothing but figures. */
void stats_sum(struct http_stats *sum, const struct http_stats *stats)
{
    static_assert(sizeof(*sum) % sizeof(atomic_uint_fast64_t) == 0, "figures only");
    atomic_uint_fast64_t *to = (atomic_uint_fast64_t *)sum;
    atomic_uint_fast64_t *from = (atomic_uint_fast64_t *)(uintptr_t)stats;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        stats_add(&to[i], atomic_load_explicit(&from[i], memory_order_relaxed));
}

static uint64_t get(const atomic_uint_fast64_t *value)
{
    return atomic_load_explicit((atomic_uint_fast64_t *)(uintptr_t)value, memory_order_relaxed);
}

static bool is_first_of_name(uint32_t index)
{
    return stats_index(&routes[index]) == index;
}

/* Calls write for each route that has figures of its own. */
static void each_route(struct http_stats *stats, const char *prefix, struct buf *buf,
                       void (*write)(const struct stats_route *route, const char *name,
                                     const char *prefix, struct buf *buf))
{
    for (uint32_t i = 0; i < routes_count; i++) {
        if (is_first_of_name(i))
            write(&stats->routes[i], routes[i].name, prefix, buf);
    }
    write(&stats->routes[STATS_ROUTES_MAX - 1], "none", prefix, buf);
}

static void write_classes(const struct stats_route *route, const char *name, const char *prefix,
                          struct buf *buf)
{
    for (int i = 1; i < STATS_CLASSES; i++)
        buf_printf(buf, "%shttp_requests_total{route=\"%s\",code=\"%dxx\"} %llu\n", prefix, name,
                   i + 1, (unsigned long long)get(&route->by_class[i]));
}

static void write_latency(const struct stats_route *route, const char *name, const char *prefix,
                          struct buf *buf)
{
    uint64_t sum = 0, count = 0;
    for (int i = 0; i < STATS_CLASSES; i++)
        count += get(&route->by_class[i]);
    for (int i = 0; i < STATS_BUCKETS; i++) {
        sum += get(&route->buckets[i]);
        if (sum > count) /* counted in between: never let a bucket be above the count */
            count = sum;
        buf_printf(buf, "%shttp_request_seconds_bucket{route=\"%s\",le=\"%g\"} %llu\n", prefix,
                   name, stats_bounds_us[i] / 1e6, (unsigned long long)sum);
    }
    buf_printf(buf, "%shttp_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %llu\n", prefix, name,
               (unsigned long long)count);
    buf_printf(buf, "%shttp_request_seconds_sum{route=\"%s\"} %.6f\n", prefix, name,
               (double)get(&route->sum_us) / 1e6);
    buf_printf(buf, "%shttp_request_seconds_count{route=\"%s\"} %llu\n", prefix, name,
               (unsigned long long)count);
}

void stats_write(struct http_stats *stats, const char *prefix, struct buf *buf)
{
    metrics_head(buf, prefix, "http_requests_total", "counter",
                 "Requests answered, by route and class of status.");
    each_route(stats, prefix, buf, write_classes);
    metrics_head(buf, prefix, "http_request_seconds", "histogram",
                 "Time from a request's first line to the end of its reply, by route.");
    each_route(stats, prefix, buf, write_latency);
    metrics_head(buf, prefix, "http_received_bytes_total", "counter", "Bytes of request bodies.");
    metrics_value(buf, prefix, "http_received_bytes_total", get(&stats->received_bytes));
    metrics_head(buf, prefix, "http_sent_bytes_total", "counter", "Bytes of reply bodies.");
    metrics_value(buf, prefix, "http_sent_bytes_total", get(&stats->sent_bytes));
    metrics_head(buf, prefix, "http_connections_total", "counter", "Connections taken.");
    metrics_value(buf, prefix, "http_connections_total", get(&stats->connections_total));
    metrics_head(buf, prefix, "http_timeouts_total", "counter",
                 "Connections closed because a header, body, reply or pause took too long.");
    metrics_value(buf, prefix, "http_timeouts_total", get(&stats->timeouts));
    metrics_head(buf, prefix, "http_unauthorized_total", "counter",
                 "Requests refused because they had no valid token.");
    metrics_value(buf, prefix, "http_unauthorized_total", get(&stats->unauthorized));
    metrics_head(buf, prefix, "http_forbidden_total", "counter",
                 "Requests refused because their token does not allow them.");
    metrics_value(buf, prefix, "http_forbidden_total", get(&stats->forbidden));
}
