/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as clients write them. Pure: the caller says what time it is. Thread: any. */
#ifndef HTTP_TIMES_H
#define HTTP_TIMES_H

#include "base/bytes.h"

/* "2026-01-01T00:00:00.5Z" or with an offset (RFC 3339), "1760000000123" (ms since the epoch), or
 * "-1h" (that long before now). False: none of them, or outside 1970..9999. */
bool times_parse(struct bytes text, uint64_t now_ms, uint64_t *ret_ms);
/* "250ms", "2s", "10m", "1h", "30d", or a plain number of seconds. */
bool times_parse_duration(struct bytes text, uint64_t max_ms, uint64_t *ret_ms);

#endif
