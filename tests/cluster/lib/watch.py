# SPDX-License-Identifier: Apache-2.0
"""Watches running nodes for drift: memory, descriptors, threads, disk, latency, over a long time.

A run is divided into windows. A node's figure has drifted when the median of the last third of its
windows lies above that of the second third by more than a factor and an amount; the first third is
where caches fill. Figures of a process begin anew with each start: windows in which a node was started
do not count for it."""
import os
import statistics
import time

WINDOWS = 24
FIGURES = {  # name: (unit, divisor, factor, least amount)
    "memory": ("MiB", 1 << 20, 1.3, 48 << 20),
    "descriptors": ("", 1, 1.3, 24),
    "threads": ("", 1, 1.3, 4),
    "disk": ("MiB", 1 << 20, 1.5, 64 << 20),
}


def folder_bytes(path):
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                pass  # compacted away meanwhile
    return total


def look_at(node):
    """What its process and its folder hold now, or None while it does not run."""
    if not node.is_running():
        return None
    try:
        root = f"/proc/{node.process.pid}"
        with open(root + "/status", encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        return {"memory": int(fields["VmRSS"].split()[0]) << 10,
                "threads": int(fields["Threads"]),
                "descriptors": len(os.listdir(root + "/fd")),
                "disk": folder_bytes(node.data_dir)}
    except (OSError, KeyError):
        return None


class Watch:
    def __init__(self, nodes, seconds):
        self.nodes, self.begun = nodes, time.monotonic()
        self.window_s = max(1.0, seconds / WINDOWS)
        self.samples = {node.id: {} for node in nodes}  # node -> window -> [figures]
        self.boots = {node.id: {} for node in nodes}    # node -> window -> starts seen in it
        self.calls = {}                                 # (kind, window) -> [seconds]
        self.outcomes = {}                              # (kind, outcome) -> count

    def window(self):
        return int((time.monotonic() - self.begun) / self.window_s)

    def sample(self):
        at = self.window()
        for node in self.nodes:
            self.boots[node.id].setdefault(at, set()).add(node.boot)
            figures = look_at(node)
            if figures:
                self.samples[node.id].setdefault(at, []).append(figures)

    def call(self, kind, outcome, seconds):
        """Thread: any."""
        key = (kind, outcome)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        if outcome == "done":
            self.calls.setdefault((kind, self.window()), []).append(seconds)

    # ---- what it says ----------------------------------------------------------------------------
    def series(self, node_id, figure):
        """Window -> median; not those in which the node was started."""
        found, last = {}, None
        for at in sorted(self.samples[node_id]):
            boots = self.boots[node_id][at]
            if len(boots) == 1 and (last is None or boots == last):
                found[at] = statistics.median(s[figure] for s in self.samples[node_id][at])
            last = {max(boots)}
        return found

    @staticmethod
    def thirds(series):
        """(median of the second third, of the last one), or None when there is too little."""
        values = [series[at] for at in sorted(series)]
        third = len(values) // 3
        if third < 2:
            return None
        return statistics.median(values[third:2 * third]), statistics.median(values[2 * third:])

    def drifted(self):
        """Sentences, one for each figure that grew beyond its limit."""
        found = []
        for node in self.nodes:
            for figure, (unit, divisor, factor, least) in FIGURES.items():
                pair = self.thirds(self.series(node.id, figure))
                if pair and pair[1] > pair[0] * factor and pair[1] - pair[0] > least:
                    found.append(f"{figure} of node {node.id} grew from {pair[0] / divisor:.0f} to "
                                 f"{pair[1] / divisor:.0f} {unit}".rstrip())
        for kind in sorted({k for k, _ in self.calls}):
            pair = self.thirds({w: statistics.median(v) for (k, w), v in self.calls.items()
                                if k == kind})
            if pair and pair[1] > 2 * pair[0] and pair[1] - pair[0] > 0.010:
                found.append(f"the median of {kind} grew from {pair[0] * 1000:.1f} to "
                             f"{pair[1] * 1000:.1f} ms")
        return found

    def report(self, faults):
        """A page for people: what was done, how it went, window by window."""
        lines = [f"{time.monotonic() - self.begun:.0f} s in windows of {self.window_s:.0f} s; faults: "
                 + (", ".join(f"{n} {name}" for name, n in sorted(faults.items())) or "none")]
        for kind in sorted({k for k, _ in self.outcomes}):
            lines.append(f"{kind:8} " + ", ".join(
                f"{n} {outcome}" for (k, outcome), n in sorted(self.outcomes.items()) if k == kind))
        for kind in sorted({k for k, _ in self.calls}):
            lines.append(f"{kind:8} p50/p99 ms by window: " + " ".join(
                f"{statistics.median(v) * 1000:.1f}/{sorted(v)[int(len(v) * .99)] * 1000:.0f}"
                for (k, _), v in sorted(self.calls.items()) if k == kind))
        for node in self.nodes:
            for figure, (unit, divisor, _, _) in FIGURES.items():
                series = self.series(node.id, figure)
                lines.append(f"node {node.id} {figure:11} " + " ".join(
                    f"{series[at] / divisor:.0f}" if at in series else "-"
                    for at in range(self.window() + 1)) + f" {unit}".rstrip())
        return "\n".join("    " + line for line in lines)
