/* SPDX-License-Identifier: Apache-2.0 */
/* Text tables are aligned, and columns can be chosen. */
#include "http/table.h"
#include "suites.h"

static const char *const names[] = {"id", "state", "n"};

static enum err make(const char *query_text, struct buf *ret)
{
    struct arena arena;
    struct query query;
    struct table table;
    arena_init(&arena);
    ck_assert_int_eq(query_parse(bytes_of_string(query_text), "columns", &arena, &query, NULL), OK);
    enum err err = table_init(&table, &query, names, 3, NULL);
    if (err == OK) {
        table_cell_u64(&table, 1);
        table_cell(&table, "up");
        table_cell_u64(&table, 12345);
        table_cell_u64(&table, 22);
        table_cell(&table, "draining");
        table_cell_u64(&table, 0);
        table_write(&table, ret);
        table_done(&table);
    }
    arena_done(&arena);
    return err;
}

START_TEST(aligns)
{
    struct buf buf = BUF_INIT;
    ck_assert_int_eq(make("", &buf), OK);
    ck_assert_str_eq(buf_string(&buf), "id  state     n\n1   up        12345\n22  draining  0\n");
    buf_done(&buf);
}
END_TEST

START_TEST(chooses_columns)
{
    struct buf buf = BUF_INIT;
    ck_assert_int_eq(make("columns=n,id", &buf), OK);
    ck_assert_str_eq(buf_string(&buf), "n      id\n12345  1\n0      22\n");
    ck_assert_int_eq(make("columns=n,x", &buf), ERR_BAD_PARAMETER);
    ck_assert_int_eq(make("columns=", &buf), ERR_BAD_PARAMETER);
    buf_done(&buf);
}
END_TEST

Suite *suite_table(void)
{
    return UNIT_SUITE("table", 10, aligns, chooses_columns);
}
