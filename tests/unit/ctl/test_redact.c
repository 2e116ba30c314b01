/* SPDX-License-Identifier: Apache-2.0 */
/* What a bundle must not hold is gone, and everything else is as it was; and the archive's form. */
#include "base/alloc.h"
#include "ctl/redact.h"
#include "ctl/tar.h"
#include "suites.h"

#include <stdlib.h>
#include <string.h>

static const char *redacted(const char *text, const char *known)
{
    static char kept[4096];
    struct buf out = BUF_INIT;
    ctl_redact(bytes_of_string(text), known, &out);
    ck_assert_uint_lt(out.len, sizeof(kept));
    strcpy(kept, buf_string(&out));
    buf_done(&out);
    return kept;
}

START_TEST(test_secrets_go)
{
    static const char *const rows[][2] = {
        {"GET /x Authorization: Bearer abc.def-1\r\nA: b",
         "GET /x Authorization: Bearer [removed]\r\nA: b"},
        {"token=abc, next", "token=[removed], next"},
        {"auth_token: \"a b\\\"c\" end", "auth_token: \"[removed]\" end"},
        {"{\"password\":\"p w\",\"x\":1}", "{\"password\":\"[removed]\",\"x\":1}"},
        {"{\"password\" : 12}", "{\"password\" : [removed]}"},
        {"{\"key\":\"auth.token\",\"value\":\"\\\"abc\\\"\",\"source\":\"env\"}",
         "{\"key\":\"auth.token\",\"value\":\"[removed]\",\"source\":\"env\"}"},
        {"MY_SECRET=x\nNEXT=y", "MY_SECRET=[removed]\nNEXT=y"},
        {"a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb",
         "a\n[removed]\nb"},
        {"-----BEGIN PRIVATE KEY-----\nMHc", "[removed]"},
        {"curl -H 'Basic dXNlcg=='", "curl -H 'Basic [removed]'"},
        {"it says hunter2!", "it says [removed]!"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_str_eq(redacted(rows[i][0], "hunter2"), rows[i][1]);
}
END_TEST

START_TEST(test_the_rest_stays)
{
    static const char *const rows[] = {
        "",
        "token",
        "token=",
        "token=\nx",
        "the token is read from a file",
        "tokens_file: /etc/lethe/tokens",
        "{\"key\":\"auth.tokens_file\",\"value\":\"\\\"/etc/x\\\"\",\"source\":\"file\"}",
        "{\"slot\":1,\"digest\":\"00ff\",\"secretary\":\"bob\"}",
        "-----BEGIN CERTIFICATE-----\nMHc\n-----END CERTIFICATE-----\n",
        "lethe_http_requests_total{route=\"livez\",code=\"2xx\"} 5\n",
        "\x80\xff bytes \x01"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_str_eq(redacted(rows[i], NULL), rows[i]);
    ck_assert_str_eq(redacted("a b", ""), "a b");
}
END_TEST

START_TEST(test_tar)
{
    struct buf archive = BUF_INIT;
    ctl_tar_add(&archive, "d/a", bytes_of_string("hello"), 1000000000);
    ctl_tar_add(&archive, "d/empty", BYTES_NONE, 1000000000);
    ctl_tar_end(&archive);
    ck_assert_uint_eq(archive.len, 512 + 512 + 512 + 1024);
    ck_assert_str_eq((const char *)archive.data, "d/a");
    ck_assert_str_eq((const char *)archive.data + 124, "00000000005");
    ck_assert_str_eq((const char *)archive.data + 136, "07346545000");
    ck_assert_int_eq(memcmp(archive.data + 257, "ustar\00000", 8), 0);
    unsigned sum = 0;
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : archive.data[i];
    ck_assert_uint_eq(strtoul((const char *)archive.data + 148, NULL, 8), sum);
    ck_assert_int_eq(memcmp(archive.data + 512, "hello\0", 6), 0);
    buf_done(&archive);
}
END_TEST

Suite *suite_redact(void)
{
    return UNIT_SUITE("redact", 20, test_secrets_go, test_the_rest_stays, test_tar);
}
