/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking client that sends raw bytes, for tests that need them raw. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct http_options;

struct client {
    int fd;
    struct gnutls_session_int *tls; /* NULL: plain */
    char reply[262144];             /* of the last request: head and body, NUL-terminated */
    int status;                     /* 0: the connection was closed without a reply */
    const char *body;               /* in reply */
};

/* Before a test: makes certificates, and from now on servers and clients speak TLS. */
void client_use_tls(void);
/* Has a server use them, or not. */
void client_set_options(struct http_options *options);
const char *client_certificates(void); /* their folder; NULL: plain */

void client_open(struct client *client, const char *address);    /* "127.0.0.1:port" */
void client_connect(struct client *client, const char *address); /* no handshake */
void client_close(struct client *client);
void client_send(struct client *client, const void *data, size_t len);
/* Reads one reply, at most timeout_ms. False: closed or nothing in time (status is 0). */
bool client_read(struct client *client, int timeout_ms);
/* A whole request; status of its reply. body may be NULL. headers: "Name: value\r\n..." */
int client_ask(struct client *client, const char *method, const char *target, const char *headers,
               const char *body);
bool client_has(const struct client *client, const char *text); /* in the reply, anywhere */

#endif
