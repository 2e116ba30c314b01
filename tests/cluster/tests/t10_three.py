# SPDX-License-Identifier: Apache-2.0
"""Three nodes in any order: every node answers, nothing fails without a fault, and the replicas and
their metrics are the same."""
import json
import time

from lib.context import expect, wait_until
from .t02_load import check_answers, check_metrics

ID = "three"
TITLE = "three nodes come up in any order, all workloads, no fault"
CI_SECONDS = 8
SECONDS = 60


def check_views(cluster):
    """Each node sees all nodes up and a leader for every slot."""
    for node in cluster.nodes:
        view = json.loads(node.get("/v1/cluster")[2])
        expect(view["slots"] == {"total": cluster.slot_count, "with_leader": cluster.slot_count,
                                 "degraded": 0}, f"node {node.id} sees slots {view['slots']}")
        states = {n["id"]: n["state"] for n in view["nodes"]}
        expect(states == {n.id: "up" for n in cluster.nodes}, f"node {node.id} sees {states}")
        expect({n["id"]: n["http_address"] for n in view["nodes"]} ==
               {n.id: f"127.0.0.1:{n.port}" for n in cluster.nodes},
               f"node {node.id} does not know the addresses: {view['nodes']}")


def check_redirect(cluster):
    """?redirect=1 names the leader for a slot that another node leads."""
    for node in cluster.nodes:
        status, headers, _ = node.get("/v1/channels/2/redirect/messages?redirect=1")
        if status == 307:
            port = int(headers["Location"].split("/")[2].split(":")[1])
            expect(port in {n.port for n in cluster.others(node)}, f"redirects to {port}")
            return
        expect(status == 200, f"redirect=1 gives {status}")
    expect(False, "no node redirects: all of them lead one slot")


def run(context):
    cluster = context.cluster(3)
    order = list(cluster.nodes)
    context.random.shuffle(order)
    for node in order:
        node.start()
        time.sleep(context.random.uniform(0, 0.6))
    for node in order:
        node.wait_ready()
    cluster.settle()
    wait_until(lambda: try_views(cluster), 10, "every node sees all others up")
    check_views(cluster)
    check_redirect(cluster)
    loads = [context.load(cluster, {"W1": 2, "W2": 4}, rate=300),
             context.load(cluster, {"W6": 2, "W7": 1}, rate=80, channels=4)]
    time.sleep(context.seconds)
    check_metrics(context, cluster, loads)
    check_answers(context)
    context.finish(cluster)


def try_views(cluster):
    try:
        check_views(cluster)
        return True
    except Exception:  # pylint: disable=broad-except
        return False
