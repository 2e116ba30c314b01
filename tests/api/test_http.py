# SPDX-License-Identifier: Apache-2.0
"""What holds for all routes: methods, forms, ids, what is not there yet."""
import json
import re
import socket

from lib import Client, check, equal, raw


def test_head_and_options(daemon):
    client = Client(daemon)
    client.send((2, "head"))
    for target in ["/livez", "/version", "/metrics", "/v1/cluster", "/v1/channels/2/head/messages",
                   "/v1/channels/2/head/messages/1", "/v1/channels/2/head", "/openapi.json"]:
        head = client.ask("HEAD", target, expect=200)
        equal(head.body, b"")
        check(int(head.headers["content-length"]) > 0, target)
        options = client.ask("OPTIONS", target, expect=204)
        check("GET, HEAD" in options.headers["allow"], target)
    client.ask("HEAD", "/v1/channels/2/head/messages/9", expect=404)


def test_methods(daemon):
    client = Client(daemon)
    for method, target in [("PATCH", "/v1/channels/2/a/messages"), ("POST", "/livez"),
                           ("PUT", "/v1/channels/2/a"), ("DELETE", "/v1/cluster"),
                           ("POST", "/v1/channels"), ("BREW", "/version"), ("get", "/version")]:
        reply = client.ask(method, target, expect=405)
        equal(reply.json["code"], "method_not_allowed")
        check("OPTIONS" in reply.headers["allow"], reply.headers)


def test_unknown_paths(daemon):
    client = Client(daemon)
    for target in ["/", "/v1", "/v1/", "/livez/", "//livez", "/v2/channels", "/v1/channels/2",
                   "/v1/channels/2/a/", "/v1/channels/2/a/messages/1/2", "/LIVEZ",
                   "/1/2/3/4/5/6/7/8/9/10", "/v1/channels/2/a%2Fmessages/x"]:
        equal(client.get(target, expect=404).json["code"], "no_route", target)


def test_not_there_yet(daemon):
    """What the interface names is refused by name, never taken in silence."""
    client = Client(daemon)
    doc = client.get("/openapi.json", expect=200).json
    count = 0
    for path, operations in doc["paths"].items():
        for method, operation in operations.items():
            if operation["tags"] != ["not yet"]:
                continue
            target = path.replace("{t}", "1").replace("{c}", "x").replace("{slot}", "1").replace(
                "{id}", "7")
            body = "{}" if method in ("post", "put") else None
            equal(client.ask(method.upper(), target, body, expect=501).json["code"], "not_supported")
            count += 1
    equal(count, 0, "all that the description names is there")
    client.post("/v1/channels/1/x/messages:batch", {"messages": []}, {"If-Match": '"1-0"'}, expect=501)


def test_accept(daemon):
    client = Client(daemon)
    client.get("/v1/cluster", {"Accept": "image/png"}, expect=406)
    client.get("/v1/channels/1/x/messages", {"Accept": "text/csv"}, expect=406)
    for accept in ["*/*", "application/*", "text/html, */*;q=0.1", "application/json;q=0.5"]:
        equal(client.get("/v1/cluster", {"Accept": accept}, expect=200).type, "application/json")
    # A problem is a problem whatever was asked for.
    reply = client.get("/v1/channels/1/x/messages/1", {"Accept": "application/octet-stream"})
    equal((reply.status, reply.type), (404, "application/problem+json"))


def test_absolute_targets(daemon):
    """What proxies send: the path behind the authority is what counts (RFC 9112, 3.2.2)."""
    client = Client(daemon)
    client.send((2, "absolute"))
    for prefix in ["http://x", "HTTP://127.0.0.1:1", "https://[::1]:5001"]:
        status, reply = raw(daemon, b"GET %s/v1/channels/2/absolute?pretty=1 HTTP/1.1\r\nHost: y\r\n\r\n"
                            % prefix.encode())
        equal(status, 200, prefix)
        check(b'"last_seq": 1,' in reply, reply)
    status, reply = raw(daemon, b"POST http://x/v1/channels/2/absolute/messages HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx")
    equal(status, 201, reply)
    check(b"\r\nLocation: /v1/channels/2/absolute/messages/2\r\n" in reply, reply)
    equal(raw(daemon, b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n")[0], 404)


def test_two_content_types(daemon):
    client = Client(daemon)
    for second in [b"text/plain", b"application/json"]:
        status, reply = raw(daemon, b"POST /v1/channels/2/two-types/messages HTTP/1.1\r\nHost: x\r\n"
                            b"Content-Type: application/json\r\nContent-Type: %s\r\n"
                            b"Content-Length: 14\r\n\r\n{\"payload\":\"\"}" % second)
        equal(status, 400, reply)
        check(b"'Content-Type' is there more than once" in reply, reply)
    equal(client.page((2, "two-types"))["last_seq"], 0)


def test_content_encoding(daemon):
    client = Client(daemon)
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    client.post("/v1/channels/2/coded/messages", "x", headers, expect=415)
    client.post("/v1/channels/2/coded/messages", "x", {**headers, "Content-Encoding": "IDENTITY"}, expect=201)
    client.get("/v1/channels/2/coded/messages", {"Content-Encoding": "gzip"}, expect=200)
    equal(client.page((2, "coded"))["last_seq"], 1)


def test_pretty(daemon):
    client = Client(daemon)
    plain = client.get("/version", expect=200)
    pretty = client.get("/version?pretty=1", expect=200)
    equal(plain.json, pretty.json)
    check(pretty.body.startswith(b'{\n  "name": "lethe"') and pretty.body.endswith(b"}\n"))
    check(client.get("/v1/channels/1/x/messages/1?pretty=1").body.startswith(b"{\n  "))
    client.get("/version?pretty=yes", expect=400)


def test_request_ids(daemon):
    client = Client(daemon)
    equal(client.get("/version", {"X-Request-Id": "abc.DEF_1-2"}).headers["x-request-id"], "abc.DEF_1-2")
    for bad in ["", " ", "a b", "x" * 65, "ä", "a/b"]:
        got = client.get("/version", {"X-Request-Id": bad.encode()}).headers["x-request-id"]
        check(got != bad and 1 <= len(got) <= 64, got)
    ids = {client.get("/version").headers["x-request-id"] for _ in range(50)}
    equal(len(ids), 50)


def test_request_id_is_in_the_delete_log(daemon):
    client = Client(daemon)
    client.fill((2, "audit"), 3)
    client.delete("/v1/channels/2/audit/messages?start_seq=1&end_seq=1", {"X-Request-Id": "who-did-it"},
                  expect=200)
    equal(client.get("/v1/channels/2/audit/deletes").json["deletes"][0]["request_id"], "who-did-it")


def test_versions_of_http(daemon):
    status, reply = raw(daemon, b"GET /livez HTTP/1.0\r\n\r\n")
    equal((status, reply[-3:]), (200, b"ok\n"))
    for junk in [b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
                 b"GET /livez HTTP/9.9\r\n\r\n"]:
        status, _ = raw(daemon, junk, 3)
        check(status == 0 or 400 <= status < 600, junk, status)


def test_pipelining(daemon):
    """Several requests sent at once are answered in order."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as sock:
        sock.sendall(b"".join(b"GET /v1/channels/1/pipe/messages HTTP/1.1\r\nHost: x\r\n"
                              b"X-Request-Id: %d\r\n\r\n" % n for n in range(20)))
        with sock.makefile("rb") as file:
            for n in range(20):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = file.readline()
                    check(line, "the connection ends after", n)
                    head += line
                check(head.startswith(b"HTTP/1.1 200") and b"X-Request-Id: %d\r\n" % n in head, head)
                json.loads(file.read(int(re.search(rb"Content-Length: (\d+)", head)[1])))
