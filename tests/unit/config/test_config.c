/* SPDX-License-Identifier: Apache-2.0 */
/* Which source wins, how texts become values, and that what is printed can be read again. */
#include "load.h"

START_TEST(test_defaults)
{
    struct load load = load_with(NULL, NULL, NULL);
    ck_assert_int_eq(load.err, OK);
    ck_assert_int_eq(load.action, CONFIG_RUN);
    ck_assert_uint_eq(load.config.node_id, 1);
    ck_assert_str_eq(load.config.http_listen, "127.0.0.1:5001");
    ck_assert_uint_eq(load.config.http_max_body_bytes, 8 * 1024 * 1024);
    ck_assert_uint_eq(load.config.http_request_timeout_ms, 10000);
    ck_assert_uint_eq(load.config.cluster_slot_count, 64);
    ck_assert(!load.config.auth_allow_insecure);
    ck_assert_uint_eq(load.config.members_count, 0);
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++)
        ck_assert_int_eq(load.config.sources[i], CONFIG_DEFAULT);
    config_done(&load.config);
}
END_TEST

START_TEST(test_sources_win_in_order)
{
    const char *file = "node: {id: 2, data_dir: a}\nhttp:\n  listen: 127.0.0.1:1\n  threads: 3\n";
    struct load load =
        load_with(file, WORDS("LETHE_HTTP_LISTEN=127.0.0.1:2", "LETHE_NODE_DATA_DIR=b"),
                  WORDS("--http-listen", "127.0.0.1:3", "--set", "log.level=debug"));
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    ck_assert_str_eq(load.config.http_listen, "127.0.0.1:3");
    ck_assert_str_eq(load.config.node_data_dir, "b");
    ck_assert_uint_eq(load.config.node_id, 2);
    ck_assert_uint_eq(load.config.http_threads, 3);
    ck_assert_str_eq(load.config.log_level, "debug");
    ck_assert_int_eq(load.config.sources[CONFIG_OPTION_http_listen], CONFIG_FLAG);
    ck_assert_int_eq(load.config.sources[CONFIG_OPTION_node_data_dir], CONFIG_ENV);
    ck_assert_int_eq(load.config.sources[CONFIG_OPTION_node_id], CONFIG_FILE);
    ck_assert_int_eq(load.config.sources[CONFIG_OPTION_log_format], CONFIG_DEFAULT);
    config_done(&load.config);
}
END_TEST

START_TEST(test_flag_forms)
{
    struct load load =
        load_with(NULL, NULL,
                  WORDS("--data-dir=x", "--node-id", "7", "--auth-allow-insecure",
                        "--http-listen=0.0.0.0:80", "--storage-block-cache-bytes=1GiB"));
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    ck_assert_str_eq(load.config.node_data_dir, "x");
    ck_assert_uint_eq(load.config.node_id, 7);
    ck_assert(load.config.auth_allow_insecure);
    ck_assert_uint_eq(load.config.storage_block_cache_bytes, 1ull << 30);
    config_done(&load.config);
}
END_TEST

START_TEST(test_actions)
{
    static const struct {
        const char *flag;
        enum config_action action;
    } rows[] = {{"--check-config", CONFIG_CHECK},
                {"--print-config", CONFIG_PRINT},
                {"--help", CONFIG_HELP},
                {"-h", CONFIG_HELP},
                {"--version", CONFIG_VERSION}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct load load = load_with(NULL, NULL, WORDS((char *)rows[i].flag));
        ck_assert_int_eq(load.err, OK);
        ck_assert_int_eq(load.action, rows[i].action);
        config_done(&load.config);
    }
    struct load load = load_with(NULL, NULL, WORDS("--print-config", "--annotated"));
    ck_assert_int_eq(load.action, CONFIG_ANNOTATED);
    config_done(&load.config);
}
END_TEST

START_TEST(test_bad_flags)
{
    expect_refusal(load_with(NULL, NULL, WORDS("--http-lisen", "x")),
                   "did you mean '--http-listen'");
    expect_refusal(load_with(NULL, NULL, WORDS("--node-id")), "needs a value");
    expect_refusal(load_with(NULL, NULL, WORDS("start")), "is not a flag");
    expect_refusal(load_with(NULL, NULL, WORDS("--help=yes")), "takes no value");
    expect_refusal(load_with(NULL, NULL, WORDS("--set", "node.id")), "needs key=value");
    expect_refusal(load_with(NULL, NULL, WORDS("--set", "node.ids=3")), "did you mean 'node.id'");
    expect_refusal(load_with(NULL, NULL, WORDS("--set", "zzzzzzzz=3")), "no option 'zzzzzzzz'");
}
END_TEST

START_TEST(test_values_out_of_range)
{
    expect_refusal(load_with(NULL, NULL, WORDS("--node-id=0")),
                   "flag --node-id: 'node.id' is 0, but must be from 1 to 65535");
    expect_refusal(load_with(NULL, NULL, WORDS("--node-id=65536")), "from 1 to 65535");
    expect_refusal(load_with(NULL, NULL, WORDS("--node-id=-1")), "not a whole number");
    expect_refusal(load_with(NULL, NULL, WORDS("--node-id=99999999999999999999")),
                   "not a whole number");
    expect_refusal(load_with(NULL, NULL, WORDS("--node-id=")), "not a whole number");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-max-body-bytes=1")), "from 1KiB to 8MiB");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-max-body-bytes=8MB")), "a size like 8MiB");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-request-timeout=10")), "a time like 250ms");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-request-timeout=2h")), "from 10ms to 1h");
    expect_refusal(load_with(NULL, NULL, WORDS("--log-level=loud")),
                   "one of error|warn|info|debug");
    expect_refusal(load_with(NULL, NULL, WORDS("--log-level=")), "one of error|warn|info|debug");
    expect_refusal(load_with(NULL, NULL, WORDS("--auth-allow-insecure=yes")), "true or false");
    expect_refusal(load_with(NULL, NULL, WORDS("--data-dir=")), "0 bytes");
    expect_refusal(load_with(NULL, NULL, WORDS("--data-dir=a\nb")), "control characters");
}
END_TEST

START_TEST(test_environment)
{
    struct load load =
        load_with(NULL, WORDS("LETHE_CLUSTER_NODE_ID=9", "HOME=/", "LETHE_SERVER=x"), NULL);
    ck_assert_int_eq(load.err, OK);
    ck_assert_uint_eq(load.config.node_id, 9);
    ck_assert_uint_eq(load.config.warnings.count, 0);
    config_done(&load.config);

    load = load_with(NULL, WORDS("LETHE_HTTP_LISTN=1", "LETHE_SERVICE_HOST=10.0.0.1"), NULL);
    ck_assert_int_eq(load.err, OK);
    ck_assert_uint_eq(load.config.warnings.count, 2);
    ck_assert_ptr_nonnull(strstr(load.config.warnings.items[0], "LETHE_HTTP_LISTN"));
    config_done(&load.config);

    expect_refusal(load_with(NULL, WORDS("LETHE_NODE_ID=1", "LETHE_CLUSTER_NODE_ID=1"), NULL),
                   "set by two environment variables");
    expect_refusal(load_with(NULL, WORDS("LETHE_NODE_ID=x"), NULL),
                   "environment variable LETHE_NODE_ID: 'x' is not a whole number");
}
END_TEST

START_TEST(test_value_from_file_of_environment)
{
    char *dir = unit_temp_dir();
    char path[600], variable[700];
    snprintf(path, sizeof(path), "%s/id", dir);
    snprintf(variable, sizeof(variable), "LETHE_CLUSTER_ID_FILE=%s", path);
    ck_assert_int_eq(file_write_atomic(path, bytes_of_string("green\r\n"), 0600, NULL), OK);
    struct load load = load_with(NULL, WORDS(variable), NULL);
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    ck_assert_str_eq(load.config.cluster_id, "green");
    config_done(&load.config);

    load = load_with(NULL, WORDS("LETHE_CLUSTER_ID_FILE=/nonexistent/x"), NULL);
    ck_assert_int_eq(load.err, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(load.why.text, "LETHE_CLUSTER_ID_FILE"));
    config_done(&load.config);
    free(dir);
}
END_TEST

START_TEST(test_printed_file_gives_the_same_values)
{
    struct load one = load_with(NULL, NULL,
                                WORDS("--cluster-members=1@a:1, 2@b:2", "--cluster-id=c\"1\\",
                                      "--log-format=json", "--http-request-timeout=1500ms",
                                      "--storage-memtable-bytes=5000000"));
    ck_assert_msg(one.err == OK, "%s", one.why.text);
    struct buf text = BUF_INIT;
    config_print(&one.config, &text);
    struct load two = load_with(buf_string(&text), NULL, NULL);
    ck_assert_msg(two.err == OK, "%s in\n%s", two.why.text, buf_string(&text));
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++)
        ck_assert_msg(config_is_equal(&one.config, &two.config, (enum config_option)i), "%s",
                      config_key((enum config_option)i));
    ck_assert_ptr_nonnull(strstr(buf_string(&text), "# flag, restart\n"));
    ck_assert_ptr_nonnull(strstr(buf_string(&text), "# default, SIGHUP\n"));
    buf_done(&text);
    config_done(&one.config);
    config_done(&two.config);
}
END_TEST

START_TEST(test_annotated_file_is_the_one_in_conf)
{
    struct buf printed = BUF_INIT, stored = BUF_INIT;
    struct why why = {0};
    config_print_annotated(&printed);
    ck_assert_msg(file_read("conf/lethe.yaml", 1 << 20, &stored, &why) == OK, "%s", why.text);
    ck_assert_msg(bytes_is_equal(buf_bytes(&printed), buf_bytes(&stored)),
                  "conf/lethe.yaml is not what lethed --print-config --annotated prints");
    struct load load = load_with(buf_string(&stored), NULL, NULL);
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    struct load defaults = load_with(NULL, NULL, NULL);
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        ck_assert(config_is_equal(&load.config, &defaults.config, (enum config_option)i));
        ck_assert_int_eq(load.config.sources[i], CONFIG_FILE);
    }
    buf_done(&printed);
    buf_done(&stored);
    config_done(&load.config);
    config_done(&defaults.config);
}
END_TEST

START_TEST(test_help_names_every_flag)
{
    struct buf help = BUF_INIT;
    config_print_help(&help);
    ck_assert_ptr_nonnull(strstr(buf_string(&help), "--http-listen "));
    ck_assert_ptr_nonnull(strstr(buf_string(&help), "--cluster-raft-log-retention-keep-hours "));
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        char flag[200] = "--";
        snprintf(flag + 2, sizeof(flag) - 2, "%s=", config_key((enum config_option)i));
        for (char *at = flag; *at != '\0'; at++)
            *at = *at == '.' || *at == '_' ? '-' : *at;
        flag[strlen(flag) - 1] = '\0';
        ck_assert_msg(strstr(buf_string(&help), flag) != NULL, "%s", flag);
    }
    buf_done(&help);
}
END_TEST

Suite *suite_config(void)
{
    return UNIT_SUITE("config", 10, test_defaults, test_sources_win_in_order, test_flag_forms,
                      test_actions, test_bad_flags, test_values_out_of_range, test_environment,
                      test_value_from_file_of_environment, test_printed_file_gives_the_same_values,
                      test_annotated_file_is_the_one_in_conf, test_help_names_every_flag);
}
