/* SPDX-License-Identifier: Apache-2.0 */
/* Every command and every flag is in the help, the manual and the completions, and what the tables
 * say of each other holds. */
#include "ctl/help.h"
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ctl_flags flags;
static struct ctl_flag_table table;

static void start(void)
{
    ctl_flags_fill(&table, &flags);
}

static const struct client_flag *find_flag(const char *name, size_t len)
{
    for (size_t i = 0; i < table.count; i++) {
        if (strlen(table.rows[i].name) == len && memcmp(table.rows[i].name, name, len) == 0)
            return &table.rows[i];
    }
    return NULL;
}

/* Each flag that a command names is in the table, each of the table is somebody's, and no command
 * takes two flags of one letter. */
START_TEST(test_flags_and_commands_fit)
{
    bool is_used[96] = {false};
    start();
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const struct ctl_command *command = &ctl_commands[i];
        ck_assert_msg(command->flags[0] == ' ' && command->flags[strlen(command->flags) - 1] == ' ',
                      "%s", command->name);
        for (const char *at = command->flags + 1; *at != '\0';) {
            size_t len = strcspn(at, " ");
            const struct client_flag *flag = find_flag(at, len);
            ck_assert_msg(flag != NULL, "%s: %.*s", command->name, (int)len, at);
            is_used[flag - table.rows] = true;
            at += len + 1;
        }
        char letters[96] = "";
        for (size_t j = 0; j < table.count; j++) {
            const struct client_flag *flag = &table.rows[j];
            if (flag->letter == 0 || !ctl_flag_is_taken(flag->name, (void *)(uintptr_t)command))
                continue;
            ck_assert_msg(strchr(letters, flag->letter) == NULL, "%s: two flags -%c", command->name,
                          flag->letter);
            letters[strlen(letters)] = flag->letter;
        }
    }
    for (size_t i = 0; i < table.count; i++)
        ck_assert_msg(is_used[i] || ctl_flag_is_common(table.rows[i].name, NULL), "nobody takes %s",
                      table.rows[i].name);
}
END_TEST

START_TEST(test_help_has_all)
{
    static struct probe probe;
    start();
    ck_assert_int_eq(PROBE(&probe, "help"), CTL_OK);
    for (size_t i = 0; i < ctl_commands_count; i++)
        ck_assert_msg(probe_said(&probe, ctl_commands[i].name), "%s", ctl_commands[i].name);
    ck_assert_int_eq(PROBE(&probe, "help", "exit-codes"), CTL_OK);
    for (int code = CTL_OK; code <= CTL_UNPROVEN; code++) {
        char line[32];
        snprintf(line, sizeof(line), "%2d  ", code);
        ck_assert_msg(probe_said(&probe, line), "%d", code);
    }
    for (size_t i = 0; i < ctl_commands_count; i++) {
        char name[40];
        snprintf(name, sizeof(name), "%s", ctl_commands[i].name);
        char *verb = strchr(name, ' ');
        if (verb != NULL)
            *verb++ = '\0';
        ck_assert_int_eq(PROBE(&probe, "help", name, verb), CTL_OK);
        for (size_t j = 0; j < table.count; j++) {
            char flag[64];
            snprintf(flag, sizeof(flag), "--%s", table.rows[j].name);
            bool is_taken =
                ctl_flag_is_taken(table.rows[j].name, (void *)(uintptr_t)&ctl_commands[i]);
            ck_assert_msg(!is_taken || probe_said(&probe, flag), "%s: %s", name, flag);
        }
    }
}
END_TEST

/* The part of the page that is about this command, up to the next one. */
static const char *section_of(const char *page, const char *name, char *ret, size_t size)
{
    char head[80], escaped[64] = "";
    for (const char *at = name; *at != '\0'; at++)
        snprintf(escaped + strlen(escaped), sizeof(escaped) - strlen(escaped), "%s%c",
                 *at == '-' ? "\\" : "", *at);
    snprintf(head, sizeof(head), ".SS \"lethectl %s", escaped);
    for (const char *at = page; (at = strstr(at, head)) != NULL; at++) {
        if (at[strlen(head)] != ' ' && at[strlen(head)] != '"')
            continue;
        const char *end = strstr(at + 1, "\n.S");
        snprintf(ret, size, "%.*s", end != NULL ? (int)(end - at) : (int)strlen(at), at);
        return ret;
    }
    return "";
}

START_TEST(test_manual_has_all)
{
    static struct probe probe;
    static char section[8192];
    start();
    ck_assert_int_eq(PROBE(&probe, "help", "man"), CTL_OK);
    ck_assert_uint_lt(strlen(probe.out), sizeof(probe.out) - 1); /* all of it was seen */
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const char *text = section_of(probe.out, ctl_commands[i].name, section, sizeof(section));
        ck_assert_msg(text[0] != '\0', "no section of %s", ctl_commands[i].name);
        for (size_t j = 0; j < table.count; j++) {
            char flag[80] = "\\fB\\-\\-";
            for (const char *at = table.rows[j].name; *at != '\0'; at++)
                snprintf(flag + strlen(flag), sizeof(flag) - strlen(flag), "%s%c",
                         *at == '-' ? "\\" : "", *at);
            snprintf(flag + strlen(flag), sizeof(flag) - strlen(flag), "\\fR");
            bool is_own = ctl_flag_is_own(table.rows[j].name, (void *)(uintptr_t)&ctl_commands[i]);
            bool is_common = ctl_flag_is_common(table.rows[j].name, NULL);
            ck_assert_msg(!is_own || strstr(text, flag) != NULL, "%s: %s", ctl_commands[i].name,
                          flag);
            ck_assert_msg(!is_common || probe_said(&probe, flag), "%s", flag);
        }
    }
    for (int code = CTL_OK; code <= CTL_UNPROVEN; code++) {
        char line[32];
        snprintf(line, sizeof(line), ".B %d\n", code);
        ck_assert_msg(probe_said(&probe, line), "%d", code);
    }
}
END_TEST

START_TEST(test_completions_have_all)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    static struct probe probe;
    start();
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        ck_assert_int_eq(PROBE(&probe, "completion", shells[i]), CTL_OK);
        ck_assert_uint_lt(strlen(probe.out), sizeof(probe.out) - 1);
        for (size_t j = 0; j < ctl_commands_count; j++) {
            const char *name = ctl_commands[j].name, *verb = strchr(name, ' ');
            char first[40];
            snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, " "), name);
            ck_assert_msg(probe_said(&probe, first) &&
                              (verb == NULL || probe_said(&probe, verb + 1)),
                          "%s: %s", shells[i], name);
        }
        for (size_t j = 0; j < table.count; j++) {
            char flag[64];
            snprintf(flag, sizeof(flag), i == 2 ? " -l %s " : "--%s", table.rows[j].name);
            ck_assert_msg(probe_said(&probe, flag), "%s: %s", shells[i], flag);
        }
    }
    ck_assert_int_eq(PROBE(&probe, "completion", "tcsh"), CTL_USAGE);
    ck_assert_int_eq(PROBE(&probe, "completion"), CTL_USAGE);
}
END_TEST

Suite *suite_tables(void)
{
    return UNIT_SUITE("tables", 60, test_flags_and_commands_fit, test_help_has_all,
                      test_manual_has_all, test_completions_have_all);
}
