/* SPDX-License-Identifier: Apache-2.0 */
/* peer-bench: see usage(). Prints one JSON object. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/histogram.h"
#include "peer.h"

enum { TARGETS_MAX = 16 };

static const struct system *const systems[] = {&etcd_system, &redis_system, &nats_system,
                                               &amqp_system};
static struct histogram latencies;
static uint64_t counted;
static struct sockaddr_in targets[TARGETS_MAX];
static unsigned targets_count;

void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("peer-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t next_random(struct bench *bench) /* xorshift64* */
{
    bench->random ^= bench->random >> 12;
    bench->random ^= bench->random << 25;
    bench->random ^= bench->random >> 27;
    return bench->random * 0x2545f4914f6cdd1dULL;
}

uint64_t next_key(struct peer *peer)
{
    struct bench *bench = peer->bench;
    if (bench->op == OP_PUT)
        return bench->first_key + bench->begun;
    return bench->keys == 0 ? 0 : next_random(bench) % bench->keys;
}

/* ---- operations ---------------------------------------------------------------------------------- */
static bool is_over(const struct bench *bench)
{
    return bench->limit > 0 ? bench->begun >= bench->limit : now_us() >= bench->end_us;
}

static void begin_some(struct peer *peer)
{
    struct bench *bench = peer->bench;
    while (peer->under_way < bench->window && !is_over(bench)) {
        peer->begun_us[(peer->oldest + peer->under_way) % bench->window] = now_us();
        peer->under_way++;
        bench->system->begin(peer, bufferevent_get_output(peer->link));
        bench->begun++;
    }
}

static void end_some(struct peer *peer, unsigned count)
{
    struct bench *bench = peer->bench;
    uint64_t now = now_us();
    if (count > peer->under_way)
        fail("%s answered more than it was asked", bench->system->name);
    for (; count > 0; count--) {
        if (now >= bench->measure_us && (bench->limit > 0 || now < bench->end_us)) {
            histogram_add(&latencies, now - peer->begun_us[peer->oldest]);
            counted++;
        }
        peer->oldest = (peer->oldest + 1) % bench->window;
        peer->under_way--;
    }
    if (is_over(bench) && peer->under_way == 0) {
        bufferevent_disable(peer->link, EV_READ | EV_WRITE);
        if (--bench->clients == 0)
            event_base_loopbreak(bench->base);
    }
}

static void on_read(struct bufferevent *link, void *arg)
{
    struct peer *peer = arg;
    struct evbuffer *in = bufferevent_get_input(link);
    if (peer->stage >= 0) {
        if (!peer->bench->system->greet(peer, in))
            return;
        peer->stage = -1;
    }
    unsigned ended = peer->bench->system->take(peer, in);
    begin_some(peer);
    if (ended > 0 || peer->under_way == 0)
        end_some(peer, ended);
    begin_some(peer);
}

static void on_event(struct bufferevent *link, short what, void *arg)
{
    struct peer *peer = arg;
    if ((what & BEV_EVENT_CONNECTED) == 0)
        fail("%s closed a connection", peer->bench->system->name);
    int one = 1;
    setsockopt(bufferevent_getfd(link), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (peer->bench->system->greet(peer, bufferevent_get_input(link))) {
        peer->stage = -1;
        begin_some(peer);
    }
}

static void open_peer(struct bench *bench, struct peer *peer, unsigned index)
{
    const struct sockaddr_in *to = &targets[index % targets_count];
    *peer = (struct peer){.bench = bench, .index = index};
    peer->begun_us = calloc(bench->window, sizeof(uint64_t));
    peer->link = bufferevent_socket_new(bench->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (peer->begun_us == NULL || peer->link == NULL)
        fail("no memory");
    bufferevent_setcb(peer->link, on_read, NULL, on_event, peer);
    bufferevent_enable(peer->link, EV_READ | EV_WRITE);
    if (bufferevent_socket_connect(peer->link, (const struct sockaddr *)to, sizeof(*to)) != 0)
        fail("cannot connect");
}

/* ---- command line ------------------------------------------------------------------------------- */
static void usage(void)
{
    fputs("usage: peer-bench etcd|redis|nats|amqp PORT,... [FLAG=VALUE ...]\n"
          "  op=put|point|page|delete  put\n"
          "  clients=N  connections (64)         window=N   operations under way on each (1)\n"
          "  size=BYTES of a payload (128)       keys=N     that reads draw from (0)\n"
          "  seconds=S  measured (10)            warmup=S   not counted, before (1)\n"
          "  count=N    so many operations instead of seconds\n"
          "  first=N    the first key of writes (0)  page=N  keys of a page, of a delete (100)\n"
          "  serializable=1  etcd: reads without a quorum\n"
          "  wait=0     Redis: do not WAIT for two replicas after each write\n",
          stderr);
    exit(2);
}

static uint64_t number_of(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value > 1000000000)
        usage();
    return value;
}

static enum op op_of(const char *text)
{
    static const char *const names[] = {"put", "point", "page", "delete"};
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum op)i;
    }
    usage();
    return OP_PUT;
}

static void read_flag(struct bench *bench, char *flag, uint64_t *seconds, uint64_t *warmup)
{
    char *value = strchr(flag, '=');
    if (value == NULL)
        usage();
    *value++ = '\0';
    if (strcmp(flag, "op") == 0)
        bench->op = op_of(value);
    else if (strcmp(flag, "clients") == 0)
        bench->clients = (unsigned)number_of(value);
    else if (strcmp(flag, "window") == 0)
        bench->window = (unsigned)number_of(value);
    else if (strcmp(flag, "size") == 0)
        bench->size = number_of(value);
    else if (strcmp(flag, "keys") == 0)
        bench->keys = (unsigned)number_of(value);
    else if (strcmp(flag, "first") == 0)
        bench->first_key = (unsigned)number_of(value);
    else if (strcmp(flag, "page") == 0)
        bench->page = (unsigned)number_of(value);
    else if (strcmp(flag, "count") == 0)
        bench->limit = number_of(value);
    else if (strcmp(flag, "seconds") == 0)
        *seconds = number_of(value);
    else if (strcmp(flag, "warmup") == 0)
        *warmup = number_of(value);
    else if (strcmp(flag, "serializable") == 0)
        bench->serializable = number_of(value) != 0;
    else if (strcmp(flag, "wait") == 0)
        bench->wait = number_of(value) != 0;
    else
        usage();
}

static void read_targets(char *text)
{
    for (char *save = NULL, *at = strtok_r(text, ",", &save); at != NULL;
         at = strtok_r(NULL, ",", &save)) {
        if (targets_count == TARGETS_MAX)
            usage();
        targets[targets_count++] = (struct sockaddr_in){.sin_family = AF_INET,
                                                        .sin_port = htons((uint16_t)number_of(at)),
                                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    }
    if (targets_count == 0)
        usage();
}

/* Letters only, so that every protocol can carry it; the same bytes as Base64 for etcd. */
static void make_payload(struct bench *bench)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bench->payload = malloc(bench->size + 1);
    bench->payload_base64 = malloc((bench->size + 2) / 3 * 4 + 1);
    if (bench->payload == NULL || bench->payload_base64 == NULL)
        fail("no memory");
    for (size_t i = 0; i < bench->size; i++)
        bench->payload[i] = (char)('a' + next_random(bench) % 26);
    bench->payload[bench->size] = '\0';
    char *out = bench->payload_base64;
    for (size_t i = 0; i < bench->size; i += 3) {
        size_t left = bench->size - i;
        uint32_t bits = (uint32_t)(uint8_t)bench->payload[i] << 16;
        bits |= left > 1 ? (uint32_t)(uint8_t)bench->payload[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)(uint8_t)bench->payload[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
    *out = '\0';
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    fail("%s left operations unanswered for 30 s", ((struct bench *)arg)->system->name);
}

int main(int argc, char **argv)
{
    struct bench bench = {.clients = 64,
                          .window = 1,
                          .size = 128,
                          .page = 100,
                          .wait = true,
                          .random = 88172645463325252ULL};
    uint64_t seconds = 10, warmup = 1;
    if (argc < 3)
        usage();
    for (unsigned i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        if (strcmp(argv[1], systems[i]->name) == 0)
            bench.system = systems[i];
    }
    if (bench.system == NULL)
        usage();
    read_targets(argv[2]);
    for (int i = 3; i < argc; i++)
        read_flag(&bench, argv[i], &seconds, &warmup);
    if (bench.clients == 0 || bench.window == 0 || bench.size == 0)
        usage();
    make_payload(&bench);
    bench.base = event_base_new();
    bench.start_us = now_us();
    bench.measure_us = bench.limit > 0 ? bench.start_us : bench.start_us + warmup * 1000000;
    bench.end_us = bench.measure_us + seconds * 1000000;
    histogram_clear(&latencies);
    unsigned clients = bench.clients;
    struct peer *peers = calloc(clients, sizeof(*peers));
    if (peers == NULL)
        fail("no memory");
    for (unsigned i = 0; i < clients; i++)
        open_peer(&bench, &peers[i], i);
    struct timeval late = {.tv_sec = (time_t)(bench.limit > 0 ? 600 : seconds + warmup + 30)};
    struct event *timer = evtimer_new(bench.base, on_late, &bench);
    evtimer_add(timer, &late);
    event_base_dispatch(bench.base);
    uint64_t end_us = bench.limit > 0 ? now_us() : bench.end_us;
    double taken = (double)(end_us - bench.measure_us) / 1e6;
    printf("{\"system\":\"%s\",\"clients\":%u,\"window\":%u,\"seconds\":%.3f,\"operations\":%llu,"
           "\"per_second\":%.1f,\"refused\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
           bench.system->name, clients, bench.window, taken, (unsigned long long)counted,
           (double)counted / taken, (unsigned long long)bench.refused,
           (double)histogram_percentile(&latencies, 50) / 1000,
           (double)histogram_percentile(&latencies, 99) / 1000);
    return counted == 0;
}
