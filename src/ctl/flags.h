/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: the table of all flags, and which of them a command takes. Thread: main. */
#ifndef CTL_FLAGS_H
#define CTL_FLAGS_H

#include "ctl/command.h"

struct ctl_flag_table {
    struct client_flag rows[96];
    size_t count;
};

/* The rows' targets are in flags, which must live as long. */
void ctl_flags_fill(struct ctl_flag_table *table, struct ctl_flags *flags);

/* For client_flags_parse and client_flags_help; arg: the struct ctl_command, not for common. */
bool ctl_flag_is_common(const char *name, void *arg);
bool ctl_flag_is_own(const char *name, void *arg);
bool ctl_flag_is_taken(const char *name, void *arg);

#endif
