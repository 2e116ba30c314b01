/* SPDX-License-Identifier: Apache-2.0 */
/* Media types: what a client accepts, and what it sent. Pure. Thread: any. */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

#include "http/request.h"

/* The offer that the Accept header (NULL: anything) likes best, the earlier one when equal
 * (RFC 9110, 12.5.1). MEDIA_NONE: none of them. offers ends at count or at MEDIA_NONE. */
enum media accept_choose(const char *accept, const uint8_t *offers, uint32_t count);
/* The form of a body with this Content-Type (NULL: JSON is assumed). False: a type that no route
 * takes, or a charset that is not UTF-8. ret_is_text: RAW of a text type. */
bool accept_body_form(const char *content_type, enum body_form *ret, bool *ret_is_text);

#endif
