/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 is strict, and decoding gives back what was encoded. */
#include "base/rng.h"
#include "http/base64.h"
#include "suites.h"

static struct arena arena;

static bool decodes(const char *text, const char *wanted)
{
    struct bytes got;
    if (!base64_decode(bytes_of_string(text), &arena, &got))
        return false;
    ck_assert(wanted != NULL && bytes_is_equal(got, bytes_of_string(wanted)));
    return true;
}

START_TEST(rfc4648_vectors)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"Zg==", "f"},
                                           {"Zm8=", "fo"},
                                           {"Zm9v", "foo"},
                                           {"Zm9vYg==", "foob"},
                                           {"Zm9vYmE=", "fooba"},
                                           {"Zm9vYmFy", "foobar"}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct buf buf = BUF_INIT;
        ck_assert(decodes(pairs[i][0], pairs[i][1]));
        base64_append(&buf, bytes_of_string(pairs[i][1]));
        ck_assert(bytes_is_equal(buf_bytes(&buf), bytes_of_string(pairs[i][0])));
        buf_done(&buf);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(refuses_all_but_strict)
{
    static const char *const bad[] = {
        "Z",     "Zg",   "Zg=",  "Zg===",    "=",    "====",    "Zh==",  "Zm9=", "Zm9v\n",
        " Zm9v", "Zm-v", "Zm_v", "Zg==Zg==", "Z===", "Zm\x80v", "Zm9vZ", "Z=g="};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!decodes(bad[i], NULL), "accepted '%s'", bad[i]);
    arena_done(&arena);
}
END_TEST

START_TEST(round_trip)
{
    struct rng rng = rng_of(7);
    for (size_t len = 0; len < 300; len++) {
        uint8_t data[300];
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)rng_next(&rng);
        struct buf standard = BUF_INIT, url = BUF_INIT;
        struct bytes got;
        base64_append(&standard, bytes_of(data, len));
        base64url_append(&url, bytes_of(data, len));
        ck_assert_uint_eq(standard.len, base64_encoded_len(len));
        ck_assert(base64_decode(buf_bytes(&standard), &arena, &got));
        ck_assert(bytes_is_equal(got, bytes_of(data, len)));
        ck_assert(base64url_decode(buf_bytes(&url), &arena, &got));
        ck_assert(bytes_is_equal(got, bytes_of(data, len)));
        buf_done(&standard);
        buf_done(&url);
    }
    arena_done(&arena);
}
END_TEST

Suite *suite_base64(void)
{
    return UNIT_SUITE("base64", 10, rfc4648_vectors, refuses_all_but_strict, round_trip);
}
