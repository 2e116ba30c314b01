# SPDX-License-Identifier: Apache-2.0
"""Disks fill up in a cluster: a follower's, a leader's, those of all; then there is room again. While a
majority has room, sends go on, under another leader if need be; with all disks low they get 507. Reads
and deletes go on, and it all ends by itself."""
import time

from lib import faults
from lib.context import expect, wait_until
from lib.history import slot_of

ID = "full-three"
TITLE = "three nodes, disk full: a follower's, a leader's, all; then freed"
CI_SECONDS = 0
SECONDS = 40
MIB = 1 << 20
CHANNEL = (2, "full-three")
SETTINGS = {"storage": {"memtable_bytes": "4MiB", "soft_free_bytes": "24MiB",
                        "ballast_bytes": "16MiB"}}


def one_round(context, cluster, client, disks, which):
    leader = cluster.leader(slot_of(CHANNEL[1], cluster.slot_count))
    others = cluster.others(leader)
    low = {"follower": others[:1], "leader": [leader], "all": cluster.nodes}[which]
    before = {n: n.log_text().count("nearly full") for n in low}
    for node in low:
        disks[node.id].fill(16 * MIB)
    wait_until(lambda: all(n.log_text().count("nearly full") > before[n] for n in low), 15, "they notice")
    if which == "all":
        wait_until(lambda: client.append(low[0], CHANNEL)["status"] == 507, 15, "507 everywhere")
    else:
        for node in cluster.nodes:
            wait_until(lambda n=node: client.append(n, CHANNEL)["status"] == 201, 30,
                       f"sends at node {node.id}, as others have room ({which})")
    for node in cluster.nodes:
        read = client.read(node, CHANNEL, limit=50)
        expect(read["status"] == 200, f"reads give {read['status']} at node {node.id} ({which})")
    last = read["last_seq"]
    wait_until(lambda: client.delete(low[0], CHANNEL, {"seqs": [max(1, last)]},
                                     f"full/{which}/{len(context.history.records)}")["status"] == 200,
               15, f"deletes on a low disk ({which})")
    for node in low:
        disks[node.id].empty()
    wait_until(lambda: all(n.log_text().count("has room again") ==
                           n.log_text().count("nearly full") for n in low), 15,
               "they notice that there is room")
    for node in cluster.nodes:
        wait_until(lambda n=node: client.append(n, CHANNEL)["status"] == 201, 15,
                   f"sends at node {node.id} after room was made ({which})")


def run(context):
    cluster = context.cluster(3, settings=SETTINGS)
    disks = {n.id: faults.SmallDisk(context, n.data_dir, 96) for n in cluster.nodes}
    cluster.start()
    client = context.client(cluster)
    wait_until(lambda: client.append(cluster.node(1), CHANNEL)["status"] == 201, 15, "a first send")
    context.load(cluster, {"W1": 2, "W2": 3}, rate=120)
    end, rounds = time.monotonic() + context.seconds, 0
    while rounds < 3 or time.monotonic() < end:
        one_round(context, cluster, client, disks, ("follower", "leader", "all")[rounds % 3])
        rounds += 1
    context.note(f"{rounds} times")
    context.finish(cluster)
