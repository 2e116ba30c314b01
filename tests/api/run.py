#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a real daemon over HTTP: run.py [name ...] runs the tests whose name has one of the words.
LETHED says which binary (build/bin/lethed). One line a test, then `N passed, N failed`."""
import importlib
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib  # noqa: E402

# From simple to hard; the last one holds all replies of the others against the description.
MODULES = ["test_health", "test_send", "test_read", "test_batch", "test_deletes", "test_lists", "test_members", "test_history", "test_wukong", "test_retention",
           "test_http", "test_bad_input", "test_connections", "test_access", "test_cors", "test_reload", "test_description"]


def main():
    words = sys.argv[1:]
    passed = failed = 0
    daemon = lib.Daemon()
    try:
        for module_name in MODULES:
            module = importlib.import_module(module_name)
            for name, test in list(vars(module).items()):
                full = f"{module_name}.{name}"
                if not name.startswith("test_") or (words and not any(w in full for w in words)):
                    continue
                started = time.monotonic()
                try:
                    test(daemon)
                except Exception as fault:  # pylint: disable=broad-except
                    failed += 1
                    print(f"FAIL {full}: {fault}", flush=True)
                    if not isinstance(fault, lib.Failed):
                        traceback.print_exc()
                    continue
                passed += 1
                print(f"ok   {full} ({time.monotonic() - started:.2f} s)", flush=True)
    finally:
        code, log = daemon.stop()
    if code == 0:
        passed += 1
        print("ok   the daemon ends with 0 on SIGTERM")
    else:
        failed += 1
        print(f"FAIL the daemon ended with {code}:\n{log}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
