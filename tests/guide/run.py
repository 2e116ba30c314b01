#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what the pages tell people to type: run.py [page ...].

A page's blocks that begin with ```sh are one bash script, in their order, so that variables stay. After
a command may stand what it prints, in lines that begin with `#>`: each must be found in its output, and
in this order; `...` stands for anything. `#> exit 22` says how it ends, if not with 0. A comment
`<!-- nodes: 3 -->` before a section begins a new script with so many nodes; `localhost:5001` to `:5003`
are theirs, and `/tmp/lethe` is a folder that goes when the script has ended.

LETHED says which daemon. One line a section, then `N passed, N failed`."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "ops"))
from run import Cluster, Failed  # noqa: E402  pylint: disable=wrong-import-position

PAGES = ["README.md", "docs/api-guide.md"]
BIN = os.path.dirname(os.environ.get("LETHED", os.path.join(ROOT, "build", "bin", "lethed")))
SECONDS = 240


class Step:
    """Commands, and what they must print."""

    def __init__(self, section, line):
        self.section, self.line, self.commands, self.expected, self.exit = section, line, [], [], 0


def read_page(text):
    """[(nodes, [Step])]: one for each script of the page."""
    scripts, section, is_code, step = [(1, [])], "", False, None
    for number, line in enumerate(text.split("\n"), 1):
        nodes = re.fullmatch(r"<!-- nodes: (\d) -->", line)
        if line.startswith("```"):
            is_code, step = line == "```sh" and not is_code, None
        elif nodes:
            scripts.append((int(nodes[1]), []))
        elif line.startswith("#") and not is_code:
            section = line.lstrip("# ")
        elif is_code and line.startswith("#>"):
            wanted = line[2:].strip()
            if step is None:
                raise Failed(f"line {number}: '{line}' stands behind no command")
            if wanted.startswith("exit "):
                step.exit = int(wanted[5:])
            else:
                step.expected.append(wanted)
        elif is_code and line.strip():
            if step is None or step.expected or step.exit:
                step = Step(section, number)
                scripts[-1][1].append(step)
            step.commands.append(line)
    return [script for script in scripts if script[1]]


def mismatch(step, output):
    """What is wrong with the output; None: nothing."""
    at = 0
    for wanted in step.expected:
        pattern = re.compile(".*?".join(re.escape(part) for part in wanted.split("...")), re.DOTALL)
        found = pattern.search(output, at)
        if found is None:
            return f"did not print {wanted}"
        at = found.end()
    return None


def run_script(steps, folder, environment, replace):
    """[(step, exit code or None, output)]; None: it was not reached or did not end."""
    lines = []
    for number, step in enumerate(steps):
        text = replace("\n".join(step.commands))
        lines += ["{", text, f"}} >{folder}/{number}.out 2>&1", f"echo $? >{folder}/{number}.code"]
    path = os.path.join(folder, "script")
    with open(path, "w", encoding="utf-8") as file:
        # What the script leaves running ends with it.
        file.write("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n" + "\n".join(lines) + "\n")
    fault = ""
    try:
        done = subprocess.run(["bash", path], cwd=ROOT, env=environment, timeout=SECONDS, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        fault = done.stderr
    except subprocess.TimeoutExpired:
        fault = f"the script did not end within {SECONDS} s"
    results = []
    for number, step in enumerate(steps):
        code, output = None, fault
        if os.path.exists(f"{folder}/{number}.out"):
            with open(f"{folder}/{number}.out", encoding="utf-8", errors="replace") as file:
                output = file.read() or fault
        if os.path.exists(f"{folder}/{number}.code"):
            with open(f"{folder}/{number}.code", encoding="utf-8") as file:
                code = int(file.read())
        results.append((step, code, output))
    return results


def judge(page, results):
    """(passed, failed) sections; prints a line each."""
    sections = {}
    for step, code, output in results:
        faults = sections.setdefault(step.section, [])
        fault = mismatch(step, output)
        if code != step.exit:
            ended = "did not end" if code is None else f"ended with {code}, wanted {step.exit}"
            fault = f"{ended}{'; ' + fault if fault else ''}"
        if fault:
            faults.append(f"{page}:{step.line}: {fault}\n    " + "\n    ".join(step.commands) +
                          "\n  it printed:\n    " + output[-3000:].replace("\n", "\n    "))
    for section, faults in sections.items():
        print(f"{'FAIL' if faults else 'ok  '} {page}: {section}" + "".join("\n  " + f for f in faults), flush=True)
    failed = sum(1 for faults in sections.values() if faults)
    return len(sections) - failed, failed


def run_page(page, text):
    passed = failed = 0
    for nodes, steps in read_page(text):
        cluster, folder = Cluster(), tempfile.mkdtemp(prefix="lethe-guide-")
        os.mkdir(os.path.join(folder, "tmp"))

        def replace(commands, cluster=cluster, folder=folder):
            commands = commands.replace("/tmp/lethe", os.path.join(folder, "tmp"))
            return re.sub(r"localhost:500([123])", lambda m: f"localhost:{cluster.http_port + int(m[1]) - 1}", commands)
        environment = dict(cluster.environment, PATH=BIN + ":" + os.environ["PATH"])
        try:
            if nodes:
                cluster.sh("up", str(nodes))
            good, bad = judge(page, run_script(steps, folder, environment, replace))
            passed, failed = passed + good, failed + bad
        finally:
            if nodes:
                cluster.sh("down")
            shutil.rmtree(cluster.dir, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
    return passed, failed


SELF = """# one
<!-- nodes: 0 -->
```sh
A=5; echo "{$A, 6}"
#> {5...6}
false
#> exit 1
```
# two
```sh
echo wrong
#> right
```
# three
```sh
sh -c 'exit 3'
```
# four
```sh
echo b a
#> a
#> b
```
"""


def check_self():
    """A page whose last three sections are wrong must be found so."""
    (_, steps), = read_page(SELF)
    with tempfile.TemporaryDirectory() as folder:
        wrong = {step.section for step, code, output in run_script(steps, folder, os.environ, str)
                 if code != step.exit or mismatch(step, output)}
    if wrong != {"two", "three", "four"}:
        raise Failed(f"this program is wrong itself: it complains of {sorted(wrong)}")


def main():
    check_self()
    passed = failed = 0
    for page in sys.argv[1:] or PAGES:
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            good, bad = run_page(page, file.read())
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
