/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that must not compile: each has a bounded or explicit counterpart here.
 * Included by the compiler's command line for everything under src/ and cmd/. Names that outside
 * headers use themselves cannot be poisoned; scripts/check-banned looks for those: rand, and what is
 * broken in RocksDB 7.8. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Some of them are macros with one compiler or the other, and to poison a macro gives a warning. */
#undef alloca
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok strncpy strncat
#pragma GCC poison asctime ctime gmtime localtime atoi atol atoll alloca

#endif
