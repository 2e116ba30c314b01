/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reply.h"

#include "http/jwrite.h"
#include "http/routes.h"
#include "http/server.h"
#include "sys/log.h"

/* Every error, so that a new one does not compile before somebody has thought about it. */
int reply_status_of(enum err err)
{
    switch (err) {
    case OK:
        return 200;
    case ERR_BAD_REQUEST:
    case ERR_BAD_JSON:
    case ERR_BAD_PARAMETER:
    case ERR_BAD_CHANNEL:
    case ERR_BAD_CONFIG:
    case ERR_BAD_FORMAT:
        return 400;
    case ERR_UNAUTHORIZED:
        return 401;
    case ERR_FORBIDDEN:
        return 403;
    case ERR_NO_ROUTE:
    case ERR_NOT_FOUND:
    case ERR_SEQ_NOT_FOUND:
    case ERR_COLLECTED:
        return 404;
    case ERR_METHOD_NOT_ALLOWED:
        return 405;
    case ERR_NOT_ACCEPTABLE:
        return 406;
    case ERR_CONFLICT:
        return 409;
    case ERR_SEQ_DELETED:
        return 410;
    case ERR_SEQ_MISMATCH:
    case ERR_NEEDS_MAINTENANCE:
        return 412;
    case ERR_TOO_LARGE:
        return 413;
    case ERR_UNSUPPORTED_MEDIA:
        return 415;
    case ERR_BAD_RANGE:
    case ERR_END_BEYOND_LAST:
    case ERR_CLIENT_MSG_NO_REUSED:
    case ERR_BATCH_FAILED:
        return 422;
    case ERR_TOO_MANY_REQUESTS:
        return 429;
    case ERR_HEADERS_TOO_LARGE:
        return 431;
    case ERR_INTERNAL:
    case ERR_CORRUPT:
    case ERR_DISK_FAILED:
    case ERR_WRONG_IDENTITY:
    case ERR_WRONG_FORMAT:
    case ERR_LOG_TOO_SHORT:
    case ERR_LOCKED:
    case ERR_IO:
    case ERR_CLOSED:
    case ERR_TIMEOUT:
        return 500;
    case ERR_NOT_SUPPORTED:
        return 501;
    case ERR_NO_LEADER:
    case ERR_NOT_LEADER:
    case ERR_BUSY:
    case ERR_QUEUE_FULL:
    case ERR_TRANSFERRING:
    case ERR_CONFIG_PENDING:
    case ERR_IGNORED:
    case ERR_STARTING:
    case ERR_DRAINING:
    case ERR_REMOVED:
    case ERR_NEW_FOLDER:
    case ERR_OLD_FOLDER:
    case ERR_TOO_STALE:
    case ERR_PROVEN_LOST:
    case ERR_UNREADY:
        return 503;
    case ERR_OUTCOME_UNKNOWN:
        return 504;
    case ERR_DISK_FULL:
        return 507;
    case ERR_COUNT:
        break;
    }
    assert(!"an error without a status");
    return 500;
}

const char *reply_media_type(enum media media)
{
    static const char *const types[] = {
        [MEDIA_NONE] = NULL,
        [MEDIA_JSON] = "application/json",
        [MEDIA_NDJSON] = "application/x-ndjson",
        [MEDIA_TEXT] = "text/plain; charset=utf-8",
        [MEDIA_CSV] = "text/csv; charset=utf-8",
        [MEDIA_RAW] = "application/octet-stream",
        [MEDIA_EVENTS] = "text/event-stream",
        [MEDIA_HTML] = "text/html; charset=utf-8",
        [MEDIA_CSS] = "text/css; charset=utf-8",
        [MEDIA_SCRIPT] = "text/javascript; charset=utf-8",
        [MEDIA_SVG] = "image/svg+xml",
        [MEDIA_METRICS] = "text/plain; version=0.0.4; charset=utf-8",
        [MEDIA_PROBLEM] = "application/problem+json",
    };
    return types[media];
}

void reply_send(struct request *req, int status, enum media media)
{
    assert(req->status == 0);
    req->status = status;
    req->media = media;
}

void reply_header(struct request *req, const char *name, const char *value)
{
    assert(req->extra_count < REQUEST_EXTRA_HEADERS_MAX);
    req->extra[req->extra_count].name = name;
    req->extra[req->extra_count++].value = value;
}

void reply_set_applied(struct request *req, uint64_t applied_index)
{
    req->has_applied_index = true;
    req->applied_index = applied_index;
}

/* The text for the client. What broke inside is for the log alone. */
static const char *detail_of(enum err err, const struct why *why)
{
    if (err_kind(err) == ERR_KIND_BROKEN)
        return "a fault inside the server; its log has more under this request id";
    return why != NULL && why->err == err && why->text[0] != '\0' ? why->text : err_sentence(err);
}

void reply_problem_members(struct buf *buf, enum err err, const struct why *why)
{
    bool is_hidden = err_kind(err) == ERR_KIND_BROKEN;
    enum err shown = is_hidden ? ERR_INTERNAL : err;
    jwrite_key(buf, "type");
    buf_append_string(buf, "\"urn:lethe:problem:");
    buf_append_string(buf, err_slug(shown));
    buf_put_u8(buf, '"');
    jwrite_member_text(buf, "title", err_sentence(shown));
    jwrite_member_u64(buf, "status", (uint64_t)reply_status_of(err));
    jwrite_member_text(buf, "detail", detail_of(err, why));
    jwrite_member_text(buf, "code", err_slug(shown));
}

/* WuKongIM's form: what its clients know is 400; what may be tried again, or must not be, keeps its
 * status. */
static void wukong_problem(struct request *req, enum err err, const struct why *why)
{
    int status = reply_status_of(err);
    enum err_kind kind = err_kind(err);
    if ((kind == ERR_KIND_INPUT || kind == ERR_KIND_STATE) && status != 401 && status != 403 &&
        status != 405 && status != 406)
        status = 400;
    jwrite_member_text(&req->out, "msg", detail_of(err, why));
    jwrite_member_u64(&req->out, "status", (uint64_t)status);
    req->envelope_len = req->out.len;
    reply_send(req, status, MEDIA_JSON);
}

void reply_problem_begin(struct request *req, enum err err, const struct why *why)
{
    assert(err != OK);
    if (err_kind(err) == ERR_KIND_BROKEN)
        log_every(100, LOG_LEVEL_ERROR, "http", "a request met a fault",
                  "route=%s code=%s why=%s " ORIGIN_FIELDS,
                  req->route == NULL ? "-" : req->route->name, err_slug(err),
                  LOG_QUOTED(why == NULL ? "" : why->text), ORIGIN_ARGS(req->id, req->trace));
    buf_clear(&req->out);
    buf_put_u8(&req->out, '{');
    int status = reply_status_of(err);
    req->err = err;
    if ((status == 429 || status == 503) && req->retry_after == NULL)
        req->retry_after = "1";
    if (routes_is_wukong(req->route)) {
        wukong_problem(req, err, why);
        return;
    }
    reply_problem_members(&req->out, err, why);
    jwrite_member_text(&req->out, "request_id", req->id);
    reply_send(req, status, MEDIA_PROBLEM);
}

void reply_problem_end(struct request *req)
{
    if (routes_is_wukong(req->route)) /* which has no more members */
        req->out.len = req->envelope_len;
    buf_put_u8(&req->out, '}');
}

void reply_problem(struct request *req, enum err err, const struct why *why)
{
    reply_problem_begin(req, err, why);
    reply_problem_end(req);
}

/* 307 to the leader's own address; false when that is not known. */
static bool redirect(struct request *req, node_id leader)
{
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    node_get_cluster(http_node(req->http), cluster);
    for (uint32_t i = 0; i < cluster->peers_count; i++) {
        const struct node_peer *peer = &cluster->peers[i];
        if (peer->id != leader || peer->http_address[0] == '\0')
            continue;
        size_t size = strlen(peer->http_address) + req->target.len + 9;
        char *location = arena_alloc(&req->arena, size);
        snprintf(location, size, "%s://%s%.*s", req->http->tls != NULL ? "https" : "http",
                 peer->http_address, (int)req->target.len, (const char *)req->target.data);
        req->location = location;
        buf_clear(&req->out);
        reply_send(req, 307, MEDIA_NONE);
        return true;
    }
    return false;
}

void reply_call_error(struct request *req, const struct node_call *call)
{
    assert(call->err != OK);
    if (req->wants_redirect && call->err == ERR_NOT_LEADER && call->leader != 0 &&
        redirect(req, call->leader))
        return;
    if (call->retry_after_ms > 0) {
        char *text = arena_alloc(&req->arena, 16);
        snprintf(text, 16, "%u", (call->retry_after_ms + 999) / 1000);
        req->retry_after = text;
    }
    reply_problem_begin(req, call->err, &call->why);
    jwrite_member_u64(&req->out, "slot", call->slot);
    if (call->leader != 0)
        jwrite_member_u64(&req->out, "leader", call->leader);
    reply_problem_end(req);
}

bool reply_calls_error(struct request *req)
{
    for (uint32_t i = 0; i < req->calls_count; i++) {
        if (req->calls[i].err != OK) {
            reply_call_error(req, &req->calls[i]);
            return true;
        }
    }
    return false;
}

bool reply_tag_matches(const char *header, const char *tag, bool weak)
{
    const char *at = header;
    if (weak && strncmp(tag, "W/", 2) == 0)
        tag += 2;
    size_t len = strlen(tag);
    while (*at != '\0') {
        at += strspn(at, " \t,");
        if (*at == '*')
            return true;
        if (weak && strncmp(at, "W/", 2) == 0)
            at += 2;
        size_t item = strcspn(at, ",");
        size_t trimmed = item;
        while (trimmed > 0 && (at[trimmed - 1] == ' ' || at[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed == len && memcmp(at, tag, len) == 0)
            return true;
        at += item;
    }
    return false;
}

bool reply_is_unchanged(struct request *req)
{
    if (req->headers.if_none_match == NULL || req->etag[0] == '\0' ||
        !reply_tag_matches(req->headers.if_none_match, req->etag, true))
        return false;
    buf_clear(&req->out);
    reply_send(req, 304, MEDIA_NONE);
    return true;
}
