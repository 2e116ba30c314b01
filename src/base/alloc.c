/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <assert.h>
#include <string.h>

static void *or_abort(void *ptr)
{
    assert(ptr != NULL && "out of memory");
    return ptr;
}

void *alloc(size_t size)
{
    return or_abort(malloc(size == 0 ? 1 : size));
}

void *alloc_zero(size_t size)
{
    return or_abort(calloc(1, size == 0 ? 1 : size));
}

void *alloc_array(size_t count, size_t size)
{
    return or_abort(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *alloc_resize(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        abort();
    return or_abort(realloc(ptr, bytes == 0 ? 1 : bytes));
}

char *alloc_string(const char *text)
{
    return alloc_copy(text, strlen(text) + 1);
}

char *alloc_string_len(const char *text, size_t len)
{
    char *ret = alloc(len + 1);
    if (len > 0)
        memcpy(ret, text, len);
    ret[len] = '\0';
    return ret;
}

void *alloc_copy(const void *from, size_t len)
{
    void *ret = alloc(len);
    if (len > 0)
        memcpy(ret, from, len);
    return ret;
}
