/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each address has, so that none takes all. IPv6 counts by its first 64 bits:
 * one host has as many addresses below them as it likes. Thread: any. */
#ifndef HTTP_CROWD_H
#define HTTP_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "sys/thread.h"

struct sockaddr;

struct crowd_key {
    uint8_t bytes[9]; /* what kind, then the address, or half of it */
};

struct crowd {
    struct mutex lock;
    struct map *counts; /* owned, under lock: crowd_key -> how many, as a pointer; never 0 */
};

void crowd_init(struct crowd *crowd);
void crowd_done(struct crowd *crowd);
struct crowd_key crowd_key_of(const struct sockaddr *address);
/* Counts one more, unless there are max of them, or more; max 0: no bound. It may change from call to
 * call: who is in stays in. */
bool crowd_enter(struct crowd *crowd, struct crowd_key key, uint32_t max);
void crowd_leave(struct crowd *crowd, struct crowd_key key);

#endif
