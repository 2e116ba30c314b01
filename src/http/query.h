/* SPDX-License-Identifier: Apache-2.0 */
/* The query of a request, strict: every name must be one that the route takes, and none may come
 * twice, so that a mistyped bound never widens a delete. Getters say what is wrong with a value,
 * with its name and limit. Thread: any. */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "base/arena.h"
#include "base/why.h"
#include "http/limits.h"

struct query {
    struct {
        struct bytes name, value; /* decoded */
    } items[HTTP_MAX_PARAMETERS];
    uint32_t count;
};

/* allowed: names with a space between them.
 * Errors: ERR_BAD_PARAMETER  unknown, repeated, too many, a bad escape, not UTF-8 */
MUST_USE enum err query_parse(struct bytes text, const char *allowed, struct arena *arena,
                              struct query *ret, struct why *why);
/* Value of a parameter; false when it is absent. */
bool query_find(const struct query *query, const char *name, struct bytes *ret);
bool query_has(const struct query *query, const char *name);
/* The getters below leave *ret as it is when the parameter is absent.
 * Errors: ERR_BAD_PARAMETER */
MUST_USE enum err query_number(const struct query *query, const char *name, uint64_t min,
                               uint64_t max, uint64_t *ret, struct why *why);
/* "1", "true" or "" (just the name): true; "0", "false": false. */
MUST_USE enum err query_bool(const struct query *query, const char *name, bool *ret,
                             struct why *why);
/* A text of at most max bytes, without control characters. */
MUST_USE enum err query_text(const struct query *query, const char *name, size_t max,
                             struct bytes *ret, struct why *why);

#endif
