/* SPDX-License-Identifier: Apache-2.0 */
/* status, health, nodes, slots, leader: what the cluster says of itself. */
#include "ctl/show.h"

static int show_nodes(const struct client_json *nodes)
{
    static const char *const heads[] = {"NODE",   "STATE",    "HTTP",    "PEERS",
                                        ">SLOTS", ">LEADERS", "VERSION", ">LAST CONTACT MS"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(nodes); i++) {
        const struct client_json *node = client_json_item(nodes, i);
        client_table_addf(table, "%llu", (unsigned long long)client_json_u64(node, "id", 0));
        ctl_add_text(table, node, "state");
        ctl_add_text(table, node, "http_address");
        ctl_add_text(table, node, "address");
        ctl_add_u64(table, node, "slots");
        ctl_add_u64(table, node, "leaders");
        ctl_add_text(table, node, "version");
        ctl_add_u64(table, node, "last_contact_ms");
    }
    return ctl_write_table_take(table);
}

int ctl_run_nodes(struct ctl *ctl)
{
    struct client_json *root = NULL;
    int code = ctl_get(ctl, "/v1/nodes", &root);
    if (code == CTL_OK)
        code = ctl->is_json ? ctl_write_json(root) : show_nodes(client_json_find(root, "nodes"));
    client_json_free(root);
    return code;
}

static int show_slots(const struct client_json *slots)
{
    static const char *const heads[] = {">SLOT",    ">LEADER", ">TERM",    ">COMMIT",
                                        ">APPLIED", ">LOG",    ">DELETES", "DIGEST"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(slots); i++) {
        const struct client_json *slot = client_json_item(slots, i);
        ctl_add_u64(table, slot, "slot");
        ctl_add_u64(table, slot, "leader");
        ctl_add_u64(table, slot, "term");
        ctl_add_u64(table, slot, "commit_index");
        ctl_add_u64(table, slot, "applied_index");
        ctl_add_u64(table, slot, "log_count");
        ctl_add_u64(table, slot, "delete_log_count");
        ctl_add_text(table, slot, "digest");
    }
    return ctl_write_table_take(table);
}

static int show_replicas(const struct client_json *slot)
{
    static const char *const heads[] = {">NODE", "ROLE", "STATE", ">MATCH", ">APPLIED", ">LAG"};
    const struct client_json *replicas = client_json_find(slot, "replicas");
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(replicas); i++) {
        const struct client_json *replica = client_json_item(replicas, i);
        ctl_add_u64(table, replica, "node");
        ctl_add_text(table, replica, "role");
        ctl_add_text(table, replica, "state");
        ctl_add_u64(table, replica, "match_index");
        ctl_add_u64(table, replica, "applied_index");
        ctl_add_u64(table, replica, "lag");
    }
    return ctl_write_table_take(table);
}

int ctl_run_slots(struct ctl *ctl)
{
    struct client_json *root = NULL;
    struct buf path = BUF_INIT;
    uint64_t slot = 0;
    bool is_one = ctl->words_count == 1;
    if (is_one && !client_flag_number(ctl->words[0], &slot))
        return ctl_fail(CTL_USAGE, "slot '%s' is not a number", ctl->words[0]);
    buf_append_string(&path, "/v1/slots");
    if (is_one)
        buf_printf(&path, "/%llu", (unsigned long long)slot);
    int code = ctl_get(ctl, buf_string(&path), &root);
    if (code == CTL_OK && ctl->is_json)
        code = ctl_write_json(root);
    else if (code == CTL_OK)
        code = is_one ? show_replicas(root) : show_slots(client_json_find(root, "slots"));
    client_json_free(root);
    buf_done(&path);
    return code;
}

/* Whether each server that the command line names is ready, by its own word. */
static void print_readiness(struct ctl *ctl, struct buf *out)
{
    struct client_reply reply;
    client_reply_init(&reply);
    for (size_t i = 0; i < client_servers_count(ctl->client); i++) {
        struct why why = {0};
        const struct client_request request = {.method = CLIENT_GET,
                                               .path = "/readyz",
                                               .accept = "text/plain",
                                               .may_repeat = true,
                                               .only_one_server = true,
                                               .server = i};
        enum err err = client_call(ctl->client, &request, &reply, &why);
        buf_printf(out, "server   %s: %s\n", client_server(ctl->client, i),
                   err != OK             ? why.text
                   : reply.status == 200 ? "ready"
                                         : "not ready");
    }
    client_reply_done(&reply);
}

int ctl_run_status(struct ctl *ctl)
{
    struct client_json *root = NULL;
    int code = ctl_get(ctl, "/v1/cluster", &root);
    if (code != CTL_OK || ctl->is_json) {
        code = code == CTL_OK ? ctl_write_json(root) : code;
        client_json_free(root);
        return code;
    }
    struct buf out = BUF_INIT;
    const struct client_json *slots = client_json_find(root, "slots");
    uint64_t total = client_json_u64(slots, "total", 0);
    uint64_t led = client_json_u64(slots, "with_leader", 0);
    uint64_t degraded = client_json_u64(slots, "degraded", 0);
    buf_printf(&out, "cluster  %s, version %s\n", client_json_text(root, "cluster_id", "-"),
               client_json_text(root, "version", "-"));
    buf_printf(&out, "slots    %llu, %llu with a leader, %llu degraded%s\n",
               (unsigned long long)total, (unsigned long long)led, (unsigned long long)degraded,
               led == total && degraded == 0 ? "" : "  <-- look at: lethectl slots");
    print_readiness(ctl, &out);
    buf_append_string(&out, "\n");
    code = ctl_write(buf_bytes(&out));
    if (code == CTL_OK)
        code = show_nodes(client_json_find(root, "nodes"));
    buf_done(&out);
    client_json_free(root);
    return code;
}

/* One server's answer as a line and an exit code. */
static int ask_health(struct ctl *ctl, size_t server, struct client_reply *reply, struct buf *out)
{
    struct why why = {0};
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = ctl->flags.is_ready ? "/readyz" : "/livez",
                                           .accept = "text/plain",
                                           .may_repeat = true,
                                           .only_one_server = true,
                                           .server = server};
    enum err err = client_call(ctl->client, &request, reply, &why);
    buf_printf(out, "%s: ", client_server(ctl->client, server));
    int code = err == OK ? ctl_code_of_status(reply->status) : ctl_code_of_error(err);
    if (err != OK)
        buf_append_string(out, why.text);
    else if (code == CTL_OK)
        buf_append_string(out, "ok");
    else
        ctl_print_problem(reply->status, buf_bytes(&reply->body), out);
    buf_append_string(out, "\n");
    return code;
}

/* The first server that is not well decides the exit code; all of them are asked. */
int ctl_run_health(struct ctl *ctl)
{
    struct client_reply reply;
    struct buf out = BUF_INIT;
    int code = CTL_OK;
    client_reply_init(&reply);
    for (size_t i = 0; i < client_servers_count(ctl->client); i++) {
        int one = ask_health(ctl, i, &reply, &out);
        code = code == CTL_OK ? one : code;
    }
    int written = ctl_write(buf_bytes(&out));
    client_reply_done(&reply);
    buf_done(&out);
    return code == CTL_OK ? written : code;
}

int ctl_run_leader_transfer(struct ctl *ctl)
{
    uint64_t slot = 0;
    if (!client_flag_number(ctl->words[0], &slot))
        return ctl_fail(CTL_USAGE, "slot '%s' is not a number", ctl->words[0]);
    struct buf path = BUF_INIT, body = BUF_INIT;
    struct client_reply reply;
    struct client_json *root = NULL;
    client_reply_init(&reply);
    buf_printf(&path, "/v1/admin/slots/%llu/transfer-leader", (unsigned long long)slot);
    if (ctl->flags.has_to)
        buf_printf(&body, "{\"to\":%llu}", (unsigned long long)ctl->flags.to);
    else
        buf_append_string(&body, "{}");
    int code = ctl_send(ctl, CLIENT_POST, buf_string(&path), buf_string(&body), &reply, &root);
    if (code == CTL_OK && ctl->is_json) {
        code = ctl_write_json(root);
    } else if (code == CTL_OK) {
        buf_clear(&body);
        buf_printf(&body, "slot %llu: node %llu leads\n",
                   (unsigned long long)client_json_u64(root, "slot", slot),
                   (unsigned long long)client_json_u64(root, "leader", 0));
        code = ctl_write(buf_bytes(&body));
    }
    client_json_free(root);
    client_reply_done(&reply);
    buf_done(&path);
    buf_done(&body);
    return code;
}
