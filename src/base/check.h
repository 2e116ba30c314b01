/* SPDX-License-Identifier: Apache-2.0 */
/* Asserts that stay on in release, and the attributes every header uses.
 * A failed assert prints the place and the condition to stderr and aborts.
 * Thread: any. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <assert.h>
#include <stddef.h>

#ifdef NDEBUG
#error "asserts are part of the product: do not build with NDEBUG"
#endif

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

/* The struct that holds member at ptr. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Reads back a struct that travelled through a void *: its first member is `unsigned magic`. */
#define CAST_OBJ(ret, from, type_magic)                                                            \
    do {                                                                                           \
        (ret) = (from);                                                                            \
        assert((ret) != NULL);                                                                     \
        assert((ret)->magic == (type_magic));                                                      \
    } while (0)

#endif
