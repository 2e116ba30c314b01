# SPDX-License-Identifier: Apache-2.0
"""One record is damaged on all replicas, so that no sound copy is left: a bit of it flips, in a block
whose checksum is right. Whoever reads it gets an error from each
node, in each consistency; it is never shown wrong, and never left out. What lies around it, other
channels and new messages are as before, and a check says where the damage is."""
import json

from lib.context import expect, wait_until
from lib.members import ask
from lib.rows import edit

ID = "31"
TITLE = "one record damaged on all replicas: an error, never wrong or absent"
CI_SECONDS = 0
SECONDS = 30
COUNT, OTHERS = 40, 4


def fill(client, cluster, channel):
    """{seq: client_msg_no}"""
    stored = {}
    for i in range(COUNT):
        record = client.append(cluster.nodes[i % 3], channel)
        expect(record["status"] == 201, f"a send gives {record['status']}")
        stored[record["seqs"][0]] = record["args"]["items"][0][1]
    return stored


def refused(client, node, channel, stored, seq):
    """Every way to see it is an error; what lies before and behind it is there."""
    for consistency in ("local", "linearizable", "leader"):
        for window in ((seq, seq), (1, None), (max(1, seq - 3), seq), (seq, seq + 3)):
            for descending in (False, True):
                record = client.read(node, channel, *window, limit=200, descending=descending,
                                     consistency=consistency)
                expect(record["status"] == 500, f"seq {seq} of {channel} at node {node.id}, {consistency}: "
                       f"{record['status']} {record.get('messages')}")
        for window in ((1, seq - 1), (seq + 1, COUNT)):
            if window[0] > window[1]:
                continue
            record = client.read(node, channel, *window, limit=200, consistency=consistency)
            shown = {m[0]: m[2] for m in record.get("messages") or []}
            wanted = {s: n for s, n in stored.items() if window[0] <= s <= window[1]}
            expect(record["status"] == 200 and shown == wanted, f"beside seq {seq} of {channel} node "
                   f"{node.id} shows {record['status']} {sorted(shown)}")
    status, _, body = node.get(f"/v1/channels/{channel[0]}/{channel[1]}/messages/{seq}")
    expect(status == 500, f"seq {seq} of {channel} at node {node.id} by itself: {status} {body[:200]}")


def checked(cluster, slot):
    """A check of stored bytes names it: no replica of that slot is sound."""
    _, job = ask(cluster.nodes[0], "POST", "/v1/admin/checks", {"slot": slot}, 202)

    def ended():
        return ask(cluster.nodes[0], "GET", "/v1/jobs/" + job["id"])[1]["state"] not in (
            "queued", "running")
    wait_until(ended, 60, "the check has ended", pause=0.2)
    return ask(cluster.nodes[0], "GET", "/v1/jobs/" + job["id"])[1]


def one_round(context, cluster, client, number):
    channels = [(2, f"damaged-{number}-{i}") for i in range(OTHERS)]
    stored = {channel: fill(client, cluster, channel) for channel in channels}
    cluster.settle()
    channel = channels[0]
    seq = context.random.choice([1, 2, COUNT // 2, COUNT - 1])
    for node in cluster.nodes:
        node.stop()
    for node in cluster.nodes:
        edit(node, cluster.slot_count, "rot", "messages", channel, seq)
    cluster.start()
    cluster.settle()
    for node in cluster.nodes:
        refused(client, node, channel, stored[channel], seq)
        expect(client.append(node, channel)["status"] == 201, "no send to the channel is taken any more")
        for other in channels[1:]:
            record = client.read(node, other, limit=200)
            expect(record["status"] == 200 and len(record["messages"]) == COUNT,
                   f"{other} at node {node.id}: {record['status']}")
    slot = client.append(cluster.nodes[0], channel)["slot"]
    job = checked(cluster, slot)
    expect("diverged" in json.dumps(job) or "damaged" in json.dumps(job) or "corrupt" in json.dumps(job),
           f"the check found nothing: {job}")
    alarms = [ask(node, "GET", "/v1/alarms")[1]["alarms"] for node in cluster.nodes]
    expect(all(any(alarm["kind"] == "corrupt" for alarm in own) for own in alarms), f"alarms: {alarms}")
    for node in cluster.nodes:
        refused(client, node, channel, stored[channel], seq)
    return seq


def run(context):
    done = []
    for number in range(2 if context.seconds < 20 else 6):
        cluster = context.cluster(3, slot_count=2).start()
        client = context.client(cluster)
        done.append(one_round(context, cluster, client, number))
        for node in cluster.nodes:
            expect(node.stop() == 0, f"node {node.id} did not end well")
        client.close()
        context.history.records.clear()
    context.note(f"seqs {done} of {COUNT}")
