/* SPDX-License-Identifier: Apache-2.0 */
#include "http/inflight.h"

#include "http/server.h"

enum err inflight_take(struct request *req, uint64_t bytes, struct why *why)
{
    struct http *http = req->http;
    uint64_t max = HTTP_TUNED(http, max_inflight_bytes);
    uint64_t before = atomic_fetch_add(&http->inflight_bytes, bytes);
    if (before >= max || bytes > max - before) {
        atomic_fetch_sub(&http->inflight_bytes, bytes);
        return why_set(why, ERR_BUSY,
                       "requests and replies in memory have %llu bytes of the "
                       "'http.max_inflight_bytes' %llu, and this one %llu more",
                       (unsigned long long)before, (unsigned long long)max,
                       (unsigned long long)bytes);
    }
    req->held_bytes += bytes;
    return OK;
}

void inflight_add(struct request *req, uint64_t bytes)
{
    atomic_fetch_add(&req->http->inflight_bytes, bytes);
    req->held_bytes += bytes;
}

void inflight_release(struct request *req)
{
    atomic_fetch_sub(&req->http->inflight_bytes, req->held_bytes);
    req->held_bytes = 0;
}
