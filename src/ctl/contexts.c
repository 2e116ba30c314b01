/* SPDX-License-Identifier: Apache-2.0 */
/* context ...: clusters by name, with their servers and tokens, in a file that only its owner reads. */
#include "client/url.h"
#include "ctl/show.h"

#include <stdio.h>

enum { TOKEN_MAX_BYTES = 4096 };

static int load(struct client_json **ret_store)
{
    struct why why = {0};
    enum err err = client_contexts_load(ret_store, &why);
    return err == OK ? CTL_OK : ctl_fail(CTL_LOCAL, "%s", why.text);
}

static int save(const struct client_json *store)
{
    struct why why = {0};
    enum err err = client_contexts_save(store, &why);
    return err == OK ? CTL_OK : ctl_fail(CTL_LOCAL, "%s", why.text);
}

static struct client_json *empty_map(void)
{
    struct client_json *node = NULL;
    enum err err = client_json_read(bytes_of_string("{}"), &node, NULL);
    assert(err == OK);
    return node;
}

static const struct client_json *find(const struct client_json *store, const char *name)
{
    return client_json_find(client_json_find(store, "contexts"), name);
}

static int no_context(const char *name)
{
    return ctl_fail(CTL_REFUSED, "there is no context '%s'; see: lethectl context ls", name);
}

/* Puts changed (NULL: nothing) in the place of the context of that name. */
static void replace(struct client_json *store, const char *name, const struct client_json *changed)
{
    const struct client_json *old = client_json_find(store, "contexts");
    struct client_json *all = client_json_is_map(old) ? client_json_copy(old) : empty_map();
    client_json_remove(all, name);
    if (changed != NULL)
        client_json_set_copy(all, name, changed);
    client_json_set_copy(store, "contexts", all);
    client_json_free(all);
}

/* ---- ls ----------------------------------------------------------------------------------------- */

struct listing {
    const char *current;
    struct client_table *table;
    struct buf json;
};

static void on_context(const char *name, const struct client_json *value, void *arg)
{
    struct listing *listing = arg;
    bool is_current = listing->current != NULL && strcmp(listing->current, name) == 0;
    bool has_token = client_json_text(value, "token", "")[0] != '\0';
    client_table_addf(listing->table, "%s", is_current ? "*" : "");
    client_table_addf(listing->table, "%s", name);
    ctl_add_text(listing->table, value, "servers");
    client_table_addf(listing->table, "%s", has_token ? "yes" : "-");
    ctl_add_text(listing->table, value, "cacert");
    buf_append_string(&listing->json, listing->json.len > 0 ? ",{\"name\":" : "{\"name\":");
    client_json_print_text(bytes_of_string(name), &listing->json);
    buf_append_string(&listing->json, ",\"servers\":");
    client_json_print_text(bytes_of_string(client_json_text(value, "servers", "")), &listing->json);
    buf_printf(&listing->json, ",\"has_token\":%s,\"current\":%s}", has_token ? "true" : "false",
               is_current ? "true" : "false");
}

int ctl_run_context_ls(struct ctl *ctl)
{
    static const char *const heads[] = {"", "CONTEXT", "SERVERS", "TOKEN", "CACERT"};
    struct client_json *store = NULL;
    int code = load(&store);
    if (code != CTL_OK)
        return code;
    struct buf out = BUF_INIT;
    struct listing listing = {.current = client_json_text(store, "current", NULL),
                              .table = client_table_new(heads, ARRAY_LEN(heads)),
                              .json = BUF_INIT};
    client_json_each(client_json_find(store, "contexts"), on_context, &listing);
    if (ctl->is_json)
        buf_printf(&out, "{\"contexts\":[%s]}\n", buf_string(&listing.json));
    else
        client_table_print(listing.table, &out);
    code = ctl_write(buf_bytes(&out));
    client_table_free(listing.table);
    client_json_free(store);
    buf_done(&listing.json);
    buf_done(&out);
    return code;
}

/* ---- use, rm ------------------------------------------------------------------------------------- */

int ctl_run_context_use(struct ctl *ctl)
{
    struct client_json *store = NULL;
    int code = load(&store);
    if (code == CTL_OK && find(store, ctl->words[0]) == NULL)
        code = no_context(ctl->words[0]);
    if (code == CTL_OK) {
        client_json_set_text(store, "current", bytes_of_string(ctl->words[0]));
        code = save(store);
    }
    client_json_free(store);
    return code;
}

int ctl_run_context_rm(struct ctl *ctl)
{
    struct client_json *store = NULL;
    int code = load(&store);
    if (code == CTL_OK && find(store, ctl->words[0]) == NULL)
        code = no_context(ctl->words[0]);
    if (code == CTL_OK)
        code = ctl_confirm(ctl, "Its servers and its token are forgotten.", "Remove it?");
    if (code == CTL_OK) {
        replace(store, ctl->words[0], NULL);
        if (strcmp(client_json_text(store, "current", ""), ctl->words[0]) == 0)
            client_json_remove(store, "current");
        code = save(store);
    }
    client_json_free(store);
    return code;
}

/* ---- set ----------------------------------------------------------------------------------------- */

/* The servers in their normal form, with commas. */
static int join_servers(const struct client_list *servers, struct buf *ret_text)
{
    struct why why = {0};
    for (size_t i = 0; i < servers->count; i++) {
        struct client_server server;
        char url[CLIENT_URL_SERVER_MAX_BYTES];
        if (client_url_parse_server(servers->items[i], &server, &why) != OK)
            return ctl_fail(CTL_USAGE, "%s", why.text);
        client_url_print_server(&server, url);
        buf_printf(ret_text, "%s%s", i > 0 ? "," : "", url);
    }
    return CTL_OK;
}

/* "-" is read from standard input, so that no command line shows it. */
static int take_token(const char *flag, struct buf *ret_token)
{
    char line[TOKEN_MAX_BYTES];
    if (strcmp(flag, "-") != 0) {
        buf_append_string(ret_token, flag);
    } else {
        if (fgets(line, sizeof(line), stdin) == NULL)
            return ctl_fail(CTL_LOCAL, "no token on standard input");
        buf_append(ret_token, line, strcspn(line, "\r\n"));
    }
    if (!client_is_plain(buf_string(ret_token)))
        return ctl_fail(CTL_USAGE, "a token is printable ASCII without blanks");
    return CTL_OK;
}

/* What the flags say, over what was there. */
static int fill(struct ctl *ctl, struct client_json *context)
{
    const struct ctl_flags *flags = &ctl->flags;
    struct buf text = BUF_INIT;
    int code = join_servers(&flags->servers, &text);
    if (code == CTL_OK && text.len > 0)
        client_json_set_text(context, "servers", buf_bytes(&text));
    buf_clear(&text);
    if (code == CTL_OK && flags->token != NULL) {
        code = take_token(flags->token, &text);
        if (text.len == 0)
            client_json_remove(context, "token");
        else if (code == CTL_OK)
            client_json_set_text(context, "token", buf_bytes(&text));
    }
    if (code == CTL_OK && flags->trust.ca_file != NULL)
        client_json_set_text(context, "cacert", bytes_of_string(flags->trust.ca_file));
    if (code == CTL_OK && client_json_text(context, "servers", NULL) == NULL)
        code = ctl_fail(CTL_USAGE, "a new context needs --server HOST:PORT,...");
    buf_done(&text);
    return code;
}

int ctl_run_context_set(struct ctl *ctl)
{
    const char *name = ctl->words[0];
    struct client_json *store = NULL, *context = NULL;
    int code = CTL_OK;
    if (!client_context_name_is_good(name))
        code = ctl_fail(CTL_USAGE, "'%s' is no name: 1 to 64 letters, digits, '.', '_', '-'", name);
    if (code == CTL_OK)
        code = load(&store);
    if (code == CTL_OK) {
        const struct client_json *old = find(store, name);
        context = client_json_is_map(old) ? client_json_copy(old) : empty_map();
        code = fill(ctl, context);
    }
    if (code == CTL_OK) {
        replace(store, name, context);
        if (client_json_text(store, "current", NULL) == NULL)
            client_json_set_text(store, "current", bytes_of_string(name));
        code = save(store);
    }
    client_json_free(context);
    client_json_free(store);
    return code;
}
