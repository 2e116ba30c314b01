/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums: CRC32C (Castagnoli; RFC 3720 B.4) for frames, rows and files, IEEE CRC-32 (zlib's)
 * for slots. Thread: any. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include "base/bytes.h"

/* CRC32C of bytes; the SSE 4.2 instruction where the machine has it, a table elsewhere. */
uint32_t crc32c(struct bytes bytes);
/* Continues: crc is what an earlier call returned (0 at first). */
uint32_t crc32c_more(uint32_t crc, struct bytes bytes);
/* The table version, for tests and for machines without the instruction. */
uint32_t crc32c_portable(uint32_t crc, struct bytes bytes);
/* IEEE CRC-32, as zlib, gzip and WuKongIM have it. */
uint32_t crc32_ieee(struct bytes bytes);

#endif
