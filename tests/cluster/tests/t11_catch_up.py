# SPDX-License-Identifier: Apache-2.0
"""Lethe's first case with the log kept: messages 100 to 200 are deleted while node 3 is down; it
returns, catches up by log while it serves, and never shows them again."""
import json
import time

from lib.context import expect, wait_until

ID = "1"
TITLE = "delete 100-200 while a node is down: catches up by log"
CI_SECONDS = 10
SECONDS = 30
CHANNEL = (2, "first-case")


def run(context):
    cluster = context.cluster(3).start()
    client, third = context.client(cluster), cluster.node(3)
    for i in range(25):
        expect(client.batch(cluster.nodes[i % 3], CHANNEL, 10, True)["status"] in (200, 201),
               "a batch fails")
    context.load(cluster, {"W1": 2, "W2": 3}, rate=250)
    time.sleep(1)
    third.kill()
    wait_until(lambda: client.append(cluster.node(1), CHANNEL)["status"] == 201, 15,
               "sends with two of three nodes")
    gone = client.delete(cluster.node(2), CHANNEL, {"start_seq": 100, "end_seq": 200}, "the case")
    expect(gone["status"] == 200 and gone["deleted_count"] == 101, f"the delete gives {gone}")
    time.sleep(context.seconds / 2)
    third.start().wait_ready()
    mine = client.read(third, CHANNEL, 90, 210, 200, consistency="local",
                       min_index=gone["log_index"])
    expect(mine["status"] == 200, f"node 3 does not read at the delete's index: {mine['code']}")
    shown = [m[0] for m in mine["messages"]]
    expect(not [seq for seq in shown if 100 <= seq <= 200], f"node 3 shows deleted ones: {shown}")
    spent = wait_until(lambda: applied_everywhere(cluster, gone["delete_id"]), 30,
                       "the delete counts as applied everywhere")
    time.sleep(context.seconds / 4)
    expect(cluster.metric(third, "replica_full_sync_total") == 0, "a full copy was made")
    context.note(f"applied everywhere {spent:.1f} s after the return")
    context.finish(cluster)


def applied_everywhere(cluster, delete_id):
    _, _, body = cluster.node(1).get(f"/v1/deletes/{delete_id}")
    return json.loads(body).get("applied_everywhere") is True
