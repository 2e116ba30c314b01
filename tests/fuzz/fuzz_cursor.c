/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors of lists. The first byte chooses: the text as a client sends it; bytes under a checksum
 * that holds (so that what is behind it is reached); or a cursor that we made. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/crc.h"
#include "http/base64.h"
#include "http/cursor.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void same(const struct cursor *a, const struct cursor *b)
{
    demand(a->scope == b->scope && bytes_is_equal(a->name, b->name));
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        demand(a->numbers[i] == b->numbers[i]);
}

/* A cursor is taken only for its own list, and means the same when it is written again. */
static bool probe(struct bytes text, uint64_t scope, struct arena *arena, struct cursor *ret)
{
    struct cursor again;
    struct why why = {.err = OK};
    struct buf buf = BUF_INIT;
    enum err err = cursor_parse(text, scope, arena, ret, &why);
    demand(err == OK || (err == ERR_BAD_PARAMETER && why.err == err));
    if (err != OK)
        return false;
    demand(ret->scope == scope);
    demand(cursor_parse(text, scope + 1, arena, &again, NULL) == ERR_BAD_PARAMETER);
    cursor_append(&buf, ret);
    demand(cursor_parse(buf_bytes(&buf), scope, arena, &again, NULL) == OK);
    same(ret, &again);
    buf_done(&buf);
    return true;
}

static void probe_sealed(struct bytes raw, struct arena *arena)
{
    struct buf sealed = BUF_INIT, text = BUF_INIT;
    struct cursor cursor;
    struct reader reader = reader_of(raw);
    (void)reader_u8(&reader);
    uint64_t scope = reader_le64(&reader);
    buf_append_bytes(&sealed, raw);
    buf_put_le32(&sealed, crc32c(raw));
    base64url_append(&text, buf_bytes(&sealed));
    probe(buf_bytes(&text), scope, arena, &cursor);
    buf_done(&sealed);
    buf_done(&text);
}

static void probe_made(struct bytes bytes, struct arena *arena)
{
    struct reader reader = reader_of(bytes);
    struct cursor cursor = {.scope = reader_le64(&reader)}, again;
    struct buf text = BUF_INIT;
    for (int i = 0; i < CURSOR_NUMBERS; i++)
        cursor.numbers[i] = reader_varint(&reader);
    if (reader.failed)
        return;
    cursor.name = reader_bytes(&reader, reader_left(&reader));
    cursor_append(&text, &cursor);
    demand(probe(buf_bytes(&text), cursor.scope, arena, &again));
    same(&cursor, &again);
    text.data[text.len / 2] ^= 1; /* a client changed a letter: never another place in the list */
    demand(!probe(buf_bytes(&text), cursor.scope, arena, &again));
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct cursor cursor;
    if (size == 0)
        return 0;
    struct bytes bytes = bytes_of(data + 1, size - 1);
    arena_init(&arena);
    if (data[0] % 3 == 0)
        probe(bytes, data[0], &arena, &cursor);
    else if (data[0] % 3 == 1)
        probe_sealed(bytes, &arena);
    else
        probe_made(bytes, &arena);
    arena_done(&arena);
    return 0;
}
