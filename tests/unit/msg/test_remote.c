/* SPDX-License-Identifier: Apache-2.0 */
/* Queries and answers as bytes: every field arrives, whatever is cut or damaged is refused or is a
 * value like any other, and a count that lies allocates nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "msg/remote.h"
#include "remote_probe.h"
#include "unit.h"

Suite *suite_remote(void);

#define TEXT(text) bytes_of_string(text)
#define SAME(field) ck_assert_uint_eq((uint64_t)(got->field), (uint64_t)(want->field))
#define SAME_BYTES(field) ck_assert(bytes_is_equal(got->field, want->field))
#define SAME_CHANNEL(field) ck_assert(channel_is_equal(got->field, want->field))
#define MANY UINT64_MAX

static const struct range ranges[] = {{1, 1}, {3, 90}, {100, UINT64_MAX}};
static const uint64_t seqs[] = {7, 1, MANY};
static const struct channel named = {.type = 9, .id = {(const uint8_t *)"room", 4}};

static const struct msg_query queries[] = {
    {.kind = MSG_QUERY_PAGE,
     .page = {.channel = {.type = 2, .id = {(const uint8_t *)"a", 1}},
              .from_seq = 1,
              .to_seq = MANY,
              .limit = 10000,
              .descending = true,
              .since_ms = 4,
              .until_ms = 5,
              .max_bytes = 6}},
    {.kind = MSG_QUERY_PAGE,
     .page = {.channel = {.type = 0, .id = {(const uint8_t *)"b", 1}}, .limit = 1, .newest = true}},
    {.kind = MSG_QUERY_MESSAGE, .channel = named, .number = MANY},
    {.kind = MSG_QUERY_SEQS, .channel = named, .seqs = seqs, .seqs_count = 3},
    {.kind = MSG_QUERY_CLIENT_MSG_NO,
     .channel = named,
     .client_msg_no = {(const uint8_t *)"number", 6},
     .from_uid = {(const uint8_t *)"who", 3}},
    {.kind = MSG_QUERY_MESSAGE_ID, .channel = named, .number = 12},
    {.kind = MSG_QUERY_CHANNEL, .channel = named},
    {.kind = MSG_QUERY_CHANNELS,
     .channels = {.slot = 4095,
                  .type = 255,
                  .prefix = {(const uint8_t *)"ro", 2},
                  .after = {.type = 9, .id = {(const uint8_t *)"rob", 3}},
                  .limit = 7}},
    {.kind = MSG_QUERY_CHANNELS, .channels = {.type = -1}},
    {.kind = MSG_QUERY_DELETES,
     .deletes = {.slot = 3,
                 .channel = &named,
                 .since_index = MANY,
                 .since_ms = 8,
                 .until_ms = 9,
                 .operator_name = {(const uint8_t *)"op", 2},
                 .reason = {(const uint8_t *)"why", 3},
                 .limit = 10}},
    {.kind = MSG_QUERY_DELETES},
    {.kind = MSG_QUERY_DELETE, .slot = 17, .number = 18},
    {.kind = MSG_QUERY_PREVIEW,
     .preview = {.channel = named,
                 .form = MSG_DELETE_BEFORE,
                 .ranges = ranges,
                 .ranges_count = 3,
                 .through_seq = 11,
                 .keep = 12,
                 .before_ms = 13,
                 .clamp = true}},
};
enum { QUERIES = sizeof(queries) / sizeof(queries[0]) };

static void same_ranges(const struct range *a, uint32_t a_count, const struct range *b,
                        uint32_t b_count)
{
    ck_assert_uint_eq(a_count, b_count);
    for (uint32_t i = 0; i < a_count; i++) {
        ck_assert_uint_eq(a[i].start, b[i].start);
        ck_assert_uint_eq(a[i].end, b[i].end);
    }
}

static void same_page_query(const struct msg_page_query *got, const struct msg_page_query *want)
{
    SAME_CHANNEL(channel);
    SAME(from_seq);
    SAME(to_seq);
    SAME(limit);
    SAME(descending);
    SAME(newest);
    SAME(since_ms);
    SAME(until_ms);
    SAME(max_bytes);
}

static void same_deletes_query(const struct msg_deletes_query *got,
                               const struct msg_deletes_query *want)
{
    SAME(slot);
    ck_assert_int_eq(got->channel != NULL, want->channel != NULL);
    if (want->channel != NULL)
        SAME_CHANNEL(channel[0]);
    SAME(since_index);
    SAME(since_ms);
    SAME(until_ms);
    SAME_BYTES(operator_name);
    SAME_BYTES(reason);
    SAME(limit);
}

static void same_lists(const struct msg_query *got, const struct msg_query *want)
{
    if (want->kind == MSG_QUERY_CHANNELS) {
        SAME(channels.slot);
        SAME(channels.type);
        SAME_BYTES(channels.prefix);
        SAME_CHANNEL(channels.after);
        SAME(channels.limit);
    } else if (want->kind == MSG_QUERY_PREVIEW) {
        SAME_CHANNEL(preview.channel);
        SAME(preview.form);
        same_ranges(got->preview.ranges, got->preview.ranges_count, want->preview.ranges,
                    want->preview.ranges_count);
        SAME(preview.through_seq);
        SAME(preview.keep);
        SAME(preview.before_ms);
        SAME(preview.clamp);
    } else if (want->kind == MSG_QUERY_DELETES) {
        same_deletes_query(&got->deletes, &want->deletes);
    } else if (want->kind == MSG_QUERY_PAGE) {
        same_page_query(&got->page, &want->page);
    }
}

START_TEST(every_field_of_queries)
{
    struct arena arena;
    struct buf buf = BUF_INIT;
    const struct msg_query *decoded = NULL;
    uint32_t count = 0;
    arena_init(&arena);
    msg_encode_queries(&buf, queries, QUERIES);
    ck_assert_int_eq(msg_decode_queries(buf_bytes(&buf), &arena, &decoded, &count, NULL), OK);
    ck_assert_uint_eq(count, QUERIES);
    for (uint32_t i = 0; i < count; i++) {
        const struct msg_query *got = &decoded[i], *want = &queries[i];
        SAME(kind);
        SAME_CHANNEL(channel);
        SAME(slot);
        SAME(number);
        SAME(seqs_count);
        for (uint32_t k = 0; k < want->seqs_count; k++)
            SAME(seqs[k]);
        SAME_BYTES(client_msg_no);
        SAME_BYTES(from_uid);
        same_lists(got, want);
    }
    ck_assert(probe_queries(buf_bytes(&buf)));
    for (size_t len = 0; len < buf.len; len++)
        ck_assert(!probe_queries(bytes_of(buf.data, len)));
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

/* ---- answers ----------------------------------------------------------------------------------------- */
static const struct msg_message messages[] = {
    {.seq = 1,
     .message_id = MANY,
     .timestamp_ms = 3,
     .from_uid = {(const uint8_t *)"u", 1},
     .client_msg_no = {(const uint8_t *)"no", 2},
     .payload = {(const uint8_t *)"pay\0load", 8},
     .topic = {(const uint8_t *)"top", 3},
     .payload_encoding = 2,
     .setting = 255,
     .header = {1, 2, 3},
     .expire_s = UINT32_MAX},
    {.seq = 2},
};
static const struct msg_channel channels[] = {
    {.channel = {.type = 9, .id = {(const uint8_t *)"room", 4}},
     .slot = 1,
     .first_seq = 2,
     .last_seq = 3,
     .message_count = 4,
     .deleted_count = 5,
     .bytes = 6,
     .last_timestamp_ms = 7,
     .delete_version = 8,
     .created_ms = 9,
     .retention_max_age_ms = 10,
     .retention_max_messages = 11,
     .retention_max_bytes = 12,
     .applied_index = 13},
    {.last_seq = 0},
};
static const struct msg_delete_record records[] = {
    {.slot = 1,
     .log_index = 2,
     .deleted_at_ms = 3,
     .channel = {.type = 9, .id = {(const uint8_t *)"room", 4}},
     .ranges = ranges,
     .ranges_count = 3,
     .deleted_count = 4,
     .already_deleted = 5,
     .operator_name = {(const uint8_t *)"op", 2},
     .reason = {(const uint8_t *)"why", 3},
     .request_id = {(const uint8_t *)"id", 2}},
};
static const struct msg_answer whole = {
    .err = ERR_END_BEYOND_LAST,
    .text = {(const uint8_t *)"said so", 7},
    .applied_index = 21,
    .delete_index = 22,
    .page = {.messages = messages,
             .messages_count = 2,
             .deleted = ranges,
             .deleted_count = 3,
             .first_seq = 1,
             .last_seq = 2,
             .more = true,
             .next_seq = 3,
             .applied_index = 21},
    .message = {.seq = 5, .payload = {(const uint8_t *)"x", 1}},
    .channels = {.channels = channels, .count = 2, .more = true},
    .deletes = {.records = records,
                .count = 1,
                .more = true,
                .floor = 6,
                .last_index = 7,
                .applied_index = 21},
    .preview = {.err = ERR_BAD_RANGE,
                .logged = true,
                .ranges = ranges,
                .ranges_count = 3,
                .start_seq = 1,
                .end_seq = 2,
                .deleted_count = 3,
                .already_deleted = 4,
                .first_seq = 5,
                .last_seq = 6,
                .deleted_at_ms = 7},
};

static void same_message(const struct msg_message *got, const struct msg_message *want)
{
    SAME(seq);
    SAME(message_id);
    SAME(timestamp_ms);
    SAME_BYTES(from_uid);
    SAME_BYTES(client_msg_no);
    SAME_BYTES(payload);
    SAME_BYTES(topic);
    SAME(payload_encoding);
    SAME(setting);
    ck_assert_mem_eq(got->header, want->header, sizeof(got->header));
    SAME(expire_s);
}

static void same_page(const struct msg_page *got, const struct msg_page *want)
{
    SAME(messages_count);
    for (uint32_t i = 0; i < want->messages_count; i++)
        same_message(&got->messages[i], &want->messages[i]);
    same_ranges(got->deleted, got->deleted_count, want->deleted, want->deleted_count);
    SAME(first_seq);
    SAME(last_seq);
    SAME(more);
    SAME(next_seq);
    SAME(applied_index);
}

static void same_channel(const struct msg_channel *got, const struct msg_channel *want)
{
    SAME_CHANNEL(channel);
    SAME(slot);
    SAME(first_seq);
    SAME(last_seq);
    SAME(message_count);
    SAME(deleted_count);
    SAME(bytes);
    SAME(last_timestamp_ms);
    SAME(delete_version);
    SAME(created_ms);
    SAME(retention_max_age_ms);
    SAME(retention_max_messages);
    SAME(retention_max_bytes);
    SAME(applied_index);
}

static void same_record(const struct msg_delete_record *got, const struct msg_delete_record *want)
{
    SAME(slot);
    SAME(log_index);
    SAME(deleted_at_ms);
    SAME_CHANNEL(channel);
    same_ranges(got->ranges, got->ranges_count, want->ranges, want->ranges_count);
    SAME(deleted_count);
    SAME(already_deleted);
    SAME_BYTES(operator_name);
    SAME_BYTES(reason);
    SAME_BYTES(request_id);
}

static void same_preview(const struct msg_delete_result *got, const struct msg_delete_result *want)
{
    SAME(err);
    SAME(logged);
    same_ranges(got->ranges, got->ranges_count, want->ranges, want->ranges_count);
    SAME(start_seq);
    SAME(end_seq);
    SAME(deleted_count);
    SAME(already_deleted);
    SAME(first_seq);
    SAME(last_seq);
    SAME(deleted_at_ms);
}

static void same_of_kind(uint8_t kind, const struct msg_answer *got, const struct msg_answer *want)
{
    if (kind == MSG_QUERY_PAGE || kind == MSG_QUERY_SEQS || kind == MSG_QUERY_CLIENT_MSG_NO) {
        same_page(&got->page, &want->page);
    } else if (kind == MSG_QUERY_MESSAGE || kind == MSG_QUERY_MESSAGE_ID) {
        same_message(&got->message, &want->message);
    } else if (kind == MSG_QUERY_CHANNEL) {
        same_channel(&got->channel, &want->channel);
    } else if (kind == MSG_QUERY_CHANNELS) {
        SAME(channels.count);
        SAME(channels.more);
        for (uint32_t i = 0; i < want->channels.count; i++)
            same_channel(&got->channels.channels[i], &want->channels.channels[i]);
    } else if (kind == MSG_QUERY_DELETES) {
        SAME(deletes.count);
        SAME(deletes.more);
        SAME(deletes.floor);
        SAME(deletes.last_index);
        SAME(deletes.applied_index);
        same_record(&got->deletes.records[0], &want->deletes.records[0]);
    } else if (kind == MSG_QUERY_DELETE) {
        same_record(&got->record, &want->record);
    } else {
        same_preview(&got->preview, &want->preview);
    }
}

static struct msg_answer whole_answer(void)
{
    struct msg_answer answer = whole;
    answer.channel = channels[0];
    answer.record = records[0];
    return answer;
}

START_TEST(every_field_of_answers)
{
    struct msg_answer answer = whole_answer(), decoded;
    const struct msg_answer *want = &answer, *got = &decoded;
    for (uint8_t kind = 1; kind < MSG_QUERY_KINDS; kind++) {
        struct arena arena;
        struct buf buf = BUF_INIT;
        arena_init(&arena);
        msg_encode_answer(&buf, kind, want);
        ck_assert_int_eq(msg_decode_answer(buf_bytes(&buf), kind, &arena, &decoded, NULL), OK);
        SAME(err);
        SAME_BYTES(text);
        SAME(applied_index);
        SAME(delete_index);
        same_of_kind(kind, got, want);
        ck_assert(probe_answer(kind, buf_bytes(&buf)));
        for (size_t len = 0; len < buf.len; len++)
            ck_assert_msg(!probe_answer(kind, bytes_of(buf.data, len)), "kind %d cut at %zu", kind,
                          len);
        buf_done(&buf);
        arena_done(&arena);
    }
}
END_TEST

/* ---- what nobody encoded ------------------------------------------------------------------------------- */
START_TEST(damaged)
{
    struct rng rng = rng_of(5);
    struct msg_answer answer = whole_answer();
    for (uint8_t kind = 0; kind < MSG_QUERY_KINDS; kind++) {
        struct buf buf = BUF_INIT;
        if (kind == 0)
            msg_encode_queries(&buf, queries, QUERIES);
        else
            msg_encode_answer(&buf, kind, &answer);
        for (int i = 0; i < 4000; i++) {
            uint8_t kept[4];
            size_t at[4];
            for (int k = 0; k < 4; k++) {
                at[k] = rng_below(&rng, buf.len);
                kept[k] = buf.data[at[k]];
                buf.data[at[k]] = (uint8_t)rng_next(&rng);
            }
            if (kind == 0)
                (void)probe_queries(buf_bytes(&buf));
            else
                (void)probe_answer(kind, buf_bytes(&buf));
            for (int k = 3; k >= 0; k--)
                buf.data[at[k]] = kept[k];
        }
        buf_done(&buf);
    }
}
END_TEST

static enum err decode_queries(const void *data, size_t len)
{
    struct arena arena;
    const struct msg_query *ret;
    uint32_t count;
    arena_init(&arena);
    enum err err = msg_decode_queries(bytes_of(data, len), &arena, &ret, &count, NULL);
    ck_assert_uint_lt(arena.used, 4096); /* whatever the counts say */
    arena_done(&arena);
    return err;
}

#define DECODE(literal) decode_queries(literal, sizeof(literal) - 1)

START_TEST(refused)
{
    ck_assert_int_eq(DECODE("\x00"), ERR_BAD_FORMAT);                 /* nothing is asked */
    ck_assert_int_eq(DECODE("\xff\x0f\x06\x02\x01"), ERR_BAD_FORMAT); /* a count that lies */
    ck_assert_int_eq(DECODE("\x01\x06\x02\x01"
                            "a"),
                     OK);                                         /* a channel */
    ck_assert_int_eq(DECODE("\x01\x06\x02\x00"), ERR_BAD_FORMAT); /* without a name */
    ck_assert_int_eq(DECODE("\x01\x06\x02\x01\x00"), ERR_BAD_FORMAT);
    ck_assert_int_eq(DECODE("\x01\x63\x02\x01"
                            "a"),
                     ERR_NOT_SUPPORTED); /* a kind of a later version */
    ck_assert_int_eq(DECODE("\x01\x03\x02\x01"
                            "a\xff\xff\x03\x01"),
                     ERR_BAD_FORMAT); /* more seqs than there are bytes */
    ck_assert_int_eq(DECODE("\x01\x01\x02\x01"
                            "a\x01\x01\x00\x00\x00\x00\x00\x00"),
                     ERR_BAD_FORMAT); /* a page of no messages */
    ck_assert_int_eq(DECODE("\x01\x01\x02\x01"
                            "a\x01\x01\x01\x02\x00\x00\x00\x00"),
                     ERR_BAD_FORMAT); /* a flag that is 2 */
}
END_TEST

/* As short as they can be, many of each are there. */
START_TEST(smallest)
{
    enum { COUNT = 1000 };
    struct msg_message *small_messages = calloc(COUNT, sizeof(*small_messages));
    struct msg_channel *small_channels = calloc(COUNT, sizeof(*small_channels));
    struct msg_delete_record *small_records = calloc(COUNT, sizeof(*small_records));
    ck_assert(small_messages != NULL && small_channels != NULL && small_records != NULL);
    for (int i = 0; i < COUNT; i++) {
        small_records[i].ranges = ranges;
        small_records[i].ranges_count = 1;
    }
    struct msg_answer answer = {.page = {.messages = small_messages, .messages_count = COUNT},
                                .channels = {.channels = small_channels, .count = COUNT},
                                .deletes = {.records = small_records, .count = COUNT}};
    const uint8_t kinds[] = {MSG_QUERY_PAGE, MSG_QUERY_CHANNELS, MSG_QUERY_DELETES};
    for (size_t i = 0; i < sizeof(kinds); i++) {
        struct buf buf = BUF_INIT;
        msg_encode_answer(&buf, kinds[i], &answer);
        ck_assert_msg(probe_answer(kinds[i], buf_bytes(&buf)), "kind %d", kinds[i]);
        buf_done(&buf);
    }
    free(small_messages);
    free(small_channels);
    free(small_records);
}
END_TEST

/* Ranges ascend, whatever was sent. */
START_TEST(ranges_ascend)
{
    struct msg_query query = {.kind = MSG_QUERY_PREVIEW,
                              .preview = {.channel = named, .ranges = ranges, .ranges_count = 2}};
    struct buf buf = BUF_INIT;
    msg_encode_queries(&buf, &query, 1);
    ck_assert(probe_queries(buf_bytes(&buf)));
    /* count, then gap and length of each: {1,1} {3,90} is 2, 1 0, 2 87 */
    const uint8_t encoded[] = {2, 1, 0, 2, 87};
    uint8_t *at = memmem(buf.data, buf.len, encoded, sizeof(encoded));
    ck_assert_ptr_nonnull(at);
    at[3] = 0; /* the second begins where the first ends */
    ck_assert(!probe_queries(buf_bytes(&buf)));
    buf_done(&buf);
}
END_TEST

Suite *suite_remote(void)
{
    return UNIT_SUITE("remote", 30, every_field_of_queries, every_field_of_answers, damaged,
                      refused, smallest, ranges_ascend);
}
