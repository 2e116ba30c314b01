/* SPDX-License-Identifier: Apache-2.0 */
/* etcd's JSON gateway: /v3/kv/put, /v3/kv/range, /v3/kv/deleterange. Keys are 12 bytes in Base64, so
 * that their order is that of their numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

/* "k" and 11 digits: 12 bytes are 16 characters of Base64, without padding. */
static void key_base64(uint64_t key, char ret[17])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[16];
    snprintf(text, sizeof(text), "k%011llu", (unsigned long long)(key % 100000000000ULL));
    for (unsigned i = 0; i < 4; i++) {
        uint32_t bits = (uint32_t)(uint8_t)text[3 * i] << 16 |
                        (uint32_t)(uint8_t)text[3 * i + 1] << 8 |
                        (uint32_t)(uint8_t)text[3 * i + 2];
        for (unsigned k = 0; k < 4; k++)
            ret[4 * i + k] = digits[bits >> (18 - 6 * k) & 63];
    }
    ret[16] = '\0';
}

static bool greet(struct peer *peer, struct evbuffer *in)
{
    (void)peer, (void)in;
    return true;
}

static void post(struct evbuffer *out, const char *path, const char *body, size_t len)
{
    evbuffer_add_printf(out,
                        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        path, len);
    evbuffer_add(out, body, len);
}

static void begin(struct peer *peer, struct evbuffer *out)
{
    struct bench *bench = peer->bench;
    char first[17], after[17];
    uint64_t key = next_key(peer);
    key_base64(key, first);
    key_base64(key + bench->page, after);
    size_t most = strlen(bench->payload_base64) + 256;
    char *body = malloc(most);
    if (body == NULL)
        fail("no memory");
    int len = 0;
    const char *path = "/v3/kv/range";
    const char *how = bench->serializable ? "true" : "false";
    switch (bench->op) {
    case OP_PUT:
        path = "/v3/kv/put";
        len =
            snprintf(body, most, "{\"key\":\"%s\",\"value\":\"%s\"}", first, bench->payload_base64);
        break;
    case OP_POINT:
        len = snprintf(body, most, "{\"key\":\"%s\",\"serializable\":%s}", first, how);
        break;
    case OP_PAGE:
        len = snprintf(body, most, "{\"key\":\"%s\",\"range_end\":\"%s\",\"serializable\":%s}",
                       first, after, how);
        break;
    case OP_DELETE:
        path = "/v3/kv/deleterange";
        key_base64(bench->first_key + bench->begun * bench->page, first);
        key_base64(bench->first_key + (bench->begun + 1) * bench->page, after);
        len = snprintf(body, most, "{\"key\":\"%s\",\"range_end\":\"%s\"}", first, after);
        break;
    }
    post(out, path, body, (size_t)len);
    free(body);
}

/* A reply has a Content-Length, or is chunked when it is large; true when it is whole and gone. */
static bool take_one(struct evbuffer *in)
{
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0)
        return false;
    size_t head_len = (size_t)end.pos + 4;
    char head[2048];
    if (head_len >= sizeof(head))
        fail("etcd: a head of %zu bytes", head_len);
    evbuffer_copyout(in, head, head_len);
    head[head_len] = '\0';
    if (strncmp(head, "HTTP/1.1 200", 12) != 0)
        fail("etcd: %.200s", head);
    const char *length = strstr(head, "Content-Length: ");
    if (length != NULL) {
        size_t body = strtoul(length + 16, NULL, 10);
        if (evbuffer_get_length(in) < head_len + body)
            return false;
        evbuffer_drain(in, head_len + body);
        return true;
    }
    struct evbuffer_ptr from;
    evbuffer_ptr_set(in, &from, (size_t)end.pos + 2, EVBUFFER_PTR_SET);
    struct evbuffer_ptr last = evbuffer_search(in, "\r\n0\r\n\r\n", 7, &from);
    if (last.pos < 0)
        return false;
    evbuffer_drain(in, (size_t)last.pos + 7);
    return true;
}

static unsigned take(struct peer *peer, struct evbuffer *in)
{
    (void)peer;
    unsigned count = 0;
    while (take_one(in))
        count++;
    return count;
}

const struct system etcd_system = {"etcd", greet, begin, take};
