/* SPDX-License-Identifier: Apache-2.0 */
/* Runs whole command lines against a server that answers by a table, and keeps what was sent and
 * what was printed. */
#ifndef TESTS_UNIT_CTL_PROBE_H
#define TESTS_UNIT_CTL_PROBE_H

#include "ctl/ctl.h"
#include "suites.h"

#include <stdbool.h>

/* The first row whose `request` the request begins with answers; a row with times > 0 so often. */
struct probe_row {
    const char *request; /* "GET /v1/nodes" */
    const char *body;    /* NULL: hang up */
    int status;          /* 0: 200 */
    int times;           /* 0: for ever */
    const char *headers; /* lines with \r\n at their ends, or NULL */
};

struct probe {
    struct probe_row rows[24];
    char requests[65536]; /* all that came, one after the other */
    char out[65536];      /* what the command printed */
    char err[16384];
    char text[16384];
};

/* Starts a server, runs `lethectl words...` (NULL at the end) with it as LETHE_SERVER. Rows may use
 * "%URL%" in bodies for the server's own host:port. */
int probe_run(struct probe *probe, const char *const *words);
#define PROBE(probe, ...) probe_run(probe, (const char *const[]){__VA_ARGS__, NULL})
bool probe_sent(const struct probe *probe, const char *text);
bool probe_said(const struct probe *probe, const char *text); /* on stdout */
bool probe_told(const struct probe *probe, const char *text); /* on stderr */

#endif
