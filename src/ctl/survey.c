/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/survey.h"

#include "base/alloc.h"
#include "client/url.h"

#include <stdio.h>

enum { ASK_TIMEOUT_MS = 3000, CONNECT_TIMEOUT_MS = 1000 };

static bool has_server(const struct client_list *servers, const char *url)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (strcmp(servers->items[i], url) == 0)
            return true;
    }
    return false;
}

/* Adds the address that a node is known by, unless it says nothing to somebody from outside. */
static void add_known(struct ctl_survey *survey, const char *address, bool is_tls)
{
    struct client_server server;
    char url[CLIENT_URL_SERVER_MAX_BYTES];
    if (address[0] == '\0' || client_url_parse_server(address, &server, NULL) != OK ||
        strcmp(server.host, "0.0.0.0") == 0 || strcmp(server.host, "::") == 0)
        return;
    server.is_tls = is_tls;
    client_url_print_server(&server, url);
    if (!has_server(&survey->servers, url) && survey->servers.count < CLIENT_SERVERS_MAX)
        survey->servers.items[survey->servers.count++] = alloc_string(url);
}

static void connect_to_all(struct ctl *ctl, struct ctl_survey *survey)
{
    const struct client_list *given = &ctl->context.servers;
    bool is_tls = strncmp(given->items[0], "https:", 6) == 0;
    for (size_t i = 0; i < given->count; i++)
        survey->servers.items[survey->servers.count++] = alloc_string(given->items[i]);
    for (size_t i = 0; i < survey->nodes_count; i++)
        add_known(survey, client_json_text(survey->nodes[i].info, "http_address", ""), is_tls);
    survey->client = client_context_connect_to(&ctl->context, &survey->servers, CONNECT_TIMEOUT_MS);
}

static struct ctl_node *find_node(struct ctl_survey *survey, uint64_t id)
{
    for (size_t i = 0; i < survey->nodes_count; i++) {
        if (survey->nodes[i].id == id)
            return &survey->nodes[i];
    }
    return NULL;
}

static enum err ask(struct ctl_survey *survey, size_t server, const char *path, const char *accept,
                    struct client_reply *reply, struct why *why)
{
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = path,
                                           .accept = accept,
                                           .may_repeat = true,
                                           .only_one_server = true,
                                           .server = server,
                                           .timeout_ms = ASK_TIMEOUT_MS};
    return client_call(survey->client, &request, reply, why);
}

/* Which node is behind each server, by its own word. Without one: the node whose address it is. */
static void find_servers(struct ctl_survey *survey, struct client_reply *reply)
{
    for (size_t i = 0; i < survey->servers.count; i++) {
        struct client_json *version = NULL;
        struct why why = {0};
        if (ask(survey, i, "/version", NULL, reply, &why) == OK && reply->status == 200 &&
            client_json_read(buf_bytes(&reply->body), &version, NULL) == OK) {
            struct ctl_node *node = find_node(survey, client_json_u64(version, "node", 0));
            if (node != NULL && !node->has_server) {
                node->has_server = true;
                node->server = i;
                snprintf(node->version, sizeof(node->version), "%s",
                         client_json_text(version, "version", ""));
            }
        }
        client_json_free(version);
    }
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct client_json *info = survey->nodes[i].info;
        const char *address = client_json_text(info, "http_address", "");
        const char *refused = client_json_text(info, "refused", "");
        if (!survey->nodes[i].has_server)
            snprintf(survey->nodes[i].problem, sizeof(survey->nodes[i].problem), "%s%s",
                     refused[0] != '\0'   ? "no link to it: "
                     : address[0] != '\0' ? "no answer at "
                                          : "it never said where it answers HTTP",
                     refused[0] != '\0' ? refused : address);
    }
}

static void ask_readiness(struct ctl_survey *survey, struct ctl_node *node,
                          struct client_reply *reply)
{
    struct why why = {0};
    struct buf text = BUF_INIT;
    if (ask(survey, node->server, "/readyz", "application/json", reply, &why) != OK) {
        buf_append_string(&text, why.text);
    } else if (reply->status == 200) {
        node->is_ready = true;
    } else {
        ctl_print_problem(reply->status, buf_bytes(&reply->body), &text);
    }
    snprintf(node->problem, sizeof(node->problem), "%s", buf_string(&text));
    buf_done(&text);
}

static void ask_slots(struct ctl_survey *survey, struct ctl_node *node, struct client_reply *reply)
{
    struct client_json *root = NULL;
    if (ask(survey, node->server, "/v1/slots", NULL, reply, NULL) != OK || reply->status != 200 ||
        client_json_read(buf_bytes(&reply->body), &root, NULL) != OK)
        return;
    node->slots = root;
    const struct client_json *slots = client_json_find(root, "slots");
    for (size_t i = 0; i < client_json_count(slots); i++) {
        const struct client_json *slot = client_json_item(slots, i);
        uint64_t number = client_json_u64(slot, "slot", UINT64_MAX);
        if (number >= CTL_SURVEY_SLOTS_MAX)
            continue;
        bool is_leaders = client_json_u64(slot, "leader", 0) == node->id;
        if (survey->slots[number] == NULL || is_leaders)
            survey->slots[number] = slot;
        survey->is_leaders[number] |= is_leaders;
    }
}

int ctl_survey_take(struct ctl *ctl, struct ctl_survey **ret_survey)
{
    struct client_json *cluster = NULL;
    int code = ctl_get(ctl, "/v1/cluster", &cluster);
    if (code != CTL_OK)
        return code;
    struct ctl_survey *survey = alloc_zero(sizeof(*survey));
    const struct client_json *nodes = client_json_find(cluster, "nodes");
    survey->cluster = cluster;
    survey->slots_total = client_json_u64(client_json_find(cluster, "slots"), "total", 0);
    if (survey->slots_total > CTL_SURVEY_SLOTS_MAX)
        survey->slots_total = CTL_SURVEY_SLOTS_MAX;
    for (size_t i = 0; i < client_json_count(nodes) && i < CTL_NODES_MAX; i++) {
        const struct client_json *info = client_json_item(nodes, i);
        survey->nodes[survey->nodes_count++] =
            (struct ctl_node){.id = client_json_u64(info, "id", 0), .info = info};
    }
    struct client_reply reply;
    client_reply_init(&reply);
    connect_to_all(ctl, survey);
    find_servers(survey, &reply);
    for (size_t i = 0; i < survey->nodes_count; i++) {
        if (survey->nodes[i].has_server) {
            ask_readiness(survey, &survey->nodes[i], &reply);
            ask_slots(survey, &survey->nodes[i], &reply);
        }
    }
    client_reply_done(&reply);
    *ret_survey = survey;
    return CTL_OK;
}

void ctl_survey_free(struct ctl_survey *survey)
{
    if (survey == NULL)
        return;
    for (size_t i = 0; i < survey->nodes_count; i++)
        client_json_free(survey->nodes[i].slots);
    client_json_free(survey->cluster);
    client_free(survey->client);
    client_list_done(&survey->servers);
    free(survey);
}

static struct ctl_replica replica_of(const struct client_json *slot,
                                     const struct client_json *replica)
{
    const struct client_json *transfer = client_json_find(replica, "transfer");
    return (struct ctl_replica){
        .slot = client_json_u64(slot, "slot", 0),
        .node = client_json_u64(replica, "node", 0),
        .match_index = client_json_u64(replica, "match_index", 0),
        .applied_index = client_json_u64(replica, "applied_index", 0),
        .lag = client_json_u64(replica, "lag", 0),
        .role = client_json_text(replica, "role", "-"),
        .state = client_json_text(replica, "state", "-"),
        .checked = client_json_text(replica, "checked", "-"),
        .transfer_bytes = client_json_u64(transfer, "bytes", 0),
        .transfer_total = client_json_u64(transfer, "total_bytes", 0),
        .eta_ms = client_json_u64(transfer, "eta_ms", 0),
    };
}

static struct ctl_replica own_row(const struct client_json *slot, uint64_t node, const char *role,
                                  const char *state)
{
    return (struct ctl_replica){
        .slot = client_json_u64(slot, "slot", 0),
        .node = node,
        .match_index = client_json_u64(slot, "last_index", 0),
        .applied_index = client_json_u64(slot, "applied_index", 0),
        .role = role,
        .state = state,
        .checked = "-",
    };
}

/* Of a slot that nobody leads: what each node has. */
static void each_leaderless(const struct ctl_survey *survey, uint64_t number,
                            void (*on_replica)(const struct ctl_replica *replica, void *arg),
                            void *arg)
{
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct client_json *slots = client_json_find(survey->nodes[i].slots, "slots");
        for (size_t j = 0; j < client_json_count(slots); j++) {
            const struct client_json *slot = client_json_item(slots, j);
            if (client_json_u64(slot, "slot", UINT64_MAX) != number)
                continue;
            struct ctl_replica row = own_row(slot, survey->nodes[i].id, "-", "leaderless");
            on_replica(&row, arg);
        }
    }
}

void ctl_survey_each(const struct ctl_survey *survey,
                     void (*on_replica)(const struct ctl_replica *replica, void *arg), void *arg)
{
    for (uint64_t i = 0; i < survey->slots_total; i++) {
        const struct client_json *slot = survey->slots[i];
        uint64_t leader = client_json_u64(slot, "leader", 0);
        if (leader == 0) {
            each_leaderless(survey, i, on_replica, arg);
            continue;
        }
        const struct client_json *replicas = client_json_find(slot, "replicas");
        bool has_leader = false;
        for (size_t j = 0; j < client_json_count(replicas); j++)
            has_leader |= survey->is_leaders[i] &&
                          client_json_u64(client_json_item(replicas, j), "node", 0) == leader;
        if (!has_leader) {
            struct ctl_replica row =
                own_row(slot, leader, "leader", survey->is_leaders[i] ? "replicate" : "unseen");
            on_replica(&row, arg);
        }
        for (size_t j = 0; survey->is_leaders[i] && j < client_json_count(replicas); j++) {
            struct ctl_replica row = replica_of(slot, client_json_item(replicas, j));
            on_replica(&row, arg);
        }
    }
}

bool ctl_replica_is_level(const struct ctl_replica *replica, uint64_t max_lag)
{
    return replica->lag <= max_lag && strcmp(replica->state, "replicate") == 0;
}

static void add_new_items(const struct client_json *list, struct buf *out)
{
    for (size_t i = 0; i < client_json_count(list); i++) {
        struct buf text = BUF_INIT;
        client_json_print(client_json_item(list, i), false, &text);
        if (out->len <= 1 || strstr(buf_string(out), buf_string(&text)) == NULL) {
            buf_append_string(out, out->len > 1 ? "," : "");
            buf_append_bytes(out, buf_bytes(&text));
        }
        buf_done(&text);
    }
}

int ctl_survey_collect(struct ctl_survey *survey, const char *path, const char *name,
                       struct client_json **ret_list)
{
    struct client_reply reply;
    struct buf all = BUF_INIT;
    int status = 0;
    client_reply_init(&reply);
    buf_append_string(&all, "[");
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        struct client_json *root = NULL;
        if (!node->has_server || ask(survey, node->server, path, NULL, &reply, NULL) != OK)
            continue;
        if (status == 0 || reply.status == 200)
            status = reply.status;
        if (reply.status == 200 && client_json_read(buf_bytes(&reply.body), &root, NULL) == OK)
            add_new_items(client_json_find(root, name), &all);
        client_json_free(root);
    }
    buf_append_string(&all, "]");
    if (status == 200 && client_json_read(buf_bytes(&all), ret_list, NULL) != OK)
        status = 0;
    client_reply_done(&reply);
    buf_done(&all);
    return status;
}

int ctl_survey_get(struct ctl_survey *survey, const struct ctl_node *node, const char *path,
                   const char *accept, struct client_reply *reply, struct why *why)
{
    return ctl_code_of_error(ask(survey, node->server, path, accept, reply, why));
}
