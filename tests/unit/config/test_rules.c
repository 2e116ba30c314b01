/* SPDX-License-Identifier: Apache-2.0 */
/* What needs several options: members, addresses, exposure. */
#include "load.h"

START_TEST(test_members)
{
    struct load load = load_with("node: {id: 2}\ncluster:\n  id: c\n  members:\n"
                                 "    - 3@c:11110\n    - 1@a:11110\n    - 2@[::1]:11110\n",
                                 NULL, NULL);
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    ck_assert_uint_eq(load.config.members_count, 3);
    ck_assert_uint_eq(load.config.members[0].id, 1);
    ck_assert_uint_eq(load.config.members[2].id, 3);
    ck_assert_str_eq(load.config.members[1].address, "[::1]:11110");
    config_done(&load.config);
}
END_TEST

START_TEST(test_bad_members)
{
    static const char *const rows[][2] = {
        {"1@a", "not host:port"},
        {"a:1", "not id@host:port"},
        {"x@a:1", "not id@host:port"},
        {"@a:1", "not id@host:port"},
        {"0@a:1", "from 1 to 65535"},
        {"65536@a:1", "from 1 to 65535"},
        {"1@a:1,1@b:1", "two members have the id 1"},
        {"1@a:1,2@a:1", "two members have the address 'a:1'"},
        {"2@a:1", "no such member"},
        {"1@a:70000", "number up to 65535"},
        {"1@::1:7", "needs brackets"},
        {"1@a:1,2@b:1", "'cluster.id' is required"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_refusal(load_with(NULL, NULL, WORDS("--cluster-members", (char *)rows[i][0])),
                       rows[i][1]);
}
END_TEST

START_TEST(test_exposure_needs_consent)
{
    static const char *const open[] = {"0.0.0.0:5001", "10.0.0.1:5001", "[::]:5001", "host:5001",
                                       "127.example.com:1"};
    static const char *const closed[] = {"127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1"};
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        expect_refusal(load_with(NULL, NULL, WORDS("--http-listen", (char *)open[i])),
                       "auth.allow_insecure");
        expect_refusal(load_with(NULL, NULL, WORDS("--http-listen", (char *)open[i])),
                       "'auth.tokens_file'");
        struct load load =
            load_with(NULL, NULL, WORDS("--http-listen", (char *)open[i], "--auth-allow-insecure"));
        ck_assert_int_eq(load.err, OK);
        config_done(&load.config);
        load = load_with(NULL, NULL,
                         WORDS("--http-listen", (char *)open[i], "--auth-tokens-file", "tokens"));
        ck_assert_int_eq(load.err, OK);
        ck_assert_uint_eq(load.config.warnings.count, 1);
        ck_assert_ptr_nonnull(strstr(load.config.warnings.items[0], "plain text"));
        config_done(&load.config);
    }
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        struct load load = load_with(NULL, NULL, WORDS("--http-listen", (char *)closed[i]));
        ck_assert_msg(load.err == OK, "%s", load.why.text);
        config_done(&load.config);
    }
    expect_refusal(load_with(NULL, NULL,
                             WORDS("--cluster-listen", "0.0.0.0:1", "--cluster-members",
                                   "1@a:1,2@b:1", "--cluster-id", "c")),
                   "'cluster.listen' is 0.0.0.0:1");
    struct load load =
        load_with(NULL, NULL,
                  WORDS("--cluster-listen", "0.0.0.0:1", "--cluster-members", "1@a:1,2@b:1",
                        "--cluster-id", "c", "--cluster-tls-key", "a", "--cluster-tls-authority",
                        "b", "--cluster-tls-certificate", "c"));
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    config_done(&load.config);
}
END_TEST

START_TEST(test_addresses)
{
    expect_refusal(load_with(NULL, NULL, WORDS("--http-listen", "5001")), "not host:port");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-listen", ":5001")), "not host:port");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-listen", "a:")), "number up to 65535");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-advertise", "a")), "'http.advertise'");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-tls-key", "a")), "go together");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-admin-listen", "0.0.0.0:1")),
                   "'http.admin_listen' is 0.0.0.0:1");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-admin-listen", "a")), "not host:port");
    expect_refusal(load_with(NULL, NULL, WORDS("--cluster-tls-key", "a")),
                   "more than one is missing");
    expect_refusal(
        load_with(NULL, NULL, WORDS("--cluster-tls-key", "a", "--cluster-tls-certificate", "a")),
        "go together: one is missing");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-tls-certificate", "a")), "go together");
    expect_refusal(load_with(NULL, NULL, WORDS("--http-max-body-bytes=1KiB")),
                   "larger than 'http.max_body_bytes'");
    char host[8];
    uint16_t port = 0;
    ck_assert_int_eq(config_split_address("[::1]:5001", host, sizeof(host), &port, NULL), OK);
    ck_assert_str_eq(host, "::1");
    ck_assert_uint_eq(port, 5001);
    ck_assert_int_eq(config_split_address("longhost:5001", host, sizeof(host), &port, NULL),
                     ERR_BAD_CONFIG);
}
END_TEST

START_TEST(test_log_rooms)
{
    static const char *const bad[] = {"net",        "net=",     "=debug",
                                      "nett=debug", "net=loud", "net=debug="};
    struct load load = load_with(NULL, NULL, WORDS("--log-rooms", "net=debug,http=warn"));
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    ck_assert_uint_eq(load.config.log_rooms.count, 2);
    ck_assert(config_is_reloadable(CONFIG_OPTION_log_rooms));
    config_done(&load.config);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_refusal(load_with(NULL, NULL, WORDS("--log-rooms", (char *)bad[i])),
                       "'log.rooms' has");
}
END_TEST

START_TEST(test_cors_origins)
{
    static const char *const good[] = {"*",
                                       "https://app.example.org",
                                       "http://localhost:3000,https://a.b:8443",
                                       "http://[::1]:8080",
                                       "capacitor://localhost",
                                       "http://10.0.0.1"};
    static const char *const bad[] = {"app.example.org",
                                      "https://",
                                      "https://a/",
                                      "https://a/path",
                                      "https://A.example.org",
                                      "https://a:443",
                                      "http://a:80",
                                      "https://a:0",
                                      "https://a:65536",
                                      "https://a:",
                                      "https://a:x",
                                      "https://a b",
                                      "null",
                                      "*,https://a",
                                      "https://a,https://b/",
                                      "https://user@a",
                                      "http://[::1",
                                      "http://[]",
                                      "://a",
                                      "1http://a"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct load load = load_with(NULL, NULL, WORDS("--http-cors-origins", (char *)good[i]));
        ck_assert_msg(load.err == OK, "%s: %s", good[i], load.why.text);
        ck_assert_uint_ge(load.config.http_cors_origins.count, 1);
        config_done(&load.config);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_refusal(load_with(NULL, NULL, WORDS("--http-cors-origins", (char *)bad[i])),
                       "'http.cors_origins' has");
}
END_TEST

/* Every type of option changes hands, with its source, and nothing that is fixed does. */
START_TEST(test_exchange)
{
    struct load a = load_with(NULL, NULL, WORDS("--log-rooms", "net=debug", "--node-id", "1"));
    struct load b = load_with(NULL, NULL,
                              WORDS("--log-rooms", "http=warn,node=info", "--log-level", "debug",
                                    "--http-max-body-bytes", "2MiB", "--http-request-timeout", "3s",
                                    "--http-max-connections", "7", "--cluster-balance=false",
                                    "--node-id", "2", "--metrics-prefix", "other_"));
    ck_assert_msg(a.err == OK && b.err == OK, "%s %s", a.why.text, b.why.text);
    config_exchange_reloadable(&a.config, &b.config);
    ck_assert_uint_eq(a.config.log_rooms.count, 2);
    ck_assert_str_eq(a.config.log_level, "debug");
    ck_assert_uint_eq(a.config.http_max_body_bytes, 2 * CONFIG_MIB);
    ck_assert_uint_eq(a.config.http_request_timeout_ms, 3000);
    ck_assert_uint_eq(a.config.http_max_connections, 7);
    ck_assert(!a.config.cluster_balance && b.config.cluster_balance);
    ck_assert_int_eq(a.config.sources[CONFIG_OPTION_log_level], CONFIG_FLAG);
    ck_assert_int_eq(b.config.sources[CONFIG_OPTION_log_level], CONFIG_DEFAULT);
    ck_assert_uint_eq(b.config.log_rooms.count, 1);
    ck_assert_str_eq(b.config.log_level, "info");
    ck_assert_uint_eq(a.config.node_id, 1);
    ck_assert_str_eq(a.config.metrics_prefix, "lethe_");
    config_exchange_reloadable(&a.config, &b.config);
    ck_assert_str_eq(a.config.log_rooms.items[0], "net=debug");
    ck_assert_uint_eq(b.config.http_max_connections, 7);
    config_done(&a.config);
    config_done(&b.config);
}
END_TEST

START_TEST(test_metrics_prefix)
{
    static const char *const good[] = {"wukongim_", "a", "_x9:", "Lethe_"};
    static const char *const bad[] = {"9a_", "a-b_", "a b", "l\xc3\xa9the_", "{"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct load load = load_with(NULL, NULL, WORDS("--metrics-prefix", (char *)good[i]));
        ck_assert_msg(load.err == OK, "%s", load.why.text);
        config_done(&load.config);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_refusal(load_with(NULL, NULL, WORDS("--metrics-prefix", (char *)bad[i])),
                       "'metrics.prefix' is");
}
END_TEST

Suite *suite_rules(void)
{
    return UNIT_SUITE("rules", 10, test_members, test_bad_members, test_exposure_needs_consent,
                      test_addresses, test_log_rooms, test_cors_origins, test_exchange,
                      test_metrics_prefix);
}
