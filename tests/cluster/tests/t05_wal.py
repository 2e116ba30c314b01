# SPDX-License-Identifier: Apache-2.0
"""Damage in the write-ahead log of a stopped node: it starts with everything, or it refuses with a
sentence that says what to do. It never starts with less than it acknowledged."""
import json
import os
import shutil
import time

from lib import faults
from lib.context import expect

ID = "27"
TITLE = "WAL cut, flipped, missing; promise file gone: everything or a refusal"
CI_SECONDS = 20
SECONDS = 240
TAIL_BYTES = 900  # about the last three commands with their apply batches
CHANNEL = (2, "wal")


def fill(context, cluster, node):
    """Three WALs: small memtables switch them; the newest ends with single small records."""
    client = context.client(cluster)
    node.start().wait_ready()
    for _ in range(40):
        expect(client.append(node, CHANNEL)["status"] == 201, "a send fails")
    bulk = "A" * 600000
    while len(faults.files_of(node.data_dir)) < 3:
        status, _, _ = node.get("/v1/channels/2/bulk/messages", method="POST", body=bulk,
                                headers={"Content-Type": "text/plain"})
        expect(status == 201, f"a large send gives {status}")
    client.delete(node, CHANNEL, {"start_seq": 5, "end_seq": 9}, "before")
    for _ in range(6):
        expect(client.append(node, CHANNEL)["status"] == 201, "a send fails")
    held = client.read(node, CHANNEL, limit=1000)
    client.close()
    node.kill()
    return held


def damages(context, data_dir, copy, seconds):
    """(title, function), endlessly many in the end; the fixed ones first."""
    sizes = {path.replace(copy, data_dir): faults.content_bytes(path)
             for path in faults.files_of(copy)}
    *older_logs, newest = sizes
    size = sizes[newest]
    yield "the promise file is gone", lambda: os.unlink(os.path.join(data_dir, "promise"))
    for older in older_logs:
        whole = sizes[older]
        yield f"older {older[-10:]} cut to half", lambda o=older, w=whole: faults.cut(o, w // 2)
        yield f"older {older[-10:]} cut by a byte", lambda o=older, w=whole: faults.cut(o, w - 1)
        yield f"older {older[-10:]} is gone", lambda o=older: os.unlink(o)
    yield "newest is gone", lambda: os.unlink(newest)
    yield "newest is empty", lambda: faults.cut(newest, 0)
    cuts = list(range(max(0, size - TAIL_BYTES), size))
    context.random.shuffle(cuts)
    for at in cuts if seconds > 60 else cuts[:400]:
        yield f"newest of {size} cut at {at}", lambda a=at: faults.cut(newest, a)
        at = context.random.randrange(size)
        bit = context.random.randrange(8)
        yield f"newest of {size} flipped at {at}", lambda a=at, b=bit: faults.flip(newest, a, b)
        older = context.random.choice(older_logs)
        at = context.random.randrange(sizes[older])
        yield f"{older[-10:]} flipped at {at}", lambda o=older, a=at: faults.flip(o, a)


def starts_whole_or_refuses(node, title, held):
    """'whole' or 'refused'."""
    node.start()
    try:
        node.wait_ready(15)
    except Exception:  # pylint: disable=broad-except
        expect(not node.is_running(), f"{title}: neither ready nor ended")
        code, text = node.process.returncode, node.log_text(starts=1)
        expect(code > 0, f"{title}: ended by signal {-code}\n{node.log_tail(15)}")
        line = next((l for l in text.splitlines() if " error " in l), "")
        expect("detail=" in line and len(line.split("detail=")[1]) > 30,
               f"{title}: refused without advice: {line or text}")
        return "refused"
    status, _, body = node.get("/v1/channels/2/wal/messages?from_seq=1&limit=1000")
    expect(status == 200, f"{title}: reads give {status} {body[:200]}")
    reply = held["parse"](body)
    for field in ("seqs", "deleted", "last_seq"):
        expect(reply[field] == held[field], f"{title}: started with {field} {reply[field]}, "
               f"acknowledged were {held[field]}")
    return "whole"


def parse(body):
    reply = json.loads(body)
    return {"seqs": [m["message_seq"] for m in reply["messages"]], "last_seq": reply["last_seq"],
            "deleted": [[d["start_seq"], d["end_seq"]] for d in reply["deleted"]]}


def run(context):
    cluster, node = context.single(slot_count=2, settings={
        "storage": {"memtable_bytes": "4MiB", "soft_free_bytes": "1MiB"}})
    record = fill(context, cluster, node)
    held = {"seqs": [m[0] for m in record["messages"]], "deleted": record["deleted"],
            "last_seq": record["last_seq"], "parse": parse}
    expect(held["last_seq"] == 46 and len(held["seqs"]) == 41, f"the setup is wrong: {held}")
    copy = node.data_dir + "-copy"
    shutil.copytree(node.data_dir, copy)
    counts, end = {"whole": 0, "refused": 0}, time.monotonic() + context.seconds
    expect(starts_whole_or_refuses(node, "no damage", held) == "whole", "refused without damage")
    node.kill()
    for title, damage in damages(context, node.data_dir, copy, context.seconds):
        faults.put_back(copy, node.data_dir)
        damage()
        counts[starts_whole_or_refuses(node, title, held)] += 1
        node.kill()
        if time.monotonic() > end:
            break
    context.note(f"{counts['refused']} refused with advice, {counts['whole']} started with all")
