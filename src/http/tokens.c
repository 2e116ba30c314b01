/* SPDX-License-Identifier: Apache-2.0 */
/* Why a plain SHA-256 and no slow hash: tokens are 256 random bits, which nobody guesses at any
 * speed, and one is looked up for every request. Who brings a token of their own is held to 16
 * bytes and told so. */
#include "http/tokens.h"

#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "http/path.h"
#include "sys/file.h"
#include "sys/random.h"

#define HASH_NAME "sha256:"

struct tokens {
    struct arena arena;
    struct token *items; /* in arena */
    uint32_t count;
};

/* A line on its way into a token. */
struct line {
    const char *path;
    unsigned number;
    struct bytes rest;
    struct arena *arena;
    struct why *why;
};

static const char *const role_names[ROLES_COUNT] = {"read", "write", "delete", "admin", "metrics"};

const char *token_role_name(unsigned role)
{
    for (unsigned i = 0; i < ROLES_COUNT; i++) {
        if (role == 1u << i)
            return role_names[i];
    }
    assert(!"one role");
    return "";
}

const char *token_role_names(unsigned roles, struct arena *arena)
{
    char text[64] = "";
    size_t len = 0;
    for (unsigned i = 0; i < ROLES_COUNT; i++) {
        if ((roles & 1u << i) != 0)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s'%s'", len > 0 ? " or " : "",
                                    role_names[i]);
    }
    return arena_string(arena, bytes_of_string(text));
}

void token_hash(struct bytes token, uint8_t ret_hash[TOKEN_HASH_BYTES])
{
    int failed = gnutls_hash_fast(GNUTLS_DIG_SHA256, token.data, token.len, ret_hash);
    assert(failed == 0);
}

struct bytes token_of_header(const char *header)
{
    static const char scheme[] = "Bearer";
    size_t len = sizeof(scheme) - 1;
    if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return BYTES_NONE;
    const char *at = header + len;
    at += strspn(at, " ");
    struct bytes ret = bytes_of_string(at);
    while (ret.len > 0 && ret.data[ret.len - 1] == ' ')
        ret.len--;
    return ret;
}

/* ---- reading the file ---------------------------------------------------------------------------- */
static enum err refuse(const struct line *line, const char *format, ...) PRINTF_LIKE(2, 3);
static enum err refuse(const struct line *line, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return why_set(line->why, ERR_BAD_CONFIG, "%s:%u: %s", line->path, line->number, text);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; empty at its end or at a comment. */
static struct bytes take_word(struct line *line)
{
    size_t start = 0;
    while (start < line->rest.len && is_space(line->rest.data[start]))
        start++;
    size_t end = start;
    while (end < line->rest.len && !is_space(line->rest.data[end]))
        end++;
    struct bytes word = bytes_of(line->rest.data + start, end - start);
    line->rest = bytes_of(line->rest.data + end, line->rest.len - end);
    if (word.len > 0 && word.data[0] == '#')
        return BYTES_NONE;
    return word;
}

static bool is_name(struct bytes text)
{
    if (text.len == 0 || text.len > TOKEN_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i], lower = c | 0x20;
        bool is_plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
                        c == '_' || c == '-' || c == '@' || c == '+';
        if (!is_plain)
            return false;
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded, in arena; false: a broken escape. */
static bool decode(struct bytes text, struct arena *arena, struct bytes *ret)
{
    uint8_t *to = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        to[len++] = c;
    }
    *ret = bytes_of(to, len);
    return true;
}

static const char *text_of(const struct line *line, struct bytes bytes)
{
    return arena_string(line->arena, bytes_of(bytes.data, bytes.len < 60 ? bytes.len : 60));
}

/* "2/room-": the type and the beginning of the id. */
static enum err parse_prefix(struct line *line, struct bytes text, struct token_grant *grant)
{
    const uint8_t *slash = memchr(text.data, '/', text.len);
    uint64_t type = 0;
    size_t type_len = slash == NULL ? 0 : (size_t)(slash - text.data);
    if (slash == NULL || !path_number(bytes_of(text.data, type_len), UINT8_MAX, &type))
        return refuse(line, "'%s' is not the beginning of channels, like 2/room-",
                      text_of(line, text));
    grant->is_limited = true;
    grant->type = (uint8_t)type;
    if (!decode(bytes_of(slash + 1, text.len - type_len - 1), line->arena, &grant->prefix))
        return refuse(line, "'%s' has a '%%' that is not followed by two hexadecimal digits",
                      text_of(line, text));
    return OK;
}

static enum err parse_grant(struct line *line, struct bytes text, struct token_grant *grant)
{
    const uint8_t *at = text.len > 0 ? memchr(text.data, '@', text.len) : NULL;
    size_t role_len = at == NULL ? text.len : (size_t)(at - text.data);
    struct bytes role = bytes_of(text.data, role_len);
    *grant = (struct token_grant){0};
    for (unsigned i = 0; i < ROLES_COUNT; i++) {
        if (bytes_is_equal(role, bytes_of_string(role_names[i])))
            grant->role = (uint8_t)(1u << i);
    }
    if (grant->role == 0 &&
        role.len > 16) /* likely the token, at the wrong place: not to be shown */
        return refuse(line,
                      "the second word is no list of roles: read, write, delete, admin, metrics");
    if (grant->role == 0)
        return refuse(line, "'%s' is no role: read, write, delete, admin, metrics",
                      text_of(line, role));
    if (at == NULL)
        return OK;
    if (grant->role == ROLE_ADMIN || grant->role == ROLE_METRICS)
        return refuse(line, "the role '%s' has no channels: nothing goes behind it",
                      token_role_name(grant->role));
    return parse_prefix(line, bytes_of(at + 1, text.len - role_len - 1), grant);
}

static enum err parse_roles(struct line *line, struct bytes text, struct token *token)
{
    struct token_grant grants[TOKEN_GRANTS_MAX];
    if (text.len == 0)
        return refuse(line, "there are no roles behind the name '%s'", token->name);
    while (true) {
        const uint8_t *comma = memchr(text.data, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.data);
        if (token->grants_count == TOKEN_GRANTS_MAX)
            return refuse(line, "a token has at most %d roles", TOKEN_GRANTS_MAX);
        enum err err = parse_grant(line, bytes_of(text.data, len), &grants[token->grants_count++]);
        if (err != OK)
            return err;
        if (comma == NULL)
            break;
        text = bytes_of(comma + 1, text.len - len - 1);
        if (text.len == 0)
            return refuse(line, "the list of roles ends with a comma");
    }
    struct bytes copy =
        arena_copy(line->arena, bytes_of(grants, token->grants_count * sizeof(*grants)));
    token->grants = (const struct token_grant *)(const void *)copy.data;
    return OK;
}

static enum err parse_hash(struct line *line, struct bytes text, struct token *token)
{
    size_t name_len = strlen(HASH_NAME);
    if (text.len < name_len || memcmp(text.data, HASH_NAME, name_len) != 0)
        return refuse(line,
                      "the third word is not sha256: and a hash; 'lethed token' makes a line");
    if (text.len != name_len + 2 * (size_t)TOKEN_HASH_BYTES)
        return refuse(line, "the hash has %zu hexadecimal digits, not %d", text.len - name_len,
                      2 * TOKEN_HASH_BYTES);
    for (size_t i = 0; i < TOKEN_HASH_BYTES; i++) {
        int high = hex_digit(text.data[name_len + 2 * i]);
        int low = hex_digit(text.data[name_len + 2 * i + 1]);
        if (high < 0 || low < 0)
            return refuse(line, "the hash has something else than hexadecimal digits");
        token->hash[i] = (uint8_t)(high << 4 | low);
    }
    uint8_t empty[TOKEN_HASH_BYTES];
    token_hash(BYTES_NONE, empty);
    if (memcmp(empty, token->hash, sizeof(empty)) == 0)
        return refuse(line, "this is the hash of an empty token, which must open nothing");
    return OK;
}

static enum err add_token(struct tokens *tokens, struct line *line, struct bytes name)
{
    if (tokens->count == TOKENS_MAX)
        return refuse(line, "there are more than %d tokens", TOKENS_MAX);
    if (!is_name(name))
        return refuse(line, "the name is not 1 to %d letters, digits and .-_@+",
                      TOKEN_NAME_MAX_BYTES);
    struct token *token = &tokens->items[tokens->count];
    *token = (struct token){.name = arena_string(&tokens->arena, name)};
    enum err err = parse_roles(line, take_word(line), token);
    if (err == OK)
        err = parse_hash(line, take_word(line), token);
    if (err == OK && take_word(line).len > 0)
        err = refuse(line, "there is something behind the hash");
    if (err != OK)
        return err;
    for (uint32_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->items[i].name, token->name) == 0)
            return refuse(line, "there is another token with the name '%s'", token->name);
        if (memcmp(tokens->items[i].hash, token->hash, sizeof(token->hash)) == 0)
            return refuse(line, "'%s' and '%s' are one token", tokens->items[i].name, token->name);
    }
    tokens->count++;
    return OK;
}

static enum err parse_all(struct tokens *tokens, struct line *line, struct bytes text)
{
    while (text.len > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        line->number++;
        line->rest = bytes_of(text.data, len);
        struct bytes name = take_word(line);
        enum err err = name.len > 0 ? add_token(tokens, line, name) : OK;
        if (err != OK)
            return err;
        text = end == NULL ? BYTES_NONE : bytes_of(end + 1, text.len - len - 1);
    }
    if (tokens->count == 0)
        return why_set(
            line->why, ERR_BAD_CONFIG,
            "%s has no tokens, so that nobody could do anything: 'lethed token' makes one",
            line->path);
    return OK;
}

enum err tokens_parse(const char *path, struct bytes text, struct tokens **ret_tokens,
                      struct why *why)
{
    struct tokens *tokens = alloc_zero(sizeof(*tokens));
    arena_init(&tokens->arena);
    tokens->items = arena_zero(&tokens->arena, TOKENS_MAX * sizeof(*tokens->items));
    struct line line = {.path = path, .arena = &tokens->arena, .why = why};
    enum err err = parse_all(tokens, &line, text);
    if (err != OK) {
        tokens_free(tokens);
        return err;
    }
    *ret_tokens = tokens;
    return OK;
}

enum err tokens_load(const char *path, struct tokens **ret_tokens, struct why *why)
{
    struct buf text = BUF_INIT;
    enum err err = file_read(path, TOKENS_FILE_MAX_BYTES, &text, why);
    if (err == OK)
        err = tokens_parse(path, buf_bytes(&text), ret_tokens, why);
    buf_done(&text);
    return err;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    arena_done(&tokens->arena);
    free(tokens);
}

uint32_t tokens_count(const struct tokens *tokens)
{
    return tokens->count;
}

/* Looks at every byte of every hash. */
const struct token *tokens_find(const struct tokens *tokens, const uint8_t hash[TOKEN_HASH_BYTES])
{
    const struct token *ret = NULL;
    for (uint32_t i = 0; i < tokens->count; i++) {
        unsigned differs = 0;
        for (size_t j = 0; j < TOKEN_HASH_BYTES; j++)
            differs |= (unsigned)(tokens->items[i].hash[j] ^ hash[j]);
        if (differs == 0)
            ret = &tokens->items[i];
    }
    return ret;
}

/* ---- making them ----------------------------------------------------------------------------------- */
enum err token_make_line(const char *name, const char *roles, struct bytes token, struct buf *line,
                         struct why *why)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    if (!is_name(bytes_of_string(name)))
        return why_set(why, ERR_BAD_PARAMETER, "the name is not 1 to %d letters, digits and .-_@+",
                       TOKEN_NAME_MAX_BYTES);
    if (strpbrk(roles, " \t\r\n") != NULL)
        return why_set(why, ERR_BAD_PARAMETER, "the roles have a space in them");
    if (token.len < TOKEN_MIN_BYTES || token.len > TOKEN_MAX_BYTES)
        return why_set(why, ERR_BAD_PARAMETER, "the token has %zu bytes, not %d to %d", token.len,
                       TOKEN_MIN_BYTES, TOKEN_MAX_BYTES);
    for (size_t i = 0; i < token.len; i++) {
        if (token.data[i] <= ' ' || token.data[i] >= 0x7f)
            return why_set(why, ERR_BAD_PARAMETER,
                           "the token has other than printable ASCII without spaces");
    }
    size_t start = line->len;
    token_hash(token, hash);
    buf_printf(line, "%s %s " HASH_NAME, name, roles);
    for (size_t i = 0; i < sizeof(hash); i++)
        buf_printf(line, "%02x", hash[i]);
    buf_append_string(line, "\n");
    /* The reader of the file is who knows what a line may be. */
    struct tokens *tokens = NULL;
    enum err err =
        tokens_parse("the line", bytes_of(line->data + start, line->len - start), &tokens, why);
    tokens_free(tokens);
    if (err != OK) {
        line->len = start;
        return err == ERR_BAD_CONFIG ? ERR_BAD_PARAMETER : err;
    }
    return OK;
}

enum err token_make(const char *name, const char *roles, char ret_token[TOKEN_TEXT_SIZE],
                    struct buf *line, struct why *why)
{
    uint8_t random[TOKEN_HASH_BYTES];
    char token[TOKEN_TEXT_SIZE];
    int len = snprintf(token, sizeof(token), "lethe_");
    random_fill(random, sizeof(random));
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned bits = 0, held = 0;
    for (size_t i = 0; i < sizeof(random) || held > 0;) {
        if (held < 5 && i < sizeof(random)) {
            bits = bits << 8 | random[i++];
            held += 8;
        }
        unsigned take = held < 5 ? held : 5;
        token[len++] = alphabet[(bits >> (held - take)) & 31];
        held -= take;
        bits &= (1u << held) - 1;
    }
    token[len] = '\0';
    enum err err = token_make_line(name, roles, bytes_of_string(token), line, why);
    if (err == OK)
        memcpy(ret_token, token, (size_t)len + 1);
    return err;
}
