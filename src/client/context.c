/* SPDX-License-Identifier: Apache-2.0 */
#include "client/context.h"

#include "base/alloc.h"
#include "client/json.h"
#include "client/url.h"
#include "sys/file.h"

enum { STORE_MAX_BYTES = 1024 * 1024, NAME_MAX_BYTES = 64 };

#define DEFAULT_SERVER "http://127.0.0.1:5001"

static enum err add_server(struct client_context *context, const char *text, struct why *why)
{
    struct client_server server;
    enum err err = client_url_parse_server(text, &server, why);
    if (err != OK)
        return err;
    char normal[CLIENT_URL_SERVER_MAX_BYTES];
    client_url_print_server(&server, normal);
    return client_list_add(&context->servers, normal, why);
}

bool client_is_plain(const char *token)
{
    while (*token > ' ' && *token < 0x7f)
        token++;
    return *token == '\0';
}

/* ---- the file -------------------------------------------------------------------------------------- */

bool client_contexts_path(struct buf *ret_path)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    buf_clear(ret_path);
    if (config != NULL && config[0] == '/')
        buf_append_string(ret_path, config);
    else if (home != NULL && home[0] == '/')
        buf_printf(ret_path, "%s/.config", home);
    else
        return false;
    buf_append_string(ret_path, "/lethe/contexts.json");
    return true;
}

static enum err parse_store(const char *path, struct bytes text, struct client_json **ret_store,
                            struct why *why)
{
    struct why json_why = {0};
    struct client_json *store = NULL;
    if (client_json_read(text, &store, &json_why) != OK)
        return why_set(why, ERR_BAD_JSON, "'%s' is %s", path, json_why.text);
    if (!client_json_is_map(store)) {
        client_json_free(store);
        return why_set(why, ERR_BAD_JSON, "'%s' is not a JSON object", path);
    }
    *ret_store = store;
    return OK;
}

enum err client_contexts_load(struct client_json **ret_store, struct why *why)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    struct why read_why = {0};
    enum err err = OK;
    if (client_contexts_path(&path))
        err = file_read(buf_string(&path), STORE_MAX_BYTES, &text, &read_why);
    if (err == ERR_NOT_FOUND)
        err = OK;
    else if (err != OK)
        err = why_set(why, err, "%s", read_why.text);
    if (err == OK)
        err = parse_store(buf_string(&path),
                          text.len > 0 ? buf_bytes(&text) : bytes_of_string("{}"), ret_store, why);
    buf_done(&path);
    buf_done(&text);
    return err;
}

enum err client_contexts_save(const struct client_json *store, struct why *why)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    enum err err = OK;
    if (!client_contexts_path(&path))
        err = why_set(why, ERR_NOT_FOUND, "neither XDG_CONFIG_HOME nor HOME says where to keep it");
    if (err == OK) {
        char *folder = alloc_string(buf_string(&path));
        *strrchr(folder, '/') = '\0';
        err = file_make_dirs(folder, 0700, why);
        free(folder);
    }
    if (err == OK) {
        client_json_print(store, true, &text);
        buf_append_string(&text, "\n");
        err = file_write_atomic(buf_string(&path), buf_bytes(&text), 0600, why);
    }
    buf_done(&path);
    buf_done(&text);
    return err;
}

bool client_context_name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_BYTES &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* ---- choosing ------------------------------------------------------------------------------------- */

static const char *from_environment(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *first_of(const char *one, const char *other)
{
    return one != NULL ? one : other;
}

static const char *member(const struct client_json *node, const char *key)
{
    const char *text = client_json_text(node, key, NULL);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static enum err add_servers(struct client_context *context, const char *text, struct why *why)
{
    struct client_list list = {.count = 0};
    enum err err = client_list_add(&list, text, why);
    for (size_t i = 0; i < list.count && err == OK; i++)
        err = add_server(context, list.items[i], why);
    client_list_done(&list);
    return err;
}

/* Looks the name up; NULL: the file's current one, which may be none. */
static enum err find_context(struct client_context *context, const char *name,
                             const struct client_json **ret_found, struct why *why)
{
    enum err err = client_contexts_load(&context->store, why);
    if (err != OK)
        return err;
    const char *wanted = first_of(name, member(context->store, "current"));
    if (wanted == NULL)
        return OK;
    *ret_found = client_json_find(client_json_find(context->store, "contexts"), wanted);
    if (member(*ret_found, "servers") == NULL)
        return why_set(why, ERR_NOT_FOUND,
                       "there is no context '%.64s' with servers; see: lethectl context ls",
                       wanted);
    context->name = wanted;
    return OK;
}

/* *ret_found: the context that the servers are from, NULL: none. */
static enum err choose_servers(struct client_context *context, const struct client_choice *choice,
                               const struct client_json **ret_found, struct why *why)
{
    const char *variable = from_environment("LETHE_SERVER");
    enum err err = OK;
    if (choice->servers != NULL && choice->servers->count > 0) {
        for (size_t i = 0; i < choice->servers->count && err == OK; i++)
            err = add_server(context, choice->servers->items[i], why);
        return err;
    }
    if (choice->name == NULL && variable != NULL)
        return add_servers(context, variable, why);
    err = find_context(context, first_of(choice->name, from_environment("LETHE_CONTEXT")),
                       ret_found, why);
    if (err != OK)
        return err;
    return add_servers(context, first_of(member(*ret_found, "servers"), DEFAULT_SERVER), why);
}

/* The flag, else what belongs to the servers: the context's own, or the environment's for others. */
static const char *choose(const char *flag, const struct client_json *found, const char *key,
                          const char *variable)
{
    if (flag != NULL)
        return flag;
    return found != NULL ? member(found, key) : from_environment(variable);
}

enum err client_context_init(struct client_context *context, const struct client_choice *choice,
                             struct why *why)
{
    const struct client_json *found = NULL;
    memset(context, 0, sizeof(*context));
    enum err err = choose_servers(context, choice, &found, why);
    context->token = choose(choice->token, found, "token", "LETHE_TOKEN");
    context->ca_file = choose(choice->trust.ca_file, found, "cacert", "LETHE_CACERT");
    context->is_insecure = choice->trust.is_insecure;
    context->timeout_ms = choice->timeout_ms;
    if (err == OK && context->servers.count == 0)
        err = why_set(why, ERR_BAD_PARAMETER, "no server is named");
    if (err == OK && context->token != NULL && !client_is_plain(context->token))
        err = why_set(why, ERR_BAD_PARAMETER,
                      "the token has characters that no header can carry: it must be printable "
                      "ASCII without blanks");
    return err;
}

void client_context_done(struct client_context *context)
{
    client_list_done(&context->servers);
    client_json_free(context->store);
    context->store = NULL;
}

struct client *client_context_connect(const struct client_context *context)
{
    return client_context_connect_to(context, &context->servers, 0);
}

struct client *client_context_connect_to(const struct client_context *context,
                                         const struct client_list *servers,
                                         uint32_t connect_timeout_ms)
{
    const struct client_options options = {
        .servers = (const char *const *)servers->items,
        .servers_count = servers->count,
        .connect_timeout_ms = connect_timeout_ms,
        .timeout_ms = (uint32_t)context->timeout_ms,
        .token = context->token,
        .ca_file = context->ca_file,
        .is_insecure = context->is_insecure,
    };
    return client_new(&options);
}
