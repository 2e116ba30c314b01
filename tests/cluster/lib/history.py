# SPDX-License-Identifier: Apache-2.0
"""The history of a run: one record per call, kept in memory and written as JSON lines.

Fields of every record:
  id, op        append | delete | read
  start, end    monotonic seconds around the call; sent: when the request was written, if it was
  client, node, boot   who asked which node in its which start
  channel, slot, args  what was asked: args is what the checkers need to know of the request
  status, code         HTTP status and the problem's slug; status None: no reply came, and code says
                       why: "connect" (nothing was sent), "lost" or "timeout" (the outcome is unknown)
Of a reply, where it has them: log_index, applied_index, seqs, delete_id, deleted, and more of each
kind, as client.py fills them in.
"""
import json
import threading
import time
import zlib

# Statuses that promise "certainly not applied" (api.md section 1); every other failure may have been.
REFUSED = {400, 404, 405, 406, 409, 410, 412, 413, 415, 422, 429, 431, 501, 503, 507}


def outcome(status, code=None):
    """done, refused (certainly not applied) or unknown."""
    if status is None:
        return "refused" if code == "connect" else "unknown"
    if 200 <= status < 300:
        return "done"
    return "refused" if status in REFUSED else "unknown"


def slot_of(channel_id, slot_count):
    return zlib.crc32(channel_id.encode()) % slot_count


class History:
    def __init__(self, path=None):
        self.records = []
        self.lock = threading.Lock()
        self.file = open(path, "w", encoding="utf-8") if path else None

    def add(self, record):
        with self.lock:
            record["id"] = len(self.records)
            self.records.append(record)
            if self.file is not None:
                self.file.write(json.dumps(record, separators=(",", ":")) + "\n")

    def close(self):
        with self.lock:
            if self.file is not None:
                self.file.close()
                self.file = None

    def counts(self):
        """How many calls ended how: for the line that a test prints."""
        counts = {}
        for record in self.records:
            key = record["op"] + " " + outcome(record["status"], record.get("code"))
            counts[key] = counts.get(key, 0) + 1
        return counts


def in_flight(records, node, moment):
    """Calls at this node that were sent and not yet answered then."""
    return [r for r in records if r["node"] == node.id and r.get("sent") is not None
            and r["sent"] < moment < r["end"]]


def now():
    return time.monotonic()


def load(path):
    """The records of a kept history file."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]
