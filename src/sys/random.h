/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers that nobody can guess, from the kernel. Aborts when the kernel has none to give.
 * Repeatable ones, for tests and simulations, are base/rng.h. Thread: any. */
#ifndef SYS_RANDOM_H
#define SYS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_fill(void *ret, size_t len);
uint64_t random_u64(void);

/* The same quality for many small draws (a salt for each message): a thread takes 4 KiB at a time
 * from the kernel and hands it out, each byte once. Not for a child after fork(), which would be
 * handed the same bytes as its parent. */
void random_salt(void *ret, size_t len);

#endif
