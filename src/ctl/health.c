/* SPDX-License-Identifier: Apache-2.0 */
/* health: whether servers are alive or ready, for container checks; and waiting until all is well,
 * for scripts. */
#include "ctl/show.h"
#include "sys/clock.h"

enum { POLL_MS = 200, ASK_TIMEOUT_MS = 3000 };

/* One server's answer as a line and an exit code. */
static int ask_health(struct ctl *ctl, size_t server, bool is_ready, struct client_reply *reply,
                      struct buf *out)
{
    struct why why = {0};
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = is_ready ? "/readyz" : "/livez",
                                           .accept = "text/plain",
                                           .may_repeat = true,
                                           .only_one_server = true,
                                           .server = server};
    enum err err = client_call(ctl->client, &request, reply, &why);
    int code = err == OK ? ctl_code_of_status(reply->status) : ctl_code_of_error(err);
    if (err == OK)
        buf_printf(out, "%s: ", client_server(ctl->client, server));
    if (err != OK)
        buf_append_string(out, why.text); /* begins with the server */
    else if (code == CTL_OK)
        buf_append_string(out, "ok");
    else
        ctl_print_problem(reply->status, buf_bytes(&reply->body), out);
    buf_append_string(out, "\n");
    return code;
}

/* The first server that is not well decides the exit code; all of them are asked. */
static int ask_all(struct ctl *ctl)
{
    struct client_reply reply;
    struct buf out = BUF_INIT;
    int code = CTL_OK;
    client_reply_init(&reply);
    for (size_t i = 0; i < client_servers_count(ctl->client); i++) {
        int one = ask_health(ctl, i, ctl->flags.is_ready, &reply, &out);
        code = code == CTL_OK ? one : code;
    }
    int written = ctl_write(buf_bytes(&out));
    client_reply_done(&reply);
    buf_done(&out);
    return code == CTL_OK ? written : code;
}

/* Are all servers ready, all slots led, and no slot short of a replica? The first reason why not. */
static bool is_healthy(struct ctl *ctl, struct buf *why)
{
    struct client_reply reply;
    struct client_json *cluster = NULL;
    bool is_ready = true;
    client_reply_init(&reply);
    for (size_t i = 0; is_ready && i < client_servers_count(ctl->client); i++) {
        buf_clear(why);
        is_ready = ask_health(ctl, i, true, &reply, why) == CTL_OK;
    }
    client_reply_done(&reply);
    if (!is_ready)
        return false;
    int status = ctl_ask(ctl, "/v1/cluster", &cluster);
    const struct client_json *slots = client_json_find(cluster, "slots");
    uint64_t total = client_json_u64(slots, "total", 0);
    uint64_t led = client_json_u64(slots, "with_leader", 0);
    uint64_t degraded = client_json_u64(slots, "degraded", 0);
    client_json_free(cluster);
    buf_clear(why);
    if (status != 200)
        buf_printf(why, "/v1/cluster: status %d\n", status);
    else
        buf_printf(why, "%llu of %llu slots led, %llu degraded\n", (unsigned long long)led,
                   (unsigned long long)total, (unsigned long long)degraded);
    return status == 200 && total > 0 && led == total && degraded == 0;
}

/* --timeout is the whole wait's here; one request has 3 s at the most. */
static int wait_until_healthy(struct ctl *ctl)
{
    struct ctl_line line;
    struct buf why = BUF_INIT;
    uint64_t until_ms = clock_mono_ms() + ctl->flags.timeout_ms;
    bool is_well = false;
    ctl_line_start(&line, ctl->flags.is_quiet);
    while (!(is_well = is_healthy(ctl, &why)) && clock_mono_ms() + POLL_MS < until_ms) {
        why.len -= why.len > 0 && why.data[why.len - 1] == '\n';
        ctl_line_set(&line, buf_string(&why), buf_string(&why));
        ctl_sleep_ms(POLL_MS);
    }
    ctl_line_end(&line);
    why.len -= !is_well && why.len > 0 && why.data[why.len - 1] == '\n';
    int code = is_well ? ctl_write(bytes_of_string("healthy\n"))
                       : ctl_fail(CTL_NOT_YET, "not healthy in time: %s", buf_string(&why));
    buf_done(&why);
    return code;
}

int ctl_run_health(struct ctl *ctl)
{
    if (!ctl->flags.is_waiting_for_health)
        return ask_all(ctl);
    client_free(ctl->client);
    struct client_context limited = ctl->context;
    if (limited.timeout_ms > ASK_TIMEOUT_MS)
        limited.timeout_ms = ASK_TIMEOUT_MS;
    ctl->client = client_context_connect(&limited);
    return wait_until_healthy(ctl);
}
