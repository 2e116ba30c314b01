/* SPDX-License-Identifier: Apache-2.0 */
/* The raw request target, taken apart. Segments are split before anything is decoded, so that
 * "a%2Fb" is one segment; nothing is normalised, so that "." and ".." are names like any other.
 * Thread: any. */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include "base/arena.h"
#include "base/why.h"
#include "http/limits.h"

struct path {
    struct bytes raw;                         /* without the query; borrowed */
    struct bytes query;                       /* behind the '?'; empty when there is none */
    struct bytes segments[HTTP_MAX_SEGMENTS]; /* decoded; may hold any byte, NUL too */
    uint32_t count;
};

/* What stands behind the authority of "http://host:port/path?query", as proxies ask (RFC 9112,
 * 3.2.2). Any other target, and one without a host, comes back as it is. */
struct bytes path_origin_form(struct bytes target);
/* Splits a target that begins with '/'. Decoded segments are borrowed from target or in arena.
 * Errors: ERR_BAD_REQUEST  a bad percent escape, no '/' in front, or a '#'
 *         ERR_NO_ROUTE     more segments than any route has */
MUST_USE enum err path_parse(struct bytes target, struct arena *arena, struct path *ret,
                             struct why *why);
/* Decodes %XX, and '+' as a space when plus_is_space. False: a bad escape. */
bool path_decode(struct bytes raw, bool plus_is_space, struct arena *arena, struct bytes *ret);
/* A decimal number without sign or leading zeros, at most max. */
bool path_number(struct bytes text, uint64_t max, uint64_t *ret);

#endif
