# SPDX-License-Identifier: Apache-2.0
"""Orders about nodes that make no sense, or come at the wrong time, are refused with what to do instead, and
change nothing: ids and addresses that are taken, nodes that nobody knows, a second change while one runs,
a removal that would cost a quorum, and nodes of another cluster or with other slots that try to join."""
import time

from lib.context import expect, wait_until
from lib.members import add, ask, insist, is_ready, make_joiner, placement, wait_done

ID = "refused"
TITLE = "orders about nodes that make no sense change nothing"
CI_SECONDS = 0
SECONDS = 10
SLOW = {"cluster": {"catchup_bytes_per_second": "64KiB"}}


def refuse(node, method, path, body, statuses, words):
    status, document = ask(node, method, path, body)
    text = document.get("detail", "")
    expect(status in statuses and all(word in text for word in words),
           f"{method} {path} {body}: {status} {document}, not {statuses} with {words}")


def foreign(context, cluster, node_id, **own):
    """A node that says it belongs here, and does not."""
    node = make_joiner(context, cluster, node_id)
    node.settings["cluster"].update(own)
    node.write_config()
    node.start()
    return node


def senseless(cluster):
    first = cluster.nodes[0]
    taken = cluster.nodes[1].settings["cluster"]["listen"]
    one = {"id": 9, "address": "127.0.0.1:1"}
    refuse(first, "POST", "/v1/admin/nodes", dict(one, id=2), (409,), ["node 2 is a member already"])
    refuse(first, "POST", "/v1/admin/nodes", dict(one, address=taken), (409,), ["address"])
    refuse(first, "POST", "/v1/admin/nodes", dict(one, id=0), (400, 422), [])
    refuse(first, "POST", "/v1/admin/nodes", dict(one, id=70000), (400, 422), [])
    refuse(first, "POST", "/v1/admin/nodes", dict(one, address="nowhere"), (400, 422), ["address"])
    refuse(first, "POST", "/v1/admin/nodes", dict(one, replaces=9), (400, 422), [])
    refuse(first, "POST", "/v1/admin/nodes", dict(one, replaces=8), (404, 409, 422), ["8"])
    refuse(first, "DELETE", "/v1/admin/nodes/8", None, (404,), ["no node 8"])
    refuse(first, "POST", "/v1/admin/nodes/8:drain", {}, (404,), ["no node 8"])
    refuse(first, "POST", "/v1/admin/nodes/2:undrain", {}, (409,), ["node 2"])
    refuse(first, "POST", "/v1/admin/nodes/2:promote", {}, (409,), ["no learner"])


def without_quorum(cluster):
    """With node 3 down neither of the others can be spared."""
    third = cluster.node(3)
    third.kill()
    wait_until(lambda: ask(cluster.nodes[0], "DELETE", "/v1/admin/nodes/2?dry_run=1")[0] == 409, 20,
               "that node 3 is down is known")
    refuse(cluster.nodes[0], "DELETE", "/v1/admin/nodes/2", None, (409,), ["replicas up"])
    third.start().wait_ready()


def run(context):
    cluster = context.cluster(3, settings=SLOW).start()
    client = context.client(cluster)
    context.load(cluster, {"W1": 1, "W2": 2}, rate=80)
    for i in range(60):  # so much that a change takes a while at 64 KiB/s
        client.batch(cluster.nodes[i % 3], (2, f"bulk-{i % 8}"), 60, True)
    wait_until(lambda: (placement(cluster.nodes[0]) or {}).get("revision"), 20, "the table is written")
    begun = placement(cluster.nodes[0])
    senseless(cluster)
    without_quorum(cluster)
    others = [foreign(context, cluster, 7, id="another"),
              foreign(context, cluster, 8, slot_count=cluster.slot_count * 2)]
    time.sleep(context.seconds / 3)
    for node in others:
        expect(not is_ready(node), f"node {node.id} is ready, and belongs elsewhere")
        expect(not node.is_running() or "refuse" in node.log_text(1), f"node {node.id} is not told why")
        node.kill()
    wait_until(lambda: placement(cluster.nodes[0]) is not None, 20, "the placement is told")
    now = placement(cluster.nodes[0])
    expect((now["revision"], now["nodes"]) == (begun["revision"], begun["nodes"]),
           f"something was changed: {begun} {now}")
    add(context, cluster, make_joiner(context, cluster, 4))
    refuse(cluster.nodes[0], "DELETE", "/v1/admin/nodes/2", None, (409,), ["under way"])
    refuse(cluster.nodes[0], "POST", "/v1/admin/nodes/2:drain", {}, (409,), ["under way"])
    wait_done(cluster.nodes)
    insist(context, cluster, "DELETE", "/v1/admin/nodes/4")
    leaver = cluster.nodes.pop()
    wait_done(cluster.nodes)
    leaver.kill()
    refuse(cluster.nodes[0], "POST", "/v1/admin/nodes", {"id": 4, "address": "127.0.0.1:1"}, (409,),
           ["never used again"])
    context.finish(cluster)
