# SPDX-License-Identifier: Apache-2.0
"""Ten thousand deletes of single messages in one channel: reads stay fast, nothing piles up."""
import time

from lib.context import expect

ID = "20"
TITLE = "10,000 small deletes in a channel, reads stay fast"
CI_SECONDS = 0
SECONDS = 60
CHANNEL = (2, "small")
MESSAGES = 20000
DELETES = 10000
READ_P99_S = 0.010
SLACK = 5  # this client and a busy machine


def run(context):
    cluster, node = context.single()
    node.start().wait_ready()
    client = context.client(cluster)
    for _ in range(MESSAGES // 500):
        expect(client.batch(node, CHANNEL, 500, True)["status"] in (200, 201), "a batch fails")
    times = []
    for i in range(DELETES):
        seq = 2 * i + 1
        gone = client.delete(node, CHANNEL, {"seqs": [seq]}, f"small/{i}")
        expect(gone["status"] == 200, f"delete {i} gives {gone['status']}")
        if i % 10 == 0:
            begun = time.monotonic()
            read = client.read(node, CHANNEL, max(1, seq - 200), None, 100)
            times.append(time.monotonic() - begun)
            expect(read["status"] == 200, f"a read gives {read['status']}")
    times.sort()
    context.note(f"p50 of reads {times[len(times) // 2] * 1000:.1f} ms, p99 "
                 f"{times[int(len(times) * .99)] * 1000:.1f} ms")
    expect(times[int(len(times) * .99)] < READ_P99_S * SLACK, "reads become slow")
    context.finish(cluster)
