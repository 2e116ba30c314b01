/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of other nodes: any node answers for any job, and begins one that is about a single node's
 * store where that store is. The question travels as a CALL_ADMIN to that node alone; who it is shows
 * in the job's id. It is never passed on, and a new leader of some slot changes nothing for it.
 *
 * A question: u8 what, block text (an id, a family, a name). The answer: of GET and CANCEL the job as
 * jobs_encode has it, of the others the id of the new one. */
#include "node/jobs.h"
#include "node/parts.h"

enum { JOB_TEXT_MAX = 255 };

/* ---- at the node that is asked: loop ------------------------------------------------------------- */

static enum err carry_out(struct node *node, uint8_t what, struct bytes text, struct buf *out,
                          struct why *why)
{
    char id[NODE_JOB_ID_BYTES] = "", family[JOB_TEXT_MAX + 1] = "";
    struct node_job job;
    enum err err = ERR_NOT_SUPPORTED;
    switch ((enum node_job_ask)what) {
    case NODE_JOB_ASK_CANCEL:
        err = node_cancel_job(node, text, why);
        if (err != OK) {
            return err;
        }
        err = node_get_job(node, text, &node->turn, &job, why);
        break;
    case NODE_JOB_ASK_GET:
        err = node_get_job(node, text, &node->turn, &job, why);
        break;
    case NODE_JOB_ASK_COMPACT:
        memcpy(family, text.len == 0 ? (const uint8_t *)"" : text.data, text.len);
        err = node_start_compaction(node, text.len == 0 ? NULL : family, id, why);
        break;
    case NODE_JOB_ASK_BACKUP:
        err = node_start_backup(node, text, id, why);
        break;
    case NODE_JOB_ASKS:
        break;
    }
    if (err == OK && id[0] != '\0') {
        buf_append_string(out, id);
    } else if (err == OK) {
        jobs_encode(out, &job);
    }
    return err;
}

static void answer_here(struct node *node, struct node_call *call)
{
    struct reader reader = reader_of(blob_bytes(call->command));
    uint8_t what = reader_u8(&reader);
    struct bytes text = reader_block(&reader);
    struct buf out = BUF_INIT;
    struct why why = {.err = OK};
    enum err err = ERR_NOT_SUPPORTED;
    if (!reader_is_done(&reader) || text.len > JOB_TEXT_MAX) {
        err = ERR_BAD_FORMAT;
    } else if (what < NODE_JOB_ASKS) {
        err = carry_out(node, what, text, &out, &why);
    }
    if (err == OK) {
        call->answer = blob_copy(buf_bytes(&out));
    }
    buf_done(&out);
    waiter_finish(node, call, err, err == OK || why.err == OK ? NULL : why.text);
}

void job_ask(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    char text[160];
    if (call->only_here || call->to == 0 || call->to == node->options.id) {
        answer_here(node, call);
        return;
    }
    if (node_find_peer(node, call->to) == NULL) {
        (void)snprintf(text, sizeof(text),
                       "there is no node %" PRIu64 " in this cluster: /v1/nodes lists them",
                       (uint64_t)call->to);
        waiter_finish(node, call, ERR_NOT_FOUND, text);
        return;
    }
    if (!forward_call(group, call, call->to)) {
        (void)snprintf(text, sizeof(text),
                       "node %" PRIu64 " cannot be reached from here now: try again, or ask it",
                       (uint64_t)call->to);
        waiter_finish(node, call, ERR_BUSY, text);
    }
}
