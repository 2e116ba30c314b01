/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about jobs of other nodes, and their answers, as bytes: see job_ask.c. Pure. */
#include <string.h>

#include "base/arena.h"
#include "node/jobs.h"
#include "wire/call.h"
#include "wire/limits.h"

struct blob *node_job_ask_encode(enum node_job_ask what, struct bytes text)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, (uint8_t)what);
    buf_put_block(&buf, text);
    struct blob *ret = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    return ret;
}

node_id node_job_owner(struct bytes id)
{
    uint64_t owner = 0;
    size_t at = 0;
    for (; at < id.len && at < 6 && id.data[at] >= '0' && id.data[at] <= '9'; at++) {
        owner = owner * 10 + (uint64_t)(id.data[at] - '0');
    }
    bool is_ours = at > 0 && at < id.len && id.data[at] == '-' && owner <= WIRE_NODE_ID_MAX;
    return is_ours ? (node_id)owner : 0;
}

/* ---- what travels ---------------------------------------------------------------------------------- */

static void put_text(struct buf *buf, const char *text)
{
    buf_put_block(buf, bytes_of_string(text == NULL ? "" : text));
}

static void put_item(struct buf *buf, const struct node_job_item *item)
{
    buf_put_varint(buf, item->slot);
    buf_put_varint(buf, item->node);
    put_text(buf, item->result);
    put_text(buf, item->reason);
    put_text(buf, item->family);
    buf_put_varint(buf, item->before_bytes);
    buf_put_varint(buf, item->after_bytes);
}

void jobs_encode(struct buf *buf, const struct node_job *job)
{
    struct buf items = BUF_INIT;
    uint32_t count = 0;
    size_t most = call_max_body_bytes() - 4096;
    while (count < job->items_count && items.len < most) {
        put_item(&items, &job->items[count++]);
    }
    put_text(buf, job->id);
    buf_put_u8(buf, job->kind);
    buf_put_u8(buf, job->state);
    buf_put_le64(buf, (uint64_t)job->slot);
    buf_put_varint(buf, job->progress);
    buf_put_varint(buf, job->created_ms);
    buf_put_varint(buf, job->started_ms);
    buf_put_varint(buf, job->ended_ms);
    buf_put_varint(buf, job->eta_ms);
    put_text(buf, job->text);
    put_text(buf, job->subject);
    buf_put_varint(buf, job->items_left_out + (job->items_count - count));
    buf_put_varint(buf, count);
    buf_append_bytes(buf, buf_bytes(&items));
    buf_done(&items);
}

static void get_text(struct reader *reader, char *ret, size_t size)
{
    struct bytes text = reader_block(reader);
    size_t len = text.len < size ? text.len : size - 1;
    if (len > 0) {
        memcpy(ret, text.data, len);
    }
    ret[len] = '\0';
}

static void get_item(struct reader *reader, struct arena *arena, struct node_job_item *ret)
{
    ret->slot = (uint32_t)reader_varint(reader);
    ret->node = (node_id)reader_varint(reader);
    ret->result = arena_string(arena, reader_block(reader));
    get_text(reader, ret->reason, sizeof(ret->reason));
    const char *family = arena_string(arena, reader_block(reader));
    ret->family = family[0] == '\0' ? NULL : family;
    ret->before_bytes = reader_varint(reader);
    ret->after_bytes = reader_varint(reader);
}

bool node_job_answer_decode(struct bytes answer, struct arena *arena, struct node_job *ret)
{
    struct reader reader = reader_of(answer);
    struct node_job job = {.kind = 0};
    get_text(&reader, job.id, sizeof(job.id));
    job.kind = reader_u8(&reader);
    job.state = reader_u8(&reader);
    job.slot = (int64_t)reader_le64(&reader);
    uint64_t progress = reader_varint(&reader);
    job.progress = progress > NODE_JOB_PROGRESS_MAX ? NODE_JOB_PROGRESS_MAX : (uint32_t)progress;
    job.created_ms = reader_varint(&reader);
    job.started_ms = reader_varint(&reader);
    job.ended_ms = reader_varint(&reader);
    job.eta_ms = reader_varint(&reader);
    get_text(&reader, job.text, sizeof(job.text));
    get_text(&reader, job.subject, sizeof(job.subject));
    job.items_left_out = (uint32_t)reader_varint(&reader);
    uint64_t count = reader_varint(&reader);
    /* An item has seven bytes at least: no count makes more room than its bytes are worth. */
    if (count > NODE_JOB_ITEMS_MAX || count > reader_left(&reader) / 7 ||
        job.kind >= NODE_JOB_KINDS || job.state >= NODE_JOB_STATES) {
        return false;
    }
    job.items = arena_zero(arena, count * sizeof(*job.items) + 1);
    job.items_count = (uint32_t)count;
    for (uint32_t i = 0; i < job.items_count; i++) {
        get_item(&reader, arena, &job.items[i]);
    }
    if (!reader_is_done(&reader)) {
        return false;
    }
    *ret = job;
    return true;
}
