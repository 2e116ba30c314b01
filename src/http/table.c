/* SPDX-License-Identifier: Apache-2.0 */
#include "http/table.h"

static enum err show(struct table *table, struct bytes name, struct why *why)
{
    for (uint32_t i = 0; i < table->columns; i++) {
        if (!bytes_is_equal(name, bytes_of_string(table->names[i])))
            continue;
        if (table->shown_count == TABLE_COLUMNS_MAX)
            break;
        table->shown[table->shown_count++] = (uint8_t)i;
        return OK;
    }
    return why_set(why, ERR_BAD_PARAMETER, "'columns' has '%.*s', which is no column here",
                   (int)(name.len < 60 ? name.len : 60), (const char *)name.data);
}

enum err table_init(struct table *table, const struct query *query, const char *const *names,
                    uint32_t columns, struct why *why)
{
    struct bytes text;
    assert(columns <= TABLE_COLUMNS_MAX);
    memset(table, 0, sizeof(*table));
    table->names = names;
    table->columns = columns;
    if (!query_find(query, "columns", &text)) {
        for (uint32_t i = 0; i < columns; i++)
            table->shown[table->shown_count++] = (uint8_t)i;
        return OK;
    }
    for (size_t start = 0; start <= text.len;) {
        size_t end = start;
        while (end < text.len && text.data[end] != ',')
            end++;
        enum err err = show(table, bytes_of(text.data + start, end - start), why);
        if (err != OK)
            return err;
        start = end + 1;
    }
    return OK;
}

void table_done(struct table *table)
{
    buf_done(&table->cells);
}

void table_cell(struct table *table, const char *text)
{
    if (text[0] == '\0')
        text = "-"; /* so that every row has as many words as there are columns */
    buf_append(&table->cells, text, strlen(text) + 1);
    table->rows++; /* cells for now: table_write divides */
}

void table_cell_u64(struct table *table, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    table_cell(table, text);
}

static void write_row(const struct table *table, const char *const *cells, const size_t *widths,
                      struct buf *buf)
{
    for (uint32_t i = 0; i < table->shown_count; i++) {
        uint8_t column = table->shown[i];
        bool is_last = i + 1 == table->shown_count;
        buf_printf(buf, "%-*s%s", is_last ? 0 : (int)widths[column], cells[column],
                   is_last ? "\n" : "  ");
    }
}

/* The next row of cells, moving *at behind it. */
static void take_row(const struct table *table, const char **at, const char **ret_cells)
{
    for (uint32_t i = 0; i < table->columns; i++) {
        ret_cells[i] = *at;
        *at += strlen(*at) + 1;
    }
}

void table_write(const struct table *table, struct buf *buf)
{
    size_t widths[TABLE_COLUMNS_MAX];
    const char *cells[TABLE_COLUMNS_MAX];
    assert(table->rows % table->columns == 0);
    uint32_t rows = table->rows / table->columns;
    for (uint32_t i = 0; i < table->columns; i++)
        widths[i] = strlen(table->names[i]);
    const char *at = (const char *)table->cells.data;
    for (uint32_t row = 0; row < rows; row++) {
        take_row(table, &at, cells);
        for (uint32_t i = 0; i < table->columns; i++)
            widths[i] = strlen(cells[i]) > widths[i] ? strlen(cells[i]) : widths[i];
    }
    write_row(table, table->names, widths, buf);
    at = (const char *)table->cells.data;
    for (uint32_t row = 0; row < rows; row++) {
        take_row(table, &at, cells);
        write_row(table, cells, widths, buf);
    }
}
