/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

#include <stdio.h>
#include <string.h>

/* Flags that every command takes. */
static const char common_flags[] = " server token timeout output quiet help ";

enum { TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

struct flag_table {
    struct client_flag rows[48];
    size_t count;
};

/* clang-format off */
#define ADD(name_, letter_, kind_, target_, value_, help_)                                         \
    table->rows[table->count++] = (struct client_flag){.name = (name_), .letter = (letter_),       \
        .kind = (kind_), .target = (target_), .value = (value_), .help = (help_)}
#define ADD_NUMBER(name_, letter_, target_, value_, help_, min_, max_, is_given_)                  \
    table->rows[table->count++] = (struct client_flag){.name = (name_), .letter = (letter_),       \
        .kind = CLIENT_FLAG_NUMBER, .target = (target_), .value = (value_), .help = (help_),       \
        .min = (min_), .max = (max_), .is_given = (is_given_)}
/* clang-format on */

static void add_common(struct flag_table *table, struct ctl_flags *flags, bool *help)
{
    ADD("server", 's', CLIENT_FLAG_LIST, &flags->servers, "HOST:PORT,...",
        "servers to try in turn (LETHE_SERVER, else 127.0.0.1:5001)");
    ADD("token", 0, CLIENT_FLAG_TEXT, &flags->token, "T", "who you are (LETHE_TOKEN)");
    ADD("timeout", 0, CLIENT_FLAG_TIME, &flags->timeout_ms, "TIME", "of one request (30s)");
    table->rows[table->count - 1].min = 1;
    table->rows[table->count - 1].max = TIMEOUT_MAX_MS;
    ADD("output", 'o', CLIENT_FLAG_TEXT, &flags->output, "table|json", "how to show what came");
    ADD("quiet", 'q', CLIENT_FLAG_SWITCH, &flags->is_quiet, NULL, "no progress");
    ADD("help", 'h', CLIENT_FLAG_SWITCH, help, NULL, "this text");
}

static void add_reading(struct flag_table *table, struct ctl_flags *flags)
{
    ADD_NUMBER("limit", 'n', &flags->limit, "N", "at most so many", 1, 1000000000,
               &flags->has_limit);
    ADD_NUMBER("from-seq", 0, &flags->from_seq, "SEQ", "from here, inclusive", 1, 0,
               &flags->has_from_seq);
    ADD_NUMBER("to-seq", 0, &flags->to_seq, "SEQ", "up to here, inclusive", 1, 0,
               &flags->has_to_seq);
    ADD_NUMBER("after-seq", 0, &flags->after_seq, "SEQ", "behind this one", 0, 0,
               &flags->has_after_seq);
    ADD_NUMBER("before-seq", 0, &flags->before_seq, "SEQ", "before this one", 1, 0,
               &flags->has_before_seq);
    ADD("order", 0, CLIENT_FLAG_TEXT, &flags->order, "asc|desc", "which end first");
    ADD("consistency", 0, CLIENT_FLAG_TEXT, &flags->consistency, "C",
        "linearizable (as if not given), leader or local");
    ADD("raw", 0, CLIENT_FLAG_SWITCH, &flags->is_raw, NULL, "one message: its payload's bytes");
    ADD("wide", 0, CLIENT_FLAG_SWITCH, &flags->is_wide, NULL, "do not cut payloads");
    ADD("prefix", 0, CLIENT_FLAG_TEXT, &flags->prefix, "TEXT", "ids that begin with it");
    ADD_NUMBER("type", 0, &flags->type, "N", "channels of this type", 0, 255, &flags->has_type);
    ADD_NUMBER("slot", 0, &flags->slot, "N", "of this slot", 0, 4095, &flags->has_slot);
    ADD_NUMBER("since-index", 0, &flags->since_index, "N",
               "behind this log index; needs --slot or a channel", 0, 0, &flags->has_since_index);
    ADD("all", 0, CLIENT_FLAG_SWITCH, &flags->is_all, NULL,
        "delete: the whole channel; export: every channel");
    ADD("ready", 0, CLIENT_FLAG_SWITCH, &flags->is_ready, NULL,
        "not only alive: leaders known, not stopping");
    ADD("file", 'f', CLIENT_FLAG_TEXT, &flags->file, "FILE", "instead of standard output");
}

static void add_writing(struct flag_table *table, struct ctl_flags *flags)
{
    ADD("from-uid", 0, CLIENT_FLAG_TEXT, &flags->from_uid, "UID", "the sender");
    ADD("client-msg-no", 0, CLIENT_FLAG_TEXT, &flags->client_msg_no, "NO",
        "makes a retry safe: the same number is stored once");
    ADD_NUMBER("expected-last-seq", 0, &flags->expected_last_seq, "SEQ",
               "only if this is the channel's newest", 0, 0, &flags->has_expected_last_seq);
    ADD("encoding", 0, CLIENT_FLAG_TEXT, &flags->encoding, "E",
        "of the payload given: utf8 (as if not given), json or base64");
    ADD_NUMBER("through", 0, &flags->through_seq, "SEQ", "everything up to SEQ", 1, 0,
               &flags->has_through_seq);
    ADD_NUMBER("keep", 0, &flags->keep, "N", "everything but the newest N", 0, 0, &flags->has_keep);
    ADD("before", 0, CLIENT_FLAG_TEXT, &flags->before, "TIME", "everything older (RFC 3339)");
    ADD("seqs", 0, CLIENT_FLAG_TEXT, &flags->seqs, "7,9,...", "just these");
    ADD("clamp", 0, CLIENT_FLAG_SWITCH, &flags->is_clamped, NULL,
        "a range may end behind the newest message");
    ADD("reason", 0, CLIENT_FLAG_TEXT, &flags->reason, "TEXT", "kept in the delete log");
    ADD("operator", 0, CLIENT_FLAG_TEXT, &flags->operator_name, "NAME", "kept in the delete log");
    ADD("dry-run", 0, CLIENT_FLAG_SWITCH, &flags->is_dry_run, NULL, "only show what would go");
    ADD("yes", 'y', CLIENT_FLAG_SWITCH, &flags->is_yes, NULL, "do not ask");
    ADD("channel", 0, CLIENT_FLAG_TEXT, &flags->channel, "TYPE/ID", "where all of it goes");
    ADD_NUMBER("connections", 'c', &flags->connections, "N", "at once (4)", 1, 64, NULL);
    ADD_NUMBER("batch", 0, &flags->batch, "N", "messages in a request (500)", 1, 1024, NULL);
    ADD("number", 0, CLIENT_FLAG_TEXT, &flags->number_name, "NAME",
        "client_msg_no NAME-LINE where there is none: can be run again");
    ADD_NUMBER("to", 0, &flags->to, "NODE", "the next leader", 1, 65535, &flags->has_to);
}

static void fill_flags(struct flag_table *table, struct ctl_flags *flags, bool *help)
{
    memset(table, 0, sizeof(*table));
    add_common(table, flags, help);
    add_reading(table, flags);
    add_writing(table, flags);
    assert(table->count <= ARRAY_LEN(table->rows));
}

/* Is " name " one of the names in the text? */
static bool has_name(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; (at = strstr(at, name)) != NULL; at++) {
        if (at > names && at[-1] == ' ' && at[len] == ' ')
            return true;
    }
    return false;
}

static bool command_takes(const char *name, void *arg)
{
    const struct ctl_command *command = arg;
    return has_name(common_flags, name) || has_name(command->flags, name);
}

static bool is_common(const char *name, void *arg)
{
    (void)arg;
    return has_name(common_flags, name);
}

static bool is_own(const char *name, void *arg)
{
    const struct ctl_command *command = arg;
    return has_name(command->flags, name);
}

static int help_all(const struct flag_table *table)
{
    struct buf out = BUF_INIT;
    buf_append_string(&out, "usage: lethectl COMMAND [WORD ...] [FLAG ...]\n\ncommands:\n");
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const struct ctl_command *command = &ctl_commands[i];
        buf_printf(&out, "  %-9s %-28s %s\n", command->name, command->arguments, command->help);
    }
    buf_append_string(&out, "\nflags of every command (lethectl help COMMAND has the others):\n");
    client_flags_help(table->rows, table->count, is_common, NULL, &out);
    buf_append_string(&out,
                      "\nA channel is written TYPE/ID, as in 2/room-1.\n"
                      "exit codes: 0 done, 1 the server said no, 2 usage, 3 no server reached,\n"
                      "4 outcome unknown, 5 a local file failed, 6 not confirmed\n");
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

static int help_one(const struct flag_table *table, const struct ctl_command *command)
{
    struct buf out = BUF_INIT;
    buf_printf(&out, "usage: lethectl %s%s%s [FLAG ...]\n\n%s\n\n", command->name,
               command->arguments[0] != '\0' ? " " : "", command->arguments, command->help);
    client_flags_help(table->rows, table->count, is_own, (void *)(uintptr_t)command, &out);
    client_flags_help(table->rows, table->count, is_common, NULL, &out);
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

static int help_for(const struct flag_table *table, const char *name)
{
    if (name == NULL)
        return help_all(table);
    const struct ctl_command *command = ctl_find_command(name);
    if (command == NULL)
        return ctl_fail(CTL_USAGE, "there is no command '%s'; try: lethectl help", name);
    return help_one(table, command);
}

static int set_output(struct ctl *ctl)
{
    const char *output = ctl->flags.output;
    ctl->is_json = output != NULL && strcmp(output, "json") == 0;
    if (output != NULL && !ctl->is_json && strcmp(output, "table") != 0)
        return ctl_fail(CTL_USAGE, "output '%s' is not table or json", output);
    return CTL_OK;
}

static int run_command(struct ctl *ctl, const struct ctl_command *command)
{
    struct why why = {0};
    int code = set_output(ctl);
    if (code != CTL_OK)
        return code;
    if (ctl->words_count < command->words_min || ctl->words_count > command->words_max)
        return ctl_fail(CTL_USAGE, "usage: lethectl %s %s", command->name, command->arguments);
    enum err err = client_context_init(&ctl->context, &ctl->flags.servers, ctl->flags.token,
                                       ctl->flags.timeout_ms, &why);
    if (err != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    ctl->client = client_context_connect(&ctl->context);
    return command->run(ctl);
}

int ctl_main(int argc, char **argv)
{
    struct ctl ctl = {.flags = {.timeout_ms = 30000, .connections = 4, .batch = 500}};
    struct flag_table table;
    struct why why = {0};
    bool help = false;
    fill_flags(&table, &ctl.flags, &help);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        help_all(&table);
        return CTL_USAGE;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help_for(&table, argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0)
        return printf("lethectl %s\n", LETHE_VERSION) > 0 ? CTL_OK : CTL_LOCAL;
    if (name[0] == '-')
        return ctl_fail(CTL_USAGE, "the command stands before its flags; try: lethectl help");
    const struct ctl_command *command = ctl_find_command(name);
    if (command == NULL)
        return ctl_fail(CTL_USAGE, "there is no command '%s'; try: lethectl help", name);
    enum err err =
        client_flags_parse(table.rows, table.count, command_takes, (void *)(uintptr_t)command,
                           argc - 2, argv + 2, ctl.words, CTL_WORDS_MAX, &ctl.words_count, &why);
    int code = CTL_OK;
    if (err != OK)
        code = ctl_fail(CTL_USAGE, "%s; try: lethectl help %s", why.text, name);
    else
        code = help ? help_one(&table, command) : run_command(&ctl, command);
    client_free(ctl.client);
    client_context_done(&ctl.context);
    client_list_done(&ctl.flags.servers);
    return code;
}
