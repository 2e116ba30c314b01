/* SPDX-License-Identifier: Apache-2.0 */
/* The ETag of a channel: its last seq and its delete version, which change with every append and
 * every delete. If-Match on a write names the state that the client has seen. */
#ifndef HTTP_TAG_H
#define HTTP_TAG_H

#include "http/request.h"

void tag_set_channel(struct request *req, const struct msg_channel *channel);
/* Reads the request's channel and compares If-Match. False: the reply is set (412, or a fault). */
bool tag_holds(struct request *req, uint32_t at, struct msg_channel *ret);

#endif
