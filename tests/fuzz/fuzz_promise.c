/* SPDX-License-Identifier: Apache-2.0 */
/* The promise file: a sound one is changed as the input says, then opened. The first byte: how many
 * slots, and whether the head and the records get the checksums that belong to them. Then edits:
 * two bytes where, one byte how many, and what; an edit of no bytes cuts the file there.
 * It is refused with a reason, or what it says is written and read again. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/crc.h"
#include "store/internal.h"
#include "store/memdisk.h"
#include "store/memory.h"

enum { HEAD_BYTES = 4096, PLACE_BYTES = 1024, HEAD_USED = 32, RECORD_USED = 16 + PAGE_SLOTS * 32 };

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void edit(struct buf *file, struct reader *input)
{
    while (reader_left(input) >= 3) {
        size_t at = reader_le16(input);
        size_t len = reader_u8(input);
        if (len == 0) {
            file->len = at < file->len ? at : file->len;
            continue;
        }
        len = len < reader_left(input) ? len : reader_left(input);
        struct bytes bytes = reader_bytes(input, len);
        at = file->len == 0 ? 0 : at % file->len;
        len = len < file->len - at ? len : file->len - at;
        if (len > 0)
            memcpy(file->data + at, bytes.data, len);
    }
}

static void put_crc(uint8_t *at, uint32_t crc)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(crc >> (8 * i));
}

/* Of the head, and of each record as the head's incarnation binds it. */
static void seal(struct buf *file)
{
    if (file->len < HEAD_BYTES)
        return;
    put_crc(file->data + HEAD_USED, crc32c(bytes_of(file->data, HEAD_USED)));
    uint32_t bound = crc32c(bytes_of(file->data + 24, 8));
    for (size_t at = HEAD_BYTES; at + PLACE_BYTES <= file->len; at += PLACE_BYTES)
        put_crc(file->data + at + RECORD_USED,
                crc32c_more(bound, bytes_of(file->data + at, RECORD_USED)));
}

static void open_again(struct memdisk *disk, const struct promise_row *first)
{
    struct promise *promise = NULL;
    struct promise_row row;
    demand(promise_open("", disk, NULL, &promise, NULL) == OK);
    promise_get(promise, 0, &row);
    demand(memcmp(&row, first, sizeof(row)) == 0);
    promise_close(promise);
}

static void probe(struct memdisk *disk)
{
    struct promise *promise = NULL;
    struct promise_row row;
    struct why why = {.err = OK};
    enum err err = promise_open("", disk, NULL, &promise, &why);
    demand(err == OK || ((err == ERR_LOG_TOO_SHORT || err == ERR_WRONG_FORMAT) && why.err == err));
    if (err != OK)
        return;
    (void)promise_is_empty(promise);
    promise_get(promise, 0, &row);
    row.term++;
    promise_set(promise, 0, &row);
    err = promise_write(promise, NULL);
    demand(err == OK || err == ERR_CORRUPT); /* its record numbers are used up */
    demand(promise_sync(promise, NULL) == OK);
    promise_close(promise);
    if (err == OK)
        open_again(disk, &row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t slots = 1 + data[0] % 33;
    struct store_identity identity = {.format = STORE_FORMAT,
                                      .cluster_id = "fuzzed",
                                      .node_id = 3,
                                      .incarnation = 0x1122334455667788,
                                      .slot_count = slots};
    struct memdisk *disk = memdisk_new();
    struct buf file = BUF_INIT;
    struct reader input = reader_of(bytes_of(data + 1, size - 1));
    demand(promise_create("", disk, &identity, NULL) == OK);
    memfile_read(disk, &file);
    edit(&file, &input);
    if (data[0] & 0x80)
        seal(&file);
    demand(memfile_replace(disk, buf_bytes(&file), NULL) == OK);
    probe(disk);
    buf_done(&file);
    memdisk_free(disk);
    return 0;
}
