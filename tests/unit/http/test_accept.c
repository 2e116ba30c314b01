/* SPDX-License-Identifier: Apache-2.0 */
/* Which form a reply takes, and what a body is. */
#include "http/accept.h"
#include "suites.h"

START_TEST(chooses)
{
    static const uint8_t offers[] = {MEDIA_JSON, MEDIA_NDJSON, MEDIA_CSV};
    static const struct {
        const char *accept;
        enum media media;
    } rows[] = {{NULL, MEDIA_JSON},
                {"", MEDIA_JSON},
                {"*/*", MEDIA_JSON},
                {"application/json", MEDIA_JSON},
                {"APPLICATION/JSON", MEDIA_JSON},
                {"application/x-ndjson", MEDIA_NDJSON},
                {"application/*", MEDIA_JSON},
                {"text/*", MEDIA_CSV},
                {"text/csv, */*;q=0.1", MEDIA_CSV},
                {"application/json;q=0.5, application/x-ndjson", MEDIA_NDJSON},
                {"application/json;q=0, */*;q=0.2", MEDIA_NDJSON},
                {"text/html,application/xhtml+xml,*/*;q=0.8", MEDIA_JSON},
                {"image/png", MEDIA_NONE},
                {"application/json;q=0", MEDIA_NONE},
                {"application/jsonx", MEDIA_NONE},
                {"nonsense", MEDIA_NONE},
                {",;,", MEDIA_NONE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(accept_choose(rows[i].accept, offers, 3) == rows[i].media, "%s",
                      rows[i].accept);
}
END_TEST

START_TEST(knows_bodies)
{
    static const struct {
        const char *type;
        bool ok;
        enum body_form form;
        bool is_text;
    } rows[] = {{NULL, true, BODY_IS_JSON, false},
                {"application/json", true, BODY_IS_JSON, false},
                {"application/json; charset=UTF-8", true, BODY_IS_JSON, false},
                {"application/json;charset=\"utf-8\"", true, BODY_IS_JSON, false},
                {"application/json; charset=latin1", false, BODY_IS_JSON, false},
                {"application/x-ndjson", true, BODY_IS_NDJSON, false},
                {"application/octet-stream", true, BODY_IS_RAW, false},
                {"text/plain; charset=latin1", true, BODY_IS_RAW, true},
                {"image/png", true, BODY_IS_RAW, false},
                {"video/mp4", true, BODY_IS_RAW, false},
                {"application/x-www-form-urlencoded", false, BODY_IS_JSON, false},
                {"multipart/form-data; boundary=x", false, BODY_IS_JSON, false},
                {"application/xml", false, BODY_IS_JSON, false},
                {"", false, BODY_IS_JSON, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum body_form form = BODY_IS_EMPTY;
        bool is_text = false;
        ck_assert_msg(accept_body_form(rows[i].type, &form, &is_text) == rows[i].ok, "%s",
                      rows[i].type);
        if (rows[i].ok) {
            ck_assert_int_eq(form, rows[i].form);
            ck_assert_int_eq(is_text, rows[i].is_text);
        }
    }
}
END_TEST

Suite *suite_accept(void)
{
    return UNIT_SUITE("accept", 10, chooses, knows_bodies);
}
