#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The data side of scripts/demo: real input, the deletes, and the comparison.

    demo_data.py make INPUT               changelogs of installed packages -> NDJSON for import
    demo_data.py delete INPUT PLAN URL    range-deletes in many channels; writes what was deleted
    demo_data.py compare INPUT PLAN FILE  an export against the input minus the deletes ("-": none)
    demo_data.py holes PLAN URL           every deleted seq asked for answers 410, pages name them
    demo_data.py digests DUMP...          replicas at equal applied indexes have equal digests
    demo_data.py wait URL SECONDS         until the server is ready
    demo_data.py port                     a free port on loopback

One channel a package, one message an entry, oldest first. Exits with 1 and says why when anything
is not as it must be.
"""
import glob
import gzip
import http.client
import json
import os
import re
import socket
import sys
import time
import urllib.parse
import zlib

PATTERN = "/usr/share/doc/*/changelog.Debian.gz"
HEAD = re.compile(r"^(\S+) \(([^)\s]+)\)")
SIGNED = re.compile(r"^ -- (.*?)  (.*)$")
CHANNEL_TYPE = 2
RETRY_S = 20
TEXT_MAX = 60000
UID_MAX = 128


def fail(text):
    sys.exit("demo: " + text)


def entries_of(path):
    """The entries of one changelog, newest first, as (author, date, version, text)."""
    with gzip.open(path, "rb") as file:
        text = file.read().decode("utf-8", "replace")
    version, lines = None, []
    for line in text.splitlines():
        head = HEAD.match(line)
        signed = SIGNED.match(line)
        if head:
            version, lines = head.group(2), []
        elif signed and version is not None:
            body = "\n".join(lines).strip("\n")[:TEXT_MAX]
            yield signed.group(1), signed.group(2).strip(), version, body
            version = None
        elif version is not None:
            lines.append(line)


def author_uid(author):
    """The author as a uid: UTF-8, bounded, without control characters."""
    clean = "".join(c for c in author if c.isprintable()).strip() or "unknown"
    while len(clean.encode()) > UID_MAX:
        clean = clean[:-1]
    return clean


def make(target):
    files = sorted(glob.glob(PATTERN))
    messages = channels = skipped = payload_bytes = 0
    with open(target, "w", encoding="utf-8") as out:
        for path in files:
            package = os.path.basename(os.path.dirname(path))
            try:
                entries = list(entries_of(path))
            except (OSError, EOFError, zlib.error):
                skipped += 1
                continue
            channels += bool(entries)
            for author, date, version, text in reversed(entries):
                payload = {"version": version, "date": date, "text": text}
                payload_bytes += len(json.dumps(payload, ensure_ascii=False).encode())
                line = {"channel_type": CHANNEL_TYPE, "channel_id": package,
                        "from_uid": author_uid(author), "payload": payload,
                        "payload_encoding": "json"}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                messages += 1
    if messages == 0:
        fail("there is no readable changelog at " + PATTERN + " (%d files): nothing to load; "
             "on a trimmed system, reinstall a few packages with their documentation" % len(files))
    print("  %d packages, %d changelog entries, %.1f MiB of payload%s"
          % (channels, messages, payload_bytes / 1048576,
             ", %d files skipped" % skipped if skipped else ""))


def load(path):
    """channel -> list of (from_uid, payload), index 0 is seq 1."""
    channels = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            channels.setdefault(item["channel_id"], []).append((item["from_uid"], item["payload"]))
    return channels


def load_plan(path):
    """channel -> set of deleted seqs."""
    if path == "-":
        return {}
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)
    return {channel: {seq for start, end in ranges for seq in range(start, end + 1)}
            for channel, ranges in plan.items()}


class Server:
    """One kept connection to one server."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc
        self.connection = http.client.HTTPConnection(self.host, timeout=30)

    def call(self, method, path, body=None):
        """Again after a 503 (certainly not applied), as while a slot elects its new leader."""
        until = time.monotonic() + RETRY_S
        status, reply = self.call_once(method, path, body)
        while status == 503 and time.monotonic() < until:
            time.sleep(0.1)
            status, reply = self.call_once(method, path, body)
        return status, reply

    def call_once(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.connection.request(method, path, body=body, headers=headers)
        reply = self.connection.getresponse()
        data = reply.read()
        return reply.status, json.loads(data) if data else None


def channel_path(channel):
    return "/v1/channels/%d/%s" % (CHANNEL_TYPE, urllib.parse.quote(channel, safe=""))


def ranges_for(channel, count):
    """What goes: by the channel's name, so that every kind of range appears each time."""
    kind = zlib.crc32(channel.encode()) % 6
    if kind == 0:
        return [[1, count]]                                   # all of it
    if kind == 1 and count >= 3:
        return [[count // 3 + 1, 2 * count // 3]]             # the middle
    if kind == 2 and count >= 2:
        return [[count // 2 + 1, count]]                      # the newest half
    if kind == 3 and count >= 6:
        return [[2, 3], [3, count // 2], [count // 2 + 1, count // 2 + 1]]  # overlapping, touching
    if kind == 4:
        return [[1, 1]]                                       # one message
    return []


def delete(source, target, url):
    server, plan = Server(url), {}
    deleted = requests = 0
    started = time.monotonic()
    for channel, messages in sorted(load(source).items()):
        gone = set()
        for start, end in ranges_for(channel, len(messages)):
            status, reply = server.call("POST", channel_path(channel) + "/deletes", json.dumps(
                {"start_seq": start, "end_seq": end, "reason": "demo", "operator": "demo"}))
            fresh = {seq for seq in range(start, end + 1)} - gone
            if status != 200 or reply["deleted_count"] != len(fresh):
                fail("delete of %s %d-%d answers %d %r, not %d deleted"
                     % (channel, start, end, status, reply, len(fresh)))
            gone |= fresh
            plan.setdefault(channel, []).append([start, end])
            requests += 1
        deleted += len(gone)
    seconds = time.monotonic() - started
    with open(target, "w", encoding="utf-8") as out:
        json.dump(plan, out)
    print("  %d range-deletes in %d channels took %d messages in %.2f s (%.2f ms each)"
          % (requests, len(plan), deleted, seconds, seconds * 1000 / max(requests, 1)))


def compare(source, plan_path, exported):
    wanted, plan = load(source), load_plan(plan_path)
    count = 0
    seen = {channel: 0 for channel in wanted}
    with open(exported, encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            channel, seq = item["channel_id"], item["message_seq"]
            if channel not in wanted or not 1 <= seq <= len(wanted[channel]):
                fail("read %s seq %d, which was never stored" % (channel, seq))
            if seq <= seen[channel]:
                fail("read %s seq %d after %d" % (channel, seq, seen[channel]))
            gone = plan.get(channel, set())
            if seq in gone:
                fail("read %s seq %d, which was DELETED" % (channel, seq))
            for missed in range(seen[channel] + 1, seq):
                if missed not in gone:
                    fail("%s seq %d is missing" % (channel, missed))
            uid, payload = wanted[channel][seq - 1]
            if item.get("from_uid") != uid or item.get("payload") != payload:
                fail("%s seq %d is not what was stored" % (channel, seq))
            seen[channel] = seq
            count += 1
    for channel, messages in wanted.items():
        for missed in range(seen[channel] + 1, len(messages) + 1):
            if missed not in plan.get(channel, set()):
                fail("%s seq %d is missing" % (channel, missed))
    total = sum(len(messages) for messages in wanted.values())
    print("  compared: %d messages are exactly the input%s"
          % (count, " minus the %d deleted" % (total - count) if plan else ""))


def holes(plan_path, url):
    server, asked = Server(url), 0
    for channel, gone in sorted(load_plan(plan_path).items()):
        ordered = sorted(gone)
        for seq in {ordered[0], ordered[len(ordered) // 2], ordered[-1]}:
            status, reply = server.call("GET", channel_path(channel) + "/messages/%d" % seq)
            if status != 410:
                fail("%s seq %d was deleted, but answers %d" % (channel, seq, status))
            asked += 1
        path = channel_path(channel) + "/messages?from_seq=%d&to_seq=%d&limit=10000" % (
            ordered[0], ordered[-1])
        status, page = server.call("GET", path)
        named = {seq for item in page["deleted"]
                 for seq in range(item["start_seq"], item["end_seq"] + 1)}
        if status != 200 or not page.get("more") and not gone <= named:
            fail("a page of %s does not name its deleted seqs" % channel)
    print("  %d single reads of deleted messages answer 410; every page names its holes" % asked)


def digests(*dumps):
    slots, equal = {}, 0
    for path in dumps:
        with open(path, encoding="utf-8") as file:
            for item in map(json.loads, file):
                if "slot" in item:
                    slots.setdefault(item["slot"], []).append(
                        (item["applied_index"], item["digest"]))
    for slot, states in slots.items():
        for index, digest in states:
            others = {d for i, d in states if i == index}
            if len(others) > 1:
                fail("slot %d has %d different digests at index %d" % (slot, len(others), index))
        equal += len(states) == len(dumps) and len(set(states)) == 1
    print("  %d of %d slots stopped at one index on all %d nodes, with one digest"
          % (equal, len(slots), len(dumps)))


def wait(url, seconds):
    until = time.monotonic() + float(seconds)
    started = time.monotonic()
    why = "no answer"
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=2)
            connection.request("GET", "/readyz")
            status = connection.getresponse().status
            if status == 200:
                print("  ready after %.2f s" % (time.monotonic() - started))
                return
            why = "readyz answers %d" % status
        except OSError as error:
            why = str(error)
        time.sleep(0.05)
    fail("%s is not ready after %s s: %s" % (url, seconds, why))


def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(listener.getsockname()[1])


def main():
    commands = {"make": (make, 1), "delete": (delete, 3), "compare": (compare, 3),
                "holes": (holes, 2), "wait": (wait, 2), "port": (port, 0),
                "digests": (digests, None)}
    name, args = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if name not in commands or commands[name][1] not in (None, len(args)):
        sys.exit(__doc__)
    commands[name][0](*args)


if __name__ == "__main__":
    main()
