/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 0-9-1, as RabbitMQ speaks it: a channel in confirm mode, persistent messages to a quorum queue
 * of its own for each of up to 16 connections, so that confirms come in order. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"

enum { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEARTBEAT = 8, FRAME_END = 0xce };
enum { QUEUES = 16, FRAME_MAX = 131072 };

struct out {
    uint8_t bytes[512];
    size_t len;
};

static void put_u8(struct out *out, unsigned value)
{
    out->bytes[out->len++] = (uint8_t)value;
}

static void put_u16(struct out *out, unsigned value)
{
    put_u8(out, value >> 8);
    put_u8(out, value);
}

static void put_u32(struct out *out, uint32_t value)
{
    put_u16(out, value >> 16);
    put_u16(out, value);
}

static void put_short(struct out *out, const char *text)
{
    put_u8(out, (unsigned)strlen(text));
    memcpy(out->bytes + out->len, text, strlen(text));
    out->len += strlen(text);
}

static void put_long(struct out *out, const char *text, size_t len)
{
    put_u32(out, (uint32_t)len);
    memcpy(out->bytes + out->len, text, len);
    out->len += len;
}

static struct out method(unsigned class, unsigned number)
{
    struct out out = {.len = 0};
    put_u16(&out, class);
    put_u16(&out, number);
    return out;
}

static void send_frame(struct evbuffer *to, unsigned type, unsigned channel, const void *bytes,
                       size_t len)
{
    struct out head = {.len = 0};
    put_u8(&head, type);
    put_u16(&head, channel);
    put_u32(&head, (uint32_t)len);
    evbuffer_add(to, head.bytes, head.len);
    evbuffer_add(to, bytes, len);
    evbuffer_add(to, "\xce", 1);
}

static void queue_name(const struct peer *peer, char name[16])
{
    snprintf(name, 16, "bench-%u", peer->index % QUEUES);
}

static void send_declare(struct peer *peer, struct evbuffer *to)
{
    char name[16];
    struct out out = method(50, 10), table = {.len = 0};
    queue_name(peer, name);
    put_short(&table, "x-queue-type");
    put_u8(&table, 'S');
    put_long(&table, "quorum", 6);
    put_u16(&out, 0);
    put_short(&out, name);
    put_u8(&out, 2); /* durable */
    put_long(&out, (const char *)table.bytes, table.len);
    send_frame(to, FRAME_METHOD, 1, out.bytes, out.len);
}

/* What follows each of the server's answers until the channel confirms. */
static bool answer(struct peer *peer, unsigned class, unsigned number)
{
    struct evbuffer *to = bufferevent_get_output(peer->link);
    struct out out;
    switch (class << 8 | number) {
    case 10 << 8 | 10: /* start */
        out = method(10, 11);
        put_u32(&out, 0);
        put_short(&out, "PLAIN");
        put_long(&out, "\0guest\0guest", 12);
        put_short(&out, "en_US");
        send_frame(to, FRAME_METHOD, 0, out.bytes, out.len);
        return false;
    case 10 << 8 | 30: /* tune */
        out = method(10, 31);
        put_u16(&out, 16);
        put_u32(&out, FRAME_MAX);
        put_u16(&out, 0);
        send_frame(to, FRAME_METHOD, 0, out.bytes, out.len);
        out = method(10, 40);
        put_short(&out, "/");
        put_short(&out, "");
        put_u8(&out, 0);
        send_frame(to, FRAME_METHOD, 0, out.bytes, out.len);
        return false;
    case 10 << 8 | 41: /* open */
        out = method(20, 10);
        put_short(&out, "");
        send_frame(to, FRAME_METHOD, 1, out.bytes, out.len);
        return false;
    case 20 << 8 | 11: /* channel open */
        send_declare(peer, to);
        return false;
    case 50 << 8 | 11: /* queue declared */
        out = method(85, 10);
        put_u8(&out, 0);
        send_frame(to, FRAME_METHOD, 1, out.bytes, out.len);
        return false;
    case 85 << 8 | 11: /* confirms on */
        return true;
    default:
        fail("rabbitmq: it answered with class %u, method %u", class, number);
    }
}

/* The next whole frame: its type, and up to 64 bytes of what is in it. */
static bool next_frame(struct evbuffer *in, unsigned *type, uint8_t body[64])
{
    uint8_t head[7];
    if (evbuffer_copyout(in, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
        return false;
    size_t len = (size_t)head[3] << 24 | (size_t)head[4] << 16 | (size_t)head[5] << 8 | head[6];
    if (evbuffer_get_length(in) < sizeof(head) + len + 1)
        return false;
    *type = head[0];
    memset(body, 0, 64);
    evbuffer_drain(in, sizeof(head));
    size_t kept = len < 64 ? len : 64;
    evbuffer_remove(in, body, kept);
    evbuffer_drain(in, len - kept + 1);
    return true;
}

static bool greet(struct peer *peer, struct evbuffer *in)
{
    unsigned type;
    uint8_t body[64];
    if (peer->stage == 0) {
        evbuffer_add(bufferevent_get_output(peer->link), "AMQP\0\0\x9\x1", 8);
        peer->stage = 1;
    }
    while (next_frame(in, &type, body)) {
        if (type == FRAME_METHOD && answer(peer, body[0] << 8 | body[1], body[2] << 8 | body[3]))
            return true;
    }
    return false;
}

static void begin(struct peer *peer, struct evbuffer *to)
{
    struct bench *bench = peer->bench;
    if (bench->op != OP_PUT || bench->size > FRAME_MAX - 8)
        fail("rabbitmq: only put, of less than %d bytes", FRAME_MAX - 8);
    char name[16];
    queue_name(peer, name);
    struct out publish = method(60, 40), header = {.len = 0};
    put_u16(&publish, 0);
    put_short(&publish, "");
    put_short(&publish, name);
    put_u8(&publish, 0);
    put_u16(&header, 60);
    put_u16(&header, 0);
    put_u32(&header, 0);
    put_u32(&header, (uint32_t)bench->size);
    put_u16(&header, 0x1000); /* delivery mode */
    put_u8(&header, 2);       /* persistent */
    send_frame(to, FRAME_METHOD, 1, publish.bytes, publish.len);
    send_frame(to, FRAME_HEADER, 1, header.bytes, header.len);
    send_frame(to, FRAME_BODY, 1, bench->payload, bench->size);
}

static unsigned take(struct peer *peer, struct evbuffer *in)
{
    unsigned type, ended = 0;
    uint8_t body[64];
    while (next_frame(in, &type, body)) {
        if (type == FRAME_HEARTBEAT)
            continue;
        unsigned class = (unsigned)body[0] << 8 | body[1],
                 number = (unsigned)body[2] << 8 | body[3];
        bool is_refusal = number == 120; /* nack: not stored */
        if (class != 60 || (number != 80 && !is_refusal))
            fail("rabbitmq: it sent class %u, method %u", class, number);
        uint64_t tag = 0;
        for (unsigned i = 4; i < 12; i++)
            tag = tag << 8 | body[i];
        if (tag <= peer->sequence || (body[12] == 0 && tag != peer->sequence + 1))
            fail("rabbitmq: confirms out of order");
        ended += (unsigned)(tag - peer->sequence);
        peer->bench->refused += is_refusal ? tag - peer->sequence : 0;
        peer->sequence = tag;
    }
    return ended;
}

const struct system amqp_system = {"amqp", greet, begin, take};
