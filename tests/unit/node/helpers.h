/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share: commands in a line, and answers that must be there. */
#ifndef TESTS_UNIT_NODE_HELPERS_H
#define TESTS_UNIT_NODE_HELPERS_H

#include "base/channel.h"
#include "fakeworld.h"
#include "msg/msg.h"
#include "unit.h"
#include "wire/command.h"

struct channel test_channel(const char *id);
/* client_msg_no may be NULL. */
struct blob *test_append(const char *channel, const char *payload, const char *client_msg_no);
struct blob *test_delete(const char *channel, uint64_t start, uint64_t end);

/* A world with all nodes up and slot 0 led; *ret_leader may be NULL. */
struct fakeworld *test_world(uint32_t nodes, node_id *ret_leader);
void test_start(struct fakeworld *world, node_id id);
/* Appends and settles: it must be answered OK at once. Returns the seq. */
uint64_t test_send(struct fakeworld *world, node_id id, const char *payload);
/* Runs until the call is answered, at most ms. */
void test_wait(struct fakeworld *world, struct fakecall *call, uint64_t ms);
/* The alarm, when the node has armed it: in *ret. */
bool test_alarm(struct fakeworld *world, node_id id, enum node_alarm_kind kind,
                struct node_alarm *ret);
/* Visible messages of channel "c" at node id, read from its store. */
uint32_t test_count(struct fakeworld *world, node_id id);
struct msg_slot_state test_state(struct fakeworld *world, node_id id);

#endif
