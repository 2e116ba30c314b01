/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a command is a run of varints and blocks (varint length, then bytes), with one byte
 * in front of each message that says which of its optional fields follow: most messages have no
 * topic, no WuKongIM header and no expiry, and a field that is not there costs nothing.
 *
 * Invariants. (1) command_decode gives only what command_check passes, so apply needs no second
 * look at lengths and order. (2) Nothing is allocated before its count was compared with the
 * limits and with the bytes that are left. (3) The checksum covers every byte of the command but
 * itself: the header's 12 bytes are hashed after the body, so that command_set_time can correct
 * the sum from the old and the new header alone (a CRC is linear), without reading the body.
 * (4) Ranges are written as gaps: what is not ascending and merged cannot even be expressed. */
#include "wire/command.h"

#include "base/buf.h"
#include "base/crc.h"
#include "wire/limits.h"
#include "wire/members.h"
#include "wire/reading.h"

enum { OFFSET_VERSION = 0, OFFSET_KIND = 1, OFFSET_FLAGS = 2, OFFSET_CRC = 4, OFFSET_TIME = 8 };

enum { PART_EXPECTED = 1 };

enum message_field {
    MESSAGE_ENCODING_MASK = 3,
    MESSAGE_FROM_UID = 4,
    MESSAGE_CLIENT_MSG_NO = 8,
    MESSAGE_TOPIC = 16,
    MESSAGE_WUKONG = 32, /* header and setting */
    MESSAGE_EXPIRE = 64,
    MESSAGE_UNUSED = 128
};

enum { PAYLOAD_ENCODING_MAX = 2 }; /* PAYLOAD_JSON of store/rows.h, which this room cannot see */

enum {
    RANGE_BYTES_MIN = 2,
    MESSAGE_BYTES_MIN = 1 + COMMAND_SALT_BYTES + 1,
    PART_BYTES_MIN = 1 + 1 + 2 + 1 + MESSAGE_BYTES_MIN
};

/* ---- the checksum --------------------------------------------------------------------------- */

/* The header without its checksum: the part that is hashed. */
struct header {
    uint8_t bytes[COMMAND_HEADER_BYTES - 4];
};

static struct header header_of(const uint8_t *encoded)
{
    struct header ret;
    memcpy(ret.bytes, encoded, OFFSET_CRC);
    memcpy(ret.bytes + OFFSET_CRC, encoded + OFFSET_TIME, sizeof(ret.bytes) - OFFSET_CRC);
    return ret;
}

static uint32_t checksum_of(struct bytes encoded)
{
    struct header header = header_of(encoded.data);
    uint32_t crc =
        crc32c(bytes_of(encoded.data + COMMAND_HEADER_BYTES, encoded.len - COMMAND_HEADER_BYTES));
    return crc32c_more(crc, bytes_of(header.bytes, sizeof(header.bytes)));
}

/* What changes in a CRC when bytes of its end change by `difference` (xor): the CRC of the
 * difference without the constants that come from the start and the end value. */
static uint32_t crc_change(struct header difference)
{
    static const struct header zeros;
    return crc32c_more(0, bytes_of(difference.bytes, sizeof(difference.bytes))) ^
           crc32c_more(0, bytes_of(zeros.bytes, sizeof(zeros.bytes)));
}

static void set_number(uint8_t *at, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_number(const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* ---- validity ------------------------------------------------------------------------------- */

static uint16_t flags_of_kind(uint8_t kind)
{
    return kind == COMMAND_APPEND ? COMMAND_ATOMIC : kind == COMMAND_DELETE ? COMMAND_CLAMP : 0;
}

static enum err check_text(const char *name, struct bytes text, size_t max, struct why *why)
{
    if (text.len > max)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' of %zu bytes is longer than %zu", name,
                       text.len, max);
    return OK;
}

static enum err check_message(const struct command_message *message, struct why *why)
{
    enum err err = check_text("from_uid", message->from_uid, COMMAND_FROM_UID_MAX_BYTES, why);
    if (err == OK)
        err = check_text("client_msg_no", message->client_msg_no, COMMAND_CLIENT_MSG_NO_MAX_BYTES,
                         why);
    if (err == OK)
        err = check_text("topic", message->topic, COMMAND_TOPIC_MAX_BYTES, why);
    if (err == OK)
        err = check_text("payload", message->payload, COMMAND_MAX_BYTES, why);
    if (err != OK)
        return err;
    if (message->payload_encoding > PAYLOAD_ENCODING_MAX)
        return why_set(why, ERR_BAD_PARAMETER, "payload encoding %u is not known",
                       message->payload_encoding);
    return OK;
}

static enum err check_append(const struct command *command, struct why *why)
{
    const struct command_append *append = &command->append;
    if (append->parts_count == 0 || append->parts_count > ENTRY_MESSAGES_MAX)
        return why_set(why, ERR_BAD_PARAMETER, "an append of %u parts, not 1 to %d",
                       append->parts_count, ENTRY_MESSAGES_MAX);
    if ((command->flags & COMMAND_ATOMIC) && append->parts_count != 1)
        return why_set(why, ERR_BAD_PARAMETER, "an atomic append of %u parts, not 1",
                       append->parts_count);
    uint64_t messages = 0;
    for (uint32_t i = 0; i < append->parts_count; i++) {
        const struct command_part *part = &append->parts[i];
        enum err err = channel_check(part->channel, why);
        if (err != OK)
            return err;
        messages += part->messages_count;
        if (part->messages_count == 0 || messages > ENTRY_MESSAGES_MAX)
            return why_set(why, ERR_BAD_PARAMETER, "an append of %llu messages, not 1 to %d",
                           (unsigned long long)messages, ENTRY_MESSAGES_MAX);
        for (uint32_t k = 0; k < part->messages_count && err == OK; k++)
            err = check_message(&part->messages[k], why);
        if (err != OK)
            return err;
    }
    return OK;
}

static enum err check_ranges(const struct range *ranges, uint32_t count, struct why *why)
{
    if (count == 0 || count > COMMAND_RANGES_MAX)
        return why_set(why, ERR_BAD_PARAMETER, "a delete of %u ranges, not 1 to %d", count,
                       COMMAND_RANGES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].start == 0 || ranges[i].end < ranges[i].start)
            return why_set(why, ERR_BAD_PARAMETER, "range %llu-%llu is impossible",
                           (unsigned long long)ranges[i].start, (unsigned long long)ranges[i].end);
        if (i > 0 &&
            (ranges[i].start <= ranges[i - 1].end || ranges[i].start - ranges[i - 1].end < 2))
            return why_set(why, ERR_BAD_PARAMETER, "range %llu-%llu is out of order or not merged",
                           (unsigned long long)ranges[i].start, (unsigned long long)ranges[i].end);
    }
    return OK;
}

static enum err check_delete(const struct command_delete *delete_, struct why *why)
{
    enum err err = channel_check(delete_->channel, why);
    if (err == OK)
        err = check_ranges(delete_->ranges, delete_->ranges_count, why);
    if (err == OK)
        err = check_text("operator", delete_->operator_name, COMMAND_TEXT_MAX_BYTES, why);
    if (err == OK)
        err = check_text("reason", delete_->reason, COMMAND_TEXT_MAX_BYTES, why);
    if (err == OK)
        err = check_text("request_id", delete_->request_id, COMMAND_TEXT_MAX_BYTES, why);
    return err;
}

static enum err check_members(const struct command_members *command, struct why *why)
{
    struct members table;
    enum err err = members_decode(command->table, &table, why);
    if (err == OK)
        members_done(&table);
    return err == OK ? OK : ERR_BAD_PARAMETER;
}

static enum err check_form(const struct command *command, struct why *why)
{
    if ((command->flags & ~flags_of_kind(command->kind)) != 0)
        return why_set(why, ERR_BAD_PARAMETER, "flags %#x do not belong to command %u",
                       command->flags, command->kind);
    switch (command->kind) {
    case COMMAND_APPEND:
        return check_append(command, why);
    case COMMAND_DELETE:
        return check_delete(&command->delete_, why);
    case COMMAND_DEDUP_GENERATION:
    case COMMAND_RAISE_FLOOR:
    case COMMAND_CHECK:
        return OK;
    case COMMAND_SET_RETENTION:
        return channel_check(command->set_retention.channel, why);
    case COMMAND_MEMBERS:
        return check_members(&command->members, why);
    default:
        return why_set(why, ERR_BAD_PARAMETER, "command kind %u is not known", command->kind);
    }
}

/* ---- size ----------------------------------------------------------------------------------- */

static size_t varint_size(uint64_t value)
{
    size_t ret = 1;
    for (; value >= 0x80; value >>= 7)
        ret++;
    return ret;
}

static size_t block_size(struct bytes bytes)
{
    return varint_size(bytes.len) + bytes.len;
}

static bool has_wukong(const struct command_message *message)
{
    return (message->header[0] | message->header[1] | message->header[2] | message->setting) != 0;
}

static size_t message_size(const struct command_message *message)
{
    size_t ret = 1 + COMMAND_SALT_BYTES + block_size(message->payload);
    ret += message->from_uid.len > 0 ? block_size(message->from_uid) : 0;
    ret += message->client_msg_no.len > 0 ? block_size(message->client_msg_no) : 0;
    ret += message->topic.len > 0 ? block_size(message->topic) : 0;
    ret += has_wukong(message) ? sizeof(message->header) + 1 : 0;
    ret += message->expire_s > 0 ? varint_size(message->expire_s) : 0;
    return ret;
}

static size_t append_size(const struct command_append *append)
{
    size_t ret = varint_size(append->parts_count);
    for (uint32_t i = 0; i < append->parts_count; i++) {
        const struct command_part *part = &append->parts[i];
        ret += 1 + 1 + block_size(part->channel.id) + varint_size(part->messages_count);
        ret += part->has_expected_last_seq ? varint_size(part->expected_last_seq) : 0;
        for (uint32_t k = 0; k < part->messages_count; k++)
            ret += message_size(&part->messages[k]);
    }
    return ret;
}

/* The gap before a range: 0 is the smallest that keeps it apart from the one before. */
static uint64_t range_gap(const struct range *ranges, uint32_t i)
{
    return i == 0 ? ranges[0].start - 1 : ranges[i].start - ranges[i - 1].end - 2;
}

static size_t delete_size(const struct command_delete *delete_)
{
    size_t ret = 1 + block_size(delete_->channel.id) + varint_size(delete_->ranges_count);
    for (uint32_t i = 0; i < delete_->ranges_count; i++)
        ret += varint_size(range_gap(delete_->ranges, i)) +
               varint_size(delete_->ranges[i].end - delete_->ranges[i].start);
    return ret + block_size(delete_->operator_name) + block_size(delete_->reason) +
           block_size(delete_->request_id);
}

size_t command_size(const struct command *command)
{
    const struct command_set_retention *retention = &command->set_retention;
    switch (command->kind) {
    case COMMAND_APPEND:
        return COMMAND_HEADER_BYTES + append_size(&command->append);
    case COMMAND_DELETE:
        return COMMAND_HEADER_BYTES + delete_size(&command->delete_);
    case COMMAND_DEDUP_GENERATION:
        return COMMAND_HEADER_BYTES + varint_size(command->dedup_generation.window_ms);
    case COMMAND_RAISE_FLOOR:
        return COMMAND_HEADER_BYTES + varint_size(command->raise_floor.floor) + 1;
    case COMMAND_CHECK:
        return COMMAND_HEADER_BYTES + varint_size(command->check.id);
    case COMMAND_SET_RETENTION:
        return COMMAND_HEADER_BYTES + 1 + block_size(retention->channel.id) +
               varint_size(retention->max_age_ms) + varint_size(retention->max_messages) +
               varint_size(retention->max_bytes);
    case COMMAND_MEMBERS:
        return COMMAND_HEADER_BYTES + varint_size(command->members.expected_revision) +
               block_size(command->members.table);
    default:
        return COMMAND_HEADER_BYTES;
    }
}

enum err command_check(const struct command *command, struct why *why)
{
    enum err err = check_form(command, why);
    if (err != OK)
        return err;
    size_t size = command_size(command);
    if (size > COMMAND_MAX_BYTES)
        return why_set(why, ERR_TOO_LARGE, "a command of %zu bytes is larger than %d", size,
                       COMMAND_MAX_BYTES);
    return OK;
}

/* ---- encode --------------------------------------------------------------------------------- */

/* Writes forward into a blob whose size was computed before. */
struct writer {
    uint8_t *at, *end;
};

static void put(struct writer *writer, const void *data, size_t len)
{
    assert((size_t)(writer->end - writer->at) >= len);
    if (len > 0)
        memcpy(writer->at, data, len);
    writer->at += len;
}

static void put_u8(struct writer *writer, uint8_t value)
{
    put(writer, &value, 1);
}

static void put_varint(struct writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (uint8_t)(value | 0x80);
    bytes[len++] = (uint8_t)value;
    put(writer, bytes, len);
}

static void put_block(struct writer *writer, struct bytes bytes)
{
    put_varint(writer, bytes.len);
    put(writer, bytes.data, bytes.len);
}

static void put_channel(struct writer *writer, struct channel channel)
{
    put_u8(writer, channel.type);
    put_block(writer, channel.id);
}

static void put_message(struct writer *writer, const struct command_message *message)
{
    uint8_t fields = message->payload_encoding;
    fields |= message->from_uid.len > 0 ? MESSAGE_FROM_UID : 0;
    fields |= message->client_msg_no.len > 0 ? MESSAGE_CLIENT_MSG_NO : 0;
    fields |= message->topic.len > 0 ? MESSAGE_TOPIC : 0;
    fields |= has_wukong(message) ? MESSAGE_WUKONG : 0;
    fields |= message->expire_s > 0 ? MESSAGE_EXPIRE : 0;
    put_u8(writer, fields);
    if (fields & MESSAGE_FROM_UID)
        put_block(writer, message->from_uid);
    if (fields & MESSAGE_CLIENT_MSG_NO)
        put_block(writer, message->client_msg_no);
    if (fields & MESSAGE_TOPIC)
        put_block(writer, message->topic);
    if (fields & MESSAGE_WUKONG) {
        put(writer, message->header, sizeof(message->header));
        put_u8(writer, message->setting);
    }
    if (fields & MESSAGE_EXPIRE)
        put_varint(writer, message->expire_s);
    put(writer, message->salt, sizeof(message->salt));
    put_block(writer, message->payload);
}

static void put_append(struct writer *writer, const struct command_append *append)
{
    put_varint(writer, append->parts_count);
    for (uint32_t i = 0; i < append->parts_count; i++) {
        const struct command_part *part = &append->parts[i];
        put_u8(writer, part->has_expected_last_seq ? PART_EXPECTED : 0);
        put_channel(writer, part->channel);
        if (part->has_expected_last_seq)
            put_varint(writer, part->expected_last_seq);
        put_varint(writer, part->messages_count);
        for (uint32_t k = 0; k < part->messages_count; k++)
            put_message(writer, &part->messages[k]);
    }
}

static void put_delete(struct writer *writer, const struct command_delete *delete_)
{
    put_channel(writer, delete_->channel);
    put_varint(writer, delete_->ranges_count);
    for (uint32_t i = 0; i < delete_->ranges_count; i++) {
        put_varint(writer, range_gap(delete_->ranges, i));
        put_varint(writer, delete_->ranges[i].end - delete_->ranges[i].start);
    }
    put_block(writer, delete_->operator_name);
    put_block(writer, delete_->reason);
    put_block(writer, delete_->request_id);
}

static void put_body(struct writer *writer, const struct command *command)
{
    switch (command->kind) {
    case COMMAND_APPEND:
        put_append(writer, &command->append);
        break;
    case COMMAND_DELETE:
        put_delete(writer, &command->delete_);
        break;
    case COMMAND_DEDUP_GENERATION:
        put_varint(writer, command->dedup_generation.window_ms);
        break;
    case COMMAND_RAISE_FLOOR:
        put_varint(writer, command->raise_floor.floor);
        put_u8(writer, command->raise_floor.forced);
        break;
    case COMMAND_CHECK:
        put_varint(writer, command->check.id);
        break;
    case COMMAND_SET_RETENTION:
        put_channel(writer, command->set_retention.channel);
        put_varint(writer, command->set_retention.max_age_ms);
        put_varint(writer, command->set_retention.max_messages);
        put_varint(writer, command->set_retention.max_bytes);
        break;
    case COMMAND_MEMBERS:
        put_varint(writer, command->members.expected_revision);
        put_block(writer, command->members.table);
        break;
    default:
        assert(!"a command kind without a body");
    }
}

struct blob *command_encode(const struct command *command)
{
    assert(command_check(command, NULL) == OK);
    struct blob *ret = blob_new(command_size(command));
    ret->data[OFFSET_VERSION] = COMMAND_VERSION;
    ret->data[OFFSET_KIND] = command->kind;
    set_number(ret->data + OFFSET_FLAGS, command->flags, 2);
    set_number(ret->data + OFFSET_TIME, command->time_ms, 8);
    struct writer writer = {ret->data + COMMAND_HEADER_BYTES, ret->data + ret->len};
    put_body(&writer, command);
    assert(writer.at == writer.end);
    set_number(ret->data + OFFSET_CRC, checksum_of(blob_bytes(ret)), 4);
    return ret;
}

void command_set_time(struct blob *encoded, uint64_t time_ms)
{
    assert(command_kind_of(blob_bytes(encoded)) != 0);
    struct header difference = header_of(encoded->data);
    set_number(encoded->data + OFFSET_TIME, time_ms, 8);
    struct header new = header_of(encoded->data);
    for (size_t i = 0; i < sizeof(new.bytes); i++)
        difference.bytes[i] ^= new.bytes[i];
    uint32_t crc = (uint32_t)get_number(encoded->data + OFFSET_CRC, 4);
    set_number(encoded->data + OFFSET_CRC, crc ^ crc_change(difference), 4);
}

/* ---- decode --------------------------------------------------------------------------------- */

static struct channel get_channel(struct reader *reader)
{
    struct channel ret;
    ret.type = reader_u8(reader);
    ret.id = reader_block(reader);
    return ret;
}

static void get_message(struct reader *reader, struct command_message *ret)
{
    *ret = (struct command_message){0};
    uint8_t fields = reader_u8(reader);
    if (fields & MESSAGE_UNUSED)
        reader->failed = true;
    ret->payload_encoding = fields & MESSAGE_ENCODING_MASK;
    if (fields & MESSAGE_FROM_UID)
        ret->from_uid = reader_block(reader);
    if (fields & MESSAGE_CLIENT_MSG_NO)
        ret->client_msg_no = reader_block(reader);
    if (fields & MESSAGE_TOPIC)
        ret->topic = reader_block(reader);
    if (fields & MESSAGE_WUKONG) {
        reading_copy(reader, ret->header, sizeof(ret->header));
        ret->setting = reader_u8(reader);
    }
    if (fields & MESSAGE_EXPIRE)
        ret->expire_s = (uint32_t)reading_number(reader, UINT32_MAX);
    reading_copy(reader, ret->salt, sizeof(ret->salt));
    ret->payload = reader_block(reader);
}

static void get_append(struct reader *reader, struct arena *arena, struct command_append *ret)
{
    ret->parts_count = reading_count(reader, ENTRY_MESSAGES_MAX, PART_BYTES_MIN);
    struct command_part *parts = arena_zero(arena, ret->parts_count * sizeof(*parts));
    ret->parts = parts;
    uint32_t messages_left = ENTRY_MESSAGES_MAX;
    for (uint32_t i = 0; i < ret->parts_count && !reader->failed; i++) {
        uint8_t fields = reader_u8(reader);
        if ((fields & ~PART_EXPECTED) != 0)
            reader->failed = true;
        parts[i].channel = get_channel(reader);
        parts[i].has_expected_last_seq = (fields & PART_EXPECTED) != 0;
        if (parts[i].has_expected_last_seq)
            parts[i].expected_last_seq = reader_varint(reader);
        uint32_t count = reading_count(reader, messages_left, MESSAGE_BYTES_MIN);
        struct command_message *messages = arena_alloc(arena, count * sizeof(*messages));
        for (uint32_t k = 0; k < count; k++)
            get_message(reader, &messages[k]);
        parts[i].messages = messages;
        parts[i].messages_count = count;
        messages_left -= count;
    }
}

static void get_ranges(struct reader *reader, struct range *ranges, uint32_t count)
{
    uint64_t next = 1; /* the smallest start that is possible */
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        uint64_t gap = reader_varint(reader);
        uint64_t more = reader_varint(reader);
        if (gap > UINT64_MAX - next || more > UINT64_MAX - (next + gap)) {
            reader->failed = true;
            return;
        }
        ranges[i].start = next + gap;
        ranges[i].end = ranges[i].start + more;
        next = ranges[i].end + 2; /* behind the largest numbers it wraps: check_ranges sees that */
    }
}

static void get_delete(struct reader *reader, struct arena *arena, struct command_delete *ret)
{
    ret->channel = get_channel(reader);
    ret->ranges_count = reading_count(reader, COMMAND_RANGES_MAX, RANGE_BYTES_MIN);
    struct range *ranges = arena_zero(arena, ret->ranges_count * sizeof(*ranges));
    get_ranges(reader, ranges, ret->ranges_count);
    ret->ranges = ranges;
    ret->operator_name = reader_block(reader);
    ret->reason = reader_block(reader);
    ret->request_id = reader_block(reader);
}

static void get_body(struct reader *reader, struct arena *arena, struct command *ret)
{
    switch (ret->kind) {
    case COMMAND_APPEND:
        get_append(reader, arena, &ret->append);
        break;
    case COMMAND_DELETE:
        get_delete(reader, arena, &ret->delete_);
        break;
    case COMMAND_DEDUP_GENERATION:
        ret->dedup_generation.window_ms = reader_varint(reader);
        break;
    case COMMAND_RAISE_FLOOR:
        ret->raise_floor.floor = reader_varint(reader);
        ret->raise_floor.forced = reading_bool(reader);
        break;
    case COMMAND_CHECK:
        ret->check.id = reader_varint(reader);
        break;
    case COMMAND_SET_RETENTION:
        ret->set_retention.channel = get_channel(reader);
        ret->set_retention.max_age_ms = reader_varint(reader);
        ret->set_retention.max_messages = reader_varint(reader);
        ret->set_retention.max_bytes = reader_varint(reader);
        break;
    case COMMAND_MEMBERS:
        ret->members.expected_revision = reader_varint(reader);
        ret->members.table = reading_block(reader, MEMBERS_MAX_BYTES);
        break;
    default:
        reader->failed = true;
    }
}

static enum err check_header(struct bytes encoded, struct why *why)
{
    if (encoded.len < COMMAND_HEADER_BYTES || encoded.len > COMMAND_MAX_BYTES)
        return why_set(why, ERR_BAD_FORMAT, "a command of %zu bytes, not %d to %d", encoded.len,
                       COMMAND_HEADER_BYTES, COMMAND_MAX_BYTES);
    /* The version goes first: what another version's checksum covers is not known here. */
    uint8_t version = encoded.data[OFFSET_VERSION];
    if (version != COMMAND_VERSION)
        return why_set(why, ERR_WRONG_FORMAT, "a command of version %u, not %d: upgrade this node",
                       version, COMMAND_VERSION);
    if (get_number(encoded.data + OFFSET_CRC, 4) != checksum_of(encoded))
        return why_set(why, ERR_BAD_FORMAT, "a command with a bad checksum");
    uint8_t kind = encoded.data[OFFSET_KIND];
    if (kind < COMMAND_APPEND || kind > COMMAND_KIND_LAST)
        return why_set(why, ERR_WRONG_FORMAT,
                       "a command of kind %u, which this build does not know: upgrade this node",
                       kind);
    uint16_t flags = (uint16_t)get_number(encoded.data + OFFSET_FLAGS, 2);
    if ((flags & ~flags_of_kind(kind)) != 0)
        return why_set(why, ERR_WRONG_FORMAT,
                       "a command of kind %u with unknown flags %#x: upgrade this node", kind,
                       flags);
    return OK;
}

enum err command_decode(struct bytes encoded, struct arena *arena, struct command *ret,
                        struct why *why)
{
    enum err err = check_header(encoded, why);
    if (err != OK)
        return err;
    struct command command = {.kind = encoded.data[OFFSET_KIND]};
    command.flags = (uint16_t)get_number(encoded.data + OFFSET_FLAGS, 2);
    command.time_ms = get_number(encoded.data + OFFSET_TIME, 8);
    struct reader reader = reader_of(
        bytes_of(encoded.data + COMMAND_HEADER_BYTES, encoded.len - COMMAND_HEADER_BYTES));
    get_body(&reader, arena, &command);
    if (!reader_is_done(&reader))
        return why_set(why, ERR_BAD_FORMAT, "a command of kind %u whose body does not add up",
                       command.kind);
    if (check_form(&command, why) != OK) {
        if (why != NULL)
            why->err = ERR_BAD_FORMAT;
        return ERR_BAD_FORMAT;
    }
    *ret = command;
    return OK;
}

uint32_t command_feature_level(enum command_kind kind)
{
    return kind == COMMAND_MEMBERS ? 2 : 1;
}

uint8_t command_kind_of(struct bytes encoded)
{
    if (encoded.len < COMMAND_HEADER_BYTES || encoded.data[OFFSET_VERSION] != COMMAND_VERSION)
        return 0;
    uint8_t kind = encoded.data[OFFSET_KIND];
    return kind >= COMMAND_APPEND && kind <= COMMAND_KIND_LAST ? kind : 0;
}
