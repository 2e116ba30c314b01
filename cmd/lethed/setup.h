/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to each room's plain struct of options. Thread: main. */
#ifndef CMD_LETHED_SETUP_H
#define CMD_LETHED_SETUP_H

#include "config/config.h"
#include "http/http.h"
#include "node/node.h"

void setup_log(const struct config *config);
/* members has room for NODE_MEMBERS_MAX. */
void setup_members(const struct config *config, struct node_member *members);
/* Both borrow texts of config, and members. */
struct node_options setup_node(const struct config *config, const struct node_member *members);
struct http_options setup_http(const struct config *config);
/* The files that the configuration names are part of it: tokens and the certificate for clients.
 * Errors: as tokens_load and tls_open; why names the option and the file */
MUST_USE enum err setup_check_files(const struct config *config, struct why *why);

#endif
