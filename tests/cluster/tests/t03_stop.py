# SPDX-License-Identifier: Apache-2.0
"""SIGTERM under load: what is in flight is answered, and the end comes within 10 s."""
import time

from lib.context import expect
from lib import history as hist

ID = "stop"
TITLE = "SIGTERM under load answers what is in flight"
CI_SECONDS = 6
SECONDS = 60


def run(context):
    cluster, node = context.single()
    node.start().wait_ready()
    context.load(cluster, {"W1": 6, "W2": 6, "W6": 2}, rate=1500)
    end, slowest, in_flight = time.monotonic() + context.seconds, 0.0, 0
    while time.monotonic() < end:
        time.sleep(context.random.uniform(0.5, 1.5))
        asked = hist.now()
        node.terminate()
        code = node.wait_end(10)
        slowest = max(slowest, hist.now() - asked)
        expect(code == 0, f"SIGTERM under load ends with {code}")
        open_then = hist.in_flight(list(context.history.records), node, asked)
        unanswered = [r for r in open_then if r["status"] is None]
        expect(not unanswered, f"{len(unanswered)} of {len(open_then)} calls in flight had no "
               f"answer: {unanswered[:1]}")
        in_flight += len(open_then)
        node.start().wait_ready()
    expect(in_flight > 0, "no call was ever in flight: the test shows nothing")
    context.note(f"{in_flight} in flight answered, slowest end {slowest:.2f} s")
    context.finish(cluster)
