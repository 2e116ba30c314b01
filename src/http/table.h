/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned text tables for people: `Accept: text/plain` on lists, `columns=` to choose. */
#ifndef HTTP_TABLE_H
#define HTTP_TABLE_H

#include "http/request.h"

enum { TABLE_COLUMNS_MAX = 16 };

struct table {
    const char *const *names; /* of all columns */
    uint32_t columns;
    uint8_t shown[TABLE_COLUMNS_MAX];
    uint32_t shown_count;
    struct buf *cells; /* borrowed: NUL-terminated, row by row, all columns */
    uint32_t rows;
};

/* Reads `columns`; cells, which is empty, keeps what comes until it is written.
 * Errors: ERR_BAD_PARAMETER an unknown column */
MUST_USE enum err table_init(struct table *table, const struct query *query,
                             const char *const *names, uint32_t columns, struct buf *cells,
                             struct why *why);
void table_cell(struct table *table, const char *text); /* the next one of its row */
void table_cell_bytes(struct table *table, struct bytes text);
void table_cell_u64(struct table *table, uint64_t value);
void table_write(const struct table *table, struct buf *buf);
/* `columns` shapes a table; the other forms have all fields. True: the reply is a problem. */
bool table_refuses_columns(struct request *req);

#endif
