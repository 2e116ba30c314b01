/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from outside. A stranger gets little: a slot among NET_STRANGERS_MAX, three seconds,
 * and as much memory as one HELLO. Then it is a peer's link, or it is told why not. */
#include <errno.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/inner.h"
#include "sys/log.h"

static void refuse(struct net_link *link, enum err err, const struct why *why)
{
    log_every(1000, LOG_LEVEL_ERROR, "net", "refusing a connection",
              "address=%s error=%s detail=%s", link->remote, err_slug(err), LOG_QUOTED(why->text));
    struct hello_reply reply = {.err = err, .text = bytes_of_string(why->text)};
    net_greet_fill(link->net, 0, HELLO_LANE_MAIN, &reply.hello);
    struct buf buf = BUF_INIT;
    hello_encode_reply(&buf, &reply);
    net_link_write_last(link, buf_bytes(&buf));
    buf_done(&buf);
}

static enum err take_hello(struct net_link *link, const struct frame *frame, struct why *why)
{
    if (frame->kind != FRAME_HELLO) {
        return why_set(why, ERR_BAD_FORMAT, "a frame of kind %u before the handshake", frame->kind);
    }
    struct hello hello;
    enum err err = hello_decode(frame->body, &hello, why);
    if (err != OK) {
        return err;
    }
    struct net_peer *peer = NULL;
    struct why own = {0};
    err = net_greet_check(link, &hello, 0, &peer, &own);
    if (err != OK) {
        if (net_find_peer(link->net, hello.node) != NULL) {
            net_tell_refused(link->net, hello.node, false, err, own.text);
        }
        refuse(link, err, &own);
    } else {
        net_peer_take_in(peer, link, &hello, hello_common_version(&hello));
    }
    return OK;
}

/* Who connected does not want us after all: its reasons belong into this log too. */
static enum err take_refusal(struct net_link *link, const struct frame *frame, struct why *why)
{
    struct hello_reply reply;
    enum err err = hello_decode_reply(frame->body, &reply, why);
    if (err != OK) {
        return err;
    }
    if (reply.err == OK) {
        return why_set(why, ERR_BAD_FORMAT, "an answer to a handshake that nobody began");
    }
    struct why theirs;
    (void)why_set(&theirs, reply.err, "%.*s", (int)reply.text.len, (const char *)reply.text.data);
    COUNT(link->net->refused_there, 1);
    log_every(1000, LOG_LEVEL_ERROR, "net", "a peer that connected refuses this node",
              "peer=%llu address=%s error=%s detail=%s", (unsigned long long)reply.hello.node,
              link->remote, err_slug(reply.err), LOG_QUOTED(theirs.text));
    net_link_close(link, NET_CLOSE_REFUSED, &theirs);
    return OK;
}

static enum err on_in_frame(struct net_link *link, const struct frame *frame, struct why *why)
{
    if (link->state == NET_LINK_GREETING) {
        return take_hello(link, frame, why);
    }
    if (frame->kind == FRAME_HELLO_REPLY) {
        return take_refusal(link, frame, why);
    }
    return net_peer_receive(link->peer, link, frame, why);
}

static void on_in_connected(struct net_link *link)
{
    (void)link; /* by TLS: the HELLO is theirs to say */
}

static void on_in_writable(struct net_link *link)
{
    (void)link; /* there is nothing to add: only answers leave this way */
}

static void on_in_closed(struct net_link *link, enum net_close cause, const struct why *why)
{
    if (link->peer != NULL) {
        net_peer_lose_in(link->peer, link, cause, why);
    } else if (cause == NET_CLOSE_GARBAGE) {
        log_every(1000, LOG_LEVEL_WARN, "net", "dropping a connection that speaks something else",
                  "address=%s detail=%s", link->remote, LOG_QUOTED(why->text));
    } else if (cause == NET_CLOSE_REFUSED && why->err == ERR_WRONG_IDENTITY &&
               link->state == NET_LINK_CONNECTING) {
        log_every(1000, LOG_LEVEL_ERROR, "net", "refusing a connection that does not prove itself",
                  "address=%s detail=%s", link->remote, LOG_QUOTED(why->text));
    }
}

static const struct net_link_owner in_owner = {
    .on_connected = on_in_connected,
    .on_frame = on_in_frame,
    .on_writable = on_in_writable,
    .on_closed = on_in_closed,
};

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *remote,
                      int remote_len, void *arg)
{
    (void)listener;
    struct net *net = arg;
    COUNT(net->accepted, 1);
    if (net->inbound_count >= NET_INBOUND_MAX || net->strangers_count >= NET_STRANGERS_MAX) {
        COUNT(net->accept_refused, 1);
        log_every(1000, LOG_LEVEL_WARN, "net", "too many connections, closing a new one",
                  "connections=%u strangers=%u", net->inbound_count, net->strangers_count);
        (void)close(fd);
        return;
    }
    (void)net_link_accept_take(net, &in_owner, fd, remote, (socklen_t)remote_len);
}

/* No descriptors are left, most likely: accept would fail again at once, and again. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct net *net = arg;
    int error = EVUTIL_SOCKET_ERROR();
    log_every(1000, LOG_LEVEL_ERROR, "net", "cannot accept connections, pausing", "detail=%s",
              LOG_QUOTED(strerror(error)));
    (void)evconnlistener_disable(listener);
    net_timer_set(&net->accept_timer, NET_ACCEPT_PAUSE_MS);
}

static void on_accept_pause_over(void *arg)
{
    struct net *net = arg;
    (void)evconnlistener_enable(net->listener);
}

static enum err read_port(struct net *net, int fd, struct why *why)
{
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof(own);
    if (getsockname(fd, (struct sockaddr *)&own, &len) != 0) {
        return why_set(why, ERR_IO, "getsockname: %s", strerror(errno));
    }
    net->port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                                : ((struct sockaddr_in *)&own)->sin_port);
    return OK;
}

enum err net_listen_start(struct net *net, const char *listen, struct why *why)
{
    struct net_address address;
    enum err err = net_address_of_listener(listen, &address, why);
    if (err != OK) {
        return err;
    }
    errno = 0;
    net->listener = evconnlistener_new_bind(
        net_loop_base(net->loop), on_accept, net,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, NET_BACKLOG,
        (const struct sockaddr *)&address.raw, (int)address.len);
    if (net->listener == NULL) {
        return why_set(why, ERR_IO, "cannot listen on '%s': %s", listen, strerror(errno));
    }
    evconnlistener_set_error_cb(net->listener, on_accept_error);
    net_timer_init(&net->accept_timer, net->loop, on_accept_pause_over, net);
    return read_port(net, evconnlistener_get_fd(net->listener), why);
}

void net_listen_stop(struct net *net)
{
    net_timer_done(&net->accept_timer);
    if (net->listener != NULL) {
        evconnlistener_free(net->listener);
        net->listener = NULL;
    }
}
