/* SPDX-License-Identifier: Apache-2.0 */
/* Queries as values: one function for all kinds, so that whoever asks need not care where the answer
 * comes from. */
#include "msg/msg.h"

static enum err ask_found(struct msg *msg, const struct msg_query *query, struct arena *arena,
                          struct msg_answer *ret, struct why *why)
{
    enum err err = query->kind == MSG_QUERY_PAGE
                       ? msg_get_page(msg, &query->page, arena, &ret->page, why)
                   : query->kind == MSG_QUERY_SEQS
                       ? msg_get_seqs(msg, query->channel, query->seqs, query->seqs_count, arena,
                                      &ret->page, why)
                       : msg_find_client_msg_no(msg, query->channel, query->client_msg_no,
                                                query->from_uid, arena, &ret->page, why);
    ret->applied_index = ret->page.applied_index;
    return err;
}

static enum err ask(struct msg *msg, const struct msg_query *query, struct arena *arena,
                    struct msg_answer *ret, struct why *why)
{
    enum err err;
    switch ((enum msg_query_kind)query->kind) {
    case MSG_QUERY_PAGE:
    case MSG_QUERY_SEQS:
    case MSG_QUERY_CLIENT_MSG_NO:
        return ask_found(msg, query, arena, ret, why);
    case MSG_QUERY_MESSAGE:
        return msg_get_message(msg, query->channel, query->number, arena, &ret->message,
                               &ret->delete_index, &ret->applied_index, why);
    case MSG_QUERY_MESSAGE_ID:
        return msg_find_message_id(msg, query->channel, query->number, arena, &ret->message, why);
    case MSG_QUERY_CHANNEL:
        err = msg_get_channel(msg, query->channel, arena, &ret->channel, why);
        ret->applied_index = ret->channel.applied_index;
        return err;
    case MSG_QUERY_CHANNELS:
        return msg_list_channels(msg, &query->channels, arena, &ret->channels, why);
    case MSG_QUERY_DELETES:
        err = msg_list_deletes(msg, &query->deletes, arena, &ret->deletes, why);
        ret->applied_index = ret->deletes.applied_index;
        return err;
    case MSG_QUERY_DELETE:
        return msg_get_delete(msg, query->slot, query->number, arena, &ret->record, why);
    case MSG_QUERY_PREVIEW:
        return msg_preview_delete(msg, &query->preview, arena, &ret->preview, &ret->applied_index,
                                  why);
    case MSG_QUERY_KINDS:
        break;
    }
    return why_set(why, ERR_NOT_SUPPORTED, "a query of kind %u", query->kind);
}

enum err msg_ask(struct msg *msg, const struct msg_query *query, struct arena *arena,
                 struct msg_answer *ret, struct why *why)
{
    struct why own = {.err = OK};
    *ret = (struct msg_answer){.err = OK};
    ret->err = ask(msg, query, arena, ret, &own);
    if (ret->err == OK) {
        return OK;
    }
    const char *text = own.text[0] != '\0' ? own.text : err_sentence(ret->err);
    ret->text = arena_copy(arena, bytes_of_string(text));
    return why_set(why, ret->err, "%s", text);
}
