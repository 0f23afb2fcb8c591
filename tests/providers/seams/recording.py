"""A meter that keeps what it is told, and may refuse."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ai_cost_calc.errors import BudgetExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_cost_calc.core.reading import Reading
    from ai_cost_calc.core.usage import Usage
    from ai_cost_calc.ports.providers import CallRequest


class RecordedCall:
    """One call between its begin and its end, as the meter was told of it."""

    def __init__(self, request: CallRequest) -> None:
        self.request = request
        self.input_bytes = request.input_bytes
        self.media_items = request.media_items
        self.readings: list[Reading] = []
        self.tokens: list[str | None] = []
        self.ends: list[tuple[BaseException | None, bool]] = []
        self.beats = 0

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Keep a reading."""
        self.readings.append(reading)
        self.tokens.append(token)

    def end(self, *, error: BaseException | None = None, aborted: bool = False) -> None:
        """Keep how it ended; a second end is kept as well, so that tests see it."""
        self.ends.append((error, aborted))

    def beat(self) -> None:
        """Count a sign of life."""
        self.beats += 1

    @property
    def ended(self) -> bool:
        """Whether it ended, once, and normally."""
        return self.ends == [(None, False)]

    @property
    def aborted(self) -> bool:
        """Whether it ended, once, because the caller left."""
        return self.ends == [(None, True)]

    @property
    def reading(self) -> Reading:
        """The one reading there is."""
        (only,) = self.readings
        return only

    @property
    def usage(self) -> Usage:
        """The usage of the one reading there is."""
        assert self.reading.usage is not None
        return self.reading.usage


class RecordingMeter:
    """What wrapped clients report to. Set `refusal` to refuse calls, `broken` to fail in everything."""

    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self.faults: list[tuple[str, BaseException]] = []
        self.recorded: list[tuple[Reading, str | None]] = []
        self.refusal: Exception | None = None
        self.expects_faults = False

    def begin(self, request: CallRequest, /) -> RecordedCall:
        """Allow or refuse a call."""
        if self.refusal is not None:
            raise self.refusal
        call = RecordedCall(request)
        self.calls.append(call)
        return call

    async def abegin(self, request: CallRequest, /) -> RecordedCall:
        """Do as `begin`."""
        return self.begin(request)

    def record(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Keep a reading that belongs to no call."""
        self.recorded.append((reading, token))

    def fault(self, where: str, error: BaseException, /) -> None:
        """Keep a fault."""
        self.faults.append((where, error))

    @property
    def call(self) -> RecordedCall:
        """The one call there is."""
        (only,) = self.calls
        return only

    def forget(self) -> None:
        """Start over."""
        self.calls.clear()
        self.recorded.clear()


def budget_exceeded() -> BudgetExceeded:
    """A refusal as a budget store gives it."""
    amounts: dict[str, Any] = {name: Decimal(1) for name in ("limit", "spent", "held", "requested")}
    return BudgetExceeded(budget="daily", scope="organization", **amounts)


class RefusingLater(RecordingMeter):
    """Refuses once so many calls were allowed, each time with an error of its own."""

    def __init__(self, allowed: int = 1) -> None:
        super().__init__()
        self.refused: list[Exception] = []
        self.error: Callable[[], Exception] = budget_exceeded
        self._allowed = allowed

    def allow(self, calls: int) -> None:
        """Say how many calls are allowed."""
        self._allowed = calls

    def begin(self, request: CallRequest, /) -> RecordedCall:
        """Allow the first calls."""
        self.refusal = None
        if len(self.calls) >= self._allowed:
            self.refusal = self.error()
            self.refused.append(self.refusal)
        return super().begin(request)

    def forget(self) -> None:
        """Start over."""
        super().forget()
        self.refused.clear()
