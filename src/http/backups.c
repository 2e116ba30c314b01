/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of the answering node's own store: each node makes, lists and removes its own. */
#include <inttypes.h>
#include <stdio.h>

#include "http/fields.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/table.h"

static const char *state_slug(const struct node_backup *backup)
{
    static const char *const slugs[] = {[NODE_BACKUP_UNVERIFIED] = "unverified",
                                        [NODE_BACKUP_VERIFIED] = "verified",
                                        [NODE_BACKUP_DAMAGED] = "damaged"};
    return slugs[backup->state];
}

static void write_or_null(struct buf *out, const char *name, uint64_t value)
{
    if (value == 0)
        jwrite_member_null(out, name);
    else
        jwrite_member_u64(out, name, value);
}

static void write_backup(struct buf *out, const struct node_backup *backup)
{
    char incarnation[24];
    snprintf(incarnation, sizeof(incarnation), "%016" PRIx64, backup->incarnation);
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_text(out, "id", backup->id);
    jwrite_member_text(out, "state", state_slug(backup));
    jwrite_member_bool(out, "verified", backup->state == NODE_BACKUP_VERIFIED);
    write_or_null(out, "node", backup->node);
    jwrite_member_text(out, "cluster_id", backup->cluster_id);
    jwrite_member_text(out, "incarnation", incarnation);
    write_or_null(out, "created_at", backup->created_ms);
    write_or_null(out, "verified_at", backup->verified_ms);
    write_or_null(out, "expires_at", backup->expires_ms);
    jwrite_member_u64(out, "age_ms", backup->age_ms);
    jwrite_member_u64(out, "bytes", backup->bytes);
    jwrite_member_bool(out, "holds_deleted", true);
    jwrite_member_text(out, "path", backup->path);
    if (backup->detail[0] == '\0')
        jwrite_member_null(out, "detail");
    else
        jwrite_member_text(out, "detail", backup->detail);
    buf_put_u8(out, '}');
}

static void write_table(struct request *req, const struct node_backup *backups, uint32_t count)
{
    static const char *const names[] = {"id",         "state", "node",   "created_at",
                                        "expires_at", "bytes", "detail", "path"};
    struct table table;
    struct why why = {.err = OK};
    enum err err = table_init(&table, &req->query, names, ARRAY_LEN(names), &req->scratch, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        table_cell(&table, backups[i].id);
        table_cell(&table, state_slug(&backups[i]));
        table_cell_u64(&table, backups[i].node);
        table_cell_u64(&table, backups[i].created_ms);
        table_cell_u64(&table, backups[i].expires_ms);
        table_cell_u64(&table, backups[i].bytes);
        table_cell(&table, backups[i].detail);
        table_cell(&table, backups[i].path);
    }
    table_write(&table, &req->out);
    reply_send(req, 200, MEDIA_TEXT);
}

void backups_list_run(struct request *req)
{
    struct why why = {.err = OK};
    struct node_backup *backups = NULL;
    uint32_t count = 0, left_out = 0;
    if (table_refuses_columns(req))
        return;
    enum err err =
        node_list_backups(http_node(req->http), &req->arena, &backups, &count, &left_out, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    if (req->accepts == MEDIA_TEXT) {
        write_table(req, backups, count);
        return;
    }
    buf_append_string(&req->out, "{\"backups\":[");
    for (uint32_t i = 0; i < count; i++)
        write_backup(&req->out, &backups[i]);
    buf_put_u8(&req->out, ']');
    jwrite_member_bool(&req->out, "more", left_out > 0);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

void backup_create_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    struct bytes name = BYTES_NONE;
    char job[NODE_JOB_ID_BYTES];
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_name(body, "name", &name, &why);
    if (err == OK && jobs_begin_elsewhere(req, body, NODE_JOB_ASK_BACKUP, name, &err, &why))
        return;
    if (err == OK)
        err = node_start_backup(http_node(req->http), name, job, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        jobs_accept(req, job);
}

void backup_verify_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL; /* there is nothing to say in it yet */
    char job[NODE_JOB_ID_BYTES];
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = node_start_verify(http_node(req->http), req->name, job, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        jobs_accept(req, job);
}

void backup_remove_run(struct request *req)
{
    struct why why = {.err = OK};
    enum err err = node_remove_backup(http_node(req->http), req->name, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    buf_put_u8(&req->out, '{');
    jwrite_member_string(&req->out, "id", req->name);
    jwrite_member_bool(&req->out, "removed", true);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}
