# SPDX-License-Identifier: Apache-2.0
"""What the API tests share: a daemon of their own, a client that keeps every reply, and a check of
replies against api/openapi.yaml (as the daemon serves it)."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAKE_CERTS = os.path.join(ROOT, "scripts", "make-certs")
LETHED = os.environ.get("LETHED", os.path.join(ROOT, "build", "bin", "lethed"))
LETHECTL = os.path.join(os.path.dirname(LETHED), "lethectl")
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


class Failed(Exception):
    """A check that does not hold."""


def check(condition, *words):
    if not condition:
        raise Failed(" ".join(str(word) for word in words) or "does not hold")


def equal(got, wanted, what=""):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """One lethed with temporary data; a cluster of one."""

    def __init__(self, *flags, authority=None):
        self.trust = authority and ssl.create_default_context(cafile=authority)
        self.dir = tempfile.mkdtemp(prefix="lethe-api-")
        self.port = free_port()
        self.log = open(os.path.join(self.dir, "log"), "a", encoding="utf-8")
        self.flags = flags
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [LETHED, "--data-dir", os.path.join(self.dir, "data"),
             "--http-listen", f"127.0.0.1:{self.port}", *self.flags],
            stdout=self.log, stderr=subprocess.STDOUT)
        self.wait_ready()

    def restart(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        check(code == 0, f"lethed ended with {code}:\n{self.log_text()}")
        self.start()

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"lethed ended with {self.process.returncode}:\n{self.log_text()}")
            try:
                if Client(self, record=False).get("/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise Failed(f"lethed is not ready after {seconds} s:\n{self.log_text()}")

    def log_text(self):
        """All of it. By a file of its own: the daemon writes where the inherited one stands."""
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        code = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        text = self.log_text()[-3000:]
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        return code, text


class Reply:
    def __init__(self, method, target, status, headers, body):
        self.method, self.target, self.status = method, target, status
        self.headers, self.body = headers, body

    @property
    def type(self):
        return self.headers.get("content-type", "").split(";")[0]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.decode().split("\n") if line]

    def __repr__(self):
        return f"{self.method} {self.target} -> {self.status} {self.body[:300]!r}"


class Client:
    """Keeps one connection. Every reply is kept in Client.replies for the last test."""
    replies = []

    def __init__(self, daemon, record=True):
        self.daemon, self.record, self.connection = daemon, record, None

    def ask(self, method, target, body=None, headers=None, expect=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        headers = dict(headers or ({} if body is None else JSON))
        if self.connection is None:
            if self.daemon.trust:
                self.connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.daemon.port, timeout=40, context=self.daemon.trust)
            else:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port,
                                                             timeout=40)
        try:
            self.connection.request(method, target, body=body, headers=headers)
            answer = self.connection.getresponse()
            data = answer.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            self.connection = None
            raise
        reply = Reply(method, target, answer.status,
                      {k.lower(): v for k, v in answer.getheaders()}, data)
        if answer.will_close:
            self.connection.close()
            self.connection = None
        if self.record:
            Client.replies.append(reply)
        if expect is not None:
            check(reply.status == expect, f"wanted {expect}:", reply)
        return reply

    def get(self, target, headers=None, expect=None):
        return self.ask("GET", target, headers=headers, expect=expect)

    def post(self, target, body, headers=None, expect=None):
        return self.ask("POST", target, body, headers, expect)

    def delete(self, target, headers=None, expect=None):
        return self.ask("DELETE", target, headers=headers, expect=expect)

    def send(self, channel, payload="aGk=", expect=201, **more):
        return self.post(f"{path_of(channel)}/messages", {"payload": payload, **more},
                         expect=expect).json

    def fill(self, channel, count):
        """count messages with the payloads "1", "2", ..."""
        for start in range(1, count + 1, 1000):
            batch = [{"payload": str(n), "payload_encoding": "utf8"}
                     for n in range(start, min(start + 1000, count + 1))]
            reply = self.post(f"{path_of(channel)}/messages:batch", {"messages": batch}, expect=200)
            equal(reply.json["failed"], 0, "failed")

    def page(self, channel, query=""):
        return self.get(f"{path_of(channel)}/messages{'?' if query else ''}{query}", expect=200).json


def path_of(channel):
    return "/v1/channels/%d/%s" % (channel[0], urllib.parse.quote(channel[1], safe=""))


def seqs(page):
    return [message["message_seq"] for message in page["messages"]]


def raw(daemon, data, seconds=10):
    """Sends bytes as they are; everything that comes back until the end or a whole reply."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=seconds) as sock:
        sock.sendall(data)
        got = b""
        try:
            while True:
                head, mark, body = got.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                if mark and length and len(body) >= int(length[1]):
                    break
                more = sock.recv(65536)
                if not more:
                    break
                got += more
        except (TimeoutError, ConnectionError):
            pass
    status = re.match(rb"HTTP/1\.\d (\d+)", got)
    return (int(status[1]) if status else 0), got


def digests(daemon):
    """Digest and applied index of every slot, once nothing moves any more."""
    client, before = Client(daemon, record=False), None
    for _ in range(100):
        now = [(slot["slot"], slot["applied_index"], slot["digest"])
               for slot in client.get("/v1/slots", expect=200).json["slots"]]
        if now == before:
            return now
        before = now
        time.sleep(0.25)
    raise Failed("the slots do not come to rest")


# ---- replies against the description ----------------------------------------------------------------
class Description:
    def __init__(self, doc):
        self.doc = doc
        self.paths = []
        for name, operations in doc["paths"].items():
            pattern = "".join(f"[^/]+{re.escape(part)}" if i else re.escape(part)
                              for i, part in enumerate(re.split(r"\{\w+\}", name)))
            self.paths.append((re.compile(pattern + "$"), name, operations))
        self.paths.sort(key=lambda row: row[1].count("{"))

    def resolve(self, value):
        while "$ref" in value:
            node = self.doc
            for part in value["$ref"][2:].split("/"):
                node = node[part]
            value = node
        return value

    def find(self, target):
        raw_path = target.split("?")[0].replace("%3A", ":")
        for pattern, name, operations in self.paths:
            if pattern.match(raw_path):
                return name, operations
        return None, None

    def fits(self, value, schema, where):
        """Checks the part of JSON Schema that the description uses."""
        schema = self.resolve(schema)
        for part in schema.get("allOf", []):
            self.fits(value, part, where)
        if "oneOf" in schema:
            faults = []
            for part in schema["oneOf"]:
                try:
                    self.fits(value, part, where)
                except Failed as fault:
                    faults.append(str(fault))
            check(len(faults) == len(schema["oneOf"]) - 1, where, "fits not exactly one:", faults)
        if "enum" in schema:
            check(value in schema["enum"], where, f"{value!r} is none of the described")
        types = schema.get("type")
        if types is not None:
            names = {bool: "boolean", int: "integer", float: "number", str: "string",
                     list: "array", dict: "object", type(None): "null"}
            types = types if isinstance(types, list) else [types]
            check(names[type(value)] in types, where, f"{value!r} is not {types}")
        if isinstance(value, str) and "pattern" in schema:
            check(re.search(schema["pattern"], value), where, f"{value!r} fits no pattern")
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                self.fits(item, schema["items"], f"{where}[{i}]")
        if isinstance(value, dict):
            for name in schema.get("required", []):
                check(name in value, where, f"lacks '{name}'")
            properties = schema.get("properties")
            if properties is not None:
                for name, item in value.items():
                    check(name in properties, where, f"'{name}' is not described")
                    self.fits(item, properties[name], f"{where}.{name}")

    def check_reply(self, reply):
        name, operations = self.find(reply.target)
        where = f"{reply.method} {reply.target} -> {reply.status}"
        check("x-request-id" in reply.headers and "lethe-node" in reply.headers, where, "headers")
        if reply.status in (405, 204) or name is None:
            check(reply.status in (404, 405, 400, 431, 204), where, "is not described")
            if reply.status != 204:
                self.check_problem(reply, where)
            return
        method = "get" if reply.method == "HEAD" else reply.method.lower()
        responses = operations[method]["responses"]
        check(str(reply.status) in responses, where, "the status is not described")
        described = self.resolve(responses[str(reply.status)]).get("content", {})
        if reply.status >= 400 and "application/json" in described:  # WuKongIM's form
            if reply.method != "HEAD":
                self.fits(reply.json, described["application/json"]["schema"], where)
                equal(reply.json["status"], reply.status, where)
            return
        if reply.status >= 400:
            if reply.method != "HEAD":
                self.check_problem(reply, where)
            return
        content = self.resolve(responses[str(reply.status)]).get("content")
        if content is None or reply.method == "HEAD":
            return
        check(reply.type in content, where, f"type {reply.type} is not described")
        schema = content[reply.type].get("schema")
        if schema is not None and reply.type == "application/json":
            self.fits(reply.json, schema, where)
        elif schema is not None and reply.type == "application/x-ndjson":
            for line in reply.lines:
                self.fits(line, schema, where)

    def check_problem(self, reply, where):
        equal(reply.type, "application/problem+json", where)
        problem = reply.json
        self.fits(problem, {"$ref": "#/components/schemas/Problem"}, where)
        equal(problem["status"], reply.status, where)
        equal(problem["request_id"], reply.headers["x-request-id"], where)
        if reply.status in (429, 503):
            check(int(reply.headers.get("retry-after", 0)) >= 1, where, "lacks Retry-After")
