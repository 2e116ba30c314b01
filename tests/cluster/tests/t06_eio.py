# SPDX-License-Identifier: Apache-2.0
"""A sync that fails once: its outcome is unknown, so the node stops and says nothing more; after a
restart everything acknowledged is there."""
import time

from lib import faults
from lib.context import expect

ID = "32"
TITLE = "fsync fails with EIO once: stops, no false answer"
CI_SECONDS = 0
SECONDS = 60
EXIT_FATAL = 70


def run(context):
    cluster, node = context.single()
    node.start().wait_ready()
    context.load(cluster, {"W1": 2, "W2": 2, "W6": 1}, rate=300)
    end, rounds = time.monotonic() + context.seconds, 0
    while rounds == 0 or time.monotonic() < end:
        time.sleep(context.random.uniform(0.3, 1.0))
        nth = context.random.choice([1, 2, 5, 20])
        strace = faults.Strace(node, f"fdatasync,fsync:error=EIO:when={nth}")
        context.undo.append(strace.close)
        code = node.wait_end(20)
        strace.close()
        expect(strace.injected() > 0, "nothing was injected")
        expect(code == EXIT_FATAL, f"ended with {code}, not {EXIT_FATAL}")
        line = next((l for l in node.log_text(starts=1).splitlines() if " error " in l), "")
        expect("detail=" in line, "the log does not say why it ended")
        node.start().wait_ready()
        rounds += 1
    context.note(f"{rounds} failed syncs")
    context.finish(cluster)
