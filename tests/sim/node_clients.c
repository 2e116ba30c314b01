/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may conclude from an answer is checked when both are known, in whatever order: the
 * answer, and whether the command was applied.
 *
 *   OK                applied once, at the index of the answer, with the result of the model
 *   refused           never applied, not before and not after (I38)
 *   outcome unknown   applied at most once (I36)
 *   a read            shows the model's state at its index; linearizable: not before anything that
 *                     was applied anywhere when it began (I34); min_index: not before that (I37) */
#include "node_clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "msg/msg.h"
#include "store/memory.h"

enum { CHANNEL_TYPE = 2, TIMEOUT_MS = 5000, PAGE_LIMIT = 10000 };

struct clients *clients_new(struct world *world)
{
    struct clients *clients = alloc_zero(sizeof(*clients));
    clients->world = world;
    return clients;
}

void clients_free(struct clients *clients)
{
    for (uint32_t i = 0; i < clients->count; i++) {
        msg_result_free(clients->ops[i]->call.result);
        blob_unref(clients->ops[i]->call.answer);
        ranges_done(&clients->ops[i]->visible);
        free(clients->ops[i]);
    }
    free(clients->ops);
    free(clients);
}

static struct channel op_channel(const struct op *op)
{
    return (struct channel){.type = CHANNEL_TYPE, .id = bytes_of_string(op->channel)};
}

struct op *clients_find(struct clients *clients, const char *as)
{
    for (uint32_t i = clients->count; i > 0; i--) {
        if (strcmp(clients->ops[i - 1]->as, as) == 0)
            return clients->ops[i - 1];
    }
    return NULL;
}

static struct op *op_new(struct clients *clients, struct seat *seat, const struct words *words,
                         enum op_kind kind)
{
    if (clients->count == clients->capacity) {
        clients->capacity = clients->capacity * 2 + 64;
        clients->ops = alloc_resize(clients->ops, clients->capacity, sizeof(struct op *));
    }
    struct op *op = alloc_zero(sizeof(*op));
    clients->ops[clients->count++] = op;
    op->clients = clients;
    op->number = clients->count;
    op->kind = kind;
    op->node = seat->id;
    ranges_init(&op->visible);
    const char *as = words_option(words, "as");
    snprintf(op->as, sizeof(op->as), "%s", as == NULL ? "" : as);
    if (kind != OP_TRANSFER && kind != OP_MEMBER) {
        snprintf(op->channel, sizeof(op->channel), "%s",
                 words->words_count > 2 ? words->word[2] : "a");
        op->slot = channel_slot(op_channel(op), clients->world->slots);
    }
    return op;
}

/* ---- answers ----------------------------------------------------------------------------------------- */
static void op_fail(struct op *op, const char *what)
{
    world_fail(op->clients->world, "%s (op %llu, %s)", what, LLU(op->number), err_slug(op->err));
}

/* An error that says "certainly not applied". */
static bool op_is_refused(const struct op *op)
{
    return op->is_done && op->err != OK && err_kind(op->err) != ERR_KIND_UNKNOWN &&
           err_kind(op->err) != ERR_KIND_BROKEN;
}

static void op_check(struct op *op)
{
    if (op->kind != OP_SEND && op->kind != OP_DELETE)
        return;
    if (op->applied > 1)
        op_fail(op, "I36: a command was applied twice");
    if (op_is_refused(op) && op->applied > 0)
        op_fail(op, "I38: a command that was refused was applied");
    if (op->is_done && op->err == OK && op->applied != 1)
        op_fail(op, "I35: a command that was answered was never applied");
}

static void op_show_page(struct op *op)
{
    struct world *world = op->clients->world;
    struct seat *seat = &world->seats[op->node];
    struct arena arena;
    struct msg_answer answer;
    struct why why = {0};
    arena_init(&arena);
    op->served_by = op->call.served_by;
    enum err err = node_answer(seat->node, &op->call, 0, &arena, &answer, &why);
    if (err == ERR_DISK_FAILED && seat->disk->reads_fail) {
        op->err = err; /* the client is told so, and the node ends at its next turn */
        seat->must_end = true;
    } else if (err == ERR_CORRUPT && (seat->is_damaged || world->seats[op->served_by].is_damaged)) {
        op->err = err;
    } else if (err == ERR_NEW_FOLDER || err == ERR_REMOVED) {
        op->err = err; /* it was told so after the call was answered, and shows nothing any more */
    } else if (err != OK) {
        world_fail(world, "I14: node %llu cannot read: %s", LLU(op->node), why.text);
    } else {
        const struct msg_page *page = &answer.page;
        witness_page(world->witness, op->served_by, op->slot, op_channel(op), page);
        if (page->applied_index < op->floor)
            op_fail(op, "I34: a linearizable read shows an old state");
        if (page->applied_index < op->call.min_index)
            op_fail(op, "I37: a read shows less than min_index");
        op->page_index = page->applied_index;
        op->last_seq = page->last_seq;
        for (uint32_t i = 0; i < page->messages_count; i++)
            ranges_add(&op->visible, page->messages[i].seq, page->messages[i].seq);
    }
    arena_done(&arena);
}

static void op_show_result(struct op *op)
{
    struct world *world = op->clients->world;
    const struct msg_result *result = op->call.result;
    if (result == NULL) {
        op_fail(op, "I35: an answer without a result");
        return;
    }
    witness_result(world->witness, op->slot, result, op->number);
    if (result->log_index != op->at_index)
        op_fail(op, "I35: an answer names another index than the one where it was applied");
    if (result->appends_count > 0)
        op->first = result->appends[0];
    op->deleted_count = result->deleted.deleted_count;
    op->already_deleted = result->deleted.already_deleted;
    if (op->kind == OP_DELETE)
        op->first.err = result->deleted.err;
}

static void op_answered(struct op *op, enum err err)
{
    struct clients *clients = op->clients;
    op->is_open = false;
    op->is_done = true;
    op->err = err;
    clients->answered += err == OK;
    clients->unknown += err == ERR_OUTCOME_UNKNOWN;
    clients->refused += op_is_refused(op);
    world_note(clients->world, "op %llu answered: %s", LLU(op->number), err_slug(err));
    op_check(op);
    if (err == OK && op->kind == OP_READ)
        op_show_page(op);
    else if (err == OK && op->kind != OP_TRANSFER && op->kind != OP_MEMBER && op->kind != OP_RETAIN)
        op_show_result(op);
    blob_unref(op->call.answer);
    op->call.answer = NULL;
}

static void on_done(struct node_call *call, void *arg)
{
    struct op *op = arg;
    assert(call == &op->call);
    if (!op->is_open) {
        op_fail(op, "I38: a call was answered twice");
        return;
    }
    struct seat *seat = &op->clients->world->seats[op->node];
    /* A node that failed answers only as its process ends. */
    if (seat->fatal != OK && call->err == OK)
        op_fail(op, "I10: a node that failed answered");
    op_answered(op, call->err);
}

static enum step op_start(struct op *op, struct seat *seat, const struct words *words)
{
    struct node_call *call = &op->call;
    call->slot = op->slot;
    call->deadline_ms = seat_now_ms(seat) + words_number(words, "timeout", TIMEOUT_MS);
    call->on_done = on_done;
    call->arg = op;
    op->is_open = true;
    world_note(op->clients->world, "op %llu on %llu", LLU(op->number), LLU(seat->id));
    enum err err = node_call_start(seat->node, call, NULL);
    if (err != OK)
        op_answered(op, err);
    return STEP_OK;
}

/* ---- the witness met it -------------------------------------------------------------------------------- */
static void op_applied(struct clients *clients, uint64_t number, uint64_t index)
{
    if (number == 0 || number > clients->count) {
        world_fail(clients->world, "I5: index %llu holds a command that nobody sent", LLU(index));
        return;
    }
    struct op *op = clients->ops[number - 1];
    if (op->at_index != index)
        op->applied++;
    op->at_index = index;
    op_check(op);
}

void clients_applied(struct clients *clients, slot_id slot, uint64_t index,
                     const struct command_message *message)
{
    uint64_t number = 0;
    (void)slot;
    memcpy(&number, message->salt, sizeof(number));
    op_applied(clients, number, index);
}

void clients_applied_delete(struct clients *clients, slot_id slot, uint64_t index,
                            struct bytes request_id)
{
    char text[24];
    (void)slot;
    snprintf(text, sizeof(text), "%.*s", (int)request_id.len, (const char *)request_id.data);
    op_applied(clients, strtoull(text, NULL, 10), index);
}

enum { SEND_MAX = 1000 }; /* messages of one send */

/* ---- commands ------------------------------------------------------------------------------------------- */
static enum step op_send(struct op *op, struct seat *seat, const struct words *words)
{
    struct command_message messages[SEND_MAX];
    char payloads[SEND_MAX][80], numbers[SEND_MAX][32];
    const char *expected = words_option(words, "expect_last");
    uint64_t size = words_number(words, "size", 0);
    struct buf filler = BUF_INIT;
    for (uint64_t i = 0; i < size; i++)
        buf_put_u8(&filler, (uint8_t)('a' + i % 26));
    for (uint32_t i = 0; i < op->count; i++) {
        messages[i] = (struct command_message){.payload_encoding = PAYLOAD_UTF8};
        int len = snprintf(payloads[i], sizeof(payloads[i]), "%s/%u", op->payload, i);
        messages[i].payload = size > 0 ? buf_bytes(&filler) : bytes_of(payloads[i], (size_t)len);
        if (op->no[0] != '\0') {
            len = snprintf(numbers[i], sizeof(numbers[i]), "%s.%u", op->no, i);
            messages[i].client_msg_no = bytes_of(numbers[i], (size_t)len);
            messages[i].from_uid = bytes_of_string("u");
        }
        memcpy(messages[i].salt, &op->number, sizeof(op->number));
        memcpy(messages[i].salt + sizeof(op->number), &i, sizeof(i));
    }
    struct command_part part = {.channel = op_channel(op),
                                .has_expected_last_seq = expected != NULL,
                                .expected_last_seq = words_number(words, "expect_last", 0),
                                .messages = messages,
                                .messages_count = op->count};
    struct command command = {.kind = COMMAND_APPEND, .append = {.parts = &part, .parts_count = 1}};
    op->call.kind = NODE_CALL_COMMAND;
    op->call.command = command_encode(&command);
    buf_done(&filler);
    return op_start(op, seat, words);
}

enum step clients_send(struct clients *clients, struct seat *seat, const struct words *words)
{
    uint64_t count = words_number(words, "count", 1);
    if (words->words_count < 3 || count == 0 || count > SEND_MAX)
        return STEP_UNKNOWN;
    struct op *op = op_new(clients, seat, words, OP_SEND);
    const char *no = words_option(words, "no");
    op->count = (uint32_t)count;
    snprintf(op->no, sizeof(op->no), "%s", no == NULL ? "" : no);
    /* Payloads differ, but for those that a client calls the same. */
    if (no != NULL)
        snprintf(op->payload, sizeof(op->payload), "%.20s:%.20s",
                 words->words_count > 3 ? words->word[3] : "x", no);
    else
        snprintf(op->payload, sizeof(op->payload), "%.20s#%llu",
                 words->words_count > 3 ? words->word[3] : "x", LLU(op->number));
    return op_send(op, seat, words);
}

/* retry N [of=name] [back=k]: the same message again, at node N. */
enum step clients_retry(struct clients *clients, struct seat *seat, const struct words *words)
{
    const char *of = words_option(words, "of");
    uint64_t back = words_number(words, "back", 1);
    const struct op *first = of == NULL ? NULL : clients_find(clients, of);
    for (uint32_t i = clients->count; first == NULL && of == NULL && i > 0; i--) {
        if (clients->ops[i - 1]->no[0] != '\0' && --back == 0)
            first = clients->ops[i - 1];
    }
    if (first == NULL)
        return of == NULL ? STEP_NOTHING : STEP_UNKNOWN;
    struct op *op = op_new(clients, seat, words, OP_SEND);
    op->count = first->count;
    op->slot = first->slot;
    memcpy(op->channel, first->channel, sizeof(op->channel));
    memcpy(op->no, first->no, sizeof(op->no));
    memcpy(op->payload, first->payload, sizeof(op->payload));
    return op_send(op, seat, words);
}

bool ranges_parse(const char *text, struct ranges *ret)
{
    while (*text != '\0') {
        char *end;
        uint64_t start = strtoull(text, &end, 10), last = start;
        if (end == text)
            return false;
        if (*end == '-') {
            text = end + 1;
            last = strtoull(text, &end, 10);
            if (end == text)
                return false;
        }
        if (start == 0 || last < start || (*end != ',' && *end != '\0'))
            return false;
        ranges_add(ret, start, last);
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

/* "all" and "tail:N" are worked out by the node that is asked, from what it has. */
static bool delete_ranges(struct op *op, struct seat *seat, const char *text, struct ranges *ret)
{
    if (strcmp(text, "all") != 0 && strncmp(text, "tail:", 5) != 0)
        return ranges_parse(text, ret);
    struct msg_channel channel;
    struct arena arena;
    arena_init(&arena);
    enum err err = node_get_channel(seat->node, op_channel(op), &arena, &channel, NULL);
    uint64_t tail = text[0] == 'a' ? UINT64_MAX : strtoull(text + 5, NULL, 10);
    if (err == OK && channel.last_seq > 0)
        ranges_add(ret, tail >= channel.last_seq ? 1 : channel.last_seq - tail + 1,
                   channel.last_seq);
    arena_done(&arena);
    return true;
}

enum step clients_delete(struct clients *clients, struct seat *seat, const struct words *words)
{
    if (words->words_count < 4)
        return STEP_UNKNOWN;
    struct op *op = op_new(clients, seat, words, OP_DELETE);
    struct ranges ranges;
    char request[24];
    ranges_init(&ranges);
    if (!delete_ranges(op, seat, words->word[3], &ranges)) {
        ranges_done(&ranges);
        return STEP_UNKNOWN;
    }
    enum step step = STEP_NOTHING;
    if (ranges.count > 0) {
        snprintf(request, sizeof(request), "%llu", LLU(op->number));
        struct command command = {.kind = COMMAND_DELETE,
                                  .flags = words_number(words, "clamp", 0) ? COMMAND_CLAMP : 0,
                                  .delete_ = {.channel = op_channel(op),
                                              .ranges = ranges.items,
                                              .ranges_count = (uint32_t)ranges.count,
                                              .operator_name = bytes_of_string("sim"),
                                              .request_id = bytes_of_string(request)}};
        op->call.kind = NODE_CALL_COMMAND;
        op->call.command = command_encode(&command);
        step = op_start(op, seat, words);
    }
    ranges_done(&ranges);
    return step;
}

enum step clients_retain(struct clients *clients, struct seat *seat, const struct words *words)
{
    if (words->words_count < 3)
        return STEP_UNKNOWN;
    struct op *op = op_new(clients, seat, words, OP_RETAIN);
    struct command command = {
        .kind = COMMAND_SET_RETENTION,
        .set_retention = {.channel = op_channel(op),
                          .max_age_ms = words_number(words, "age", 0),
                          .max_messages = words_number(words, "messages", 0)}};
    op->call.kind = NODE_CALL_COMMAND;
    op->call.command = command_encode(&command);
    return op_start(op, seat, words);
}

enum step clients_read(struct clients *clients, struct seat *seat, const struct words *words)
{
    static const char *const levels[] = {"linearizable", "leader", "local"};
    const char *level = words_option(words, "level");
    const char *of = words_option(words, "after");
    uint64_t min_index = words_number(words, "min_index", 0);
    int at = 0;
    while (level != NULL && at < 3 && strcmp(levels[at], level) != 0)
        at++;
    if (words->words_count < 3 || at == 3)
        return STEP_UNKNOWN;
    if (of != NULL) { /* after=name: reads its own write */
        const struct op *write = clients_find(clients, of);
        if (write == NULL)
            return STEP_UNKNOWN;
        min_index = write->at_index;
    }
    struct op *op = op_new(clients, seat, words, OP_READ);
    op->call.kind = NODE_CALL_READ;
    op->call.consistency = (enum node_consistency)at;
    op->query = (struct msg_query){.kind = MSG_QUERY_PAGE,
                                   .page = {.channel = op_channel(op), .limit = PAGE_LIMIT}};
    op->call.queries = &op->query;
    op->call.queries_count = 1;
    op->call.min_index = min_index;
    if (words_number(words, "own", 0) > 0) /* own=1: not before the newest answered write */
        for (uint32_t i = 0; i < clients->count; i++) {
            const struct op *write = clients->ops[i];
            if (write->is_done && write->err == OK && write->slot == op->slot &&
                write->at_index > op->call.min_index)
                op->call.min_index = write->at_index;
        }
    if (op->call.consistency == NODE_LINEARIZABLE)
        op->floor = clients->world->witness->slots[op->slot].applied;
    return op_start(op, seat, words);
}

enum step clients_transfer(struct clients *clients, struct seat *seat, const struct words *words)
{
    struct op *op = op_new(clients, seat, words, OP_TRANSFER);
    uint64_t slot = words_number(words, "slot", 0);
    if (slot >= clients->world->slots)
        return STEP_UNKNOWN;
    op->slot = (slot_id)slot;
    op->call.kind = NODE_CALL_TRANSFER;
    op->call.to = words_number(words, "to", 0);
    return op_start(op, seat, words);
}

enum step clients_member(struct clients *clients, struct seat *seat,
                         const struct node_member_change *change, const struct words *words)
{
    struct op *op = op_new(clients, seat, words, OP_MEMBER);
    op->call.kind = NODE_CALL_MEMBER;
    op->call.command = node_member_encode(change);
    return op_start(op, seat, words);
}
