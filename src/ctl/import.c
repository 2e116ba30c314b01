/* SPDX-License-Identifier: Apache-2.0 */
/* import: NDJSON in, messages stored, by several connections at once.
 *
 * The order of a channel's messages is that of the input's lines. So each channel belongs to one
 * lane (a thread with one connection), by a hash of its id, and a lane has one request under way at
 * a time. What the server refused without applying it (503, 429) is sent again, in order. When
 * nobody knows whether a batch was stored, it is sent again only if each of its messages has a
 * client_msg_no (--number gives them one); else the import ends there, and says so. */
#include "base/alloc.h"
#include "base/hash.h"
#include "client/progress.h"
#include "client/table.h"
#include "client/url.h"
#include "ctl/command.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/thread.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    BATCH_MAX_BYTES = 4 * 1024 * 1024,
    BATCH_MAX_MESSAGES = 1024,
    LINE_MAX_BYTES = 8 * 1024 * 1024,
    LANES_MAX = 64,
    RETRIES_MAX = 60,
    RETRY_MS = 200,
    SHOWN_FAULTS = 10
};

/* Lines on their way: the request's body, where each begins, and where it stood in the input. */
struct batch {
    struct buf body;
    uint32_t offsets[BATCH_MAX_MESSAGES + 1];
    uint64_t lines[BATCH_MAX_MESSAGES];
    size_t count;
    bool is_numbered; /* each has a client_msg_no */
};

struct lane {
    struct import *import; /* borrowed */
    struct thread thread;
    struct client *client;         /* owned */
    struct batch *filling;         /* owned; the reader's */
    struct batch *waiting, *spare; /* owned; under import->mutex */
};

struct import {
    struct ctl *ctl;  /* borrowed */
    const char *path; /* of the route */
    struct lane lanes[LANES_MAX];
    size_t lanes_count;
    FILE *in;
    uint64_t line; /* number of the one that was read last */
    bool is_channel_fixed;
    struct client_progress progress;

    struct mutex mutex;
    struct cond changed;
    bool is_closed, is_broken;
    int code;
    uint64_t stored, duplicates, failed, bytes;
};

static void batch_clear(struct batch *batch)
{
    buf_clear(&batch->body);
    batch->count = 0;
    batch->is_numbered = true;
}

static struct batch *batch_new(void)
{
    struct batch *batch = alloc_zero(sizeof(*batch));
    batch->is_numbered = true;
    return batch;
}

static void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    buf_done(&batch->body);
    free(batch);
}

static void batch_add(struct batch *batch, struct bytes line, uint64_t number, bool is_numbered)
{
    assert(batch->count < BATCH_MAX_MESSAGES);
    batch->offsets[batch->count] = (uint32_t)batch->body.len;
    batch->lines[batch->count++] = number;
    batch->is_numbered = batch->is_numbered && is_numbered;
    buf_append_bytes(&batch->body, line);
    buf_append_string(&batch->body, "\n");
    batch->offsets[batch->count] = (uint32_t)batch->body.len;
}

/* ---- a lane's thread ------------------------------------------------------------------------- */

static void stop_all(struct import *import, int code)
{
    mutex_lock(&import->mutex);
    import->is_broken = true;
    if (import->code == CTL_OK || code == CTL_UNKNOWN)
        import->code = code;
    cond_broadcast(&import->changed);
    mutex_unlock(&import->mutex);
}

static void tell_fault(struct import *import, uint64_t line, int status, struct bytes result)
{
    struct buf text = BUF_INIT;
    ctl_print_problem(status, result, &text);
    mutex_lock(&import->mutex);
    import->failed++;
    if (import->code == CTL_OK)
        import->code = CTL_REFUSED;
    if (import->failed <= SHOWN_FAULTS)
        fprintf(stderr, "line %llu: %s\n", (unsigned long long)line, buf_string(&text));
    else if (import->failed == SHOWN_FAULTS + 1)
        fprintf(stderr, "more lines failed; they are counted\n");
    mutex_unlock(&import->mutex);
    buf_done(&text);
}

static void count_stored(struct import *import, uint64_t stored, uint64_t duplicates, size_t bytes)
{
    mutex_lock(&import->mutex);
    import->stored += stored;
    import->duplicates += duplicates;
    import->bytes += bytes;
    mutex_unlock(&import->mutex);
}

static struct bytes next_line(struct bytes *rest)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
    struct bytes ret = bytes_of(rest->data, len);
    size_t used = end != NULL ? len + 1 : len;
    *rest = bytes_of(rest->data + used, rest->len - used);
    return ret;
}

/* What became of the items of a batch. Those that were refused for now stay in it, in order. */
static bool take_results(struct import *import, struct batch *batch, struct client_reply *reply,
                         struct batch *again)
{
    struct bytes rest = buf_bytes(&reply->body);
    uint64_t stored = 0, duplicates = 0;
    batch_clear(again);
    size_t i = 0;
    for (; i < batch->count && rest.len > 0; i++) {
        struct bytes line = next_line(&rest);
        struct client_json *node = NULL;
        if (client_json_read(line, &node, NULL) != OK)
            break;
        int status = (int)client_json_u64(node, "status", 0);
        if (status == 200 || status == 201) {
            stored++;
            duplicates += client_json_bool(node, "duplicate", false);
        } else if (status == 503 || status == 429) {
            uint32_t at = batch->offsets[i];
            batch_add(again, bytes_of(batch->body.data + at, batch->offsets[i + 1] - at - 1),
                      batch->lines[i], batch->is_numbered);
        } else if (status == 504 || status == 500 || status == 0) {
            client_json_free(node);
            break; /* nobody knows what became of this one, nor of those behind it */
        } else {
            tell_fault(import, batch->lines[i], status, line);
        }
        client_json_free(node);
    }
    count_stored(import, stored, duplicates, i == batch->count ? batch->body.len : 0);
    for (size_t j = i; j < batch->count && batch->is_numbered; j++) {
        uint32_t at = batch->offsets[j];
        batch_add(again, bytes_of(batch->body.data + at, batch->offsets[j + 1] - at - 1),
                  batch->lines[j], true);
    }
    return i == batch->count || batch->is_numbered;
}

/* Sends once. True: *again holds what is to be sent once more (nothing: all done). */
static bool send_once(struct lane *lane, struct batch *batch, struct client_reply *reply,
                      struct batch *again)
{
    struct import *import = lane->import;
    struct why why = {0};
    const struct client_request request = {.method = CLIENT_POST,
                                           .path = import->path,
                                           .content_type = "application/x-ndjson",
                                           .accept = "application/x-ndjson",
                                           .body = buf_bytes(&batch->body),
                                           .may_repeat = batch->is_numbered};
    enum err err = client_call(lane->client, &request, reply, &why);
    bool is_unknown = err == ERR_OUTCOME_UNKNOWN || err == ERR_TIMEOUT ||
                      (err == OK && (reply->status == 504 || reply->status == 500));
    bool is_refused =
        err == ERR_IO || (err == OK && (reply->status == 503 || reply->status == 429));
    if (is_refused || (is_unknown && batch->is_numbered)) {
        batch_clear(again);
        for (size_t i = 0; i < batch->count; i++) {
            uint32_t at = batch->offsets[i];
            batch_add(again, bytes_of(batch->body.data + at, batch->offsets[i + 1] - at - 1),
                      batch->lines[i], batch->is_numbered);
        }
        return true;
    }
    if (err == OK && reply->status == 200 && take_results(import, batch, reply, again))
        return true;
    if (is_unknown || (err == OK && reply->status == 200)) {
        ctl_fail(CTL_UNKNOWN, "lines %llu to %llu: outcome unknown%s%s",
                 (unsigned long long)batch->lines[0],
                 (unsigned long long)batch->lines[batch->count - 1], err != OK ? ": " : "",
                 err != OK ? why.text : "");
        stop_all(import, CTL_UNKNOWN);
    } else if (err == OK) {
        tell_fault(import, batch->lines[0], reply->status, buf_bytes(&reply->body));
        stop_all(import, CTL_REFUSED);
    } else {
        stop_all(import, ctl_fail(ctl_code_of_error(err), "%s", why.text));
    }
    return false;
}

static bool is_broken(struct import *import)
{
    mutex_lock(&import->mutex);
    bool ret = import->is_broken;
    mutex_unlock(&import->mutex);
    return ret;
}

static void send_batch(struct lane *lane, struct batch *batch, struct client_reply *reply)
{
    struct batch *again = batch_new(), *now = batch;
    struct batch *other = batch_new();
    unsigned tries = 0;
    while (now->count > 0 && !is_broken(lane->import)) {
        struct batch *next = now == again ? other : again;
        size_t before = now->count;
        if (!send_once(lane, now, reply, next))
            break;
        if (next->count == before && ++tries > RETRIES_MAX) {
            stop_all(lane->import, ctl_fail(CTL_UNREACHABLE, "line %llu: refused %d times",
                                            (unsigned long long)next->lines[0], RETRIES_MAX));
            break;
        }
        if (next->count > 0)
            usleep(RETRY_MS * 1000);
        now = next;
    }
    batch_free(again);
    batch_free(other);
}

static void run_lane(void *arg)
{
    struct lane *lane = arg;
    struct import *import = lane->import;
    struct client_reply reply;
    client_reply_init(&reply);
    mutex_lock(&import->mutex);
    while (!import->is_broken && (lane->waiting != NULL || !import->is_closed)) {
        if (lane->waiting == NULL) {
            cond_wait(&import->changed, &import->mutex);
            continue;
        }
        struct batch *batch = lane->waiting;
        mutex_unlock(&import->mutex);
        send_batch(lane, batch, &reply);
        batch_clear(batch);
        mutex_lock(&import->mutex);
        lane->waiting = NULL;
        lane->spare = batch;
        cond_broadcast(&import->changed);
    }
    mutex_unlock(&import->mutex);
    client_reply_done(&reply);
}

/* ---- the reader's thread --------------------------------------------------------------------- */

/* Hands what the lane has gathered to its thread, when that is done with the last. */
static void hand_over(struct import *import, struct lane *lane)
{
    if (lane->filling->count == 0)
        return;
    mutex_lock(&import->mutex);
    while (lane->waiting != NULL && !import->is_broken)
        cond_wait(&import->changed, &import->mutex);
    if (!import->is_broken) {
        lane->waiting = lane->filling;
        lane->filling = lane->spare;
        lane->spare = NULL;
        cond_broadcast(&import->changed);
    }
    uint64_t done = import->progress.total != 0 ? import->bytes : import->stored;
    mutex_unlock(&import->mutex);
    client_progress_set(&import->progress, done);
}

static struct lane *lane_of(struct import *import, const struct client_json *node)
{
    struct bytes id = client_json_text_of(client_json_find(node, "channel_id"));
    return &import->lanes[hash64_of(id, 0) % import->lanes_count];
}

/* Numbers a line that has no client_msg_no, so that it can be sent again. */
static void number_line(struct import *import, struct client_json *node, struct buf *line)
{
    struct buf number = BUF_INIT;
    buf_printf(&number, "%s-%llu", import->ctl->flags.number_name,
               (unsigned long long)import->line);
    client_json_set_text(node, "client_msg_no", buf_bytes(&number));
    buf_clear(line);
    client_json_print(node, false, line);
    buf_done(&number);
}

/* What reads and exports show of a message without a number is "": it means none, not that one. */
static void drop_number(struct client_json *node, struct buf *line)
{
    if (client_json_text(node, "client_msg_no", NULL) == NULL)
        return; /* no text at all: the server says what is wrong with it */
    client_json_remove(node, "client_msg_no");
    buf_clear(line);
    client_json_print(node, false, line);
}

static int take_line(struct import *import, struct buf *line)
{
    struct client_json *node = NULL;
    struct why why = {0};
    import->line++;
    if (client_json_read(buf_bytes(line), &node, &why) != OK || !client_json_is_map(node)) {
        client_json_free(node);
        return ctl_fail(CTL_LOCAL, "line %llu is no JSON object: %s",
                        (unsigned long long)import->line, why.text);
    }
    bool is_numbered = client_json_text(node, "client_msg_no", "")[0] != '\0';
    if (!is_numbered && import->ctl->flags.number_name != NULL) {
        number_line(import, node, line);
        is_numbered = true;
    } else if (!is_numbered && client_json_find(node, "client_msg_no") != NULL) {
        drop_number(node, line);
    }
    bool has_channel = client_json_find(node, "channel_id") != NULL;
    struct lane *lane = lane_of(import, node);
    client_json_free(node);
    if (!has_channel && !import->is_channel_fixed)
        return ctl_fail(CTL_LOCAL, "line %llu has no channel_id: say --channel TYPE/ID",
                        (unsigned long long)import->line);
    struct batch *batch = lane->filling;
    if (batch->count > 0 && batch->body.len + line->len > BATCH_MAX_BYTES)
        hand_over(import, lane);
    batch_add(lane->filling, buf_bytes(line), import->line, is_numbered);
    if (lane->filling->count >= import->ctl->flags.batch)
        hand_over(import, lane);
    return CTL_OK;
}

/* False at the end, or when *ret_code says what went wrong. */
static bool read_line(struct import *import, struct buf *line, char **raw, size_t *raw_size,
                      int *ret_code)
{
    ssize_t len = getline(raw, raw_size, import->in);
    if (len < 0) {
        if (ferror(import->in))
            *ret_code = ctl_fail(CTL_LOCAL, "cannot read: %s", strerror(errno));
        return false;
    }
    while (len > 0 && ((*raw)[len - 1] == '\n' || (*raw)[len - 1] == '\r'))
        len--;
    if (len > LINE_MAX_BYTES) {
        *ret_code = ctl_fail(CTL_LOCAL, "line %llu has more than %d bytes",
                             (unsigned long long)import->line + 1, LINE_MAX_BYTES);
        return false;
    }
    buf_clear(line);
    buf_append(line, *raw, (size_t)len);
    return true;
}

static int read_all(struct import *import)
{
    struct buf line = BUF_INIT;
    char *raw = NULL;
    size_t raw_size = 0;
    int code = CTL_OK;
    while (code == CTL_OK && !is_broken(import) &&
           read_line(import, &line, &raw, &raw_size, &code)) {
        if (line.len > 0)
            code = take_line(import, &line);
        else
            import->line++; /* an empty line is no message */
    }
    for (size_t i = 0; i < import->lanes_count && code == CTL_OK; i++)
        hand_over(import, &import->lanes[i]);
    free(raw);
    buf_done(&line);
    return code;
}

static int start_lanes(struct import *import)
{
    for (size_t i = 0; i < import->lanes_count; i++) {
        struct lane *lane = &import->lanes[i];
        lane->import = import;
        lane->client = client_context_connect(&import->ctl->context);
        lane->filling = batch_new();
        lane->spare = batch_new();
        if (thread_start(&lane->thread, "import", run_lane, lane) != OK)
            return ctl_fail(CTL_LOCAL, "cannot start a thread");
    }
    return CTL_OK;
}

static void stop_lanes(struct import *import)
{
    mutex_lock(&import->mutex);
    import->is_closed = true;
    cond_broadcast(&import->changed);
    mutex_unlock(&import->mutex);
    for (size_t i = 0; i < import->lanes_count; i++) {
        struct lane *lane = &import->lanes[i];
        thread_join(&lane->thread);
        client_free(lane->client);
        batch_free(lane->filling);
        batch_free(lane->waiting);
        batch_free(lane->spare);
    }
}

static int report(struct import *import, uint64_t started_ms)
{
    char stored[CLIENT_COUNT_SIZE], rate[CLIENT_COUNT_SIZE];
    uint64_t elapsed_ms = clock_mono_ms() - started_ms + 1;
    uint64_t fresh = import->stored - import->duplicates;
    struct buf out = BUF_INIT;
    if (import->ctl->is_json)
        buf_printf(&out,
                   "{\"stored\":%llu,\"duplicates\":%llu,\"failed\":%llu,\"elapsed_ms\":%llu}\n",
                   (unsigned long long)fresh, (unsigned long long)import->duplicates,
                   (unsigned long long)import->failed, (unsigned long long)elapsed_ms);
    else
        buf_printf(&out,
                   "stored %s messages in %.1f s (%s/s), %llu were there before, "
                   "%llu failed\n",
                   client_count_text(fresh, stored), (double)elapsed_ms / 1000,
                   client_count_text(import->stored * 1000 / elapsed_ms, rate),
                   (unsigned long long)import->duplicates, (unsigned long long)import->failed);
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return import->code != CTL_OK ? import->code : code;
}

static int open_input(struct ctl *ctl, struct import *import)
{
    const char *name = ctl->words_count == 1 ? ctl->words[0] : "-";
    uint64_t size = 0;
    import->in = stdin;
    if (strcmp(name, "-") != 0) {
        import->in = fopen(name, "re");
        if (import->in == NULL || file_size(name, &size, NULL) != OK)
            return ctl_fail(CTL_LOCAL, "cannot read '%s': %s", name, strerror(errno));
    }
    client_progress_start(&import->progress, "import", size != 0 ? "bytes" : "messages", size,
                          ctl->flags.is_quiet);
    return CTL_OK;
}

int ctl_run_import(struct ctl *ctl)
{
    struct import *import = alloc_zero(sizeof(*import));
    struct buf path = BUF_INIT;
    struct why why = {0};
    struct ctl_channel channel;
    uint64_t started_ms = clock_mono_ms();
    int code = CTL_OK;
    import->ctl = ctl;
    import->lanes_count = ctl->flags.connections;
    buf_append_string(&path, "/v1/messages:batch");
    if (ctl->flags.channel != NULL) {
        if (ctl_parse_channel(ctl->flags.channel, &channel, &why) != OK)
            code = ctl_fail(CTL_USAGE, "%s", why.text);
        import->is_channel_fixed = true;
        import->lanes_count = 1; /* one channel, one order */
        buf_clear(&path);
        if (code == CTL_OK)
            ctl_channel_path(&channel, "/messages:batch", &path);
    }
    import->path = buf_string(&path);
    mutex_init(&import->mutex);
    cond_init(&import->changed);
    if (code == CTL_OK)
        code = open_input(ctl, import);
    if (code == CTL_OK) {
        code = start_lanes(import);
        if (code == CTL_OK)
            code = read_all(import);
        stop_lanes(import);
        client_progress_end(&import->progress,
                            import->progress.total != 0 ? import->bytes : import->stored);
        int reported = report(import, started_ms);
        code = code != CTL_OK ? code : reported;
    }
    if (import->in != NULL && import->in != stdin)
        fclose(import->in);
    cond_done(&import->changed);
    mutex_done(&import->mutex);
    buf_done(&path);
    free(import);
    return code;
}
