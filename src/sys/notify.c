/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The address that name stands for, and its length; 0 when it stands for none. */
static socklen_t parse_address(const char *name, struct sockaddr_un *ret_address)
{
    size_t len = strlen(name);
    bool is_abstract = name[0] == '@';
    if ((!is_abstract && name[0] != '/') || len < 2 || len >= sizeof(ret_address->sun_path))
        return 0;
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->sun_family = AF_UNIX;
    memcpy(ret_address->sun_path, name, len);
    if (is_abstract)
        ret_address->sun_path[0] = '\0';
    /* A path ends with its zero, an abstract name with its last byte. */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (is_abstract ? 0 : 1));
}

enum err notify_send(const char *text, struct why *why)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL || name[0] == '\0')
        return OK;
    struct sockaddr_un address;
    socklen_t address_len = parse_address(name, &address);
    if (address_len == 0)
        return why_set(why, ERR_IO,
                       "NOTIFY_SOCKET '%.80s' is neither a path nor @name of 2 to %zu "
                       "bytes",
                       name, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return why_set(why, ERR_IO, "cannot make a socket: %s", strerror(errno));
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          address_len);
    int failed = sent < 0 ? errno : 0;
    close(fd);
    if (failed != 0)
        return why_set(why, ERR_IO, "cannot send to NOTIFY_SOCKET '%s': %s", name,
                       strerror(failed));
    return OK;
}
