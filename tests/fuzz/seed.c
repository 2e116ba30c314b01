/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the corpora of the fuzzers of binary forms: `seed tests/fuzz/corpus` makes a few valid
 * inputs of each below <name>/. Always the same files. */
#include "http/cursor.h"
#include "msg/remote.h"
#include "store/backup.h"
#include "store/internal.h"
#include "store/record.h"
#include "tests/unit/wire/values.h"
#include "wire/config.h"
#include "wire/frame.h"

#include "base/blob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SEEDS = 12, SEED_MAX_BYTES = 600 };

typedef void seed_maker(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf);

/* Appends the body of the only frame in frame, and empties it. */
static void put_body(struct buf *buf, struct buf *frame)
{
    buf_append(buf, frame->data + FRAME_HEADER_BYTES, frame->len - FRAME_HEADER_BYTES);
    buf_done(frame);
}

static void make_command(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct command command;
    do {
        gen_command(rng, arena, &command);
    } while (command.kind != 1 + number % COMMAND_KIND_LAST);
    struct blob *blob = command_encode(&command);
    buf_append_bytes(buf, blob_bytes(blob));
    blob_unref(blob);
}

static void put_packets(struct rng *rng, struct arena *arena, uint32_t number, struct buf *frame)
{
    struct raft_packet packet;
    struct packet_out out;
    do {
        gen_packet(rng, arena, &packet);
        if (packet.kind == 1 + number % (RAFT_PACKET_KINDS - 1))
            break;
        values_done_packet(&packet);
    } while (true);
    packet_out_begin(&out, frame, FRAME_PACKETS);
    if (!packet_out_add(&out, &packet))
        abort();
    packet_out_end(&out);
    values_done_packet(&packet);
}

static void make_packet(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct raft_config config;
    struct buf frame = BUF_INIT;
    buf_put_u8(buf, number % 4 == 3);
    if (number % 4 == 3) {
        gen_config(rng, &config);
        wire_config_encode(buf, &config);
    } else {
        put_packets(rng, arena, number, &frame);
        put_body(buf, &frame);
    }
}

static void put_chunk(struct rng *rng, struct arena *arena, uint32_t number, struct buf *frame)
{
    struct chunk chunk;
    struct chunk_out out;
    if (number % 3 != 0) {
        gen_chunk(rng, arena, &chunk);
        chunk_encode(frame, &chunk);
        return;
    }
    chunk_out_init(&out, 17, rng_next(rng), 9, number);
    for (uint32_t i = 0; i < number; i++) {
        struct chunk_row row = {(uint8_t)i, gen_bytes(rng, arena, 0, 9),
                                gen_bytes(rng, arena, 0, 20)};
        if (!chunk_out_add(&out, &row))
            abort();
    }
    chunk_out_end(&out, gen_bytes(rng, arena, 0, 9), frame);
    chunk_out_done(&out);
}

static void make_chunk(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct wire_digest digests[3];
    struct buf frame = BUF_INIT;
    buf_put_u8(buf, number % 4 == 1);
    if (number % 4 == 1) {
        for (int i = 0; i < 3; i++)
            gen_digest(rng, &digests[i]);
        digest_encode(&frame, digests, number % 3 + 1);
    } else {
        put_chunk(rng, arena, number, &frame);
    }
    put_body(buf, &frame);
}

static void put_hello(struct rng *rng, struct arena *arena, uint32_t number, struct buf *frame)
{
    struct hello hello;
    struct hello_reply reply;
    if (number % 2 == 0) {
        gen_hello(rng, arena, &hello);
        hello_encode(frame, &hello);
    } else {
        gen_hello_reply(rng, arena, &reply);
        hello_encode_reply(frame, &reply);
    }
}

static void make_hello(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct buf frame = BUF_INIT;
    buf_put_u8(buf, number % 2);
    put_hello(rng, arena, number, &frame);
    put_body(buf, &frame);
}

static void put_call(struct rng *rng, struct arena *arena, uint32_t number, struct buf *frame)
{
    struct call_request request;
    struct call_response response;
    if (number % 2 == 0) {
        gen_request(rng, arena, &request);
        call_encode_request(frame, &request);
    } else {
        gen_response(rng, arena, &response);
        call_encode_response(frame, &response);
    }
}

static void make_call(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct wire_result result;
    struct buf frame = BUF_INIT;
    buf_put_u8(buf, number % 3);
    if (number % 3 == 2) {
        do {
            gen_result(rng, arena, &result);
        } while (result.kind != 1 + number % 2);
        wire_result_encode(buf, &result);
    } else {
        put_call(rng, arena, number % 3, &frame);
        put_body(buf, &frame);
    }
}

static struct msg_query query_of(struct rng *rng, struct arena *arena, uint8_t kind)
{
    struct channel channel = {.type = 2, .id = bytes_of_string("room")};
    struct msg_query query = {.kind = kind,
                              .channel = channel,
                              .number = gen_number(rng),
                              .client_msg_no = gen_text(rng, arena, 1, 9)};
    if (kind == MSG_QUERY_PAGE)
        query.page = (struct msg_page_query){.channel = channel, .limit = 9, .from_seq = 3};
    if (kind == MSG_QUERY_DELETES)
        query.deletes = (struct msg_deletes_query){.since_index = gen_number(rng), .limit = 5};
    if (kind == MSG_QUERY_CHANNELS)
        query.channels = (struct msg_channels_query){.type = -1, .after = channel, .limit = 5};
    if (kind == MSG_QUERY_PREVIEW)
        query.preview = (struct msg_delete_request){.channel = channel, .keep = gen_number(rng)};
    return query;
}

static void make_remote(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    static const struct range ranges[] = {{1, 4}, {9, 9}};
    struct msg_message messages[2] = {{.seq = 5, .payload = gen_bytes(rng, arena, 0, 20)},
                                      {.seq = 6, .client_msg_no = gen_text(rng, arena, 1, 9)}};
    struct msg_delete_record record = {.log_index = 7, .ranges = ranges, .ranges_count = 2};
    struct msg_channel channel = {.last_seq = gen_number(rng)};
    uint8_t kind = (uint8_t)(number % MSG_QUERY_KINDS);
    buf_put_u8(buf, kind);
    if (kind == 0) {
        struct msg_query queries[MSG_QUERY_KINDS - 1];
        for (uint8_t i = 1; i < MSG_QUERY_KINDS; i++)
            queries[i - 1] = query_of(rng, arena, i);
        msg_encode_queries(buf, queries, MSG_QUERY_KINDS - 1);
        return;
    }
    struct msg_answer answer = {
        .err = number > MSG_QUERY_KINDS ? ERR_SEQ_DELETED : OK,
        .applied_index = gen_number(rng),
        .page = {.messages = messages, .messages_count = 2, .deleted = ranges, .deleted_count = 2},
        .message = messages[1],
        .channel = channel,
        .channels = {.channels = &channel, .count = 1, .more = true},
        .deletes = {.records = &record, .count = 1},
        .record = record,
        .preview = {.ranges = ranges, .ranges_count = 2}};
    msg_encode_answer(buf, kind, &answer);
}

/* Two frames, so that there is something behind the first. */
static void make_frame(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    buf_put_u8(buf, (uint8_t)number);
    switch (number % 5) {
    case 0:
        put_hello(rng, arena, number / 5, buf);
        break;
    case 1:
        put_packets(rng, arena, number, buf);
        break;
    case 2:
        put_chunk(rng, arena, number, buf);
        break;
    case 3:
        put_call(rng, arena, number / 5, buf);
        break;
    default:
        frame_encode_ping(buf, number > 5, number);
    }
    frame_encode_ping(buf, number % 2 == 0, rng_next(rng));
}

/* Appends a record's value without its checksum, which the fuzzer puts there itself. */
static void put_value(struct buf *buf, uint32_t kind, struct buf *value)
{
    buf_put_u8(buf, (uint8_t)kind);
    buf_append(buf, value->data, value->len - RECORD_CRC_BYTES);
    buf_done(value);
}

static void encode_small_row(struct buf *value, uint32_t kind, struct rng *rng, struct bytes key)
{
    struct totals totals = {rng_below(rng, 9999), {rng_next(rng), rng_next(rng)}};
    switch (kind) {
    case 0:
        record_identity_encode(value, key,
                               &(struct store_identity){.format = STORE_FORMAT,
                                                        .cluster_id = "c",
                                                        .node_id = 3,
                                                        .incarnation = 9,
                                                        .slot_count = 64});
        break;
    case 1:
        record_number_encode(value, key, rng_next(rng));
        break;
    case 2:
        record_peer_encode(value, key, &(struct row_peer){1, 300, "0123456789abcde"});
        break;
    case 3: {
        struct row_applied page[PAGE_SLOTS] = {{1, 2, {3, 4}}, {0}, {300, 7, {5, 6}}};
        record_page_encode(value, key, page);
        break;
    }
    case 4:
        record_config_encode(value, key, 3, bytes_of_string("config"));
        break;
    case 5:
        record_hard_state_encode(value, key, &(struct row_hard_state){300, 2, 299});
        break;
    case 6:
        record_entry_encode(value, key, &(struct row_entry){7, 3, 1, bytes_of_string("entry")});
        break;
    default:
        record_deleted_encode(value, key, &(struct row_deleted){7, 300, totals, totals});
    }
}

static void encode_row(struct buf *value, uint32_t kind, struct rng *rng, struct bytes key)
{
    struct bytes text = bytes_of_string("text");
    struct totals totals = {rng_below(rng, 9999), {rng_next(rng), rng_next(rng)}};
    static const struct seq_range ranges[] = {{3, 9}, {12, 12}, {400, 70000}};
    switch (kind) {
    case 7:
        record_message_encode(value, key, 3,
                              &(struct row_message){message_id_of(3, 70, 2),
                                                    1234567,
                                                    text,
                                                    text,
                                                    text,
                                                    PAYLOAD_UTF8,
                                                    {1, 0, 1},
                                                    3,
                                                    60,
                                                    text,
                                                    "0123456789abcde",
                                                    totals});
        break;
    case 8:
        record_channel_encode(value, key,
                              &(struct row_channel){7, 1, 300, 2, totals, 4, 400, 2, text});
        break;
    case 10:
        record_delete_record_encode(
            value, key,
            &(struct row_delete_record){7, 9, {2, text}, ranges, 3, 40, 2, text, text, text});
        break;
    case 11:
        record_dedup_encode(value, key, &(struct row_dedup){5, 6, 7, 1, totals.digest});
        break;
    default:
        encode_small_row(value, kind, rng, key);
    }
}

/* Twelve kinds, in the order of fuzz_record.c; the key matters for the checksum alone. */
static void make_record(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct buf value = BUF_INIT;
    (void)arena;
    encode_row(&value, number, rng, bytes_of_string("key"));
    put_value(buf, number, &value);
}

static void make_cursor(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct cursor cursor = {.scope = number, .name = gen_bytes(rng, arena, 0, 9)};
    buf_put_u8(buf, (uint8_t)number);
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        cursor.numbers[i] = rng_next(rng) >> rng_below(rng, 64);
    if (number % 3 == 0) { /* the text; its scope is the first byte */
        cursor_append(buf, &cursor);
        return;
    }
    if (number % 3 == 1)
        buf_put_u8(buf, 1); /* the version */
    buf_put_le64(buf, cursor.scope);
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        buf_put_varint(buf, cursor.numbers[i]);
    if (number % 3 == 1)
        buf_put_block(buf, cursor.name);
    else
        buf_append_bytes(buf, cursor.name);
}

/* Each third whole; the others what is between head and checksum, which the fuzzer puts around. */
static void make_manifest(struct rng *rng, struct arena *arena, uint32_t number, struct buf *buf)
{
    struct backup_slot slots[3] = {0};
    struct backup_manifest manifest = {
        .id = "nightly-1",
        .identity = {.format = STORE_FORMAT, .cluster_id = "fuzzed", .node_id = 1 + number},
        .created_ms = rng_next(rng),
        .bytes = rng_below(rng, 1 << 20),
        .slots = slots};
    struct buf whole = BUF_INIT;
    (void)arena;
    manifest.identity.slot_count = 1 + number % 3;
    if (number % 4 == 0)
        memcpy(manifest.damage, "slot 1", 7);
    for (uint32_t i = 0; i < manifest.identity.slot_count; i++) {
        slots[i].last_delete = rng_below(rng, 1000);
        slots[i].applied = (struct row_applied){.index = 1000 + rng_below(rng, 1000), .term = 3};
        slots[i].log_index = 2000 + rng_below(rng, 1 << 20);
        slots[i].log_term = slots[i].hard_term = 4;
        slots[i].is_incomplete = rng_below(rng, 2) == 0;
    }
    backup_manifest_encode(&manifest, &whole);
    if (number % 3 == 0)
        buf_append_bytes(buf, buf_bytes(&whole));
    else
        buf_append(buf, whole.data + 16, whole.len - 20);
    buf_done(&whole);
}

static const struct {
    const char *name;
    seed_maker *make;
} makers[] = {
    {"command", make_command},   {"packet", make_packet}, {"chunk", make_chunk},
    {"hello", make_hello},       {"call", make_call},     {"frame", make_frame},
    {"record", make_record},     {"cursor", make_cursor}, {"remote", make_remote},
    {"manifest", make_manifest},
};

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        perror(path);
        exit(1);
    }
}

static void write_file(const char *path, struct bytes bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.len, file) != bytes.len || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seed <folder of the corpora>\n");
        return 2;
    }
    make_folder(argv[1]);
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        struct rng rng = rng_of(1);
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], makers[i].name);
        make_folder(path);
        for (uint32_t number = 0; number < SEEDS; number++) {
            struct arena arena;
            struct buf buf = BUF_INIT;
            arena_init(&arena);
            do {
                buf_clear(&buf);
                makers[i].make(&rng, &arena, number, &buf);
            } while (buf.len > SEED_MAX_BYTES);
            snprintf(path, sizeof(path), "%s/%s/%02u", argv[1], makers[i].name, number);
            write_file(path, buf_bytes(&buf));
            buf_done(&buf);
            arena_done(&arena);
        }
    }
    return 0;
}
