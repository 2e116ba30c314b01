# SPDX-License-Identifier: Apache-2.0
"""Two of three nodes are lost for ever. What the third knows becomes a new cluster: survey, all lost nodes
named, confirmed, then a folder of its own. What it had acknowledged alone stays, nothing that it knew
as deleted returns, no seq or id comes again, and an old node that turns up is refused and changes nothing."""
import json
import os
import time

from lib.context import expect, wait_until
from lib.members import ask
from lib.rescue import lethed, new_node, whole_channel

ID = "44"
TITLE = "majority lost: survey, recover, old nodes fenced"
CI_SECONDS = 6
SECONDS = 30


def survey(cluster, survivor):
    """By the folder of the survivor, and what must be refused on the way."""
    _, text = lethed("recover", "--survey", survivor.data_dir, code=0, text="node 1 of cluster 'test'")
    expect(text.count(" ok ") == cluster.slot_count, f"survey: {text}")
    _, text = lethed("recover", "--survey", "--json", survivor.data_dir, code=0)
    source = json.loads(text)["sources"][0]
    for slot in source["slots"]:
        expect(slot["members"] == [1, 2, 3] and slot["last_index"] >= slot["applied_index"] > 0,
               f"survey: {slot}")
    return source


def refuse(survivor, into):
    words = ["recover", "--commit", "--data-dir", survivor.data_dir, "--into", into, "--address",
             survivor.settings["cluster"]["listen"]]
    sure = ["--yes-i-know", "--reason", "test"]
    lethed(*words, "--lost", "2", *sure, code=2, text="node 3 is a member")
    lethed(*words, "--lost", "2,3,4", *sure, code=2, text="node 4")
    lethed(*words, "--lost", "1,2,3", *sure, code=2, text="node 1 is said to be lost")
    lethed(*words, "--lost", "2,3", code=1, text="nobody can be asked")
    lethed(*words, "--lost", "2,3", "--yes-i-know", code=2)
    expect(not os.path.exists(into), "a refused recovery made a folder")
    return words + ["--lost", "2,3"] + sure


def is_fenced(context, cluster, node):
    """Node 3 of the old cluster turns up, and finds the new node at node 1's address."""
    slots = [cluster.slot(node, slot) for slot in range(cluster.slot_count)]
    third = cluster.node(3)
    third.start()
    wait_until(lambda: "wrong_identity" in third.log_text(1) or "wrong_identity" in node.log_text(1), 20,
               "an old node is refused")
    time.sleep(context.seconds / 6)
    expect(third.get("/readyz")[0] != 200, "an old node is ready")
    for slot in range(cluster.slot_count):
        now = cluster.slot(node, slot)
        expect((now["term"], now["leader"]) == (slots[slot]["term"], 1), f"slot {slot}: {now}")
    third.kill()


def run(context):
    cluster = context.cluster(3).start()
    load = context.load(cluster, {"W1": 2, "W2": 4}, rate=250)
    time.sleep(context.seconds / 2)
    survivor = cluster.node(1)
    channels = context.channels()
    for node in (cluster.node(2), cluster.node(3), survivor):
        node.kill()
    load.stop()
    source = survey(cluster, survivor)
    into = os.path.join(context.directory, "recovered")
    words = refuse(survivor, into)
    lethed(*words, code=0, text="'test+r1'")
    with open(os.path.join(into, "recovery.json"), encoding="utf-8") as file:
        report = json.load(file)
    for old, new in zip(source["slots"], report["slots"]):
        expect(new["base_index"] > old["last_index"] + (1 << 28), f"slot {new}")
        expect(new["log_entries"] == old["last_index"] - old["applied_index"], f"{old} {new}")
    lethed(*words, code=2, text="not empty")

    node = new_node(context, "recovered-node", 1, into, survivor.settings["cluster"]["listen"],
                    "test+r1", cluster.slot_count)
    node.start().wait_ready()
    known = 0
    for channel in channels:
        found, last = whole_channel(node, channel)
        known += len(found)
        status, reply = ask(node, "POST", f"/v1/channels/{channel[0]}/{channel[1]}/messages",
                            {"payload": "bmV3", "from_uid": "after"})
        expect(status == 201 and reply["message_seq"] == last + 1, f"{channel}: {status} {reply}")
    judge_history(context, node, channels)
    is_fenced(context, cluster, node)
    context.note(f"{known} messages, {report['log_entries']} entries of the log's end, "
                 f"{report['channels_raised']} channels raised")
    node.stop()


def judge_history(context, node, channels):
    """The survivor's log was at most a moment behind: what was acknowledged well before the end is there,
    and what was deleted well before it is not. Seqs that any answer named are not given out again."""
    records = [r for r in context.history.records if not r["args"].get("dry_run")]
    end = max(record["end"] for record in records if record.get("end"))
    early = [r for r in records if r.get("end") and r["end"] < end - 2.0 and r["status"] in (200, 201)]
    for channel in channels:
        found, last = whole_channel(node, channel)
        mine = [r for r in early if tuple(r["channel"]) == channel]
        gone = {seq for r in records if tuple(r["channel"]) == channel and r["op"] == "delete"
                for start, stop in r.get("ranges") or [] for seq in range(start, stop + 1)}
        unsure = {seq for r in records if tuple(r["channel"]) == channel and r["op"] == "delete"
                  and not r.get("ranges") for seq in found}
        sent = {seq for r in mine if r["op"] == "append" for seq in r.get("seqs") or []}
        if not unsure:
            expect(not (sent - gone - set(found)), f"{channel}: lost {sorted(sent - gone - set(found))[:5]}")
        deleted = {seq for r in mine if r["op"] == "delete" and r.get("ranges")
                   for start, stop in r["ranges"] for seq in range(start, stop + 1)}
        expect(not deleted & set(found), f"{channel}: returned {sorted(deleted & set(found))[:5]}")
        top = max((seq for r in records if tuple(r["channel"]) == channel and r["op"] == "append"
                   for seq in r.get("seqs") or []), default=0)
        expect(last > top, f"{channel}: last seq {last} is not above {top}")
