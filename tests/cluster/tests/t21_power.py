# SPDX-License-Identifier: Apache-2.0
"""All nodes are killed in the same moment under load, again and again."""
import time

ID = "all"
TITLE = "three nodes, all killed at once"
CI_SECONDS = 0
SECONDS = 60


def run(context):
    cluster = context.cluster(3).start()
    context.load(cluster, {"W1": 2, "W2": 3, "W6": 1, "W7": 1}, rate=300)
    end, rounds, slowest = time.monotonic() + context.seconds, 0, 0.0
    while rounds < 2 or time.monotonic() < end:
        time.sleep(context.random.uniform(0.5, 2.5))
        for node in cluster.nodes:
            node.process.kill()
        for node in cluster.nodes:
            node.wait_end(10)
        begun = time.monotonic()
        cluster.start()
        slowest = max(slowest, time.monotonic() - begun)
        rounds += 1
    context.note(f"{rounds} times, all ready again after {slowest:.1f} s at most")
    context.finish(cluster)
