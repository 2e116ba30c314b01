/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "node/jobs.h"
#include "sys/clock.h"
#include "sys/thread.h"
#include "wire/command.h"

struct stored {
    struct msg_message message; /* slices owned, in the channel's arena */
    uint64_t log_index;
};

struct fake_channel {
    struct channel name;
    struct arena arena;
    struct stored *messages;
    uint64_t count, capacity, deletes;
    struct ranges deleted;
};

struct fake_record {
    struct msg_delete_record record;
    struct fake_record *next;
};

struct node {
    struct mutex lock;
    struct cond wake;
    struct thread loop;
    bool ends, serving;
    struct list calls;
    struct map *channels;
    struct arena arena;
    struct fake_record *records; /* newest first */
    uint64_t log_index, commands, refused_early;
    enum err fails[NODE_CALL_KINDS], refuses;
    node_id fail_leader;
    uint32_t delay_ms;
    raft_index follower_applied;
    atomic_uint_fast64_t applied_shown;
    void (*on_applied)(void *arg);
    void *on_applied_arg;
    node_id slot_leader; /* of every slot */
    node_id elsewhere;   /* who reads for this node; 0: it does */
    struct jobs *jobs;
    uint32_t job_looks;
};

static struct bytes key_of(struct channel channel, uint8_t text[CHANNEL_ID_MAX_BYTES + 1])
{
    text[0] = channel.type;
    memcpy(text + 1, channel.id.data, channel.id.len);
    return bytes_of(text, channel.id.len + 1);
}

static struct fake_channel *find(struct node *node, struct channel channel)
{
    uint8_t text[CHANNEL_ID_MAX_BYTES + 1];
    return map_find(node->channels, key_of(channel, text));
}

static struct fake_channel *get_or_make(struct node *node, struct channel channel)
{
    uint8_t text[CHANNEL_ID_MAX_BYTES + 1];
    struct fake_channel *found = find(node, channel);
    if (found != NULL)
        return found;
    found = alloc_zero(sizeof(*found));
    arena_init(&found->arena);
    ranges_init(&found->deleted);
    found->name = (struct channel){channel.type, arena_copy(&found->arena, channel.id)};
    map_put(node->channels, key_of(channel, text), found);
    return found;
}

static uint64_t first_seq(const struct fake_channel *channel)
{
    for (uint64_t seq = 1; seq <= channel->count; seq++) {
        if (!ranges_has(&channel->deleted, seq))
            return seq;
    }
    return 0;
}

/* ---- commands --------------------------------------------------------------------------------- */
static struct stored *find_client_msg_no(struct fake_channel *channel,
                                         const struct command_message *message)
{
    for (uint64_t i = 0; i < channel->count; i++) {
        const struct msg_message *stored = &channel->messages[i].message;
        if (bytes_is_equal(stored->client_msg_no, message->client_msg_no) &&
            bytes_is_equal(stored->from_uid, message->from_uid))
            return &channel->messages[i];
    }
    return NULL;
}

static void append_one(struct node *node, struct fake_channel *channel,
                       const struct command_message *from, uint32_t slot, uint32_t position,
                       struct msg_append_result *ret)
{
    struct stored *same = from->client_msg_no.len == 0 ? NULL : find_client_msg_no(channel, from);
    if (same == NULL) {
        if (channel->count == channel->capacity) {
            channel->capacity = channel->capacity * 2 + 16;
            channel->messages =
                alloc_resize(channel->messages, channel->capacity, sizeof(*channel->messages));
        }
        same = &channel->messages[channel->count++];
        *same = (struct stored){
            .message = {.seq = channel->count,
                        .message_id = message_id_of(slot, node->log_index, position),
                        .timestamp_ms = clock_wall_ms(),
                        .from_uid = arena_copy(&channel->arena, from->from_uid),
                        .client_msg_no = arena_copy(&channel->arena, from->client_msg_no),
                        .payload = arena_copy(&channel->arena, from->payload),
                        .payload_encoding = from->payload_encoding},
            .log_index = node->log_index};
    } else if (!bytes_is_equal(same->message.payload, from->payload)) {
        ret->err = ERR_CLIENT_MSG_NO_REUSED;
        return;
    } else {
        ret->duplicate = true;
        ret->deleted = ranges_has(&channel->deleted, same->message.seq);
    }
    ret->seq = same->message.seq;
    ret->message_id = same->message.message_id;
    ret->timestamp_ms = same->message.timestamp_ms;
    ret->log_index = same->log_index;
    ret->last_seq = channel->count;
}

static void append_part(struct node *node, const struct command_part *part, uint32_t slot,
                        struct msg_result *result)
{
    struct fake_channel *channel = get_or_make(node, part->channel);
    bool holds = !part->has_expected_last_seq || part->expected_last_seq == channel->count;
    for (uint32_t i = 0; i < part->messages_count; i++) {
        struct msg_append_result *ret = &result->appends[result->appends_count];
        memset(ret, 0, sizeof(*ret));
        ret->last_seq = channel->count;
        if (holds)
            append_one(node, channel, &part->messages[i], slot, result->appends_count, ret);
        else
            ret->err = ERR_SEQ_MISMATCH;
        result->appends_count++;
    }
}

static void fill_deleted(struct fake_channel *channel, const struct range *ranges, uint32_t count,
                         struct arena *arena, struct msg_delete_result *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->logged = count > 0;
    ret->ranges = (const struct range *)(const void *)arena_copy(
                      arena, bytes_of(ranges, count * sizeof(*ranges)))
                      .data;
    ret->ranges_count = count;
    ret->last_seq = channel == NULL ? 0 : channel->count;
    ret->deleted_at_ms = clock_wall_ms();
    if (count == 0) {
        ret->first_seq = channel == NULL ? 0 : first_seq(channel);
        return;
    }
    ret->start_seq = ranges[0].start;
    ret->end_seq = ranges[count - 1].end;
    for (uint32_t i = 0; i < count; i++) {
        for (uint64_t seq = ranges[i].start; seq <= ranges[i].end; seq++) {
            if (ranges_has(&channel->deleted, seq))
                ret->already_deleted++;
            else
                ret->deleted_count++;
        }
    }
    ret->first_seq = first_seq(channel);
}

static void delete_(struct node *node, const struct command_delete *command, uint32_t slot,
                    struct msg_result *result)
{
    struct fake_channel *channel = get_or_make(node, command->channel);
    for (uint32_t i = 0; i < command->ranges_count; i++) {
        if (command->ranges[i].end > channel->count) {
            result->deleted.err = ERR_END_BEYOND_LAST;
            return;
        }
    }
    fill_deleted(channel, command->ranges, command->ranges_count, &result->arena, &result->deleted);
    for (uint32_t i = 0; i < command->ranges_count; i++)
        ranges_add(&channel->deleted, command->ranges[i].start, command->ranges[i].end);
    channel->deletes++;
    result->deleted.first_seq = first_seq(channel);
    struct fake_record *record = arena_zero(&node->arena, sizeof(*record));
    struct msg_delete_record *to = &record->record;
    to->slot = slot;
    to->log_index = node->log_index;
    to->deleted_at_ms = result->deleted.deleted_at_ms;
    to->channel = channel->name;
    to->ranges =
        (const struct range *)(const void *)arena_copy(
            &node->arena, bytes_of(command->ranges, command->ranges_count * sizeof(struct range)))
            .data;
    to->ranges_count = command->ranges_count;
    to->deleted_count = result->deleted.deleted_count;
    to->already_deleted = result->deleted.already_deleted;
    to->operator_name = arena_copy(&node->arena, command->operator_name);
    to->reason = arena_copy(&node->arena, command->reason);
    to->request_id = arena_copy(&node->arena, command->request_id);
    record->next = node->records;
    node->records = record;
}

static void apply(struct node *node, struct node_call *call)
{
    struct arena arena;
    struct command command;
    arena_init(&arena);
    enum err err = command_decode(blob_bytes(call->command), &arena, &command, &call->why);
    assert(err == OK);
    node->log_index++;
    node->commands++;
    struct msg_result *result = msg_result_new(command.kind);
    result->slot = call->slot;
    result->log_index = node->log_index;
    if (command.kind == COMMAND_APPEND) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < command.append.parts_count; i++)
            count += command.append.parts[i].messages_count;
        result->appends = arena_alloc(&result->arena, count * sizeof(*result->appends));
        for (uint32_t i = 0; i < command.append.parts_count; i++)
            append_part(node, &command.append.parts[i], call->slot, result);
        assert(result->appends_count == count);
    } else if (command.kind == COMMAND_DELETE) {
        delete_(node, &command.delete_, call->slot, result);
    }
    call->result = result;
    arena_done(&arena);
}

/* ---- calls ------------------------------------------------------------------------------------ */
/* What operators' calls answer: node 1 is this one, node 2 the follower, when there is one. */
static struct node_admin *new_admin(struct node *node, const struct node_call *call)
{
    struct node_admin *admin = alloc_zero(sizeof(*admin));
    admin->items_count = node->follower_applied == 0 ? 1 : 2;
    for (uint32_t i = 0; i < admin->items_count; i++) {
        struct node_admin_item *item = &admin->items[i];
        item->node = i + 1;
        item->applied = i == 0 ? node->log_index : node->follower_applied;
        item->first_before = 1;
        item->first_after = call->through_index == 0 ? item->applied : call->through_index;
        if (i == 1 && call->kind == NODE_CALL_COMPACT)
            snprintf(item->skipped_reason, sizeof(item->skipped_reason), "transfer");
    }
    admin->floor_before = 1;
    admin->floor_after = call->force_floor ? node->log_index : 1;
    admin->removed = call->force_floor;
    admin->held_by_count = !call->force_floor && node->follower_applied != 0;
    admin->held_by[0] = 2;
    admin->has_slot = call->kind == NODE_CALL_SLOT;
    admin->slot = (struct node_slot){.slot = call->slot,
                                     .leader = node->slot_leader,
                                     .replicas_count = 1,
                                     .replicas = {{.node = 7, .state = NODE_DOWN, .lag = 77}}};
    return admin;
}

/* Four slots, two of them settled, one node, one move: as src/node/placement.c writes it. */
/* Another node: it has one job, and begins one when it is told to. */
static struct blob *answer_of_owner(const struct node_call *call)
{
    struct node_job_item item = {
        .result = "ok", .family = "messages", .before_bytes = 10, .after_bytes = 5};
    struct node_job job = {.id = "3-1-1",
                           .kind = NODE_JOB_COMPACTION,
                           .state = NODE_JOB_RUNNING,
                           .slot = -1,
                           .progress = NODE_JOB_PROGRESS_MAX / 4,
                           .created_ms = 1000,
                           .started_ms = 2000,
                           .items = &item,
                           .items_count = 1};
    struct bytes question = blob_bytes(call->command);
    struct buf out = BUF_INIT;
    if (question.data[0] == NODE_JOB_ASK_CANCEL)
        job.state = NODE_JOB_CANCELLED;
    if (question.data[0] == NODE_JOB_ASK_GET || question.data[0] == NODE_JOB_ASK_CANCEL)
        jobs_encode(&out, &job);
    else
        buf_append_string(&out, job.id);
    struct blob *ret = blob_copy(buf_bytes(&out));
    buf_done(&out);
    return ret;
}

static struct blob *make_placement(void)
{
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, 3);
    buf_put_u8(&buf, 3);
    buf_put_varint(&buf, 4);
    buf_put_varint(&buf, 2);
    buf_put_varint(&buf, 1);
    buf_put_varint(&buf, 7);
    buf_put_u8(&buf, NODE_PLACED_DRAINING);
    buf_put_u8(&buf, 0);
    buf_put_block(&buf, bytes_of_string("rack-1"));
    buf_put_varint(&buf, 4);
    buf_put_varint(&buf, 3);
    buf_put_varint(&buf, 1);
    buf_put_varint(&buf, 2);
    for (int i = 0; i < 2; i++) {
        buf_put_u8(&buf, 1);
        buf_put_varint(&buf, (uint64_t)i + 7);
    }
    buf_put_varint(&buf, 4);
    buf_put_u8(&buf, NODE_ORDER_RUNNING);
    buf_put_u8(&buf, NODE_MEMBER_DRAIN);
    const uint64_t order[] = {3, 7, 0, 1000, 0, 4, 1};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        buf_put_varint(&buf, order[i]);
    struct blob *ret = blob_copy(buf_bytes(&buf));
    buf_done(&buf);
    return ret;
}

static void answer(struct node *node, struct node_call *call)
{
    mutex_lock(&node->lock);
    uint32_t delay_ms = node->delay_ms;
    mutex_unlock(&node->lock);
    if (delay_ms > 0)
        usleep(delay_ms * 1000);
    mutex_lock(&node->lock);
    call->err = node->fails[call->kind];
    call->leader = 1;
    if (call->err != OK) {
        call->leader = node->fail_leader;
        why_set(&call->why, call->err, "told to fail");
    } else if (call->kind == NODE_CALL_COMMAND) {
        apply(node, call);
    } else if (call->kind == NODE_CALL_READ && node->elsewhere != 0 &&
               (call->consistency == NODE_LOCAL || call->queries_count == 0)) {
        call->err = why_set(&call->why, ERR_UNREADY, "this replica is being brought up to date");
    } else if (call->min_index > node->log_index) {
        call->err =
            why_set(&call->why, ERR_TOO_STALE, "'min_index' %llu is ahead of %llu",
                    (unsigned long long)call->min_index, (unsigned long long)node->log_index);
    } else if (call->kind == NODE_CALL_MEMBER || call->kind == NODE_CALL_PLACEMENT) {
        call->answer = make_placement();
    } else if (call->kind == NODE_CALL_JOB) {
        call->answer = answer_of_owner(call);
    } else if (call->kind != NODE_CALL_READ && call->kind != NODE_CALL_TRANSFER) {
        call->admin = new_admin(node, call);
    }
    call->applied_index = node->log_index;
    call->served_by = 1;
    if (call->kind == NODE_CALL_READ && call->err == OK && node->elsewhere != 0) {
        call->answer = blob_copy(bytes_of_string("read elsewhere"));
        call->served_by = node->elsewhere;
    }
    blob_unref(call->command);
    call->command = NULL;
    atomic_store(&node->applied_shown, node->log_index);
    if (node->on_applied != NULL)
        node->on_applied(node->on_applied_arg);
    mutex_unlock(&node->lock);
    call->on_done(call, call->arg);
}

static void run_loop(void *arg)
{
    struct node *node = arg;
    mutex_lock(&node->lock);
    while (!node->ends) {
        struct list *item = list_first(&node->calls);
        if (item == NULL) {
            cond_wait(&node->wake, &node->lock);
            continue;
        }
        list_remove(item);
        mutex_unlock(&node->lock);
        answer(node, CONTAINER_OF(item, struct node_call, link));
        mutex_lock(&node->lock);
    }
    mutex_unlock(&node->lock);
}

enum err node_call_start(struct node *node, struct node_call *call, struct why *why)
{
    mutex_lock(&node->lock);
    enum err err = node->refuses;
    if (err == OK) {
        list_init(&call->link);
        list_append(&node->calls, &call->link);
        cond_signal(&node->wake);
    }
    mutex_unlock(&node->lock);
    if (err != OK) {
        blob_unref(call->command);
        call->command = NULL;
        return why_set(why, err, "told to refuse");
    }
    return OK;
}

bool node_refuses_command(struct node *node)
{
    mutex_lock(&node->lock);
    bool refuses = node->refuses == ERR_QUEUE_FULL;
    node->refused_early += refuses;
    mutex_unlock(&node->lock);
    return refuses;
}

/* ---- reads ------------------------------------------------------------------------------------- */
static struct msg_message copy_message(const struct msg_message *from, struct arena *arena)
{
    struct msg_message ret = *from;
    ret.from_uid = arena_copy(arena, from->from_uid);
    ret.client_msg_no = arena_copy(arena, from->client_msg_no);
    ret.payload = arena_copy(arena, from->payload);
    return ret;
}

static bool in_time(const struct msg_page_query *query, const struct msg_message *message)
{
    return (query->since_ms == 0 || message->timestamp_ms >= query->since_ms) &&
           (query->until_ms == 0 || message->timestamp_ms < query->until_ms);
}

static void fill_page(struct fake_channel *channel, const struct msg_page_query *query,
                      struct arena *arena, struct msg_page *ret)
{
    uint64_t from = query->from_seq == 0 ? 1 : query->from_seq;
    uint64_t to =
        query->to_seq == 0 || query->to_seq > channel->count ? channel->count : query->to_seq;
    struct msg_message *messages = arena_alloc(arena, (query->limit + 1) * sizeof(*messages));
    struct ranges holes;
    ranges_init(&holes);
    if (query->newest) {
        uint64_t seen = 0;
        from = to + 1;
        while (from > 1 && seen < query->limit)
            seen += !ranges_has(&channel->deleted, --from);
        for (uint64_t below = from; below > 1 && ret->next_seq == 0;) {
            if (!ranges_has(&channel->deleted, --below))
                ret->next_seq = below;
        }
        ret->more = ret->next_seq != 0;
    }
    uint64_t seq = query->descending ? to : from;
    while (seq >= from && seq <= to && seq > 0) {
        if (ranges_has(&channel->deleted, seq)) {
            ranges_add(&holes, seq, seq);
        } else if (in_time(query, &channel->messages[seq - 1].message)) {
            if (ret->messages_count == query->limit) {
                ret->more = true;
                ret->next_seq = seq;
                break;
            }
            messages[ret->messages_count++] =
                copy_message(&channel->messages[seq - 1].message, arena);
        }
        seq = query->descending ? seq - 1 : seq + 1;
    }
    ret->messages = messages;
    ret->deleted = (const struct range *)(const void *)arena_copy(
                       arena, bytes_of(holes.items, holes.count * sizeof(*holes.items)))
                       .data;
    ret->deleted_count = (uint32_t)holes.count;
    ranges_done(&holes);
}

enum err node_get_page(struct node *node, const struct msg_page_query *query, struct arena *arena,
                       struct msg_page *ret, struct why *why)
{
    (void)why;
    memset(ret, 0, sizeof(*ret));
    mutex_lock(&node->lock);
    struct fake_channel *channel = find(node, query->channel);
    ret->applied_index = node->log_index;
    if (channel != NULL) {
        ret->last_seq = channel->count;
        ret->first_seq = first_seq(channel);
        fill_page(channel, query, arena, ret);
    }
    mutex_unlock(&node->lock);
    return OK;
}

enum err node_get_message(struct node *node, struct channel name, uint64_t seq, struct arena *arena,
                          struct msg_message *ret, uint64_t *ret_delete_index,
                          uint64_t *ret_applied_index, struct why *why)
{
    enum err err = OK;
    mutex_lock(&node->lock);
    struct fake_channel *channel = find(node, name);
    *ret_applied_index = node->log_index;
    if (channel == NULL || seq > channel->count) {
        err = why_set(why, ERR_SEQ_NOT_FOUND, "there is no message %llu", (unsigned long long)seq);
    } else if (ranges_has(&channel->deleted, seq)) {
        err = why_set(why, ERR_SEQ_DELETED, "message %llu was deleted", (unsigned long long)seq);
        for (struct fake_record *record = node->records; record != NULL; record = record->next) {
            if (!channel_is_equal(record->record.channel, name))
                continue;
            for (uint32_t i = 0; i < record->record.ranges_count; i++) {
                if (record->record.ranges[i].start <= seq && record->record.ranges[i].end >= seq)
                    *ret_delete_index = record->record.log_index;
            }
        }
    } else {
        *ret = copy_message(&channel->messages[seq - 1].message, arena);
    }
    mutex_unlock(&node->lock);
    return err;
}

enum err node_get_seqs(struct node *node, struct channel name, const uint64_t *seqs,
                       uint32_t seqs_count, struct arena *arena, struct msg_page *ret,
                       struct why *why)
{
    struct msg_message *messages = arena_alloc(arena, seqs_count * sizeof(*messages));
    struct msg_page_query query = {.channel = name, .limit = 1, .from_seq = 1, .to_seq = 1};
    enum err err = node_get_page(node, &query, arena, ret, why);
    if (err != OK)
        return err;
    ret->messages_count = ret->deleted_count = 0;
    for (uint32_t i = 0; i < seqs_count; i++) {
        uint64_t delete_index, applied_index;
        if (node_get_message(node, name, seqs[i], arena, &messages[ret->messages_count],
                             &delete_index, &applied_index, NULL) == OK)
            ret->messages_count++;
    }
    ret->messages = messages;
    ret->more = false;
    ret->next_seq = 0;
    return OK;
}

enum err node_find_client_msg_no(struct node *node, struct channel name, struct bytes client_msg_no,
                                 struct bytes from_uid, struct arena *arena, struct msg_page *ret,
                                 struct why *why)
{
    struct command_message key = {.client_msg_no = client_msg_no, .from_uid = from_uid};
    uint64_t seq = 0;
    mutex_lock(&node->lock);
    struct fake_channel *channel = find(node, name);
    struct stored *found = channel == NULL ? NULL : find_client_msg_no(channel, &key);
    if (found != NULL)
        seq = found->message.seq;
    mutex_unlock(&node->lock);
    return node_get_seqs(node, name, &seq, seq == 0 ? 0 : 1, arena, ret, why);
}

static void fill_channel(struct node *node, struct fake_channel *channel, struct arena *arena,
                         struct msg_channel *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->applied_index = node->log_index;
    if (channel == NULL)
        return;
    ret->channel = (struct channel){channel->name.type, arena_copy(arena, channel->name.id)};
    ret->slot = channel_slot(channel->name, FAKE_SLOTS);
    ret->first_seq = first_seq(channel);
    ret->last_seq = channel->count;
    ret->deleted_count = ranges_size(&channel->deleted);
    ret->message_count = channel->count - ret->deleted_count;
    ret->delete_version = channel->deletes;
}

enum err node_get_channel(struct node *node, struct channel name, struct arena *arena,
                          struct msg_channel *ret, struct why *why)
{
    (void)why;
    mutex_lock(&node->lock);
    fill_channel(node, find(node, name), arena, ret);
    mutex_unlock(&node->lock);
    return OK;
}

static int compare_channels(const void *a, const void *b)
{
    const struct msg_channel *x = a, *y = b;
    if (x->channel.type != y->channel.type)
        return x->channel.type < y->channel.type ? -1 : 1;
    return bytes_compare(x->channel.id, y->channel.id);
}

static bool is_wanted(const struct msg_channels_query *query, const struct fake_channel *channel)
{
    struct msg_channel a = {.channel = channel->name}, b = {.channel = query->after};
    return channel_slot(channel->name, FAKE_SLOTS) == query->slot &&
           (query->type < 0 || channel->name.type == query->type) &&
           bytes_has_prefix(channel->name.id, query->prefix) &&
           (query->after.id.len == 0 || compare_channels(&a, &b) > 0);
}

enum err node_list_channels(struct node *node, const struct msg_channels_query *query,
                            struct arena *arena, struct msg_channels *ret, struct why *why)
{
    (void)why;
    memset(ret, 0, sizeof(*ret));
    mutex_lock(&node->lock);
    struct msg_channel *found =
        arena_alloc(arena, (map_count(node->channels) + 1) * sizeof(*found));
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(node->channels, &at, &key, &value)) {
        if (is_wanted(query, value))
            fill_channel(node, value, arena, &found[ret->count++]);
    }
    mutex_unlock(&node->lock);
    qsort(found, ret->count, sizeof(*found), compare_channels);
    ret->more = ret->count > query->limit;
    if (ret->more)
        ret->count = query->limit;
    ret->channels = found;
    return OK;
}

enum err node_list_deletes(struct node *node, const struct msg_deletes_query *query,
                           struct arena *arena, struct msg_deletes *ret, struct why *why)
{
    (void)why;
    uint32_t count = 0, skip;
    memset(ret, 0, sizeof(*ret));
    mutex_lock(&node->lock);
    for (struct fake_record *record = node->records; record != NULL; record = record->next)
        count++;
    struct msg_delete_record *found = arena_alloc(arena, (count + 1) * sizeof(*found));
    skip = count;
    for (struct fake_record *record = node->records; record != NULL; record = record->next) {
        const struct msg_delete_record *from = &record->record;
        if (from->slot == query->slot && from->log_index > query->since_index &&
            (query->channel == NULL || channel_is_equal(*query->channel, from->channel)) &&
            (query->reason.len == 0 || bytes_is_equal(query->reason, from->reason)))
            found[--skip] = *from;
    }
    ret->applied_index = node->log_index;
    mutex_unlock(&node->lock);
    ret->records = found + skip;
    ret->count = count - skip;
    ret->more = ret->count > query->limit;
    if (ret->more)
        ret->count = query->limit;
    return OK;
}

enum err node_get_delete(struct node *node, uint32_t slot, uint64_t log_index, struct arena *arena,
                         struct msg_delete_record *ret, struct why *why)
{
    (void)arena;
    enum err err = why_set(why, ERR_NOT_FOUND, "there is no delete with this id");
    mutex_lock(&node->lock);
    for (struct fake_record *record = node->records; record != NULL; record = record->next) {
        if (record->record.slot == slot && record->record.log_index == log_index) {
            *ret = record->record;
            err = OK;
        }
    }
    mutex_unlock(&node->lock);
    return err;
}

static enum err resolve(struct fake_channel *channel, const struct msg_delete_request *request,
                        struct ranges *ranges, struct why *why)
{
    uint64_t last = channel == NULL ? 0 : channel->count, end = 0;
    if (request->form == MSG_DELETE_RANGES) {
        for (uint32_t i = 0; i < request->ranges_count; i++) {
            struct range range = request->ranges[i];
            if (range.end > last && !request->clamp)
                return why_set(why, ERR_END_BEYOND_LAST, "the last message is %llu",
                               (unsigned long long)last);
            range.end = range.end > last ? last : range.end;
            if (range.start <= range.end)
                ranges_add(ranges, range.start, range.end);
        }
        return OK;
    }
    if (request->form == MSG_DELETE_THROUGH) {
        if (request->through_seq > last && !request->clamp)
            return why_set(why, ERR_END_BEYOND_LAST, "the last message is %llu",
                           (unsigned long long)last);
        end = request->through_seq > last ? last : request->through_seq;
    } else if (request->form == MSG_DELETE_ALL) {
        end = last;
    } else if (request->form == MSG_DELETE_KEEP) {
        end = last > request->keep ? last - request->keep : 0;
    } else {
        while (end < last && channel->messages[end].message.timestamp_ms < request->before_ms)
            end++;
    }
    if (end > 0)
        ranges_add(ranges, 1, end);
    return OK;
}

enum err node_preview_delete(struct node *node, const struct msg_delete_request *request,
                             struct arena *arena, struct msg_delete_result *ret,
                             uint64_t *ret_applied_index, struct why *why)
{
    struct ranges ranges;
    ranges_init(&ranges);
    mutex_lock(&node->lock);
    struct fake_channel *channel = find(node, request->channel);
    enum err err = resolve(channel, request, &ranges, why);
    if (err == OK)
        fill_deleted(channel, ranges.items, (uint32_t)ranges.count, arena, ret);
    *ret_applied_index = node->log_index;
    mutex_unlock(&node->lock);
    ranges_done(&ranges);
    return err;
}

/* ---- figures -------------------------------------------------------------------------------------- */
void node_get_cluster(struct node *node, struct node_cluster *ret)
{
    memset(ret, 0, sizeof(*ret));
    mutex_lock(&node->lock);
    snprintf(ret->cluster_id, sizeof(ret->cluster_id), "fake");
    ret->self = 1;
    ret->slots_total = FAKE_SLOTS;
    ret->slots_with_leader = node->serving ? FAKE_SLOTS : 0;
    ret->serving = node->serving;
    ret->peers_count = node->follower_applied == 0 ? 1 : 2;
    for (uint32_t i = 0; i < ret->peers_count; i++) {
        struct node_peer *peer = &ret->peers[i];
        peer->id = i + 1;
        peer->self = i == 0;
        peer->up = true;
        snprintf(peer->http_address, sizeof(peer->http_address), "127.0.0.1:%u", 7000 + i + 1);
        peer->slots = FAKE_SLOTS;
    }
    mutex_unlock(&node->lock);
}

uint32_t node_slot_count(const struct node *node)
{
    (void)node;
    return FAKE_SLOTS;
}

uint32_t node_feature_level(const struct node *node)
{
    (void)node;
    return 4;
}

node_id node_self(const struct node *node)
{
    (void)node;
    return 1;
}

bool node_get_slot(struct node *node, uint32_t slot, struct node_slot *ret)
{
    memset(ret, 0, sizeof(*ret));
    mutex_lock(&node->lock);
    ret->slot = slot;
    ret->leader = node->slot_leader;
    ret->applied_index = ret->commit_index = ret->last_index = node->log_index;
    ret->digest_index = node->log_index;
    ret->voters[0] = 1;
    ret->voters[1] = 2; /* but in slot 3 */
    ret->voters_count = node->follower_applied == 0 || slot == 3 ? 1 : 2;
    ret->replicas_count = node->follower_applied == 0 ? 1 : 2;
    ret->replicas[0] = (struct node_replica){
        .node = 1, .leader = true, .state = NODE_REPLICATE, .applied_index = node->log_index};
    ret->replicas[1] = (struct node_replica){
        .node = 2, .state = NODE_REPLICATE, .applied_index = node->follower_applied};
    mutex_unlock(&node->lock);
    return slot < FAKE_SLOTS;
}

bool node_is_safe_to_stop(struct node *node)
{
    (void)node;
    return false;
}

enum err node_count_deletes(struct node *node, uint32_t slot, raft_index applied, uint64_t max,
                            uint64_t *ret_count, uint64_t *ret_oldest_ms, struct why *why)
{
    (void)node;
    (void)slot;
    (void)applied;
    (void)max;
    (void)why;
    *ret_count = *ret_oldest_ms = 0;
    return OK;
}

uint32_t node_get_alarms(struct node *node, struct node_alarm ret[NODE_ALARM_KINDS])
{
    (void)node;
    (void)ret;
    return 0;
}

enum err node_disarm(struct node *node, enum node_alarm_kind kind, struct why *why)
{
    (void)node;
    return why_set(why, ERR_NOT_FOUND, "the alarm %d is not armed", kind);
}

const char *node_alarm_slug(enum node_alarm_kind kind)
{
    static const char *const slugs[] = {
#define X(symbol, slug, is_kept) slug,
        NODE_ALARM_TABLE(X)
#undef X
    };
    return slugs[kind];
}

void node_get_metrics(struct node *node, struct node_metrics *ret)
{
    (void)node;
    memset(ret, 0, sizeof(*ret));
}

/* ---- life ----------------------------------------------------------------------------------------- */
struct node *fake_node_new(void)
{
    struct node *node = alloc_zero(sizeof(*node));
    mutex_init(&node->lock);
    cond_init(&node->wake);
    list_init(&node->calls);
    node->channels = map_new();
    node->serving = true;
    node->slot_leader = 1;
    node->jobs = jobs_new(1, 7);
    arena_init(&node->arena);
    enum err err = thread_start(&node->loop, "fake-loop", run_loop, node);
    assert(err == OK);
    return node;
}

static void free_channel(void *value)
{
    struct fake_channel *channel = value;
    arena_done(&channel->arena);
    ranges_done(&channel->deleted);
    free(channel->messages);
    free(channel);
}

void fake_node_free(struct node *node)
{
    mutex_lock(&node->lock);
    node->ends = true;
    cond_signal(&node->wake);
    mutex_unlock(&node->lock);
    thread_join(&node->loop);
    map_free(node->channels, free_channel);
    jobs_free(node->jobs);
    arena_done(&node->arena);
    mutex_done(&node->lock);
    cond_done(&node->wake);
    free(node);
}

void fake_node_fail(struct node *node, enum node_call_kind kind, enum err err, node_id leader)
{
    mutex_lock(&node->lock);
    node->fails[kind] = err;
    node->fail_leader = leader;
    mutex_unlock(&node->lock);
}

uint64_t fake_node_refused_early(struct node *node)
{
    mutex_lock(&node->lock);
    uint64_t ret = node->refused_early;
    mutex_unlock(&node->lock);
    return ret;
}

void fake_node_refuse(struct node *node, enum err err)
{
    mutex_lock(&node->lock);
    node->refuses = err;
    mutex_unlock(&node->lock);
}

void fake_node_delay(struct node *node, uint32_t delay_ms)
{
    mutex_lock(&node->lock);
    node->delay_ms = delay_ms;
    mutex_unlock(&node->lock);
}

void fake_node_set_follower(struct node *node, raft_index applied_index)
{
    mutex_lock(&node->lock);
    node->follower_applied = applied_index;
    mutex_unlock(&node->lock);
}

void fake_node_set_slot_leader(struct node *node, node_id leader)
{
    mutex_lock(&node->lock);
    node->slot_leader = leader;
    mutex_unlock(&node->lock);
}

void fake_node_set_serving(struct node *node, bool serving)
{
    mutex_lock(&node->lock);
    node->serving = serving;
    mutex_unlock(&node->lock);
}

uint64_t fake_node_commands(struct node *node)
{
    mutex_lock(&node->lock);
    uint64_t commands = node->commands;
    mutex_unlock(&node->lock);
    return commands;
}

const char *node_catchup_reason_slug(enum node_catchup_reason reason)
{
    static const char *const slugs[] = {
#define X(symbol, slug) slug,
        NODE_CATCHUP_REASON_TABLE(X)
#undef X
    };
    return slugs[reason];
}

const char *node_catchup_mode_slug(enum node_catchup_mode mode)
{
    static const char *const slugs[] = {"log", "delta", "full"};
    return slugs[mode];
}

uint64_t node_applied_index(struct node *node, uint32_t slot)
{
    return slot < FAKE_SLOTS ? atomic_load(&node->applied_shown) : 0;
}

void node_on_applied(struct node *node, void (*on_applied)(void *arg), void *arg)
{
    mutex_lock(&node->lock);
    node->on_applied = on_applied;
    node->on_applied_arg = arg;
    mutex_unlock(&node->lock);
}

/* ---- jobs: the node's own table; a check ends when it is looked at for the second time ----------- */
enum err node_start_check(struct node *node, int64_t slot, char *ret_id, struct why *why)
{
    if (slot >= FAKE_SLOTS)
        return why_set(why, ERR_NOT_FOUND, "there is no slot %lld", (long long)slot);
    enum err err = jobs_add(node->jobs, NODE_JOB_CHECK, slot, 1, 1000, ret_id, why);
    if (err == OK)
        node->job_looks = 0;
    return err;
}

enum err node_start_compaction(struct node *node, const char *family, char *ret_id, struct why *why)
{
    if (family != NULL && strcmp(family, "messages") != 0)
        return why_set(why, ERR_BAD_PARAMETER, "there is no family '%s'", family);
    return jobs_add(node->jobs, NODE_JOB_COMPACTION, -1, 1, 1000, ret_id, why);
}

static void go_on(struct node *node, const char *id)
{
    char begun[NODE_JOB_ID_BYTES];
    int64_t slot;
    if (jobs_begin(node->jobs, NODE_JOB_CHECK, 1000, begun, &slot)) {
        static const struct node_job_item items[] = {
            {.slot = 0, .result = "ok"},
            {.slot = 0, .node = 1, .result = "ok"},
            {.slot = 1, .result = "diverged"},
            {.slot = 1, .node = 1, .result = "ok"},
            {.slot = 1, .node = 2, .result = "diverged", .reason = "the rows do not add up"}};
        for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
            jobs_add_item(node->jobs, begun, &items[i]);
    } else if (++node->job_looks > 1) {
        jobs_end(node->jobs, id, NODE_JOB_DONE, NULL, 3000);
    }
}

enum err node_get_job(struct node *node, struct bytes id, struct arena *arena, struct node_job *ret,
                      struct why *why)
{
    if (jobs_get(node->jobs, id, 2000, arena, ret)) {
        go_on(node, ret->id);
        return jobs_get(node->jobs, id, 2000, arena, ret) ? OK : ERR_NOT_FOUND;
    }
    jobs_why_absent(node->jobs, id, why);
    return ERR_NOT_FOUND;
}

uint32_t node_list_jobs(struct node *node, struct arena *arena, struct node_job **ret)
{
    return jobs_list(node->jobs, 2000, arena, ret);
}

enum err node_cancel_job(struct node *node, struct bytes id, struct why *why)
{
    return jobs_cancel(node->jobs, id, 2000, why);
}

enum err node_find_message_id(struct node *node, struct channel name, uint64_t message_id,
                              struct arena *arena, struct msg_message *ret, struct why *why)
{
    enum err err = ERR_NOT_FOUND;
    mutex_lock(&node->lock);
    struct fake_channel *channel = find(node, name);
    for (uint64_t i = 0; channel != NULL && i < channel->count; i++) {
        if (channel->messages[i].message.message_id != message_id ||
            ranges_has(&channel->deleted, i + 1))
            continue;
        *ret = copy_message(&channel->messages[i].message, arena);
        err = OK;
    }
    mutex_unlock(&node->lock);
    return err == OK ? OK : why_set(why, err, "no such message");
}

/* ---- backups: two of them; none is made in truth ------------------------------------------------------- */
enum err node_start_backup(struct node *node, struct bytes name, char *ret_job, struct why *why)
{
    if (bytes_is_equal(name, bytes_of_string("good")))
        return why_set(why, ERR_CONFLICT, "there is a backup 'good' already");
    enum err err = jobs_add(node->jobs, NODE_JOB_BACKUP, -1, 1, 1000, ret_job, why);
    return err;
}

enum err node_start_verify(struct node *node, struct bytes id, char *ret_job, struct why *why)
{
    if (!bytes_is_equal(id, bytes_of_string("good")))
        return why_set(why, ERR_NOT_FOUND, "node 1 has no such backup");
    return jobs_add(node->jobs, NODE_JOB_VERIFY, -1, 1, 1000, ret_job, why);
}

enum err node_list_backups(struct node *node, struct arena *arena, struct node_backup **ret,
                           uint32_t *ret_count, uint32_t *ret_left_out, struct why *why)
{
    (void)node;
    (void)why;
    static const struct node_backup items[] = {{.id = "good",
                                                .state = NODE_BACKUP_VERIFIED,
                                                .cluster_id = "lethe",
                                                .node = 1,
                                                .incarnation = 0xabc,
                                                .bytes = 4096,
                                                .created_ms = 1000,
                                                .verified_ms = 2000,
                                                .age_ms = 5000,
                                                .expires_ms = 9000,
                                                .path = "/backups/good"},
                                               {.id = "bad",
                                                .state = NODE_BACKUP_DAMAGED,
                                                .detail = "the manifest fails its checksum",
                                                .path = "/backups/bad"}};
    *ret = arena_alloc(arena, sizeof(items));
    memcpy(*ret, items, sizeof(items));
    *ret_count = sizeof(items) / sizeof(items[0]);
    *ret_left_out = 0;
    return OK;
}

enum err node_remove_backup(struct node *node, struct bytes id, struct why *why)
{
    (void)node;
    if (bytes_is_equal(id, bytes_of_string("good")))
        return OK;
    return bytes_is_equal(id, bytes_of_string("bad"))
               ? why_set(why, ERR_CONFLICT, "a job is at work on backup 'bad'")
               : why_set(why, ERR_NOT_FOUND, "node 1 has no such backup");
}

/* ---- queries by value -------------------------------------------------------------------------------- */
static enum err ask(struct node *node, const struct msg_query *query, struct arena *arena,
                    struct msg_answer *ret, struct why *why)
{
    switch ((enum msg_query_kind)query->kind) {
    case MSG_QUERY_PAGE:
        return node_get_page(node, &query->page, arena, &ret->page, why);
    case MSG_QUERY_SEQS:
        return node_get_seqs(node, query->channel, query->seqs, query->seqs_count, arena,
                             &ret->page, why);
    case MSG_QUERY_CLIENT_MSG_NO:
        return node_find_client_msg_no(node, query->channel, query->client_msg_no, query->from_uid,
                                       arena, &ret->page, why);
    case MSG_QUERY_MESSAGE:
        return node_get_message(node, query->channel, query->number, arena, &ret->message,
                                &ret->delete_index, &ret->applied_index, why);
    case MSG_QUERY_MESSAGE_ID:
        return node_find_message_id(node, query->channel, query->number, arena, &ret->message, why);
    case MSG_QUERY_CHANNEL:
        return node_get_channel(node, query->channel, arena, &ret->channel, why);
    case MSG_QUERY_CHANNELS:
        return node_list_channels(node, &query->channels, arena, &ret->channels, why);
    case MSG_QUERY_DELETES:
        return node_list_deletes(node, &query->deletes, arena, &ret->deletes, why);
    case MSG_QUERY_DELETE:
        return node_get_delete(node, query->slot, query->number, arena, &ret->record, why);
    case MSG_QUERY_PREVIEW:
        return node_preview_delete(node, &query->preview, arena, &ret->preview, &ret->applied_index,
                                   why);
    case MSG_QUERY_KINDS:
        break;
    }
    abort();
}

static enum err ask_store(struct node *node, const struct msg_query *query, struct arena *arena,
                          struct msg_answer *ret, struct why *why)
{
    memset(ret, 0, sizeof(*ret));
    ret->err = ask(node, query, arena, ret, why);
    ret->applied_index = atomic_load(&node->applied_shown);
    return ret->err;
}

enum err node_ask(struct node *node, const struct msg_query *query, struct arena *arena,
                  struct msg_answer *ret, struct why *why)
{
    mutex_lock(&node->lock);
    bool is_fit = node->elsewhere == 0;
    mutex_unlock(&node->lock);
    if (is_fit)
        return ask_store(node, query, arena, ret, why);
    *ret = (struct msg_answer){.err = ERR_UNREADY};
    return why_set(why, ERR_UNREADY, "this replica is being brought up to date");
}

enum err node_answer(struct node *node, const struct node_call *call, uint32_t at,
                     struct arena *arena, struct msg_answer *ret, struct why *why)
{
    if (call->err != OK || at >= call->queries_count)
        abort();
    return call->answer == NULL ? node_ask(node, &call->queries[at], arena, ret, why)
                                : ask_store(node, &call->queries[at], arena, ret, why);
}

void fake_node_read_elsewhere(struct node *node, node_id id)
{
    mutex_lock(&node->lock);
    node->elsewhere = id;
    mutex_unlock(&node->lock);
}
