/* SPDX-License-Identifier: Apache-2.0 */
/* What each workload asks, written by hand into one buffer, and what an answer means for the
 * journal. This is the hot path of the tool: no printf, no allocation once buffers have grown. */
#include "base/rng.h"
#include "bench/load.h"
#include "bench/reply.h"
#include "client/base64.h"

#include <string.h>

enum { PRELOAD_BATCH = 500, PRELOAD_BATCH_BYTES = 2 * 1024 * 1024, MESSAGE_OVERHEAD = 160 };

/* ---- small writers ------------------------------------------------------------------------------ */

#define PUT(buf, literal) buf_append((buf), (literal), sizeof(literal) - 1)

static void put_u64(struct buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buf_append(out, digits + at, sizeof(digits) - at);
}

static void put_channel(struct load *load, struct buf *out, uint32_t channel)
{
    PUT(out, "/v1/channels/");
    put_u64(out, load->head->channel_type);
    PUT(out, "/");
    buf_append_bytes(out, buf_bytes(&load->encoded_prefix));
    put_u64(out, channel);
}

/* The rest of the request. type NULL: it has no body. */
static void put_rest(struct load *load, struct connection *connection, const char *type,
                     const struct buf *body)
{
    struct buf *out = &connection->out;
    PUT(out, " HTTP/1.1\r\nHost: ");
    buf_append_string(out, load->targets[connection->target].host);
    if (load->options->token != NULL) {
        PUT(out, "\r\nAuthorization: Bearer ");
        buf_append_string(out, load->options->token);
    }
    if (type != NULL) {
        PUT(out, "\r\nContent-Type: ");
        buf_append_string(out, type);
        PUT(out, "\r\nContent-Length: ");
        put_u64(out, body->len);
    }
    PUT(out, "\r\n\r\n");
    if (type != NULL)
        buf_append_bytes(out, buf_bytes(body));
}

static struct buf *empty_body(struct connection *connection)
{
    buf_clear(connection->body);
    return connection->body;
}

static void put_number_name(struct load *load, struct buf *out, uint32_t client, uint64_t number)
{
    buf_append_string(out, load->head->run);
    PUT(out, "-");
    put_u64(out, client);
    PUT(out, "-");
    put_u64(out, number);
}

static void put_message(struct load *load, struct connection *connection, uint64_t number,
                        struct buf *out)
{
    PUT(out, "{\"payload\":\"");
    if (load->options->is_base64) {
        struct buf *plain = connection->payload;
        buf_clear(plain);
        journal_payload(load->head->run, connection->client, number, load->options->size, plain);
        client_base64_append_encoded(out, buf_bytes(plain));
        PUT(out, "\",\"payload_encoding\":\"base64\"");
    } else {
        journal_payload(load->head->run, connection->client, number, load->options->size, out);
        PUT(out, "\",\"payload_encoding\":\"utf8\"");
    }
    if (load->options->has_numbers) {
        PUT(out, ",\"client_msg_no\":\"");
        put_number_name(load, out, connection->client, number);
        PUT(out, "\"");
    }
    PUT(out, "}");
}

/* ---- requests ----------------------------------------------------------------------------------- */

static uint32_t pick_channel(struct load *load, struct rng *rng)
{
    uint32_t count = (uint32_t)load->head->channels;
    if (load->popularity == NULL)
        return (uint32_t)rng_below(rng, count);
    double wanted = (double)(rng_next(rng) >> 11) / 9007199254740992.0;
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (load->popularity[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void begin_append(struct load *load, struct connection *connection, uint32_t channel,
                         uint32_t messages)
{
    connection->request = (struct load_request){.kind = LOAD_APPEND,
                                                .channel = channel,
                                                .messages = messages,
                                                .first_number = connection->next_number,
                                                .is_numbered = load->options->has_numbers};
    connection->next_number += messages;
    buf_clear(&connection->out);
    PUT(&connection->out, "POST ");
    put_channel(load, &connection->out, channel);
}

static void append_single(struct load *load, struct connection *connection, uint32_t channel)
{
    struct buf *body = empty_body(connection);
    begin_append(load, connection, channel, 1);
    PUT(&connection->out, "/messages");
    put_message(load, connection, connection->request.first_number, body);
    put_rest(load, connection, "application/json", body);
}

static void append_raw(struct load *load, struct connection *connection, uint32_t channel)
{
    struct buf *out = &connection->out, *body = empty_body(connection);
    begin_append(load, connection, channel, 1);
    uint64_t number = connection->request.first_number;
    PUT(out, "/messages");
    if (load->options->has_numbers) {
        PUT(out, "?client_msg_no=");
        put_number_name(load, out, connection->client, number);
    }
    journal_payload(load->head->run, connection->client, number, load->options->size, body);
    put_rest(load, connection, "application/octet-stream", body);
}

static void append_many(struct load *load, struct connection *connection, uint32_t channel,
                        uint32_t messages, bool is_ndjson)
{
    struct buf *body = empty_body(connection);
    begin_append(load, connection, channel, messages);
    PUT(&connection->out, "/messages:batch");
    if (!is_ndjson)
        PUT(body, "{\"messages\":[");
    for (uint32_t i = 0; i < messages; i++) {
        if (i > 0 && !is_ndjson)
            PUT(body, ",");
        put_message(load, connection, connection->request.first_number + i, body);
        if (is_ndjson)
            PUT(body, "\n");
    }
    if (!is_ndjson)
        PUT(body, "]}");
    put_rest(load, connection, is_ndjson ? "application/x-ndjson" : "application/json", body);
}

static void put_consistency(struct load *load, struct buf *out, char separator)
{
    if (load->options->consistency == NULL)
        return;
    buf_put_u8(out, (uint8_t)separator);
    PUT(out, "consistency=");
    buf_append_string(out, load->options->consistency);
}

static void begin_read(struct load *load, struct connection *connection,
                       enum load_request_kind kind, const char *method)
{
    uint32_t channel = pick_channel(load, connection->rng);
    connection->request = (struct load_request){.kind = kind, .channel = channel};
    buf_clear(&connection->out);
    buf_append_string(&connection->out, method);
    put_channel(load, &connection->out, channel);
    PUT(&connection->out, "/messages");
}

static uint64_t last_seq_of(struct load *load, uint32_t channel)
{
    return atomic_load_explicit(&load->last_seqs[channel], memory_order_relaxed);
}

static void read_page(struct load *load, struct connection *connection)
{
    struct buf *out = &connection->out;
    begin_read(load, connection, LOAD_PAGE, "GET ");
    uint64_t last = last_seq_of(load, connection->request.channel);
    uint64_t limit = load->options->page_limit;
    uint64_t places = last > limit ? last - limit + 1 : 1;
    PUT(out, "?from_seq=");
    put_u64(out, 1 + rng_below(connection->rng, places));
    PUT(out, "&limit=");
    put_u64(out, limit);
    put_consistency(load, out, '&');
    put_rest(load, connection, NULL, NULL);
}

static void read_point(struct load *load, struct connection *connection)
{
    struct buf *out = &connection->out;
    begin_read(load, connection, LOAD_POINT, "GET ");
    uint64_t last = last_seq_of(load, connection->request.channel);
    PUT(out, "/");
    put_u64(out, 1 + rng_below(connection->rng, last == 0 ? 1 : last));
    put_consistency(load, out, '?');
    put_rest(load, connection, NULL, NULL);
}

static void put_delete(struct load *load, struct connection *connection, uint32_t channel,
                       uint64_t start_seq, uint64_t end_seq)
{
    struct buf *out = &connection->out;
    connection->request = (struct load_request){
        .kind = LOAD_DELETE, .channel = channel, .start_seq = start_seq, .end_seq = end_seq};
    buf_clear(out);
    PUT(out, "DELETE ");
    put_channel(load, out, channel);
    PUT(out, "/messages?start_seq=");
    put_u64(out, start_seq);
    PUT(out, "&end_seq=");
    put_u64(out, end_seq);
    put_rest(load, connection, NULL, NULL);
}

/* The next range that nobody deleted yet; false when all are gone. */
static bool delete_next(struct load *load, struct connection *connection)
{
    uint64_t index = atomic_fetch_add(&load->next_delete, 1);
    uint64_t size = load->options->delete_size;
    uint32_t channel = (uint32_t)(index % load->head->channels);
    uint64_t start = index / load->head->channels * size + 1;
    if (start + size - 1 > last_seq_of(load, channel))
        return false;
    put_delete(load, connection, channel, start, start + size - 1);
    return true;
}

/* Somewhere in what is acknowledged; an append when there is nothing yet. */
static void delete_somewhere(struct load *load, struct connection *connection)
{
    uint32_t channel = pick_channel(load, connection->rng);
    uint64_t last = last_seq_of(load, channel);
    if (last == 0) {
        append_single(load, connection, channel);
        return;
    }
    uint64_t end = 1 + rng_below(connection->rng, last);
    uint64_t size = 1 + rng_below(connection->rng, load->options->delete_size);
    put_delete(load, connection, channel, end >= size ? end - size + 1 : 1, end);
}

static void next_mixed(struct load *load, struct connection *connection)
{
    const struct bench_mix *mix = &load->options->mix;
    uint64_t dice = rng_below(connection->rng, 100);
    if (dice < mix->append)
        append_single(load, connection, pick_channel(load, connection->rng));
    else if (dice < mix->append + mix->page)
        read_page(load, connection);
    else if (dice < mix->append + mix->page + mix->point)
        read_point(load, connection);
    else
        delete_somewhere(load, connection);
}

/* Preload: each client fills every clients-th channel, one after the other. */
static bool next_preload(struct load *load, struct connection *connection)
{
    if (connection->fill_done >= load->options->preload) {
        connection->fill_channel += load->options->clients;
        connection->fill_done = 0;
    }
    if (connection->fill_channel >= load->head->channels)
        return false;
    uint64_t most = PRELOAD_BATCH_BYTES / (load->options->size * 4 / 3 + MESSAGE_OVERHEAD) + 1;
    uint64_t count = load->options->preload - connection->fill_done;
    count = count < PRELOAD_BATCH ? count : PRELOAD_BATCH;
    count = count < most ? count : most;
    append_many(load, connection, (uint32_t)connection->fill_channel, (uint32_t)count, true);
    connection->fill_done += count;
    return true;
}

bool load_next_request(struct load *load, struct connection *connection)
{
    const struct bench_options *options = load->options;
    struct rng *rng = connection->rng;
    if (load->is_preload)
        return next_preload(load, connection);
    switch (options->workload) {
    case BENCH_SINGLE:
        append_single(load, connection, pick_channel(load, rng));
        break;
    case BENCH_RAW:
        append_raw(load, connection, pick_channel(load, rng));
        break;
    case BENCH_BATCH:
    case BENCH_NDJSON:
        append_many(load, connection, pick_channel(load, rng), (uint32_t)options->batch,
                    options->workload == BENCH_NDJSON);
        break;
    case BENCH_PAGE:
        read_page(load, connection);
        break;
    case BENCH_POINT:
        read_point(load, connection);
        break;
    case BENCH_DELETE:
        return delete_next(load, connection);
    case BENCH_MIXED:
        next_mixed(load, connection);
        break;
    case BENCH_WORKLOADS:
        assert(false);
        break;
    }
    return true;
}

/* ---- answers ------------------------------------------------------------------------------------ */

static enum load_outcome outcome_of_status(int status)
{
    if (status >= 200 && status < 300)
        return LOAD_GOOD;
    if (status == 0 || status == 504 || status == 500)
        return LOAD_UNKNOWN;
    return status == 503 || status == 429 || status == 507 ? LOAD_REFUSED : LOAD_FAILED;
}

static void raise_last_seq(struct load *load, uint32_t channel, uint64_t seq)
{
    uint64_t known = atomic_load_explicit(&load->last_seqs[channel], memory_order_relaxed);
    while (known < seq && !atomic_compare_exchange_weak(&load->last_seqs[channel], &known, seq)) {
    }
}

static void note_message(struct load *load, const struct connection *connection, char kind,
                         uint32_t index, uint64_t seq, struct buf *lines)
{
    const struct load_request *request = &connection->request;
    if (kind == 'A')
        raise_last_seq(load, request->channel, seq);
    if (load->journal == NULL)
        return;
    const struct journal_event event = {.kind = kind,
                                        .channel = request->channel,
                                        .client = connection->client,
                                        .number = request->first_number + index,
                                        .seq = seq};
    journal_print(lines, &event);
}

/* All of the request's messages from `from` on have this fate. */
static void note_rest(struct load *load, const struct connection *connection, uint32_t from,
                      enum load_outcome outcome, struct buf *lines)
{
    char kind = outcome == LOAD_UNKNOWN ? 'U' : 'R';
    for (uint32_t i = from; i < connection->request.messages; i++)
        note_message(load, connection, kind, i, 0, lines);
}

static enum load_outcome take_append(struct load *load, struct connection *connection, int status,
                                     struct bytes body, struct buf *lines, uint64_t *ret_messages,
                                     uint64_t *ret_duplicates)
{
    const struct load_request *request = &connection->request;
    enum load_outcome outcome = outcome_of_status(status);
    bool is_many = load->is_preload || load->options->workload == BENCH_BATCH ||
                   load->options->workload == BENCH_NDJSON;
    if (outcome != LOAD_GOOD) {
        note_rest(load, connection, 0, outcome, lines);
        return outcome;
    }
    size_t at = is_many ? reply_items_start(body) : 0;
    for (uint32_t i = 0; i < request->messages; i++) {
        struct reply_item item;
        if (!reply_next_item(body, &at, &item) || item.is_done) {
            note_rest(load, connection, i, LOAD_UNKNOWN, lines);
            return LOAD_UNKNOWN;
        }
        enum load_outcome here = is_many ? outcome_of_status(item.status) : LOAD_GOOD;
        if (here == LOAD_GOOD && item.seq == 0)
            here = LOAD_UNKNOWN;
        note_message(load, connection,
                     here == LOAD_GOOD      ? 'A'
                     : here == LOAD_UNKNOWN ? 'U'
                                            : 'R',
                     i, item.seq, lines);
        *ret_messages += here == LOAD_GOOD;
        *ret_duplicates += item.is_duplicate;
        if (here > outcome)
            outcome = here;
    }
    return outcome;
}

static enum load_outcome take_delete(struct load *load, struct connection *connection, int status,
                                     struct buf *lines)
{
    const struct load_request *request = &connection->request;
    enum load_outcome outcome = outcome_of_status(status);
    if (load->journal == NULL || outcome == LOAD_REFUSED || outcome == LOAD_FAILED)
        return outcome;
    const struct journal_event event = {.kind = outcome == LOAD_GOOD ? 'D' : 'E',
                                        .channel = request->channel,
                                        .number = request->start_seq,
                                        .seq = request->end_seq};
    journal_print(lines, &event);
    return outcome;
}

enum load_outcome load_take_answer(struct load *load, struct connection *connection, int status,
                                   struct bytes body, struct buf *lines, uint64_t *ret_messages,
                                   uint64_t *ret_duplicates)
{
    enum load_outcome outcome = LOAD_GOOD;
    switch (connection->request.kind) {
    case LOAD_APPEND:
        outcome = take_append(load, connection, status, body, lines, ret_messages, ret_duplicates);
        break;
    case LOAD_DELETE:
        outcome = take_delete(load, connection, status, lines);
        *ret_messages += outcome == LOAD_GOOD
                             ? connection->request.end_seq - connection->request.start_seq + 1
                             : 0;
        break;
    case LOAD_PAGE:
    case LOAD_POINT:
        outcome = outcome_of_status(status);
        /* A message that the mixed load deleted is an answer as good as any. */
        if (connection->request.kind == LOAD_POINT && (status == 410 || status == 404) &&
            load->options->workload == BENCH_MIXED)
            outcome = LOAD_GOOD;
        if (outcome == LOAD_UNKNOWN) /* a read leaves nothing behind */
            outcome = status == 500 ? LOAD_FAILED : LOAD_REFUSED;
        break;
    }
    return outcome;
}
