"""One line of the table: a figure of ours, the peer's, their ratio, and the bar it has to meet."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement. `bar` is the most that `value` may be; value is a ratio or a figure in `unit`."""

    path: str
    ours: str
    peer: str
    value: float
    bar: float
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.value <= self.bar


def micros(seconds: float) -> str:
    """Seconds as microseconds."""
    return f"{seconds * 1e6:,.1f} µs"


def ratio_row(path: str, ours: list[float], peer: list[float], bar: float, name: str = "official") -> Row:
    """Compare two series that were measured in turn: the median of the ratios pair by pair."""
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    return Row(path, micros(statistics.median(ours)), f"{name} {micros(statistics.median(peer))}", ratio, bar)


def in_turn(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Measure two things alternately, so that a machine that drifts drifts for both; one round warms up."""
    pairs = [(first(), second()) for _ in range(rounds + 1)][1:]
    return [a for a, _ in pairs], [b for _, b in pairs]


def p99(values: list[float]) -> float:
    """The 99th percentile, nearest rank."""
    return sorted(values)[int(len(values) * 0.99)]
