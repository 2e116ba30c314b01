/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: help texts, all made from the tables of commands, flags and exit codes.
 * Thread: main. */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "ctl/flags.h"

struct ctl_exit_row {
    int code;
    const char *name, *meaning;
};
extern const struct ctl_exit_row ctl_exit_rows[];
extern const size_t ctl_exit_rows_count;

int ctl_help_all(const struct ctl_flag_table *table);
int ctl_help_one(const struct ctl_flag_table *table, const struct ctl_command *command);
/* The manual page, on standard output: man.c */
int ctl_help_man(const struct ctl_flag_table *table);
/* lethectl help [WORD ...]: a command, the first word of several, or a topic. */
int ctl_help_for(const struct ctl_flag_table *table, int count, char **words);
/* "drain, undrain": what may stand behind a first word that is no command by itself. */
void ctl_list_verbs(const char *first, struct buf *out);

#endif
