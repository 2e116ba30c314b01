/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: starting and following them, check, and the job commands. A job lives on the node that took
 * it, and only that one knows it: the client stays with the server that answered last, so that
 * following finds it; a job of an earlier command is looked for on all nodes. */
#include "ctl/jobs.h"

#include "client/url.h"
#include "ctl/show.h"
#include "ctl/survey.h"
#include "sys/clock.h"

#include <stdio.h>

enum { POLL_FIRST_MS = 100, POLL_MOST_MS = 1000 };

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

static bool is_over(const struct client_json *job)
{
    static const char *const words[] = {"queued", "pending", "starting", "running", "cancelling"};
    return !is_one_of(client_json_text(job, "state", "done"), words, ARRAY_LEN(words));
}

static bool is_good(const struct client_json *job)
{
    static const char *const words[] = {"done", "finished", "succeeded", "completed", "ok"};
    return is_one_of(client_json_text(job, "state", "done"), words, ARRAY_LEN(words));
}

static void print_job(const struct client_json *job, bool has_bar, struct buf *out)
{
    uint64_t eta_ms = client_json_u64(job, "eta_ms", 0);
    double progress = client_json_real(job, "progress", 0);
    buf_printf(out, "%s %s: %s ", client_json_text(job, "kind", "job"),
               client_json_text(job, "id", "?"), client_json_text(job, "state", "?"));
    if (has_bar)
        ctl_print_bar(progress, out);
    else
        buf_printf(out, "%d %%", (int)(progress * 100));
    if (eta_ms > 0 && !is_over(job)) {
        buf_append_string(out, ", ");
        ctl_print_duration(eta_ms, out);
        buf_append_string(out, " left");
    }
    const char *detail = client_json_text(job, "detail", "");
    if (detail[0] != '\0' && !is_over(job))
        buf_printf(out, "; %s", detail);
}

static int tell_end(const struct client_json *job)
{
    if (is_good(job))
        return CTL_OK;
    struct buf why = BUF_INIT;
    static const char *const keys[] = {"error", "detail", "why", "reason"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct client_json *value = client_json_find(job, keys[i]);
        if (client_json_text_of(value).len > 0 || client_json_is_map(value)) {
            buf_append_string(&why, ": ");
            ctl_print_value(value, &why);
            break;
        }
    }
    int code = ctl_fail(CTL_REFUSED, "job %s ended as %s%s", client_json_text(job, "id", "?"),
                        client_json_text(job, "state", "?"), buf_string(&why));
    buf_done(&why);
    return code;
}

int ctl_job_follow(struct ctl *ctl, const char *path, uint64_t deadline_ms,
                   struct client_json **ret_job)
{
    struct ctl_line line;
    struct client_json *job = NULL;
    uint64_t pause_ms = POLL_FIRST_MS;
    ctl_line_start(&line, ctl->flags.is_quiet);
    int code = ctl_get(ctl, path, &job);
    while (code == CTL_OK && !is_over(job)) {
        struct buf text = BUF_INIT;
        print_job(job, line.is_terminal, &text);
        ctl_line_set(&line, client_json_text(job, "state", "?"), buf_string(&text));
        buf_done(&text);
        if (deadline_ms != 0 && clock_mono_ms() + pause_ms > deadline_ms) {
            ctl_line_end(&line);
            code = ctl_fail(CTL_NOT_YET, "job %s is still at work; follow it: lethectl job wait %s",
                            client_json_text(job, "id", "?"), client_json_text(job, "id", "?"));
            client_json_free(job);
            return code;
        }
        ctl_sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < POLL_MOST_MS ? pause_ms * 2 : POLL_MOST_MS;
        client_json_free(job);
        job = NULL;
        code = ctl_get(ctl, path, &job);
    }
    ctl_line_end(&line);
    if (code != CTL_OK)
        return code;
    *ret_job = job;
    return tell_end(job);
}

static uint64_t deadline_of(const struct ctl *ctl)
{
    return ctl->flags.has_wait ? clock_mono_ms() + ctl->flags.wait_ms : 0;
}

/* "/v1/jobs/ID", from the Location or from the id in the answer. False: the answer names no job. */
static bool job_path(const struct client_reply *reply, const struct client_json *root,
                     struct buf *path)
{
    const char *id = client_json_text(root, "id", client_json_text(root, "job_id", NULL));
    if (strncmp(reply->location, "/v1/jobs/", 9) == 0) {
        buf_append_string(path, reply->location);
        return true;
    }
    if (reply->status != 202 || id == NULL)
        return false;
    buf_append_string(path, "/v1/jobs/");
    client_url_append_encoded(path, bytes_of_string(id));
    return true;
}

static int print_started(struct ctl *ctl, const char *path, const struct client_json *root)
{
    struct buf out = BUF_INIT;
    if (ctl->is_json && client_json_is_map(root))
        client_json_print(root, true, &out);
    else
        buf_append_string(&out, path + strlen("/v1/jobs/"));
    buf_append_string(&out, "\n");
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

int ctl_job_run(struct ctl *ctl, const char *path, const char *body, struct client_json **ret_job)
{
    struct client_json *root = NULL;
    struct client_reply reply;
    struct buf job = BUF_INIT;
    client_reply_init(&reply);
    int code = ctl_send(ctl, CLIENT_POST, path, body != NULL ? body : "{}", &reply, &root);
    if (code == CTL_OK && !job_path(&reply, root, &job)) {
        *ret_job = root;
        root = NULL;
    } else if (code == CTL_OK && ctl->flags.is_no_wait) {
        code = print_started(ctl, buf_string(&job), root);
    } else if (code == CTL_OK) {
        code = ctl_job_follow(ctl, buf_string(&job), deadline_of(ctl), ret_job);
    }
    client_json_free(root);
    client_reply_done(&reply);
    buf_done(&job);
    return code;
}

/* ---- check ------------------------------------------------------------------------------------- */

struct verdicts {
    size_t ok, diverged, unchecked;
};

/* A slot's result has one of three words; whatever else stands there is no proof of anything. */
static void count_verdict(const char *result, struct verdicts *to)
{
    if (strcmp(result, "ok") == 0)
        to->ok++;
    else if (strcmp(result, "diverged") == 0)
        to->diverged++;
    else
        to->unchecked++;
}

static const char *result_of(const struct client_json *item)
{
    return client_json_text(item, "result", "unchecked");
}

/* "3 diverged, 2 unchecked (node_down)": the nodes that are not ok. */
static void print_nodes(const struct client_json *nodes, struct buf *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < client_json_count(nodes); i++) {
        const struct client_json *node = client_json_item(nodes, i);
        const char *reason = client_json_text(node, "reason", NULL);
        if (strcmp(result_of(node), "ok") == 0)
            continue;
        buf_printf(out, "%s%llu %s", out->len > start ? ", " : "",
                   (unsigned long long)client_json_u64(node, "node", 0), result_of(node));
        if (reason != NULL)
            buf_printf(out, " (%s)", reason);
    }
    if (out->len == start)
        buf_append_string(out, "-");
}

static void add_verdict(struct client_table *table, const struct client_json *item)
{
    struct buf nodes = BUF_INIT;
    print_nodes(client_json_find(item, "nodes"), &nodes);
    ctl_add_u64(table, item, "slot");
    client_table_addf(table, "%s", result_of(item));
    client_table_add(table, buf_bytes(&nodes));
    ctl_add_value(table, client_json_find(item, "reason"));
    buf_done(&nodes);
}

static int show_check(struct ctl *ctl, const struct client_json *job)
{
    static const char *const heads[] = {">SLOT", "RESULT", "NODES", "WHY"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    const struct client_json *items = client_json_find(job, "items");
    struct verdicts seen = {0};
    struct buf out = BUF_INIT;
    size_t shown = 0;
    for (size_t i = 0; i < client_json_count(items); i++) {
        const struct client_json *item = client_json_item(items, i);
        bool is_ok = strcmp(result_of(item), "ok") == 0;
        count_verdict(result_of(item), &seen);
        if (is_ok && client_json_count(items) > 16 && !ctl->flags.is_wide)
            continue;
        add_verdict(table, item);
        shown++;
    }
    int code = CTL_OK;
    if (ctl->is_json) {
        code = ctl_write_json(job);
    } else {
        if (shown > 0)
            client_table_print(table, &out);
        buf_printf(&out, "%zu slots: %zu equal on all replicas, %zu diverged, %zu unchecked\n",
                   client_json_count(items), seen.ok, seen.diverged, seen.unchecked);
        code = ctl_write(buf_bytes(&out));
    }
    client_table_free(table);
    buf_done(&out);
    if (code != CTL_OK)
        return code;
    if (seen.diverged > 0)
        return ctl_fail(CTL_REFUSED, "%zu slots diverged", seen.diverged);
    uint64_t left_out = client_json_u64(job, "items_left_out", 0);
    if (left_out > 0)
        ctl_fail(CTL_OK, "%llu results are left out: check them by --slot",
                 (unsigned long long)left_out);
    return seen.unchecked > 0 || seen.ok == 0 || left_out > 0 ? CTL_UNPROVEN : CTL_OK;
}

int ctl_run_check(struct ctl *ctl)
{
    struct client_json *job = NULL;
    char body[40] = "{}";
    if (ctl->flags.has_slot)
        snprintf(body, sizeof(body), "{\"slot\":%llu}", (unsigned long long)ctl->flags.slot);
    int code = ctl_job_run(ctl, "/v1/admin/checks", body, &job);
    if (job != NULL && (code == CTL_OK || client_json_count(client_json_find(job, "items")) > 0)) {
        int shown = show_check(ctl, job);
        code = code == CTL_OK ? shown : code;
    }
    client_json_free(job);
    return code;
}

void ctl_job_add_node(struct ctl *ctl, struct buf *body)
{
    if (ctl->flags.has_node)
        buf_printf(body, "%s\"node\":%llu", body->len > 1 ? "," : "",
                   (unsigned long long)ctl->flags.node);
}

/* ---- store compact -------------------------------------------------------------------------------- */

static int show_families(struct ctl *ctl, const struct client_json *job)
{
    static const char *const heads[] = {"FAMILY", "RESULT", ">BEFORE", ">AFTER"};
    if (ctl->is_json)
        return ctl_write_json(job);
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    const struct client_json *items = client_json_find(job, "items");
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < client_json_count(items); i++) {
        const struct client_json *item = client_json_item(items, i);
        ctl_add_text(table, item, "family");
        ctl_add_text(table, item, "result");
        ctl_add_u64(table, item, "bytes_before");
        ctl_add_u64(table, item, "bytes_after");
    }
    client_table_print(table, &out);
    int code = ctl_write(buf_bytes(&out));
    client_table_free(table);
    buf_done(&out);
    return code;
}

int ctl_run_store_compact(struct ctl *ctl)
{
    struct client_json *job = NULL;
    struct buf body = BUF_INIT;
    buf_append_string(&body, "{");
    if (ctl->words_count > 0) {
        buf_append_string(&body, "\"family\":");
        client_json_print_text(bytes_of_string(ctl->words[0]), &body);
    }
    ctl_job_add_node(ctl, &body);
    buf_append_string(&body, "}");
    int code = ctl_job_run(ctl, "/v1/admin/compactions", buf_string(&body), &job);
    if (job != NULL && client_json_count(client_json_find(job, "items")) > 0) {
        int shown = show_families(ctl, job);
        code = code == CTL_OK ? shown : code;
    }
    client_json_free(job);
    buf_done(&body);
    return code;
}

/* ---- job ... ----------------------------------------------------------------------------------- */

static void job_id_path(const struct ctl *ctl, const char *suffix, struct buf *path)
{
    buf_append_string(path, "/v1/jobs/");
    client_url_append_encoded(path, bytes_of_string(ctl->words[0]));
    buf_append_string(path, suffix);
}

static int show_job(struct ctl *ctl, const struct client_json *job)
{
    struct buf out = BUF_INIT;
    if (ctl->is_json)
        return ctl_write_json(job);
    print_job(job, false, &out);
    buf_append_string(&out, "\n");
    const struct client_json *items = client_json_find(job, "items");
    for (size_t i = 0; i < client_json_count(items); i++) {
        buf_append_string(&out, "  ");
        client_json_print(client_json_item(items, i), false, &out);
        buf_append_string(&out, "\n");
    }
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

static void add_job(struct client_table *table, const struct client_json *job)
{
    struct buf left = BUF_INIT, started = BUF_INIT;
    if (client_json_u64(job, "eta_ms", 0) > 0 && !is_over(job))
        ctl_print_duration(client_json_u64(job, "eta_ms", 0), &left);
    else
        buf_append_string(&left, "-");
    ctl_print_time(client_json_u64(job, "started_at", 0), &started);
    ctl_add_text(table, job, "id");
    ctl_add_text(table, job, "kind");
    ctl_add_text(table, job, "state");
    client_table_addf(table, "%d %%", (int)(client_json_real(job, "progress", 0) * 100));
    client_table_add(table, buf_bytes(&left));
    client_table_add(table, buf_bytes(&started));
    buf_done(&left);
    buf_done(&started);
}

/* An order about nodes is told by every node. */
static bool is_listed(const struct client_json *job, const struct buf *json)
{
    struct buf id = BUF_INIT;
    buf_printf(&id, "\"id\":\"%s\"", client_json_text(job, "id", ""));
    bool ret = json->len > 0 && memmem(json->data, json->len, id.data, id.len) != NULL;
    buf_done(&id);
    return ret;
}

/* One node's jobs; CTL_REFUSED and its problem in why when it does not say. */
static int take_jobs(struct ctl_survey *survey, const struct ctl_node *node,
                     struct client_table *table, struct buf *json, struct buf *why_out)
{
    struct client_json *root = NULL;
    struct client_reply reply;
    struct why why = {0};
    client_reply_init(&reply);
    int code = ctl_survey_get(survey, node, "/v1/jobs", NULL, &reply, &why);
    if (code != CTL_OK)
        buf_append_string(why_out, why.text);
    else if (reply.status != 200)
        ctl_print_problem(reply.status, buf_bytes(&reply.body), why_out);
    if (code == CTL_OK &&
        (reply.status != 200 || client_json_read(buf_bytes(&reply.body), &root, &why) != OK))
        code = CTL_REFUSED;
    const struct client_json *jobs = client_json_find(root, "jobs");
    for (size_t i = 0; i < client_json_count(jobs); i++) {
        const struct client_json *job = client_json_item(jobs, i);
        if (is_listed(job, json))
            continue;
        buf_append_string(json, json->len > 0 ? "," : "");
        client_json_print(job, false, json);
        add_job(table, job);
    }
    client_json_free(root);
    client_reply_done(&reply);
    return code;
}

int ctl_run_job_ls(struct ctl *ctl)
{
    static const char *const heads[] = {"JOB", "KIND", "STATE", ">PROGRESS", ">LEFT", "STARTED"};
    struct ctl_survey *survey = NULL;
    struct buf json = BUF_INIT, out = BUF_INIT;
    int code = ctl_survey_take(ctl, &survey);
    if (code != CTL_OK)
        return code;
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        struct buf why = BUF_INIT;
        int one = CTL_UNREACHABLE;
        if (node->has_server)
            one = take_jobs(survey, node, table, &json, &why);
        if (one != CTL_OK)
            code =
                ctl_fail(one, "node %llu does not list its jobs: %s", (unsigned long long)node->id,
                         node->has_server ? buf_string(&why) : node->problem);
        buf_done(&why);
    }
    if (ctl->is_json)
        buf_printf(&out, "{\"jobs\":[%s]}\n", buf_string(&json));
    else
        client_table_print(table, &out);
    int written = ctl_write(buf_bytes(&out));
    client_table_free(table);
    ctl_survey_free(survey);
    buf_done(&json);
    buf_done(&out);
    return code == CTL_OK ? written : code;
}

/* Turns to the node that has the job, when the one asked first has not. */
static void go_to_job(struct ctl *ctl)
{
    struct ctl_survey *survey = NULL;
    struct client_reply reply;
    struct buf path = BUF_INIT;
    const char *url = NULL;
    client_reply_init(&reply);
    job_id_path(ctl, "", &path);
    const struct client_request request = {
        .method = CLIENT_GET, .path = buf_string(&path), .may_repeat = true};
    struct why why = {0};
    if (client_call(ctl->client, &request, &reply, &why) == OK && reply.status == 404 &&
        ctl_survey_take(ctl, &survey) == CTL_OK) {
        for (size_t i = 0; i < survey->nodes_count && url == NULL; i++) {
            const struct ctl_node *node = &survey->nodes[i];
            if (node->has_server &&
                ctl_survey_get(survey, node, buf_string(&path), NULL, &reply, &why) == CTL_OK &&
                reply.status == 200)
                url = client_server(survey->client, node->server);
        }
    }
    if (url != NULL) {
        struct client_list one = {.count = 0};
        if (client_list_add(&one, url, NULL) == OK) {
            client_free(ctl->client);
            ctl->client = client_context_connect_to(&ctl->context, &one, 0);
        }
        client_list_done(&one);
    }
    ctl_survey_free(survey);
    client_reply_done(&reply);
    buf_done(&path);
}

int ctl_run_job_show(struct ctl *ctl)
{
    struct client_json *job = NULL;
    struct buf path = BUF_INIT;
    go_to_job(ctl);
    job_id_path(ctl, "", &path);
    int code = ctl_get(ctl, buf_string(&path), &job);
    if (code == CTL_OK)
        code = show_job(ctl, job);
    client_json_free(job);
    buf_done(&path);
    return code;
}

int ctl_run_job_cancel(struct ctl *ctl)
{
    struct client_json *job = NULL;
    struct client_reply reply;
    struct buf path = BUF_INIT;
    client_reply_init(&reply);
    job_id_path(ctl, ":cancel", &path);
    int code = ctl_confirm(ctl, "A job that is cancelled begins anew when it is started again.",
                           "Cancel it?");
    if (code == CTL_OK) {
        go_to_job(ctl);
        code = ctl_send(ctl, CLIENT_POST, buf_string(&path), "{}", &reply, &job);
    }
    if (code == CTL_OK && job != NULL)
        code = show_job(ctl, job);
    client_json_free(job);
    client_reply_done(&reply);
    buf_done(&path);
    return code;
}

int ctl_run_job_wait(struct ctl *ctl)
{
    struct client_json *job = NULL;
    struct buf path = BUF_INIT;
    go_to_job(ctl);
    job_id_path(ctl, "", &path);
    int code = ctl_job_follow(ctl, buf_string(&path), deadline_of(ctl), &job);
    if (job != NULL) {
        int shown = show_job(ctl, job);
        code = code == CTL_OK ? shown : code;
    }
    client_json_free(job);
    buf_done(&path);
    return code;
}
