/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads as JSON has them, and messages as replies have them. Thread: any. */
#ifndef HTTP_PAYLOAD_H
#define HTTP_PAYLOAD_H

#include "base/buf.h"
#include "msg/types.h"

/* As stored with each message: the same numbers as enum payload_encoding of store/rows.h, a header
 * that this room does not see. A unit test holds the two together. */
enum { PAYLOAD_IS_BASE64 = 0, PAYLOAD_IS_UTF8 = 1, PAYLOAD_IS_JSON = 2 };

bool payload_encoding_parse(struct bytes name, uint8_t *ret);
/* A whole message as an object. */
void payload_write_message(struct buf *buf, const struct msg_message *message);

#endif
