/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people: columns as wide as their widest cell, numbers to the right. Control characters
 * in cells are shown as '?', so that a stored name cannot play with the terminal. Thread: one. */
#ifndef CLIENT_TABLE_H
#define CLIENT_TABLE_H

#include "base/buf.h"
#include "base/check.h"

struct client_table;

/* heads: one word a column; a '>' before it aligns the column to the right. */
struct client_table *client_table_new(const char *const *heads, size_t count);
void client_table_free(struct client_table *table); /* NULL is fine */
/* The next cell of the row that is being filled; a row is full after as many as there are heads. */
void client_table_add(struct client_table *table, struct bytes text);
void client_table_addf(struct client_table *table, const char *format, ...) PRINTF_LIKE(2, 3);
void client_table_print(const struct client_table *table, struct buf *out);

/* Appends text with '?' for control characters, as cells have it. */
void client_append_plain(struct bytes text, struct buf *out);
/* 1234567 -> "1,234,567" */
#define CLIENT_COUNT_SIZE 32
const char *client_count_text(uint64_t count, char ret_text[CLIENT_COUNT_SIZE]);
/* 1536 -> "1.5 KiB" */
const char *client_size_text(uint64_t bytes, char ret_text[CLIENT_COUNT_SIZE]);

#endif
