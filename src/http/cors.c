/* SPDX-License-Identifier: Apache-2.0 */
#include "http/cors.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "http/request.h"

/* What a script may read besides the few that it always may. */
static const char exposed[] =
    "Allow, ETag, Lethe-Applied-Index, Lethe-Deleted, Lethe-Last-Seq, Lethe-Message-Id, "
    "Lethe-Next-Cursor, Lethe-Node, "
    "Lethe-Timestamp, Location, Retry-After, WWW-Authenticate, X-Request-Id";
/* What this server looks at in a request (loop.c, on_header). */
static const char taken[] =
    "Accept, Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, Traceparent, "
    "X-Request-Id";

void cors_init(struct cors *cors, const char *const *origins, uint32_t count)
{
    *cors = (struct cors){.count = count};
    cors->origins = count == 0 ? NULL : alloc_array(count, sizeof(*cors->origins));
    for (uint32_t i = 0; i < count; i++) {
        cors->origins[i] = alloc_string(origins[i]);
        cors->is_any = cors->is_any || strcmp(origins[i], "*") == 0;
    }
}

void cors_done(struct cors *cors)
{
    for (uint32_t i = 0; i < cors->count; i++)
        free(cors->origins[i]);
    free(cors->origins);
    *cors = (struct cors){0};
}

/* What Access-Control-Allow-Origin says; NULL: nothing. */
static const char *allowed(const struct cors *cors, const char *origin)
{
    if (origin == NULL || cors->is_any)
        return origin == NULL ? NULL : "*";
    for (uint32_t i = 0; i < cors->count; i++) {
        if (strcmp(cors->origins[i], origin) == 0)
            return cors->origins[i];
    }
    return NULL;
}

uint32_t cors_headers(const struct cors *cors, const struct request *req,
                      struct cors_header ret[CORS_HEADERS_MAX])
{
    uint32_t count = 0;
    if (cors->count == 0)
        return 0;
    if (!cors->is_any) /* also for those who are refused: a cache must not give them another's reply */
        ret[count++] = (struct cors_header){"Vary", "Origin"};
    const char *origin = allowed(cors, req->headers.has_two_origins ? NULL : req->headers.origin);
    if (origin == NULL)
        return count;
    ret[count++] = (struct cors_header){"Access-Control-Allow-Origin", origin};
    bool is_preflight =
        req->status == 204 && req->route == NULL && req->allow != NULL && req->headers.asks_method;
    if (!is_preflight) {
        ret[count++] = (struct cors_header){"Access-Control-Expose-Headers", exposed};
        return count;
    }
    ret[count++] = (struct cors_header){"Access-Control-Allow-Methods", req->allow};
    ret[count++] = (struct cors_header){"Access-Control-Allow-Headers", taken};
    ret[count++] = (struct cors_header){"Access-Control-Max-Age", "600"};
    return count;
}
