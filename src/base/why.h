/* SPDX-License-Identifier: Apache-2.0 */
/* The text beside an error code, in a buffer the caller owns. Used at edges only: open, load,
 * parse, validate. Always the last parameter, may be NULL, untouched on success.
 * Wording: lower case, no full stop, fault first, subjects in single quotes, number and limit.
 * Thread: any. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "base/check.h"
#include "base/err.h"

struct why {
    enum err err;
    char text[256];
};

/* Sets why (if not NULL) and returns err, so that a function can end with it. */
enum err why_set(struct why *why, enum err err, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts outer words and ": " before the text. Returns the code it holds; ERR_INTERNAL when why is
 * NULL, since then nobody holds one: where that may be, return the code at hand instead. */
enum err why_wrap(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
