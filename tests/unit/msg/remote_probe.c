/* SPDX-License-Identifier: Apache-2.0 */
#include "remote_probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "msg/remote.h"

static void demand(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "remote: %s\n", what);
        abort();
    }
}

bool probe_queries(struct bytes bytes)
{
    struct arena arena;
    const struct msg_query *queries, *again;
    uint32_t count, again_count;
    struct buf first = BUF_INIT, second = BUF_INIT;
    arena_init(&arena);
    enum err err = msg_decode_queries(bytes, &arena, &queries, &count, NULL);
    if (err == OK) {
        msg_encode_queries(&first, queries, count);
        demand(msg_decode_queries(buf_bytes(&first), &arena, &again, &again_count, NULL) == OK,
               "encoded queries cannot be decoded");
        msg_encode_queries(&second, again, again_count);
        demand(bytes_is_equal(buf_bytes(&first), buf_bytes(&second)), "queries differ");
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&arena);
    return err == OK;
}

bool probe_answer(uint8_t kind, struct bytes bytes)
{
    struct arena arena;
    struct msg_answer answer, again;
    struct buf first = BUF_INIT, second = BUF_INIT;
    arena_init(&arena);
    enum err err = msg_decode_answer(bytes, kind, &arena, &answer, NULL);
    if (err == OK) {
        msg_encode_answer(&first, kind, &answer);
        demand(msg_decode_answer(buf_bytes(&first), kind, &arena, &again, NULL) == OK,
               "an encoded answer cannot be decoded");
        msg_encode_answer(&second, kind, &again);
        demand(bytes_is_equal(buf_bytes(&first), buf_bytes(&second)), "answers differ");
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&arena);
    return err == OK;
}
