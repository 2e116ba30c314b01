/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a link: CONNECTING (ours) -> GREETING -> OPEN, and ENDING for one that was refused. A link
 * carries frames in one direction, from the side that made it; back come only the answer to the
 * HELLO and PONGs.
 *
 * Alive is what gives bytes to read, or takes bytes off a buffer that is backed up: a kernel that
 * takes a few more into an empty buffer proves nothing about the process at the other end. The side
 * that made the link pings, so that both hear something each second; both close it after
 * NET_SILENT_MS without anything. A pause of this process itself is not held against its peers.
 *
 * Writing goes past the bufferevent when its buffer is empty: one writev a turn instead of a round
 * through epoll; what the socket does not take goes into the bufferevent's buffer, which holds at
 * most NET_AHEAD_BYTES and one frame, so that an urgent frame never waits behind more than that and
 * what the kernel holds (NET_UNSENT_BYTES not sent yet). With TLS the first way is closed: all goes
 * through the bufferevent, under the same bound.
 *
 * With TLS a link, accepted ones too, is CONNECTING until the other side has shown a certificate of a
 * node of this cluster; not a byte of it is read as a frame before.
 *
 * A link may be closed by its owner from inside its own callbacks: it is then freed when the last
 * of them has returned (is_busy, is_closed). */
#include "net/link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/inner.h"
#include "sys/clock.h"

enum { LINK_MAGIC = 0x4c494e4b, WRITE_ROUNDS_MAX = 16 };

static void link_destroy(struct net_link *link)
{
    if (!link->is_ours) {
        link->net->inbound_count--;
        link->net->strangers_count -= link->peer_was_known ? 0 : 1;
    }
    list_remove(&link->item);
    frame_reader_done(&link->reader);
    evbuffer_free(link->ready);
    if (link->bev != NULL) {
        bufferevent_free(link->bev);
    }
    link->magic = 0;
    free(link);
}

static void link_enter(struct net_link *link)
{
    assert(!link->is_busy && !link->is_closed);
    link->is_busy = true;
}

/* True: the link is gone. */
static bool link_leave(struct net_link *link)
{
    link->is_busy = false;
    if (!link->is_closed) {
        return false;
    }
    link_destroy(link);
    return true;
}

void net_link_free(struct net_link *link)
{
    if (link == NULL || link->is_closed) {
        return;
    }
    link->is_closed = true;
    if (!link->is_busy) {
        link_destroy(link);
    }
}

void net_link_close(struct net_link *link, enum net_close cause, const struct why *why)
{
    if (link->is_closed) {
        return;
    }
    link->is_closed = true;
    bool was_busy = link->is_busy;
    link->is_busy = true;
    link->owner->on_closed(link, cause, why);
    link->is_busy = was_busy;
    if (!was_busy) {
        link_destroy(link);
    }
}

static void link_close_text(struct net_link *link, enum net_close cause, enum err err,
                            const char *text)
{
    struct why why;
    (void)why_set(&why, err, "%s", text);
    net_link_close(link, cause, &why);
}

/* ---- reading -------------------------------------------------------------------------------------- */

static enum err take_ping(struct net_link *link, const struct frame *frame, struct why *why)
{
    if ((frame->kind == FRAME_PONG) != link->is_ours) {
        return why_set(why, ERR_BAD_FORMAT, "a ping or its answer from the wrong side");
    }
    uint64_t number = 0;
    enum err err = frame_decode_ping(frame->body, &number, why);
    if (err != OK) {
        return err;
    }
    if (link->is_ours) {
        uint64_t now_us = clock_mono_us();
        if (link->peer != NULL && number <= now_us) {
            COUNT_SET(link->peer->round_trip_us, now_us - number);
        }
        return OK;
    }
    if (net_link_waiting_bytes(link) > NET_ANSWER_MAX_BYTES) {
        return why_set(why, ERR_TOO_LARGE, "pings whose answers are not read");
    }
    struct buf buf = BUF_INIT;
    frame_encode_ping(&buf, true, number);
    net_link_write(link, buf_bytes(&buf));
    buf_done(&buf);
    return OK;
}

static void take_frames(struct net_link *link)
{
    while (!link->is_closed && link->state != NET_LINK_ENDING) {
        struct frame frame;
        bool has_frame = false;
        struct why why = {0};
        enum err err = frame_reader_next(&link->reader, &frame, &has_frame, &why);
        if (err == OK && !has_frame) {
            return;
        }
        if (err == OK) {
            bool is_ping = frame.kind == FRAME_PING || frame.kind == FRAME_PONG;
            err =
                is_ping ? take_ping(link, &frame, &why) : link->owner->on_frame(link, &frame, &why);
        }
        if (err != OK) {
            COUNT(link->net->garbage, 1);
            net_link_close(link, NET_CLOSE_GARBAGE, &why);
        }
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct net_link *link;
    CAST_OBJ(link, arg, LINK_MAGIC);
    struct evbuffer *input = bufferevent_get_input(bev);
    link_enter(link);
    link->heard_ms = clock_mono_ms();
    if (link->peer != NULL) {
        COUNT(link->peer->received_bytes, evbuffer_get_length(input));
        COUNT_SET(link->peer->heard_ms, link->heard_ms);
    }
    if (link->state == NET_LINK_ENDING) { /* it was answered for good */
        (void)evbuffer_drain(input, evbuffer_get_length(input));
    }
    while (!link->is_closed && evbuffer_get_length(input) > 0) {
        struct evbuffer_iovec part;
        (void)evbuffer_peek(input, -1, NULL, &part, 1);
        assert(part.iov_len > 0);
        frame_reader_feed(&link->reader, bytes_of(part.iov_base, part.iov_len));
        (void)evbuffer_drain(input, part.iov_len);
        take_frames(link);
    }
    (void)link_leave(link);
}

/* ---- events --------------------------------------------------------------------------------------- */

static void on_write(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct net_link *link;
    CAST_OBJ(link, arg, LINK_MAGIC);
    link_enter(link);
    if (link->state == NET_LINK_OPEN) {
        link->owner->on_writable(link);
    } else if (link->state == NET_LINK_ENDING) {
        /* The other side reads the refusal, sees the end, and closes. */
        (void)shutdown(bufferevent_getfd(link->bev), SHUT_WR);
    }
    (void)link_leave(link);
}

/* The TLS session stands: who is it? False: the link was closed. */
static bool take_certificate(struct net_link *link)
{
    struct why why = {0};
    if (link->session == NULL) {
        return true;
    }
    enum err err = net_tls_identify(link->net->tls, link->session, &link->certified, &why);
    if (err == OK && net_tls_is_revoked(link->net->tls, link->session, &why)) {
        err = ERR_WRONG_IDENTITY; /* since the handshake began */
    }
#ifdef LETHE_MUTANT_any_certificate
    err = OK;
#endif
    if (err == OK) {
        return true;
    }
    (void)net_greet_refuse(link->net, NET_REFUSAL_CERTIFICATE, err);
    net_link_close(link, NET_CLOSE_REFUSED, &why);
    return false;
}

/* A handshake of TLS that failed. Who came from outside did not prove who it is, whichever side had
 * the last word. */
static void close_unproven(struct net_link *link, unsigned long error)
{
    struct why why = {0};
    if (net_tls_explain(link->session, error, &why) || !link->is_ours) {
        (void)net_greet_refuse(link->net, NET_REFUSAL_CERTIFICATE, ERR_WRONG_IDENTITY);
    } else {
        COUNT(link->net->refused_there, 1);
    }
    net_link_close(link, NET_CLOSE_REFUSED, &why);
}

/* libevent's list has OpenSSL's errors among codes of its own; 0: the fault was not TLS's. */
static unsigned long take_tls_error(struct net_link *link)
{
    unsigned long ret = 0, error;
    if (link->session == NULL) {
        return 0;
    }
    while ((error = bufferevent_get_openssl_error(link->bev)) != 0) {
        ret = net_tls_is_error(error) ? error : ret;
    }
    return ret;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct net_link *link;
    CAST_OBJ(link, arg, LINK_MAGIC);
    if (link->is_connecting_now) {
        return; /* net_link_connect returns it as its own failure */
    }
    int error = EVUTIL_SOCKET_ERROR();
    unsigned long tls_error = take_tls_error(link);
    link_enter(link);
    if (what & BEV_EVENT_CONNECTED) {
        if (take_certificate(link)) {
            link->state = NET_LINK_GREETING;
            (void)bufferevent_enable(bev, EV_READ);
            link->owner->on_connected(link);
        }
    } else if (tls_error != 0 && link->state != NET_LINK_OPEN) {
        close_unproven(link, tls_error);
    } else if (what & BEV_EVENT_EOF) {
        link_close_text(link, NET_CLOSE_GONE, ERR_CLOSED, err_sentence(ERR_CLOSED));
    } else {
        bool is_gone = link->state == NET_LINK_OPEN && (error == ECONNRESET || error == EPIPE);
        link_close_text(link, is_gone ? NET_CLOSE_GONE : NET_CLOSE_FAILED, ERR_IO,
                        error != 0 ? strerror(error) : "the connection failed");
    }
    (void)link_leave(link);
}

/* ---- making one ----------------------------------------------------------------------------------- */

static void set_socket_options(const struct net *net, int fd)
{
    const int on = 1, idle_s = 5, interval_s = 2, count = 3, unsent = NET_UNSENT_BYTES;
    const unsigned patience_ms = (unsigned)net->silent_ms;
    /* None of them is needed for a link to work; where one is not known, our own pings do. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

/* The one place that knows what a link is made of. */
static struct bufferevent *new_bufferevent(struct net_link *link, int fd)
{
    struct event_base *base = net_loop_base(link->net->loop);
    if (link->net->tls == NULL) {
        return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    }
    link->session = net_tls_session(link->net->tls);
    struct bufferevent *ret = bufferevent_openssl_socket_new(
        base, fd, link->session,
        link->is_ours ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING,
        BEV_OPT_CLOSE_ON_FREE);
    assert(ret != NULL);
    return ret;
}

static struct net_link *link_new_take(struct net *net, const struct net_link_owner *owner, int fd,
                                      bool is_ours)
{
    struct net_link *link = alloc_zero(sizeof(*link));
    link->magic = LINK_MAGIC;
    link->net = net;
    link->owner = owner;
    link->is_ours = is_ours;
    link->opened_ms = link->heard_ms = link->pinged_ms = clock_mono_ms();
    link->ready = evbuffer_new();
    frame_reader_init(&link->reader);
    list_append(&net->links, &link->item);
    if (!is_ours) {
        net->inbound_count++;
        net->strangers_count++;
    }
    set_socket_options(net, fd);
    link->bev = new_bufferevent(link, fd);
    bufferevent_setcb(link->bev, on_read, on_write, on_event, link);
    bufferevent_setwatermark(link->bev, EV_WRITE, NET_AHEAD_BYTES / 2, 0);
    (void)bufferevent_set_max_single_read(link->bev, NET_STRANGER_READ_BYTES);
    (void)bufferevent_set_max_single_write(link->bev, NET_AHEAD_BYTES);
    return link;
}

enum err net_link_connect(struct net *net, const struct net_link_owner *owner,
                          const struct net_address *address, struct net_link **ret_link,
                          struct why *why)
{
    int fd = socket(address->raw.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return why_set(why, ERR_IO, "no socket: %s", strerror(errno));
    }
    struct net_link *link = link_new_take(net, owner, fd, true);
    const struct sockaddr *raw = (const struct sockaddr *)&address->raw;
    net_address_format(raw, address->len, link->remote);
    link->state = NET_LINK_CONNECTING;
    link->is_connecting_now = true;
    errno = 0;
    int failed = bufferevent_socket_connect(link->bev, raw, (int)address->len);
    link->is_connecting_now = false;
    if (failed != 0) {
        (void)why_set(why, ERR_IO, "cannot connect: %s", strerror(errno));
        link_destroy(link);
        return ERR_IO;
    }
    *ret_link = link;
    return OK;
}

struct net_link *net_link_accept_take(struct net *net, const struct net_link_owner *owner, int fd,
                                      const struct sockaddr *remote, socklen_t remote_len)
{
    struct net_link *link = link_new_take(net, owner, fd, false);
    net_address_format(remote, remote_len, link->remote);
    link->state = link->session == NULL ? NET_LINK_GREETING : NET_LINK_CONNECTING;
    (void)bufferevent_enable(link->bev, EV_READ | EV_WRITE);
    return link;
}

void net_link_open(struct net_link *link)
{
    assert(link->state == NET_LINK_GREETING);
    link->state = NET_LINK_OPEN;
    if (!link->is_ours && !link->peer_was_known) {
        link->net->strangers_count--;
    }
    link->peer_was_known = true;
    frame_reader_trust(&link->reader);
    (void)bufferevent_set_max_single_read(link->bev, NET_READ_BYTES);
}

/* ---- writing -------------------------------------------------------------------------------------- */

/* Writes ready to the socket; what it does not take goes to the bufferevent. */
static bool write_ready(struct net_link *link)
{
    int fd = bufferevent_getfd(link->bev);
    if (link->session != NULL) {
        (void)bufferevent_write_buffer(link->bev, link->ready);
        return false;
    }
    while (evbuffer_get_length(link->ready) > 0) {
        if (evbuffer_write(link->ready, fd) <= 0) {
            /* Full, or broken: the bufferevent tries again and reports the latter. */
            (void)bufferevent_write_buffer(link->bev, link->ready);
            return false;
        }
    }
    return true;
}

static size_t pump_into(struct net_link *link, struct net_sendq *sendq, struct evbuffer *out)
{
    size_t given = net_sendq_move(sendq, out, NET_AHEAD_BYTES);
    link->given_bytes += given;
    COUNT(link->peer->sent_bytes, given);
    return given;
}

void net_link_pump(struct net_link *link, struct net_sendq *sendq)
{
    if (link->state != NET_LINK_OPEN || link->is_closed) {
        return;
    }
    struct evbuffer *output = bufferevent_get_output(link->bev);
    for (unsigned round = 0; round < WRITE_ROUNDS_MAX; round++) {
        bool is_direct = evbuffer_get_length(output) == 0;
        size_t given = pump_into(link, sendq, is_direct ? link->ready : output);
        if (given == 0 || !is_direct || !write_ready(link)) {
            return;
        }
    }
    /* The socket takes all there is: let others have their turn, and go on from the loop. */
    (void)pump_into(link, sendq, output);
}

void net_link_write(struct net_link *link, struct bytes bytes)
{
    if (link->is_closed) {
        return;
    }
    link->given_bytes += bytes.len;
    if (net_link_waiting_bytes(link) > 0) {
        (void)bufferevent_write(link->bev, bytes.data, bytes.len);
        return;
    }
    int failed = evbuffer_add(link->ready, bytes.data, bytes.len);
    assert(failed == 0);
    (void)write_ready(link);
}

void net_link_write_last(struct net_link *link, struct bytes bytes)
{
    bufferevent_setwatermark(link->bev, EV_WRITE, 0, 0);
    net_link_write(link, bytes);
    link->state = NET_LINK_ENDING;
    link->opened_ms = clock_mono_ms();
    if (net_link_waiting_bytes(link) == 0) {
        (void)shutdown(bufferevent_getfd(link->bev), SHUT_WR);
    }
}

size_t net_link_waiting_bytes(const struct net_link *link)
{
    return evbuffer_get_length(bufferevent_get_output(link->bev));
}

/* ---- time ----------------------------------------------------------------------------------------- */

static void check_open(struct net_link *link, uint64_t now_ms)
{
    size_t waiting = net_link_waiting_bytes(link);
    uint64_t written = link->given_bytes - waiting;
    if (waiting > 0 && written > link->written_bytes) {
        link->heard_ms = now_ms;
    }
    link->written_bytes = written;
    if (now_ms >= link->heard_ms + link->net->silent_ms) {
        COUNT(link->net->timeouts, 1);
        link_close_text(link, NET_CLOSE_SILENT, ERR_TIMEOUT, "nothing was heard for too long");
        return;
    }
    if (link->is_ours && now_ms >= link->pinged_ms + link->net->ping_ms) {
        link->pinged_ms = now_ms;
        struct buf buf = BUF_INIT;
        frame_encode_ping(&buf, false, clock_mono_us());
        net_link_write(link, buf_bytes(&buf));
        buf_done(&buf);
    }
}

bool net_link_close_revoked(struct net_link *link)
{
    struct why why = {0};
    if (link->session == NULL || !net_tls_is_revoked(link->net->tls, link->session, &why)) {
        return false;
    }
    (void)net_greet_refuse(link->net, NET_REFUSAL_CERTIFICATE, ERR_WRONG_IDENTITY);
    net_link_close(link, NET_CLOSE_REFUSED, &why);
    return true;
}

void net_link_check(struct net_link *link, uint64_t now_ms, uint64_t pause_ms)
{
    link->heard_ms += pause_ms;
    link->opened_ms += pause_ms;
    switch (link->state) {
    case NET_LINK_CONNECTING:
    case NET_LINK_GREETING:
        if (now_ms >= link->opened_ms + link->net->handshake_ms) {
            COUNT(link->net->timeouts, 1);
            link_close_text(link, NET_CLOSE_SILENT, ERR_TIMEOUT, "the handshake took too long");
        }
        return;
    case NET_LINK_OPEN:
        check_open(link, now_ms);
        return;
    case NET_LINK_ENDING:
        if (now_ms >= link->opened_ms + NET_GOODBYE_MS) {
            link_close_text(link, NET_CLOSE_REFUSED, ERR_CLOSED, "the refusal was sent");
        }
        return;
    }
}
