# SPDX-License-Identifier: Apache-2.0
"""What a test gets: a folder, seeds, nodes that are always stopped, and the final judgement."""
import os
import random
import shutil
import tempfile
import time

from . import checkers
from .client import Client
from .cluster import ABSENT, Cluster
from .daemon import Failure, Node
from .dump import dump
from .history import History, slot_of
from .workload import Load

FINDINGS_SHOWN = 12


class Context:
    def __init__(self, test, seed, seconds, rounds):
        self.test, self.seed, self.seconds, self.rounds = test, seed, seconds, rounds
        self.random = random.Random(f"{test.ID}/{seed}")
        self.directory = tempfile.mkdtemp(prefix=f"lethe-cluster-{test.ID}-")
        self.history_path = os.path.join(self.directory, "history.jsonl")
        self.history = History(self.history_path)
        self.clusters, self.loads, self.undo = [], [], []
        self.loads_made = 0
        self.collected = []  # records of the delete log, read before it is collected
        self.notes = []

    # ---- making things ---------------------------------------------------------------------------
    def cluster(self, count=3, **options):
        made = Cluster(os.path.join(self.directory, f"c{len(self.clusters)}"), count, **options)
        self.clusters.append(made)
        return made

    def single(self, **options):
        """A cluster of one and its node."""
        made = self.cluster(1, **options)
        return made, made.nodes[0]

    def extra_node(self, name, node_id=1, settings=None):
        """One more node with a folder of its own, stopped with the others."""
        node = Node(os.path.join(self.directory, name), node_id, settings)
        holder = Cluster(os.path.join(self.directory, name + "-cluster"), 0)
        holder.nodes.append(node)
        self.clusters.append(holder)
        return node

    def load(self, cluster, kinds, **options):
        made = Load(options.pop("nodes", cluster.nodes), self.history,
                    f"{self.seed}/{self.loads_made}", kinds, slot_count=cluster.slot_count,
                    name=f"load{self.loads_made}", **options)
        self.loads.append(made)
        self.loads_made += 1
        return made.start()

    def client(self, cluster, name="probe", timeout=8):
        return Client(self.history, name, cluster.slot_count, timeout)

    def note(self, text):
        """A figure for the test's line."""
        self.notes.append(text)

    # ---- judging ---------------------------------------------------------------------------------
    def channels(self):
        return sorted({tuple(record["channel"]) for record in self.history.records})

    def read_all(self, cluster, nodes=None):
        """Every replica's own view of every channel, page by page, and a linearizable one through any
        node."""
        client = self.client(cluster, "final")
        holders = {slot: cluster.holders(slot) for slot in range(cluster.slot_count)}
        for channel in self.channels():
            for node in nodes or holders[slot_of(channel[1], cluster.slot_count)]:
                self.read_whole(client, node, channel, "local")
            self.read_whole(client, self.random.choice(nodes or cluster.nodes), channel,
                            "linearizable")
        client.close()

    def read_whole(self, client, node, channel, consistency):
        start = 1
        while True:
            record = client.read(node, channel, start, None, limit=1000, consistency=consistency)
            expect(record["status"] == 200, f"final {consistency} read of {channel} at node "
                   f"{node.id}: {record['status']} {record['code']}")
            if not record["more"]:
                return
            start = max([m[0] for m in record["messages"]] +
                        [end for _, end in record["deleted"]]) + 1

    def finish(self, cluster, stop="mixed", settle=60):
        """The end of nearly every test: loads stop, nodes settle, all is read and stopped, the
        dumps and the whole history are judged."""
        for load in self.loads:
            load.stop()
        cluster.settle(settle)
        self.read_all(cluster)
        self.judge(self.stop_and_dump(cluster, stop))

    def stop_and_dump(self, cluster, stop="mixed"):
        """What the nodes hold of the slots that are theirs, once all have ended."""
        states = {node.id: {slot: (cluster.slot(node, slot) or {}).get("replica_state")
                            for slot in range(cluster.slot_count)} for node in cluster.nodes}
        for node in cluster.nodes:
            if stop == "kill" or (stop == "mixed" and self.random.random() < 0.5):
                node.kill()
            else:
                code = node.stop()
                expect(code == 0, f"node {node.id} ended with {code} on SIGTERM")
        return [self.dump_held(node, states[node.id]) for node in cluster.nodes]

    @staticmethod
    def dump_held(node, states):
        """Without slots that are elsewhere; of those that it has given up nothing may be left."""
        whole = dump(node)
        for slot in (s for s, state in states.items() if state == "left"):
            expect(not any(whole.rows.get(slot, {}).values()),
                   f"node {node.id} has given slot {slot} up and still has rows of it")
        return whole.only({slot for slot, state in states.items() if state not in ABSENT})

    def forgive_read_errors(self):
        """Takes reads out that were answered with 500, and returns how many: on a damaged disk that
        is the honest answer, elsewhere it is a bug."""
        records = self.history.records
        honest = [r for r in records if r["op"] == "read" and r["status"] == 500]
        self.history.records = [r for r in records if r["op"] != "read" or r["status"] != 500]
        return len(honest)

    def judge(self, dumps):
        findings = checkers.check(self.history.records, dumps, self.collected)
        self.note(self.summary(dumps))
        self.refuse(findings)

    @staticmethod
    def refuse(findings):
        """A failure, if there are any."""
        if findings:
            texts = [str(finding) for finding in findings]
            more = len(texts) - FINDINGS_SHOWN
            raise Failure(f"{len(texts)} findings\n  " + "\n  ".join(texts[:FINDINGS_SHOWN]) +
                          (f"\n  and {more} more" if more > 0 else ""))

    def summary(self, dumps):
        counts = self.history.counts()
        done = {op: counts.get(op + " done", 0) for op in ("append", "delete", "read")}
        rest = sum(n for key, n in counts.items() if key.endswith("refused")), \
            sum(n for key, n in counts.items() if key.endswith("unknown"))
        messages = max((sum(s["messages"] for s in d.slots.values()) for d in dumps), default=0)
        return (f"{done['append']} sends, {done['delete']} deletes, {done['read']} reads, "
                f"{rest[0]} refused, {rest[1]} unknown; {messages} messages stay")

    # ---- the end ---------------------------------------------------------------------------------
    def close(self, keep_in=None):
        """Stops everything. keep_in: where history, logs and configuration go of a failed test."""
        for load in self.loads:
            load.stopping.set()
        for cluster in self.clusters:
            cluster.close()
        for step in reversed(self.undo):
            step()
        self.history.close()
        if keep_in:
            os.makedirs(keep_in, exist_ok=True)
            for folder, _, files in os.walk(self.directory):
                for name in files:
                    if name in ("history.jsonl", "log", "lethe.yaml") and "/data" not in folder:
                        inside = os.path.relpath(os.path.join(folder, name), self.directory)
                        shutil.copy(os.path.join(folder, name),
                                    os.path.join(keep_in, inside.replace("/", "-")))
        shutil.rmtree(self.directory, ignore_errors=True)

    def tails(self, lines):
        return "\n".join(f"--- node {node.id} ({node.log_path})\n{node.log_tail(lines)}"
                         for cluster in self.clusters for node in cluster.nodes
                         if os.path.exists(node.log_path))


def expect(is_right, text):
    if not is_right:
        raise Failure(text)


def wait_until(condition, timeout, text, pause=0.05):
    """Waits until condition() is true, and returns how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        if condition():
            return time.monotonic() - begun
        time.sleep(pause)
    raise Failure(f"not within {timeout} s: {text}")
