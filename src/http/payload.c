/* SPDX-License-Identifier: Apache-2.0 */
#include "http/payload.h"

#include "base/utf8.h"
#include "http/base64.h"
#include "http/jwrite.h"

static const char *const names[] = {
    [PAYLOAD_IS_BASE64] = "base64",
    [PAYLOAD_IS_UTF8] = "utf8",
    [PAYLOAD_IS_JSON] = "json",
};

bool payload_encoding_parse(struct bytes name, uint8_t *ret)
{
    for (uint8_t i = 0; i < ARRAY_LEN(names); i++) {
        if (bytes_is_equal(name, bytes_of_string(names[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

#define PUT(buf, literal) buf_append(buf, literal, sizeof(literal) - 1)

enum { FIXED_MAX_BYTES = 128 }; /* names and numbers between two strings of a message */

void payload_write_message(struct buf *buf, const struct msg_message *message)
{
    buf_reserve(buf, 3 * FIXED_MAX_BYTES + message->from_uid.len + message->client_msg_no.len +
                         base64_encoded_len(message->payload.len));
    uint8_t *at = buf->data + buf->len;
    at = LITERAL_PUT(at, "{\"message_seq\":");
    at = digits_put(at, message->seq);
    at = LITERAL_PUT(at, ",\"message_id\":\"");
    at = digits_put(at, message->message_id);
    at = LITERAL_PUT(at, "\",\"client_msg_no\":");
    buf->len = (size_t)(at - buf->data);
    jwrite_string(buf, message->client_msg_no);
    PUT(buf, ",\"from_uid\":");
    jwrite_string(buf, message->from_uid);
    buf_reserve(buf, FIXED_MAX_BYTES);
    at = buf->data + buf->len;
    at = LITERAL_PUT(at, ",\"timestamp\":");
    at = digits_put(at, message->timestamp_ms);
    at = LITERAL_PUT(at, ",\"payload\":");
    buf->len = (size_t)(at - buf->data);
    switch (message->payload_encoding) {
    case PAYLOAD_IS_JSON:
        buf_append_bytes(buf, message->payload);
        PUT(buf, ",\"payload_encoding\":\"json\"}");
        break;
    case PAYLOAD_IS_UTF8:
        jwrite_string(buf, message->payload);
        PUT(buf, ",\"payload_encoding\":\"utf8\"}");
        break;
    default:
        buf_put_u8(buf, '"');
        base64_append(buf, message->payload);
        PUT(buf, "\",\"payload_encoding\":\"base64\"}");
        break;
    }
}
