/* SPDX-License-Identifier: Apache-2.0 */
/* A list over several slots: waits for a READ of some of them at a time, then visits them in order
 * until the page is full. Lives in the request's arena. */
#ifndef HTTP_WALK_H
#define HTTP_WALK_H

#include "http/request.h"

struct walk {
    uint32_t at, end;   /* slots still to visit */
    uint32_t group_end; /* those whose READ is under way */
    enum node_consistency consistency;
    uint64_t left;             /* items that still fit */
    bool more;                 /* set by visit when it stopped before the end of its slot */
    struct msg_query *queries; /* in arena: of the slots whose READ is under way */
    /* What there is to read of a slot; of slot `at` from where the list is, of later ones all. */
    void (*ask)(struct walk *walk, uint32_t slot, struct msg_query *ret);
    /* Adds what slot `at` has. Errors end the request. */
    enum err (*visit)(struct request *req, struct walk *walk, struct why *why);
    request_handler *finish; /* writes the end of the reply */
};

/* What the query of slot `at` finds, with the limit that is left; another node may find more. */
MUST_USE enum err walk_answer(struct request *req, struct walk *walk, struct msg_answer *ret,
                              struct why *why);
const struct node_call *walk_call(const struct request *req, const struct walk *walk); /* of `at` */

/* req->state must begin with the struct walk. */
void walk_start(struct request *req);
/* Reads limit (default and most of a list) and consistency. */
MUST_USE enum err walk_parse(struct request *req, struct walk *walk, struct why *why);

#endif
