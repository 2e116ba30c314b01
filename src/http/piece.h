/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream reads next: from this node's store, piece after piece, without a call; or, when that
 * may not be read, by a READ call for each piece, which another node answers. */
#ifndef HTTP_PIECE_H
#define HTTP_PIECE_H

#include "http/request.h"

enum { PIECE_QUERIES_MAX = 2 };

struct piece_reader {
    bool may_forward; /* false: this node's store or nothing */
    struct msg_query queries[PIECE_QUERIES_MAX];
    uint32_t queries_count;
    struct msg_answer answers[PIECE_QUERIES_MAX];
    struct arena arena; /* owned: of the answers, until the next piece */
    bool by_call, is_asked;
    struct blob *kept; /* owned: likewise */
    node_id served_by; /* whose store the piece is of */
};

void piece_init(struct piece_reader *reader, bool may_forward);
void piece_done(struct piece_reader *reader);
/* Answers reader->queries into reader->answers. *ret_waits: not yet: return STREAM_WAITS and come again.
 * Errors: those of the queries and of a READ */
MUST_USE enum err piece_read(struct request *req, struct piece_reader *reader, bool *ret_waits,
                             struct why *why);

#endif
