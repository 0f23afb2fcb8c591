"""Import time, memory, and the first metered call of a process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.rows import Row

_IMPORT = """
import json, os, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
before = resident()
start = time.perf_counter()
import ai_cost_calc
taken = time.perf_counter() - start
print(json.dumps([taken, resident() - before]))
"""
_FIRST_CALL = """
import json, sys, time
from ai_cost_calc import AiCostCalc
from benchmarks.bodies import CHAT
calc = AiCostCalc(f"sqlite:///{sys.argv[1]}/first.db", data_dir=sys.argv[1], flush_interval=100_000)
def call():
    start = time.perf_counter()
    with calc.guard(customer_id="acme") as guarded:
        guarded.record(CHAT, provider="openai")
    return time.perf_counter() - start
first = call()
later = sorted(call() for _ in range(200))[100]
print(json.dumps([first, later]))
calc.shutdown()
"""


def measure(official_python: str) -> Iterator[Row]:
    """Yield rows of start-up figures; the official client's are printed beside ours."""
    ours, theirs = zip(
        *[(_run(sys.executable, _IMPORT), _run(official_python, _IMPORT)) for _ in range(10)][1:], strict=True
    )
    seconds, memory = (statistics.median(column) for column in zip(*ours, strict=True))
    peer_seconds, peer_memory = (statistics.median(column) for column in zip(*theirs, strict=True))
    yield Row(
        "import ai_cost_calc",
        f"{seconds * 1e3:.0f} ms",
        f"official {peer_seconds * 1e3:.0f} ms",
        seconds * 1e3,
        50,
        "ms",
    )
    yield Row("memory of the import", f"{memory:.1f} MiB", f"official {peer_memory:.1f} MiB", memory, 10, "MiB")
    with tempfile.TemporaryDirectory() as folder:
        runs = [_run(sys.executable, _FIRST_CALL, folder) for _ in range(6)][1:]
    first = statistics.median(first - later for first, later in runs) * 1e3
    yield Row("first metered call over later ones, warm cache", f"{first:.1f} ms", "", first, 50, "ms")


def _run(python: str, script: str, *arguments: str) -> list[float]:
    """Run a script; the first run of a script writes the bytecode, which every installed program has after that."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]
