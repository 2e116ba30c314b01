/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of channel heads.
 *
 * An append needs a channel's last seq, last timestamp and running totals, and must not read rows
 * for them: the heads of the channels in use stay in memory. A head that is not there is rebuilt
 * from the larger of three rows: the channel row (creation, last delete, last settings), the last
 * deleted interval, the last message row. The channel row is what keeps last_seq from falling when
 * the newest messages are deleted.
 *
 * Invariant: a channel whose rows are changed in the open batch has its head in the cache, so that
 * a rebuild never reads rows that are older than the batch. heads_trim therefore writes the batch
 * before it drops such a head, and runs between entries only: within an entry heads stay put. */
#include "msg/inner.h"

enum { HEAD_KEY_MAX = 4 + 1 + CHANNEL_ID_MAX_BYTES };

static struct bytes head_key(uint32_t slot, struct channel channel, uint8_t space[HEAD_KEY_MAX])
{
    memcpy(space, &slot, sizeof(slot));
    space[4] = channel.type;
    memcpy(space + 5, channel.id.data, channel.id.len);
    return bytes_of(space, 5 + channel.id.len);
}

bool head_is_changed(const struct msg *msg, const struct head *head)
{
    return head->batch_no == msg->batch_no;
}

void head_touch(struct msg *msg, struct head *head)
{
    head->batch_no = msg->batch_no;
}

uint64_t head_first_seq(const struct head *head)
{
    uint64_t first = head->first_deleted_end + 1;
    return first > head->last_seq ? 0 : first;
}

static enum err read_fault(const struct head *head, enum err err, const char *what, struct why *why)
{
    return why_set(why, err, "cannot read the %s of channel %u/'%.*s' in slot %u", what,
                   head->channel.type, (int)head->channel.id.len,
                   (const char *)head->channel.id.data, head->slot);
}

static enum err load_row(struct msg *msg, struct head *head, struct why *why)
{
    enum err err =
        store_get_channel(msg->store, NULL, head->slot, head->channel, &msg->value, &head->row);
    if (err == ERR_NOT_FOUND) {
        head->row = (struct row_channel){0};
        return OK;
    }
    if (err != OK) {
        return read_fault(head, err, "row", why);
    }
    if (head->row.retention.len > MSG_RETENTION_BYTES) {
        return read_fault(head, ERR_CORRUPT, "settings", why);
    }
    head->exists = true;
    head->row_hash = row_channel_hash(head->slot, head->channel, &head->row);
    if (head->row.retention.len != 0) {
        memcpy(head->retention, head->row.retention.data, head->row.retention.len);
    }
    head->row.retention.data = head->retention;
#ifndef LETHE_MUTANT_seq_from_rows
    head->last_seq = head->row.last_seq;
    head->last_timestamp_ms = head->row.last_timestamp_ms;
    head->totals = head->row.totals_at_last;
#endif
    return OK;
}

static enum err load_intervals(struct msg *msg, struct head *head, struct why *why)
{
    struct row_deleted interval;
    enum err err = store_find_deleted_before(msg->store, NULL, head->slot, head->channel,
                                             MSG_SEQ_MAX, &interval);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return read_fault(head, err, "last deleted interval", why);
    }
#ifndef LETHE_MUTANT_seq_from_rows
    if (interval.end > head->last_seq) {
        head->last_seq = interval.end;
        head->totals = interval.at_end;
    }
#endif
    if (interval.start != 1) {
        err = store_find_deleted_before(msg->store, NULL, head->slot, head->channel, 1, &interval);
        if (err == ERR_NOT_FOUND) {
            return OK;
        }
        if (err != OK) {
            return read_fault(head, err, "first deleted interval", why);
        }
    }
    head->first_deleted_end = interval.end;
    return OK;
}

/* The last message row also shows whether a batch was torn: a row from above the applied index. */
static enum err load_last_message(struct msg *msg, const struct slot *slot, struct head *head,
                                  struct why *why)
{
    uint64_t seq;
    struct row_message row;
    enum err err = store_find_message_before(msg->store, NULL, head->slot, head->channel,
                                             MSG_SEQ_MAX, &msg->value, &seq, &row);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return read_fault(head, err, "last message", why);
    }
    if (message_id_log_index(row.message_id) > slot->applied.index) {
        return read_fault(head, ERR_CORRUPT, "last message (above the applied index: torn batch)",
                          why);
    }
    if (seq > head->last_seq) {
        head->last_seq = seq;
        head->last_timestamp_ms = row.timestamp_ms;
        head->totals = row.totals;
    }
    return OK;
}

static enum err head_load(struct msg *msg, const struct slot *slot, struct head *head,
                          struct why *why)
{
    enum err err = load_row(msg, head, why);
    if (err != OK || !head->exists) {
        return err;
    }
    if (head->row.deleted_count > 0) {
        err = load_intervals(msg, head, why);
    }
    return err == OK ? load_last_message(msg, slot, head, why) : err;
}

enum err head_get(struct msg *msg, struct slot *slot, struct channel channel, struct head **ret,
                  struct why *why)
{
    assert(channel.id.len >= 1);
    assert(channel.id.len <= CHANNEL_ID_MAX_BYTES);
    uint8_t space[HEAD_KEY_MAX];
    struct bytes key = head_key(slot->id, channel, space);
    struct head *head = map_find(msg->heads, key);
    if (head != NULL) {
        list_remove(&head->lru);
        list_append(&msg->heads_lru, &head->lru);
        *ret = head;
        return OK;
    }
    head = alloc_zero(sizeof(*head) + channel.id.len);
    head->slot = slot->id;
    memcpy(head->id_bytes, channel.id.data, channel.id.len);
    head->channel = (struct channel){channel.type, bytes_of(head->id_bytes, channel.id.len)};
    enum err err = head_load(msg, slot, head, why);
    if (err != OK) {
        free(head);
        return err;
    }
    map_put(msg->heads, key, head);
    list_append(&msg->heads_lru, &head->lru);
    *ret = head;
    return OK;
}

void head_put_row(struct msg *msg, struct slot *slot, struct head *head, uint64_t index)
{
    if (head->exists) {
        slot_sub(slot, head->row_hash);
    } else {
        head->exists = true;
        slot->channels++;
        slot->state_changed = true;
    }
    head->row.log_index = index;
    head->row.last_seq = head->last_seq;
    head->row.last_timestamp_ms = head->last_timestamp_ms;
    head->row.totals_at_last = head->totals;
    head->row_hash = row_channel_hash(slot->id, head->channel, &head->row);
    slot_add(slot, head->row_hash);
    store_put_channel(msg->batch, slot->id, head->channel, &head->row);
    head_touch(msg, head);
}

static void forget(struct msg *msg, struct head *head)
{
    uint8_t space[HEAD_KEY_MAX];
    map_remove(msg->heads, head_key(head->slot, head->channel, space));
    list_remove(&head->lru);
    free(head);
}

enum err heads_trim(struct msg *msg, struct why *why)
{
    while (map_count(msg->heads) > msg->cache_channels) {
        struct head *head = CONTAINER_OF(list_first(&msg->heads_lru), struct head, lru);
        if (head_is_changed(msg, head)) {
            enum err err = msg_apply_flush(msg, why);
            if (err != OK) {
                return err;
            }
        }
        forget(msg, head);
    }
    return OK;
}

void heads_forget(struct msg *msg, uint32_t slot)
{
    struct list *next;
    for (struct list *at = msg->heads_lru.next; at != &msg->heads_lru; at = next) {
        struct head *head = CONTAINER_OF(at, struct head, lru);
        next = at->next;
        if (head->slot == slot) {
            forget(msg, head);
        }
    }
}

void heads_clear(struct msg *msg)
{
    map_free(msg->heads, free);
    msg->heads = map_new();
    list_init(&msg->heads_lru);
}
