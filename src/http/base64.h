/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648), strict: padded, no white space, no bits left over. One text for each sequence
 * of bytes, so that a payload cannot be sent under two spellings. Thread: any. */
#ifndef HTTP_BASE64_H
#define HTTP_BASE64_H

#include "base/arena.h"
#include "base/buf.h"

static inline size_t base64_encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Writes base64_encoded_len(bytes.len) characters. */
void base64_encode(struct bytes bytes, uint8_t *ret_text);
/* Appends them. */
void base64_append(struct buf *buf, struct bytes bytes);
/* The bytes that text stands for, in arena. False: not strict base64; nothing is set. */
bool base64_decode(struct bytes text, struct arena *arena, struct bytes *ret);

/* The alphabet for URLs (section 5), without padding: for cursors. */
void base64url_append(struct buf *buf, struct bytes bytes);
bool base64url_decode(struct bytes text, struct arena *arena, struct bytes *ret);

#endif
