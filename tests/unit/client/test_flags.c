/* SPDX-License-Identifier: Apache-2.0 */
/* Every form of flag, and what is no flag. */
#include "client/context.h"
#include "client/flags.h"
#include "suites.h"

#include <stdlib.h>

struct targets {
    bool is_on, has_number, has_maybe;
    const char *text;
    uint64_t number, time_ms, maybe_ms;
    double real;
    struct client_list list;
};

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static bool not_real(const char *name, void *arg)
{
    (void)arg;
    return strcmp(name, "real") != 0;
}

static enum err parse(struct targets *to, char **argv, bool (*takes)(const char *, void *),
                      const char **words, size_t *words_count, struct why *why)
{
    const struct client_flag flags[] = {
        {.name = "on", .letter = 'o', .kind = CLIENT_FLAG_SWITCH, .target = &to->is_on},
        {.name = "text", .kind = CLIENT_FLAG_TEXT, .target = &to->text},
        {.name = "number",
         .letter = 'n',
         .kind = CLIENT_FLAG_NUMBER,
         .target = &to->number,
         .min = 1,
         .max = 100,
         .is_given = &to->has_number},
        {.name = "time", .kind = CLIENT_FLAG_TIME, .target = &to->time_ms},
        {.name = "real", .kind = CLIENT_FLAG_REAL, .target = &to->real},
        {.name = "list", .kind = CLIENT_FLAG_LIST, .target = &to->list},
        {.name = "maybe",
         .letter = 'n', /* number's, too: whichever may be used */
         .kind = CLIENT_FLAG_MAY_TIME,
         .target = &to->maybe_ms,
         .is_given = &to->has_maybe}};
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    *to = (struct targets){.is_on = false};
    return client_flags_parse(flags, 7, takes, NULL, argc, argv, words, 2, words_count, why);
}

START_TEST(test_forms)
{
    struct targets to;
    const char *words[2];
    size_t count = 0;
    struct why why = {0};
    enum err err = parse(&to,
                         WORDS("one", "-o", "--text=a=b", "-n", "7", "--time", "2m", "--real=0.5",
                               "--list", "a,b", "--list=c", "--", "--two"),
                         NULL, words, &count, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    ck_assert(to.is_on && to.has_number && to.real == 0.5);
    ck_assert_str_eq(to.text, "a=b");
    ck_assert_uint_eq(to.number, 7);
    ck_assert_uint_eq(to.time_ms, 120000);
    ck_assert_uint_eq(to.list.count, 3);
    ck_assert_str_eq(to.list.items[2], "c");
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(words[0], "one");
    ck_assert_str_eq(words[1], "--two");
    client_list_done(&to.list);
}
END_TEST

START_TEST(test_refusals)
{
    static const char *const rows[][3] = {{"--nothing", NULL, "no flag '--nothing'"},
                                          {"-x", NULL, "no flag '-x'"},
                                          {"--number", NULL, "needs a value"},
                                          {"--number", "0", "from 1 to 100"},
                                          {"--number", "101", "from 1 to 100"},
                                          {"--number", "1x", "not a whole number"},
                                          {"--number", "-1", "not a whole number"},
                                          {"--number=", NULL, "not a whole number"},
                                          {"--time", "5y", "not a time"},
                                          {"--real", "1", "no flag '--real'"},
                                          {"--on=1", NULL, "takes no value"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct targets to;
        const char *words[2];
        size_t count = 0;
        struct why why = {0};
        ck_assert_int_eq(parse(&to, WORDS((char *)rows[i][0], (char *)rows[i][1]), not_real, words,
                               &count, &why),
                         ERR_BAD_PARAMETER);
        ck_assert_msg(strstr(why.text, rows[i][2]) != NULL, "%s", why.text);
    }
    struct targets to;
    const char *words[2];
    size_t count = 0;
    struct why why = {0};
    ck_assert_int_eq(parse(&to, WORDS("a", "b", "c"), NULL, words, &count, &why),
                     ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(why.text, "one word too many: 'c'"));
}
END_TEST

static bool only_maybe(const char *name, void *arg)
{
    (void)arg;
    return strcmp(name, "maybe") == 0;
}

START_TEST(test_a_value_that_may_be_missing)
{
    struct targets to;
    const char *words[2];
    size_t count = 0;
    ck_assert_int_eq(parse(&to, WORDS("--maybe", "word"), NULL, words, &count, NULL), OK);
    ck_assert(to.has_maybe && to.maybe_ms == 0 && count == 1);
    ck_assert_int_eq(parse(&to, WORDS("--maybe=2s"), NULL, words, &count, NULL), OK);
    ck_assert_uint_eq(to.maybe_ms, 2000);
    ck_assert_int_eq(parse(&to, WORDS("--maybe=x"), NULL, words, &count, NULL), ERR_BAD_PARAMETER);
    ck_assert_int_eq(parse(&to, WORDS("-n", "5"), only_maybe, words, &count, NULL), OK);
    ck_assert(to.has_maybe && !to.has_number && count == 1);
}
END_TEST

static enum err choose(struct client_context *context, const struct client_list *servers,
                       const struct client_trust *trust)
{
    const struct client_choice choice = {.servers = servers, .trust = *trust, .timeout_ms = 1000};
    return client_context_init(context, &choice, NULL);
}

START_TEST(test_context)
{
    struct client_context context;
    struct client_list servers = {.count = 0};
    struct client_trust trust = {0};
    unsetenv("LETHE_SERVER");
    unsetenv("LETHE_CACERT");
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    ck_assert_int_eq(choose(&context, &servers, &trust), OK);
    ck_assert_str_eq(context.servers.items[0], "http://127.0.0.1:5001");
    ck_assert_ptr_null(context.ca_file);
    ck_assert(!context.is_insecure);
    client_context_done(&context);
    setenv("LETHE_SERVER", "a,b:7", 1);
    setenv("LETHE_CACERT", "authority", 1);
    ck_assert_int_eq(choose(&context, &servers, &trust), OK);
    ck_assert_uint_eq(context.servers.count, 2);
    ck_assert_str_eq(context.servers.items[1], "http://b:7");
    ck_assert_str_eq(context.ca_file, "authority");
    trust = (struct client_trust){.ca_file = "other", .is_insecure = true};
    client_context_done(&context);
    ck_assert_int_eq(client_list_add(&servers, "c", NULL), OK);
    ck_assert_int_eq(choose(&context, &servers, &trust), OK);
    ck_assert_uint_eq(context.servers.count, 1);
    ck_assert_str_eq(context.servers.items[0], "http://c:5001");
    ck_assert_str_eq(context.ca_file, "other");
    ck_assert(context.is_insecure);
    client_context_done(&context);
    client_list_done(&servers);
}
END_TEST

Suite *suite_flags(void)
{
    return UNIT_SUITE("flags", 10, test_forms, test_refusals, test_a_value_that_may_be_missing,
                      test_context);
}
