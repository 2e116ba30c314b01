# SPDX-License-Identifier: Apache-2.0
"""Sending one message."""
import base64
import json

from lib import Client, check, equal, path_of, seqs


def test_send_and_location(daemon):
    client, channel = Client(daemon), (2, "send-1")
    reply = client.post("/v1/channels/2/send-1/messages",
                        {"payload": "aGVsbG8=", "from_uid": "u1", "client_msg_no": "c-1"}, expect=201)
    sent = reply.json
    equal((sent["channel_type"], sent["channel_id"], sent["message_seq"]), (2, "send-1", 1))
    equal((sent["client_msg_no"], sent["duplicate"]), ("c-1", False))
    check(sent["message_id"].isdigit() and sent["timestamp"] > 1700000000000)
    equal(reply.headers["location"], "/v1/channels/2/send-1/messages/1")
    check(int(reply.headers["lethe-applied-index"]) >= sent["log_index"])
    message = client.get(reply.headers["location"], expect=200).json
    equal(message, {"message_seq": 1, "message_id": sent["message_id"], "client_msg_no": "c-1",
                    "from_uid": "u1", "timestamp": sent["timestamp"], "payload": "aGVsbG8=",
                    "payload_encoding": "base64"})
    equal([client.send(channel)["message_seq"] for _ in range(3)], [2, 3, 4])


def test_encodings(daemon):
    """What is sent comes back, in the way it was sent."""
    client, channel = Client(daemon), (2, "encodings")
    cases = [("base64", base64.b64encode(bytes(range(256))).decode()), ("base64", ""),
             ("utf8", "grüß dich \U0001f600 \" \\ \n \x00 end"), ("utf8", ""),
             ("json", {"a": [1, 2.5, None, True, {"b": "ü"}], "": {}}), ("json", "text"),
             ("json", None), ("json", []), ("json", -7)]
    for encoding, payload in cases:
        seq = client.send(channel, payload, payload_encoding=encoding)["message_seq"]
        got = client.get(f"{path_of(channel)}/messages/{seq}", expect=200).json
        equal((got["payload_encoding"], got["payload"]), (encoding, payload), encoding)


def test_json_payload_keeps_its_text(daemon):
    """Numbers are not spelled anew; only white space goes."""
    client = Client(daemon)
    text = '{ "payload" : { "price": 0.10, "big": 123456789012345678901234567890, "e": 1E400 } ,' \
           ' "payload_encoding":"json"}'
    client.post("/v1/channels/2/json-text/messages", text, expect=201)
    body = client.get("/v1/channels/2/json-text/messages/1", expect=200).body
    check(b'{"price":0.10,"big":123456789012345678901234567890,"e":1E400}' in body, body)


def test_raw_bodies(daemon):
    client, target = Client(daemon), "/v1/channels/2/raw-body/messages"
    client.ask("POST", target + "?from_uid=u%201&client_msg_no=n1", b"\x00\xff\x01",
               {"Content-Type": "application/octet-stream"}, expect=201)
    client.ask("POST", target, "grüß".encode(), {"Content-Type": "text/plain; charset=utf-8"}, 201)
    client.ask("POST", target, b"\xff\xfe", {"Content-Type": "text/plain"}, 201)
    client.ask("POST", target, b"", {"Content-Type": "image/png"}, 201)
    messages = client.page((2, "raw-body"))["messages"]
    equal([(m["payload_encoding"], m["payload"]) for m in messages],
          [("base64", "AP8B"), ("utf8", "grüß"), ("base64", "//4="), ("base64", "")])
    equal((messages[0]["from_uid"], messages[0]["client_msg_no"]), ("u 1", "n1"))
    reply = client.get(target + "/1", {"Accept": "application/octet-stream"}, expect=200)
    equal(reply.body, b"\x00\xff\x01")


def test_duplicates(daemon):
    client, channel = Client(daemon), (2, "duplicates")
    first = client.send(channel, client_msg_no="n1", from_uid="u")
    again = client.send(channel, client_msg_no="n1", from_uid="u", expect=200)
    equal(again, {**first, "duplicate": True})
    # Another sender's number is another number.
    equal(client.send(channel, client_msg_no="n1", from_uid="v")["message_seq"], 2)
    reply = client.post(f"{path_of(channel)}/messages",
                        {"payload": "YWFh", "client_msg_no": "n1", "from_uid": "u"}, expect=422)
    equal(reply.json["code"], "client_msg_no_reused")
    client.delete(f"{path_of(channel)}/messages?start_seq=1&end_seq=1", expect=200)
    gone = client.send(channel, client_msg_no="n1", from_uid="u", expect=200)
    equal((gone["duplicate"], gone["deleted"], gone["message_seq"]), (True, True, 1))
    equal(seqs(client.page(channel)), [2])


def test_expected_last_seq(daemon):
    client, channel = Client(daemon), (2, "expected")
    client.send(channel, expected_last_seq=0)
    reply = client.post(f"{path_of(channel)}/messages", {"payload": "", "expected_last_seq": 0},
                        expect=412)
    equal((reply.json["code"], reply.json["last_seq"]), ("seq_mismatch", 1))
    client.send(channel, expected_last_seq=1)
    client.ask("POST", f"{path_of(channel)}/messages?expected_last_seq=2", b"x",
               {"Content-Type": "text/plain"}, expect=201)
    tag = client.get(path_of(channel), expect=200).headers["etag"]
    client.post(f"{path_of(channel)}/messages", {"payload": ""}, {"If-Match": tag}, expect=201)
    client.post(f"{path_of(channel)}/messages", {"payload": ""}, {"If-Match": tag}, expect=412)
    equal(client.page(channel)["last_seq"], 4)


def test_channel_names(daemon):
    """Every legal name is its own channel."""
    client = Client(daemon)
    names = ["a/b", "a", "b", ".", "..", "a%b", "a@b", "ü\U0001f600", "a b", "a+b", "x" * 255,
             "messages", "messages:batch", "?", "#", "a\\b", "'", '"', "%2F", "&=;"]
    for name in names:
        sent = client.send((9, name), json.dumps(name), payload_encoding="json")
        equal((sent["channel_id"], sent["message_seq"]), (name, 1), name)
    for name in names:
        page = client.page((9, name))
        equal((page["channel_id"], page["messages"][0]["payload"]), (name, json.dumps(name)), name)
    for kind in (0, 255):
        equal(client.send((kind, "a"))["message_seq"], 1)


def test_unknown_fields_and_null(daemon):
    client = Client(daemon)
    client.post("/v1/channels/2/unknown/messages",
                {"payload": "", "colour": "red", "from_uid": None, "client_msg_no": None,
                 "expected_last_seq": None, "payload_encoding": None}, expect=201)
