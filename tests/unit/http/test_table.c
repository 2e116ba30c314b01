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
    struct buf cells = BUF_INIT;
    arena_init(&arena);
    ck_assert_int_eq(query_parse(bytes_of_string(query_text), "columns", &arena, &query, NULL), OK);
    enum err err = table_init(&table, &query, names, 3, &cells, NULL);
    if (err == OK) {
        table_cell_u64(&table, 1);
        table_cell(&table, "up");
        table_cell_u64(&table, 12345);
        table_cell_u64(&table, 22);
        table_cell(&table, "draining");
        table_cell_u64(&table, 0);
        table_write(&table, ret);
    }
    buf_done(&cells);
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

START_TEST(counts_characters)
{
    static const char *const two[] = {"name", "n"};
    struct buf cells = BUF_INIT, buf = BUF_INIT;
    struct query query = {.count = 0};
    struct table table;
    ck_assert_int_eq(table_init(&table, &query, two, 2, &cells, NULL), OK);
    table_cell_bytes(&table, bytes_of_string("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f-"));
    table_cell_u64(&table, 7);
    table_cell_bytes(&table, BYTES_NONE);
    table_cell_u64(&table, 8);
    table_write(&table, &buf);
    ck_assert_str_eq(buf_string(&buf),
                     "name   n\n\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f-  7\n-      8\n");
    buf_done(&cells);
    buf_done(&buf);
}
END_TEST

Suite *suite_table(void)
{
    return UNIT_SUITE("table", 10, aligns, chooses_columns, counts_characters);
}
