# SPDX-License-Identifier: Apache-2.0
"""What a stopped node holds, as `lethed dump --rows` prints it."""
import json
import subprocess

from .daemon import LETHED, Failure


class Dump:
    """node: its id; slots: {slot: summary}; rows: {slot: {kind: [row]}}."""

    def __init__(self, node, slots, rows):
        self.node, self.slots, self.rows = node, slots, rows

    def of(self, slot, kind):
        return self.rows.get(slot, {}).get(kind, [])

    def only(self, slots):
        """Without the others, of which the node holds no replica (any more)."""
        return Dump(self.node, {slot: summary for slot, summary in self.slots.items() if slot in slots},
                    {slot: rows for slot, rows in self.rows.items() if slot in slots})


def parse(node, lines):
    slots, rows, ended = {}, {}, False
    for line in lines:
        record = json.loads(line)
        if "row" in record:
            rows.setdefault(record["slot"], {}).setdefault(record["row"], []).append(record)
        elif "slots" in record:
            ended = True
        elif "slot" in record:
            slots[record["slot"]] = record
    if not ended:
        raise Failure(f"the dump of node {node} has no end")
    return Dump(node, slots, rows)


def dump(node):
    """Of a stopped daemon.Node. A digest that does not fit is left to the checkers."""
    done = subprocess.run([LETHED, "dump", "--data-dir", node.data_dir, "--rows"], timeout=120,
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or (done.returncode == 1 and done.stderr.strip()):
        raise Failure(f"lethed dump of node {node.id}: {done.returncode}: {done.stderr.strip()}")
    return parse(node.id, done.stdout.splitlines())
