/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wire/probe.h"

#include "base/crc.h"
#include "tests/unit/wire/values.h"
#include "wire/config.h"
#include "wire/frame.h"

#include <stdlib.h>

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* The body of the only frame in buf. */
static struct bytes body_of(const struct buf *buf)
{
    demand(buf->len >= FRAME_HEADER_BYTES);
    return bytes_of(buf->data + FRAME_HEADER_BYTES, buf->len - FRAME_HEADER_BYTES);
}

bool probe_command(struct bytes bytes)
{
    struct arena arena;
    struct command command = {0}, again = {0};
    struct why why;
    arena_init(&arena);
    enum err err = command_decode(bytes, &arena, &command, &why);
    demand(err == OK || ((err == ERR_BAD_FORMAT || err == ERR_WRONG_FORMAT) && why.err == err));
    if (err == OK) {
        demand(command_kind_of(bytes) == command.kind);
        demand(command_check(&command, NULL) == OK && command_size(&command) <= bytes.len);
        struct blob *blob = command_encode(&command);
        demand(command_decode(blob_bytes(blob), &arena, &again, NULL) == OK);
        demand(same_command(&command, &again));
        command_set_time(blob, command.time_ms + 1);
        demand(command_decode(blob_bytes(blob), &arena, &again, NULL) == OK);
        demand(again.time_ms == command.time_ms + 1);
        blob_unref(blob);
    }
    arena_done(&arena);
    return err == OK;
}

bool probe_config(struct bytes bytes)
{
    struct raft_config config, again;
    if (wire_config_decode(bytes, &config, NULL) != OK)
        return false;
    struct blob *blob = wire_config_blob(&config);
    demand(wire_config_decode(blob_bytes(blob), &again, NULL) == OK);
    demand(same_config(&config, &again));
    blob_unref(blob);
    return true;
}

bool probe_packets(struct bytes body)
{
    struct packet_in in = {0}, again = {0};
    struct packet_out out;
    struct buf buf = BUF_INIT;
    if (packet_in_decode(body, &in, NULL) != OK)
        return false;
    packet_out_begin(&out, &buf, FRAME_PACKETS);
    for (uint32_t i = 0; i < in.packets_count; i++)
        demand(packet_out_add(&out, &in.packets[i]));
    packet_out_end(&out);
    demand(packet_in_decode(body_of(&buf), &again, NULL) == OK);
    demand(again.packets_count == in.packets_count);
    for (uint32_t i = 0; i < in.packets_count; i++)
        demand(same_packet(&in.packets[i], &again.packets[i]));
    packet_in_done(&in);
    packet_in_done(&again);
    buf_done(&buf);
    return true;
}

bool probe_request(struct bytes body)
{
    struct call_request request, again;
    struct buf buf = BUF_INIT;
    if (call_decode_request(body, &request, NULL) != OK)
        return false;
    call_encode_request(&buf, &request);
    demand(call_decode_request(body_of(&buf), &again, NULL) == OK);
    demand(same_request(&request, &again));
    buf_done(&buf);
    return true;
}

bool probe_response(struct bytes body)
{
    struct call_response response, again;
    struct buf buf = BUF_INIT;
    if (call_decode_response(body, &response, NULL) != OK)
        return false;
    call_encode_response(&buf, &response);
    demand(call_decode_response(body_of(&buf), &again, NULL) == OK);
    demand(same_response(&response, &again));
    buf_done(&buf);
    return true;
}

bool probe_result(struct bytes bytes)
{
    struct arena arena;
    struct wire_result result = {0}, again = {0};
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    enum err err = wire_result_decode(bytes, &arena, &result, NULL);
    if (err == OK) {
        wire_result_encode(&buf, &result);
        demand(wire_result_decode(buf_bytes(&buf), &arena, &again, NULL) == OK);
        demand(same_result(&result, &again));
    }
    buf_done(&buf);
    arena_done(&arena);
    return err == OK;
}

bool probe_hello(struct bytes body)
{
    struct hello hello, again;
    struct buf buf = BUF_INIT;
    if (hello_decode(body, &hello, NULL) != OK)
        return false;
    hello_encode(&buf, &hello);
    demand(hello_decode(body_of(&buf), &again, NULL) == OK);
    demand(same_hello(&hello, &again));
    buf_done(&buf);
    return true;
}

bool probe_hello_reply(struct bytes body)
{
    struct hello_reply reply, again;
    struct buf buf = BUF_INIT;
    if (hello_decode_reply(body, &reply, NULL) != OK)
        return false;
    hello_encode_reply(&buf, &reply);
    demand(hello_decode_reply(body_of(&buf), &again, NULL) == OK);
    demand(same_hello_reply(&reply, &again));
    buf_done(&buf);
    return true;
}

static void probe_rows(const struct chunk *chunk)
{
    struct reader rows = reader_of(chunk->rows.rows);
    struct chunk_row row;
    uint32_t count = 0;
    while (chunk_row_next(&rows, &row))
        count++;
    demand(reader_is_done(&rows) && count == chunk->rows.count);
}

bool probe_chunk(struct bytes body)
{
    struct chunk chunk, again;
    struct buf buf = BUF_INIT;
    if (chunk_decode(body, &chunk, NULL) != OK)
        return false;
    if (chunk.kind == CHUNK_ROWS)
        probe_rows(&chunk);
    chunk_encode(&buf, &chunk);
    demand(chunk_decode(body_of(&buf), &again, NULL) == OK);
    demand(same_chunk(&chunk, &again));
    buf_done(&buf);
    return true;
}

bool probe_digests(struct bytes body)
{
    struct arena arena;
    struct buf buf = BUF_INIT;
    const struct wire_digest *digests = NULL, *again = NULL;
    uint32_t count = 0, count_again = 0;
    arena_init(&arena);
    enum err err = digest_decode(body, &arena, &digests, &count, NULL);
    if (err == OK) {
        digest_encode(&buf, digests, count);
        demand(digest_decode(body_of(&buf), &arena, &again, &count_again, NULL) == OK);
        demand(count == count_again);
        for (uint32_t i = 0; i < count; i++)
            demand(same_digest(&digests[i], &again[i]));
    }
    buf_done(&buf);
    arena_done(&arena);
    return err == OK;
}

/* ---- streams -------------------------------------------------------------------------------- */

static bool probe_body(const struct frame *frame)
{
    uint64_t number;
    switch ((enum frame_kind)frame->kind) {
    case FRAME_HELLO:
        return probe_hello(frame->body);
    case FRAME_HELLO_REPLY:
        return probe_hello_reply(frame->body);
    case FRAME_PACKETS:
    case FRAME_HEARTBEATS:
        return probe_packets(frame->body);
    case FRAME_REQUEST:
        return probe_request(frame->body);
    case FRAME_RESPONSE:
        return probe_response(frame->body);
    case FRAME_INSTALL:
        return probe_chunk(frame->body);
    case FRAME_DIGESTS:
        return probe_digests(frame->body);
    case FRAME_PING:
    case FRAME_PONG:
        return frame_decode_ping(frame->body, &number, NULL) == OK;
    case FRAME_KINDS:
        break;
    }
    abort();
}

/* What came out of a stream: a checksum over kinds and bodies, and how it ended. */
struct outcome {
    uint32_t crc, frames, bodies;
    enum err err;
    size_t used;
};

static bool take_frames(struct frame_reader *reader, struct outcome *outcome, bool bodies)
{
    struct frame frame;
    bool has = true;
    for (;;) {
        outcome->err = frame_reader_next(reader, &frame, &has, NULL);
        if (outcome->err != OK || !has)
            return outcome->err == OK;
        outcome->frames++;
        outcome->used += FRAME_HEADER_BYTES + frame.body.len;
        outcome->crc = crc32c_more(outcome->crc, bytes_of(&frame.kind, 1));
        outcome->crc = crc32c_more(outcome->crc, frame.body);
        if (bodies)
            outcome->bodies += probe_body(&frame);
    }
}

static struct outcome run_stream(struct bytes stream, struct rng *rng, bool bodies)
{
    struct frame_reader reader;
    struct outcome ret = {0};
    frame_reader_init(&reader);
    frame_reader_trust(&reader);
    size_t at = 0;
    do {
        size_t len = stream.len - at;
        if (rng != NULL && len > 0)
            len = (size_t)rng_between(rng, 1, rng_below(rng, 2) == 0 ? 1 + len / 8 : len);
        frame_reader_feed(&reader, bytes_of(stream.data + at, len));
        at += len;
    } while (take_frames(&reader, &ret, bodies) && at < stream.len);
    if (ret.err != OK) {
        struct frame frame;
        bool has;
        frame_reader_feed(&reader, stream);
        demand(frame_reader_next(&reader, &frame, &has, NULL) == ERR_BAD_FORMAT);
    }
    frame_reader_done(&reader);
    return ret;
}

bool probe_stream(struct bytes stream, uint64_t seed)
{
    struct rng rng = rng_of(seed);
    struct outcome whole = run_stream(stream, NULL, true);
    struct outcome pieces = run_stream(stream, &rng, false);
    demand(whole.crc == pieces.crc && whole.frames == pieces.frames && whole.err == pieces.err);
    return whole.err == OK && whole.used == stream.len;
}

bool probe_known_frames(struct bytes stream)
{
    struct outcome whole = run_stream(stream, NULL, true);
    return whole.err == OK && whole.used == stream.len && whole.bodies == whole.frames;
}

/* ---- checksums ------------------------------------------------------------------------------ */

static void put_le32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void probe_seal_command(uint8_t *bytes, size_t len)
{
    if (len < COMMAND_HEADER_BYTES)
        return;
    uint32_t crc = crc32c(bytes_of(bytes + COMMAND_HEADER_BYTES, len - COMMAND_HEADER_BYTES));
    crc = crc32c_more(crc, bytes_of(bytes, 4));
    put_le32(bytes + 4, crc32c_more(crc, bytes_of(bytes + 8, 8)));
}

void probe_seal_config(uint8_t *bytes, size_t len)
{
    if (len >= 5)
        put_le32(bytes + 1, crc32c(bytes_of(bytes + 5, len - 5)));
}

void probe_seal_stream(uint8_t *bytes, size_t len)
{
    while (len >= FRAME_HEADER_BYTES) {
        struct reader reader = reader_of(bytes_of(bytes + 8, 4));
        size_t body_len = reader_le32(&reader);
        if (body_len > len - FRAME_HEADER_BYTES)
            return;
        uint32_t crc = crc32c(bytes_of(bytes, 12));
        put_le32(bytes + 12, crc32c_more(crc, bytes_of(bytes + FRAME_HEADER_BYTES, body_len)));
        bytes += FRAME_HEADER_BYTES + body_len;
        len -= FRAME_HEADER_BYTES + body_len;
    }
}
