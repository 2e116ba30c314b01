/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of operators about one slot. A compaction of the log goes to every member, as each has a log
 * of its own, and answers with what each one did; a full install, a collection of the delete log and
 * the question how far each replica has applied are the leader's.
 *
 * What travels (CALL_ADMIN): u8 what, then its numbers as le64, or what change.c and tell.c say; the
 * answer is a node_admin, or theirs. */
#include "node/parts.h"
#include "wire/call.h"

enum {
    ADMIN_COMPACT = 1,
    ADMIN_COLLECT = 2,
    ADMIN_REPLICAS = 3,
    ADMIN_SLOT = 4,
    ADMIN_CHECK = 5,
    ADMIN_CHECK_HERE = 6,
    ADMIN_COMPACT_ALL = 7
};
enum { ADMIN_MEMBER = 16, ADMIN_PLACEMENT = 17, ADMIN_TELL = 18, ADMIN_GONE = 19, ADMIN_JOB = 20 };
enum { REASON_MAX_BYTES = 63 };

/* ---- what travels -------------------------------------------------------------------------------- */

uint8_t admin_encode_request(struct buf *buf, const struct node_call *call)
{
    switch (call->kind) {
    case NODE_CALL_COMPACT:
        buf_put_u8(buf, call->only_here ? ADMIN_COMPACT : ADMIN_COMPACT_ALL);
        buf_put_le64(buf, call->through_index);
        buf_put_le64(buf, call->keep);
        return CALL_ADMIN;
    case NODE_CALL_COLLECT:
        buf_put_u8(buf, ADMIN_COLLECT);
        buf_put_le64(buf, call->force_floor);
        return CALL_ADMIN;
    case NODE_CALL_REPLICAS:
        buf_put_u8(buf, ADMIN_REPLICAS);
        return CALL_ADMIN;
    case NODE_CALL_SLOT:
        buf_put_u8(buf, ADMIN_SLOT);
        return CALL_ADMIN;
    case NODE_CALL_CHECK:
        buf_put_u8(buf, call->only_here ? ADMIN_CHECK_HERE : ADMIN_CHECK);
        if (call->only_here) {
            buf_put_le64(buf, call->through_index);
            buf_put_le64(buf, call->keep);
        }
        return CALL_ADMIN;
    case NODE_CALL_FULL_SYNC:
        buf_put_le64(buf, call->to);
        return CALL_INSTALL;
    case NODE_CALL_TRANSFER:
        buf_put_le64(buf, call->to);
        return CALL_TRANSFER;
    case NODE_CALL_MEMBER:
    case NODE_CALL_TELL:
        buf_put_u8(buf, call->kind == NODE_CALL_TELL ? ADMIN_TELL : ADMIN_MEMBER);
        buf_append_bytes(buf, blob_bytes(call->command));
        return CALL_ADMIN;
    case NODE_CALL_PLACEMENT:
        buf_put_u8(buf, ADMIN_PLACEMENT);
        return CALL_ADMIN;
    case NODE_CALL_JOB:
        buf_put_u8(buf, ADMIN_JOB);
        buf_append_bytes(buf, blob_bytes(call->command));
        return CALL_ADMIN;
    case NODE_CALL_GONE:
        buf_put_u8(buf, ADMIN_GONE);
        buf_put_le64(buf, call->to);
        return CALL_ADMIN;
    case NODE_CALL_COMMAND:
    case NODE_CALL_READ:
    case NODE_CALL_KINDS:
        break;
    }
    assert(!"a call that travels");
    return 0;
}

bool admin_decode_request(struct bytes body, struct node_call *call)
{
    struct reader reader = reader_of(body);
    uint8_t what = reader_u8(&reader);
    switch (what) {
    case ADMIN_MEMBER:
    case ADMIN_TELL:
        call->kind = what == ADMIN_TELL ? NODE_CALL_TELL : NODE_CALL_MEMBER;
        call->command = blob_copy(reader_bytes(&reader, reader_left(&reader)));
        break;
    case ADMIN_PLACEMENT:
        call->kind = NODE_CALL_PLACEMENT;
        break;
    case ADMIN_JOB:
        call->kind = NODE_CALL_JOB;
        call->only_here = true;
        call->command = blob_copy(reader_bytes(&reader, reader_left(&reader)));
        break;
    case ADMIN_COMPACT:
    case ADMIN_COMPACT_ALL: /* by a node that has no part in the slot */
        call->kind = NODE_CALL_COMPACT;
        call->only_here = what == ADMIN_COMPACT;
        call->through_index = reader_le64(&reader);
        call->keep = reader_le64(&reader);
        break;
    case ADMIN_COLLECT:
        call->kind = NODE_CALL_COLLECT;
        call->force_floor = reader_le64(&reader) != 0;
        break;
    case ADMIN_REPLICAS:
        call->kind = NODE_CALL_REPLICAS;
        break;
    case ADMIN_SLOT:
        call->kind = NODE_CALL_SLOT;
        break;
    case ADMIN_GONE:
        call->kind = NODE_CALL_GONE;
        call->to = reader_le64(&reader);
        break;
    case ADMIN_CHECK:
        call->kind = NODE_CALL_CHECK;
        break;
    case ADMIN_CHECK_HERE:
        call->kind = NODE_CALL_CHECK;
        call->only_here = true;
        call->through_index = reader_le64(&reader);
        call->keep = reader_le64(&reader);
        break;
    default:
        return false;
    }
    return reader_is_done(&reader);
}

void admin_encode(struct buf *buf, const struct node_admin *admin)
{
    buf_put_le64(buf, admin->floor_before);
    buf_put_le64(buf, admin->floor_after);
    buf_put_le64(buf, admin->removed);
    buf_put_le32(buf, admin->held_by_count);
    for (uint32_t i = 0; i < admin->held_by_count; i++) {
        buf_put_le64(buf, admin->held_by[i]);
    }
    buf_put_le32(buf, admin->items_count);
    for (uint32_t i = 0; i < admin->items_count; i++) {
        const struct node_admin_item *item = &admin->items[i];
        buf_put_le64(buf, item->node);
        buf_put_le64(buf, item->first_before);
        buf_put_le64(buf, item->first_after);
        buf_put_le64(buf, item->applied);
        buf_put_u8(buf, item->checked);
        buf_put_le64(buf, item->digest.low);
        buf_put_le64(buf, item->digest.high);
        buf_put_block(buf, bytes_of_string(item->skipped_reason));
    }
    buf_put_u8(buf, admin->has_slot);
    if (admin->has_slot) {
        view_encode(buf, &admin->slot);
    }
}

static void admin_decode_item(struct reader *reader, struct node_admin_item *ret)
{
    ret->node = reader_le64(reader);
    ret->first_before = reader_le64(reader);
    ret->first_after = reader_le64(reader);
    ret->applied = reader_le64(reader);
    ret->checked = reader_u8(reader);
    ret->digest.low = reader_le64(reader);
    ret->digest.high = reader_le64(reader);
    struct bytes reason = reader_block(reader);
    if (reader->failed || reason.len > REASON_MAX_BYTES || ret->checked > NODE_DIVERGED) {
        reader->failed = true;
        return;
    }
    memcpy(ret->skipped_reason, reason.data == NULL ? (const uint8_t *)"" : reason.data,
           reason.len);
}

struct node_admin *admin_decode(struct bytes bytes)
{
    struct node_admin *admin = alloc_zero(sizeof(*admin));
    struct reader reader = reader_of(bytes);
    admin->floor_before = reader_le64(&reader);
    admin->floor_after = reader_le64(&reader);
    admin->removed = reader_le64(&reader);
    uint32_t held = reader_le32(&reader);
    for (uint32_t i = 0; i < held && held <= ARRAY_LEN(admin->held_by); i++) {
        admin->held_by[admin->held_by_count++] = reader_le64(&reader);
    }
    uint32_t items = reader_le32(&reader);
    for (uint32_t i = 0; i < items && items <= ARRAY_LEN(admin->items); i++) {
        admin_decode_item(&reader, &admin->items[admin->items_count++]);
    }
    admin->has_slot = reader_u8(&reader) != 0;
    if (admin->has_slot) {
        view_decode(&reader, &admin->slot);
    }
    if (!reader_is_done(&reader) || held != admin->held_by_count || items != admin->items_count) {
        free(admin);
        return NULL;
    }
    return admin;
}

/* ---- the leader's ---------------------------------------------------------------------------------- */

bool admin_pass_on(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (group->role == RAFT_LEADER) {
        return false;
    }
    node_id to = table_route(group);
    bool has_leader = to != 0;
    if (!has_leader || !forward_call(group, call, to)) {
        waiter_finish(node, call, has_leader ? ERR_NOT_LEADER : ERR_NO_LEADER, NULL);
    }
    return true;
}

void admin_full_sync(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (admin_pass_on(group, call)) {
        return;
    }
    if (call->to == node->options.id) {
        waiter_finish(node, call, ERR_CONFLICT,
                      "this node leads the slot: hand its leadership over first");
        return;
    }
    struct raft_status status;
    raft_status(group->raft, &status);
    bool is_member = false;
    for (uint32_t i = 0; i < status.peers_count; i++) {
        is_member |= status.peers[i].peer == call->to;
    }
    enum err err = is_member ? raft_order_install(group->raft, call->to) : ERR_NOT_FOUND;
    if (err == OK) {
        group->ordered_peer = call->to;
        group->ordered_reason = NODE_WHY_OPERATOR;
        group_dirty(group);
        group_touch(group);
        log_info("node", "a full sync was ordered", "slot=%u peer=%" PRIu64 " " ORIGIN_FIELDS,
                 group->slot, call->to, ORIGIN_ARGS(node_origin_id(call), node_origin_trace(call)));
    }
    const char *text = err == ERR_NOT_FOUND ? "no such member of this slot"
                       : err == ERR_BUSY    ? "the others do not hold all that is committed yet"
                       : err == ERR_IGNORED ? "a transfer to it is under way"
                                            : NULL;
    waiter_finish(node, call, err == ERR_IGNORED ? ERR_CONFLICT : err, text);
}

void admin_replicas(struct group *group, struct node_call *call)
{
    if (admin_pass_on(group, call)) {
        return;
    }
    struct raft_status status;
    raft_status(group->raft, &status);
    struct node_admin *admin = call->admin = alloc_zero(sizeof(*admin));
    admin->items[admin->items_count++] = (struct node_admin_item){
        .node = group->node->options.id, .applied = group->durable_applied};
    for (uint32_t i = 0; i < status.peers_count && admin->items_count < ARRAY_LEN(admin->items);
         i++) {
        const struct raft_progress_status *peer = &status.peers[i];
        struct node_admin_item *item = &admin->items[admin->items_count++];
        *item = (struct node_admin_item){.node = peer->peer, .applied = peer->applied};
        if (!peer->active) {
            (void)snprintf(item->skipped_reason, sizeof(item->skipped_reason), "node_down");
        } else if (peer->install_session != 0) {
            (void)snprintf(item->skipped_reason, sizeof(item->skipped_reason), "installing");
        }
    }
    waiter_finish(group->node, call, OK, NULL);
}

void admin_slot(struct group *group, struct node_call *call)
{
    if (admin_pass_on(group, call)) {
        return;
    }
    call->admin = alloc_zero(sizeof(*call->admin));
    call->admin->has_slot = node_get_slot(group->node, group->slot, &call->admin->slot);
    waiter_finish(group->node, call, OK, NULL);
}

void admin_collect(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (admin_pass_on(group, call)) {
        return;
    }
    struct collect_plan plan;
    if (!collect_plan(group, call->force_floor, &plan)) {
        waiter_finish(node, call, ERR_INTERNAL, "the delete log cannot be read");
        return;
    }
    struct node_admin *admin = call->admin = alloc_zero(sizeof(*admin));
    admin->floor_before = admin->floor_after = plan.floor_before;
    admin->held_by_count = plan.held_by_count;
    memcpy(admin->held_by, plan.held_by, sizeof(plan.held_by));
    if (plan.floor_after <= plan.floor_before) {
        waiter_finish(node, call, OK, NULL);
        return;
    }
    struct raft_pos pos;
    enum err err = collect_propose(group, &plan, &pos);
    if (err != OK) {
        waiter_finish(node, call, err, NULL);
        return;
    }
    call->index = pos.index;
    call->term = pos.term;
    call->stage = WAITER_PROPOSED;
    waiter_add(&group->commands, call);
}

/* ---- every member's ---------------------------------------------------------------------------------- */

struct fan {
    struct node_call *call; /* who asked */
    struct group *group;
    admin_judge *judge;
    struct node_admin *admin;
    uint32_t left;
};

struct fan_child {
    struct node_call call;
    struct fan *fan;
    struct node *node;
    node_id to;
};

static void fan_let_go(struct node *node, struct fan *fan)
{
    if (--fan->left > 0) {
        return;
    }
    if (fan->judge != NULL) {
        fan->judge(fan->group, fan->call, fan->admin);
    } else {
        fan->call->admin = fan->admin;
        waiter_finish(node, fan->call, OK, NULL);
    }
    free(fan);
}

static void fan_done(struct node_call *call, void *arg)
{
    struct fan_child *child = arg;
    struct node_admin *admin = child->fan->admin;
    struct node_admin_item *item = &admin->items[admin->items_count++];
    if (call->err == OK && call->admin != NULL && call->admin->items_count > 0) {
        *item = call->admin->items[0];
    } else {
        (void)snprintf(item->skipped_reason, sizeof(item->skipped_reason), "%s",
                       call->err == ERR_OUTCOME_UNKNOWN ? "no_answer"
                       : call->err == ERR_CLOSED        ? "node_down"
                                                        : err_slug(call->err));
    }
    item->node = child->to;
    free(call->admin);
    fan_let_go(child->node, child->fan);
    free(child);
}

/* Only a leader hears of every member all the time; others know of links that broke. */
static bool fan_peer_is_up(const struct group *group, node_id id)
{
    const struct node *node = group->node;
    bool hears = group->role == RAFT_LEADER;
    for (uint32_t i = 0; i < node->peers_count; i++) {
        const struct peer *peer = &node->peers[i];
        if (peer->member.id == id) {
            bool is_silent = hears && node->now_ms - peer->contact_ms >= NODE_PEER_SILENT_MS;
            return !peer->lost && !is_silent;
        }
    }
    return false;
}

static void admin_here(struct group *group, struct node_call *call)
{
    if (call->kind == NODE_CALL_CHECK) {
        check_here(group, call);
    } else {
        compact_order(group, call);
    }
}

static void fan_out(struct group *group, struct fan *fan, node_id to)
{
    struct node *node = group->node;
    struct fan_child *child = alloc_zero(sizeof(*child));
    fan->left++;
    child->fan = fan;
    child->node = node;
    child->to = to;
    struct node_call *call = &child->call;
    call->kind = fan->call->kind;
    call->slot = group->slot;
    call->only_here = true;
    call->request_id = fan->call->request_id; /* who asked is answered after its children */
    call->trace_id = fan->call->trace_id;
    call->through_index = fan->call->through_index;
    call->keep = fan->call->keep;
    /* Before who asked gives up. */
    call->deadline_ms = fan->call->deadline_ms > NODE_ADMIN_MARGIN_MS
                            ? fan->call->deadline_ms - NODE_ADMIN_MARGIN_MS
                            : 0;
    call->started_us = node_now_us(node);
    call->on_done = fan_done;
    call->arg = child;
    waiter_open(node, call);
    if (to == node->options.id) {
        admin_here(group, call);
    } else if (!fan_peer_is_up(group, to) || !forward_call(group, call, to)) {
        waiter_finish(node, call, ERR_CLOSED, NULL);
    }
}

void admin_compact(struct group *group, struct node_call *call)
{
    if (call->only_here) {
        compact_order(group, call);
        return;
    }
    /* Who has no part in the slot does not know its members: one of them asks them all. */
    bool is_stranger = !atomic_load(&group->holds) && group->role != RAFT_LEADER;
    if (!is_stranger) {
        admin_fan(group, call, NULL);
        return;
    }
    node_id to = table_route(group);
    if (to == 0 || !forward_call(group, call, to)) {
        waiter_finish(group->node, call, to == 0 ? ERR_NO_LEADER : ERR_NOT_LEADER, NULL);
    }
}

void admin_fan(struct group *group, struct node_call *call, admin_judge *on_all)
{
    struct node *node = group->node;
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_config *config = &status.config;
    struct fan *fan = alloc_zero(sizeof(*fan));
    fan->call = call;
    fan->group = group;
    fan->judge = on_all;
    fan->admin = alloc_zero(sizeof(*fan->admin));
    fan->left = 1;
    call->stage = WAITER_ADMIN;
    list_append(&node->admins, &call->link);
    node_id seen[RAFT_MEMBERS_MAX * 4];
    uint32_t count = 0;
    const struct {
        const node_id *ids;
        uint8_t count;
    } parts[] = {{config->voters, config->voters_count},
                 {config->voters_old, config->voters_old_count},
                 {config->learners, config->learners_count},
                 {config->learners_next, config->learners_next_count}};
    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        for (uint8_t i = 0; i < parts[p].count; i++) {
            bool is_new = count < ARRAY_LEN(fan->admin->items);
            for (uint32_t k = 0; k < count; k++) {
                is_new &= seen[k] != parts[p].ids[i];
            }
            if (is_new) {
                seen[count++] = parts[p].ids[i];
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        fan_out(group, fan, seen[i]);
    }
    fan_let_go(node, fan);
}
