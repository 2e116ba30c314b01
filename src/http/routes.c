/* SPDX-License-Identifier: Apache-2.0 */
#include "http/routes.h"

#include "http/access.h"
#include "http/handlers.h"
#include "http/reply.h"

/* clang-format off */
#define DELETE_TEXTS "reason operator dry_run clamp erase redirect"
#define READ_PARAMETERS                                                                            \
    "from_seq to_seq after_seq before_seq limit order cursor seqs client_msg_no from_uid since "   \
    "until consistency max_staleness min_index wait redirect"
#define LISTED {MEDIA_JSON, MEDIA_NDJSON, MEDIA_CSV, MEDIA_TEXT}
#define TABLED {MEDIA_JSON, MEDIA_TEXT}
#define JSON {MEDIA_JSON}
#define TELLS_STATE (ROLE_READ | ROLE_ADMIN | ACCESS_NO_CHANNEL)

/* Paths with a literal end stand before those with a name in the same place. */
const struct route routes[] = {
    {"GET", "/livez", "livez", livez_run, "", 0, {MEDIA_TEXT, MEDIA_JSON}, false, ACCESS_OPEN},
    {"GET", "/readyz", "readyz", readyz_run, "verbose exclude maintenance", 0,
     {MEDIA_TEXT, MEDIA_JSON}, false, ACCESS_OPEN},
    {"GET", "/metrics", "metrics", metrics_run, "", 0, {MEDIA_METRICS}, false, ROLE_METRICS | ROLE_ADMIN | ACCESS_NO_CHANNEL},
    {"GET", "/version", "version", version_run, "", 0, JSON, false, ACCESS_OPEN},
    {"GET", "/openapi.json", "openapi", openapi_run, "", 0, JSON, false, ACCESS_OPEN},
    {"GET", "/ui/", "ui", ui_run, "", 0, {MEDIA_HTML}, false, ACCESS_OPEN},
    {"GET", "/ui", "ui", ui_run, "", 0, {MEDIA_HTML}, false, ACCESS_OPEN},
    {"GET", "/ui/{id}", "ui", ui_file_run, "", 0, {MEDIA_SCRIPT, MEDIA_CSS, MEDIA_SVG}, false, ACCESS_OPEN},

    {"POST", "/v1/channels/{t}/{c}/messages", "send", send_run,
     "from_uid client_msg_no expected_last_seq redirect", TAKES_JSON | TAKES_RAW, JSON, true, ROLE_WRITE},
    {"GET", "/v1/channels/{t}/{c}/messages", "read", messages_run, READ_PARAMETERS, 0,
     {MEDIA_JSON, MEDIA_NDJSON}, false, ROLE_READ},
    {"DELETE", "/v1/channels/{t}/{c}/messages", "delete_range", delete_range_run,
     "start_seq end_seq " DELETE_TEXTS, 0, JSON, true, ROLE_DELETE},
    {"POST", "/v1/channels/{t}/{c}/messages:batch", "send_batch", batch_channel_run,
     "atomic redirect", TAKES_JSON | TAKES_NDJSON, {MEDIA_JSON, MEDIA_NDJSON}, false, ROLE_WRITE},
    {"GET", "/v1/channels/{t}/{c}/messages:tail", "tail", tail_run,
     "after_seq consistency max_staleness min_index redirect", 0, {MEDIA_EVENTS, MEDIA_NDJSON},
     false, ROLE_READ},
    {"GET", "/v1/channels/{t}/{c}/messages:export", "export", export_run,
     "from_seq to_seq consistency max_staleness min_index redirect", 0, {MEDIA_NDJSON}, false, ROLE_READ},
    {"GET", "/v1/channels/{t}/{c}/messages/{seq}", "read_one", message_run,
     "consistency max_staleness min_index redirect", 0, {MEDIA_JSON, MEDIA_RAW}, false, ROLE_READ},
    {"POST", "/v1/channels/{t}/{c}/deletes", "delete", delete_run, "clamp dry_run redirect",
     TAKES_JSON, JSON, true, ROLE_DELETE},
    {"GET", "/v1/channels/{t}/{c}/deletes", "channel_deletes", channel_deletes_run,
     "since_index since until operator reason limit cursor consistency columns redirect", 0, LISTED,
     false, ROLE_READ | ROLE_DELETE},
    {"PUT", "/v1/channels/{t}/{c}/retention", "set_retention", retention_put_run, "redirect",
     TAKES_JSON, JSON, false, ROLE_DELETE},
    {"GET", "/v1/channels/{t}/{c}/retention", "retention", retention_get_run,
     "consistency max_staleness min_index redirect", 0, JSON, false, ROLE_READ | ROLE_DELETE},
    {"DELETE", "/v1/channels/{t}/{c}/retention", "end_retention", retention_delete_run, "redirect",
     0, JSON, false, ROLE_DELETE},
    {"GET", "/v1/channels/{t}/{c}", "channel", channel_run,
     "consistency max_staleness min_index redirect", 0, JSON, false, ROLE_READ},
    {"DELETE", "/v1/channels/{t}/{c}", "delete_channel", delete_channel_run, DELETE_TEXTS, 0, JSON,
     true, ROLE_DELETE},
    {"GET", "/v1/channels", "channels", channels_run,
     "prefix type slot limit cursor consistency columns", 0, {MEDIA_JSON, MEDIA_NDJSON, MEDIA_TEXT},
     false, ROLE_READ},
    {"POST", "/v1/messages:batch", "batch", batch_run, "", TAKES_JSON | TAKES_NDJSON,
     {MEDIA_JSON, MEDIA_NDJSON}, false, ROLE_WRITE | ACCESS_IN_BODY},
    {"GET", "/v1/deletes/{id}", "delete_status", delete_status_run, "wait timeout redirect", 0,
     JSON, false, ROLE_READ | ROLE_DELETE | ACCESS_IN_BODY},
    {"GET", "/v1/deletes", "deletes", deletes_run,
     "slot since_index channel_type channel_id operator reason since until limit cursor marks "
     "consistency columns", 0, LISTED, false, ROLE_READ},

    {"GET", "/v1/cluster", "cluster", cluster_run, "", 0, JSON, false, TELLS_STATE},
    {"GET", "/v1/nodes", "nodes", nodes_run, "columns", 0, TABLED, false, TELLS_STATE},
    {"GET", "/v1/nodes/{n}", "node", node_run, "", 0, JSON, false, TELLS_STATE},
    {"GET", "/v1/slots", "slots", slots_run, "columns", 0, TABLED, false, TELLS_STATE},
    {"GET", "/v1/slots/{slot}", "slot", slot_run, "", 0, JSON, false, TELLS_STATE},
    {"GET", "/v1/slots/{slot}/local", "slot_local", slot_local_run, "", 0, JSON, false, TELLS_STATE},
    {"POST", "/v1/admin/slots/{slot}/transfer-leader", "transfer_leader", transfer_leader_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},

    {"POST", "/v1/admin/leaders/balance", "balance_leaders", leaders_balance_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/slots/{slot}/compact-log", "compact_log", operate_compact_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/compact-log", "compact_log", operate_compact_all_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/slots/{slot}/full-sync", "full_sync", operate_full_sync_run, "", TAKES_JSON,
     JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/delete-log/collect", "collect_delete_log", operate_collect_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"GET", "/v1/alarms", "alarms", alarms_run, "columns", 0, TABLED, false, TELLS_STATE},
    {"POST", "/v1/alarms/{id}:disarm", "disarm_alarm", alarm_disarm_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"GET", "/v1/admin/config", "config", operate_config_run, "", 0, JSON, false, ROLE_ADMIN},

    {"POST", "/v1/admin/nodes", "add_node", nodes_add_run, "", TAKES_JSON, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/nodes/{n}:promote", "promote_node", nodes_promote_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/nodes/{n}:drain", "drain_node", nodes_drain_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/nodes/{n}:undrain", "undrain_node", nodes_undrain_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"DELETE", "/v1/admin/nodes/{n}", "remove_node", nodes_remove_run, "dry_run", 0, JSON, false, ROLE_ADMIN},
    {"GET", "/v1/admin/placement", "placement", placement_run, "", 0, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/placement", "plan_placement", placement_plan_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},

    {"POST", "/v1/admin/upgrade:finalize", "finalize_upgrade", upgrade_finalize_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/checks", "check", check_run, "", TAKES_JSON | TAKES_OPTIONAL, JSON, false,
     ROLE_ADMIN},
    {"POST", "/v1/jobs/{id}:cancel", "cancel_job", job_cancel_run, "", TAKES_JSON | TAKES_OPTIONAL,
     JSON, false, ROLE_ADMIN},
    {"GET", "/v1/jobs", "jobs", jobs_run, "", 0, JSON, false, ROLE_ADMIN},
    {"GET", "/v1/jobs/{id}", "job", job_run, "", 0, JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/compactions", "compact", compaction_run, "", TAKES_JSON | TAKES_OPTIONAL,
     JSON, false, ROLE_ADMIN},
    {"POST", "/v1/admin/backups/{id}:verify", "verify_backup", backup_verify_run, "",
     TAKES_JSON | TAKES_OPTIONAL, JSON, false, ROLE_ADMIN},
    {"DELETE", "/v1/admin/backups/{id}", "remove_backup", backup_remove_run, "", 0, JSON, false,
     ROLE_ADMIN},
    {"POST", "/v1/admin/backups", "backup", backup_create_run, "", TAKES_JSON | TAKES_OPTIONAL,
     JSON, false, ROLE_ADMIN},
    {"GET", "/v1/admin/backups", "backups", backups_list_run, "columns", 0, TABLED, false, ROLE_ADMIN},

    {"POST", "/message/send", "wukong_send", wukong_send_run, "", TAKES_JSON, JSON, false,
     ROLE_WRITE | ACCESS_IN_BODY},
    {"POST", "/channel/messagesync", "wukong_sync", wukong_sync_run, "", TAKES_JSON, JSON, false,
     ROLE_READ | ACCESS_IN_BODY},
    {"POST", "/messages", "wukong_find", wukong_find_run, "", TAKES_JSON, JSON, false,
     ROLE_READ | ACCESS_IN_BODY},
    {"GET", "/channel/max_message_seq", "wukong_max_seq", wukong_max_seq_run,
     "channel_id channel_type login_uid", 0, JSON, false, ROLE_READ | ACCESS_IN_BODY},
    {"GET", "/channel/last_message", "wukong_last", wukong_last_run,
     "channel_id channel_type login_uid", 0, JSON, false, ROLE_READ | ACCESS_IN_BODY},
    {"GET", "/health", "wukong_health", wukong_health_run, "", 0, JSON, false, ACCESS_OPEN},
    {"POST", "/messages/deleteRange", "wukong_delete", wukong_delete_range_run, "", TAKES_JSON,
     JSON, false, ROLE_DELETE | ACCESS_IN_BODY},
    {"GET", "/cluster/nodes", "wukong_nodes", wukong_nodes_run, "", 0, JSON, false, TELLS_STATE},
    {"GET", "/cluster/slots", "wukong_slots", wukong_slots_run, "", 0, JSON, false, TELLS_STATE},
    {"GET", "/cluster/slots/{id}/replicas", "wukong_replicas", wukong_replicas_run, "", 0, JSON,
     false, TELLS_STATE},
    {"POST", "/cluster/slots/{id}/migrate", "wukong_migrate", wukong_migrate_run, "", TAKES_JSON,
     JSON, false, ROLE_ADMIN},
};
/* clang-format on */

const uint32_t routes_count = ARRAY_LEN(routes);

/* Does a segment fit one part of a pattern, which ends at len? "{x}suffix" takes anything that
 * ends so and has something in front. ret: what stands for the name, when there is one. */
static bool segment_fits(const char *part, size_t len, struct bytes segment, struct bytes *ret)
{
    if (len == 0 || part[0] != '{')
        return segment.len == len && memcmp(segment.data, part, len) == 0;
    size_t name_len = (size_t)((const char *)memchr(part, '}', len) - part) + 1;
    size_t suffix_len = len - name_len;
    if (segment.len <= suffix_len && suffix_len > 0)
        return false;
    *ret = bytes_of(segment.data, segment.len - suffix_len);
    return suffix_len == 0 || memcmp(segment.data + ret->len, part + name_len, suffix_len) == 0;
}

/* Walks pattern and path together; on_name sees each name that the pattern has. */
static bool path_fits(const char *pattern, const struct path *path,
                      enum err (*on_name)(struct request *req, char name, struct bytes value,
                                          struct why *why),
                      struct request *req, enum err *ret_err, struct why *why)
{
    const char *at = pattern + 1;
    for (uint32_t i = 0; i < path->count; i++) {
        size_t len = strcspn(at, "/");
        struct bytes value = BYTES_NONE;
        if (!segment_fits(at, len, path->segments[i], &value))
            return false;
        if (at[0] == '{' && on_name != NULL) {
            /* {slot} and {seq} begin alike: the second letter tells all names apart. */
            char name = at[2] == '}' ? at[1] : at[2];
            *ret_err = on_name(req, name, value, why);
            if (*ret_err != OK)
                return true;
        }
        at += len;
        bool is_last = i + 1 == path->count;
        if (is_last || *at == '\0')
            return is_last && *at == '\0';
        at++;
    }
    return false;
}

const struct route *routes_find_path(const struct path *path)
{
    for (uint32_t i = 0; i < routes_count; i++) {
        if (path_fits(routes[i].path, path, NULL, NULL, NULL, NULL))
            return &routes[i];
    }
    return NULL;
}

const struct route *routes_find_method(const struct route *path_route, const char *method)
{
    for (uint32_t i = 0; i < routes_count; i++) {
        if (strcmp(routes[i].path, path_route->path) == 0 && strcmp(routes[i].method, method) == 0)
            return &routes[i];
    }
    return NULL;
}

bool routes_is_wukong(const struct route *route)
{
    return route != NULL && strncmp(route->name, "wukong_", 7) == 0;
}

const char *routes_allow(const struct route *path_route, struct arena *arena)
{
    char text[64] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < routes_count; i++) {
        if (strcmp(routes[i].path, path_route->path) != 0)
            continue;
        bool is_get = strcmp(routes[i].method, "GET") == 0;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s, %s", routes[i].method,
                                is_get ? "HEAD, " : "");
    }
    snprintf(text + len, sizeof(text) - len, "OPTIONS");
    return arena_string(arena, bytes_of_string(text));
}

static enum err bad_number(const char *name, uint64_t min, uint64_t max, struct why *why)
{
    return why_set(why, ERR_BAD_PARAMETER,
                   "'%s' in the path is not a whole number from %llu to %llu", name,
                   (unsigned long long)min, (unsigned long long)max);
}

static enum err read_name(struct request *req, char name, struct bytes value, struct why *why)
{
    uint64_t number = 0;
    switch (name) {
    case 't':
        if (!path_number(value, UINT8_MAX, &number))
            return why_set(why, ERR_BAD_CHANNEL,
                           "'channel_type' is not a whole number from 0 to 255");
        req->channel.type = (uint8_t)number;
        return OK;
    case 'c':
        req->channel.id = value;
        req->slot = 0;
        enum err err = channel_check(req->channel, why);
        if (err == OK)
            req->slot = channel_slot(req->channel, node_slot_count(http_node(req->http)));
        return err;
    case 'e': /* {seq} */
        if (!path_number(value, HTTP_MAX_INTEGER, &req->number) || req->number == 0)
            return bad_number("seq", 1, HTTP_MAX_INTEGER, why);
        return OK;
    case 'l': /* {slot} */
        if (!path_number(value, HTTP_MAX_INTEGER, &number))
            return bad_number("slot", 0, SLOTS_MAX - 1, why);
        if (number >= node_slot_count(http_node(req->http)))
            return why_set(why, ERR_NOT_FOUND, "there is no slot %llu: the last one is %u",
                           (unsigned long long)number, node_slot_count(http_node(req->http)) - 1);
        req->slot = (uint32_t)number;
        return OK;
    case 'n': /* a node */
        if (!path_number(value, HTTP_MAX_INTEGER, &req->number))
            return bad_number("id", 1, UINT16_MAX, why);
        return OK;
    default: /* {id} */
        req->name = value;
        return OK;
    }
}

enum err routes_read_names(struct request *req, const struct route *route, struct why *why)
{
    enum err err = OK;
    bool fits = path_fits(route->path, &req->path, read_name, req, &err, why);
    assert(fits);
    return err;
}
