# SPDX-License-Identifier: Apache-2.0
"""Many messages in one request."""
import json

from lib import NDJSON, Client, check, equal, path_of, seqs


def lines_of(items):
    return "".join(json.dumps(item) + "\n" for item in items)


def test_json_batch(daemon):
    client, channel = Client(daemon), (2, "batch")
    reply = client.post(f"{path_of(channel)}/messages:batch",
                        {"messages": [{"payload": "aGk="}, {"payload": "x", "payload_encoding": "utf8"},
                                      {"payload": [1], "payload_encoding": "json"}]}, expect=200).json
    equal((reply["ok"], reply["failed"]), (3, 0))
    equal([r["message_seq"] for r in reply["results"]], [1, 2, 3])
    equal([r["status"] for r in reply["results"]], [201] * 3)
    equal(len({r["message_id"] for r in reply["results"]}), 3)
    equal([m["payload"] for m in client.page(channel)["messages"]], ["aGk=", "x", [1]])


def test_ndjson_batch(daemon):
    client, channel = Client(daemon), (2, "ndjson")
    reply = client.post(f"{path_of(channel)}/messages:batch",
                        lines_of([{"payload": "aGk="}] * 5) + "\n", NDJSON, expect=200)
    equal(reply.type, "application/x-ndjson")
    equal([line.get("message_seq") for line in reply.lines], [1, 2, 3, 4, 5, None])
    equal(reply.lines[-1], {"done": True, "ok": 5, "failed": 0})
    reply = client.post(f"{path_of(channel)}/messages:batch", '{"payload":""}',
                        {**NDJSON, "Accept": "application/json"}, expect=200)
    equal(reply.json["results"][0]["message_seq"], 6)
    equal(client.post(f"{path_of(channel)}/messages:batch", "", NDJSON, expect=200).lines,
          [{"done": True, "ok": 0, "failed": 0}])


def test_bad_items_fail_alone(daemon):
    client, channel = Client(daemon), (2, "bad-items")
    client.send(channel, client_msg_no="n", payload="b25l")
    items = [{"payload": "aGk="}, {"payload": "!"}, {}, 5, {"payload": "", "from_uid": 7},
             {"payload": "", "client_msg_no": ""}, {"payload": "", "expected_last_seq": -1},
             {"payload": "", "payload_encoding": "hex"}, {"payload": "dHdv", "client_msg_no": "n"},
             {"payload": "b25l", "client_msg_no": "n"}, {"payload": "", "expected_last_seq": 99},
             {"payload": "YQ=="}]
    reply = client.post(f"{path_of(channel)}/messages:batch", {"messages": items}, expect=200).json
    equal([r["status"] for r in reply["results"]],
          [201, 400, 400, 400, 400, 400, 400, 400, 422, 200, 412, 201])
    equal((reply["ok"], reply["failed"]), (3, 9))
    check(all("code" in r and "detail" in r for r in reply["results"] if r["status"] >= 400))
    equal(reply["results"][9]["duplicate"], True)
    check("after this batch the last seq is 3" in reply["results"][10]["detail"], reply["results"][10])
    equal(reply["results"][10]["last_seq"], 3)
    equal(seqs(client.page(channel)), [1, 2, 3])


def test_malformed_body_stores_nothing(daemon):
    client, channel = Client(daemon), (2, "malformed")
    for body, headers in [('{"messages":[{"payload":""},{"payload":""]}', None),
                          ('{"messages":[{"payload":"","payload":""}]}', None),
                          ('{"messages":{}}', None), ("{}", None), ("[]", None), ("", None),
                          ('{"payload":""}\n{"payload":\n', NDJSON),
                          ('{"payload":""}\nnonsense\n', NDJSON),
                          ('{"payload":""}{"payload":""}\n', NDJSON),
                          (b'{"payload":"\xff"}\n', NDJSON)]:
        reply = client.post(f"{path_of(channel)}/messages:batch", body, headers, expect=400)
        equal(reply.json["code"], "bad_json", body)
    equal(client.page(channel)["last_seq"], 0)


def test_limits(daemon):
    client, channel = Client(daemon), (2, "batch-limits")
    target = f"{path_of(channel)}/messages:batch"
    many = [{"payload": ""}] * 1025
    check("1024" in client.post(target, {"messages": many}, expect=413).json["detail"])
    client.post(target, lines_of(many), NDJSON, expect=413)
    equal(client.page(channel)["last_seq"], 0)
    equal(client.post(target, {"messages": many[:1024]}, expect=200).json["ok"], 1024)
    large = {"payload": "a" * (1024 * 1024 + 1), "payload_encoding": "utf8"}
    reply = client.post(target, {"messages": [large, {"payload": ""}]}, expect=200).json
    equal([r["status"] for r in reply["results"]], [413, 201])
    check("1048576" in reply["results"][0]["detail"], reply)


def test_atomic(daemon):
    client, channel = Client(daemon), (2, "atomic")
    target = f"{path_of(channel)}/messages:batch?atomic=1"
    good = {"payload": "aGk="}
    reply = client.post(target, {"messages": [good, good, good]}, expect=200).json
    equal([r["message_seq"] for r in reply["results"]], [1, 2, 3])
    equal(len({r["log_index"] for r in reply["results"]}), 1)
    bad = client.post(target, {"messages": [good, {"payload": "!"}, good]}, expect=400).json
    equal(bad["index"], 1)
    first = {**good, "expected_last_seq": 9}
    refused = client.post(target, {"messages": [first, good]}, expect=412).json
    equal((refused["code"], refused["index"], refused["last_seq"]), ("seq_mismatch", 0, 3))
    check("after this batch the last seq is 3" in refused["detail"], refused)
    client.post(target, {"messages": [good, first]}, expect=400)
    client.send(channel, "b25l", client_msg_no="n")
    client.post(target, {"messages": [good, {"payload": "dHdv", "client_msg_no": "n"}]}, expect=422)
    equal(client.page(channel)["last_seq"], 4)
    # A duplicate is no error: it keeps its result and the rest is stored.
    reply = client.post(target, {"messages": [good, {"payload": "b25l", "client_msg_no": "n"}, good]},
                        expect=200).json
    equal([(r["message_seq"], r["duplicate"]) for r in reply["results"]],
          [(5, False), (4, True), (6, False)])
    first["expected_last_seq"] = 6
    client.post(target, {"messages": [first, good]}, expect=200)


def test_across_channels(daemon):
    client = Client(daemon)
    items = [{"channel_type": n % 3, "channel_id": f"cross-{n % 40}", "payload": str(n),
              "payload_encoding": "utf8"} for n in range(400)]
    reply = client.post("/v1/messages:batch", {"messages": items}, expect=200).json
    equal((reply["ok"], reply["failed"]), (400, 0))
    wanted = {}
    for item, result in zip(items, reply["results"]):
        channel = (item["channel_type"], item["channel_id"])
        equal((result["channel_type"], result["channel_id"]), channel)
        wanted.setdefault(channel, []).append((result["message_seq"], item["payload"]))
    check(len({r["slot"] for r in reply["results"]}) > 10)
    for channel, messages in wanted.items():
        equal([seq for seq, _ in messages], list(range(1, len(messages) + 1)), channel)
        got = client.page(channel)["messages"]
        equal([(m["message_seq"], m["payload"]) for m in got], messages, channel)


def test_across_channels_bad_names(daemon):
    client = Client(daemon)
    items = [{"payload": ""}, {"channel_type": 1, "payload": ""}, {"channel_id": "x", "payload": ""},
             {"channel_type": 256, "channel_id": "x", "payload": ""},
             {"channel_type": "1", "channel_id": "x", "payload": ""},
             {"channel_type": 1, "channel_id": "", "payload": ""},
             {"channel_type": 1, "channel_id": "a\x00b", "payload": ""},
             {"channel_type": 1, "channel_id": "x" * 256, "payload": ""},
             {"channel_type": 1, "channel_id": "cross-good", "payload": ""}]
    reply = client.post("/v1/messages:batch", {"messages": items}, expect=200).json
    equal([r["status"] for r in reply["results"]], [400] * 8 + [201])


def test_order_within_a_batch(daemon):
    """Expectations split a channel's messages without changing their order."""
    client, channel = Client(daemon), (2, "batch-order")
    items = [{"payload": str(n), "payload_encoding": "utf8"} for n in range(6)]
    items[1]["expected_last_seq"] = 1
    items[2]["expected_last_seq"] = 2
    items[4]["expected_last_seq"] = 99
    reply = client.post(f"{path_of(channel)}/messages:batch", {"messages": items}, expect=200).json
    equal([r["status"] for r in reply["results"]], [201, 201, 201, 201, 412, 201])
    equal([m["payload"] for m in client.page(channel)["messages"]], ["0", "1", "2", "3", "5"])
