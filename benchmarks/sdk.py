"""What watching adds to calls of the openai SDK over a mock transport: ours, and what others add."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing

from benchmarks.rows import Row, in_turn, micros
from benchmarks.workers import Worker

ROUNDS = 15
CALLS = {"chat": 100, "embeddings": 10, "stream": 4}
NAMES = {
    "chat": "added to one openai call",
    "embeddings": "added to embeddings of 1 MB",
    "stream": "added to a stream of 2,000 chunks",
}
PROCESSES = 7
"""Where a process happens to have its memory makes the start of a stream take half as long again, or not."""
BAR = 60e-6
SHARE = 0.25


def measure(others: Mapping[str, str]) -> Iterator[Row]:
    """Yield what we add, and how it compares to what others add to the same call.

    Args:
        others: Python of the environment of each other instrumentation, by its name.
    """
    added, seconds = _added(sys.executable, "ours", "chat")
    yield Row(NAMES["chat"], micros(added), f"bare {micros(seconds)}", added * 1e6, BAR * 1e6, "µs")
    for name, python in others.items():
        theirs, _ = _added(python, name, "chat")
        yield Row(f"the same over what {name} adds", micros(added), micros(theirs), added / theirs, SHARE)
    for case in ("embeddings", "stream"):
        added, seconds = _added(sys.executable, "ours", case)
        yield Row(NAMES[case], micros(added), f"bare {micros(seconds)}", added / seconds, float("inf"), "of bare")
    yield from _stream()


def _added(python: str, watched_by: str, case: str) -> tuple[float, float]:
    """Seconds that watching adds to a call of this environment's SDK, and seconds of the bare call."""
    arguments = ("sdk_worker", watched_by, case), ("sdk_worker", "bare", case)
    with closing(Worker(python, *arguments[0])) as watched, closing(Worker(python, *arguments[1])) as bare:
        pairs = in_turn(
            lambda: watched.run("sequence", CALLS[case])[0], lambda: bare.run("sequence", CALLS[case])[0], ROUNDS
        )
    return statistics.median(a - b for a, b in zip(*pairs, strict=True)), statistics.median(pairs[1])


def _stream() -> Iterator[Row]:
    firsts = [_first_chunk() for _ in range(PROCESSES)]
    added = statistics.median(ours - bare for ours, bare in firsts)
    peer = f"bare {micros(statistics.median(bare for _, bare in firsts))}"
    yield Row("added before the first chunk of a stream", micros(added), peer, added * 1e6, BAR * 1e6, "µs")
    with closing(_streaming("ours")) as ours, closing(_streaming("bare")) as bare:
        peaks = [worker.run("peak", 1)[0] / 1024 for worker in (ours, bare)]
    yield Row(
        "memory of a stream of 2,000 chunks", f"{peaks[0]:,.0f} KiB", f"bare {peaks[1]:,.0f} KiB",
        peaks[0] - peaks[1], 256, "KiB",
    )  # fmt: skip


def _first_chunk() -> tuple[float, float]:
    """Seconds until the first chunk, ours and bare, in a fresh pair of processes."""
    with closing(_streaming("ours")) as ours, closing(_streaming("bare")) as bare:
        pairs = in_turn(lambda: ours.run("first chunk", 1)[0], lambda: bare.run("first chunk", 1)[0], 5)
    return statistics.median(pairs[0]), statistics.median(pairs[1])


def _streaming(watched_by: str) -> Worker:
    return Worker(sys.executable, "sdk_worker", watched_by, "stream")
