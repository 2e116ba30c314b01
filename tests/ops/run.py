#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/ops against three real nodes that scripts/cluster.sh starts, and against a server that answers
from a script: run.py [word ...] runs the tests whose name has one of the words.

LETHED says which daemon (build/bin/lethed; lethe-bench is beside it), NEXT_LETHED one of another version
(build/next/bin/lethed, by make next). One line a test, then `N passed, N failed`."""
import base64
import http.client
import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPS = os.path.join(ROOT, "scripts", "ops")
SCRIPTS = ("status", "transfer", "balance", "rolling-restart", "compact", "collect", "check",
           "full-sync", "journal")
NODES = (1, 2, 3)
# What each needs so that its command line is right.
WORDS = {"transfer": ["1", "2"], "full-sync": ["1", "2"], "rolling-restart": ["--command", "true"],
         "journal": [os.path.join(tempfile.gettempdir(), "journal-of-nobody")]}


class Failed(Exception):
    """A test's verdict, with what was seen."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def payload_of(message):
    """A message's text, in whichever form it is shown."""
    text = message["payload"]
    return base64.b64decode(text).decode() if message["payload_encoding"] == "base64" else text


def ops(name, *words, server="", token="", seconds=240):
    """(exit code, standard output, standard error)"""
    environment = dict(os.environ, LETHE_SERVER=server, LETHE_TOKEN=token)
    if not server:
        del environment["LETHE_SERVER"]
    done = subprocess.run([os.path.join(OPS, name), *words], env=environment, timeout=seconds,
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def free_run(count):
    """The first of so many neighbouring ports that are free on loopback right now."""
    for _ in range(200):
        first, sockets = random.randrange(20000, 32000), []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise Failed("no free ports")


def wait_until(what, seconds, step):
    until, last = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            last = step()
            if last:
                return last
        except (OSError, http.client.HTTPException, Failed) as fault:
            last = fault
        time.sleep(0.2)
    raise Failed(f"not within {seconds} s: {what}; last: {last}")


class Cluster:
    """Three nodes by scripts/cluster.sh, in a folder and on ports of their own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lethe-ops-")
        self.http_port = free_run(3)
        self.environment = dict(os.environ, CLUSTER_DIR=self.dir, HTTP_PORT=str(self.http_port),
                                PEER_PORT=str(free_run(3)), LETHED=os.environ.get(
                                    "LETHED", os.path.join(ROOT, "build", "bin", "lethed")))

    def sh(self, *words):
        done = subprocess.run([os.path.join(ROOT, "scripts", "cluster.sh"), *words], timeout=120,
                              env=self.environment, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=False, stdin=subprocess.DEVNULL)
        check(done.returncode == 0, f"cluster.sh {' '.join(words)}: {done.stdout}")

    def server(self, node):
        return f"127.0.0.1:{self.http_port + node - 1}"

    def servers(self):
        return ",".join(self.server(node) for node in NODES)

    def pids(self):
        found = {}
        for node in NODES:
            with open(os.path.join(self.dir, f"{node}.pid"), encoding="ascii") as file:
                found[node] = int(file.read())
        return found

    def call(self, node, method, path, body=None):
        connection = http.client.HTTPConnection(self.server(node), timeout=15)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body and json.dumps(body), headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def leaders(self, node=1):
        """how many slots each node leads, as this node sees it"""
        counts = dict.fromkeys(NODES, 0)
        for slot in self.call(node, "GET", "/v1/slots")[1]["slots"]:
            check(slot["leader"] != 0, f"slot {slot['slot']} has no leader")
            counts[slot["leader"]] += 1
        return counts

    def is_even(self):
        counts = self.leaders().values()
        return max(counts) - min(counts) <= 1

    def stop(self):
        self.sh("down")
        shutil.rmtree(self.dir)


class Scripted:
    """A server that answers from a list, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size).decode()
                outer.requests.append((self.command, self.path, body,
                                       self.headers.get("Authorization")))
                status, reply, headers = (outer.answers.pop(0) + (None,))[:3]
                if status is None:  # the connection ends without an answer
                    self.close_connection = True
                    return
                reply = (reply if isinstance(reply, str) else json.dumps(
                    reply, separators=(",", ":"))).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


# ---- without nodes ---------------------------------------------------------------------------------

def test_help(_):
    for name in SCRIPTS:
        for flag in ("--help", "-h"):
            code, out, err = ops(name, flag)
            check(code == 0 and out.startswith(name + ": ") and f"scripts/ops/{name}" in out
                  and "Exit codes:" in out and not err, f"{name} {flag}: {code} {out} {err}")


def test_usage_errors_send_nothing(_):
    lines = [(name, "--nothing") for name in SCRIPTS] + [
        ("status", "word"), ("transfer",), ("transfer", "1"), ("transfer", "a", "1"),
        ("transfer", "1", "b"), ("transfer", "1", "2", "3"), ("balance", "now"),
        ("rolling-restart",), ("rolling-restart", "1"), ("rolling-restart", "--command"),
        ("rolling-restart", "--command", "true", "x"),
        ("rolling-restart", "--command", "true", "--wait", "long"), ("compact", "--slot", "x"),
        ("compact", "--through", "9"), ("compact", "--keep"), ("collect", "--slot", "-1"),
        ("collect", "--force-floor"), ("check", "--wait", ""), ("full-sync", "1"),
        ("status", "--server"), ("status", "--timeout", "1s")]
    with Scripted() as server:
        for name, *words in lines:
            code, out, err = ops(name, *words, server=server.name)
            check(code == 2 and err.startswith(name + ": ") and not out,
                  f"{name} {words}: {code} {out} {err}")
        check(server.requests == [], f"sent: {server.requests}")


def test_no_server(_):
    for name in SCRIPTS:
        code, _, err = ops(name, *WORDS.get(name, []), server="127.0.0.1:1,127.0.0.1:2")
        check(code == 3 and "127.0.0.1:1,127.0.0.1:2" in err, f"{name}: {code} {err}")


def test_what_is_sent(_):
    """method, path, body and token of each write"""
    rows = [
        (["transfer", "7", "2"], "/v1/admin/slots/7/transfer-leader", {"to": 2}),
        (["balance"], "/v1/admin/leaders/balance", {"dry_run": False}),
        (["balance", "--dry-run"], "/v1/admin/leaders/balance", {"dry_run": True}),
        (["compact"], "/v1/admin/compact-log", {"through_index": None, "keep": 0}),
        (["compact", "--slot", "3", "--keep", "5", "--through", "99"],
         "/v1/admin/slots/3/compact-log", {"through_index": 99, "keep": 5}),
        (["collect"], "/v1/admin/delete-log/collect", {"force_floor": False, "slot": None}),
        (["collect", "--slot", "4", "--force-floor", "--yes"], "/v1/admin/delete-log/collect",
         {"force_floor": True, "slot": 4}),
        (["full-sync", "6", "3"], "/v1/admin/slots/6/full-sync", {"node": 3})]
    for words, path, body in rows:
        with Scripted((200, {"slot": 7, "leader": 2})) as server:
            code, out, err = ops(*words, server="http://" + server.name + "/", token="s3cret")
            check(code == 0 and out.endswith("\n") and not err, f"{words}: {code} {out} {err}")
            method, sent_path, sent, token = server.requests[0]
            check((method, sent_path, json.loads(sent), token) ==
                  ("POST", path, body, "Bearer s3cret"), f"{words} sent {server.requests}")


def test_exit_codes(_):
    """what the status of the answer means, with the problem's words on standard error"""
    problem = {"code": "some_code", "title": "t", "detail": 'say \\"why\\"'}
    for status, wanted in ((400, 1), (404, 1), (409, 1), (501, 1), (503, 1), (500, 4), (504, 4)):
        with Scripted((status, problem)) as server:
            code, _, err = ops("full-sync", "1", "2", server=server.name)
            check(code == wanted and f"{status} some_code: say" in err, f"{status}: {code} {err}")
    with Scripted((None, "")) as server:
        code, _, err = ops("full-sync", "1", "2", server=server.name)
        check(code == 4 and "outcome unknown" in err, f"closed: {code} {err}")


def test_other_servers(_):
    """one that is not there and one that answers 503 are passed over; one that may have done it is not"""
    done = (200, {"slot": 1, "leader": 2})
    with Scripted((503, {"code": "no_leader"})) as refusing, Scripted(done) as good:
        code, out, err = ops("transfer", "1", "2",
                             server=f"127.0.0.1:1,{refusing.name},{good.name}")
        check(code == 0 and len(refusing.requests) == 1 and len(good.requests) == 1,
              f"{code} {out} {err}")
    with Scripted((None, "")) as closing, Scripted(done) as good:
        code, _, err = ops("transfer", "1", "2", server=f"{closing.name},{good.name}")
        check(code == 4 and good.requests == [], f"{code} {err}")


def test_check_follows_its_job(_):
    started = (202, {"id": "j1"}, {"Location": "/v1/jobs/j1"})
    running = (200, {"id": "j1", "state": "running", "progress": 0.5})
    rows = [(0, {"id": "j1", "state": "done", "result": [{"slot": 0, "result": "ok"}]}),
            (1, {"id": "j1", "state": "done", "result": [{"slot": 0, "result": "diverged"}]}),
            (1, {"id": "j1", "state": "failed"})]
    for wanted, last in rows:
        with Scripted(started, running, (200, last)) as server:
            code, out, err = ops("check", server=server.name)
            check(code == wanted and '"j1"' in out, f"{last}: {code} {out} {err}")
            check([r[1] for r in server.requests] ==
                  ["/v1/admin/checks", "/v1/jobs/j1", "/v1/jobs/j1"], f"{server.requests}")
    with Scripted(started) as server:
        code, out, _ = ops("check", "--no-wait", server=server.name)
        check(code == 0 and out == "job: /v1/jobs/j1\n", f"{code} {out}")
    with Scripted(started, running, running, running, running) as server:
        code, _, err = ops("check", "--wait", "1", server=server.name)
        check(code == 1 and "has not ended after 1 s" in err, f"{code} {err}")


# ---- with three nodes ------------------------------------------------------------------------------

def test_status_when_well(cluster):
    def well():
        code, out, err = ops("status", server=cluster.server(2))
        check(code == 0, f"{code} {out} {err}")
        return out

    out = wait_until("status finds all well", 15, well)
    for node in NODES:
        check(f"node {node} at {cluster.server(node)}: ready" in out, out)
    check("slots: 64, led 64, replicas behind 0" in out, out)


def test_transfer(cluster):
    for node in (1, 2, 3):
        code, out, err = ops("transfer", "5", str(node), server=cluster.servers())
        check(code == 0 and out == f"slot 5: node {node} leads\n", f"{code} {out} {err}")
        slot = cluster.call(node, "GET", "/v1/slots/5")[1]
        check(slot["leader"] == node, f"slot 5 is led by {slot['leader']}, not {node}")


def test_transfer_refused(cluster):
    code, _, err = ops("transfer", "99", "1", server=cluster.server(1))
    check(code == 1 and "404 not_found" in err, f"{code} {err}")
    code, _, err = ops("transfer", "5", "9", server=cluster.server(1))
    check(code == 1, f"to a node that is none: {code} {err}")


def test_balance(cluster):
    for slot in range(64):
        if cluster.call(1, "GET", f"/v1/slots/{slot}")[1]["leader"] == 3:
            ops("transfer", str(slot), "1", server=cluster.servers())
    code, out, err = ops("balance", "--dry-run", server=cluster.servers())
    check(code == 0 and out, f"{code} {out} {err}")

    def balanced():
        done, text, problem = ops("balance", server=cluster.servers())
        check(done == 0, f"{done} {text} {problem}")
        return cluster.is_even()

    wait_until("leaders are even", 30, balanced)


def test_wrappers_on_real_nodes(cluster):
    """each does it and prints JSON, or prints that this version cannot"""
    follower = 2 if cluster.call(1, "GET", "/v1/slots/3")[1]["leader"] != 2 else 1
    for name, *words in (("compact",), ("compact", "--slot", "2", "--keep", "10"), ("collect",),
                         ("check",), ("full-sync", "3", str(follower))):
        code, out, err = ops(name, *words, server=cluster.servers())
        if code == 0:
            check(isinstance(json.loads(out.splitlines()[-1]), dict), f"{name}: {out}")
        else:
            check(code == 1 and "501 not_supported" in err, f"{name}: {code} {out} {err}")


def test_status_with_a_node_down(cluster):
    cluster.sh("kill", "3")
    code, out, err = ops("status", server=cluster.server(1))
    check(code == 1 and f"node 3 at {cluster.server(3)}: no answer" in out, f"{code} {out} {err}")


def test_rolling_restart_waits_for_the_missing(cluster):
    """with a node down no other one is stopped"""
    cluster.sh("stop", "3")
    before = cluster.call(1, "GET", "/version")
    code, out, err = ops("rolling-restart", "--wait", "3", "--command", "echo ran >&2", "1",
                         server=cluster.servers())
    check(code == 1 and "not safe to stop after 3 s" in err and "ran" not in err,
          f"{code} {out} {err}")
    check(cluster.call(1, "GET", "/version") == before, "node 1 is another one")
    cluster.sh("start", "3")

    def well():
        return ops("status", server=cluster.server(1))[0] == 0

    wait_until("all well again", 30, well)


def test_rolling_restart_stops_at_a_failure(cluster):
    marks = os.path.join(cluster.dir, "marks")
    code, _, err = ops("rolling-restart", "--command", f'echo "$NODE $SERVER" >>{marks}; exit 7',
                       server=cluster.servers())
    check(code == 1 and "node 1: the command ended with 7" in err, f"{code} {err}")
    with open(marks, encoding="utf-8") as file:
        check(file.read() == f"1 {cluster.server(1)}\n", "it went on after a failure")


class Writer(threading.Thread):
    """Sends numbered messages through all nodes until told to stop; a 503 or a lost connection is tried
    again with the same number."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.stopped = cluster, threading.Event()
        self.acknowledged, self.fault = [], None

    def send(self, number):
        body = {"payload": str(number), "payload_encoding": "utf8", "client_msg_no": f"n{number}"}
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                node = NODES[random.randrange(3)]
                path = f"/v1/channels/2/ops-{number % 8}/messages"
                status, reply = self.cluster.call(node, "POST", path, body)
                if status in (200, 201):
                    self.acknowledged.append((number % 8, reply["message_seq"], str(number)))
                    return
                check(status in (503, 504), f"message {number}: {status} {reply}")
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        raise Failed(f"message {number} was not taken within 30 s")

    def run(self):
        number = 0
        try:
            while not self.stopped.is_set():
                self.send(number)
                number += 1
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault

    def finish(self):
        self.stopped.set()
        self.join()
        if self.fault:
            raise Failed(f"writer: {self.fault}")


def test_rolling_restart_under_load(cluster):
    writer, before = Writer(cluster), cluster.pids()
    writer.start()
    script = os.path.join(ROOT, "scripts", "cluster.sh")
    settings = " ".join(f"{name}={cluster.environment[name]}" for name in
                        ("CLUSTER_DIR", "HTTP_PORT", "PEER_PORT", "LETHED"))
    code, out, err = ops("rolling-restart", "--wait", "60", "--command",
                         f"export {settings}; {script} stop $NODE && {script} start $NODE",
                         server=cluster.servers())
    writer.finish()
    check(code == 0, f"{code} {out} {err}")
    after = cluster.pids()
    check(all(after[node] != before[node] for node in NODES), f"pids {before}, then {after}")
    for node in NODES:
        check(f"node {node} at {cluster.server(node)}: ready, level with the others\n" in out, out)
    check(len(writer.acknowledged) > 50, f"only {len(writer.acknowledged)} messages")
    for channel in range(8):
        wanted = sorted((seq, text) for at, seq, text in writer.acknowledged if at == channel)
        for node in NODES:
            reply = cluster.call(node, "GET", f"/v1/channels/2/ops-{channel}/messages"
                                              "?from_seq=1&limit=10000")[1]
            found = [(m["message_seq"], payload_of(m)) for m in reply["messages"]]
            check(found == wanted, f"node {node}, channel {channel}: {len(found)} messages, "
                                   f"{len(wanted)} acknowledged")


class Bench:
    """lethe-bench, a mix of everything, until it is told to stop; then it reads all of it back."""

    def __init__(self, cluster):
        tool = os.path.join(os.path.dirname(cluster.environment["LETHED"]), "lethe-bench")
        self.process = subprocess.Popen(
            [tool, "mixed", "--target", cluster.servers(), "--clients", "12", "--rate", "300", "--duration", "300s",
             "--channels", "24", "--numbers", "--verify", "--verify-local", "--json", "--quiet", "--journal",
             os.path.join(cluster.dir, "journal")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self):
        """its figures; no request may have failed but for refusals, and nothing may be missing or back"""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=120)
        check(self.process.returncode == 0, f"{self.process.returncode} {out} {err}")
        figures = [json.loads(line) for line in out.splitlines()][0]
        # A connection that a stopping node refuses or closes is tried elsewhere (broken); nothing else may be.
        for name in ("unknown", "failed"):
            check(figures[name] == 0, f"{name}: {figures} {err}")
        check(figures["verified"]["faults"] == 0 and figures["verified"]["acknowledged"] > 1000, f"{figures}")
        return figures

    def end(self):
        self.process.kill()
        self.process.communicate()


def versions(cluster):
    return [cluster.call(node, "GET", "/version")[1]["version"] for node in NODES]


def test_rolling_upgrade_under_load(cluster):
    """to a build of another version and back, one node at a time, while lethe-bench works on all three; with
    the versions mixed for a while"""
    next_lethed = os.environ.get("NEXT_LETHED", os.path.join(ROOT, "build", "next", "bin", "lethed"))
    script = os.path.join(ROOT, "scripts", "cluster.sh")

    def restart(lethed, *nodes):
        environment = dict(cluster.environment, LETHED=lethed)
        settings = " ".join(f"{name}={environment[name]}" for name in
                            ("CLUSTER_DIR", "HTTP_PORT", "PEER_PORT", "LETHED"))
        code, out, err = ops("rolling-restart", "--wait", "60", "--command",
                             f"export {settings}; {script} stop $NODE && {script} start $NODE",
                             *nodes, server=cluster.servers())
        check(code == 0, f"{code} {out} {err}")

    old = versions(cluster)[0]
    bench = Bench(cluster)
    try:
        restart(next_lethed, "1")
        new = versions(cluster)[0]
        check(new != old and versions(cluster) == [new, old, old], f"{versions(cluster)}")
        restart(next_lethed, "2", "3")
        check(versions(cluster) == [new] * 3, f"{versions(cluster)}")
        restart(cluster.environment["LETHED"], "3", "1", "2")
        check(versions(cluster) == [old] * 3, f"{versions(cluster)}")
        figures = bench.finish()
    finally:
        bench.end()
    return (f"{figures['requests']} requests, {figures['refused']} refused, {figures['broken']} connections broken, "
            f"{figures['verified']['acknowledged']} messages verified")


def run_tests(words, tests):
    """runs those whose name has one of the words, with one cluster for all; the exit code"""
    tests = [(name, test) for name, test in tests.items()
             if not words or any(word in name for word in words)]
    passed = failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cluster = Cluster()
    try:
        cluster.sh("up", "3")
        for name, test in tests:
            begun = time.monotonic()
            try:
                note = test(cluster)
            except (Failed, OSError, ValueError, KeyError, http.client.HTTPException,
                    subprocess.TimeoutExpired) as fault:
                failed += 1
                print(f"FAIL {name}: {fault!r}", flush=True)
                continue
            passed += 1
            print(f"ok   {name} ({time.monotonic() - begun:.1f} s){' ' + note if note else ''}", flush=True)
    finally:
        cluster.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_tests(sys.argv[1:], {n: t for n, t in globals().items() if n.startswith("test_")}))
