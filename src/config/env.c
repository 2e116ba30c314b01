/* SPDX-License-Identifier: Apache-2.0 */
#include "config/table.h"

#include "base/alloc.h"
#include "sys/file.h"

#include <ctype.h>

enum { NAME_MAX_BYTES = 128, SECRET_MAX_BYTES = 64 * 1024 };
#define ENV_PREFIX "LETHE_"

/* Names of ours that are no options of the daemon. */
static const char *const other_names[] = {"LETHE_CONFIG", "LETHE_SERVER", "LETHE_TOKEN",
                                          "LETHE_OUTPUT", "LETHE_CACERT", "LETHE_CONTEXT"};

/* "http.listen" -> "LETHE_HTTP_LISTEN" */
static void env_name(const char *key, char ret_name[NAME_MAX_BYTES])
{
    size_t at = strlen(ENV_PREFIX);
    memcpy(ret_name, ENV_PREFIX, at);
    for (; *key != '\0' && at + 1 < NAME_MAX_BYTES; key++)
        ret_name[at++] = *key == '.' ? '_' : (char)toupper((unsigned char)*key);
    ret_name[at] = '\0';
}

static bool is_name(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && memcmp(name, wanted, len) == 0;
}

/* The option that a variable of this name sets, or CONFIG_OPTIONS_COUNT. */
static enum config_option find_option(const char *name, size_t len)
{
    if (is_name(name, len, "LETHE_CLUSTER_NODE_ID"))
        return CONFIG_OPTION_node_id;
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        char wanted[NAME_MAX_BYTES];
        env_name(config_table_rows[i].key, wanted);
        if (is_name(name, len, wanted))
            return (enum config_option)i;
    }
    return CONFIG_OPTIONS_COUNT;
}

static bool is_other_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(other_names); i++) {
        if (is_name(name, len, other_names[i]))
            return true;
    }
    return false;
}

/* The value is the file's content without the line end that editors leave there. */
static enum err set_from_file(struct config *config, enum config_option option, const char *path,
                              struct why *why)
{
    struct buf text = BUF_INIT;
    enum err err = file_read(path, SECRET_MAX_BYTES, &text, why);
    while (err == OK && text.len > 0 &&
           (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (err == OK && text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
        err = why_set(why, ERR_BAD_CONFIG, "file '%s' holds a NUL character", path);
    if (err == OK)
        err = config_table_set(config, option, buf_string(&text), CONFIG_ENV, why);
    buf_done(&text);
    return err;
}

struct seen {
    const char *names[CONFIG_OPTIONS_COUNT]; /* borrowed: the variable that set the option */
};

static enum err load_one(struct config *config, const char *variable, struct seen *seen,
                         struct why *why)
{
    size_t len = strcspn(variable, "=");
    const char *value = variable[len] == '=' ? variable + len + 1 : "";
    if (is_other_name(variable, len))
        return OK;
    bool from_file = false;
    enum config_option option = find_option(variable, len);
    size_t suffix = strlen("_FILE");
    if (option == CONFIG_OPTIONS_COUNT && len > suffix &&
        memcmp(variable + len - suffix, "_FILE", suffix) == 0) {
        option = find_option(variable, len - suffix);
        from_file = true;
    }
    if (option == CONFIG_OPTIONS_COUNT) {
        config_table_warn(config,
                          "ignoring the environment variable '%.*s': no option has this name",
                          (int)(len > 100 ? 100 : len), variable);
        return OK;
    }
    if (seen->names[option] != NULL)
        return why_set(why, ERR_BAD_CONFIG, "'%s' is set by two environment variables",
                       config_table_rows[option].key);
    seen->names[option] = variable;
    enum err err = from_file ? set_from_file(config, option, value, why)
                             : config_table_set(config, option, value, CONFIG_ENV, why);
    if (err != OK)
        why_wrap(why, "environment variable %.*s", (int)len, variable);
    return err;
}

enum err config_env_load(struct config *config, char *const *environment, struct why *why)
{
    struct seen seen = {0};
    enum err err = OK;
    for (size_t i = 0; environment[i] != NULL && err == OK; i++) {
        if (strncmp(environment[i], ENV_PREFIX, strlen(ENV_PREFIX)) == 0)
            err = load_one(config, environment[i], &seen, why);
    }
    return err;
}
