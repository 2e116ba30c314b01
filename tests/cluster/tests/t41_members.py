# SPDX-License-Identifier: Apache-2.0
"""Three nodes become five and three again, other ones, under load with deletes while nodes are killed:
each slot stays on three nodes, evenly; nothing is lost, nothing that was deleted returns."""
import time

from lib.context import expect
from lib.members import add, make_joiner, placement, remove, wait_done

ID = "41"
TITLE = "3 -> 5 -> 3 nodes under load and kills"
CI_SECONDS = 20
SECONDS = 90


def kill_one(context, cluster, nodes):
    victim = context.random.choice(nodes)
    victim.kill()
    time.sleep(context.random.uniform(0.2, 1.5))
    victim.start().wait_ready(30)


def expect_even(cluster, count):
    document = placement(cluster.nodes[0])
    slots = [item["slots_after"] for item in document["nodes"]]
    expect(len(slots) == count and max(slots) - min(slots) <= 1, f"slots of the nodes: {slots}")
    expect(sum(slots) == 3 * cluster.slot_count, f"slots of the nodes: {slots}")


def run(context):
    cluster = context.cluster(3, slot_count=8, settings={"cluster": {"raft_log_retention": {
        "keep_applied_logs": 50, "min_keep_logs": 50, "keep_hours": 0}}}).start()
    load = context.load(cluster, {"W1": 2, "W2": 3, "W6": 1}, rate=150)
    time.sleep(context.seconds / 8)
    joiners = [make_joiner(context, cluster, 4), make_joiner(context, cluster, 5)]
    for node in joiners:
        add(context, cluster, node)
    kill_one(context, cluster, cluster.nodes[:3])
    kill_one(context, cluster, joiners)
    spent = wait_done(cluster.nodes)
    context.note(f"3 -> 5 through {spent:.1f} s after the kills")
    expect_even(cluster, 5)
    load.nodes = list(cluster.nodes)
    time.sleep(context.seconds / 8)
    for node in cluster.nodes[:2]:
        load.nodes = [other for other in load.nodes if other is not node]
        remove(cluster, node, cluster.nodes[-1])
        kill_one(context, cluster, cluster.nodes)
        spent = wait_done(cluster.nodes)
        context.note(f"node {node.id} left {spent:.1f} s after a kill")
        expect(node.get("/readyz")[0] == 503, f"node {node.id} is ready although it was removed")
        node.stop()
    expect_even(cluster, 3)
    time.sleep(context.seconds / 8)
    context.finish(cluster)
