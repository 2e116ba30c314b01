/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room, pure: HTTP/1.1 replies in a buffer, and the few fields of JSON results that
 * the load looks at. Thread: any. */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include "base/buf.h"

enum reply_state { REPLY_NEEDS_MORE, REPLY_COMPLETE, REPLY_BROKEN };

struct reply {
    int status;
    size_t used;       /* bytes of the input that the reply takes */
    struct bytes body; /* borrowed from the input, or from scratch when it came in chunks */
    bool is_last;      /* the server closes the connection behind it */
    uint32_t retry_after_s;
};

/* scratch is cleared; it holds the body of a chunked reply. */
enum reply_state reply_parse(struct bytes in, struct buf *scratch, struct reply *ret);

/* One object of results, `{...}`: its own "status" and "message_seq", 0 where absent. *at moves
 * behind it. False when no whole object begins at *at (blanks, commas and a bracket are skipped). */
struct reply_item {
    int status;
    uint64_t seq;
    bool is_duplicate, is_done; /* is_done: NDJSON's last line, no item */
};
bool reply_next_item(struct bytes text, size_t *at, struct reply_item *ret);
/* Where the items of {"results":[...]} begin; text's own begin when it has none (NDJSON). */
size_t reply_items_start(struct bytes text);

#endif
