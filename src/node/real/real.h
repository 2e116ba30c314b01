/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own world: a loop thread that turns the node, a disk thread that runs its jobs, the
 * kernel's clocks and random numbers. Private to node/real; what others use is node.h.
 * Thread: the comment of each part says. */
#ifndef NODE_REAL_REAL_H
#define NODE_REAL_REAL_H

#include <stdatomic.h>
#include <stdio.h>

#include "msg/msg.h"
#include "net/loop.h"
#include "net/net.h"
#include "node/driver.h"
#include "store/store.h"
#include "sys/thread.h"

/* ---- links.c: world.h's members that need src/net -------------------------------------------- */
struct real;

/* Listens and connects, unless this is a cluster of one that listens to nobody. */
MUST_USE enum err links_start(struct real *real, const struct node_options *options,
                              struct why *why);
bool links_send(void *arg, node_id to, enum node_lane lane, const struct raft_packet *packet);
bool links_send_request(void *arg, node_id to, const struct call_request *request);
bool links_send_response(void *arg, node_id to, const struct call_response *response);
bool links_send_frame(void *arg, node_id to, uint8_t kind, struct bytes body);
void links_flush(void *arg);
uint64_t links_heard_ms(void *arg, node_id peer);
bool links_has_met(void *arg, node_id peer);
bool links_probe(void *arg, uint64_t number, const char *address, node_id to, uint64_t timeout_ms);
void links_set_members(void *arg, const struct members *table);
void links_figures(void *arg, struct node_link_figures *ret); /* Thread: any */

/* ---- disk.c: the disk thread ----------------------------------------------------------------------- */
struct real_disk {
    struct thread thread;
    struct mutex lock;
    struct cond has_job;
    struct node_disk_job *job;  /* under lock; NULL: nothing to do */
    bool is_stopped;            /* under lock */
    atomic_uint parts_done;     /* done and not yet taken by the loop */
    void (*on_part)(void *arg); /* a part is done; called on the disk thread */
    void *arg;                  /* borrowed */
};

MUST_USE enum err real_disk_start(struct real_disk *disk, void (*on_part)(void *arg), void *arg);
void real_disk_submit(struct real_disk *disk, struct node_disk_job *job); /* Thread: loop */
unsigned real_disk_take_done(struct real_disk *disk);                     /* Thread: loop */
void real_disk_stop(struct real_disk *disk); /* waits for the job at work; fine when not started */

/* ---- background.c: a thread for slow reads, one a lane ---------------------------------------------- */
struct real_background {
    struct thread thread;
    struct mutex lock;
    struct cond has_job;
    struct node_background_job *job; /* under lock; NULL: nothing to do */
    bool is_stopped;                 /* under lock */
    atomic_bool is_done;             /* the job was run and the loop has not taken it yet */
    bool is_patient;                 /* it runs at the lowest priority */
    void (*on_done)(void *arg);      /* called on the background thread */
    void *arg;                       /* borrowed */
};

MUST_USE enum err real_background_start(struct real_background *background, const char *name,
                                        bool is_patient, void (*on_done)(void *arg), void *arg);
/* Thread: loop */
void real_background_submit(struct real_background *background, struct node_background_job *job);
bool real_background_take_done(struct real_background *background); /* Thread: loop */
void real_background_stop(struct real_background *background);      /* as real_disk_stop */

/* ---- real.c ------------------------------------------------------------------------------------------ */
struct real {
    struct node *node;
    struct store *store;
    struct msg *msg;
    struct net_loop *loop;
    struct net *net; /* NULL: no peers */
    struct real_disk disk;
    struct real_background background[NODE_BACKGROUND_LANES];
    /* with the background threads: loop */
    struct node_background_job *background_jobs[NODE_BACKGROUND_LANES];
    struct node_disk_job *job;       /* with the disk thread: loop */
    atomic_uint_fast64_t stop_at_ms; /* 0: nobody asked */
    bool is_claimed;                 /* loop */
    uint64_t calls_ended_ms;         /* 0: not yet. loop */
    atomic_bool is_failed;
    char *alarms_path;  /* owned; NULL: not opened yet */
    char *ballast_path; /* owned */
};

/* world.h's fatal. Thread: loop */
void real_fatal(void *arg, enum err err, const char *text);

#endif
