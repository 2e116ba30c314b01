/* SPDX-License-Identifier: Apache-2.0 */
#include "http/deleting.h"

#include "http/jwrite.h"

void deleting_write_ranges(struct buf *buf, const struct range *ranges, uint32_t count)
{
    jwrite_key(buf, "ranges");
    buf_put_u8(buf, '[');
    for (uint32_t i = 0; i < count; i++) {
        buf_append_string(buf, i == 0 ? "[" : ",[");
        jwrite_u64(buf, ranges[i].start);
        buf_put_u8(buf, ',');
        jwrite_u64(buf, ranges[i].end);
        buf_put_u8(buf, ']');
    }
    buf_put_u8(buf, ']');
}

static void write_nodes(struct request *req, const struct node_slot *slot, uint64_t log_index,
                        bool applied)
{
    struct buf *out = &req->out;
    node_id self = node_self(http_node(req->http));
    jwrite_key(out, applied ? "applied" : "pending");
    buf_put_u8(out, '[');
    if (applied)
        jwrite_u64(out, self);
    for (uint32_t i = 0; i < slot->replicas_count; i++) {
        const struct node_replica *replica = &slot->replicas[i];
        if (replica->node == self || (replica->applied_index >= log_index) != applied)
            continue;
        jwrite_comma(out);
        jwrite_u64(out, replica->node);
    }
    buf_put_u8(out, ']');
}

void deleting_write_replicas(struct request *req, uint64_t log_index)
{
    struct node_slot *slot = arena_zero(&req->arena, sizeof(*slot));
    if (!node_get_slot(http_node(req->http), req->slot, slot))
        slot->replicas_count = 0;
    jwrite_key(&req->out, "replicas");
    buf_put_u8(&req->out, '{');
    write_nodes(req, slot, log_index, true);
    write_nodes(req, slot, log_index, false);
    buf_put_u8(&req->out, '}');
}
