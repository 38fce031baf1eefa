"""The twelve promises, each tried for long: `python -m benchmarks.promises [--only 1 5] [--out runs/bench]`.

Each promise's tests run in a pytest of their own with SNAP6D_CHAOS set; what they measured goes into promises.json.
A promise whose tests are skipped or not there is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil

from benchmarks.promises.promises import PROMISES, Promise

ROOT = Path(__file__).parents[2]
EXAMPLES = "300"
LONGEST_S = 1800


def try_promise(promise: Promise, out: Path) -> dict[str, Any]:
    """One entry of promises.json."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="snap6d-promises-") as folder:
        report = Path(folder) / "report.xml"
        command = ["python", "-m", "pytest", *promise.tests]
        status = _run([sys.executable, *command[1:], f"--junitxml={report}", "-o", "junit_family=xunit1"])
        kept, figures, trials = _read(report, status)
    commands = [shlex.join(command)]
    if promise.benchmark:
        failed, figure = _measure(promise.benchmark, out)
        kept, figures = kept and not failed, [*figures, figure]
        commands.append(f"python -m {promise.benchmark}")
    return {
        "promise": promise.text,
        "pass": kept,
        "figure": "; ".join(figures),
        "trials": trials,
        "seconds": round(time.monotonic() - started),
        "command": " && ".join(commands),
        "date": date.today().isoformat(),
        "machine": machine(),
    }


def machine() -> str:
    """Cores, memory, and how busy it is."""
    gib = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()}, load {os.getloadavg()[1]:.1f}"


def _run(command: list[str]) -> int:
    environment = {"SNAP6D_CHAOS": EXAMPLES, **os.environ, "OMP_WAIT_POLICY": "passive"}
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, timeout=LONGEST_S, check=False).returncode
    except subprocess.TimeoutExpired:
        return -1


def _read(report: Path, status: int) -> tuple[bool, list[str], int]:
    """Whether it is kept, what was measured, how many trials. Tests that say no figure count as one trial each."""
    if not report.exists():
        return False, [f"pytest ended with status {status} and said nothing"], 0
    cases = list(ElementTree.parse(report).iter("testcase"))
    wrong = {kind: [case.get("name") or "" for case in cases if case.find(kind) is not None] for kind in ("failure", "error", "skipped")}
    said = [{p.get("name"): p.get("value") or "" for p in case.iter("property")} for case in cases]
    figures = [properties["figure"] for properties in said if "figure" in properties]
    figures.append(f"{len(cases) - sum(map(len, wrong.values()))} of {len(cases)} tests passed")
    figures += [f"{kind}: {', '.join(names)}" for kind, names in wrong.items() if names]
    if not cases:
        figures = ["no test was selected"]
    kept = status == 0 and bool(cases) and not any(wrong.values())
    return kept, figures, sum(int(properties.get("trials", 1)) for properties in said)


def _measure(module: str, out: Path) -> tuple[int, str]:
    """How many questions failed, and what the busiest row says."""
    if _run([sys.executable, "-m", module, "--out", str(out)]) != 0:
        return 1, f"{module} broke off"
    rows = json.loads((out / "service.json").read_text())["rows"]
    failed, busiest = sum(row["failed"] for row in rows), rows[-1]
    share, p99, refused = busiest["refused_share"], busiest["p99_ms"], busiest["refused_p99_ms"]
    figure = f"{failed} of {sum(row['asked'] for row in rows)} questions failed; {busiest['clients']} clients: {share:.0%} refused"
    return failed, f"{figure} (p99 {refused} ms), answers p99 {p99} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", choices=PROMISES, default=list(PROMISES))
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "promises.json"
    for number in given.only:
        result = try_promise(PROMISES[number], given.out.resolve())
        results = {**(json.loads(path.read_text()) if path.exists() else {}), str(number): result}
        path.write_text(json.dumps({key: results[key] for key in sorted(results, key=int)}, indent=1) + "\n")
        print(f"{number:2} {'kept' if result['pass'] else 'NOT KEPT'}: {result['figure']} ({result['seconds']} s)", flush=True)
    return 0 if all(results[str(number)]["pass"] for number in given.only) else 1


if __name__ == "__main__":
    sys.exit(main())
