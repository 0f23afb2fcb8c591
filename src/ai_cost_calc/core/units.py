"""What prices are per, and how a count is shared out among units that include each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from ai_cost_calc.core.usage import Usage

Share = Mapping[str, int]
"""Signed counts of a `Usage`: `{"input_tokens": 1, "cache_read_tokens": -1}` is the input that came from no cache."""


class Unit(msgspec.Struct, frozen=True, array_like=True):
    """Something that has a price.

    Attributes:
        name: the count it prices, by the names of `Usage`; `requests` for a fee per call.
        per: how many of it one price is for: 1,000,000 tokens, 3,600 seconds, 1,000 searches.
        dimensions: what is counted, such as `{"family": "tokens", "direction": "input"}`; a unit with these and further
            dimensions counts a part of it.
    """

    name: str
    per: int
    dimensions: dict[str, str]

    def includes(self, other: Unit) -> bool:
        """Whether what `other` counts is counted here too."""
        return self.dimensions.items() <= other.dimensions.items()


def shares(units: Collection[Unit]) -> dict[str, Share]:
    """For each unit, the counts that it prices by itself, its priced parts taken out.

    With prices for input and for cached input, 1,000 input tokens of which 900 are cached are 100 of the one and 900 of
    the other. Counts that a `Usage` does not have are always zero, so they are left out.
    """
    own: dict[str, dict[str, int]] = {}
    finest_first = sorted(units, key=lambda unit: len(unit.dimensions), reverse=True)
    for unit in finest_first:
        share = {unit.name: 1}
        for part in finest_first:
            if part is not unit and unit.includes(part):
                _take_out(share, own[part.name])
        own[unit.name] = share
    return {
        name: {part: sign for part, sign in share.items() if sign and part in _COUNTS} for name, share in own.items()
    }


_COUNTS = frozenset(Usage.__struct_fields__)


def _take_out(share: dict[str, int], part: Share) -> None:
    for name, sign in part.items():
        share[name] = share.get(name, 0) - sign
