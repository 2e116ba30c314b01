# SPDX-License-Identifier: Apache-2.0
"""Networks that fall apart: each node alone in turn, one-way cuts on each link, a link cut both ways
between two nodes that both reach the third. A majority goes on, terms stay calm, and what the
minority refuses was not applied."""
import itertools
import time

from lib.context import expect, wait_until

ID = "37"
TITLE = "partitions and one-way cuts, three nodes"
CI_SECONDS = 0
SECONDS = 180
ELECTIONS_BOUND_S = 10
CHANNEL = (2, "partition")


def terms(cluster):
    return {slot: max(s["term"] for s in (cluster.slot(n, slot) for n in cluster.nodes) if s)
            for slot in range(cluster.slot_count)}


def writes_within(cluster, client, nodes, text):
    """Every node of the majority takes a send for every slot within three election times."""
    slowest = 0.0
    for node in nodes:
        for i in range(4):
            slowest = max(slowest, wait_until(
                lambda n=node, c=(2, f"partition-{i}"): client.append(n, c)["status"] == 201,
                ELECTIONS_BOUND_S, f"{text}: node {node.id} takes sends"))
    return slowest


def alone(context, cluster, client, node):
    rest = cluster.others(node)
    cluster.proxy.split([node.id], [other.id for other in rest])
    slowest = writes_within(cluster, client, rest, f"node {node.id} alone")
    lonely = context.client(cluster, f"lonely{node.id}")
    local = lonely.read(node, CHANNEL, consistency="local")
    expect(local["status"] == 200, f"alone, a local read gives {local['status']}")
    read = lonely.read(node, CHANNEL)
    expect(read["status"] == 503, f"alone, a linearizable read gives {read['status']}")
    sent = lonely.append(node, CHANNEL)
    expect(sent["status"] in (503, 504), f"alone, a send gives {sent['status']}")
    lonely.close()
    cluster.proxy.heal()
    return slowest


def one_way(cluster, client, a, b):
    before = terms(cluster)
    cluster.proxy.fault(a, b, cut=True)
    time.sleep(2.5)
    # a's calls to a leader b, and b's answers from a leader a, are lost too: the third node works.
    third = [node for node in cluster.nodes if node.id not in (a, b)]
    slowest = writes_within(cluster, client, third, f"cut {a} to {b}")
    cluster.proxy.heal()
    after = terms(cluster)
    worst = max(after[slot] - before[slot] for slot in after)
    expect(worst <= 3, f"cut {a} to {b}: a term rose by {worst}")
    return slowest


def run(context):
    cluster = context.cluster(3, proxied=True).start()
    client = context.client(cluster)
    context.load(cluster, {"W1": 2, "W2": 3}, rate=150)
    faults = [("alone", node) for node in cluster.nodes]
    faults += [("one way", pair) for pair in itertools.permutations((1, 2, 3), 2)]
    context.random.shuffle(faults)
    end, slowest, done = time.monotonic() + context.seconds, 0.0, 0
    for kind, what in itertools.cycle(faults):
        if kind == "alone":
            slowest = max(slowest, alone(context, cluster, client, what))
        else:
            slowest = max(slowest, one_way(cluster, client, *what))
        done += 1
        writes_within(cluster, client, cluster.nodes, "after healing")
        if time.monotonic() > end:
            break
    context.note(f"{done} cuts, sends again after {slowest:.1f} s at most")
    context.finish(cluster)
