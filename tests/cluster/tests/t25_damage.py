# SPDX-License-Identifier: Apache-2.0
"""Damage in any file of one node's folder, bits flipped, files cut, old blocks put back: the node
refuses, or stops, or the damage was harmless. It never answers wrongly, and the others never suffer."""
import glob
import os
import shutil
import time

from lib import faults
from lib.context import expect
from lib.daemon import Failure
from lib.dump import dump

ID = "28+29+30"
TITLE = "flips, cuts, old blocks in any file of one node"
CI_SECONDS = 0
SECONDS = 150
BLOCK = 4096


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


def one_round(context, cluster, node, old, sound):
    """'refused', 'stopped' or 'ran'."""
    names = [path for path in glob.glob(node.data_dir + "/**", recursive=True)
             if os.path.isfile(path) and os.path.getsize(path) > 0
             and os.path.basename(path) not in ("LOG", "LOCK") and ".old" not in path]
    path = context.random.choice(names)
    done = context.random.choice([flip_some, cut_some, put_block_back])(context.random, path, old)
    title = f"{os.path.basename(path)} {done}"
    node.start()
    end = time.monotonic() + 8
    fate = "ran"
    try:
        node.wait_ready(8)
        client = context.client(cluster, "damaged")
        while time.monotonic() < end - 4 and node.is_running():
            for channel in context.channels()[:8]:
                client.read(node, channel, limit=500, consistency="local")
        client.close()
    except Failure:
        if not node.is_running():
            fate = "refused"
    if fate == "ran" and not node.is_running():
        fate = "stopped"
    if fate != "ran":
        expect(node.process.returncode > 0, f"{title}: ended by signal {-node.process.returncode}\n"
               f"{node.log_tail(15)}")
    node.kill()
    faults.put_back(sound, node.data_dir)
    return fate, title


def run(context):
    cluster = context.cluster(3, settings={"storage": {"memtable_bytes": "4MiB",
                                                       "soft_free_bytes": "1MiB"}}).start()
    third = cluster.node(3)
    load = context.load(cluster, {"W1": 3, "W2": 2}, rate=300)
    time.sleep(4)
    third.kill()
    old, sound = third.data_dir + "-old", third.data_dir + "-sound"
    shutil.copytree(third.data_dir, old)
    third.start().wait_ready()
    time.sleep(4)
    load.stop()
    cluster.settle()
    third.stop()
    shutil.copytree(third.data_dir, sound)
    fates, end = {}, time.monotonic() + context.seconds
    while time.monotonic() < end:
        # Every round starts from the sound folder: the start counter of the copy stays behind, so
        # the others restart with it and forget what they had seen of it.
        for other in cluster.nodes[:2]:
            other.kill()
            other.start()
        for other in cluster.nodes[:2]:
            other.wait_ready()
        fate, title = one_round(context, cluster, third, old, sound)
        fates[fate] = fates.get(fate, 0) + 1
        context.last = title
    context.note(f"{fates}, {context.forgive_read_errors()} reads said so")
    dumps = []
    for other in cluster.nodes[:2]:
        other.stop()
        dumps.append(dump(other))
    context.judge(dumps)
