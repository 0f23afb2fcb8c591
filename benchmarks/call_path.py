"""The whole call path against the official client's guard, add and track."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.rows import Row, in_turn, p99, ratio_row
from benchmarks.workers import Worker, margindash, official, ours

CALLS = 900
ROUNDS = 15
MANY = 10_000


def measure(official_python: str) -> Iterator[Row]:
    """Yield a row for each path of the plan."""
    with margindash(3) as few, margindash(MANY) as many:
        peer, peer_many = official(official_python, few), official(official_python, many)
        three, ten, lots, memory = ours(3), ours(10), ours(MANY), ours(3, "none")
        workers = [peer, peer_many, three, ten, lots, memory]
        try:
            yield _sequence("guard, read, price, settle, journal; 3 budgets", three, peer, 1.0)
            yield _sequence("the same without the journal", memory, peer, 0.6)
            yield _sequence(f"the same with {MANY:,} budgets or blocked customers", lots, peer_many, 0.15)
            yield _sequence(f"{MANY:,} budgets of ours against 10", lots, ten, 1.2, "10 budgets")
            yield _tasks(three, peer)
            yield _threads(three, peer)
        finally:
            for worker in workers:
                worker.close()


def _sequence(path: str, one: Worker, other: Worker, bar: float, name: str = "official") -> Row:
    pairs = in_turn(lambda: one.run("sequence", CALLS)[0], lambda: other.run("sequence", CALLS)[0], ROUNDS)
    return ratio_row(path, *pairs, bar, name)


def _tasks(one: Worker, other: Worker) -> Row:
    pairs = in_turn(
        lambda: statistics.median(one.run("tasks", CALLS)), lambda: statistics.median(other.run("tasks", CALLS)), 5
    )
    return ratio_row("asyncio, 100 tasks", *pairs, 0.2)


def _threads(one: Worker, other: Worker) -> Row:
    pairs = in_turn(lambda: p99(one.run("threads", 300)), lambda: p99(other.run("threads", 300)), 5)
    return ratio_row("8 threads, paced, p99", *pairs, 0.5)
