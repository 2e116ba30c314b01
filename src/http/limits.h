/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a client can make grow has its maximum here. What is configurable is in http.h. */
#ifndef HTTP_LIMITS_H
#define HTTP_LIMITS_H

#include <stdint.h>

enum {
    HTTP_MAX_THREADS = 128,
    HTTP_DEFAULT_THREADS = 2,
    HTTP_MAX_CONNECTIONS = 16384,
    HTTP_OTHER_DESCRIPTORS = 1024, /* that a process has open beside its HTTP connections */
    HTTP_STARTED_TOGETHER = 32,    /* requests whose calls go to the node together */
    HTTP_ACCEPTS_PER_TURN = 64,    /* new connections, before their requests are looked at */
    /* Request line, headers, and one read of the body. The library clears it after every request. */
    HTTP_CONNECTION_MEMORY_BYTES = 24 * 1024,

    HTTP_MAX_TARGET_BYTES = 16 * 1024, /* path and query */
    HTTP_MAX_SEGMENTS = 8,             /* of a path */
    HTTP_MAX_PARAMETERS = 24,          /* of a query */
    /* A body that is refused is still read and thrown away up to here, so that the client gets to
     * see the answer; beyond it the connection is closed. */
    HTTP_MAX_DISCARDED_BYTES = 64 * 1024 * 1024,
    HTTP_MAX_STRANGER_BYTES = 64 * 1024, /* the same, of who has no valid token */

    HTTP_JSON_MAX_DEPTH = 64,
    HTTP_JSON_MAX_VALUES = 65536,  /* that are kept as nodes */
    HTTP_JSON_MAX_MEMBERS = 65536, /* keys of all open objects together */

    HTTP_BATCH_MAX_MESSAGES = 1024,
    HTTP_COMMAND_MAX_BYTES = 8 * 1024 * 1024, /* as wire has it: the hard limit of an entry */
    HTTP_MESSAGE_OVERHEAD_BYTES = 64,         /* beside its texts, in a command: an upper bound */
    HTTP_FROM_UID_MAX_BYTES = 255,
    HTTP_CLIENT_MSG_NO_MAX_BYTES = 128,
    HTTP_TEXT_MAX_BYTES = 256, /* operator, reason */

    /* Long polls, tails and exports: at most so many, and no more than half of the connections. */
    HTTP_MAX_READERS = 4096,
    HTTP_MAX_WAIT_MS = 60 * 1000, /* of a long poll */

    HTTP_PAGE_DEFAULT_MESSAGES = 50,
    HTTP_PAGE_MAX_SEQS = 1000,    /* in seqs= */
    HTTP_FORWARDED_POLL_MS = 250, /* who waits for something new looks that often at another node */
    HTTP_LIST_DEFAULT_ITEMS = 100,
    HTTP_LIST_MAX_ITEMS = 10000,
    HTTP_LIST_SLOTS_AT_ONCE = 64,  /* reads that a list over all slots starts together */
    HTTP_ORDER_SLOTS_AT_ONCE = 16, /* operators' orders likewise */

    HTTP_DELETE_MAX_RANGES = 256,
    HTTP_DELETE_MAX_SEQS = 10000,

    HTTP_PREFIX_MAX_BYTES = 63,      /* of metrics */
    HTTP_SCRAPE_MAX_DELETES = 10000, /* records counted for one scrape: more are not counted */

    HTTP_ACCESS_LINES_MAX = 1000, /* of the access log, a second: the next line counts the others */

    HTTP_KEPT_BYTES = 64 * 1024, /* memory that a connection keeps between two requests */
};

/* Seqs and all other integers of the interface go up to here. */
#define HTTP_MAX_INTEGER ((uint64_t)INT64_MAX)

#endif
