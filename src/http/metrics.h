/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format (0.0.4). */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http/request.h"

void metrics_head(struct buf *buf, const char *prefix, const char *name, const char *type,
                  const char *help);
void metrics_value(struct buf *buf, const char *prefix, const char *name, uint64_t value);

/* A row of a table of figures that stand in a struct. */
struct metrics_figure {
    const char *name, *type, *help;
    size_t offset; /* of a uint64_t */
};
uint64_t metrics_field(const void *base, size_t offset);

/* alarms.c */
void metrics_write_alarms(struct request *req, const char *prefix);

/* metrics_slots.c: the slots and their replicas. */
void metrics_write_slots(struct request *req, const char *prefix);

#endif
