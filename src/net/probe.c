/* SPDX-License-Identifier: Apache-2.0 */
/* Asks who listens at an address, before anybody there is a member: one connection to each address that
 * the name has, until one answers a HELLO. The other side most likely refuses the handshake, as it does
 * not know this node yet either; its answer says who it is all the same, and that is what is wanted. No
 * link comes of it, and nothing of what is said is remembered. With TLS it must show a certificate. */
#include <string.h>

#include "base/alloc.h"
#include "net/inner.h"
#include "wire/limits.h"

_Static_assert((int)NET_CLUSTER_ID_MAX_BYTES == (int)WIRE_CLUSTER_ID_MAX_BYTES, "as in a HELLO");

struct net_probe {
    struct list item; /* in net->probes */
    struct net *net;
    node_id to;
    uint64_t number;
    struct net_question *question; /* a name is being asked for */
    struct net_addresses addresses;
    unsigned address_at;
    struct net_link *link; /* owned; NULL: none */
    struct net_timer timer;
    net_on_probed *on_done;
    void *arg;
    bool is_answered;
    struct net_answer answer;
    struct why why; /* of the address that was tried last */
};

static void probe_free(struct net_probe *probe)
{
    list_remove(&probe->item);
    net_address_forget(probe->question);
    net_link_free(probe->link);
    net_timer_done(&probe->timer);
    free(probe);
}

/* Ends it; from the timer alone, so that no link is freed inside of its own callbacks. */
static void on_time(void *arg)
{
    struct net_probe *probe = arg;
    if (!probe->is_answered && probe->why.err == OK) {
        (void)why_set(&probe->why, ERR_TIMEOUT, "it does not answer");
    }
    probe->on_done(probe->number, probe->is_answered ? &probe->answer : NULL, &probe->why,
                   probe->arg);
    probe_free(probe);
}

static void end_soon(struct net_probe *probe)
{
    net_timer_set(&probe->timer, 0);
}

static void copy_text(char *to, size_t size, struct bytes from)
{
    size_t len = from.len < size ? from.len : size - 1;
    if (len > 0) {
        memcpy(to, from.data, len);
    }
    to[len] = '\0';
}

static void on_connected(struct net_link *link)
{
    struct net_probe *probe = link->arg;
    struct hello hello;
    struct buf buf = BUF_INIT;
    net_greet_fill(link->net, probe->to, HELLO_LANE_MAIN, &hello);
    hello_encode(&buf, &hello);
    net_link_write(link, buf_bytes(&buf));
    buf_done(&buf);
}

static enum err on_frame(struct net_link *link, const struct frame *frame, struct why *why)
{
    struct net_probe *probe = link->arg;
    struct hello_reply reply;
    if (frame->kind != FRAME_HELLO_REPLY) {
        return why_set(why, ERR_BAD_FORMAT, "it does not answer like a node");
    }
    enum err err = hello_decode_reply(frame->body, &reply, why);
    if (err != OK) {
        return err;
    }
    const struct hello *hello = &reply.hello;
    if (link->certified != 0 && link->certified != hello->node) {
        return why_set(why, ERR_WRONG_IDENTITY, "it has the certificate of node %llu",
                       (unsigned long long)link->certified);
    }
    probe->answer = (struct net_answer){.node = hello->node,
                                        .incarnation = hello->incarnation,
                                        .feature_level = hello->feature_level,
                                        .slot_count = hello->slot_count,
                                        .is_blank = (hello->flags & HELLO_BLANK) != 0,
                                        .speaks = hello_common_version(hello) != 0};
    copy_text(probe->answer.cluster_id, sizeof(probe->answer.cluster_id), hello->cluster_id);
    probe->is_answered = true;
    end_soon(probe);
    return OK;
}

static void on_writable(struct net_link *link)
{
    (void)link;
}

static void probe_try(struct net_probe *probe);

static void on_closed(struct net_link *link, enum net_close cause, const struct why *why)
{
    struct net_probe *probe = link->arg;
    (void)cause;
    probe->link = NULL;
    if (!probe->is_answered) {
        probe->why = *why;
        probe->address_at++;
        probe_try(probe);
    }
}

static const struct net_link_owner probe_owner = {
    .on_connected = on_connected,
    .on_frame = on_frame,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

static void probe_try(struct net_probe *probe)
{
    for (; probe->address_at < probe->addresses.count; probe->address_at++) {
        const struct net_address *address = &probe->addresses.items[probe->address_at];
        if (net_link_connect(probe->net, &probe_owner, address, &probe->link, &probe->why) == OK) {
            probe->link->arg = probe;
            return;
        }
    }
    end_soon(probe);
}

static void on_addresses(const struct net_addresses *found, const struct why *why, void *arg)
{
    struct net_probe *probe = arg;
    probe->question = NULL;
    if (found == NULL) {
        probe->why = *why;
        end_soon(probe);
        return;
    }
    probe->addresses = *found;
    probe_try(probe);
}

void net_probe(struct net *net, const char *address, node_id to, uint64_t number,
               uint64_t timeout_ms, net_on_probed *on_done, void *arg)
{
    struct net_probe *probe = alloc_zero(sizeof(*probe));
    enum err err = OK;
    probe->net = net;
    probe->to = to;
    probe->number = number;
    probe->on_done = on_done;
    probe->arg = arg;
    list_append(&net->probes, &probe->item);
    net_timer_init(&probe->timer, net->loop, on_time, probe);
    net_timer_set(&probe->timer, timeout_ms);
    probe->question = net_address_ask(net->loop, address, on_addresses, probe, &probe->addresses,
                                      &err, &probe->why);
    if (probe->question != NULL) {
        return;
    }
    if (err != OK) {
        end_soon(probe);
    } else {
        probe_try(probe);
    }
}

void net_probes_end(struct net *net)
{
    for (struct list *item = list_first(&net->probes); item != NULL;
         item = list_first(&net->probes)) {
        probe_free(CONTAINER_OF(item, struct net_probe, item));
    }
}
