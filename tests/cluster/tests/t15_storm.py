# SPDX-License-Identifier: Apache-2.0
"""kill -9 of any or all nodes, every 1 to 5 seconds, under load."""
import time

from lib.context import expect

ID = "21"
TITLE = "three nodes, kill -9 of any or all every 1-5 s"
CI_SECONDS = 35
SECONDS = 300


def run(context):
    cluster = context.cluster(3).start()
    context.load(cluster, {"W1": 2, "W2": 4}, rate=300)
    context.load(cluster, {"W6": 2, "W7": 1}, rate=80, channels=4)
    end, kills = time.monotonic() + context.seconds, 0
    while time.monotonic() < end:
        time.sleep(context.random.uniform(1, 5))
        for node in context.random.sample(cluster.nodes, context.random.choice([1, 1, 1, 2, 3])):
            node.kill()
            kills += 1
        time.sleep(context.random.uniform(0, 2.5))
        for node in cluster.nodes:
            if not node.is_running():
                node.start()
    for node in cluster.nodes:
        node.wait_ready(30)
    context.note(f"{kills} kills")
    done = context.history.counts().get("append done", 0)
    expect(done > context.seconds * 5, f"only {done} sends got through")
    context.finish(cluster)
