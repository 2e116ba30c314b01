#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the cluster tests: real daemons, faults, and checkers over the whole history.

  run.py --list                 every test and all 44 scenarios, with what is not built yet
  run.py --ci                   the tests of every CI run, each for its own short time
  run.py                        all of them, longer (SECONDS or --seconds for each)
  run.py --only 21 --seed 7     one test; ids as --list has them, several with commas

One line per test. A skip is counted as such, or as a failure with LETHE_NO_SKIP=1. Exits with 1 when
something failed.
"""
import argparse
import importlib
import os
import pkgutil
import random
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tests  # noqa: E402  pylint: disable=wrong-import-position
from lib import scenarios  # noqa: E402  pylint: disable=wrong-import-position
from lib.context import Context  # noqa: E402  pylint: disable=wrong-import-position
from lib.daemon import BUILD, LETHED, Failure, Skip  # noqa: E402  pylint: disable=wrong-import-position


def find_tests():
    """All modules of tests/, in the order of their file names: simple to hard."""
    names = sorted(m.name for m in pkgutil.iter_modules(tests.__path__) if m.name[:1] == "t")
    return [importlib.import_module("tests." + name) for name in names]


def list_all(found):
    built = {}
    for test in found:
        for number in test.ID.split("+"):
            built[number] = test
    print("tests, simple to hard:")
    for test in found:
        when = f"CI, {test.CI_SECONDS} s" if test.CI_SECONDS else "soak"
        print(f"  {test.ID:8} {test.TITLE} ({when})")
    print("scenarios of the reliability design:")
    for number, title, needs in scenarios.ALL:
        state = "not built: needs " + needs if str(number) not in built else \
            "test " + built[str(number)].__name__.split(".")[-1]
        print(f"  {number:8} {title}: {state}")


def run_one(test, options, seconds=None):
    """'passed', 'failed' or 'skipped', and prints the test's line."""
    seconds = seconds or options.seconds or (test.CI_SECONDS if options.ci else test.SECONDS)
    context = Context(test, options.seed, seconds, options.rounds)
    begun, result, text, kept = time.monotonic(), "passed", "", None
    try:
        test.run(context)
    except Skip as reason:
        result, text = "skipped", str(reason)
    except Failure as problem:
        result, text = "failed", str(problem)
    except Exception:  # pylint: disable=broad-except
        result, text = "failed", traceback.format_exc()
    finally:
        if result == "failed":
            kept = os.path.join(BUILD, "cluster", f"{test.ID}-{options.seed}")
            text += "\n" + context.tails(options.tail)
        if sys.exc_info()[0] is not None:
            print(f"stopping {test.ID}", flush=True)
        context.close(kept)
    spent = time.monotonic() - begun
    if result == "skipped":
        print(f"SKIP {test.ID}: {text}", flush=True)
    elif result == "failed":
        print(f"FAIL {test.ID}: {test.TITLE} (seed {options.seed}, {spent:.1f} s)\n{text}\n"
              f"history and logs: {kept}", flush=True)
    else:
        print(f"ok   {test.ID}: {test.TITLE} ({spent:.1f} s) {'; '.join(context.notes)}", flush=True)
    return result


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="list tests and scenarios")
    parser.add_argument("--ci", action="store_true", help="the tests of every CI run")
    parser.add_argument("--only", default="", help="ids, with commas")
    parser.add_argument("--seed", default=None, help="default: a random one, printed")
    parser.add_argument("--seconds", type=float, default=None, help="of load in each test")
    parser.add_argument("--rounds", type=int, default=None, help="of kills in the test 'kill'")
    parser.add_argument("--for", dest="total", type=float, default=None,
                        help="so many seconds: half of them one long life, then the others, again and again")
    parser.add_argument("--tail", type=int, default=25, help="lines of each log after a failure")
    return parser.parse_args()


def choose(found, options):
    wanted = [name for name in options.only.split(",") if name]
    if not wanted:
        return [test for test in found if test.CI_SECONDS or not options.ci]
    chosen = [test for test in found
              if any(name in (test.ID, *test.ID.split("+")) for name in wanted)]
    known = {number for test in chosen for number in (test.ID, *test.ID.split("+"))}
    for name in wanted:
        if name not in known:
            scenario = next((s for s in scenarios.ALL if str(s[0]) == name), None)
            if scenario is None:
                sys.exit(f"run.py: there is no test '{name}': see --list")
            print(f"     {name}: {scenario[1]}: not built, needs {scenario[2]}")
    return chosen


def run_for(tests_chosen, options):
    """For options.total seconds: half of them one long life (the test 'drift'), then the others, in
    random order and again with new seeds. What found no time is named."""
    results, end = [], time.monotonic() + options.total
    long_life = [test for test in tests_chosen if test.ID == "drift"]
    others = [test for test in tests_chosen if test.ID != "drift"]
    for test in long_life:
        share = options.total / 2 if others else options.total
        results.append(run_one(test, options, max(test.SECONDS, share)))
    is_first = True
    while others and (is_first or time.monotonic() < end):
        lap = random.Random(options.seed).sample(others, len(others))
        while lap and time.monotonic() < end:
            results.append(run_one(lap.pop(), options))
        if is_first and lap:
            print("     no time was left for " + ", ".join(sorted(test.ID for test in lap)))
        is_first = False
        options.seed = str(int(options.seed) + 1) if options.seed.isdigit() else options.seed + "+"
    return results


def on_signal(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


def main():
    options = parse_options()
    found = find_tests()
    if options.list:
        list_all(found)
        return 0
    if not os.access(LETHED, os.X_OK):
        sys.exit(f"run.py: there is no {LETHED}: build it, or set BUILD or LETHED")
    signal.signal(signal.SIGTERM, on_signal)
    sys.setswitchinterval(0.001)
    options.seed = options.seed or str(random.randrange(1, 1000000))
    print(f"cluster tests of {LETHED}, seed {options.seed}", flush=True)
    results = run_for(choose(found, options), options) if options.total else \
        [run_one(test, options) for test in choose(found, options)]
    if not options.only and options.ci is False:
        for number, title, needs in scenarios.ALL:
            if not any(str(number) in test.ID.split("+") for test in found):
                print(f"     {number}: {title}: not built, needs {needs}")
    failed, skipped = results.count("failed"), results.count("skipped")
    if os.environ.get("LETHE_NO_SKIP") == "1":
        failed += skipped
    print(f"{results.count('passed')} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
