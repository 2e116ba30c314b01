/* SPDX-License-Identifier: Apache-2.0 */
/* Where a call came from, as log lines tell it on every node that it passes: the id of the request,
 * and the trace that its client put it into (W3C Trace Context).
 * Knows which texts are good for that. Refuses to know headers and logs. Thread: any. */
#ifndef BASE_ORIGIN_H
#define BASE_ORIGIN_H

#include "base/bytes.h"

enum { ORIGIN_ID_MAX_BYTES = 64, ORIGIN_TRACE_BYTES = 32 };

/* As the last fields of a log line: ORIGIN_FIELDS in its format, ORIGIN_ARGS among its values. The
 * texts end with a NUL; "" where there is none. */
#define ORIGIN_FIELDS "request_id=%s%s%s"
#define ORIGIN_ARGS(id, trace)                                                                     \
    (id)[0] == '\0' ? "-" : (id), (trace)[0] == '\0' ? "" : " trace_id=", (trace)

/* 1-64 of A-Z a-z 0-9 . _ - */
bool origin_is_id(struct bytes text);
/* 32 of 0-9 a-f, not all 0 */
bool origin_is_trace(struct bytes text);
/* The trace id of a `traceparent` header, with a NUL. False, and "", for a header that the
 * specification calls invalid: then it is to be ignored. Of versions to come it reads what it
 * knows. */
bool origin_read_traceparent(struct bytes header, char ret_trace[ORIGIN_TRACE_BYTES + 1]);

#endif
