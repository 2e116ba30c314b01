# SPDX-License-Identifier: Apache-2.0
"""Tokens: who may ask what, who a delete is by, what the log says, and how tokens change."""
import base64
import json
import os
import re
import signal
import ssl
import subprocess
import tempfile
import time

from lib import LETHECTL, LETHED, MAKE_CERTS, Client, Daemon, check, equal, raw

ROLES = {"ops": "admin,metrics", "app": "read,write", "part": "read@2/room-,delete@2/room-"}


def make_token(name, roles, file, expect=0):
    done = subprocess.run([LETHED, "token", "--name", name, "--roles", roles, "--file", file],
                          capture_output=True, text=True, check=False)
    equal(done.returncode, expect, done.stderr)
    return done.stdout.strip() if expect == 0 else done.stderr


class Guarded:
    """A daemon with tokens, and a client for each of them."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="lethe-tokens-")
        self.file = os.path.join(self.dir.name, "tokens")
        self.tokens = {name: make_token(name, roles, self.file) for name, roles in ROLES.items()}
        self.daemon = Daemon("--auth-tokens-file", self.file, *self.flags)
        return self

    def __exit__(self, *_fault):
        code, _log = self.daemon.stop()
        self.dir.cleanup()
        equal(code, 0, "the daemon's end")

    def ask(self, who, method, target, body=None, expect=None, token=None):
        headers = {} if body is None else {"Content-Type": "application/json"}
        token = token or self.tokens.get(who)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return Client(self.daemon).ask(method, target, body, headers, expect)

    def reload(self, words):
        """Sends HUP and waits for a line of the log with these words."""
        self.daemon.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if words in self.daemon.log_text():
                return
            time.sleep(0.05)
        check(False, f"no '{words}' in", self.daemon.log_text())


def test_roles(_daemon):
    with Guarded() as it:
        messages = "/v1/channels/2/room-1/messages"
        it.ask(None, "GET", "/readyz", expect=200)
        it.ask(None, "GET", "/version", expect=200)
        refused = it.ask(None, "GET", messages, expect=401)
        equal(refused.json["code"], "unauthorized")
        equal(refused.headers["www-authenticate"], 'Bearer realm="lethe"')
        for token in ("", "x", it.tokens["app"][:-1], it.tokens["app"] + "x"):
            it.ask(None, "GET", messages, token=token or None, expect=401)
        it.ask("app", "POST", messages, {"payload": "aGk="}, expect=201)
        it.ask("app", "GET", messages, expect=200)
        equal(it.ask("app", "DELETE", messages + "?start_seq=1&end_seq=1", expect=403).json["code"],
              "forbidden")
        it.ask("app", "GET", "/v1/admin/config", expect=403)
        it.ask("app", "GET", "/metrics", expect=403)
        it.ask("ops", "GET", messages, expect=403)
        it.ask("ops", "GET", "/v1/admin/config", expect=200)
        figures = it.ask("ops", "GET", "/metrics", expect=200).body.decode()
        check(int(re.search(r"lethe_http_unauthorized_total (\d+)", figures)[1]) >= 5, figures[:0])
        check(int(re.search(r"lethe_http_forbidden_total (\d+)", figures)[1]) >= 4, figures[:0])
        it.ask("part", "GET", messages, expect=200)
        it.ask("part", "GET", "/v1/channels/2/other/messages", expect=403)
        it.ask("part", "GET", "/v1/channels", expect=403)


def test_who_deleted(_daemon):
    """The delete log and the audit have the token's name, whatever the request says."""
    with Guarded() as it:
        it.ask("app", "POST", "/v1/channels/2/room-1/messages", {"payload": "c2VjcmV0LXBheWxvYWQ="},
               expect=201)
        done = it.ask("part", "POST", "/v1/channels/2/room-1/deletes",
                      {"start_seq": 1, "end_seq": 1, "operator": "somebody", "reason": "because"},
                      expect=200)
        it.ask("app", "DELETE", "/v1/channels/2/room-1", expect=403)
        it.ask("ops", "POST", "/v1/admin/delete-log/collect", {}, expect=200)
        listed = it.ask("part", "GET", "/v1/channels/2/room-1/deletes", expect=200).json["deletes"]
        equal([row["operator"] for row in listed], ["part"])
        it.ask("part", "GET", f"/v1/deletes/{done.json['delete_id']}", expect=200)
        for _ in range(50):
            log = it.daemon.log_text()
            lines = [line for line in log.split("\n") if " audit: " in line]
            if len(lines) >= 3:
                break
            time.sleep(0.05)
        equal(len(lines), 3, log)
        # Each line is written when its request is over, by the loop that had it: in any order.
        lines.sort(key=lambda line: ["operator=part", "operator=app", "operator=ops"].index(
            next(word for word in line.split() if word.startswith("operator="))))
        for line, words in zip(lines, ["operator=part method=POST path=/v1/channels/2/room-1/deletes "
                                       "status=200 result=ok request_id=",
                                       "operator=app method=DELETE path=/v1/channels/2/room-1 "
                                       "status=403 result=forbidden request_id=",
                                       "operator=ops method=POST path=/v1/admin/delete-log/collect "
                                       "status=200 result=ok request_id="]):
            check(words in line, f"'{words}' is not in '{line}'")
        check(done.headers["x-request-id"] in lines[0], lines[0])
        for secret in [*it.tokens.values(), "c2VjcmV0LXBheWxvYWQ", "secret-payload"]:
            check(secret not in log, "a secret in the log")


def test_traces(_daemon):
    """A valid traceparent's trace id stands beside the request's id in the audit line; any other is as
    if it were not there."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    good = f"00-{trace}-00f067aa0ba902b7-01"
    with Guarded() as it:
        headers = {"Authorization": f"Bearer {it.tokens['part']}"}
        for number, value in enumerate([good, f"cc-{trace}-00f067aa0ba902b7-01-later", "", "garbage",
                                        good.upper(), good + "-more", good.replace(trace, "0" * 32),
                                        f"ff-{trace}-00f067aa0ba902b7-01"]):
            reply = Client(it.daemon).delete("/v1/channels/2/room-1", {
                **headers, "traceparent": value, "X-Request-Id": f"r-{number}"}, expect=200)
            equal(reply.headers["x-request-id"], f"r-{number}")
            check("traceresponse" not in reply.headers, reply.headers)
        twice = (f"DELETE /v1/channels/2/room-1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-8\r\n"
                 f"Authorization: {headers['Authorization']}\r\nTraceParent: {good}\r\n"
                 f"TRACEPARENT: {good}\r\n\r\n")
        equal(raw(it.daemon, twice.encode())[0], 200)
        lines = [line for line in it.daemon.log_text().split("\n") if " audit: " in line]
        equal(len(lines), 9, lines)
        for number, line in enumerate(lines):
            wanted = f" request_id=r-{number} " + (f"trace_id={trace} client=" if number < 2 else "client=")
            check(wanted in line, f"'{wanted}' is not in '{line}'")


def test_reload(_daemon):
    with Guarded() as it:
        it.tokens["new"] = make_token("new", "read", it.file)
        it.ask("new", "GET", "/v1/cluster", expect=401)
        it.reload("tokens were read again count=4")
        it.ask("new", "GET", "/v1/cluster", expect=200)
        with open(it.file, "a", encoding="utf-8") as file:
            file.write("broken read\n")
        it.reload("tokens:5: the third word is not sha256:")
        it.ask("new", "GET", "/v1/cluster", expect=200)
        with open(it.file, "w", encoding="utf-8") as file:
            file.write("# all gone\n")
        it.reload("has no tokens")
        it.ask("new", "GET", "/v1/cluster", expect=200)
        it.ask(None, "GET", "/v1/cluster", expect=401)


SECRET = "Zm9yLW5vYm9keS1lbHNl"  # what a payload is as the API has it
PLAIN = base64.b64decode(SECRET).decode()


def test_nothing_secret_in_the_log(_daemon):
    """A session of all that carries payloads and tokens, right and wrong, at the level debug."""
    stray = "lethe_stray-token-of-32-letters-xyz"
    with Guarded("--log-level", "debug") as it:
        it.tokens["all"] = make_token("all", "read,write,delete,admin", it.file)
        it.reload("tokens were read again")
        room = "/v1/channels/2/room-1"
        payload = {"payload": SECRET, "from_uid": "u", "client_msg_no": "n-1"}
        it.ask("all", "POST", room + "/messages", payload, expect=201)
        it.ask("all", "POST", room + "/messages", payload, expect=200)
        it.ask("all", "POST", room + "/messages", {"payload": {"text": PLAIN}, "payload_encoding": "json"}, expect=201)
        it.ask("all", "POST", room + "/messages:batch", {"messages": [{"payload": SECRET}]})
        it.ask("all", "POST", "/v1/messages:batch",
               {"messages": [{"channel_type": 2, "channel_id": "room-1", "payload": SECRET}]})
        it.ask("all", "POST", "/message/send", {"channel_id": "room-1", "channel_type": 2,
                                                "from_uid": "u", "payload": SECRET})
        it.ask("all", "GET", room + "/messages", expect=200)
        it.ask("all", "POST", room + "/messages", {"payload": SECRET + "*"}, expect=400)
        it.ask("all", "POST", room + "/messages", {"payload": SECRET, "nonsense": SECRET})
        it.ask("all", "POST", room + "/messages", '{"payload": "' + SECRET, expect=400)
        it.ask("all", "POST", room + "/deletes", {"seqs": [1], "reason": "because"}, expect=200)
        it.ask("app", "POST", room + "/deletes", {"seqs": [SECRET]}, expect=403)
        it.ask(None, "GET", room + "/messages", token=stray, expect=401)
        it.ask("part", "GET", "/v1/channels", expect=403)
        with open(it.file, "a", encoding="utf-8") as file:
            file.write(f"ops2 {stray} sha256:{'0' * 64}\n")
        it.reload("the second word is no list of roles")
        log = it.daemon.log_text()
        check(" debug " in log, "nothing at the level debug")
        for secret in [*it.tokens.values(), stray, SECRET, PLAIN]:
            check(secret not in log, [line for line in log.split("\n") if secret in line])


def test_audit_is_not_silenced(_daemon):
    """By the general level; a level of its own does it."""
    with Guarded("--log-level", "error") as it:
        it.ask("ops", "POST", "/v1/admin/delete-log/collect", {}, expect=200)
        for _ in range(50):
            lines = it.daemon.log_text().splitlines()
            if lines:
                break
            time.sleep(0.05)
        equal([" info audit: " in line for line in lines], [True], lines)
    with Guarded("--log-level", "debug", "--log-rooms", "audit=error") as it:
        it.ask("ops", "POST", "/v1/admin/delete-log/collect", {}, expect=200)
        check(" audit: " not in it.daemon.log_text())


def lines_of(daemon, room, count):
    """What was logged of the room, when there are so many lines; a line is written when its request is over. How
    often a start was asked whether it serves is nobody's business."""
    def seen():
        return [line for line in daemon.log_text().splitlines() if f" {room}: " in line and "path=/readyz" not in line]
    end = time.monotonic() + 5
    while True:
        lines = seen()
        if len(lines) >= count or time.monotonic() > end:
            time.sleep(0.1)
            lines = seen()
            equal(len(lines), count, lines)
            return lines
        time.sleep(0.02)


def test_audit_of_reads(_daemon):
    """What operators only read has no line, unless it was denied or the option is set; a reload is enough."""
    with Guarded() as it:
        it.ask("ops", "GET", "/v1/admin/config", expect=200)
        it.ask("ops", "GET", "/v1/jobs", expect=200)
        it.ask("ops", "GET", "/v1/admin/backups", expect=200)
        it.ask("app", "GET", "/v1/admin/config", expect=403)
        it.ask(None, "GET", "/v1/jobs", expect=401)
        it.ask("ops", "POST", "/v1/admin/compact-log", {}, expect=200)
        lines = lines_of(it.daemon, "audit", 3)
        check("operator=app method=GET path=/v1/admin/config status=403 result=forbidden" in lines[0], lines[0])
        check("operator=- method=GET path=/v1/jobs status=401 result=unauthorized" in lines[1], lines[1])
        check("operator=ops method=POST path=/v1/admin/compact-log status=200 result=ok" in lines[2], lines[2])
    with Guarded("--log-audit-reads=true") as it:
        it.ask("ops", "GET", "/v1/admin/config", expect=200)
        check("operator=ops method=GET path=/v1/admin/config status=200" in lines_of(it.daemon, "audit", 1)[0])


def test_access_log(_daemon):
    """Off at first; a line a request whatever the general level, without queries, payloads and tokens; not
    without bound."""
    with Guarded("--log-level", "debug") as it:
        it.ask("app", "GET", "/v1/channels", expect=200)
        check(" access: " not in it.daemon.log_text())
    with Guarded("--log-level", "error", "--log-access=true") as it:
        sent = it.ask("app", "POST", "/v1/channels/2/room%201/messages?redirect=0", {"payload": SECRET, "from_uid": "somebody"},
                      expect=201)
        it.ask("app", "GET", "/v1/channels/2/room%201/messages/7", expect=404)
        it.ask(None, "GET", "/v1/channels", expect=401, token="lethe_stray-token-of-32-letters-xyz")
        it.ask(None, "GET", "/nowhere", expect=404)
        lines = lines_of(it.daemon, "access", 4)
        words = f"token=app method=POST path=/v1/channels/2/room%201/messages status=201 code=ok bytes={len(sent.body)} us="
        check(words in lines[0], lines[0])
        check(f" request_id={sent.headers['x-request-id']}" in lines[0] and " client=127.0.0.1:" in lines[0], lines[0])
        check("status=404 code=seq_not_found" in lines[1], lines[1])
        check("token=- method=GET path=/v1/channels status=401 code=unauthorized" in lines[2], lines[2])
        check("token=- method=- path=/nowhere status=404" in lines[3], lines[3])
        log = it.daemon.log_text()
        for secret in [*it.tokens.values(), SECRET, PLAIN, "stray-token", "somebody", "redirect"]:
            check(secret not in log, secret)
    daemon = Daemon("--log-access=true")
    try:
        seen = bench(f"127.0.0.1:{daemon.port}", "single", "-n", "8000", "-c", "32")
        equal(seen.returncode, 0, seen.stderr)
        seconds = json.loads(seen.stdout)["seconds"] + 2
        time.sleep(1.1)
        Client(daemon).get("/livez", expect=200)
        time.sleep(0.1)
        lines = [line for line in daemon.log_text().splitlines() if " access: " in line]
        check(len(lines) <= 1000 * seconds + 100, len(lines), seconds)
        left_out = sum(int(found) for found in re.findall(r" suppressed=(\d+)", "\n".join(lines)))
        check(left_out > 0 and len(lines) + left_out >= 8000, len(lines), left_out)
    finally:
        daemon.stop()


def ctl(daemon, *words, **environment):
    return subprocess.run([LETHECTL, *words, "--server", f"https://127.0.0.1:{daemon.port}"],
                          capture_output=True, text=True, check=False, timeout=60,
                          env={"PATH": os.environ["PATH"], **environment})


def test_tls(_daemon):
    """HTTPS with tokens: who does not know the authority does not talk, a new certificate takes over
    without a restart, and lethectl is told whom to believe."""
    with tempfile.TemporaryDirectory(prefix="lethe-tls-") as folder:
        def make(*flags):
            subprocess.run([MAKE_CERTS, *flags, folder, "api", "1"], check=True, capture_output=True)

        make()
        authority, tokens = os.path.join(folder, "ca.crt"), os.path.join(folder, "tokens")
        token = make_token("all", "read,write,delete,admin", tokens)
        daemon = Daemon("--http-tls-certificate", os.path.join(folder, "node-1.crt"),
                        "--http-tls-key", os.path.join(folder, "node-1.key"),
                        "--auth-tokens-file", tokens, authority=authority)
        try:
            client = Client(daemon)
            client.get("/v1/cluster", expect=401)
            client.get("/v1/cluster", headers={"Authorization": "Bearer " + token}, expect=200)
            sent = ctl(daemon, "send", "2/a", "hello", "--token", token, "--cacert", authority)
            equal(sent.returncode, 0, sent.stderr)
            seen = ctl(daemon, "get", "2/a", LETHE_TOKEN=token, LETHE_CACERT=authority)
            check("hello" in seen.stdout, seen.stdout, seen.stderr)
            seen = ctl(daemon, "get", "2/a", "--token", token, "--insecure")
            check("hello" in seen.stdout, seen.stdout, seen.stderr)
            strange = ctl(daemon, "get", "2/a", "--token", token)
            check(strange.returncode not in (0, 1), strange.returncode, strange.stderr)
            check("certificate" in strange.stderr, strange.stderr)
            missing = ctl(daemon, "get", "2/a", "--cacert", authority + "x")
            check(missing.returncode != 0 and "ca.crtx" in missing.stderr, missing.stderr)
            nobody = ctl(daemon, "get", "2/a", "--cacert", authority)
            check(nobody.returncode != 0 and "unauthorized" in nobody.stderr, nobody.stderr)
            before = ssl.get_server_certificate(("127.0.0.1", daemon.port))
            make("--days", "30")
            daemon.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 10
            while ssl.get_server_certificate(("127.0.0.1", daemon.port)) == before:
                check(time.monotonic() < end, daemon.log_text())
                time.sleep(0.05)
            client.get("/livez", expect=200)  # the connection of before
            Client(daemon).get("/livez", expect=200)
        finally:
            code, log = daemon.stop()
        equal(code, 0, log)


def bench(target, *words, **environment):
    return subprocess.run([os.path.join(os.path.dirname(LETHED), "lethe-bench"), *words, "--quiet", "--json", "--target", target],
                          capture_output=True, text=True, check=False, timeout=120,
                          env={"PATH": os.environ["PATH"], **environment})


def test_load_over_tls(_daemon):
    """lethe-bench by https: every form of request, large replies, connections that are closed, who is
    not believed."""
    with tempfile.TemporaryDirectory(prefix="lethe-tls-") as folder:
        subprocess.run([MAKE_CERTS, folder, "api", "1"], check=True, capture_output=True)
        authority, tokens = os.path.join(folder, "ca.crt"), os.path.join(folder, "tokens")
        token = make_token("all", "read,write,delete", tokens)
        daemon = Daemon("--http-tls-certificate", os.path.join(folder, "node-1.crt"),
                        "--http-tls-key", os.path.join(folder, "node-1.key"), "--auth-tokens-file", tokens,
                        authority=authority)
        target = f"https://127.0.0.1:{daemon.port}"
        try:
            for words in (["single", "-n", "500"], ["ndjson", "-n", "20"], ["raw", "-n", "50", "-s", "200000"],
                          ["page", "-n", "100", "--limit", "1000", "--preload", "1000", "-s", "600"],
                          ["mixed", "-d", "2s", "--numbers", "--preload", "100"], ["delete", "--delete-size", "50"],
                          ["single", "-d", "1s", "--rate", "200"]):
                seen = bench(target, *words, "-c", "8", "--channels", "4", "--verify", LETHE_TOKEN=token,
                             LETHE_CACERT=authority)
                equal(seen.returncode, 0, f"{words}: {seen.stdout} {seen.stderr}")
                figures = json.loads(seen.stdout)
                check(figures["requests"] > 0, figures)
                equal([figures[name] for name in ("failed", "unknown", "refused", "broken")], [0] * 4, figures)
            seen = bench(target, "single", "-n", "1", "--token", token, "--insecure")
            equal(seen.returncode, 0, seen.stderr)
            seen = subprocess.run([LETHECTL, "bench", "single", "--target", target, "--token", token, "--insecure",
                                   "-n", "1", "-q"], capture_output=True, text=True, check=False, timeout=60)
            equal(seen.returncode, 0, seen.stderr)
            strange = bench(target, "single", "-n", "1", "--token", token)
            equal(strange.returncode, 3, strange.stderr)
            check("certificate" in strange.stderr, strange.stderr)
            missing = bench(target, "single", "-n", "1", "--token", token, "--cacert", authority + "x")
            check(missing.returncode != 0 and "ca.crtx" in missing.stderr, missing.stderr)
            nobody = bench(target, "single", "-n", "1", "--cacert", authority)
            equal(nobody.returncode, 1, nobody.stderr)
            check("unauthorized" in nobody.stderr, nobody.stderr)
        finally:
            code, log = daemon.stop()
        equal(code, 0, log)


def test_wrong_files(_daemon):
    """Nothing is served with tokens that are wrong, nor beyond loopback without any."""
    with tempfile.TemporaryDirectory(prefix="lethe-tokens-") as folder:
        file = os.path.join(folder, "tokens")
        equal(make_token("a b", "read", file, expect=2).count("the name is not"), 1)
        check("is no role" in make_token("a", "root", file, expect=2))
        check(not os.path.exists(file), "a refused token left a file")
        make_token("a", "read", file)
        check("another token with the name" in make_token("a", "write", file, expect=2))
        with open(file, "a", encoding="utf-8") as out:
            out.write("b\n")
        data = ["--data-dir", os.path.join(folder, "data")]
        for flags, words in [(["--check-config", "--auth-tokens-file", file], "tokens:2: there are no"),
                             (["--auth-tokens-file", file], "tokens:2: there are no"),
                             (["--auth-tokens-file", file + "x"], "tokensx"),
                             (["--http-tls-certificate", file], "go together"),
                             (["--check-config", "--http-tls-certificate", file, "--http-tls-key",
                               file], "no certificate in PEM"),
                             (["--http-listen", "0.0.0.0:0"], "'auth.tokens_file'")]:
            done = subprocess.run([LETHED, *data, *flags], capture_output=True, text=True,
                                  check=False, timeout=60)
            check(done.returncode in (1, 2) and words in done.stderr, flags, done.stderr)
