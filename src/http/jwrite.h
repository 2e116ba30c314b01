/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, written straight into a buffer: `key` puts the comma where one is due. Text that is not
 * UTF-8 never comes here (names and texts are checked when they come in). Thread: any. */
#ifndef HTTP_JWRITE_H
#define HTTP_JWRITE_H

#include "base/buf.h"

enum { DIGITS_SIZE = 21 };

/* Decimal digits and a NUL at the end of buffer; where they begin. */
const char *digits_of(uint64_t value, char buffer[DIGITS_SIZE]);
/* The digits alone, at to, where there is room for DIGITS_SIZE; where they end. */
uint8_t *digits_put(uint8_t *to, uint64_t value);
/* For loops that write much: room was made before. */
#define LITERAL_PUT(to, literal)                                                                   \
    ((uint8_t *)memcpy((to), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

void jwrite_string(struct buf *buf, struct bytes text); /* with its quotes */
void jwrite_u64(struct buf *buf, uint64_t value);
/* `,"name":` or, right behind an opening brace, `"name":`. name needs no escapes. */
void jwrite_key(struct buf *buf, const char *name);
void jwrite_member_string(struct buf *buf, const char *name, struct bytes text);
void jwrite_member_text(struct buf *buf, const char *name, const char *text);
void jwrite_member_u64(struct buf *buf, const char *name, uint64_t value);
void jwrite_member_bool(struct buf *buf, const char *name, bool value);
void jwrite_member_null(struct buf *buf, const char *name);
void jwrite_member_digits(struct buf *buf, const char *name, uint64_t value); /* as a string */
/* A comma unless it stands right behind an opening brace, bracket or colon, or at the start. */
void jwrite_comma(struct buf *buf);

#endif
