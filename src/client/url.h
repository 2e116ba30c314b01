/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of servers, and text in paths and queries. Thread: any. */
#ifndef CLIENT_URL_H
#define CLIENT_URL_H

#include "base/buf.h"
#include "base/why.h"

enum { CLIENT_URL_PORT = 5001, CLIENT_URL_SERVER_MAX_BYTES = 300 };

struct client_server {
    char host[256]; /* without brackets */
    uint16_t port;
    bool is_tls;
};

/* Takes "host", "host:port", "[v6]:port", "http://host:port", "https://...", a slash at the end. */
MUST_USE enum err client_url_parse_server(const char *text, struct client_server *ret_server,
                                          struct why *why);
/* "http://host:port" */
void client_url_print_server(const struct client_server *server,
                             char ret_text[CLIENT_URL_SERVER_MAX_BYTES]);

/* Appends text percent-encoded: everything but letters, digits and "-_~"; dots as well when the
 * whole is "." or "..", so that nothing on the way takes it for a folder. */
void client_url_append_encoded(struct buf *buf, struct bytes text);
/* Appends "?name=value" to a path without a query, "&name=value" to one that has. */
void client_url_append_query(struct buf *path, const char *name, const char *value);
void client_url_append_query_u64(struct buf *path, const char *name, uint64_t value);

#endif
