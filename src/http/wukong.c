/* SPDX-License-Identifier: Apache-2.0 */
#include "http/wukong.h"

#include "base/crc.h"
#include "base/utf8.h"
#include "http/access.h"
#include "http/base64.h"
#include "http/http.h"
#include "http/jwrite.h"

enum err wukong_parse(struct request *req, const struct jvalue **ret, struct why *why)
{
    enum err err = jvalue_parse(req->body, 2, &req->arena, ret, why);
    if (err == OK && (*ret)->kind != JVALUE_OBJECT)
        err = why_set(why, ERR_BAD_JSON, "the body is not an object");
    return err;
}

static const struct jvalue *find(const struct jvalue *object, const char *name)
{
    const struct jvalue *value = jvalue_find(object, name);
    return value == NULL || value->kind == JVALUE_NULL ? NULL : value;
}

enum err wukong_number(const struct jvalue *object, const char *name, uint64_t max, uint64_t *ret,
                       struct why *why)
{
    const struct jvalue *value = find(object, name);
    if (value == NULL)
        return OK;
    if (value->kind != JVALUE_NUMBER || !value->is_integer || value->integer < 0 ||
        (uint64_t)value->integer > max)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a whole number from 0 to %llu", name,
                       (unsigned long long)max);
    *ret = (uint64_t)value->integer;
    return OK;
}

enum err wukong_text(const struct jvalue *object, const char *name, size_t max, struct bytes *ret,
                     struct why *why)
{
    const struct jvalue *value = find(object, name);
    if (value == NULL)
        return OK;
    if (value->kind != JVALUE_STRING)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a string", name);
    if (value->string.len > max)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' of %zu bytes is longer than %zu", name,
                       value->string.len, max);
    if (utf8_has_control(value->string))
        return why_set(why, ERR_BAD_PARAMETER, "'%s' has a control character", name);
    *ret = value->string;
    return OK;
}

/* ---- channels ----------------------------------------------------------------------------------- */
/* The other half of an id that has uid and an '@' at one of its ends; len 0: it has not. */
static struct bytes other_half(struct bytes id, struct bytes uid)
{
    if (uid.len == 0 || id.len <= uid.len + 1)
        return BYTES_NONE;
    size_t rest = id.len - uid.len - 1;
    if (memcmp(id.data, uid.data, uid.len) == 0 && id.data[uid.len] == '@')
        return bytes_of(id.data + uid.len + 1, rest);
    if (memcmp(id.data + rest + 1, uid.data, uid.len) == 0 && id.data[rest] == '@')
        return bytes_of(id.data, rest);
    return BYTES_NONE;
}

static bool goes_first(struct bytes a, struct bytes b)
{
    uint32_t crc_a = crc32_ieee(a), crc_b = crc32_ieee(b);
    if (crc_a != crc_b)
        return crc_a > crc_b;
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order > 0 : a.len >= b.len;
}

struct bytes wukong_channel_id(uint8_t type, struct bytes uid, struct bytes id, struct arena *arena)
{
    if (type != WUKONG_PERSON || uid.len == 0 || id.len == 0)
        return id;
    struct bytes peer = other_half(id, uid);
    if (peer.len == 0)
        peer = id;
    struct bytes first = goes_first(uid, peer) ? uid : peer;
    struct bytes second = first.data == uid.data ? peer : uid;
    uint8_t *text = arena_alloc(arena, first.len + 1 + second.len);
    memcpy(text, first.data, first.len);
    text[first.len] = '@';
    memcpy(text + first.len + 1, second.data, second.len);
    return bytes_of(text, first.len + 1 + second.len);
}

static enum err set_channel(struct request *req, uint64_t type, struct bytes uid, struct bytes id,
                            struct why *why)
{
    req->channel =
        (struct channel){(uint8_t)type, wukong_channel_id((uint8_t)type, uid, id, &req->arena)};
    enum err err = channel_check(req->channel, why);
    if (err != OK)
        return err;
    req->slot = channel_slot(req->channel, node_slot_count(http_node(req->http)));
    return access_check_channel(req, req->channel, why);
}

enum err wukong_channel(struct request *req, const struct jvalue *object, const char *uid_name,
                        struct why *why)
{
    uint64_t type = 0;
    struct bytes uid = BYTES_NONE, id = BYTES_NONE;
    if (find(object, "channel_type") == NULL)
        return why_set(why, ERR_BAD_PARAMETER, "'channel_type' is missing");
    enum err err = wukong_number(object, "channel_type", UINT8_MAX, &type, why);
    if (err == OK)
        err = wukong_text(object, "channel_id", CHANNEL_ID_MAX_BYTES, &id, why);
    if (err == OK)
        err = wukong_text(object, uid_name, HTTP_FROM_UID_MAX_BYTES, &uid, why);
    return err == OK ? set_channel(req, type, uid, id, why) : err;
}

enum err wukong_channel_of_query(struct request *req, struct why *why)
{
    uint64_t type = 0;
    struct bytes uid = BYTES_NONE, id = BYTES_NONE;
    if (!query_has(&req->query, "channel_type"))
        return why_set(why, ERR_BAD_PARAMETER, "'channel_type' is missing");
    enum err err = query_number(&req->query, "channel_type", 0, UINT8_MAX, &type, why);
    if (err == OK)
        err = query_text(&req->query, "channel_id", CHANNEL_ID_MAX_BYTES, &id, why);
    if (err == OK)
        err = query_text(&req->query, "login_uid", HTTP_FROM_UID_MAX_BYTES, &uid, why);
    return err == OK ? set_channel(req, type, uid, id, why) : err;
}

/* ---- messages ----------------------------------------------------------------------------------- */
/* Between two persons a message is shown in the channel of who got it. */
static struct bytes shown_channel(const struct request *req, const struct msg_message *message)
{
    if (req->channel.type != WUKONG_PERSON)
        return req->channel.id;
    struct bytes peer = other_half(req->channel.id, message->from_uid);
    return peer.len == 0 ? req->channel.id : peer;
}

void wukong_write_message(struct request *req, const struct msg_message *message)
{
    struct buf *out = &req->out;
    buf_append_string(out, "{\"header\":{");
    jwrite_member_u64(out, "no_persist", message->header[0]);
    jwrite_member_u64(out, "red_dot", message->header[1]);
    jwrite_member_u64(out, "sync_once", message->header[2]);
    buf_put_u8(out, '}');
    jwrite_member_u64(out, "setting", message->setting);
    jwrite_member_u64(out, "message_id", message->message_id);
    jwrite_member_digits(out, "message_idstr", message->message_id);
    jwrite_member_string(out, "client_msg_no", message->client_msg_no);
    jwrite_member_u64(out, "message_seq", message->seq);
    jwrite_member_string(out, "from_uid", message->from_uid);
    jwrite_member_string(out, "channel_id", shown_channel(req, message));
    jwrite_member_u64(out, "channel_type", req->channel.type);
    if (message->topic.len > 0)
        jwrite_member_string(out, "topic", message->topic);
    jwrite_member_u64(out, "expire", message->expire_s);
    jwrite_member_u64(out, "timestamp", message->timestamp_ms / 1000);
    jwrite_key(out, "payload");
    buf_put_u8(out, '"');
    base64_append(out, message->payload);
    buf_append_string(out, "\"}");
}
