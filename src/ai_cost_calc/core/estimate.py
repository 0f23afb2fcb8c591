"""What a call could cost, before it is made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from ai_cost_calc.core.budget import Budget

HISTORY: Final = 64
"""How many earlier calls of the same model and feature an estimate looks at."""
REFRESH: Final = 8
"""The quantile is taken anew once an eighth of the history is new."""
QUANTILE: Final = 0.95
"""The share of earlier calls that an estimate covers."""
PRIOR_OUTPUT_TOKENS: Final = 1_000
"""What a call is taken to answer before anything was learned, when its own limit is not lower."""
PRIOR_NANOS: Final = 10_000_000
"""One cent: what a guarded block whose model is not known is taken to cost before anything was learned."""
PRIOR_SHARE: Final = 10
"""Before anything was learned a call reserves at most this part (a tenth) of a limit, so small budgets can start."""


class Amounts(msgspec.Struct, frozen=True):
    """The same spend in each unit a budget can have; `nanos` is `None` when the price is unknown."""

    nanos: int | None
    tokens: int
    calls: int = 1

    def in_unit(self, budget: Budget) -> int | None:
        """The amount that counts for this budget."""
        if budget.unit == "usd":
            return self.nanos
        return self.tokens if budget.unit == "tokens" else self.calls


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a call could use and cost.

    Attributes:
        expected: what is reserved by a budget with `estimate="learned"`.
        strict: a true upper bound, where one is known.
        learned: whether `expected` comes from earlier calls rather than the prior.
    """

    expected: Amounts
    strict: Amounts | None = None
    learned: bool = False

    def claim(self, budget: Budget) -> int | None:
        """What to hold on this budget; `None` when its unit cannot be estimated (no price is known)."""
        if budget.unit == "calls":
            return self.expected.calls
        if budget.estimate == "none":
            return 0
        if budget.estimate == "strict" and self.strict is not None:
            return self.strict.in_unit(budget)
        amount = self.expected.in_unit(budget)
        if amount is None or self.learned:
            return amount
        return min(amount, budget.amount // PRIOR_SHARE)


class History:
    """The last costs of one kind of call, and their upper quantile. Threads may share it: a race costs a sample."""

    __slots__ = ("_calls", "_unread", "_upper")

    def __init__(self) -> None:
        self._calls: deque[tuple[int, int]] = deque(maxlen=HISTORY)
        self._unread = 0
        self._upper: Amounts | None = None

    def observe(self, nanos: int, tokens: int) -> None:
        """Take in what a call came to."""
        self._calls.append((nanos, tokens))
        self._unread += 1

    def upper(self) -> Amounts | None:
        """The upper quantile of what was observed, give or take the last few calls; `None` before anything was."""
        if self._unread and self._unread * REFRESH >= len(self._calls):
            self._unread = 0
            nanos, tokens = zip(*self._calls.copy(), strict=True)  # a copy, because other threads add meanwhile
            self._upper = Amounts(_quantile(nanos), _quantile(tokens))
        return self._upper


def _quantile(values: Iterable[int]) -> int:
    """Nearest rank: with fewer than 20 values this is the highest one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * QUANTILE))]


def lower(amounts: Amounts, bound: Amounts | None) -> Amounts:
    """`amounts`, but in no unit above `bound`."""
    if bound is None:
        return amounts
    nanos = amounts.nanos
    if nanos is not None and bound.nanos is not None:
        nanos = min(nanos, bound.nanos)
    return Amounts(nanos, min(amounts.tokens, bound.tokens), amounts.calls)
