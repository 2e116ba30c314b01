/* SPDX-License-Identifier: Apache-2.0 */
/* How far a long command is, on stderr: a bar that is redrawn on a terminal, a plain line every few
 * seconds elsewhere. Thread: one. */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct client_progress {
    const char *label, *unit; /* borrowed */
    uint64_t total;           /* 0: not known */
    uint64_t started_ms, drawn_ms;
    bool is_terminal, is_quiet, is_drawn;
};

void client_progress_start(struct client_progress *progress, const char *label, const char *unit,
                           uint64_t total, bool is_quiet);
/* Draws when it is time to. */
void client_progress_set(struct client_progress *progress, uint64_t done);
/* Draws the last state and ends the line. */
void client_progress_end(struct client_progress *progress, uint64_t done);
/* The text of a bar: pure, for tests. width: of the bar itself; 0: none. */
void client_progress_print(const struct client_progress *progress, uint64_t done,
                           uint64_t elapsed_ms, unsigned width, struct buf *out);

#endif
