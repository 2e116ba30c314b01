/* SPDX-License-Identifier: Apache-2.0 */
/* backup ..., alarm ...: what is kept elsewhere, and what asks for a person. */
#include "client/url.h"
#include "ctl/jobs.h"
#include "ctl/show.h"
#include "ctl/survey.h"

/* ---- backup --------------------------------------------------------------------------------------- */

static int show_backup_job(struct ctl *ctl, const struct client_json *job)
{
    if (ctl->is_json)
        return ctl_write_json(job);
    struct buf out = BUF_INIT;
    const char *backup = client_json_text(job, "backup", client_json_text(job, "id", "?"));
    buf_printf(&out, "%s: %s\n", backup, client_json_text(job, "state", "done"));
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

static int run_backup_job(struct ctl *ctl, const char *path, const char *body)
{
    struct client_json *job = NULL;
    int code = ctl_job_run(ctl, path, body, &job);
    if (code == CTL_OK && job != NULL)
        code = show_backup_job(ctl, job);
    client_json_free(job);
    return code;
}

int ctl_run_backup_create(struct ctl *ctl)
{
    struct buf body = BUF_INIT;
    buf_append_string(&body, "{");
    if (ctl->words_count == 1) {
        buf_append_string(&body, "\"name\":");
        client_json_print_text(bytes_of_string(ctl->words[0]), &body);
    }
    ctl_job_add_node(ctl, &body);
    buf_append_string(&body, "}");
    int code = run_backup_job(ctl, "/v1/admin/backups", buf_string(&body));
    buf_done(&body);
    return code;
}

int ctl_run_backup_verify(struct ctl *ctl)
{
    struct buf path = BUF_INIT;
    buf_append_string(&path, "/v1/admin/backups/");
    client_url_append_encoded(&path, bytes_of_string(ctl->words[0]));
    buf_append_string(&path, ":verify");
    int code = run_backup_job(ctl, buf_string(&path), "{}");
    buf_done(&path);
    return code;
}

static int show_backups(const struct client_json *root)
{
    static const char *const heads[] = {"BACKUP", "TIME", ">NODE", ">BYTES", "VERIFIED", "WHERE"};
    const struct client_json *backups = client_json_find(root, "backups");
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(backups); i++) {
        const struct client_json *backup = client_json_item(backups, i);
        char size[CLIENT_COUNT_SIZE];
        struct buf time = BUF_INIT;
        ctl_print_time(client_json_u64(backup, "created_at", 0), &time);
        ctl_add_text(table, backup, "id");
        client_table_add(table, buf_bytes(&time));
        ctl_add_u64(table, backup, "node");
        client_table_addf(table, "%s", client_size_text(client_json_u64(backup, "bytes", 0), size));
        client_table_addf(table, "%s", client_json_bool(backup, "verified", false) ? "yes" : "NO");
        ctl_add_text(table, backup, "path");
        buf_done(&time);
    }
    return ctl_write_table_take(table);
}

int ctl_run_backup_ls(struct ctl *ctl)
{
    struct client_json *root = NULL;
    int code = ctl_get(ctl, "/v1/admin/backups", &root);
    if (code == CTL_OK)
        code = ctl->is_json ? ctl_write_json(root) : show_backups(root);
    client_json_free(root);
    return code;
}

/* ---- alarm ---------------------------------------------------------------------------------------- */

static int show_alarms(struct ctl *ctl, const struct client_json *alarms)
{
    static const char *const heads[] = {"ALARM", "KIND", ">NODE", "NOW", ">TIMES", "SINCE", "WHAT"};
    struct buf out = BUF_INIT;
    if (ctl->is_json) {
        buf_append_string(&out, "{\"alarms\":");
        client_json_print(alarms, false, &out);
        buf_append_string(&out, "}\n");
        int code = ctl_write(buf_bytes(&out));
        buf_done(&out);
        return code;
    }
    if (client_json_count(alarms) == 0)
        return ctl_write(bytes_of_string("no alarms\n"));
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(alarms); i++) {
        const struct client_json *alarm = client_json_item(alarms, i);
        buf_clear(&out);
        ctl_print_time(client_json_u64(alarm, "since", 0), &out);
        ctl_add_text(table, alarm, "id");
        ctl_add_text(table, alarm, "kind");
        ctl_add_u64(table, alarm, "node");
        client_table_addf(table, "%s", client_json_bool(alarm, "active", true) ? "yes" : "over");
        ctl_add_u64(table, alarm, "count");
        client_table_add(table, buf_bytes(&out));
        ctl_add_text(table, alarm, "detail");
    }
    buf_done(&out);
    return ctl_write_table_take(table);
}

/* 0 with no alarm, 1 with some: for scripts. */
int ctl_run_alarm_ls(struct ctl *ctl)
{
    struct ctl_survey *survey = NULL;
    struct client_json *alarms = NULL;
    int code = ctl_survey_take(ctl, &survey);
    if (code != CTL_OK)
        return code;
    int status = ctl_survey_collect(survey, "/v1/alarms", "alarms", &alarms);
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        if (!node->has_server)
            code = ctl_fail(CTL_UNREACHABLE, "node %llu: %s", (unsigned long long)node->id,
                            node->problem);
    }
    if (status != 200)
        code = ctl_fail(ctl_code_of_status(status), "/v1/alarms: status %d%s", status,
                        status == 501 ? ": this version does not have alarms yet" : "");
    else if (code == CTL_OK || client_json_count(alarms) > 0)
        code = show_alarms(ctl, alarms) != CTL_OK ? CTL_LOCAL
               : client_json_count(alarms) > 0    ? CTL_REFUSED
                                                  : code;
    client_json_free(alarms);
    ctl_survey_free(survey);
    return code;
}

/* An alarm is its node's: the others do not know it. */
int ctl_run_alarm_disarm(struct ctl *ctl)
{
    struct ctl_survey *survey = NULL;
    struct client_reply reply;
    struct buf path = BUF_INIT, text = BUF_INIT;
    struct why why = {0};
    int code = ctl_confirm(ctl,
                           "What an alarm stopped goes on when it is disarmed. It is refused while "
                           "its cause is there.",
                           "Disarm it?");
    if (code == CTL_OK)
        code = ctl_survey_take(ctl, &survey);
    if (code != CTL_OK)
        return code;
    client_reply_init(&reply);
    buf_append_string(&path, "/v1/alarms/");
    client_url_append_encoded(&path, bytes_of_string(ctl->words[0]));
    buf_append_string(&path, ":disarm");
    code = CTL_UNREACHABLE;
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        const struct client_request request = {.method = CLIENT_POST,
                                               .path = buf_string(&path),
                                               .content_type = "application/json",
                                               .body = bytes_of_string("{}"),
                                               .may_repeat = true,
                                               .only_one_server = true,
                                               .server = node->server};
        if (!node->has_server || client_call(survey->client, &request, &reply, &why) != OK)
            continue;
        code = ctl_code_of_status(reply.status);
        if (reply.status != 404)
            break;
    }
    if (code == CTL_OK) {
        buf_printf(&text, "%s is disarmed\n", ctl->words[0]);
        code = ctl_write(buf_bytes(&text));
    } else if (reply.status != 0) {
        ctl_print_problem(reply.status, buf_bytes(&reply.body), &text);
        ctl_fail(code, "%s", buf_string(&text));
    } else {
        ctl_fail(code, "no node answers");
    }
    client_reply_done(&reply);
    ctl_survey_free(survey);
    buf_done(&path);
    buf_done(&text);
    return code;
}
