/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one scenario text on its back end; the runner, the simulator's replays and the shrinker
 * use it. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdio.h>

#include "base/buf.h"

struct scenario_result {
    bool ok;
    char name[128];
    unsigned line;  /* where it failed */
    char text[256]; /* that line */
    char error[600];
    char invariant[16];    /* "V7", "I12" ...: the error's first word, when it is one */
    struct buf transcript; /* owned */
};

/* Runs text. A text without `converge` gets one at its end. Always fills *ret. */
void scenario_run(const char *name, const char *text, struct scenario_result *ret);
/* The failure and the last 50 events. */
void scenario_report(const struct scenario_result *result, FILE *out);
void scenario_result_done(struct scenario_result *result);

#endif
