/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/blob.h"
#include "base/rng.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "unit.h"

/* ---- what a packet must look like -------------------------------------------------------------- */

static void fill_payload(uint8_t *to, uint32_t len, uint64_t number)
{
    struct rng rng = rng_of(number * 7919 + len);
    for (uint32_t i = 0; i + 8 <= len; i += 8) {
        uint64_t word = rng_next(&rng);
        memcpy(to + i, &word, 8);
    }
    for (uint32_t i = len & ~7u; i < len; i++) {
        to[i] = (uint8_t)i;
    }
}

void rig_packet(struct raft_packet *ret, node_id from, node_id to, enum net_lane lane,
                uint64_t number, uint32_t entries, uint32_t payload_len)
{
    *ret = (struct raft_packet){
        .slot = (slot_id)(number % RIG_SLOTS),
        .from = from,
        .to = to,
        .from_boot = 7,
        .kind = lane == NET_URGENT ? RAFT_HEARTBEAT : RAFT_APPEND,
        .term = 3 + number,
        .pos = {2, 1000 + number},
        .commit = number,
        .number = number,
    };
    if (lane == NET_URGENT || entries == 0) {
        return;
    }
    struct raft_entry *array = alloc_array(entries, sizeof(*array));
    for (uint32_t i = 0; i < entries; i++) {
        struct blob *payload = blob_new(payload_len);
        fill_payload(payload->data, payload_len, number + i);
        array[i] = (struct raft_entry){.pos = {3, 1001 + number + i},
                                       .kind = RAFT_ENTRY_DATA,
                                       .size_bytes = payload_len,
                                       .payload = payload};
    }
    ret->entries = array;
    ret->entries_count = entries;
}

void rig_packet_done(struct raft_packet *packet)
{
    for (uint32_t i = 0; i < packet->entries_count; i++) {
        blob_unref(packet->entries[i].payload);
    }
    free((void *)packet->entries);
    *packet = (struct raft_packet){0};
}

static bool is_entry_right(const struct raft_packet *packet, uint32_t i)
{
    const struct raft_entry *entry = &packet->entries[i];
    if (entry->kind != RAFT_ENTRY_DATA || entry->pos.index != 1001 + packet->number + i ||
        entry->payload == NULL || entry->size_bytes != entry->payload->len) {
        return false;
    }
    uint8_t *wanted = alloc(entry->size_bytes);
    fill_payload(wanted, entry->size_bytes, packet->number + i);
    bool is_equal = memcmp(wanted, entry->payload->data, entry->size_bytes) == 0;
    free(wanted);
    return is_equal;
}

static void on_packet(const struct raft_packet *packet, void *arg)
{
    struct rig *rig = arg;
    enum net_lane lane = packet->kind == RAFT_HEARTBEAT ? NET_URGENT : NET_BULK;
    bool is_right = packet->to == rig->id && packet->from <= RIG_NODES_MAX &&
                    packet->term == 3 + packet->number && packet->commit == packet->number &&
                    packet->slot == packet->number % RIG_SLOTS;
    for (uint32_t i = 0; i < packet->entries_count && is_right; i++) {
        is_right = is_entry_right(packet, i);
    }
    mutex_lock(&rig->lock);
    uint64_t *next = &rig->from[packet->from].next[lane];
    /* After a broken link numbers may be missing, but never come twice or in another order. */
    if (!is_right || packet->number < *next) {
        rig->faults++;
    }
    *next = packet->number + 1;
    rig->from[packet->from].entries += packet->entries_count;
    mutex_unlock(&rig->lock);
    cond_broadcast(&rig->changed);
}

static void on_frame(node_id from, uint8_t kind, struct bytes body, void *arg)
{
    struct rig *rig = arg;
    mutex_lock(&rig->lock);
    if (kind < FRAME_REQUEST || kind > FRAME_DIGESTS) {
        rig->faults++;
    }
    rig->from[from].frames++;
    rig->from[from].frame_bytes += body.len;
    mutex_unlock(&rig->lock);
    cond_broadcast(&rig->changed);
}

static void on_peer_up(const struct net_peer_info *info, void *arg)
{
    struct rig *rig = arg;
    mutex_lock(&rig->lock);
    rig->faults += rig->from[info->id].is_up;
    rig->from[info->id].is_up = true;
    rig->from[info->id].ups++;
    rig->from[info->id].info = *info;
    mutex_unlock(&rig->lock);
    cond_broadcast(&rig->changed);
}

static void on_peer_down(node_id peer, bool is_gone, void *arg)
{
    struct rig *rig = arg;
    mutex_lock(&rig->lock);
    rig->faults += !rig->from[peer].is_up;
    rig->from[peer].is_up = false;
    rig->from[peer].downs++;
    rig->from[peer].gones += is_gone;
    mutex_unlock(&rig->lock);
    cond_broadcast(&rig->changed);
}

static uint64_t on_turn(void *arg)
{
    struct rig *rig = arg;
    mutex_lock(&rig->lock);
    rig->turns++;
    mutex_unlock(&rig->lock);
    return UINT64_MAX;
}

/* ---- TLS ------------------------------------------------------------------------------------------ */

static char *certificates;

void rig_use_tls(void)
{
    char command[512];
    certificates = unit_temp_dir();
    (void)signal(SIGPIPE, SIG_IGN);
    snprintf(command, sizeof(command), "scripts/make-certs %s test-cluster 1 2 3 4 >/dev/null",
             certificates);
    ck_assert_int_eq(system(command), 0);
}

const char *rig_certificates(void)
{
    return certificates;
}

void rig_tls_files(struct net_tls_files *ret, char texts[3][256], const char *dir, node_id id)
{
    snprintf(texts[0], 256, "%s/ca.crt", dir);
    snprintf(texts[1], 256, "%s/node-%u.crt", dir, (unsigned)id);
    snprintf(texts[2], 256, "%s/node-%u.key", dir, (unsigned)id);
    *ret = (struct net_tls_files){texts[0], texts[1], texts[2], NULL};
}

bool raw_begin_tls(struct raw *raw, const char *dir, node_id id)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (dir != NULL) {
        struct net_tls_files files;
        char texts[3][256];
        rig_tls_files(&files, texts, dir, id);
        ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(context, files.certificate), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM), 1);
    }
    raw->session = SSL_new(context);
    SSL_CTX_free(context);
    ck_assert_int_eq(SSL_set_fd(raw->session, raw->fd), 1);
    return (raw->is_ours ? SSL_connect(raw->session) : SSL_accept(raw->session)) == 1;
}

static void begin_default_tls(struct raw *raw)
{
    if (certificates != NULL && raw->session == NULL) {
        (void)raw_begin_tls(raw, certificates, 2); /* a fault shows in what comes next */
    }
}

/* ---- rigs ---------------------------------------------------------------------------------------- */

void rig_init(struct rig *rig, node_id id)
{
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_fd(getenv("LOG") != NULL ? 2 : -1);
    memset(rig, 0, sizeof(*rig));
    rig->id = id;
    mutex_init(&rig->lock);
    cond_init(&rig->changed);
    net_options_init(&rig->options);
    rig->options.self = id;
    rig->options.cluster_id = "test-cluster";
    rig->options.incarnation = 1000 + id;
    rig->options.boot = 7;
    rig->options.slot_count = RIG_SLOTS;
    rig->options.listen = "127.0.0.1:0";
    rig->options.http_address = "127.0.0.1:80";
    if (certificates != NULL) {
        rig_tls_files(&rig->tls, rig->tls_texts, certificates, id);
        rig->options.tls = &rig->tls;
    }
    rig->options.events = (struct net_events){.on_packet = on_packet,
                                              .on_frame = on_frame,
                                              .on_peer_up = on_peer_up,
                                              .on_peer_down = on_peer_down,
                                              .arg = rig};
}

void rig_start(struct rig *rig)
{
    struct why why = {0};
    ck_assert_int_eq(net_loop_new(on_turn, rig, &rig->loop, &why), OK);
    rig->options.loop = rig->loop;
    enum err err = net_start(&rig->options, &rig->net, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    snprintf(rig->address, sizeof(rig->address), "127.0.0.1:%u", net_port(rig->net));
    ck_assert_int_eq(net_loop_start(rig->loop, "test-loop", &why), OK);
}

void rig_stop(struct rig *rig)
{
    net_loop_stop(rig->loop);
    net_loop_join(rig->loop);
    ck_assert_uint_eq(rig->faults, 0);
    net_stop(rig->net);
    net_loop_free(rig->loop);
    mutex_done(&rig->lock);
    cond_done(&rig->changed);
}

struct waiting {
    void (*fn)(void *arg);
    void *arg;
    struct rig *rig;
    bool is_done;
};

static void do_it(void *arg)
{
    struct waiting *waiting = arg;
    waiting->fn(waiting->arg);
    mutex_lock(&waiting->rig->lock);
    waiting->is_done = true;
    cond_broadcast(&waiting->rig->changed);
    mutex_unlock(&waiting->rig->lock);
}

void rig_do(struct rig *rig, void (*fn)(void *arg), void *arg)
{
    struct waiting waiting = {fn, arg, rig, false};
    net_post(rig->loop, do_it, &waiting);
    mutex_lock(&rig->lock);
    while (!waiting.is_done) {
        cond_wait(&rig->changed, &rig->lock);
    }
    mutex_unlock(&rig->lock);
}

struct setting {
    struct rig *rig;
    struct net_member members[RIG_NODES_MAX];
    unsigned count;
};

static void set_members(void *arg)
{
    struct setting *setting = arg;
    net_set_members(setting->rig->net, setting->members, setting->count);
}

void rig_join(struct rig *rigs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct setting setting = {.rig = &rigs[i], .count = count};
        for (unsigned k = 0; k < count; k++) {
            setting.members[k].id = rigs[k].id;
            snprintf(setting.members[k].address, NET_ADDRESS_MAX_BYTES, "%s", rigs[k].address);
        }
        rig_do(&rigs[i], set_members, &setting);
    }
}

void rig_member(struct rig *rig, node_id id, const char *address)
{
    struct setting setting = {.rig = rig, .count = address != NULL ? 1 : 0};
    setting.members[0].id = id;
    snprintf(setting.members[0].address, NET_ADDRESS_MAX_BYTES, "%s",
             address != NULL ? address : "");
    rig_do(rig, set_members, &setting);
}

void rig_cluster(struct rig *rigs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rig_init(&rigs[i], i + 1);
        rig_start(&rigs[i]);
    }
    rig_join(rigs, count);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < count; k++) {
            if (i != k) {
                rig_wait_up(&rigs[i], k + 1, true);
            }
        }
    }
}

void rig_stop_all(struct rig *rigs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rig_stop(&rigs[i]);
    }
}

void rig_wait(struct rig *rig, bool (*check)(struct rig *rig, uint64_t arg), uint64_t arg,
              uint64_t timeout_ms)
{
    uint64_t deadline_ms = clock_mono_ms() + timeout_ms;
    mutex_lock(&rig->lock);
    bool is_in_time = true;
    while (!check(rig, arg) && is_in_time) {
        is_in_time = cond_wait_until(&rig->changed, &rig->lock, deadline_ms);
    }
    bool holds = check(rig, arg);
    mutex_unlock(&rig->lock);
    ck_assert_msg(holds, "node %llu waited %llu ms for nothing", (unsigned long long)rig->id,
                  (unsigned long long)timeout_ms);
}

static bool is_peer_up(struct rig *rig, uint64_t peer)
{
    return rig->from[peer].is_up;
}

static bool is_peer_down(struct rig *rig, uint64_t peer)
{
    return !rig->from[peer].is_up;
}

void rig_wait_up(struct rig *rig, node_id peer, bool is_up)
{
    rig_wait(rig, is_up ? is_peer_up : is_peer_down, peer, 15000);
}

static bool has_packets(struct rig *rig, uint64_t arg)
{
    return rig->from[arg >> 56].next[arg >> 48 & 1] >= (arg & 0xffffffffffff);
}

void rig_wait_packets(struct rig *rig, node_id from, enum net_lane lane, uint64_t count)
{
    rig_wait(rig, has_packets, from << 56 | (uint64_t)lane << 48 | count, 30000);
}

struct sending {
    struct rig *rig;
    node_id to;
    enum net_lane lane;
    uint64_t number, count, taken;
    uint32_t entries, payload_len, flush_every;
};

static void send_it(void *arg)
{
    struct sending *sending = arg;
    for (uint64_t i = 0; i < sending->count; i++) {
        struct raft_packet packet;
        rig_packet(&packet, sending->rig->id, sending->to, sending->lane, sending->number + i,
                   sending->entries, sending->payload_len);
        sending->taken += net_send_packet(sending->rig->net, sending->to, sending->lane, &packet);
        rig_packet_done(&packet);
        if ((i + 1) % sending->flush_every == 0) {
            net_flush(sending->rig->net);
        }
    }
    net_flush(sending->rig->net);
}

uint64_t rig_send(struct rig *rig, node_id to, enum net_lane lane, uint64_t number, uint64_t count,
                  uint32_t entries, uint32_t payload_len, uint32_t flush_every)
{
    struct sending sending = {rig, to, lane, number, count, 0, entries, payload_len, flush_every};
    rig_do(rig, send_it, &sending);
    return sending.taken;
}

struct rig_seen rig_seen(struct rig *rig, node_id peer)
{
    mutex_lock(&rig->lock);
    struct rig_seen seen = rig->from[peer];
    mutex_unlock(&rig->lock);
    return seen;
}

struct net_status rig_status(struct rig *rig)
{
    struct net_status status;
    net_get_status(rig->net, &status);
    return status;
}

/* ---- a peer by hand ------------------------------------------------------------------------------ */

int raw_listen(char ret_address[64], int rcvbuf_bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (rcvbuf_bytes > 0) {
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf_bytes, sizeof(rcvbuf_bytes)),
                         0);
    }
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    socklen_t len = sizeof(own);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    snprintf(ret_address, 64, "127.0.0.1:%u", ntohs(own.sin_port));
    return fd;
}

static void wait_readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&poll_fd, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    ck_assert_msg(ready == 1, "nothing came in %d ms", timeout_ms);
}

void raw_accept(int listen_fd, struct raw *raw)
{
    wait_readable(listen_fd, 10000);
    *raw = (struct raw){.is_ours = false};
    raw->fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(raw->fd, 0);
    frame_reader_init(&raw->reader);
}

void raw_connect(struct raw *raw, uint16_t port)
{
    *raw = (struct raw){.is_ours = true};
    raw->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_eq(connect(raw->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    frame_reader_init(&raw->reader);
}

void raw_close(struct raw *raw)
{
    SSL_free(raw->session);
    close(raw->fd);
    frame_reader_done(&raw->reader);
}

void raw_send(struct raw *raw, struct bytes bytes)
{
    begin_default_tls(raw);
    while (bytes.len > 0) {
        ssize_t put = raw->session != NULL ? SSL_write(raw->session, bytes.data, (int)bytes.len)
                                           : write(raw->fd, bytes.data, bytes.len);
        if (put <= 0) {
            return; /* the other side closed it: the test sees that when it reads */
        }
        bytes = bytes_of(bytes.data + put, bytes.len - (size_t)put);
    }
}

bool raw_frame(struct raw *raw, struct frame *ret)
{
    begin_default_tls(raw);
    for (;;) {
        bool has_frame = false;
        struct why why = {0};
        enum err err = frame_reader_next(&raw->reader, ret, &has_frame, &why);
        ck_assert_msg(err == OK, "%s", why.text);
        if (has_frame) {
            return true;
        }
        if (raw->session == NULL || SSL_pending(raw->session) == 0) {
            wait_readable(raw->fd, 10000);
        }
        uint8_t bytes[65536];
        ssize_t got = raw->session != NULL ? SSL_read(raw->session, bytes, sizeof(bytes))
                                           : read(raw->fd, bytes, sizeof(bytes));
        if (got <= 0) {
            return false;
        }
        frame_reader_feed(&raw->reader, bytes_of(bytes, (size_t)got));
    }
}

bool raw_is_closed_within(struct raw *raw, uint64_t ms)
{
    uint64_t deadline_ms = clock_mono_ms() + ms;
    for (uint64_t now_ms = clock_mono_ms(); now_ms < deadline_ms; now_ms = clock_mono_ms()) {
        struct pollfd poll_fd = {.fd = raw->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, (int)(deadline_ms - now_ms)) == 1) {
            uint8_t bytes[65536];
            if (read(raw->fd, bytes, sizeof(bytes)) <= 0) {
                return true;
            }
        }
    }
    return false;
}

void raw_hello_fill(struct hello *hello, node_id id, node_id to)
{
    *hello = (struct hello){
        .version_min = 1,
        .version_max = 1,
        .lane = HELLO_LANE_MAIN,
        .node = id,
        .to = to,
        .incarnation = 1000 + id,
        .boot = 7,
        .nonce = {1, 2, 3, (uint8_t)id},
        .feature_level = 1,
        .slot_count = RIG_SLOTS,
        .cluster_id = bytes_of_string("test-cluster"),
    };
}

void raw_hello(struct raw *raw, const struct hello *hello)
{
    struct buf buf = BUF_INIT;
    hello_encode(&buf, hello);
    raw_send(raw, buf_bytes(&buf));
    buf_done(&buf);
}

void raw_reply(struct raw *raw, struct hello_reply *ret)
{
    struct frame frame;
    ck_assert(raw_frame(raw, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_HELLO_REPLY);
    ck_assert_int_eq(hello_decode_reply(frame.body, ret, NULL), OK);
}

void raw_welcome(struct raw *raw, node_id id)
{
    struct frame frame;
    ck_assert(raw_frame(raw, &frame));
    ck_assert_uint_eq(frame.kind, FRAME_HELLO);
    struct hello_reply reply = {.err = OK, .version = 1};
    raw_hello_fill(&reply.hello, id, 0);
    struct buf buf = BUF_INIT;
    hello_encode_reply(&buf, &reply);
    raw_send(raw, buf_bytes(&buf));
    buf_done(&buf);
    frame_reader_trust(&raw->reader);
}
