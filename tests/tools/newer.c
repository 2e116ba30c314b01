/* SPDX-License-Identifier: Apache-2.0 */
/* Puts an entry behind the log of a slot of a stopped node whose command is of a kind that no build
 * knows: as if a newer one had proposed it. The node has the longest log then: it is elected, and its
 * entry goes to all.
 *
 *     newer DATA_DIR SLOT
 *
 * Prints the entry's index. Exit codes: 0, 1 something failed, 2 usage. */
#include "base/buf.h"
#include "base/crc.h"
#include "raft/types.h"
#include "store/store.h"
#include "wire/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNKNOWN_KIND = 250, TIME = 1, BODY = 8 };

/* As wire/command.h has it, its checksum too. */
static void command_of_tomorrow(struct buf *out)
{
    struct buf start = BUF_INIT, end = BUF_INIT, body = BUF_INIT;
    buf_put_u8(&start, COMMAND_VERSION);
    buf_put_u8(&start, UNKNOWN_KIND);
    buf_put_le16(&start, 0);
    buf_put_le64(&end, TIME);
    buf_put_le64(&body, BODY);
    uint32_t crc = crc32c_more(crc32c(buf_bytes(&body)), buf_bytes(&start));
    buf_append_bytes(out, buf_bytes(&start));
    buf_put_le32(out, crc32c_more(crc, buf_bytes(&end)));
    buf_append_bytes(out, buf_bytes(&end));
    buf_append_bytes(out, buf_bytes(&body));
    buf_done(&start);
    buf_done(&end);
    buf_done(&body);
}

/* The last entry of the slot's log; false: there is none. */
static bool find_last(struct store *store, uint32_t slot, uint64_t *ret_index, uint64_t *ret_term)
{
    struct row_hard_state state;
    if (store_get_hard_state(store, slot, &state) != OK) {
        return false;
    }
    struct store_value value;
    struct row_entry entry;
    store_value_init(&value);
    *ret_index = 0;
    for (uint64_t index = state.commit == 0 ? 1 : state.commit;
         store_get_entry(store, slot, index, &value, &entry) == OK; index++) {
        *ret_index = index;
    }
    store_value_done(&value);
    *ret_term = state.term;
    return *ret_index != 0;
}

static enum err put(struct store *store, uint32_t slot, struct why *why)
{
    uint64_t last, term;
    if (!find_last(store, slot, &last, &term)) {
        return why_set(why, ERR_NOT_FOUND, "slot %u has no log", slot);
    }
    struct buf command = BUF_INIT;
    command_of_tomorrow(&command);
    struct row_entry entry = {
        .index = last + 1, .term = term, .kind = RAFT_ENTRY_DATA, .payload = buf_bytes(&command)};
    struct store_batch *batch = store_batch_new(store);
    store_put_entry(batch, slot, &entry);
    enum err err = store_write(store, batch, true, why);
    store_batch_free(batch);
    buf_done(&command);
    if (err == OK) {
        printf("%" PRIu64 "\n", entry.index);
    }
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: newer DATA_DIR SLOT\n");
        return 2;
    }
    struct store_options options;
    struct store *store = NULL;
    struct why why = {0};
    store_options_init(&options);
    options.dir = argv[1];
    options.read_only = true;
    enum err err = store_open(&options, &store, &why);
    if (err == OK) {
        struct store_identity identity = *store_identity(store);
        store_close(store);
        options.read_only = false;
        options.cluster_id = identity.cluster_id;
        options.node_id = identity.node_id;
        options.slot_count = identity.slot_count;
        err = store_open(&options, &store, &why);
    }
    err = err == OK ? put(store, (uint32_t)strtoul(argv[2], NULL, 10), &why) : err;
    if (err != OK) {
        (void)fprintf(stderr, "newer: %s\n", why.text);
        return 1;
    }
    store_close(store);
    return 0;
}
