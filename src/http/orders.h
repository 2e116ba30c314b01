/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about the cluster's nodes, shown as jobs. Thread: the request's loop. */
#ifndef HTTP_ORDERS_H
#define HTTP_ORDERS_H

#include "http/request.h"

enum { ORDERS_ID_BYTES = 32 };

/* "members-12" is the order of revision 12. False: the name is no order's. */
bool orders_read_id(struct bytes name, uint64_t *ret_revision);
const char *orders_id(uint64_t revision, char text[ORDERS_ID_BYTES]); /* returns text */
/* The members of a job's object into req->out, as src/http/jobs.c writes them. */
void orders_write(struct request *req, const struct node_order *order);
/* What a PLACEMENT or MEMBER call answered: the caller's, free(). NULL: it is not readable. */
struct node_placement *orders_take(struct request *req);
void orders_run(struct request *req); /* req->name is an order's */
void orders_cancel_run(struct request *req, uint64_t revision);

#endif
