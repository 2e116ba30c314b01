/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: the record of what the servers said, as text lines, from which `verify`
 * works, also in a later process. The first line describes the run, the others are events:
 *
 *   A channel client number seq    acknowledged: this message is there, with this seq
 *   U channel client number        nobody knows
 *   R channel client number        certainly not applied
 *   D channel start end            acknowledged delete, both ends inclusive
 *   E channel start end            a delete of which nobody knows
 *
 * A message is named by its client and that client's counter: its payload is made from both. */
#ifndef BENCH_JOURNAL_H
#define BENCH_JOURNAL_H

#include "base/buf.h"
#include "base/why.h"

struct journal;

struct journal_head {
    char run[16];     /* the run's id */
    char prefix[104]; /* of channel ids */
    uint64_t size, channels, channel_type;
};

struct journal_event {
    char kind; /* A U R D E */
    uint32_t channel, client;
    uint64_t number, seq; /* D, E: start and end */
};

/* path NULL: a file without a name, gone at the end. */
MUST_USE enum err journal_create(const char *path, const struct journal_head *head,
                                 struct journal **ret_journal, struct why *why);
/* Appends events to a text that a thread gathers, and hands it over. Thread: any. */
void journal_print(struct buf *lines, const struct journal_event *event);
MUST_USE enum err journal_write(struct journal *journal, struct buf *lines);
/* Makes all of it readable from the beginning. */
MUST_USE enum err journal_close(struct journal *journal, struct why *why);
void journal_free(struct journal *journal);

/* From path, or from journal when path is NULL. ERR_BAD_FORMAT names the line. */
MUST_USE enum err journal_read(const char *path, struct journal *journal, struct journal_head *head,
                               void (*on_event)(const struct journal_event *event, void *arg),
                               void *arg, struct why *why);

/* The payload of a message: starts with run, client and number, then letters that follow from them;
 * size bytes in all, plain ASCII. */
void journal_payload(const char *run, uint32_t client, uint64_t number, size_t size,
                     struct buf *out);
/* Client and number of a payload of this run; false when it is not one. */
bool journal_parse_payload(const char *run, struct bytes payload, uint32_t *ret_client,
                           uint64_t *ret_number);

#endif
