# SPDX-License-Identifier: Apache-2.0
"""Reads that another member carries out: at a node that holds no replica of the slot every kind of read gives
what the leader gives; through a node in a slow full install reads are fresh; and the kill -9 of who serves
them makes another member serve, or a refusal, never a wrong answer."""
import http.client
import json
import threading
import time

from lib.client import channel_path
from lib.cluster import ABSENT
from lib.context import expect, wait_until
from lib.history import slot_of

ID = "forwarded"
TITLE = "reads through a node without a replica, or in an install, are as at the leader"
CI_SECONDS = 10
SECONDS = 20
CHANNEL = (2, "elsewhere")
PATH = channel_path(CHANNEL)
SLOW = {"catchup_bytes_per_second": "128KiB"}
BULK_BATCHES = 15
JSON = {"Content-Type": "application/json"}
NDJSON = {"Accept": "application/x-ndjson"}


# ---- asking ------------------------------------------------------------------------------------------
def ask(node, path, method="GET", body=None, headers=None):
    """(status, headers, document or text lines)."""
    sent = None if body is None else json.dumps(body)
    status, got, data = node.get(path, 10, method, sent, {**(headers or {}), **(JSON if sent else {})})
    text = data.decode()
    kind = got.get("Content-Type", "")
    if "ndjson" in kind:
        return status, got, [json.loads(line) for line in text.splitlines()]
    return status, got, json.loads(text) if "json" in kind else text


def bare(document):
    """A reply without what names who served it, and the request."""
    if isinstance(document, dict):
        return {key: value for key, value in document.items() if key not in ("read", "request_id")}
    return document


def send(node, text):
    status, _, reply = ask(node, PATH + "/messages", "POST",
                           {"payload": text, "payload_encoding": "utf8", "from_uid": "u1",
                            "client_msg_no": text})
    expect(status == 201, f"a send at node {node.id}: {status} {reply}")
    return reply


def events(node, after, count):
    """The first so many events of a tail that are not about who serves; then the client leaves."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=8)
    try:
        connection.request("GET", f"{PATH}/messages:tail?after_seq={after}", headers=NDJSON)
        reply = connection.getresponse()
        expect(reply.status == 200, f"a tail at node {node.id}: {reply.status}")
        told = []
        while len(told) < count:
            event = json.loads(reply.readline())
            told += [event] if event["event"] != "head" else []
        return told
    finally:
        connection.close()


def in_background(call):
    """Starts call() in a thread; a function that waits for what it returns."""
    result = []

    def run():
        try:
            result.append(call())
        except Exception as problem:  # pylint: disable=broad-except
            result.append(problem)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait():
        thread.join(12)
        expect(result and not isinstance(result[0], Exception), f"a waiting read ended as {result}")
        return result[0]
    return wait


# ---- a node that holds no replica --------------------------------------------------------------------
def holders(cluster, slot):
    """(leader, the other holders, who holds none) of a slot."""
    leader = cluster.leader(slot)
    states = {node: cluster.slot(node, slot) for node in cluster.nodes}
    strangers = [node for node, state in states.items() if state and state["replica_state"] in ABSENT]
    expect(len(strangers) == 1, f"slot {slot}: {len(strangers)} of 4 nodes hold no replica")
    return leader, [n for n in cluster.nodes if n is not leader and n not in strangers], strangers[0]


def every_read(slot, last, delete_id):
    """(path, headers): each reading route, in its forms."""
    kinds = [PATH + "/messages", PATH + "/messages?from_seq=1&limit=5", PATH + "/messages?order=desc&limit=7",
             PATH + f"/messages?before_seq={last}&limit=3", PATH + "/messages?consistency=leader",
             PATH + "/messages?seqs=1,2,5,9", PATH + f"/messages/{last}", PATH + "/messages/2",
             PATH + "/messages/99999", PATH + "/messages?client_msg_no=m7",
             PATH + "/messages?client_msg_no=m7&from_uid=u1", PATH + "/messages?client_msg_no=none", PATH,
             channel_path((2, "nobody")), PATH + "/deletes", PATH + "/deletes?limit=1", PATH + "/retention",
             "/v1/channels", f"/v1/channels?slot={slot}", "/v1/channels?prefix=else", "/v1/channels?limit=2",
             "/v1/deletes", f"/v1/deletes?slot={slot}", "/v1/deletes?limit=1", f"/v1/deletes/{delete_id}",
             f"/channel/max_message_seq?channel_id={CHANNEL[1]}&channel_type=2&login_uid=u1",
             f"/channel/last_message?channel_id={CHANNEL[1]}&channel_type=2&login_uid=u1"]
    return [(path, {}) for path in kinds] + [
        (PATH + "/messages:export", NDJSON), (PATH + "/messages:export?from_seq=3&to_seq=9", NDJSON),
        ("/v1/channels", NDJSON), ("/v1/deletes", NDJSON), ("/v1/deletes?marks=1", NDJSON)]


def every_question(last):
    """(path, body): reads by POST, and deletes that delete nothing yet."""
    sync = {"login_uid": "u1", "channel_id": CHANNEL[1], "channel_type": 2, "limit": 5}
    return [("/channel/messagesync", {**sync, "pull_mode": 1, "start_message_seq": 1}),
            ("/channel/messagesync", {**sync, "pull_mode": 0, "start_message_seq": last}),
            ("/channel/messagesync", sync),
            (PATH + "/deletes", {"keep": 4, "dry_run": True}),
            (PATH + "/deletes", {"before": "2100-01-01T00:00:00Z", "dry_run": True}),
            (PATH + "/deletes", {"through_seq": 6, "dry_run": True}),
            (PATH + "/deletes", {"start_seq": 3, "end_seq": 8, "dry_run": True, "reason": "why"})]


def expect_same(leader, stranger, last, slot, delete_id):
    asked = 0
    for path, headers in every_read(slot, last, delete_id):
        (status, _, mine), (other_status, _, other) = ask(leader, path, headers=headers), \
            ask(stranger, path, headers=headers)
        same = (status, bare(mine)) == (other_status, bare(other))
        expect(same, f"GET {path}: the leader gives {status} {mine}, the other {other_status} {other}")
        if isinstance(other, dict) and "read" in other:
            expect(other["read"]["served_by"] != stranger.id and other["read"]["slot"] == slot,
                   f"GET {path} is served by {other['read']}")
        asked += 1
    for path, body in every_question(last):
        (status, _, mine), (other_status, _, other) = ask(leader, path, "POST", body), \
            ask(stranger, path, "POST", body)
        expect(status == 200 and (status, bare(mine)) == (other_status, bare(other)),
               f"POST {path} {body}: the leader gives {status} {mine}, the other {other_status} {other}")
        asked += 1
    mine, other = events(leader, 2, 6), events(stranger, 2, 6)
    expect(mine == other, f"a tail tells {mine} at the leader, {other} elsewhere")
    return asked + 1


def expect_refusals(leader, stranger, slot, delete_id):
    """consistency=local says why not; redirect=1 says who."""
    status, _, reply = ask(stranger, PATH + "/messages:tail?after_seq=1&consistency=local")
    expect(status == 503 and reply["code"] == "unready", f"a local tail gives {status} {reply}")
    for path in (PATH + "/messages?", PATH + "/messages/3?", PATH + "/messages?seqs=1&", PATH + "?",
                 PATH + "/messages?client_msg_no=m7&", PATH + "/deletes?", PATH + "/messages:export?",
                 f"/v1/channels?slot={slot}&", f"/v1/deletes?slot={slot}&"):
        status, _, reply = ask(stranger, path + "consistency=local")
        expect(status == 503 and reply["code"] == "unready" and
               f"node {stranger.id} holds no replica of slot {slot}" in reply["detail"],
               f"a local read {path} gives {status} {reply}")
        status, _, reply = ask(stranger, path)
        expect(status == 200, f"{path} gives {status} {reply}")
    for path in (PATH + "/messages?", PATH + "/messages/3?", PATH + "?", PATH + "/deletes?",
                 PATH + "/messages:export?", PATH + "/messages:tail?after_seq=1&", PATH + "/retention?",
                 PATH + "/messages?after_seq=99&wait=9s&", f"/v1/deletes/{delete_id}?"):
        path += "redirect=1"
        status, headers, reply = ask(stranger, path)
        wanted = f"http://127.0.0.1:{leader.port}{path}"
        expect(status == 307 and headers["Location"] == wanted,
               f"{path} gives {status} {headers['Location']} {reply}, not {wanted}")


def expect_waiting(leader, stranger, last):
    """A long poll and a tail at the stranger tell what is sent and deleted after they began."""
    poll = in_background(lambda: ask(stranger, f"{PATH}/messages?after_seq={last}&wait=8s"))
    tail = in_background(lambda: events(stranger, last, 2))
    time.sleep(0.4)
    sent = send(leader, "live")
    status, _, reply = ask(leader, PATH + "/deletes", "POST", {"seqs": [last], "reason": "live"})
    expect(status == 200 and reply["deleted_count"] == 1, f"a delete gives {status} {reply}")
    status, _, reply = poll()
    expect(status == 200 and [m["message_seq"] for m in reply["messages"]] == [sent["message_seq"]]
           and reply["messages"][0]["payload"] == "live" and reply["read"]["served_by"] != stranger.id,
           f"a long poll behind {last} gives {status} {reply}")
    told = tail()
    expect([event["event"] for event in told] == ["message", "delete"], f"a tail behind {last}: {told}")
    return sent["message_seq"]


def expect_deletes(leader, stranger):
    """Deletes by keep and before at the stranger, which read before they write."""
    status, _, kept = ask(stranger, PATH + "/deletes", "POST", {"keep": 6, "reason": "keep"})
    expect(status == 200 and kept["deleted_count"] > 0, f"a delete by keep gives {status} {kept}")
    seqs = [m["message_seq"] for m in ask(leader, PATH + "/messages?from_seq=1&limit=100")[2]["messages"]]
    expect(len(seqs) == 6, f"keep 6 leaves {seqs}")
    status, _, reply = ask(stranger, f"/v1/deletes/{kept['delete_id']}")
    expect(status == 200 and reply["deleted_count"] == kept["deleted_count"],
           f"the delete's status is {status} {reply}, it was {kept}")
    status, _, gone = ask(stranger, PATH + "/deletes", "POST", {"before": "2100-01-01T00:00:00Z"})
    expect(status == 200 and gone["deleted_count"] == 6, f"a delete by before gives {status} {gone}")
    page = ask(stranger, PATH + "/messages?from_seq=1")[2]
    expect(page["messages"] == [], f"after all was deleted a page has {page['messages']}")


def expect_after_kill(cluster, leader, stranger, slot):
    """kill -9 of who serves: the same answer from another, or 503. How many were refused."""
    wanted = bare(ask(leader, PATH + "/messages?from_seq=1&limit=100")[2])
    for consistency in ("linearizable", "leader"):
        waiting = [in_background(lambda c=consistency: ask(
            stranger, f"{PATH}/messages?from_seq=1&limit=100&consistency={c}")) for _ in range(8)]
        answers = [wait() for wait in waiting]
        expect(all(status == 200 for status, _, _ in answers), f"with all up a read gives {answers}")
    waiting = [in_background(lambda: ask(stranger, PATH + "/messages?from_seq=1&limit=100"))
               for _ in range(12)]
    leader.kill()
    answers, refused = [wait() for wait in waiting], 0

    def is_served():
        answers.append(ask(stranger, PATH + "/messages?from_seq=1&limit=100"))
        return answers[-1][0] == 200 and answers[-1][2]["read"]["served_by"] != leader.id
    wait_until(is_served, 10, f"slot {slot} is read at another member")
    for status, _, reply in answers:
        expect((status == 200 and bare(reply) == wanted) or (status == 503 and reply["detail"]),
               f"with node {leader.id} killed a read gives {status} {reply}, not {wanted}")
        refused += status != 200
    leader.start().wait_ready()
    return refused, len(answers)


def without_replica(context, cluster):
    slot = slot_of(CHANNEL[1], cluster.slot_count)
    wait_until(lambda: {cluster.leader(s).id for s in range(cluster.slot_count)} == {1, 2, 3, 4}
               and is_agreed(cluster, slot), 15, "leaders are spread and known")
    leader, others, stranger = holders(cluster, slot)
    for i in range(12):
        last = send(cluster.nodes[i % 4], f"m{i}")["message_seq"]
    for i in range(6):
        status, _, reply = ask(others[0], channel_path((2, f"other{i}")) + "/messages", "POST",
                               {"payload": "eA=="})
        expect(status == 201, f"a send gives {status} {reply}")
    status, _, gone = ask(stranger, PATH + "/deletes", "POST", {"seqs": [2, 4, 5], "reason": "three"})
    expect(status == 200 and gone["deleted_count"] == 3, f"a delete gives {status} {gone}")
    asked = expect_same(leader, stranger, last, slot, gone["delete_id"])
    expect_refusals(leader, stranger, slot, gone["delete_id"])
    expect_waiting(leader, stranger, last)
    refused, reads = expect_after_kill(cluster, leader, stranger, slot)
    expect_deletes(cluster.leader(slot), stranger)
    served = cluster.metric(stranger, "reads_forwarded_total")
    context.note(f"{asked} reads equal without a replica, {served:.0f} carried out elsewhere, "
                 f"{refused} of {reads} refused around a kill")
    cluster.close()


def is_agreed(cluster, slot):
    """All nodes name the same leader."""
    return len({(cluster.slot(node, slot) or {}).get("leader") for node in cluster.nodes}) == 1


# ---- a node in a full install ------------------------------------------------------------------------
class Installed:
    """A follower of the channel's slot that is given a full install, slowly, and what is asked of it."""

    def __init__(self, context, cluster):
        self.cluster = cluster
        self.client = context.client(cluster)
        self.slot = slot_of(CHANNEL[1], cluster.slot_count)
        self.last, self.deleted, self.rounds = 0, set(), 0

    def fill(self):
        for _ in range(BULK_BATCHES):
            sent = self.client.batch(self.cluster.node(1), CHANNEL, 100, True)
            expect(sent["status"] in (200, 201), f"a batch gives {sent['status']} {sent['code']}")
            self.last = sent["seqs"][-1]
        self.cluster.settle()
        return self

    def is_normal(self):
        state = self.cluster.slot(self.away, self.slot)
        return state is not None and state["replica_state"] == "normal"

    def order(self):
        """Orders the install, and waits until its replica serves no more."""
        self.leader = self.cluster.leader(self.slot)
        self.away = self.cluster.others(self.leader)[0]
        self.cluster.order(f"/v1/admin/slots/{self.slot}/full-sync", {"node": self.away.id})
        wait_until(lambda: not self.is_normal(), 10, f"node {self.away.id} is in a full install",
                   pause=0.01)

    def write(self):
        """A message, and every third time a delete of one that was there."""
        sent = self.client.append(self.leader, CHANNEL)
        expect(sent["status"] == 201, f"a send gives {sent['status']} {sent['code']}")
        self.last = sent["seqs"][-1]
        if self.rounds % 3 == 0:
            seq = self.last - 2
            gone = self.client.delete(self.leader, CHANNEL, {"seqs": [seq]}, f"fresh/{seq}")
            expect(gone["status"] == 200, f"a delete gives {gone['status']} {gone['code']}")
            self.deleted.add(seq)

    def read(self, consistency):
        """A page of the newest seqs through the node; what is answered is fresh."""
        start = max(1, self.last - 8)
        record = self.client.read(self.away, CHANNEL, start, None, 50, consistency=consistency)
        if record["status"] == 200:
            wanted = [seq for seq in range(start, self.last + 1) if seq not in self.deleted]
            shown = [message[0] for message in record["messages"]]
            expect(shown == wanted and record["last_seq"] == self.last,
                   f"a {consistency} read through node {self.away.id}, served by "
                   f"{record['served_by']}, shows {shown}, not {wanted}")
        return record

    def expect_fresh(self):
        """One round; False when the install had ended before it had."""
        self.rounds += 1
        self.write()
        records = [self.read(consistency) for consistency in ("linearizable", "leader")]
        status, _, reply = ask(self.away, PATH + "/messages?consistency=local")
        for record in records:
            expect(record["status"] == 200, f"in an install a read gives {record}")
        if self.away.id in [record["served_by"] for record in records] or status == 200:
            wait_until(self.is_normal, 1, f"node {self.away.id} serves itself and is normal")
            return False
        expect(status == 503 and reply["code"] == "unready" and "brought up to date" in reply["detail"],
               f"in an install a local read gives {status} {reply}")
        return True

    def expect_own(self):
        """After the install it serves itself."""
        for consistency in ("local", "linearizable", "leader"):
            record = self.client.read(self.away, CHANNEL, 1, None, 10, consistency=consistency)
            expect(record["status"] == 200 and record["served_by"] == self.away.id,
                   f"after the install a {consistency} read gives {record}")

    def expect_after_kill(self):
        """The member that serves is killed: reads are fresh or 503. (served, refused)"""
        statuses = [self.read("linearizable")["status"]]
        self.leader.kill()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            record = self.read("linearizable")
            statuses.append(record["status"])
            expect(record["status"] in (200, 503), f"with its server killed a read gives {record}")
        self.leader.start().wait_ready(30)
        wait_until(lambda: self.read("linearizable")["status"] == 200, 15, "it is read again")
        return statuses.count(200), statuses.count(503)


def in_install(context, cluster):
    installed = Installed(context, cluster).fill()
    installed.order()
    while installed.expect_fresh():
        pass
    expect(installed.rounds > 5, f"the install was over after {installed.rounds} rounds")
    wait_until(installed.is_normal, 20, "the install ends")
    installed.expect_own()
    installed.order()
    served, refused = installed.expect_after_kill()
    wait_until(installed.is_normal, 30, "the second install ends")
    context.note(f"{installed.rounds} fresh rounds in an install; its server killed: "
                 f"{served} served, {refused} refused")
    context.finish(cluster)


def run(context):
    spread = context.cluster(4, settings={"cluster": {"replica_count": 3}})
    slow = context.cluster(3, slot_count=2, settings={"cluster": SLOW})
    for node in spread.nodes + slow.nodes:
        node.start()
    for node in spread.nodes + slow.nodes:
        node.wait_ready()
    in_install(context, slow)
    without_replica(context, spread)
