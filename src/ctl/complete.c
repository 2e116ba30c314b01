/* SPDX-License-Identifier: Apache-2.0 */
/* completion bash|zsh|fish: scripts for shells, made from the tables of commands and flags. */
#include "ctl/help.h"

/* Is it the first row with this first word? */
static bool is_first_of_its_kind(size_t index)
{
    const char *name = ctl_commands[index].name;
    size_t len = strcspn(name, " ");
    for (size_t i = 0; i < index; i++) {
        const char *other = ctl_commands[i].name;
        if (strcspn(other, " ") == len && memcmp(other, name, len) == 0)
            return false;
    }
    return true;
}

static bool has_verb(const struct ctl_command *command)
{
    return strchr(command->name, ' ') != NULL;
}

static void append_first(const char *name, struct buf *out)
{
    buf_append(out, name, strcspn(name, " "));
}

/* "bash|zsh|fish" as words; nothing when the arguments are no choice of literal words. */
static void append_choice(const struct ctl_command *command, struct buf *out)
{
    const char *text = command->arguments;
    if (strchr(text, '|') == NULL || strpbrk(text, " [-ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL)
        return;
    for (; *text != '\0'; text++)
        buf_put_u8(out, *text == '|' ? ' ' : (uint8_t)*text);
}

static void append_flags(const struct ctl_flag_table *table, const struct ctl_command *command,
                         struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct client_flag *flag = &table->rows[i];
        bool is_taken = command != NULL ? ctl_flag_is_own(flag->name, (void *)(uintptr_t)command)
                                        : ctl_flag_is_common(flag->name, NULL);
        if (!is_taken)
            continue;
        buf_printf(out, " --%s", flag->name);
        if (flag->letter != 0)
            buf_printf(out, " -%c", flag->letter);
    }
}

/* ---- bash ---------------------------------------------------------------------------------------- */

static void bash_first_words(struct buf *out)
{
    for (size_t i = 0; i < ctl_commands_count; i++) {
        if (!is_first_of_its_kind(i))
            continue;
        append_first(ctl_commands[i].name, out);
        buf_append_string(out, " ");
    }
    buf_append_string(out, "help version");
}

static void bash_verbs(struct buf *out)
{
    for (size_t i = 0; i < ctl_commands_count; i++) {
        if (!is_first_of_its_kind(i) || !has_verb(&ctl_commands[i]))
            continue;
        struct buf first = BUF_INIT, verbs = BUF_INIT;
        append_first(ctl_commands[i].name, &first);
        ctl_list_verbs(buf_string(&first), &verbs);
        buf_printf(out, "        %s) list=\"", buf_string(&first));
        for (const char *at = buf_string(&verbs); *at != '\0'; at++)
            if (*at != ',')
                buf_put_u8(out, (uint8_t)*at);
        buf_append_string(out, "\" ;;\n");
        buf_done(&first);
        buf_done(&verbs);
    }
}

static void bash_commands(const struct ctl_flag_table *table, struct buf *out)
{
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const struct ctl_command *command = &ctl_commands[i];
        struct buf choice = BUF_INIT;
        append_choice(command, &choice);
        buf_printf(out, "    \"%s\"%s) flags=\"", command->name, has_verb(command) ? "" : "*");
        append_flags(table, command, out);
        buf_printf(out, "\" words=\"%s\" ;;\n", buf_string(&choice));
        buf_done(&choice);
    }
}

static void print_bash(const struct ctl_flag_table *table, struct buf *out)
{
    buf_append_string(out,
                      "# bash completion for lethectl: source it, or put it where bash looks:\n"
                      "# lethectl completion bash >/etc/bash_completion.d/lethectl\n"
                      "_lethectl()\n{\n"
                      "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" list= flags= words=\n"
                      "    local one=\"${COMP_WORDS[1]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                      "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        list=\"");
    bash_first_words(out);
    buf_append_string(out, "\"\n    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
                           "        case \"$one\" in\n");
    bash_verbs(out);
    buf_append_string(out,
                      "        esac\n    fi\n"
                      "    if [ -n \"$list\" ]; then\n"
                      "        COMPREPLY=($(compgen -W \"$list\" -- \"$cur\"))\n"
                      "        return\n    fi\n"
                      "    case \"$prev\" in\n"
                      "    -o | --output)\n"
                      "        COMPREPLY=($(compgen -W \"table json ndjson csv\" -- \"$cur\"))\n"
                      "        return ;;\n    esac\n"
                      "    case \"$one ${COMP_WORDS[2]}\" in\n");
    bash_commands(table, out);
    buf_append_string(out, "    esac\n"
                           "    case \"$cur\" in\n"
                           "    -*) COMPREPLY=($(compgen -W \"$flags");
    append_flags(table, NULL, out);
    buf_append_string(out, "\" -- \"$cur\")) ;;\n"
                           "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
                           "    esac\n}\n"
                           "complete -o default -F _lethectl lethectl\n");
}

/* ---- zsh ----------------------------------------------------------------------------------------- */

/* Inside single quotes; colons and brackets mean something to _arguments and _describe. */
static void append_zsh(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buf_append_string(out, "'\\''");
        else if (strchr(":[]\\", *text) != NULL)
            buf_printf(out, "\\%c", *text);
        else
            buf_put_u8(out, (uint8_t)*text);
    }
}

static void zsh_flag(const struct client_flag *flag, struct buf *out)
{
    bool has_value = flag->kind != CLIENT_FLAG_SWITCH && flag->kind != CLIENT_FLAG_MAY_TIME;
    for (int is_short = 0; is_short <= (flag->letter != 0); is_short++) {
        buf_append_string(out, " '");
        if (is_short != 0)
            buf_printf(out, "-%c", flag->letter);
        else
            buf_printf(out, "--%s%s", flag->name,
                       flag->kind == CLIENT_FLAG_MAY_TIME ? "=-"
                       : has_value                        ? "="
                                                          : "");
        buf_append_string(out, "[");
        append_zsh(flag->help, out);
        buf_append_string(out, "]");
        if (has_value || (flag->kind == CLIENT_FLAG_MAY_TIME && is_short == 0)) {
            buf_append_string(out, flag->kind == CLIENT_FLAG_MAY_TIME ? "::" : ":");
            append_zsh(flag->value != NULL ? flag->value : "value", out);
            buf_append_string(out, strcmp(flag->name, "output") == 0 ? ":(table json ndjson csv)"
                                                                     : ":_files");
        }
        buf_append_string(out, "'");
    }
}

static void zsh_flags(const struct ctl_flag_table *table, const struct ctl_command *command,
                      struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->rows[i].name;
        if (command != NULL ? ctl_flag_is_own(name, (void *)(uintptr_t)command)
                            : ctl_flag_is_common(name, NULL))
            zsh_flag(&table->rows[i], out);
    }
}

static void zsh_item(const char *name, size_t len, const char *help, struct buf *out)
{
    buf_append_string(out, " '");
    buf_append(out, name, len);
    buf_append_string(out, ":");
    append_zsh(help, out);
    buf_append_string(out, "'");
}

static void zsh_verbs(struct buf *out)
{
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const char *name = ctl_commands[i].name;
        size_t len = strcspn(name, " ");
        if (!is_first_of_its_kind(i) || !has_verb(&ctl_commands[i]))
            continue;
        buf_append_string(out, "    ");
        append_first(name, out);
        buf_append_string(out, ") list=(");
        for (size_t j = i; j < ctl_commands_count; j++) {
            const char *other = ctl_commands[j].name;
            if (strncmp(other, name, len + 1) == 0)
                zsh_item(other + len + 1, strlen(other + len + 1), ctl_commands[j].help, out);
        }
        buf_append_string(out, ") ;;\n");
    }
}

static void print_zsh(const struct ctl_flag_table *table, struct buf *out)
{
    buf_append_string(out,
                      "#compdef lethectl\n# zsh completion for lethectl: put it as _lethectl into "
                      "a folder of $fpath.\n_lethectl()\n{\n"
                      "  local -a list flags\n  if (( CURRENT == 2 )); then\n    list=(");
    for (size_t i = 0; i < ctl_commands_count; i++) {
        if (is_first_of_its_kind(i))
            zsh_item(ctl_commands[i].name, strcspn(ctl_commands[i].name, " "),
                     has_verb(&ctl_commands[i]) ? "..." : ctl_commands[i].help, out);
    }
    buf_append_string(out, " 'help:what there is')\n    _describe command list\n    return\n  fi\n"
                           "  if (( CURRENT == 3 )); then\n    case \"$words[2]\" in\n");
    zsh_verbs(out);
    buf_append_string(out, "    esac\n    if (( $#list )); then\n      _describe verb list\n"
                           "      return\n    fi\n  fi\n  case \"$words[2] $words[3]\" in\n");
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const struct ctl_command *command = &ctl_commands[i];
        struct buf choice = BUF_INIT;
        append_choice(command, &choice);
        buf_printf(out, "  '%s'%s) flags=(", command->name, has_verb(command) ? "" : "*");
        zsh_flags(table, command, out);
        if (choice.len > 0)
            buf_printf(out, " ':shell:(%s)'", buf_string(&choice));
        buf_append_string(out, ") ;;\n");
        buf_done(&choice);
    }
    buf_append_string(out, "  esac\n  _arguments -s -S $flags");
    zsh_flags(table, NULL, out);
    buf_append_string(out, " '*:word:_files'\n}\n"
                           "[ \"$funcstack[1]\" = _lethectl ] && _lethectl || compdef _lethectl "
                           "lethectl\n");
}

/* ---- fish ---------------------------------------------------------------------------------------- */

static void append_fish(const char *text, struct buf *out)
{
    buf_append_string(out, "'");
    for (; *text != '\0'; text++)
        buf_printf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    buf_append_string(out, "'");
}

/* The condition under which a command's words and flags are offered. */
static void fish_when(const char *name, bool is_whole, struct buf *out)
{
    size_t len = strcspn(name, " ");
    buf_append_string(out, " -n '__fish_seen_subcommand_from ");
    buf_append(out, name, len);
    if (is_whole && name[len] == ' ')
        buf_printf(out, "; and __fish_seen_subcommand_from %s", name + len + 1);
    buf_append_string(out, "'");
}

static void fish_flags(const struct ctl_flag_table *table, const struct ctl_command *command,
                       struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct client_flag *flag = &table->rows[i];
        if (!(command != NULL ? ctl_flag_is_own(flag->name, (void *)(uintptr_t)command)
                              : ctl_flag_is_common(flag->name, NULL)))
            continue;
        buf_append_string(out, "complete -c lethectl");
        if (command != NULL)
            fish_when(command->name, true, out);
        if (flag->letter != 0)
            buf_printf(out, " -s %c", flag->letter);
        buf_printf(out, " -l %s", flag->name);
        if (strcmp(flag->name, "output") == 0)
            buf_append_string(out, " -x -a 'table json ndjson csv'");
        else if (flag->kind != CLIENT_FLAG_SWITCH && flag->kind != CLIENT_FLAG_MAY_TIME)
            buf_append_string(out, " -r");
        buf_append_string(out, " -d ");
        append_fish(flag->help, out);
        buf_append_string(out, "\n");
    }
}

static void print_fish(const struct ctl_flag_table *table, struct buf *out)
{
    buf_append_string(out, "# fish completion for lethectl:\n# lethectl completion fish "
                           ">~/.config/fish/completions/lethectl.fish\ncomplete -c lethectl -f\n");
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const struct ctl_command *command = &ctl_commands[i];
        struct buf choice = BUF_INIT;
        if (is_first_of_its_kind(i)) {
            buf_append_string(out, "complete -c lethectl -n __fish_use_subcommand -a ");
            append_first(command->name, out);
            buf_append_string(out, " -d ");
            append_fish(has_verb(command) ? "..." : command->help, out);
            buf_append_string(out, "\n");
        }
        if (has_verb(command)) {
            buf_append_string(out, "complete -c lethectl");
            fish_when(command->name, false, out);
            buf_printf(out, " -a %s -d ", strchr(command->name, ' ') + 1);
            append_fish(command->help, out);
            buf_append_string(out, "\n");
        }
        append_choice(command, &choice);
        if (choice.len > 0) {
            buf_append_string(out, "complete -c lethectl");
            fish_when(command->name, true, out);
            buf_printf(out, " -a '%s'\n", buf_string(&choice));
        }
        fish_flags(table, command, out);
        buf_done(&choice);
    }
    fish_flags(table, NULL, out);
}

int ctl_run_completion(struct ctl *ctl)
{
    static const struct {
        const char *shell;
        void (*print)(const struct ctl_flag_table *table, struct buf *out);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    struct ctl_flag_table table;
    struct ctl_flags unused = {0};
    ctl_flags_fill(&table, &unused);
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        if (strcmp(shells[i].shell, ctl->words[0]) != 0)
            continue;
        struct buf out = BUF_INIT;
        shells[i].print(&table, &out);
        int code = ctl_write(buf_bytes(&out));
        buf_done(&out);
        return code;
    }
    return ctl_fail(CTL_USAGE, "'%s' is none of bash, zsh and fish", ctl->words[0]);
}
