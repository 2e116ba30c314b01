# SPDX-License-Identifier: Apache-2.0
"""A node, now the leader of most, now a follower, ends at each place that a build with failpoints has,
under load, while logs are compacted, the delete log is collected and a third node catches up. Where a
place can fail, it also fails there: then the node stops by itself. The next start ends well."""
import http.client
import time

from lib import daemon
from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "22"
TITLE = "abort and fail at every failpoint, leader and follower"
CI_SECONDS = 0
SECONDS = 600
EXIT_FATAL = 70
OFTEN = ("apply", "write", "promise")  # passed many times a second


def orders(context):
    """(name, action, nth, by whom) for all of them, in a random order."""
    found = []
    for name, can_fail in sorted(daemon.failpoints().items()):
        nth = context.random.randint(1, 200) if name.startswith(OFTEN) and name != "promise.synced" \
            else 1
        roles = {"sender": ["leader"], "receiver": ["third"], "install": ["third"],
                 "collect": ["leader"], "store": ["third"]}.get(name.split(".")[0],
                                                                ["leader", "third"])
        found += [(name, "error" if can_fail else "abort", nth, role) for role in roles]
    context.random.shuffle(found)
    return found


def stir(context, cluster, behind):
    """What makes the rarer places be passed."""
    running = [n for n in cluster.nodes if n.is_running()]
    try:
        cluster.order("/v1/admin/compact-log", {}, among=running, timeout=2)
        context.collected += cluster.deletes(behind.staying[0])
        cluster.order("/v1/admin/delete-log/collect", {}, among=running, timeout=2)
    except (daemon.Failure, OSError):
        pass  # in the middle of an election: the next time


def is_ready(node):
    try:
        return node.get("/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def one_order(context, cluster, behind, order):
    """Whether the place was reached."""
    name, action, nth, role = order
    kind = name.split(".")[0]
    behind.leave()
    if kind in ("sender", "receiver", "install", "collect"):
        behind.miss(full=context.random.random() < 0.5)
    text = f"{name}:{action}:{nth}"
    if name == "receiver.resume":
        behind.third.start(fail="receiver.wrote:abort")
        wait_until(lambda: not behind.third.is_running() or behind.look(), 30, "a first catch-up")
        behind.third.kill()
    if role == "leader":  # both that may lead, one after the other
        for node in behind.staying:
            node.kill()
            node.start(fail=text)
            wait_until(lambda n=node: is_ready(n) or
                       not all(m.is_running() for m in behind.staying), 30, "it serves, or ended")
            if not all(m.is_running() for m in behind.staying):
                break
    load = context.load(cluster, {"W1": 1, "W2": 3}, rate=120)
    behind.third.start(fail=text if role == "third" else None)
    armed = [behind.third] if role == "third" else behind.staying
    end = time.monotonic() + 12
    while all(n.is_running() for n in armed) and time.monotonic() < end:
        if kind in ("compact", "collect", "log"):
            stir(context, cluster, behind)
        time.sleep(0.1)
    load.stop()
    context.loads.remove(load)
    was_reached = False
    for node in [n for n in armed if n.failed_at() is not None]:
        was_reached = True
        code = node.wait_end(20)
        wanted = -9 if action == "abort" else EXIT_FATAL
        expect(code == wanted, f"{text}: node {node.id} ended with {code}, not {wanted}\n"
               f"{node.log_tail(12)}")
    for node in cluster.nodes:  # also those whose place was never passed
        if not node.is_running():
            expect(node.failed_at() is not None, f"{text}: node {node.id} ended by itself\n"
                   f"{node.log_tail(12)}")
            node.start()
        elif node in armed:  # or it would end there later
            node.kill()
            node.start()
    behind.wait_whole(90)
    return was_reached


def run(context):
    cluster = context.cluster(3, settings={"cluster": SNAP,
                                           "storage": {"soft_free_bytes": "1MiB"}}).start()
    behind = Behind(context, cluster).fill()
    end, reached, missed = time.monotonic() + context.seconds, 0, []
    for order in orders(context):
        if one_order(context, cluster, behind, order):
            reached += 1
        else:
            missed.append(f"{order[0]} ({order[3]})")
        if time.monotonic() > end:
            break
    expect(reached > 0, "no failpoint was reached")
    context.note(f"ended at {reached} places" + (f", never at {missed}" if missed else ""))
    context.finish(cluster)
