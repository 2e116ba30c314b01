/* SPDX-License-Identifier: Apache-2.0 */
/* send, ls, get: messages and channels. */
#include "base/utf8.h"
#include "client/base64.h"
#include "client/url.h"
#include "ctl/show.h"
#include "sys/clock.h"

#include <stdio.h>

enum { STDIN_MAX_BYTES = 8 * 1024 * 1024, SHOWN_BYTES = 72, PAGE_LIMIT = 10000, LS_PAGE = 1000 };

static int read_stdin(struct buf *out)
{
    uint8_t chunk[65536];
    size_t len = 0;
    while ((len = fread(chunk, 1, sizeof(chunk), stdin)) > 0) {
        if (out->len + len > STDIN_MAX_BYTES)
            return ctl_fail(CTL_USAGE, "standard input has more than %d bytes", STDIN_MAX_BYTES);
        buf_append(out, chunk, len);
    }
    return ferror(stdin) ? ctl_fail(CTL_LOCAL, "cannot read standard input") : CTL_OK;
}

/* ---- send ------------------------------------------------------------------------------------ */

/* The payload as the body's member: JSON as it stands, everything else as a string. */
static int append_payload(struct ctl *ctl, struct bytes payload, struct buf *body)
{
    const char *encoding = ctl->flags.encoding != NULL ? ctl->flags.encoding : "utf8";
    struct why why = {0};
    buf_append_string(body, "{\"payload\":");
    if (strcmp(encoding, "json") == 0) {
        struct client_json *node = NULL;
        if (client_json_read(payload, &node, &why) != OK)
            return ctl_fail(CTL_USAGE, "the payload is %s", why.text);
        client_json_free(node);
        buf_append_bytes(body, payload);
    } else if (strcmp(encoding, "base64") == 0) {
        client_json_print_text(payload, body);
    } else if (strcmp(encoding, "utf8") != 0) {
        return ctl_fail(CTL_USAGE, "encoding '%s' is not utf8, json or base64", encoding);
    } else if (utf8_is_valid(payload)) {
        client_json_print_text(payload, body);
    } else {
        encoding = "base64"; /* bytes that are no text travel as such */
        buf_append_string(body, "\"");
        client_base64_append_encoded(body, payload);
        buf_append_string(body, "\"");
    }
    buf_printf(body, ",\"payload_encoding\":\"%s\"", encoding);
    return CTL_OK;
}

static void append_member(struct buf *body, const char *key, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(body, ",\"%s\":", key);
    client_json_print_text(bytes_of_string(value), body);
}

static int show_sent(struct ctl *ctl, struct client_reply *reply)
{
    struct client_json *node = NULL;
    struct why why = {0};
    if (client_json_read(buf_bytes(&reply->body), &node, &why) != OK)
        return ctl_fail(CTL_REFUSED, "%s: the reply is %s", reply->server, why.text);
    int code = CTL_OK;
    if (ctl->is_json) {
        code = ctl_write_json(node);
    } else {
        struct buf out = BUF_INIT;
        buf_printf(&out, "seq %llu, id %s%s\n",
                   (unsigned long long)client_json_u64(node, "message_seq", 0),
                   client_json_text(node, "message_id", "?"),
                   client_json_bool(node, "duplicate", false) ? ", was there already" : "");
        code = ctl_write(buf_bytes(&out));
        buf_done(&out);
    }
    client_json_free(node);
    return code;
}

int ctl_run_send(struct ctl *ctl)
{
    struct ctl_channel channel;
    struct why why = {0};
    struct buf path = BUF_INIT, body = BUF_INIT, text = BUF_INIT;
    struct client_reply reply;
    client_reply_init(&reply);
    if (ctl_parse_channel(ctl->words[0], &channel, &why) != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    int code = CTL_OK;
    if (strcmp(ctl->words[1], "-") == 0)
        code = read_stdin(&text);
    else
        buf_append_string(&text, ctl->words[1]);
    if (code == CTL_OK)
        code = append_payload(ctl, buf_bytes(&text), &body);
    if (code == CTL_OK) {
        append_member(&body, "from_uid", ctl->flags.from_uid);
        append_member(&body, "client_msg_no", ctl->flags.client_msg_no);
        if (ctl->flags.has_expected_last_seq)
            buf_printf(&body, ",\"expected_last_seq\":%llu",
                       (unsigned long long)ctl->flags.expected_last_seq);
        buf_append_string(&body, "}");
        ctl_channel_path(&channel, "/messages", &path);
        const struct client_request request = {.method = CLIENT_POST,
                                               .path = buf_string(&path),
                                               .content_type = "application/json",
                                               .body = buf_bytes(&body),
                                               .may_repeat = ctl->flags.client_msg_no != NULL};
        code = ctl_call(ctl, &request, &reply);
    }
    if (code == CTL_OK)
        code = show_sent(ctl, &reply);
    client_reply_done(&reply);
    buf_done(&path);
    buf_done(&body);
    buf_done(&text);
    return code;
}

/* ---- ls -------------------------------------------------------------------------------------- */

static void add_channel(struct client_table *table, const struct client_json *channel)
{
    char count[CLIENT_COUNT_SIZE], size[CLIENT_COUNT_SIZE], time[CLOCK_TEXT_SIZE] = "-";
    uint64_t last_ms = client_json_u64(channel, "last_timestamp", 0);
    client_table_addf(table, "%llu/%s",
                      (unsigned long long)client_json_u64(channel, "channel_type", 0),
                      client_json_text(channel, "channel_id", "?"));
    client_table_addf(table, "%llu", (unsigned long long)client_json_u64(channel, "slot", 0));
    client_table_addf(table, "%llu", (unsigned long long)client_json_u64(channel, "first_seq", 0));
    client_table_addf(table, "%llu", (unsigned long long)client_json_u64(channel, "last_seq", 0));
    client_table_addf(table, "%s",
                      client_count_text(client_json_u64(channel, "message_count", 0), count));
    client_table_addf(table, "%s",
                      client_count_text(client_json_u64(channel, "deleted_count", 0), count));
    client_table_addf(table, "%s", client_size_text(client_json_u64(channel, "bytes", 0), size));
    if (last_ms != 0)
        clock_format(last_ms, time);
    client_table_addf(table, "%s", time);
}

static void ls_path(struct ctl *ctl, const char *cursor, uint64_t limit, struct buf *path)
{
    buf_clear(path);
    buf_append_string(path, "/v1/channels");
    client_url_append_query_u64(path, "limit", limit);
    if (ctl->flags.prefix != NULL)
        client_url_append_query(path, "prefix", ctl->flags.prefix);
    if (ctl->flags.has_type)
        client_url_append_query_u64(path, "type", ctl->flags.type);
    if (ctl->flags.has_slot)
        client_url_append_query_u64(path, "slot", ctl->flags.slot);
    if (cursor != NULL)
        client_url_append_query(path, "cursor", cursor);
}

int ctl_run_ls(struct ctl *ctl)
{
    static const char *const heads[] = {"CHANNEL",   ">SLOT",    ">FIRST", ">LAST",
                                        ">MESSAGES", ">DELETED", ">BYTES", "NEWEST"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    struct buf path = BUF_INIT, out = BUF_INIT, cursor = BUF_INIT;
    uint64_t left = ctl->flags.has_limit ? ctl->flags.limit : UINT64_MAX;
    bool more = true;
    int code = CTL_OK;
    while (code == CTL_OK && more && left > 0) {
        struct client_json *root = NULL;
        ls_path(ctl, cursor.len > 0 ? buf_string(&cursor) : NULL, left < LS_PAGE ? left : LS_PAGE,
                &path);
        code = ctl_get(ctl, buf_string(&path), &root);
        const struct client_json *channels = client_json_find(root, "channels");
        for (size_t i = 0; i < client_json_count(channels) && left > 0; i++, left--) {
            const struct client_json *channel = client_json_item(channels, i);
            add_channel(table, channel);
            if (ctl->is_json) {
                client_json_print(channel, false, &out);
                buf_append_string(&out, "\n");
            }
        }
        const char *next = client_json_text(root, "next_cursor", "");
        buf_clear(&cursor);
        buf_append_string(&cursor, next);
        more = client_json_bool(root, "more", false) && next[0] != '\0';
        client_json_free(root);
    }
    if (code == CTL_OK) {
        if (!ctl->is_json)
            client_table_print(table, &out);
        code = ctl_write(buf_bytes(&out));
    }
    client_table_free(table);
    buf_done(&path);
    buf_done(&out);
    buf_done(&cursor);
    return code;
}

/* ---- get ------------------------------------------------------------------------------------- */

/* What a person sees of a payload: text on one line, bytes as their number. */
void ctl_print_payload(const struct client_json *message, bool is_wide, struct buf *out)
{
    const struct client_json *payload = client_json_find(message, "payload");
    bool is_base64 = strcmp(client_json_text(message, "payload_encoding", "base64"), "base64") == 0;
    struct bytes text = client_json_text_of(payload);
    struct buf decoded = BUF_INIT;
    if (is_base64 && client_base64_append_decoded(&decoded, text)) {
        text = buf_bytes(&decoded);
    } else if (payload != NULL && !client_json_is_text(payload)) {
        client_json_print(payload, false, &decoded);
        text = buf_bytes(&decoded);
    }
    if (!utf8_is_valid(text)) {
        buf_printf(out, "(%zu bytes)", text.len);
    } else {
        size_t len = text.len;
        if (!is_wide && len > SHOWN_BYTES) {
            len = SHOWN_BYTES;
            while (len > 0 && (text.data[len] & 0xc0) == 0x80)
                len--; /* not inside a character */
        }
        buf_append(out, text.data, len);
        if (len < text.len)
            buf_append_string(out, "...");
    }
    buf_done(&decoded);
}

static void add_message(struct client_table *table, const struct client_json *message, bool is_wide)
{
    struct buf payload = BUF_INIT;
    char time[CLOCK_TEXT_SIZE];
    clock_format(client_json_u64(message, "timestamp", 0), time);
    ctl_print_payload(message, is_wide, &payload);
    client_table_addf(table, "%llu",
                      (unsigned long long)client_json_u64(message, "message_seq", 0));
    client_table_addf(table, "%s", time);
    client_table_addf(table, "%s", client_json_text(message, "from_uid", ""));
    client_table_add(table, buf_bytes(&payload));
    buf_done(&payload);
}

static void print_page(struct ctl *ctl, const struct client_json *root, struct buf *out)
{
    static const char *const heads[] = {">SEQ", "TIME", "FROM", "PAYLOAD"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    const struct client_json *messages = client_json_find(root, "messages");
    for (size_t i = 0; i < client_json_count(messages); i++)
        add_message(table, client_json_item(messages, i), ctl->flags.is_wide);
    client_table_print(table, out);
    client_table_free(table);
    const struct client_json *deleted = client_json_find(root, "deleted");
    for (size_t i = 0; i < client_json_count(deleted); i++) {
        const struct client_json *range = client_json_item(deleted, i);
        buf_printf(out, "deleted: %llu-%llu\n",
                   (unsigned long long)client_json_u64(range, "start_seq", 0),
                   (unsigned long long)client_json_u64(range, "end_seq", 0));
    }
    buf_printf(out, "%zu shown; the channel has %llu to %llu%s\n", client_json_count(messages),
               (unsigned long long)client_json_u64(root, "first_seq", 0),
               (unsigned long long)client_json_u64(root, "last_seq", 0),
               client_json_bool(root, "more", false) ? "; there is more" : "");
}

static void page_path(const struct ctl_flags *flags, struct buf *path)
{
    if (flags->has_limit)
        client_url_append_query_u64(path, "limit",
                                    flags->limit < PAGE_LIMIT ? flags->limit : PAGE_LIMIT);
    if (flags->has_from_seq)
        client_url_append_query_u64(path, "from_seq", flags->from_seq);
    if (flags->has_to_seq)
        client_url_append_query_u64(path, "to_seq", flags->to_seq);
    if (flags->has_after_seq)
        client_url_append_query_u64(path, "after_seq", flags->after_seq);
    if (flags->has_before_seq)
        client_url_append_query_u64(path, "before_seq", flags->before_seq);
    if (flags->order != NULL)
        client_url_append_query(path, "order", flags->order);
}

static int get_raw(struct ctl *ctl, const char *path)
{
    struct client_reply reply;
    client_reply_init(&reply);
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = path,
                                           .accept = "application/octet-stream",
                                           .may_repeat = true};
    int code = ctl_call(ctl, &request, &reply);
    if (code == CTL_OK)
        code = ctl_write(buf_bytes(&reply.body));
    client_reply_done(&reply);
    return code;
}

static int show_got(struct ctl *ctl, const struct client_json *root, bool is_one)
{
    struct buf out = BUF_INIT;
    if (is_one) {
        static const char *const heads[] = {">SEQ", "TIME", "FROM", "PAYLOAD"};
        struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
        add_message(table, root, true);
        client_table_print(table, &out);
        client_table_free(table);
    } else {
        print_page(ctl, root, &out);
    }
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

int ctl_run_get(struct ctl *ctl)
{
    struct ctl_channel channel;
    struct why why = {0};
    struct buf path = BUF_INIT;
    struct client_json *root = NULL;
    uint64_t seq = 0;
    bool is_one = ctl->words_count == 2;
    if (ctl_parse_channel(ctl->words[0], &channel, &why) != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    if (is_one && (!client_flag_number(ctl->words[1], &seq) || seq == 0))
        return ctl_fail(CTL_USAGE, "'%s' is not a seq", ctl->words[1]);
    if (ctl->flags.is_raw && !is_one)
        return ctl_fail(CTL_USAGE, "--raw needs one SEQ");
    ctl_channel_path(&channel, "/messages", &path);
    if (is_one)
        buf_printf(&path, "/%llu", (unsigned long long)seq);
    else
        page_path(&ctl->flags, &path);
    if (ctl->flags.consistency != NULL)
        client_url_append_query(&path, "consistency", ctl->flags.consistency);
    int code = CTL_OK;
    if (ctl->flags.is_raw) {
        code = get_raw(ctl, buf_string(&path));
    } else {
        code = ctl_get(ctl, buf_string(&path), &root);
        if (code == CTL_OK)
            code = ctl->is_json ? ctl_write_json(root) : show_got(ctl, root, is_one);
    }
    client_json_free(root);
    buf_done(&path);
    return code;
}
