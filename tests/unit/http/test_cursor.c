/* SPDX-License-Identifier: Apache-2.0 */
/* A cursor comes back whole, for its own list only. */
#include "base/buf.h"
#include "http/cursor.h"
#include "suites.h"

static struct arena arena;

static struct channel room(uint8_t type, const char *id)
{
    return (struct channel){type, bytes_of_string(id)};
}

START_TEST(round_trip)
{
    uint64_t scope = cursor_scope("messages", room(2, "a"), BYTES_NONE);
    struct cursor cursor = {.scope = scope,
                            .numbers = {1, UINT64_MAX, 0, 77, 5, 1},
                            .name = bytes_of_string("x/y")},
                  got;
    struct buf buf = BUF_INIT;
    cursor_append(&buf, &cursor);
    ck_assert(bytes_has_prefix(buf_bytes(&buf), bytes_of_string("AQ")) ||
              buf.data[0] == 'A'); /* version 1 in front */
    ck_assert_int_eq(cursor_parse(buf_bytes(&buf), scope, &arena, &got, NULL), OK);
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        ck_assert_uint_eq(got.numbers[i], cursor.numbers[i]);
    ck_assert(bytes_is_equal(got.name, cursor.name));
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(bound_to_its_list)
{
    uint64_t scopes[] = {cursor_scope("messages", room(2, "a"), BYTES_NONE),
                         cursor_scope("messages", room(3, "a"), BYTES_NONE),
                         cursor_scope("messages", room(2, "b"), BYTES_NONE),
                         cursor_scope("deletes", room(2, "a"), BYTES_NONE),
                         cursor_scope("channels", room(0, ""), bytes_of_string("a")),
                         cursor_scope("channels", room(0, ""), bytes_of_string("b"))};
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        struct cursor cursor = {.scope = scopes[i]}, got;
        struct buf buf = BUF_INIT;
        cursor_append(&buf, &cursor);
        for (size_t j = 0; j < ARRAY_LEN(scopes); j++)
            ck_assert_int_eq(cursor_parse(buf_bytes(&buf), scopes[j], &arena, &got, NULL),
                             i == j ? OK : ERR_BAD_PARAMETER);
        buf_done(&buf);
    }
    arena_done(&arena);
}
END_TEST

START_TEST(refuses_damage)
{
    struct cursor cursor = {.scope = 9, .numbers = {1, 2, 3, 4, 5, 6}}, got;
    struct buf buf = BUF_INIT;
    cursor_append(&buf, &cursor);
    for (size_t i = 0; i < buf.len; i++) {
        uint8_t was = buf.data[i];
        buf.data[i] = was == 'A' ? 'B' : 'A';
        ck_assert_int_eq(cursor_parse(buf_bytes(&buf), 9, &arena, &got, NULL), ERR_BAD_PARAMETER);
        buf.data[i] = was;
        ck_assert_int_eq(cursor_parse(bytes_of(buf.data, i), 9, &arena, &got, NULL),
                         ERR_BAD_PARAMETER);
    }
    ck_assert_int_eq(cursor_parse(bytes_of_string("hello!"), 9, &arena, &got, NULL),
                     ERR_BAD_PARAMETER);
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

Suite *suite_cursor(void)
{
    return UNIT_SUITE("cursor", 10, round_trip, bound_to_its_list, refuses_damage);
}
