# SPDX-License-Identifier: Apache-2.0
"""A node that catches up is killed at each step of that: before and after its marker, in the middle of
chunks, before and after the last batch. Whatever it was, it never serves, shows or leads what is not
whole, and the next start ends well."""
import time

from lib import daemon
from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "5"
TITLE = "kill the catching-up node at each failpoint of delta and full"
CI_SECONDS = 14
SECONDS = 260
FIRST = ["receiver.rows", "receiver.marked", "install.written"]


def points(context):
    """Those of a catch-up, first the ones that matter most; then all again at another chunk."""
    names = [n for n in daemon.failpoints() if n.split(".")[0] in ("receiver", "install")]
    rest = sorted(set(names) - set(FIRST) - {"receiver.resume"})
    context.random.shuffle(rest)
    for nth in (1, 2):
        for name in FIRST + rest:
            yield name, nth if name in ("receiver.rows", "receiver.wrote") else 1
    yield "receiver.resume", 1


def one_point(behind, name, nth, full):
    """Whether it was reached."""
    third = behind.third
    behind.leave().miss(full)
    if name == "receiver.resume":  # only a second start can
        third.start(fail="receiver.wrote:abort")
        wait_until(lambda: not third.is_running() or behind.look(), 30, "the first catch-up")
    if third.is_running():
        return False
    third.start(fail=f"{name}:abort:{nth}")
    wait_until(lambda: not third.is_running() or behind.look(), 40, f"{name} or a whole node")
    was_reached = not third.is_running()
    if was_reached:
        expect(third.failed_at() == name, f"it ended by itself\n{third.log_tail(15)}")
        third.start()
    behind.wait_whole()
    return was_reached


def run(context):
    chosen = list(points(context))
    cluster = context.cluster(3, settings={"cluster": SNAP}).start()
    behind = Behind(context, cluster).fill()
    end, reached, missed = time.monotonic() + context.seconds, [], []
    for number, (name, nth) in enumerate(chosen):
        for full in (number % 2 == 0, number % 2 == 1):
            is_reached = one_point(behind, name, nth, full)
            (reached if is_reached else missed).append(f"{name}:{nth}{' full' if full else ''}")
            if time.monotonic() > end:
                break
        if time.monotonic() > end:
            break
    expect(reached, f"no failpoint was reached: {missed}")
    context.note(f"killed at {len(reached)} steps" + (f", never at {missed}" if missed else ""))
    context.finish(cluster)
