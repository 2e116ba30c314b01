/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/rows.h"

void journal_init(struct journal *journal)
{
    *journal = (struct journal){0};
    arena_init(&journal->arena);
}

void journal_done(struct journal *journal)
{
    arena_done(&journal->arena);
    free(journal->records);
    *journal = (struct journal){0};
}

/* ---- one line --------------------------------------------------------------------------------------- */

static enum err bad(struct why *why, const char *what)
{
    return why_set(why, ERR_CORRUPT, "%s", what);
}

/* False: absent, no whole number, or out of bounds. */
static bool read_u64(const json_t *object, const char *name, uint64_t max, uint64_t *ret)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return *ret <= max;
}

static bool read_text(struct journal *journal, const json_t *object, const char *name, size_t max,
                      struct bytes *ret)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value) || json_string_length(value) > max)
        return false;
    *ret =
        arena_copy(&journal->arena, bytes_of(json_string_value(value), json_string_length(value)));
    return true;
}

static bool read_seq(const json_t *value, uint64_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) <= 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_ranges(struct journal *journal, const json_t *object,
                        struct journal_record *record)
{
    const json_t *array = json_object_get(object, "ranges");
    size_t count = json_array_size(array);
    if (count == 0 || count > DELETE_RANGES_MAX)
        return false;
    struct range *ranges = arena_alloc(&journal->arena, count * sizeof(*ranges));
    uint64_t previous_end = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(array, i);
        if (json_array_size(pair) != 2 || !read_seq(json_array_get(pair, 0), &ranges[i].start) ||
            !read_seq(json_array_get(pair, 1), &ranges[i].end) || ranges[i].start > ranges[i].end ||
            ranges[i].start <= previous_end)
            return false;
        previous_end = ranges[i].end;
    }
    record->ranges = ranges;
    record->ranges_count = (uint32_t)count;
    return true;
}

static enum err read_mark(const json_t *object, uint32_t slot_count, struct journal_record *ret,
                          struct why *why)
{
    uint64_t slot = 0;
    if (!read_u64(object, "slot", slot_count - 1, &slot) ||
        !read_u64(object, "through_index", INT64_MAX, &ret->log_index) ||
        !read_u64(object, "after_index", ret->log_index, &ret->after_index))
        return bad(why, "a mark with an impossible 'slot', 'after_index' or 'through_index'");
    ret->slot = (uint32_t)slot;
    ret->is_mark = true;
    return OK;
}

static enum err read_record(struct journal *journal, const json_t *object, uint32_t slot_count,
                            struct journal_record *ret, struct why *why)
{
    uint64_t slot = 0, type = 0;
    if (json_object_get(object, "through_index") != NULL)
        return read_mark(object, slot_count, ret, why);
    if (!read_u64(object, "slot", UINT32_MAX, &slot) ||
        !read_u64(object, "channel_type", UINT8_MAX, &type) ||
        !read_u64(object, "log_index", INT64_MAX, &ret->log_index) ||
        !read_u64(object, "after_index", INT64_MAX, &ret->after_index) ||
        !read_u64(object, "deleted_at", INT64_MAX, &ret->deleted_at_ms))
        return bad(why,
                   "one of 'slot', 'channel_type', 'log_index', 'after_index', 'deleted_at' is "
                   "missing or impossible");
    if (!read_text(journal, object, "channel_id", CHANNEL_ID_MAX_BYTES, &ret->channel.id) ||
        !read_text(journal, object, "operator", DELETE_TEXT_MAX_BYTES, &ret->operator_name) ||
        !read_text(journal, object, "reason", DELETE_TEXT_MAX_BYTES, &ret->reason) ||
        !read_text(journal, object, "request_id", DELETE_TEXT_MAX_BYTES, &ret->request_id))
        return bad(why, "one of 'channel_id', 'operator', 'reason', 'request_id' is missing or too "
                        "long");
    ret->channel.type = (uint8_t)type;
    if (channel_check(ret->channel, why) != OK)
        return ERR_CORRUPT;
    if (slot >= slot_count || channel_slot(ret->channel, slot_count) != slot)
        return bad(why, "the channel does not live in that slot: it is a journal of a cluster with "
                        "another slot count");
    if (ret->log_index == 0 || ret->after_index >= ret->log_index)
        return bad(why, "'after_index' is not below 'log_index'");
    if (!read_ranges(journal, object, ret))
        return bad(why, "'ranges' are missing, not ascending, or too many");
    ret->slot = (uint32_t)slot;
    return OK;
}

enum err journal_add_line(struct journal *journal, struct bytes line, uint32_t slot_count,
                          struct why *why)
{
    json_error_t error;
    struct journal_record record = {0};
    if (journal->count == JOURNAL_RECORDS_MAX)
        return why_set(why, ERR_CORRUPT, "there are more than %d deletes", JOURNAL_RECORDS_MAX);
    json_t *object = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return why_set(why, ERR_CORRUPT, "it is no JSON object: %s", error.text);
    }
    enum err err = read_record(journal, object, slot_count, &record, why);
    json_decref(object);
    if (err != OK)
        return err;
    if (journal->count == journal->capacity) {
        journal->capacity = journal->capacity == 0 ? 1024 : journal->capacity * 2;
        journal->records =
            alloc_resize(journal->records, journal->capacity, sizeof(*journal->records));
    }
    journal->records[journal->count++] = record;
    return OK;
}

/* ---- files -------------------------------------------------------------------------------------------- */

static enum err read_lines(struct journal *journal, FILE *file, const char *path,
                           uint32_t slot_count, struct why *why)
{
    char *line = alloc_array(JOURNAL_LINE_MAX_BYTES, 1);
    uint64_t number = 0;
    enum err err = OK;
    while (err == OK && fgets(line, JOURNAL_LINE_MAX_BYTES, file) != NULL) {
        size_t len = strlen(line);
        number++;
        if (len == 0 || line[len - 1] != '\n') /* too long, or cut: an export ends its lines */
            err = why_set(why, ERR_CORRUPT, "it has no end: the file was cut short");
        else if (len > 1)
            err = journal_add_line(journal, bytes_of(line, len - 1), slot_count, why);
    }
    free(line);
    if (err != OK) {
        why_wrap(why, "journal '%s', line %" PRIu64, path, number);
        return err;
    }
    return ferror(file) != 0 ? why_set(why, ERR_IO, "cannot read the journal '%s'", path) : OK;
}

enum err journal_read(struct journal *journal, const char *path, uint32_t slot_count,
                      struct why *why)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return why_set(why, ERR_NOT_FOUND, "cannot open the journal '%s': %s", path,
                       strerror(errno));
    enum err err = read_lines(journal, file, path, slot_count, why);
    (void)fclose(file);
    return err;
}

/* ---- order --------------------------------------------------------------------------------------------- */

static int by_place(const void *left, const void *right)
{
    const struct journal_record *a = left, *b = right;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->log_index != b->log_index)
        return a->log_index < b->log_index ? -1 : 1;
    if (a->is_mark != b->is_mark)
        return a->is_mark ? 1 : -1;
    /* The one that claims most, first: records between were collected since. */
    return a->after_index < b->after_index ? -1 : a->after_index > b->after_index;
}

static bool is_same(const struct journal_record *a, const struct journal_record *b)
{
    if (a->is_mark)
        return true;
    return channel_is_equal(a->channel, b->channel) && a->deleted_at_ms == b->deleted_at_ms &&
           a->ranges_count == b->ranges_count &&
           memcmp(a->ranges, b->ranges, a->ranges_count * sizeof(*a->ranges)) == 0;
}

enum err journal_sort(struct journal *journal, struct why *why)
{
    uint32_t kept = 0;
    if (journal->count > 0)
        qsort(journal->records, journal->count, sizeof(*journal->records), by_place);
    for (uint32_t i = 0; i < journal->count; i++) {
        struct journal_record *record = &journal->records[i];
        struct journal_record *last = kept > 0 ? &journal->records[kept - 1] : NULL;
        if (last == NULL || last->slot != record->slot || last->log_index != record->log_index ||
            last->is_mark != record->is_mark) {
            journal->records[kept++] = *record;
            continue;
        }
        if (!is_same(last, record))
            return why_set(why, ERR_CORRUPT,
                           "the journal says two things of the delete %u-%" PRIu64
                           ": files of different clusters were mixed",
                           record->slot, record->log_index);
        /* Of two that are true the first one says more: what was collected since is not forgotten. */
    }
    journal->count = kept;
    return OK;
}

void journal_slot(const struct journal *journal, uint32_t slot, uint32_t *ret_from,
                  uint32_t *ret_to)
{
    uint32_t low = 0, high = journal->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (journal->records[middle].slot < slot)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_from = low;
    while (low < journal->count && journal->records[low].slot == slot)
        low++;
    *ret_to = low;
}
