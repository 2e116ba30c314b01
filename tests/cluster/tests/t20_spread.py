# SPDX-License-Identifier: Apache-2.0
"""Leaders spread evenly over the nodes after a start, and again after a node was away."""
import json
import time

from lib.context import expect, wait_until

ID = "spread"
TITLE = "leaders spread evenly after start and after a return"
CI_SECONDS = 0
SECONDS = 10
SLOTS = 12


def leaders(node):
    """{node: slots it leads}, as this node sees it."""
    counts = {}
    for slot in json.loads(node.get("/v1/slots")[2])["slots"]:
        counts[slot["leader"]] = counts.get(slot["leader"], 0) + 1
    return counts


def is_even(cluster):
    counts = leaders(cluster.node(1))
    return all(abs(counts.get(node.id, 0) - SLOTS / len(cluster.nodes)) <= 1
               for node in cluster.nodes)


def run(context):
    cluster = context.cluster(3, slot_count=SLOTS).start()
    first = wait_until(lambda: is_even(cluster), 40, "leaders are spread after the start")
    context.load(cluster, {"W1": 2, "W2": 2}, rate=150)
    away = context.random.choice(cluster.nodes[1:])
    away.kill()
    spent = wait_until(lambda: sum(n for i, n in leaders(cluster.node(1)).items()
                                   if i not in (0, away.id)) == SLOTS, 15,
                       "the others lead all slots")
    time.sleep(context.seconds / 4)
    away.start().wait_ready()
    again = wait_until(lambda: is_even(cluster), 60, "leaders are spread after the return")
    expect(cluster.node(1).is_running(), "node 1 has ended")
    context.note(f"even after {first:.1f} s, taken over after {spent:.1f} s, even again after "
                 f"{again:.1f} s")
    context.finish(cluster)
