/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. Whatever is decided by time uses the monotonic one; the wall clock is for
 * people and for timestamps that clients see. Thread: any. */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Since some moment of the past, never going back; it does not count while the machine sleeps. */
uint64_t clock_mono_ns(void);
uint64_t clock_mono_us(void);
uint64_t clock_mono_ms(void);

/* Since 1970-01-01 UTC; may jump both ways. */
uint64_t clock_wall_ms(void);

#define CLOCK_TEXT_SIZE 25
/* "2024-02-29T12:34:56.789Z" (RFC 3339) and a NUL, for years up to 9999. */
void clock_format(uint64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE]);

#endif
