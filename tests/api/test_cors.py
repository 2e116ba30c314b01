# SPDX-License-Identifier: Apache-2.0
"""Pages of other origins: who may ask, what each kind of reply carries, and preflights, which bring no token."""
from lib import Client, Daemon, check, equal
from test_access import Guarded

APP, OTHER = "https://app.example.org", "https://evil.example.org"
PATH = "/v1/channels/2/cors/messages"
ALLOW = "access-control-allow-"


def told(reply):
    """What it says to browsers."""
    return {name: value for name, value in reply.headers.items() if name == "vary" or name.startswith("access-control-")}


def every_kind(client, origin):
    headers = {} if origin is None else {"Origin": origin}
    body = dict(headers, **{"Content-Type": "application/json"})
    yield client.ask("POST", PATH, {"payload": "aGk="}, body, 201)
    yield client.ask("GET", PATH, None, headers, 200)
    yield client.ask("HEAD", PATH, None, headers, 200)
    yield client.ask("GET", "/v1/channels/2/cors:export", None, headers, 200)
    yield client.ask("GET", "/v1/nothing", None, headers, 404)
    yield client.ask("PUT", PATH, None, headers, 405)
    yield client.ask("POST", PATH, "{", body, 400)
    yield client.ask("POST", PATH, {"payload": "aGk="}, dict(headers, **{"Content-Type": "application/pdf"}), 415)
    yield client.ask("OPTIONS", PATH, None, headers, 204)


def test_nobody_at_first(daemon):
    for reply in every_kind(Client(daemon), APP):
        equal(told(reply), {}, reply)


def test_some(_daemon):
    daemon = Daemon("--http-cors-origins", f"{APP},http://localhost:3000")
    try:
        client = Client(daemon)
        for reply in every_kind(client, APP):
            equal(reply.headers[ALLOW + "origin"], APP, reply)
            equal(reply.headers["vary"], "Origin", reply)
            exposed = reply.headers["access-control-expose-headers"].split(", ")
            for name in ("ETag", "Lethe-Next-Cursor", "X-Request-Id", "Retry-After", "Location"):
                check(name in exposed, name, exposed)
            check(ALLOW + "credentials" not in reply.headers, reply)
        for origin in (None, OTHER, APP + ".evil.org", APP + ":444", "https://APP.example.org", "null", ""):
            for reply in every_kind(client, origin):
                equal(told(reply), {"vary": "Origin"}, reply)
        own = client.ask("GET", PATH, None, {"Origin": "http://localhost:3000"}, 200)
        equal(own.headers[ALLOW + "origin"], "http://localhost:3000")
    finally:
        daemon.stop()


def test_all(_daemon):
    daemon = Daemon("--http-cors-origins", "*")
    try:
        for reply in every_kind(Client(daemon), OTHER):
            equal(reply.headers[ALLOW + "origin"], "*", reply)
            check("vary" not in reply.headers, reply)
        for reply in every_kind(Client(daemon), None):
            equal(told(reply), {}, reply)
    finally:
        daemon.stop()


def test_preflight(_daemon):
    with Guarded("--http-cors-origins", APP) as it:
        client = Client(it.daemon)
        ask = {"Origin": APP, "Access-Control-Request-Method": "POST",
               "Access-Control-Request-Headers": "authorization,content-type"}
        reply = client.ask("OPTIONS", PATH, None, ask, 204)
        equal(reply.headers[ALLOW + "origin"], APP)
        equal(reply.headers[ALLOW + "methods"], reply.headers["allow"])
        check("POST" in reply.headers[ALLOW + "methods"].split(", "), reply.headers)
        taken = [name.lower() for name in reply.headers[ALLOW + "headers"].split(", ")]
        for name in ("authorization", "content-type", "if-match", "x-request-id", "last-event-id", "traceparent"):
            check(name in taken, name, taken)
        equal(reply.headers["access-control-max-age"], "600")
        stranger = client.ask("OPTIONS", PATH, None, dict(ask, Origin=OTHER), 204)
        equal(told(stranger), {"vary": "Origin"}, stranger)
        nowhere = client.ask("OPTIONS", "/v1/nothing", None, ask, 404)
        check(ALLOW + "methods" not in nowhere.headers, nowhere)
        refused = client.ask("GET", PATH, None, {"Origin": APP}, 401)
        equal(refused.headers[ALLOW + "origin"], APP)
        allowed = client.ask("GET", PATH, None, {"Origin": APP, "Authorization": f"Bearer {it.tokens['app']}"}, 200)
        equal(allowed.headers[ALLOW + "origin"], APP)


def test_wukong_and_metrics(_daemon):
    daemon = Daemon("--http-cors-origins", APP)
    try:
        client = Client(daemon)
        for target in ("/metrics", "/readyz", "/ui/", "/v1/slots"):
            equal(client.ask("GET", target, None, {"Origin": APP}).headers[ALLOW + "origin"], APP, target)
    finally:
        daemon.stop()
