/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: a tar archive (POSIX ustar) in memory. Pure. Thread: any. */
#ifndef CTL_TAR_H
#define CTL_TAR_H

#include <stdbool.h>

#include "base/buf.h"

enum { CTL_TAR_NAME_MAX_BYTES = 99 };

/* Appends a file; name has at most CTL_TAR_NAME_MAX_BYTES (asserts). time_s: since 1970. */
void ctl_tar_add(struct buf *archive, const char *name, struct bytes content, uint64_t time_s);
void ctl_tar_end(struct buf *archive);

#endif
