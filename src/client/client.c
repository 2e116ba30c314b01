/* SPDX-License-Identifier: Apache-2.0 */
/* One easy handle of libcurl a client; it keeps connections to all servers open.
 *
 * What needs care is a request that must not be sent twice. libcurl sends a request again by itself
 * when a kept connection turns out to be dead, which is right for a read and wrong for an append
 * (the server may have carried it out before it died). It cannot do so when it would have to
 * rewind a body that it reads by callback: so bodies are given that way, and a rewind is allowed
 * only when the request may be repeated. */
#include "client/client.h"

#include "base/alloc.h"

#include <curl/curl.h>

enum {
    CONNECT_TIMEOUT_MS = 3000,
    TIMEOUT_MS = 30000,
    SILENCE_MAX_S = 45, /* of a stream: servers say something every 15 s */
    BODY_MAX_BYTES = 256 * 1024 * 1024,
    URL_MAX_BYTES = 8192
};

struct client {
    CURL *curl;                        /* owned */
    char *servers[CLIENT_SERVERS_MAX]; /* owned */
    size_t servers_count;
    size_t current; /* the one that answered last */
    uint32_t timeout_ms;
    char *token; /* owned; NULL: none */
    char error[CURL_ERROR_SIZE];
};

/* One try of one request. */
struct attempt {
    const struct client_request *request; /* borrowed */
    struct client_reply *reply;           /* borrowed */
    CURL *curl;                           /* borrowed */
    size_t sent;                          /* bytes of the body */
    bool is_too_large, is_begun;          /* begun: on_data saw something */
};

struct client *client_new(const struct client_options *options)
{
    assert(options->servers_count > 0 && options->servers_count <= CLIENT_SERVERS_MAX);
    struct client *client = alloc_zero(sizeof(*client));
    client->curl = curl_easy_init();
    if (client->curl == NULL)
        abort(); /* out of memory */
    for (size_t i = 0; i < options->servers_count; i++)
        client->servers[client->servers_count++] = alloc_string(options->servers[i]);
    client->token = options->token != NULL ? alloc_string(options->token) : NULL;
    long connect_ms =
        options->connect_timeout_ms != 0 ? (long)options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    client->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS;
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(client->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (options->ca_file != NULL) { /* it alone: no authority of the system besides */
        curl_easy_setopt(client->curl, CURLOPT_CAINFO, options->ca_file);
        curl_easy_setopt(client->curl, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYPEER, options->is_insecure ? 0L : 1L);
    curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYHOST, options->is_insecure ? 0L : 2L);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(client->curl, CURLOPT_USERAGENT, "lethectl/" LETHE_VERSION);
    return client;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    for (size_t i = 0; i < client->servers_count; i++)
        free(client->servers[i]);
    free(client->token);
    free(client);
}

size_t client_servers_count(const struct client *client)
{
    return client->servers_count;
}

const char *client_server(const struct client *client, size_t index)
{
    assert(index < client->servers_count);
    return client->servers[index];
}

void client_reply_init(struct client_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
}

void client_reply_done(struct client_reply *reply)
{
    buf_done(&reply->body);
    client_reply_init(reply);
}

static void reply_clear(struct client_reply *reply)
{
    struct buf body = reply->body;
    client_reply_init(reply);
    reply->body = body;
    buf_clear(&reply->body);
}

/* ---- libcurl's callbacks --------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct attempt *attempt = arg;
    const struct client_request *request = attempt->request;
    long status = 0;
    if (request->on_data != NULL)
        curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
        attempt->is_begun = true;
        attempt->reply->status = (int)status;
        attempt->reply->is_ended = !request->on_data(bytes_of(data, size * count), request->arg);
        return attempt->reply->is_ended ? 0 : size * count;
    }
    if (attempt->reply->body.len + size * count > BODY_MAX_BYTES) {
        attempt->is_too_large = true;
        return 0;
    }
    buf_append(&attempt->reply->body, data, size * count);
    return size * count;
}

static size_t on_send(char *data, size_t size, size_t count, void *arg)
{
    struct attempt *attempt = arg;
    struct bytes body = attempt->request->body;
    size_t len = body.len - attempt->sent;
    if (len > size * count)
        len = size * count;
    if (len > 0)
        memcpy(data, body.data + attempt->sent, len);
    attempt->sent += len;
    return len;
}

static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct attempt *attempt = arg;
    if (!attempt->request->may_repeat || origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_FAIL;
    attempt->sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* Copies the value of a header "Name: value\r\n" when it has this name. */
static bool header_value(struct bytes line, const char *name, char *ret_value, size_t size)
{
    size_t name_len = strlen(name);
    if (line.len <= name_len || line.data[name_len] != ':' ||
        strncasecmp((const char *)line.data, name, name_len) != 0)
        return false;
    size_t start = name_len + 1, end = line.len;
    while (start < end && line.data[start] == ' ')
        start++;
    while (end > start && (line.data[end - 1] == '\r' || line.data[end - 1] == '\n'))
        end--;
    size_t len = end - start < size - 1 ? end - start : size - 1;
    memcpy(ret_value, line.data + start, len);
    ret_value[len] = '\0';
    return true;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct attempt *attempt = arg;
    struct client_reply *reply = attempt->reply;
    struct bytes line = bytes_of(data, size * count);
    char text[32];
    if (header_value(line, "Retry-After", text, sizeof(text)))
        reply->retry_after_s = (uint32_t)strtoul(text, NULL, 10);
    header_value(line, "Location", reply->location, sizeof(reply->location));
    header_value(line, "Content-Type", reply->content_type, sizeof(reply->content_type));
    header_value(line, "X-Request-Id", reply->request_id, sizeof(reply->request_id));
    return size * count;
}

/* ---- one try --------------------------------------------------------------------------------- */

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "%s:%s%s", name, value[0] != '\0' ? " " : "", value);
    struct curl_slist *more = curl_slist_append(*list, buf_string(&line));
    if (more == NULL)
        abort(); /* out of memory */
    *list = more;
    buf_done(&line);
}

static void set_method(CURL *curl, struct attempt *attempt)
{
    const struct client_request *request = attempt->request;
    static const char *const names[] = {"GET", "POST", "PUT", "DELETE"};
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (request->method == CLIENT_POST || request->content_type != NULL) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(curl, CURLOPT_READDATA, attempt);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, attempt);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, names[request->method]);
}

/* What is known of the request after this fault: true when it cannot have arrived. */
static bool is_not_sent(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_URL_MALFORMAT ||
           code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
}

/* A time limit that ran out while connecting is as good as no connection. */
static bool is_connect_timeout(CURL *curl, CURLcode code)
{
    curl_off_t connected_us = 0;
    return code == CURLE_OPERATION_TIMEDOUT &&
           curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected_us) == CURLE_OK &&
           connected_us == 0;
}

static CURLcode try_server(struct client *client, const char *server, struct attempt *attempt,
                           bool *ret_not_sent)
{
    CURL *curl = client->curl;
    const struct client_request *request = attempt->request;
    struct buf url = BUF_INIT;
    struct curl_slist *headers = NULL;
    buf_printf(&url, "%s%s", server, request->path);
    add_header(&headers, "Accept", request->accept != NULL ? request->accept : "application/json");
    add_header(&headers, "Expect", "");
    if (request->last_event_id != NULL)
        add_header(&headers, "Last-Event-ID", request->last_event_id);
    if (request->content_type != NULL || request->method == CLIENT_POST)
        add_header(&headers, "Content-Type",
                   request->content_type != NULL ? request->content_type : "application/json");
    if (client->token != NULL) {
        struct buf value = BUF_INIT;
        buf_printf(&value, "Bearer %s", client->token);
        add_header(&headers, "Authorization", buf_string(&value));
        buf_done(&value);
    }
    client->error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, buf_string(&url));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, attempt);
    uint32_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : client->timeout_ms;
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     timeout_ms == CLIENT_NO_LIMIT ? 0L : (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, timeout_ms == CLIENT_NO_LIMIT ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_MAX_S);
    set_method(curl, attempt);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (!attempt->is_begun)
        attempt->reply->status = (int)status;
    attempt->reply->server = server;
    *ret_not_sent = is_not_sent(code) || is_connect_timeout(curl, code);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    buf_done(&url);
    return code;
}

static enum err fault(struct client *client, const char *server, enum err err, CURLcode code,
                      struct why *why)
{
    const char *text = client->error[0] != '\0' ? client->error : curl_easy_strerror(code);
    return why_set(why, err, "%s: %s", server, text);
}

enum err client_call(struct client *client, const struct client_request *request,
                     struct client_reply *reply, struct why *why)
{
    size_t tries = request->only_one_server ? 1 : client->servers_count;
    size_t first = request->only_one_server ? request->server : client->current;
    enum err err = ERR_IO;
    struct why first_why = {0};
    assert(first < client->servers_count && strlen(request->path) < URL_MAX_BYTES);
    for (size_t i = 0; i < tries; i++) {
        size_t index = (first + i) % client->servers_count;
        struct attempt attempt = {.request = request, .reply = reply, .curl = client->curl};
        bool not_sent = false;
        reply_clear(reply);
        CURLcode code = try_server(client, client->servers[index], &attempt, &not_sent);
        if (code == CURLE_OK) {
            if (reply->status == 503 && i + 1 < tries)
                continue; /* certainly not applied: another one may take it */
            client->current = index;
            return OK;
        }
        if (reply->is_ended) {
            client->current = index;
            return OK;
        }
        if (attempt.is_begun) { /* what was handed on cannot be taken back: the caller resumes */
            client->current = index;
            return fault(client, client->servers[index], ERR_TIMEOUT, code, why);
        }
        if (attempt.is_too_large)
            return why_set(why, ERR_TOO_LARGE, "%s: the reply is larger than %d bytes",
                           client->servers[index], BODY_MAX_BYTES);
        enum err here = not_sent ? ERR_IO : request->may_repeat ? ERR_TIMEOUT : ERR_OUTCOME_UNKNOWN;
        struct why here_why = {0};
        fault(client, client->servers[index], here, code, &here_why);
        if (here == ERR_OUTCOME_UNKNOWN)
            return why_set(why, here, "%s", here_why.text);
        if (here == ERR_TIMEOUT)
            err = here;
        if (first_why.text[0] == '\0')
            first_why = here_why;
    }
    if (reply->status == 503)
        return OK; /* the others were down, one said no */
    return why_set(why, err, "%s", first_why.text);
}
