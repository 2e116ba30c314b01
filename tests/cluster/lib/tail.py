# SPDX-License-Identifier: Apache-2.0
"""Driver W5: a reader of a channel's tail (Server-Sent Events) that goes on at another node whenever its
stream ends, by Last-Event-ID alone; and what it must have seen, by the witness.

It may be cut off in the middle of an event: what has no empty line behind it was not seen."""
import http.client
import json
import threading

from . import model
from .client import channel_path, message_of


class Tail(threading.Thread):
    def __init__(self, nodes, channel, seed_random):
        super().__init__(daemon=True)
        self.nodes, self.channel, self.random = nodes, channel, seed_random
        self.stopping = threading.Event()
        self.events = []  # ("message", [seq, sender, number, is_sound]) | ("delete", {...})
        self.last_id, self.streams, self.asked, self.problem = None, 0, set(), None
        self.node = None

    def run(self):
        try:
            while not self.stopping.is_set():
                others = [node for node in self.nodes if node is not self.node]
                self.node = self.random.choice(others)
                try:
                    self.follow()
                except (OSError, http.client.HTTPException):
                    self.stopping.wait(0.05)
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem

    def follow(self):
        """One stream, for a while, or until it ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=1)
        try:
            after = "" if self.last_id else "?after_seq=0"
            headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
            connection.request("GET", channel_path(self.channel) + "/messages:tail" + after, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                self.stopping.wait(0.05)
                if response.status != 503:
                    raise AssertionError(f"a tail is answered with {response.status}: {response.read()[:300]}")
                return
            self.streams += 1
            self.asked.add(self.node.id)
            lines = []
            while not self.stopping.is_set():
                line = response.readline()
                if not line.endswith(b"\n"):
                    return
                if line == b"\n":
                    self.take(lines)
                    lines = []
                else:
                    lines.append(line.decode().rstrip("\n"))
        finally:
            connection.close()

    def take(self, lines):
        fields = dict(line.split(": ", 1) for line in lines)
        if "event" not in fields:
            return
        data = json.loads(fields["data"])
        self.last_id = fields["id"]
        if fields["event"] == "message":
            self.events.append(("message", message_of(data)))
        elif fields["event"] == "delete":
            self.events.append(("delete", data))
        elif fields["event"] != "head":
            raise AssertionError(f"an event that no test asked for: {fields}")

    def place(self):
        """Up to which seq and log index it was told all."""
        return tuple(map(int, self.last_id.split("-"))) if self.last_id else (0, 0)


def judge(tail, events):
    """What is wrong with what a reader saw, which has read to the end; events: the channel's witness."""
    faults, last, seen, told, indexes = [], 0, {}, model.Ranges(), []
    index_of = {event.seq: event.index for event in events if isinstance(event, model.Message)}
    deletes = {event.index: event for event in events if isinstance(event, model.Delete)}
    for kind, data in tail.events:
        if kind == "message":
            seq, sender, number, is_sound = data
            if seq <= last:
                faults.append(f"message {seq} comes behind {last}")
            if not is_sound:
                faults.append(f"message {seq} has a payload that nobody sent")
            if seq in told:
                faults.append(f"message {seq} comes behind its delete")
            if indexes and index_of.get(seq, 0) < indexes[-1]:
                faults.append(f"message {seq} of index {index_of.get(seq)} comes behind delete {indexes[-1]}")
            last = max(last, seq)
            seen[seq] = (sender, number)
            continue
        if data["delete_id"] is not None:
            index = int(data["delete_id"].split("-")[1])
            if indexes and index <= indexes[-1]:
                faults.append(f"delete {index} comes behind {indexes[-1]}")
            if index not in deletes or [list(r) for r in deletes[index].ranges] != data["ranges"]:
                faults.append(f"delete {index} was told as {data['ranges']}, the log has {deletes.get(index)}")
            indexes.append(index)
        for start, end in data["ranges"]:
            told.add(start, end)
    for event in events:
        if isinstance(event, model.Delete):
            if event.index not in indexes and any(seq in seen for start, end in event.ranges
                                                  for seq in range(start, end + 1)):
                faults.append(f"delete {event.index} was never told, its messages were")
        elif event.seq not in seen and event.seq not in told:
            faults.append(f"message {event.seq} was neither seen nor told as deleted")
        elif event.seq in seen and seen[event.seq] != (event.sender, event.number):
            faults.append(f"message {event.seq} was {seen[event.seq]}, the log has {event}")
    stray = [seq for seq in seen if seq not in index_of]
    return faults + ([f"messages {stray[:9]} are not in the log"] if stray else [])
