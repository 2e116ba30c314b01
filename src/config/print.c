/* SPDX-License-Identifier: Apache-2.0 */
#include "config/table.h"

#include <ctype.h>

enum { COMMENT_COLUMN = 48, FLAG_COLUMN = 46 };

static const char *const section_helps[][2] = {
#define X(key, help) {key, help},
    CONFIG_SECTIONS(X)
#undef X
};

const char *config_source_name(enum config_source source)
{
    static const char *const names[] = {"default", "file", "env", "flag"};
    assert((size_t)source < ARRAY_LEN(names));
    return names[source];
}

static void print_indent(size_t depth, struct buf *out)
{
    for (size_t i = 0; i < depth; i++)
        buf_append_string(out, "  ");
}

static size_t depth_of(const char *key)
{
    size_t ret = 0;
    for (; *key != '\0'; key++)
        ret += *key == '.';
    return ret;
}

static const char *section_help(const char *key, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(section_helps); i++) {
        if (strlen(section_helps[i][0]) == len && strncmp(section_helps[i][0], key, len) == 0)
            return section_helps[i][1];
    }
    return NULL;
}

/* Opens the sections of key that previous was not in. */
static void open_sections(const char *previous, const char *key, bool annotated, struct buf *out)
{
    size_t depth = 0;
    for (const char *at = key, *dot; (dot = strchr(at, '.')) != NULL; at = dot + 1, depth++) {
        size_t len = (size_t)(dot - key);
        if (strncmp(previous, key, len) == 0 && previous[len] == '.')
            continue;
        const char *help = annotated ? section_help(key, len) : NULL;
        if (annotated)
            buf_append_string(out, "\n");
        if (help != NULL) {
            print_indent(depth, out);
            buf_printf(out, "# %s\n", help);
        }
        print_indent(depth, out);
        buf_printf(out, "%.*s:\n", (int)(dot - at), at);
    }
}

static const char *last_word(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot != NULL ? dot + 1 : key;
}

void config_print(const struct config *config, struct buf *out)
{
    const char *previous = "";
    buf_append_string(out, "# behind each value: where it is from; what takes a new one over\n");
    if (config->file != NULL)
        buf_printf(out, "# with the file %s\n", config->file);
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        const char *key = config_table_rows[i].key;
        open_sections(previous, key, false, out);
        size_t start = out->len;
        print_indent(depth_of(key), out);
        buf_printf(out, "%s: ", last_word(key));
        config_value_text(config, (enum config_option)i, out);
        size_t column = out->len - start;
        buf_printf(out, "%*s # %s, %s\n",
                   column < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - column) : 0, "",
                   config_source_name(config->sources[i]),
                   config_table_rows[i].reload ? "SIGHUP" : "restart");
        previous = key;
    }
}

static void print_unit(const struct config_row *row, struct buf *out)
{
    if (row->type == CONFIG_IS_CHOICE) {
        buf_printf(out, "One of %s.", row->unit);
    } else if (row->type == CONFIG_IS_NUMBER) {
        buf_printf(out, "%llu to %llu%s%s.", (unsigned long long)row->min,
                   (unsigned long long)row->max, row->unit[0] != '\0' ? " " : "", row->unit);
    } else if (row->type == CONFIG_IS_SIZE) {
        buf_append_string(out, "A size: 64KiB, 8MiB, 1GiB.");
    } else if (row->type == CONFIG_IS_TIME) {
        buf_append_string(out, "A time: 250ms, 10s, 5m, 2h.");
    } else if (row->type == CONFIG_IS_BOOL) {
        buf_append_string(out, "true or false.");
    } else if (row->type == CONFIG_IS_LIST) {
        buf_append_string(out, "A list.");
    } else {
        buf_append_string(out, "A text.");
    }
    buf_append_string(out, row->reload ? " SIGHUP takes a new value over."
                                       : " A new value needs a restart.");
}

static const char annotated_head[] =
    "# Lethe's configuration: every option with its default.\n"
    "# Made by `lethed --print-config --annotated`; a test holds the two equal.\n"
    "#\n"
    "# lethed --config FILE reads it. Environment variables win over the file, flags over both:\n"
    "# http.listen is also LETHE_HTTP_LISTEN, --http-listen X and --set http.listen=X.\n"
    "# LETHE_HTTP_LISTEN_FILE names a file that holds the value. An unknown key is an error.\n"
    "# Without any configuration a node is a cluster of one on loopback.\n";

void config_print_annotated(struct buf *out)
{
    struct config config = {0};
    config_table_set_defaults(&config);
    buf_append_string(out, annotated_head);
    const char *previous = "";
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        const struct config_row *row = &config_table_rows[i];
        open_sections(previous, row->key, true, out);
        print_indent(depth_of(row->key), out);
        buf_printf(out, "# %c%s.\n", toupper((unsigned char)row->help[0]), row->help + 1);
        print_indent(depth_of(row->key), out);
        buf_append_string(out, "# ");
        print_unit(row, out);
        buf_append_string(out, "\n");
        print_indent(depth_of(row->key), out);
        buf_printf(out, "%s: ", last_word(row->key));
        config_value_text(&config, (enum config_option)i, out);
        buf_append_string(out, "\n");
        previous = row->key;
    }
    config_done(&config);
}

void config_print_help(struct buf *out)
{
    struct config config = {0};
    config_table_set_defaults(&config);
    buf_append_string(
        out, "usage: lethed [FLAG ...]\n"
             "       lethed dump --data-dir DIR [--rows]\n"
             "       lethed restore|recover --help\n"
             "\n"
             "Runs one node in the foreground; SIGTERM and SIGINT stop it, SIGHUP reads the\n"
             "configuration again. Flags win over LETHE_* variables, these over the file.\n"
             "\n"
             "  --config FILE      read this YAML file (see conf/lethe.yaml)\n"
             "  --set KEY=VALUE    any option by its key\n"
             "  --check-config     say whether the configuration is right, and end\n"
             "  --print-config     print the effective configuration with its sources, and end\n"
             "  --annotated        with --print-config: all options, explained, with defaults\n"
             "  --data-dir DIR     short for --node-data-dir\n"
             "  --version, --help\n"
             "\n"
             "options, as flags (default):\n");
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        size_t start = out->len;
        buf_append_string(out, "  --");
        for (const char *at = config_table_rows[i].key; *at != '\0'; at++)
            buf_append(out, *at == '.' || *at == '_' ? "-" : at, 1);
        size_t column = out->len - start;
        buf_printf(out, "%*s %s (", column < FLAG_COLUMN ? (int)(FLAG_COLUMN - column) : 0, "",
                   config_table_rows[i].help);
        config_value_text(&config, (enum config_option)i, out);
        buf_append_string(out, ")\n");
    }
    buf_append_string(out, "\nexit codes: 0 stopped as asked, 1 could not start, 2 the "
                           "configuration is wrong,\n70 a failed write or damaged data: see the "
                           "log before starting it again\n");
    config_done(&config);
}
