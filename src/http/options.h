/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of the options in http.h. Thread: any. */
#ifndef HTTP_OPTIONS_H
#define HTTP_OPTIONS_H

#include "http/http.h"

/* Errors: ERR_BAD_CONFIG  a value is out of range; why names it and its bounds */
MUST_USE enum err options_check(const struct http_options *options, struct why *why);

/* Whether they ask for TLS. */
bool options_has_tls(const struct http_options *options);

#endif
