# SPDX-License-Identifier: Apache-2.0
"""Health, version, figures, and what the node knows of its cluster."""
import base64
import json
import os
import re
import signal
import subprocess
import tempfile
import time

from lib import LETHECTL, Client, Daemon, Failed, check, equal


def test_livez(daemon):
    client = Client(daemon)
    equal(client.get("/livez", expect=200).body, b"ok\n")
    equal(client.get("/livez", {"Accept": "application/json"}, expect=200).json, {"status": "ok"})


def test_readyz(daemon):
    client = Client(daemon)
    client.get("/readyz", expect=200)
    check(b"[+]leaders ok" in client.get("/readyz?verbose", expect=200).body)
    checks = client.get("/readyz?exclude=leaders,store", {"Accept": "application/json"},
                        expect=200).json["checks"]
    equal([c["name"] for c in checks if c["excluded"]], ["store", "leaders"])
    client.get("/readyz?exclude=nothing", expect=400)
    # A cluster of one loses its quorum with this node.
    equal(client.get("/readyz?maintenance=1", expect=412).json["code"], "needs_quorum")


def test_version(daemon):
    version = Client(daemon).get("/version", expect=200).json
    equal(version["name"], "lethe")
    check(re.match(r"\d+\.\d+\.\d+", version["version"]), version)


def test_ui(daemon):
    """The page and its files come with a policy that keeps everything else out, and tags."""
    client = Client(daemon)
    total = 0
    for target, kind in [("/ui/", "text/html"), ("/ui", "text/html"), ("/ui/app.js", "text/javascript"),
                         ("/ui/app.css", "text/css"), ("/ui/icon.svg", "image/svg+xml")]:
        reply = client.get(target, expect=200)
        equal(reply.type, kind)
        policy = reply.headers["content-security-policy"]
        check("default-src 'none'" in policy and "unsafe" not in policy, policy)
        equal(reply.headers["x-content-type-options"], "nosniff")
        total += len(reply.body)
        client.get(target, {"If-None-Match": reply.headers["etag"]}, expect=304)
    check(total < 100_000, total)
    page = client.get("/ui/", expect=200).body.decode()
    check(not re.search(r"\son[a-z]+=|style=|https?://(?!www.w3.org)", page), "something inline or foreign")
    client.get("/ui/app.map", expect=404)
    client.get("/ui/../v1/cluster", expect=404)


def test_metrics(daemon):
    """Every name of the contract is there, with HELP and TYPE, and histograms add up."""
    reply = Client(daemon).get("/metrics", expect=200)
    text = reply.body.decode()
    for name in ["message_delete_total", "message_delete_range_total",
                 "message_delete_records_count", "raft_log_count", "raft_log_size_bytes",
                 "raft_log_first_index", "raft_log_last_index", "raft_log_applied_index",
                 "replica_lag_count", "replica_full_sync_total", "replica_recovery_total",
                 "http_requests_total", "http_request_seconds", "fsync_seconds", "apply_seconds",
                 "commit_seconds", "append_seconds", "submit_queue_depth", "open_proposal_bytes",
                 "rocksdb_memtable_bytes", "rocksdb_live_versions", "rocksdb_writes_stopped",
                 "rocksdb_oldest_snapshot_timestamp_seconds", "rocksdb_background_errors",
                 "catchup_total", "catchups_running", "replicas", "replicas_compared",
                 "deletes_pending", "deletes_pending_oldest_seconds", "slots_without_leader",
                 "slots_at_risk", "delete_log_floor", "digests_equal_total",
                 "digests_different_total", "digests_unknown_total", "disk_free_bytes",
                 "build_info", "process_resident_memory_bytes", "process_open_fds",
                 "process_cpu_seconds_total", "process_start_time_seconds"]:
        check(f"# HELP lethe_{name} " in text, name)
        check(f"# TYPE lethe_{name} " in text, name)
        check(re.search(rf"^lethe_{name}(_bucket)?(\{{.*\}})? [0-9.e+]+$", text, re.M), name)
    labels = " ".join(re.findall(r"^[^#{]+\{(.*)\} ", re.sub(r'route="\w+"', "", text), re.M))
    check("channel" not in labels, "a channel in a label")
    series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line and line[0] != "#"]
    equal(len(series), len(set(series)), "the same series twice")
    heads = re.findall(r"# TYPE (\S+)", text)
    equal(len(heads), len(set(heads)), "the same TYPE twice")
    last = {}
    for name, labels, value in re.findall(r'^(\S+)_bucket\{(.*?)le="[^"]+"\} (\d+)$', text, re.M):
        check(int(value) >= last.get((name, labels), 0), f"{name} {labels} falls")
        last[name, labels] = int(value)
    for (name, labels), value in last.items():
        labels = labels.rstrip(",")
        wanted = f"{name}_count{{{labels}}} {value}" if labels else f"{name}_count {value}"
        check(wanted in text, wanted)


def test_metrics_promtool(daemon):
    """Prometheus' own judge finds nothing but the three names that the contract gives."""
    text = Client(daemon).get("/metrics", expect=200).body
    try:
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                              check=False, timeout=30)
    except FileNotFoundError:
        raise Failed("no promtool: scripts/install-deps test") from None
    words = (done.stdout + done.stderr).decode().splitlines()
    named = ["lethe_message_delete_records_count", "lethe_raft_log_count", "lethe_replica_lag_count"]
    equal([line.split()[0] for line in words], named, "what promtool objects to")
    check(all('"_count" suffix' in line for line in words), words)


def test_metrics_prefix(_daemon):
    """metrics.prefix stands before every name, and replaces the usual one."""
    daemon = Daemon("--metrics-prefix", "wukongim_")
    try:
        text = Client(daemon, record=False).get("/metrics", expect=200).body.decode()
        for line in text.splitlines():
            check(re.match(r"(# (HELP|TYPE) )?wukongim_[a-z0-9_]+[ {]", line), line)
        check("lethe_" not in text, "the usual prefix is still there")
    finally:
        daemon.stop()


def test_metrics_cheap(daemon):
    """A scrape costs little processor time: also under a sanitizer far below a scrape interval."""
    client = Client(daemon, record=False)

    def cpu():
        text = client.get("/metrics", expect=200).body.decode()
        return float(re.search(r"^lethe_process_cpu_seconds_total (\S+)$", text, re.M)[1])
    before = cpu()
    for _ in range(50):
        client.get("/metrics", expect=200)
    check((cpu() - before) / 51 < 0.05, "a scrape takes more than 50 ms of processor time")


def test_metrics_count(daemon):
    """What is done shows."""
    client = Client(daemon)

    def value(name):
        text = client.get("/metrics", expect=200).body.decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])
    sends = 'lethe_http_requests_total{route="send",code="2xx"}'
    before = value(sends), value("lethe_messages_appended_total"), value("lethe_message_delete_total")
    client.send((1, "metrics"))
    client.delete("/v1/channels/1/metrics/messages?start_seq=1&end_seq=1", expect=200)
    after = value(sends), value("lethe_messages_appended_total"), value("lethe_message_delete_total")
    equal([b - a for a, b in zip(before, after)], [1, 1, 1])


def test_alarms(daemon):
    """Nothing is wrong with a fresh node; an id that makes no sense is no alarm."""
    client = Client(daemon)
    equal(client.get("/v1/alarms", expect=200).json, {"alarms": [], "more": False})
    for name in ["1-nospace", "1-nothing", "2-nospace", "nospace", "x-nospace", "1-"]:
        equal(client.ask("POST", f"/v1/alarms/{name}:disarm", expect=404).json["code"], "not_found")
    text = client.get("/metrics", expect=200).body.decode()
    for kind in ["nospace", "corrupt", "diverged", "slow_disk"]:
        check(f'lethe_alarms{{kind="{kind}"}} 0\n' in text, kind)


def test_alarm_that_holds(_daemon):
    """A disk with less free than the soft mark: armed, not to be disarmed, appends get 507."""
    daemon = Daemon("--storage-soft-free-bytes", "1024GiB")
    try:
        client = Client(daemon)
        for _ in range(100):
            alarms = client.get("/v1/alarms", expect=200).json["alarms"]
            if alarms:
                break
            time.sleep(0.1)
        equal([(a["id"], a["kind"], a["node"], a["active"]) for a in alarms],
              [("1-nospace", "nospace", 1, True)])
        check("storage.soft_free_bytes" in alarms[0]["detail"], alarms)
        equal(client.ask("POST", "/v1/alarms/1-nospace:disarm", expect=409).json["code"], "conflict")
        equal(client.post("/v1/channels/1/full/messages", {"payload": "aGk="}, expect=507).json["code"],
              "disk_full")
        client.delete("/v1/channels/1/full", expect=200)
        check('lethe_alarms{kind="nospace"} 1\n' in client.get("/metrics").body.decode())
        lines = client.get("/v1/alarms?columns=id,active", {"Accept": "text/plain"},
                           expect=200).body.decode().splitlines()
        equal([line.split() for line in lines], [["id", "active"], ["1-nospace", "yes"]])
    finally:
        daemon.stop()


def test_alarm_that_stays(_daemon):
    """What was kept before a restart is told until it is disarmed, and then no more."""
    daemon = Daemon()
    kept = os.path.join(daemon.dir, "data", "alarms")
    try:
        with open(kept, "w", encoding="utf-8") as file:
            file.write("lethe-alarms 1\ncorrupt 1760000000000 1760000000001 2 slot 3: a row\n")
        daemon.restart()
        client = Client(daemon)
        alarm, = client.get("/v1/alarms", expect=200).json["alarms"]
        equal((alarm["id"], alarm["active"], alarm["count"], alarm["detail"]),
              ("1-corrupt", False, 2, "slot 3: a row"))
        equal(client.ask("POST", "/v1/alarms/1-corrupt:disarm", expect=200).json,
              {"id": "1-corrupt", "disarmed": True})
        client.ask("POST", "/v1/alarms/1-corrupt:disarm", expect=404)
        for _ in range(100):
            with open(kept, encoding="utf-8") as file:
                if file.read() == "lethe-alarms 1\n":
                    break
            time.sleep(0.1)
        daemon.restart()
        equal(Client(daemon).get("/v1/alarms", expect=200).json["alarms"], [])
        with open(kept, "w", encoding="utf-8") as file:
            file.write("nonsense")
        daemon.restart()
        check("the kept alarms cannot be read" in daemon.log_text())
    finally:
        daemon.stop()


def test_reload_of_the_log(_daemon):
    """SIGHUP takes levels, rooms and format over, names what needs a restart, keeps all when wrong."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        def write(text):
            file.seek(0)
            file.truncate()
            file.write(text)
            file.flush()
        write("log: {level: error}\n")
        daemon = Daemon("--config", file.name)
        try:
            def reload(text, wanted):
                """what was logged since; wanted: a sentence that ends it"""
                before = len(daemon.log_text())
                write(text)
                daemon.process.send_signal(signal.SIGHUP)
                for _ in range(100):
                    new = daemon.log_text()[before:]
                    if wanted in new:
                        return new
                    time.sleep(0.05)
                raise Failed(f"'{wanted}' was not logged: {new!r}")
            equal(daemon.log_text(), "", "logged at level error")
            text = reload("log: {level: error, rooms: [lethed=info]}\n", "read again")
            check(" info lethed: " in text, text)
            text = reload("log: {level: error, rooms: [lethed=loud]}\n", "keeping the one in force")
            check("'log.rooms' has 'lethed=loud'" in text, text)
            text = reload("log: {level: error, rooms: [lethed=info], format: json}\n"
                          "cluster: {slot_count: 8}\n", "read again")
            lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
            equal(lines[-1]["room"], "lethed")
            check("cluster.slot_count" in [line.get("option") for line in lines
                                           if "with a restart only" in line["message"]], text)
            Client(daemon).get("/livez", expect=200)
        finally:
            daemon.stop()


def test_cluster(daemon):
    client = Client(daemon)
    cluster = client.get("/v1/cluster", expect=200).json
    equal(len(cluster["nodes"]), 1)
    equal(cluster["slots"]["total"], cluster["slots"]["with_leader"])
    nodes = client.get("/v1/nodes", expect=200).json["nodes"]
    equal([(n["id"], n["state"]) for n in nodes], [(1, "up")])
    equal(client.get("/v1/nodes/1", expect=200).json["id"], 1)
    client.get("/v1/nodes/2", expect=404)


def test_slots(daemon):
    client = Client(daemon)
    slots = client.get("/v1/slots", expect=200).json["slots"]
    equal([s["slot"] for s in slots], list(range(64)))
    sent = client.send((2, "which-slot"))
    slot = client.get(f"/v1/slots/{sent['slot']}", expect=200).json
    equal(slot["leader"], 1)
    equal([r["role"] for r in slot["replicas"]], ["leader"])
    local = client.get(f"/v1/slots/{sent['slot']}/local", expect=200).json
    check(re.match("^[0-9a-f]{32}$", local["digest"]), local)
    client.get("/v1/slots/64", expect=404)


def test_tables(daemon):
    """Aligned text for people."""
    client = Client(daemon)
    lines = client.get("/v1/nodes", {"Accept": "text/plain"}, expect=200).body.decode().splitlines()
    check(lines[0].startswith("id  state"), lines)
    equal(len(lines), 2)
    lines = client.get("/v1/slots?columns=slot,leader", {"Accept": "text/plain"},
                       expect=200).body.decode().splitlines()
    equal(lines[0].split(), ["slot", "leader"])
    equal(lines[1].split(), ["0", "1"])
    equal(len(lines), 65)
    client.get("/v1/slots?columns=nothing", {"Accept": "text/plain"}, expect=400)
    client.get("/v1/slots?columns=slot", expect=400)


def test_transfer(daemon):
    """A cluster of one has nobody to hand over to."""
    client = Client(daemon)
    check(client.post("/v1/admin/slots/3/transfer-leader", {"to": 2}).status in (404, 409, 503))
    client.post("/v1/admin/slots/3/transfer-leader", {"to": 0}, expect=400)
    client.post("/v1/admin/slots/64/transfer-leader", {"to": 1}, expect=404)


def test_balance(daemon):
    """A cluster of one has all leaders where they can be."""
    client = Client(daemon)
    plan = client.post("/v1/admin/leaders/balance", {"dry_run": True}, expect=200).json
    equal(plan, {"dry_run": True, "moves": [], "before": {"1": 64}, "after": {"1": 64}})
    equal(client.ask("POST", "/v1/admin/leaders/balance", expect=200).json["dry_run"], False)
    client.post("/v1/admin/leaders/balance", {"dry_run": "yes"}, expect=400)
    client.post("/v1/admin/leaders/balance", [True], expect=400)


def test_orders(daemon):
    """Logs are compacted and delete logs collected, of one slot and of all."""
    client = Client(daemon)
    sent = client.send((3, "orders"))
    for n in range(5):
        client.send((3, "orders"), payload="aGk=")
    deleted = client.delete("/v1/channels/3/orders/messages?start_seq=1&end_seq=2", expect=200).json
    slot = sent["slot"]
    done = client.post(f"/v1/admin/slots/{slot}/compact-log", {"keep": 2}, expect=200).json
    equal(done["failed"], [])
    equal([(item["slot"], item["node"]) for item in done["items"]], [(slot, 1)])
    check(done["items"][0]["first_index_after"] >= done["items"][0]["first_index_before"], done)
    client.post(f"/v1/admin/slots/{slot}/compact-log", {"keep": -1}, expect=400)
    client.post("/v1/admin/slots/64/compact-log", {}, expect=404)
    done = client.ask("POST", "/v1/admin/compact-log", expect=200).json
    equal((len(done["items"]), done["failed"]), (64, []))
    client.post("/v1/admin/compact-log", {"through_index": 5}, expect=400)
    equal(client.page((3, "orders"))["last_seq"], 6)

    held = client.post("/v1/admin/delete-log/collect", {"slot": slot}, expect=200).json["items"][0]
    equal((held["slot"], held["removed"]), (slot, 0))
    client.get("/v1/deletes/" + deleted["delete_id"], expect=200)
    done = client.ask("POST", "/v1/admin/delete-log/collect", expect=200).json
    equal((len(done["items"]), done["failed"]), (64, []))
    client.post("/v1/admin/delete-log/collect", {"slot": 64}, expect=400)

    client.post(f"/v1/admin/slots/{slot}/full-sync", {}, expect=400)
    check(client.post(f"/v1/admin/slots/{slot}/full-sync", {"node": 2}).status in (404, 409))
    equal(client.post(f"/v1/admin/slots/{slot}/full-sync", {"node": 1}).status, 409)
    check(client.get("/v1/admin/config").status in (200, 501))


def wait_job(client, path):
    for _ in range(200):
        job = client.get(path, expect=200).json
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.05)
    raise Failed(f"{path} did not end: {job}")


def test_backups(daemon):
    """One is made while there are writes, verified, listed, removed; bad names, strangers and
    doubles are refused and change nothing."""
    client = Client(daemon)
    client.fill((7, "kept"), 20)
    equal(client.get("/v1/admin/backups", expect=200).json, {"backups": [], "more": False})
    reply = client.post("/v1/admin/backups", {"name": "first"}, expect=202)
    job = wait_job(client, reply.headers["location"])
    equal((job["kind"], job["state"], job["backup"], len(job["items"])), ("backup", "done", "first", 64))
    check(all(item["result"] == "ok" for item in job["items"]), job)
    one, = client.get("/v1/admin/backups", expect=200).json["backups"]
    equal((one["id"], one["state"], one["verified"], one["node"], one["holds_deleted"]),
          ("first", "verified", True, 1, True))
    check(one["expires_at"] == one["created_at"] + 30 * 86400000 and one["bytes"] > 0, one)
    check(os.path.isdir(one["path"]), one["path"])
    table = client.get("/v1/admin/backups?columns=id,state", {"Accept": "text/plain"}, expect=200)
    check(b"first" in table.body and b"verified" in table.body, table)
    client.get("/v1/admin/backups?columns=never", {"Accept": "text/plain"}, expect=400)
    check("first" in client.post("/v1/admin/backups", {"name": "first"}, expect=409).json["detail"], "which")
    for name in ("", "a/b", ".hidden", "x" * 65, "a b"):
        client.post("/v1/admin/backups", {"name": name}, expect=400)
    unnamed = client.ask("POST", "/v1/admin/backups", expect=202)  # its job's id
    equal(wait_job(client, unnamed.headers["location"])["backup"], unnamed.json["id"])
    client.post("/v1/admin/backups", {"name": 5}, expect=400)
    client.post("/v1/admin/backups", "[]", expect=400)
    again = wait_job(client, client.post("/v1/admin/backups/first:verify", {},
                                         expect=202).headers["location"])
    equal((again["kind"], again["state"]), ("verify_backup", "done"))
    client.post("/v1/admin/backups/never:verify", {}, expect=404)
    client.ask("DELETE", "/v1/admin/backups/never", expect=404)
    client.ask("DELETE", "/v1/admin/backups/first", expect=200)
    client.ask("DELETE", "/v1/admin/backups/first", expect=404)
    equal(len(client.get("/v1/admin/backups", expect=200).json["backups"]), 1)


def test_compactions(_daemon):
    """Bytes of deleted messages go, now; the job says so for each family."""
    daemon = Daemon()
    try:
        client = Client(daemon)
        payload = base64.b64encode(os.urandom(60000)).decode()
        for _ in range(20):
            client.post("/v1/channels/2/big/messages", {"payload": payload}, expect=201)
        job = wait_job(client, client.post("/v1/admin/compactions", {"family": "messages"},
                                           expect=202).headers["location"])
        equal((job["kind"], job["state"], job["slot"], len(job["items"])), ("compaction", "done", None, 1))
        item = job["items"][0]
        equal((item["family"], item["result"], item["slot"], item["nodes"]), ("messages", "ok", None, []))
        check(item["bytes_after"] > 20 * 60000, item)
        client.post("/v1/channels/2/big/deletes", {"through_seq": 20}, expect=200)
        job = wait_job(client, client.post("/v1/admin/compactions", {}, expect=202).headers["location"])
        equal([i["family"] for i in job["items"]],
              ["default", "slots", "raft", "messages", "channels", "deleted", "delete_log", "dedup"])
        item = [i for i in job["items"] if i["family"] == "messages"][0]
        check(item["bytes_before"] > 20 * 60000 and item["bytes_after"] < 60000, item)
        refused = client.post("/v1/admin/compactions", {"family": "nonsense"}, expect=400)
        check("delete_log" in refused.json["detail"], refused.json)
        client.post("/v1/admin/compactions", {"family": 7}, expect=400)
        equal(subprocess.run([LETHECTL, "store", "compact", "dedup", "--server", f"127.0.0.1:{daemon.port}"],
                             capture_output=True, text=True, check=True,
                             timeout=30).stdout.split("\n")[0].split(),
              ["FAMILY", "RESULT", "BEFORE", "AFTER"])
    finally:
        daemon.stop()


def test_checks_and_jobs(daemon):
    """A check of all slots, of one; its job is listed, has a result a slot, and cannot be cancelled
    once it has ended."""
    client = Client(daemon)
    client.fill((7, "checked"), 20)
    reply = client.post("/v1/admin/checks", {}, expect=202)
    path = reply.headers["location"]
    equal(path, "/v1/jobs/" + reply.json["id"])
    again = client.post("/v1/admin/checks", {})  # while the first one runs, if it still does
    check(again.status in (409, 202), again)
    job = wait_job(client, path)
    equal((job["kind"], job["state"], job["progress"], job["node"]), ("check", "done", 1, 1))
    equal(sorted(item["slot"] for item in job["items"]), list(range(64)))
    check(all(item["result"] == "ok" and item["nodes"][0]["result"] == "ok" for item in job["items"]),
          job)
    if again.status == 202:
        wait_job(client, again.headers["location"])
    one = wait_job(client, client.post("/v1/admin/checks", {"slot": 5},
                                       expect=202).headers["location"])
    equal([item["slot"] for item in one["items"]], [5])
    listed = client.get("/v1/jobs", expect=200).json["jobs"]
    check(listed[0]["id"] == one["id"] and "items" not in listed[0], listed)
    equal(client.post(f"/v1/jobs/{one['id']}:cancel", {}, expect=409).json["code"], "conflict")
    check("node 9" in client.get("/v1/jobs/9-1-1", expect=404).json["detail"], "whose it is")
    check(one["id"] in client.get("/v1/jobs/never", expect=404).json["detail"], "what exists")
    client.post("/v1/jobs/never:cancel", {}, expect=404)
    client.post("/v1/admin/checks", {"slot": 64}, expect=404)
    client.post("/v1/admin/checks", {"slot": -1}, expect=400)
    client.post("/v1/admin/checks", {"slot": "all"}, expect=400)
    client.post("/v1/admin/checks", '{"slot":', expect=400)
