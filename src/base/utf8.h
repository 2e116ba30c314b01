/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

bool utf8_is_valid(struct bytes bytes);
/* True when bytes are UTF-8 and hold a C0 or C1 control character or DEL. */
bool utf8_has_control(struct bytes bytes);

#endif
