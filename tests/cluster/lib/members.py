# SPDX-License-Identifier: Apache-2.0
"""Nodes that join and leave a running cluster."""
import copy
import http.client
import json
import os

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
    port = free_port()
    own = copy.deepcopy({key: value for key, value in cluster.nodes[0].settings.items()
                         if key not in ("node", "http", "storage")})
    members = [m for m in own["cluster"]["members"]] + [f"{node_id}@127.0.0.1:{port}"]
    own["cluster"].update(listen=f"127.0.0.1:{port}", members=members, join="true")
    node = Node(os.path.join(context.directory, f"joiner{node_id}"), node_id, own)
    node.peer_address = f"127.0.0.1:{port}"
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
    _, plan = ask(context.random.choice(others), "POST", "/v1/admin/nodes", body, 202)
    cluster.nodes.append(node)
    node.start()
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
