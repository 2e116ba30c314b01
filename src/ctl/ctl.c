/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/flags.h"
#include "ctl/help.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ndjson and csv only where a command's help says so. */
static int set_output(struct ctl *ctl, const struct ctl_command *command)
{
    const char *output = ctl->flags.output;
    bool is_listed = output != NULL && (command->traits & CTL_HAS_LINES) != 0 &&
                     (strcmp(output, "ndjson") == 0 || strcmp(output, "csv") == 0);
    ctl->is_json = output != NULL && strcmp(output, "json") == 0;
    ctl->is_ndjson = is_listed && strcmp(output, "ndjson") == 0;
    ctl->is_csv = is_listed && strcmp(output, "csv") == 0;
    if (output != NULL && !ctl->is_json && !is_listed && strcmp(output, "table") != 0)
        return ctl_fail(CTL_USAGE, "output '%s' is not table%s", output,
                        (command->traits & CTL_HAS_LINES) != 0 ? ", json, ndjson or csv"
                                                               : " or json");
    return CTL_OK;
}

static int run_command(struct ctl *ctl, const struct ctl_command *command)
{
    struct why why = {0};
    int code = set_output(ctl, command);
    if (code != CTL_OK)
        return code;
    if (ctl->words_count < command->words_min || ctl->words_count > command->words_max)
        return ctl_fail(CTL_USAGE, "usage: lethectl %s %s", command->name, command->arguments);
    if ((command->traits & CTL_NEEDS_NO_SERVER) != 0)
        return command->run(ctl);
    const struct client_choice choice = {.servers = &ctl->flags.servers,
                                         .name = ctl->flags.context,
                                         .token = ctl->flags.token,
                                         .trust = ctl->flags.trust,
                                         .timeout_ms = ctl->flags.timeout_ms};
    enum err err = client_context_init(&ctl->context, &choice, &why);
    if (err != OK)
        return ctl_fail(CTL_USAGE, "%s", why.text);
    ctl->client = client_context_connect(&ctl->context);
    return command->run(ctl);
}

/* Without a command of that name: what is there instead. */
static int no_command(int count, char **words)
{
    if (count == 0 || words[0][0] == '-')
        return ctl_fail(CTL_USAGE, "there is no command; try: lethectl help");
    struct buf verbs = BUF_INIT;
    ctl_list_verbs(words[0], &verbs);
    int code = CTL_USAGE;
    if (verbs.len > 0)
        ctl_fail(code, "'%s' needs one of: %s; try: lethectl help %s", words[0], buf_string(&verbs),
                 words[0]);
    else
        ctl_fail(code, "there is no command '%s%s%s'; try: lethectl help", words[0],
                 count > 1 ? " " : "", count > 1 ? words[1] : "");
    buf_done(&verbs);
    return code;
}

/* The flags that all commands have may stand before the command too: how many words that are. */
static int count_leading(const struct ctl_flag_table *table, int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0' && strcmp(argv[at], "--") != 0) {
        const char *name = argv[at] + 1 + (argv[at][1] == '-');
        bool is_long = argv[at][1] == '-', has_value = false;
        for (size_t i = 0; i < table->count; i++) {
            const struct client_flag *flag = &table->rows[i];
            bool is_it = is_long ? strcmp(name, flag->name) == 0
                                 : name[0] == flag->letter && name[1] == '\0';
            has_value |=
                is_it && ctl_flag_is_common(flag->name, NULL) && flag->kind != CLIENT_FLAG_SWITCH;
        }
        at += has_value && at + 1 < argc ? 2 : 1;
    }
    return at - 1;
}

static int run_words(struct ctl *ctl, const struct ctl_flag_table *table,
                     const struct ctl_command *command, int count, char **words)
{
    struct why why = {0};
    if ((command->traits & CTL_PASSES_WORDS) != 0) {
        ctl->args = words;
        ctl->args_count = count;
        count = 0;
    }
    enum err err =
        client_flags_parse(table->rows, table->count, ctl_flag_is_taken, (void *)(uintptr_t)command,
                           count, words, ctl->words, CTL_WORDS_MAX, &ctl->words_count, &why);
    if (err != OK)
        return ctl_fail(CTL_USAGE, "%s; try: lethectl help %s", why.text, command->name);
    return ctl->flags.is_help ? ctl_help_one(table, command) : run_command(ctl, command);
}

int ctl_main(int argc, char **argv)
{
    struct ctl ctl = {.flags = {.timeout_ms = 30000,
                                .connections = 4,
                                .batch = 500,
                                .min_lag = 1,
                                .wait_ms = 300000,
                                .watch_ms = 2000}};
    struct ctl_flag_table table;
    ctl_flags_fill(&table, &ctl.flags);
    if (argc < 2) {
        ctl_help_all(&table);
        return CTL_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return ctl_help_for(&table, argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0)
        return printf("lethectl %s\n", LETHE_VERSION) > 0 ? CTL_OK : CTL_LOCAL;
    int leading = count_leading(&table, argc, argv), taken = 0;
    int rest = argc - 1 - leading;
    const struct ctl_command *command = ctl_find_command(rest, argv + 1 + leading, &taken);
    if (command == NULL && rest == 2 &&
        (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0))
        return ctl_help_for(&table, 1, argv + 1 + leading); /* of all that begin with this word */
    if (command == NULL)
        return no_command(rest, argv + 1 + leading);
    /* Whatever stood before the command stands behind it now. */
    char **words = alloc_array((size_t)argc, sizeof(*words));
    memcpy(words, argv + 1, (size_t)leading * sizeof(*words));
    memcpy(words + leading, argv + 1 + leading + taken, (size_t)(rest - taken) * sizeof(*words));
    int code = run_words(&ctl, &table, command, leading + rest - taken, words);
    free(words);
    client_free(ctl.client);
    client_context_done(&ctl.context);
    client_list_done(&ctl.flags.servers);
    client_list_done(&ctl.flags.logs);
    return code;
}
