/* SPDX-License-Identifier: Apache-2.0 */
/* GET .../messages:export: a whole range as lines of JSON, one page of memory at a time. Every seq of
 * the range is told once: as a message, or within a hole. The last line says how many there were, so
 * that an export which broke off cannot be taken for a whole one. */
#include "base/alloc.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/payload.h"
#include "http/piece.h"
#include "http/reading.h"
#include "http/reply.h"
#include "sys/log.h"

enum { PIECE_MAX_MESSAGES = 1000, PIECE_MAX_BYTES = 256 * 1024 };

struct export
{
    struct reading reading;
    uint64_t next, to; /* next: 0 when all is written */
    uint64_t messages, deleted;
    bool is_done;
    struct piece_reader reader;
};

static void write_hole(struct buf *out, struct range hole)
{
    buf_append_string(out, "{\"deleted\":{");
    jwrite_member_u64(out, "start_seq", hole.start);
    jwrite_member_u64(out, "end_seq", hole.end);
    buf_append_string(out, "}}\n");
}

static void write_piece(struct export *export, const struct msg_page *page, struct buf *out)
{
    uint32_t holes_at = 0;
    for (uint32_t i = 0; i <= page->messages_count; i++) {
        bool is_end = i == page->messages_count;
        while (holes_at < page->deleted_count &&
               (is_end || page->deleted[holes_at].start < page->messages[i].seq)) {
            struct range hole = page->deleted[holes_at++];
            export->deleted += hole.end - hole.start + 1;
            write_hole(out, hole);
        }
        if (is_end)
            break;
        export->messages++;
        payload_write_message(out, &page->messages[i]);
        buf_put_u8(out, '\n');
    }
}

static void write_end(const struct export *export, struct buf *out)
{
    buf_append_string(out, "{\"done\":true");
    jwrite_member_u64(out, "messages", export->messages);
    jwrite_member_u64(out, "deleted", export->deleted);
    jwrite_member_u64(out, "last_seq", export->to);
    buf_append_string(out, "}\n");
}

static enum stream_next export_more(struct request *req)
{
    struct export *export = req->stream_state;
    struct why why = {.err = OK};
    if (export->is_done)
        return STREAM_ENDS;
    if (http_is_stopping(req->http))
        return STREAM_BREAKS;
    if (export->next == 0) {
        export->is_done = true;
        write_end(export, &req->out);
        return STREAM_GOES_ON;
    }
    bool waits;
    export->reader.queries_count = 1;
    export->reader.queries[0] = (struct msg_query){.kind = MSG_QUERY_PAGE,
                                                   .page = {.channel = req->channel,
                                                            .from_seq = export->next,
                                                            .to_seq = export->to,
                                                            .limit = PIECE_MAX_MESSAGES,
                                                            .max_bytes = PIECE_MAX_BYTES}};
    enum err err = piece_read(req, &export->reader, &waits, &why);
    if (waits)
        return STREAM_WAITS;
    if (err != OK) {
        log_every(100, LOG_LEVEL_WARN, "http", "an export broke off",
                  "code=%s why=%s " ORIGIN_FIELDS, err_slug(err), LOG_QUOTED(why.text),
                  ORIGIN_ARGS(req->id, req->trace));
        return STREAM_BREAKS;
    }
    const struct msg_page *page = &export->reader.answers[0].page;
    write_piece(export, page, &req->out);
    export->next = page->more ? page->next_seq : 0;
    return req->out.len > 0 ? STREAM_GOES_ON : STREAM_AGAIN;
}

static void export_done(void *state)
{
    struct export *export = state;
    piece_done(&export->reader);
}

static void export_begin(struct request *req)
{
    struct export *export = req->state;
    struct msg_answer answer;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    struct msg_channel channel = answer.channel;
    if (err == OK)
        err = request_become_reader(req, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    if (export->to == 0 || export->to > channel.last_seq)
        export->to = channel.last_seq;
    if (export->next > export->to)
        export->next = 0;
    reply_set_applied(req, channel.applied_index);
    piece_init(&export->reader, export->reading.consistency != NODE_LOCAL);
    request_stream(req, MEDIA_NDJSON, export_more, export, export_done);
}

void export_run(struct request *req)
{
    struct why why = {.err = OK};
    struct export *export = req->state = arena_zero(&req->arena, sizeof(*export));
    export->next = 1;
    request_ask(req, MSG_QUERY_CHANNEL);
    enum err err = reading_parse(req, &export->reading, &why);
    if (err == OK)
        err = query_number(&req->query, "from_seq", 1, HTTP_MAX_INTEGER, &export->next, &why);
    if (err == OK)
        err = query_number(&req->query, "to_seq", 1, HTTP_MAX_INTEGER, &export->to, &why);
    if (err == OK && export->to != 0 && export->next > export->to)
        err = why_set(&why, ERR_BAD_RANGE, "the window begins at %llu and ends at %llu",
                      (unsigned long long)export->next, (unsigned long long)export->to);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        reading_start(req, &export->reading, export_begin);
}
