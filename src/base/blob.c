/* SPDX-License-Identifier: Apache-2.0 */
#include "base/blob.h"

#include "base/alloc.h"
#include "base/check.h"

struct blob *blob_new(size_t len)
{
    assert(len < (size_t)1 << 31);
    struct blob *ret = alloc(sizeof(*ret) + len);
    atomic_init(&ret->refs, 1);
    ret->len = (uint32_t)len;
    return ret;
}

struct blob *blob_copy(struct bytes bytes)
{
    struct blob *ret = blob_new(bytes.len);
    if (bytes.len > 0)
        memcpy(ret->data, bytes.data, bytes.len);
    return ret;
}

struct blob *blob_ref(struct blob *blob)
{
    unsigned before = atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(blob);
}
