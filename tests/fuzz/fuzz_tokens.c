/* SPDX-License-Identifier: Apache-2.0 */
/* The file of tokens: what it opens, it opens for one token each, by name and role; and the line
 * that is made of a token of one's own opens for that token. */
#include "http/tokens.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_grants(const struct token *token)
{
    assert(token->grants_count > 0 && token->grants_count <= TOKEN_GRANTS_MAX);
    for (uint32_t i = 0; i < token->grants_count; i++) {
        const struct token_grant *grant = &token->grants[i];
        assert(token_role_name(grant->role)[0] != '\0');
        assert(!grant->is_limited || (grant->role & (ROLE_ADMIN | ROLE_METRICS)) == 0);
    }
}

/* Nothing but a line's own hash finds it. */
static void check_file(struct bytes text)
{
    struct tokens *tokens = NULL;
    struct why why = {0};
    enum err err = tokens_parse("file", text, &tokens, &why);
    if (err != OK) {
        assert(err == ERR_BAD_CONFIG && why.text[0] != '\0' && tokens == NULL);
        return;
    }
    assert(tokens_count(tokens) > 0 && tokens_count(tokens) <= TOKENS_MAX);
    uint8_t hash[TOKEN_HASH_BYTES];
    token_hash(BYTES_NONE, hash);
    assert(tokens_find(tokens, hash) == NULL); /* an empty token opens nothing */
    token_hash(text, hash);
    const struct token *found = tokens_find(tokens, hash);
    if (found != NULL) {
        check_grants(found);
    }
    tokens_free(tokens);
}

/* "name roles token", as somebody would have a line made of them. */
static void check_line(struct bytes text)
{
    char words[3][600] = {"", "", ""};
    struct buf line = BUF_INIT;
    for (int i = 0; i < 3 && text.len > 0; i++) {
        const uint8_t *end = i == 2 ? NULL : memchr(text.data, ' ', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        size_t kept = len < sizeof(words[i]) - 1 ? len : sizeof(words[i]) - 1;
        memcpy(words[i], text.data, kept);
        text = end == NULL ? BYTES_NONE : bytes_of(end + 1, text.len - len - 1);
    }
    struct bytes token = bytes_of_string(words[2]);
    if (token_make_line(words[0], words[1], token, &line, NULL) == OK) {
        struct tokens *tokens = NULL;
        uint8_t hash[TOKEN_HASH_BYTES];
        enum err err = tokens_parse("line", buf_bytes(&line), &tokens, NULL);
        assert(err == OK && tokens_count(tokens) == 1);
        token_hash(token, hash);
        const struct token *found = tokens_find(tokens, hash);
        assert(found != NULL && strcmp(found->name, words[0]) == 0);
        check_grants(found);
        tokens_free(tokens);
    } else {
        assert(line.len == 0);
    }
    buf_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > TOKENS_FILE_MAX_BYTES) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        check_file(bytes_of(data + 1, size - 1));
    } else {
        check_line(bytes_of(data + 1, size - 1));
    }
    return 0;
}
