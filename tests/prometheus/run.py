#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alerts and dashboard: run.py [word ...] runs the tests whose name has one of the words.

LETHED says which daemon (build/bin/lethed). One line a test, then `N passed, N failed`."""
import glob
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "prometheus")
RULES = os.path.join(ROOT, "conf", "prometheus", "lethe.rules.yml")
SAMPLE = os.path.join(ROOT, "conf", "prometheus", "prometheus.yml")
DASHBOARD = os.path.join(ROOT, "conf", "grafana", "lethe.json")
GUIDE = os.path.join(ROOT, "docs", "operations.md")
sys.path.insert(0, os.path.join(ROOT, "tests", "ops"))
import run as ops  # noqa: E402  three nodes by scripts/cluster.sh

from run import Failed, check, wait_until  # noqa: E402

LAG_THRESHOLD = 5
CERTIFICATE = "lethe_certificate_expiry_timestamp_seconds"


def promtool(*words):
    try:
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False,
                              timeout=120)
    except FileNotFoundError:
        raise Failed("no promtool: scripts/install-deps test") from None
    check(done.returncode == 0, f"promtool {' '.join(words[:2])}: {done.stdout}{done.stderr}")


def alerts():
    with open(RULES, encoding="utf-8") as file:
        return [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]


def dashboard():
    with open(DASHBOARD, encoding="utf-8") as file:
        return json.load(file)


def panel_expressions():
    """(panel's title, expression as Prometheus would get it)"""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            check("$" not in text, f"{panel['title']}: a variable that is not there: {text}")
            yield panel["title"], text


# ---- files ----------------------------------------------------------------------------------------------
def test_rules_and_sample_are_right():
    promtool("check", "rules", RULES)
    promtool("check", "config", SAMPLE)
    with open(SAMPLE, encoding="utf-8") as file:
        jobs = [job["job_name"] for job in yaml.safe_load(file)["scrape_configs"]]
    check(jobs == ["lethe"], f"the alerts ask for the job lethe, the sample has {jobs}")


def test_alerts_fire_when_they_should():
    promtool("test", "rules", *sorted(glob.glob(os.path.join(HERE, "rules_*.test.yml"))))


def test_every_alert_is_tested():
    """Each one is expected to fire somewhere, and is told apart from a time when it does not."""
    fired = set()
    for path in glob.glob(os.path.join(HERE, "rules_*.test.yml")):
        with open(path, encoding="utf-8") as file:
            for test in yaml.safe_load(file)["tests"]:
                for row in test.get("promql_expr_test", []):
                    for sample in row["exp_samples"]:
                        fired |= set(re.findall(r'alertname="(\w+)"', sample["labels"]))
    names = [rule["alert"] for rule in alerts()]
    check(len(names) == len(set(names)), "two alerts have one name")
    check(fired == set(names), f"tested and there differ: {sorted(fired ^ set(names))}")


def test_every_alert_has_a_runbook():
    with open(GUIDE, encoding="utf-8") as file:
        headings = re.findall(r"^#+ (.+)$", file.read(), re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in headings}
    for rule in alerts():
        for name in ("summary", "description", "runbook"):
            check(rule["annotations"].get(name), f"{rule['alert']} lacks '{name}'")
        check(rule["labels"]["severity"] in ("warning", "critical"), f"{rule['alert']}: severity")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        check(page == "docs/operations.md" and anchor in anchors,
              f"{rule['alert']}: no paragraph {rule['annotations']['runbook']}")


def test_dashboard_is_sound():
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    check(len(ids) == len(set(ids)), "two panels have one id")
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    for word in ("Traffic", "Latency", "Raft", "Catch-up", "Deletes", "Storage"):
        check(any(word in row for row in rows), f"no row for {word}: {rows}")
    taken = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        check(place["x"] + place["w"] <= 24, f"{panel['title']} is outside of the grid")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                check((x, y) not in taken, f"{panel['title']} lies on {taken.get((x, y))}")
                taken[x, y] = panel["title"]
        if panel["type"] != "row":
            check(panel["targets"] and panel["description"], f"{panel['title']} tells nothing")


# What an import in Grafana 9 and later takes as it is: panels that need no plug-in, and a version of the
# file's form that is old enough to be moved on by all of them.
CORE_PANELS = {"row", "timeseries", "stat", "gauge", "bargauge", "table", "text", "heatmap", "state-timeline"}
SCHEMA_OLDEST, SCHEMA_NEWEST = 33, 38


def variables_in(value):
    """Names of $x, ${x} and [[x]] in all texts of a JSON value, but for Grafana's own ($__x)."""
    if isinstance(value, dict):
        return set().union(*(variables_in(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(variables_in(item) for item in value))
    if not isinstance(value, str):
        return set()
    found = re.findall(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]", value)
    return {name for names in found for name in names if name and not name.startswith("__")}


def test_dashboard_can_be_imported():
    board = dashboard()
    check(board.get("id") is None, "an id of some other Grafana: the import would replace what has it there")
    check(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"]), f"uid {board['uid']!r}")
    check(isinstance(board["title"], str) and board["title"], "no title")
    check(isinstance(board["schemaVersion"], int), "no schemaVersion")
    check(SCHEMA_OLDEST <= board["schemaVersion"] <= SCHEMA_NEWEST, f"schemaVersion {board['schemaVersion']}")
    check(not any(key.startswith("__") for key in board), "made for an export of one Grafana: asks when imported")
    check(set(board["time"]) == {"from", "to"}, str(board["time"]))
    check(isinstance(board["annotations"]["list"], list), "annotations")
    known = {}
    for variable in board["templating"]["list"]:
        check(variable["name"] not in known, f"two variables {variable['name']}")
        check(variable["type"] in ("datasource", "query", "custom", "constant"), variable["type"])
        known[variable["name"]] = variable
    check(known["datasource"]["type"] == "datasource" and known["datasource"]["query"] == "prometheus",
          "no variable for the source of data: it would be tied to one Grafana")
    source = {"type": "prometheus", "uid": "${datasource}"}
    for variable in known.values():
        check(variable["type"] != "query" or variable["datasource"] == source, f"{variable['name']}: source")
    check(variables_in(board) <= set(known), f"variables that are not there: {variables_in(board) - set(known)}")
    for panel in board["panels"]:
        title = panel["title"]
        check(panel["type"] in CORE_PANELS, f"{title}: {panel['type']} needs a plug-in")
        check(isinstance(panel["id"], int) and set(panel["gridPos"]) == {"h", "w", "x", "y"}, title)
        if panel["type"] == "row":
            continue
        check(panel["datasource"] == source, f"{title}: {panel['datasource']}")
        check(isinstance(panel["fieldConfig"]["defaults"], dict) and isinstance(panel["options"], dict), title)
        refs = [target["refId"] for target in panel["targets"]]
        check(len(refs) == len(set(refs)), f"{title}: {refs}")
        for target in panel["targets"]:
            check(target.get("datasource", source) == source and target["expr"].strip(), f"{title}: {target}")


def test_dashboard_expressions_parse():
    rules = [{"record": f"panel:{i}", "expr": text}
             for i, (_, text) in enumerate(panel_expressions())]
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        promtool("check", "rules", file.name)


# ---- three nodes ------------------------------------------------------------------------------------------
def scrape(cluster, node):
    with urllib.request.urlopen(f"http://{cluster.server(node)}/metrics", timeout=10) as reply:
        return reply.read().decode()


def figures(text, name, labels=""):
    """The values of a metric's series whose labels hold this text."""
    return [float(value) for has, value in re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.M)
            if labels in has]


def total(cluster, nodes, name, labels=""):
    return sum(sum(figures(scrape(cluster, node), name, labels)) for node in nodes)


# What PromQL's words are, so that what is left are names of metrics.
WORDS = set("""sum by rate increase histogram_quantile max min count changes time or and unless offset on
without predict_linear le bool""".split())


def series_of(text):
    """(metric, [(label, values)]) of an expression; an alternative a|b is two values."""
    bare = re.sub(r'"[^"]*"', '""', text)
    bare = re.sub(r"\boffset +[0-9]+[smh]|\bby *\([^)]*\)|\[[^]]*\]|\{[^}]*\}", " ", bare)
    names = set(re.findall(r"[a-z_:][a-z0-9_:]*", bare)) - WORDS - {"e", "x"}
    wanted = []
    for name in names:
        for labels in re.findall(rf"\b{name}\{{([^}}]*)\}}", text) or [""]:
            pairs = re.findall(r'(\w+)(=~|=)"([^"]*)"', labels)
            wanted.append((name, [(key, value.split("|")) for key, _, value in pairs]))
    return wanted


def test_every_metric_is_scraped(cluster):
    """Names and label values that rules and dashboard use are those of every node."""
    for node in ops.NODES:
        cluster.call(node, "POST", "/v1/channels/2/seen/messages", {"payload": "aGk="})
    for node in ops.NODES:
        text = scrape(cluster, node)
        seen = 0
        used = [(rule["alert"], rule["expr"]) for rule in alerts()] + list(panel_expressions())
        for where, expression in used:
            for name, labels in series_of(expression):
                if name in ("up", CERTIFICATE):  # Prometheus' own; of nodes with TLS
                    continue
                rows = re.findall(rf"^{name}(?:\{{(.*)\}})? \S+$", text, re.M)
                check(rows, f"{where}: node {node} does not tell {name}")
                for label, values in labels:
                    if label in ("instance", "job"):  # Prometheus adds them
                        continue
                    for value in values:
                        check(any(re.search(rf'\b{label}="{value}"', row) for row in rows),
                              f"{where}: {name} of node {node} has no {label}=\"{value}\"")
                seen += 1
        check(seen > 100, f"only {seen} names were found in rules and dashboard")


def test_certificates_are_scraped():
    """A node with TLS tells when its certificate ends: about thirty days from now."""
    with tempfile.TemporaryDirectory(prefix="lethe-alerts-") as folder:
        subprocess.run([os.path.join(ROOT, "scripts", "make-certs"), "--days", "30", folder, "c", "1"],
                       check=True, capture_output=True, timeout=60)
        port = ops.free_run(1)
        lethed = os.environ.get("LETHED", os.path.join(ROOT, "build", "bin", "lethed"))
        with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
            daemon = subprocess.Popen(
                [lethed, "--data-dir", os.path.join(folder, "data"), "--http-listen",
                 f"127.0.0.1:{port}", "--http-tls-certificate", os.path.join(folder, "node-1.crt"),
                 "--http-tls-key", os.path.join(folder, "node-1.key")], stdout=log, stderr=log)
        try:
            trust = ssl.create_default_context(cafile=os.path.join(folder, "ca.crt"))

            def ask():
                with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", timeout=5,
                                            context=trust) as reply:
                    return reply.read().decode()
            text = wait_until("it answers over TLS", 20, ask)
            ends, = figures(text, CERTIFICATE, 'use="http"')
            check(29 < (ends - time.time()) / 86400 < 31, f"ends at {ends}")
        finally:
            daemon.terminate()
            daemon.wait(30)


def test_a_node_that_is_down_shows(cluster):
    """Pending deletes and their age, lag, slots at risk, unchecked replicas; and their end."""
    others = (1, 2)
    for number in range(40):
        cluster.call(1, "POST", f"/v1/channels/2/room-{number}/messages", {"payload": "aGk="})
    cluster.sh("stop", "3")
    wait_until("all slots have leaders among the two", 30,
               lambda: sum(figures(scrape(cluster, 1), "lethe_slots_without_leader")) == 0 and
               total(cluster, others, "lethe_slots_led") == 64)
    for number in range(40):
        for _ in range(LAG_THRESHOLD + 2):
            status, _ = cluster.call(1, "POST", f"/v1/channels/2/room-{number}/messages",
                                     {"payload": "aGk="})
            check(status == 201, status)
        status, _ = cluster.call(1, "DELETE",
                                 f"/v1/channels/2/room-{number}/messages?start_seq=1&end_seq=1")
        check(status == 200, status)
    pending = "lethe_deletes_pending"
    wait_until("all 40 deletes are pending on node 3, on no other", 20, lambda: total(
        cluster, others, pending, 'replica="3"') == 40 and total(
            cluster, others, pending, 'replica="1"') + total(
                cluster, others, pending, 'replica="2"') == 0)
    wait_until("their age grows", 20, lambda: max(
        max(figures(scrape(cluster, node), pending + "_oldest_seconds", 'replica="3"'))
        for node in others) > 2)
    wait_until("node 3 lags by more than cluster.replica_lag_threshold", 20,
               lambda: total(cluster, others, "lethe_replica_lag_count") > 10)
    wait_until("each slot is at risk", 20,
               lambda: total(cluster, others, "lethe_slots_at_risk") == 64)
    wait_until("each replica of node 3 is down", 20,
               lambda: total(cluster, others, "lethe_replicas", 'state="down"') == 64)
    check(figures(scrape(cluster, 1), "lethe_peer_up", 'peer="3"') == [0], "node 3 counts as up")
    cluster.sh("start", "3")
    wait_until("nothing is pending, behind or at risk any more", 60, lambda: all(
        total(cluster, ops.NODES, name, labels) == 0
        for name, labels in ((pending, ""), ("lethe_slots_at_risk", ""),
                             ("lethe_replica_lag_count", ""), ("lethe_replicas", 'state="down"'))))
    check(total(cluster, ops.NODES, "lethe_replica_lag_entries") < 64, "still behind")


def main():
    words = sys.argv[1:]
    passed = failed = 0
    chosen = [(name, test) for name, test in globals().items()
              if name.startswith("test_") and (not words or any(word in name for word in words))]
    cluster = None
    try:
        for name, test in chosen:
            started = time.monotonic()
            try:
                if test.__code__.co_argcount:
                    if cluster is None:
                        cluster = ops.Cluster()
                        cluster.environment["FLAGS"] = (
                            f"--cluster-replica-lag-threshold {LAG_THRESHOLD}")
                        cluster.sh("up")
                    test(cluster)
                else:
                    test()
            except (Failed, OSError, KeyError, ValueError, subprocess.SubprocessError) as fault:
                failed += 1
                print(f"FAIL {name}: {type(fault).__name__}: {fault}", flush=True)
                continue
            passed += 1
            print(f"ok   {name} ({time.monotonic() - started:.2f} s)", flush=True)
    finally:
        if cluster is not None:
            cluster.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
