# SPDX-License-Identifier: Apache-2.0
"""WuKongIM's routes: the exact shapes, and the tables of both pull modes at all their edges."""
import base64
import time
import zlib

from lib import Client, check, equal, path_of

GROUP = {"channel_id": "wk-group", "channel_type": 2}
MESSAGE_KEYS = ["header", "setting", "message_id", "message_idstr", "client_msg_no", "message_seq", "from_uid",
                "channel_id", "channel_type", "expire", "timestamp", "payload"]


def b64(text):
    return base64.b64encode(text.encode()).decode()


def sync(client, **body):
    reply = client.post("/channel/messagesync", body, expect=200).json
    equal(list(reply), ["start_message_seq", "end_message_seq", "more", "messages"])
    return reply


def refused(client, path, body, status=400):
    """An error has just these two members."""
    reply = client.post(path, body, expect=status)
    equal(reply.type, "application/json")
    equal(sorted(reply.json), ["msg", "status"])
    equal(reply.json["status"], status)
    check(reply.json["msg"])
    return reply.json["msg"]


def test_send(daemon):
    client, before = Client(daemon), int(time.time())
    body = {"header": {"no_persist": 0, "red_dot": 1, "sync_once": 0}, "client_msg_no": "wk-1", "from_uid": "u1",
            "channel_id": "wk-send", "channel_type": 2, "expire": 3600, "setting": 2, "topic": "t1",
            "payload": b64('{"type":1}')}
    reply = client.post("/message/send", body, expect=200).json
    equal(list(reply), ["status", "data"])
    equal(reply["status"], 200)
    data = reply["data"]
    equal(list(data), ["message_id", "message_idstr", "message_seq", "client_msg_no"])
    equal((data["message_idstr"], data["message_seq"], data["client_msg_no"]),
          (str(data["message_id"]), 1, "wk-1"))
    # The same again is the same message; another one under its number is refused.
    equal(client.post("/message/send", body, expect=200).json, reply)
    refused(client, "/message/send", {**body, "payload": b64("other")})
    message = sync(client, channel_id="wk-send", channel_type=2)["messages"][0]
    equal(list(message), MESSAGE_KEYS[:9] + ["topic"] + MESSAGE_KEYS[9:])
    check(before <= message["timestamp"] <= time.time() + 1)
    del message["timestamp"]
    equal(message, {"header": {"no_persist": 0, "red_dot": 1, "sync_once": 0}, "setting": 2,
                    "message_id": data["message_id"], "message_idstr": data["message_idstr"],
                    "client_msg_no": "wk-1", "message_seq": 1, "from_uid": "u1", "channel_id": "wk-send",
                    "channel_type": 2, "topic": "t1", "expire": 3600, "payload": b64('{"type":1}')})
    # The native interface has it too.
    native = client.page((2, "wk-send"))["messages"][0]
    equal((native["payload"], native["message_id"]), (b64('{"type":1}'), data["message_idstr"]))


def test_send_is_checked(daemon):
    client = Client(daemon)
    good = {"channel_id": "wk-bad", "channel_type": 2, "payload": ""}
    for change in [{"payload": None}, {"payload": "!"}, {"payload": 1}, {"channel_id": ""}, {"channel_id": None},
                   {"channel_id": "x" * 256}, {"channel_type": None}, {"channel_type": 256},
                   {"channel_type": -1}, {"channel_type": "2"}, {"header": 1}, {"header": {"red_dot": 256}},
                   {"expire": -1}, {"expire": 2 ** 32}, {"setting": 256}, {"topic": "x" * 256},
                   {"client_msg_no": "x" * 129}, {"from_uid": "x" * 256}, {"from_uid": "a\nb"},
                   {"payload": b64("x" * (1024 * 1024 + 1))}]:
        refused(client, "/message/send", {**good, **change})
    refused(client, "/message/send", [])
    reply = client.post("/message/send", "{", expect=400)
    equal(sorted(reply.json), ["msg", "status"])
    equal(client.get("/message/send", expect=405).type, "application/problem+json")
    equal(client.get(path_of((2, "wk-bad")), expect=200).json["last_seq"], 0)


def test_person_channels(daemon):
    client = Client(daemon)

    def send(from_uid, channel_id):
        return client.post("/message/send", {"from_uid": from_uid, "channel_id": channel_id, "channel_type": 1,
                                             "payload": b64("hi")}, expect=200).json["data"]["message_seq"]
    first, second = sorted(["alice", "bob@x.org"], key=lambda uid: zlib.crc32(uid.encode()), reverse=True)
    equal([send("alice", "bob@x.org"), send("bob@x.org", "alice"), send("alice", f"{first}@{second}"),
           send("bob@x.org", f"{first}@{second}"), send("bob@x.org", f"{second}@{first}")], [1, 2, 3, 4, 5])
    equal(client.get(path_of((1, f"{first}@{second}")), expect=200).json["last_seq"], 5)
    for login, peer in [("alice", "bob@x.org"), ("bob@x.org", "alice"), ("alice", f"{first}@{second}"),
                        ("", f"{first}@{second}")]:
        page = sync(client, login_uid=login, channel_id=peer, channel_type=1)
        # Each message is shown in the channel of who got it.
        equal([(m["from_uid"], m["channel_id"]) for m in page["messages"]],
              [("alice", "bob@x.org"), ("bob@x.org", "alice"), ("alice", "bob@x.org"),
               ("bob@x.org", "alice"), ("bob@x.org", "alice")], login)
        query = f"login_uid={login}&channel_id={peer}&channel_type=1" if login else \
            f"channel_id={peer}&channel_type=1"
        equal(client.get(f"/channel/max_message_seq?{query}", expect=200).json, {"message_seq": 5})
    # In a group the id is what it says.
    client.post("/message/send", {"from_uid": "alice", "channel_id": "bob", "channel_type": 2, "payload": ""}, expect=200)
    equal(client.get(path_of((2, "bob")), expect=200).json["last_seq"], 1)
    # Two uids with one CRC-32 have one channel as well, the greater one first.
    equal(zlib.crc32(b"plumless"), zlib.crc32(b"buckeroo"))
    equal([send("plumless", "buckeroo"), send("buckeroo", "plumless")], [1, 2])
    equal(client.get(path_of((1, "plumless@buckeroo")), expect=200).json["last_seq"], 2)


def wanted_page(visible, mode, start, end, limit):
    """What the table says: the seqs, ascending, and whether more of the window follows."""
    if start == 0 and end == 0:
        return visible[-limit:], len(visible) > limit
    if mode == 1:
        window = [seq for seq in visible if seq >= start and (end == 0 or seq < end)]
        return window[:limit], len(window) > limit
    window = [seq for seq in visible if seq > end and (start == 0 or seq <= start)]
    return window[-limit:], len(window) > limit


def test_paging_tables(daemon):
    client, channel = Client(daemon), (2, GROUP["channel_id"])
    client.fill(channel, 20)
    visible = list(range(1, 21))
    for holes in [[], [(5, 7)], [(1, 2)], [(19, 20)], [(11, 11)]]:
        for start, end in holes:
            client.delete(f"{path_of(channel)}/messages?start_seq={start}&end_seq={end}", expect=200)
            visible = [seq for seq in visible if not start <= seq <= end]
        for mode in (0, 1):
            for start in (0, 1, 2, 4, 8, 12, 18, 19, 20, 21, 100):
                for end in (0, 1, 3, 8, 12, 20, 21, 22, 100):
                    for limit in (1, 3, 4, len(visible), 100):
                        page = sync(client, **GROUP, login_uid="u1", start_message_seq=start,
                                    end_message_seq=end, limit=limit, pull_mode=mode)
                        got = [message["message_seq"] for message in page["messages"]]
                        seqs, more = wanted_page(visible, mode, start, end, limit)
                        equal((got, page["more"]), (seqs, int(more)), (holes, mode, start, end, limit))
                        equal((page["start_message_seq"], page["end_message_seq"]), (start, end))


def test_paging_walks(daemon):
    """Both ways through a channel by `more`: each message once."""
    client, channel = Client(daemon), (2, "wk-walk")
    client.fill(channel, 250)
    client.delete(f"{path_of(channel)}/messages?start_seq=90&end_seq=110", expect=200)
    visible = [seq for seq in range(1, 251) if not 90 <= seq <= 110]
    got, start = [], 1
    while True:
        page = sync(client, channel_id="wk-walk", channel_type=2, start_message_seq=start, pull_mode=1)
        got += [message["message_seq"] for message in page["messages"]]
        if not page["more"]:
            break
        equal(len(page["messages"]), 100)  # the default
        start = got[-1] + 1
    equal(got, visible)
    got, page = [], sync(client, channel_id="wk-walk", channel_type=2)
    while True:
        got = [message["message_seq"] for message in page["messages"]] + got
        if not page["more"]:
            break
        page = sync(client, channel_id="wk-walk", channel_type=2, start_message_seq=got[0] - 1, limit=0)
    equal(got, visible)
    equal(sync(client, channel_id="nobody", channel_type=2),
          {"start_message_seq": 0, "end_message_seq": 0, "more": 0, "messages": []})
    equal(len(sync(client, channel_id="wk-walk", channel_type=2, limit=2 ** 40)["messages"]), len(visible))
    for change in [{"limit": -1}, {"pull_mode": 2}, {"start_message_seq": -1}, {"end_message_seq": "1"},
                   {"channel_type": None}]:
        refused(client, "/channel/messagesync", {"channel_id": "wk-walk", "channel_type": 2, **change})


def test_find(daemon):
    client, name = Client(daemon), {"channel_id": "wk-find", "channel_type": 2}
    sent = [client.post("/message/send", {**name, "client_msg_no": f"n{i}", "from_uid": "u", "payload": b64(str(i))},
                        expect=200).json["data"] for i in range(1, 6)]
    client.delete(f"{path_of((2, 'wk-find'))}/messages?start_seq=4&end_seq=4", expect=200)

    def find(**body):
        reply = client.post("/messages", {**name, **body}, expect=200).json
        equal((list(reply), reply["more"]), (["start_message_seq", "end_message_seq", "more", "messages"], 0))
        return [message["message_seq"] for message in reply["messages"]]
    equal(find(), [])
    equal(find(message_seqs=[5, 1, 4, 9, 1]), [1, 5])
    equal(find(message_ids=[sent[2]["message_id"], sent[3]["message_id"], 7]), [3])
    equal(find(client_msg_nos=["n2", "n4", "none"]), [2])
    equal(find(message_seqs=[5], message_ids=[sent[0]["message_id"]], client_msg_nos=["n1", "n3"]), [1, 3, 5])
    for body in [{"message_seqs": 1}, {"message_seqs": [0]}, {"message_seqs": ["1"]}, {"message_ids": [1.5]},
                 {"client_msg_nos": [""]}, {"client_msg_nos": [1]}, {"message_seqs": [1] * 1001}]:
        refused(client, "/messages", {**name, **body})


def test_ends(daemon):
    client = Client(daemon)
    client.fill((2, "wk-end"), 7)
    query = "?channel_id=wk-end&channel_type=2"
    equal(client.get(f"/channel/max_message_seq{query}", expect=200).json, {"message_seq": 7})
    client.delete(f"{path_of((2, 'wk-end'))}/messages?start_seq=6&end_seq=7", expect=200)
    equal(client.get(f"/channel/max_message_seq{query}", expect=200).json, {"message_seq": 7})
    last = client.get(f"/channel/last_message{query}", expect=200).json
    equal((last["message_seq"], list(last)), (5, MESSAGE_KEYS))
    equal(client.get("/channel/max_message_seq?channel_id=nobody&channel_type=2", expect=200).json, {"message_seq": 0})
    for target in ["/channel/last_message?channel_id=nobody&channel_type=2", "/channel/last_message?channel_id=x",
                   "/channel/max_message_seq?channel_type=2", "/channel/max_message_seq?channel_id=x&channel_type=y",
                   "/channel/max_message_seq?channel_id=x&channel_type=2&more=1"]:
        equal(sorted(client.get(target, expect=400).json), ["msg", "status"])
    equal(client.get("/health", expect=200).json, {"status": "ok"})


def test_delete_range(daemon):
    client, name = Client(daemon), {"channel_id": "wk-del", "channel_type": 2, "login_uid": "root"}
    client.fill((2, "wk-del"), 10)

    def delete(**body):
        reply = client.post("/messages/deleteRange", {**name, **body}, expect=200).json
        equal((list(reply), reply["status"]), (["status", "data"], 200))
        return tuple(reply["data"][key] for key in ("deleted_count", "start_message_seq", "end_message_seq"))
    equal(delete(start_msg_seq=2, end_msg_seq=4), (3, 2, 4))
    equal(delete(start_msg_seq=2, end_msg_seq=4), (0, 2, 4))
    equal(delete(start_message_seq=4, end_message_seq=5), (1, 4, 5))
    equal(delete(start_msg_seq=9, end_msg_seq=1000), (2, 9, 10))
    equal(delete(start_msg_seq=500, end_msg_seq=1000), (0, 500, 1000))
    equal([m["message_seq"] for m in sync(client, channel_id="wk-del", channel_type=2)["messages"]], [1, 6, 7, 8])
    record = client.get(f"{path_of((2, 'wk-del'))}/deletes", expect=200).json["deletes"][0]
    equal((record["operator"], record["start_seq"], record["end_seq"]), ("root", 2, 4))
    for change in [{"start_msg_seq": 0, "end_msg_seq": 1}, {"start_msg_seq": 3, "end_msg_seq": 2}, {"end_msg_seq": 2},
                   {"start_msg_seq": 1}, {"start_msg_seq": "1", "end_msg_seq": 2}]:
        refused(client, "/messages/deleteRange", {**name, **change})


def test_cluster(daemon):
    client = Client(daemon)
    nodes = client.get("/cluster/nodes", expect=200).json
    equal((list(nodes), nodes["total"]), (["total", "data"], 1))
    equal({key: nodes["data"][0][key] for key in ("id", "online", "slot_count", "slot_leader_count")},
          {"id": 1, "online": 1, "slot_count": 64, "slot_leader_count": 64})
    slots = client.get("/cluster/slots", expect=200).json
    equal((slots["total"], [slot["id"] for slot in slots["data"]]), (64, list(range(64))))
    check(all(slot["leader_id"] == 1 and slot["replicas"] == [1] and slot["term"] > 0 for slot in slots["data"]))
    replicas = client.get("/cluster/slots/5/replicas", expect=200).json
    equal(replicas["total"], 1)
    equal({k: replicas["data"][0][k] for k in ("replica_id", "leader_id", "role_format", "running")},
          {"replica_id": 1, "leader_id": 1, "role_format": "leader", "running": 1})
    for slot in ["64", "x", "-1"]:
        equal(sorted(client.get(f"/cluster/slots/{slot}/replicas", expect=400).json), ["msg", "status"])
    for body in [{}, {"migrate_from": 1}, {"migrate_from": 1, "migrate_to": 1}, {"migrate_from": 2, "migrate_to": 1},
                 {"migrate_from": "1", "migrate_to": 2}]:
        refused(client, "/cluster/slots/5/migrate", body)
