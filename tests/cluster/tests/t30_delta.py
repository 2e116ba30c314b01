# SPDX-License-Identifier: Apache-2.0
"""Lethe's first case with a short log: messages 100 to 200 are deleted while node 3 is down, and the
log that says so is compacted before it returns. It catches up without a full copy, and never shows
them again."""
import time

from lib.context import expect, wait_until

ID = "2"
TITLE = "delete 100-200 while a node is down, log compacted: delta, no full copy"
CI_SECONDS = 10
SECONDS = 12
CHANNEL = (2, "second-case")
SNAP = {"raft_log_retention": {"keep_applied_logs": 50, "keep_hours": 0, "min_keep_logs": 50}}


def first_index(cluster, node, slot):
    state = cluster.slot(node, slot)
    return state["first_index"] if state else 0


def fill(client, cluster):
    """Much that stays as it is: a delta pays only when little has changed beside it."""
    for number in range(8):
        for i in range(12):
            sent = client.batch(cluster.nodes[i % 3], (2, f"bulk-{number}"), 100, True)
            expect(sent["status"] in (200, 201), f"a batch gives {sent['status']} {sent['code']}")
    for i in range(25):
        slot = client.batch(cluster.nodes[i % 3], CHANNEL, 10, True)["slot"]
    return slot


def run(context):
    cluster = context.cluster(3, settings={"cluster": SNAP}).start()
    client, third = context.client(cluster), cluster.node(3)
    slot = fill(client, cluster)
    cluster.settle()
    before = cluster.slot(third, slot)["applied_index"]
    third.kill()
    wait_until(lambda: client.append(cluster.node(1), CHANNEL)["status"] == 201, 15,
               "sends with two of three nodes")
    gone = client.delete(cluster.node(2), CHANNEL, {"start_seq": 100, "end_seq": 200}, "the case")
    expect(gone["status"] == 200 and gone["deleted_count"] == 101, f"the delete gives {gone}")

    def compacted():
        client.append(cluster.node(1), CHANNEL)
        return min(first_index(cluster, n, slot) for n in cluster.nodes[:2]) > \
            max(before, gone["log_index"])
    wait_until(compacted, 60, "the log with the delete is compacted", pause=0.01)
    context.load(cluster, {"W1": 2, "W2": 2}, rate=100)
    time.sleep(context.seconds / 8)
    third.start().wait_ready(40)
    reads = []

    def reads_there():  # while it installs it refuses, which is honest
        reads.append(client.read(third, CHANNEL, 90, 210, 200, consistency="local",
                                 min_index=gone["log_index"]))
        return reads[-1]["status"] == 200
    spent = wait_until(reads_there, 20, "node 3 reads at the delete's index")
    mine = reads[-1]
    shown = [m[0] for m in mine["messages"]]
    expect(not [seq for seq in shown if 100 <= seq <= 200], f"node 3 shows deleted ones: {shown}")
    time.sleep(context.seconds / 4)
    full = cluster.metric(third, "replica_full_sync_total")
    expect(full == 0, f"{full:.0f} full copies were made")
    text = "".join(node.log_text() for node in cluster.nodes)
    expect("mode=delta" in text, "no catch-up by delta was made")
    context.note(f"it reads {spent:.1f} s after it is ready, {text.count('catch-up started')} "
                 "catch-ups started")
    context.finish(cluster)
