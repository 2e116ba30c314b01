/* SPDX-License-Identifier: Apache-2.0 */
/* delete. A delete is for ever, so the command first asks the server what would go, shows
 * it, and asks the person; only then it is sent. */
#include "client/table.h"
#include "client/url.h"
#include "ctl/command.h"
#include "sys/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { RANGE_WORDS_MAX = CTL_WORDS_MAX };

/* How many of the ways to say which messages were used. */
static unsigned forms_used(const struct ctl *ctl)
{
    const struct ctl_flags *flags = &ctl->flags;
    return (unsigned)(ctl->words_count > 1) + flags->has_through_seq + flags->has_keep +
           (flags->before != NULL) + (flags->seqs != NULL) + flags->is_all;
}

static enum err append_words(struct ctl *ctl, struct buf *body, struct why *why)
{
    uint64_t start = 0, end = 0;
    buf_append_string(body, "\"ranges\":[");
    for (size_t i = 1; i < ctl->words_count; i++) {
        enum err err = ctl_parse_range(ctl->words[i], &start, &end, why);
        if (err != OK)
            return err;
        buf_printf(body, "%s[%llu,%llu]", i > 1 ? "," : "", (unsigned long long)start,
                   (unsigned long long)end);
    }
    buf_append_string(body, "]");
    return OK;
}

static enum err append_seqs(const char *text, struct buf *body, struct why *why)
{
    buf_append_string(body, "\"seqs\":[");
    for (bool is_first = true; *text != '\0'; is_first = false) {
        char digits[24];
        size_t len = strcspn(text, ",");
        uint64_t seq = 0;
        if (len < sizeof(digits)) {
            memcpy(digits, text, len);
            digits[len] = '\0';
        }
        if (len >= sizeof(digits) || !client_flag_number(digits, &seq) || seq == 0)
            return why_set(why, ERR_BAD_RANGE, "'%.40s' in --seqs is not a seq", text);
        buf_printf(body, "%s%llu", is_first ? "" : ",", (unsigned long long)seq);
        text += len + (text[len] == ',');
    }
    buf_append_string(body, "]");
    return OK;
}

static enum err append_form(struct ctl *ctl, uint64_t last_seq, struct buf *body, struct why *why)
{
    const struct ctl_flags *flags = &ctl->flags;
    if (ctl->words_count > 1)
        return append_words(ctl, body, why);
    if (flags->seqs != NULL)
        return append_seqs(flags->seqs, body, why);
    if (flags->has_through_seq) {
        buf_printf(body, "\"through_seq\":%llu", (unsigned long long)flags->through_seq);
    } else if (flags->has_keep) {
        buf_printf(body, "\"keep\":%llu", (unsigned long long)flags->keep);
    } else if (flags->before != NULL) {
        buf_append_string(body, "\"before\":");
        client_json_print_text(bytes_of_string(flags->before), body);
    } else {
        buf_printf(body, "\"through_seq\":%llu", (unsigned long long)last_seq);
    }
    return OK;
}

static enum err fill_body(struct ctl *ctl, uint64_t last_seq, bool dry_run, struct buf *body,
                          struct why *why)
{
    buf_clear(body);
    buf_append_string(body, "{");
    enum err err = append_form(ctl, last_seq, body, why);
    if (ctl->flags.reason != NULL) {
        buf_append_string(body, ",\"reason\":");
        client_json_print_text(bytes_of_string(ctl->flags.reason), body);
    }
    if (ctl->flags.operator_name != NULL) {
        buf_append_string(body, ",\"operator\":");
        client_json_print_text(bytes_of_string(ctl->flags.operator_name), body);
    }
    if (ctl->flags.is_clamped)
        buf_append_string(body, ",\"clamp\":true");
    buf_printf(body, ",\"dry_run\":%s}", dry_run ? "true" : "false");
    return err;
}

static int post_delete(struct ctl *ctl, const struct ctl_channel *channel, uint64_t last_seq,
                       bool dry_run, struct client_json **ret_node)
{
    struct buf path = BUF_INIT, body = BUF_INIT;
    struct client_reply reply;
    struct why why = {0};
    client_reply_init(&reply);
    ctl_channel_path(channel, "/deletes", &path);
    int code = CTL_OK;
    if (fill_body(ctl, last_seq, dry_run, &body, &why) != OK)
        code = ctl_fail(CTL_USAGE, "%s", why.text);
    if (code == CTL_OK) {
        /* A range that is deleted twice is deleted once; "keep" and "before" mean another range
         * when they are sent again. */
        bool is_fixed = !ctl->flags.has_keep && ctl->flags.before == NULL;
        const struct client_request request = {.method = CLIENT_POST,
                                               .path = buf_string(&path),
                                               .content_type = "application/json",
                                               .body = buf_bytes(&body),
                                               .may_repeat = dry_run || is_fixed};
        code = ctl_call(ctl, &request, &reply);
    }
    if (code == CTL_OK && client_json_read(buf_bytes(&reply.body), ret_node, &why) != OK)
        code = ctl_fail(CTL_REFUSED, "%s: the reply is %s", reply.server, why.text);
    client_reply_done(&reply);
    buf_done(&path);
    buf_done(&body);
    return code;
}

static void print_delete(const char *verb, const char *channel, const struct client_json *node,
                         struct buf *out)
{
    char count[CLIENT_COUNT_SIZE];
    buf_printf(out, "%s %s messages of %s", verb,
               client_count_text(client_json_u64(node, "deleted_count", 0), count), channel);
    if (client_json_u64(node, "end_seq", 0) != 0)
        buf_printf(out, ", seq %llu to %llu",
                   (unsigned long long)client_json_u64(node, "start_seq", 0),
                   (unsigned long long)client_json_u64(node, "end_seq", 0));
    uint64_t already = client_json_u64(node, "already_deleted", 0);
    if (already != 0)
        buf_printf(out, " (%s in it were deleted before)", client_count_text(already, count));
    const char *id = client_json_text(node, "delete_id", NULL);
    if (id != NULL)
        buf_printf(out, ", delete %s", id);
    buf_append_string(out, "\n");
}

static int show_delete(struct ctl *ctl, const char *verb, const struct client_json *node)
{
    if (ctl->is_json)
        return ctl_write_json(node);
    struct buf out = BUF_INIT;
    print_delete(verb, ctl->words[0], node, &out);
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

static int confirm(struct ctl *ctl, const struct client_json *preview)
{
    char line[64];
    struct buf text = BUF_INIT;
    print_delete("would delete", ctl->words[0], preview, &text);
    fputs(buf_string(&text), stderr);
    buf_done(&text);
    if (isatty(STDIN_FILENO) != 1)
        return ctl_fail(CTL_NOT_CONFIRMED, "standard input is no terminal: say --yes to delete");
    fputs("Delete them for ever? [y/N] ", stderr);
    fflush(stderr);
    if (fgets(line, sizeof(line), stdin) == NULL || !ctl_is_yes(line))
        return ctl_fail(CTL_NOT_CONFIRMED, "nothing was deleted");
    return CTL_OK;
}

/* "--all" means up to now: what is newest when the command starts. */
static int find_last_seq(struct ctl *ctl, const struct ctl_channel *channel, uint64_t *ret_seq)
{
    struct client_json *root = NULL;
    struct buf path = BUF_INIT;
    ctl_channel_path(channel, "", &path);
    int code = ctl_get(ctl, buf_string(&path), &root);
    if (code == CTL_OK)
        *ret_seq = client_json_u64(root, "last_seq", 0);
    client_json_free(root);
    buf_done(&path);
    return code;
}

int ctl_run_delete(struct ctl *ctl)
{
    struct ctl_channel channel;
    struct why why = {0};
    struct client_json *node = NULL;
    uint64_t last_seq = 0;
    if (ctl_parse_channel(ctl->words[0], &channel, &why) != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    if (forms_used(ctl) != 1)
        return ctl_fail(CTL_USAGE, "say in one way which messages: SEQ or START-END, --seqs, "
                                   "--through, --keep, --before or --all");
    int code = ctl->flags.is_all ? find_last_seq(ctl, &channel, &last_seq) : CTL_OK;
    if (code == CTL_OK && ctl->flags.is_all && last_seq == 0)
        return ctl_fail(CTL_OK, "%s is empty: nothing to delete", ctl->words[0]);
    bool is_preview = ctl->flags.is_dry_run || !ctl->flags.is_yes;
    if (code == CTL_OK && is_preview)
        code = post_delete(ctl, &channel, last_seq, true, &node);
    if (code == CTL_OK && ctl->flags.is_dry_run)
        code = show_delete(ctl, "would delete", node);
    else if (code == CTL_OK && is_preview)
        code = confirm(ctl, node);
    client_json_free(node);
    node = NULL;
    if (code == CTL_OK && !ctl->flags.is_dry_run) {
        code = post_delete(ctl, &channel, last_seq, false, &node);
        if (code == CTL_OK)
            code = show_delete(ctl, "deleted", node);
        client_json_free(node);
    }
    return code;
}
