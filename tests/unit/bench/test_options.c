/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: what they set, and what is refused. */
#include "bench/options.h"
#include "suites.h"

#include <stdlib.h>

#define WORDS(...) ((char *[]){(char *)"lethe-bench", __VA_ARGS__, NULL})

static enum err parse(struct bench_options *options, char **argv, enum bench_command *command,
                      struct why *why)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    unsetenv("LETHE_SERVER");
    return bench_options_parse(options, argc, argv, command, why);
}

START_TEST(test_values)
{
    struct bench_options options;
    enum bench_command command;
    struct why why = {0};
    enum err err = parse(&options,
                         WORDS("batch", "-c", "16", "--batch=200", "-t", "a:1,b", "--duration",
                               "500ms", "--skew", "1.1", "--encoding", "base64", "--threads", "64"),
                         &command, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    ck_assert_int_eq(command, BENCH_RUN);
    ck_assert_int_eq(options.workload, BENCH_BATCH);
    ck_assert_uint_eq(options.clients, 16);
    ck_assert_uint_eq(options.threads, 16);
    ck_assert_uint_eq(options.batch, 200);
    ck_assert_uint_eq(options.duration_ms, 500);
    ck_assert_uint_eq(options.preload, 0);
    ck_assert(options.skew == 1.1 && options.is_base64);
    ck_assert_uint_eq(options.targets.count, 2);
    ck_assert_str_eq(options.targets.items[0], "http://a:1");
    ck_assert_str_eq(options.targets.items[1], "http://b:5001");
    bench_options_done(&options);
}
END_TEST

START_TEST(test_reads_and_deletes_preload)
{
    struct bench_options options;
    enum bench_command command;
    ck_assert_int_eq(parse(&options, WORDS("delete"), &command, NULL), OK);
    ck_assert_uint_eq(options.delete_size, 10000);
    ck_assert_uint_eq(options.preload, 100000);
    bench_options_done(&options);
    ck_assert_int_eq(parse(&options, WORDS("page", "--preload", "0"), &command, NULL), OK);
    ck_assert_uint_eq(options.preload, 0);
    bench_options_done(&options);
}
END_TEST

START_TEST(test_refusals)
{
    static const char *const rows[][4] = {{"singel", NULL, NULL, "no workload"},
                                          {"single", "-c", "0", "from 1 to"},
                                          {"single", "--size", "31", "from 32"},
                                          {"single", "--duration", "soon", "not a time"},
                                          {"single", "--encoding", "hex", "not utf8"},
                                          {"single", "--token", "a b", "printable"},
                                          {"single", "--prefix", "a b", "no blanks"},
                                          {"single", "--bath", "5", "no flag"},
                                          {"single", "extra", NULL, "too many"},
                                          {"mixed", "--mix", "append=50", "not 100"},
                                          {"mixed", "--mix", "append=50,x=50", "no part"},
                                          {"mixed", "--mix", "append", "kind=percent"},
                                          {"verify", NULL, NULL, "needs --journal"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench_options options;
        enum bench_command command;
        struct why why = {0};
        enum err err =
            parse(&options, WORDS((char *)rows[i][0], (char *)rows[i][1], (char *)rows[i][2]),
                  &command, &why);
        ck_assert_int_eq(err, ERR_BAD_PARAMETER);
        ck_assert_msg(strstr(why.text, rows[i][3]) != NULL, "%zu: %s", i, why.text);
        bench_options_done(&options);
    }
}
END_TEST

START_TEST(test_mix)
{
    struct bench_mix mix = {0};
    ck_assert_int_eq(bench_mix_parse("append=60,delete=40", &mix, NULL), OK);
    ck_assert_uint_eq(mix.append, 60);
    ck_assert_uint_eq(mix.delete, 40);
    ck_assert_uint_eq(mix.page, 0);
}
END_TEST

START_TEST(test_help)
{
    struct buf out = BUF_INIT;
    bench_options_help(&out);
    for (int i = 0; i < BENCH_WORKLOADS; i++)
        ck_assert_ptr_nonnull(
            strstr(buf_string(&out), bench_workload_name((enum bench_workload)i)));
    ck_assert_ptr_nonnull(strstr(buf_string(&out), "--verify-local"));
    buf_done(&out);
}
END_TEST

Suite *suite_options(void)
{
    return UNIT_SUITE("options", 10, test_values, test_reads_and_deletes_preload, test_refusals,
                      test_mix, test_help);
}
