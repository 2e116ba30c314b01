# SPDX-License-Identifier: Apache-2.0
"""A long life: work that keeps its size (channels are trimmed as they grow), faults of all kinds at
random, and an eye on memory, descriptors, threads, disk and latency. What grows without an end shows.

Clients judge for themselves, as no history can be kept that long: each channel has one writer, whose
seqs only go up; what a delete was answered for never shows again; a payload is that of its number. At
the end replicas are equal and their rows give their digests. Node 1 is never ended, so that its memory
has a history."""
import threading
import time

from lib.behind import SNAP
from lib.client import Client
from lib.context import expect
from lib.dump import dump
from lib.history import outcome
from lib.watch import Watch

ID = "drift"
TITLE = "long life under faults: memory, descriptors, disk, latency"
CI_SECONDS = 0
SECONDS = 240
JUDGED_FROM_S = 900  # a shorter run reports, and judges no drift: caches still fill
KEEP = 400
SETTINGS = {"cluster": dict(SNAP, raft_log_retention=dict(SNAP["raft_log_retention"],
                                                          max_bytes="4MiB")),
            "delete_log": {"max_records": 2000}, "dedup": {"window_hours": 1},
            "storage": {"memtable_bytes": "8MiB", "block_cache_bytes": "8MiB",
                        "soft_free_bytes": "1MiB"}}


class Nothing:
    """A history that keeps nothing."""

    def add(self, record):
        record["id"] = 0


class Writer(threading.Thread):
    """The only writer of its channel."""

    def __init__(self, cluster, watch, number, random):
        super().__init__(name=f"writer{number}", daemon=True)
        self.cluster, self.watch, self.random = cluster, watch, random
        self.channel = (2, f"drift-{number}")
        self.client = Client(Nothing(), self.name, cluster.slot_count)
        self.stopping = threading.Event()
        self.last = self.trimmed = self.deletes = 0
        self.problem = None

    def run(self):
        try:
            while not self.stopping.is_set():
                dice = self.random.random()
                node = self.random.choice(self.cluster.nodes)
                record = self.send(node) if dice < 0.6 else \
                    self.trim(node) if dice < 0.63 else self.read(node)
                ended = outcome(record["status"], record["code"])
                self.watch.call(record["op"], ended, record["end"] - record["start"])
                self.stopping.wait(0.02 if ended == "done" else 0.2)
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem
        finally:
            self.client.close()

    def send(self, node):
        record = self.client.append(node, self.channel)
        if record["status"] == 201:
            seq = record["seqs"][0]
            expect(seq > self.last, f"{self.channel}: seq {seq} after {self.last}")
            self.last = seq
        return record

    def trim(self, node):
        through = self.last - KEEP
        if through <= self.trimmed:
            return self.read(node)
        self.deletes += 1
        record = self.client.delete(node, self.channel, {"through_seq": through},
                                    f"{self.name}/{self.deletes}")
        if record["status"] == 200:
            self.trimmed = max(self.trimmed, through)
        return record

    def read(self, node):
        record = self.client.read(node, self.channel, max(1, self.last - 60), None, 100)
        if self.random.random() < 0.2:
            record = self.client.read(node, self.channel, 1, None, 20)
        if record["status"] == 200:
            for seq, _, _, is_right in record["messages"]:
                expect(is_right, f"{self.channel}: seq {seq} has another payload")
                expect(seq > self.trimmed, f"{self.channel}: seq {seq} was deleted, through "
                       f"{self.trimmed}")
        return record


class Faults:
    """One at a time; the main thread's, as it alone may start processes."""

    def __init__(self, context, cluster):
        self.cluster, self.random, self.counts = cluster, context.random, {}

    def one(self, pause):
        """pause(seconds) lets time pass and goes on watching."""
        name = self.random.choice(["kill", "term", "pause", "cut", "lag", "compact", "collect",
                                   "full-sync", "forgotten"])
        self.counts[name] = self.counts.get(name, 0) + 1
        node = self.random.choice(self.cluster.nodes[1:])
        getattr(self, "do_" + name.replace("-", "_"))(node, pause)

    def restart(self, node, pause, seconds):
        pause(seconds)
        node.start()
        pause(5)
        expect(node.is_running(), f"node {node.id} does not start\n{node.log_tail(15)}")

    def do_kill(self, node, pause):
        node.kill()
        self.restart(node, pause, self.random.uniform(0, 5))

    def do_term(self, node, pause):
        code = node.stop(30)
        expect(code == 0, f"node {node.id} ended with {code} on SIGTERM")
        self.restart(node, pause, self.random.uniform(0, 3))

    def do_forgotten(self, node, pause):
        node.kill()
        pause(8)
        self.do_collect(node, pause)
        self.do_compact(node, pause)
        self.restart(node, pause, 1)

    def do_pause(self, _, pause):
        node = self.random.choice(self.cluster.nodes)
        node.pause()
        pause(self.random.uniform(1, 6))
        node.resume()

    def do_cut(self, _, pause):
        node = self.random.choice(self.cluster.nodes)
        self.cluster.proxy.split([node.id], [n.id for n in self.cluster.others(node)])
        pause(self.random.uniform(2, 10))
        self.cluster.proxy.heal()

    def do_lag(self, node, pause):
        for other in self.cluster.others(node):
            self.cluster.proxy.fault(other.id, node.id, delay=self.random.uniform(0.02, 0.3))
        pause(self.random.uniform(2, 8))
        self.cluster.proxy.heal()

    def order(self, path, body):
        # 409 and 503 are honest answers of a cluster with a fault in it.
        self.cluster.order(path, body, wanted=(200, 202, 409, 503), timeout=30)

    def do_compact(self, _, _pause):
        self.order("/v1/admin/compact-log", {})

    def do_collect(self, _, _pause):
        self.order("/v1/admin/delete-log/collect", {"force_floor": self.random.random() < 0.5})

    def do_full_sync(self, node, _pause):
        slot = self.random.randrange(self.cluster.slot_count)
        self.order(f"/v1/admin/slots/{slot}/full-sync", {"node": node.id})


def live(context, cluster, watch, faults, writers):
    end = time.monotonic() + context.seconds

    def pause(seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(1.0, max(0.05, until - time.monotonic())))
            watch.sample()
            for writer in writers:
                if writer.problem is not None:
                    raise writer.problem
    while time.monotonic() < end:
        pause(context.random.uniform(4, 16))
        faults.one(pause)
        expect(cluster.nodes[0].is_running(), f"node 1 ended\n{cluster.nodes[0].log_tail(15)}")


def run(context):
    cluster = context.cluster(3, proxied=True, settings=SETTINGS).start()
    watch, faults = Watch(cluster.nodes, context.seconds), Faults(context, cluster)
    writers = [Writer(cluster, watch, i, type(context.random)(f"{context.seed}/{i}"))
               for i in range(6)]
    for writer in writers:
        writer.start()
    try:
        live(context, cluster, watch, faults, writers)
    finally:
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join(30)
        print(f"drift report:\n{watch.report(faults.counts)}", flush=True)
    cluster.settle(120)
    for node in cluster.nodes:
        expect(node.stop(30) == 0, f"node {node.id} does not end well")
    dumps = [dump(node) for node in cluster.nodes]
    for held in dumps:
        wrong = [slot for slot, summary in held.slots.items() if not summary["fits"]]
        expect(not wrong, f"node {held.node}: slots {wrong} do not fit their digests")
    expect(all(held.rows == dumps[0].rows for held in dumps), "rows of the nodes differ")
    found = watch.drifted()
    if context.seconds >= JUDGED_FROM_S:
        expect(not found, "; ".join(found))
    context.note(f"{sum(faults.counts.values())} faults, {len(writers)} channels, last seqs "
                 f"{[w.last for w in writers]}; " + ("; ".join(found) or "nothing drifts"))
