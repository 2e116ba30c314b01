/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as events: they are blocked in every thread and read from a descriptor by main, so that
 * no code ever runs in a handler. TERM and INT ask to stop, HUP to reload; PIPE is ignored, since
 * a closed connection is an error code like any other. Thread: main. */
#ifndef SYS_SIGNAL_H
#define SYS_SIGNAL_H

#include "base/check.h"
#include "base/why.h"

enum signal_event { SIGNAL_NONE, SIGNAL_STOP, SIGNAL_RELOAD };

struct signal_source {
    int fd; /* owned; readable when an event waits, for poll() */
};

/* Blocks the signals in this thread and in those it will start: call it before the first one.
 * Errors: ERR_IO  the system refuses; nothing was changed. */
MUST_USE enum err signal_open(struct signal_source *ret_source, struct why *why);
/* Waits at most timeout_ms (-1: for ever) for the next event; SIGNAL_NONE when none came. */
enum signal_event signal_wait(struct signal_source *source, int timeout_ms);
/* Closes the descriptor. The signals stay blocked: the program is about to end. */
void signal_close(struct signal_source *source);

#endif
