/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tag.h"

#include "http/jwrite.h"
#include "http/reply.h"

static void format(char *ret_text, size_t size, const struct msg_channel *channel)
{
    int len = snprintf(ret_text, size, "\"%llx-%llx\"", (unsigned long long)channel->last_seq,
                       (unsigned long long)channel->delete_version);
    assert(len > 0 && (size_t)len < size);
}

void tag_set_channel(struct request *req, const struct msg_channel *channel)
{
    format(req->etag, sizeof(req->etag), channel);
}

bool tag_holds(struct request *req, uint32_t at, struct msg_channel *ret)
{
    struct msg_answer answer;
    struct why why = {.err = OK};
    char tag[sizeof(req->etag)];
    enum err err = request_answer(req, &req->call, at, &answer, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return false;
    }
    *ret = answer.channel;
    format(tag, sizeof(tag), ret);
    if (reply_tag_matches(req->headers.if_match, tag, false))
        return true;
    why_set(&why, ERR_SEQ_MISMATCH, "'If-Match' does not hold: the channel's tag is %s", tag);
    reply_problem_begin(req, ERR_SEQ_MISMATCH, &why);
    jwrite_member_u64(&req->out, "last_seq", ret->last_seq);
    reply_problem_end(req);
    return false;
}
