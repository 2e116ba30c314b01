/* SPDX-License-Identifier: Apache-2.0 */
/* The file of tokens: what it may hold, and that a fault has its place. */
#include <stdio.h>
#include <string.h>

#include "http/tokens.h"
#include "suites.h"

#define HASH_A "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" /* test */
#define HASH_B "sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752" /* test2 */
#define HASH_EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static enum err parse(const char *text, struct tokens **ret_tokens, struct why *why)
{
    return tokens_parse("tokens", bytes_of_string(text), ret_tokens, why);
}

START_TEST(reads_tokens)
{
    struct tokens *tokens = NULL;
    struct why why = {0};
    uint8_t hash[TOKEN_HASH_BYTES];
    enum err err = parse("# who may do what\n\n"
                         "ops\tadmin,metrics   " HASH_A "  # the team\r\n"
                         "app read@2/room-,read@3/,write@2/a%2Fb " HASH_B,
                         &tokens, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    ck_assert_uint_eq(tokens_count(tokens), 2);
    token_hash(bytes_of_string("test"), hash);
    const struct token *ops = tokens_find(tokens, hash);
    ck_assert_str_eq(ops->name, "ops");
    ck_assert_uint_eq(ops->grants_count, 2);
    ck_assert_uint_eq(ops->grants[0].role, ROLE_ADMIN);
    ck_assert(!ops->grants[0].is_limited);
    token_hash(bytes_of_string("test2"), hash);
    const struct token *app = tokens_find(tokens, hash);
    ck_assert_uint_eq(app->grants_count, 3);
    ck_assert_uint_eq(app->grants[1].type, 3);
    ck_assert_uint_eq(app->grants[1].prefix.len, 0);
    ck_assert(app->grants[1].is_limited);
    ck_assert(bytes_is_equal(app->grants[2].prefix, bytes_of_string("a/b")));
    for (int i = 0; i < 256; i++) { /* one bit off is as good as all */
        hash[i / 8] ^= (uint8_t)(1 << i % 8);
        ck_assert_ptr_null(tokens_find(tokens, hash));
        hash[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    tokens_free(tokens);
}
END_TEST

START_TEST(refuses_faults_with_their_place)
{
    static const char *const rows[][2] = {
        {"", "tokens has no tokens"},
        {"# nothing\n", "tokens has no tokens"},
        {"ops admin " HASH_A "\nbad", "tokens:2: there are no roles"},
        {"ops\n", "tokens:1: there are no roles"},
        {"ops admin\n", "tokens:1: the third word is not sha256:"},
        {"ops admin md5:00\n", "tokens:1: the third word"},
        {"ops admin test\n", "tokens:1: the third word"},
        {"ops admin sha256:00\n", "2 hexadecimal digits, not 64"},
        {"ops admin sha256:", "0 hexadecimal digits"},
        {"ops admin " HASH_EMPTY "\n", "empty token"},
        {"ops root " HASH_A "\n", "'root' is no role"},
        {"ops read, " HASH_A "\n", "ends with a comma"},
        {"ops ,read " HASH_A "\n", "'' is no role"},
        {"ops admin@2/a " HASH_A "\n", "'admin' has no channels"},
        {"ops metrics@2/a " HASH_A "\n", "'metrics' has no channels"},
        {"ops read@room " HASH_A "\n", "'room' is not the beginning of channels"},
        {"ops read@256/x " HASH_A "\n", "'256/x' is not the beginning"},
        {"ops read@2/%4 " HASH_A "\n", "two hexadecimal digits"},
        {"ops read@2/%zz " HASH_A "\n", "two hexadecimal digits"},
        {"ops read " HASH_A " more\n", "something behind the hash"},
        {"o\"ps read " HASH_A "\n", "the name is not"},
        {"a read " HASH_A "\nb read " HASH_A "\n", "tokens:2: 'a' and 'b' are one token"},
        {"a read " HASH_A "\na read " HASH_B "\n", "tokens:2: there is another token"},
        {"a read sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0x\n",
         "something else than hexadecimal"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tokens *tokens = NULL;
        struct why why = {0};
        ck_assert_msg(parse(rows[i][0], &tokens, &why) == ERR_BAD_CONFIG, "'%s'", rows[i][0]);
        ck_assert_ptr_null(tokens);
        ck_assert_msg(strstr(why.text, rows[i][1]) != NULL, "'%s' is not in '%s'", rows[i][1],
                      why.text);
    }
}
END_TEST

START_TEST(refuses_too_many)
{
    struct buf text = BUF_INIT;
    struct tokens *tokens = NULL;
    struct why why = {0};
    for (int i = 0; i <= TOKENS_MAX; i++)
        buf_printf(&text, "n%d read sha256:%064x\n", i, i + 1);
    ck_assert_int_eq(parse(buf_string(&text), &tokens, &why), ERR_BAD_CONFIG);
    ck_assert_msg(strstr(why.text, "tokens:1025: there are more than 1024") != NULL, "%s",
                  why.text);
    buf_done(&text);
    ck_assert_int_eq(tokens_load("/nowhere/tokens", &tokens, &why), ERR_NOT_FOUND);
}
END_TEST

START_TEST(makes_tokens)
{
    char token[TOKEN_TEXT_SIZE], other[TOKEN_TEXT_SIZE];
    struct buf line = BUF_INIT;
    struct tokens *tokens = NULL;
    struct why why = {0};
    uint8_t hash[TOKEN_HASH_BYTES];
    ck_assert_int_eq(token_make("a", "read@2/x,admin", token, &line, &why), OK);
    ck_assert_int_eq(token_make("b", "write", other, &line, &why), OK);
    ck_assert_str_ne(token, other);
    ck_assert_uint_eq(strlen(token), 58); /* lethe_ and 256 bits, five a letter */
    ck_assert_ptr_null(strstr(buf_string(&line), token));
    ck_assert_int_eq(parse(buf_string(&line), &tokens, &why), OK);
    token_hash(bytes_of_string(other), hash);
    ck_assert_str_eq(tokens_find(tokens, hash)->name, "b");
    tokens_free(tokens);
    buf_clear(&line);
    ck_assert_int_eq(token_make("a b", "read", token, &line, &why), ERR_BAD_PARAMETER);
    ck_assert_int_eq(token_make("a", "reads", token, &line, &why), ERR_BAD_PARAMETER);
    ck_assert_int_eq(token_make("a\nb", "read", token, &line, &why), ERR_BAD_PARAMETER);
    ck_assert_int_eq(token_make("#a", "read", token, &line, &why), ERR_BAD_PARAMETER);
    ck_assert_int_eq(token_make_line("a", "read", bytes_of_string(""), &line, &why),
                     ERR_BAD_PARAMETER);
    ck_assert_int_eq(token_make_line("a", "read", bytes_of_string("0123456789abcde"), &line, &why),
                     ERR_BAD_PARAMETER);
    ck_assert_int_eq(token_make_line("a", "read", bytes_of_string("0123456789 bcdef"), &line, &why),
                     ERR_BAD_PARAMETER);
    ck_assert_uint_eq(line.len, 0);
    buf_done(&line);
}
END_TEST

Suite *suite_tokens(void)
{
    return UNIT_SUITE("tokens", 10, reads_tokens, refuses_faults_with_their_place, refuses_too_many,
                      makes_tokens);
}
