/* SPDX-License-Identifier: Apache-2.0 */
/* What http.h lets one choose: defaults and bounds. */
#include "http/options.h"

#include <string.h>

#include "http/limits.h"

void http_options_init(struct http_options *options)
{
    *options = (struct http_options){
        .listen = "127.0.0.1:5001",
        .threads = HTTP_DEFAULT_THREADS,
        .max_connections = 2000,
        .max_inflight_bytes = 512ull * 1024 * 1024,
        .max_body_bytes = HTTP_COMMAND_MAX_BYTES,
        .max_message_bytes = 1024 * 1024,
        .request_timeout_ms = 10000,
        .header_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .reply_timeout_ms = 30000,
        .idle_timeout_ms = 120000,
        .metrics_prefix = "lethe_",
        .replica_lag_threshold = 1000,
    };
}

bool options_has_tls(const struct http_options *options)
{
    return options->tls_certificate != NULL && options->tls_certificate[0] != '\0';
}

enum err options_check(const struct http_options *options, struct why *why)
{
    if (options->max_connections == 0 || options->max_connections > HTTP_MAX_CONNECTIONS)
        return why_set(why, ERR_BAD_CONFIG, "'http.max_connections' is %u, not 1 to %d",
                       options->max_connections, HTTP_MAX_CONNECTIONS);
    if (options->threads == 0 || options->threads > HTTP_MAX_THREADS)
        return why_set(why, ERR_BAD_CONFIG, "'http.threads' is %u, not 1 to %d", options->threads,
                       HTTP_MAX_THREADS);
    if (options->max_body_bytes < 1024 || options->max_body_bytes > HTTP_COMMAND_MAX_BYTES)
        return why_set(why, ERR_BAD_CONFIG, "'http.max_body_bytes' is %llu, not 1024 to %d",
                       (unsigned long long)options->max_body_bytes, HTTP_COMMAND_MAX_BYTES);
    if (options->max_inflight_bytes < options->max_body_bytes)
        return why_set(why, ERR_BAD_CONFIG,
                       "'http.max_inflight_bytes' %llu is smaller than 'http.max_body_bytes' %llu",
                       (unsigned long long)options->max_inflight_bytes,
                       (unsigned long long)options->max_body_bytes);
    if (options->max_message_bytes == 0 || options->max_message_bytes > options->max_body_bytes)
        return why_set(why, ERR_BAD_CONFIG, "'max_message_bytes' is %llu, not 1 to %llu",
                       (unsigned long long)options->max_message_bytes,
                       (unsigned long long)options->max_body_bytes);
    if (options->request_timeout_ms == 0 || options->header_timeout_ms == 0 ||
        options->body_timeout_ms == 0 || options->reply_timeout_ms == 0 ||
        options->idle_timeout_ms == 0)
        return why_set(why, ERR_BAD_CONFIG, "a timeout of 'http' is 0");
    if (strlen(options->metrics_prefix) > HTTP_PREFIX_MAX_BYTES)
        return why_set(why, ERR_BAD_CONFIG, "'metrics.prefix' is longer than %d bytes",
                       HTTP_PREFIX_MAX_BYTES);
    if (options_has_tls(options) != (options->tls_key != NULL && options->tls_key[0] != '\0'))
        return why_set(why, ERR_BAD_CONFIG,
                       "'http.tls.certificate' and 'http.tls.key' go together: one is missing");
    return OK;
}
