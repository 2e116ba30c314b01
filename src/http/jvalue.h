/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies, read. Why not jansson here: a batch of 100 messages costs it a thousand small
 * allocations, which is nearly half of the daemon's time (measured), and it re-spells the numbers
 * of a `json` payload (0.1 becomes 0.10000000000000001). This reader makes its nodes in the
 * request's arena and keeps the text of what it does not need to look into. A unit test holds it
 * against jansson on valid, damaged and random texts.
 *
 * Strict (RFC 8259): UTF-8 only, no duplicate keys at any depth, no lone surrogates, nothing behind
 * the value. Thread: any. */
#ifndef HTTP_JVALUE_H
#define HTTP_JVALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/why.h"

enum jvalue_kind {
    JVALUE_NULL,
    JVALUE_FALSE,
    JVALUE_TRUE,
    JVALUE_NUMBER,
    JVALUE_STRING,
    JVALUE_ARRAY,
    JVALUE_OBJECT
};

struct jvalue {
    enum jvalue_kind kind;
    bool is_integer;     /* NUMBER: without fraction and exponent, and within int64 */
    int64_t integer;     /* then its value */
    struct bytes key;    /* of a member, decoded */
    struct bytes string; /* STRING: decoded */
    struct bytes raw;    /* as it stands in the text, borrowed from it */
    uint32_t count;      /* ARRAY, OBJECT: children, also of those that have no nodes */
    struct jvalue *first, *next;
};

/* Reads the one value of text. Containers nested deeper than node_depth (0: only the outermost
 * value has a node) are checked but get no nodes: their text is in raw.
 * Nodes are in arena; slices borrow from text or are in arena.
 * Errors: ERR_BAD_JSON   with the place and what is wrong there
 *         ERR_TOO_LARGE  too deep, too many values */
MUST_USE enum err jvalue_parse(struct bytes text, uint32_t node_depth, struct arena *arena,
                               const struct jvalue **ret, struct why *why);
/* Member of an object; NULL when absent. */
const struct jvalue *jvalue_find(const struct jvalue *object, const char *key);
/* A raw value without the white space between its tokens, in arena. */
struct bytes jvalue_compact(struct bytes raw, struct arena *arena);
/* Appends a compact or any other valid text, indented by two spaces, and a line end. */
void jvalue_append_pretty(struct buf *buf, struct bytes raw);

#endif
