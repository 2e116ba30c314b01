/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: tables of the cluster's nodes survive being written; what is cut, out of order or out of
 * bounds is refused. */
#include <stdio.h>

#include "tests/unit/wire/values.h"
#include "base/alloc.h"
#include "unit.h"

static bool is_same_order(const struct members_order *a, const struct members_order *b)
{
    if (a->state != b->state || a->what != b->what || a->revision != b->revision ||
        a->node != b->node || a->replaced != b->replaced || a->started_ms != b->started_ms ||
        a->ended_ms != b->ended_ms || a->rows_count != b->rows_count ||
        a->moves_count != b->moves_count)
        return false;
    for (uint32_t i = 0; i < a->rows_count; i++) {
        if (a->rows[i].id != b->rows[i].id || a->rows[i].state != b->rows[i].state ||
            a->rows[i].learner != b->rows[i].learner)
            return false;
    }
    for (uint32_t i = 0; i < a->moves_count; i++) {
        const struct members_place *x = &a->moves[i].from, *y = &b->moves[i].from;
        if (a->moves[i].slot != b->moves[i].slot || x->count != y->count ||
            memcmp(x->ids, y->ids, x->count * sizeof(x->ids[0])) != 0)
            return false;
    }
    return true;
}

static bool is_same(const struct members *a, const struct members *b)
{
    if (a->replica_count != b->replica_count || a->feature_level != b->feature_level ||
        !is_same_order(&a->order, &b->order) || a->rows_count != b->rows_count ||
        a->places_count != b->places_count)
        return false;
    for (uint32_t i = 0; i < a->rows_count; i++) {
        const struct members_row *x = &a->rows[i], *y = &b->rows[i];
        if (x->id != y->id || x->state != y->state || x->learner != y->learner ||
            x->incarnation != y->incarnation || x->feature_level != y->feature_level ||
            strcmp(x->address, y->address) != 0 || strcmp(x->http_address, y->http_address) != 0 ||
            strcmp(x->zone, y->zone) != 0)
            return false;
    }
    for (uint32_t i = 0; i < a->places_count; i++) {
        if (a->places[i].count != b->places[i].count ||
            memcmp(a->places[i].ids, b->places[i].ids,
                   a->places[i].count * sizeof(a->places[i].ids[0])) != 0)
            return false;
    }
    return true;
}

START_TEST(round_trip_and_every_cut)
{
    struct rng rng = rng_of(81);
    for (int i = 0; i < 500; i++) {
        struct members members, again;
        struct buf buf = BUF_INIT;
        gen_members(&rng, &members);
        members_encode(&buf, &members);
        ck_assert_int_eq(members_decode(buf_bytes(&buf), &again, NULL), OK);
        ck_assert(is_same(&members, &again));
        members_done(&again);
        members_copy(&members, &again);
        ck_assert(is_same(&members, &again));
        ck_assert(again.rows != members.rows && again.places != members.places);
        members_done(&again);
        for (size_t len = 0; i < 20 && len < buf.len; len++)
            ck_assert_int_ne(members_decode(bytes_of(buf.data, len), &again, NULL), OK);
        buf_put_u8(&buf, 0);
        ck_assert_int_eq(members_decode(buf_bytes(&buf), &again, NULL), ERR_BAD_FORMAT);
        buf_done(&buf);
        members_done(&members);
    }
}
END_TEST

static enum err encoded(const struct members *members, uint8_t version)
{
    struct members again;
    struct buf buf = BUF_INIT;
    members_encode(&buf, members);
    buf.data[0] = version;
    enum err err = members_decode(buf_bytes(&buf), &again, NULL);
    if (err == OK)
        members_done(&again);
    buf_done(&buf);
    return err;
}

START_TEST(what_is_refused)
{
    struct members members = {.replica_count = 3};
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT); /* nobody */
    members_insert(&members, 2)->state = MEMBERS_ACTIVE;
    members_insert(&members, 1)->state = MEMBERS_ACTIVE;
    ck_assert_uint_eq(members.rows[0].id, 1);
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), OK);
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION + 1), ERR_WRONG_FORMAT);
    members.rows[1].id = 1; /* twice */
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.rows[1].id = 2;
    members.rows[1].state = 0;
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.rows[1].state = 5;
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.rows[1].state = MEMBERS_REMOVED;
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), OK);
    members.replica_count = 0;
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.replica_count = 3;
    members.places = alloc_array(1, sizeof(*members.places));
    members.places_count = 1;
    members.places[0] = (struct members_place){.count = 1, .ids = {3}}; /* a stranger */
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.places[0] = (struct members_place){.count = 2, .ids = {2, 1}};
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.places[0] = (struct members_place){.count = 0};
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members_done(&members);
    for (uint32_t i = 1; i <= MEMBERS_LIVE_MAX + 1; i++)
        members_insert(&members, i)->state = MEMBERS_ACTIVE;
    members.replica_count = 3;
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), ERR_BAD_FORMAT);
    members.rows[7].state = MEMBERS_REMOVED;
    ck_assert_int_eq(encoded(&members, MEMBERS_VERSION), OK);
    members_done(&members);
}
END_TEST

/* However well it is formed: no more than an entry may carry is looked at. */
/* What an older build wrote ends with the order; what stands behind it counts exactly. */
START_TEST(earlier_orders)
{
    struct rng rng = rng_of(82);
    struct members members, again;
    struct buf plain = BUF_INIT, buf = BUF_INIT;
    gen_members(&rng, &members);
    members_encode(&plain, &members);
    members.earlier_count = MEMBERS_EARLIER_MAX;
    for (uint32_t i = 0; i < MEMBERS_EARLIER_MAX; i++)
        members.earlier[i] = (struct members_order){.state = MEMBERS_ORDER_DONE,
                                                    .what = 1,
                                                    .revision = 10 + i,
                                                    .node = 4 + i,
                                                    .started_ms = 100,
                                                    .ended_ms = 200 + i};
    members_encode(&buf, &members);
    ck_assert_int_eq(members_decode(buf_bytes(&buf), &again, NULL), OK);
    ck_assert(is_same(&members, &again));
    ck_assert_uint_eq(again.earlier_count, MEMBERS_EARLIER_MAX);
    for (uint32_t i = 0; i < MEMBERS_EARLIER_MAX; i++)
        ck_assert(is_same_order(&members.earlier[i], &again.earlier[i]));
    members_done(&again);
    for (size_t len = plain.len + 1; len < buf.len; len++)
        ck_assert_int_eq(members_decode(bytes_of(buf.data, len), &again, NULL), ERR_BAD_FORMAT);
    buf.data[plain.len] = MEMBERS_EARLIER_MAX + 1;
    ck_assert_int_eq(members_decode(buf_bytes(&buf), &again, NULL), ERR_BAD_FORMAT);
    buf.data[plain.len] = MEMBERS_EARLIER_MAX - 1;
    ck_assert_int_eq(members_decode(buf_bytes(&buf), &again, NULL), ERR_BAD_FORMAT);
    buf_done(&plain);
    buf_done(&buf);
    members_done(&members);
}
END_TEST

START_TEST(a_table_that_is_too_long)
{
    struct members again;
    struct buf buf = BUF_INIT;
    memset(buf_extend(&buf, MEMBERS_MAX_BYTES + 1), MEMBERS_VERSION, MEMBERS_MAX_BYTES + 1);
    ck_assert_int_eq(members_decode(buf_bytes(&buf), &again, NULL), ERR_BAD_FORMAT);
    buf_done(&buf);
}
END_TEST

Suite *suite_members(void);
Suite *suite_members(void)
{
    Suite *suite = suite_create("members");
    TCase *tcase = tcase_create("members");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, round_trip_and_every_cut);
    tcase_add_test(tcase, what_is_refused);
    tcase_add_test(tcase, earlier_orders);
    tcase_add_test(tcase, a_table_that_is_too_long);
    suite_add_tcase(suite, tcase);
    return suite;
}
