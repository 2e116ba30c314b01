#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser (headless Chromium, driven over WebDriver) against three real nodes.

LETHED says which daemon (build/bin/lethed). SHOTS=folder keeps pictures of the page. One line a test,
then `N passed, N failed[, N skipped]`. Without the browser it says SKIP and counts one skipped, or one
failed with LETHE_NO_SKIP=1."""
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "ops"))
from run import Failed, check, free_run, wait_until  # pylint: disable=wrong-import-position

LETHED = os.environ.get("LETHED", os.path.join(ROOT, "build", "bin", "lethed"))
SHOTS = os.environ.get("SHOTS", "")


class Browser:
    """One WebDriver session; text is what a reader would see."""

    def __init__(self, folder, width=1280, height=900, dark=False):
        port = socket.socket()
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
        port.close()
        self.driver = subprocess.Popen(["chromedriver", f"--port={number}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{number}"
        self.session = None
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
                 f"--user-data-dir={folder}", f"--window-size={width},{height}"]
        if dark:
            flags.append("--force-dark-mode")
        wait_until("chromedriver", 30, lambda: self.ask("GET", "/status")["ready"])
        made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": flags}}}})
        self.session = f"/session/{made['sessionId']}"
        self.call("POST", "/goog/cdp/execute", {
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": width, "height": height, "deviceScaleFactor": 1,
                       "mobile": width < 600}})
        if dark:
            self.call("POST", "/goog/cdp/execute", {
                "cmd": "Emulation.setEmulatedMedia",
                "params": {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}})

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as fault:
            raise Failed(f"WebDriver {path}: {json.load(fault)['value'].get('message', '')[:300]}") from fault

    def call(self, method, path, body=None):
        return self.ask(method, self.session + path, body)

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def text(self, selector):
        return self.run("const n = document.querySelector(arguments[0]); return n ? n.innerText : ''", selector)

    def find(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return next(iter(found.values()))

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def keys(self, text):
        actions = []
        for key in text:
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def complaints(self):
        """What the browser itself complained of: errors of the script, of the policy, of loading."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] == "SEVERE"]

    def shot(self, name):
        if SHOTS:
            os.makedirs(SHOTS, exist_ok=True)
            with open(os.path.join(SHOTS, name + ".png"), "wb") as file:
                file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            if self.session:
                self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(20)


class Nodes:
    """Three nodes on free ports, by scripts/cluster.sh."""

    def __init__(self, folder):
        ports = free_run(6)
        self.http = [f"http://127.0.0.1:{ports + i}" for i in range(3)]
        self.environment = dict(os.environ, LETHED=LETHED, CLUSTER_DIR=folder, HTTP_PORT=str(ports),
                                PEER_PORT=str(ports + 3))
        self.script("up", "3")

    def script(self, *words):
        done = subprocess.run([os.path.join(ROOT, "scripts", "cluster.sh"), *words], check=False, timeout=120,
                              env=self.environment, capture_output=True, text=True)
        check(done.returncode == 0, f"cluster.sh {words}: {done.stdout}{done.stderr}")

    def ask(self, method, path, body=None, node=1):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.http[node - 1] + path, data,
                                         {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)

    def fill(self):
        for name, number in (("room-1", 300), ("room-2", 40), ("a/b c\u00e9", 5)):
            path = "/v1/channels/2/" + urllib.request.quote(name, safe="")
            self.ask("POST", path + "/messages:batch", {"messages": [
                {"payload": f"hello {i} <b>&amp;</b>", "payload_encoding": "utf8", "from_uid": "ann"}
                for i in range(1, number + 1)]})
        self.ask("POST", "/v1/channels/2/room-1/deletes",
                 {"start_seq": 100, "end_seq": 200, "reason": "gdpr-4711", "operator": "alice"})
        self.ask("POST", "/v1/channels/2/room-2/deletes", {"seqs": [7, 9], "operator": "bob"})

    def close(self):
        self.script("wipe")


def soon(browser, what, script, *args, seconds=30):
    """Waits until the script gives something true."""
    return wait_until(what, seconds, lambda: browser.run(script, *args))


HAS = "return document.querySelector(arguments[0]).innerText.includes(arguments[1])"


def test_overview(nodes, browser):
    """Nodes, figures and small charts appear by themselves."""
    browser.go(nodes.http[0] + "/ui/")
    soon(browser, "healthy", HAS, "#health", "healthy")
    check(browser.run("return document.querySelectorAll('#nodes .card.ok').length") == 3, "three nodes up")
    facts = browser.text("#facts")
    check("64 of 64" in facts and "3 of 3" in facts, facts)
    soon(browser, "charts", "return document.querySelectorAll('svg.spark').length === 6")
    browser.shot("overview")


def test_slots(nodes, browser):
    """The grid has every slot; Enter on one shows all of its replicas, whichever node is asked."""
    browser.go(nodes.http[0] + "/ui/#slots")
    soon(browser, "64 tiles", "return document.querySelectorAll('.tile.ok').length === 64")
    browser.run("document.querySelector('.tile').focus()")
    browser.keys("\ue014\ue014\ue007")  # right, right, Enter
    soon(browser, "slot 2", HAS, "#slot-detail", "Slot 2")
    rows = browser.run("return document.querySelectorAll('#slot-detail tbody tr').length")
    check(rows == 3, f"{rows} replicas")
    check(browser.run("return document.activeElement.dataset.key") == "slot-2", "the place is kept")
    browser.shot("slots")


def test_matrix(nodes, browser):
    """Delete by replica: all applied; a node that is down is seen as pending, live."""
    browser.go(nodes.http[0] + "/ui/#deletes")
    soon(browser, "two deletes", "return document.querySelectorAll('#matrix tbody tr').length === 2")
    soon(browser, "all applied", "return document.querySelectorAll('#matrix td.applied').length === 6")
    nodes.script("kill", "3")
    nodes.ask("POST", "/v1/channels/2/room-1/deletes", {"start_seq": 1, "end_seq": 10, "operator": "eve"})
    # Of older deletes a leader that is new to the slot knows nothing of node 3: they may be pending, too.
    soon(browser, "a pending cell",
         "return document.querySelectorAll('#matrix tbody tr:first-child td.pending').length === 1")
    soon(browser, "it is down", HAS, "#matrix", "down")
    check("of them are not yet applied everywhere" in browser.text("#deletes-note"), browser.text("#deletes-note"))
    browser.shot("deletes")
    soon(browser, "the pill says it", HAS, "#health", "1 node down")
    browser.run("location.hash = '#slots'")
    soon(browser, "tiles say it", "return document.querySelectorAll('.tile.warn').length > 60")
    browser.shot("slots-one-down")
    browser.run("location.hash = '#deletes'")
    nodes.script("start", "3")
    soon(browser, "all applied again", "return document.querySelectorAll('#matrix td.applied').length === 9",
         seconds=60)


def test_channels(nodes, browser):
    """Find, open, turn pages; holes are told; text from users is never markup."""
    browser.go(nodes.http[0] + "/ui/#channels")
    soon(browser, "three channels", "return document.querySelectorAll('#channel-list li').length === 3")
    browser.type("#prefix", "room-1")
    browser.click("#channel-find button")
    soon(browser, "one channel", "return document.querySelectorAll('#channel-list li').length === 1")
    browser.click("#channel-list button")
    soon(browser, "the newest", HAS, "#channel", "#300")
    check("hello 300 <b>&amp;</b>" in browser.text("#channel"), "shown as it is")
    check(browser.run("return document.querySelectorAll('#channel pre b').length") == 0, "no markup")
    browser.type("#channel input", "95\n")
    soon(browser, "the hole", HAS, "#channel", "#100 to #200 are deleted")
    check(browser.run("return document.querySelectorAll('svg.strip .gone').length") >= 1, "the strip")
    browser.shot("channel")
    browser.click("[data-key='go-Newer']")
    soon(browser, "the next page", HAS, "#channel", "#216")


def test_audit(nodes, browser):
    """Who deleted what, by operator."""
    browser.go(nodes.http[1] + "/ui/#audit")
    soon(browser, "all of them", HAS, "#audit", "gdpr-4711")
    browser.type("#audit-operator", "bob")
    browser.click("#audit-find button")
    soon(browser, "bob's only", "return document.querySelectorAll('#audit tbody tr').length === 1")
    browser.shot("audit")


def test_theme_and_jobs(nodes, browser):
    """Both themes, by the keyboard alone; every view opens."""
    browser.go(nodes.http[0] + "/ui/")
    soon(browser, "healthy", HAS, "#health", "healthy")
    before = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.run("document.querySelector('#theme').focus()")
    browser.keys("\ue007")
    after = browser.run("return getComputedStyle(document.body).backgroundColor")
    check(before != after, f"{before} stays")
    browser.shot("overview-other-theme")
    for view in ("overview", "slots", "deletes", "channels", "audit", "jobs"):
        browser.run("location.hash = arguments[0]", "#" + view)
        soon(browser, view, "return !document.querySelector('#view-' + arguments[0]).hidden", view)


def test_silence(_, browser):
    """Nothing in all of this broke the page's own rules, or failed in its script."""
    loud = [text for text in browser.complaints() if "503" not in text and "501" not in text]
    check(not loud, loud)


def test_phone(nodes, _):
    """On a phone nothing sticks out of the page, in dark."""
    folder = tempfile.mkdtemp()
    browser = Browser(folder, 390, 844, dark=True)
    try:
        for view in ("overview", "slots", "deletes", "channels"):
            browser.go(nodes.http[0] + "/ui/#" + view)
            soon(browser, "healthy", HAS, "#health", "healthy")
            wide = browser.run("return document.documentElement.scrollWidth")
            check(wide <= 390, f"{view} is {wide} wide")
            browser.shot("phone-" + view)
        check(browser.run("return matchMedia('(prefers-color-scheme: dark)').matches"), "dark")
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_unreachable(nodes, browser):
    """When the node goes, the page says so and finds it again."""
    browser.go(nodes.http[2] + "/ui/")
    soon(browser, "healthy", HAS, "#health", "healthy")
    nodes.script("kill", "3")
    soon(browser, "it says so", HAS, "#health", "unreachable")
    check(browser.run("return !document.querySelector('#banner').hidden"), "the banner")
    nodes.script("start", "3")
    soon(browser, "it is back", HAS, "#health", "healthy", seconds=60)
    check(browser.run("return document.querySelector('#banner').hidden"), "the banner is gone")


TESTS = (test_overview, test_slots, test_channels, test_audit, test_matrix, test_theme_and_jobs, test_silence,
         test_phone, test_unreachable)


def main():
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            refused = os.environ.get("LETHE_NO_SKIP") == "1"
            print(f"SKIP ui: no {program}: scripts/install-deps ui")
            print("0 passed, 1 failed" if refused else "0 passed, 0 failed, 1 skipped")
            return int(refused)
    folder = tempfile.mkdtemp(prefix="lethe-ui-")
    passed = failed = 0
    nodes = browser = None
    try:
        nodes = Nodes(os.path.join(folder, "nodes"))
        nodes.fill()
        browser = Browser(os.path.join(folder, "browser"))
        for test in TESTS:
            try:
                test(nodes, browser)
                passed += 1
                print(f"ok   {test.__name__[5:]}: {test.__doc__.splitlines()[0]}", flush=True)
            except (Failed, OSError) as fault:
                failed += 1
                print(f"FAIL {test.__name__[5:]}: {fault}", flush=True)
    finally:
        if browser:
            browser.close()
        if nodes:
            nodes.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
