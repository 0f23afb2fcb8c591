"""What calls came to before, so that the next ones are estimated well."""

from __future__ import annotations

from typing import Final

from ai_cost_calc.core.estimate import Amounts, History
from ai_cost_calc.core.recent import Recent

KINDS: Final = 10_000
"""How many kinds of calls are remembered at most."""

_ANY: Final = "*"

Kind = tuple[str | None, str | None, str | None]


class Learned:
    """Histories of calls by provider, model and feature. Threads may share it: a race costs a sample.

    A kind of call that is new is estimated from what its model came to in other features, else from what its feature
    came to with other models. A guarded block, of which only the feature is known, has a history of its own first.

    Attributes:
        reserved: what was reserved, in all, for calls that have ended.
        settled: what those calls came to.
    """

    __slots__ = ("_histories", "reserved", "settled")

    def __init__(self, size: int = KINDS) -> None:
        self._histories: Recent[Kind, tuple[History, ...]] = Recent(size)
        self.reserved = 0
        self.settled = 0

    def observe(self, provider: str | None, model: str | None, feature: str | None, nanos: int, tokens: int) -> None:
        """Take in what a call came to: nano-dollars and tokens."""
        for history in self._histories.get((provider, model, feature)) or self._begun(provider, model, feature):
            history.observe(nanos, tokens)

    def upper(self, provider: str | None, model: str | None, feature: str | None) -> Amounts | None:
        """What such a call comes to at most, nearly always; `None` before anything like it was observed."""
        histories = self._histories
        known = histories.get((provider, model, feature))
        if known is None and model is not None:
            known = histories.get((provider, model, _ANY))
        if known is None:
            known = histories.get((_ANY, _ANY, feature))
        return None if known is None else known[0].upper()

    def _begun(self, provider: str | None, model: str | None, feature: str | None) -> tuple[History, ...]:
        """The histories of a new kind of call: its own, and those that it shares."""
        own: tuple[History, ...] = (History(),)
        if model is not None:
            own += self._shared((provider, model, _ANY)) + self._shared((_ANY, _ANY, feature))
        self._histories.put((provider, model, feature), own)
        return own

    def _shared(self, kind: Kind) -> tuple[History, ...]:
        known = self._histories.get(kind)
        if known is None:
            known = (History(),)
            self._histories.put(kind, known)
        return known

    def count(self, reserved: int, settled: int) -> None:
        """Count what was reserved for a call and what it came to, in the same unit."""
        self.reserved += reserved
        self.settled += settled

    @property
    def ratio(self) -> float | None:
        """Reserved over settled; healthy between 0.8 and 1.2. `None` before anything was settled."""
        return self.reserved / self.settled if self.settled else None
