/* SPDX-License-Identifier: Apache-2.0 */
/* Damages bytes in every simple way and looks at what a probe makes of each. */
#ifndef TESTS_UNIT_WIRE_DAMAGE_H
#define TESTS_UNIT_WIRE_DAMAGE_H

#include "base/bytes.h"

typedef bool damage_probe(struct bytes bytes);

/* Gives probe every shorter beginning of bytes, and bytes with every single bit turned over, each
 * in memory of its exact size (so that a sanitizer sees a read past its end). Returns how many of
 * them were accepted. */
size_t damage_all(struct bytes bytes, damage_probe *probe);

/* The bytes as lower-case hex; and back. Free both. */
char *damage_hex(struct bytes bytes);
uint8_t *damage_unhex(const char *hex, size_t *ret_len);

#endif
