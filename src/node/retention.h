/* SPDX-License-Identifier: Apache-2.0 */
/* The time by which a leader judges the age of messages, and the walk over channels with limits.
 * Private to the room. Thread: loop. */
#ifndef NODE_RETENTION_H
#define NODE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

struct node;

/* The wall clock, but never faster than twice the monotonic one: over any span it moves on by at most
 * two spans and RETENTION_CREDIT_MS. Begins at the newest time that the slot's log has. */
struct retention_clock {
    bool is_set;
    uint64_t time_ms, mono_ms, credit_ms;
};

enum { RETENTION_CREDIT_MS = 10000 };

void retention_clock_set(struct retention_clock *clock, uint64_t wall_ms, uint64_t newest_ms,
                         uint64_t mono_ms);
/* What time it is by it; 0 when it is not set. */
uint64_t retention_clock_turn(struct retention_clock *clock, uint64_t wall_ms, uint64_t mono_ms);

struct retention *retention_new(struct node *node);
void retention_free(struct retention *retention); /* NULL is fine; nothing of it is under way */
void retention_run(struct node *node);            /* each second */

#endif
