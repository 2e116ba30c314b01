# SPDX-License-Identifier: Apache-2.0
"""Two builds, the second with a higher feature level: rolled in node by node by the operator's script
under load with deletes, back again, in again; what the builds are apart is mixed for a while each time.
Once the upgrade is finalized the first build is let in no more, and says so. And a command that no build
knows, in the log of one node, stops every node that meets it, with a sentence, and is never skipped."""
import http.client
import json
import os
import subprocess
import threading
import time

from lib.context import expect, wait_until
from lib.daemon import BUILD, LETHED, NEXT, Skip
from lib.members import add, ask, insist, is_ready, make_joiner, wait_done

ID = "42"
TITLE = "rolling upgrade, back, finalized; an unknown command stops"
CI_SECONDS = 0
SECONDS = 60
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
NEWER = os.path.join(BUILD, "tools", "newer")


def told(node):
    """(version, feature level) of the build that runs."""
    try:
        _, document = ask(node, "GET", "/version")
        return document["version"], document["feature_level"]
    except (OSError, http.client.HTTPException, ValueError):
        return None


class Supervisor(threading.Thread):
    """What the command of rolling-restart asks for: files in a folder, as a shell can make them. It only
    stops; the main thread starts, since a node ends with the thread that started it."""

    def __init__(self, cluster, folder, program):
        super().__init__(daemon=True)
        self.cluster, self.folder, self.program = cluster, folder, program
        os.makedirs(folder, exist_ok=True)
        servers = ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)
        self.command = [os.path.join(ROOT, "scripts/ops/rolling-restart"), "--server", servers, "--wait",
                        "90", "--max-lag", "40", "--command",
                        f"touch {folder}/stop-$NODE; until [ -e {folder}/done-$NODE ]; do sleep 0.1; done"]
        self.output, self.code = "", None
        self.start()

    def run(self):
        done = subprocess.run(self.command, capture_output=True, text=True, timeout=400, check=False)
        self.output, self.code = done.stdout + done.stderr, done.returncode

    def serve(self, between):
        """Carries orders out until the script has ended; between each two, between()."""
        while self.is_alive():
            for node in self.cluster.nodes:
                order = os.path.join(self.folder, f"stop-{node.id}")
                if not os.path.exists(order):
                    continue
                expect(node.stop() == 0, f"node {node.id} did not end well")
                node.program = self.program
                node.start()
                os.unlink(order)
                with open(os.path.join(self.folder, f"done-{node.id}"), "w", encoding="ascii"):
                    pass
                between()
            time.sleep(0.05)
        expect(self.code == 0, f"rolling-restart ended with {self.code}:\n{self.output}")


def roll(context, cluster, program, name):
    """All nodes, by the script; what the cluster says of its builds meanwhile."""
    seen = set()
    Supervisor(cluster, os.path.join(context.directory, name), program).serve(
        lambda: seen.add(tuple(sorted(str(told(node)) for node in cluster.nodes if node.is_running()))))
    levels = {told(node) for node in cluster.nodes}
    expect(len(levels) == 1, f"after {name}: {levels}")
    return levels.pop()


def in_force(cluster):
    return ask(cluster.nodes[0], "GET", "/v1/cluster")[1]["feature_level"]


def refused(context, cluster, level):
    """The first build at one node, after the upgrade was finalized: it does not come in, and goes on when
    the right build is there again."""
    node = context.random.choice(cluster.nodes)
    expect(node.stop() == 0, f"node {node.id} did not end well")
    node.program = LETHED
    node.start()
    wait_until(lambda: not node.is_running() or f"level {level}" in node.log_text(1), 20,
               "an older build says that it may not come in")
    text = node.log_text(1)
    expect("finalized" in text and f"level {level}" in text, f"an older build says\n{node.log_tail(8)}")
    expect(not is_ready(node), "an older build serves")
    node.kill()
    node.program = NEXT
    node.start().wait_ready()
    return text.rsplit('detail="', 1)[-1].split('"')[0]


def unknown_command(context):
    """In the log of one of two that are up, which wins with it: whoever comes to apply it stops."""
    cluster = context.cluster(3, slot_count=2).start()
    client = context.client(cluster)
    channel = (2, "before")
    for _ in range(20):
        client.append(cluster.nodes[0], channel)
    slot = client.read(cluster.nodes[0], channel)["slot"]
    cluster.settle()
    before = cluster.slot(cluster.nodes[0], slot)["applied_index"]
    for node in cluster.nodes:
        node.stop()
    done = subprocess.run([NEWER, cluster.nodes[0].data_dir, str(slot)], capture_output=True, text=True,
                          timeout=30, check=False)
    expect(done.returncode == 0, f"newer: {done.stderr}")
    # Who leads stops, now and then before the other one hears that the command is committed; at each start
    # again: it is not skipped at the second try. Neither applies it.
    for _ in range(2):
        for node in cluster.nodes[:2]:
            if not node.is_running():
                node.start()
        wait_until(lambda: any(not n.is_running() for n in cluster.nodes[:2]), 40, "a node stops at the unknown command")
        time.sleep(2)
        for node in [node for node in cluster.nodes[:2] if not node.is_running()]:
            expect(node.process.returncode > 0, f"node {node.id} ended with {node.process.returncode}")
            words = [line for line in node.log_text(1).splitlines() if " error " in line]
            expect(any("kind 250" in line and "upgrade" in line for line in words), f"node {node.id} says {words}")
    for node in cluster.nodes[:2]:
        if node.is_running():
            node.kill()
        dumped = subprocess.run([LETHED, "dump", "--data-dir", node.data_dir], check=True,
                                capture_output=True, text=True, timeout=60).stdout
        slots = {row["slot"]: row for row in map(json.loads, dumped.splitlines()) if "applied_index" in row}
        expect(before <= slots[slot]["applied_index"] < int(done.stdout), f"node {node.id} applied {slots[slot]}")
    context.note("unknown: " + words[-1].split('detail="')[-1].rstrip('"'))
    context.history.records.clear()


def run(context):
    for program in (NEXT, NEWER):
        if not os.access(program, os.X_OK):
            raise Skip(f"no {program}: make cluster-tools")
    unknown_command(context)
    cluster = context.cluster(3).start()
    load = context.load(cluster, {"W1": 2, "W2": 3, "W6": 1}, rate=120)
    time.sleep(2)
    old = told(cluster.nodes[0])
    wait_until(lambda: in_force(cluster) > 0, 20, "the cluster says its feature level")
    begun = in_force(cluster)
    new = roll(context, cluster, NEXT, "up")
    expect(new[1] == old[1] + 1 and new[0] != old[0], f"the second build says {new}, the first {old}")
    expect(in_force(cluster) == begun, "an upgrade that nobody finalized changed the level in force")
    time.sleep(2)
    expect(roll(context, cluster, LETHED, "down") == old, "the way back")
    joiner = make_joiner(context, cluster, 4)  # with mixed builds a node may join
    cluster.nodes[0].stop()
    cluster.nodes[0].program = NEXT
    cluster.nodes[0].start().wait_ready()
    add(context, cluster, joiner)
    wait_done(cluster.nodes)
    status, document = ask(cluster.nodes[1], "POST", "/v1/admin/upgrade:finalize", {})
    expect(status == 409, f"finalized with mixed builds: {status} {document}")
    context.note("early: " + document["detail"])
    load.nodes = list(cluster.nodes)
    roll(context, cluster, NEXT, "again")
    insist(context, cluster, "POST", "/v1/admin/upgrade:finalize", {})
    wait_until(lambda: in_force(cluster) == new[1], 20, "the new level is in force")
    context.note("late: " + refused(context, cluster, new[1]))
    fates = {r["status"] for r in context.history.records if (r["status"] or 0) >= 500}
    expect(fates <= {503, 504}, f"a call failed with {fates}")
    context.finish(cluster)
