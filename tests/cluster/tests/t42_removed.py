# SPDX-License-Identifier: Apache-2.0
"""A node that was removed while it was down comes back with all that it had, deleted messages too: it is
let in by nobody, answers 503, disturbs no leader; and its id is never taken again. A new node under a
new id takes its place."""
import http.client
import time

from lib.context import expect, wait_until
from lib.members import add, ask, make_joiner, remove, wait_done

ID = "11"
TITLE = "removed member returns"
CI_SECONDS = 0
SECONDS = 20


def code_of(node):
    try:
        status, document = ask(node, "GET", "/v1/channels/2/others/messages?consistency=local")
    except (OSError, http.client.HTTPException):
        return None
    return status, document.get("code")


def run(context):
    cluster = context.cluster(3).start()
    client = context.client(cluster)
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=150)
    time.sleep(context.seconds / 3)
    third = cluster.node(3)
    third.kill()
    load.nodes = cluster.nodes[:2]
    # Nothing may be taken from a cluster that could not do without it.
    wait_until(lambda: ask(cluster.node(1), "DELETE", "/v1/admin/nodes/2?dry_run=1")[0] == 409, 10,
               "the second of two that are up may not be removed")
    remove(cluster, third, cluster.node(1))
    wait_done(cluster.nodes)
    terms = {slot: cluster.slot(cluster.node(1), slot)["term"] for slot in range(cluster.slot_count)}
    third.start()
    wait_until(lambda: code_of(third) == (503, "node_removed"), 20,
               "the removed node answers 503 node_removed")
    time.sleep(context.seconds / 3)
    expect(third.get("/readyz")[0] == 503, "the removed node is ready")
    expect(client.append(third, (2, "others"))["status"] == 503, "the removed node takes a send")
    for slot, term in terms.items():
        expect(cluster.slot(cluster.node(1), slot)["term"] == term, f"slot {slot} had an election")
    third.kill()
    third.start()  # it knows by itself now
    wait_until(lambda: code_of(third) is not None, 10, "it answers")
    expect(code_of(third) == (503, "node_removed"), "after another start it serves again")
    third.kill()
    status, document = ask(cluster.node(1), "POST", "/v1/admin/nodes",
                           {"id": 3, "address": "127.0.0.1:1"})
    expect(status == 409 and "never used again" in document["detail"], f"{status} {document}")
    add(context, cluster, make_joiner(context, cluster, 4))
    wait_done(cluster.nodes)
    load.nodes = list(cluster.nodes)
    time.sleep(1)
    context.finish(cluster)
