# SPDX-License-Identifier: Apache-2.0
"""What deletes and catch-up cost, as figures: no time is asserted, as the machine may be a busy one.
Next to each latency stands the daemon's processor time for one call, which other programs disturb less.

  reads     pages of 100 before and after 10,000 deletes in the channel (wanted: 1.5 times at most)
  delete    of 10,000 messages with one call (wanted: p50 of 5 ms at most)
  transfer  p99 of sends and reads with a throttled full copy going on and without (wanted: twice)
"""
import os
import time

from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "figures"
TITLE = "what deletes and a transfer cost (figures, nothing asserted)"
CI_SECONDS = 0
SECONDS = 60
CHANNEL = (2, "figures")
MESSAGES, DELETES, READS, BIG = 20000, 10000, 1500, 10000
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(node):
    with open(f"/proc/{node.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def pages(context, client, node, first, last, count=READS):
    """(p50 in ms, p99 in ms, processor ms a call) of pages that begin somewhere in there."""
    times, before = [], cpu_seconds(node)
    for _ in range(count):
        begun = time.monotonic()
        read = client.read(node, CHANNEL, context.random.randint(first, last), None, 100)
        times.append((time.monotonic() - begun) * 1000)
        expect(read["status"] == 200 and len(read["messages"]) == 100, f"a page gives {read}")
    return (percentile(times, .5), percentile(times, .99),
            (cpu_seconds(node) - before) * 1000 / count)


def batches(client, node, channel, count, size=1000):
    for _ in range(count // size):
        wait_until(lambda: client.batch(node, channel, size, True)["status"] in (200, 201), 20,
                   f"a batch for {channel} is taken")


def reads_beside_deletes(context):
    cluster, node = context.single()
    node.start().wait_ready()
    client = context.client(cluster)
    batches(client, node, CHANNEL, 2 * MESSAGES)
    among, beside = (1, MESSAGES - 500), (MESSAGES + 1, 2 * MESSAGES - 500)
    pages(context, client, node, 1, 2 * MESSAGES - 500, 300)  # warm
    before = [pages(context, client, node, *where) for where in (among, beside)]
    for i in range(DELETES):
        gone = client.delete(node, CHANNEL, {"seqs": [2 * i + 1]}, f"figures/{i}")
        expect(gone["status"] == 200, f"delete {i} gives {gone['status']}")
    after = [pages(context, client, node, *where) for where in (among, beside)]
    for title, old, new in zip(("in the same channel", "where each second message is gone, and "
                                "told so"), before[::-1], after[::-1]):
        context.note(f"reads {title}: p50 {old[0]:.2f} -> {new[0]:.2f} ms ({new[0] / old[0]:.2f}x), "
                     f"p99 {old[1]:.2f} -> {new[1]:.2f} ms, processor {old[2]:.3f} -> {new[2]:.3f} "
                     f"ms ({new[2] / max(old[2], 1e-9):.2f}x)")
    node.stop()


def big_deletes(context):
    cluster = context.cluster(3).start()
    client, times = context.client(cluster), []
    channels = [(2, f"big-{i}") for i in range(12)]
    for channel in channels:
        batches(client, cluster.node(1), channel, BIG)
    cluster.settle()
    before = sum(cpu_seconds(n) for n in cluster.nodes)
    for channel in channels:
        leader = cluster.leader(client.read(cluster.node(1), channel, limit=1)["slot"])
        begun = time.monotonic()
        gone = client.delete(leader, channel, {"start_seq": 1, "end_seq": BIG}, f"big/{channel[1]}")
        times.append((time.monotonic() - begun) * 1000)
        expect(gone["status"] == 200 and gone["deleted_count"] == BIG, f"a delete gives {gone}")
    spent = (sum(cpu_seconds(n) for n in cluster.nodes) - before) * 1000 / len(channels)
    context.note(f"deletes of {BIG}: p50 {percentile(times, .5):.1f} ms, worst {max(times):.1f} ms, "
                 f"processor of all three {spent:.1f} ms a delete with its two look-ups")
    for node in cluster.nodes:
        node.stop()


def calls_since(context, begun):
    times = [r["end"] - r["start"] for r in context.history.records[begun:]
             if r["status"] in (200, 201) and r["client"].startswith("load")]
    return percentile(times, .5) * 1000, percentile(times, .99) * 1000


def beside_a_transfer(context):
    seconds = max(6.0, context.seconds / 5)
    settings = dict(SNAP, catchup_bytes_per_second="256KiB")
    cluster = context.cluster(3, settings={"cluster": settings}).start()
    behind = Behind(context, cluster).fill()
    third = behind.third
    behind.leave().miss(full=True)
    load = context.load(cluster, {"W1": 4}, rate=120, nodes=behind.staying)
    time.sleep(2)
    begun = len(context.history.records)
    time.sleep(seconds)
    without = calls_since(context, begun)
    third.start()
    wait_until(behind.offered, 30, "a transfer begins")
    begun, end = len(context.history.records), time.monotonic() + seconds
    while time.monotonic() < end and len(behind.modes()) < cluster.slot_count:
        time.sleep(0.1)
    beside = calls_since(context, begun)
    load.stop()
    received = cluster.metric(third, "catchup_received_bytes_total")
    context.note(f"beside a full copy of {received / 1e6:.1f} MB so far at 256 KiB/s: calls p50 "
                 f"{without[0]:.1f} -> {beside[0]:.1f} ms, p99 {without[1]:.1f} -> {beside[1]:.1f} ms "
                 f"({beside[1] / without[1]:.2f}x)")
    behind.wait_whole(120)
    context.finish(cluster)


def run(context):
    reads_beside_deletes(context)
    big_deletes(context)
    context.history.records.clear()  # of clusters that are gone: the last one is judged
    beside_a_transfer(context)
