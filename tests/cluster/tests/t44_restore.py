# SPDX-License-Identifier: Apache-2.0
"""A backup that is older than many deletes, taken under load, becomes a new cluster. The journal of deletes
is replayed before the first read: nothing that was deleted can be read, no seq and no message id comes
again, and what the backup held and nobody deleted is all there. A journal with a gap is refused."""
import json
import os
import time

from lib.context import expect, wait_until
from lib.daemon import free_port
from lib.members import add, ask, wait_done
from lib.rescue import back_up, joiner, lethed, new_node, whole_channel, write_journal

ID = "17"
TITLE = "restore of a backup older than deletes: journal replayed, or refused"
CI_SECONDS = 8
SECONDS = 40


def refuse(context, words, journal, lines):
    """Journals that are not whole: nothing is made."""
    into = words[words.index("--data-dir") + 1]
    lethed("restore", *words, code=1, text="no journal")
    deletes = [number for number, line in enumerate(lines) if "delete_id" in line]
    for cut in ([context.random.choice(deletes[-3:])], list(range(len(lines) // 2, len(lines)))):
        path = journal + ".cut"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for number, line in enumerate(lines)
                            if number not in cut)
        lethed("restore", *words, "--journal", path, code=1, text="would be undone")
    expect(not os.path.exists(into), "a refused restore made a folder")


def judge(node, channels, before, at_end):
    """before: what could be read when the backup was made; at_end: in the end."""
    missing = returned = 0
    ids = {id_ for found, _ in at_end.values() for id_, _ in found.values()}
    for channel in channels:
        found, last = whole_channel(node, channel)
        gone = set(before[channel][0]) - set(at_end[channel][0])
        returned += len(gone & set(found))
        missing += len(set(before[channel][0]) - gone - set(found))
        expect(all(at_end[channel][0][seq] == found[seq] for seq in found if seq in at_end[channel][0]),
               f"{channel}: other messages under the same seqs")
        expect(not set(found) - set(at_end[channel][0]), f"{channel}: {set(found)} beyond the end")
        expect(last >= at_end[channel][1], f"{channel}: last seq fell to {last}")
        status, reply = ask(node, "POST", f"/v1/channels/{channel[0]}/{channel[1]}/messages",
                            {"payload": "bmV3", "from_uid": "after"})
        expect(status == 201, f"{channel}: {status} {reply}")
        expect(reply["message_seq"] > at_end[channel][1], f"{channel}: seq {reply['message_seq']} again")
        expect(reply["message_id"] not in ids, f"{channel}: a message id again")
    expect(returned == 0, f"{returned} deleted messages can be read again")
    expect(missing == 0, f"{missing} messages of the backup are missing")


def run(context):
    cluster = context.cluster(3).start()
    load = context.load(cluster, {"W1": 2, "W2": 4}, rate=250)
    time.sleep(context.seconds / 3)
    channels = context.channels()
    before = {channel: whole_channel(cluster.node(1), channel) for channel in channels}
    backup = back_up(cluster.node(1), "first")
    time.sleep(context.seconds / 3)
    load.stop()
    cluster.settle()
    client = context.client(cluster)
    for channel in channels[:6]:  # at least these, whatever the load did
        seqs = sorted(before[channel][0])
        if seqs:
            client.delete(cluster.node(2), channel, {"seqs": seqs[-2:]}, "late")
    journal = os.path.join(context.directory, "journal")
    lines = write_journal(cluster.nodes, journal)
    at_end = {channel: whole_channel(cluster.node(2), channel) for channel in channels}
    into = os.path.join(context.directory, "restored")
    address = f"127.0.0.1:{free_port()}"
    words = ["--data-dir", into, "--node-id", "1", "--cluster-id", "restored", "--address", address]
    lethed("restore", "--from", cluster.node(1).data_dir, *words, "--journal", journal, code=1,
           text="a node runs on")
    for node in cluster.nodes:
        node.stop()
    words += ["--from", backup]
    refuse(context, words, journal, lines)
    lethed("restore", *words, "--journal", journal, code=0)
    node = new_node(context, "restored-node", 1, into, address, "restored", cluster.slot_count)
    node.start().wait_ready()
    judge(node, channels, before, at_end)
    context.note(f"{len(channels)} channels, {sum('delete_id' in line for line in lines)} deletes in "
                 "the journal")
    grow(context, node, channels)


def grow(context, node, channels):
    """A second node joins and gets the whole state."""
    other = joiner(context, "second", 2, node)
    holder = type("holder", (), {"nodes": [node]})()
    add(context, holder, other)
    wait_done([node, other])
    for channel in channels:
        wait_until(lambda c=channel: whole_channel(other, c, "local") == whole_channel(node, c), 20,
                   f"{channel} is equal on both nodes")
    for one in (other, node):
        one.stop()
