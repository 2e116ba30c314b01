# SPDX-License-Identifier: Apache-2.0
"""Many busy connections, clients that hang up, and clients that are slow."""
import selectors
import signal
import socket
import threading
import time

from lib import Client, Daemon, Failed, check, equal

REQUEST = b"GET /v1/channels/3/busy/messages?limit=1&consistency=local HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b'{"payload":"aGk="}'
SEND = (b"POST /v1/channels/3/busy/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


class Busy:
    """A connection that asks again as soon as it has its answer."""

    def __init__(self, port, request):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sock.setblocking(False)
        self.request, self.got, self.answers = request, b"", 0

    def ask(self):
        self.sock.send(self.request)

    def read(self):
        """True when a whole answer is here."""
        data = self.sock.recv(65536)
        if not data:
            raise Failed("the server closed a busy connection")
        self.got += data
        head, mark, body = self.got.partition(b"\r\n\r\n")
        if not mark:
            return False
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return False
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            raise Failed(head[:100])
        self.got, self.answers = b"", self.answers + 1
        return True


def run_busy(daemon, count, request, seconds):
    """count connections, all busy for some seconds; none may stall."""
    connections = [Busy(daemon.port, request) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.sock, selectors.EVENT_READ, connection)
        connection.ask()
    open_requests, end = count, time.monotonic() + seconds
    while open_requests > 0:
        events = selector.select(15)
        if not events:
            raise Failed(f"{open_requests} of {count} connections stall")
        for key, _ in events:
            if key.data.read():
                if time.monotonic() < end or key.data.answers < 2:
                    key.data.ask()
                else:
                    open_requests -= 1
    for connection in connections:
        connection.sock.close()
    answers = sum(connection.answers for connection in connections)
    check(answers / seconds > 200, f"only {answers} answers in {seconds} s")


def test_128(daemon):
    run_busy(daemon, 128, REQUEST, 2)
    run_busy(daemon, 128, SEND, 1)


def test_256(daemon):
    run_busy(daemon, 256, REQUEST, 2)
    run_busy(daemon, 256, SEND, 1)


def test_512(daemon):
    run_busy(daemon, 512, REQUEST, 2)
    run_busy(daemon, 512, SEND, 1)


def test_1024(daemon):
    run_busy(daemon, 1024, REQUEST, 3)
    run_busy(daemon, 1024, SEND, 2)


def test_clients_hang_up(daemon):
    """A thousand clients that leave in the middle of everything."""
    for n in range(1000):
        sock = socket.create_connection(("127.0.0.1", daemon.port), timeout=10)
        sock.sendall(SEND[:len(SEND) * (n % 11) // 10])
        sock.close()
    started = time.monotonic()
    Client(daemon).get("/livez", expect=200)
    check(time.monotonic() - started < 5)


def test_slow_clients(daemon):
    """Clients that send a byte now and then are cut off, and meanwhile nobody waits for them."""
    slow = []
    for start in (b"GET /livez HTTP/1.1\r\nX: ", SEND[:-len(BODY)]):
        for _ in range(50):
            sock = socket.create_connection(("127.0.0.1", daemon.port), timeout=10)
            sock.sendall(start)
            slow.append(sock)
    client, longest = Client(daemon), 0.0
    alive, end = set(slow[:50]), time.monotonic() + 16
    while alive and time.monotonic() < end:
        for sock in list(alive):
            try:
                sock.sendall(b"y")
            except OSError:
                alive.discard(sock)
        started = time.monotonic()
        client.get("/livez", expect=200)
        longest = max(longest, time.monotonic() - started)
        time.sleep(0.5)
    for sock in slow:
        sock.close()
    equal(len(alive), 0, "slow clients that are still there after 16 s")
    check(longest < 3, f"a fast client waited {longest:.1f} s")


def test_stops_under_waiting_reads(_daemon):
    """A read that waits for an index far ahead is answered when the server stops, and holds nothing up;
    one whose index comes meanwhile is answered as soon as it does."""
    waited, answers = Daemon(), {}

    def ask(name, target):
        try:
            answers[name] = (Client(waited, record=False).get(target), time.monotonic())
        except OSError as fault:
            answers[name] = (fault, time.monotonic())

    try:
        sent = Client(waited, record=False).send((1, "waits"))
        target = "/v1/channels/1/waits/messages?min_index="
        readers = [threading.Thread(target=ask, args=(name, f"{target}{index}&consistency={name}"))
                   for name, index in [("linearizable", 10**9), ("local", 10**9), ("leader", 10**9)]]
        readers.append(threading.Thread(target=ask, args=("soon", f"{target}{sent['log_index'] + 1}")))
        for reader in readers:
            reader.start()
        time.sleep(0.6)  # longer than one slice of the wait
        check(not answers, answers)
        Client(waited, record=False).send((1, "waits"))
        readers[-1].join(5)
        equal(answers["soon"][0].json["last_seq"], 2)
        started = time.monotonic()
        waited.process.send_signal(signal.SIGTERM)
        for reader in readers:
            reader.join(20)
        for name in ("linearizable", "local", "leader"):
            reply, at = answers[name]
            equal((reply.status, reply.json["code"]), (503, "draining"), name)
            check(at - started < 2, name, at - started)
        equal(waited.process.wait(20), 0)
        check(time.monotonic() - started < 5, time.monotonic() - started)
    finally:
        waited.stop()
