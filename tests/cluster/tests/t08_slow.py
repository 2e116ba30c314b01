# SPDX-License-Identifier: Apache-2.0
"""Syncs that take 300 ms: writes wait, reads do not, nothing is lost; and a disk that hangs for good
ends the process, which a supervisor can see, instead of a node that neither works nor dies."""
import http.client
import time

from lib import faults
from lib.context import expect

ID = "35"
TITLE = "slow disk, hanging disk, one node"
CI_SECONDS = 0
SECONDS = 30
ABORT_AFTER_S = 30


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def answers(node):
    try:
        return node.get("/livez", timeout=3)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def run(context):
    cluster, node = context.single()
    node.start().wait_ready()
    context.load(cluster, {"W1": 4, "W2": 4}, rate=200)
    time.sleep(1)
    slow = faults.Strace(node, "fdatasync,fsync:delay_enter=300000")
    context.undo.append(slow.close)
    begun = len(context.history.records)
    time.sleep(context.seconds)
    slow.close()
    records = context.history.records[begun:]
    writes = [r["end"] - r["start"] for r in records if r["op"] != "read" and r["status"]]
    reads = [r["end"] - r["start"] for r in records if r["op"] == "read" and r["status"] == 200
             and r["args"]["consistency"] == "local" and r["args"]["min_index"] is None]
    expect(writes and reads, "no call was answered while the disk was slow")
    context.note(f"p99 of writes {percentile(writes, .99):.2f} s, of local reads "
                 f"{percentile(reads, .99):.2f} s")
    expect(percentile(writes, .99) < 3, "writes wait longer than a few syncs")
    expect(percentile(reads, .99) < 1, "local reads wait for the disk")

    hang = faults.Strace(node, "fdatasync,fsync:delay_enter=60000000")
    context.undo.append(hang.close)
    begun = time.monotonic()
    # The tracer holds the ended process back: that nobody answers any more is what shows the end.
    while answers(node) and time.monotonic() - begun < ABORT_AFTER_S + 25:
        time.sleep(0.5)
    spent, is_over = time.monotonic() - begun, not answers(node)
    hang.close()
    expect(is_over, f"a node whose disk hangs goes on after {spent:.0f} s")
    expect(node.wait_end(10) == 70, f"ended with {node.process.returncode}")
    context.note(f"ended after {spent:.0f} s of a hanging sync")
    node.start().wait_ready()
    context.finish(cluster)
