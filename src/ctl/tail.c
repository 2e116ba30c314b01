/* SPDX-License-Identifier: Apache-2.0 */
/* tail: a channel's newest messages, and those that come. Following uses the best that the server
 * has: the tail stream, else the long poll, else a question twice a second. All three go on behind
 * the last seq that was shown, so that nothing is lost or shown twice when one breaks off. */
#include "client/url.h"
#include "ctl/show.h"
#include "sys/clock.h"

#include <stdio.h>

enum { NEWEST = 10, PAGE = 1000, POLL_MS = 500, RETRY_MS = 1000, LONG_POLL_MS = 25000 };
enum { LINE_MAX_BYTES = 16 * 1024 * 1024 };

struct tail {
    struct ctl *ctl;
    struct ctl_channel channel;
    uint64_t seq; /* shown up to here */
    bool has_stream, has_long_poll;
    char event_id[64]; /* of the stream's last event; empty: none yet */
    struct buf line;   /* of the stream, not whole yet */
    int code;
};

static void show_message(struct tail *tail, const struct client_json *message)
{
    uint64_t seq = client_json_u64(message, "message_seq", 0);
    struct buf out = BUF_INIT;
    if (seq <= tail->seq)
        return;
    tail->seq = seq;
    if (tail->ctl->is_json) {
        client_json_print(message, false, &out);
    } else {
        char time[CLOCK_TEXT_SIZE];
        struct buf line = BUF_INIT;
        clock_format(client_json_u64(message, "timestamp", 0), time);
        buf_printf(&line, "%8llu  %s  %-12s  ", (unsigned long long)seq, time,
                   client_json_text(message, "from_uid", ""));
        ctl_print_payload(message, tail->ctl->flags.is_wide, &line);
        client_append_plain(buf_bytes(&line), &out);
        buf_done(&line);
    }
    buf_append_string(&out, "\n");
    tail->code = ctl_write(buf_bytes(&out));
    buf_done(&out);
}

/* A deleted range, in words; in JSON as it came. */
static void show_deleted(struct tail *tail, const struct client_json *range)
{
    struct buf out = BUF_INIT;
    if (tail->ctl->is_json)
        client_json_print(range, false, &out);
    else
        buf_printf(&out, "%8s  deleted: %llu-%llu", "-",
                   (unsigned long long)client_json_u64(range, "start_seq", 0),
                   (unsigned long long)client_json_u64(range, "end_seq", 0));
    buf_append_string(&out, "\n");
    tail->code = ctl_write(buf_bytes(&out));
    buf_done(&out);
}

static void show_page(struct tail *tail, const struct client_json *root)
{
    const struct client_json *messages = client_json_find(root, "messages");
    const struct client_json *deleted = client_json_find(root, "deleted");
    for (size_t i = 0; i < client_json_count(deleted) && tail->code == CTL_OK; i++) {
        const struct client_json *range = client_json_item(deleted, i);
        if (client_json_u64(range, "end_seq", 0) > tail->seq)
            show_deleted(tail, range);
    }
    for (size_t i = 0; i < client_json_count(messages) && tail->code == CTL_OK; i++)
        show_message(tail, client_json_item(messages, i));
    /* What is deleted up to the end is passed, too; a page that was cut off ends at its last one. */
    uint64_t last = client_json_u64(root, "last_seq", 0);
    if (!client_json_bool(root, "more", false) && last > tail->seq)
        tail->seq = last;
}

static void add_consistency(const struct tail *tail, struct buf *path)
{
    if (tail->ctl->flags.consistency != NULL)
        client_url_append_query(path, "consistency", tail->ctl->flags.consistency);
}

/* The first page: behind --after-seq, else the newest ones. */
static int show_newest(struct tail *tail)
{
    const struct ctl_flags *flags = &tail->ctl->flags;
    struct client_json *root = NULL;
    struct buf path = BUF_INIT;
    bool more = true;
    int code = CTL_OK;
    tail->seq = flags->has_after_seq ? flags->after_seq : 0;
    while (code == CTL_OK && tail->code == CTL_OK && more) {
        buf_clear(&path);
        ctl_channel_path(&tail->channel, "/messages", &path);
        client_url_append_query_u64(&path, "limit",
                                    flags->has_limit       ? flags->limit
                                    : flags->has_after_seq ? PAGE
                                                           : NEWEST);
        if (flags->has_after_seq)
            client_url_append_query_u64(&path, "after_seq", tail->seq);
        add_consistency(tail, &path);
        code = ctl_get(tail->ctl, buf_string(&path), &root);
        /* The newest have a "more" that is before them. */
        more = flags->has_after_seq && !flags->has_limit && client_json_bool(root, "more", false);
        if (code == CTL_OK)
            show_page(tail, root);
        if (code == CTL_OK && !flags->has_after_seq)
            tail->seq = client_json_u64(root, "last_seq", tail->seq);
        client_json_free(root);
        root = NULL;
    }
    buf_done(&path);
    return code == CTL_OK ? tail->code : code;
}

/* ---- the stream ----------------------------------------------------------------------------------- */

/* {"event":"message|delete|head|reset","id":"...","data":{...}}; the id is where to go on. */
static void take_line(struct tail *tail)
{
    struct client_json *event = NULL;
    if (tail->line.len == 0 || client_json_read(buf_bytes(&tail->line), &event, NULL) != OK)
        return;
    const char *kind = client_json_text(event, "event", "");
    const char *id = client_json_text(event, "id", "");
    const struct client_json *data = client_json_find(event, "data");
    if (strcmp(kind, "message") == 0)
        show_message(tail, data);
    else if (strcmp(kind, "delete") == 0)
        show_deleted(tail, data);
    else if (strcmp(kind, "reset") == 0)
        ctl_fail(CTL_OK, "the log was collected meanwhile: what was shown may be deleted by now");
    if (id[0] != '\0' && strlen(id) < sizeof(tail->event_id) && client_is_plain(id))
        snprintf(tail->event_id, sizeof(tail->event_id), "%s", id);
    client_json_free(event);
}

static bool on_data(struct bytes data, void *arg)
{
    struct tail *tail = arg;
    for (size_t i = 0; i < data.len && tail->code == CTL_OK; i++) {
        if (data.data[i] != '\n') {
            buf_put_u8(&tail->line, data.data[i]);
            if (tail->line.len > LINE_MAX_BYTES)
                tail->code = ctl_fail(CTL_REFUSED, "the server sends a line without an end");
            continue;
        }
        take_line(tail);
        buf_clear(&tail->line);
    }
    return tail->code == CTL_OK;
}

/* Until the stream breaks. False: this server has none. */
static bool follow_stream(struct tail *tail)
{
    struct client_reply reply;
    struct buf path = BUF_INIT;
    struct why why = {0};
    client_reply_init(&reply);
    ctl_channel_path(&tail->channel, "/messages:tail", &path);
    if (tail->event_id[0] == '\0')
        client_url_append_query_u64(&path, "after_seq", tail->seq);
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = buf_string(&path),
                                           .accept = "application/x-ndjson",
                                           .last_event_id =
                                               tail->event_id[0] != '\0' ? tail->event_id : NULL,
                                           .may_repeat = true,
                                           .timeout_ms = CLIENT_NO_LIMIT,
                                           .on_data = on_data,
                                           .arg = tail};
    buf_clear(&tail->line);
    enum err err = client_call(tail->ctl->client, &request, &reply, &why);
    bool is_there = err != OK || reply.status < 400 || reply.status == 503 || reply.status == 429;
    if (is_there && tail->code == CTL_OK)
        ctl_sleep_ms(RETRY_MS);
    client_reply_done(&reply);
    buf_done(&path);
    return is_there;
}

/* ---- questions ------------------------------------------------------------------------------------ */

/* One question; with the long poll it waits at the server. False: try again without the long poll. */
static bool ask_once(struct tail *tail)
{
    struct client_reply reply;
    struct client_json *root = NULL;
    struct buf path = BUF_INIT;
    struct why why = {0};
    client_reply_init(&reply);
    ctl_channel_path(&tail->channel, "/messages", &path);
    client_url_append_query_u64(&path, "after_seq", tail->seq);
    client_url_append_query_u64(&path, "limit", PAGE);
    add_consistency(tail, &path);
    if (tail->has_long_poll)
        client_url_append_query(&path, "wait", "25s");
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = buf_string(&path),
                                           .may_repeat = true,
                                           .timeout_ms = 2 * LONG_POLL_MS};
    enum err err = client_call(tail->ctl->client, &request, &reply, &why);
    bool is_taken = err != OK || reply.status != 501 || !tail->has_long_poll;
    if (err == OK && reply.status == 200 &&
        client_json_read(buf_bytes(&reply.body), &root, &why) == OK) {
        show_page(tail, root);
    } else if (err == OK && reply.status >= 400 && reply.status < 500 && reply.status != 429) {
        struct buf text = BUF_INIT;
        ctl_print_problem(reply.status, buf_bytes(&reply.body), &text);
        tail->code = ctl_fail(CTL_REFUSED, "%s", buf_string(&text));
        buf_done(&text);
    } else if (is_taken) {
        ctl_sleep_ms(RETRY_MS); /* no server, or none that can: it may come back */
    }
    client_json_free(root);
    client_reply_done(&reply);
    buf_done(&path);
    return is_taken;
}

static int follow(struct tail *tail)
{
    tail->has_stream = tail->has_long_poll = true;
    while (tail->code == CTL_OK && tail->has_stream)
        tail->has_stream = follow_stream(tail);
    while (tail->code == CTL_OK) {
        uint64_t before_ms = clock_mono_ms();
        if (!ask_once(tail))
            tail->has_long_poll = false;
        /* A server that answers a long poll at once has nothing that waits. */
        if (tail->code == CTL_OK && clock_mono_ms() - before_ms < POLL_MS)
            ctl_sleep_ms(tail->has_long_poll ? 20 : POLL_MS);
    }
    return tail->code;
}

int ctl_run_tail(struct ctl *ctl)
{
    struct tail tail = {.ctl = ctl, .line = BUF_INIT};
    struct why why = {0};
    if (ctl_parse_channel(ctl->words[0], &tail.channel, &why) != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    if (ctl->flags.has_limit && ctl->flags.limit > 10000)
        return ctl_fail(CTL_USAGE, "tail shows at most 10000 at first: see export for more");
    int code = show_newest(&tail);
    if (code == CTL_OK && ctl->flags.is_following)
        code = follow(&tail);
    buf_done(&tail.line);
    return code;
}
