/* SPDX-License-Identifier: Apache-2.0 */
/* Which servers and which token a command line, the environment and the file of contexts mean
 * together; and the file itself. */
#include "client/context.h"
#include "client/json.h"
#include "suites.h"
#include "sys/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char store_text[] =
    "{\"current\":\"prod\",\"contexts\":{"
    "\"prod\":{\"servers\":\"p1,p2:7\",\"token\":\"prod-token\",\"cacert\":\"prod-ca\"},"
    "\"try\":{\"servers\":\"t1\"},\"empty\":{}}}";

static char dir[600];

static void start(const char *text)
{
    static const char *const names[] = {"LETHE_SERVER", "LETHE_TOKEN", "LETHE_CONTEXT",
                                        "LETHE_CACERT"};
    char *temp = unit_temp_dir();
    char path[700];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    snprintf(dir, sizeof(dir), "%s", temp);
    setenv("XDG_CONFIG_HOME", dir, 1);
    snprintf(path, sizeof(path), "%s/lethe", dir);
    ck_assert_int_eq(file_make_dirs(path, 0700, NULL), OK);
    snprintf(path, sizeof(path), "%s/lethe/contexts.json", dir);
    if (text != NULL)
        ck_assert_int_eq(file_write_atomic(path, bytes_of_string(text), 0600, NULL), OK);
    free(temp);
}

/* "server token cacert" of what is chosen; NULL flags: not given. */
static const char *chosen(const char *server, const char *name, const char *token)
{
    static char text[300];
    struct client_list servers = {.count = 0};
    struct client_context context;
    struct why why = {0};
    if (server != NULL)
        ck_assert_int_eq(client_list_add(&servers, server, NULL), OK);
    const struct client_choice choice = {.servers = &servers, .name = name, .token = token};
    enum err err = client_context_init(&context, &choice, &why);
    if (err != OK)
        snprintf(text, sizeof(text), "%s", why.text);
    else
        snprintf(text, sizeof(text), "%s %s %s", context.servers.items[context.servers.count - 1],
                 context.token != NULL ? context.token : "-",
                 context.ca_file != NULL ? context.ca_file : "-");
    client_context_done(&context);
    client_list_done(&servers);
    return text;
}

START_TEST(test_order)
{
    start(store_text);
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://p2:7 prod-token prod-ca");
    ck_assert_str_eq(chosen(NULL, "try", NULL), "http://t1:5001 - -");
    ck_assert_str_eq(chosen(NULL, "prod", "mine"), "http://p2:7 mine prod-ca");
    setenv("LETHE_CONTEXT", "try", 1);
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://t1:5001 - -");
    ck_assert_str_eq(chosen(NULL, "prod", NULL), "http://p2:7 prod-token prod-ca");
    setenv("LETHE_SERVER", "e1,e2", 1);
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://e2:5001 - -");
    ck_assert_str_eq(chosen(NULL, "try", NULL), "http://t1:5001 - -");
    setenv("LETHE_SERVER", "", 1);
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://t1:5001 - -");
    start(NULL);
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://127.0.0.1:5001 - -");
}
END_TEST

/* A context's token goes to its own servers alone, and the environment's to no context's. */
START_TEST(test_tokens_stay_with_their_servers)
{
    start(store_text);
    setenv("LETHE_TOKEN", "env-token", 1);
    ck_assert_str_eq(chosen("other", NULL, NULL), "http://other:5001 env-token -");
    ck_assert_str_eq(chosen("other", "prod", NULL), "http://other:5001 env-token -");
    ck_assert_str_eq(chosen(NULL, "try", NULL), "http://t1:5001 - -");
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://p2:7 prod-token prod-ca");
    setenv("LETHE_SERVER", "e1", 1);
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://e1:5001 env-token -");
}
END_TEST

START_TEST(test_bad_files)
{
    start(store_text);
    ck_assert_ptr_nonnull(
        strstr(chosen(NULL, "no", NULL), "there is no context 'no' with servers"));
    ck_assert_ptr_nonnull(strstr(chosen(NULL, "empty", NULL), "there is no context 'empty'"));
    start("{\"current\":");
    ck_assert_ptr_nonnull(strstr(chosen(NULL, NULL, NULL), "contexts.json' is not JSON at line 1"));
    ck_assert_str_eq(chosen("given", NULL, NULL), "http://given:5001 - -"); /* not read */
    start("[]");
    ck_assert_ptr_nonnull(strstr(chosen(NULL, NULL, NULL), "is not a JSON object"));
    start("{\"current\":7,\"contexts\":[]}");
    ck_assert_str_eq(chosen(NULL, NULL, NULL), "http://127.0.0.1:5001 - -");
}
END_TEST

START_TEST(test_saved_for_the_owner_alone)
{
    struct client_json *store = NULL;
    struct stat info;
    char path[700];
    start(NULL);
    ck_assert_int_eq(file_remove_tree(dir, NULL), OK);
    ck_assert_int_eq(client_json_read(bytes_of_string(store_text), &store, NULL), OK);
    ck_assert_int_eq(client_contexts_save(store, NULL), OK);
    client_json_free(store);
    snprintf(path, sizeof(path), "%s/lethe/contexts.json", dir);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ck_assert_str_eq(chosen(NULL, "try", NULL), "http://t1:5001 - -");
    ck_assert(client_context_name_is_good("a-b_c.9"));
    ck_assert(!client_context_name_is_good("") && !client_context_name_is_good("a/b"));
}
END_TEST

Suite *suite_contexts(void)
{
    return UNIT_SUITE("contexts", 20, test_order, test_tokens_stay_with_their_servers,
                      test_bad_files, test_saved_for_the_owner_alone);
}
