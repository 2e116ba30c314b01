/* SPDX-License-Identifier: Apache-2.0 */
/* Spreading leaders over the nodes: a plan from what this node sees, and, unless only the plan was
 * asked for, its moves, some at a time. The node evens them out by itself as well, a few a second
 * and only where that is cheap; this is for who does not want to wait, or to see what would move. */
#include "http/fields.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"

struct move {
    uint32_t slot;
    node_id from, to;
    enum err err;
    struct why why;
};

struct member {
    node_id id;
    bool may_lead; /* is up and not draining */
    uint32_t before, after;
};

/* A slot: who leads it, and who could. */
struct seat {
    node_id leader; /* 0: nobody, or it moves */
    uint32_t voters_count;
    node_id voters[RAFT_MEMBERS_MAX];
};

struct balance {
    bool is_dry_run;
    struct member members[NODE_MEMBERS_MAX];
    uint32_t members_count;
    struct seat *seats; /* by slot, in arena */
    uint32_t slots;
    struct move *moves; /* in arena: at most one a slot */
    uint32_t moves_count, started;
};

static struct member *find_member(struct balance *balance, node_id id)
{
    for (uint32_t i = 0; i < balance->members_count; i++) {
        if (balance->members[i].id == id)
            return &balance->members[i];
    }
    return NULL;
}

static void look(struct request *req, struct balance *balance)
{
    struct node *node = http_node(req->http);
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    struct node_slot *slot = arena_alloc(&req->arena, sizeof(*slot));
    node_get_cluster(node, cluster);
    for (uint32_t i = 0; i < cluster->peers_count; i++) {
        const struct node_peer *peer = &cluster->peers[i];
        balance->members[balance->members_count++] = (struct member){
            .id = peer->id, .may_lead = (peer->up || peer->self) && !peer->draining};
    }
    balance->slots = node_slot_count(node);
    balance->seats = arena_zero(&req->arena, balance->slots * sizeof(*balance->seats));
    balance->moves = arena_alloc(&req->arena, balance->slots * sizeof(*balance->moves));
    for (uint32_t i = 0; i < balance->slots; i++) {
        memset(slot, 0, sizeof(*slot));
        if (!node_get_slot(node, i, slot))
            continue;
        struct member *leader = find_member(balance, slot->leader);
        if (leader == NULL)
            continue;
        struct seat *seat = &balance->seats[i];
        seat->leader = slot->leader;
        seat->voters_count = slot->voters_count;
        memcpy(seat->voters, slot->voters, sizeof(seat->voters));
        leader->before++;
        leader->after++;
    }
}

/* Who votes in the slot, may lead, and leads the fewest; NULL: nobody else. */
static struct member *find_next(struct balance *balance, const struct seat *seat)
{
    struct member *best = NULL;
    for (uint32_t i = 0; i < seat->voters_count; i++) {
        struct member *member = find_member(balance, seat->voters[i]);
        if (member != NULL && member->may_lead && member->id != seat->leader &&
            (best == NULL || member->after < best->after))
            best = member;
    }
    return best;
}

/* The move that evens out most: only to a node that votes in the slot. False: none does. */
static bool find_move(struct balance *balance, uint32_t *ret_slot, struct member **ret_to)
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < balance->slots; i++) {
        const struct seat *seat = &balance->seats[i];
        const struct member *from = seat->leader == 0 ? NULL : find_member(balance, seat->leader);
        struct member *to = from == NULL ? NULL : find_next(balance, seat);
        if (to != NULL && from->after > to->after + most) {
            most = from->after - to->after;
            *ret_slot = i;
            *ret_to = to;
        }
    }
    return most > 1;
}

/* Each move is of a slot that has not moved yet, so that there are at most as many as slots. */
static void plan(struct balance *balance)
{
    struct member *to = NULL;
    uint32_t slot = 0;
    while (find_move(balance, &slot, &to)) {
        struct seat *seat = &balance->seats[slot];
        struct member *from = find_member(balance, seat->leader);
        balance->moves[balance->moves_count++] =
            (struct move){.slot = slot, .from = from->id, .to = to->id};
        seat->leader = 0;
        from->after--;
        to->after++;
    }
}

static void write_counts(struct buf *out, const struct balance *balance, bool is_after)
{
    jwrite_key(out, is_after ? "after" : "before");
    buf_put_u8(out, '{');
    for (uint32_t i = 0; i < balance->members_count; i++) {
        char name[DIGITS_SIZE];
        const struct member *member = &balance->members[i];
        jwrite_member_u64(out, digits_of(member->id, name),
                          is_after ? member->after : member->before);
    }
    buf_put_u8(out, '}');
}

static void finish(struct request *req)
{
    const struct balance *balance = req->state;
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    jwrite_member_bool(out, "dry_run", balance->is_dry_run);
    jwrite_key(out, "moves");
    buf_put_u8(out, '[');
    for (uint32_t i = 0; i < balance->moves_count; i++) {
        const struct move *move = &balance->moves[i];
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_u64(out, "slot", move->slot);
        jwrite_member_u64(out, "from", move->from);
        jwrite_member_u64(out, "to", move->to);
        if (!balance->is_dry_run) {
            jwrite_member_bool(out, "done", move->err == OK);
            if (move->err != OK)
                reply_problem_members(out, move->err, &move->why);
        }
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
    write_counts(out, balance, false);
    write_counts(out, balance, true);
    buf_put_u8(out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

static void move_some(struct request *req);

static void some_moved(struct request *req)
{
    struct balance *balance = req->state;
    for (uint32_t i = 0; i < req->calls_count; i++) {
        struct move *move = &balance->moves[balance->started - req->calls_count + i];
        move->err = req->calls[i].err;
        move->why = req->calls[i].why;
        if (move->err == OK)
            continue;
        find_member(balance, move->from)->after++;
        find_member(balance, move->to)->after--;
    }
    if (balance->started == balance->moves_count)
        finish(req);
    else
        move_some(req);
}

static void move_some(struct request *req)
{
    struct balance *balance = req->state;
    uint32_t count = balance->moves_count - balance->started;
    if (count > HTTP_ORDER_SLOTS_AT_ONCE)
        count = HTTP_ORDER_SLOTS_AT_ONCE;
    struct node_call *calls = arena_alloc(&req->arena, count * sizeof(*calls));
    for (uint32_t i = 0; i < count; i++) {
        const struct move *move = &balance->moves[balance->started + i];
        request_prepare_read(req, &calls[i], move->slot, NODE_LINEARIZABLE);
        calls[i].kind = NODE_CALL_TRANSFER;
        calls[i].to = move->to;
    }
    balance->started += count;
    request_wait_calls(req, calls, count, some_moved);
}

void leaders_balance_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    struct balance *balance = req->state = arena_zero(&req->arena, sizeof(*balance));
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_bool(body, "dry_run", &balance->is_dry_run, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    look(req, balance);
    plan(balance);
    if (balance->is_dry_run || balance->moves_count == 0)
        finish(req);
    else
        move_some(req);
}
