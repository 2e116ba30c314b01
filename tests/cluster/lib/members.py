# SPDX-License-Identifier: Apache-2.0
"""Nodes that join and leave a running cluster."""
import copy
import http.client
import json
import os
import time

from .context import expect, wait_until
from .daemon import Node, free_port


def ask(node, method, path, body=None, expect_status=None):
    """(status, document) of an operator's request."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    status, _, text = node.get(path, method=method, timeout=10, headers=headers,
                               body=None if body is None else json.dumps(body))
    document = json.loads(text)
    expect(expect_status is None or status == expect_status, f"{method} {path}: {status} {document}")
    return status, document


def make_joiner(context, cluster, node_id):
    """A node with an empty folder that shall join; not started, not in cluster.nodes yet."""
    port = cluster.spare_ports.get(node_id) or free_port()
    proxy = cluster.proxy
    founders = [f"{i}@127.0.0.1:{proxy.ports[node_id, i] if proxy else founder}"
                for i, founder in cluster.founder_ports.items()]
    own = copy.deepcopy({key: value for key, value in cluster.settings.items()
                         if key not in ("node", "http", "storage")})
    own["cluster"].update(listen=f"127.0.0.1:{port}", join="true",
                          members=founders + [f"{node_id}@127.0.0.1:{port}"])
    folder = f"c{context.clusters.index(cluster)}-joiner{node_id}"
    node = Node(os.path.join(context.directory, folder), node_id, own)
    node.peer_address = f"127.0.0.1:{proxy.ports[0, node_id] if proxy else port}"
    return node


def is_ready(node):
    try:
        return node.get("/readyz", timeout=2)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def add(context, cluster, node, **more):
    """Starts it and adds it, by any other node that serves: one just added may not yet."""
    body = {"id": node.id, "address": node.peer_address, **more}
    others = [other for other in cluster.nodes if is_ready(other)]
    expect(others, "no node is ready to add another")
    node.start()
    plan = None

    def is_taken():  # it is asked who it is: its listener must be there; 503: the table is being written, try again
        nonlocal plan
        status, plan = ask(context.random.choice(others), "POST", "/v1/admin/nodes", body)
        expect(status in (202, 503) or "no node answers" in plan["detail"], f"{status} {plan}")
        return status == 202

    wait_until(is_taken, 20, f"node {node.id} is added", pause=0.2)
    cluster.nodes.append(node)
    return plan


def placement(node):
    try:
        status, document = ask(node, "GET", "/v1/admin/placement")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return document if status == 200 else None


def is_done(node):
    document = placement(node)
    return document is not None and document["done"] and \
        all(item["state"] != "leaving" for item in document["nodes"])


def wait_done(nodes, timeout=90):
    """Waits until the change is through, as the first of nodes that answers says."""
    return wait_until(lambda: any(is_done(node) for node in nodes if node.is_running()), timeout,
                      f"the change is through; now {[placement(n) for n in nodes[:1]]}", pause=0.3)


def remove(cluster, node, by):
    def is_taken():
        status, document = ask(by, "DELETE", f"/v1/admin/nodes/{node.id}")
        expect(status in (202, 503) or "under way" in document["detail"], f"{status} {document}")
        return status == 202

    wait_until(is_taken, 30, f"node {node.id} may leave", pause=0.5)
    cluster.nodes.remove(node)


# What an order is told that was carried out before, when its first answer was lost.
MADE_ALREADY = ("is a member already", "is leaving already", "there is no node", "draining")


def insist(context, cluster, method, path, body=None, timeout=60):
    """An operator's order that is given again, at another node, while it is refused because something
    else is under way or somebody is out of reach; its answer."""
    answers = []

    def is_taken():
        node = context.random.choice([n for n in cluster.nodes if n.is_running()])
        try:
            answers.append(ask(node, method, path, body))
        except (OSError, http.client.HTTPException, ValueError) as problem:
            answers.append((None, {"detail": repr(problem)}))
        status, document = answers[-1]
        is_made = any(words in document.get("detail", "") for words in MADE_ALREADY)
        expect(status in (None, 202, 409, 503, 504) or is_made, f"{method} {path}: {status} {document}")
        return status == 202 or is_made

    begun = time.monotonic()
    while not is_taken():
        expect(time.monotonic() - begun < timeout, f"{method} {path} is not taken: {answers[-1]}")
        time.sleep(0.4)
    return answers[-1][1]


def wait_shares(cluster, replicas, timeout=60):
    """Each node has its share of the slots, and of the leaders, within one; waits for the latter: they
    are evened out at leisure."""
    document = placement(next(node for node in cluster.nodes if node.is_running()))
    expect(document is not None, "no node tells the placement")
    slots = [item["slots_after"] for item in document["nodes"]]
    expect(len(slots) == len(cluster.nodes) and max(slots) - min(slots) <= 1 and
           sum(slots) == replicas * cluster.slot_count, f"slots of the nodes: {slots}")

    def leads():
        counts = {node.id: 0 for node in cluster.nodes}
        for slot in range(cluster.slot_count):
            state = cluster.slot(cluster.nodes[0], slot, local=False)
            if state is None or state["leader"] not in counts:
                return None
            counts[state["leader"]] += 1
        return counts

    def is_even():
        counts = leads()
        return counts is not None and max(counts.values()) - min(counts.values()) <= 1
    return wait_until(is_even, timeout, f"leaders are spread: {leads()}", pause=0.5)
