/* SPDX-License-Identifier: Apache-2.0 */
/* nodes, slots, leader: what the cluster says of itself. */
#include "ctl/show.h"

static int show_nodes(const struct client_json *nodes)
{
    static const struct ctl_column columns[] = {
        {"NODE", "id"},           {"STATE", "state"},
        {"HTTP", "http_address"}, {"PEERS", "address"},
        {">SLOTS", "slots"},      {">LEADERS", "leaders"},
        {"VERSION", "version"},   {">LAST CONTACT MS", "last_contact_ms"}};
    return ctl_write_list(nodes, columns, ARRAY_LEN(columns));
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
    static const struct ctl_column columns[] = {{">SLOT", "slot"},
                                                {">LEADER", "leader"},
                                                {">TERM", "term"},
                                                {">COMMIT", "commit_index"},
                                                {">APPLIED", "applied_index"},
                                                {">LOG", "log_count"},
                                                {">DELETES", "delete_log_count"},
                                                {"DIGEST", "digest"}};
    return ctl_write_list(slots, columns, ARRAY_LEN(columns));
}

static int show_replicas(const struct client_json *slot)
{
    static const struct ctl_column columns[] = {{">NODE", "node"},
                                                {"ROLE", "role"},
                                                {"STATE", "state"},
                                                {">MATCH", "match_index"},
                                                {">APPLIED", "applied_index"},
                                                {">LAG", "lag"}};
    return ctl_write_list(client_json_find(slot, "replicas"), columns, ARRAY_LEN(columns));
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
        /* Right after a change the node asked may not know the leader that it waited for. */
        uint64_t leader = client_json_u64(root, "leader", 0);
        leader = leader == 0 ? ctl->flags.to : leader;
        if (leader != 0)
            buf_printf(&body, "slot %llu: node %llu leads\n", (unsigned long long)slot,
                       (unsigned long long)leader);
        else
            buf_printf(&body, "slot %llu: another node leads\n", (unsigned long long)slot);
        code = ctl_write(buf_bytes(&body));
    }
    client_json_free(root);
    client_reply_done(&reply);
    buf_done(&path);
    buf_done(&body);
    return code;
}
