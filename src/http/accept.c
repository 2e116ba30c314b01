/* SPDX-License-Identifier: Apache-2.0 */
#include "http/accept.h"

#include <strings.h>

struct slice {
    const char *at;
    size_t len;
};

static struct slice trim(const char *at, size_t len)
{
    while (len > 0 && (*at == ' ' || *at == '\t')) {
        at++;
        len--;
    }
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    return (struct slice){at, len};
}

static bool is_text(struct slice slice, const char *text)
{
    return slice.len == strlen(text) && strncasecmp(slice.at, text, slice.len) == 0;
}

static bool has_prefix(struct slice slice, const char *prefix)
{
    size_t len = strlen(prefix);
    return slice.len >= len && strncasecmp(slice.at, prefix, len) == 0;
}

/* The part up to the next `separator`, moving *at behind it; quotes are not looked at: no type that
 * is served here has quoted parameters. */
static struct slice take(const char **at, const char *end, char separator)
{
    const char *first = *at, *mark = memchr(first, separator, (size_t)(end - first));
    if (mark == NULL)
        mark = end;
    *at = mark == end ? end : mark + 1;
    return trim(first, (size_t)(mark - first));
}

/* How closely a media range fits: 3 exactly, 2 its type, 1 anything, 0 not. */
static int fit(struct slice range, enum media media)
{
    static const char *const names[][2] = {
        [MEDIA_JSON] = {"application/json", "application/json"},
        [MEDIA_NDJSON] = {"application/x-ndjson", "application/ndjson"},
        [MEDIA_TEXT] = {"text/plain", "text/plain"},
        [MEDIA_CSV] = {"text/csv", "text/csv"},
        [MEDIA_RAW] = {"application/octet-stream", "application/octet-stream"},
        [MEDIA_EVENTS] = {"text/event-stream", "text/event-stream"},
        [MEDIA_HTML] = {"text/html", "text/html"},
        [MEDIA_CSS] = {"text/css", "text/css"},
        [MEDIA_SCRIPT] = {"text/javascript", "application/javascript"},
        [MEDIA_SVG] = {"image/svg+xml", "image/svg+xml"},
        [MEDIA_METRICS] = {"text/plain", "text/plain"},
    };
    if (is_text(range, "*/*"))
        return 1;
    const char *name = names[media][0];
    if (is_text(range, name) || is_text(range, names[media][1]))
        return 3;
    size_t type_len = (size_t)(strchr(name, '/') - name) + 1;
    return range.len == type_len + 1 && range.at[type_len] == '*' &&
                   strncasecmp(range.at, name, type_len) == 0
               ? 2
               : 0;
}

/* "q=0.5" in thousandths; what cannot be understood counts as 1. */
static int quality(struct slice parameter)
{
    if (!has_prefix(parameter, "q="))
        return -1;
    int value = 0, scale = 1000;
    for (size_t i = 2; i < parameter.len && scale > 0; i++) {
        char c = parameter.at[i];
        if (c == '.')
            continue;
        if (c < '0' || c > '9')
            return 1000;
        value += (c - '0') * scale;
        scale /= 10;
    }
    return value > 1000 ? 1000 : value;
}

static int quality_of(const char *accept, enum media media)
{
    const char *at = accept, *end = accept + strlen(accept);
    int best_fit = 0, best_quality = 0;
    while (at < end) {
        struct slice item = take(&at, end, ',');
        const char *inner = item.at, *inner_end = item.at + item.len;
        struct slice range = take(&inner, inner_end, ';');
        int q = 1000;
        while (inner < inner_end) {
            int found = quality(take(&inner, inner_end, ';'));
            q = found >= 0 ? found : q;
        }
        int fits = fit(range, media);
        if (fits > best_fit || (fits == best_fit && fits > 0 && q > best_quality)) {
            best_fit = fits;
            best_quality = q;
        }
    }
    return best_quality;
}

enum media accept_choose(const char *accept, const uint8_t *offers, uint32_t count)
{
    if (accept == NULL || accept[0] == '\0' || strcmp(accept, "*/*") == 0)
        return (enum media)offers[0];
    enum media best = MEDIA_NONE;
    int best_quality = 0;
    for (uint32_t i = 0; i < count && offers[i] != MEDIA_NONE; i++) {
        int q = quality_of(accept, (enum media)offers[i]);
        if (q > best_quality) {
            best = (enum media)offers[i];
            best_quality = q;
        }
    }
    return best;
}

static bool has_foreign_charset(const char *at, const char *end)
{
    while (at < end) {
        struct slice parameter = take(&at, end, ';');
        if (!has_prefix(parameter, "charset="))
            continue;
        struct slice value = {parameter.at + 8, parameter.len - 8};
        if (value.len >= 2 && value.at[0] == '"')
            value = (struct slice){value.at + 1, value.len - 2};
        return !is_text(value, "utf-8") && !is_text(value, "utf8") && !is_text(value, "us-ascii");
    }
    return false;
}

bool accept_body_form(const char *content_type, enum body_form *ret, bool *ret_is_text)
{
    *ret_is_text = false;
    if (content_type == NULL) {
        *ret = BODY_IS_JSON;
        return true;
    }
    const char *at = content_type, *end = content_type + strlen(content_type);
    struct slice type = take(&at, end, ';');
    if (is_text(type, "application/json"))
        *ret = BODY_IS_JSON;
    else if (is_text(type, "application/x-ndjson") || is_text(type, "application/ndjson"))
        *ret = BODY_IS_NDJSON;
    else if (has_prefix(type, "text/") || has_prefix(type, "image/") ||
             has_prefix(type, "audio/") || has_prefix(type, "video/") ||
             is_text(type, "application/octet-stream"))
        *ret = BODY_IS_RAW;
    else
        return false;
    *ret_is_text = *ret == BODY_IS_RAW && has_prefix(type, "text/");
    return *ret == BODY_IS_RAW || !has_foreign_charset(at, end);
}
