/* SPDX-License-Identifier: Apache-2.0 */
/* NATS JetStream: a publish with a reply subject; the stream's acknowledgement comes there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

static bool greet(struct peer *peer, struct evbuffer *in)
{
    if (peer->stage == 0) {
        if (evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_CRLF).pos < 0)
            return false;
        char *info = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
        free(info);
        evbuffer_add_printf(bufferevent_get_output(peer->link),
                            "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                            "\"no_responders\":true}\r\nSUB r%u.* 1\r\nPING\r\n",
                            peer->index);
        peer->stage = 1;
    }
    struct evbuffer_ptr pong = evbuffer_search(in, "PONG\r\n", 6, NULL);
    if (pong.pos < 0)
        return false;
    evbuffer_drain(in, (size_t)pong.pos + 6);
    return true;
}

static void begin(struct peer *peer, struct evbuffer *out)
{
    struct bench *bench = peer->bench;
    if (bench->op != OP_PUT)
        fail("nats: only put");
    evbuffer_add_printf(out, "PUB bench.%llu r%u.%llu %zu\r\n%s\r\n",
                        (unsigned long long)(bench->begun % 64), peer->index,
                        (unsigned long long)peer->sequence++, bench->size, bench->payload);
}

static bool take_one(struct peer *peer, struct evbuffer *in, unsigned *ended)
{
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n", 2, NULL);
    if (end.pos < 0)
        return false;
    size_t head_len = (size_t)end.pos + 2;
    char head[512];
    if (head_len >= sizeof(head))
        fail("nats: a line of %zu bytes", head_len);
    evbuffer_copyout(in, head, head_len);
    head[head_len] = '\0';
    if (strncmp(head, "PING", 4) == 0) {
        evbuffer_add_printf(bufferevent_get_output(peer->link), "PONG\r\n");
        evbuffer_drain(in, head_len);
        return true;
    }
    if (strncmp(head, "MSG ", 4) != 0)
        fail("nats: %s", head);
    size_t body_len = strtoul(strrchr(head, ' ') + 1, NULL, 10);
    if (evbuffer_get_length(in) < head_len + body_len + 2)
        return false;
    char body[512];
    evbuffer_drain(in, head_len);
    if (body_len >= sizeof(body))
        fail("nats: an answer of %zu bytes", body_len);
    evbuffer_remove(in, body, body_len);
    body[body_len] = '\0';
    evbuffer_drain(in, 2);
    if (strstr(body, "\"seq\":") == NULL)
        fail("nats: %s", body);
    ++*ended;
    return true;
}

static unsigned take(struct peer *peer, struct evbuffer *in)
{
    unsigned ended = 0;
    while (take_one(peer, in, &ended)) {
    }
    return ended;
}

const struct system nats_system = {"nats", greet, begin, take};
