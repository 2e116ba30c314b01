/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket: ours, and not the library's, so that a fault has words and port 0 works. */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include <stdint.h>

#include "base/why.h"

enum { LISTEN_ADDRESS_SIZE = 300, LISTEN_REMOTE_SIZE = 64 };

struct sockaddr;

/* option: for the error's words. Listens on "host:port" or "[host]:port". The caller closes *ret_fd; ret_address is where it
 * really listens. Errors: as http_start */
MUST_USE enum err listen_open(const char *option, const char *listen_text, int *ret_fd,
                              char ret_address[LISTEN_ADDRESS_SIZE], struct why *why);
/* "127.0.0.1:40312", "[::1]:40312" of a client; "-" when that is not known. */
void listen_print_remote(const struct sockaddr *address, char ret_text[LISTEN_REMOTE_SIZE]);
/* Raises the process's limit of open files to what the system allows, when it is too low for so many
 * connections beside all else; says so in the log when that is still too low. */
void listen_raise_limit(uint32_t max_connections);

#endif
