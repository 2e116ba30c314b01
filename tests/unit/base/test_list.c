/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/check.h"
#include "base/list.h"
#include "base/rng.h"

struct item {
    int number;
    struct list link;
};

START_TEST(keeps_order_and_lets_go_anywhere)
{
    enum { ITEMS = 50 };
    struct rng rng = rng_of(4);
    struct item items[ITEMS];
    struct list head;
    list_init(&head);
    ck_assert(list_is_empty(&head));
    ck_assert_ptr_null(list_first(&head));
    int model[ITEMS], count = ITEMS;
    for (int i = 0; i < ITEMS; i++) {
        items[i].number = model[i] = i;
        list_append(&head, &items[i].link);
    }
    while (count > 0) {
        int at = (int)rng_below(&rng, (uint64_t)count);
        list_remove(&items[model[at]].link);
        list_remove(&items[model[at]].link); /* its own ring now: does nothing */
        for (int i = at; i + 1 < count; i++)
            model[i] = model[i + 1];
        count--;
        int place = 0;
        for (struct list *link = head.next; link != &head; link = link->next) {
            ck_assert_int_lt(place, count);
            ck_assert_int_eq(CONTAINER_OF(link, struct item, link)->number, model[place]);
            ck_assert_ptr_eq(link->next->previous, link);
            place++;
        }
        ck_assert_int_eq(place, count);
        struct list *first = list_first(&head);
        ck_assert_int_eq(first == NULL, count == 0);
    }
    ck_assert(list_is_empty(&head));
}
END_TEST

Suite *suite_list(void)
{
    return UNIT_SUITE("list", 10, keeps_order_and_lets_go_anywhere);
}
