/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4, with padding), as payloads travel in JSON. Thread: any. */
#ifndef CLIENT_BASE64_H
#define CLIENT_BASE64_H

#include "base/buf.h"

void client_base64_append_encoded(struct buf *out, struct bytes raw);
/* Appends the decoded bytes; false (and out as before) when text is not base64. */
bool client_base64_append_decoded(struct buf *out, struct bytes text);

#endif
