/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

#include <stdarg.h>
#include <stdio.h>

int ctl_fail(int code, const char *format, ...)
{
    va_list args;
    fputs("lethectl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

int ctl_code_of_error(enum err err)
{
    if (err == OK)
        return CTL_OK;
    if (err == ERR_OUTCOME_UNKNOWN)
        return CTL_UNKNOWN;
    return err == ERR_IO || err == ERR_TIMEOUT ? CTL_UNREACHABLE : CTL_REFUSED;
}

int ctl_code_of_status(int status)
{
    if (status >= 200 && status < 300)
        return CTL_OK;
    return status == 504 || status == 500 ? CTL_UNKNOWN : CTL_REFUSED;
}

void ctl_print_problem(int status, struct bytes body, struct buf *out)
{
    struct client_json *node = NULL;
    buf_printf(out, "%d", status);
    if (client_json_read(body, &node, NULL) == OK) {
        const char *detail = client_json_text(node, "detail", NULL);
        if (detail == NULL || detail[0] == '\0')
            detail = client_json_text(node, "title", "");
        buf_printf(out, " %s: %s", client_json_text(node, "code", "?"), detail);
        const char *id = client_json_text(node, "request_id", NULL);
        if (id != NULL)
            buf_printf(out, " (request %s)", id);
    } else if (body.len > 0) {
        buf_append_string(out, ": ");
        buf_append(out, body.data, body.len < 200 ? body.len : 200);
    }
    client_json_free(node);
}

int ctl_call(struct ctl *ctl, const struct client_request *request, struct client_reply *reply)
{
    struct why why = {0};
    enum err err = client_call(ctl->client, request, reply, &why);
    if (err == ERR_OUTCOME_UNKNOWN)
        return ctl_fail(CTL_UNKNOWN, "outcome unknown: %s", why.text);
    if (err != OK)
        return ctl_fail(ctl_code_of_error(err), "%s", why.text);
    int code = ctl_code_of_status(reply->status);
    if (code != CTL_OK) {
        struct buf text = BUF_INIT;
        ctl_print_problem(reply->status, buf_bytes(&reply->body), &text);
        ctl_fail(code, "%s", buf_string(&text));
        buf_done(&text);
    }
    return code;
}

int ctl_get(struct ctl *ctl, const char *path, struct client_json **ret_node)
{
    struct client_reply reply;
    client_reply_init(&reply);
    const struct client_request request = {.method = CLIENT_GET, .path = path, .may_repeat = true};
    struct why why = {0};
    int code = ctl_call(ctl, &request, &reply);
    if (code == CTL_OK && client_json_read(buf_bytes(&reply.body), ret_node, &why) != OK)
        code = ctl_fail(CTL_REFUSED, "%s: the reply is %s", reply.server, why.text);
    client_reply_done(&reply);
    return code;
}

int ctl_ask(struct ctl *ctl, const char *path, struct client_json **ret_node)
{
    struct client_reply reply;
    const struct client_request request = {.method = CLIENT_GET, .path = path, .may_repeat = true};
    client_reply_init(&reply);
    int status = 0;
    if (client_call(ctl->client, &request, &reply, NULL) == OK) {
        status = reply.status;
        if (status == 200 && client_json_read(buf_bytes(&reply.body), ret_node, NULL) != OK)
            status = 0;
    }
    client_reply_done(&reply);
    return status;
}

int ctl_send(struct ctl *ctl, enum client_method method, const char *path, const char *body,
             struct client_reply *reply, struct client_json **ret_node)
{
    bool has_body = body != NULL;
    const struct client_request request = {.method = method,
                                           .path = path,
                                           .content_type = has_body ? "application/json" : NULL,
                                           .body = has_body ? bytes_of_string(body) : BYTES_NONE};
    struct why why = {0};
    int code = ctl_call(ctl, &request, reply);
    if (code == CTL_OK && reply->body.len > 0 &&
        client_json_read(buf_bytes(&reply->body), ret_node, &why) != OK)
        code = ctl_fail(CTL_UNKNOWN, "%s: done, but the reply is %s", reply->server, why.text);
    return code;
}

int ctl_write(struct bytes bytes)
{
    if (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len || fflush(stdout) != 0)
        return ctl_fail(CTL_LOCAL, "cannot write to standard output");
    return CTL_OK;
}

int ctl_write_json(const struct client_json *node)
{
    struct buf text = BUF_INIT;
    client_json_print(node, true, &text);
    buf_append_string(&text, "\n");
    int code = ctl_write(buf_bytes(&text));
    buf_done(&text);
    return code;
}
