# SPDX-License-Identifier: Apache-2.0
"""Readers of tails on all nodes, over kill -9, leader changes and deletes: each goes on at another node by
Last-Event-ID, and has seen each message once and in order, or a delete that covers it."""
import json
import random
import time

from lib import checkers
from lib.context import expect, wait_until
from lib.dump import dump
from lib.tail import Tail, judge

ID = "tail"
TITLE = "tails over kill -9, leader changes and deletes, resumed at other nodes"
CI_SECONDS = 6
SECONDS = 60
CHANNELS = 2
READERS = 3


def change_leaders(context, cluster):
    for slot in range(cluster.slot_count):
        to = context.random.choice(cluster.nodes).id
        context.random.choice(cluster.nodes).get(
            f"/v1/admin/slots/{slot}/transfer-leader", timeout=8, method="POST",
            body=json.dumps({"to": to}), headers={"Content-Type": "application/json"})


def is_at_end(tail, client, node):
    """Nothing changes any more: all that the node's own state has was told."""
    record = client.read(node, tail.channel, consistency="linearizable", limit=1)
    last = record["last_seq"] if record["status"] == 200 else None
    deletes = json.loads(node.get(f"/v1/channels/2/{tail.channel[1]}/deletes?limit=10000")[2])["deletes"]
    newest = max((row["log_index"] for row in deletes), default=0)
    seq, index = tail.place()
    return last is not None and seq >= last and index >= newest


def run(context):
    cluster = context.cluster(3).start()
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=250, channels=CHANNELS)
    tails = [Tail(cluster.nodes, channel, random.Random(f"{context.seed}/{channel}/{i}"))
             for channel in load.shared.channels for i in range(READERS)]
    for tail in tails:
        tail.start()
    end, kills = time.monotonic() + context.seconds, 0
    while kills == 0 or time.monotonic() < end:
        time.sleep(context.random.uniform(0.5, 1.5))
        victim = context.random.choice(cluster.nodes)
        victim.kill()
        kills += 1
        time.sleep(context.random.uniform(0, 1))
        victim.start().wait_ready()
        change_leaders(context, cluster)
    load.stop()
    client = context.client(cluster)
    for tail in tails:
        wait_until(lambda tail=tail: tail.problem or is_at_end(tail, client, cluster.nodes[0]), 20,
                   f"a reader of {tail.channel} comes to the end")
    client.close()
    for tail in tails:
        tail.stopping.set()
        tail.join(10)
        if tail.problem is not None:
            raise tail.problem
    streams = sum(tail.streams for tail in tails)
    context.note(f"{kills} kills, {streams} streams of {len(tails)} readers, "
                 f"{sum(len(tail.events) for tail in tails)} events")
    expect({node for tail in tails for node in tail.asked} == {1, 2, 3}, "a node was never asked")
    expect(streams > len(tails), "no reader had to go on elsewhere")
    context.finish(cluster)
    witness = checkers.witness([dump(node) for node in cluster.nodes])
    for tail in tails:
        faults = judge(tail, witness.get(tail.channel, []))
        expect(not faults, f"a reader of {tail.channel}, {len(faults)} faults:\n  " + "\n  ".join(faults[:12]))
