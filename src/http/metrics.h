/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format (0.0.4). */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "base/buf.h"

void metrics_head(struct buf *buf, const char *prefix, const char *name, const char *type,
                  const char *help);
void metrics_value(struct buf *buf, const char *prefix, const char *name, uint64_t value);

#endif
