/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are right in odd ways, and files that are wrong, with the place of the fault. */
#include "load.h"

static void expect_fault(const char *file, const char *place, const char *text)
{
    struct load load = load_with(file, NULL, NULL);
    ck_assert_int_eq(load.err, ERR_BAD_CONFIG);
    ck_assert_msg(strstr(load.why.text, place) != NULL, "'%s' lacks '%s'", load.why.text, place);
    expect_refusal(load, text);
}

START_TEST(test_forms_that_are_right)
{
    static const char *const files[] = {"",
                                        "# nothing\n",
                                        "---\n",
                                        "http:\n",
                                        "http: {listen: '127.0.0.1:9'}\n",
                                        "http.listen: 127.0.0.1:9\n",
                                        "cluster:\n  raft_log_retention: {keep_hours: 1}\n"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct load load = load_with(files[i], NULL, NULL);
        ck_assert_msg(load.err == OK, "%zu: %s", i, load.why.text);
        config_done(&load.config);
    }
}
END_TEST

START_TEST(test_lists)
{
    struct load load =
        load_with("cluster:\n  id: c\n  members:\n    - 1@a:1\n    - '2@b:2'\n", NULL, NULL);
    ck_assert_msg(load.err == OK, "%s", load.why.text);
    ck_assert_uint_eq(load.config.cluster_members.count, 2);
    ck_assert_str_eq(load.config.cluster_members.items[1], "2@b:2");
    config_done(&load.config);
    load = load_with("cluster: {id: c, members: '1@a:1, 2@b:1,,3@c:1 '}", NULL, NULL);
    ck_assert_uint_eq(load.config.cluster_members.count, 3);
    ck_assert_str_eq(load.config.cluster_members.items[2], "3@c:1");
    config_done(&load.config);
    expect_fault("node: {id: [1, 2]}", ":1:12", "takes one value");
    expect_fault("cluster: {members: [[a]]}", ":1:21", "plain texts only");
}
END_TEST

START_TEST(test_faults_with_their_place)
{
    expect_fault("http:\n  lisen: x\n", "lethe.yaml:2:3: ", "did you mean 'http.listen'?");
    expect_fault("htpp:\n  listen: x\n", ":1:1: ", "there is no option 'htpp'");
    expect_fault("http:\n  threads: many\n", ":2:12: ", "'many' is not a whole number");
    expect_fault("http: 5\n", ":1:7: ", "'http' is a section");
    expect_fault("node:\n  id: {a: 1}\n", ":2:7: ", "'node.id' is an option, not a section");
    expect_fault("node:\n  id: 1\n  id: 2\n", ":3:3: ", "'node.id' is given twice");
    expect_fault("node: {id: 1}\nnode.id: 2\n", ":2:1: ", "'node.id' is given twice");
    expect_fault("node: [1]\n", ":1:7: ", "'node' is a section");
    expect_fault("- a\n", ":1:1: ", "must hold sections");
    expect_fault("node: {id: 1}\n---\nnode: {id: 1}\n", ":2:1: ", "second document");
    expect_fault("node: &a {id: 1}\n", ":1:7: ", "anchors");
    expect_fault("a: *b\n", ":1:1: ", "there is no option");
    expect_fault("? [a]\n: b\n", ":1:3: ", "a key must be a plain text");
    expect_fault("node: {id: \"1\\0\"}\n", ":1:12: ", "NUL");
    expect_fault("node: {id: 1\n", ":2:1: ", "did not find");
    expect_fault("\tnode: 1\n", ":1:1: ", "cannot start any token");
    expect_fault("erasure: {deadline: 1d}\n", ":1:1: ", "'erasure' is planned");
    expect_fault("erasure: {deadline: 30}\n", ":1:1: ", "'erasure' is planned");
}
END_TEST

START_TEST(test_missing_file)
{
    struct load load = load_with(NULL, NULL, WORDS("--config", "/nonexistent/lethe.yaml"));
    ck_assert_int_eq(load.err, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(load.why.text, "/nonexistent/lethe.yaml"));
    config_done(&load.config);
}
END_TEST

Suite *suite_yaml(void)
{
    return UNIT_SUITE("yaml", 10, test_forms_that_are_right, test_lists,
                      test_faults_with_their_place, test_missing_file);
}
