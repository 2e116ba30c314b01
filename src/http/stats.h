/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of requests and how long they took, by route. Each loop has its own, so that counting shares
 * nothing. Thread: one adds, any may read or sum up meanwhile (relaxed atomics: figures). */
#ifndef HTTP_STATS_H
#define HTTP_STATS_H

#include <stdatomic.h>

#include "http/request.h"

enum { STATS_ROUTES_MAX = 96, STATS_CLASSES = 5, STATS_BUCKETS = 14 };

/* Upper bounds of the latency buckets in microseconds; what is slower is only in the count. */
extern const uint32_t stats_bounds_us[STATS_BUCKETS];

struct stats_route {
    atomic_uint_fast64_t by_class[STATS_CLASSES]; /* 1xx..5xx */
    atomic_uint_fast64_t buckets[STATS_BUCKETS];
    atomic_uint_fast64_t sum_us;
};

struct http_stats {
    struct stats_route routes[STATS_ROUTES_MAX]; /* as the route table; unmatched is the last */
    atomic_uint_fast64_t received_bytes, sent_bytes, timeouts, connections_total, unauthorized,
        forbidden;
};

void stats_add(atomic_uint_fast64_t *figure, uint64_t value);
/* Adds all of stats to sum, which is the caller's alone. */
void stats_sum(struct http_stats *sum, const struct http_stats *stats);
/* Counts a finished request (route may be NULL). */
void stats_count(struct http_stats *stats, const struct request *req, uint64_t now_us);
/* Index of a route; routes that share a name share the first one's figures. */
uint32_t stats_index(const struct route *route);
/* The text of /metrics about requests. prefix: "lethe_". */
void stats_write(struct http_stats *stats, const char *prefix, struct buf *buf);

#endif
