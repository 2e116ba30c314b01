/* SPDX-License-Identifier: Apache-2.0 */
#include "http/table.h"

#include "http/reply.h"

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
                    uint32_t columns, struct buf *cells, struct why *why)
{
    struct bytes text;
    assert(columns <= TABLE_COLUMNS_MAX && cells->len == 0);
    memset(table, 0, sizeof(*table));
    table->names = names;
    table->columns = columns;
    table->cells = cells;
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

void table_cell_bytes(struct table *table, struct bytes text)
{
    if (text.len == 0)
        text = bytes_of_string("-"); /* so that no row lacks a word */
    buf_append(table->cells, text.data, text.len);
    buf_put_u8(table->cells, '\0');
    table->rows++; /* counts cells here: table_write divides */
}

void table_cell(struct table *table, const char *text)
{
    table_cell_bytes(table, bytes_of_string(text));
}

void table_cell_u64(struct table *table, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    table_cell(table, text);
}

/* Characters, not bytes: names may be in any script. */
static size_t width_of(const char *text)
{
    size_t ret = 0;
    for (; *text != '\0'; text++)
        ret += ((uint8_t)*text & 0xc0) != 0x80;
    return ret;
}

static void write_row(const struct table *table, const char *const *cells, const size_t *widths,
                      struct buf *buf)
{
    for (uint32_t i = 0; i < table->shown_count; i++) {
        uint8_t column = table->shown[i];
        bool is_last = i + 1 == table->shown_count;
        buf_append_string(buf, cells[column]);
        for (size_t at = width_of(cells[column]); !is_last && at < widths[column]; at++)
            buf_put_u8(buf, ' ');
        buf_append_string(buf, is_last ? "\n" : "  ");
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
        widths[i] = width_of(table->names[i]);
    const char *at = (const char *)table->cells->data;
    for (uint32_t row = 0; row < rows; row++) {
        take_row(table, &at, cells);
        for (uint32_t i = 0; i < table->columns; i++)
            widths[i] = width_of(cells[i]) > widths[i] ? width_of(cells[i]) : widths[i];
    }
    write_row(table, table->names, widths, buf);
    at = (const char *)table->cells->data;
    for (uint32_t row = 0; row < rows; row++) {
        take_row(table, &at, cells);
        write_row(table, cells, widths, buf);
    }
}

bool table_refuses_columns(struct request *req)
{
    if (req->accepts == MEDIA_TEXT || !query_has(&req->query, "columns"))
        return false;
    struct why why;
    why_set(&why, ERR_BAD_PARAMETER, "'columns' goes with 'Accept: text/plain' only");
    reply_problem(req, ERR_BAD_PARAMETER, &why);
    return true;
}
