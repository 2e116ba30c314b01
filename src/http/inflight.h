/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of bodies and replies that are in memory for all connections together: when there are
 * 'http.max_inflight_bytes' of them, new requests get 503 busy before any of their body is kept.
 * Thread: the request's. */
#ifndef HTTP_INFLIGHT_H
#define HTTP_INFLIGHT_H

#include "http/request.h"

/* Counts so many more for the request. Errors: ERR_BUSY  there are too many; nothing was counted */
MUST_USE enum err inflight_take(struct request *req, uint64_t bytes, struct why *why);
/* The same for what is there already, whatever the bound. */
void inflight_add(struct request *req, uint64_t bytes);
/* The request is over, or its body was thrown away. */
void inflight_release(struct request *req);

#endif
