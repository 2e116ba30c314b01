/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page, in man(7)'s macros, from the tables of commands, flags and exit codes. */
#include "ctl/help.h"

/* Text as roff takes it: hyphens that can be copied, no line that begins as a request would. */
static void append(const char *text, struct buf *out)
{
    bool is_start = out->len == 0 || out->data[out->len - 1] == '\n';
    if (is_start && (*text == '.' || *text == '\''))
        buf_append_string(out, "\\&");
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            buf_append_string(out, "\\e");
        else if (*text == '-')
            buf_append_string(out, "\\-");
        else
            buf_put_u8(out, (uint8_t)*text);
    }
}

static void add_flag(const struct client_flag *flag, struct buf *out)
{
    buf_append_string(out, ".TP\n");
    if (flag->letter != 0)
        buf_printf(out, "\\fB\\-%c\\fR, ", flag->letter);
    buf_append_string(out, "\\fB\\-\\-");
    append(flag->name, out);
    buf_append_string(out, "\\fR");
    if (flag->kind != CLIENT_FLAG_SWITCH) {
        bool may_be_missing = flag->kind == CLIENT_FLAG_MAY_TIME;
        buf_append_string(out, may_be_missing ? "[=\\fI" : " \\fI");
        append(flag->value != NULL ? flag->value : "X", out);
        buf_append_string(out, may_be_missing ? "\\fR]" : "\\fR");
    }
    buf_append_string(out, "\n");
    append(flag->help, out);
    buf_append_string(out, "\n");
}

static void add_flags(const struct ctl_flag_table *table, const struct ctl_command *command,
                      struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->rows[i].name;
        if (command != NULL ? ctl_flag_is_own(name, (void *)(uintptr_t)command)
                            : ctl_flag_is_common(name, NULL))
            add_flag(&table->rows[i], out);
    }
}

static void add_command(const struct ctl_flag_table *table, const struct ctl_command *command,
                        struct buf *out)
{
    buf_append_string(out, ".SS \"lethectl ");
    append(command->name, out);
    buf_append_string(out, command->arguments[0] != '\0' ? " " : "");
    append(command->arguments, out);
    buf_append_string(out, "\"\n");
    append(command->help, out);
    buf_append_string(out, ".\n");
    add_flags(table, command, out);
}

static void add_exit_codes(struct buf *out)
{
    buf_append_string(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ctl_exit_rows_count; i++) {
        buf_printf(out, ".TP\n.B %d\n", ctl_exit_rows[i].code);
        append(ctl_exit_rows[i].meaning, out);
        buf_append_string(out, "\n");
    }
}

static void add_environment(struct buf *out)
{
    static const char *const rows[][2] = {
        {"LETHE_SERVER", "servers, with commas, when --server and --context are not given"},
        {"LETHE_TOKEN", "the token for servers that are not a context's"},
        {"LETHE_CACERT", "the authorities for https servers that are not a context's"},
        {"LETHE_CONTEXT", "the context when none is named and LETHE_SERVER is not set"},
        {"XDG_CONFIG_HOME", "where lethe/contexts.json is, else ~/.config"}};
    buf_append_string(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_printf(out, ".TP\n.B %s\n", rows[i][0]);
        append(rows[i][1], out);
        buf_append_string(out, "\n");
    }
}

int ctl_help_man(const struct ctl_flag_table *table)
{
    struct buf out = BUF_INIT;
    buf_printf(&out,
               ".\\\" made from lethectl's own tables: lethectl help man\n"
               ".TH LETHECTL 1 \"\" \"Lethe %s\" \"Lethe\"\n.SH NAME\nlethectl \\- operate a "
               "Lethe cluster\n.SH SYNOPSIS\n.B lethectl\n\\fICOMMAND\\fR [\\fIWORD\\fR ...] "
               "[\\fIFLAG\\fR ...]\n.SH DESCRIPTION\n"
               "One command a run, over HTTP. Servers are tried in turn: one that cannot be "
               "reached, or that refuses with 503, is passed over; a write whose fate nobody "
               "knows is never sent again by itself.\nA channel is written "
               "\\fITYPE\\fR/\\fIID\\fR, as in 2/room\\-1. What does harm asks first, and "
               "without a terminal wants \\fB\\-\\-yes\\fR.\n.SH OPTIONS\nOf every command:\n",
               LETHE_VERSION);
    add_flags(table, NULL, &out);
    buf_append_string(&out, ".SH COMMANDS\n");
    for (size_t i = 0; i < ctl_commands_count; i++)
        add_command(table, &ctl_commands[i], &out);
    add_exit_codes(&out);
    add_environment(&out);
    buf_append_string(&out, ".SH SEE ALSO\n.BR lethed (8),\n.BR lethe\\-bench (1)\n");
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}
