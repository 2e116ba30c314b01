# SPDX-License-Identifier: Apache-2.0
"""Lethe's first case, made on purpose: a node is away while messages are deleted, and by the time it
returns the log that says so is gone. With full, the delete log is gone too, so that only a whole copy
can help; else a delta does."""
from .cluster import ABSENT
from .context import expect, wait_until
from .history import slot_of

SNAP = {"raft_log_retention": {"keep_applied_logs": 50, "keep_hours": 0, "min_keep_logs": 50}}
BULK_CHANNELS, BULK_BATCHES, BULK_BATCH = 8, 12, 200


class Behind:
    def __init__(self, context, cluster, away=3, channels=6):
        self.context, self.cluster = context, cluster
        self.third = cluster.node(away)
        self.staying = cluster.others(self.third)
        self.client = context.client(cluster, "behind")
        self.channels = [(2, f"case-{i}") for i in range(channels)]
        self.deletes = 0
        self.gone = {}  # channel -> (log index, deleted seqs) of its last delete
        self.missed = {}  # slot -> what node 3 had applied when it was away

    # ---- before ----------------------------------------------------------------------------------
    def fill(self):
        """Much that stays as it is: only then a delta is the smaller one."""
        for number in range(BULK_CHANNELS):
            for i in range(BULK_BATCHES):
                self.batch((2, f"bulk-{number}"), BULK_BATCH, self.cluster.nodes[i % 3])
        for channel in self.channels:
            self.batch(channel, 100)
        self.cluster.settle()
        return self

    def batch(self, channel, count, node=None):
        node = node or self.staying[0]

        def sent():
            return self.client.batch(node, channel, count, True)["status"] in (200, 201)
        wait_until(sent, 20, f"a batch for {channel} is taken")

    # ---- while it is away ------------------------------------------------------------------------
    def leave(self):
        """kill -9, and the others go on."""
        self.third.kill()
        self.missed = {}
        for slot in range(self.cluster.slot_count):
            self.cluster.leader(slot, among=self.staying)
        return self

    def delete(self, channel, form):
        self.deletes += 1
        record = {}

        def done():
            record.update(self.client.delete(self.staying[self.deletes % 2], channel, form,
                                             f"behind/{self.deletes}"))
            return record["status"] == 200
        wait_until(done, 20, f"the delete {form} of {channel} is taken")
        return record

    def miss(self, full=False):
        """Deletes of every shape, with sends around them, then the logs go."""
        self.miss_deletes()
        self.forget(full)
        return self

    def miss_deletes(self):
        before = self.context.random.randint(1, 20)
        for number, channel in enumerate(self.channels):
            self.batch(channel, 30)
            last = self.client.batch(self.staying[0], channel, 5, True)["seqs"][-1]
            form = [{"start_seq": max(1, last - 60), "end_seq": last - 10},
                    {"seqs": [last - 7, last - 5, last - 3]},
                    {"ranges": [[last - 20, last - 15], [last - 12, last - 11]]},
                    {"start_seq": last, "end_seq": last}, {"through_seq": last - before},
                    {}][number % 6]
            record = self.delete(channel, form)
            if record["delete_id"] is None:
                continue
            seqs = {s for start, end in record["ranges"] for s in range(start, end + 1)}
            self.gone[channel] = (record["log_index"], seqs)
            self.batch(channel, 3)

    def forget(self, full):
        """The Raft log ends above node 3; with full the floor of the delete log rises above it."""
        if full:
            self.context.collected += self.cluster.deletes(self.staying[0])
            reply = self.cluster.order("/v1/admin/delete-log/collect", {"force_floor": True},
                                       among=self.staying)
            expect(not reply["failed"], f"the collection failed: {reply}")
        for channel in self.channels:
            self.batch(channel, 1)
        wait_until(self.is_compacted, 30, "the logs are compacted", pause=0.1)

    def is_compacted(self):
        """What is applied becomes durably applied within a second: until then it stays."""
        self.cluster.order("/v1/admin/compact-log", {}, among=self.staying)
        for slot in range(self.cluster.slot_count):
            for node in self.staying:
                state = self.cluster.slot(node, slot)
                index = max([i for c, (i, _) in self.gone.items()
                             if self.slot_of(c) == slot], default=0)
                if state is None or (state["replica_state"] not in ABSENT and
                                     state["first_index"] <= index):
                    return False
        return True

    def slot_of(self, channel):
        return slot_of(channel[1], self.cluster.slot_count)

    # ---- when it is back -------------------------------------------------------------------------
    def look(self):
        """One look at the node that returned: it shows nothing that is gone, and neither serves nor
        leads a slot that is not whole. True: all slots that it holds are normal."""
        normal, held = True, set()
        for slot in range(self.cluster.slot_count):
            state = self.cluster.slot(self.third, slot)
            if state is None:
                return False
            if state["replica_state"] not in ABSENT:
                held.add(slot)
            if state["replica_state"] not in ("normal", *ABSENT):
                normal = False
                expect(state["leader"] != self.third.id,
                       f"node {self.third.id} leads slot {slot} while {state['replica_state']}")
        for channel, (index, seqs) in self.gone.items():
            consistency = "local" if self.slot_of(channel) in held else "linearizable"
            record = self.client.read(self.third, channel, 1, None, 1000, consistency=consistency,
                                      min_index=index)
            if record["status"] != 200:
                normal = False
                continue
            shown = seqs & {m[0] for m in record["messages"]}
            expect(not shown, f"node {self.third.id} shows {sorted(shown)[:5]} of {channel}")
        return normal

    def wait_whole(self, timeout=60):
        """Looks until it is whole; how long that took."""
        return wait_until(self.look, timeout, f"node {self.third.id} is whole again", pause=0.1)

    def modes(self, starts=1):
        """How the slots of node 3 came back since its last starts: ["full", "delta", ...]."""
        return [line.split(" mode=")[1].split()[0]
                for line in self.third.log_text(starts=starts).splitlines()
                if "catch-up done" in line]

    def offered(self):
        """Same, of the catch-ups that were only begun."""
        return [line.split(" mode=")[1].split()[0]
                for line in self.third.log_text(starts=1).splitlines() if "catch-up accepted" in line]

    def revive(self, nodes=None):
        """Starts again what has ended, without failpoints; who had."""
        ended = [n for n in nodes or self.cluster.nodes if not n.is_running()]
        for node in ended:
            node.start()
        return ended
