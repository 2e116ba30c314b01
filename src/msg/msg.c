/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine's frame: the open batch, and which command goes where.
 *
 * Entries of any slots gather in one open batch; msg_apply_flush writes it, without sync, as one
 * WriteBatch together with the applied index and digest of each slot it touched. Invariants:
 *   - the effects of an entry and its applied index are in the same batch: whatever writes the
 *     open batch in the middle of an entry does it before that entry's first change;
 *   - the in-memory state (slots, heads, fresh dedup rows) is the state after the last entry
 *     applied; the store's is the state after the last flush;
 *   - what an entry reads from the store was not changed by the open batch: heads answer for what
 *     appends change, `fresh` for new dedup rows, and anything else writes the batch first. */
#include "msg/inner.h"

enum { CACHE_CHANNELS = 150000, BATCH_MAX_BYTES = 4 * 1024 * 1024 };

struct msg *msg_new(const struct msg_options *options)
{
    assert(options->store != NULL);
    assert(options->slot_count >= 1);
    assert(options->slot_count <= SLOTS_MAX);
    struct msg *msg = alloc_zero(sizeof(*msg));
    msg->store = options->store;
    msg->slot_count = options->slot_count;
    msg->cache_channels = options->cache_channels != 0 ? options->cache_channels : CACHE_CHANNELS;
    msg->batch_max_bytes =
        options->batch_max_bytes != 0 ? options->batch_max_bytes : BATCH_MAX_BYTES;
    msg->slots = alloc_array(msg->slot_count, sizeof(*msg->slots));
    msg->touched_slots = alloc_array(msg->slot_count, sizeof(*msg->touched_slots));
    msg->batch = store_batch_new(msg->store);
    msg->batch_no = 1;
    msg->heads = map_new();
    list_init(&msg->heads_lru);
    arena_init(&msg->fresh_arena);
    arena_init(&msg->arena);
    store_value_init(&msg->value);
    return msg;
}

static void forget_slots(struct msg *msg)
{
    for (uint32_t i = 0; i < msg->slot_count; i++) {
        free(msg->slots[i]);
        msg->slots[i] = NULL;
    }
    msg->touched_count = 0;
}

void msg_free(struct msg *msg)
{
    if (msg == NULL) {
        return;
    }
    forget_slots(msg);
    free(msg->slots);
    free(msg->touched_slots);
    store_batch_free(msg->batch);
    map_free(msg->heads, free);
    dedup_forget_fresh(msg);
    arena_done(&msg->fresh_arena);
    arena_done(&msg->arena);
    store_value_done(&msg->value);
    free(msg);
}

struct msg_result *msg_result_new(uint8_t kind)
{
    struct msg_result *result = alloc_zero(sizeof(*result));
    result->kind = kind;
    arena_init(&result->arena);
    return result;
}

void msg_result_free(struct msg_result *result)
{
    if (result == NULL) {
        return;
    }
    arena_done(&result->arena);
    free(result);
}

enum err msg_apply_flush(struct msg *msg, struct why *why)
{
    if (msg->touched_count == 0) {
        return OK;
    }
#ifdef LETHE_MUTANT_split_batch
    enum err first = store_write(msg->store, msg->batch, false, why);
    if (first != OK) {
        return first;
    }
#endif
    struct arena arena;
    arena_init(&arena);
    for (uint32_t i = 0; i < msg->touched_count; i++) {
        struct slot *slot = msg->slots[msg->touched_slots[i]];
        store_put_applied(msg->batch, slot->id, &slot->applied);
        if (slot->state_changed) {
            store_put_slot_value(msg->batch, slot->id, STORE_SLOT_STATE,
                                 slot_encode_state(slot, &arena));
        }
        slot->is_touched = false;
        slot->state_changed = false;
    }
    arena_done(&arena);
    msg->touched_count = 0;
    msg->batch_no++;
    dedup_forget_fresh(msg);
    return store_write(msg->store, msg->batch, false, why);
}

void msg_forget_cache(struct msg *msg)
{
    /* What is open would be lost without a trace. */
    assert(msg->touched_count == 0);
    heads_clear(msg);
    forget_slots(msg);
}

/* An entry's effects are in the open batch: its index is the slot's now. */
static enum err finish_entry(struct msg *msg, struct slot *slot, uint64_t index, uint64_t term,
                             struct why *why)
{
    slot->applied.index = index;
    slot->applied.term = term;
    slot_touch(msg, slot);
    if (store_batch_bytes(msg->batch) > msg->batch_max_bytes) {
        enum err err = msg_apply_flush(msg, why);
        if (err != OK) {
            return err;
        }
    }
    return heads_trim(msg, why);
}

static enum err run_command(struct msg *msg, struct slot *slot, const struct entry *entry,
                            struct why *why)
{
    switch ((enum command_kind)entry->command->kind) {
    case COMMAND_APPEND:
        return append_apply(msg, slot, entry, why);
    case COMMAND_DELETE:
        return delete_apply(msg, slot, entry, why);
    case COMMAND_DEDUP_GENERATION:
        return dedup_apply_generation(msg, slot, entry, why);
    case COMMAND_RAISE_FLOOR:
        return floor_apply(msg, slot, entry, why);
    case COMMAND_CHECK:
        return OK; /* the check itself runs outside, on a snapshot at this index */
    case COMMAND_SET_RETENTION:
        return retention_apply(msg, slot, entry, why);
    case COMMAND_MEMBERS:
        return members_apply(msg, slot, entry, why);
    }
    return why_set(why, ERR_WRONG_FORMAT, "command kind %u is not known", entry->command->kind);
}

static enum err apply_decoded(struct msg *msg, struct slot *slot, struct entry *entry,
                              struct msg_result **ret_result, struct why *why)
{
    if (ret_result != NULL) {
        entry->result = msg_result_new(entry->command->kind);
        entry->result->slot = slot->id;
        entry->result->log_index = entry->index;
        entry->result->term = entry->term;
    }
    enum err err = run_command(msg, slot, entry, why);
    if (err == OK) {
        err = finish_entry(msg, slot, entry->index, entry->term, why);
    }
    if (err != OK) {
        msg_result_free(entry->result);
        return err;
    }
    if (ret_result != NULL) {
        *ret_result = entry->result;
    }
    return OK;
}

enum err msg_apply(struct msg *msg, uint32_t slot_id, uint64_t index, uint64_t term,
                   struct bytes command, struct msg_result **ret_result, struct why *why)
{
    struct slot *slot;
    enum err err = slot_open(msg, slot_id, &slot, why);
    if (err != OK) {
        return err;
    }
    assert(index > slot->applied.index);
    arena_clear(&msg->arena);
    struct command decoded;
    err = command_decode(command, &msg->arena, &decoded, why);
    if (err == OK) {
        struct entry entry = {.index = index, .term = term, .command = &decoded};
        err = apply_decoded(msg, slot, &entry, ret_result, why);
    }
#ifdef LETHE_MUTANT_skip_unknown
    if (err == ERR_WRONG_FORMAT) {
        if (ret_result != NULL) {
            *ret_result = msg_result_new(0);
        }
        return finish_entry(msg, slot, index, term, why);
    }
#endif
    return err;
}

enum err msg_raise(struct msg *msg, uint32_t slot_id, uint64_t index, uint64_t term,
                   const struct msg_raise *raise, struct why *why)
{
    struct slot *slot;
    enum err err = slot_open(msg, slot_id, &slot, why);
    if (err != OK) {
        return err;
    }
    assert(index > slot->applied.index);
    arena_clear(&msg->arena);
    const struct command command = {.kind = COMMAND_DELETE,
                                    .time_ms = raise->time_ms,
                                    .delete_ = {.channel = raise->channel,
                                                .operator_name = raise->operator_name,
                                                .reason = raise->reason}};
    const struct entry entry = {.index = index, .term = term, .command = &command};
    err = delete_raise(msg, slot, &entry, raise->through_seq, why);
    return err == OK ? finish_entry(msg, slot, index, term, why) : err;
}

enum err msg_apply_nothing(struct msg *msg, uint32_t slot_id, uint64_t index, uint64_t term,
                           struct why *why)
{
    struct slot *slot;
    enum err err = slot_open(msg, slot_id, &slot, why);
    if (err != OK) {
        return err;
    }
    assert(index > slot->applied.index);
    return finish_entry(msg, slot, index, term, why);
}
