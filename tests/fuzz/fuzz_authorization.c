/* SPDX-License-Identifier: Apache-2.0 */
/* The Authorization header: whatever it holds, only "Bearer" and a token of the file opens. */
#include "http/tokens.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char known[] = "0123456789abcdef-known-token";

static struct tokens *known_tokens(void)
{
    static struct tokens *tokens;
    if (tokens == NULL) {
        struct buf line = BUF_INIT;
        enum err err =
            token_make_line("ops", "admin,read@2/room-", bytes_of_string(known), &line, NULL);
        assert(err == OK);
        err = tokens_parse("file", buf_bytes(&line), &tokens, NULL);
        assert(err == OK);
        buf_done(&line);
    }
    return tokens;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *header = malloc(size + 1);
    assert(header != NULL);
    if (size > 0) {
        memcpy(header, data, size);
    }
    header[size] = '\0';
    size_t len = strlen(header);
    struct bytes token = token_of_header(header);
    bool opens = false;
    if (token.len > 0) {
        const char *at = (const char *)token.data;
        assert(at >= header + strlen("Bearer ") && at + token.len <= header + len);
        assert(at[0] != ' ' && at[token.len - 1] != ' ');
        assert(strncasecmp(header, "bearer ", strlen("bearer ")) == 0);
        assert(strspn(at + token.len, " ") == strlen(at + token.len));
        uint8_t hash[TOKEN_HASH_BYTES];
        token_hash(token, hash);
        opens = tokens_find(known_tokens(), hash) != NULL;
    }
    assert(opens == bytes_is_equal(token, bytes_of_string(known)));
    free(header);
    return 0;
}
