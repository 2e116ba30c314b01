/* SPDX-License-Identifier: Apache-2.0 */
/* Small JSON bodies of orders: an object with a few numbers and booleans, all of them optional. What
 * is absent or null leaves its result as it is. Thread: any. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "http/jvalue.h"
#include "http/request.h"

/* The body's object; NULL when there is no body. Errors: ERR_BAD_JSON, ERR_TOO_LARGE */
MUST_USE enum err fields_parse(struct request *req, const struct jvalue **ret_object,
                               struct why *why);
/* ret_has may be NULL. Errors: ERR_BAD_PARAMETER  not a whole number from min to max */
MUST_USE enum err fields_number(const struct jvalue *object, const char *name, uint64_t min,
                                uint64_t max, uint64_t *ret, bool *ret_has, struct why *why);
/* Copies a text of fewer than size bytes, without control characters. Errors: ERR_BAD_PARAMETER */
MUST_USE enum err fields_text(const struct jvalue *object, const char *name, char *ret, size_t size,
                              struct why *why);
/* Errors: ERR_BAD_PARAMETER  neither true nor false */
MUST_USE enum err fields_bool(const struct jvalue *object, const char *name, bool *ret,
                              struct why *why);
/* Borrowed from the body. Errors: ERR_BAD_PARAMETER  no string, or empty */
MUST_USE enum err fields_name(const struct jvalue *object, const char *name, struct bytes *ret,
                              struct why *why);

#endif
