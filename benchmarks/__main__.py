"""Prints every figure beside its bar: `python -m benchmarks --official-python PATH [--other NAME=PATH]`."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks import call_path, ledger, parts, sdk, start_up
from benchmarks.rows import Row


def main() -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--official-python", required=True, help="Python of an environment with ai-cost-calc 1.3.13.")
    parser.add_argument(
        "--other",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="Python of an environment with openai and another instrumentation: see sdk_worker.",
    )
    parser.add_argument("--events", type=int, default=200_000, help="Events in the ledger for the report of a month.")
    options = parser.parse_args()
    console = Console(width=150)
    console.print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores; medians, ratios pair by pair in one run; "
        "processor time, but for threads: the clock"
    )
    table = Table("Path", "Ours", "Peer", "Figure", "Bar", "Met")
    for row in _rows(options.official_python, dict(each.split("=", 1) for each in options.other), options.events):
        bar = "" if row.bar == float("inf") else f"≤ {row.bar:g} {row.unit}"
        met = "" if not bar else "yes" if row.met else "NO"
        table.add_row(row.path, row.ours, row.peer, f"{row.value:.3g} {row.unit}", bar, met)
    console.print(table)


def _rows(official_python: str, others: dict[str, str], events: int) -> Iterator[Row]:
    yield from call_path.measure(official_python)
    yield from parts.measure()
    yield from sdk.measure(others)
    yield from start_up.measure(official_python)
    yield from ledger.measure(events)


if __name__ == "__main__":
    main()
