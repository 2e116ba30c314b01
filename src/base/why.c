/* SPDX-License-Identifier: Apache-2.0 */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err why_set(struct why *why, enum err err, const char *format, ...)
{
    if (why == NULL)
        return err;
    va_list args;
    va_start(args, format);
    why->err = err;
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return err;
}

enum err why_wrap(struct why *why, const char *format, ...)
{
    if (why == NULL)
        return ERR_INTERNAL;
    char inner[sizeof(why->text)];
    memcpy(inner, why->text, sizeof(inner));
    va_list args;
    va_start(args, format);
    int len = vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len + 3 < sizeof(why->text)) {
        size_t room = sizeof(why->text) - (size_t)len - 3;
        memcpy(why->text + len, ": ", 2);
        memcpy(why->text + len + 2, inner, room);
        why->text[sizeof(why->text) - 1] = '\0';
    }
    return why->err;
}
