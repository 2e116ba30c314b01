# SPDX-License-Identifier: Apache-2.0
"""Backups, journals, and new clusters out of old folders."""
import json
import os
import subprocess
import time

from .client import channel_path
from .context import expect
from .daemon import LETHED, free_port
from .members import ask

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def lethed(*words, code=None, text=None):
    """A subcommand: (exit code, what it printed). code, text: what must come."""
    done = subprocess.run([LETHED, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    said = done.stdout + done.stderr
    expect(code is None or done.returncode == code, f"lethed {words}: {done.returncode}: {said}")
    expect(text is None or text in said, f"lethed {words}: '{text}' is not in: {said}")
    return done.returncode, said


def back_up(node, name):
    """Makes one by the API and waits until it was verified; its folder."""
    _, job = ask(node, "POST", "/v1/admin/backups", {"name": name}, 202)
    end = time.monotonic() + 60
    while True:
        _, state = ask(node, "GET", "/v1/jobs/" + job["id"])
        if state["state"] not in ("queued", "running"):
            break
        expect(time.monotonic() < end, f"the backup takes long: {state}")
        time.sleep(0.1)
    expect(state["state"] == "done", f"the backup: {state}")
    backups = ask(node, "GET", "/v1/admin/backups")[1]["backups"]
    found = [one for one in backups if one["id"] == name]
    expect(found and found[0]["verified"], f"backups: {backups}")
    return found[0]["path"]


def write_journal(nodes, path):
    """By the operator's script."""
    servers = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    done = subprocess.run([os.path.join(ROOT, "scripts/ops/journal"), path, "--server", servers],
                          capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, f"journal: {done.stderr}")
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def whole_channel(node, channel, consistency="linearizable"):
    """{seq: (message id, payload)} of what can be read, and the last seq."""
    found, start = {}, 1
    while True:
        status, _, body = node.get(f"{channel_path(channel)}/messages?from_seq={start}&limit=1000"
                                   f"&consistency={consistency}", timeout=20)
        page = json.loads(body)
        expect(status == 200, f"{channel}: {status} {page}")
        for one in page["messages"]:
            found[one["message_seq"]] = (one["message_id"], one["payload"])
        if not page["more"]:
            return found, page["last_seq"]
        start = max([one["message_seq"] for one in page["messages"]] +
                    [one["end_seq"] for one in page["deleted"]]) + 1


def new_node(context, name, node_id, data_dir, address, cluster_id, slot_count):
    """A node for a folder that was made out of others: alone, and reached by others at address."""
    node = context.extra_node(name, node_id, {"cluster": {
        "id": cluster_id, "slot_count": slot_count, "listen": address,
        "members": [f"{node_id}@{address}"]}})
    node.settings["node"]["data_dir"] = node.data_dir = data_dir
    node.write_config()
    return node


def joiner(context, name, node_id, first):
    """A node with an empty folder that shall join the one that first is alone in."""
    port = free_port()
    own = dict(first.settings["cluster"])
    own.update(listen=f"127.0.0.1:{port}", join="true",
               members=first.settings["cluster"]["members"] + [f"{node_id}@127.0.0.1:{port}"])
    node = context.extra_node(name, node_id, {"cluster": own})
    node.peer_address = f"127.0.0.1:{port}"
    return node

