# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: every kind of option takes effect while the daemon runs, what cannot is named, and a file
that is wrong changes nothing."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

from lib import LETHED, Client, Daemon, check, equal


class Reloaded:
    """A daemon with a file of its own, which it reads again when the test says so."""

    def __init__(self, text=""):
        self.folder = tempfile.TemporaryDirectory(prefix="lethe-reload-")
        self.file = os.path.join(self.folder.name, "lethe.yaml")
        self.write(text)
        self.daemon = Daemon("--config", self.file)
        self.client = Client(self.daemon)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        self.folder.cleanup()

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, text, wanted="configuration read again"):
        """What was logged by then."""
        before = len(self.daemon.log_text())
        self.write(text)
        self.daemon.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while wanted not in self.daemon.log_text()[before:]:
            check(time.monotonic() < end, f"'{wanted}' is not in", self.daemon.log_text()[before:])
            time.sleep(0.02)
        return self.daemon.log_text()[before:]

    def values(self):
        return {it["key"]: it for it in self.client.get("/v1/admin/config", expect=200).json["values"]}


def test_reload_of_limits(_daemon):
    with Reloaded() as it:
        body = {"payload": "YWFh" * 1000}
        path = "/v1/channels/2/a/messages"
        it.client.post(path, body, expect=201)
        log = it.reload("http: {max_message_bytes: 2KiB}\n")
        check("a new value option=http.max_message_bytes value=\"2KiB\"" in log or
              "a new value option=http.max_message_bytes value=2KiB" in log, log)
        check("changed=1 need_restart=0" in log, log)
        reply = it.client.post(path, body, expect=413)
        check("'max_message_bytes' 2048" in reply.json["detail"], reply)
        it.reload("http: {max_body_bytes: 1KiB, max_message_bytes: 1KiB}\n")
        reply = it.client.post(path, body, expect=413)
        check("'http.max_body_bytes' 1024" in reply.json["detail"], reply)
        it.reload("")  # as it was
        it.client.post(path, body, expect=201)
        it.reload("http: {max_connections_per_address: 1}\n")
        with socket.create_connection(("127.0.0.1", it.daemon.port), timeout=5) as second:
            second.settimeout(5)
            equal(second.recv(10), b"", "a second connection is closed")
        it.reload("http: {max_connections_per_address: 0}\n")
        with socket.create_connection(("127.0.0.1", it.daemon.port), timeout=5) as second:
            second.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            check(second.recv(100).startswith(b"HTTP/1.1 200"))


def test_reload_of_the_queue(_daemon):
    """One command may be under way: of a batch over many slots the others are refused."""
    with Reloaded() as it:
        messages = {"messages": [{"channel_type": 2, "channel_id": f"c-{i}", "payload": "aGk="} for i in range(200)]}
        reply = it.client.post("/v1/messages:batch", messages, expect=200)
        equal(reply.json["ok"], 200)
        it.reload("node: {queue_max_commands: 1}\n")
        reply = it.client.post("/v1/messages:batch", messages, expect=200)
        codes = {item.get("code") for item in reply.json["results"] if item["status"] == 503}
        equal(codes, {"queue_full"})
        it.reload("")
        equal(it.client.post("/v1/messages:batch", messages, expect=200).json["ok"], 200)


def test_reload_of_retention(_daemon):
    """The log of a slot shrinks to the new bounds by itself; a delete record that is old goes."""
    with Reloaded("cluster: {slot_count: 1}\n") as it:
        for _ in range(3):
            it.client.post("/v1/channels/2/a/messages:batch",
                           {"messages": [{"payload": "aGk=", "client_msg_no": os.urandom(6).hex()}
                                         for _ in range(1000)]}, expect=200)
        for _ in range(1100):
            it.client.post("/v1/channels/2/a/messages", {"payload": "aGk="}, expect=201)
        end = time.monotonic() + 10
        while it.client.get("/v1/slots/0/local", expect=200).json["log_count"] <= 1000:  # figures are told now and then
            check(time.monotonic() < end, it.client.get("/v1/slots/0/local").json["log_count"])
            time.sleep(0.1)
        it.reload("cluster: {slot_count: 1, raft_log_retention: {keep_applied_logs: 10, keep_hours: 0, "
                  "min_keep_logs: 10}}\n")
        end = time.monotonic() + 20
        while it.client.get("/v1/slots/0/local", expect=200).json["log_count"] > 200:
            check(time.monotonic() < end, it.client.get("/v1/slots/0/local").json["log_count"])
            time.sleep(0.2)
        equal(it.client.get("/v1/channels/2/a", expect=200).json["message_count"], 4100)


def test_reload_of_marks_and_rates(_daemon):
    """The disk's soft mark: appends stop and go on; what a scrape and the alarms then say."""
    with Reloaded() as it:
        path = "/v1/channels/2/a/messages"
        it.client.post(path, {"payload": "aGk="}, expect=201)
        it.reload("storage: {soft_free_bytes: 1024GiB}\ncluster: {catchup_bytes_per_second: 1MiB, balance: false, "
                  "check_bytes_per_second: 1MiB, check_interval: 1h, replica_lag_threshold: 5}\n")

        def wait_for(status):
            end = time.monotonic() + 10
            while True:
                reply = it.client.post(path, {"payload": "aGk="})
                if reply.status == status:
                    return reply
                check(time.monotonic() < end, reply)
                time.sleep(0.1)
        equal(wait_for(507).json["code"], "disk_full")
        check("\nlethe_disk_soft_free_bytes 1099511627776\n" in it.client.get("/metrics").body.decode())
        check("nospace" in [alarm["kind"] for alarm in it.client.get("/v1/alarms").json["alarms"]])
        values = it.values()
        equal(values["storage.soft_free_bytes"], {"key": "storage.soft_free_bytes", "value": "1TiB", "source": "file",
                                                  "reloadable": True})
        equal(values["cluster.balance"]["value"], "false")
        it.reload("")
        wait_for(201)
        equal(it.values()["storage.soft_free_bytes"]["source"], "default")


def test_what_needs_a_restart(_daemon):
    """Named in the log and in the configuration, and not taken over."""
    with Reloaded("dedup: {window_hours: 24}\n") as it:
        log = it.reload("dedup: {window_hours: 48}\nmetrics: {prefix: other_}\nnode: {zone: rack-9}\n")
        equal(re.findall(r"changes with a restart only option=(\S+)", log), ["node.zone", "metrics.prefix"])
        check("changed=1 need_restart=2" in log, log)
        values = it.values()
        equal(values["metrics.prefix"], {"key": "metrics.prefix", "value": '"lethe_"', "source": "default",
                                         "reloadable": False, "after_restart": '"other_"'})
        equal(values["dedup.window_hours"], {"key": "dedup.window_hours", "value": "48", "source": "file",
                                             "reloadable": True})
        check("\nlethe_" in it.client.get("/metrics").body.decode())
        log = it.reload("")  # what was asked for is taken back: nothing waits any more
        check("need_restart=0" in log, log)
        check("after_restart" not in it.values()["metrics.prefix"])


def test_what_is_wrong_changes_nothing(_daemon):
    wrong = "the configuration is wrong, keeping the one in force"
    with Reloaded("http: {max_message_bytes: 2KiB}\n") as it:
        before = it.values()
        for text, reason in (("http: {max_message_bytes: 1KiB, max_body_bytes: 1}\n", "lethe.yaml:1:"),
                             ("http: {max_message_bytes: 1KiB\n", "lethe.yaml:"),
                             ("http: {max_message_bytes: 1KiB}\nno_such: 1\n", "no_such"),
                             ("http: {max_message_bytes: 1MiB, max_body_bytes: 64KiB}\n", "max_message_bytes"),
                             ("http: {max_message_bytes: 1KiB}\nlog: {level: loud}\n", "log.level")):
            log = it.reload(text, wrong)
            check(reason in log, reason, log)
            equal(it.values(), before, text)
        os.unlink(it.file)
        it.daemon.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while "lethe.yaml" not in it.daemon.log_text().rpartition(wrong)[2] or it.daemon.log_text().count(wrong) < 6:
            check(time.monotonic() < end, it.daemon.log_text())
            time.sleep(0.02)
        it.client.post("/v1/channels/2/a/messages", {"payload": "YWFh" * 1000}, expect=413)


def test_the_table_says_what_is_reloadable(_daemon):
    """The printed configuration and the daemon's answer agree about each option."""
    printed = subprocess.run([LETHED, "--print-config"], check=True, capture_output=True, text=True).stdout
    lines = [line for line in printed.splitlines() if "  # " in line]
    with Reloaded() as it:
        values = list(it.values().values())
        equal(len(lines), len(values))
        for line, value in zip(lines, values):
            check(line.strip().startswith(value["key"].rpartition(".")[2] + ":"), line, value)
            equal(line.endswith(", SIGHUP"), value["reloadable"], json.dumps(value))
            equal(line.endswith(", restart"), not value["reloadable"], line)
        check(sum(value["reloadable"] for value in values) >= 25)
