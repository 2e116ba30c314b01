/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "http/reply.h"
#include "http/routes.h"
#include "http/server.h"
#include "sys/log.h"

enum err access_init(struct access *access, const char *path, struct why *why)
{
    mutex_init(&access->lock);
    access->tokens = NULL;
    access->path = path != NULL && path[0] != '\0' ? alloc_string(path) : NULL;
    return access->path == NULL ? OK : tokens_load(access->path, &access->tokens, why);
}

void access_done(struct access *access)
{
    tokens_free(access->tokens);
    free(access->path);
    mutex_done(&access->lock);
}

enum err access_reload(struct access *access, struct why *why)
{
    struct tokens *fresh = NULL;
    if (access->path == NULL)
        return OK;
    enum err err = tokens_load(access->path, &fresh, why);
    if (err != OK)
        return err;
    uint32_t count = tokens_count(fresh);
    mutex_lock(&access->lock);
    struct tokens *before = access->tokens;
    access->tokens = fresh;
    mutex_unlock(&access->lock);
    tokens_free(before);
    log_info("http", "tokens were read again", "count=%u", count);
    return OK;
}

/* ---- who asks ------------------------------------------------------------------------------------------ */

/* What the token may do, copied: the set may be replaced while the request goes on. */
static void keep_caller(struct request *req, const struct token *token)
{
    size_t size = token->grants_count * sizeof(*token->grants);
    struct bytes copy = arena_copy(&req->arena, bytes_of(token->grants, size));
    struct token_grant *grants = (struct token_grant *)(uintptr_t)copy.data;
    for (uint32_t i = 0; i < token->grants_count; i++)
        grants[i].prefix = arena_copy(&req->arena, grants[i].prefix);
    req->caller.name = arena_string(&req->arena, bytes_of_string(token->name));
    req->caller.grants = grants;
    req->caller.grants_count = token->grants_count;
}

static bool find_caller(struct request *req, struct bytes token)
{
    struct access *access = &req->http->access;
    uint8_t hash[TOKEN_HASH_BYTES];
    if (token.len < TOKEN_MIN_BYTES || token.len > TOKEN_MAX_BYTES)
        return false;
    token_hash(token, hash);
    mutex_lock(&access->lock);
    const struct token *found = tokens_find(access->tokens, hash);
    if (found != NULL)
        keep_caller(req, found);
    mutex_unlock(&access->lock);
    return found != NULL;
}

static enum err no_token(struct request *req, const char *header, struct why *why)
{
    const char *roles = token_role_names(req->route->access & ROLES_ALL, &req->arena);
    req->wants_token = true;
    if (header == NULL)
        return why_set(why, ERR_UNAUTHORIZED,
                       "this route takes a token with the role %s: send it as 'Authorization: "
                       "Bearer TOKEN'",
                       roles);
    req->has_bad_token = true;
    if (req->headers.has_two_authorizations)
        return why_set(why, ERR_UNAUTHORIZED, "'Authorization' is there more than once");
    if (token_of_header(header).len == 0)
        return why_set(why, ERR_UNAUTHORIZED, "'Authorization' is not 'Bearer' and a token");
    return why_set(why, ERR_UNAUTHORIZED, "this token is not known here");
}

/* ---- what for ------------------------------------------------------------------------------------------ */

static bool names_channel(const struct route *route)
{
    return strstr(route->path, "{c}") != NULL;
}

/* Whether this grant is enough before the channel is known. */
static bool fits_route(const struct route *route, const struct token_grant *grant)
{
    if ((grant->role & route->access) == 0)
        return false;
    return !grant->is_limited || names_channel(route) ||
           (route->access & (ACCESS_NO_CHANNEL | ACCESS_IN_BODY)) != 0;
}

/* Orders come by their own listener, where there is one. */
static bool is_at_wrong_door(const struct request *req)
{
#ifdef LETHE_MUTANT_any_door
    return false;
#endif
    return req->http->admin_address[0] != '\0' && !request_is_by_admin_door(req) &&
           (req->route->access & (ROLES_ALL | ACCESS_OPEN)) == ROLE_ADMIN;
}

enum err access_check(struct request *req, struct why *why)
{
    const struct route *route = req->route;
    if (is_at_wrong_door(req))
        return why_set(why, ERR_FORBIDDEN, "this route is at 'http.admin_listen' only");
    const char *header = req->headers.authorization;
    if (req->http->access.path == NULL || (route->access & ACCESS_OPEN) != 0)
        return OK;
#ifndef LETHE_MUTANT_strangers_welcome
    if (header == NULL || req->headers.has_two_authorizations ||
        !find_caller(req, token_of_header(header)))
        return no_token(req, header, why);
#endif
#ifdef LETHE_MUTANT_any_role
    return OK;
#endif
    bool has_role = false;
    for (uint32_t i = 0; i < req->caller.grants_count; i++) {
        if (fits_route(route, &req->caller.grants[i]))
            return OK;
        has_role = has_role || (req->caller.grants[i].role & route->access) != 0;
    }
    if (has_role)
        return why_set(why, ERR_FORBIDDEN,
                       "the token '%s' is for some channels, and this route is about all of them",
                       req->caller.name);
    return why_set(why, ERR_FORBIDDEN, "the token '%s' does not have the role %s", req->caller.name,
                   token_role_names(route->access & ROLES_ALL, &req->arena));
}

enum err access_check_channel(struct request *req, struct channel channel, struct why *why)
{
    if (req->http->access.path == NULL)
        return OK;
#ifdef LETHE_MUTANT_any_channel
    return OK;
#endif
    for (uint32_t i = 0; i < req->caller.grants_count; i++) {
        const struct token_grant *grant = &req->caller.grants[i];
        if ((grant->role & req->route->access) == 0)
            continue;
        if (!grant->is_limited ||
            (grant->type == channel.type && bytes_has_prefix(channel.id, grant->prefix)))
            return OK;
    }
    return why_set(why, ERR_FORBIDDEN, "the token '%s' is not for this channel",
                   req->caller.name == NULL ? "" : req->caller.name);
}

/* ---- the audit ----------------------------------------------------------------------------------------- */

/* Orders that change something and whatever deletes, and who was denied one. What operators only read
 * is worth a line where somebody asked for it. */
static bool is_audited(const struct request *req)
{
    unsigned roles = req->route == NULL ? 0 : req->route->access & ROLES_ALL;
    if (roles != ROLE_DELETE && roles != ROLE_ADMIN)
        return false;
#ifdef LETHE_MUTANT_denied_is_silent
    if (req->status == 401 || req->status == 403)
        return false;
#endif
    bool is_denied = req->status == 401 || req->status == 403;
    return is_denied || strcmp(req->route->method, "GET") != 0 ||
           HTTP_TUNED(req->http, audit_reads);
}

/* The target without its query, of which nobody knows what it holds. */
static const char *path_of(const struct request *req, char ret_text[LOG_QUOTE_SIZE])
{
    const uint8_t *query =
        req->target.len == 0 ? NULL : memchr(req->target.data, '?', req->target.len);
    size_t len = query == NULL ? req->target.len : (size_t)(query - req->target.data);
    if (len >= LOG_QUOTE_SIZE)
        len = LOG_QUOTE_SIZE - 1;
    if (len > 0)
        memcpy(ret_text, req->target.data, len);
    ret_text[len] = '\0';
    return ret_text;
}

static void log_refusal(const struct request *req, const char *remote)
{
    if (req->status == 401 || req->status == 403)
        log_every(1000, LOG_LEVEL_WARN, "http", "a request was refused",
                  "token=%s route=%s code=%s " ORIGIN_FIELDS " client=%s",
                  req->caller.name == NULL ? "-" : req->caller.name,
                  req->route == NULL ? "-" : req->route->name, err_slug(req->err),
                  ORIGIN_ARGS(req->id, req->trace), remote);
}

void access_audit(const struct request *req, const char *remote)
{
    char path[LOG_QUOTE_SIZE];
    log_refusal(req, remote);
    if (!is_audited(req))
        return;
    /* 0: the client left before there was an answer, so that what became of it is not known here. */
    const char *result = req->status == 0 ? "unknown" : err_slug(req->err);
    log_info("audit", "an order or a delete",
             "operator=%s method=%s path=%s status=%d result=%s " ORIGIN_FIELDS " client=%s",
             req->caller.name == NULL ? "-" : req->caller.name, req->route->method,
             LOG_QUOTED(path_of(req, path)), req->status, result, ORIGIN_ARGS(req->id, req->trace),
             remote);
}

/* ---- every request ------------------------------------------------------------------------------------- */

/* At most so many lines a second; *ret_left_out: how many were left out since the last one. Loops that
 * meet in the moment when a second begins may write a few more. */
static bool may_write_line(struct access *access, uint64_t now_us, uint64_t *ret_left_out)
{
    uint64_t second = now_us / 1000000, before = atomic_load(&access->line_second);
    if (before != second && atomic_compare_exchange_strong(&access->line_second, &before, second))
        atomic_store(&access->lines, 0);
    bool may = atomic_fetch_add(&access->lines, 1) < HTTP_ACCESS_LINES_MAX;
    if (may)
        *ret_left_out = atomic_exchange(&access->lines_left_out, 0);
    else
        atomic_fetch_add(&access->lines_left_out, 1);
    return may;
}

void access_log(const struct request *req, const char *remote, uint64_t now_us)
{
    char path[LOG_QUOTE_SIZE];
    uint64_t left_out = 0;
    if (!HTTP_TUNED(req->http, log_access) || !log_is_on(LOG_LEVEL_INFO, "access") ||
        !may_write_line(&req->http->access, now_us, &left_out))
        return;
    const char *method = req->route == NULL ? "-" : req->is_head ? "HEAD" : req->route->method;
    log_write(LOG_LEVEL_INFO, "access", left_out, "a request",
              " token=%s method=%s path=%s status=%d code=%s bytes=%llu us=%llu " ORIGIN_FIELDS
              " client=%s",
              req->caller.name == NULL ? "-" : req->caller.name, method,
              LOG_QUOTED(path_of(req, path)), req->status, err_slug(req->err),
              (unsigned long long)req->sent_bytes, (unsigned long long)(now_us - req->started_us),
              ORIGIN_ARGS(req->id, req->trace), remote);
}
