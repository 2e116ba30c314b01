# SPDX-License-Identifier: Apache-2.0
"""A rolling restart under load, as an operator does it: no request fails but with a 503 (or a refused
connection) that a retry mends; what was in flight at the node is answered."""
import time

from lib.context import expect, wait_until
from lib import history as hist

ID = "rolling"
TITLE = "rolling restart under load: nothing fails that a retry does not mend"
CI_SECONDS = 10
SECONDS = 60


def retry_all(context, cluster, client):
    """Every send that was refused or lost is sent again, and then it is there."""
    fates = {}
    for record in list(context.history.records):
        if record["op"] != "append" or record["args"].get("expected") is not None:
            continue
        results = record.get("results") or [{"status": record["status"]}]
        for i, item in enumerate(record["args"]["items"]):
            key = (tuple(record["channel"]), *item)
            fate = hist.outcome(results[min(i, len(results) - 1)]["status"], record["code"])
            fates[key] = fates.get(key, False) or fate == "done"
    failed = [key for key, is_done in fates.items() if not is_done]
    for channel, sender, number in failed:
        wait_until(lambda c=channel, s=sender, n=number: client.append(
            context.random.choice(cluster.nodes), c, n, s)["status"] in (200, 201), 10,
            f"a retry mends {number}")
    return len(failed)


def restart(cluster, node, history):
    """Waits until all others can do without it, then stops and starts it."""
    wait_until(lambda: node.get("/readyz?maintenance=1")[0] == 200, 30,
               f"node {node.id} may be stopped")
    asked = hist.now()
    code = node.stop()
    spent = hist.now() - asked
    expect(code == 0, f"node {node.id} ended with {code}")
    open_then = hist.in_flight(list(history.records), node, asked)
    lost = [r for r in open_then if r["status"] is None]
    expect(not lost, f"{len(lost)} of {len(open_then)} calls in flight had no answer: asked to "
           f"stop at {asked}, {lost[:1]}")
    node.start().wait_ready()
    return spent


def run(context):
    cluster = context.cluster(3).start()
    client = context.client(cluster)
    load = context.load(cluster, {"W1": 4, "W2": 3, "W6": 1}, rate=300)
    end, rounds, slowest = time.monotonic() + context.seconds, 0, 0.0
    while rounds == 0 or time.monotonic() < end:
        for node in cluster.nodes:
            time.sleep(1)
            slowest = max(slowest, restart(cluster, node, context.history))
        rounds += 1
    load.stop()
    records = context.history.records
    bad = [r for r in records if r["status"] is not None and r["status"] >= 500
           and r["status"] != 503]
    expect(not bad, f"{len(bad)} requests failed otherwise than with 503, as {bad[:1]}")
    longest = max((r["end"] - r["start"] for r in records), default=0)
    mended = retry_all(context, cluster, client)
    context.note(f"{rounds} rounds, slowest stop {slowest:.1f} s, longest call {longest:.1f} s, "
                 f"{mended} sends mended by a retry")
    context.finish(cluster)
