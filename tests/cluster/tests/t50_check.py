# SPDX-License-Identifier: Apache-2.0
"""A consistency check of three real nodes, asked of any of them, under load: all replicas are equal.
With one node down the slots are unchecked and say who and why; back again they are equal."""
import json
import time

from lib.context import expect, wait_until

ID = "check"
TITLE = "checks from stored bytes: equal under load, a node that is down is unchecked"
CI_SECONDS = 6
SECONDS = 15


def ask(node, method, path, body=None):
    status, headers, reply = node.get(path, 10, method, body, {"Content-Type": "application/json"})
    return status, json.loads(reply or b"null"), headers.get("Location")


def run_check(node):
    """The check's items by slot, once its job has ended."""
    status, reply, path = ask(node, "POST", "/v1/admin/checks", "{}")
    expect(status == 202 and path, f"a check is answered with {status} {reply}")
    jobs = []

    def ended():
        jobs.append(ask(node, "GET", path)[1])
        return jobs[-1]["state"] not in ("queued", "running")
    wait_until(ended, 60, f"{path} of node {node.id} ends")
    job = jobs[-1]
    expect(job["state"] == "done" and job["progress"] == 1, f"it ended as {job}")
    return {item["slot"]: item for item in job["items"]}


def run(context):
    cluster = context.cluster(3).start()
    context.load(cluster, {"W1": 2, "W2": 2}, rate=200)
    time.sleep(context.seconds / 5)
    for node in cluster.nodes:
        items = run_check(node)
        expect(sorted(items) == list(range(cluster.slot_count)), f"slots {sorted(items)}")
        for slot, item in items.items():
            expect(item["result"] == "ok" and len(item["nodes"]) == 3, f"slot {slot}: {item}")
    third = cluster.node(3)
    third.kill()
    time.sleep(3)  # the others notice, and lead its slots
    for slot, item in run_check(cluster.node(1)).items():
        away = [one for one in item["nodes"] if one["node"] == 3]
        expect(item["result"] == "unchecked" and away and away[0]["result"] == "unchecked"
               and away[0]["reason"], f"with node 3 down, slot {slot}: {item}")
        expect(all(one["result"] == "ok" for one in item["nodes"] if one["node"] != 3),
               f"with node 3 down, slot {slot}: {item}")
    third.start().wait_ready()

    def equal_again():
        return all(item["result"] == "ok" for item in run_check(third).values())
    wait_until(equal_again, 60, "all replicas are equal with node 3 back", pause=0.5)
    checked = sum(cluster.metric(node, "checks_ok_total") for node in cluster.nodes)
    context.note(f"{checked:.0f} slots found equal")
    context.finish(cluster)
