/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/signal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sys/clock.h"

enum err signal_open(struct signal_source *ret_source, struct why *why)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return why_set(why, ERR_IO, "cannot make a signalfd: %s", strerror(errno));
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    assert(failed == 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    failed = sigaction(SIGPIPE, &ignore, NULL);
    assert(failed == 0);
    ret_source->fd = fd;
    return OK;
}

static enum signal_event read_event(const struct signal_source *source)
{
    struct signalfd_siginfo info;
    ssize_t got = read(source->fd, &info, sizeof(info));
    if (got != (ssize_t)sizeof(info))
        return SIGNAL_NONE;
    return info.ssi_signo == SIGHUP ? SIGNAL_RELOAD : SIGNAL_STOP;
}

enum signal_event signal_wait(struct signal_source *source, int timeout_ms)
{
    uint64_t start_ms = clock_mono_ms();
    int left_ms = timeout_ms;
    for (;;) {
        struct pollfd poll_fd = {.fd = source->fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, left_ms);
        assert(ready >= 0 || errno == EINTR);
        enum signal_event event = ready > 0 ? read_event(source) : SIGNAL_NONE;
        if (event != SIGNAL_NONE)
            return event;
        if (timeout_ms < 0)
            continue;
        uint64_t gone_ms = clock_mono_ms() - start_ms;
        if (ready == 0 || gone_ms >= (uint64_t)timeout_ms)
            return SIGNAL_NONE;
        left_ms = timeout_ms - (int)gone_ms;
    }
}

void signal_close(struct signal_source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}
