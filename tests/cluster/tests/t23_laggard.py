# SPDX-License-Identifier: Apache-2.0
"""Reads with min_index on nodes that lag, while others delete: a session never goes back."""
import time

from lib.context import expect
from lib import history as hist

ID = "15"
TITLE = "min_index reads on laggards during deletes"
CI_SECONDS = 0
SECONDS = 40
CHANNEL = (2, "laggard")


def run(context):
    cluster = context.cluster(3, proxied=True).start()
    writer = context.client(cluster, "writer")
    sessions = [context.client(cluster, f"session{node.id}") for node in cluster.nodes]
    context.load(cluster, {"W1": 1, "W2": 3}, rate=150)
    slot = hist.slot_of(CHANNEL[1], cluster.slot_count)
    end, reads, waited = time.monotonic() + context.seconds, 0, 0.0
    while time.monotonic() < end:
        leader = cluster.leader(slot)
        lagging = context.random.choice(cluster.others(leader))
        cluster.proxy.fault(leader.id, lagging.id, delay=context.random.choice([0.1, 0.3, 0.8]))
        for i in range(20):
            sent = writer.append(leader, CHANNEL)
            if sent["status"] == 201 and i % 4 == 3:
                sent = writer.delete(leader, CHANNEL, {"seqs": [sent["seqs"][0] - 1]},
                                     f"lag/{reads}/{i}")
            if sent["status"] not in (200, 201):
                continue
            session = sessions[lagging.id - 1]
            read = session.read(lagging, CHANNEL, consistency="local",
                                min_index=max(sent["log_index"], session.seen.get(slot, 0)))
            if read["status"] == 200:
                reads += 1
                waited = max(waited, read["end"] - read["start"])
        cluster.proxy.heal()
    expect(reads > 20, f"only {reads} reads were answered")
    context.note(f"{reads} session reads on laggards, longest wait {waited:.2f} s")
    context.finish(cluster)
