/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of deletes: what `GET /v1/deletes?marks=1` with `Accept: application/x-ndjson` answers, page
 * after page, in any number of files, with overlaps, in any order. A line is a delete, or a mark that
 * stands behind a slot's last one. Each says after which log index of its slot no other delete lies
 * (`after_index`), up to its own: so that a missing one shows.
 *
 * Knows the lines. Refuses to know what a store holds. Thread: the caller's. */
#ifndef RESCUE_JOURNAL_H
#define RESCUE_JOURNAL_H

#include "base/arena.h"
#include "base/channel.h"
#include "base/ranges.h"
#include "base/why.h"

enum { JOURNAL_LINE_MAX_BYTES = 256 * 1024, JOURNAL_RECORDS_MAX = 50 * 1000 * 1000 };

struct journal_record {
    uint32_t slot;
    bool is_mark; /* nothing was deleted there: slot and indexes alone */
    uint64_t log_index, after_index, deleted_at_ms;
    struct channel channel;
    const struct range *ranges; /* ascending */
    uint32_t ranges_count;
    struct bytes operator_name, reason, request_id;
};

struct journal {
    struct arena arena;
    struct journal_record *records; /* owned; by slot, then log index, each once */
    uint32_t count, capacity;
};

void journal_init(struct journal *journal);
void journal_done(struct journal *journal);
/* Adds a file's lines. ERR_CORRUPT with file and line; ERR_NOT_FOUND, ERR_IO. */
MUST_USE enum err journal_read(struct journal *journal, const char *path, uint32_t slot_count,
                               struct why *why);
/* Adds one line, without its end. ERR_CORRUPT. */
MUST_USE enum err journal_add_line(struct journal *journal, struct bytes line, uint32_t slot_count,
                                   struct why *why);
/* Sorts, and drops what is there twice. ERR_CORRUPT: two lines of one delete differ. */
MUST_USE enum err journal_sort(struct journal *journal, struct why *why);
/* Those of a slot: [*ret_from, *ret_to). After journal_sort. */
void journal_slot(const struct journal *journal, uint32_t slot, uint32_t *ret_from,
                  uint32_t *ret_to);

#endif
