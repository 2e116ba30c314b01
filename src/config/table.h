/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: the table as an array, and how a text becomes a value. Each source (yaml.c,
 * env.c, flags.c) finds the option and hands its text to config_table_set. Thread: main. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config/config.h"

enum config_type {
    CONFIG_IS_TEXT,
    CONFIG_IS_CHOICE,
    CONFIG_IS_NUMBER,
    CONFIG_IS_SIZE,
    CONFIG_IS_TIME,
    CONFIG_IS_BOOL,
    CONFIG_IS_LIST
};

struct config_row {
    const char *key;
    enum config_type type;
    const char *default_text;
    uint64_t min, max;
    const char *unit;
    bool reload;
    const char *help;
    size_t offset; /* of the field in struct config */
};

extern const struct config_row config_table_rows[CONFIG_OPTIONS_COUNT];

/* The option with this key, or CONFIG_OPTIONS_COUNT. */
enum config_option config_table_find(const char *key);
/* Why there is no such key: reserved, or unknown with the nearest one. */
enum err config_table_unknown(const char *key, struct why *why);
/* The key that differs least from this one, or NULL when none is near. */
const char *config_table_nearest(const char *key);

/* Parses text and sets the option. Untouched on failure. ERR_BAD_CONFIG names option and limit. */
MUST_USE enum err config_table_set(struct config *config, enum config_option option,
                                   const char *text, enum config_source source, struct why *why);
/* LIST only: the items one by one; takes items over, on failure too. */
MUST_USE enum err config_table_set_list_take(struct config *config, enum config_option option,
                                             struct config_list items, enum config_source source,
                                             struct why *why);
/* All options as the table has them. config is zeroed before. */
void config_table_set_defaults(struct config *config);
void config_table_done(struct config *config);

void config_list_add(struct config_list *list, const char *item, size_t len);
void config_list_done(struct config_list *list);
/* Adds a sentence to config->warnings. */
void config_table_warn(struct config *config, const char *format, ...) PRINTF_LIKE(2, 3);

/* The sources: yaml.c, env.c, flags.c; and what needs several options: rules.c. */
MUST_USE enum err config_yaml_load(struct config *config, const char *path, struct bytes text,
                                   struct why *why);
MUST_USE enum err config_env_load(struct config *config, char *const *environment, struct why *why);
/* First pass: what is asked for, and the file. *ret_file is borrowed from argv, NULL: none. */
MUST_USE enum err config_flags_look(int argc, char *const *argv, enum config_action *ret_action,
                                    const char **ret_file, struct why *why);
MUST_USE enum err config_flags_load(struct config *config, int argc, char *const *argv,
                                    struct why *why);
MUST_USE enum err config_rules_check(struct config *config, struct why *why);

#endif
