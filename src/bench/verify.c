/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold after any run, whatever was killed in it:
 *
 *   - each acknowledged message is there once, under its seq, with its payload, unless an
 *     acknowledged or unknown delete covers it;
 *   - a message that is covered by an acknowledged delete is not there;
 *   - a message that was certainly refused is not there; one of unknown outcome at most once;
 *   - of one client's acknowledged messages in a channel, the later one has the higher seq (it was
 *     sent after the earlier one was acknowledged);
 *   - every seq from 1 to the last is a message or lies in a deleted interval that the pages name. */
#include "bench/verify.h"

#include "base/alloc.h"
#include "base/ranges.h"
#include "client/base64.h"
#include "client/client.h"
#include "client/json.h"
#include "client/progress.h"
#include "client/url.h"
#include "sys/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { PAGE_MESSAGES = 1000, TOLD_MAX = 20, CATCH_UP_MS = 60000, AGAIN_MS = 300 };

struct note {
    uint64_t seq, number;
    uint32_t client;
    char kind; /* A U R */
    bool is_found;
};

/* One channel of the journal. */
struct book {
    struct note *notes; /* owned; by client and number once sorted */
    size_t count, capacity;
    struct note **by_seq; /* owned; the acknowledged ones */
    size_t by_seq_count;
    struct ranges deleted, maybe_deleted;
};

struct verify {
    const struct bench_options *options; /* borrowed */
    struct journal_head head;
    struct book *books; /* owned; head.channels of them */
    struct client *client;
    struct verify_result *result; /* borrowed */
    bool strict, is_quiet;
    const char *consistency; /* NULL: the default */
    size_t target;
    bool is_one_target;
    unsigned told;
    struct buf payload, decoded, path;
};

/* ---- the journal --------------------------------------------------------------------------------- */

static void on_event(const struct journal_event *event, void *arg)
{
    struct verify *verify = arg;
    if (verify->books == NULL) /* the head was read: it says how many channels there are */
        verify->books = alloc_array(verify->head.channels, sizeof(*verify->books));
    struct book *book = &verify->books[event->channel];
    if (event->kind == 'D' || event->kind == 'E') {
        ranges_add(event->kind == 'D' ? &book->deleted : &book->maybe_deleted, event->number,
                   event->seq);
        return;
    }
    if (book->count == book->capacity) {
        book->capacity = book->capacity == 0 ? 64 : book->capacity * 2;
        book->notes = alloc_resize(book->notes, book->capacity, sizeof(*book->notes));
    }
    book->notes[book->count++] = (struct note){
        .seq = event->seq, .number = event->number, .client = event->client, .kind = event->kind};
}

static int by_name(const void *a, const void *b)
{
    const struct note *left = a, *right = b;
    if (left->client != right->client)
        return left->client < right->client ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static int by_seq(const void *a, const void *b)
{
    const struct note *left = *(struct note *const *)a, *right = *(struct note *const *)b;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

static void sort_book(struct book *book)
{
    if (book->count == 0)
        return;
    qsort(book->notes, book->count, sizeof(*book->notes), by_name);
    book->by_seq = alloc_array(book->count, sizeof(struct note *));
    for (size_t i = 0; i < book->count; i++) {
        if (book->notes[i].kind == 'A')
            book->by_seq[book->by_seq_count++] = &book->notes[i];
    }
    qsort(book->by_seq, book->by_seq_count, sizeof(struct note *), by_seq);
}

static struct note *find_name(struct book *book, uint32_t client, uint64_t number)
{
    const struct note key = {.client = client, .number = number};
    if (book->count == 0)
        return NULL;
    return bsearch(&key, book->notes, book->count, sizeof(*book->notes), by_name);
}

static struct note *find_seq(struct book *book, uint64_t seq)
{
    const struct note key = {.seq = seq};
    const struct note *key_at = &key;
    if (book->by_seq_count == 0)
        return NULL;
    struct note **found =
        bsearch(&key_at, book->by_seq, book->by_seq_count, sizeof(struct note *), by_seq);
    return found != NULL ? *found : NULL;
}

static void done_books(struct verify *verify)
{
    for (uint64_t i = 0; verify->books != NULL && i < verify->head.channels; i++) {
        free(verify->books[i].notes);
        free(verify->books[i].by_seq);
        ranges_done(&verify->books[i].deleted);
        ranges_done(&verify->books[i].maybe_deleted);
    }
    free(verify->books);
    verify->books = NULL;
}

/* ---- faults -------------------------------------------------------------------------------------- */

static void tell(struct verify *verify, uint32_t channel, uint64_t seq, const char *what)
{
    if (verify->is_quiet || verify->told++ >= TOLD_MAX)
        return;
    fprintf(stderr, "FAULT channel %" PRIu64 "/%s%u seq %" PRIu64 ": %s\n",
            verify->head.channel_type, verify->head.prefix, channel, seq, what);
}

/* What one look at a channel found; taken into the sums when it counts. */
static void count_fault(struct verify *verify, uint64_t *counter, uint32_t channel, uint64_t seq,
                        const char *what)
{
    (*counter)++;
    tell(verify, channel, seq, what);
}

/* ---- one channel --------------------------------------------------------------------------------- */

static struct bytes payload_of(struct verify *verify, const struct client_json *message)
{
    struct bytes text = client_json_text_of(client_json_find(message, "payload"));
    buf_clear(&verify->decoded);
    if (strcmp(client_json_text(message, "payload_encoding", "base64"), "base64") != 0)
        return text;
    return client_base64_append_decoded(&verify->decoded, text) ? buf_bytes(&verify->decoded)
                                                                : BYTES_NONE;
}

static void check_note(struct verify *verify, uint32_t channel, struct book *book, uint64_t seq,
                       struct note *note)
{
    struct verify_result *result = verify->result;
    if (note == NULL) {
        if (verify->strict)
            count_fault(verify, &result->unrecorded, channel, seq, "stored, but never sent");
        else
            result->foreign++;
    } else if (note->kind == 'R') {
        count_fault(verify, &result->refused_stored, channel, seq, "was refused, but is stored");
    } else if (note->is_found) {
        count_fault(verify, &result->stored_twice, channel, seq, "is stored twice");
    } else if (note->kind == 'A' && note->seq != seq) {
        count_fault(verify, &result->wrong_place, channel, seq,
                    "was acknowledged under another seq");
    } else if (note->kind == 'U') {
        result->unknown_stored++;
    } else {
        result->found++;
    }
    struct note *owner = find_seq(book, seq);
    if (owner != NULL && owner != note)
        count_fault(verify, &result->wrong_place, channel, seq,
                    "holds another message than the acknowledged one");
    if (note != NULL)
        note->is_found = true;
}

static void check_message(struct verify *verify, uint32_t channel,
                          const struct client_json *message, struct ranges *seen)
{
    struct book *book = &verify->books[channel];
    struct bytes payload = payload_of(verify, message);
    uint64_t seq = client_json_u64(message, "message_seq", 0), number = 0;
    uint32_t client = 0;
    if (ranges_has(seen, seq))
        count_fault(verify, &verify->result->stored_twice, channel, seq, "is shown twice");
    ranges_add(seen, seq, seq);
    if (!journal_parse_payload(verify->head.run, payload, &client, &number)) {
        if (find_seq(book, seq) != NULL)
            count_fault(verify, &verify->result->wrong_payload, channel, seq,
                        "has another payload");
        else
            verify->result->foreign++;
        return;
    }
    buf_clear(&verify->payload);
    journal_payload(verify->head.run, client, number, verify->head.size, &verify->payload);
    if (!bytes_is_equal(payload, buf_bytes(&verify->payload)))
        count_fault(verify, &verify->result->wrong_payload, channel, seq, "has a changed payload");
    if (ranges_has(&book->deleted, seq))
        count_fault(verify, &verify->result->undeleted, channel, seq, "was deleted, but is shown");
    check_note(verify, channel, book, seq, find_name(book, client, number));
}

static enum err read_page(struct verify *verify, uint32_t channel, uint64_t from_seq,
                          struct client_reply *reply, struct client_json **ret_root,
                          struct why *why)
{
    char id[160];
    struct buf *path = &verify->path;
    buf_clear(path);
    snprintf(id, sizeof(id), "%s%u", verify->head.prefix, channel);
    buf_printf(path, "/v1/channels/%" PRIu64 "/", verify->head.channel_type);
    client_url_append_encoded(path, bytes_of_string(id));
    buf_append_string(path, "/messages");
    client_url_append_query_u64(path, "from_seq", from_seq);
    client_url_append_query_u64(path, "limit", PAGE_MESSAGES);
    if (verify->consistency != NULL)
        client_url_append_query(path, "consistency", verify->consistency);
    const struct client_request request = {.method = CLIENT_GET,
                                           .path = buf_string(path),
                                           .may_repeat = true,
                                           .only_one_server = verify->is_one_target,
                                           .server = verify->target};
    uint64_t until = clock_mono_ms() + CATCH_UP_MS;
    for (;;) {
        enum err err = client_call(verify->client, &request, reply, why);
        if (err != OK)
            return err;
        if (reply->status == 200)
            return client_json_read(buf_bytes(&reply->body), ret_root, why);
        if (reply->status != 503 || clock_mono_ms() > until)
            return why_set(why, ERR_IO, "%s answers %d: %.*s", reply->server, reply->status,
                           (int)(reply->body.len < 150 ? reply->body.len : 150),
                           (const char *)reply->body.data);
        usleep(AGAIN_MS * 1000); /* starting, or without a leader */
    }
}

static void check_missing(struct verify *verify, uint32_t channel)
{
    struct book *book = &verify->books[channel];
    struct verify_result *result = verify->result;
    for (size_t i = 0; i < book->count; i++) {
        const struct note *note = &book->notes[i];
        result->unknown += note->kind == 'U';
        if (note->kind != 'A')
            continue;
        result->acknowledged++;
        if (i > 0 && note[-1].kind == 'A' && note[-1].client == note->client &&
            note[-1].seq >= note->seq)
            count_fault(verify, &result->disordered, channel, note->seq,
                        "stands before what its client sent earlier");
        if (note->is_found)
            continue;
        if (ranges_has(&book->deleted, note->seq) || ranges_has(&book->maybe_deleted, note->seq))
            result->deleted++;
        else
            count_fault(verify, &result->lost, channel, note->seq, "is acknowledged, but LOST");
    }
    for (size_t i = 1; i < book->by_seq_count; i++) {
        if (book->by_seq[i]->seq == book->by_seq[i - 1]->seq)
            count_fault(verify, &result->wrong_place, channel, book->by_seq[i]->seq,
                        "was given to two messages");
    }
}

static enum err check_channel(struct verify *verify, uint32_t channel, struct why *why)
{
    struct client_reply reply;
    struct ranges seen, all;
    uint64_t from_seq = 1, last_seq = 0;
    bool more = true;
    enum err err = OK;
    client_reply_init(&reply);
    ranges_init(&seen);
    ranges_init(&all);
    for (size_t i = 0; i < verify->books[channel].count; i++)
        verify->books[channel].notes[i].is_found = false;
    while (err == OK && more) {
        struct client_json *root = NULL;
        err = read_page(verify, channel, from_seq, &reply, &root, why);
        const struct client_json *messages = client_json_find(root, "messages");
        const struct client_json *deleted = client_json_find(root, "deleted");
        size_t count = client_json_count(messages);
        for (size_t i = 0; i < count; i++) {
            const struct client_json *message = client_json_item(messages, i);
            check_message(verify, channel, message, &seen);
            from_seq = client_json_u64(message, "message_seq", 0) + 1;
        }
        for (size_t i = 0; i < client_json_count(deleted); i++) {
            const struct client_json *range = client_json_item(deleted, i);
            uint64_t start = client_json_u64(range, "start_seq", 0);
            uint64_t end = client_json_u64(range, "end_seq", 0);
            if (start != 0 && start <= end)
                ranges_add(&all, start, end);
        }
        last_seq = client_json_u64(root, "last_seq", 0);
        more = client_json_bool(root, "more", false) && count > 0;
        client_json_free(root);
    }
    for (size_t i = 0; i < seen.count; i++)
        ranges_add(&all, seen.items[i].start, seen.items[i].end);
    bool is_whole = last_seq == 0
                        ? all.count == 0
                        : all.count == 1 && all.items[0].start == 1 && all.items[0].end == last_seq;
    if (err == OK && !is_whole)
        count_fault(verify, &verify->result->unexplained_holes, channel,
                    all.count > 0 ? all.items[0].end + 1 : 1,
                    "is neither a message nor named as deleted");
    if (err == OK)
        check_missing(verify, channel);
    ranges_done(&seen);
    ranges_done(&all);
    client_reply_done(&reply);
    return err;
}

/* A replica's own state may lag: looks again until nothing is wrong or its time is over. */
static enum err check_local(struct verify *verify, uint32_t channel, struct why *why)
{
    uint64_t until = clock_mono_ms() + CATCH_UP_MS;
    for (;;) {
        struct verify_result before = *verify->result;
        bool is_last = clock_mono_ms() > until;
        verify->is_quiet = !is_last;
        enum err err = check_channel(verify, channel, why);
        verify->is_quiet = false;
        if (err != OK || is_last || verify_faults(verify->result) == verify_faults(&before))
            return err;
        *verify->result = before;
        usleep(AGAIN_MS * 1000);
    }
}

uint64_t verify_faults(const struct verify_result *result)
{
    return result->lost + result->stored_twice + result->wrong_payload + result->wrong_place +
           result->undeleted + result->refused_stored + result->disordered +
           result->unexplained_holes + result->unrecorded;
}

static enum err check_all(struct verify *verify, const char *label, struct why *why)
{
    struct client_progress progress;
    client_progress_start(&progress, label, "channels", verify->head.channels,
                          verify->options->is_quiet);
    enum err err = OK;
    for (uint32_t i = 0; i < verify->head.channels && err == OK; i++) {
        err = verify->is_one_target ? check_local(verify, i, why) : check_channel(verify, i, why);
        verify->result->channels++;
        client_progress_set(&progress, i + 1);
    }
    if (err == OK && progress.is_drawn)
        client_progress_end(&progress, verify->head.channels);
    if (verify->told > TOLD_MAX)
        fprintf(stderr, "%u more faults are counted, not shown\n", verify->told - TOLD_MAX);
    return err;
}

enum err verify_run(const struct bench_options *options, const char *path, struct journal *journal,
                    bool strict, bool is_local, struct verify_result *ret_result, struct why *why)
{
    struct verify verify = {.options = options, .result = ret_result, .strict = strict};
    const struct client_options client_options = {
        .servers = (const char *const *)options->targets.items,
        .servers_count = options->targets.count,
        .timeout_ms = 30000,
        .token = options->token,
        .ca_file = options->ca_file,
        .is_insecure = options->is_insecure,
    };
    memset(ret_result, 0, sizeof(*ret_result));
    enum err err = journal_read(path, journal, &verify.head, on_event, &verify, why);
    if (err == OK && verify.books == NULL)
        verify.books = alloc_array(verify.head.channels, sizeof(*verify.books));
    for (uint64_t i = 0; i < verify.head.channels && err == OK; i++)
        sort_book(&verify.books[i]);
    verify.client = client_new(&client_options);
    if (err == OK && !is_local)
        err = check_all(&verify, "verify", why);
    for (size_t i = 0; i < options->targets.count && err == OK && is_local; i++) {
        verify.is_one_target = true;
        verify.target = i;
        verify.consistency = "local";
        err = check_all(&verify, options->targets.items[i], why);
    }
    client_free(verify.client);
    done_books(&verify);
    buf_done(&verify.payload);
    buf_done(&verify.decoded);
    buf_done(&verify.path);
    return err;
}
