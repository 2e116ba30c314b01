/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

enum { COLUMNS_MAX = 32 };

struct client_table {
    size_t columns;
    bool to_right[COLUMNS_MAX];
    char **cells; /* owned; row by row, heads first */
    size_t cells_count;
};

struct span {
    uint32_t first, last;
};

/* Characters that are drawn over the one before, and those that take two columns (East Asian Wide and
 * Fullwidth, and pictures), as terminals have them: Unicode's tables, neighbours merged. */
static const struct span narrow[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},    {0x64b, 0x65f},
    {0x900, 0x902},   {0x93c, 0x93c},   {0xe31, 0xe31},   {0xe34, 0xe3a},    {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x2064},  {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef}};
static const struct span wide[] = {{0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},
                                   {0x3041, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},
                                   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
                                   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x17000, 0x18cff},
                                   {0x1b000, 0x1b2ff}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
                                   {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};

static bool is_in(const struct span *spans, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= spans[i].first && code <= spans[i].last)
            return true;
    }
    return false;
}

/* Columns that text takes on a terminal. A byte that begins no character counts as one column. */
static size_t width_of(const char *text)
{
    size_t ret = 0;
    while (*text != '\0') {
        uint8_t c = (uint8_t)*text++;
        unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        uint32_t code = more == 0 ? c : c & (0x3fu >> more);
        for (; more > 0 && ((uint8_t)*text & 0xc0) == 0x80; more--)
            code = code << 6 | ((uint8_t)*text++ & 0x3fu);
        ret += is_in(narrow, ARRAY_LEN(narrow), code) ? 0
               : is_in(wide, ARRAY_LEN(wide), code)   ? 2
                                                      : 1;
    }
    return ret;
}

void client_append_plain(struct bytes text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_c1 =
            c == 0xc2 && i + 1 < text.len && text.data[i + 1] >= 0x80 && text.data[i + 1] < 0xa0;
        buf_put_u8(out, c < 0x20 || c == 0x7f || is_c1 ? '?' : c);
        if (is_c1) {
            buf_put_u8(out, '?');
            i++;
        }
    }
}

void client_table_add(struct client_table *table, struct bytes text)
{
    struct buf cell = BUF_INIT;
    client_append_plain(text, &cell);
    table->cells = alloc_resize(table->cells, table->cells_count + 1, sizeof(*table->cells));
    table->cells[table->cells_count++] = alloc_string_len((const char *)cell.data, cell.len);
    buf_done(&cell);
}

void client_table_addf(struct client_table *table, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    client_table_add(table, bytes_of_string(text));
}

struct client_table *client_table_new(const char *const *heads, size_t count)
{
    assert(count > 0 && count <= COLUMNS_MAX);
    struct client_table *table = alloc_zero(sizeof(*table));
    table->columns = count;
    for (size_t i = 0; i < count; i++) {
        table->to_right[i] = heads[i][0] == '>';
        client_table_add(table, bytes_of_string(heads[i] + table->to_right[i]));
    }
    return table;
}

void client_table_free(struct client_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->cells_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void client_table_print(const struct client_table *table, struct buf *out)
{
    size_t widths[COLUMNS_MAX] = {0};
    assert(table->cells_count % table->columns == 0);
    for (size_t i = 0; i < table->cells_count; i++) {
        size_t width = width_of(table->cells[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->cells_count; i++) {
        size_t column = i % table->columns;
        bool is_last = column + 1 == table->columns;
        int padding = (int)(widths[column] - width_of(table->cells[i]));
        if (table->to_right[column])
            buf_printf(out, "%*s%s", padding, "", table->cells[i]);
        else
            buf_printf(out, "%s%*s", table->cells[i], is_last ? 0 : padding, "");
        buf_append_string(out, is_last ? "\n" : "  ");
    }
}

const char *client_count_text(uint64_t count, char ret_text[CLIENT_COUNT_SIZE])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    char *to = ret_text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return ret_text;
}

const char *client_size_text(uint64_t bytes, char ret_text[CLIENT_COUNT_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(ret_text, CLIENT_COUNT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return ret_text;
}
