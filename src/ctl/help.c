/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/help.h"

#include <stdio.h>

const struct ctl_exit_row ctl_exit_rows[] = {
    {CTL_OK, "done", "done"},
    {CTL_REFUSED, "refused", "a server answered and said no, or something is not well"},
    {CTL_USAGE, "usage", "the command line is wrong; nothing was sent"},
    {CTL_UNREACHABLE, "unreachable", "no server could be reached: certainly not applied"},
    {CTL_UNKNOWN, "unknown", "a write may or may not have happened: look before trying again"},
    {CTL_LOCAL, "local", "a file or stream on this machine failed"},
    {CTL_NOT_CONFIRMED, "not confirmed", "the question was answered with no; nothing was done"},
    {CTL_NOT_YET, "not yet", "what was waited for did not come in time; it may still come"},
    {CTL_UNPROVEN, "unproven", "a check found no difference, but could not look at everything"},
};
const size_t ctl_exit_rows_count = ARRAY_LEN(ctl_exit_rows);

static void list_commands(const char *first, struct buf *out)
{
    size_t len = first != NULL ? strlen(first) : 0;
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const struct ctl_command *command = &ctl_commands[i];
        if (first != NULL && (strncmp(command->name, first, len) != 0 || command->name[len] != ' '))
            continue;
        struct buf line = BUF_INIT;
        buf_printf(&line, "%s%s%s", command->name, command->arguments[0] != '\0' ? " " : "",
                   command->arguments);
        const char *shown = buf_string(&line);
        if (line.len > 34)
            buf_printf(out, "  %s\n  %-34s %s\n", shown, "", command->help);
        else
            buf_printf(out, "  %-34s %s\n", shown, command->help);
        buf_done(&line);
    }
}

void ctl_list_verbs(const char *first, struct buf *out)
{
    size_t len = strlen(first);
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const char *name = ctl_commands[i].name;
        if (strncmp(name, first, len) == 0 && name[len] == ' ')
            buf_printf(out, "%s%s", out->len > 0 ? ", " : "", name + len + 1);
    }
}

static int write_out(struct buf *out)
{
    int code = ctl_write(buf_bytes(out));
    buf_done(out);
    return code;
}

int ctl_help_all(const struct ctl_flag_table *table)
{
    struct buf out = BUF_INIT;
    buf_append_string(&out, "usage: lethectl COMMAND [WORD ...] [FLAG ...]\n\ncommands:\n");
    list_commands(NULL, &out);
    buf_append_string(&out, "\nflags of every command (lethectl help COMMAND has the others):\n");
    client_flags_help(table->rows, table->count, ctl_flag_is_common, NULL, &out);
    buf_append_string(&out,
                      "\nA channel is written TYPE/ID, as in 2/room-1.\n"
                      "More: lethectl help COMMAND, lethectl help exit-codes, lethectl help man\n");
    return write_out(&out);
}

int ctl_help_one(const struct ctl_flag_table *table, const struct ctl_command *command)
{
    struct buf out = BUF_INIT;
    buf_printf(&out, "usage: lethectl %s%s%s [FLAG ...]\n\n%s\n\n", command->name,
               command->arguments[0] != '\0' ? " " : "", command->arguments, command->help);
    client_flags_help(table->rows, table->count, ctl_flag_is_own, (void *)(uintptr_t)command, &out);
    client_flags_help(table->rows, table->count, ctl_flag_is_common, NULL, &out);
    return write_out(&out);
}

static int help_exit_codes(void)
{
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ctl_exit_rows_count; i++)
        buf_printf(&out, "%2d  %-14s %s\n", ctl_exit_rows[i].code, ctl_exit_rows[i].name,
                   ctl_exit_rows[i].meaning);
    return write_out(&out);
}

int ctl_help_for(const struct ctl_flag_table *table, int count, char **words)
{
    int taken = 0;
    if (count == 0)
        return ctl_help_all(table);
    if (strcmp(words[0], "exit-codes") == 0)
        return help_exit_codes();
    if (strcmp(words[0], "man") == 0)
        return ctl_help_man(table);
    const struct ctl_command *command = ctl_find_command(count, words, &taken);
    if (command != NULL)
        return ctl_help_one(table, command);
    struct buf out = BUF_INIT;
    list_commands(words[0], &out);
    if (out.len == 0) {
        buf_done(&out);
        return ctl_fail(CTL_USAGE, "there is no command '%s'; try: lethectl help", words[0]);
    }
    return write_out(&out);
}
