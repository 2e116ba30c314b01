/* SPDX-License-Identifier: Apache-2.0 */
/* One slot's state, copied. Private to the room. */
#ifndef RESCUE_COPY_H
#define RESCUE_COPY_H

#include "msg/msg.h"

/* The slot of `to` is replaced. ERR_CORRUPT: the rows are not what the source's digest says. */
MUST_USE enum err copy_slot(struct msg *from, struct msg *to, struct store *to_store, uint32_t slot,
                            struct why *why);

#endif
