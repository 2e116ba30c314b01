/* SPDX-License-Identifier: Apache-2.0 */
/* Once only: dedup rows and their generations.
 *
 * A message with a client_msg_no leaves a dedup row (seq, log index, position, digest of the
 * payload) under (generation, channel, from_uid, client_msg_no). The row does not die with its
 * message: a retry of a deleted message finds it and is answered `duplicate` and `deleted`, and
 * stores nothing. New rows go into the newest generation, a lookup probes all live ones, newest
 * first; a DEDUP_GENERATION command starts a new one and drops each whose successor began at least
 * a window before the command's time: then all of its rows are older than the window.
 *
 * Rows put by the open batch are not in the store yet: `fresh` holds them until it is written, so
 * that a retry close behind its first try costs no write of the batch. */
#include "msg/inner.h"

struct fresh_dedup {
    struct row_dedup row;
};

struct hash128 dedup_request_hash(struct bytes payload)
{
    return hash128_of(payload, MSG_KEY_REQUEST);
}

/* Lengths first, so that no two different keys look alike. */
static struct bytes fresh_key(struct buf *space, uint32_t slot, struct channel channel,
                              const struct command_message *message)
{
    buf_put_le32(space, slot);
    buf_put_u8(space, channel.type);
    buf_put_block(space, channel.id);
    buf_put_block(space, message->from_uid);
    buf_append_bytes(space, message->client_msg_no);
    return buf_bytes(space);
}

bool dedup_find_fresh(const struct msg *msg, uint32_t slot, struct channel channel,
                      const struct command_message *message, struct row_dedup *ret)
{
    if (msg->fresh == NULL) {
        return false;
    }
    struct buf space = BUF_INIT;
    const struct fresh_dedup *fresh =
        map_find(msg->fresh, fresh_key(&space, slot, channel, message));
    buf_done(&space);
    if (fresh == NULL) {
        return false;
    }
    *ret = fresh->row;
    return true;
}

void dedup_put(struct msg *msg, struct slot *slot, struct channel channel,
               const struct command_message *message, const struct row_dedup *row)
{
    struct generation *newest = &slot->generations[slot->generations_count - 1];
    struct hash128 hash = row_dedup_hash(slot->id, newest->id, channel, message->from_uid,
                                         message->client_msg_no, row);
    newest->rows++;
    newest->digest = hash128_add(newest->digest, hash);
    slot->state_changed = true;
    slot_add(slot, hash);
    store_put_dedup(msg->batch, slot->id, newest->id, channel, message->from_uid,
                    message->client_msg_no, row);
    if (msg->fresh == NULL) {
        msg->fresh = map_new();
    }
    struct fresh_dedup *fresh = arena_alloc(&msg->fresh_arena, sizeof(*fresh));
    fresh->row = *row;
    struct buf space = BUF_INIT;
    void *old = map_put(msg->fresh, fresh_key(&space, slot->id, channel, message), fresh);
    assert(old == NULL);
    buf_done(&space);
}

void dedup_forget_fresh(struct msg *msg)
{
    map_free(msg->fresh, NULL);
    msg->fresh = NULL;
    arena_clear(&msg->fresh_arena);
}

static enum err find_stored(struct msg *msg, struct slot *slot, struct channel channel,
                            const struct command_message *message, struct dedup_hit *ret,
                            struct why *why)
{
    for (uint32_t i = slot->generations_count; i-- > 0;) {
        if (slot->generations[i].rows == 0) {
            continue;
        }
        enum err err = store_get_dedup(msg->store, NULL, slot->id, slot->generations[i].id, channel,
                                       message->from_uid, message->client_msg_no, &ret->row);
        if (err == OK) {
            ret->found = true;
            return OK;
        }
        if (err != ERR_NOT_FOUND) {
            return why_set(why, err, "cannot read a dedup row of slot %u", slot->id);
        }
    }
    return OK;
}

/* Whether the message a dedup row names was deleted since. */
static enum err find_deleted(struct msg *msg, struct head *head, struct dedup_hit *hit,
                             struct why *why)
{
    if (head->row.deleted_count == 0) {
        return OK;
    }
    if (head->deleted_batch_no == msg->batch_no) {
        enum err err = msg_apply_flush(msg, why);
        if (err != OK) {
            return err;
        }
    }
    struct row_deleted interval;
    enum err err = store_find_deleted_before(msg->store, NULL, head->slot, head->channel,
                                             hit->row.seq, &interval);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return why_set(why, err, "cannot read a deleted interval of slot %u", head->slot);
    }
    hit->deleted = interval.end >= hit->row.seq;
    return OK;
}

enum err dedup_find(struct msg *msg, struct slot *slot, struct head *head,
                    const struct command_message *message, struct dedup_hit *ret, struct why *why)
{
    *ret = (struct dedup_hit){0};
    ret->found = dedup_find_fresh(msg, slot->id, head->channel, message, &ret->row);
    if (!ret->found) {
        enum err err = find_stored(msg, slot, head->channel, message, ret, why);
        if (err != OK) {
            return err;
        }
    }
    if (!ret->found) {
        return OK;
    }
    enum err err = find_deleted(msg, head, ret, why);
#ifdef LETHE_MUTANT_dedup_dies
    if (ret->deleted) {
        *ret = (struct dedup_hit){0};
    }
#endif
    return err;
}

static void put_generations(struct msg *msg, struct slot *slot, struct hash128 old_hash)
{
    if (slot->has_generations_row) {
        slot_sub(slot, old_hash);
    }
    slot->has_generations_row = true;
    struct bytes value = slot_encode_generations(slot, &msg->arena);
    slot_add(slot, slot_value_hash(slot->id, STORE_SLOT_GENERATIONS, value));
    store_put_slot_value(msg->batch, slot->id, STORE_SLOT_GENERATIONS, value);
    slot->state_changed = true;
}

/* Drops generations whose successor began by `before_ms`. Returns how many rows went. */
static uint64_t drop_generations(struct msg *msg, struct slot *slot, uint64_t before_ms)
{
    uint64_t removed = 0;
    uint32_t drop = 0;
    while (drop + 1 < slot->generations_count &&
           slot->generations[drop + 1].started_ms <= before_ms) {
        const struct generation *old = &slot->generations[drop++];
        if (old->rows != 0) {
            store_remove_dedup_generation(msg->batch, slot->id, old->id);
            slot_sub(slot, old->digest);
            removed += old->rows;
        }
    }
    slot->generations_count -= drop;
    memmove(slot->generations, slot->generations + drop,
            slot->generations_count * sizeof(slot->generations[0]));
    return removed;
}

enum err dedup_apply_generation(struct msg *msg, struct slot *slot, const struct entry *entry,
                                struct why *why)
{
    /* Rows of a generation that goes may be in the open batch, and `fresh` must not answer for
     * them. Generations are rare. */
    enum err err = msg_apply_flush(msg, why);
    if (err != OK) {
        return err;
    }
    struct hash128 old_hash = slot_value_hash(slot->id, STORE_SLOT_GENERATIONS,
                                              slot_encode_generations(slot, &msg->arena));
    uint64_t time_ms = entry->command->time_ms;
    uint64_t window_ms = entry->command->dedup_generation.window_ms;
    uint64_t removed = 0;
    if (time_ms >= window_ms) {
        removed = drop_generations(msg, slot, time_ms - window_ms);
    }
    /* At the bound the newest one just goes on: its rows live longer, never shorter. */
    if (slot->generations_count < MSG_GENERATIONS_MAX) {
        uint64_t started_ms = slot->generations[slot->generations_count - 1].started_ms;
        slot->generations[slot->generations_count++] = (struct generation){
            .id = entry->index, .started_ms = time_ms > started_ms ? time_ms : started_ms};
    }
    put_generations(msg, slot, old_hash);
    if (entry->result != NULL) {
        entry->result->removed = removed;
    }
    return OK;
}
