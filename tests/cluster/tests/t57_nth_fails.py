# SPDX-License-Identifier: Apache-2.0
"""The n-th open of a file or socket, allocation, or start of a thread fails, at a start and under load.
The node says so and ends, or goes on without harm: never by a signal but that of abort, never hung, never
with a wrong answer; and the next start, without faults, has all that was acknowledged."""
import http.client
import signal
import time

from lib.context import expect
from lib.daemon import Failure
from lib.preload import KINDS, Preload

ID = "36"
TITLE = "the n-th open, allocation, thread start fails"
CI_SECONDS = 0
SECONDS = 150
HUNG_S = 30


def is_alive(node):
    """It answers; out of descriptors it takes no new connections for some seconds."""
    end = time.monotonic() + HUNG_S
    while node.is_running() and time.monotonic() < end:
        try:
            return node.get("/livez", timeout=3)[0] == 200
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
    return not node.is_running()


def fate_of(node, what, is_single):
    """'ended', 'aborted' or None while it runs; a failure for any other end. Only when a single call
    failed there is memory for words."""
    if node.is_running():
        return None
    code = node.process.returncode
    if code == -signal.SIGABRT:
        words = node.log_text(1)
        expect(not is_single or "terminate called" in words or "Assertion" in words or "Unexpected error" in words,
               f"{what}: aborted without a word\n{node.log_tail(20)}")
        return "aborted"
    expect(code > 0, f"{what}: ended with {code}\n{node.log_tail(20)}")
    return "ended"


def at_start(node, preload, what, is_single):
    """What becomes of a start in which a call fails."""
    node.start(wrapper=preload.wrapper)
    try:
        node.wait_ready(HUNG_S)
    except Failure:
        fate = fate_of(node, what, is_single)
        if fate is None:
            expect(is_alive(node), f"{what}: neither ready nor ended\n{node.log_tail(20)}")
            return "not ready"
        return fate
    return "went on"


def under_load(node, preload, what, failure):
    is_single = failure[2] == 1
    node.start(wrapper=preload.wrapper).wait_ready(HUNG_S)
    preload.forget()
    preload.fail(*failure)
    end = time.monotonic() + 2.5
    while time.monotonic() < end and node.is_running():
        time.sleep(0.1)
    fate = fate_of(node, what, is_single)
    if fate is None:
        expect(is_alive(node), f"{what}: it runs and does not answer\n{node.log_tail(20)}")
        return "went on"
    return fate


def calls_of_a_start(node, preload):
    node.start(wrapper=preload.wrapper).wait_ready()
    counts = {kind: preload.calls(kind) for kind in KINDS}
    node.kill()
    return counts


def run(context):
    cluster, node = context.single(settings={"storage": {
        "memtable_bytes": "4MiB", "soft_free_bytes": "1MiB", "ballast_bytes": "4MiB"}})
    preload = Preload(node)
    counts = calls_of_a_start(node, preload)
    load = context.load(cluster, {"W1": 4, "W2": 2}, rate=250)
    fates, end = {}, time.monotonic() + context.seconds
    while time.monotonic() < end:
        kind = context.random.choice(KINDS)
        is_start = kind == "thread" or context.random.random() < 0.5
        most = counts[kind] if is_start else {"open": 60, "allocation": 20000}[kind]
        failure = kind, context.random.randint(1, most), context.random.choice([1, 1, 3, 100])
        what = f"{kind} {failure[1]}, {failure[2]} in a row, {'at a start' if is_start else 'under load'}"
        context.last = what
        preload.forget()
        if is_start:
            preload.fail(*failure)
            fate = at_start(node, preload, what, failure[2] == 1)
        else:
            fate = under_load(node, preload, what, failure)
        fates[kind, fate] = fates.get((kind, fate), 0) + 1
        node.kill()
        node.start().wait_ready()
        node.stop()
    load.stop()
    honest = context.forgive_read_errors()
    expect(len({kind for kind, _ in fates}) == len(KINDS) or context.seconds < 60, f"not all kinds: {fates}")
    context.note(", ".join(f"{n} x {kind} {fate}" for (kind, fate), n in sorted(fates.items())) +
                 f"; {honest} reads were answered with 500")
    node.start().wait_ready()
    context.finish(cluster)
