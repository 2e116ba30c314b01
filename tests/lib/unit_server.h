/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server for unit tests of clients: a thread on a loopback port that hands each request to
 * a function and sends what that returns, or hangs up. One connection at a time, keep-alive. */
#ifndef TESTS_LIB_UNIT_SERVER_H
#define TESTS_LIB_UNIT_SERVER_H

#include <stddef.h>

struct unit_server;

/* request: the whole request, NUL at its end. Returns the whole reply (static or owned by arg), or
 * NULL to close the connection without an answer. */
typedef const char *unit_server_answer(const char *request, void *arg);

struct unit_server *unit_server_start(unit_server_answer *answer, void *arg);
const char *unit_server_url(const struct unit_server *server); /* "http://127.0.0.1:port" */
unsigned unit_server_requests(struct unit_server *server);     /* so far */
void unit_server_stop(struct unit_server *server);

#endif
