/* SPDX-License-Identifier: Apache-2.0 */
/* openapi-json < openapi.yaml > openapi_json.h: the YAML document as JSON, in a C array. A build
 * tool: the daemon itself never parses YAML here. Plain scalars become numbers, true, false and
 * null where JSON has them; quoted ones and all keys become strings. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static yaml_document_t document;
static size_t written;

static void put(unsigned char c)
{
    printf(written % 16 == 0 ? "\n    0x%02x," : " 0x%02x,", c);
    written++;
}

static void put_text(const char *text)
{
    while (*text != '\0')
        put((unsigned char)*text++);
}

static void put_string(const unsigned char *text, size_t len)
{
    put('"');
    for (size_t i = 0; i < len; i++) {
        char escape[8];
        if (text[i] == '"' || text[i] == '\\') {
            put('\\');
            put(text[i]);
        } else if (text[i] < 0x20) {
            snprintf(escape, sizeof(escape), "\\u%04x", text[i]);
            put_text(escape);
        } else {
            put(text[i]);
        }
    }
    put('"');
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)? : all that JSON and YAML both call a number, but for exponents. */
static bool is_number(const char *text)
{
    if (*text == '-')
        text++;
    if (!isdigit((unsigned char)*text) || (text[0] == '0' && isdigit((unsigned char)text[1])))
        return false;
    while (isdigit((unsigned char)*text))
        text++;
    if (*text == '\0')
        return true;
    if (*text++ != '.' || !isdigit((unsigned char)*text))
        return false;
    while (isdigit((unsigned char)*text))
        text++;
    return *text == '\0';
}

static void put_scalar(const yaml_node_t *node, bool is_key)
{
    const char *text = (const char *)node->data.scalar.value;
    bool is_plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_key;
    if (is_plain && (is_number(text) || strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
                     strcmp(text, "null") == 0))
        put_text(text);
    else if (is_plain && (text[0] == '\0' || strcmp(text, "~") == 0))
        put_text("null");
    else
        put_string(node->data.scalar.value, node->data.scalar.length);
}

static void put_node(int index)
{
    const yaml_node_t *node = yaml_document_get_node(&document, index);
    if (node->type == YAML_SCALAR_NODE) {
        put_scalar(node, false);
    } else if (node->type == YAML_SEQUENCE_NODE) {
        put('[');
        for (yaml_node_item_t *item = node->data.sequence.items.start;
             item < node->data.sequence.items.top; item++) {
            if (item > node->data.sequence.items.start)
                put(',');
            put_node(*item);
        }
        put(']');
    } else {
        put('{');
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
             pair < node->data.mapping.pairs.top; pair++) {
            if (pair > node->data.mapping.pairs.start)
                put(',');
            put_scalar(yaml_document_get_node(&document, pair->key), true);
            put(':');
            put_node(pair->value);
        }
        put('}');
    }
}

int main(void)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return 1;
    yaml_parser_set_input_file(&parser, stdin);
    if (!yaml_parser_load(&parser, &document) || yaml_document_get_root_node(&document) == NULL) {
        fprintf(stderr, "openapi-json: line %zu column %zu: %s\n", parser.problem_mark.line + 1,
                parser.problem_mark.column + 1, parser.problem == NULL ? "empty" : parser.problem);
        return 1;
    }
    printf("/* Made by scripts/tools/openapi-json from api/openapi.yaml. */\n"
           "static const unsigned char openapi_json[] = {");
    put_node(1);
    printf("\n};\n");
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return ferror(stdout) || fflush(stdout) != 0;
}
