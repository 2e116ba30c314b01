/* SPDX-License-Identifier: Apache-2.0 */
/* PUT, GET and DELETE .../retention: the limits of a channel, kept in its row through the log. */
#include "http/fields.h"
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/reading.h"
#include "http/reply.h"
#include "http/times.h"
#include "wire/command.h"

#define AGE_MAX_MS ((uint64_t)100 * 365 * 24 * 3600 * 1000)

struct limits {
    struct reading reading; /* of a GET */
    uint64_t max_age_ms, max_messages, max_bytes;
};

/* In the largest unit that fits: "30d", "36h", "90s", "1500ms". */
static void write_age(struct buf *out, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    jwrite_key(out, "max_age");
    buf_printf(out, "\"%llu%s\"", (unsigned long long)(ms / units[i].ms), units[i].name);
}

static void write_limit(struct buf *out, const char *name, uint64_t value)
{
    if (value == 0)
        jwrite_member_null(out, name);
    else
        jwrite_member_u64(out, name, value);
}

static void write_limits(struct request *req, const struct limits *limits)
{
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "channel_type", req->channel.type);
    jwrite_member_string(out, "channel_id", req->channel.id);
    if (limits->max_age_ms == 0)
        jwrite_member_null(out, "max_age");
    else
        write_age(out, limits->max_age_ms);
    write_limit(out, "max_messages", limits->max_messages);
    write_limit(out, "max_bytes", limits->max_bytes);
    buf_put_u8(out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

/* ---- GET -------------------------------------------------------------------------------------------- */
static void limits_read(struct request *req)
{
    struct limits *limits = req->state;
    struct msg_channel channel;
    if (!reading_channel(req, &channel))
        return;
    limits->max_age_ms = channel.retention_max_age_ms;
    limits->max_messages = channel.retention_max_messages;
    limits->max_bytes = channel.retention_max_bytes;
    write_limits(req, limits);
}

void retention_get_run(struct request *req)
{
    struct why why = {.err = OK};
    struct limits *limits = req->state = arena_zero(&req->arena, sizeof(*limits));
    request_ask(req, MSG_QUERY_CHANNEL);
    enum err err = reading_parse(req, &limits->reading, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        reading_start(req, &limits->reading, limits_read);
}

/* ---- PUT and DELETE ------------------------------------------------------------------------------------ */
static void limits_set(struct request *req)
{
    const struct limits *limits = req->state;
    reply_set_applied(req, req->call.applied_index);
    if (reply_calls_error(req))
        return;
    msg_result_free(req->call.result);
    write_limits(req, limits);
}

static void set_limits(struct request *req, const struct limits *limits)
{
    struct command command = {.kind = COMMAND_SET_RETENTION,
                              .set_retention = {.channel = req->channel,
                                                .max_age_ms = limits->max_age_ms,
                                                .max_messages = limits->max_messages,
                                                .max_bytes = limits->max_bytes}};
    request_prepare_command(req, &req->call, req->slot, command_encode(&command));
    request_wait_calls(req, &req->call, 1, limits_set);
}

static enum err read_age(const struct jvalue *body, uint64_t *ret_ms, struct why *why)
{
    const struct jvalue *value = jvalue_find(body, "max_age");
    if (value == NULL || value->kind == JVALUE_NULL)
        return OK;
    if (value->kind != JVALUE_STRING || !times_parse_duration(value->string, AGE_MAX_MS, ret_ms) ||
        *ret_ms == 0)
        return why_set(why, ERR_BAD_PARAMETER, "'max_age' is not a time like \"30d\" or \"12h\"");
    return OK;
}

void retention_put_run(struct request *req)
{
    const struct jvalue *body = NULL;
    struct why why = {.err = OK};
    struct limits *limits = req->state = arena_zero(&req->arena, sizeof(*limits));
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = read_age(body, &limits->max_age_ms, &why);
    if (err == OK)
        err = fields_number(body, "max_messages", 1, HTTP_MAX_INTEGER, &limits->max_messages, NULL,
                            &why);
    if (err == OK)
        err = fields_number(body, "max_bytes", 1, HTTP_MAX_INTEGER, &limits->max_bytes, NULL, &why);
    if (err == OK && limits->max_age_ms == 0 && limits->max_messages == 0 && limits->max_bytes == 0)
        err = why_set(&why, ERR_BAD_PARAMETER,
                      "none of 'max_age', 'max_messages', 'max_bytes' is there: DELETE takes all "
                      "limits away");
    if (err != OK)
        reply_problem(req, err, &why);
    else
        set_limits(req, limits);
}

/* Where there are none, nothing is logged. */
static void limits_end(struct request *req)
{
    const struct limits *limits = req->state;
    struct msg_channel channel;
    if (!reading_channel(req, &channel))
        return;
    if (channel.retention_max_age_ms == 0 && channel.retention_max_messages == 0 &&
        channel.retention_max_bytes == 0)
        write_limits(req, limits);
    else
        set_limits(req, limits);
}

void retention_delete_run(struct request *req)
{
    req->state = arena_zero(&req->arena, sizeof(struct limits));
    request_ask(req, MSG_QUERY_CHANNEL);
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    request_wait_calls(req, &req->call, 1, limits_end);
}
