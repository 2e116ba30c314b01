/* SPDX-License-Identifier: Apache-2.0 */
/* A slot's state from one store into another, chunk by chunk, as a full install over the network
 * does it: same source, same sink, same checks at the end. */
#include "rescue/copy.h"

#include "base/buf.h"
#include "msg/install.h"
#include "wire/chunk.h"
#include "wire/frame.h"

struct copy {
    struct msg *from, *to; /* borrowed */
    struct store *store;   /* borrowed: of `to` */
    uint32_t slot;
    struct msg_source *source; /* owned */
    struct msg_sink *sink;     /* owned */
    struct store_batch *batch; /* owned */
    struct buf cursor, next, frame;
    struct chunk_out chunk;
    struct frame_reader reader;
};

static enum err begin(struct copy *copy, struct msg_source_info *info, struct why *why)
{
    enum err err = msg_source_open(copy->from, copy->slot, &copy->source, why);
    if (err != OK)
        return err;
    msg_source_info(copy->source, info);
    err = msg_source_start(copy->source, MSG_INSTALL_FULL, 0, why);
    const struct msg_sink_options options = {.slot = copy->slot,
                                             .kind = MSG_INSTALL_FULL,
                                             .target = {info->applied_term, info->applied_index},
                                             .marker = bytes_of_string("rescue")};
    if (err == OK)
        err = msg_sink_begin(copy->to, &options, copy->batch, &copy->sink, why);
    return err == OK ? store_write(copy->store, copy->batch, false, why) : err;
}

/* What is in frame, as a receiver reads it. */
static enum err take_chunk(struct copy *copy, struct why *why)
{
    struct frame frame = {.body = BYTES_NONE};
    struct chunk chunk;
    bool has = false;
    frame_reader_feed(&copy->reader, buf_bytes(&copy->frame));
    enum err err = frame_reader_next(&copy->reader, &frame, &has, why);
    assert(err != OK || has); /* it was made whole */
    if (err == OK)
        err = chunk_decode(frame.body, &chunk, why);
    return err == OK ? msg_sink_rows(copy->sink, &chunk.rows, why) : err;
}

static enum err rows(struct copy *copy, struct why *why)
{
    bool is_done = false;
    enum err err = OK;
    for (uint64_t number = 0; err == OK && !is_done; number++) {
        buf_clear(&copy->frame);
        err = msg_source_next(copy->source, buf_bytes(&copy->cursor), 0, 0, &copy->chunk,
                              &copy->next, &is_done, why);
        if (err != OK)
            return err;
        chunk_out_end(&copy->chunk, buf_bytes(&copy->next), &copy->frame);
        buf_clear(&copy->cursor);
        buf_append_bytes(&copy->cursor, buf_bytes(&copy->next));
        err = take_chunk(copy, why);
    }
    return err;
}

static enum err finish(struct copy *copy, struct why *why)
{
    struct chunk_end end = {0};
    struct msg_sink_info info;
    msg_sink_info(copy->sink, &info);
    enum err err = msg_source_end(copy->source, buf_bytes(&copy->cursor), &end, why);
    end.number = info.next_number;
    if (err == OK)
        err = msg_sink_finish(copy->sink, &end, copy->batch, why);
    return err == OK ? store_write(copy->store, copy->batch, true, why) : err;
}

enum err copy_slot(struct msg *from, struct msg *to, struct store *to_store, uint32_t slot,
                   struct why *why)
{
    struct copy copy = {.from = from,
                        .to = to,
                        .store = to_store,
                        .slot = slot,
                        .batch = store_batch_new(to_store),
                        .cursor = BUF_INIT,
                        .next = BUF_INIT,
                        .frame = BUF_INIT};
    struct msg_source_info info;
    frame_reader_init(&copy.reader);
    frame_reader_trust(&copy.reader);
    chunk_out_init(&copy.chunk, slot, 1, 1, 0);
    enum err err = begin(&copy, &info, why);
    if (err == OK)
        err = rows(&copy, why);
    if (err == OK)
        err = finish(&copy, why);
    if (err != OK)
        why_wrap(why, "slot %u", slot);
    msg_sink_free(copy.sink);
    msg_source_close(copy.source);
    store_batch_free(copy.batch);
    chunk_out_done(&copy.chunk);
    frame_reader_done(&copy.reader);
    buf_done(&copy.cursor);
    buf_done(&copy.next);
    buf_done(&copy.frame);
    return err;
}
