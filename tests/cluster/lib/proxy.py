# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy for each directed peer link, with faults on demand.

A node sends to a peer on a connection that it makes itself, so link (a, b) carries what a says to b;
b's answers on that connection (handshake, pongs) go with it. A link can be
  cut      bytes vanish both ways, connections stay open as a router without a route would leave them
  refuse   connections are closed and new ones refused
  half     what b answers vanishes, what a says arrives (and the other way round: "deaf")
  clog     nothing is read any more: buffers fill
  delay    every piece waits so many seconds
  flip     every so many bytes one bit is turned over
  drop     a piece is lost with this probability: to a byte stream that is damage too
The proxy runs in a process of its own, so that it does not share a lock with the drivers.
"""
import json
import random
import select
import socket
import subprocess
import sys
import time

PIECE_BYTES = 65536
QUEUE_MAX_BYTES = 4 * 1024 * 1024


class Proxy:
    """The controlling side. targets: {(a, b): port of b's peer listener}."""

    def __init__(self, targets):
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        answer = self.ask({"listen": [[a, b, port] for (a, b), port in targets.items()]})
        self.ports = {(a, b): port for a, b, port in answer["ports"]}

    def ask(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the proxy has ended")
        return json.loads(line)

    def fault(self, a, b, **rules):
        """Sets the rules of one link: fault(1, 2, cut=True); fault(1, 2) heals it."""
        self.ask({"link": [a, b], "rules": rules})

    def heal(self):
        for a, b in self.ports:
            self.fault(a, b)

    def split(self, left, right, **rules):
        """Cuts all links between two groups of node ids, both ways."""
        rules = rules or {"cut": True}
        for a in left:
            for b in right:
                self.fault(a, b, **rules)
                self.fault(b, a, **rules)

    def counts(self):
        """{(a, b): bytes that a's side gave so far}"""
        return {(a, b): n for a, b, n in self.ask({"counts": True})["counts"]}

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# ---- the proxy's own process ---------------------------------------------------------------------
class Pipe:
    """One direction of one connection: a socket read from, a queue, a socket written to."""

    def __init__(self, link, source, sink, is_forward):
        self.link, self.source, self.sink, self.is_forward = link, source, sink, is_forward
        self.queue = []  # (due, bytes)
        self.queued = 0
        self.seen = 0

    def is_reading(self):
        return not self.link.rules.get("clog") and self.queued < QUEUE_MAX_BYTES

    def take(self, data, now):
        rules = self.link.rules
        if self.is_forward:
            self.link.count += len(data)
        lost = rules.get("cut") or rules.get("half" if not self.is_forward else "deaf")
        if lost or (rules.get("drop") and random.random() < rules["drop"]):
            return
        every = rules.get("flip")
        if every and self.is_forward:
            data = bytearray(data)
            for at in range(every - self.seen % every - 1, len(data), every):
                data[at] ^= 1 << random.randrange(8)
            self.seen += len(data)
        self.queue.append((now + rules.get("delay", 0), bytes(data)))
        self.queued += len(data)


class Link:
    def __init__(self, a, b, target):
        self.ends, self.target, self.rules, self.count = (a, b), target, {}, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self.pipes = []

    def accept(self):
        client, _ = self.listener.accept()
        if self.rules.get("refuse"):
            client.close()
            return
        server = socket.socket()
        server.setblocking(False)
        server.connect_ex(("127.0.0.1", self.target))
        client.setblocking(False)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pipes += [Pipe(self, client, server, True), Pipe(self, server, client, False)]

    def drop(self, pipe):
        for other in [p for p in self.pipes if p.source in (pipe.source, pipe.sink)]:
            self.pipes.remove(other)
        pipe.source.close()
        pipe.sink.close()

    def set_rules(self, rules):
        was_cut = self.rules.get("cut") or self.rules.get("half") or self.rules.get("deaf")
        self.rules = rules
        # Bytes were lost inside its connections: they cannot go on as if nothing had happened.
        if rules.get("refuse") or (was_cut and not rules):
            while self.pipes:
                self.drop(self.pipes[0])


class Server:
    def __init__(self):
        self.links = {}

    def obey(self, order):
        if "listen" in order:
            for a, b, port in order["listen"]:
                self.links[a, b] = Link(a, b, port)
            return {"ports": [[*l.ends, l.listener.getsockname()[1]] for l in self.links.values()]}
        if "link" in order:
            self.links[tuple(order["link"])].set_rules(order["rules"])
            return {"ok": True}
        return {"counts": [[*link.ends, link.count] for link in self.links.values()]}

    def turn(self):
        now = time.monotonic()
        reads, writes, wait = {sys.stdin: None}, {}, 0.2
        for link in self.links.values():
            reads[link.listener] = link
            for pipe in link.pipes:
                if pipe.is_reading():
                    reads[pipe.source] = pipe
                if pipe.queue and pipe.queue[0][0] <= now:
                    writes[pipe.sink] = pipe
                elif pipe.queue:
                    wait = min(wait, pipe.queue[0][0] - now)
        readable, writable, _ = select.select(list(reads), list(writes), [], wait)
        for end in writable:
            self.write(writes[end])
        for end in readable:
            if end is sys.stdin:
                line = sys.stdin.readline()
                if not line:
                    return False
                print(json.dumps(self.obey(json.loads(line))), flush=True)
                return True  # links may have gone: look at all of them anew
            if isinstance(reads[end], Link):
                reads[end].accept()
            elif end.fileno() >= 0:
                self.read(reads[end])
        return True

    def read(self, pipe):
        try:
            data = pipe.source.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            pipe.take(data, time.monotonic())
        elif pipe.link.rules.get("cut"):
            pipe.link.pipes.remove(pipe)  # the other side must not hear of it
        else:
            pipe.link.drop(pipe)

    def write(self, pipe):
        if pipe.sink.fileno() < 0:
            return
        _, data = pipe.queue[0]
        try:
            sent = pipe.sink.send(data)
        except BlockingIOError:
            return
        except OSError:
            pipe.link.drop(pipe)
            return
        pipe.queued -= sent
        if sent == len(data):
            pipe.queue.pop(0)
        else:
            pipe.queue[0] = (0, data[sent:])


def main():
    server = Server()
    while server.turn():
        pass


if __name__ == "__main__":
    main()
