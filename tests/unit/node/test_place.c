/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: every slot on as many nodes as it shall be, evenly, zones apart, few moves. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "node/member.h"
#include "unit.h"

Suite *suite_place(void);

static struct members table_of(uint32_t nodes, uint8_t replicas)
{
    struct members table = {.replica_count = replicas};
    for (uint32_t i = 1; i <= nodes; i++)
        members_insert(&table, i)->state = MEMBERS_ACTIVE;
    return table;
}

static uint32_t load_of(const struct members *table, node_id id)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < table->places_count; i++)
        ret += members_has(&table->places[i], id);
    return ret;
}

/* Right sizes, nobody twice or out of state, loads at most one apart when `even`. */
static void expect_sound(const struct members *table, uint32_t want, bool is_even)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < table->places_count; i++) {
        const struct members_place *place = &table->places[i];
        ck_assert_uint_eq(place->count, want);
        for (uint8_t k = 0; k < place->count; k++) {
            const struct members_row *row = members_find(table, place->ids[k]);
            ck_assert_ptr_nonnull(row);
            ck_assert_int_le(row->state, MEMBERS_DRAINING);
            ck_assert(!row->learner);
            ck_assert(k == 0 || place->ids[k] > place->ids[k - 1]);
        }
    }
    for (uint32_t i = 0; i < table->rows_count; i++) {
        if (table->rows[i].state != MEMBERS_ACTIVE || table->rows[i].learner)
            continue;
        uint32_t load = load_of(table, table->rows[i].id);
        least = load < least ? load : least;
        most = load > most ? load : most;
    }
    ck_assert(!is_even || most - least <= 1);
}

static uint32_t moved(const struct members *from, const struct members *to)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < to->places_count; i++) {
        for (uint8_t k = 0; k < to->places[i].count; k++)
            ret += !members_has(&from->places[i], to->places[i].ids[k]);
    }
    return ret;
}

START_TEST(first_places)
{
    for (uint32_t nodes = 1; nodes <= 9; nodes++) {
        struct members table = table_of(nodes, 3);
        ck_assert(place_plan(&table, 64));
        expect_sound(&table, nodes < 3 ? nodes : 3, true);
        members_done(&table);
    }
}
END_TEST

START_TEST(a_fourth_node_gets_its_share_and_no_more_moves)
{
    struct members table = table_of(3, 3), before;
    ck_assert(place_plan(&table, 64));
    members_copy(&table, &before);
    members_insert(&table, 4)->state = MEMBERS_ACTIVE;
    ck_assert(place_plan(&table, 64));
    expect_sound(&table, 3, true);
    ck_assert_uint_eq(load_of(&table, 4), 48);
    ck_assert_uint_eq(moved(&before, &table), 48);
    members_done(&before);
    members_copy(&table, &before);
    ck_assert(place_plan(&table, 64)); /* what is even stays */
    ck_assert_uint_eq(moved(&before, &table), 0);
    members_done(&before);
    members_done(&table);
}
END_TEST

START_TEST(who_leaves_holds_nothing_and_who_drains_what_is_needed)
{
    struct members table = table_of(4, 3), before;
    ck_assert(place_plan(&table, 64));
    members_copy(&table, &before);
    members_find(&table, 2)->state = MEMBERS_LEAVING;
    ck_assert(place_plan(&table, 64));
    expect_sound(&table, 3, true);
    ck_assert_uint_eq(load_of(&table, 2), 0);
    ck_assert_uint_eq(moved(&before, &table), 48);
    members_find(&table, 3)->state = MEMBERS_DRAINING; /* nobody is to spare: it keeps all */
    ck_assert(place_plan(&table, 64));
    expect_sound(&table, 3, false);
    ck_assert_uint_eq(load_of(&table, 3), 64);
    members_find(&table, 2)->state = MEMBERS_ACTIVE;
    ck_assert(place_plan(&table, 64));
    ck_assert_uint_eq(load_of(&table, 3), 0);
    members_find(&table, 1)->state = members_find(&table, 2)->state = MEMBERS_LEAVING;
    members_find(&table, 3)->state = members_find(&table, 4)->state = MEMBERS_LEAVING;
    ck_assert(!place_plan(&table, 64));
    members_done(&before);
    members_done(&table);
}
END_TEST

static uint32_t conflicts(const struct members *table)
{
    uint32_t ret = 0;
    for (uint32_t i = 0; i < table->places_count; i++) {
        const struct members_place *place = &table->places[i];
        for (uint8_t a = 0; a < place->count; a++) {
            for (uint8_t b = 0; b < a; b++)
                ret += strcmp(members_find(table, place->ids[a])->zone,
                              members_find(table, place->ids[b])->zone) == 0;
        }
    }
    return ret;
}

START_TEST(zones_are_kept_apart)
{
    struct members table = table_of(6, 3);
    ck_assert(place_plan(&table, 64));
    for (uint32_t i = 0; i < 6; i++)
        snprintf(table.rows[i].zone, sizeof(table.rows[i].zone), "zone-%u", i % 3);
    ck_assert(place_plan(&table, 64)); /* zones that came later */
    expect_sound(&table, 3, true);
    ck_assert_uint_eq(conflicts(&table), 0);
    members_find(&table, 6)->state = MEMBERS_LEAVING; /* one zone has one node now */
    ck_assert(place_plan(&table, 64));
    ck_assert_uint_eq(conflicts(&table), 0);
    ck_assert_uint_eq(load_of(&table, 3), 64);
    members_done(&table);
}
END_TEST

/* Zones of 3, 2 and 1 nodes, two replicas of eight slots: 3, 3, 2; 3, 3; 2 is possible, whoever came first. */
START_TEST(uneven_zones_are_even_all_the_same)
{
    struct rng rng = rng_of(7);
    for (int run = 0; run < 200; run++) {
        char zones[] = "aaabbc";
        for (uint32_t i = 5; i > 0; i--) {
            uint32_t k = (uint32_t)rng_below(&rng, i + 1);
            char zone = zones[i];
            zones[i] = zones[k];
            zones[k] = zone;
        }
        struct members table = table_of(2, 2);
        for (uint32_t i = 0; i < 6; i++) {
            if (i >= 2)
                members_insert(&table, i + 1)->state = MEMBERS_ACTIVE;
            snprintf(table.rows[i].zone, sizeof(table.rows[i].zone), "%c", zones[i]);
            ck_assert(place_plan(&table, 8));
        }
        expect_sound(&table, 2, true);
        ck_assert_uint_eq(conflicts(&table), 0);
        members_done(&table);
    }
}
END_TEST

START_TEST(random_changes)
{
    struct rng rng = rng_of(5);
    for (int run = 0; run < 80; run++) {
        uint8_t want = (uint8_t)rng_between(&rng, 1, 5);
        struct members table = table_of((uint32_t)rng_between(&rng, want, 8), want);
        node_id next = table.rows_count + 1;
        ck_assert(place_plan(&table, 40));
        for (int step = 0; step < 12; step++) {
            if (rng_below(&rng, 2) == 0 && table.rows_count < 14) {
                members_insert(&table, next++)->state = MEMBERS_ACTIVE;
            } else {
                struct members_row *row = &table.rows[rng_below(&rng, table.rows_count)];
                row->state = (uint8_t)rng_between(&rng, MEMBERS_ACTIVE, MEMBERS_LEAVING);
            }
            uint32_t active = 0, draining = 0;
            for (uint32_t i = 0; i < table.rows_count; i++) {
                active += table.rows[i].state == MEMBERS_ACTIVE;
                draining += table.rows[i].state == MEMBERS_DRAINING;
            }
            uint32_t there = active >= want ? active : active + draining;
            struct members before;
            members_copy(&table, &before);
            bool did = place_plan(&table, 40);
            ck_assert_int_eq(did, there > 0);
            if (did)
                expect_sound(&table, there < want ? there : want, active >= want);
            else
                ck_assert_uint_eq(moved(&before, &table), 0);
            members_done(&before);
        }
        members_done(&table);
    }
}
END_TEST

Suite *suite_place(void)
{
    Suite *suite = suite_create("place");
    TCase *tcase = tcase_create("place");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, first_places);
    tcase_add_test(tcase, a_fourth_node_gets_its_share_and_no_more_moves);
    tcase_add_test(tcase, who_leaves_holds_nothing_and_who_drains_what_is_needed);
    tcase_add_test(tcase, zones_are_kept_apart);
    tcase_add_test(tcase, uneven_zones_are_even_all_the_same);
    tcase_add_test(tcase, random_changes);
    suite_add_tcase(suite, tcase);
    return suite;
}
