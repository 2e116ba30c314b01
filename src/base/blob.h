/* SPDX-License-Identifier: Apache-2.0 */
/* Counted, immutable bytes: a payload that is at once in the log, a send queue and the apply
 * queue. The only shared thing in the project. The count is atomic; the bytes may be written
 * only by the one who made the blob, before it is shared. Thread: any. */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdatomic.h>

#include "base/bytes.h"

struct blob {
    atomic_uint refs;
    uint32_t len;
    uint8_t data[];
};

struct blob *blob_new(size_t len);          /* one reference, bytes not set; len < 2^31 */
struct blob *blob_copy(struct bytes bytes); /* one reference */
struct blob *blob_ref(struct blob *blob);   /* returns blob */
void blob_unref(struct blob *blob);         /* NULL is fine; frees with the last one */
static inline struct bytes blob_bytes(const struct blob *blob)
{
    return bytes_of(blob->data, blob->len);
}

#endif
