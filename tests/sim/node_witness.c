/* SPDX-License-Identifier: Apache-2.0 */
/* What is applied anywhere comes here in the order of each slot's log, because a node applies in
 * that order and the first one to reach an index moves the model on. A message keeps the index that
 * appended it and the one that deleted it, so the model answers for any index of the past. */
#include "node_witness.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "node_clients.h"

static uint64_t log_key(slot_id slot, raft_term term, raft_index index)
{
    return ((uint64_t)slot << 56) | (term << 28) | index;
}

struct witness *witness_new(struct world *world)
{
    struct witness *witness = alloc_zero(sizeof(*witness));
    witness->world = world;
    witness->log = map_new();
    witness->leaders = map_new();
    arena_init(&witness->arena);
    for (slot_id i = 0; i < WORLD_SLOTS_MAX; i++)
        witness->slots[i].generations_count = 1;
    return witness;
}

void witness_free(struct witness *witness)
{
    for (slot_id i = 0; i < WORLD_SLOTS_MAX; i++) {
        struct witness_slot *slot = &witness->slots[i];
        for (uint32_t c = 0; c < slot->channels_count; c++)
            free(slot->channels[c].messages);
        free(slot->entries);
        free(slot->dedup);
        free(slot->records);
    }
    map_free(witness->log, NULL);
    map_free(witness->leaders, NULL);
    arena_done(&witness->arena);
    free(witness);
}

static void *room_for_one(void *array, uint64_t count, uint64_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    uint64_t more = *capacity * 2 > count + 64 ? *capacity * 2 : count + 64;
    array = alloc_resize(array, more, size);
    memset((char *)array + *capacity * size, 0, (more - *capacity) * size);
    *capacity = more;
    return array;
}

struct witness_entry *witness_at(struct witness *witness, slot_id slot, uint64_t index)
{
    struct witness_slot *at = &witness->slots[slot];
    at->entries = room_for_one(at->entries, index, &at->capacity, sizeof(*at->entries));
    return &at->entries[index];
}

uint64_t witness_hash(uint8_t kind, struct bytes payload)
{
    /* A CONFIG may travel decoded. 0 means that nothing is known, so no hash is 0. */
    return kind == RAFT_ENTRY_CONFIG ? 3 : (hash64_of(payload, kind) & ~(uint64_t)7) | 1;
}

void witness_saw(struct witness *witness, slot_id slot, struct raft_pos pos, uint64_t hash)
{
    uint64_t key = log_key(slot, pos.term, pos.index);
    void *before = map_find_u64(witness->log, key);
    if (before == NULL)
        (void)map_put_u64(witness->log, key, (void *)(uintptr_t)hash);
    else if ((uint64_t)(uintptr_t)before != hash)
        world_fail(witness->world, "I3: slot %u has two entries at (%llu, %llu)", slot,
                   LLU(pos.index), LLU(pos.term));
}

/* ---- the model ------------------------------------------------------------------------------------ */
struct witness_channel *witness_channel(struct witness *witness, slot_id slot, struct channel name)
{
    struct witness_slot *at = &witness->slots[slot];
    for (uint32_t i = 0; i < at->channels_count; i++) {
        if (channel_is_equal(at->channels[i].name, name))
            return &at->channels[i];
    }
    return NULL;
}

static struct witness_channel *channel_made(struct witness *witness, slot_id slot,
                                            struct channel name)
{
    struct witness_channel *channel = witness_channel(witness, slot, name);
    struct witness_slot *at = &witness->slots[slot];
    if (channel != NULL)
        return channel;
    assert(at->channels_count < WITNESS_CHANNELS_MAX);
    channel = &at->channels[at->channels_count++];
    channel->name = (struct channel){.type = name.type, .id = arena_copy(&witness->arena, name.id)};
    return channel;
}

static const struct witness_dedup *find_dedup(const struct witness_slot *slot,
                                              const struct witness_channel *channel,
                                              const struct command_message *message)
{
    for (size_t i = 0; message->client_msg_no.len > 0 && i < slot->dedup_count; i++) {
        const struct witness_dedup *dedup = &slot->dedup[i];
        if (dedup->channel == channel && bytes_is_equal(dedup->from_uid, message->from_uid) &&
            bytes_is_equal(dedup->client_msg_no, message->client_msg_no))
            return dedup;
    }
    return NULL;
}

static void model_append(struct witness *witness, slot_id slot, struct witness_channel *channel,
                         uint64_t index, uint32_t position, uint64_t time_ms,
                         const struct command_message *from)
{
    channel->messages = room_for_one(channel->messages, channel->last_seq, &channel->capacity,
                                     sizeof(*channel->messages));
    if (time_ms > channel->last_timestamp_ms)
        channel->last_timestamp_ms = time_ms;
    struct witness_message *message = &channel->messages[channel->last_seq++];
    *message = (struct witness_message){
        .append_index = index,
        .id = message_id_of(slot, index, position),
        .timestamp_ms = channel->last_timestamp_ms,
        .payload = arena_copy(&witness->arena, from->payload),
        .from_uid = arena_copy(&witness->arena, from->from_uid),
        .client_msg_no = arena_copy(&witness->arena, from->client_msg_no),
    };
    if (from->client_msg_no.len == 0)
        return;
    struct witness_slot *at = &witness->slots[slot];
    uint64_t capacity = at->dedup_capacity;
    at->dedup = room_for_one(at->dedup, at->dedup_count, &capacity, sizeof(*at->dedup));
    at->dedup_capacity = capacity;
    at->dedup[at->dedup_count++] =
        (struct witness_dedup){.channel = channel,
                               .from_uid = message->from_uid,
                               .client_msg_no = message->client_msg_no,
                               .payload = message->payload,
                               .seq = channel->last_seq,
                               .log_index = index,
                               .timestamp_ms = message->timestamp_ms,
                               .generation = at->generations[at->generations_count - 1],
                               .position = position};
}

static void apply_message(struct witness *witness, slot_id slot, struct witness_channel *channel,
                          uint64_t index, uint32_t position, uint64_t time_ms, bool is_mismatch,
                          const struct command_message *message, struct msg_append_result *ret)
{
    const struct witness_dedup *dedup = find_dedup(&witness->slots[slot], channel, message);
    if (dedup != NULL && !bytes_is_equal(dedup->payload, message->payload)) {
        ret->err = ERR_CLIENT_MSG_NO_REUSED;
    } else if (dedup != NULL) {
        const struct witness_message *first = &channel->messages[dedup->seq - 1];
        *ret = (struct msg_append_result){.seq = dedup->seq,
                                          .message_id = first->id,
                                          .timestamp_ms = dedup->timestamp_ms,
                                          .log_index = dedup->log_index,
                                          .duplicate = true,
                                          .deleted = first->delete_index != 0};
    } else if (is_mismatch) {
        ret->err = ERR_SEQ_MISMATCH;
    } else {
        model_append(witness, slot, channel, index, position, time_ms, message);
        const struct witness_message *stored = &channel->messages[channel->last_seq - 1];
        *ret = (struct msg_append_result){.seq = channel->last_seq,
                                          .message_id = stored->id,
                                          .timestamp_ms = stored->timestamp_ms,
                                          .log_index = index};
    }
}

static void apply_append(struct witness *witness, slot_id slot, uint64_t index,
                         const struct command *command)
{
    const struct command_append *append = &command->append;
    struct witness_entry *entry = witness_at(witness, slot, index);
    uint32_t position = 0, count = 0;
    for (uint32_t p = 0; p < append->parts_count; p++)
        count += append->parts[p].messages_count;
    entry->appends = arena_zero(&witness->arena, count * sizeof(*entry->appends));
    entry->appends_count = count;
    for (uint32_t p = 0; p < append->parts_count; p++) {
        const struct command_part *part = &append->parts[p];
        struct witness_channel *channel = channel_made(witness, slot, part->channel);
        bool is_mismatch =
            part->has_expected_last_seq && part->expected_last_seq != channel->last_seq;
        for (uint32_t m = 0; m < part->messages_count; m++, position++) {
            clients_applied(witness->world->clients, slot, index, &part->messages[m]);
            apply_message(witness, slot, channel, index, position, command->time_ms, is_mismatch,
                          &part->messages[m], &entry->appends[position]);
        }
    }
}

static uint64_t first_visible(const struct witness_channel *channel, uint64_t index)
{
    for (uint64_t seq = 1; seq <= channel->last_seq; seq++) {
        const struct witness_message *message = &channel->messages[seq - 1];
        if (message->append_index <= index &&
            (message->delete_index == 0 || message->delete_index > index))
            return seq;
    }
    return 0;
}

static void apply_delete(struct witness *witness, slot_id slot, uint64_t index,
                         const struct command *command)
{
    const struct command_delete *delete_ = &command->delete_;
    struct witness_entry *entry = witness_at(witness, slot, index);
    struct msg_delete_result *result = &entry->deleted;
    struct witness_channel *channel = witness_channel(witness, slot, delete_->channel);
    uint64_t last_seq = channel == NULL ? 0 : channel->last_seq;
    /* Nobody sent what a channel's limits delete. */
    if (!bytes_is_equal(delete_->operator_name, bytes_of_string("retention")))
        clients_applied_delete(witness->world->clients, slot, index, delete_->request_id);
    result->last_seq = last_seq;
    for (uint32_t i = 0; i < delete_->ranges_count; i++) {
        if (delete_->ranges[i].end > last_seq && (command->flags & COMMAND_CLAMP) == 0) {
            result->err = ERR_END_BEYOND_LAST;
            return;
        }
    }
    for (uint32_t i = 0; i < delete_->ranges_count; i++) {
        for (uint64_t seq = delete_->ranges[i].start;
             seq <= delete_->ranges[i].end && seq <= last_seq; seq++) {
            struct witness_message *message = &channel->messages[seq - 1];
            result->already_deleted += message->delete_index != 0;
            result->deleted_count += message->delete_index == 0;
            if (message->delete_index == 0)
                message->delete_index = index;
            result->logged = true;
        }
    }
    if (!result->logged)
        return;
    struct witness_slot *at = &witness->slots[slot];
    uint64_t capacity = at->records_capacity;
    at->records = room_for_one(at->records, at->records_count, &capacity, sizeof(*at->records));
    at->records_capacity = capacity;
    at->records[at->records_count++] = (struct witness_record){index, result->deleted_count};
    result->first_seq = first_visible(channel, index);
}

/* A generation goes when its successor began at least a window before the command's time. */
static void apply_generation(struct witness_slot *slot, uint64_t index,
                             const struct command *command)
{
    uint64_t window_ms = command->dedup_generation.window_ms;
    while (slot->generations_count > 1 && slot->started_ms[1] + window_ms <= command->time_ms) {
        size_t kept = 0;
        for (size_t i = 0; i < slot->dedup_count; i++) {
            if (slot->dedup[i].generation != slot->generations[0])
                slot->dedup[kept++] = slot->dedup[i];
        }
        slot->dedup_count = kept;
        slot->generations_count--;
        memmove(slot->generations, slot->generations + 1,
                slot->generations_count * sizeof(slot->generations[0]));
        memmove(slot->started_ms, slot->started_ms + 1,
                slot->generations_count * sizeof(slot->started_ms[0]));
    }
    if (slot->generations_count == WITNESS_GENERATIONS_MAX)
        return;
    uint64_t previous_ms = slot->started_ms[slot->generations_count - 1];
    slot->generations[slot->generations_count] = index;
    slot->started_ms[slot->generations_count++] =
        command->time_ms > previous_ms ? command->time_ms : previous_ms;
}

static void model_apply(struct witness *witness, slot_id slot, uint64_t index, struct bytes payload)
{
    struct command command;
    struct arena arena;
    struct why why = {0};
    arena_init(&arena);
    if (command_decode(payload, &arena, &command, &why) != OK) {
        world_fail(witness->world, "I5: slot %u index %llu: not a command: %s", slot, LLU(index),
                   why.text);
    } else if (command.kind == COMMAND_APPEND) {
        apply_append(witness, slot, index, &command);
    } else if (command.kind == COMMAND_DELETE) {
        apply_delete(witness, slot, index, &command);
    } else if (command.kind == COMMAND_DEDUP_GENERATION) {
        apply_generation(&witness->slots[slot], index, &command);
    }
    arena_done(&arena);
}

void witness_apply(struct witness *witness, node_id node, slot_id slot, const struct row_entry *row)
{
    struct witness_slot *at = &witness->slots[slot];
    struct witness_entry *entry = witness_at(witness, slot, row->index);
    uint64_t hash = witness_hash(row->kind, row->payload);
    witness_saw(witness, slot, (struct raft_pos){row->term, row->index}, hash);
    if (entry->is_applied) {
        if (entry->term != row->term || entry->hash != hash)
            world_fail(witness->world,
                       "I5: node %llu applied another command at slot %u index %llu", LLU(node),
                       slot, LLU(row->index));
        return;
    }
    if (row->index != at->applied + 1) {
        world_fail(witness->world, "I5: node %llu applied slot %u index %llu after %llu", LLU(node),
                   slot, LLU(row->index), LLU(at->applied));
        return;
    }
    *entry = (struct witness_entry){.is_applied = true,
                                    .kind = row->kind,
                                    .term = row->term,
                                    .committed_by = entry->committed_by,
                                    .committed_term = entry->committed_term,
                                    .hash = hash};
    at->applied = row->index;
    world_note(witness->world, "slot %u applies %llu:%llu first on %llu", slot, LLU(row->index),
               LLU(row->term), LLU(node));
    if (row->kind == RAFT_ENTRY_DATA)
        model_apply(witness, slot, row->index, row->payload);
}

void witness_digest(struct witness *witness, node_id node, slot_id slot, uint64_t index,
                    struct hash128 digest)
{
    if (index == 0)
        return;
    struct witness_entry *entry = witness_at(witness, slot, index);
    if (entry->has_digest && !hash128_is_equal(entry->digest, digest))
        world_fail(witness->world, "I12: node %llu differs from others at slot %u index %llu",
                   LLU(node), slot, LLU(index));
    entry->has_digest = true;
    entry->digest = digest;
}

/* ---- what is shown ------------------------------------------------------------------------------------ */
static bool page_message_fits(const struct witness_message *want, const struct msg_message *got)
{
    return got->message_id == want->id && got->timestamp_ms == want->timestamp_ms &&
           bytes_is_equal(got->payload, want->payload) &&
           bytes_is_equal(got->from_uid, want->from_uid) &&
           bytes_is_equal(got->client_msg_no, want->client_msg_no);
}

static bool page_says_deleted(const struct msg_page *page, uint64_t seq)
{
    for (uint32_t i = 0; i < page->deleted_count; i++) {
        if (seq >= page->deleted[i].start && seq <= page->deleted[i].end)
            return true;
    }
    return false;
}

void witness_page(struct witness *witness, node_id node, slot_id slot, struct channel name,
                  const struct msg_page *page)
{
    static const struct witness_channel none;
    struct world *world = witness->world;
    const struct witness_channel *channel = witness_channel(witness, slot, name);
    uint64_t at = page->applied_index, last_seq = 0, shown = 0, newest_ms = 0;
    if (channel == NULL)
        channel = &none;
    if (at > witness->slots[slot].applied)
        world_fail(world, "I5: node %llu shows index %llu, which nobody applied", LLU(node),
                   LLU(at));
    while (last_seq < channel->last_seq && channel->messages[last_seq].append_index <= at)
        last_seq++;
    if (page->last_seq != last_seq)
        world_fail(world, "I16: node %llu says last_seq %llu instead of %llu at index %llu",
                   LLU(node), LLU(page->last_seq), LLU(last_seq), LLU(at));
    for (uint64_t seq = 1; seq <= last_seq; seq++) {
        if (page->more && shown == page->messages_count)
            break; /* what is behind it is another page's */
        const struct witness_message *want = &channel->messages[seq - 1];
        bool is_deleted = want->delete_index != 0 && want->delete_index <= at;
        bool is_shown = shown < page->messages_count && page->messages[shown].seq == seq;
        if (is_deleted && is_shown)
            world_fail(world, "I18: node %llu shows seq %llu at index %llu, deleted by %llu",
                       LLU(node), LLU(seq), LLU(at), LLU(want->delete_index));
        else if (!is_deleted && !is_shown)
            world_fail(world, "I19: node %llu does not show seq %llu at index %llu", LLU(node),
                       LLU(seq), LLU(at));
        else if (is_shown && !page_message_fits(want, &page->messages[shown]))
            world_fail(world, "I12: node %llu shows another message as seq %llu", LLU(node),
                       LLU(seq));
        if (is_deleted != page_says_deleted(page, seq))
            world_fail(world, "I20: node %llu does not explain seq %llu at index %llu", LLU(node),
                       LLU(seq), LLU(at));
        if (is_shown && page->messages[shown].timestamp_ms < newest_ms)
            world_fail(world, "I17: node %llu shows seq %llu as older than the one before it",
                       LLU(node), LLU(seq));
        if (is_shown)
            newest_ms = page->messages[shown++].timestamp_ms;
    }
    if (shown != page->messages_count)
        world_fail(world, "I19: node %llu shows %u messages instead of %llu at index %llu",
                   LLU(node), page->messages_count, LLU(shown), LLU(at));
    if (page->first_seq != first_visible(channel, at))
        world_fail(world, "I15: node %llu says first_seq %llu at index %llu", LLU(node),
                   LLU(page->first_seq), LLU(at));
}

static bool append_fits(const struct msg_append_result *want, const struct msg_append_result *got)
{
    return want->err == got->err &&
           (want->err != OK ||
            (want->seq == got->seq && want->message_id == got->message_id &&
             want->timestamp_ms == got->timestamp_ms && want->log_index == got->log_index &&
             want->duplicate == got->duplicate && want->deleted == got->deleted));
}

void witness_result(struct witness *witness, slot_id slot, const struct msg_result *result,
                    uint64_t op)
{
    struct world *world = witness->world;
    if (result->log_index > witness->slots[slot].applied) {
        world_fail(world, "I35: op %llu was answered with index %llu, which nobody applied",
                   LLU(op), LLU(result->log_index));
        return;
    }
    const struct witness_entry *entry = witness_at(witness, slot, result->log_index);
    const struct msg_delete_result *want = &entry->deleted, *got = &result->deleted;
    bool fits = entry->term == result->term && entry->appends_count == result->appends_count;
    for (uint32_t i = 0; fits && i < result->appends_count; i++)
        fits = append_fits(&entry->appends[i], &result->appends[i]);
    if (fits && result->kind == COMMAND_DELETE)
        fits = want->err == got->err && want->logged == got->logged &&
               want->deleted_count == got->deleted_count &&
               want->already_deleted == got->already_deleted && want->last_seq == got->last_seq &&
               (!want->logged || want->first_seq == got->first_seq);
    if (!fits)
        world_fail(world, "I35: op %llu was told another result than index %llu had", LLU(op),
                   LLU(result->log_index));
}
