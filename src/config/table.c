/* SPDX-License-Identifier: Apache-2.0 */
#include "config/table.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

enum { RELOAD_FIXED = 0, RELOAD_RELOAD = 1 };
enum { KEY_MAX_BYTES = 128, SHOWN_MAX_BYTES = 60 };

const struct config_row config_table_rows[CONFIG_OPTIONS_COUNT] = {
#define X(field, key, type, default_, min, max, unit, reload, help)                                \
    {key,                                                                                          \
     CONFIG_IS_##type,                                                                             \
     default_,                                                                                     \
     (min),                                                                                        \
     (max),                                                                                        \
     unit,                                                                                         \
     RELOAD_##reload == RELOAD_RELOAD,                                                             \
     help,                                                                                         \
     offsetof(struct config, field)},
    CONFIG_TABLE(X)
#undef X
};

static const char *const reserved_keys[] = {
#define X(key) key,
    CONFIG_RESERVED(X)
#undef X
};

static void *field_of(struct config *config, enum config_option option)
{
    return (char *)config + config_table_rows[option].offset;
}

/* ---- keys ------------------------------------------------------------------------------------ */

enum config_option config_table_find(const char *key)
{
    int option = 0;
    while (option < CONFIG_OPTIONS_COUNT && strcmp(config_table_rows[option].key, key) != 0)
        option++;
    return (enum config_option)option;
}

/* Levenshtein's distance, with one row of the matrix in memory. */
static size_t distance(const char *a, const char *b)
{
    size_t row[KEY_MAX_BYTES + 1];
    size_t b_len = strlen(b);
    assert(b_len <= KEY_MAX_BYTES);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t best = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[b_len];
}

/* The right last word below a wrong section counts as near, too: listen -> http.listen. */
static size_t key_distance(const char *wrong, const char *key)
{
    const char *last = strrchr(key, '.');
    const char *wrong_last = strrchr(wrong, '.');
    wrong_last = wrong_last != NULL ? wrong_last + 1 : wrong;
    size_t whole = distance(wrong, key);
    if (last != NULL && strcmp(last + 1, wrong_last) == 0 && whole > 2)
        return 2;
    return whole;
}

const char *config_table_nearest(const char *key)
{
    if (strlen(key) > KEY_MAX_BYTES)
        return NULL;
    const char *ret = NULL;
    size_t best = strlen(key) / 3 < 2 ? 2 : strlen(key) / 3;
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        size_t d = key_distance(key, config_table_rows[i].key);
        if (d < best || (d == best && ret == NULL)) {
            best = d;
            ret = config_table_rows[i].key;
        }
    }
    return ret;
}

static bool is_reserved(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved_keys); i++) {
        size_t len = strlen(reserved_keys[i]);
        if (strncmp(key, reserved_keys[i], len) == 0 && (key[len] == '\0' || key[len] == '.'))
            return true;
    }
    return false;
}

enum err config_table_unknown(const char *key, struct why *why)
{
    if (is_reserved(key))
        return why_set(why, ERR_BAD_CONFIG, "'%s' is planned, but this version does not have it",
                       key);
    const char *nearest = config_table_nearest(key);
    if (nearest == NULL)
        return why_set(why, ERR_BAD_CONFIG, "there is no option '%.*s'", KEY_MAX_BYTES, key);
    return why_set(why, ERR_BAD_CONFIG, "there is no option '%s'; did you mean '%s'?", key,
                   nearest);
}

/* ---- texts to values ------------------------------------------------------------------------- */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {{"", 1},
                                         {"B", 1},
                                         {"KiB", CONFIG_KIB},
                                         {"MiB", CONFIG_MIB},
                                         {"GiB", CONFIG_GIB},
                                         {"TiB", 1024 * CONFIG_GIB}};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", CONFIG_HOUR_MS}, {"d", 24 * CONFIG_HOUR_MS}};
static const struct unit number_units[] = {{"", 1}};

/* Digits, then one of the units. False for anything else, and beyond 2^64. */
static bool parse_scaled(const char *text, const struct unit *units, size_t count,
                         uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    }
    if (at == text)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, at) == 0)
            return !__builtin_mul_overflow(value, units[i].factor, ret_value);
    }
    return false;
}

static void print_scaled(uint64_t value, const struct unit *units, size_t count, struct buf *out)
{
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (value != 0 && value % units[i].factor == 0)
            best = i;
    }
    if (best == 1 && units[1].factor == 1)
        best = 0; /* a plain number of bytes */
    buf_printf(out, "%llu%s", (unsigned long long)(value / units[best].factor), units[best].name);
}

static enum err parse_number(const struct config_row *row, const char *text, uint64_t *ret_value,
                             struct why *why)
{
    bool is_good = false;
    const char *form = "a whole number";
    if (row->type == CONFIG_IS_SIZE) {
        form = "a size like 8MiB or a number of bytes";
        is_good = parse_scaled(text, size_units, ARRAY_LEN(size_units), ret_value);
    } else if (row->type == CONFIG_IS_TIME) {
        form = "a time like 250ms, 10s, 5m, 2h or 7d";
        is_good = parse_scaled(text, time_units, ARRAY_LEN(time_units), ret_value);
    } else {
        is_good = parse_scaled(text, number_units, ARRAY_LEN(number_units), ret_value);
    }
    if (!is_good)
        return why_set(why, ERR_BAD_CONFIG, "'%.*s' is not %s, as '%s' needs", SHOWN_MAX_BYTES,
                       text, form, row->key);
    return OK;
}

static enum err check_range(const struct config_row *row, const char *text, uint64_t value,
                            struct why *why)
{
    if (value >= row->min && value <= row->max)
        return OK;
    struct buf low = BUF_INIT, high = BUF_INIT;
    const struct unit *units = number_units;
    size_t count = ARRAY_LEN(number_units);
    if (row->type == CONFIG_IS_SIZE) {
        units = size_units;
        count = ARRAY_LEN(size_units);
    } else if (row->type == CONFIG_IS_TIME) {
        units = time_units;
        count = ARRAY_LEN(time_units);
    }
    print_scaled(row->min, units, count, &low);
    print_scaled(row->max, units, count, &high);
    enum err err = why_set(why, ERR_BAD_CONFIG, "'%s' is %.*s, but must be from %s to %s", row->key,
                           SHOWN_MAX_BYTES, text, buf_string(&low), buf_string(&high));
    buf_done(&low);
    buf_done(&high);
    return err;
}

static enum err set_number(struct config *config, enum config_option option, const char *text,
                           struct why *why)
{
    const struct config_row *row = &config_table_rows[option];
    uint64_t value = 0;
    enum err err = parse_number(row, text, &value, why);
    if (err == OK)
        err = check_range(row, text, value, why);
    if (err == OK)
        *(uint64_t *)field_of(config, option) = value;
    return err;
}

static enum err set_bool(struct config *config, enum config_option option, const char *text,
                         struct why *why)
{
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0)
        return why_set(why, ERR_BAD_CONFIG, "'%s' is '%.*s', but must be true or false",
                       config_table_rows[option].key, SHOWN_MAX_BYTES, text);
    *(bool *)field_of(config, option) = value;
    return OK;
}

static enum err check_text(const struct config_row *row, const char *text, struct why *why)
{
    size_t len = strlen(text);
    struct bytes bytes = bytes_of(text, len);
    if (!utf8_is_valid(bytes) || utf8_has_control(bytes))
        return why_set(why, ERR_BAD_CONFIG, "'%s' must be UTF-8 without control characters",
                       row->key);
    if (len < row->min || len > row->max)
        return why_set(why, ERR_BAD_CONFIG, "'%s' has %zu bytes, but must have from %llu to %llu",
                       row->key, len, (unsigned long long)row->min, (unsigned long long)row->max);
    return OK;
}

/* Is text one of "a|b|c"? */
static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; at != NULL && len > 0;) {
        if (strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
        at = strchr(at, '|');
        at = at != NULL ? at + 1 : NULL;
    }
    return false;
}

static enum err set_text(struct config *config, enum config_option option, const char *text,
                         struct why *why)
{
    const struct config_row *row = &config_table_rows[option];
    if (row->type == CONFIG_IS_CHOICE && !is_choice(row->unit, text))
        return why_set(why, ERR_BAD_CONFIG, "'%s' is '%.*s', but must be one of %s", row->key,
                       SHOWN_MAX_BYTES, text, row->unit);
    enum err err = row->type == CONFIG_IS_TEXT ? check_text(row, text, why) : OK;
    if (err != OK)
        return err;
    char **field = field_of(config, option);
    free(*field);
    *field = alloc_string(text);
    return OK;
}

/* Items are separated by commas; blanks around them do not count, nor do empty items. */
static struct config_list split_list(const char *text)
{
    struct config_list ret = {NULL, 0};
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        size_t start = 0, end = len;
        while (start < end && text[start] == ' ')
            start++;
        while (end > start && text[end - 1] == ' ')
            end--;
        if (end > start)
            config_list_add(&ret, text + start, end - start);
        text += len + (text[len] == ',');
    }
    return ret;
}

enum err config_table_set_list_take(struct config *config, enum config_option option,
                                    struct config_list items, enum config_source source,
                                    struct why *why)
{
    const struct config_row *row = &config_table_rows[option];
    enum err err = OK;
    assert(row->type == CONFIG_IS_LIST);
    if (items.count > row->max)
        err = why_set(why, ERR_BAD_CONFIG, "'%s' has %zu items, but at most %llu may be given",
                      row->key, items.count, (unsigned long long)row->max);
    for (size_t i = 0; i < items.count && err == OK; i++) {
        struct bytes item = bytes_of_string(items.items[i]);
        if (!utf8_is_valid(item) || utf8_has_control(item) || item.len > 255)
            err = why_set(why, ERR_BAD_CONFIG,
                          "item %zu of '%s' must be UTF-8 of at most 255 bytes without control "
                          "characters",
                          i + 1, row->key);
    }
    if (err != OK) {
        config_list_done(&items);
        return err;
    }
    struct config_list *field = field_of(config, option);
    config_list_done(field);
    *field = items;
    config->sources[option] = source;
    return OK;
}

enum err config_table_set(struct config *config, enum config_option option, const char *text,
                          enum config_source source, struct why *why)
{
    enum err err = OK;
    switch (config_table_rows[option].type) {
    case CONFIG_IS_TEXT:
    case CONFIG_IS_CHOICE:
        err = set_text(config, option, text, why);
        break;
    case CONFIG_IS_NUMBER:
    case CONFIG_IS_SIZE:
    case CONFIG_IS_TIME:
        err = set_number(config, option, text, why);
        break;
    case CONFIG_IS_BOOL:
        err = set_bool(config, option, text, why);
        break;
    case CONFIG_IS_LIST:
        return config_table_set_list_take(config, option, split_list(text), source, why);
    }
    if (err == OK)
        config->sources[option] = source;
    return err;
}

void config_table_set_defaults(struct config *config)
{
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        struct why why = {0};
        enum err err = config_table_set(config, (enum config_option)i,
                                        config_table_rows[i].default_text, CONFIG_DEFAULT, &why);
        assert(err == OK);
    }
}

void config_table_done(struct config *config)
{
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        enum config_type type = config_table_rows[i].type;
        void *field = field_of(config, (enum config_option)i);
        if (type == CONFIG_IS_TEXT || type == CONFIG_IS_CHOICE) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (type == CONFIG_IS_LIST) {
            config_list_done(field);
        }
    }
}

/* ---- values to texts ------------------------------------------------------------------------- */

static void print_quoted(const char *text, struct buf *out)
{
    buf_append_string(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_append_string(out, "\\");
        buf_append(out, text, 1);
    }
    buf_append_string(out, "\"");
}

void config_value_text(const struct config *config, enum config_option option, struct buf *out)
{
    const struct config_row *row = &config_table_rows[option];
    const void *field = (const char *)config + row->offset;
    const struct config_list *list = field;
    switch (row->type) {
    case CONFIG_IS_TEXT:
        print_quoted(*(char *const *)field, out);
        break;
    case CONFIG_IS_CHOICE:
        buf_append_string(out, *(char *const *)field);
        break;
    case CONFIG_IS_NUMBER:
        buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case CONFIG_IS_SIZE:
        print_scaled(*(const uint64_t *)field, size_units, ARRAY_LEN(size_units), out);
        break;
    case CONFIG_IS_TIME:
        print_scaled(*(const uint64_t *)field, time_units, ARRAY_LEN(time_units), out);
        break;
    case CONFIG_IS_BOOL:
        buf_append_string(out, *(const bool *)field ? "true" : "false");
        break;
    case CONFIG_IS_LIST:
        buf_append_string(out, "[");
        for (size_t i = 0; i < list->count; i++) {
            buf_append_string(out, i > 0 ? ", " : "");
            print_quoted(list->items[i], out);
        }
        buf_append_string(out, "]");
        break;
    }
}

const char *config_key(enum config_option option)
{
    return config_table_rows[option].key;
}

bool config_is_reloadable(enum config_option option)
{
    return config_table_rows[option].reload;
}

bool config_is_equal(const struct config *a, const struct config *b, enum config_option option)
{
    struct buf texts[2] = {BUF_INIT, BUF_INIT};
    config_value_text(a, option, &texts[0]);
    config_value_text(b, option, &texts[1]);
    bool ret = bytes_is_equal(buf_bytes(&texts[0]), buf_bytes(&texts[1]));
    buf_done(&texts[0]);
    buf_done(&texts[1]);
    return ret;
}

static size_t size_of(enum config_type type)
{
    static const size_t sizes[] = {[CONFIG_IS_TEXT] = sizeof(CONFIG_TYPE_TEXT),
                                   [CONFIG_IS_CHOICE] = sizeof(CONFIG_TYPE_CHOICE),
                                   [CONFIG_IS_NUMBER] = sizeof(CONFIG_TYPE_NUMBER),
                                   [CONFIG_IS_SIZE] = sizeof(CONFIG_TYPE_SIZE),
                                   [CONFIG_IS_TIME] = sizeof(CONFIG_TYPE_TIME),
                                   [CONFIG_IS_BOOL] = sizeof(CONFIG_TYPE_BOOL),
                                   [CONFIG_IS_LIST] = sizeof(CONFIG_TYPE_LIST)};
    assert((size_t)type < ARRAY_LEN(sizes));
    return sizes[type];
}

void config_exchange_reloadable(struct config *a, struct config *b)
{
    for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++) {
        enum config_option option = (enum config_option)i;
        unsigned char kept[sizeof(struct config_list)];
        size_t size = size_of(config_table_rows[i].type);
        assert(size <= sizeof(kept));
        if (!config_table_rows[i].reload)
            continue;
        memcpy(kept, field_of(a, option), size);
        memcpy(field_of(a, option), field_of(b, option), size);
        memcpy(field_of(b, option), kept, size);
        enum config_source source = a->sources[i];
        a->sources[i] = b->sources[i];
        b->sources[i] = source;
    }
}

/* ---- lists ----------------------------------------------------------------------------------- */

void config_list_add(struct config_list *list, const char *item, size_t len)
{
    list->items = alloc_resize(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = alloc_string_len(item, len);
}

void config_list_done(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){NULL, 0};
}

void config_table_warn(struct config *config, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    config_list_add(&config->warnings, text, strlen(text));
}
