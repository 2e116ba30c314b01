/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: taking secrets out of text that leaves the house. Pure. Thread: any. */
#ifndef CTL_REDACT_H
#define CTL_REDACT_H

#include <stdbool.h>

#include "base/buf.h"

#define CTL_REMOVED "[removed]"

/* Appends text without: `known` wherever it stands (NULL: none), what follows "Bearer " or
 * "Basic ", values behind names that end in token, secret, password, passphrase or private_key
 * ("x=v", "x: v", "\"x\":\"v\"", {"key":"x","value":"v"}), and PEM blocks of private keys. */
void ctl_redact(struct bytes text, const char *known, struct buf *out);
/* Is it a name whose value is a secret? A file's name is none: "tokens_file" stays. */
bool ctl_is_secret_name(const char *name, size_t len);

#endif
