# SPDX-License-Identifier: Apache-2.0
"""What the tests that need a Docker engine share: programs run to their end, waiting, the base image, and
how a machine that cannot run them says so."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failed(Exception):
    """A test's verdict, with what was seen."""


class Skip(Exception):
    """This machine cannot run the test, with the reason."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def run(words, seconds=60, environment=None, may_fail=False):
    """Runs a program to its end: (exit code, output of both kinds)."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=seconds, env=environment, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0 and not may_fail:
        raise Failed(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.returncode, done.stdout.strip()


def docker(*words, seconds=60, may_fail=False):
    return run(["docker", *words], seconds, may_fail=may_fail)[1]


def wait_until(what, seconds, step, *args):
    """Calls step until it returns something true; a Failed in it counts as not yet."""
    until, last = time.monotonic() + seconds, "nothing"
    while time.monotonic() < until:
        try:
            result = step(*args)
            if result:
                return result
            last = result
        except Failed as fault:
            last = fault
        time.sleep(0.25)
    raise Failed(f"not within {seconds} s: {what}; last: {last}")


def need_engine(base):
    """An engine that answers and the base image, or a Skip."""
    if not shutil.which("docker"):
        raise Skip("no docker")
    if run(["docker", "version"], 30, may_fail=True)[0] != 0:
        raise Skip("no engine answers")
    code, text = run([os.path.join(ROOT, "scripts", "base-image"), base], 600, may_fail=True)
    print(text, flush=True)
    if code != 0:
        raise Skip("the base image cannot be made: " + text.splitlines()[-1])


def run_in_turn(tests, one):
    """Tests that build on each other: after a failure the rest is not tried. (passed, failed)"""
    passed = 0
    for test in tests:
        begun = time.monotonic()
        try:
            note = test(one)
        except (Failed, subprocess.TimeoutExpired) as fault:
            print(f"FAIL {test.__name__}: {test.__doc__}\n{fault}\n{one.logs()}", flush=True)
            return passed, 1
        passed += 1
        print(f"ok   {test.__name__}: {test.__doc__} ({time.monotonic() - begun:.1f} s)"
              f"{' ' + note if note else ''}", flush=True)
    return passed, 0


def run_main(name, project, prepare, tests, after):
    """The whole of a test program: one run at a time under a project's name; prepare() gives what the tests
    work on, or raises Skip; its down() is called before and after. The exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Two runs under one name would take each other down.
    lock = open(os.path.join(tempfile.gettempdir(), project + ".lock"), "w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        one = prepare()
    except (Skip, Failed) as reason:
        is_skip = isinstance(reason, Skip) and os.environ.get("LETHE_NO_SKIP") != "1"
        print(f"{'SKIP' if is_skip else 'FAIL'} {name}: {reason}")
        print("0 passed, 0 failed, 1 skipped" if is_skip else "0 passed, 1 failed")
        return 0 if is_skip else 1
    one.down()  # what an interrupted run may have left
    try:
        passed, failed = run_in_turn(tests, one)
    finally:
        one.down()
        after(one)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
