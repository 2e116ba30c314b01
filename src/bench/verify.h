/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: reads back what a journal says and holds it against what is there. */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include "bench/journal.h"
#include "bench/options.h"

struct verify_result {
    uint64_t channels, acknowledged, found, deleted, unknown, unknown_stored, foreign;
    /* Faults: any of them above 0 is a broken promise. */
    uint64_t lost, stored_twice, wrong_payload, wrong_place, undeleted, refused_stored, disordered,
        unexplained_holes, unrecorded;
};

/* Reads every channel of the journal: linearizable, from any target; with is_local from each
 * target's own state, which gets some time to catch up. strict: a message of this run that the
 * journal does not know is a fault, since nothing can have been lost of it.
 * Faults are told on stderr, at most a few of each; they are no error of the call.
 * Errors: ERR_IO and others when a channel cannot be read. */
MUST_USE enum err verify_run(const struct bench_options *options, const char *path,
                             struct journal *journal, bool strict, bool is_local,
                             struct verify_result *ret_result, struct why *why);
uint64_t verify_faults(const struct verify_result *result);

#endif
