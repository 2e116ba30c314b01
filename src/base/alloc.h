/* SPDX-License-Identifier: Apache-2.0 */
/* Allocate or abort: out of memory never travels through the code. Sizes from outside are
 * bounded before they come here. Free with free(). Thread: any. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

void *alloc(size_t size);                                 /* never NULL, also for 0; not zeroed */
void *alloc_zero(size_t size);                            /* zeroed */
void *alloc_array(size_t count, size_t size);             /* zeroed; aborts on overflow */
void *alloc_resize(void *ptr, size_t count, size_t size); /* realloc of an array; aborts */
char *alloc_string(const char *text);                     /* copy of a string */
char *alloc_string_len(const char *text, size_t len);     /* copy of len bytes, NUL added */
void *alloc_copy(const void *from, size_t len);           /* copy of len bytes */

#endif
