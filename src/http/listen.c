/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/limits.h"
#include "http/path.h"
#include "sys/log.h"

enum { LISTEN_BACKLOG = 1024 };

/* Splits "host:port" and "[host]:port" into two texts of at most size bytes. */
static bool split_address(const char *text, char *ret_host, char *ret_port, size_t size)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || strlen(text) >= size)
        return false;
    size_t host_len = (size_t)(colon - text);
    const char *host = text;
    if (host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']') {
        host++;
        host_len -= 2;
    }
    memcpy(ret_host, host, host_len);
    ret_host[host_len] = '\0';
    memcpy(ret_port, colon + 1, strlen(colon + 1) + 1);
    uint64_t port;
    return host_len > 0 && path_number(bytes_of_string(ret_port), UINT16_MAX, &port);
}

static int try_listen(const struct addrinfo *info)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int fault = errno;
    close(fd);
    errno = fault;
    return -1;
}

static void set_address(char *ret_address, int fd, const char *host)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    unsigned port = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        if (address.ss_family == AF_INET6)
            port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
        else
            port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    }
    snprintf(ret_address, LISTEN_ADDRESS_SIZE, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
             host, port);
}

enum err listen_open(const char *option, const char *listen_text, int *ret_fd,
                     char ret_address[LISTEN_ADDRESS_SIZE], struct why *why)
{
    char host[256], port[256];
    if (!split_address(listen_text, host, port, sizeof(host)))
        return why_set(why, ERR_BAD_CONFIG, "'%s' is '%.80s', not host:port", option, listen_text);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *found = NULL;
    int fault = getaddrinfo(host, port, &hints, &found);
    if (fault != 0)
        return why_set(why, ERR_BAD_CONFIG, "'%s' is '%.80s': %s", option, listen_text,
                       gai_strerror(fault));
    int fd = -1;
    for (const struct addrinfo *info = found; info != NULL && fd < 0; info = info->ai_next)
        fd = try_listen(info);
    int listen_errno = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return why_set(why, ERR_IO, "cannot listen on '%.80s': %s", listen_text,
                       strerror(listen_errno));
    set_address(ret_address, fd, host);
    *ret_fd = fd;
    return OK;
}

void listen_print_remote(const struct sockaddr *address, char ret_text[LISTEN_REMOTE_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";
    bool is_v6 = address != NULL && address->sa_family == AF_INET6;
    const struct sockaddr_in6 *v6 = (const void *)address;
    const struct sockaddr_in *v4 = (const void *)address;
    if (is_v6 && inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
        snprintf(ret_text, LISTEN_REMOTE_SIZE, "[%s]:%u", host, ntohs(v6->sin6_port));
    else if (address != NULL && address->sa_family == AF_INET &&
             inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
        snprintf(ret_text, LISTEN_REMOTE_SIZE, "%s:%u", host, ntohs(v4->sin_port));
    else
        snprintf(ret_text, LISTEN_REMOTE_SIZE, "-");
}

void listen_raise_limit(uint32_t max_connections)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)max_connections + HTTP_OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = before;
    if (limit.rlim_cur < needed)
        log_warn("http", "the limit of open files is low for so many connections",
                 "limit=%llu needed=%llu max_connections=%u", (unsigned long long)limit.rlim_cur,
                 (unsigned long long)needed, max_connections);
}
