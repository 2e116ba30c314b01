# SPDX-License-Identifier: Apache-2.0
"""Channels are deleted and their names used again while a node is away, and the log of it is gone when
it returns. It shows nothing of the channels that it knew, and their seqs go on."""
import time

from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "12"
TITLE = "channel deleted, name used again while a node is away"
CI_SECONDS = 0
SECONDS = 50


def one_round(context, cluster, behind, full):
    third = behind.third
    lasts = {c: behind.client.batch(behind.staying[0], c, 40, True)["seqs"][-1]
             for c in behind.channels}
    cluster.settle()
    behind.leave()
    load = context.load(cluster, {"W7": 3, "W2": 1}, rate=120, nodes=behind.staying)
    time.sleep(1)
    load.stop()
    context.loads.remove(load)
    for channel in behind.channels:
        record = behind.delete(channel, {})
        seqs = {s for start, end in record["ranges"] for s in range(start, end + 1)}
        behind.gone[channel] = (record["log_index"], seqs)
        again = behind.client.append(behind.staying[1], channel)
        while again["status"] != 201:
            again = behind.client.append(behind.staying[1], channel)
        expect(again["seqs"][0] > lasts[channel], f"{channel} uses seq {again['seqs'][0]} again")
    behind.forget(full)
    third.start().wait_ready(40)
    behind.wait_whole()
    for channel in behind.channels:  # and its own word for the next one
        sent = []

        def done():
            sent.append(behind.client.append(third, channel))
            return sent[-1]["status"] == 201
        wait_until(done, 15, "sends through the node that returned")
    return behind.modes()


def run(context):
    cluster = context.cluster(3, settings={"cluster": SNAP}).start()
    behind = Behind(context, cluster).fill()
    end, modes = time.monotonic() + context.seconds, []
    while not modes or time.monotonic() < end:
        modes += one_round(context, cluster, behind, len(modes) > 0 and context.random.random() < .5)
    context.note(f"came back by {sorted(set(modes))}, {len(modes)} slots in all")
    context.finish(cluster)
