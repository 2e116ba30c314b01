/* SPDX-License-Identifier: Apache-2.0 */
/* GET .../messages:tail: what happens to a channel, as Server-Sent Events or lines of JSON.
 *
 * Nothing is queued for a reader. It has a place (last seq told, log index up to which deletes were
 * told), and whenever the client can take more, the next piece is read from this node's store: one
 * page of messages, and the delete records behind its index. Both are merged by their log index, so
 * that events come in log order: a message's index is in its id. A slow reader thus costs one piece
 * of memory, and one that reads nothing at all is cut off by its connection's deadline.
 *
 * The place is the event's id. Any node can go on from it, once it has applied that far (min_index),
 * after a leader change or a restart likewise: positions are those of the log, which all share.
 *
 * What a piece may not do: tell of a delete before a message that was stored earlier. Records are
 * listed after the page was read, so those beyond the page's state wait for the next piece; and
 * when records are cut off by their limit, messages behind the last one wait too. When records that
 * the reader has not seen were collected, it gets `reset`: what it kept may have been deleted since.
 *
 * A node that may not read its own store has each piece read by another one (piece.h), and looks four
 * times a second whether there is one. */
#include <stdlib.h>

#include "base/alloc.h"
#include "http/deleting.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/payload.h"
#include "http/piece.h"
#include "http/reading.h"
#include "http/reply.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    HEAD_EVERY_MS = 15000,
    PIECE_MAX_MESSAGES = 256,
    PIECE_MAX_BYTES = 256 * 1024,
    PIECE_MAX_DELETES = 256
};

struct tail {
    struct reading reading; /* of the start */
    bool has_after, has_id;
    bool may_forward; /* unless this node's own state was asked for */
    uint64_t seq;     /* up to there all is told */
    uint64_t index;   /* deletes up to this log index are told */
    uint64_t head_ms;
    struct piece_reader reader; /* its queries: PAGE, DELETES */
};

/* One piece: what was read, and how far it is written. */
struct piece {
    struct tail *tail;
    struct request *req;
    struct msg_page page; /* of the reader's answers, as the next one */
    struct msg_deletes deletes;
    uint32_t records_at, holes_at;
};

/* ---- events --------------------------------------------------------------------------------------- */
static struct buf *begin_event(struct piece *piece, const char *name)
{
    struct buf *out = &piece->req->out;
    unsigned long long seq = piece->tail->seq, index = piece->tail->index;
    if (piece->req->accepts == MEDIA_EVENTS)
        buf_printf(out, "id: %llu-%llu\nevent: %s\ndata: ", seq, index, name);
    else
        buf_printf(out, "{\"event\":\"%s\",\"id\":\"%llu-%llu\",\"data\":", name, seq, index);
    return out;
}

static void end_event(struct piece *piece)
{
    buf_append_string(&piece->req->out, piece->req->accepts == MEDIA_EVENTS ? "\n\n" : "}\n");
}

static void tell_message(struct piece *piece, const struct msg_message *message)
{
    uint64_t before = message_id_log_index(message->message_id) - 1;
    piece->tail->seq = message->seq;
    if (before > piece->tail->index)
        piece->tail->index = before;
    payload_write_message(begin_event(piece, "message"), message);
    end_event(piece);
}

static void tell_record(struct piece *piece, const struct msg_delete_record *record)
{
    piece->tail->index = record->log_index;
    struct buf *out = begin_event(piece, "delete");
    buf_printf(out, "{\"delete_id\":\"%u-%llu\"", record->slot,
               (unsigned long long)record->log_index);
    jwrite_member_u64(out, "start_seq", record->ranges[0].start);
    jwrite_member_u64(out, "end_seq", record->ranges[record->ranges_count - 1].end);
    deleting_write_ranges(out, record->ranges, record->ranges_count);
    jwrite_member_u64(out, "deleted_count", record->deleted_count);
    jwrite_member_u64(out, "deleted_at", record->deleted_at_ms);
    jwrite_member_string(out, "operator", record->operator_name);
    jwrite_member_string(out, "reason", record->reason);
    buf_put_u8(out, '}');
    end_event(piece);
}

/* Seqs that were deleted before the reader came: no record of this piece speaks of them. */
static void tell_hole(struct piece *piece, struct range hole)
{
    if (hole.end > piece->tail->seq)
        piece->tail->seq = hole.end;
    struct buf *out = begin_event(piece, "delete");
    buf_append_string(out, "{\"delete_id\":null");
    jwrite_member_u64(out, "start_seq", hole.start);
    jwrite_member_u64(out, "end_seq", hole.end);
    deleting_write_ranges(out, &hole, 1);
    buf_put_u8(out, '}');
    end_event(piece);
}

static void tell_state(struct piece *piece, const char *name, const char *reason)
{
    struct buf *out = begin_event(piece, name);
    buf_put_u8(out, '{');
    if (reason != NULL)
        jwrite_member_text(out, "reason", reason);
    jwrite_member_u64(out, "first_seq", piece->page.first_seq);
    jwrite_member_u64(out, "last_seq", piece->page.last_seq);
    jwrite_member_u64(out, "applied_index", piece->page.applied_index);
    jwrite_member_u64(out, "served_by", piece->tail->reader.served_by);
    buf_put_u8(out, '}');
    end_event(piece);
}

/* ---- merging ---------------------------------------------------------------------------------------- */
static void tell_records_below(struct piece *piece, uint64_t log_index)
{
    const struct msg_deletes *deletes = &piece->deletes;
    while (piece->records_at < deletes->count &&
           deletes->records[piece->records_at].log_index < log_index)
        tell_record(piece, &deletes->records[piece->records_at++]);
}

/* The part of [from, to] up to the first seq that a record of this piece covers, and where to go on. */
static uint64_t uncovered_end(const struct piece *piece, uint64_t from, uint64_t to,
                              uint64_t *ret_next)
{
    uint64_t end = to;
    *ret_next = to + 1;
    for (uint32_t i = 0; i < piece->deletes.count; i++) {
        const struct msg_delete_record *record = &piece->deletes.records[i];
        for (uint32_t j = 0; j < record->ranges_count; j++) {
            struct range range = record->ranges[j];
            if (range.end < from || range.start > end)
                continue;
            if (range.start <= from) {
                *ret_next = range.end + 1;
                return from - 1; /* nothing here */
            }
            end = range.start - 1;
            *ret_next = range.start;
        }
    }
    return end;
}

static void tell_holes_below(struct piece *piece, uint64_t seq)
{
    const struct msg_page *page = &piece->page;
    while (piece->holes_at < page->deleted_count && page->deleted[piece->holes_at].start < seq) {
        struct range hole = page->deleted[piece->holes_at++];
        for (uint64_t at = hole.start, next; at <= hole.end; at = next) {
            uint64_t end = uncovered_end(piece, at, hole.end, &next);
            if (end >= at)
                tell_hole(piece, (struct range){at, end});
        }
    }
}

static void tell_piece(struct piece *piece)
{
    struct tail *tail = piece->tail;
    const struct msg_page *page = &piece->page;
    /* With records left out, nothing behind the last one that is here may be told. */
    uint64_t most = piece->deletes.more ? piece->deletes.records[piece->deletes.count - 1].log_index
                                        : page->applied_index;
    if (most > page->applied_index)
        most = page->applied_index;
    for (uint32_t i = 0; i < page->messages_count; i++) {
        const struct msg_message *message = &page->messages[i];
        uint64_t log_index = message_id_log_index(message->message_id);
        if (log_index > most) {
            tell_records_below(piece, most + 1);
            return;
        }
        tell_records_below(piece, log_index);
        tell_holes_below(piece, message->seq);
        tell_message(piece, message);
    }
    tell_holes_below(piece, UINT64_MAX);
    uint64_t covered = page->more && page->next_seq != 0 ? page->next_seq - 1 : page->last_seq;
    if (covered > tail->seq)
        tail->seq = covered;
    if (page->more)
        return; /* older messages than the next record may follow */
    tell_records_below(piece, most + 1);
    if (most > tail->index)
        tail->index = most;
}

/* ---- reading ------------------------------------------------------------------------------------------ */
static enum err read_piece(struct piece *piece, bool *ret_waits, struct why *why)
{
    struct tail *tail = piece->tail;
    struct piece_reader *reader = &tail->reader;
    reader->queries_count = 2;
    reader->queries[0] = (struct msg_query){.kind = MSG_QUERY_PAGE,
                                            .page = {.channel = piece->req->channel,
                                                     .from_seq = tail->seq + 1,
                                                     .limit = PIECE_MAX_MESSAGES,
                                                     .max_bytes = PIECE_MAX_BYTES}};
    reader->queries[1] = (struct msg_query){.kind = MSG_QUERY_DELETES,
                                            .deletes = {.slot = piece->req->slot,
                                                        .channel = &piece->req->channel,
                                                        .since_index = tail->index,
                                                        .limit = PIECE_MAX_DELETES}};
    enum err err = piece_read(piece->req, reader, ret_waits, why);
    if (err == OK && !*ret_waits) {
        piece->page = reader->answers[0].page;
        if (piece->page.applied_index > tail->index)
            piece->deletes = reader->answers[1].deletes;
    }
    return err;
}

static enum stream_next tail_fault(struct request *req, enum err err, const struct why *why)
{
    if (err_kind(err) == ERR_KIND_REFUSED) /* another node, or this one later, goes on */
        return STREAM_ENDS;
    log_every(100, LOG_LEVEL_ERROR, "http", "a tail met a fault", "code=%s why=%s " ORIGIN_FIELDS,
              err_slug(err), LOG_QUOTED(why->text), ORIGIN_ARGS(req->id, req->trace));
    return STREAM_BREAKS;
}

static enum stream_next tail_more(struct request *req)
{
    struct tail *tail = req->stream_state;
    struct piece piece = {.tail = tail, .req = req};
    struct why why = {.err = OK};
    if (http_is_stopping(req->http))
        return STREAM_ENDS;
    bool waits;
    enum err err = read_piece(&piece, &waits, &why);
    if (waits)
        return STREAM_WAITS;
    if (err != OK)
        return tail_fault(req, err, &why);
    if (tail->head_ms == 0 && req->accepts == MEDIA_EVENTS)
        buf_append_string(&req->out, "retry: 1000\n\n");
    if (piece.deletes.floor > tail->index) {
        tail->index = piece.deletes.floor;
        tell_state(&piece, "reset", "deletes_collected");
    }
    tell_piece(&piece);
    uint64_t now_ms = clock_mono_ms();
    if (now_ms >= tail->head_ms) {
        tail->head_ms = now_ms + HEAD_EVERY_MS;
        tell_state(&piece, "head", NULL);
    }
    if (req->out.len > 0 || piece.deletes.more || piece.page.more)
        return req->out.len > 0 ? STREAM_GOES_ON : STREAM_AGAIN;
    /* What is applied here says nothing of a state that another node read: it is looked at again. */
    uint64_t wake_ms = now_ms + HTTP_FORWARDED_POLL_MS;
    if (!tail->reader.by_call || wake_ms > tail->head_ms)
        wake_ms = tail->head_ms;
    request_wait_applied(req, piece.page.applied_index, wake_ms, NULL);
    return STREAM_WAITS;
}

/* ---- beginning ------------------------------------------------------------------------------------------ */
static void tail_done(void *state)
{
    struct tail *tail = state;
    piece_done(&tail->reader);
}

static void tail_begin(struct request *req)
{
    struct tail *tail = req->state;
    struct msg_answer answer;
    struct why why = {.err = OK};
    if (req->call.err == ERR_UNREADY && tail->may_forward &&
        tail->reading.consistency == NODE_LOCAL) {
        tail->reading.consistency = NODE_LEADER; /* which another node may read */
        reading_start(req, &tail->reading, tail_begin);
        return;
    }
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
    if (!tail->has_after && !tail->has_id)
        tail->seq = channel.last_seq;
    if (!tail->has_id)
        tail->index = channel.applied_index;
    reply_set_applied(req, channel.applied_index);
    reply_header(req, "Cache-Control", "no-store");
    reply_header(req, "X-Accel-Buffering", "no");
    piece_init(&tail->reader, tail->may_forward);
    request_stream(req, req->accepts, tail_more, tail, tail_done);
}

/* "<seq>-<log index>" */
static enum err read_event_id(struct request *req, struct tail *tail, struct why *why)
{
    const char *text = req->headers.last_event_id;
    if (text == NULL || text[0] == '\0')
        return OK;
    const char *dash = strchr(text, '-');
    if (dash == NULL ||
        !path_number(bytes_of(text, (size_t)(dash - text)), HTTP_MAX_INTEGER - 1, &tail->seq) ||
        !path_number(bytes_of_string(dash + 1), HTTP_MAX_INTEGER, &tail->index))
        return why_set(why, ERR_BAD_PARAMETER,
                       "'Last-Event-ID' is not the id of an event of this route, <seq>-<index>");
    tail->has_id = true;
    if (tail->index > tail->reading.min_index)
        tail->reading.min_index = tail->index;
    return OK;
}

void tail_run(struct request *req)
{
    struct why why = {.err = OK};
    struct tail *tail = req->state = arena_zero(&req->arena, sizeof(*tail));
    request_ask(req, MSG_QUERY_CHANNEL);
    tail->has_after = query_has(&req->query, "after_seq");
    enum err err = reading_parse(req, &tail->reading, &why);
    tail->may_forward = tail->reading.consistency != NODE_LOCAL;
    /* Whatever was applied here is committed: a tail needs no leader, only what it saw before. */
    if (!query_has(&req->query, "consistency"))
        tail->reading.consistency = NODE_LOCAL;
    if (err == OK)
        err = query_number(&req->query, "after_seq", 0, HTTP_MAX_INTEGER - 1, &tail->seq, &why);
    if (err == OK)
        err = read_event_id(req, tail, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        reading_start(req, &tail->reading, tail_begin);
}
