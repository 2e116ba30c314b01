# SPDX-License-Identifier: Apache-2.0
"""Without any fault: every reply is the model's, and the metrics count what the driver counted."""
import time

from lib.context import expect

ID = "load"
TITLE = "one node, all workloads, no fault"
CI_SECONDS = 0
SECONDS = 60


def check_metrics(context, cluster, loads):
    """Deletes that got an entry, on every node; what every node applied is the same."""
    for load in loads:
        load.stop()
    cluster.settle()
    deletes = len({(r["slot"], r["log_index"]) for r in context.history.records
                   if r["op"] == "delete" and r.get("delete_id")})
    for node in cluster.nodes:
        counted = cluster.metric(node, "message_delete_total")
        expect(counted == deletes, f"node {node.id} counts {counted:.0f} deletes, clients {deletes}")
        expect(cluster.metric(node, "replica_full_sync_total") == 0, "a full sync without a reason")


def check_answers(context):
    """Nothing is lost or unknown without a fault. A leadership that moves to even them out may
    refuse a few calls for a moment."""
    records = context.history.records
    lost = [r for r in records if r["status"] in (504, None)]
    expect(not lost, f"{len(lost)} calls had no good answer without a fault, as {lost[:1]}")
    refused = [r for r in records if r["status"] == 503]
    expect(len(refused) <= len(records) / 100, f"{len(refused)} of {len(records)} calls were refused "
           f"without a fault, as {refused[:1]}")


def run(context):
    cluster, node = context.single()
    node.start().wait_ready()
    loads = [context.load(cluster, {"W1": 2, "W2": 3}, rate=350),
             context.load(cluster, {"W6": 2, "W7": 1}, rate=100, channels=4)]
    time.sleep(context.seconds)
    check_metrics(context, cluster, loads)
    check_answers(context)
    context.finish(cluster)
