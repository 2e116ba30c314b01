/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/rng.h"

START_TEST(pieces_are_aligned_and_do_not_overlap)
{
    enum { PIECES = 3000 };
    struct rng rng = rng_of(7);
    struct arena arena;
    arena_init(&arena);
    uint8_t *pieces[PIECES];
    size_t sizes[PIECES];
    for (int i = 0; i < PIECES; i++) {
        /* Mostly small, now and then larger than any chunk. */
        sizes[i] = rng_below(&rng, 50) == 0 ? rng_below(&rng, 600000) : rng_below(&rng, 200);
        pieces[i] = arena_alloc(&arena, sizes[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i & 0xff, sizes[i]);
    }
    size_t total = 0;
    for (int i = 0; i < PIECES; i++) {
        size_t same = 0;
        while (same < sizes[i] && pieces[i][same] == (i & 0xff))
            same++;
        ck_assert_uint_eq(same, sizes[i]);
        total += sizes[i];
    }
    ck_assert_uint_ge(arena.used, total);
    arena_done(&arena);
    ck_assert_uint_eq(arena.used, 0);
    ck_assert_ptr_null(arena.chunks);
}
END_TEST

START_TEST(clear_uses_the_memory_again)
{
    struct arena arena;
    arena_init(&arena);
    arena_clear(&arena); /* fine when nothing is in it */
    for (int i = 0; i < 100; i++)
        arena_alloc(&arena, 1000);
    arena_clear(&arena);
    ck_assert_uint_eq(arena.used, 0);
    const void *first = arena_alloc(&arena, 1000);
    arena_clear(&arena);
    ck_assert_ptr_eq(arena_alloc(&arena, 1000), first);
    arena_done(&arena);
}
END_TEST

START_TEST(clear_lets_go_of_a_huge_chunk)
{
    struct arena arena;
    arena_init(&arena);
    arena_alloc(&arena, 8 << 20);
    arena_clear(&arena);
    ck_assert_ptr_null(arena.chunks);
    arena_done(&arena);
}
END_TEST

START_TEST(copies_are_copies)
{
    struct arena arena;
    arena_init(&arena);
    char from[] = "abc";
    struct bytes copy = arena_copy(&arena, bytes_of_string(from));
    const char *text = arena_string(&arena, bytes_of(from, 2));
    const uint8_t *zeros = arena_zero(&arena, 100);
    from[0] = 'X';
    ck_assert(bytes_is_equal(copy, bytes_of_string("abc")));
    ck_assert_str_eq(text, "ab");
    ck_assert_str_eq(arena_string(&arena, BYTES_NONE), "");
    ck_assert_uint_eq(arena_copy(&arena, BYTES_NONE).len, 0);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(zeros[i], 0);
    arena_done(&arena);
}
END_TEST

Suite *suite_arena(void)
{
    return UNIT_SUITE("arena", 20, pieces_are_aligned_and_do_not_overlap,
                      clear_uses_the_memory_again, clear_lets_go_of_a_huge_chunk,
                      copies_are_copies);
}
