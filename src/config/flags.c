/* SPDX-License-Identifier: Apache-2.0 */
#include "config/table.h"

#include "base/alloc.h"

#include <ctype.h>
#include <stdio.h>

enum { FLAG_MAX_BYTES = 128 };

/* One flag, taken apart. The value is in the same word behind '=', or in the next word. */
struct flag {
    char name[FLAG_MAX_BYTES];
    const char *value; /* borrowed from argv; NULL: none yet */
};

static enum err split_flag(const char *word, struct flag *ret_flag, struct why *why)
{
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
        return why_set(why, ERR_BAD_CONFIG, "'%.60s' is not a flag; try --help", word);
    size_t len = strcspn(word, "=");
    if (len >= FLAG_MAX_BYTES)
        return why_set(why, ERR_BAD_CONFIG, "there is no flag '%.60s'; try --help", word);
    memcpy(ret_flag->name, word, len);
    ret_flag->name[len] = '\0';
    ret_flag->value = word[len] == '=' ? word + len + 1 : NULL;
    return OK;
}

/* "--http-listen" is the flag of "http.listen"; both sides are compared with dots and underscores
 * as dashes. */
static bool is_flag_of(const char *name, const char *key)
{
    name += 2;
    for (; *key != '\0' && *name != '\0'; key++, name++) {
        char want = *key == '.' || *key == '_' ? '-' : *key;
        char have = *name == '_' ? '-' : *name;
        if (want != have)
            return false;
    }
    return *key == *name;
}

static enum config_option find_option(const char *name)
{
    if (strcmp(name, "--data-dir") == 0)
        return CONFIG_OPTION_node_data_dir;
    int option = 0;
    while (option < CONFIG_OPTIONS_COUNT && !is_flag_of(name, config_table_rows[option].key))
        option++;
    return (enum config_option)option;
}

static enum err unknown_flag(const char *name, struct why *why)
{
    char key[2 * FLAG_MAX_BYTES];
    snprintf(key, sizeof(key), "%s", name + 2);
    char *dash = strchr(key, '-');
    if (dash != NULL)
        *dash = '.';
    for (char *at = key; *at != '\0'; at++)
        *at = *at == '-' ? '_' : *at;
    const char *nearest = config_table_nearest(key);
    if (nearest == NULL)
        return why_set(why, ERR_BAD_CONFIG, "there is no flag '%s'; try --help", name);
    snprintf(key, sizeof(key), "%s", nearest);
    for (char *at = key; *at != '\0'; at++)
        *at = *at == '_' || *at == '.' ? '-' : *at;
    return why_set(why, ERR_BAD_CONFIG, "there is no flag '%s'; did you mean '--%s'?", name, key);
}

/* Takes the value from the next word when it is not behind '='. */
static enum err need_value(struct flag *flag, int argc, char *const *argv, int *at, struct why *why)
{
    if (flag->value != NULL)
        return OK;
    if (*at + 1 >= argc)
        return why_set(why, ERR_BAD_CONFIG, "flag '%s' needs a value", flag->name);
    flag->value = argv[++*at];
    return OK;
}

struct switch_row {
    const char *name;
    enum config_action action;
};

static const struct switch_row switches[] = {{"--check-config", CONFIG_CHECK},
                                             {"--print-config", CONFIG_PRINT},
                                             {"--annotated", CONFIG_ANNOTATED},
                                             {"--help", CONFIG_HELP},
                                             {"--version", CONFIG_VERSION}};

static const struct switch_row *find_switch(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
        if (strcmp(switches[i].name, name) == 0)
            return &switches[i];
    }
    return NULL;
}

enum err config_flags_look(int argc, char *const *argv, enum config_action *ret_action,
                           const char **ret_file, struct why *why)
{
    enum config_action action = CONFIG_RUN;
    const char *file = NULL;
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "-h") == 0) {
            action = CONFIG_HELP;
            continue;
        }
        struct flag flag;
        enum err err = split_flag(argv[at], &flag, why);
        const struct switch_row *row = err == OK ? find_switch(flag.name) : NULL;
        if (row != NULL) {
            if (flag.value != NULL)
                return why_set(why, ERR_BAD_CONFIG, "flag '%s' takes no value", flag.name);
            action = row->action > action ? row->action : action;
            continue;
        }
        bool is_bool = false;
        if (err == OK && strcmp(flag.name, "--config") != 0 && strcmp(flag.name, "--set") != 0) {
            enum config_option option = find_option(flag.name);
            if (option == CONFIG_OPTIONS_COUNT)
                return unknown_flag(flag.name, why);
            is_bool = config_table_rows[option].type == CONFIG_IS_BOOL;
        }
        if (err == OK && !is_bool)
            err = need_value(&flag, argc, argv, &at, why);
        if (err != OK)
            return err;
        if (strcmp(flag.name, "--config") == 0)
            file = flag.value;
    }
    *ret_action = action;
    *ret_file = file;
    return OK;
}

static enum err set_pair(struct config *config, const char *pair, struct why *why)
{
    size_t len = strcspn(pair, "=");
    if (pair[len] != '=')
        return why_set(why, ERR_BAD_CONFIG, "--set needs key=value, not '%.60s'", pair);
    char *key = alloc_string_len(pair, len);
    enum config_option option = config_table_find(key);
    enum err err = option == CONFIG_OPTIONS_COUNT
                       ? config_table_unknown(key, why)
                       : config_table_set(config, option, pair + len + 1, CONFIG_FLAG, why);
    free(key);
    return err;
}

/* config_flags_look has seen all of it before: words and names are right. */
enum err config_flags_load(struct config *config, int argc, char *const *argv, struct why *why)
{
    for (int at = 1; at < argc; at++) {
        struct flag flag = {.name = ""};
        if (strcmp(argv[at], "-h") == 0)
            continue;
        enum err err = split_flag(argv[at], &flag, why);
        if (err == OK && find_switch(flag.name) != NULL)
            continue;
        bool is_file = err == OK && strcmp(flag.name, "--config") == 0;
        bool is_pair = err == OK && strcmp(flag.name, "--set") == 0;
        enum config_option option = CONFIG_OPTIONS_COUNT;
        if (err == OK && !is_file && !is_pair)
            option = find_option(flag.name);
        if (option != CONFIG_OPTIONS_COUNT && config_table_rows[option].type == CONFIG_IS_BOOL &&
            flag.value == NULL)
            flag.value = "true";
        if (err == OK)
            err = need_value(&flag, argc, argv, &at, why);
        if (err == OK && is_pair)
            err = set_pair(config, flag.value, why);
        else if (err == OK && !is_file)
            err = config_table_set(config, option, flag.value, CONFIG_FLAG, why);
        if (err != OK) {
            why_wrap(why, "flag %s", flag.name);
            return err;
        }
    }
    return OK;
}
