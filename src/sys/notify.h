/* SPDX-License-Identifier: Apache-2.0 */
/* Words to the service manager that started this process: sd_notify(3)'s datagrams, without its
 * library. Where NOTIFY_SOCKET is not set, nobody wants to hear them and nothing happens.
 * Thread: any; main sets no environment while others run. */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include "base/check.h"
#include "base/why.h"

/* What to say. Several go into one datagram, a line each. */
#define NOTIFY_READY "READY=1"
#define NOTIFY_RELOADING "RELOADING=1"
#define NOTIFY_STOPPING "STOPPING=1"

/* Sends text, of one line or several, to the address in NOTIFY_SOCKET: a path, or with '@' a name in
 * the abstract namespace. Never waits: a manager that does not read its socket gets nothing.
 * Errors: ERR_IO  NOTIFY_SOCKET is no such address, or nobody listens there; why has the words. */
MUST_USE enum err notify_send(const char *text, struct why *why);

#endif
