/* SPDX-License-Identifier: Apache-2.0 */
/* The table of everything that can be asked: method, path, handler, and what the request may have.
 * api/openapi.yaml describes the same routes; a test compares the two. Thread: any. */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "http/request.h"

enum body_take {
    TAKES_NONE = 0,
    TAKES_JSON = 1,
    TAKES_NDJSON = 2,
    TAKES_RAW = 4,
    TAKES_OPTIONAL = 8, /* no body is fine too */
    TAKES_ANY = 16      /* not looked at: the route is not supported yet */
};

enum { ROUTE_OFFERS_MAX = 4 };

struct route {
    const char *method; /* GET stands for HEAD too */
    const char *path;   /* "/v1/channels/{t}/{c}", "/v1/jobs/{id}:cancel" */
    const char *name;   /* the label of its metrics; routes without support share one */
    request_handler *run;
    const char *parameters; /* names with a space between; beside `pretty` */
    uint8_t takes;
    uint8_t offers[ROUTE_OFFERS_MAX]; /* enum media, the default first */
    bool takes_if_match;
    uint8_t access; /* roles of tokens.h of which one is enough, and access.h; never 0 */
};

extern const struct route routes[];
extern const uint32_t routes_count;

/* The path's first route in table order, whatever its method; NULL when the path is none. */
const struct route *routes_find_path(const struct path *path);
/* The route of the same path with this method; NULL when it has none. */
const struct route *routes_find_method(const struct route *path_route, const char *method);
/* One of WuKongIM's routes, whose errors have its form. route may be NULL. */
bool routes_is_wukong(const struct route *route);
/* "GET, HEAD, OPTIONS", in arena. */
const char *routes_allow(const struct route *path_route, struct arena *arena);
/* Sets channel, slot, number and name of req from its path.
 * Errors: ERR_BAD_CHANNEL, ERR_BAD_PARAMETER, ERR_NOT_FOUND (no such slot) */
MUST_USE enum err routes_read_names(struct request *req, const struct route *route,
                                    struct why *why);

#endif
