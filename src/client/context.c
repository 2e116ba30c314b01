/* SPDX-License-Identifier: Apache-2.0 */
#include "client/context.h"

#include "base/alloc.h"
#include "client/url.h"

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

static bool is_plain(const char *token)
{
    while (*token > ' ' && *token < 0x7f)
        token++;
    return *token == '\0';
}

enum err client_context_init(struct client_context *context, const struct client_list *servers,
                             const char *token, const struct client_trust *trust,
                             uint64_t timeout_ms, struct why *why)
{
    memset(context, 0, sizeof(*context));
    struct client_list from_environment = {.count = 0};
    const char *variable = getenv("LETHE_SERVER");
    enum err err = OK;
    if (servers->count == 0) {
        const char *text = variable != NULL && variable[0] != '\0' ? variable : DEFAULT_SERVER;
        err = client_list_add(&from_environment, text, why);
        servers = &from_environment;
    }
    for (size_t i = 0; i < servers->count && err == OK; i++)
        err = add_server(context, servers->items[i], why);
    client_list_done(&from_environment);
    context->token = token != NULL ? token : getenv("LETHE_TOKEN");
    context->ca_file = trust->ca_file != NULL ? trust->ca_file : getenv("LETHE_CACERT");
    if (context->ca_file != NULL && context->ca_file[0] == '\0')
        context->ca_file = NULL;
    context->is_insecure = trust->is_insecure;
    context->timeout_ms = timeout_ms;
    if (err == OK && context->token != NULL && !is_plain(context->token))
        err = why_set(why, ERR_BAD_PARAMETER,
                      "the token has characters that no header can carry: it must be printable "
                      "ASCII without blanks");
    return err;
}

void client_context_done(struct client_context *context)
{
    client_list_done(&context->servers);
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
