/* SPDX-License-Identifier: Apache-2.0 */
/* `expect` and `converge` of on=node. */
#include "node_expect.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "msg/msg.h"
#include "node_clients.h"
#include "node_witness.h"

enum step world_no(struct world *world, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    world_fail(world, "%s", text);
    return STEP_FAILED;
}

static void ranges_text(const struct ranges *ranges, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < ranges->count && len < size; i++) {
        const struct range *range = &ranges->items[i];
        int n = range->start == range->end
                    ? snprintf(ret + len, size - len, "%s%llu", i ? "," : "", LLU(range->start))
                    : snprintf(ret + len, size - len, "%s%llu-%llu", i ? "," : "",
                               LLU(range->start), LLU(range->end));
        len += (size_t)n;
    }
    if (ranges->count == 0)
        snprintf(ret, size, "none");
}

static enum step expect_ranges(struct world *world, const char *want, const struct ranges *got)
{
    char text[256], wanted[256];
    struct ranges parsed;
    ranges_init(&parsed);
    bool fine = strcmp(want, "none") == 0 || ranges_parse(want, &parsed);
    ranges_text(got, text, sizeof(text));
    ranges_text(&parsed, wanted, sizeof(wanted));
    ranges_done(&parsed);
    if (!fine)
        return STEP_UNKNOWN;
    return strcmp(text, wanted) == 0 ? STEP_OK : world_no(world, "visible is %s", text);
}

/* expect visible N channel 1-99,201-300: of N's own store, whatever it may serve. */
static enum step expect_visible(struct world *world, struct seat *seat, const struct words *words)
{
    struct channel channel = {.type = 2, .id = bytes_of_string(words->word[3])};
    struct msg_page_query query = {.channel = channel, .limit = 10000};
    struct msg_page page;
    struct arena arena;
    struct ranges got;
    arena_init(&arena);
    ranges_init(&got);
    enum err err = msg_get_page(seat->msg, &query, &arena, &page, NULL);
    for (uint32_t i = 0; err == OK && i < page.messages_count; i++)
        ranges_add(&got, page.messages[i].seq, page.messages[i].seq);
    enum step step = err == OK ? expect_ranges(world, words->word[4], &got)
                               : world_no(world, "cannot read: %s", err_slug(err));
    ranges_done(&got);
    arena_done(&arena);
    return step;
}

static enum step expect_last(struct world *world, struct seat *seat, const struct words *words)
{
    struct channel channel = {.type = 2, .id = bytes_of_string(words->word[3])};
    struct msg_channel got = {0};
    struct arena arena;
    uint64_t want;
    arena_init(&arena);
    enum err err = msg_get_channel(seat->msg, channel, &arena, &got, NULL);
    arena_done(&arena);
    if (err != OK || !number_parse(words->word[4], &want))
        return STEP_UNKNOWN;
    return got.last_seq == want ? STEP_OK : world_no(world, "last_seq is %llu", LLU(got.last_seq));
}

static enum step expect_role(struct world *world, struct seat *seat, const struct words *words)
{
    static const char *const names[] = {"follower", "pre-candidate", "candidate", "leader"};
    uint64_t slot = words_number(words, "slot", 0), term = words_number(words, "term", 0);
    struct raft_status status;
    if (words->words_count < 4 || slot >= world->slots)
        return STEP_UNKNOWN;
    node_group_status(seat->node, (slot_id)slot, &status);
    if (strcmp(names[status.role], words->word[3]) != 0 || (term != 0 && status.term != term))
        return world_no(world, "node %llu is %s of term %llu", LLU(seat->id), names[status.role],
                        LLU(status.term));
    return STEP_OK;
}

static enum step expect_number(struct world *world, const struct words *words, const char *key,
                               uint64_t got)
{
    const char *text = words_option(words, key);
    uint64_t want;
    if (text == NULL)
        return STEP_OK;
    if (!number_parse(text, &want))
        return STEP_UNKNOWN;
    return got == want ? STEP_OK : world_no(world, "%s is %llu", key, LLU(got));
}

/* expect answer NAME ok|refused|unknown|open|<slug> [seq=] [duplicate=] [deleted=] [count=]
 * [already=] [last=] [by=] [visible=] */
static enum step expect_answer(struct world *world, const struct words *words)
{
    if (words->words_count < 4)
        return STEP_UNKNOWN;
    const struct op *op = clients_find(world->clients, words->word[2]);
    const char *want = words->word[3];
    if (op == NULL)
        return STEP_UNKNOWN;
    const char *got = !op->is_done ? "open" : err_slug(op->err);
    bool fits = strcmp(want, got) == 0;
    if (op->is_done && op->err == OK && op->kind != OP_READ)
        fits |= strcmp(want, err_slug(op->first.err)) == 0 && strcmp(want, "ok") != 0;
    if (strcmp(want, "refused") == 0)
        fits = op->is_done && err_kind(op->err) == ERR_KIND_REFUSED;
    if (strcmp(want, "unknown") == 0)
        fits = op->is_done && op->err == ERR_OUTCOME_UNKNOWN;
    if (strcmp(want, "ok") == 0)
        fits = op->is_done && op->err == OK && op->first.err == OK;
    if (!fits)
        return world_no(world, "op %s: %s, %s", op->as, got, err_slug(op->first.err));
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"seq", op->first.seq},
                   {"duplicate", op->first.duplicate},
                   {"deleted", op->first.deleted},
                   {"count", op->deleted_count},
                   {"already", op->already_deleted},
                   {"last", op->last_seq},
                   {"by", op->served_by}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        enum step step = expect_number(world, words, numbers[i].key, numbers[i].value);
        if (step != STEP_OK)
            return step;
    }
    const char *visible = words_option(words, "visible");
    return visible == NULL ? STEP_OK : expect_ranges(world, visible, &op->visible);
}

static bool states_equal(struct world *world, struct seat *a, struct seat *b)
{
    for (slot_id slot = 0; slot < world->slots; slot++) {
        struct row_applied x, y;
        if (store_get_applied(a->store, NULL, slot, &x) != OK ||
            store_get_applied(b->store, NULL, slot, &y) != OK || x.index != y.index ||
            !hash128_is_equal(x.digest, y.digest))
            return false;
    }
    return true;
}

static enum step expect_state_equal(struct world *world, const struct words *words)
{
    uint64_t ids[WORLD_NODES_MAX];
    size_t count;
    if (words->words_count < 3 || !ids_parse(words->word[2], ids, WORLD_NODES_MAX, &count))
        return STEP_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        struct seat *seat = world_seat(world, ids[i]);
        if (seat == NULL || seat->node == NULL)
            return STEP_UNKNOWN;
        if (!states_equal(world, world_seat(world, ids[0]), seat))
            return world_no(world, "states of %llu and %llu differ", LLU(ids[0]), LLU(ids[i]));
    }
    return STEP_OK;
}

static enum step expect_flag(struct world *world, const struct words *words, bool got)
{
    bool want = words->words_count < 4 || strcmp(words->word[3], "no") != 0;
    return got == want ? STEP_OK : world_no(world, "%s is %s", words->word[1], got ? "yes" : "no");
}

/* expect floor N 0 [no] [slot=]: of the delete log, in N's own rows. */
static enum step expect_floor(struct world *world, struct seat *seat, const struct words *words)
{
    struct msg_slot_state state;
    uint64_t want;
    slot_id slot = (slot_id)words_number(words, "slot", 0);
    if (words->words_count < 4 || !number_parse(words->word[3], &want) ||
        msg_get_slot_state(seat->msg, slot, &state, NULL) != OK)
        return STEP_UNKNOWN;
    bool is_not = words->words_count > 4 && strcmp(words->word[4], "no") == 0;
    return (state.floor == want) != is_not ? STEP_OK
                                           : world_no(world, "floor is %llu", LLU(state.floor));
}

static enum step expect_of_seat(struct world *world, struct seat *seat, const struct words *words)
{
    const char *what = words->word[1];
    uint64_t slot = words_number(words, "slot", 0), want;
    if (strcmp(what, "down") == 0)
        return expect_flag(world, words, seat->node == NULL);
    if (strcmp(what, "failed") == 0)
        return expect_flag(world, words, seat->fatal != OK);
    if (seat->node == NULL)
        return world_no(world, "node %llu is down", LLU(seat->id));
    if (strcmp(what, "role") == 0)
        return expect_role(world, seat, words);
    if (strcmp(what, "visible") == 0 && words->words_count == 5)
        return expect_visible(world, seat, words);
    if (strcmp(what, "last") == 0 && words->words_count == 5)
        return expect_last(world, seat, words);
    if (strcmp(what, "floor") == 0)
        return expect_floor(world, seat, words);
    struct raft_status status;
    if (!node_group_status(seat->node, (slot_id)slot, &status))
        return STEP_UNKNOWN;
    if (strcmp(what, "amnesia") == 0)
        return expect_flag(world, words, status.amnesia);
    if (strcmp(what, "installing") == 0)
        return expect_flag(world, words, status.installing);
    if (words->words_count < 4 || !number_parse(words->word[3], &want))
        return STEP_UNKNOWN;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"commit", status.commit},
                   {"applied", status.applied},
                   {"durable-applied", status.durable_applied},
                   {"base", status.base.index},
                   {"log-end", status.last.index},
                   {"term", status.term}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(numbers[i].name, what) == 0)
            return numbers[i].value == want
                       ? STEP_OK
                       : world_no(world, "%s is %llu", what, LLU(numbers[i].value));
    }
    return STEP_UNKNOWN;
}

enum step world_expect(struct world *world, const struct words *words)
{
    uint64_t id;
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    const char *what = words->word[1];
    if (strcmp(what, "elections") == 0) {
        uint64_t max = words_number(words, "max", 0);
        return world->elections <= max ? STEP_OK
                                       : world_no(world, "%llu elections", LLU(world->elections));
    }
    if (strcmp(what, "state-equal") == 0)
        return expect_state_equal(world, words);
    if (strcmp(what, "answer") == 0)
        return expect_answer(world, words);
    bool is_known;
    enum step step = world_expect_member(world, words, &is_known);
    if (is_known)
        return step;
    if (words->words_count < 3 || !number_parse(words->word[2], &id) ||
        world_seat(world, id) == NULL)
        return STEP_UNKNOWN;
    return expect_of_seat(world, world_seat(world, id), words);
}
