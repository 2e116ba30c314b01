/* SPDX-License-Identifier: Apache-2.0 */
#include "http/item.h"

#include "base/utf8.h"
#include "http/access.h"
#include "http/base64.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/payload.h"
#include "sys/random.h"

static enum err fault(struct request *req, struct item *item, enum err err, const char *format,
                      const char *name, unsigned long long number, unsigned long long limit)
{
    item->why = arena_zero(&req->arena, sizeof(*item->why));
    item->err = err;
    return why_set(item->why, err, format, name, number, limit);
}

static enum err wrong_type(struct request *req, struct item *item, const char *name,
                           const char *wanted)
{
    item->why = arena_zero(&req->arena, sizeof(*item->why));
    item->err = ERR_BAD_PARAMETER;
    return why_set(item->why, ERR_BAD_PARAMETER, "'%s' is not %s", name, wanted);
}

static bool is_absent(const struct jvalue *value)
{
    return value == NULL || value->kind == JVALUE_NULL;
}

static enum err check_name(struct request *req, struct item *item, const char *name,
                           struct bytes text, size_t max)
{
    if (text.len > max)
        return fault(req, item, ERR_BAD_PARAMETER, "'%s' of %llu bytes is longer than %llu", name,
                     text.len, max);
    if (utf8_has_control(text))
        return wrong_type(req, item, name, "free of control characters");
    return OK;
}

static enum err read_name(struct request *req, struct item *item, const struct jvalue *object,
                          const char *name, size_t max, struct bytes *ret)
{
    const struct jvalue *value = jvalue_find(object, name);
    if (is_absent(value))
        return OK;
    if (value->kind != JVALUE_STRING)
        return wrong_type(req, item, name, "a string");
    *ret = value->string;
    return check_name(req, item, name, value->string, max);
}

static enum err check_payload_size(struct request *req, struct item *item)
{
    uint64_t max = HTTP_TUNED(req->http, max_message_bytes);
    if (item->message.payload.len > max)
        return fault(req, item, ERR_TOO_LARGE,
                     "'%s' of %llu bytes is larger than 'max_message_bytes' %llu", "payload",
                     item->message.payload.len, max);
    return OK;
}

static enum err read_payload(struct request *req, struct item *item, const struct jvalue *object)
{
    const struct jvalue *encoding = jvalue_find(object, "payload_encoding");
    const struct jvalue *payload = jvalue_find(object, "payload");
    item->message.payload_encoding = PAYLOAD_IS_BASE64;
    if (!is_absent(encoding)) {
        if (encoding->kind != JVALUE_STRING ||
            !payload_encoding_parse(encoding->string, &item->message.payload_encoding))
            return wrong_type(req, item, "payload_encoding",
                              "one of \"base64\", \"utf8\", \"json\"");
    }
    if (payload == NULL)
        return fault(req, item, ERR_BAD_PARAMETER, "'%s' is missing", "payload", 0, 0);
    if (item->message.payload_encoding == PAYLOAD_IS_JSON) {
        item->message.payload = jvalue_compact(payload->raw, &req->arena);
        return check_payload_size(req, item);
    }
    if (payload->kind != JVALUE_STRING)
        return wrong_type(req, item, "payload", "a string, as its 'payload_encoding' asks");
    item->message.payload = payload->string;
    if (item->message.payload_encoding == PAYLOAD_IS_BASE64 &&
        !base64_decode(payload->string, &req->arena, &item->message.payload))
        return wrong_type(req, item, "payload", "valid base64 (RFC 4648, padded)");
    return check_payload_size(req, item);
}

static enum err read_expected(struct request *req, struct item *item, const struct jvalue *object)
{
    const struct jvalue *value = jvalue_find(object, "expected_last_seq");
    if (is_absent(value))
        return OK;
    if (value->kind != JVALUE_NUMBER || !value->is_integer || value->integer < 0)
        return wrong_type(req, item, "expected_last_seq", "a whole number from 0 to 2^63-1");
    item->has_expected_last_seq = true;
    item->expected_last_seq = (uint64_t)value->integer;
    return OK;
}

static enum err read_channel(struct request *req, struct item *item, const struct jvalue *object)
{
    const struct jvalue *type = jvalue_find(object, "channel_type");
    const struct jvalue *id = jvalue_find(object, "channel_id");
    if (type == NULL || type->kind != JVALUE_NUMBER || !type->is_integer || type->integer < 0 ||
        type->integer > UINT8_MAX)
        return wrong_type(req, item, "channel_type", "there as a whole number from 0 to 255");
    if (id == NULL || id->kind != JVALUE_STRING)
        return wrong_type(req, item, "channel_id", "there as a string");
    item->channel = (struct channel){(uint8_t)type->integer, id->string};
    struct why why;
    enum err err = channel_check(item->channel, &why);
    if (err == OK)
        err = access_check_channel(req, item->channel, &why);
    if (err != OK) {
        item->why = arena_alloc(&req->arena, sizeof(*item->why));
        *item->why = why;
        item->err = err;
        return err;
    }
    item->slot = channel_slot(item->channel, node_slot_count(http_node(req->http)));
    return OK;
}

static void begin(struct request *req, struct item *item)
{
    memset(item, 0, sizeof(*item));
    item->channel = req->channel;
    item->slot = req->slot;
    random_salt(item->message.salt, sizeof(item->message.salt));
}

enum err item_read_json(struct request *req, const struct jvalue *value, bool with_channel,
                        struct item *item)
{
    begin(req, item);
    if (value->kind != JVALUE_OBJECT)
        return wrong_type(req, item, "message", "a JSON object");
    enum err err = with_channel ? read_channel(req, item, value) : OK;
    if (err == OK)
        err = read_payload(req, item, value);
    if (err == OK)
        err = read_name(req, item, value, "from_uid", HTTP_FROM_UID_MAX_BYTES,
                        &item->message.from_uid);
    if (err == OK)
        err = read_name(req, item, value, "client_msg_no", HTTP_CLIENT_MSG_NO_MAX_BYTES,
                        &item->message.client_msg_no);
    if (err == OK) {
        const struct jvalue *no = jvalue_find(value, "client_msg_no");
        if (!is_absent(no) && no->string.len == 0)
            err = wrong_type(req, item, "client_msg_no", "1 to 128 bytes long");
    }
    if (err == OK)
        err = read_expected(req, item, value);
    return err;
}

enum err item_read_raw(struct request *req, struct item *item)
{
    begin(req, item);
    struct why *why = item->why = arena_zero(&req->arena, sizeof(*why));
    item->message.payload = req->body;
    item->message.payload_encoding =
        req->body_is_text && utf8_is_valid(req->body) ? PAYLOAD_IS_UTF8 : PAYLOAD_IS_BASE64;
    enum err err = check_payload_size(req, item);
    if (err != OK)
        return err;
    err =
        query_text(&req->query, "from_uid", HTTP_FROM_UID_MAX_BYTES, &item->message.from_uid, why);
    if (err == OK)
        err = query_text(&req->query, "client_msg_no", HTTP_CLIENT_MSG_NO_MAX_BYTES,
                         &item->message.client_msg_no, why);
    if (err == OK && query_has(&req->query, "client_msg_no") &&
        item->message.client_msg_no.len == 0)
        err = why_set(why, ERR_BAD_PARAMETER, "'client_msg_no' is not 1 to 128 bytes long");
    if (err == OK)
        err = query_number(&req->query, "expected_last_seq", 0, HTTP_MAX_INTEGER,
                           &item->expected_last_seq, why);
    item->has_expected_last_seq = query_has(&req->query, "expected_last_seq");
    item->err = err;
    return err;
}

void item_explain(const struct msg_append_result *result, bool in_batch, struct why *ret_why)
{
    *ret_why = (struct why){.err = OK};
    if (result->err == ERR_SEQ_MISMATCH)
        why_set(ret_why, result->err, "'expected_last_seq' %s is %llu",
                in_batch ? "did not hold in its place: after this batch the last seq"
                         : "does not hold: the last seq",
                (unsigned long long)result->last_seq);
}

enum { RESULT_MAX_BYTES = 256 }; /* all of a result but its strings */

void item_write_result(struct buf *buf, const struct item *item, bool with_channel,
                       const struct msg_append_result *result)
{
    if (with_channel) {
        jwrite_member_u64(buf, "channel_type", item->channel.type);
        jwrite_member_string(buf, "channel_id", item->channel.id);
    }
    jwrite_comma(buf);
    buf_reserve(buf, RESULT_MAX_BYTES);
    uint8_t *at = buf->data + buf->len;
    at = LITERAL_PUT(at, "\"message_seq\":");
    at = digits_put(at, result->seq);
    at = LITERAL_PUT(at, ",\"message_id\":\"");
    at = digits_put(at, result->message_id);
    at = LITERAL_PUT(at, "\"");
    buf->len = (size_t)(at - buf->data);
    if (item->message.client_msg_no.len > 0)
        jwrite_member_string(buf, "client_msg_no", item->message.client_msg_no);
    buf_reserve(buf, RESULT_MAX_BYTES);
    at = buf->data + buf->len;
    at = LITERAL_PUT(at, ",\"timestamp\":");
    at = digits_put(at, result->timestamp_ms);
    at = result->duplicate ? LITERAL_PUT(at, ",\"duplicate\":true")
                           : LITERAL_PUT(at, ",\"duplicate\":false");
    if (result->deleted)
        at = LITERAL_PUT(at, ",\"deleted\":true");
    at = LITERAL_PUT(at, ",\"slot\":");
    at = digits_put(at, item->slot);
    at = LITERAL_PUT(at, ",\"log_index\":");
    at = digits_put(at, result->log_index);
    buf->len = (size_t)(at - buf->data);
}
