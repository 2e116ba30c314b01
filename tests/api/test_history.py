# SPDX-License-Identifier: Apache-2.0
"""Readers that stay: long polls, tails, exports."""
import http.client
import json
import re
import socket
import threading
import time

import lib
from lib import Client, check, equal, path_of, seqs


def later(seconds, action):
    """Runs action after a while, beside the test."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


# ---- long poll -------------------------------------------------------------------------------------
def test_wait_ends_with_a_message(daemon):
    client, channel = Client(daemon), (4, "poll")
    client.fill(channel, 3)
    timer = later(0.4, lambda: Client(daemon).send(channel))
    started = time.monotonic()
    page = client.page(channel, "after_seq=3&wait=20s")
    took = time.monotonic() - started
    timer.join()
    equal(seqs(page), [4])
    check(0.3 < took < 5, took)
    equal(page["read"]["consistency"], "linearizable")
    # What is there already is given at once.
    started = time.monotonic()
    equal(seqs(client.page(channel, "after_seq=1&wait=20s&limit=2")), [2, 3])
    check(time.monotonic() - started < 5)


def test_wait_ends_with_its_time(daemon):
    client, channel = Client(daemon), (4, "nothing comes")
    client.fill(channel, 1)
    started = time.monotonic()
    page = client.page(channel, "after_seq=1&wait=700ms&consistency=local")
    took = time.monotonic() - started
    equal((seqs(page), page["more"]), ([], False))
    check(0.6 < took < 5, took)
    # An unknown channel, and one whose end is far below, wait likewise.
    for target in ["nobody", "nothing%20comes"]:
        started = time.monotonic()
        page = client.get(f"/v1/channels/4/{target}/messages?after_seq=9&wait=300ms", expect=200).json
        equal(page["messages"], [])
        check(time.monotonic() - started > 0.25)
    # Nothing new, with the tag of the page before.
    tag = client.get(path_of(channel) + "/messages?after_seq=1").headers["etag"]
    client.get(path_of(channel) + "/messages?after_seq=1&wait=300ms", {"If-None-Match": tag}, expect=304)


def test_wait_is_not_woken_by_others(daemon):
    """Other channels of the same slot, a delete of what is older."""
    client, channel = Client(daemon), (4, "quiet")
    client.fill(channel, 5)
    slot = client.get(path_of(channel), expect=200).json["slot"]
    other = next(name for name in (f"busy-{n}" for n in range(10000))
                 if client.get(path_of((4, name)), expect=200).json["slot"] == slot)

    def others():
        mine = Client(daemon)
        for _ in range(20):
            mine.send((4, other))
        mine.delete(f"{path_of(channel)}/messages?start_seq=1&end_seq=2", expect=200)
    timer = later(0.1, others)
    started = time.monotonic()
    page = client.page(channel, "after_seq=5&wait=1s")
    timer.join()
    equal(seqs(page), [])
    check(time.monotonic() - started > 0.9)


def test_wait_sees_what_was_deleted_at_once(daemon):
    """A message that is deleted before the reader looks is a hole that it is told of."""
    client, channel = Client(daemon), (4, "gone")

    def send_and_delete():
        mine = Client(daemon)
        mine.fill(channel, 3)
        mine.delete(f"{path_of(channel)}/messages?start_seq=1&end_seq=3", expect=200)
    send_and_delete()
    page = client.page(channel, "after_seq=0&wait=20s")
    equal((seqs(page), page["deleted"]), ([], [{"start_seq": 1, "end_seq": 3}]))


def test_wait_is_checked(daemon):
    client, path = Client(daemon), path_of((4, "x")) + "/messages"
    for query in ["wait=25s", "after_seq=1&wait=", "after_seq=1&wait=soon", "after_seq=1&wait=61s",
                  "after_seq=1&wait=-1s", "from_seq=1&wait=1s", "after_seq=1&to_seq=3&wait=1s",
                  "after_seq=1&before_seq=3&wait=1s", "after_seq=1&since=-1h&wait=1s",
                  "after_seq=1&order=desc&wait=1s", "seqs=1&wait=1s", "cursor=AQ&wait=1s"]:
        client.get(f"{path}?{query}", expect=400)


def test_wait_is_bounded_and_ends_on_a_stop(_daemon):
    """As many readers as half of the connections; a stop answers all of them at once."""
    daemon = lib.Daemon("--http-max-connections", "20")
    answers, path = [], path_of((4, "stop")) + "/messages?after_seq=0&wait=60s"

    def read():
        answers.append(Client(daemon).get(path).status)
    threads = [threading.Thread(target=read) for _ in range(10)]
    try:
        for thread in threads:
            thread.start()
        client, end, refused = Client(daemon), time.monotonic() + 10, None
        while time.monotonic() < end and refused is None:
            time.sleep(0.1)
            reply = client.get(path.replace("60s", "50ms"))
            refused = reply if reply.status == 503 else None
        check(refused is not None, "the eleventh reader was taken")
        equal(refused.json["code"], "busy")
        check(int(refused.headers["retry-after"]) >= 1)
        client.send((5, "others go on"))
        started = time.monotonic()
    finally:
        code, log = daemon.stop()
    for thread in threads:
        thread.join(10)
    equal(code, 0, log)
    check(time.monotonic() - started < 10, "the stop took long")
    equal(answers, [503] * 10)


# ---- tail ------------------------------------------------------------------------------------------
class Tail:
    """Reads events beside the test, until it is closed; keeps what it read for the last test."""

    def __init__(self, daemon, target, headers=None, ndjson=False):
        self.target, self.ndjson, self.events = target, ndjson, []
        self.text, self.rest, self.kept = b"", b"", 1 << 16
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=40)
        self.connection.request("GET", target, headers={
            **({"Accept": "application/x-ndjson"} if ndjson else {}), **(headers or {})})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.headers = {k.lower(): v for k, v in self.answer.getheaders()}
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while True:
                piece = self.answer.read1(65536)
                if not piece:
                    break
                self.text += piece[:max(0, self.kept - len(self.text))]
                self.parse(piece)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as fault:
            self.fault = fault
        else:
            self.fault = None
        self.is_over.set()

    def parse(self, piece):
        *blocks, self.rest = (self.rest + piece).split(b"\n" if self.ndjson else b"\n\n")
        for block in blocks:
            if self.ndjson:
                line = json.loads(block)
                self.events.append((line["event"], line["id"], line["data"]))
                continue
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if "event" in fields:
                self.events.append((fields["event"], fields["id"], json.loads(fields["data"])))

    def wait(self, count, seconds=10):
        """The first count events that are no heads."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            told = [event for event in self.events if event[0] != "head"]
            if len(told) >= count:
                return told[:count]
            time.sleep(0.01)
        raise lib.Failed(f"{len(self.events)} events after {seconds} s, at the end {told(self.events)[-20:]}")

    def find(self, wanted, seconds=10):
        """Waits for an event; False when none came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(wanted(name, data) for name, _, data in self.events):
                return True
            time.sleep(0.01)
        return False

    def close(self):
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        self.thread.join(5)
        self.connection.close()
        cut = self.text.rfind(b"\n") + 1
        Client.replies.append(lib.Reply("GET", self.target, self.status, self.headers, self.text[:cut]))


def told(events):
    """Short forms: a seq, or a deleted range."""
    return [data["message_seq"] if name == "message" else
            (name, data["start_seq"], data["end_seq"]) if name == "delete" else name
            for name, _, data in events if name != "head"]


def test_tail_in_log_order(daemon):
    client, channel = Client(daemon), (4, "tail")
    client.fill(channel, 3)
    for ndjson in (False, True):
        last = client.get(path_of(channel), expect=200).json["last_seq"]
        tail = Tail(daemon, f"{path_of(channel)}/messages:tail", ndjson=ndjson)
        try:
            equal(tail.status, 200)
            equal(tail.headers["content-type"],
                  "application/x-ndjson" if ndjson else "text/event-stream")
            client.fill(channel, 5)
            client.delete(f"{path_of(channel)}/messages?start_seq={last + 2}&end_seq={last + 3}", expect=200)
            client.send(channel, from_uid="u1", payload_encoding="json", payload={"a": "b\n"})
            client.delete(f"{path_of(channel)}/messages?start_seq={last + 6}&end_seq={last + 6}", expect=200)
            time.sleep(0.05)
            end = client.send(channel)["message_seq"]
            check(tail.find(lambda name, data: name == "message" and data["message_seq"] == end))
            events = list(tail.events)
            # Whatever the reader saw in time: deletes come after what was stored before them.
            names = told(events)
            for seq in range(last + 1, last + 8):
                check(seq in names or seq in (last + 2, last + 3, last + 6), names)
            check(("delete", last + 2, last + 3) in names and ("delete", last + 6, last + 6) in names, names)
            check(names.index(("delete", last + 2, last + 3)) > names.index(last + 5), names)
            check(names.index(("delete", last + 6, last + 6)) < names.index(last + 7), names)
            record = [data for name, _, data in events if name == "delete"][0]
            equal(record["ranges"], [[last + 2, last + 3]])
            check(record["delete_id"] is not None and record["deleted_count"] == 2)
        finally:
            tail.close()


def test_tail_from_the_beginning(daemon):
    """What was deleted before is told as holes, each seq once; many pieces, with deletes between."""
    client, channel = Client(daemon), (4, "tail from 0")
    client.fill(channel, 2000)
    for start in range(10, 2000, 100):
        client.delete(f"{path_of(channel)}/messages?start_seq={start}&end_seq={start + 4}", expect=200)
    tail = Tail(daemon, f"{path_of(channel)}/messages:tail?after_seq=0")
    try:
        events = tail.wait(1900 + 20)
        seen = []
        for name, _, data in events:
            seen += [data["message_seq"]] if name == "message" else \
                list(range(data["start_seq"], data["end_seq"] + 1))
        equal(seen, list(range(1, 2001)))
        check(all(data["delete_id"] is None for name, _, data in events if name == "delete"))
    finally:
        tail.close()


def test_tail_resumes_anywhere(daemon):
    """Cut after each event in turn: what follows its id is exactly the rest."""
    client, channel = Client(daemon), (4, "tail resume")
    path = f"{path_of(channel)}/messages"
    tail = Tail(daemon, f"{path}:tail")
    client.send(channel)
    tail.wait(1)
    for n in range(6):
        client.fill(channel, 2)
        client.delete(f"{path}?start_seq={n + 1}&end_seq={n + 1}", expect=200)
    whole = tail.wait(1 + 12 + 6)
    tail.close()
    for i, event in enumerate(whole):
        for ndjson in (False, True):
            rest = Tail(daemon, f"{path}:tail?after_seq=0", {"Last-Event-ID": event[1]}, ndjson)
            try:
                got = rest.wait(1) if i + 1 < len(whole) else []
                time.sleep(0.02)
                got = [row for row in rest.events if row[0] != "head"]
                # What was deleted by now is not shown again: only its delete is.
                gone = set(range(1, 7))
                wanted = [row for row in whole[i + 1:]
                          if row[0] == "delete" or row[2]["message_seq"] not in gone]
                equal(told(got), told(wanted), f"after {event}")
            finally:
                rest.close()
    head = Tail(daemon, f"{path}:tail", {"Last-Event-ID": whole[-1][1]})
    time.sleep(0.2)
    equal([name for name, _, _ in head.events], ["head"])
    equal(head.events[0][2]["last_seq"], 13)
    head.close()


def test_tail_is_reset_when_records_are_gone(_daemon):
    daemon = lib.Daemon()
    try:
        client, channel = Client(daemon), (4, "tail reset")
        client.fill(channel, 3)
        path = f"{path_of(channel)}/messages"
        tail = Tail(daemon, f"{path}:tail?after_seq=2")
        place = tail.wait(1)[0][1]
        tail.close()
        client.delete(f"{path}?start_seq=1&end_seq=2", expect=200)
        client.post("/v1/admin/delete-log/collect", {"force_floor": True}, expect=200)
        client.send(channel)
        tail = Tail(daemon, f"{path}:tail", {"Last-Event-ID": place})
        events = tail.wait(2)
        equal((events[0][0], told(events)), ("reset", ["reset", 4]))
        equal((events[0][2]["first_seq"], events[0][2]["reason"]), (3, "deletes_collected"))
        tail.close()
    finally:
        daemon.stop()


def test_tail_is_checked(daemon):
    client, path = Client(daemon), path_of((4, "x")) + "/messages:tail"
    for query in ["?after_seq=-1", "?after_seq=x", "?limit=3", "?consistency=best", "?after_seq=1&after_seq=2"]:
        client.get(path + query, expect=400)
    for value in ["7", "a-b", "1-", "-1", "1-2-3", "99999999999999999999-1"]:
        client.get(path, {"Last-Event-ID": value}, expect=400)
    client.get(path, {"Accept": "text/html"}, expect=406)
    client.ask("HEAD", path, expect=200)
    client.post(path, {}, expect=405)


def test_tails_end_on_a_stop(_daemon):
    """A clean end: the last chunk is there. Slow ones do not hold it up."""
    daemon = lib.Daemon()
    tails, slow = [], []
    try:
        client, channel = Client(daemon), (4, "tail stop")
        client.fill(channel, 10)
        tails = [Tail(daemon, f"{path_of(channel)}/messages:tail?after_seq=0") for _ in range(5)]
        for tail in tails:
            tail.wait(10)
        big = "x" * 60000
        for _ in range(4):  # far more than any socket buffer holds
            client.post(f"{path_of(channel)}/messages:batch",
                        {"messages": [{"payload": big, "payload_encoding": "utf8"}] * 100}, expect=200)
        for _ in range(3):
            sock = socket.create_connection(("127.0.0.1", daemon.port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(f"GET {path_of(channel)}/messages:tail?after_seq=0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(sock)
        for tail in tails:
            tail.wait(410, 30)
        # One piece for each slow reader, not the channel.
        with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as status:
            rss = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        check(rss < 400 * 1024, f"{rss} KiB resident")
    finally:
        started = time.monotonic()
        code, log = daemon.stop()
    equal(code, 0, log)
    check(time.monotonic() - started < 20, "the stop took long")
    for tail in tails:
        check(tail.is_over.wait(5))
        equal(tail.fault, None)
    for sock in slow:
        sock.close()


# ---- export ----------------------------------------------------------------------------------------
def test_export(daemon):
    client, channel = Client(daemon), (4, "export")
    client.fill(channel, 2500)
    path = f"{path_of(channel)}/messages"
    for start, end in [(1, 3), (700, 1799), (2500, 2500)]:
        client.delete(f"{path}?start_seq={start}&end_seq={end}", expect=200)
    gone = set(range(1, 4)) | set(range(700, 1800)) | {2500}
    for query, first, last in [("", 1, 2500), ("?from_seq=650&to_seq=1850", 650, 1850),
                               ("?from_seq=2&to_seq=2", 2, 2), ("?from_seq=2400&to_seq=9999", 2400, 2500)]:
        lines = client.get(f"{path}:export{query}", expect=200).lines
        equal([line["message_seq"] for line in lines if "message_seq" in line],
              [seq for seq in range(first, last + 1) if seq not in gone], query)
        holes = [seq for line in lines if "deleted" in line and "done" not in line
                 for seq in range(line["deleted"]["start_seq"], line["deleted"]["end_seq"] + 1)]
        equal(holes, [seq for seq in range(first, last + 1) if seq in gone], query)
        end = lines[-1]
        equal((end["done"], end["last_seq"], end["messages"] + end["deleted"]),
              (True, last, last - first + 1), query)
    equal(client.get("/v1/channels/4/nobody/messages:export", expect=200).lines,
          [{"done": True, "messages": 0, "deleted": 0, "last_seq": 0}])
    equal(client.get(f"{path}:export?from_seq=9000", expect=200).lines[0]["messages"], 0)
    client.get(f"{path}:export?from_seq=5&to_seq=4", expect=422)
    client.get(f"{path}:export?from_seq=0", expect=400)
    client.ask("HEAD", f"{path}:export", expect=200)
    # The library must not send the end of a body that HEAD does not have: the connection stays good.
    for target in (f"{path}:export", f"{path}:tail", f"{path}:export"):
        status, reply = lib.raw(daemon, f"HEAD {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        equal((status, reply.split(b"\r\n\r\n", 1)[1]), (200, b""))


def test_export_of_much(daemon):
    """24 MB pass through without being gathered, and what is read is what was sent."""
    client, channel = Client(daemon), (4, "export much")
    block = "y" * 200000
    for n in range(12):
        client.post(f"{path_of(channel)}/messages:batch",
                    {"messages": [{"payload": f"{n}-{i}-{block}", "payload_encoding": "utf8"} for i in range(10)]},
                    expect=200)
    lines = Client(daemon, record=False).get(f"{path_of(channel)}/messages:export", expect=200).lines
    equal([line["payload"][:-200000] for line in lines[:-1]], [f"{n}-{i}-" for n in range(12) for i in range(10)])
    equal(lines[-1]["messages"], 120)
