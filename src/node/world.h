/* SPDX-License-Identifier: Apache-2.0 */
/* How a node reaches what is outside of it: clocks, random numbers, the disk thread, its peers.
 * node/real/ makes the daemon's world of threads and sockets, the simulator one of a single thread
 * and a seed; node itself does not know which. A member is never NULL, but those that say so.
 * Thread: each member says which. */
#ifndef NODE_WORLD_H
#define NODE_WORLD_H

#include "base/bytes.h"
#include "base/err.h"
#include "node/node.h"
#include "raft/types.h"
#include "wire/members.h"

struct node_disk_job;
struct node_background_job;
struct call_request;
struct call_response;

/* Heartbeats and votes never wait behind entries. */
enum node_lane { NODE_LANE_URGENT, NODE_LANE_BULK };

struct node_link_figures {
    uint64_t sent_bytes, received_bytes, garbage, queued_bytes;
    uint64_t refused, certificates_refused, certificate_expiry_s;
};

struct node_world {
    void *arg; /* borrowed; given to each member */

    uint64_t (*mono_us)(void *arg);    /* never goes back. Thread: any */
    uint64_t (*wall_ms)(void *arg);    /* since 1970; may jump. Thread: any */
    uint64_t (*random_u64)(void *arg); /* Thread: loop */
    /* Asks for a node_turn soon. Cheap when one was asked for already. Thread: any */
    void (*wake)(void *arg);

    /* Executes job with node_disk_run, elsewhere or later, never from inside this call; the next
     * job is submitted only when all of this one was delivered (driver.h). Thread: loop */
    void (*disk_submit)(void *arg, struct node_disk_job *job);

    /* Sends packet, which is borrowed for the call with all it points to, an APPEND with its
     * entries. False: there is no link, or its buffer is full: the packet is gone. Thread: loop */
    bool (*send)(void *arg, node_id to, enum node_lane lane, const struct raft_packet *packet);
    /* All packets of a turn were given: write them. Thread: loop */
    void (*flush)(void *arg);

    /* Calls between nodes (wire/call.h), borrowed for the call. False: there is no link, or its
     * buffer is full: certainly not sent. Both NULL: this world has no peers. Thread: loop */
    bool (*send_request)(void *arg, node_id to, const struct call_request *request);
    bool (*send_response)(void *arg, node_id to, const struct call_response *response);

    /* Executes job with node_background_run, elsewhere or later, never from inside this call: slow
     * reads of the store, at low priority. One at a time of each lane (node_background_lane): the
     * next is submitted only when this one was delivered (driver.h). NULL, together with send_frame: this world has no catch-up, and a
     * peer that needs compacted entries stays behind. Thread: loop */
    void (*background_submit)(void *arg, struct node_background_job *job);
    /* Waits that long, so that a job of the background reads no faster than it may. NULL: this world
     * does not wait. Thread: background */
    void (*pause_us)(void *arg, uint64_t us);
    /* Sends a frame of the kinds INSTALL and DIGESTS; body is borrowed for the call. It may be lost,
     * come late or twice. False: certainly not sent. Thread: loop */
    bool (*send_frame)(void *arg, node_id to, uint8_t kind, struct bytes body);

    /* Asks who listens for peers at address, where node `to` shall be; node_found(number) follows, later,
     * within about timeout_ms. False: it cannot ask. NULL: this world never can. Thread: loop */
    bool (*probe)(void *arg, uint64_t number, const char *address, node_id to, uint64_t timeout_ms);

    /* Another table of the cluster's nodes is in force: links to those that are in it and live, with
     * their incarnations when it has them; those that are REMOVED in it are refused for ever. Borrowed for the
     * call. NULL: this world reaches everybody. Thread: loop */
    void (*set_members)(void *arg, const struct members *table);

    /* When something came from that peer last, in mono_us / 1000, whatever it was; 0: never. NULL: this
     * world does not know, and packets alone count. Thread: loop */
    uint64_t (*heard_ms)(void *arg, node_id peer);

    /* This data folder has been in touch with that peer's, now or before an earlier start: both let the
     * other in. NULL: this world keeps nothing of that. Thread: loop */
    bool (*has_met)(void *arg, node_id peer);

    /* What went over the links so far. NULL: this world does not count. Thread: any */
    void (*link_figures)(void *arg, struct node_link_figures *ret);

    /* Keeps the alarms that outlive a restart in place of those before; text is borrowed for the
     * call. NULL: this world keeps none. Thread: disk, or the loop's when it is about to end */
    enum err (*save_alarms)(void *arg, struct bytes text, struct why *why);

    /* Makes the ballast file with that many bytes, or removes it (0); fine when it is so already.
     * NULL: this world has none.
     * Errors: ERR_DISK_FULL  there is no room for it; anything else: there will be none. Thread: disk */
    enum err (*set_ballast)(void *arg, uint64_t bytes, struct why *why);

    /* The node cannot go on (a failed write, damaged bytes): the process must end. Called once;
     * the node does nothing more after it. Thread: loop */
    void (*fatal)(void *arg, enum err err, const char *text);
};

#endif
