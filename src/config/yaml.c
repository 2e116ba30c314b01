/* SPDX-License-Identifier: Apache-2.0 */
/* The file: a YAML mapping of sections and options, read by libyaml's events.
 *
 * The path of the keys above a value, joined by dots, is the option's key; so `http: {listen: x}`
 * and `http.listen: x` mean the same. Every fault is reported with the line and column where it
 * stands. Refused, because each hides a mistake more often than it helps: an option given twice,
 * unknown keys, anchors and aliases, tags, several documents. */
#include "config/table.h"

#include "base/alloc.h"

#include <yaml.h>

enum { PATH_MAX_BYTES = 200, DEPTH_MAX = 8 };

struct loader {
    struct config *config; /* borrowed */
    const char *file;      /* borrowed; for messages */
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    bool is_given[CONFIG_OPTIONS_COUNT];
    char path[PATH_MAX_BYTES];
    struct why *why;
};

/* Puts file:line:column of the last event before what why says. */
static enum err at_event(struct loader *loader, enum err err)
{
    if (err == OK)
        return OK;
    why_wrap(loader->why, "%s:%zu:%zu", loader->file, loader->event.start_mark.line + 1,
             loader->event.start_mark.column + 1);
    return err;
}

static enum err refuse(struct loader *loader, const char *sentence)
{
    return at_event(loader, why_set(loader->why, ERR_BAD_CONFIG, "%s", sentence));
}

static enum err next_event(struct loader *loader)
{
    if (loader->has_event)
        yaml_event_delete(&loader->event);
    loader->has_event = yaml_parser_parse(&loader->parser, &loader->event) == 1;
    if (!loader->has_event) {
        assert(loader->parser.error != YAML_MEMORY_ERROR);
        const yaml_mark_t *mark = &loader->parser.problem_mark;
        return why_set(loader->why, ERR_BAD_CONFIG, "%s:%zu:%zu: %s", loader->file, mark->line + 1,
                       mark->column + 1,
                       loader->parser.problem != NULL ? loader->parser.problem : "not YAML");
    }
    if (loader->event.type == YAML_ALIAS_EVENT)
        return refuse(loader, "aliases are not taken here: write the value out");
    if ((loader->event.type == YAML_SCALAR_EVENT && loader->event.data.scalar.anchor != NULL) ||
        (loader->event.type == YAML_MAPPING_START_EVENT &&
         loader->event.data.mapping_start.anchor != NULL) ||
        (loader->event.type == YAML_SEQUENCE_START_EVENT &&
         loader->event.data.sequence_start.anchor != NULL))
        return refuse(loader, "anchors are not taken here");
    return OK;
}

/* The scalar of the event as a C string; free it. A NUL inside is refused. */
static enum err scalar_text(struct loader *loader, char **ret_text)
{
    size_t len = loader->event.data.scalar.length;
    const char *value = (const char *)loader->event.data.scalar.value;
    if (memchr(value, '\0', len) != NULL)
        return refuse(loader, "a NUL character is not taken here");
    *ret_text = alloc_string_len(value, len);
    return OK;
}

/* Is there an option below this path? Then it is a section. */
static bool is_section(const char *path)
{
    size_t len = strlen(path);
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        if (strncmp(config_table_rows[i].key, path, len) == 0 &&
            config_table_rows[i].key[len] == '.')
            return true;
    }
    return false;
}

static enum err take_sequence(struct loader *loader, enum config_option option)
{
    struct config_list items = {NULL, 0};
    if (config_table_rows[option].type != CONFIG_IS_LIST)
        return at_event(loader, why_set(loader->why, ERR_BAD_CONFIG,
                                        "'%s' takes one value, not a list", loader->path));
    enum err err = next_event(loader);
    while (err == OK && loader->event.type != YAML_SEQUENCE_END_EVENT) {
        char *text = NULL;
        if (loader->event.type != YAML_SCALAR_EVENT)
            err = refuse(loader, "a list holds plain texts only");
        else
            err = scalar_text(loader, &text);
        if (err == OK)
            config_list_add(&items, text, strlen(text));
        free(text);
        if (err == OK)
            err = next_event(loader);
    }
    if (err != OK) {
        config_list_done(&items);
        return err;
    }
    return at_event(loader, config_table_set_list_take(loader->config, option, items, CONFIG_FILE,
                                                       loader->why));
}

/* The value of the option at loader->path. */
static enum err take_value(struct loader *loader)
{
    enum config_option option = config_table_find(loader->path);
    assert(option != CONFIG_OPTIONS_COUNT);
    if (loader->event.type == YAML_SEQUENCE_START_EVENT)
        return take_sequence(loader, option);
    if (loader->event.type != YAML_SCALAR_EVENT)
        return at_event(loader, why_set(loader->why, ERR_BAD_CONFIG,
                                        "'%s' is an option, not a section", loader->path));
    char *text = NULL;
    enum err err = scalar_text(loader, &text);
    if (err == OK)
        err = at_event(loader,
                       config_table_set(loader->config, option, text, CONFIG_FILE, loader->why));
    free(text);
    return err;
}

static enum err take_mapping(struct loader *loader, unsigned depth);

/* The key is in loader->path, the event is the value's. */
static enum err take_pair(struct loader *loader, unsigned depth)
{
    if (config_table_find(loader->path) != CONFIG_OPTIONS_COUNT)
        return take_value(loader);
    if (loader->event.type == YAML_MAPPING_START_EVENT)
        return take_mapping(loader, depth + 1);
    bool is_empty =
        loader->event.type == YAML_SCALAR_EVENT && loader->event.data.scalar.length == 0;
    if (is_empty)
        return OK; /* a section whose options are all commented out */
    return at_event(loader, why_set(loader->why, ERR_BAD_CONFIG,
                                    "'%s' is a section: its options stand below it", loader->path));
}

/* Puts the key of the event at the end of the path, and checks that it leads somewhere. */
static enum err push_key(struct loader *loader)
{
    if (loader->event.type != YAML_SCALAR_EVENT)
        return refuse(loader, "a key must be a plain text");
    char *text = NULL;
    enum err err = scalar_text(loader, &text);
    if (err != OK)
        return err;
    size_t len = strlen(loader->path);
    int wanted =
        snprintf(loader->path + len, sizeof(loader->path) - len, "%s%s", len > 0 ? "." : "", text);
    free(text);
    if (wanted < 0 || (size_t)wanted >= sizeof(loader->path) - len)
        return refuse(loader, "this key is too long to be an option");
    enum config_option option = config_table_find(loader->path);
    if (option == CONFIG_OPTIONS_COUNT && !is_section(loader->path))
        return at_event(loader, config_table_unknown(loader->path, loader->why));
    if (option != CONFIG_OPTIONS_COUNT && loader->is_given[option])
        return at_event(loader,
                        why_set(loader->why, ERR_BAD_CONFIG, "'%s' is given twice", loader->path));
    if (option != CONFIG_OPTIONS_COUNT)
        loader->is_given[option] = true;
    return OK;
}

/* From behind the start of a mapping to its end. */
static enum err take_mapping(struct loader *loader, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return refuse(loader, "too many levels");
    size_t path_len = strlen(loader->path);
    enum err err = next_event(loader);
    while (err == OK && loader->event.type != YAML_MAPPING_END_EVENT) {
        err = push_key(loader);
        if (err == OK)
            err = next_event(loader);
        if (err == OK)
            err = take_pair(loader, depth);
        loader->path[path_len] = '\0';
        if (err == OK)
            err = next_event(loader);
    }
    return err;
}

static enum err take_document(struct loader *loader)
{
    enum err err = next_event(loader);
    if (err != OK)
        return err;
    bool is_empty =
        loader->event.type == YAML_SCALAR_EVENT && loader->event.data.scalar.length == 0;
    if (loader->event.type != YAML_MAPPING_START_EVENT && !is_empty)
        return refuse(loader, "the file must hold sections and options");
    return is_empty ? OK : take_mapping(loader, 0);
}

static enum err take_stream(struct loader *loader)
{
    unsigned documents = 0;
    enum err err = next_event(loader);
    while (err == OK && loader->event.type != YAML_STREAM_END_EVENT) {
        if (loader->event.type == YAML_DOCUMENT_START_EVENT) {
            if (++documents > 1)
                return refuse(loader, "there is a second document in the file");
            err = take_document(loader);
        }
        if (err == OK)
            err = next_event(loader);
    }
    return err;
}

enum err config_yaml_load(struct config *config, const char *path, struct bytes text,
                          struct why *why)
{
    struct why own = {0};
    struct loader loader = {.config = config, .file = path, .why = why != NULL ? why : &own};
    if (yaml_parser_initialize(&loader.parser) != 1)
        abort(); /* out of memory */
    yaml_parser_set_input_string(&loader.parser, text.data, text.len);
    enum err err = take_stream(&loader);
    if (loader.has_event)
        yaml_event_delete(&loader.event);
    yaml_parser_delete(&loader.parser);
    return err;
}
