/* SPDX-License-Identifier: Apache-2.0 */
/* Verification finds each kind of broken promise: a server of lies, one lie a test. */
#include "bench/verify.h"
#include "suites.h"
#include "unit_server.h"

#include <stdio.h>
#include <stdlib.h>

static const struct journal_head head = {
    .run = "r1234abcd", .prefix = "p-", .size = 48, .channels = 1, .channel_type = 2};

/* What the server shows: seq, client, number of each message, and one deleted range. */
struct shown {
    struct {
        uint64_t seq, number;
        uint32_t client;
    } messages[8];
    size_t count;
    uint64_t deleted_start, deleted_end, last_seq;
    bool has_other_payload;
    char reply[8192];
};

static const char *show(const char *request, void *arg)
{
    struct shown *shown = arg;
    struct buf body = BUF_INIT;
    (void)request;
    buf_append_string(&body, "{\"messages\":[");
    for (size_t i = 0; i < shown->count; i++) {
        struct buf payload = BUF_INIT;
        journal_payload(head.run, shown->messages[i].client, shown->messages[i].number, head.size,
                        &payload);
        if (shown->has_other_payload)
            payload.data[payload.len - 1] = '!';
        buf_printf(
            &body, "%s{\"message_seq\":%llu,\"payload_encoding\":\"utf8\",\"payload\":\"%s\"}",
            i > 0 ? "," : "", (unsigned long long)shown->messages[i].seq, buf_string(&payload));
        buf_done(&payload);
    }
    buf_append_string(&body, "],\"deleted\":[");
    if (shown->deleted_start != 0)
        buf_printf(&body, "{\"start_seq\":%llu,\"end_seq\":%llu}",
                   (unsigned long long)shown->deleted_start,
                   (unsigned long long)shown->deleted_end);
    buf_printf(&body, "],\"last_seq\":%llu,\"more\":false}", (unsigned long long)shown->last_seq);
    snprintf(shown->reply, sizeof(shown->reply), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             body.len, buf_string(&body));
    buf_done(&body);
    return shown->reply;
}

static const struct journal_event sent[] = {
    {.kind = 'A', .client = 1, .number = 0, .seq = 1},
    {.kind = 'A', .client = 1, .number = 1, .seq = 2},
    {.kind = 'A', .client = 2, .number = 0, .seq = 3},
    {.kind = 'R', .client = 2, .number = 1},
    {.kind = 'U', .client = 2, .number = 2},
    {.kind = 'D', .number = 2, .seq = 2},
};

/* Everything as it should be: 1 and 3 are there, 2 is deleted, 4 is the unknown one. */
static struct shown truth(void)
{
    return (struct shown){.messages = {{1, 0, 1}, {3, 0, 2}, {4, 2, 2}},
                          .count = 3,
                          .deleted_start = 2,
                          .deleted_end = 2,
                          .last_seq = 4};
}

static struct verify_result verify(struct shown *shown, const struct journal_event *more,
                                   bool strict)
{
    struct journal *journal = NULL;
    struct buf lines = BUF_INIT;
    struct why why = {0};
    struct verify_result result;
    struct unit_server *server = unit_server_start(show, shown);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* faults are told there */
    struct bench_options options = {.is_quiet = true};
    ck_assert_int_eq(client_list_add(&options.targets, unit_server_url(server), NULL), OK);
    ck_assert_int_eq(journal_create(NULL, &head, &journal, NULL), OK);
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
        journal_print(&lines, &sent[i]);
    if (more != NULL)
        journal_print(&lines, more);
    ck_assert_int_eq(journal_write(journal, &lines), OK);
    ck_assert_int_eq(journal_close(journal, NULL), OK);
    enum err err = verify_run(&options, NULL, journal, strict, false, &result, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    journal_free(journal);
    client_list_done(&options.targets);
    buf_done(&lines);
    unit_server_stop(server);
    return result;
}

START_TEST(test_truth_passes)
{
    struct shown shown = truth();
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(verify_faults(&result), 0);
    ck_assert_uint_eq(result.acknowledged, 3);
    ck_assert_uint_eq(result.found, 2);
    ck_assert_uint_eq(result.deleted, 1);
    ck_assert_uint_eq(result.unknown, 1);
    ck_assert_uint_eq(result.unknown_stored, 1);
}
END_TEST

START_TEST(test_lost)
{
    struct shown shown = truth();
    shown.messages[0] = shown.messages[2]; /* seq 1 is gone, and 4 shown alone */
    shown.count = 2;
    shown.deleted_start = 1;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.lost, 1);
}
END_TEST

START_TEST(test_deleted_is_shown)
{
    struct shown shown = truth();
    shown.messages[3].seq = 2;
    shown.messages[3].client = 1;
    shown.messages[3].number = 1;
    shown.count = 4;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.undeleted, 1);
}
END_TEST

START_TEST(test_stored_twice)
{
    struct shown shown = truth();
    shown.messages[3].seq = 5;
    shown.messages[3].client = 1;
    shown.messages[3].number = 0;
    shown.count = 4;
    shown.last_seq = 5;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.stored_twice, 1);
    ck_assert_uint_eq(verify_faults(&result), 1);
}
END_TEST

START_TEST(test_refused_is_stored)
{
    struct shown shown = truth();
    shown.messages[2].number = 1;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.refused_stored, 1);
}
END_TEST

START_TEST(test_changed_payload)
{
    struct shown shown = truth();
    shown.has_other_payload = true;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.wrong_payload, 3);
}
END_TEST

START_TEST(test_swapped_messages)
{
    struct shown shown = truth();
    shown.messages[0].client = 2;
    shown.messages[1].client = 1;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_ge(result.wrong_place, 2);
}
END_TEST

START_TEST(test_silent_hole)
{
    struct shown shown = truth();
    shown.deleted_start = 0;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.unexplained_holes, 1);
}
END_TEST

START_TEST(test_disorder_and_one_seq_for_two)
{
    struct shown shown = truth();
    const struct journal_event early = {.kind = 'A', .client = 2, .number = 3, .seq = 3};
    struct verify_result result = verify(&shown, &early, true);
    ck_assert_uint_ge(result.wrong_place, 1);
    const struct journal_event before = {.kind = 'A', .client = 1, .number = 2, .seq = 1};
    result = verify(&shown, &before, true);
    ck_assert_uint_eq(result.disordered, 1);
}
END_TEST

START_TEST(test_unrecorded_only_when_strict)
{
    struct shown shown = truth();
    shown.messages[3].seq = 5;
    shown.messages[3].client = 9;
    shown.messages[3].number = 9;
    shown.count = 4;
    shown.last_seq = 5;
    struct verify_result result = verify(&shown, NULL, true);
    ck_assert_uint_eq(result.unrecorded, 1);
    result = verify(&shown, NULL, false);
    ck_assert_uint_eq(verify_faults(&result), 0);
    ck_assert_uint_eq(result.foreign, 1);
}
END_TEST

Suite *suite_verify(void)
{
    return UNIT_SUITE("verify", 20, test_truth_passes, test_lost, test_deleted_is_shown,
                      test_stored_twice, test_refused_is_stored, test_changed_payload,
                      test_swapped_messages, test_silent_hole, test_disorder_and_one_seq_for_two,
                      test_unrecorded_only_when_strict);
}
