/* SPDX-License-Identifier: Apache-2.0 */
/* GET .../messages and .../messages/{seq}: wait until this node may be read at the consistency that
 * was asked for, then read one state of it and write the page. */
#include "base/hash.h"
#include "http/cursor.h"
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/payload.h"
#include "http/reading.h"
#include "http/reply.h"
#include "http/times.h"
#include "sys/clock.h"

struct page_state {
    struct reading reading;
    struct msg_page_query query;
    bool is_empty_window; /* exclusive bounds with nothing between them */
    uint64_t *seqs;       /* seqs=; NULL: a window */
    uint32_t seqs_count;
    bool has_client_msg_no;
    struct bytes client_msg_no, from_uid;
    uint64_t wait_ms; /* long poll: 0: none */
    uint64_t wait_end_ms;
    bool must_answer; /* whatever there is */
};

enum { CURSOR_NEXT, CURSOR_FROM, CURSOR_TO, CURSOR_SINCE, CURSOR_UNTIL, CURSOR_FLAGS };
/* The walk goes down from CURSOR_NEXT; NEWEST: each page is shown in ascending order all the same. */
enum { CURSOR_DESCENDING = 1, CURSOR_NEWEST = 2 };

#define TAG_KEY 0x4c50414745000001ull

/* ---- what is asked ------------------------------------------------------------------------------ */
static enum err read_time(struct request *req, const char *name, uint64_t *ret_ms, struct why *why)
{
    struct bytes text;
    if (!query_find(&req->query, name, &text))
        return OK;
    if (!times_parse(text, clock_wall_ms(), ret_ms))
        return why_set(why, ERR_BAD_PARAMETER,
                       "'%s' is neither RFC 3339 nor milliseconds nor a time ago like -1h", name);
    return OK;
}

static enum err read_order(struct request *req, bool *ret_descending, struct why *why)
{
    struct bytes text;
    if (!query_find(&req->query, "order", &text))
        return OK;
    *ret_descending = bytes_is_equal(text, bytes_of_string("desc"));
    if (!*ret_descending && !bytes_is_equal(text, bytes_of_string("asc")))
        return why_set(why, ERR_BAD_PARAMETER, "'order' is neither 'asc' nor 'desc'");
    return OK;
}

static enum err refuse_both(const struct query *query, const char *a, const char *b,
                            struct why *why)
{
    if (query_has(query, a) && query_has(query, b))
        return why_set(why, ERR_BAD_PARAMETER, "'%s' and '%s' exclude each other", a, b);
    return OK;
}

static enum err read_bounds(struct request *req, struct page_state *state, struct why *why)
{
    struct msg_page_query *query = &state->query;
    uint64_t after = HTTP_MAX_INTEGER, before = 0;
    enum err err = refuse_both(&req->query, "from_seq", "after_seq", why);
    if (err == OK)
        err = refuse_both(&req->query, "to_seq", "before_seq", why);
    if (err == OK)
        err = query_number(&req->query, "from_seq", 1, HTTP_MAX_INTEGER, &query->from_seq, why);
    if (err == OK)
        err = query_number(&req->query, "to_seq", 1, HTTP_MAX_INTEGER, &query->to_seq, why);
    if (err == OK)
        err = query_number(&req->query, "after_seq", 0, HTTP_MAX_INTEGER, &after, why);
    if (err == OK)
        err = query_number(&req->query, "before_seq", 1, HTTP_MAX_INTEGER, &before, why);
    if (err != OK)
        return err;
    bool has_after = query_has(&req->query, "after_seq");
    bool has_before = query_has(&req->query, "before_seq");
    uint64_t from = has_after ? after + 1 : query->from_seq == 0 ? 1 : query->from_seq;
    uint64_t to = has_before ? before - 1 : query->to_seq == 0 ? HTTP_MAX_INTEGER : query->to_seq;
    if (from > to) {
        /* Next to each other, exclusive bounds have nothing between them; else it is a mistake. */
        if ((!has_after && !has_before) || from != to + 1)
            return why_set(why, ERR_BAD_RANGE, "the window begins at %llu and ends at %llu",
                           (unsigned long long)from, (unsigned long long)to);
        state->is_empty_window = true;
    }
    if (has_after)
        query->from_seq = from;
    if (has_before)
        query->to_seq = to;
    return OK;
}

static enum err read_seqs(struct request *req, struct page_state *state, struct why *why)
{
    struct bytes text;
    if (!query_find(&req->query, "seqs", &text))
        return OK;
    uint32_t count = 0;
    state->seqs = arena_alloc(&req->arena, HTTP_PAGE_MAX_SEQS * sizeof(*state->seqs));
    size_t start = 0;
    while (start <= text.len) {
        size_t end = start;
        while (end < text.len && text.data[end] != ',')
            end++;
        uint64_t seq;
        if (!path_number(bytes_of(text.data + start, end - start), HTTP_MAX_INTEGER, &seq) ||
            seq == 0)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'seqs' is not a list of whole numbers from 1 to 2^63-1");
        if (count == HTTP_PAGE_MAX_SEQS)
            return why_set(why, ERR_TOO_LARGE, "'seqs' has more than %d numbers",
                           HTTP_PAGE_MAX_SEQS);
        state->seqs[count++] = seq;
        start = end + 1;
    }
    state->seqs_count = count;
    return OK;
}

static enum err read_client_msg_no(struct request *req, struct page_state *state, struct why *why)
{
    state->has_client_msg_no = query_has(&req->query, "client_msg_no");
    enum err err = query_text(&req->query, "client_msg_no", HTTP_CLIENT_MSG_NO_MAX_BYTES,
                              &state->client_msg_no, why);
    if (err == OK)
        err = query_text(&req->query, "from_uid", HTTP_FROM_UID_MAX_BYTES, &state->from_uid, why);
    if (err != OK)
        return err;
    if (state->has_client_msg_no && state->client_msg_no.len == 0)
        return why_set(why, ERR_BAD_PARAMETER, "'client_msg_no' is not 1 to 128 bytes long");
    if (query_has(&req->query, "from_uid") && !state->has_client_msg_no)
        return why_set(why, ERR_BAD_PARAMETER, "'from_uid' goes with 'client_msg_no' only");
    return OK;
}

/* Only one way to say which messages; a window may be cut by time. */
static enum err check_forms(const struct query *query, struct why *why)
{
    static const char *const windows[] = {"from_seq", "to_seq", "after_seq", "before_seq",
                                          "since",    "until",  "order",     "limit"};
    static const char *const forms[] = {"seqs", "client_msg_no", "cursor"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (!query_has(query, forms[i]))
            continue;
        for (size_t j = 0; j < i; j++) {
            enum err err = refuse_both(query, forms[j], forms[i], why);
            if (err != OK)
                return err;
        }
        /* The limit of the next page is free; what the cursor fixes is not given again. */
        size_t count = ARRAY_LEN(windows) - (strcmp(forms[i], "cursor") == 0 ? 1 : 0);
        for (size_t j = 0; j < count; j++) {
            enum err err = refuse_both(query, windows[j], forms[i], why);
            if (err != OK)
                return err;
        }
    }
    return OK;
}

static enum err read_cursor(struct request *req, struct page_state *state, struct why *why)
{
    struct bytes text;
    struct cursor cursor;
    if (!query_find(&req->query, "cursor", &text))
        return OK;
    enum err err = cursor_parse(text, cursor_scope("messages", req->channel, BYTES_NONE),
                                &req->arena, &cursor, why);
    if (err != OK)
        return err;
    struct msg_page_query *query = &state->query;
    bool goes_down = cursor.numbers[CURSOR_FLAGS] != 0;
    query->descending = (cursor.numbers[CURSOR_FLAGS] & CURSOR_DESCENDING) != 0;
    query->newest = (cursor.numbers[CURSOR_FLAGS] & CURSOR_NEWEST) != 0;
    query->from_seq = cursor.numbers[goes_down ? CURSOR_FROM : CURSOR_NEXT];
    query->to_seq = cursor.numbers[goes_down ? CURSOR_NEXT : CURSOR_TO];
    query->since_ms = cursor.numbers[CURSOR_SINCE];
    query->until_ms = cursor.numbers[CURSOR_UNTIL];
    return OK;
}

/* A long poll waits for what comes after a seq; a window that may be closed has nothing to wait for. */
static enum err read_wait(struct request *req, struct page_state *state, struct why *why)
{
    static const char *const others[] = {"from_seq", "to_seq", "before_seq",    "since", "until",
                                         "order",    "seqs",   "client_msg_no", "cursor"};
    struct bytes text;
    if (!query_find(&req->query, "wait", &text))
        return OK;
    if (!times_parse_duration(text, HTTP_MAX_WAIT_MS, &state->wait_ms))
        return why_set(why, ERR_BAD_PARAMETER, "'wait' is not a time like 25s, at most %ds",
                       HTTP_MAX_WAIT_MS / 1000);
    if (!query_has(&req->query, "after_seq"))
        return why_set(why, ERR_BAD_PARAMETER, "'wait' goes with 'after_seq' only");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        enum err err = refuse_both(&req->query, others[i], "wait", why);
        if (err != OK)
            return err;
    }
    state->wait_end_ms = req->started_us / 1000 + state->wait_ms;
    return OK;
}

static enum err read_page_query(struct request *req, struct page_state *state, struct why *why)
{
    struct msg_page_query *query = &state->query;
    uint64_t limit = HTTP_PAGE_DEFAULT_MESSAGES;
    query->channel = req->channel;
    enum err err = check_forms(&req->query, why);
    if (err == OK)
        err = read_wait(req, state, why);
    if (err == OK)
        err = query_number(&req->query, "limit", 1, MSG_PAGE_MAX_MESSAGES, &limit, why);
    if (err == OK)
        err = read_order(req, &query->descending, why);
    if (err == OK)
        err = read_bounds(req, state, why);
    if (err == OK)
        err = read_time(req, "since", &query->since_ms, why);
    if (err == OK)
        err = read_time(req, "until", &query->until_ms, why);
    if (err == OK)
        err = read_seqs(req, state, why);
    if (err == OK)
        err = read_client_msg_no(req, state, why);
    if (err == OK)
        err = read_cursor(req, state, why);
    query->limit = (uint32_t)limit;
    if (!query_has(&req->query, "cursor"))
        query->newest = query->from_seq == 0 && query->to_seq == 0 && query->since_ms == 0 &&
                        query->until_ms == 0 && !query->descending;
    return err;
}

/* ---- what is answered ---------------------------------------------------------------------------- */
static void write_ranges(struct buf *buf, const struct range *ranges, uint32_t count)
{
    buf_append_string(buf, "\"deleted\":[");
    for (uint32_t i = 0; i < count; i++) {
        buf_append_string(buf, i == 0 ? "{" : ",{");
        jwrite_member_u64(buf, "start_seq", ranges[i].start);
        jwrite_member_u64(buf, "end_seq", ranges[i].end);
        buf_put_u8(buf, '}');
    }
    buf_put_u8(buf, ']');
}

/* A page is what it shows: messages never change, so first, last and count of them say it all. */
static void set_tag(struct request *req, const struct msg_page *page)
{
    uint64_t parts[8] = {page->first_seq, page->last_seq, page->messages_count,
                         page->more,      page->next_seq, (uint64_t)req->accepts};
    if (page->messages_count > 0) {
        parts[6] = page->messages[0].seq;
        parts[7] = page->messages[page->messages_count - 1].seq;
    }
    uint64_t hash = hash64_of(bytes_of(parts, sizeof(parts)), TAG_KEY);
    if (page->deleted_count > 0)
        hash =
            hash64_of(bytes_of(page->deleted, page->deleted_count * sizeof(*page->deleted)), hash);
    for (uint32_t i = 0; i < page->messages_count && page->deleted_count > 0; i++)
        hash = hash * 31 + page->messages[i].seq;
    snprintf(req->etag, sizeof(req->etag), "W/\"%016llx\"", (unsigned long long)hash);
}

static void write_cursor(struct request *req, const struct page_state *state,
                         const struct msg_page *page, struct buf *buf)
{
    const struct msg_page_query *query = &state->query;
    struct cursor cursor = {.scope = cursor_scope("messages", req->channel, BYTES_NONE)};
    cursor.numbers[CURSOR_NEXT] = page->next_seq;
    cursor.numbers[CURSOR_FROM] = query->from_seq;
    cursor.numbers[CURSOR_TO] = query->to_seq;
    cursor.numbers[CURSOR_SINCE] = query->since_ms;
    cursor.numbers[CURSOR_UNTIL] = query->until_ms;
    cursor.numbers[CURSOR_FLAGS] =
        (query->descending ? CURSOR_DESCENDING : 0) | (query->newest ? CURSOR_NEWEST : 0);
    cursor_append(buf, &cursor);
}

static bool has_next(const struct msg_page *page)
{
    return page->more && page->next_seq != 0;
}

static void write_json(struct request *req, const struct page_state *state,
                       const struct msg_page *page)
{
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "channel_type", req->channel.type);
    jwrite_member_string(out, "channel_id", req->channel.id);
    buf_append_string(out, ",\"messages\":[");
    for (uint32_t i = 0; i < page->messages_count; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        payload_write_message(out, &page->messages[i]);
    }
    buf_append_string(out, "],");
    write_ranges(out, page->deleted, page->deleted_count);
    jwrite_member_u64(out, "first_seq", page->first_seq);
    jwrite_member_u64(out, "last_seq", page->last_seq);
    jwrite_member_bool(out, "more", page->more);
    if (has_next(page)) {
        jwrite_key(out, "next_cursor");
        buf_put_u8(out, '"');
        write_cursor(req, state, page, out);
        buf_put_u8(out, '"');
    } else {
        jwrite_member_null(out, "next_cursor");
    }
    reading_write(req, &state->reading, page->applied_index);
    buf_put_u8(out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

/* Lines have no place for what surrounds them: the holes and the cursor go into headers, the holes
 * as "42-57,90-90", as many as fit. */
static void write_lines(struct request *req, const struct page_state *state,
                        const struct msg_page *page)
{
    enum { HOLES_BYTES = 1024 };
    for (uint32_t i = 0; i < page->messages_count; i++) {
        payload_write_message(&req->out, &page->messages[i]);
        buf_put_u8(&req->out, '\n');
    }
    if (page->deleted_count > 0) {
        char *text = arena_alloc(&req->arena, HOLES_BYTES);
        size_t len = 0;
        for (uint32_t i = 0; i < page->deleted_count && len < HOLES_BYTES - 64; i++)
            len += (size_t)snprintf(text + len, HOLES_BYTES - len, "%s%llu-%llu", i == 0 ? "" : ",",
                                    (unsigned long long)page->deleted[i].start,
                                    (unsigned long long)page->deleted[i].end);
        if (len >= HOLES_BYTES - 64)
            snprintf(text + len, HOLES_BYTES - len, ",...");
        reply_header(req, "Lethe-Deleted", text);
    }
    char *last = arena_alloc(&req->arena, 24);
    snprintf(last, 24, "%llu", (unsigned long long)page->last_seq);
    reply_header(req, "Lethe-Last-Seq", last);
    if (has_next(page)) {
        struct buf cursor = BUF_INIT;
        write_cursor(req, state, page, &cursor);
        reply_header(req, "Lethe-Next-Cursor", arena_string(&req->arena, buf_bytes(&cursor)));
        buf_done(&cursor);
    }
    reply_send(req, 200, MEDIA_NDJSON);
}

static void ask_page(struct request *req, const struct page_state *state)
{
    struct msg_query *query = request_ask(req, state->seqs != NULL        ? MSG_QUERY_SEQS
                                               : state->has_client_msg_no ? MSG_QUERY_CLIENT_MSG_NO
                                                                          : MSG_QUERY_PAGE);
    query->seqs = state->seqs;
    query->seqs_count = state->seqs_count;
    query->client_msg_no = state->client_msg_no;
    query->from_uid = state->from_uid;
    if (query->kind != MSG_QUERY_PAGE)
        return;
    query->page = state->query;
    /* first_seq and last_seq are those of the channel all the same: look where nothing can be. */
    if (state->is_empty_window)
        query->page.from_seq = query->page.to_seq = HTTP_MAX_INTEGER;
}

static enum err get_page(struct request *req, const struct page_state *state, struct msg_page *page,
                         struct why *why)
{
    struct msg_answer answer;
    enum err err = request_answer(req, &req->call, 0, &answer, why);
    *page = answer.page;
    if (err == OK && state->is_empty_window) {
        page->messages_count = page->deleted_count = 0;
        page->more = false;
        page->next_seq = 0;
    }
    return err;
}

static void messages_read(struct request *req);

/* Something was applied in the slot, or the time is over. This node's own state says cheaply whether
 * it is worth a read at the consistency that was asked for. */
static void messages_look(struct request *req)
{
    struct page_state *state = req->state;
    struct why why = {.err = OK};
    if (http_is_stopping(req->http)) {
        why_set(&why, ERR_DRAINING, "this node is stopping");
        reply_problem(req, ERR_DRAINING, &why);
        return;
    }
    uint64_t now_ms = clock_mono_ms();
    struct msg_query query = {.kind = MSG_QUERY_CHANNEL, .channel = req->channel};
    struct msg_answer answer;
    struct arena arena;
    arena_init(&arena);
    enum err err = node_ask(http_node(req->http), &query, &arena, &answer, &why);
    arena_done(&arena);
    if (err == OK && answer.channel.last_seq < state->query.from_seq &&
        now_ms < state->wait_end_ms) {
        request_wait_applied(req, answer.applied_index, state->wait_end_ms, messages_look);
        return;
    }
    state->must_answer = now_ms >= state->wait_end_ms;
    req->granted_ms = now_ms - req->started_us / 1000;
    reading_start(req, &state->reading, messages_read);
}

/* True: the request waits for something to come, or was refused that. */
static bool long_poll(struct request *req, struct page_state *state, const struct msg_page *page)
{
    struct why why = {.err = OK};
    if (state->wait_ms == 0 || state->must_answer || page->last_seq >= state->query.from_seq)
        return false;
    if (!req->is_reader) {
        enum err err = request_become_reader(req, &why);
        if (err != OK) {
            reply_problem(req, err, &why);
            return true;
        }
    }
    /* What is applied here says nothing of a state that another node read: it is looked at again. */
    uint64_t wake_ms = clock_mono_ms() + HTTP_FORWARDED_POLL_MS;
    if (req->call.answer == NULL || wake_ms > state->wait_end_ms)
        wake_ms = state->wait_end_ms;
    request_wait_applied(req, page->applied_index, wake_ms, messages_look);
    return true;
}

static void messages_read(struct request *req)
{
    struct page_state *state = req->state;
    struct msg_page page = {.messages = NULL};
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    enum err err = get_page(req, state, &page, &why);
    if (err == OK && long_poll(req, state, &page))
        return;
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    reply_set_applied(req, page.applied_index);
    set_tag(req, &page);
    if (reply_is_unchanged(req))
        return;
    if (req->accepts == MEDIA_NDJSON)
        write_lines(req, state, &page);
    else
        write_json(req, state, &page);
}

void messages_run(struct request *req)
{
    struct why why = {.err = OK};
    struct page_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    enum err err = read_page_query(req, state, &why);
    if (err == OK)
        err = reading_parse(req, &state->reading, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    ask_page(req, state);
    reading_start(req, &state->reading, messages_read);
}

/* ---- one message ------------------------------------------------------------------------------------ */
static void write_raw(struct request *req, const struct msg_message *message)
{
    char *numbers = arena_alloc(&req->arena, 48);
    snprintf(numbers, 24, "%llu", (unsigned long long)message->message_id);
    snprintf(numbers + 24, 24, "%llu", (unsigned long long)message->timestamp_ms);
    reply_header(req, "Lethe-Message-Id", numbers);
    reply_header(req, "Lethe-Timestamp", numbers + 24);
    buf_append_bytes(&req->out, message->payload);
    reply_send(req, 200, MEDIA_RAW);
}

static void refuse_message(struct request *req, enum err err, const struct why *why,
                           uint64_t delete_index)
{
    reply_problem_begin(req, err, why);
    if (err == ERR_SEQ_DELETED) {
        jwrite_key(&req->out, "delete_id");
        if (delete_index == 0)
            buf_append_string(&req->out, "null");
        else
            buf_printf(&req->out, "\"%u-%llu\"", req->slot, (unsigned long long)delete_index);
    }
    reply_problem_end(req);
}

static void message_read(struct request *req)
{
    struct why why = {.err = OK};
    struct msg_answer answer;
    if (reply_calls_error(req))
        return;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    reply_set_applied(req,
                      answer.applied_index != 0 ? answer.applied_index : req->call.applied_index);
    if (err != OK) {
        refuse_message(req, err, &why, answer.delete_index);
        return;
    }
    struct msg_message message = answer.message;
    snprintf(req->etag, sizeof(req->etag), "\"%llu%s\"", (unsigned long long)message.message_id,
             req->accepts == MEDIA_RAW ? "r" : "");
    if (reply_is_unchanged(req))
        return;
    if (req->accepts == MEDIA_RAW) {
        write_raw(req, &message);
        return;
    }
    payload_write_message(&req->out, &message);
    reply_send(req, 200, MEDIA_JSON);
}

void message_run(struct request *req)
{
    struct why why = {.err = OK};
    struct reading *reading = req->state = arena_zero(&req->arena, sizeof(*reading));
    request_ask(req, MSG_QUERY_MESSAGE)->number = req->number;
    enum err err = reading_parse(req, reading, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        reading_start(req, reading, message_read);
}
