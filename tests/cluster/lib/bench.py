# SPDX-License-Identifier: Apache-2.0
"""lethe-bench beside a test: load at a fixed rate whose latency counts from the time planned, and a
journal of what was acknowledged that is verified when everything is over."""
import json
import os
import signal
import subprocess

from .context import expect, wait_until
from .daemon import BUILD, Skip, die_with_parent

PROGRAM = os.path.join(BUILD, "bin", "lethe-bench")
CHANNELS, PRELOAD = 32, 40
MIX = "append=80,page=5,point=5,delete=10"


class Bench:
    """One run of single sends and deletes; started at once. Its first messages are there when begun()."""

    def __init__(self, context, name, nodes, rate):
        if not os.access(PROGRAM, os.X_OK):
            raise Skip(f"no {PROGRAM}")
        self.journal = os.path.join(context.directory, f"bench-{name}.journal")
        self.errors = open(os.path.join(context.directory, f"bench-{name}.err"), "w+b")
        self.result = None
        self.process = subprocess.Popen(
            [PROGRAM, "mixed", "--mix", MIX, "--numbers", "--json", "--quiet", "--target",
             ",".join(f"127.0.0.1:{node.port}" for node in nodes), "--rate", str(rate), "--clients",
             "24", "--channels", str(CHANNELS), "--preload", str(PRELOAD), "--prefix", f"{name}-",
             "--duration", "3600s", "--timeout", "10s", "--journal", self.journal],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
            preexec_fn=die_with_parent)
        context.undo.append(self.close)

    def begun(self):
        """Its preload is stored, the load itself runs."""
        def is_loaded():
            expect(self.process.poll() is None, "lethe-bench has ended: " + self.words())
            try:
                with open(self.journal, "rb") as file:
                    return file.read().count(b"\nA ") > CHANNELS * PRELOAD
            except OSError:
                return False
        wait_until(is_loaded, 60, "lethe-bench has stored its first messages")
        return self

    def words(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-500:]

    def stop(self):
        """Ends the load, and gives its figures (lethe-bench --json)."""
        self.process.send_signal(signal.SIGINT)
        text, _ = self.process.communicate(timeout=40)
        expect(self.process.returncode in (0, 1), f"lethe-bench ended with {self.process.returncode}: "
               + self.words())
        self.result = json.loads(text)
        expect(self.result["requests"] > 0, f"lethe-bench did nothing: {self.result}")
        return self.result

    def p99_ms(self):
        return self.result["latency_us"]["p99"] / 1000

    def verify(self, nodes):
        """All that was acknowledged is there once, what was deleted is gone; in each node's own store
        as well. How many messages were looked at."""
        done = subprocess.run(
            [PROGRAM, "verify", "--journal", self.journal, "--verify-local", "--json", "--quiet",
             "--target", ",".join(f"127.0.0.1:{node.port}" for node in nodes)],
            capture_output=True, text=True, timeout=300, check=False)
        expect(done.returncode == 0, f"lethe-bench verify ended with {done.returncode}: "
               f"{done.stdout[-1500:]} {done.stderr[-1500:]}")
        return json.loads(done.stdout.splitlines()[0])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
