/* SPDX-License-Identifier: Apache-2.0 */
/* What next_cursor holds: where the next page starts and which list it belongs to. Opaque to
 * clients, versioned, under a CRC, and bound to what it was made for (scope: a hash of the route
 * and its fixed parameters), so that a cursor of another channel is refused. Thread: any. */
#ifndef HTTP_CURSOR_H
#define HTTP_CURSOR_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/channel.h"
#include "base/why.h"

enum { CURSOR_NUMBERS = 6 };

struct cursor {
    uint64_t scope;
    uint64_t numbers[CURSOR_NUMBERS]; /* the list's own */
    struct bytes name;                /* the list's own */
};

uint64_t cursor_scope(const char *list, struct channel channel, struct bytes more);
/* Appends its text, which needs no escapes in JSON and in queries. */
void cursor_append(struct buf *buf, const struct cursor *cursor);
/* Errors: ERR_BAD_PARAMETER  damaged, another version's, or made for another list */
MUST_USE enum err cursor_parse(struct bytes text, uint64_t scope, struct arena *arena,
                               struct cursor *ret, struct why *why);

#endif
