/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of this process: for figures, nothing decides by it. Thread: any. */
#ifndef SYS_PROCESS_H
#define SYS_PROCESS_H

#include <stdint.h>

struct process_figures {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t cpu_us; /* of all threads, user and system */
    uint64_t open_fds, max_fds;
    uint64_t threads;
    uint64_t
        started_ms; /* since 1970, by the wall clock when this was first asked; then it stays */
};

/* What cannot be read (no /proc) is 0. */
void process_get_figures(struct process_figures *ret);

#endif
