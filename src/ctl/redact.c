/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/redact.h"

#include <string.h>
#include <strings.h>

static const char pem_begin[] = "-----BEGIN ";
static const char pem_end[] = "-----END ";

bool ctl_is_secret_name(const char *name, size_t len)
{
    static const char *const ends[] = {"token",      "tokens",  "secret", "secrets",    "password",
                                       "passphrase", "api_key", "apikey", "private_key"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && strncasecmp(name + len - end, ends[i], end) == 0)
            return true;
    }
    return false;
}

static bool is_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static bool begins(struct bytes text, size_t at, const char *what)
{
    size_t len = strlen(what);
    return text.len - at >= len && strncasecmp((const char *)text.data + at, what, len) == 0;
}

static size_t skip(struct bytes text, size_t at, const char *these)
{
    while (at < text.len && text.data[at] != '\0' && strchr(these, text.data[at]) != NULL)
        at++;
    return at;
}

/* Behind a value that begins at `at`: a quoted text to its quote, else up to a blank or comma. */
static size_t value_end(struct bytes text, size_t at)
{
    bool is_escaped = at < text.len && text.data[at] == '\\'; /* \"...\" inside a JSON text */
    size_t quote = at + is_escaped;
    if (quote < text.len && (text.data[quote] == '"' || text.data[quote] == '\'')) {
        uint8_t mark = text.data[quote];
        for (at = quote + 1; at < text.len && text.data[at] != '\n'; at++) {
            if (text.data[at] == '\\' && !is_escaped)
                at++;
            else if (text.data[at] == mark)
                return at + 1;
        }
        return at < text.len ? at : text.len;
    }
    while (at < text.len && strchr(" \t\r\n,;&}])\"'", text.data[at]) == NULL)
        at++;
    return at;
}

/* The value that belongs to the name that ends at `at`: where it begins; text.len: there is none.
 * {"key":"x","value":...}, the configuration's own form, is one, too. */
static size_t value_start(struct bytes text, size_t at)
{
    size_t end = skip(text, at, "\\\"'");
    size_t behind = skip(text, end, " \t");
    if (behind < text.len && text.data[behind] == ',') {
        behind = skip(text, behind + 1, " \t\r\n");
        if (!begins(text, behind, "\"value\""))
            return text.len;
        behind = skip(text, behind + 7, " \t");
    }
    if (behind >= text.len || (text.data[behind] != '=' && text.data[behind] != ':'))
        return text.len;
    behind = skip(text, behind + 1, " \t");
    if (begins(text, behind, "Bearer "))
        behind = skip(text, behind + 7, " ");
    return behind < text.len && text.data[behind] != '\n' ? behind : text.len;
}

/* Behind what is secret from `at` on; `at` itself when nothing is. *ret_kept: so much of it stays. */
static size_t secret_end(struct bytes text, size_t at, const char *known, size_t *ret_kept)
{
    bool is_start = at == 0 || !is_name(text.data[at - 1]);
    *ret_kept = 0;
    if (known != NULL && known[0] != '\0' && begins(text, at, known))
        return at + strlen(known);
    if (is_start && (begins(text, at, "Bearer ") || begins(text, at, "Basic "))) {
        *ret_kept = begins(text, at, "Bearer ") ? 7 : 6;
        return value_end(text, at + *ret_kept);
    }
    if (begins(text, at, pem_begin)) {
        const uint8_t *line = memchr(text.data + at, '\n', text.len - at);
        size_t len = line != NULL ? (size_t)(line - text.data) - at : text.len - at;
        if (memmem(text.data + at, len, "PRIVATE KEY", 11) == NULL)
            return at;
        const uint8_t *end = memmem(text.data + at, text.len - at, pem_end, strlen(pem_end));
        const uint8_t *last =
            end != NULL ? memchr(end, '\n', text.len - (size_t)(end - text.data)) : NULL;
        return last != NULL ? (size_t)(last - text.data) : text.len;
    }
    if (!is_start || !is_name(text.data[at]))
        return at;
    size_t end = at;
    while (end < text.len && is_name(text.data[end]))
        end++;
    size_t value = text.len;
    if (ctl_is_secret_name((const char *)text.data + at, end - at))
        value = value_start(text, end);
    *ret_kept = value - at;
    return value < text.len ? value_end(text, value) : at;
}

void ctl_redact(struct bytes text, const char *known, struct buf *out)
{
    for (size_t at = 0; at < text.len;) {
        size_t kept = 0, end = secret_end(text, at, known, &kept);
        if (end == at || end == at + kept) {
            buf_put_u8(out, text.data[at++]);
            continue;
        }
        buf_append(out, text.data + at, kept);
        bool is_quoted = text.data[at + kept] == '"';
        buf_append_string(out, is_quoted ? "\"" CTL_REMOVED "\"" : CTL_REMOVED);
        at = end;
    }
}
