/* SPDX-License-Identifier: Apache-2.0 */
/* A question to the resolver cannot be taken back, and may take half a minute when no name server
 * answers. So each runs in a detached thread that owns nothing of the room: question and thread hold
 * one reference each, and a thread whose question was forgotten posts nothing. The loop forgets
 * under the question's lock, the thread posts under it: it never posts to a loop that is gone.
 * A peer has one question open at a time, so that there are never more threads than links. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/loop.h"
#include "sys/thread.h"

struct net_question {
    struct mutex lock;
    unsigned refs;         /* under lock */
    struct net_loop *loop; /* borrowed; NULL under lock: forgotten */
    net_on_addresses *on_done;
    void *arg; /* borrowed */
    char text[NET_ADDRESS_MAX_BYTES];
    /* the answer */
    enum err err;
    struct net_addresses found;
    struct why why;
};

void net_address_format(const struct sockaddr *raw, socklen_t len,
                        char ret_text[NET_ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    char port[8] = "?";
    (void)getnameinfo(raw, len, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    const char *format = raw->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s";
    (void)snprintf(ret_text, NET_ADDRESS_TEXT_SIZE, format, host, port);
}

/* Cuts "host:port" or "[host]:port"; both results are strings in text_copy. */
static enum err split(const char *text, char text_copy[NET_ADDRESS_MAX_BYTES], char **ret_host,
                      char **ret_port, struct why *why)
{
    size_t len = strlen(text);
    if (len >= NET_ADDRESS_MAX_BYTES) {
        return why_set(why, ERR_BAD_PARAMETER, "an address of %zu bytes is longer than %d", len,
                       NET_ADDRESS_MAX_BYTES - 1);
    }
    memcpy(text_copy, text, len + 1);
    char *colon = strrchr(text_copy, ':');
    if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtoul(colon + 1, NULL, 10) > 65535) {
        return why_set(why, ERR_BAD_PARAMETER, "address '%s' is not 'host:port'", text);
    }
    *colon = '\0';
    char *host = text_copy;
    if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') {
        colon[-1] = '\0';
        host++;
    } else if (strchr(host, ':') != NULL) {
        return why_set(why, ERR_BAD_PARAMETER, "address '%s' needs brackets: '[host]:port'", text);
    }
    *ret_host = host;
    *ret_port = colon + 1;
    return OK;
}

static enum err look_up(const char *text, int flags, struct net_addresses *ret, struct why *why)
{
    char copy[NET_ADDRESS_MAX_BYTES];
    char *host, *port;
    enum err err = split(text, copy, &host, &port, why);
    if (err != OK) {
        return err;
    }
    if (host[0] == '\0' && !(flags & AI_PASSIVE)) {
        return why_set(why, ERR_BAD_PARAMETER, "address '%s' has no host", text);
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    hints.ai_flags = flags | AI_NUMERICSERV;
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &list);
    if (failed != 0) {
        return why_set(why, ERR_BAD_PARAMETER, "host '%s' is not known: %s", host,
                       gai_strerror(failed));
    }
    *ret = (struct net_addresses){0};
    for (struct addrinfo *at = list; at != NULL && ret->count < NET_ADDRESSES_MAX;
         at = at->ai_next) {
        struct net_address *item = &ret->items[ret->count++];
        memcpy(&item->raw, at->ai_addr, at->ai_addrlen);
        item->len = at->ai_addrlen;
    }
    freeaddrinfo(list);
    return OK;
}

enum err net_address_of_listener(const char *text, struct net_address *ret, struct why *why)
{
    struct net_addresses found;
    enum err err = look_up(text, AI_PASSIVE, &found, why);
    if (err != OK) {
        return err;
    }
    *ret = found.items[0];
    return OK;
}

static void question_unref(struct net_question *question)
{
    mutex_lock(&question->lock);
    bool is_last = --question->refs == 0;
    mutex_unlock(&question->lock);
    if (is_last) {
        mutex_done(&question->lock);
        free(question);
    }
}

static void on_answer(void *arg)
{
    struct net_question *question = arg;
    net_on_addresses *on_done = question->loop != NULL ? question->on_done : NULL;
    if (on_done != NULL) {
        bool is_found = question->err == OK;
        on_done(is_found ? &question->found : NULL, is_found ? NULL : &question->why,
                question->arg);
        question_unref(question); /* the asker's reference */
    }
    question_unref(question);
}

static void *answer_thread(void *arg)
{
    struct net_question *question = arg;
    struct net_addresses found;
    struct why why = {0};
    enum err err = look_up(question->text, AI_ADDRCONFIG, &found, &why);
    if (err != OK) { /* a container without any address but loopback's */
        err = look_up(question->text, 0, &found, &why);
    }
    mutex_lock(&question->lock);
    question->err = err;
    question->why = why;
    if (err == OK) {
        question->found = found;
    }
    bool is_wanted = question->loop != NULL;
    if (is_wanted) {
        net_post(question->loop, on_answer, question); /* with the thread's reference */
    }
    mutex_unlock(&question->lock);
    if (!is_wanted) {
        question_unref(question);
    }
    return NULL;
}

struct net_question *net_address_ask(struct net_loop *loop, const char *text,
                                     net_on_addresses *on_done, void *arg,
                                     struct net_addresses *ret, enum err *ret_err, struct why *why)
{
    *ret_err = look_up(text, AI_NUMERICHOST, ret, why);
    char copy[NET_ADDRESS_MAX_BYTES];
    char *host, *port;
    if (*ret_err == OK || split(text, copy, &host, &port, NULL) != OK || host[0] == '\0') {
        return NULL;
    }
    struct net_question *question = alloc_zero(sizeof(*question));
    mutex_init(&question->lock);
    question->refs = 2;
    question->loop = loop;
    question->on_done = on_done;
    question->arg = arg;
    memcpy(question->text, text, strlen(text) + 1);
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, answer_thread, question);
    if (failed != 0) {
        mutex_done(&question->lock);
        free(question);
        *ret_err = why_set(why, ERR_IO, "no thread to ask for a name in: %s", strerror(failed));
        return NULL;
    }
    (void)pthread_detach(thread);
    return question;
}

void net_address_forget(struct net_question *question)
{
    if (question == NULL) {
        return;
    }
    mutex_lock(&question->lock);
    question->loop = NULL;
    mutex_unlock(&question->lock);
    question_unref(question);
}
