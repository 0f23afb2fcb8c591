"""The SQLite ledger: appending with rollups against a hand-written loop, and the report of a month."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence

from ai_cost_calc import Usage
from ai_cost_calc.core.event import MICROS, UsageEvent, event_id
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ports.ledgers import Ledger, SpendQuery
from benchmarks.rows import Row, in_turn

BATCH = 500
ROLLUPS = ("rollup_hour", "rollup_hour_feature_model", "rollup_day_customer", "rollup_day_feature_model")
NOW = 1_795_000_000


def events(first: int, count: int, days: int = 30) -> list[UsageEvent]:
    """Events of 200 customers, 10 features and 5 models, spread over so many days."""
    span = days * 86_400 * MICROS
    return [
        UsageEvent(
            id=event_id(NOW * 1000 + number, "0123456789", number),
            at=NOW * MICROS - span + (number * 7_919 * MICROS) % span,
            customer_id=f"customer-{number % 200}",
            feature=f"feature-{number % 10}",
            provider="openai",
            model=f"gpt-{number % 5}",
            usage=Usage(input_tokens=1000 + number % 500, output_tokens=200, cache_read_tokens=100),
            cost_nanos=1_000_000 + number,
            price_version="bench",
        )
        for number in range(first, first + count)
    ]


def measure(size: int) -> Iterator[Row]:
    """Yield the rate of appending against a loop, and the time of a report over `size` events."""
    with tempfile.TemporaryDirectory() as folder:
        ledger, loop = open_ledger(f"sqlite:///{folder}/ours.db"), _Loop(f"{folder}/loop.db")
        batches = iter(range(0, 10**9, BATCH))
        ours, theirs = in_turn(
            lambda: _timed(ledger.append, events(next(batches), BATCH)),
            lambda: _timed(loop.append, events(next(batches), BATCH)), 20,
        )  # fmt: skip
        rates = [b / a for a, b in zip(ours, theirs, strict=True)]
        rate = sorted(rates)[len(rates) // 2]
        own = f"{BATCH / sorted(ours)[10]:,.0f}/s"
        peer = f"loop {BATCH / sorted(theirs)[10]:,.0f}/s"
        yield Row("SQLite append with rollups, batch 500, time over a hand-written loop", own, peer, 1 / rate, 1 / 0.8)
        yield _month(ledger, size)
        ledger.close()


def _month(ledger: Ledger, size: int) -> Row:
    for first in range(10**6, 10**6 + size, 5_000):
        ledger.append(events(first, 5_000))
    query = SpendQuery(by=("customer",), since=(NOW - 30 * 86_400) * MICROS)
    seconds = sorted(_timed(ledger.spend, query) for _ in range(9))[4]
    path = f"30-day margin per customer over {size:,} events (bar: 10 M)"
    return Row(path, f"{seconds * 1e3:.1f} ms", "", seconds * 1e3, 100, "ms")


def _timed(work: object, argument: object) -> float:
    assert callable(work)
    start = time.perf_counter()
    work(argument)
    return time.perf_counter() - start


class _Loop:
    """What one would write by hand for the same tables: a statement a row, one transaction a batch."""

    def __init__(self, path: str) -> None:
        open_ledger(f"sqlite:///{path}").close()
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._rollups = {name: self._columns(name) for name in ROLLUPS}
        self._upserts = {name: _upsert(name, columns) for name, columns in self._rollups.items()}

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")]

    def append(self, batch: Sequence[UsageEvent]) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        for event in batch:
            values = _values(event)
            columns = [name for name in values if name not in ("hour", "day", *_SUMS)]
            marks = ", ".join(f":{name}" for name in columns)
            if run(
                f"INSERT INTO events ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING", values
            ).rowcount:
                for statement in self._upserts.values():
                    run(statement, values)
        run("COMMIT")


_SUMS = ("calls", "unpriced_calls", "estimated_nanos", "adjusted_nanos", "revenue_nanos", "unconverted_revenue")
_MEASURES = (*_SUMS, "cost_nanos", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
             "output_reasoning_tokens")  # fmt: skip


def _upsert(table: str, columns: list[str]) -> str:
    keys = [name for name in columns if name not in _MEASURES]
    additions = ", ".join(f"{name} = {name} + excluded.{name}" for name in columns if name in _MEASURES)
    marks = ", ".join(f":{name}" for name in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {additions}"
    )


def _values(event: UsageEvent) -> dict[str, object]:
    usage = event.usage
    return {
        "organization": event.organization, "id": event.id, "at": event.at, "customer": event.customer_id,
        "feature": event.feature, "session": "", "provider": event.provider, "model": event.model,
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens,
        "output_reasoning_tokens": usage.output_reasoning_tokens, "cost_nanos": event.cost_nanos,
        "price_version": event.price_version, "complete": True, "estimated": False, "status": event.status,
        "hour": event.at // (3_600 * MICROS), "day": event.at // (86_400 * MICROS), "calls": 1, "unpriced_calls": 0,
        "estimated_nanos": 0, "adjusted_nanos": 0, "revenue_nanos": 0, "unconverted_revenue": 0,
    }  # fmt: skip
