/* SPDX-License-Identifier: Apache-2.0 */
/* Redis streams: XADD, and unless told otherwise WAIT 2 on the same connection, which counts as one
 * operation with it; XRANGE for pages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

static bool greet(struct peer *peer, struct evbuffer *in)
{
    (void)peer, (void)in;
    return true;
}

static void begin(struct peer *peer, struct evbuffer *out)
{
    struct bench *bench = peer->bench;
    char stream[24], id[40], count[24];
    snprintf(stream, sizeof(stream), "s%llu", (unsigned long long)(bench->begun % 64));
    if (bench->op == OP_PUT) {
        evbuffer_add_printf(
            out, "*5\r\n$4\r\nXADD\r\n$%zu\r\n%s\r\n$1\r\n*\r\n$1\r\np\r\n$%zu\r\n%s\r\n",
            strlen(stream), stream, bench->size, bench->payload);
        if (bench->wait)
            evbuffer_add_printf(out, "*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$5\r\n10000\r\n");
        return;
    }
    if (bench->op == OP_DELETE)
        fail("redis: no delete of a range");
    /* Ids are times in ms: a page begins at a random place of the stream's life. */
    snprintf(
        id, sizeof(id), "%llu-0",
        (unsigned long long)(bench->first_key == 0 ? 0 : next_random(bench) % bench->first_key));
    snprintf(count, sizeof(count), "%u", bench->op == OP_PAGE ? bench->page : 1);
    evbuffer_add_printf(
        out,
        "*6\r\n$6\r\nXRANGE\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$1\r\n+\r\n$5\r\nCOUNT\r\n"
        "$%zu\r\n%s\r\n",
        strlen(stream), stream, strlen(id), id, strlen(count), count);
}

/* Length of the whole RESP value at `at`, 0 when it is not all there. */
static size_t value_len(const char *text, size_t len, size_t at)
{
    const char *line = text + at;
    const char *end = at < len ? memchr(line, '\n', len - at) : NULL;
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - line) + 1;
    if (line[0] == '-')
        fail("redis: %.*s", (int)head, line);
    if (line[0] == ':' || line[0] == '+')
        return head;
    long count = strtol(line + 1, NULL, 10);
    if (count < 0)
        return head;
    if (line[0] == '$')
        return at + head + (size_t)count + 2 <= len ? head + (size_t)count + 2 : 0;
    size_t total = head;
    for (long i = 0; i < count; i++) {
        size_t one = value_len(text, len, at + total);
        if (one == 0)
            return 0;
        total += one;
    }
    return total;
}

static unsigned take(struct peer *peer, struct evbuffer *in)
{
    unsigned ended = 0;
    size_t len = evbuffer_get_length(in), at = 0;
    const char *text = (const char *)evbuffer_pullup(in, -1);
    bool pairs = peer->bench->op == OP_PUT && peer->bench->wait;
    for (;;) {
        size_t one = value_len(text, len, at);
        if (one == 0)
            break;
        size_t both = pairs ? value_len(text, len, at + one) : 0;
        if (pairs && both == 0)
            break;
        if (pairs && text[at + one] == ':' && strtol(text + at + one + 1, NULL, 10) < 2)
            fail("redis: a write reached fewer than two replicas");
        at += one + both;
        ended++;
    }
    evbuffer_drain(in, at);
    return ended;
}

const struct system redis_system = {"redis", greet, begin, take};
