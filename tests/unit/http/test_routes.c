/* SPDX-License-Identifier: Apache-2.0 */
/* The route table, and that api/openapi.yaml says the same: paths, methods, parameters, body types,
 * codes, statuses. */
#include <stdio.h>
#include <strings.h>
#include <jansson.h>

#include "http/access.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/routes.h"
#include "openapi_json.h"
#include "suites.h"

static struct arena arena;

static const struct route *find(const char *target)
{
    struct path path;
    ck_assert_int_eq(path_parse(bytes_of_string(target), &arena, &path, NULL), OK);
    return routes_find_path(&path);
}

START_TEST(finds_paths)
{
    static const struct {
        const char *target, *path;
    } rows[] = {{"/livez", "/livez"},
                {"/livez/", NULL},
                {"/", NULL},
                {"//livez", NULL},
                {"/v1/channels", "/v1/channels"},
                {"/v1/channels/", NULL},
                {"/v1/channels/2", NULL},
                {"/v1/channels/2/a", "/v1/channels/{t}/{c}"},
                {"/v1/channels/2/a%2Fmessages", "/v1/channels/{t}/{c}"},
                {"/v1/channels/2/a/messages", "/v1/channels/{t}/{c}/messages"},
                {"/v1/channels/2/../messages", "/v1/channels/{t}/{c}/messages"},
                {"/v1/channels/2/a/messages:batch", "/v1/channels/{t}/{c}/messages:batch"},
                {"/v1/channels/2/a/messages%3Abatch", "/v1/channels/{t}/{c}/messages:batch"},
                {"/v1/channels/2/a/messages:nothing", NULL},
                {"/v1/channels/2/a/messages/7", "/v1/channels/{t}/{c}/messages/{seq}"},
                {"/v1/channels/2/a/messages/7/", NULL},
                {"/v1/admin/nodes/3:promote", "/v1/admin/nodes/{n}:promote"},
                {"/v1/admin/nodes/3", "/v1/admin/nodes/{n}"},
                {"/v1/jobs/4:cancel", "/v1/jobs/{id}:cancel"},
                {"/v1/jobs/4", "/v1/jobs/{id}"},
                {"/V1/channels", NULL},
                {"/ui/", "/ui/"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct route *route = find(rows[i].target);
        if (rows[i].path == NULL)
            ck_assert_msg(route == NULL, "'%s' is %s", rows[i].target,
                          route == NULL ? "" : route->path);
        else
            ck_assert_msg(route != NULL && strcmp(route->path, rows[i].path) == 0, "'%s'",
                          rows[i].target);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(names_methods)
{
    const struct route *route = find("/v1/channels/2/a/messages");
    ck_assert_str_eq(routes_allow(route, &arena), "POST, GET, HEAD, DELETE, OPTIONS");
    ck_assert_str_eq(routes_find_method(route, "DELETE")->name, "delete_range");
    ck_assert_ptr_null(routes_find_method(route, "PATCH"));
    ck_assert_ptr_null(routes_find_method(route, "get"));
    arena_done(&arena);
}
END_TEST

/* ---- against api/openapi.yaml ------------------------------------------------------------------------ */
static json_t *load(void)
{
    json_error_t error;
    json_t *doc = json_loadb((const char *)openapi_json, sizeof(openapi_json),
                             JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(doc != NULL, "%s", error.text);
    return doc;
}

static json_t *get(json_t *object, const char *key)
{
    json_t *ret = json_object_get(object, key);
    ck_assert_msg(ret != NULL, "no '%s'", key);
    return ret;
}

static const char *lower(const char *method, char ret[16])
{
    size_t i = 0;
    for (; method[i] != '\0' && i < 15; i++)
        ret[i] = (char)(method[i] | 0x20);
    ret[i] = '\0';
    return ret;
}

/* Follows "#/components/<kind>/<name>". */
static json_t *resolve(json_t *doc, json_t *value)
{
    const char *ref = json_string_value(json_object_get(value, "$ref"));
    if (ref == NULL)
        return value;
    char kind[64], name[64];
    ck_assert_int_eq(sscanf(ref, "#/components/%63[^/]/%63s", kind, name), 2);
    return get(get(get(doc, "components"), kind), name);
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len) {
        bool starts = at == words || at[-1] == ' ';
        if (starts && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

static size_t count_words(const char *words)
{
    size_t count = 0;
    for (const char *at = words; *at != '\0';) {
        at += strspn(at, " ");
        size_t len = strcspn(at, " ");
        count += len > 0;
        at += len;
    }
    return count;
}

static void check_parameters(json_t *doc, const struct route *route, json_t *operation)
{
    size_t i, in_query = 0, in_path = 0;
    json_t *item;
    json_array_foreach(json_object_get(operation, "parameters"), i, item)
    {
        json_t *parameter = resolve(doc, item);
        const char *name = json_string_value(get(parameter, "name"));
        const char *where = json_string_value(get(parameter, "in"));
        if (strcmp(where, "path") == 0) {
            char wanted[64];
            snprintf(wanted, sizeof(wanted), "{%s}", name);
            ck_assert_msg(strstr(route->path, wanted) != NULL, "%s has no %s", route->path, wanted);
            in_path++;
        } else if (strcmp(where, "query") == 0 && strcmp(name, "pretty") != 0) {
            ck_assert_msg(has_word(route->parameters, name), "%s %s does not take '%s'",
                          route->method, route->path, name);
            in_query++;
        }
    }
    size_t braces = 0;
    for (const char *at = route->path; *at != '\0'; at++)
        braces += *at == '{';
    ck_assert_msg(in_path == braces, "path parameters of %s", route->path);
    if (route->parameters != NULL)
        ck_assert_msg(in_query == count_words(route->parameters), "query parameters of %s %s",
                      route->method, route->path);
}

static void check_body(const struct route *route, json_t *operation)
{
    json_t *body = json_object_get(operation, "requestBody");
    json_t *content = json_object_get(body, "content");
    if ((route->takes & TAKES_ANY) != 0)
        return;
    bool json = json_object_get(content, "application/json") != NULL;
    bool ndjson = json_object_get(content, "application/x-ndjson") != NULL;
    bool raw = json_object_get(content, "application/octet-stream") != NULL;
    ck_assert_msg(json == ((route->takes & TAKES_JSON) != 0), "%s", route->path);
    ck_assert_msg(ndjson == ((route->takes & TAKES_NDJSON) != 0), "%s", route->path);
    ck_assert_msg(raw == ((route->takes & TAKES_RAW) != 0), "%s", route->path);
}

static void check_offers(const struct route *route, json_t *operation)
{
    json_t *responses = json_object_get(operation, "responses");
    json_t *done = json_object_get(responses, "200");
    if (done == NULL) /* what is only begun */
        done = json_object_get(responses, "202");
    json_t *content = json_object_get(done, "content");
    size_t offers = 0;
    for (; offers < ROUTE_OFFERS_MAX && route->offers[offers] != MEDIA_NONE; offers++) {
        char type[64];
        snprintf(type, sizeof(type), "%s", reply_media_type((enum media)route->offers[offers]));
        type[strcspn(type, ";")] = '\0';
        ck_assert_msg(json_object_get(content, type) != NULL, "%s %s has no %s", route->method,
                      route->path, type);
    }
    ck_assert_msg(offers == json_object_size(content), "%s %s", route->method, route->path);
}

/* Who may ask stands in every row, and the description says whom a stranger can ask. */
static void check_access(const struct route *route, json_t *operation)
{
    bool is_open = (route->access & ACCESS_OPEN) != 0;
    bool has_roles = (route->access & ROLES_ALL) != 0;
    json_t *security = json_object_get(operation, "security");
    json_t *responses = get(operation, "responses");
    ck_assert_msg(is_open != has_roles, "%s %s: state its roles, or that it is open", route->method,
                  route->path);
    ck_assert_msg(is_open == (security != NULL && json_array_size(security) == 0),
                  "'security' of %s %s", route->method, route->path);
    ck_assert_msg(is_open == (json_object_get(responses, "401") == NULL), "401 of %s %s",
                  route->method, route->path);
    ck_assert_msg(is_open == (json_object_get(responses, "403") == NULL), "403 of %s %s",
                  route->method, route->path);
}

START_TEST(all_routes_are_described)
{
    json_t *doc = load(), *paths = get(doc, "paths");
    char method[16];
    for (uint32_t i = 0; i < routes_count; i++) {
        json_t *path = json_object_get(paths, routes[i].path);
        json_t *operation = json_object_get(path, lower(routes[i].method, method));
        ck_assert_msg(operation != NULL, "%s %s is not described", routes[i].method,
                      routes[i].path);
        check_parameters(doc, &routes[i], operation);
        check_body(&routes[i], operation);
        check_offers(&routes[i], operation);
        check_access(&routes[i], operation);
    }
    json_decref(doc);
}
END_TEST

START_TEST(all_descriptions_have_routes)
{
    json_t *doc = load(), *path, *operation;
    const char *name, *method;
    size_t count = 0;
    json_object_foreach(get(doc, "paths"), name, path)
    {
        json_object_foreach(path, method, operation)
        {
            bool found = false;
            for (uint32_t i = 0; i < routes_count; i++)
                found = found || (strcmp(routes[i].path, name) == 0 &&
                                  strcasecmp(routes[i].method, method) == 0);
            ck_assert_msg(found, "%s %s has no route", method, name);
            count++;
        }
    }
    ck_assert_uint_eq(count, routes_count);
    json_decref(doc);
}
END_TEST

START_TEST(all_codes_are_described)
{
    json_t *doc = load();
    json_t *schemas = get(get(doc, "components"), "schemas");
    json_t *codes = get(get(schemas, "Code"), "enum");
    ck_assert_uint_eq(json_array_size(codes), ERR_COUNT - 1);
    for (int err = 1; err < ERR_COUNT; err++) {
        size_t i;
        json_t *code;
        bool found = false;
        json_array_foreach(codes, i, code) found =
            found || strcmp(json_string_value(code), err_slug((enum err)err)) == 0;
        ck_assert_msg(found, "'%s' is not described", err_slug((enum err)err));
    }
    json_decref(doc);
}
END_TEST

/* Every status that an error can have is some shared response. */
START_TEST(all_statuses_are_described)
{
    json_t *doc = load(), *path, *operation;
    const char *name, *method;
    bool seen[600] = {false};
    json_object_foreach(get(doc, "paths"), name, path)
    {
        json_object_foreach(path, method, operation)
        {
            const char *status;
            json_t *response;
            json_object_foreach(get(operation, "responses"), status, response)
            {
                int number = 0;
                ck_assert_int_eq(sscanf(status, "%d", &number), 1);
                ck_assert(number >= 200 && number < 600);
                ck_assert_ptr_nonnull(get(resolve(doc, response), "description"));
                seen[number] = true;
            }
        }
    }
    for (int err = 0; err < ERR_COUNT; err++) {
        int status = reply_status_of((enum err)err);
        ck_assert_msg(seen[status], "%d is not described", status);
    }
    json_decref(doc);
}
END_TEST

Suite *suite_routes(void)
{
    return UNIT_SUITE("routes", 10, finds_paths, names_methods, all_routes_are_described,
                      all_descriptions_have_routes, all_codes_are_described,
                      all_statuses_are_described);
}
