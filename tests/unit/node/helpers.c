/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers.h"

struct channel test_channel(const char *id)
{
    return (struct channel){.type = 2, .id = bytes_of_string(id)};
}

struct blob *test_append(const char *channel, const char *payload, const char *client_msg_no)
{
    struct command_message message = {.from_uid = bytes_of_string("u1"),
                                      .payload = bytes_of_string(payload),
                                      .payload_encoding = PAYLOAD_UTF8};
    if (client_msg_no != NULL) {
        message.client_msg_no = bytes_of_string(client_msg_no);
    }
    struct command_part part = {
        .channel = test_channel(channel), .messages = &message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {.parts = &part, .parts_count = 1}};
    return command_encode(&command);
}

struct blob *test_delete(const char *channel, uint64_t start, uint64_t end)
{
    struct range range = {start, end};
    struct command command = {.kind = COMMAND_DELETE,
                              .delete_ = {.channel = test_channel(channel),
                                          .ranges = &range,
                                          .ranges_count = 1,
                                          .operator_name = bytes_of_string("tester")}};
    return command_encode(&command);
}

void test_start(struct fakeworld *world, node_id id)
{
    struct why why = {0};
    enum err err = fakeworld_start(world, id, &why);
    ck_assert_msg(err == OK, "node %u: %s: %s", (unsigned)id, err_slug(err), why.text);
}

struct fakeworld *test_world(uint32_t nodes, node_id *ret_leader)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, nodes, 7);
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= nodes; id++) {
        test_start(world, id);
    }
    node_id leader = fakeworld_elect(world, 0);
    ck_assert_uint_ne(leader, 0);
    if (ret_leader != NULL) {
        *ret_leader = leader;
    }
    return world;
}

static bool is_done(void *arg)
{
    const struct fakecall *call = arg;
    return call->is_done;
}

void test_wait(struct fakeworld *world, struct fakecall *call, uint64_t ms)
{
    ck_assert(fakeworld_run_until(world, ms, is_done, call));
}

uint64_t test_send(struct fakeworld *world, node_id id, const char *payload)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_command(world, id, &call, 0, test_append("c", payload, NULL), 5000),
                     OK);
    test_wait(world, &call, 1000);
    ck_assert_msg(call.call.err == OK, "%s: %s", err_slug(call.call.err), call.call.why.text);
    ck_assert_ptr_nonnull(call.call.result);
    ck_assert_uint_eq(call.call.result->appends_count, 1);
    ck_assert_int_eq(call.call.result->appends[0].err, OK);
    uint64_t seq = call.call.result->appends[0].seq;
    fakecall_done(&call);
    return seq;
}

uint32_t test_count(struct fakeworld *world, node_id id)
{
    struct arena arena;
    arena_init(&arena);
    struct msg_page page;
    struct msg_page_query query = {.channel = test_channel("c"), .limit = 10000};
    enum err err = node_get_page(fakeworld_node(world, id), &query, &arena, &page, NULL);
    ck_assert_int_eq(err, OK);
    uint32_t count = page.messages_count;
    arena_done(&arena);
    return count;
}

struct msg_slot_state test_state(struct fakeworld *world, node_id id)
{
    struct msg_slot_state state;
    ck_assert_int_eq(msg_get_slot_state(node_msg(fakeworld_node(world, id)), 0, &state, NULL), OK);
    return state;
}

bool test_alarm(struct fakeworld *world, node_id id, enum node_alarm_kind kind,
                struct node_alarm *ret)
{
    struct node_alarm all[NODE_ALARM_KINDS];
    uint32_t count = node_get_alarms(fakeworld_node(world, id), all);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].kind == kind) {
            *ret = all[i];
            return true;
        }
    }
    return false;
}
