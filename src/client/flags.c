/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flags.h"

#include "base/alloc.h"

#include <stdio.h>

enum { HELP_COLUMN = 30 };

bool client_flag_number(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    }
    if (at == text || *at != '\0' || value > INT64_MAX)
        return false;
    *ret_value = value;
    return true;
}

bool client_flag_time_ms(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char digits[20];
    size_t len = strspn(text, "0123456789");
    uint64_t value = 0;
    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (!client_flag_number(digits, &value))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + len, units[i].name) == 0)
            return !__builtin_mul_overflow(value, units[i].ms, ret_ms);
    }
    return false;
}

enum err client_list_add(struct client_list *list, const char *text, struct why *why)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        if (len > 0 && list->count == CLIENT_LIST_MAX)
            return why_set(why, ERR_BAD_PARAMETER, "more than %d items", CLIENT_LIST_MAX);
        if (len > 0)
            list->items[list->count++] = alloc_string_len(text, len);
        text += len + (text[len] == ',');
    }
    return OK;
}

void client_list_done(struct client_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    list->count = 0;
}

static enum err set_real(const struct client_flag *flag, const char *text, struct why *why)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0) || value > 1e15)
        return why_set(why, ERR_BAD_PARAMETER, "flag '--%s': '%.60s' is not a number", flag->name,
                       text);
    *(double *)flag->target = value;
    return OK;
}

static enum err set_number(const struct client_flag *flag, const char *text, struct why *why)
{
    uint64_t value = 0;
    uint64_t max = flag->max != 0 ? flag->max : INT64_MAX;
    if (!client_flag_number(text, &value))
        return why_set(why, ERR_BAD_PARAMETER, "flag '--%s': '%.60s' is not a whole number",
                       flag->name, text);
    if (value < flag->min || value > max)
        return why_set(why, ERR_BAD_PARAMETER, "flag '--%s' must be from %llu to %llu", flag->name,
                       (unsigned long long)flag->min, (unsigned long long)max);
    *(uint64_t *)flag->target = value;
    return OK;
}

static enum err set_time(const struct client_flag *flag, const char *text, struct why *why)
{
    uint64_t ms = 0;
    if (!client_flag_time_ms(text, &ms))
        return why_set(why, ERR_BAD_PARAMETER,
                       "flag '--%s': '%.60s' is not a time like 250ms, 10s or 5m", flag->name,
                       text);
    if (flag->max != 0 && (ms < flag->min || ms > flag->max))
        return why_set(why, ERR_BAD_PARAMETER, "flag '--%s' must be from %llu ms to %llu ms",
                       flag->name, (unsigned long long)flag->min, (unsigned long long)flag->max);
    *(uint64_t *)flag->target = ms;
    return OK;
}

static enum err set_value(const struct client_flag *flag, const char *text, struct why *why)
{
    enum err err = OK;
    switch (flag->kind) {
    case CLIENT_FLAG_SWITCH:
        *(bool *)flag->target = true;
        break;
    case CLIENT_FLAG_TEXT:
        *(const char **)flag->target = text;
        break;
    case CLIENT_FLAG_NUMBER:
        err = set_number(flag, text, why);
        break;
    case CLIENT_FLAG_REAL:
        err = set_real(flag, text, why);
        break;
    case CLIENT_FLAG_TIME:
        err = set_time(flag, text, why);
        break;
    case CLIENT_FLAG_MAY_TIME:
        err = text != NULL ? set_time(flag, text, why) : OK;
        break;
    case CLIENT_FLAG_LIST:
        err = client_list_add(flag->target, text, why);
        break;
    }
    if (err == OK && flag->is_given != NULL)
        *flag->is_given = true;
    return err;
}

/* NULL when there is none that may be used here. */
static const struct client_flag *find_flag(const struct client_flag *flags, size_t count,
                                           bool (*takes)(const char *name, void *arg), void *arg,
                                           const char *word, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (takes != NULL && !takes(flags[i].name, arg))
            continue;
        bool is_long = len > 2 && word[1] == '-' && strlen(flags[i].name) == len - 2 &&
                       memcmp(flags[i].name, word + 2, len - 2) == 0;
        bool is_short = len == 2 && flags[i].letter != 0 && word[1] == flags[i].letter;
        if (is_long || is_short)
            return &flags[i];
    }
    return NULL;
}

enum err client_flags_parse(const struct client_flag *flags, size_t count,
                            bool (*takes)(const char *name, void *arg), void *arg, int argc,
                            char *const *argv, const char **ret_words, size_t words_max,
                            size_t *ret_words_count, struct why *why)
{
    size_t words = 0;
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || word[0] != '-' || word[1] == '\0') {
            if (words == words_max)
                return why_set(why, ERR_BAD_PARAMETER, "one word too many: '%.60s'", word);
            ret_words[words++] = word;
            continue;
        }
        size_t len = strcspn(word, "=");
        const struct client_flag *flag = find_flag(flags, count, takes, arg, word, len);
        if (flag == NULL)
            return why_set(why, ERR_BAD_PARAMETER, "there is no flag '%.60s' here", word);
        const char *value = word[len] == '=' ? word + len + 1 : NULL;
        if (flag->kind == CLIENT_FLAG_SWITCH && value != NULL)
            return why_set(why, ERR_BAD_PARAMETER, "flag '--%s' takes no value", flag->name);
        bool is_alone = flag->kind == CLIENT_FLAG_SWITCH || flag->kind == CLIENT_FLAG_MAY_TIME;
        if (!is_alone && value == NULL) {
            if (i + 1 >= argc)
                return why_set(why, ERR_BAD_PARAMETER, "flag '--%s' needs a value", flag->name);
            value = argv[++i];
        }
        enum err err = set_value(flag, value, why);
        if (err != OK)
            return err;
    }
    *ret_words_count = words;
    return OK;
}

void client_flags_help(const struct client_flag *flags, size_t count,
                       bool (*takes)(const char *name, void *arg), void *arg, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (takes != NULL && !takes(flags[i].name, arg))
            continue;
        size_t start = out->len;
        if (flags[i].letter != 0)
            buf_printf(out, "  -%c, --%s", flags[i].letter, flags[i].name);
        else
            buf_printf(out, "  --%s", flags[i].name);
        const char *value = flags[i].value != NULL ? flags[i].value : "X";
        if (flags[i].kind == CLIENT_FLAG_MAY_TIME)
            buf_printf(out, "[=%s]", value);
        else if (flags[i].kind != CLIENT_FLAG_SWITCH)
            buf_printf(out, " %s", value);
        size_t column = out->len - start;
        buf_printf(out, "%*s %s\n", column < HELP_COLUMN ? (int)(HELP_COLUMN - column) : 0, "",
                   flags[i].help);
    }
}
