/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND: messages get their seq.
 *
 * An entry holds parts (one channel each, in order) of messages. Two phases, because all effects
 * of an entry must be in one batch:
 *
 *   look up   heads of all parts and the dedup rows of all messages with a client_msg_no. Only here
 *             rows are read, and the open batch of earlier entries may be written.
 *   store     nothing is read from the store, nothing can fail.
 *
 * Order of verdicts for a message: a known client_msg_no wins (the first result again, or
 * CLIENT_MSG_NO_REUSED for another payload), so that a retry is answered the same whatever its
 * expected_last_seq says by now; then SEQ_MISMATCH of its part, judged by the state before the part;
 * then it is stored. In an atomic command one bad message stops all: it has its own error, those
 * that would have been stored get BATCH_FAILED, duplicates of stored messages keep their result.
 *
 * A timestamp is the command's time, or the channel's last one when that is later: timestamps never
 * fall within a channel. Nothing here looks at a clock. */
#include "msg/inner.h"

#ifdef LETHE_MUTANT_apply_clock
#include <time.h>
#endif

struct plan_part {
    struct head *head;
    bool mismatch; /* expected_last_seq does not hold */
};

/* What phase one found about a message. */
struct plan_message {
    struct dedup_hit hit;
    bool reused; /* hit, but with another payload */
};

struct plan {
    struct plan_part *parts;
    struct plan_message *messages; /* NULL: no message has a client_msg_no */
    uint32_t messages_count;
    uint32_t named_count;              /* messages with a client_msg_no */
    struct msg_append_result *results; /* in the entry's result, or in msg->arena */
};

static bool is_named(const struct command_message *message)
{
    return message->client_msg_no.len != 0;
}

static bool is_reused(const struct row_dedup *row, const struct command_message *message)
{
    return !hash128_is_equal(row->request, dedup_request_hash(message->payload));
}

static void plan_count(const struct command_append *append, struct plan *plan)
{
    for (uint32_t p = 0; p < append->parts_count; p++) {
        plan->messages_count += append->parts[p].messages_count;
        for (uint32_t m = 0; m < append->parts[p].messages_count; m++) {
            plan->named_count += is_named(&append->parts[p].messages[m]);
        }
    }
}

/* Phase one. */
static enum err look_up(struct msg *msg, struct slot *slot, const struct command_append *append,
                        struct plan *plan, struct why *why)
{
    uint32_t position = 0;
    for (uint32_t p = 0; p < append->parts_count; p++) {
        const struct command_part *part = &append->parts[p];
        struct head *head;
        enum err err = head_get(msg, slot, part->channel, &head, why);
        if (err != OK) {
            return err;
        }
        plan->parts[p].head = head;
        for (uint32_t m = 0; m < part->messages_count; m++, position++) {
            const struct command_message *message = &part->messages[m];
            if (!is_named(message)) {
                continue;
            }
            struct plan_message *planned = &plan->messages[position];
            err = dedup_find(msg, slot, head, message, &planned->hit, why);
            if (err != OK) {
                return err;
            }
            planned->reused = planned->hit.found && is_reused(&planned->hit.row, message);
        }
    }
    return OK;
}

static uint64_t timestamp_for(const struct head *head, uint64_t time_ms)
{
#ifdef LETHE_MUTANT_apply_clock
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#endif
    return time_ms > head->last_timestamp_ms ? time_ms : head->last_timestamp_ms;
}

static void set_duplicate(struct msg_append_result *result, uint32_t slot,
                          const struct row_dedup *row, bool deleted)
{
    result->seq = row->seq;
    result->message_id = message_id_of(slot, row->log_index, row->position);
    result->timestamp_ms = row->timestamp_ms;
    result->log_index = row->log_index;
    result->duplicate = true;
    result->deleted = deleted;
}

static void store_message(struct msg *msg, struct slot *slot, struct head *head,
                          const struct entry *entry, const struct command_message *message,
                          uint32_t position, struct msg_append_result *result)
{
    if (!head->exists) {
        head->row.created_ms = entry->command->time_ms;
        head_put_row(msg, slot, head, entry->index);
    }
    struct row_message row = {
        .message_id = message_id_of(slot->id, entry->index, position),
        .timestamp_ms = timestamp_for(head, entry->command->time_ms),
        .from_uid = message->from_uid,
        .client_msg_no = message->client_msg_no,
        .payload = message->payload,
        .payload_encoding = message->payload_encoding,
        .header = {message->header[0], message->header[1], message->header[2]},
        .setting = message->setting,
        .expire_s = message->expire_s,
        .topic = message->topic,
    };
    static_assert((int)MESSAGE_SALT_BYTES == (int)COMMAND_SALT_BYTES,
                  "a salt is copied as it came");
    memcpy(row.salt, message->salt, sizeof(row.salt));
    uint64_t seq = head->last_seq + 1;
    struct hash128 hash = row_message_hash(slot->id, head->channel, seq, &row);
    row.totals.bytes = head->totals.bytes + message->payload.len;
    row.totals.digest = hash128_add(head->totals.digest, hash);
    store_put_message(msg->batch, slot->id, head->channel, seq, &row);
    slot_add(slot, hash);
    head->last_seq = seq;
    head->last_timestamp_ms = row.timestamp_ms;
    head->totals = row.totals;
    head_touch(msg, head);
    if (is_named(message)) {
        struct row_dedup dedup = {.seq = seq,
                                  .log_index = entry->index,
                                  .timestamp_ms = row.timestamp_ms,
                                  .position = position,
                                  .request = dedup_request_hash(message->payload)};
        dedup_put(msg, slot, head->channel, message, &dedup);
    }
    result->seq = seq;
    result->message_id = row.message_id;
    result->timestamp_ms = row.timestamp_ms;
    result->log_index = entry->index;
}

/* Phase two for one message. */
static void settle_message(struct msg *msg, struct slot *slot, const struct entry *entry,
                           const struct plan *plan, const struct plan_part *part,
                           const struct command_message *message, uint32_t position)
{
    struct msg_append_result *result = &plan->results[position];
    if (is_named(message)) {
        struct plan_message *planned = &plan->messages[position];
        /* Its twin may be in this very command. */
        if (!planned->hit.found && plan->named_count > 1 &&
            dedup_find_fresh(msg, slot->id, part->head->channel, message, &planned->hit.row)) {
            planned->hit.found = true;
            planned->reused = is_reused(&planned->hit.row, message);
        }
        if (planned->reused) {
            result->err = ERR_CLIENT_MSG_NO_REUSED;
            return;
        }
        if (planned->hit.found) {
            set_duplicate(result, slot->id, &planned->hit.row, planned->hit.deleted);
            return;
        }
    }
    if (part->mismatch) {
        result->err = ERR_SEQ_MISMATCH;
        return;
    }
    store_message(msg, slot, part->head, entry, message, position, result);
}

static bool judge_expected(const struct command_part *part, const struct head *head)
{
    return part->has_expected_last_seq && part->expected_last_seq != head->last_seq;
}

static void settle(struct msg *msg, struct slot *slot, const struct entry *entry,
                   const struct plan *plan)
{
    const struct command_append *append = &entry->command->append;
    uint32_t position = 0;
    for (uint32_t p = 0; p < append->parts_count; p++) {
        const struct command_part *part = &append->parts[p];
        struct plan_part *planned = &plan->parts[p];
        planned->mismatch = judge_expected(part, planned->head);
        for (uint32_t m = 0; m < part->messages_count; m++, position++) {
            settle_message(msg, slot, entry, plan, planned, &part->messages[m], position);
        }
    }
}

/* Whether the same client_msg_no stands in the command before, with another payload. Commands are
 * bounded (ENTRY_MESSAGES_MAX), and only named, not yet known messages are compared by name. */
static bool is_reused_inside(struct map *seen, struct channel channel,
                             const struct command_message *message)
{
    struct buf key = BUF_INIT;
    buf_put_u8(&key, channel.type);
    buf_put_block(&key, channel.id);
    buf_put_block(&key, message->from_uid);
    buf_append_bytes(&key, message->client_msg_no);
    const struct command_message *first = map_find(seen, buf_bytes(&key));
    bool reused = first != NULL && !bytes_is_equal(first->payload, message->payload);
    if (first == NULL) {
        map_put(seen, buf_bytes(&key), (void *)(uintptr_t)message);
    }
    buf_done(&key);
    return reused;
}

/* The atomic rule: sets the errors and returns false when one message stops all. */
static bool judge_atomic(const struct command_append *append, const struct plan *plan)
{
    bool fine = true;
    uint32_t position = 0;
    struct map *seen = plan->named_count > 1 ? map_new() : NULL;
    for (uint32_t p = 0; p < append->parts_count; p++) {
        const struct command_part *part = &append->parts[p];
        bool mismatch = judge_expected(part, plan->parts[p].head);
        for (uint32_t m = 0; m < part->messages_count; m++, position++) {
            const struct command_message *message = &part->messages[m];
            const struct plan_message *planned =
                is_named(message) ? &plan->messages[position] : NULL;
            bool known = planned != NULL && planned->hit.found;
            bool reused = known ? planned->reused
                                : planned != NULL && seen != NULL &&
                                      is_reused_inside(seen, part->channel, message);
            enum err err = reused     ? ERR_CLIENT_MSG_NO_REUSED
                           : known    ? OK
                           : mismatch ? ERR_SEQ_MISMATCH
                                      : OK;
            plan->results[position].err = err;
            fine = fine && err == OK;
        }
    }
    map_free(seen, NULL);
    return fine;
}

static void fail_atomic(uint32_t slot, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->messages_count; i++) {
        struct msg_append_result *result = &plan->results[i];
        if (result->err != OK) {
            continue;
        }
        if (plan->messages != NULL && plan->messages[i].hit.found) {
            const struct dedup_hit *hit = &plan->messages[i].hit;
            set_duplicate(result, slot, &hit->row, hit->deleted);
        } else {
            result->err = ERR_BATCH_FAILED;
        }
    }
}

static void set_last_seqs(const struct command_append *append, const struct plan *plan)
{
    uint32_t position = 0;
    for (uint32_t p = 0; p < append->parts_count; p++) {
        for (uint32_t m = 0; m < append->parts[p].messages_count; m++) {
            plan->results[position++].last_seq = plan->parts[p].head->last_seq;
        }
    }
}

enum err append_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                      struct why *why)
{
    const struct command_append *append = &entry->command->append;
    struct plan plan = {0};
    plan_count(append, &plan);
    if (plan.messages_count == 0 || plan.messages_count > ENTRY_MESSAGES_MAX) {
        return why_set(why, ERR_BAD_FORMAT, "an append of %u messages, 1 to %d are possible",
                       plan.messages_count, ENTRY_MESSAGES_MAX);
    }
    struct arena *arena = entry->result != NULL ? &entry->result->arena : &msg->arena;
    plan.results = arena_zero(arena, plan.messages_count * sizeof(*plan.results));
    plan.parts = arena_zero(&msg->arena, append->parts_count * sizeof(*plan.parts));
    if (plan.named_count > 0) {
        plan.messages = arena_zero(&msg->arena, plan.messages_count * sizeof(*plan.messages));
    }
    enum err err = look_up(msg, slot, append, &plan, why);
    if (err != OK) {
        return err;
    }
    bool atomic = (entry->command->flags & COMMAND_ATOMIC) != 0;
    if (atomic && !judge_atomic(append, &plan)) {
        fail_atomic(slot->id, &plan);
    } else {
        settle(msg, slot, entry, &plan);
    }
    if (entry->result != NULL) {
        set_last_seqs(append, &plan);
        entry->result->appends = plan.results;
        entry->result->appends_count = plan.messages_count;
    }
    return OK;
}
