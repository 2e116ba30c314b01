/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for the tools, over jansson: a parsed text is a tree of `struct client_json`, and printing it
 * gives every number as it was written. Asking never fails: what is not there gives the fallback. Owned: a root that client_json_read gave; what is found in
 * it is borrowed from it. Thread: any, a tree belongs to one at a time. */
#ifndef CLIENT_JSON_H
#define CLIENT_JSON_H

#include "base/buf.h"
#include "base/why.h"

struct client_json;

/* ERR_BAD_JSON with line and column. A text longer than one value is refused. */
MUST_USE enum err client_json_read(struct bytes text, struct client_json **ret_node,
                                   struct why *why);
void client_json_free(struct client_json *node); /* roots only; NULL is fine */

/* Member of an object, NULL when absent or node is none (or NULL). */
const struct client_json *client_json_find(const struct client_json *node, const char *key);
size_t client_json_count(const struct client_json *node); /* items of an array, else 0 */
const struct client_json *client_json_item(const struct client_json *node,
                                           size_t index); /* NULL: absent */
bool client_json_is_text(const struct client_json *node);
bool client_json_is_number(const struct client_json *node);
bool client_json_is_map(const struct client_json *node);
/* Calls on_member for each member of an object, in order. */
void client_json_each(const struct client_json *node,
                      void (*on_member)(const char *key, const struct client_json *value,
                                        void *arg),
                      void *arg);

/* The member's value; fallback when absent or of another type. Strings are borrowed. */
const char *client_json_text(const struct client_json *node, const char *key, const char *fallback);
uint64_t client_json_u64(const struct client_json *node, const char *key, uint64_t fallback);
bool client_json_bool(const struct client_json *node, const char *key, bool fallback);
double client_json_real(const struct client_json *node, const char *key, double fallback);
/* The node's own value. */
struct bytes client_json_text_of(const struct client_json *node); /* empty when it is no text */
uint64_t client_json_u64_of(const struct client_json *node, uint64_t fallback);

/* Sets a member of an object that the caller owns the root of. copy: a deep copy is set. */
void client_json_set_text(struct client_json *node, const char *key, struct bytes text);
void client_json_set_u64(struct client_json *node, const char *key, uint64_t value);
/* A deep copy that the caller frees. */
struct client_json *client_json_copy(const struct client_json *node);
void client_json_set_copy(struct client_json *node, const char *key,
                          const struct client_json *copy);
void client_json_remove(struct client_json *node, const char *key); /* absent is fine */

/* Appends the value as text: compact, or indented by two. */
void client_json_print(const struct client_json *node, bool pretty, struct buf *out);
/* Appends a quoted JSON string; text is UTF-8. */
void client_json_print_text(struct bytes text, struct buf *out);

#endif
