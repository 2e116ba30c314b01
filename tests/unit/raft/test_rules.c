/* SPDX-License-Identifier: Apache-2.0 */
/* One node and hand-made packets: what waits for which ticket, and what is not listened to. */
#include <string.h>

#include "raft/internal.h"
#include "suites.h"

static struct raft_boot plain_boot(void)
{
    static const struct raft_trail_run runs[] = {{2, 11}};
    static const uint32_t sizes[3] = {5, 5, 5};
    static const struct raft_config_at config = {
        .pos = {1, 10}, .config = {.voters = {1, 2, 3}, .voters_count = 3}};
    return (struct raft_boot){.term = 2,
                              .commit = 10,
                              .base = {1, 10},
                              .last = 13,
                              .trail = runs,
                              .trail_count = 1,
                              .sizes = sizes,
                              .applied = 10,
                              .configs = &config,
                              .configs_count = 1};
}

static struct raft *node_of(const struct raft_boot *boot)
{
    struct raft_options options;
    raft_options_init(&options, 4, 1, 9);
    struct raft *ret = raft_new(&options, boot);
    raft_check(ret);
    return ret;
}

static struct raft *plain_node(void)
{
    struct raft_boot boot = plain_boot();
    return node_of(&boot);
}

static struct raft_packet packet_of(uint8_t kind, node_id from, raft_term term)
{
    return (struct raft_packet){
        .slot = 4, .from = from, .to = 1, .from_boot = 30 + from, .kind = kind, .term = term};
}

/* The first packet of this kind in the next update; kind 0: there is none. */
static struct raft_packet take(struct raft *raft, uint8_t kind, struct raft_update *ret_update)
{
    struct raft_packet none = {.kind = 0};
    raft_take_update(raft, ret_update);
    raft_check(raft);
    for (uint32_t i = 0; i < ret_update->packets_count; i++) {
        if (ret_update->packets[i].kind == kind)
            return ret_update->packets[i];
    }
    return none;
}

START_TEST(a_vote_waits_for_its_ticket)
{
    struct raft *raft = plain_node();
    struct raft_update update;
    struct raft_packet vote = packet_of(RAFT_VOTE, 2, 3);
    vote.pos = (struct raft_pos){2, 13};
    vote.number = 77;
    ck_assert_int_eq(raft_receive(raft, &vote), OK);
    struct raft_packet reply = take(raft, RAFT_VOTE_REPLY, &update);
    ck_assert_uint_eq(update.seq, 1);
    ck_assert_uint_eq(update.flags & RAFT_UPDATE_HARD_STATE, RAFT_UPDATE_HARD_STATE);
    ck_assert_uint_eq(update.vote, 2);
    ck_assert_uint_eq(reply.wait_seq, 1); /* R1 */
    ck_assert_uint_eq(reply.flags & RAFT_REFUSED, 0);
    ck_assert_uint_eq(reply.number, 77);
    ck_assert_uint_eq(reply.to_boot, 32);
    /* Another candidate of the term, then a shorter log of a later one. */
    vote.from = 3;
    ck_assert_int_eq(raft_receive(raft, &vote), OK);
    reply = take(raft, RAFT_VOTE_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_REFUSED, 0);
    ck_assert_uint_eq(update.seq, 0);
    vote.term = 4;
    vote.pos.index = 12;
    ck_assert_int_eq(raft_receive(raft, &vote), OK);
    reply = take(raft, RAFT_VOTE_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_REFUSED, 0);
    ck_assert_uint_eq(update.term, 4);
    ck_assert_uint_eq(reply.wait_seq, update.seq); /* R6: also a refusal at a new term */
    raft_free(raft);
}
END_TEST

START_TEST(a_campaign_waits_for_its_ticket)
{
    struct raft *raft = plain_node();
    struct raft_update update;
    raft_campaign(raft);
    struct raft_packet ask = take(raft, RAFT_PREVOTE, &update);
    ck_assert_uint_eq(ask.term, 3);
    ck_assert_uint_eq(ask.wait_seq, 0); /* R7 */
    ck_assert_uint_eq(update.seq, 0);
    struct raft_packet yes = packet_of(RAFT_PREVOTE_REPLY, 2, 3);
    yes.to_boot = 9;
    yes.number = ask.number + 1;
    ck_assert_int_eq(raft_receive(raft, &yes), ERR_IGNORED); /* of another campaign */
    yes.number = ask.number;
    yes.to_boot = 8;
    ck_assert_int_eq(raft_receive(raft, &yes), ERR_IGNORED); /* to another boot */
    yes.to_boot = 9;
    yes.from = 7;
    ck_assert_int_eq(raft_receive(raft, &yes), ERR_IGNORED); /* of a stranger */
    yes.from = 2;
    ck_assert_int_eq(raft_receive(raft, &yes), OK);
    ask = take(raft, RAFT_VOTE, &update);
    ck_assert_uint_eq(update.role, RAFT_CANDIDATE);
    ck_assert_uint_eq(ask.wait_seq, update.seq); /* R3 */
    ck_assert_uint_eq(update.vote, 1);
    ck_assert_uint_eq(ask.pos.index, 13);
    raft_persisted(raft, update.seq);
    raft_check(raft);
    ck_assert_int_eq(raft_role(raft), RAFT_CANDIDATE); /* one ballot of three: its own */
    yes = packet_of(RAFT_VOTE_REPLY, 3, 3);
    yes.to_boot = 9;
    yes.number = ask.number;
    ck_assert_int_eq(raft_receive(raft, &yes), OK);
    struct raft_packet append = take(raft, RAFT_APPEND, &update);
    ck_assert_uint_eq(update.role, RAFT_LEADER);
    ck_assert_uint_eq(update.entries_count, 1);
    ck_assert_int_eq(update.entries[0].kind, RAFT_ENTRY_EMPTY);
    ck_assert_uint_le(append.wait_seq, 1); /* R5: before its own disk */
    ck_assert_uint_eq(append.pos.index, 13);
    raft_free(raft);
}
END_TEST

static struct raft_packet append_of(raft_term term, struct raft_pos before,
                                    const struct raft_entry *entries, uint32_t count)
{
    struct raft_packet ret = packet_of(RAFT_APPEND, 2, term);
    ret.pos = before;
    ret.entries = entries;
    ret.entries_count = count;
    return ret;
}

START_TEST(an_ack_waits_and_speaks_for_the_verified)
{
    struct raft *raft = plain_node();
    struct raft_update update;
    struct raft_entry entry = {.pos = {3, 12}, .kind = RAFT_ENTRY_DATA, .size_bytes = 5};
    struct raft_packet append = append_of(3, (struct raft_pos){2, 11}, NULL, 0);
    append.commit = 13;
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    struct raft_packet reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(reply.pos.index, 11); /* not 13: the tail may be a dead leader's */
    ck_assert_uint_eq(update.commit, 11);   /* P18 */
    ck_assert_uint_eq(reply.wait_seq, update.seq);
    append = append_of(3, (struct raft_pos){2, 11}, &entry, 1); /* conflicts with 12:2 */
    append.commit = 11;
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(update.truncate_from, 12);
    ck_assert_uint_eq(update.entries_count, 1);
    ck_assert_uint_eq(update.seq, 2);
    ck_assert_uint_eq(reply.pos.index, 12);
    ck_assert_uint_eq(reply.wait_seq, 2);
    ck_assert_int_eq(raft_receive(raft, &append), OK); /* the same again, before it is durable */
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(update.seq, 0);
    ck_assert_uint_eq(reply.wait_seq, 2);
    raft_free(raft);
}
END_TEST

START_TEST(appends_that_do_not_fit)
{
    struct raft *raft = plain_node();
    struct raft_update update;
    struct raft_packet append = append_of(3, (struct raft_pos){3, 20}, NULL, 0);
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    struct raft_packet reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_REFUSED, 0);
    ck_assert_uint_eq(reply.hint.index, 13);
    ck_assert_uint_eq(reply.hint.term, 2);
    append.pos = (struct raft_pos){1, 12};
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(reply.hint.index, 10);
    append.pos = (struct raft_pos){0, 12}; /* an unknown term is no match (P19) */
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_REFUSED, 0);
    append.pos = (struct raft_pos){1, 8}; /* below commit: acked, nothing changes */
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(reply.flags & RAFT_REFUSED, 0);
    ck_assert_uint_eq(reply.pos.index, 10);
    append.term = 2; /* an old leader hears of the term */
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_REFUSED, 0);
    ck_assert_uint_eq(reply.term, 3);
    struct raft_entry gap = {.pos = {3, 15}, .kind = RAFT_ENTRY_DATA};
    append = append_of(3, (struct raft_pos){2, 13}, &gap, 1);
    ck_assert_int_eq(raft_receive(raft, &append), ERR_IGNORED);
    gap = (struct raft_entry){.pos = {3, 14}, .kind = RAFT_ENTRY_CONFIG};
    ck_assert_int_eq(raft_receive(raft, &append), ERR_IGNORED); /* without its configuration */
    raft_check(raft);
    raft_free(raft);
}
END_TEST

/* Behind its promise: it neither votes nor is counted, and takes the promised term over. */
START_TEST(amnesia_ends_by_a_leader_of_a_later_term)
{
    struct raft_boot boot = plain_boot();
    boot.promised_term = 4;
    boot.promised_vote = 3;
    boot.promised_last = (struct raft_pos){2, 15};
    struct raft *raft = node_of(&boot);
    struct raft_update update;
    struct raft_status status;
    raft_status(raft, &status);
    ck_assert(status.amnesia);
    ck_assert_uint_eq(status.term, 4);
    ck_assert_uint_eq(status.vote, 3);
    struct raft_packet vote = packet_of(RAFT_VOTE, 2, 9);
    vote.pos = (struct raft_pos){8, 99};
    ck_assert_int_eq(raft_receive(raft, &vote), ERR_IGNORED);
    vote.kind = RAFT_PREVOTE;
    ck_assert_int_eq(raft_receive(raft, &vote), ERR_IGNORED);
    raft_campaign(raft);
    ck_assert_int_eq(raft_role(raft), RAFT_FOLLOWER);
    struct raft_entry entries[] = {{.pos = {2, 14}, .kind = RAFT_ENTRY_DATA},
                                   {.pos = {5, 15}, .kind = RAFT_ENTRY_EMPTY}};
    struct raft_packet append = append_of(5, (struct raft_pos){2, 13}, entries, 2);
    append.commit = 15;
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    struct raft_packet reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_AMNESIA, 0);
    raft_status(raft, &status);
    ck_assert(status.amnesia);
    ck_assert_uint_eq(update.apply_from, 11);
    raft_persisted(raft, update.seq);
    raft_status(raft, &status);
    ck_assert(!status.amnesia);
    raft_free(raft);
}
END_TEST

START_TEST(a_suspect_log_needs_a_full_install)
{
    struct raft_boot boot = plain_boot();
    boot.suspect_log = true;
    struct raft *raft = node_of(&boot);
    struct raft_update update;
    struct raft_packet append = append_of(3, (struct raft_pos){2, 13}, NULL, 0);
    append.commit = 13;
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    struct raft_packet reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(reply.flags, RAFT_REFUSED | RAFT_INSTALLING | RAFT_AMNESIA);
    raft_persisted(raft, update.seq);
    struct raft_packet offer = packet_of(RAFT_INSTALL, 2, 3);
    offer.install = (struct raft_install){.session = 5,
                                          .kind = RAFT_DELTA,
                                          .base = 10,
                                          .target = {3, 20},
                                          .config_pos = {1, 10},
                                          .config = boot.configs[0].config};
    ck_assert_int_eq(raft_receive(raft, &offer), OK);
    reply = take(raft, RAFT_INSTALL_REPLY, &update);
    ck_assert_uint_ne(reply.flags & RAFT_REFUSED, 0); /* a delta onto an unsound state */
    offer.install.kind = RAFT_FULL;
    offer.install.session = 6;
    ck_assert_int_eq(raft_receive(raft, &offer), OK);
    reply = take(raft, RAFT_INSTALL_REPLY, &update);
    ck_assert_uint_ne(update.flags & RAFT_UPDATE_INSTALL_IN, 0);
    ck_assert_uint_eq(reply.wait_seq, update.seq); /* the marker first (R14a) */
    raft_persisted(raft, update.seq);
    raft_install_received(raft, 5, true); /* of a closed session: nothing */
    ck_assert(!raft_has_update(raft));
    raft_install_received(raft, 6, true);
    raft_check(raft);
    reply = take(raft, RAFT_INSTALL_REPLY, &update);
    ck_assert_uint_ne(update.flags & RAFT_UPDATE_INSTALLED, 0);
    ck_assert_uint_eq(reply.pos.index, 20);
    ck_assert_uint_eq(reply.wait_seq, update.seq); /* R14d */
    raft_persisted(raft, update.seq);
    struct raft_status status;
    raft_status(raft, &status);
    ck_assert_uint_eq(status.applied, 20);
    ck_assert_uint_eq(status.base.index, 20);
    ck_assert(!status.installing);
    ck_assert_int_eq(raft_receive(raft, &offer), OK); /* a late copy does not start it anew */
    reply = take(raft, RAFT_INSTALL_REPLY, &update);
    ck_assert_uint_eq(update.flags & RAFT_UPDATE_INSTALL_IN, 0);
    ck_assert_uint_eq(reply.pos.index, 20);
    raft_free(raft);
}
END_TEST

/* The marker found at boot: it votes and echoes, but neither acks, applies, reads nor stands. */
START_TEST(installing_after_a_restart)
{
    struct raft_boot boot = plain_boot();
    boot.commit = 13;
    boot.install = (struct raft_install){.session = 50, .kind = RAFT_FULL, .target = {2, 40}};
    boot.install.config = boot.configs[0].config;
    boot.applied = 0; /* the old state is gone */
    struct raft *raft = node_of(&boot);
    struct raft_update update;
    ck_assert(!raft_has_update(raft));
    raft_tick(raft, 100);
    ck_assert_int_eq(raft_role(raft), RAFT_FOLLOWER);
    ck_assert_int_eq(raft_read(raft, 1), ERR_UNREADY);
    struct raft_packet vote = packet_of(RAFT_VOTE, 3, 3);
    vote.pos = (struct raft_pos){2, 13};
    ck_assert_int_eq(raft_receive(raft, &vote), OK);
    struct raft_packet reply = take(raft, RAFT_VOTE_REPLY, &update);
    ck_assert_uint_eq(reply.flags & RAFT_REFUSED, 0);
    struct raft_packet append = append_of(4, (struct raft_pos){2, 13}, NULL, 0);
    ck_assert_int_eq(raft_receive(raft, &append), OK);
    reply = take(raft, RAFT_APPEND_REPLY, &update);
    ck_assert_uint_eq(reply.flags, RAFT_REFUSED | RAFT_INSTALLING);
    ck_assert_uint_eq(reply.install.session, 50);
    struct raft_packet beat = packet_of(RAFT_HEARTBEAT, 2, 4);
    beat.number = 6;
    ck_assert_int_eq(raft_receive(raft, &beat), OK);
    reply = take(raft, RAFT_HEARTBEAT_REPLY, &update);
    ck_assert_uint_eq(reply.number, 6);
    struct raft_packet offer = packet_of(RAFT_INSTALL, 2, 4);
    offer.install = boot.install; /* the same session goes on */
    ck_assert_int_eq(raft_receive(raft, &offer), OK);
    take(raft, RAFT_INSTALL_REPLY, &update);
    ck_assert_uint_ne(update.flags & RAFT_UPDATE_INSTALL_IN, 0);
    ck_assert_uint_eq(update.install_in.session, 50);
    raft_free(raft);
}
END_TEST

/* An idle group is small (blueprint: 4,096 slots on a node). */
START_TEST(memory_of_an_idle_group)
{
    struct raft *raft = plain_node();
    size_t bytes = sizeof(*raft);
    for (int i = 0; i < 2; i++)
        bytes += raft->out[i].packets_capacity * sizeof(struct raft_packet) +
                 raft->out[i].entries_capacity * sizeof(struct raft_entry);
    bytes += raft->log.sums_capacity * sizeof(uint64_t);
    bytes += raft->configs_capacity * sizeof(struct raft_config_at);
    bytes += 6 * sizeof(struct progress);
    ck_assert_uint_lt(bytes, 16 * 1024);
    raft_free(raft);
}
END_TEST

Suite *suite_rules(void)
{
    return UNIT_SUITE("rules", 10, a_vote_waits_for_its_ticket, a_campaign_waits_for_its_ticket,
                      an_ack_waits_and_speaks_for_the_verified, appends_that_do_not_fit,
                      amnesia_ends_by_a_leader_of_a_later_term, a_suspect_log_needs_a_full_install,
                      installing_after_a_restart, memory_of_an_idle_group);
}
