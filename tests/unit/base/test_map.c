/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/map.h"
#include "base/rng.h"

/* The model: keys in the order they came, found by looking at all. */
enum { MODEL_MAX = 400 };
struct model {
    struct {
        uint8_t key[40];
        size_t len;
        void *value;
    } rows[MODEL_MAX];
    size_t count;
};

static size_t model_find(const struct model *model, struct bytes key)
{
    size_t at = 0;
    while (at < model->count &&
           !bytes_is_equal(bytes_of(model->rows[at].key, model->rows[at].len), key))
        at++;
    return at;
}

static void model_remove(struct model *model, size_t at)
{
    memmove(&model->rows[at], &model->rows[at + 1],
            (model->count - at - 1) * sizeof(model->rows[0]));
    model->count--;
}

/* A walk gives what the model holds, in its order. */
static void compare_walk(const struct map *map, const struct model *model)
{
    size_t at = 0, seen = 0;
    struct bytes key;
    void *value;
    while (map_next(map, &at, &key, &value)) {
        ck_assert_uint_lt(seen, model->count);
        ck_assert(bytes_is_equal(key, bytes_of(model->rows[seen].key, model->rows[seen].len)));
        ck_assert_ptr_eq(value, model->rows[seen].value);
        seen++;
    }
    ck_assert_uint_eq(seen, model->count);
}

/* From a small set, so that keys come again; of all lengths around the one that lies inside. */
static size_t random_key(struct rng *rng, uint8_t ret_key[40])
{
    uint64_t number = rng_below(rng, MODEL_MAX - 1);
    size_t len = number % 40;
    memset(ret_key, (int)(number / 40), 40);
    return len;
}

START_TEST(does_what_a_list_does)
{
    static struct model model;
    struct rng rng = rng_of(11);
    struct map *map = map_new();
    for (int step = 0; step < 40000; step++) {
        uint8_t data[40];
        struct bytes key = bytes_of(data, random_key(&rng, data));
        size_t at = model_find(&model, key);
        bool is_there = at < model.count;
        void *before = is_there ? model.rows[at].value : NULL;
        ck_assert_ptr_eq(map_find(map, key), before);
        /* Times of growth and times of shrinking. */
        bool puts = rng_below(&rng, 10) < (step / 5000 % 2 == 0 ? 7u : 2u);
        if (puts) {
            void *value = (void *)(uintptr_t)(step + 1);
            ck_assert_ptr_eq(map_put(map, key, value), before);
            if (!is_there) {
                memcpy(model.rows[at].key, data, sizeof(data));
                model.rows[at].len = key.len;
                model.count++;
            }
            model.rows[at].value = value;
        } else {
            ck_assert_ptr_eq(map_remove(map, key), before);
            if (is_there)
                model_remove(&model, at);
        }
        ck_assert_uint_eq(map_count(map), model.count);
        if (step % 100 == 0)
            compare_walk(map, &model);
    }
    compare_walk(map, &model);
    map_free(map, NULL);
}
END_TEST

START_TEST(a_walk_may_remove_what_it_returned)
{
    struct map *map = map_new();
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_ptr_null(map_put_u64(map, i, (void *)(uintptr_t)(i + 1)));
    size_t at = 0, seen = 0;
    struct bytes key;
    void *value;
    while (map_next(map, &at, &key, &value)) {
        uint64_t number;
        ck_assert_uint_eq(key.len, sizeof(number));
        memcpy(&number, key.data, sizeof(number));
        ck_assert_uint_eq((uintptr_t)value, number + 1);
        ck_assert_uint_eq(number, seen);
        if (number % 3 != 0)
            ck_assert_ptr_eq(map_remove(map, key), value);
        seen++;
    }
    ck_assert_uint_eq(seen, 1000);
    ck_assert_uint_eq(map_count(map), 334);
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(map_find_u64(map, i) != NULL, i % 3 == 0);
    at = 0;
    while (map_next(map, &at, &key, NULL))
        map_remove(map, key);
    ck_assert_uint_eq(map_count(map), 0);
    map_free(map, NULL);
}
END_TEST

/* First in, first out, for ever: holes are found again and walks from the start stay short. */
START_TEST(a_queue_of_keys_does_not_grow)
{
    struct map *map = map_new();
    for (uint64_t i = 0; i < 200000; i++) {
        map_put_u64(map, i, map);
        if (i < 100)
            continue;
        size_t at = 0;
        struct bytes key;
        ck_assert(map_next(map, &at, &key, NULL));
        uint64_t oldest;
        memcpy(&oldest, key.data, sizeof(oldest));
        ck_assert_uint_eq(oldest, i - 100);
        ck_assert_ptr_eq(map_remove_u64(map, oldest), map);
    }
    ck_assert_uint_eq(map_count(map), 100);
    map_free(map, NULL);
}
END_TEST

START_TEST(finds_among_many)
{
    enum { MANY = 200000 };
    struct map *map = map_new();
    for (uint64_t i = 0; i < MANY; i++)
        map_put_u64(map, i * 0x9e3779b97f4a7c15ull, (void *)(uintptr_t)(i + 1));
    for (uint64_t i = 0; i < MANY; i++)
        ck_assert_uint_eq((uintptr_t)map_find_u64(map, i * 0x9e3779b97f4a7c15ull), i + 1);
    ck_assert_ptr_null(map_find_u64(map, 1));
    ck_assert_ptr_null(map_remove_u64(map, 1));
    map_free(map, NULL);
}
END_TEST

START_TEST(copies_keys_and_frees_values)
{
    struct map *map = map_new();
    char key[] = "a key that is longer than what lies inside";
    map_put(map, bytes_of_string(key), alloc(10));
    map_put(map, BYTES_NONE, alloc(10)); /* the empty key is one like any other */
    key[0] = 'X';
    ck_assert_ptr_null(map_find(map, bytes_of_string(key)));
    key[0] = 'a';
    ck_assert_ptr_nonnull(map_find(map, bytes_of_string(key)));
    ck_assert_ptr_nonnull(map_find(map, bytes_of_string("")));
    free(map_remove(map, bytes_of_string(key)));
    map_put(map, bytes_of_string(key), alloc(10));
    map_free(map, free);
    map_free(NULL, free);
}
END_TEST

static void put_null(void)
{
    map_put_u64(map_new(), 1, NULL);
}

START_TEST(refuses_null)
{
    ck_assert_int_eq(dies(put_null), 1);
}
END_TEST

Suite *suite_map(void)
{
    return UNIT_SUITE("map", 60, does_what_a_list_does, a_walk_may_remove_what_it_returned,
                      a_queue_of_keys_does_not_grow, finds_among_many, copies_keys_and_frees_values,
                      refuses_null);
}
