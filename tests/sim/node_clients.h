/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a world: each call is an op with a number that travels in its command (in the salt of a
 * message, in the request id of a delete), so that what was applied can be told from what was
 * answered, also for retries under one client_msg_no. */
#ifndef SIM_NODE_CLIENTS_H
#define SIM_NODE_CLIENTS_H

#include "node_witness.h"
#include "node_world.h"

enum op_kind { OP_SEND, OP_DELETE, OP_READ, OP_TRANSFER, OP_RETAIN, OP_MEMBER };

struct op {
    struct clients *clients;
    uint64_t number;
    enum op_kind kind;
    node_id node;
    slot_id slot;
    char as[24], channel[24], no[24], payload[64]; /* as: its name in the scenario */
    uint32_t count;
    bool is_open, is_done;
    enum err err;
    uint64_t floor;    /* a linearizable read may not show less */
    uint64_t applied;  /* in how many indexes */
    uint64_t at_index; /* the last of them */
    /* the answer, for expectations */
    struct msg_append_result first; /* of its first message */
    uint64_t deleted_count, already_deleted, page_index, last_seq;
    struct ranges visible;  /* owned */
    node_id served_by;      /* of a read: whose store it shows */
    struct msg_query query; /* what a read asks */
    struct node_call call;
};

struct clients {
    struct world *world;
    struct op **ops; /* owned, by number - 1 */
    uint32_t count, capacity;
    uint64_t answered, unknown, refused;
};

struct clients *clients_new(struct world *world);
void clients_free(struct clients *clients);
struct op *clients_find(struct clients *clients, const char *as); /* newest of that name, or NULL */
/* Commands of the language. */
enum step clients_send(struct clients *clients, struct seat *seat, const struct words *words);
enum step clients_retry(struct clients *clients, struct seat *seat, const struct words *words);
/* retain N channel [age=ms] [messages=n]: its limits; none: without. */
enum step clients_retain(struct clients *clients, struct seat *seat, const struct words *words);
enum step clients_delete(struct clients *clients, struct seat *seat, const struct words *words);
enum step clients_read(struct clients *clients, struct seat *seat, const struct words *words);
enum step clients_transfer(struct clients *clients, struct seat *seat, const struct words *words);
enum step clients_member(struct clients *clients, struct seat *seat,
                         const struct node_member_change *change, const struct words *words);
bool ranges_parse(const char *text, struct ranges *ret);
/* The witness met this in an applied command. */
void clients_applied(struct clients *clients, slot_id slot, uint64_t index,
                     const struct command_message *message);
void clients_applied_delete(struct clients *clients, slot_id slot, uint64_t index,
                            struct bytes request_id);

#endif
