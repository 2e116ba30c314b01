/* SPDX-License-Identifier: Apache-2.0 */
/* lethe-bench: load over HTTP, figures, and proof that what was acknowledged is there. Knows the
 * routes for sending, reading and deleting messages. Thread: main; runs threads of its own. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

enum bench_exit {
    BENCH_OK = 0,
    BENCH_FAILED = 1,     /* requests failed, or verification found something */
    BENCH_USAGE = 2,      /* the command line is wrong; nothing was sent */
    BENCH_UNREACHABLE = 3 /* no target could be reached */
};

/* Runs the command line and returns the process's exit code. */
int bench_main(int argc, char **argv);

#endif
