/* SPDX-License-Identifier: Apache-2.0 */
#include "client/url.h"

#include <stdio.h>

static bool take_prefix(const char **text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

static bool parse_port(const char *text, size_t len, uint16_t *ret_port)
{
    uint32_t port = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || port > 65535)
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (len == 0 || port == 0 || port > 65535)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static bool is_host(const char *text, size_t len, bool is_v6)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_' || (is_v6 && (c == ':' || c == '%'));
        if (!is_good)
            return false;
    }
    return len > 0 && len < sizeof(((struct client_server *)0)->host);
}

enum err client_url_parse_server(const char *text, struct client_server *ret_server,
                                 struct why *why)
{
    struct client_server server = {.port = CLIENT_URL_PORT};
    const char *at = text;
    if (!take_prefix(&at, "http://"))
        server.is_tls = take_prefix(&at, "https://");
    size_t len = strcspn(at, "/");
    if (at[len] == '/' && at[len + 1] != '\0')
        return why_set(why, ERR_BAD_PARAMETER, "server '%.100s' must not have a path", text);
    bool is_v6 = at[0] == '[';
    const char *host = is_v6 ? at + 1 : at;
    size_t host_len = strcspn(host, is_v6 ? "]/" : ":/");
    size_t used = is_v6 ? host_len + 2 : host_len;
    if (!is_host(host, host_len, is_v6) || used > len)
        return why_set(why, ERR_BAD_PARAMETER, "server '%.100s' is not host:port", text);
    bool has_port = used < len && at[used] == ':';
    if (has_port ? !parse_port(at + used + 1, len - used - 1, &server.port) : used != len)
        return why_set(why, ERR_BAD_PARAMETER,
                       "the port of server '%.100s' is not a number from 1 to 65535", text);
    memcpy(server.host, host, host_len);
    *ret_server = server;
    return OK;
}

void client_url_print_server(const struct client_server *server,
                             char ret_text[CLIENT_URL_SERVER_MAX_BYTES])
{
    bool is_v6 = strchr(server->host, ':') != NULL;
    snprintf(ret_text, CLIENT_URL_SERVER_MAX_BYTES, "%s://%s%s%s:%u",
             server->is_tls ? "https" : "http", is_v6 ? "[" : "", server->host, is_v6 ? "]" : "",
             server->port);
}

void client_url_append_encoded(struct buf *buf, struct bytes text)
{
    static const char hex[] = "0123456789ABCDEF";
    bool is_dots =
        bytes_is_equal(text, bytes_of_string(".")) || bytes_is_equal(text, bytes_of_string(".."));
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~' ||
                        (c == '.' && !is_dots);
        if (is_plain) {
            buf_put_u8(buf, c);
        } else {
            const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_append(buf, escape, sizeof(escape));
        }
    }
}

void client_url_append_query(struct buf *path, const char *name, const char *value)
{
    bool has_query = path->len > 0 && memchr(path->data, '?', path->len) != NULL;
    buf_printf(path, "%c%s=", has_query ? '&' : '?', name);
    client_url_append_encoded(path, bytes_of_string(value));
}

void client_url_append_query_u64(struct buf *path, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    client_url_append_query(path, name, text);
}
