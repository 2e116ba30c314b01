/* SPDX-License-Identifier: Apache-2.0 */
#include "language.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *line)
{
    fprintf(stderr, "scenario: %s: %s\n", what, line);
    exit(2);
}

/* Splits in place; quotes are taken away. Returns the next word or NULL. */
static char *next_word(char **at)
{
    while (**at == ' ' || **at == '\t')
        (*at)++;
    if (**at == '\0' || **at == '#' || **at == '\n')
        return NULL;
    char *start = *at, *out = start;
    bool quoted = false;
    while (**at != '\0' && **at != '\n' && (quoted || (**at != ' ' && **at != '\t'))) {
        if (**at == '"')
            quoted = !quoted;
        else
            *out++ = **at;
        (*at)++;
    }
    if (quoted)
        return NULL;
    if (**at != '\0')
        (*at)++;
    *out = '\0';
    return start;
}

bool words_parse(struct words *words, const char *line)
{
    memset(words, 0, sizeof(*words));
    if (strlen(line) >= sizeof(words->text))
        die("line too long", line);
    memcpy(words->text, line, strlen(line) + 1);
    char *at = words->text, *word;
    while ((word = next_word(&at)) != NULL) {
        char *equals = strchr(word, '=');
        if (words->words_count == WORDS_MAX || words->options_count == WORDS_MAX)
            die("too many words", line);
        if (equals != NULL && words->words_count > 0) {
            *equals = '\0';
            words->key[words->options_count] = word;
            words->value[words->options_count++] = equals + 1;
        } else {
            words->word[words->words_count++] = word;
        }
    }
    return words->words_count > 0;
}

const char *words_option(const struct words *words, const char *key)
{
    for (int i = 0; i < words->options_count; i++) {
        if (strcmp(words->key[i], key) == 0)
            return words->value[i];
    }
    return NULL;
}

bool number_parse(const char *text, uint64_t *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    uint64_t value = strtoull(text, &end, 10);
    if (*end == 'k' || *end == 'm') {
        value *= *end == 'k' ? 1024 : 1024 * 1024;
        end++;
    }
    if (*end != '\0')
        return false;
    *ret = value;
    return true;
}

uint64_t words_number(const struct words *words, const char *key, uint64_t otherwise)
{
    const char *text = words_option(words, key);
    uint64_t ret = otherwise;
    if (text != NULL && !number_parse(text, &ret))
        die("not a number", text);
    return ret;
}

bool ids_parse(const char *text, uint64_t *ret_ids, size_t max, size_t *ret_count)
{
    size_t count = 0;
    while (*text != '\0') {
        char *end;
        uint64_t id = strtoull(text, &end, 10);
        if (end == text || id == 0 || count == max)
            return false;
        ret_ids[count++] = id;
        text = *end == ',' ? end + 1 : end;
        if (*end != ',' && *end != '\0')
            return false;
    }
    *ret_count = count;
    return true;
}

bool link_parse(const char *text, uint64_t *ret_from, uint64_t *ret_to)
{
    const char *arrow = strstr(text, "->");
    if (arrow == NULL)
        return false;
    *ret_from = text[0] == '*' ? 0 : strtoull(text, NULL, 10);
    *ret_to = arrow[2] == '*' ? 0 : strtoull(arrow + 2, NULL, 10);
    return true;
}
