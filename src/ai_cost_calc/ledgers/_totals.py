"""Sums by group, and the rows a spend query answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import add
from typing import Final

from ai_cost_calc.ledgers._records import COMMON, MEASURES, usage_of
from ai_cost_calc.ports.ledgers import SpendRow

Group = tuple[str | None, ...]

_FIRST_COUNT: Final = len(MEASURES) - len(COMMON)


class Totals:
    """Adds up `MEASURES`, and finer counts by name, for each group; Python's integers do not overflow."""

    def __init__(self) -> None:
        self._sums: dict[Group, Sequence[int]] = {}
        self._finer: dict[Group, dict[str, int]] = {}

    def add(self, group: Group, measures: Sequence[int], finer: Mapping[str, int]) -> None:
        """Count one record, or a sum of records, in this group."""
        before = self._sums.get(group)
        self._sums[group] = measures if before is None else tuple(map(add, before, measures))
        for name, count in finer.items():
            self.add_count(group, name, count)

    def add_count(self, group: Group, name: str, count: int) -> None:
        """Count a finer count of a group whose measures are added as well."""
        sums = self._finer.setdefault(group, {})
        sums[name] = sums.get(name, 0) + count

    def rows(self, by: Sequence[str]) -> list[SpendRow]:
        """Every group as a row, in the order that the port promises."""
        if not by and not self._sums:
            return [SpendRow()]
        return sorted(map(self._row, self._sums), key=_rank)

    def _row(self, group: Group) -> SpendRow:
        sums = self._sums[group]
        usage = usage_of(sums[_FIRST_COUNT:], self._finer.get(group, {}))
        return SpendRow(group=group, usage=usage, **dict(zip(MEASURES[:_FIRST_COUNT], sums, strict=False)))


def _rank(row: SpendRow) -> tuple[int, list[tuple[bool, str]]]:
    return -row.cost_nanos, [(value is not None, value or "") for value in row.group]
