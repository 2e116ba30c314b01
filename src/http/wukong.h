/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes of WuKongIM (api.md, section 5) share: their bodies, channel names and messages.
 * Their errors are {"msg","status"}: reply.c. Thread: the request's. */
#ifndef HTTP_WUKONG_H
#define HTTP_WUKONG_H

#include "http/jvalue.h"
#include "http/request.h"

enum { WUKONG_PERSON = 1, WUKONG_DEFAULT_LIMIT = 100, WUKONG_MAX_LIMIT = 10000 };

/* The body's object, two levels deep. Errors: ERR_BAD_JSON, ERR_TOO_LARGE */
MUST_USE enum err wukong_parse(struct request *req, const struct jvalue **ret, struct why *why);
/* Members; absent and null leave *ret as it is. Errors: ERR_BAD_PARAMETER */
MUST_USE enum err wukong_number(const struct jvalue *object, const char *name, uint64_t max,
                                uint64_t *ret, struct why *why);
MUST_USE enum err wukong_text(const struct jvalue *object, const char *name, size_t max,
                              struct bytes *ret, struct why *why);
/* The id under which a channel is stored: of two persons "uid1@uid2", the uid with the larger CRC-32
 * first, whoever of the two asks; uid empty, or other kinds: the id as it is. In arena. */
struct bytes wukong_channel_id(uint8_t type, struct bytes uid, struct bytes id,
                               struct arena *arena);
/* Sets req->channel and slot from the members channel_id, channel_type and the uid of who asks.
 * Errors: ERR_BAD_PARAMETER, ERR_BAD_CHANNEL, ERR_FORBIDDEN */
MUST_USE enum err wukong_channel(struct request *req, const struct jvalue *object,
                                 const char *uid_name, struct why *why);
/* The same from the query. */
MUST_USE enum err wukong_channel_of_query(struct request *req, struct why *why);
void wukong_write_message(struct request *req, const struct msg_message *message);

#endif
