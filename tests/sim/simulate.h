/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulators share: a generator draws commands from a seed, each is carried out and
 * written down; a failing run becomes a scenario that is replayed and shrunk. */
#ifndef SIM_SIMULATE_H
#define SIM_SIMULATE_H

#include "base/buf.h"
#include "base/rng.h"
#include "language.h"

struct generator {
    const char *name;
    const struct backend *backend;
    /* Appends the `cluster` line (with its newline). */
    void (*cluster)(struct rng *rng, struct buf *line, void *state);
    /* Appends one command line (with its newline); step counts from 0. */
    void (*command)(struct rng *rng, struct buf *line, void *state, unsigned step);
    size_t state_bytes; /* zeroed before each seed */
    unsigned steps_min, steps_max;
    unsigned converge_ticks;
};

/* main() of a simulator: [--seed S] [--count N] [--seconds S] [--out DIR]
 * [--cluster OPTIONS, put at the end of each cluster line] [--print] [--first: ends at the first
 * seed that fails, and only tells which].
 * Prints the seeds, then "N passed, N failed". */
int simulate_main(const struct generator *generator, int argc, char **argv);

/* A line of text with a choice drawn by weight. */
struct choice {
    unsigned weight;
    void (*draw)(struct rng *rng, struct buf *line, void *state);
};
void choose(struct rng *rng, struct buf *line, void *state, const struct choice *choices,
            size_t count);

#endif
