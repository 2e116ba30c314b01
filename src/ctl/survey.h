/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: the whole cluster as its nodes say. Only a slot's leader knows how far its
 * replicas are, so every node is asked: those of the command line, and the rest by the addresses
 * that the nodes are known by. Thread: main. */
#ifndef CTL_SURVEY_H
#define CTL_SURVEY_H

#include "ctl/command.h"

enum { CTL_NODES_MAX = 64, CTL_SURVEY_SLOTS_MAX = 4096 };

struct ctl_node {
    uint64_t id;
    const struct client_json *info; /* borrowed from the survey's cluster: what the others say */
    size_t server;                  /* index of its server; only with has_server */
    bool has_server;                /* it was reached, or can be tried */
    bool is_ready;
    char version[32];
    char problem[160];         /* why not, by its own word or the connection's */
    struct client_json *slots; /* owned; NULL: it did not say */
};

struct ctl_replica {
    uint64_t slot, node, match_index, applied_index, lag, transfer_bytes, transfer_total, eta_ms;
    const char *role, *state, *checked; /* borrowed from the survey */
};

struct ctl_survey {
    struct client_list servers;  /* owned: the command line's first, then found ones */
    struct client *client;       /* owned: for all of them */
    struct client_json *cluster; /* owned */
    struct ctl_node nodes[CTL_NODES_MAX];
    size_t nodes_count;
    uint64_t slots_total;
    const struct client_json *slots[CTL_SURVEY_SLOTS_MAX]; /* borrowed; the leader's view first */
    bool is_leaders[CTL_SURVEY_SLOTS_MAX];                 /* it is the leader's view */
};

/* On CTL_OK the caller ends it with ctl_survey_free; else *ret_survey is untouched. Nodes that do
 * not answer are no failure: their row says so. */
int ctl_survey_take(struct ctl *ctl, struct ctl_survey **ret_survey);
void ctl_survey_free(struct ctl_survey *survey); /* NULL is fine */
/* Every replica of every slot, the leader's own row first. Of a slot without a leader: a row for
 * each node that knows of it, in state "leaderless"; of one whose leader did not answer: the leader's
 * row, in state "unseen". */
void ctl_survey_each(const struct ctl_survey *survey,
                     void (*on_replica)(const struct ctl_replica *replica, void *arg), void *arg);
/* Does it replicate, and is it at most max_lag entries behind? */
bool ctl_replica_is_level(const struct ctl_replica *replica, uint64_t max_lag);
/* The lists of that name that all nodes give for path, as one array without repetitions: 200 and
 * the caller frees *ret_list; else the status of the first node that was asked, 0: none answers. */
int ctl_survey_collect(struct ctl_survey *survey, const char *path, const char *name,
                       struct client_json **ret_list);
/* GET path from this node as text or JSON; CTL_OK for any status. */
int ctl_survey_get(struct ctl_survey *survey, const struct ctl_node *node, const char *path,
                   const char *accept, struct client_reply *reply, struct why *why);

/* One object, compact: replicas.c */
void ctl_print_replica_json(const struct ctl_replica *replica, struct buf *out);
/* "45 % of 1.2 GiB (540.0 MiB), 12 s left", "-" when nothing is on its way: replicas.c */
void ctl_print_transfer(const struct ctl_replica *replica, struct buf *out);

#endif
