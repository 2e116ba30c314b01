/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a backup: the input as it is, and once more with head and checksum that hold, so
 * that every figure behind them is reached. What is accepted is within its bounds and is encoded to
 * bytes that are accepted again as the same; what is refused leaves the caller's manifest alone. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/crc.h"
#include "store/backup.h"
#include "store/internal.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void demand_bounds(const struct backup_manifest *manifest)
{
    const struct store_identity *identity = &manifest->identity;
    demand(identity->slot_count > 0 && identity->slot_count <= SLOTS_MAX);
    demand(identity->node_id > 0 && identity->node_id <= UINT16_MAX);
    demand(memchr(manifest->id, 0, sizeof(manifest->id)) != NULL);
    demand(backup_check_id(bytes_of_string(manifest->id), NULL) == OK);
    demand(memchr(manifest->damage, 0, sizeof(manifest->damage)) != NULL);
    for (uint32_t i = 0; i < identity->slot_count; i++) {
        const struct backup_slot *slot = &manifest->slots[i];
        demand(slot->last_delete <= slot->applied.index && slot->applied.index <= slot->log_index);
    }
}

static void probe_again(struct backup_manifest *first)
{
    struct buf bytes = BUF_INIT, again = BUF_INIT;
    struct backup_manifest second;
    backup_manifest_encode(first, &bytes);
    demand(backup_manifest_decode(buf_bytes(&bytes), &second, NULL) == OK);
    backup_manifest_encode(&second, &again);
    demand(bytes_is_equal(buf_bytes(&bytes), buf_bytes(&again)));
    backup_manifest_done(&second);
    buf_done(&bytes);
    buf_done(&again);
}

static void probe(struct bytes bytes)
{
    struct backup_manifest manifest = {.bytes = 42};
    struct why why = {.err = OK};
    enum err err = backup_manifest_decode(bytes, &manifest, &why);
    if (err != OK) {
        demand((err == ERR_CORRUPT || err == ERR_WRONG_FORMAT) && why.err == err);
        demand(manifest.bytes == 42 && manifest.slots == NULL);
        return;
    }
    demand_bounds(&manifest);
    probe_again(&manifest);
    backup_manifest_done(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf sealed = BUF_INIT;
    probe(bytes_of(data, size));
    buf_append_string(&sealed, "LETHEBAK");
    buf_put_le32(&sealed, 1);
    buf_put_le32(&sealed, STORE_FORMAT);
    buf_append(&sealed, data, size);
    buf_put_le32(&sealed, crc32c(buf_bytes(&sealed)));
    probe(buf_bytes(&sealed));
    buf_done(&sealed);
    return 0;
}
