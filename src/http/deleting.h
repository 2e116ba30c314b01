/* SPDX-License-Identifier: Apache-2.0 */
/* What the replies about deletes share. */
#ifndef HTTP_DELETING_H
#define HTTP_DELETING_H

#include "http/request.h"

/* Member "ranges": [[start,end],...] */
void deleting_write_ranges(struct buf *buf, const struct range *ranges, uint32_t count);
/* Member "replicas": {"applied":[..],"pending":[..]}: who has applied the request's slot that far,
 * as far as this node knows; this node itself has. */
void deleting_write_replicas(struct request *req, uint64_t log_index);

#endif
