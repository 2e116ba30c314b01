/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: the tokens of a file. The file has their hashes only, a line each:
 *
 *     # name     roles                              hash
 *     backoffice read,delete@2/room-                sha256:9f86d081884c7d659a2feaa0c55ad015...
 *
 * A role alone is for all channels; behind an @ stands the beginning of the channels that it is
 * for, as "type/id", percent-encoded where need be. A set never changes once it is read.
 * Thread: any. */
#ifndef HTTP_TOKENS_H
#define HTTP_TOKENS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/channel.h"
#include "base/why.h"

enum {
    ROLE_READ = 1,
    ROLE_WRITE = 2,
    ROLE_DELETE = 4,
    ROLE_ADMIN = 8,
    ROLE_METRICS = 16,
    ROLES_ALL = 31,
    ROLES_COUNT = 5
};

enum {
    TOKENS_MAX = 1024,
    TOKENS_FILE_MAX_BYTES = 1024 * 1024,
    TOKEN_NAME_MAX_BYTES = 64,
    TOKEN_GRANTS_MAX = 32,
    TOKEN_MIN_BYTES = 16, /* of a token that somebody sends; shorter ones are never looked up */
    TOKEN_MAX_BYTES = 512,
    TOKEN_HASH_BYTES = 32,
    TOKEN_TEXT_SIZE = 64 /* of a token that is made here, with its NUL */
};

/* One role, for all channels or for those whose id begins so. */
struct token_grant {
    uint8_t role;
    bool is_limited; /* type and prefix hold */
    uint8_t type;
    struct bytes prefix; /* of the id */
};

struct token {
    const char *name;
    const struct token_grant *grants;
    uint32_t grants_count;
    uint8_t hash[TOKEN_HASH_BYTES];
};

struct tokens;

/* "read", "write" ... of one role. Static text. */
const char *token_role_name(unsigned role);
/* The names of all roles in the set: "read or admin", in arena. */
const char *token_role_names(unsigned roles, struct arena *arena);

/* Reads a whole file, or nothing: the caller owns *ret_tokens, tokens_free ends it.
 * Errors: ERR_BAD_CONFIG  why has file:line and what is wrong; a file without tokens is wrong too
 *         ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE  it cannot be read */
MUST_USE enum err tokens_load(const char *path, struct tokens **ret_tokens, struct why *why);
/* The same from text; path is for the error's words. */
MUST_USE enum err tokens_parse(const char *path, struct bytes text, struct tokens **ret_tokens,
                               struct why *why);
void tokens_free(struct tokens *tokens); /* NULL is fine */
uint32_t tokens_count(const struct tokens *tokens);

/* The token of an Authorization header, "Bearer xyz", borrowed from it; empty: there is none. */
struct bytes token_of_header(const char *header);
/* SHA-256. */
void token_hash(struct bytes token, uint8_t ret_hash[TOKEN_HASH_BYTES]);
/* The token with this hash, borrowed from tokens; NULL: nobody's. The time that it takes says nothing about
 * how much of a hash was right. */
const struct token *tokens_find(const struct tokens *tokens, const uint8_t hash[TOKEN_HASH_BYTES]);

/* Makes a token of 256 random bits and appends its line for the file.
 * Errors: ERR_BAD_PARAMETER  a name or roles that the file could not have */
MUST_USE enum err token_make(const char *name, const char *roles, char ret_token[TOKEN_TEXT_SIZE],
                             struct buf *line, struct why *why);
/* The line of a token that is there already.
 * Errors: ERR_BAD_PARAMETER  likewise, or a token that is too short or has bytes that no header carries */
MUST_USE enum err token_make_line(const char *name, const char *roles, struct bytes token,
                                  struct buf *line, struct why *why);

#endif
