/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/journal.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "sys/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512, FILLER_BYTES = 4096 };
#define HEAD_FORMAT "lethe-bench-journal 1 run=%s prefix=%s size=%llu channels=%llu type=%llu\n"
#define HEAD_SCAN "lethe-bench-journal 1 run=%15s prefix=%103s size=%llu channels=%llu type=%llu"

struct journal {
    struct mutex mutex;
    FILE *file; /* owned; under mutex */
};

enum err journal_create(const char *path, const struct journal_head *head,
                        struct journal **ret_journal, struct why *why)
{
    FILE *file = path != NULL ? fopen(path, "w+e") : tmpfile();
    if (file == NULL)
        return why_set(why, ERR_IO, "cannot make the journal '%s': %s",
                       path != NULL ? path : "(temporary)", strerror(errno));
    struct journal *journal = alloc_zero(sizeof(*journal));
    mutex_init(&journal->mutex);
    journal->file = file;
    fprintf(file, HEAD_FORMAT, head->run, head->prefix, (unsigned long long)head->size,
            (unsigned long long)head->channels, (unsigned long long)head->channel_type);
    *ret_journal = journal;
    return OK;
}

static void put_number(struct buf *lines, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    digits[--at] = ' ';
    buf_append(lines, digits + at, sizeof(digits) - at);
}

void journal_print(struct buf *lines, const struct journal_event *event)
{
    bool is_delete = event->kind == 'D' || event->kind == 'E';
    buf_put_u8(lines, (uint8_t)event->kind);
    put_number(lines, event->channel);
    if (!is_delete)
        put_number(lines, event->client);
    put_number(lines, event->number);
    if (is_delete || event->kind == 'A')
        put_number(lines, event->seq);
    buf_put_u8(lines, '\n');
}

enum err journal_write(struct journal *journal, struct buf *lines)
{
    mutex_lock(&journal->mutex);
    bool is_written = fwrite(lines->data, 1, lines->len, journal->file) == lines->len &&
                      fflush(journal->file) == 0;
    mutex_unlock(&journal->mutex);
    buf_clear(lines);
    return is_written ? OK : ERR_IO;
}

enum err journal_close(struct journal *journal, struct why *why)
{
    if (fflush(journal->file) != 0 || ferror(journal->file))
        return why_set(why, ERR_IO, "cannot write the journal: %s", strerror(errno));
    rewind(journal->file);
    return OK;
}

void journal_free(struct journal *journal)
{
    if (journal == NULL)
        return;
    fclose(journal->file);
    mutex_done(&journal->mutex);
    free(journal);
}

static bool parse_event(const char *line, struct journal_event *event)
{
    unsigned long long a = 0, b = 0, c = 0, d = 0;
    char kind = line[0], rest = 0;
    int count = sscanf(line + 1, " %llu %llu %llu %llu %c", &a, &b, &c, &d, &rest);
    bool is_delete = kind == 'D' || kind == 'E';
    int wanted = kind == 'A' ? 4 : 3;
    if (strchr("AURDE", kind) == NULL || kind == '\0' || count != wanted)
        return false;
    *event = (struct journal_event){.kind = kind, .channel = (uint32_t)a};
    event->client = is_delete ? 0 : (uint32_t)b;
    event->number = is_delete ? b : c;
    event->seq = is_delete ? c : d;
    return true;
}

static enum err read_head(FILE *file, const char *name, struct journal_head *head, struct why *why)
{
    char line[LINE_MAX_BYTES];
    unsigned long long size = 0, channels = 0, type = 0;
    memset(head, 0, sizeof(*head));
    if (fgets(line, sizeof(line), file) == NULL ||
        sscanf(line, HEAD_SCAN, head->run, head->prefix, &size, &channels, &type) != 5 ||
        channels > 10000000 || type > 255)
        return why_set(why, ERR_BAD_FORMAT, "'%s' is no journal of lethe-bench", name);
    head->size = size;
    head->channels = channels;
    head->channel_type = type;
    return OK;
}

enum err journal_read(const char *path, struct journal *journal, struct journal_head *head,
                      void (*on_event)(const struct journal_event *event, void *arg), void *arg,
                      struct why *why)
{
    const char *name = path != NULL ? path : "(temporary)";
    FILE *file = path != NULL ? fopen(path, "re") : journal->file;
    if (file == NULL)
        return why_set(why, ERR_IO, "cannot read the journal '%s': %s", name, strerror(errno));
    enum err err = read_head(file, name, head, why);
    char line[LINE_MAX_BYTES];
    for (unsigned long long number = 2; err == OK && fgets(line, sizeof(line), file) != NULL;
         number++) {
        struct journal_event event;
        if (!parse_event(line, &event) || event.channel >= head->channels)
            err = why_set(why, ERR_BAD_FORMAT, "line %llu of '%s' is no event", number, name);
        else
            on_event(&event, arg);
    }
    if (err == OK && ferror(file))
        err = why_set(why, ERR_IO, "cannot read the journal '%s'", name);
    if (path != NULL)
        fclose(file);
    return err;
}

/* ---- payloads ---------------------------------------------------------------------------------- */

static const char *filler(void)
{
    static char text[FILLER_BYTES];
    static struct mutex mutex = MUTEX_INIT;
    static bool is_made;
    mutex_lock(&mutex);
    if (!is_made) {
        struct rng rng = rng_of(7);
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = (char)('a' + rng_below(&rng, 26));
        is_made = true;
    }
    mutex_unlock(&mutex);
    return text;
}

void journal_payload(const char *run, uint32_t client, uint64_t number, size_t size,
                     struct buf *out)
{
    static __thread const char *letters;
    size_t start = out->len;
    if (letters == NULL)
        letters = filler();
    buf_append_string(out, run);
    put_number(out, client);
    put_number(out, number);
    buf_put_u8(out, ' ');
    struct rng rng = rng_of(number * 1000003 + client);
    size_t at = (size_t)rng_below(&rng, FILLER_BYTES / 2);
    while (out->len - start < size) {
        size_t len = size - (out->len - start);
        if (len > FILLER_BYTES - at)
            len = FILLER_BYTES - at;
        buf_append(out, letters + at, len);
        at = 0;
    }
}

static bool take_digits(struct bytes text, size_t *at, uint64_t *ret)
{
    uint64_t value = 0;
    size_t start = *at;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++)
        value = value * 10 + (uint64_t)(text.data[*at] - '0');
    *ret = value;
    return *at > start && *at - start < 20 && *at < text.len && text.data[(*at)++] == ' ';
}

bool journal_parse_payload(const char *run, struct bytes payload, uint32_t *ret_client,
                           uint64_t *ret_number)
{
    size_t at = strlen(run);
    uint64_t client = 0, number = 0;
    if (payload.len <= at || memcmp(payload.data, run, at) != 0 || payload.data[at++] != ' ' ||
        !take_digits(payload, &at, &client) || !take_digits(payload, &at, &number) ||
        client > UINT32_MAX)
        return false;
    *ret_client = (uint32_t)client;
    *ret_number = number;
    return true;
}
