/* SPDX-License-Identifier: Apache-2.0 */
/* A slot as its leader sees it, on its way to a node that was asked and does not lead: all fields of
 * struct node_slot in order, numbers as le64, small ones and flags as u8. */
#include "node/parts.h"

enum { VIEW_AMNESIA = 1, VIEW_INSTALLING = 2, VIEW_QUARANTINED = 4, VIEW_DIVERGED = 8 };
enum { VIEW_UNDECIDED = 16, VIEW_FLAGS = 31 };
enum { REPLICA_LEADER = 1, REPLICA_LEARNER = 2, REPLICA_FLAGS = 3 };

static void replica_encode(struct buf *buf, const struct node_replica *replica)
{
    buf_put_le64(buf, replica->node);
    buf_put_u8(buf, (uint8_t)((replica->leader ? REPLICA_LEADER : 0) |
                              (replica->learner ? REPLICA_LEARNER : 0)));
    buf_put_u8(buf, replica->state);
    buf_put_u8(buf, replica->checked);
    buf_put_le64(buf, replica->checked_index);
    buf_put_le64(buf, replica->match_index);
    buf_put_le64(buf, replica->applied_index);
    buf_put_le64(buf, replica->lag);
    buf_put_le64(buf, replica->transfer_bytes);
    buf_put_le64(buf, replica->transfer_rows);
    buf_put_le64(buf, replica->transfer_total_bytes);
    buf_put_le64(buf, replica->transfer_eta_ms);
}

static void replica_decode(struct reader *reader, struct node_replica *ret)
{
    ret->node = reader_le64(reader);
    uint8_t flags = reader_u8(reader);
    ret->leader = (flags & REPLICA_LEADER) != 0;
    ret->learner = (flags & REPLICA_LEARNER) != 0;
    ret->state = reader_u8(reader);
    ret->checked = reader_u8(reader);
    ret->checked_index = reader_le64(reader);
    ret->match_index = reader_le64(reader);
    ret->applied_index = reader_le64(reader);
    ret->lag = reader_le64(reader);
    ret->transfer_bytes = reader_le64(reader);
    ret->transfer_rows = reader_le64(reader);
    ret->transfer_total_bytes = reader_le64(reader);
    ret->transfer_eta_ms = reader_le64(reader);
    if (flags > REPLICA_FLAGS || ret->state > NODE_DOWN || ret->checked > NODE_DIVERGED) {
        reader->failed = true;
    }
}

void view_encode(struct buf *buf, const struct node_slot *slot)
{
    buf_put_le32(buf, slot->slot);
    buf_put_le64(buf, slot->leader);
    buf_put_u8(buf, slot->role);
    buf_put_u8(
        buf,
        (uint8_t)((slot->amnesia ? VIEW_AMNESIA : 0) | (slot->installing ? VIEW_INSTALLING : 0) |
                  (slot->quarantined ? VIEW_QUARANTINED : 0) |
                  (slot->diverged ? VIEW_DIVERGED : 0) | (slot->undecided ? VIEW_UNDECIDED : 0)));
    const uint64_t numbers[] = {slot->term,
                                slot->commit_index,
                                slot->applied_index,
                                slot->durable_applied_index,
                                slot->first_index,
                                slot->last_index,
                                slot->log_count,
                                slot->log_bytes,
                                slot->delete_log_floor,
                                slot->delete_log_count,
                                slot->channels,
                                slot->digest.low,
                                slot->digest.high,
                                slot->digest_index};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_put_le64(buf, numbers[i]);
    }
    buf_put_u8(buf, (uint8_t)slot->replicas_count);
    for (uint32_t i = 0; i < slot->replicas_count; i++) {
        replica_encode(buf, &slot->replicas[i]);
    }
}

void view_decode(struct reader *reader, struct node_slot *ret)
{
    *ret = (struct node_slot){.slot = reader_le32(reader), .holds = true}; /* a leader does */
    ret->leader = reader_le64(reader);
    ret->role = reader_u8(reader);
    uint8_t flags = reader_u8(reader);
    ret->amnesia = (flags & VIEW_AMNESIA) != 0;
    ret->installing = (flags & VIEW_INSTALLING) != 0;
    ret->quarantined = (flags & VIEW_QUARANTINED) != 0;
    ret->diverged = (flags & VIEW_DIVERGED) != 0;
    ret->undecided = (flags & VIEW_UNDECIDED) != 0;
    uint64_t *numbers[] = {&ret->term,
                           &ret->commit_index,
                           &ret->applied_index,
                           &ret->durable_applied_index,
                           &ret->first_index,
                           &ret->last_index,
                           &ret->log_count,
                           &ret->log_bytes,
                           &ret->delete_log_floor,
                           &ret->delete_log_count,
                           &ret->channels,
                           &ret->digest.low,
                           &ret->digest.high,
                           &ret->digest_index};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        *numbers[i] = reader_le64(reader);
    }
    uint8_t count = reader_u8(reader);
    if (flags > VIEW_FLAGS || ret->role > RAFT_LEADER || count > ARRAY_LEN(ret->replicas)) {
        reader->failed = true;
        return;
    }
    for (uint8_t i = 0; i < count; i++) {
        replica_decode(reader, &ret->replicas[ret->replicas_count++]);
    }
}
