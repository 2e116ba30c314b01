# SPDX-License-Identifier: Apache-2.0
"""Damage in any file of one node's folder, bits flipped, files cut, old blocks put back: the node
refuses, or stops, or is healed, or the damage was harmless. It never answers wrongly, and the others never
suffer. Each round begins with the folders of all nodes as they were: what a round did is judged by itself."""
import glob
import os
import shutil
import time

from lib import checkers, faults
from lib.context import expect, wait_until
from lib.daemon import Failure
from lib.dump import dump
from lib.members import ask

ID = "28+29+30"
TITLE = "flips, cuts, old blocks in any file of one node"
CI_SECONDS = 0
SECONDS = 150
BLOCK = 4096
ROUND_S = 5


def flip_some(random, path, _old):
    for _ in range(2):
        faults.flip(path, random.randrange(os.path.getsize(path)), random.randrange(8))
    return "flipped"


def cut_some(random, path, _old):
    size = os.path.getsize(path)
    lost = min(size, random.choice([1, 7, 100, 4096, size // 2 + 1]))
    faults.cut(path, size - lost)
    return f"cut by {lost}"


def put_block_back(random, path, old):
    """A block of the folder's older copy, where the file was there then."""
    before = os.path.join(old, os.path.relpath(path, os.path.dirname(old) + "/data"))
    if not os.path.exists(before) or os.path.getsize(before) < BLOCK:
        return flip_some(random, path, old)
    at = random.randrange(os.path.getsize(before) // BLOCK) * BLOCK
    with open(before, "rb") as source, open(path, "r+b") as target:
        source.seek(at)
        target.seek(at)
        target.write(source.read(BLOCK))
    return f"old block at {at}"


def damage(context, node, old):
    """One to three files; what was done to each."""
    names = [path for path in glob.glob(node.data_dir + "/**", recursive=True)
             if os.path.isfile(path) and os.path.getsize(path) > 0
             and os.path.basename(path) not in ("LOG", "LOCK") and ".old" not in path]
    done = []
    for path in context.random.sample(names, context.random.choice([1, 1, 2, 3])):
        how = context.random.choice([flip_some, cut_some, put_block_back])
        done.append(f"{os.path.basename(path)} {how(context.random, path, old)}")
    return ", ".join(done)


def start_damaged(node, title):
    """'ran' or 'refused'; a start that is neither ready nor over goes on: it may be re-synced."""
    node.start()
    try:
        node.wait_ready(8)
    except Failure:
        if not node.is_running():
            ended_well(node, title)
            return "refused"
    return "ran"


def ended_well(node, title):
    expect(node.process.returncode > 0, f"{title}: ended by {node.process.returncode}\n"
           f"{node.log_tail(15)}")


def look_everywhere(node):
    """A check reads every stored row of every replica, and heals who is wrong."""
    _, job = ask(node, "POST", "/v1/admin/checks", {}, 202)

    def ended():
        state = ask(node, "GET", "/v1/jobs/" + job["id"])[1]["state"]
        return state not in ("queued", "running")
    wait_until(ended, 90, "the check has ended", pause=0.2)


def judge(context, cluster, third):
    """Of what this round did: whoever runs is level, and answers as the model does. The damaged node may
    refuse to say what it holds."""
    for load in context.loads:
        load.stop()
    context.loads.clear()
    everyone = cluster.nodes
    cluster.nodes = [node for node in everyone if node.is_running()]
    cluster.settle(90)
    context.read_all(cluster)
    is_there = third in cluster.nodes
    cluster.nodes = [node for node in cluster.nodes if node is not third]
    if is_there:
        third.stop()
    dumps = context.stop_and_dump(cluster)
    cluster.nodes = everyone
    if is_there:
        try:
            dumps.append(dump(third))
        except Failure:
            is_there = False
    refused = [r for r in context.history.records if r["op"] == "read" and r["status"] == 500]
    expect(all(r["node"] == third.id for r in refused), f"a sound node gives 500: {refused[:1]}")
    context.forgive_read_errors()
    context.refuse(checkers.check(context.history.records, dumps))
    return len(refused), is_there


def one_round(context, cluster, copies, old):
    """All folders as they were, the third one damaged; load; (fate, reads that said so)."""
    third = cluster.node(3)
    for node in cluster.nodes:
        faults.put_back(copies[node.id], node.data_dir)
    title = damage(context, third, old)
    for node in cluster.nodes[:2]:
        node.start()
    fate = start_damaged(third, title)
    for node in cluster.nodes[:2]:
        node.wait_ready(30)
    context.load(cluster, {"W1": 1, "W2": 3}, rate=120)
    time.sleep(ROUND_S)
    look_everywhere(cluster.node(1))
    if fate == "ran" and not third.is_running():
        ended_well(third, title)
        fate = "stopped"
    try:
        said, is_whole = judge(context, cluster, third)
    except Failure as problem:
        raise Failure(f"{title}: {problem}") from problem
    return fate + ("" if is_whole or fate != "ran" else ", damaged"), said


def run(context):
    cluster = context.cluster(3, settings={"storage": {"memtable_bytes": "4MiB",
                                                       "soft_free_bytes": "1MiB"}}).start()
    third = cluster.node(3)
    load = context.load(cluster, {"W1": 3, "W2": 2}, rate=300)
    time.sleep(4)
    third.kill()
    old = third.data_dir + "-old"
    shutil.copytree(third.data_dir, old)
    third.start().wait_ready()
    time.sleep(4)
    load.stop()
    context.loads.clear()
    cluster.settle()
    copies = {node.id: node.data_dir + "-sound" for node in cluster.nodes}
    for node in cluster.nodes:
        node.stop()
        shutil.copytree(node.data_dir, copies[node.id])
    base = list(context.history.records)
    fates, told, end = {}, 0, time.monotonic() + context.seconds
    while time.monotonic() < end:
        fate, said = one_round(context, cluster, copies, old)
        fates[fate], told = fates.get(fate, 0) + 1, told + said
        context.history.records = list(base)  # what came after is undone
    context.note(", ".join(f"{n} {fate}" for fate, n in sorted(fates.items())) +
                 f"; {told} reads said so")
