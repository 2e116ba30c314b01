/* SPDX-License-Identifier: Apache-2.0 */
/* One message to send, from a JSON object or a raw body, and its result as JSON. */
#ifndef HTTP_ITEM_H
#define HTTP_ITEM_H

#include "http/jvalue.h"
#include "http/request.h"
#include "wire/command.h"

struct item {
    enum err err; /* what is wrong with it; nothing of it is sent then */
    struct why *why;
    struct channel channel;
    struct command_message message;
    bool has_expected_last_seq;
    uint64_t expected_last_seq;
    uint32_t slot, part, position; /* where it stands among the commands of a batch */
};

/* Fills item from a JSON value; with_channel: it names its channel itself. The error is both
 * returned and kept in item. Slices borrow from the body or are in the request's arena. */
enum err item_read_json(struct request *req, const struct jvalue *value, bool with_channel,
                        struct item *item);
/* From a raw body and the query. */
enum err item_read_raw(struct request *req, struct item *item);

/* Why an append was refused, where there is more to say than the sentence of its error. The last seq
 * is the channel's after the whole command: of a batch, messages behind this one may be in it. */
void item_explain(const struct msg_append_result *result, bool in_batch, struct why *ret_why);
/* Members of a result, into an object that is open in buf. channel may be NULL. */
void item_write_result(struct buf *buf, const struct item *item, bool with_channel,
                       const struct msg_append_result *result);

#endif
