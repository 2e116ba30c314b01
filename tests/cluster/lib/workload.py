# SPDX-License-Identifier: Apache-2.0
"""Seeded drivers: threads that act as clients until they are told to stop.

  W1 appends (single, batches, some with expected_last_seq) and page reads
  W2 W1 and deletes of every shape
  W6 sends that are retried with their client_msg_no, through other nodes, after deletions
  W7 channels that are deleted and used again

What a driver does next depends on its seed only; what the others and the faults make of it does not
repeat, so a seed narrows a failure down, it does not replay it.
"""
import random
import threading
import time

from . import history as hist
from .client import Client
from .daemon import Failure

RETRY_AFTER = 0.05


class Shared:
    """What the drivers of one load know of the channels together."""

    def __init__(self, channels, slot_count):
        self.channels, self.slot_count = channels, slot_count
        self.last_seq = {channel: 0 for channel in channels}
        self.timestamps = []  # of acknowledged moments: for deletes by time

    def saw(self, channel, record):
        seqs = record.get("seqs") or [record.get("last_seq") or 0]
        self.last_seq[channel] = max(self.last_seq[channel], *seqs)


class Driver(threading.Thread):
    def __init__(self, load, name, seed, kind):
        super().__init__(name=name, daemon=True)
        self.load, self.kind = load, kind
        self.random = random.Random(seed)
        self.client = Client(load.history, name, load.shared.slot_count)
        self.attempts = 0
        self.problem = None
        self.pending = []  # W6: (channel, sender, number) that may be sent again

    def run(self):
        step = {"W1": self.step_log, "W2": self.step_delete, "W6": self.step_retry,
                "W7": self.step_churn}[self.kind]
        try:
            while not self.load.stopping.is_set():
                begun = time.monotonic()
                step()
                pause = self.load.interval * self.random.uniform(0.5, 1.5)
                self.load.stopping.wait(max(0.0, pause - (time.monotonic() - begun)))
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem
        finally:
            self.client.close()

    # ---- choices ---------------------------------------------------------------------------------
    def node(self):
        nodes = self.load.nodes
        if self.load.pinned is not None:
            return self.load.pinned
        return self.random.choice(nodes)

    def channel(self):
        return self.random.choice(self.load.shared.channels)

    def last(self, channel):
        return self.load.shared.last_seq[channel]

    def saw(self, channel, record):
        ended = hist.outcome(record["status"], record["code"])
        if ended == "done":
            self.load.shared.saw(channel, record)
        elif ended == "refused" and record["status"] in (None, 429, 503):
            self.load.stopping.wait(RETRY_AFTER)
        return record

    def reason(self):
        self.attempts += 1
        return f"{self.client.name}/d{self.attempts}"

    # ---- W1, W2 ----------------------------------------------------------------------------------
    def step_log(self):
        channel, dice = self.channel(), self.random.random()
        if dice < 0.55:
            expected = self.last(channel) if self.random.random() < 0.05 else None
            self.saw(channel, self.client.append(self.node(), channel, expected=expected))
        elif dice < 0.65:
            self.saw(channel, self.client.batch(self.node(), channel, self.random.randint(2, 12),
                                                self.random.random() < 0.5))
        else:
            self.read(channel)

    def step_delete(self):
        if self.random.random() < 0.15:
            self.delete(self.channel())
        else:
            self.step_log()

    def read(self, channel):
        last = self.last(channel)
        window = self.random.choice([(1, None), (max(1, last - 60), None), (1, last or 1),
                                     self.some_range(last)])
        consistency = self.random.choices(["linearizable", "local", "leader"], [6, 3, 1])[0]
        slot = hist.slot_of(channel[1], self.load.shared.slot_count)
        min_index = None
        if consistency == "local" and self.random.random() < 0.5:
            min_index = self.client.seen.get(slot)
        self.saw(channel, self.client.read(
            self.node(), channel, *window, limit=self.random.choice([5, 50, 200]),
            descending=self.random.random() < 0.4, consistency=consistency, min_index=min_index))

    def some_range(self, last):
        start = self.random.randint(1, max(1, last))
        return start, min(max(1, last), start + self.random.choice([0, 1, 5, 30, 150]))

    def delete(self, channel):
        last, shape = self.last(channel), self.random.randrange(9)
        if shape == 0:
            form = {"seqs": sorted({self.random.randint(1, max(1, last)) for _ in range(6)})}
        elif shape == 1:
            form = {"ranges": [list(self.some_range(last)) for _ in range(3)]}
        elif shape == 2:
            form = {"through_seq": max(1, last // 8)}
        elif shape == 3:
            form = {"keep": max(20, last * 3 // 4)}
        elif shape == 4:
            form = {"before": int((time.time() - self.load.seconds_back) * 1000)}
        elif shape == 5:  # the tail: what comes next must not use its seqs again
            form = dict(zip(("start_seq", "end_seq"), (max(1, last - 3), max(1, last))))
        elif shape == 6 and self.random.random() < 0.15:
            form = {}
        else:
            form = dict(zip(("start_seq", "end_seq"), self.some_range(last)))
        is_bounded = self.random.random() < 0.1 and bool(form)
        self.saw(channel, self.client.delete(self.node(), channel, form, self.reason(),
                                             clamp=not is_bounded,
                                             dry_run=bool(form) and self.random.random() < 0.05))

    # ---- W6 --------------------------------------------------------------------------------------
    def step_retry(self):
        if self.pending and self.random.random() < 0.6:
            channel, sender, number, seq = self.random.choice(self.pending)
            if seq and self.random.random() < 0.3:
                self.saw(channel, self.client.delete(self.node(), channel, {"seqs": [seq]},
                                                     self.reason()))
            self.send_again(channel, sender, number)
            if len(self.pending) > 40:
                self.pending.pop(0)
            return
        channel, number = self.channel(), self.client.new_number()
        record = self.saw(channel, self.client.append(self.node(), channel, number))
        seq = record["seqs"][0] if record.get("seqs") else None
        self.pending.append((channel, self.client.name, number, seq))
        if hist.outcome(record["status"], record["code"]) == "unknown":
            self.send_again(channel, self.client.name, number)

    def send_again(self, channel, sender, number):
        self.saw(channel, self.client.append(self.node(), channel, number, sender))

    # ---- W7 --------------------------------------------------------------------------------------
    def step_churn(self):
        channel = self.channel()
        for _ in range(self.random.randint(1, 6)):
            self.saw(channel, self.client.append(self.node(), channel))
        self.read(channel)
        self.saw(channel, self.client.delete(self.node(), channel, {}, self.reason()))
        self.read(channel)


class Load:
    """A running set of drivers: `kinds` says how many of which, as in {"W1": 2, "W2": 4}."""

    def __init__(self, nodes, history, seed, kinds, rate=300, channels=10, slot_count=4, name="c",
                 pinned=None):
        self.nodes, self.history, self.pinned = nodes, history, pinned
        self.stopping = threading.Event()
        count = sum(kinds.values())
        self.interval = count / rate
        self.seconds_back = 5.0
        self.shared = Shared([(2, f"{name}-room-{i}") for i in range(channels)], slot_count)
        self.drivers = []
        for kind, number in sorted(kinds.items()):
            for i in range(number):
                self.drivers.append(Driver(self, f"{name}{kind}.{i}", f"{seed}/{kind}/{i}", kind))

    def start(self):
        for driver in self.drivers:
            driver.start()
        return self

    def stop(self):
        """Stops the drivers; what went wrong inside one of them is raised here."""
        self.stopping.set()
        for driver in self.drivers:
            driver.join(30)
            if driver.is_alive():
                raise Failure(f"driver {driver.name} hangs in a call")
        for driver in self.drivers:
            if driver.problem is not None:
                raise driver.problem
        return self
