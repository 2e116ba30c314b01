# SPDX-License-Identifier: Apache-2.0
"""Five nodes, then seven, each slot on three of them: nodes are added, removed, drained, replaced and
promoted, one change after the other, and some are taken back, under load with deletes, while nodes are killed, cut off, paused, and links are
cut one way. Whatever was answered stays true, and in the end every slot is whole on three nodes."""
import http.client
import time

from lib.context import expect, wait_until
from lib.members import ask, insist, is_done, make_joiner, placement, wait_shares

ID = "many"
TITLE = "five and seven nodes: add, remove, drain, replace, promote, cancel under kills and partitions"
CI_SECONDS = 0
SECONDS = 180
SLOTS, SPARES = 8, 24
SETTINGS = {"cluster": {"raft_log_retention": {
    "keep_applied_logs": 50, "min_keep_logs": 50, "keep_hours": 0}}}


class Life:
    """One cluster and what happens to it."""

    def __init__(self, context, count):
        self.context, self.random, self.count = context, context.random, count
        self.ids = iter(range(count + 1, count + 1 + SPARES))
        self.cluster = context.cluster(count, slot_count=SLOTS, proxied=True, settings=SETTINGS,
                                       spares=range(count + 1, count + 1 + SPARES)).start()
        self.load = context.load(self.cluster, {"W1": 2, "W2": 3, "W6": 1}, rate=120)
        self.told, self.gone = {}, []

    def nodes(self):
        return self.cluster.nodes

    def order(self, method, path, body=None):
        insist(self.context, self.cluster, method, path, body, timeout=90)

    # ---- changes: all are given while everybody is up; what happens then is the faults' affair ------
    def join(self, **more):
        node = make_joiner(self.context, self.cluster, next(self.ids))
        node.start()
        self.order("POST", "/v1/admin/nodes", {"id": node.id, "address": node.peer_address, **more})
        self.nodes().append(node)

    def add(self):
        self.join()

    def leave(self, node):
        self.load.nodes = [other for other in self.nodes() if other is not node]
        self.nodes().remove(node)
        self.gone.append(node)

    def remove(self):
        node = self.random.choice(self.nodes())
        self.order("DELETE", f"/v1/admin/nodes/{node.id}")
        self.leave(node)

    def replace(self):
        """By a new node, while it is down: it is never started again."""
        node = self.random.choice(self.nodes())
        self.load.nodes = [other for other in self.nodes() if other is not node]
        node.kill()
        self.join(replaces=node.id)
        self.leave(node)

    def drain(self):
        node = self.random.choice(self.nodes())
        self.order("POST", f"/v1/admin/nodes/{node.id}:drain", {})
        self.faults()
        self.wait_done("the drain")
        document = next(d for d in map(placement, self.nodes()) if d)
        slots = next(item for item in document["nodes"] if item["id"] == node.id)["slots_after"]
        expect(slots == 0, f"node {node.id} is drained and holds {slots} slots")
        self.order("POST", f"/v1/admin/nodes/{node.id}:undrain", {})

    def promote(self):
        """A node that copies everything and does not vote, until it is told to."""
        self.join(learner=True)
        self.faults()
        self.wait_done("a learner")
        node = self.nodes()[-1]
        self.order("POST", f"/v1/admin/nodes/{node.id}:promote", {})

    def take_back(self):
        """An order that is taken back while it runs: everything is as it was, or it was through before."""
        node = self.random.choice(self.nodes())
        self.order("DELETE", f"/v1/admin/nodes/{node.id}")
        revision = next(d for d in map(placement, self.nodes()) if d)["revision"]
        time.sleep(self.random.uniform(0, 1.5))
        self.faults()
        cancelled = self.cancel(revision)
        self.wait_done("what was taken back")
        document = next(d for d in map(placement, self.nodes()) if d)
        stays = any(item["id"] == node.id for item in document["nodes"])
        expect(stays == cancelled, f"node {node.id}: taken back: {cancelled}, {document['nodes']}")
        if not stays:
            self.leave(node)
        self.told["taken back"] = self.told.get("taken back", 0) + cancelled

    def cancel(self, revision):
        """Whether it was in time. The order's revision is this one, or one before when more happened."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            node = self.random.choice(self.nodes())
            try:
                jobs = [job for job in ask(node, "GET", "/v1/jobs")[1]["jobs"]
                        if job["kind"] == "remove_node"]
                job = jobs[0]  # the newest is first
                if job["state"] != "running":
                    return job["state"] == "cancelled"
                status, document = ask(node, "POST", f"/v1/jobs/{job['id']}:cancel", {})
                expect(status in (200, 202, 409, 503, 504), f"cancel of {revision}: {status} {document}")
            except (OSError, http.client.HTTPException, ValueError, KeyError, IndexError):
                pass
            time.sleep(0.3)
        expect(False, f"the order {revision} is neither through nor taken back")
        return False

    def one_change(self):
        few, many = len(self.nodes()) < self.count, len(self.nodes()) > self.count
        names = ["replace", "drain", "take_back"] + ([] if many else ["add", "promote"]) + \
            ([] if few else ["remove"])
        name = self.random.choice(names)
        self.told[name] = self.told.get(name, 0) + 1
        getattr(self, name)()
        self.faults()
        self.wait_done(name)
        self.load.nodes = list(self.nodes())
        for node in self.gone:
            node.kill()

    # ---- faults -----------------------------------------------------------------------------------
    def faults(self):
        """Two, one after the other; all are over when it returns."""
        for _ in range(2):
            fault = self.random.choice([self.kill, self.cut, self.one_way, self.pause, self.kill_two])
            fault()

    def victims(self, count):
        return self.random.sample(self.nodes(), count)

    def kill(self, count=1):
        victims = self.victims(count)
        for node in victims:
            node.kill()
        time.sleep(self.random.uniform(0.1, 1.5))
        for node in victims:
            node.start()

    def kill_two(self):
        self.kill(2)

    def cut(self):
        self.cluster.cut_off(*self.victims(1))
        time.sleep(self.random.uniform(0.5, 3))
        self.cluster.proxy.heal()

    def one_way(self):
        for link in self.random.sample(list(self.cluster.proxy.ports), 6):
            self.cluster.proxy.fault(*link, cut=True)
        time.sleep(self.random.uniform(0.5, 3))
        self.cluster.proxy.heal()

    def pause(self):
        node, = self.victims(1)
        node.pause()
        time.sleep(self.random.uniform(0.5, 2.5))
        node.resume()

    # ---- the end of a change ----------------------------------------------------------------------
    def wait_done(self, name):
        return wait_until(lambda: any(is_done(n) for n in self.nodes() if n.is_running()), 120,
                          f"{name} is through", pause=0.3)


def run(context):
    for count in (5, 7):
        life, end = Life(context, count), time.monotonic() + context.seconds / 2
        while time.monotonic() < end or not life.told:
            life.one_change()
        life.load.stop()
        wait_shares(life.cluster, 3)
        changes = ", ".join(f"{n} {name}" for name, n in sorted(life.told.items()))
        context.note(f"{count} nodes: {changes}, {len(life.nodes())} at the end")
        context.finish(life.cluster)
        context.loads.clear()
        context.history.records.clear()  # of a cluster that is judged
