/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of other origins (Fetch standard, "CORS protocol"): which of them may ask this server, and what a
 * reply has to say so that their browser lets them. Never credentials of the browser: tokens travel in
 * `Authorization`. A set never changes once it is made. Thread: any. */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include <stdbool.h>
#include <stdint.h>

struct request;

enum { CORS_HEADERS_MAX = 6 };

struct cors {
    char **origins; /* owned */
    uint32_t count;
    bool is_any; /* "*" */
};

struct cors_header {
    const char *name, *value; /* borrowed from the request and from static text */
};

/* origins: as http.h has them, checked. */
void cors_init(struct cors *cors, const char *const *origins, uint32_t count);
void cors_done(struct cors *cors);
/* What the reply of req has to carry, once its status is set. Returns how many. */
uint32_t cors_headers(const struct cors *cors, const struct request *req,
                      struct cors_header ret[CORS_HEADERS_MAX]);

#endif
