/* SPDX-License-Identifier: Apache-2.0 */
/* Every error has a status that fits its kind, and no problem tells what is inside. */
#include <stdio.h>
#include <jansson.h>

#include "http/jwrite.h"
#include "http/payload.h"
#include "http/reply.h"
#include "store/rows.h"
#include "suites.h"

static bool fits(enum err err, int status)
{
    switch (err_kind(err)) {
    case ERR_KIND_NONE:
        return status == 200;
    case ERR_KIND_INPUT:
        return status == 501 || (status >= 400 && status < 500);
    case ERR_KIND_STATE:
        return status == 404 || status == 409 || status == 410 || status == 412 || status == 422;
    case ERR_KIND_REFUSED:
        return status == 429 || status == 503 || status == 507;
    case ERR_KIND_UNKNOWN:
        return status == 504;
    case ERR_KIND_BROKEN:
        return status == 500;
    }
    return false;
}

START_TEST(statuses_fit_kinds)
{
    for (int err = 0; err < ERR_COUNT; err++)
        ck_assert_msg(fits((enum err)err, reply_status_of((enum err)err)), "%s is told as %d",
                      err_slug((enum err)err), reply_status_of((enum err)err));
}
END_TEST

static json_t *members_of(enum err err, const struct why *why)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, '{');
    reply_problem_members(&buf, err, why);
    buf_put_u8(&buf, '}');
    json_t *ret = json_loadb((const char *)buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(ret);
    buf_done(&buf);
    return ret;
}

START_TEST(problems_are_whole)
{
    for (int err = 1; err < ERR_COUNT; err++) {
        struct why why;
        why_set(&why, (enum err)err, "secret \"path\" \\ /var/x\n");
        json_t *problem = members_of((enum err)err, &why);
        bool is_broken = err_kind((enum err)err) == ERR_KIND_BROKEN;
        ck_assert_str_eq(json_string_value(json_object_get(problem, "code")),
                         is_broken ? "internal" : err_slug((enum err)err));
        ck_assert_int_eq(json_integer_value(json_object_get(problem, "status")),
                         reply_status_of((enum err)err));
        const char *detail = json_string_value(json_object_get(problem, "detail"));
        ck_assert_int_eq(strstr(detail, "secret") != NULL, !is_broken);
        ck_assert_ptr_nonnull(json_object_get(problem, "title"));
        ck_assert_ptr_nonnull(json_object_get(problem, "type"));
        json_decref(problem);
    }
    json_t *problem = members_of(ERR_NO_LEADER, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(problem, "detail")),
                     err_sentence(ERR_NO_LEADER));
    json_decref(problem);
}
END_TEST

START_TEST(tags_match)
{
    ck_assert(reply_tag_matches("\"a\"", "\"a\"", false));
    ck_assert(reply_tag_matches("*", "\"a\"", false));
    ck_assert(reply_tag_matches("\"b\", \"a\"", "\"a\"", false));
    ck_assert(reply_tag_matches("W/\"a\"", "W/\"a\"", true));
    ck_assert(reply_tag_matches("\"a\"", "W/\"a\"", true));
    ck_assert(!reply_tag_matches("W/\"a\"", "\"a\"", false));
    ck_assert(!reply_tag_matches("\"b\"", "\"a\"", true));
    ck_assert(!reply_tag_matches("", "\"a\"", true));
    ck_assert(!reply_tag_matches("\"a", "\"a\"", true));
    ck_assert(!reply_tag_matches(", ,", "\"a\"", true));
}
END_TEST

START_TEST(strings_are_escaped)
{
    struct buf buf = BUF_INIT;
    uint8_t all[128];
    for (int i = 0; i < 128; i++)
        all[i] = (uint8_t)i;
    jwrite_string(&buf, bytes_of(all, sizeof(all)));
    json_t *back =
        json_loadb((const char *)buf.data, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(back);
    ck_assert_uint_eq(json_string_length(back), 128);
    ck_assert_int_eq(memcmp(json_string_value(back), all, 128), 0);
    json_decref(back);
    buf_clear(&buf);
    jwrite_u64(&buf, UINT64_MAX);
    ck_assert_str_eq(buf_string(&buf), "18446744073709551615");
    buf_done(&buf);
}
END_TEST

/* http/payload.h repeats the numbers of a header that the room does not see. */
_Static_assert((int)PAYLOAD_IS_BASE64 == (int)PAYLOAD_BASE64, "base64");
_Static_assert((int)PAYLOAD_IS_UTF8 == (int)PAYLOAD_UTF8, "utf8");
_Static_assert((int)PAYLOAD_IS_JSON == (int)PAYLOAD_JSON, "json");

START_TEST(encodings_have_names)
{
    static const char *const names[] = {"base64", "utf8", "json"};
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t got = 99;
        ck_assert(payload_encoding_parse(bytes_of_string(names[i]), &got));
        ck_assert_uint_eq(got, i);
    }
    uint8_t got = 99;
    ck_assert(!payload_encoding_parse(bytes_of_string("BASE64"), &got));
    ck_assert(!payload_encoding_parse(BYTES_NONE, &got));
}
END_TEST

Suite *suite_reply(void)
{
    return UNIT_SUITE("reply", 10, statuses_fit_kinds, problems_are_whole, tags_match,
                      strings_are_escaped, encodings_have_names);
}
