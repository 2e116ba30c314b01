#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damaged frames and requests against a running node, by somebody who knows the protocol.

    live.py http|peer [--seconds 20] [--seed 1]

http: a node of its own; requests of every route, cut, flipped, with odd lengths, glued together.
peer: node 1 of three, the others absent; strangers, foreign clusters, and a "node 2" that shakes
      hands well and then sends frames that are damaged, or sound with damaged bodies.

The node must not crash, must not grow beyond GROWTH_MAX_BYTES, and must not accept: what it held
before is what it holds after, it ends with 0 on SIGTERM. Damaged frames end their link.
"""
import argparse
import glob
import json
import os
import random
import socket
import struct
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "api"))
import lib  # noqa: E402

GROWTH_MAX_BYTES = 256 << 20
HELLO, PACKETS, HEARTBEATS, REQUEST, RESPONSE, INSTALL, DIGESTS, PING = 1, 3, 4, 5, 6, 7, 8, 9
CLUSTER = b"fuzzed"


def rss_of(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at] = bytes(rng.choice([[0], [255], [10], [13, 10], [37], [34], [128]]))
        elif kind == 2:
            del data[at:at + rng.randrange(1, 9)]
        elif kind == 3:
            data[at:at + 8] = struct.pack("<Q", rng.choice([0, 1, 1 << 31, (1 << 63) - 1,
                                                            (1 << 64) - 1]))
        else:
            data[at:at] = data[at:at + rng.randrange(1, 200)]
    return bytes(data)


class Tester:
    def __init__(self, daemon, rng, seconds):
        self.daemon, self.rng = daemon, rng
        self.end = time.monotonic() + seconds
        self.first_rss, self.most_rss = None, 0
        self.sent = self.answered = 0

    def look(self):
        lib.check(self.daemon.process.poll() is None,
                  f"lethed ended after {self.sent} inputs:\n{self.daemon.log_text()}")
        rss = rss_of(self.daemon.process)
        self.first_rss = self.first_rss or rss
        self.most_rss = max(self.most_rss, rss)
        lib.check(rss < self.first_rss + GROWTH_MAX_BYTES,
                  f"memory grew from {self.first_rss >> 20} to {rss >> 20} MiB")

    def talk(self, port, parts, wait):
        """Sends parts on a connection of its own; what came back, or None: it was closed."""
        got = b""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
                for part in parts:
                    link.sendall(part)
                    self.sent += 1
                link.settimeout(wait)
                got = link.recv(65536)
        except (TimeoutError, socket.timeout):
            return got
        except OSError:
            return None
        self.answered += bool(got)
        return got


# ---- http ----------------------------------------------------------------------------------------
def http_requests():
    def request(method, target, body=None, more=""):
        body = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if body else ""
        return (f"{method} {target} HTTP/1.1\r\nHost: h\r\n{kind}{more}"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    room = "/v1/channels/2/fuzz"
    return [
        request("POST", room + "/messages", {"payload": "aGk=", "client_msg_no": "k"}),
        request("POST", room + "/messages", {"payload": {"a": [1, 2.5, None]},
                                             "payload_encoding": "json"}),
        request("GET", room + "/messages?limit=5&reverse=true"),
        request("GET", room + "/messages?from_seq=1&cursor=AQAAAAAAAAAA"),
        request("DELETE", room + "/messages?start_seq=1&end_seq=3&reason=r"),
        request("POST", room + "/messages:delete", {"ranges": [[1, 2], [4, 4]], "clamp": True}),
        request("GET", room), request("GET", "/v1/status"), request("GET", "/v1/cluster"),
        request("GET", "/metrics"), request("GET", "/v1/delete-log?limit=3"),
        request("POST", "/v1/messages:batch", {"messages": [{"channel_id": "fuzz", "channel_type": 2,
                                                             "payload": "aGk="}]}),
        b"POST " + room.encode() + b"/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
    ]


def fuzz_http(rng, seconds):
    daemon = lib.Daemon()
    try:
        client = lib.Client(daemon, record=False)
        for number in range(20):
            lib.equal(client.ask("POST", "/v1/channels/2/victim/messages",
                                 {"payload": f"m{number}", "payload_encoding": "utf8"}).status, 201)
        before = client.get("/v1/channels/2/victim/messages?limit=100").json["messages"]
        tester, requests = Tester(daemon, rng, seconds), http_requests()
        while time.monotonic() < tester.end:
            parts = [mutate(rng, rng.choice(requests)) for _ in range(rng.choice([1, 1, 3]))]
            got = tester.talk(daemon.port, parts, 0.05)
            lib.check(not got or got.startswith(b"HTTP/1."), "no HTTP came back", got)
            tester.look()
        after = lib.Client(daemon, record=False).get(
            "/v1/channels/2/victim/messages?limit=100").json["messages"]
        lib.equal(after, before, "a channel that nobody named")
        return tester
    finally:
        code, log = daemon.stop()
        lib.check(code == 0, f"lethed ended with {code}:\n{log}")


# ---- peer ----------------------------------------------------------------------------------------
TABLE = []
for _value in range(256):
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    TABLE.append(_value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def frame(kind, body):
    head = b"LETH" + struct.pack("<BBHI", 1, kind, 0, len(body))
    return head + struct.pack("<I", crc32c(head + body)) + body


def block(data):
    return bytes([len(data)]) + data


def hello(rng, cluster=CLUSTER, node=2, slots=16):
    return frame(HELLO, struct.pack("<HHBQQQQ", 1, 1, rng.choice([1, 2]), node, 1, 0x1234, 7) +
                 b"0123456789abcdef" + struct.pack("<II", 1, slots) + block(cluster) +
                 block(b"127.0.0.1:9") + block(b"") + block(b"") + block(b""))


def bodies():
    """Sound bodies of every kind, from the kept corpora; the first byte there is the fuzzer's."""
    ret = []
    for name, choices in (("packet", {0: [PACKETS, HEARTBEATS]}), ("call", {0: [REQUEST],
                          1: [RESPONSE]}), ("chunk", {0: [INSTALL], 1: [DIGESTS]})):
        for path in sorted(glob.glob(os.path.join(ROOT, "tests/fuzz/corpus", name, "*"))):
            with open(path, "rb") as file:
                data = file.read()
            for kind in choices.get(data[0] % 3 if name == "call" else data[0] % 2, []):
                ret.append((kind, data[1:]))
    return ret


def peer_parts(rng, samples):
    """What one connection says: a list of parts."""
    kind, body = rng.choice(samples)
    sound = frame(kind, body)
    return rng.choice([
        lambda: [os.urandom(rng.randrange(1, 3000))],
        lambda: [mutate(rng, hello(rng))],
        lambda: [hello(rng, cluster=b"another")],
        lambda: [sound],  # without a handshake
        lambda: [hello(rng), mutate(rng, sound)],
        lambda: [hello(rng)] + [frame(kind, mutate(rng, body)) for _ in range(rng.randrange(1, 6))],
        lambda: [hello(rng), frame(PING, struct.pack("<Q", 7)), sound[:rng.randrange(len(sound))]],
        lambda: [hello(rng), b"LETH" + struct.pack("<BBHII", 1, kind, 0, 0xFFFFFFFF, 0)],
    ])()


class LoneNode(lib.Daemon):
    """Node 1 of three: lives, and is not ready."""

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if lib.Client(self, record=False).get("/livez").status == 200:
                    return
            except OSError:
                pass
            lib.check(self.process.poll() is None, f"lethed ended:\n{self.log_text()}")
            time.sleep(0.05)
        raise lib.Failed(f"lethed is not up:\n{self.log_text()}")


def garbage_of(daemon):
    text = lib.Client(daemon, record=False).get("/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if "peer_garbage_total" in line and not line.startswith("#"))


def fuzz_peer(rng, seconds):
    port = lib.free_port()
    daemon = LoneNode("--node-id", "1", "--cluster-id", CLUSTER.decode(), "--cluster-slot-count", "16",
                      "--cluster-listen", f"127.0.0.1:{port}", "--cluster-members",
                      f"1@127.0.0.1:{port},2@127.0.0.1:9,3@127.0.0.1:10")
    try:
        tester, samples = Tester(daemon, rng, seconds), bodies()
        welcome = tester.talk(port, [hello(rng)], 5)
        lib.check(welcome and welcome.startswith(b"LETH\x01\x02"), "no answer to a sound HELLO")
        while time.monotonic() < tester.end:
            tester.talk(port, peer_parts(rng, samples), 0.02)
            tester.look()
        lib.check(garbage_of(daemon) > 0, "no damaged frame was counted")
        return tester
    finally:
        code, log = daemon.stop()
        lib.check(code == 0, f"lethed ended with {code}:\n{log}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=["http", "peer"])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    try:
        tester = (fuzz_http if args.which == "http" else fuzz_peer)(rng, args.seconds)
    except lib.Failed as fault:
        print(f"FAIL live {args.which}, seed {args.seed}: {fault}\n0 passed, 1 failed")
        return 1
    print(f"live {args.which}: {tester.sent} inputs, {tester.answered} answers, memory "
          f"{tester.first_rss >> 20} to {tester.most_rss >> 20} MiB\n1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
