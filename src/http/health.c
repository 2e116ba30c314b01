/* SPDX-License-Identifier: Apache-2.0 */
/* Health, version, and the description of the interface itself. */
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "openapi_json.h" /* made from api/openapi.yaml */

void livez_run(struct request *req)
{
    if (req->accepts == MEDIA_JSON)
        buf_append_string(&req->out, "{\"status\":\"ok\"}");
    else
        buf_append_string(&req->out, "ok\n");
    reply_send(req, 200, req->accepts);
}

/* ---- readyz --------------------------------------------------------------------------------------- */
enum check_id { CHECK_STORE, CHECK_LEADERS, CHECK_DRAINING, CHECKS };

static const char *const check_names[CHECKS] = {"store", "leaders", "draining"};

struct check {
    bool is_excluded;
    enum err err;
    char text[96];
};

static enum err read_excluded(struct request *req, struct check *checks, struct why *why)
{
    struct bytes text;
    if (!query_find(&req->query, "exclude", &text))
        return OK;
    for (size_t start = 0; start <= text.len;) {
        size_t end = start, i = 0;
        while (end < text.len && text.data[end] != ',')
            end++;
        struct bytes name = bytes_of(text.data + start, end - start);
        while (i < CHECKS && !bytes_is_equal(name, bytes_of_string(check_names[i])))
            i++;
        if (i == CHECKS)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'exclude' has a name that is none of store, leaders, draining");
        checks[i].is_excluded = true;
        start = end + 1;
    }
    return OK;
}

static void fill_checks(struct request *req, const struct node_cluster *cluster,
                        struct check *checks)
{
    if (cluster->draining || http_is_stopping(req->http)) {
        checks[CHECK_DRAINING].err = ERR_DRAINING;
        snprintf(checks[CHECK_DRAINING].text, sizeof(checks->text), "this node is stopping");
    }
    if (cluster->slots_total == 0) {
        checks[CHECK_STORE].err = ERR_STARTING;
        snprintf(checks[CHECK_STORE].text, sizeof(checks->text), "the store is not open yet");
    } else if (!cluster->serving || cluster->slots_with_leader < cluster->slots_total) {
        checks[CHECK_LEADERS].err = cluster->serving ? ERR_NO_LEADER : ERR_STARTING;
        snprintf(checks[CHECK_LEADERS].text, sizeof(checks->text),
                 "%u of %u slots have a known leader", cluster->slots_with_leader,
                 cluster->slots_total);
    }
}

static const struct check *first_failed(const struct check *checks)
{
    for (size_t i = 0; i < CHECKS; i++) {
        if (checks[i].err != OK && !checks[i].is_excluded)
            return &checks[i];
    }
    return NULL;
}

static void write_checks_json(struct buf *out, const struct check *checks)
{
    jwrite_key(out, "checks");
    buf_put_u8(out, '[');
    for (size_t i = 0; i < CHECKS; i++) {
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_text(out, "name", check_names[i]);
        jwrite_member_bool(out, "ok", checks[i].err == OK);
        jwrite_member_bool(out, "excluded", checks[i].is_excluded);
        if (checks[i].err != OK)
            jwrite_member_text(out, "detail", checks[i].text);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
}

static void write_checks_text(struct buf *out, const struct check *checks)
{
    for (size_t i = 0; i < CHECKS; i++)
        buf_printf(out, "[%s]%s %s\n", checks[i].err == OK ? "+" : "-", check_names[i],
                   checks[i].is_excluded ? "excluded: ok"
                   : checks[i].err == OK ? "ok"
                                         : checks[i].text);
}

static void write_ready(struct request *req, const struct check *checks, bool is_verbose)
{
    if (req->accepts == MEDIA_JSON) {
        buf_append_string(&req->out, "{\"status\":\"ready\"");
        write_checks_json(&req->out, checks);
        buf_put_u8(&req->out, '}');
    } else {
        if (is_verbose)
            write_checks_text(&req->out, checks);
        buf_append_string(&req->out, is_verbose ? "readyz check passed\n" : "ok\n");
    }
    reply_send(req, 200, req->accepts);
}

static void write_unready(struct request *req, const struct check *failed,
                          const struct check *checks)
{
    struct why why;
    why_set(&why, failed->err, "%s", failed->text);
    reply_problem_begin(req, failed->err, &why);
    write_checks_json(&req->out, checks);
    reply_problem_end(req);
}

void readyz_run(struct request *req)
{
    struct why why = {.err = OK};
    struct check checks[CHECKS] = {{.err = OK}};
    bool is_verbose = false, maintenance = false;
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    enum err err = query_bool(&req->query, "verbose", &is_verbose, &why);
    if (err == OK)
        err = query_bool(&req->query, "maintenance", &maintenance, &why);
    if (err == OK)
        err = read_excluded(req, checks, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    node_get_cluster(http_node(req->http), cluster);
    fill_checks(req, cluster, checks);
    const struct check *failed = first_failed(checks);
    if (failed != NULL)
        write_unready(req, failed, checks);
    else if (maintenance && !node_is_safe_to_stop(http_node(req->http)))
        reply_problem(req, ERR_NEEDS_MAINTENANCE, NULL);
    else
        write_ready(req, checks, is_verbose);
}

/* ---- version, openapi ------------------------------------------------------------------------------- */
void version_run(struct request *req)
{
    buf_put_u8(&req->out, '{');
    jwrite_member_text(&req->out, "name", "lethe");
    jwrite_member_text(&req->out, "version", LETHE_VERSION);
    jwrite_member_text(&req->out, "api", "v1");
    jwrite_member_u64(&req->out, "feature_level", node_feature_level(http_node(req->http)));
    jwrite_member_u64(&req->out, "node", node_self(http_node(req->http)));
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

void openapi_run(struct request *req)
{
    buf_append(&req->out, openapi_json, sizeof(openapi_json));
    reply_send(req, 200, MEDIA_JSON);
}
