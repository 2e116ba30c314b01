# SPDX-License-Identifier: Apache-2.0
"""Wall clocks that lie: an hour ahead or behind, on one node or all, and clocks that jump to and fro many
times a second, under load; and a leader that sleeps for 60 s, with requests waiting in its sockets. No
read is stale, and no election comes of it. A leader whose clock is an hour ahead deletes nothing that is
younger than its limit of age, nor does it when it leads again."""
import json
import threading
import time

from lib.context import expect
from lib.preload import Preload

ID = "40"
TITLE = "clocks an hour off, strobes; leader paused 60 s, then read"
CI_SECONDS = 0
SECONDS = 60
HOUR, SLEEP_S = 3600, 60
LOOKED_S = 13  # a pass over all slots, and its rest of 10 s
YOUNG = (2, "young")
CHANNEL = (2, "clocks")
READERS = 6


class Strobe(threading.Thread):
    """Moves clocks there and back until it is stopped."""

    def __init__(self, preloads):
        super().__init__(daemon=True)
        self.preloads, self.stopping, self.jumps = preloads, threading.Event(), 0
        self.start()

    def run(self):
        while not self.stopping.wait(0.05):
            self.jumps += 1
            for at, preload in enumerate(self.preloads):
                preload.clock(HOUR if (self.jumps + at) % 2 else -HOUR)

    def stop(self):
        self.stopping.set()
        self.join()
        for preload in self.preloads:
            preload.clock(0)
        return self.jumps


def terms(cluster):
    return [max(cluster.slot(node, slot)["term"] for node in cluster.nodes)
            for slot in range(cluster.slot_count)]


def set_age(cluster, channel, age):
    """A limit of age, set through the first node."""
    status, _, body = cluster.nodes[0].get(
        f"/v1/channels/{channel[0]}/{channel[1]}/retention", method="PUT",
        body=json.dumps({"max_age": age}), headers={"Content-Type": "application/json"})
    expect(status == 200, f"setting a limit gives {status} {body[:200]}")


def lying(context, cluster, preloads):
    """One after the other: one node's clock, all clocks, strobes of one and of all."""
    jumps, end = 0, time.monotonic() + context.seconds
    cases = [lambda: [context.random.choice(preloads).clock(context.random.choice([HOUR, -HOUR]))],
             lambda: [p.clock(HOUR) for p in preloads], lambda: [p.clock(-HOUR) for p in preloads],
             lambda: [p.clock(context.random.choice([HOUR, -HOUR, 0])) for p in preloads]]
    rounds = 0
    while rounds < 6 or time.monotonic() < end:
        if rounds % 3 == 2:
            strobe = Strobe(preloads if context.random.random() < 0.5 else preloads[:1])
            time.sleep(3)
            jumps += strobe.stop()
        else:
            cases[rounds % len(cases)]()
            time.sleep(3)
        rounds += 1
    for preload in preloads:
        preload.clock(0)
    return rounds, jumps


def young_stay(context, cluster, preloads, client):
    """A limit of 30 minutes, and a leader an hour ahead, which writes, gives the lead away and gets it
    back: each time for longer than it takes to look at every channel."""
    young = [client.append(cluster.node(1), YOUNG)["seqs"][0] for _ in range(50)]
    slot = client.read(cluster.node(1), YOUNG, limit=1)["slot"]
    set_age(cluster, YOUNG, "30m")
    time.sleep(2)
    for _ in range(2):
        wrong = cluster.leader(slot)
        right = cluster.others(wrong)[0]
        preloads[wrong.id - 1].clock(HOUR)
        young += client.append(wrong, YOUNG)["seqs"]
        for leader in (wrong, right, wrong):
            cluster.order(f"/v1/admin/slots/{slot}/transfer-leader", {"to": leader.id})
            time.sleep(LOOKED_S)
            record = client.read(leader, YOUNG, limit=100)
            shown = [m[0] for m in record["messages"]]
            expect(shown == young, f"of {len(young)} young messages node {leader.id} shows {len(shown)}: "
                   f"{record['deleted']}")
        preloads[wrong.id - 1].clock(0)
        cluster.order(f"/v1/admin/slots/{slot}/transfer-leader", {"to": right.id})
    return len(young)


def long_sleep(context, cluster, clients):
    """As test 'pause', for longer, with the others' clocks an hour ahead meanwhile."""
    slot = clients[0].append(cluster.node(1), CHANNEL)["slot"]
    leader = cluster.leader(slot)
    other = cluster.others(leader)[0]
    for client in clients:
        client.read(leader, CHANNEL)  # a connection that is open when it sleeps
    leader.pause()
    end, sent = time.monotonic() + SLEEP_S, 0
    while time.monotonic() < end:
        sent += clients[-1].append(other, CHANNEL)["status"] == 201
        time.sleep(0.3)
    expect(sent > 10, f"the others took {sent} sends in {SLEEP_S} s")
    readers = [threading.Thread(target=client.read, args=(leader, CHANNEL)) for client in clients[:-1]]
    for reader in readers:
        reader.start()
    time.sleep(0.3)
    leader.resume()
    for reader in readers:
        reader.join(20)
    for client in clients[:-1]:
        client.read(leader, CHANNEL)
    return sent


def run(context):
    cluster = context.cluster(3)
    preloads = [Preload(node) for node in cluster.nodes]
    for node, preload in zip(cluster.nodes, preloads):
        node.start(wrapper=preload.wrapper)
    for node in cluster.nodes:
        node.wait_ready()
    clients = [context.client(cluster, f"reader{i}") for i in range(READERS + 1)]
    young = young_stay(context, cluster, preloads, clients[0])
    context.load(cluster, {"W1": 2, "W2": 3, "W6": 1}, rate=150)
    time.sleep(2)
    before = terms(cluster)
    rounds, jumps = lying(context, cluster, preloads)
    elections = sum(after - earlier for after, earlier in zip(terms(cluster), before))
    sent = long_sleep(context, cluster, clients)
    context.note(f"{rounds} lies, {jumps} jumps, {elections} elections; {sent} sends while a leader slept "
                 f"{SLEEP_S} s; {young} young messages stay")
    context.finish(cluster)
