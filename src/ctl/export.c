/* SPDX-License-Identifier: Apache-2.0 */
/* export: pages through one channel or all of them and writes one message a line, with its
 * channel, in a form that import takes. */
#include "base/alloc.h"
#include "client/progress.h"
#include "client/url.h"
#include "ctl/command.h"

#include <errno.h>
#include <stdio.h>

enum { PAGE_MESSAGES = 1000, PAGE_CHANNELS = 1000 };

struct export
{
    struct ctl *ctl; /* borrowed */
    FILE *out;       /* owned unless stdout */
    struct client_progress progress;
    struct buf path, line;
    uint64_t messages, channels;
};

static int write_message(struct export *export, const struct ctl_channel *channel,
                         const struct client_json *message)
{
    struct buf *line = &export->line;
    buf_clear(line);
    buf_printf(line, "{\"channel_type\":%u,\"channel_id\":", channel->type);
    client_json_print_text(bytes_of_string(channel->id), line);
    size_t start = line->len;
    client_json_print(message, false, line);
    line->data[start] = ','; /* the message's members follow those of the channel */
    buf_append_string(line, "\n");
    if (fwrite(line->data, 1, line->len, export->out) != line->len)
        return ctl_fail(CTL_LOCAL, "cannot write: %s", strerror(errno));
    export->messages++;
    return CTL_OK;
}

static void page_path(struct export *export, const struct ctl_channel *channel, uint64_t from_seq)
{
    const struct ctl_flags *flags = &export->ctl->flags;
    buf_clear(&export->path);
    ctl_channel_path(channel, "/messages", &export->path);
    client_url_append_query_u64(&export->path, "from_seq", from_seq);
    client_url_append_query_u64(&export->path, "limit", PAGE_MESSAGES);
    if (flags->has_to_seq)
        client_url_append_query_u64(&export->path, "to_seq", flags->to_seq);
    if (flags->consistency != NULL)
        client_url_append_query(&export->path, "consistency", flags->consistency);
}

static int export_channel(struct export *export, const struct ctl_channel *channel)
{
    uint64_t from_seq = export->ctl->flags.has_from_seq ? export->ctl->flags.from_seq : 1;
    bool more = true;
    int code = CTL_OK;
    while (code == CTL_OK && more) {
        struct client_json *root = NULL;
        page_path(export, channel, from_seq);
        code = ctl_get(export->ctl, buf_string(&export->path), &root);
        const struct client_json *messages = client_json_find(root, "messages");
        size_t count = client_json_count(messages);
        for (size_t i = 0; i < count && code == CTL_OK; i++) {
            const struct client_json *message = client_json_item(messages, i);
            from_seq = client_json_u64(message, "message_seq", from_seq) + 1;
            code = write_message(export, channel, message);
        }
        more = client_json_bool(root, "more", false) && count > 0;
        client_json_free(root);
        client_progress_set(&export->progress, export->messages);
    }
    export->channels++;
    return code;
}

static int export_all(struct export *export)
{
    const struct ctl_flags *flags = &export->ctl->flags;
    struct buf path = BUF_INIT, cursor = BUF_INIT;
    bool more = true;
    int code = CTL_OK;
    while (code == CTL_OK && more) {
        struct client_json *root = NULL;
        buf_clear(&path);
        buf_append_string(&path, "/v1/channels");
        client_url_append_query_u64(&path, "limit", PAGE_CHANNELS);
        if (flags->prefix != NULL)
            client_url_append_query(&path, "prefix", flags->prefix);
        if (flags->has_type)
            client_url_append_query_u64(&path, "type", flags->type);
        if (cursor.len > 0)
            client_url_append_query(&path, "cursor", buf_string(&cursor));
        code = ctl_get(export->ctl, buf_string(&path), &root);
        const struct client_json *channels = client_json_find(root, "channels");
        for (size_t i = 0; i < client_json_count(channels) && code == CTL_OK; i++) {
            const struct client_json *one = client_json_item(channels, i);
            const struct ctl_channel channel = {(uint8_t)client_json_u64(one, "channel_type", 0),
                                                client_json_text(one, "channel_id", "")};
            code = export_channel(export, &channel);
        }
        buf_clear(&cursor);
        buf_append_string(&cursor, client_json_text(root, "next_cursor", ""));
        more = client_json_bool(root, "more", false) && cursor.len > 0;
        client_json_free(root);
    }
    buf_done(&path);
    buf_done(&cursor);
    return code;
}

int ctl_run_export(struct ctl *ctl)
{
    struct ctl_channel channel;
    struct why why = {0};
    bool is_one = ctl->words_count == 1;
    if (is_one == ctl->flags.is_all)
        return ctl_fail(CTL_USAGE, "name one channel, or say --all");
    if (is_one && ctl_parse_channel(ctl->words[0], &channel, &why) != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    struct export export = {.ctl = ctl, .out = stdout};
    if (ctl->flags.file != NULL)
        export.out = fopen(ctl->flags.file, "we");
    if (export.out == NULL)
        return ctl_fail(CTL_LOCAL, "cannot write '%s': %s", ctl->flags.file, strerror(errno));
    client_progress_start(&export.progress, "export", "messages", 0, ctl->flags.is_quiet);
    int code = is_one ? export_channel(&export, &channel) : export_all(&export);
    bool is_written = ferror(export.out) == 0 && fflush(export.out) == 0;
    if (ctl->flags.file != NULL)
        is_written = fclose(export.out) == 0 && is_written;
    if (code == CTL_OK && !is_written)
        code = ctl_fail(CTL_LOCAL, "cannot write: %s", strerror(errno));
    if (code == CTL_OK)
        client_progress_end(&export.progress, export.messages);
    buf_done(&export.path);
    buf_done(&export.line);
    return code;
}
