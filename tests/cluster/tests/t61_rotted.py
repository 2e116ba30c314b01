# SPDX-License-Identifier: Apache-2.0
"""A bit of a row rots, in a block whose checksum is right. Whoever reads the row gets an error, never a wrong
message, and that is enough: the node has the replicas checked, and gets a full copy, without an order. Where a
committed delete needs the row, the node stays up, its slot is out of service and comes back by a full copy, with
the delete in force; another slot is served all the time. On a node of its own, where nobody has a better copy, the
slot takes no writes, over restarts too, and all others go on."""
import json

from lib import rows
from lib.client import channel_path
from lib.context import expect, wait_until

ID = "rotted"
TITLE = "a rotten row that a reader or a delete needs: its slot is healed, the node stays up"
CI_SECONDS = 15
SECONDS = 15
COUNT, START, END = 60, 40, 50


class Rotted:
    def __init__(self, context, count):
        self.context = context
        self.cluster = context.cluster(count, slot_count=2).start()
        self.client = context.client(self.cluster, "rotted")
        self.node = self.cluster.nodes[-1]
        self.other = rows.channel_of(1, 2, "other")
        self.fill(self.other)

    def fill(self, channel):
        for _ in range(COUNT // 20):
            wait_until(lambda: self.client.batch(self.cluster.nodes[0], channel, 20, True)["status"] in (200, 201),
                       20, f"a batch for {channel} is taken")

    def rot(self, tag, seq):
        """A channel of slot 0 of whose message a bit is flipped on the last node."""
        channel = rows.channel_of(0, 2, tag)
        self.fill(channel)
        self.cluster.settle()
        expect(self.node.stop() == 0, "the node did not end well")
        rows.edit(self.node, 2, "rot", "messages", channel, seq)
        self.node.start()
        self.node.wait_ready()
        self.cluster.settle()
        return channel

    def local(self, channel, seq=None):
        path = channel_path(channel) + (f"/messages/{seq}" if seq else "/messages?from_seq=1&limit=200")
        return self.node.get(path + ("?" if seq else "&") + "consistency=local")

    def copies(self):
        return self.cluster.metric(self.node, "replica_full_sync_total")

    def look(self, channel, copies):
        """The node is up, and the other slot is served; True: the one that rotted is healed."""
        expect(self.node.is_running(), f"the node ended: {self.node.log_tail()}")
        record = self.client.read(self.node, self.other, 1, None, 200, consistency="local")
        expect(record["status"] == 200 and len(record["messages"]) == COUNT, f"the other slot: {record['status']}")
        state = self.cluster.slot(self.node, 0)
        is_normal = state is not None and state["replica_state"] == "normal"
        return self.copies() > copies and is_normal and self.local(channel)[0] == 200

    def healed(self, channel, copies, gone):
        spent = wait_until(lambda: self.look(channel, copies), 60, f"slot 0 is healed ({channel})", pause=0.05)
        self.cluster.settle()
        record = self.client.read(self.node, channel, 1, None, 200, consistency="local")
        expect(record["status"] == 200 and len(record["messages"]) == COUNT, f"the other slot: {record['status']}")
        state = self.cluster.slot(self.node, 0)
        is_normal = state is not None and state["replica_state"] == "normal"
        return self.copies() > copies and is_normal and self.local(channel)[0] == 200

    def healed(self, channel, copies, gone):
        spent = wait_until(lambda: self.look(channel, copies), 60, f"slot 0 is healed ({channel})", pause=0.05)
        self.cluster.settle()
        record = self.client.read(self.node, channel, 1, None, 200, consistency="local")
        expect(record["status"] == 200, f"a local read after it was healed: {record}")
        seqs = [message[0] for message in record["messages"]]
        expect(seqs == [seq for seq in range(1, COUNT + 1) if seq not in gone], f"after it was healed: {seqs}")
        alarms = [alarm["kind"] for alarm in self.node_alarms()]
        expect("corrupt" in alarms and "diverged" in alarms, f"alarms: {alarms}")
        return spent

    def node_alarms(self):
        return json.loads(self.node.get("/v1/alarms")[2])["alarms"]

    def lead(self, node_id):
        self.cluster.order("/v1/admin/slots/0/transfer-leader", {"to": node_id})
        wait_until(lambda: self.cluster.leader(0).id == node_id, 15, f"node {node_id} leads slot 0")


def by_reader(rotted):
    channel = rotted.rot("read", 10)
    copies = rotted.copies()
    status, _, body = rotted.local(channel, 10)
    expect(status == 500, f"a read of the rotten row gives {status} {body[:200]}")
    return rotted.healed(channel, copies, ())


def by_delete(rotted, leads):
    channel = rotted.rot(f"delete-{leads}", START - 1)
    copies = rotted.copies()
    rotted.lead(3 if leads else 1)
    form = {"start_seq": START, "end_seq": END}
    record = rotted.client.delete(rotted.cluster.nodes[0], channel, form, f"rotted/{leads}")
    expect(record["status"] == 200 or leads, f"the delete gives {record['status']}")
    expect(record["status"] in (200, 503, 504), f"the delete gives {record['status']}")
    wait_until(lambda: rotted.client.delete(rotted.cluster.nodes[0], channel, form, f"rotted/{leads}/again")["status"]
               == 200, 20, "the delete is taken")
    return rotted.healed(channel, copies, range(START, END + 1))


def alone(context):
    rotted = Rotted(context, 1)
    channel = rotted.rot("alone", START - 1)
    form = {"start_seq": START, "end_seq": END}
    for attempt in range(2):
        status = rotted.client.delete(rotted.node, channel, form, f"alone/{attempt}")["status"]
        expect(status in (503, 504), f"a delete that cannot be carried out gives {status}")
        wait_until(lambda: rotted.client.append(rotted.node, channel)["status"] == 503, 20, "sends are refused")
        expect(rotted.client.append(rotted.node, rotted.other)["status"] == 201, "the other slot takes no sends")
        expect("corrupt" in [alarm["kind"] for alarm in rotted.node_alarms()], "no alarm")
        status, _, body = rotted.local(channel)
        expect(status == 500, f"a read of all gives {status} {body[:200]}")
        expect(rotted.local(channel, 1)[0] == 200, "what is sound is not shown")
        if attempt == 0:
            expect(rotted.node.stop() == 0, "the node did not end well")
            rotted.node.start()
            wait_until(lambda: rotted.client.append(rotted.node, rotted.other)["status"] == 201, 20,
                       "the other slot takes sends after a restart")


def run(context):
    rotted = Rotted(context, 3)
    spent = {"read": by_reader(rotted), "delete": by_delete(rotted, False),
             "delete of its leader": by_delete(rotted, True)}
    context.note(", ".join(f"by a {what} healed within {seconds:.1f} s" for what, seconds in spent.items()))
    context.finish(rotted.cluster)
    alone(context)
