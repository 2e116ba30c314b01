# SPDX-License-Identifier: Apache-2.0
"""One replica's rows are not what they should be: a payload changed under a good checksum, a row too many, a row
or a fence too few, a byte that rotted. Its digest, kept from entry to entry, still looks right. A check by order,
the one that a node makes by itself, or the comparison at the next write finds it, names that replica alone, takes
it out of service, heals it by a full install, and it comes back by itself. The others never answer wrongly."""
import json
import time

from lib import rows
from lib.behind import SNAP, Behind
from lib.client import channel_path
from lib.context import expect, wait_until
from .t50_check import ask, run_check

ID = "43"
TITLE = "rows changed on one node: found, named, healed, back by itself"
CI_SECONDS = 20
SECONDS = 60
SLOW = {"cluster": dict(SNAP, catchup_bytes_per_second="300KiB")}
OFTEN = {"check_interval": "2s"}
FENCE = (40, 60)


class Planted:
    """Three nodes, of which the third is damaged while it is stopped, again and again."""

    def __init__(self, context, settings):
        self.context = context
        self.cluster = context.cluster(3, slot_count=2, settings=settings).start()
        self.behind = Behind(context, self.cluster)
        self.third, self.sound = self.cluster.node(3), self.cluster.nodes[:2]
        self.client = context.client(self.cluster, "planted")
        self.channels = self.behind.channels
        for channel in self.channels:
            self.behind.batch(channel, 100)
            gone = self.client.delete(self.sound[0], channel,
                                      {"start_seq": FENCE[0], "end_seq": FENCE[1]}, f"fence/{channel[1]}")
            expect(gone["status"] == 200, f"a delete gives {gone}")
        for number in range(12):  # so that an install takes a while
            bulk = rows.channel_of(number % 2, self.cluster.slot_count, "bulk")
            self.behind.batch(bulk, 200, self.cluster.nodes[number % 3])
        self.cluster.settle()
        self.number = 0
        self.refusals, self.raised = set(), set()

    def slot(self, channel):
        return self.behind.slot_of(channel)

    # ---- damage --------------------------------------------------------------------------------------
    def edit(self, what, family, channel, number, copy_to=None):
        rows.edit(self.third, self.cluster.slot_count, what, family, channel, number, copy_to)

    def plant(self, kind, channel):
        last = self.client.read(self.sound[0], channel, 1, None, 1)["last_seq"]
        if kind == "changed payload":
            self.edit("payload", "messages", channel, 10)
        elif kind == "rotten message":
            self.edit("rot", "messages", channel, 11)
        elif kind == "rotten interval":
            self.edit("rot", "deleted", channel, FENCE[0])
        elif kind == "missing message":
            self.edit("remove", "messages", channel, 12)
        elif kind == "missing interval":
            self.edit("remove", "deleted", channel, FENCE[0])
        elif kind == "message that was deleted":
            self.edit("copy", "messages", channel, 39, (channel, FENCE[0] + 3))
        elif kind == "foreign channel":
            foreign = rows.channel_of(self.slot(channel), self.cluster.slot_count, "foreign")
            self.edit("copy", "messages", channel, 1, (foreign, 1))
        elif kind == "foreign delete record":
            self.edit("copy", "delete_log", channel, "-", (channel, 1))
        else:
            expect(kind == "message too many", kind)
            self.edit("copy", "messages", channel, last, (channel, last + 1))

    # ---- looking at it -------------------------------------------------------------------------------
    def look(self, channel):
        """One look at the replica that is being healed; True: it serves again."""
        state = self.cluster.slot(self.third, self.slot(channel))
        status, _, body = self.third.get(channel_path(channel) + "/messages?from_seq=1&limit=5&consistency=local")
        if status == 503:
            problem = json.loads(body)
            expect(problem["code"] == "unready" and problem["detail"], f"a local read says {problem}")
            self.refusals.add(problem["detail"])
        if state["replica_state"] != "normal":
            expect(state["leader"] != self.third.id, f"it leads while {state['replica_state']}")
        for alarm in ask(self.third, "GET", "/v1/alarms")[1]["alarms"]:
            self.raised |= {alarm["kind"]} if self.slot(channel) in alarm["slots"] else set()
        self.read_sound(channel)
        return status == 200 and state["replica_state"] == "normal" and self.copies() > 0

    def copies(self):
        return self.cluster.metric(self.third, "replica_full_sync_total")

    def read_sound(self, channel):
        """What the checkers hold against the model at the end; also asked of the damaged one, which passes on
        what it may not answer."""
        for node in self.sound:
            self.client.read(node, channel, 1, None, 200,
                             consistency=self.context.random.choice(["local", "linearizable"]))

    def named(self, items, channel):
        """The check names node 3 in that slot, and nobody else anywhere."""
        for slot, item in items.items():
            is_hit = slot == self.slot(channel)
            expect(item["result"] == ("diverged" if is_hit else "ok"), f"slot {slot}: {item}")
            for one in item["nodes"]:
                is_third = is_hit and one["node"] == 3
                expect(one["result"] == ("diverged" if is_third else "ok"), f"slot {slot}: {item}")
                expect(bool(one.get("reason")) or not is_third, f"slot {slot} without a reason: {item}")

    def alarms(self):
        return [alarm for node in self.cluster.nodes for alarm in ask(node, "GET", "/v1/alarms")[1]["alarms"]]

    def disarm(self):
        for alarm in self.alarms():
            expect(alarm["kind"] in ("diverged", "corrupt"), f"an alarm that nobody provoked: {alarm}")
            node = self.cluster.node(alarm["node"])
            ask(node, "POST", f"/v1/alarms/{alarm['id']}:disarm", "{}")

    # ---- one round -----------------------------------------------------------------------------------
    def lead(self, channel):
        path = f"/v1/admin/slots/{self.slot(channel)}/transfer-leader"
        self.cluster.order(path, {"to": 3})
        wait_until(lambda: self.cluster.leader(self.slot(channel)) is self.third, 15, "node 3 leads")

    def one_round(self, kind, found_by, leads=False):
        channel = self.channels[self.number % len(self.channels)]
        self.number += 1
        self.raised = set()
        self.third.stop()
        self.plant(kind, channel)
        if found_by == "next write":
            self.behind.batch(channel, 2)
        self.third.start()
        if found_by == "check":
            self.third.wait_ready()
            self.cluster.settle()
            if leads:
                self.lead(channel)
            self.named(run_check(self.sound[0]), channel)
        else:
            wait_until(lambda: self.is_up() and self.copies() + self.unfit(channel) > 0, 30,
                       f"a {kind} is found by the {found_by}", pause=0.02)
        spent = wait_until(lambda: self.look(channel), 30, f"{kind}: node 3 is healed", pause=0.05)
        self.cluster.settle()
        self.client.read(self.third, channel, 1, None, 1000, consistency="local")
        expect(self.behind.modes() == ["full"], f"{kind}: it was healed by {self.behind.modes()}")
        expect("diverged" in self.raised, f"{kind}: alarms {self.raised}")
        self.disarm()
        return spent

    def restart(self, settings):
        for node in self.cluster.nodes:
            node.stop()
            node.settings["cluster"].update(settings)
            node.write_config()
        self.cluster.start()
        self.cluster.settle()

    def is_up(self):
        try:
            return self.third.get("/livez")[0] == 200
        except OSError:
            return False

    def unfit(self, channel):
        state = self.cluster.slot(self.third, self.slot(channel))
        return state is not None and state["replica_state"] != "normal"


BY_CHECK = ["changed payload", "message that was deleted", "missing interval", "rotten message",
            "missing message", "foreign channel", "foreign delete record", "rotten interval"]


def run(context):
    end = time.monotonic() + context.seconds
    planted, spent = Planted(context, SLOW), {}
    spent["message too many"] = planted.one_round("message too many", "next write")
    for number, kind in enumerate(BY_CHECK):
        if number < 2 or time.monotonic() < end:
            spent[kind] = planted.one_round(kind, "check", leads=number == 1)
    equal = run_check(planted.third)
    expect(all(item["result"] == "ok" for item in equal.values()), f"healed, and yet: {equal}")
    expect(planted.refusals, "no local read was refused meanwhile")
    planted.restart(OFTEN)
    alone = planted.one_round(BY_CHECK[0], "check of its own")
    slowest = max(spent, key=spent.get)
    context.note(f"{len(spent)} kinds of damage healed within {spent[slowest]:.1f} s ({slowest}), one by a check of its own "
                 f"within {alone:.1f} s; local reads meanwhile: {sorted(planted.refusals)}")
    context.finish(planted.cluster)
