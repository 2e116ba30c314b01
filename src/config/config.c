/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/alloc.h"
#include "config/table.h"
#include "sys/file.h"

enum { FILE_MAX_BYTES = 1024 * 1024 };

static const char *config_file_of(char *const *environment)
{
    static const char name[] = "LETHE_CONFIG=";
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (strncmp(environment[i], name, strlen(name)) == 0)
            return environment[i] + strlen(name);
    }
    return NULL;
}

static enum err load_file(struct config *config, const char *path, struct why *why)
{
    struct buf text = BUF_INIT;
    config->file = alloc_string(path);
    enum err err = file_read(path, FILE_MAX_BYTES, &text, why);
    if (err != OK)
        why_wrap(why, "configuration");
    else
        err = config_yaml_load(config, path, buf_bytes(&text), why);
    buf_done(&text);
    return err;
}

enum err config_load(int argc, char *const *argv, char *const *environment,
                     struct config *ret_config, enum config_action *ret_action, struct why *why)
{
    memset(ret_config, 0, sizeof(*ret_config));
    config_table_set_defaults(ret_config);
    const char *file = NULL;
    enum config_action action = CONFIG_RUN;
    enum err err = config_flags_look(argc, argv, &action, &file, why);
    if (err != OK)
        return err;
    *ret_action = action;
    if (action == CONFIG_HELP || action == CONFIG_VERSION)
        return OK;
    if (file == NULL)
        file = config_file_of(environment);
    if (file != NULL && file[0] != '\0')
        err = load_file(ret_config, file, why);
    if (err == OK)
        err = config_env_load(ret_config, environment, why);
    if (err == OK)
        err = config_flags_load(ret_config, argc, argv, why);
    if (err == OK)
        err = config_rules_check(ret_config, why);
    return err;
}

void config_done(struct config *config)
{
    config_table_done(config);
    for (size_t i = 0; i < config->members_count; i++)
        free(config->members[i].address);
    free(config->members);
    config_list_done(&config->warnings);
    free(config->file);
    memset(config, 0, sizeof(*config));
}
