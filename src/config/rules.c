/* SPDX-License-Identifier: Apache-2.0 */
#include "config/table.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum err config_split_address(const char *address, char *ret_host, size_t host_size,
                              uint16_t *ret_port, struct why *why)
{
    const char *colon = strrchr(address, ':');
    const char *start = address;
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;
    if (colon != NULL && address[0] == '[' && len >= 2 && address[len - 1] == ']') {
        start++;
        len -= 2;
    } else if (colon != NULL && memchr(address, ':', len) != NULL) {
        return why_set(why, ERR_BAD_CONFIG, "an IPv6 address needs brackets: '%s'", address);
    }
    if (colon == NULL || len == 0)
        return why_set(why, ERR_BAD_CONFIG, "'%s' is not host:port", address);
    uint32_t port = 0;
    const char *digit = colon + 1;
    for (; *digit >= '0' && *digit <= '9' && port <= 65535; digit++)
        port = port * 10 + (uint32_t)(*digit - '0');
    if (*digit != '\0' || digit == colon + 1 || port > 65535)
        return why_set(why, ERR_BAD_CONFIG, "the port of '%s' is not a number up to 65535",
                       address);
    if (len >= host_size)
        return why_set(why, ERR_BAD_CONFIG, "the host of '%s' has more than %zu bytes", address,
                       host_size - 1);
    memcpy(ret_host, start, len);
    ret_host[len] = '\0';
    *ret_port = (uint16_t)port;
    return OK;
}

bool config_is_loopback(const char *address)
{
    char host[256];
    uint16_t port = 0;
    if (config_split_address(address, host, sizeof(host), &port, NULL) != OK)
        return false;
    /* A name like 127.example.com is somewhere else. */
    bool is_number = host[strspn(host, "0123456789.")] == '\0';
    return (is_number && strncmp(host, "127.", 4) == 0) || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static enum err check_address(enum config_option option, const char *address, bool may_be_empty,
                              struct why *why)
{
    char host[256];
    uint16_t port = 0;
    if (may_be_empty && address[0] == '\0')
        return OK;
    enum err err = config_split_address(address, host, sizeof(host), &port, why);
    if (err != OK)
        why_wrap(why, "option '%s'", config_key(option));
    return err;
}

static enum err check_addresses(const struct config *config, struct why *why)
{
    enum err err = check_address(CONFIG_OPTION_http_listen, config->http_listen, false, why);
    if (err == OK)
        err = check_address(CONFIG_OPTION_http_admin_listen, config->http_admin_listen, true, why);
    if (err == OK)
        err = check_address(CONFIG_OPTION_http_advertise, config->http_advertise, true, why);
    if (err == OK)
        err = check_address(CONFIG_OPTION_cluster_listen, config->cluster_listen, false, why);
    if (err == OK)
        err = check_address(CONFIG_OPTION_cluster_advertise, config->cluster_advertise, true, why);
    return err;
}

/* "3@host:11110" */
static enum err parse_member(const char *text, struct config_member *ret_member, struct why *why)
{
    const char *at = strchr(text, '@');
    uint64_t id = 0;
    const char *digit = text;
    for (; *digit >= '0' && *digit <= '9' && id <= 65535; digit++)
        id = id * 10 + (uint64_t)(*digit - '0');
    if (at == NULL || digit != at || digit == text)
        return why_set(why, ERR_BAD_CONFIG, "member '%s' is not id@host:port", text);
    if (id < 1 || id > 65535)
        return why_set(why, ERR_BAD_CONFIG, "member '%s': the id must be from 1 to 65535", text);
    char host[256];
    uint16_t port = 0;
    enum err err = config_split_address(at + 1, host, sizeof(host), &port, why);
    if (err != OK) {
        why_wrap(why, "member '%s'", text);
        return err;
    }
    *ret_member = (struct config_member){.id = id, .address = alloc_string(at + 1)};
    return OK;
}

static int by_id(const void *a, const void *b)
{
    uint64_t left = ((const struct config_member *)a)->id;
    uint64_t right = ((const struct config_member *)b)->id;
    return left < right ? -1 : left > right;
}

static enum err parse_members(struct config *config, struct why *why)
{
    size_t count = config->cluster_members.count;
    if (count == 0)
        return OK;
    config->members = alloc_array(count, sizeof(*config->members));
    bool has_self = false;
    for (size_t i = 0; i < count; i++) {
        struct config_member *member = &config->members[i];
        enum err err = parse_member(config->cluster_members.items[i], member, why);
        if (err != OK)
            return err;
        config->members_count++;
        has_self = has_self || member->id == config->node_id;
        for (size_t j = 0; j < i; j++) {
            if (config->members[j].id == member->id)
                return why_set(why, ERR_BAD_CONFIG, "two members have the id %llu",
                               (unsigned long long)member->id);
            if (strcmp(config->members[j].address, member->address) == 0)
                return why_set(why, ERR_BAD_CONFIG, "two members have the address '%s'",
                               member->address);
        }
    }
    if (!has_self)
        return why_set(why, ERR_BAD_CONFIG,
                       "'node.id' is %llu, but 'cluster.members' has no such member",
                       (unsigned long long)config->node_id);
    qsort(config->members, count, sizeof(*config->members), by_id);
    return OK;
}

/* credentials: the option that would make callers prove who they are. */
static enum err check_exposure(const struct config *config, enum config_option option,
                               const char *address, bool has_credentials, const char *credentials,
                               struct why *why)
{
    if (has_credentials || config->auth_allow_insecure || config_is_loopback(address))
        return OK;
    return why_set(why, ERR_BAD_CONFIG,
                   "'%s' is %s, which others can reach, and nobody has to prove who they are: set "
                   "%s, use a loopback address, or set 'auth.allow_insecure: true' where the "
                   "network keeps strangers out",
                   config_key(option), address, credentials);
}

/* Of all that log something. */
static const char *const rooms[] = {"access", "audit", "config", "http",
                                    "lethed", "net",   "node",   "sys"};
static const char *const levels[] = {"error", "warn", "info", "debug"};

static bool is_among(const char *text, size_t len, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
            return true;
    }
    return false;
}

static enum err check_rooms(const struct config_list *list, struct why *why)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        const char *level = strchr(item, '=');
        if (level == NULL || !is_among(item, (size_t)(level - item), rooms, ARRAY_LEN(rooms)) ||
            !is_among(level + 1, strlen(level + 1), levels, ARRAY_LEN(levels)))
            return why_set(
                why, ERR_BAD_CONFIG,
                "'log.rooms' has '%s', not room=level with one of access, audit, config, http, "
                "lethed, net, node, sys and one of error, warn, info, debug",
                item);
    }
    return OK;
}

/* As browsers send it: scheme://host, and :port where it is not the scheme's own. */
static bool is_origin(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    static const char in_scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    static const char in_host[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    size_t scheme = strspn(text, in_scheme);
    if (strchr(letters, text[0]) == NULL || strncmp(text + scheme, "://", 3) != 0)
        return false;
    const char *host = text + scheme + 3;
    size_t len =
        host[0] == '[' ? strspn(host + 1, "0123456789abcdef:.") + 2 : strspn(host, in_host);
    if (len == 0 || (host[0] == '[' && (len == 2 || host[len - 1] != ']')))
        return false;
    const char *port = host + len;
    if (port[0] == '\0')
        return true;
    size_t digits = strspn(port + 1, "0123456789");
    return port[0] == ':' && digits >= 1 && digits <= 5 && port[1 + digits] == '\0' &&
           port[1] != '0' && strtoul(port + 1, NULL, 10) <= 65535 &&
           !(strncmp(text, "https:", 6) == 0 && strcmp(port, ":443") == 0) &&
           !(strncmp(text, "http:", 5) == 0 && strcmp(port, ":80") == 0);
}

static enum err check_origins(const struct config_list *list, struct why *why)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        bool is_any = strcmp(item, "*") == 0;
        if (is_any && list->count > 1)
            return why_set(why, ERR_BAD_CONFIG,
                           "'http.cors_origins' has '*', which is for all, and others beside it");
        if (!is_any && !is_origin(item))
            return why_set(why, ERR_BAD_CONFIG,
                           "'http.cors_origins' has '%.200s', not an origin as browsers send it: "
                           "scheme://host in "
                           "lower case, :port only where it is not the scheme's own, nothing "
                           "behind it; or '*'",
                           item);
    }
    return OK;
}

/* What Prometheus takes as the beginning of a metric's name. */
static enum err check_prefix(const char *prefix, struct why *why)
{
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
    bool is_right = prefix[0] != '\0' && strchr(letters, prefix[0]) != NULL;
    for (const char *at = prefix; is_right && *at != '\0'; at++)
        is_right = strchr(letters, *at) != NULL || (*at >= '0' && *at <= '9');
    if (is_right)
        return OK;
    return why_set(why, ERR_BAD_CONFIG,
                   "'metrics.prefix' is '%s': letters, digits, '_' and ':', no digit first",
                   prefix);
}

/* Tokens on a wire that others can read are anybody's soon. */
static void warn_of_plain_tokens(struct config *config)
{
    bool is_far =
        !config_is_loopback(config->http_listen) ||
        (config->http_admin_listen[0] != '\0' && !config_is_loopback(config->http_admin_listen));
    if (config->auth_tokens_file[0] != '\0' && config->http_tls_certificate[0] == '\0' && is_far)
        config_table_warn(config,
                          "tokens travel as plain text: set 'http.tls', or have something in front "
                          "of this node do TLS");
}

enum err config_rules_check(struct config *config, struct why *why)
{
    enum err err = check_addresses(config, why);
    if (err == OK)
        err = parse_members(config, why);
    if (err == OK)
        err = check_prefix(config->metrics_prefix, why);
    if (err == OK)
        err = check_rooms(&config->log_rooms, why);
    if (err == OK)
        err = check_origins(&config->http_cors_origins, why);
    if (err == OK && config->members_count > 1 && config->cluster_id[0] == '\0')
        err = why_set(why, ERR_BAD_CONFIG,
                      "'cluster.id' is required when 'cluster.members' has several members");
    if (err == OK && config->cluster_join && config->members_count < 2)
        err = why_set(
            why, ERR_BAD_CONFIG,
            "with 'cluster.join' this node needs 'cluster.members': itself, and those of the "
            "cluster it joins");
    if (err == OK)
        err = check_exposure(config, CONFIG_OPTION_http_listen, config->http_listen,
                             config->auth_tokens_file[0] != '\0', "'auth.tokens_file'", why);
    if (err == OK && config->http_admin_listen[0] != '\0')
        err = check_exposure(config, CONFIG_OPTION_http_admin_listen, config->http_admin_listen,
                             config->auth_tokens_file[0] != '\0', "'auth.tokens_file'", why);
    if (err == OK && config->members_count > 0)
        err = check_exposure(config, CONFIG_OPTION_cluster_listen, config->cluster_listen,
                             config->cluster_tls_certificate[0] != '\0', "'cluster.tls'", why);
    if (err == OK && (config->http_tls_certificate[0] != '\0') != (config->http_tls_key[0] != '\0'))
        err = why_set(why, ERR_BAD_CONFIG,
                      "'http.tls.certificate' and 'http.tls.key' go together: one is missing");
    size_t tls_files = (config->cluster_tls_authority[0] != '\0') +
                       (config->cluster_tls_certificate[0] != '\0') +
                       (config->cluster_tls_key[0] != '\0');
    if (err == OK && tls_files != 0 && tls_files != 3)
        err = why_set(why, ERR_BAD_CONFIG,
                      "'cluster.tls.authority', 'cluster.tls.certificate' and 'cluster.tls.key' go "
                      "together: %s is missing",
                      tls_files == 2 ? "one" : "more than one");
    if (err == OK && config->cluster_tls_revoked[0] != '\0' && tls_files == 0)
        err = why_set(why, ERR_BAD_CONFIG,
                      "'cluster.tls.revoked' means nothing without 'cluster.tls.authority', "
                      "'cluster.tls.certificate' and 'cluster.tls.key'");
    warn_of_plain_tokens(config);
    if (err == OK && config->http_max_message_bytes > config->http_max_body_bytes)
        err = why_set(why, ERR_BAD_CONFIG,
                      "'http.max_message_bytes' %llu is larger than 'http.max_body_bytes' %llu",
                      (unsigned long long)config->http_max_message_bytes,
                      (unsigned long long)config->http_max_body_bytes);
    return err;
}
