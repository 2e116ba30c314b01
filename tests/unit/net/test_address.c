/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what people write, what is refused, names that are asked for elsewhere. */
#include "suites.h"

#include <netinet/in.h>
#include <string.h>

#include "net/address.h"
#include "net/loop.h"

static void never(const struct net_addresses *found, const struct why *why, void *arg)
{
    (void)found, (void)why, (void)arg;
    ck_abort_msg("numbers are answered at once");
}

START_TEST(numbers_are_answered_at_once)
{
    static const char *const texts[] = {"127.0.0.1:7101", "[::1]:7101", "10.1.2.3:1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct net_addresses found;
        enum err err = ERR_INTERNAL;
        struct why why = {0};
        ck_assert_ptr_null(net_address_ask(NULL, texts[i], never, NULL, &found, &err, &why));
        ck_assert_msg(err == OK, "%s", why.text);
        ck_assert_uint_eq(found.count, 1);
        char text[NET_ADDRESS_TEXT_SIZE];
        net_address_format((struct sockaddr *)&found.items[0].raw, found.items[0].len, text);
        ck_assert_str_eq(text, texts[i]);
    }
}
END_TEST

START_TEST(nonsense_is_refused)
{
    static const char *const texts[] = {
        "",     "7101",          "127.0.0.1",       ":7101",    "127.0.0.1:", "127.0.0.1:x",
        "a:-1", "127.0.0.1:+80", "127.0.0.1:65536", "::1:7101", "[::1]",      "[]:80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct net_addresses found;
        enum err err = OK;
        struct why why = {0};
        struct net_question *question =
            net_address_ask(NULL, texts[i], never, NULL, &found, &err, &why);
        ck_assert_msg(question == NULL && err == ERR_BAD_PARAMETER, "'%s'", texts[i]);
        ck_assert_int_ne(why.text[0], '\0');
    }
    char long_text[400];
    memset(long_text, 'a', sizeof(long_text));
    memcpy(long_text + 390, ":80", 4);
    struct net_addresses found;
    enum err err = OK;
    ck_assert_ptr_null(net_address_ask(NULL, long_text, never, NULL, &found, &err, NULL));
    ck_assert_int_eq(err, ERR_BAD_PARAMETER);
}
END_TEST

START_TEST(listeners)
{
    struct net_address address;
    struct why why = {0};
    ck_assert_int_eq(net_address_of_listener(":7101", &address, &why), OK);
    ck_assert_int_eq(net_address_of_listener("127.0.0.1:0", &address, &why), OK);
    ck_assert_int_eq(address.raw.ss_family, AF_INET);
    ck_assert_int_eq(net_address_of_listener("127.0.0.1", &address, &why), ERR_BAD_PARAMETER);
    ck_assert_int_eq(net_address_of_listener("no.such.host.invalid:1", &address, &why),
                     ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(why.text, "no.such.host.invalid"));
}
END_TEST

struct asking {
    struct net_loop *loop;
    struct net_addresses found;
    struct why why;
    unsigned answers;
};

static void on_answer(const struct net_addresses *found, const struct why *why, void *arg)
{
    struct asking *asking = arg;
    ck_assert((found == NULL) != (why == NULL));
    if (found != NULL) {
        asking->found = *found;
    } else {
        asking->why = *why;
    }
    asking->answers++;
    net_loop_stop(asking->loop);
}

static void ask(struct asking *asking, const char *text)
{
    enum err err = OK;
    ck_assert_int_eq(net_loop_new(NULL, NULL, &asking->loop, NULL), OK);
    struct net_addresses unused;
    ck_assert_ptr_nonnull(
        net_address_ask(asking->loop, text, on_answer, asking, &unused, &err, NULL));
    net_loop_run(asking->loop);
    ck_assert_uint_eq(asking->answers, 1);
    net_loop_free(asking->loop);
}

START_TEST(names_are_asked_for)
{
    struct asking known = {0};
    ask(&known, "localhost:7101");
    ck_assert_uint_ge(known.found.count, 1);
    struct asking unknown = {0};
    ask(&unknown, "no.such.host.invalid:7101");
    ck_assert_uint_eq(unknown.found.count, 0);
    ck_assert_int_eq(unknown.why.err, ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(unknown.why.text, "no.such.host.invalid"));
}
END_TEST

START_TEST(a_forgotten_question_is_not_answered)
{
    for (unsigned i = 0; i < 50; i++) {
        struct asking asking = {0};
        enum err err = OK;
        struct net_addresses unused;
        ck_assert_int_eq(net_loop_new(NULL, NULL, &asking.loop, NULL), OK);
        net_address_forget(net_address_ask(asking.loop, "localhost:7101", on_answer, &asking,
                                           &unused, &err, NULL));
        net_loop_free(asking.loop);
        ck_assert_uint_eq(asking.answers, 0);
    }
    net_address_forget(NULL);
}
END_TEST

Suite *suite_address(void)
{
    return UNIT_SUITE("address", 60, numbers_are_answered_at_once, nonsense_is_refused, listeners,
                      names_are_asked_for, a_forgotten_question_is_not_answered);
}
