/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the formats do not change by accident. One sample of each kind, as bytes that an earlier
 * build wrote: this build must write the same and read them. When a format changes on purpose, its
 * version number goes up, the old sample stays (it must still be read) and a new one is added.
 * GOLDEN=print shows what this build writes. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/config.h"
#include "wire/frame.h"

#include "base/alloc.h"
#include "base/blob.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- commands ------------------------------------------------------------------------------- */

static void put_command(struct buf *buf, const struct command *command)
{
    struct blob *blob = command_encode(command);
    buf_append_bytes(buf, blob_bytes(blob));
    blob_unref(blob);
}

static void write_append(struct buf *buf)
{
    static const uint8_t salt[COMMAND_SALT_BYTES] = {1, 2,  3,  4,  5,  6,  7,  8,
                                                     9, 10, 11, 12, 13, 14, 15, 16};
    struct command_message messages[2] = {
        {.from_uid = bytes_of_string("u1"),
         .client_msg_no = bytes_of_string("n-1"),
         .topic = bytes_of_string("t"),
         .payload = bytes_of_string("hello"),
         .payload_encoding = 1,
         .header = {1, 0, 1},
         .setting = 5,
         .expire_s = 3600},
        {.payload = bytes_of_string("{}"), .payload_encoding = 2},
    };
    memcpy(messages[0].salt, salt, sizeof(salt));
    struct command_part part = {.channel = {2, bytes_of_string("room")}, .messages = messages};
    part.messages_count = 2;
    part.has_expected_last_seq = true;
    part.expected_last_seq = 300;
    struct command command = {.kind = COMMAND_APPEND, .flags = COMMAND_ATOMIC};
    command.time_ms = 1700000000000;
    command.append.parts = &part;
    command.append.parts_count = 1;
    put_command(buf, &command);
}

static void write_delete(struct buf *buf)
{
    static const struct range ranges[] = {{100, 200}, {300, 300}};
    struct command command = {.kind = COMMAND_DELETE, .flags = COMMAND_CLAMP};
    command.time_ms = 1700000000001;
    command.delete_.channel = (struct channel){1, bytes_of_string("c")};
    command.delete_.ranges = ranges;
    command.delete_.ranges_count = 2;
    command.delete_.operator_name = bytes_of_string("ann");
    command.delete_.reason = bytes_of_string("gdpr");
    command.delete_.request_id = bytes_of_string("r-1");
    put_command(buf, &command);
}

static void write_dedup_generation(struct buf *buf)
{
    struct command command = {.kind = COMMAND_DEDUP_GENERATION, .time_ms = 5};
    command.dedup_generation.window_ms = 86400000;
    put_command(buf, &command);
}

static void write_raise_floor(struct buf *buf)
{
    struct command command = {.kind = COMMAND_RAISE_FLOOR, .raise_floor = {1000, true}};
    put_command(buf, &command);
}

static void write_check(struct buf *buf)
{
    put_command(buf, &(struct command){.kind = COMMAND_CHECK, .check = {77}});
}

static void write_set_retention(struct buf *buf)
{
    struct command command = {.kind = COMMAND_SET_RETENTION};
    command.set_retention.channel = (struct channel){9, bytes_of_string("room")};
    command.set_retention.max_age_ms = 1000;
    command.set_retention.max_bytes = 1 << 20;
    put_command(buf, &command);
}

static void write_members(struct buf *buf)
{
    struct members members = {.replica_count = 3};
    struct members_row *row = members_insert(&members, 2);
    row->state = MEMBERS_REMOVED;
    row->incarnation = 0x1122334455667788;
    row = members_insert(&members, 1);
    row->state = MEMBERS_ACTIVE;
    row->feature_level = 2;
    (void)snprintf(row->address, sizeof(row->address), "host1:11110");
    (void)snprintf(row->zone, sizeof(row->zone), "rack-1");
    members.places_count = 1;
    members.places = alloc_array(1, sizeof(*members.places));
    members.places[0] = (struct members_place){.count = 1, .ids = {1}};
    members.feature_level = 4;
    members.order = (struct members_order){.state = MEMBERS_ORDER_RUNNING,
                                           .what = 2,
                                           .revision = 5,
                                           .node = 1,
                                           .replaced = 2,
                                           .started_ms = 1000,
                                           .rows_count = 1,
                                           .moves_count = 1};
    members.order.rows = alloc_array(1, sizeof(*members.order.rows));
    members.order.rows[0] = (struct members_was){.id = 1, .state = 2, .learner = true};
    members.order.moves = alloc_array(1, sizeof(*members.order.moves));
    members.order.moves[0] = (struct members_moved){.slot = 0, .from = {.count = 2, .ids = {1, 2}}};
    struct buf table = BUF_INIT;
    members_encode(&table, &members);
    struct command command = {.kind = COMMAND_MEMBERS,
                              .members = {.expected_revision = 4, .table = buf_bytes(&table)}};
    put_command(buf, &command);
    buf_done(&table);
    members_done(&members);
}

/* ---- memberships and packets ---------------------------------------------------------------- */

static const struct raft_config config = {.voters = {1, 2, 3},
                                          .voters_old = {1, 2},
                                          .learners = {300},
                                          .learners_next = {2},
                                          .voters_count = 3,
                                          .voters_old_count = 2,
                                          .learners_count = 1,
                                          .learners_next_count = 1};

static void write_config(struct buf *buf)
{
    wire_config_encode(buf, &config);
}

static struct raft_packet packet_of(uint8_t kind)
{
    struct raft_packet ret = {.kind = kind, .slot = 17, .from = 1, .to = 2, .from_boot = 5};
    ret.term = 9;
    return ret;
}

/* One packet of every kind, each with the fields that it typically has. */
static void write_packets(struct buf *buf)
{
    struct packet_out out;
    packet_out_begin(&out, buf, FRAME_PACKETS);
    for (uint8_t kind = RAFT_PREVOTE; kind < RAFT_PACKET_KINDS; kind++) {
        struct raft_packet packet = packet_of(kind);
        packet.number = 100 + kind;
        packet.pos = (struct raft_pos){8, 1000};
        if (kind % 2 == 0) {
            packet.to_boot = 6;
            packet.applied = 990;
            packet.flags = RAFT_REFUSED;
        }
        if (kind == RAFT_APPEND_REPLY)
            packet.hint = (struct raft_pos){7, 900};
        if (kind == RAFT_HEARTBEAT || kind == RAFT_READ_REPLY)
            packet.commit = 995;
        if (kind == RAFT_HEARTBEAT_REPLY)
            packet.disk_free_mb = 4096;
        ck_assert(packet_out_add(&out, &packet));
    }
    packet_out_end(&out);
}

static void write_entries(struct buf *buf)
{
    struct blob *data = blob_copy(bytes_of_string("data"));
    const struct raft_entry entries[] = {
        {.pos = {8, 1001}, .kind = RAFT_ENTRY_EMPTY},
        {.pos = {9, 1002}, .kind = RAFT_ENTRY_DATA, .payload = data},
        {.pos = {9, 1003}, .kind = RAFT_ENTRY_CONFIG, .config = &config},
    };
    struct raft_packet packet = packet_of(RAFT_APPEND);
    struct packet_out out;
    packet.pos = (struct raft_pos){8, 1000};
    packet.commit = 1000;
    packet.entries = entries;
    packet.entries_count = 3;
    packet_out_begin(&out, buf, FRAME_PACKETS);
    ck_assert(packet_out_add(&out, &packet));
    packet_out_end(&out);
    blob_unref(data);
}

static void write_install(struct buf *buf)
{
    struct raft_packet packet = packet_of(RAFT_INSTALL);
    struct packet_out out;
    packet.install.session = 0x0000000500000001;
    packet.install.kind = RAFT_DELTA;
    packet.install.base = 500;
    packet.install.target = (struct raft_pos){9, 1000};
    packet.install.config_pos = (struct raft_pos){3, 12};
    packet.install.config = config;
    packet_out_begin(&out, buf, FRAME_HEARTBEATS);
    ck_assert(packet_out_add(&out, &packet));
    packet_out_end(&out);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void write_request(struct buf *buf)
{
    struct call_request request = {.id = 0x0102030405060708, .kind = CALL_READ_INDEX, .hops = 1};
    request.slot = 17;
    request.deadline_ms = 2500;
    request.min_term = 9;
    request.min_index = 1000;
    request.body = bytes_of_string("body");
    call_encode_request(buf, &request);
}

static void write_response(struct buf *buf)
{
    struct call_response response = {.id = 0x0102030405060708, .err = ERR_NOT_LEADER};
    response.leader = 3;
    response.text = bytes_of_string("node 3 leads");
    call_encode_response(buf, &response);
}

static void write_append_result(struct buf *buf)
{
    static const struct wire_append_result appends[] = {
        {.seq = 1,
         .message_id = 1 << 20,
         .timestamp_ms = 1700000000000,
         .log_index = 1002,
         .last_seq = 1},
        {.err = ERR_SEQ_MISMATCH, .duplicate = true, .deleted = true, .last_seq = 7},
    };
    struct wire_result result = {.kind = COMMAND_APPEND, .slot = 17, .log_index = 1002};
    result.term = 9;
    result.appends = appends;
    result.appends_count = 2;
    wire_result_encode(buf, &result);
}

static void write_delete_result(struct buf *buf)
{
    static const struct range ranges[] = {{100, 200}, {300, 300}};
    struct wire_result result = {.kind = COMMAND_DELETE, .slot = 17, .log_index = 1003};
    result.deleted.logged = true;
    result.deleted.ranges = ranges;
    result.deleted.ranges_count = 2;
    result.deleted.start_seq = 100;
    result.deleted.end_seq = 300;
    result.deleted.deleted_count = 102;
    result.deleted.first_seq = 1;
    result.deleted.last_seq = 400;
    result.deleted.deleted_at_ms = 1700000000001;
    wire_result_encode(buf, &result);
}

/* ---- handshake, catch-up, the rest ---------------------------------------------------------- */

static struct hello hello_of_node_1(void)
{
    struct hello ret = {.version_min = 1, .version_max = 1, .lane = HELLO_LANE_MAIN};
    ret.node = 1;
    ret.to = 2;
    ret.incarnation = 0x1122334455667788;
    ret.boot = 5;
    memset(ret.nonce, 0xab, sizeof(ret.nonce));
    ret.feature_level = 1;
    ret.slot_count = 64;
    ret.cluster_id = bytes_of_string("blue");
    ret.peer_address = bytes_of_string("10.0.0.1:7701");
    ret.http_address = bytes_of_string("10.0.0.1:7700");
    ret.software = bytes_of_string("0.2.0");
    ret.zone = bytes_of_string("rack-1");
    ret.flags = HELLO_BLANK;
    return ret;
}

static void write_hello(struct buf *buf)
{
    struct hello hello = hello_of_node_1();
    hello_encode(buf, &hello);
}

static void write_hello_reply(struct buf *buf)
{
    struct hello_reply reply = {.err = ERR_WRONG_IDENTITY, .hello = hello_of_node_1()};
    reply.text = bytes_of_string("another cluster");
    hello_encode_reply(buf, &reply);
}

static struct chunk chunk_of(uint8_t kind)
{
    return (struct chunk){.kind = kind, .slot = 17, .session = 0x0000000500000001, .term = 9};
}

static void write_fetch(struct buf *buf)
{
    struct chunk chunk = chunk_of(CHUNK_FETCH);
    chunk.fetch.number = 3;
    chunk.fetch.credits = 4;
    chunk.fetch.cursor = bytes_of_string("cursor");
    chunk_encode(buf, &chunk);
}

static void write_rows(struct buf *buf)
{
    struct chunk_out out;
    chunk_out_init(&out, 17, 0x0000000500000001, 9, 3);
    ck_assert(chunk_out_add(
        &out, &(struct chunk_row){1, bytes_of_string("key"), bytes_of_string("value")}));
    ck_assert(chunk_out_add(&out, &(struct chunk_row){2, bytes_of_string("k"), BYTES_NONE}));
    chunk_out_end(&out, bytes_of_string("cursor"), buf);
    chunk_out_done(&out);
}

static void write_end(struct buf *buf)
{
    struct chunk chunk = chunk_of(CHUNK_END);
    chunk.end.number = 4;
    chunk.end.target = (struct raft_pos){9, 1000};
    chunk.end.config_pos = (struct raft_pos){3, 12};
    chunk.end.config = config;
    chunk.end.digest = (struct hash128){0x1111111111111111, 0x2222222222222222};
    chunk.end.counts_count = 2;
    chunk.end.counts[0] = 300;
    chunk.end.counts[1] = 1;
    chunk_encode(buf, &chunk);
}

static void write_stop(struct buf *buf)
{
    struct chunk chunk = chunk_of(CHUNK_STOP);
    chunk.stop = ERR_NOT_LEADER;
    chunk_encode(buf, &chunk);
}

static void write_digests(struct buf *buf)
{
    const struct wire_digest digests[] = {
        {.slot = 17, .verdict = DIGEST_TOLD, .index = 1000, .digest = {1, 2}},
        {.slot = 18, .verdict = DIGEST_UNKNOWN, .index = 1001, .digest = {3, 4}},
    };
    digest_encode(buf, digests, 2);
}

static void write_ping(struct buf *buf)
{
    frame_encode_ping(buf, false, 0x1122334455667788);
}

static void write_pong(struct buf *buf)
{
    frame_encode_ping(buf, true, 0x1122334455667788);
}

/* ---- the samples ---------------------------------------------------------------------------- */

static const struct sample {
    const char *name;
    void (*write)(struct buf *buf);
    damage_probe *probe;
    const char *hex;
} samples[] = {
    {"append", write_append, probe_command,
     "010101004f93d2460068e5cf8b01000001010204726f6f6dac02027d027531036e2d310174010001"
     "05901c0102030405060708090a0b0c0d0e0f100568656c6c6f020000000000000000000000000000"
     "0000027b7d"},
    {"delete", write_delete, probe_command,
     "0102020087f885180168e5cf8b010000010163026364620003616e6e046764707203722d31"},
    {"dedup_generation", write_dedup_generation, probe_command,
     "0103000089127721050000000000000080b89929"},
    {"raise_floor", write_raise_floor, probe_command, "010400007d2df0eb0000000000000000e80701"},
    {"check", write_check, probe_command, "01050000d7adff3000000000000000004d"},
    {"set_retention", write_set_retention, probe_command,
     "01060000d141bd8a00000000000000000904726f6f6de80700808040"},
    {"config", write_config, probe_config, "019b9f9fc90301020302010201ac020102"},
    {"packets", write_packets, probe_known_frames,
     "4c45544801030000bf000000a36be88b0d00110144000102050908e8076511026700010205090106"
     "08e807de0766110344000102050908e807671104670001020509010608e807de0768110544000102"
     "050908e8076911066f0001020509010608e807078407de076a110754000102050908e807e3076b11"
     "08e70001020509010608e807de076c8020110944000102050908e8076d110a670001020509010608"
     "e807de076e110b44000102050908e8076f110c670001020509010608e807de0770110d5400010205"
     "0908e807e30771"},
    {"entries", write_entries, probe_known_frames,
     "4c455448010300002e000000de9beb4e0100110514040102050908e807e807030100000201046461"
     "7461030011019b9f9fc90301020302010201ac020102"},
    {"install", write_install, probe_known_frames,
     "4c455448010400002a000000411ef4c301001109000301020509818080805001f40309e807030c01"
     "11019b9f9fc90301020302010201ac020102"},
    {"request", write_request, probe_known_frames,
     "4c45544801050000150000007c9d49e40807060504030201020111c41309e80704626f6479"},
    {"response", write_response, probe_known_frames,
     "4c45544801060000220000009e67d27a08070605040302010a6e6f745f6c6561646572030c6e6f64"
     "652033206c6561647300"},
    {"append_result", write_append_result, probe_result,
     "0111ea0709000002000180804080d095ffbc31ea0701070c7365715f6d69736d6174636800000000"
     "07"},
    {"delete_result", write_delete_result, probe_result,
     "0211eb070000000001026464640064ac02660001900381d095ffbc31"},
    {"hello before software and zone", NULL, probe_known_frames,
     "4c455448010100005e000000e14e9579010001000101000000000000000200000000000000887766"
     "55443322110500000000000000abababababababababababababababab010000004000000004626c"
     "75650d31302e302e302e313a373730310d31302e302e302e313a37373030"},
    {"hello_reply before software and zone", NULL, probe_known_frames,
     "4c455448010200007f000000eac5683e0e77726f6e675f6964656e746974790f616e6f7468657220"
     "636c7573746572000001000100010100000000000000020000000000000088776655443322110500"
     "000000000000abababababababababababababababab010000004000000004626c75650d31302e30"
     "2e302e313a373730310d31302e302e302e313a37373030"},
    {"hello", write_hello, probe_known_frames,
     "4c455448010100006c000000c8ae1afa010001000101000000000000000200000000000000887766"
     "55443322110500000000000000abababababababababababababababab010000004000000004626c"
     "75650d31302e302e302e313a373730310d31302e302e302e313a3737303005302e322e3006726163"
     "6b2d3101"},
    {"hello before flags", NULL, probe_known_frames,
     "4c455448010100006b000000cc1ec3cd010001000101000000000000000200000000000000887766"
     "55443322110500000000000000abababababababababababababababab010000004000000004626c"
     "75650d31302e302e302e313a373730310d31302e302e302e313a3737303005302e322e3006726163"
     "6b2d31"},
    {"hello_reply", write_hello_reply, probe_known_frames,
     "4c455448010200008d0000003ce63b800e77726f6e675f6964656e746974790f616e6f7468657220"
     "636c7573746572000001000100010100000000000000020000000000000088776655443322110500"
     "000000000000abababababababababababababababab010000004000000004626c75650d31302e30"
     "2e302e313a373730310d31302e302e302e313a3737303005302e322e30067261636b2d3101"},
    {"hello_reply before flags", NULL, probe_known_frames,
     "4c455448010200008c000000683028ee0e77726f6e675f6964656e746974790f616e6f7468657220"
     "636c7573746572000001000100010100000000000000020000000000000088776655443322110500"
     "000000000000abababababababababababababababab010000004000000004626c75650d31302e30"
     "2e302e313a373730310d31302e302e302e313a3737303005302e322e30067261636b2d31"},
    {"members", write_members, probe_command,
     "010700005bf51d9700000000000000000447010304020101000000000000000000020b686f737431"
     "3a313131313000067261636b2d310204008877665544332211000000000101010102050102e80700"
     "010102010100020102"},
    {"fetch", write_fetch, probe_known_frames,
     "4c4554480107000014000000f45edfe60111010000000500000009030406637572736f72"},
    {"rows", write_rows, probe_known_frames,
     "4c45544801070000270000009baa6910021101000000050000000903a1c9d66706637572736f7202"
     "01036b65790576616c756502016b00"},
    {"end", write_end, probe_known_frames,
     "4c4554480107000037000000152944a203110100000005000000090409e807030c11019b9f9fc903"
     "01020302010201ac0201021111111111111111222222222222222202ac0201"},
    {"stop", write_stop, probe_known_frames,
     "4c4554480107000016000000e1aa761b04110100000005000000090a6e6f745f6c6561646572"},
    {"digests", write_digests, probe_known_frames,
     "4c4554480108000029000000f62c1637021100e807010000000000000002000000000000001203e9"
     "0703000000000000000400000000000000"},
    {"ping", write_ping, probe_known_frames, "4c455448010900000800000022f9bafa8877665544332211"},
    {"pong", write_pong, probe_known_frames, "4c455448010a00000800000021fe29528877665544332211"},
};

START_TEST(this_build_writes_the_samples)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct buf buf = BUF_INIT;
        if (samples[i].write == NULL) /* an older build's */
            continue;
        samples[i].write(&buf);
        char *hex = damage_hex(buf_bytes(&buf));
        if (getenv("GOLDEN") != NULL)
            printf("%s %s\n", samples[i].name, hex);
        else
            ck_assert_msg(strcmp(hex, samples[i].hex) == 0, "%s is now %s, not %s", samples[i].name,
                          hex, samples[i].hex);
        free(hex);
        buf_done(&buf);
    }
}
END_TEST

START_TEST(this_build_reads_the_samples)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        size_t len;
        uint8_t *bytes = damage_unhex(samples[i].hex, &len);
        ck_assert_msg(len > 0 && samples[i].probe(bytes_of(bytes, len)), "%s is not read",
                      samples[i].name);
        free(bytes);
    }
}
END_TEST

Suite *suite_golden(void);
Suite *suite_golden(void)
{
    return UNIT_SUITE("golden", 60, this_build_writes_the_samples, this_build_reads_the_samples);
}
