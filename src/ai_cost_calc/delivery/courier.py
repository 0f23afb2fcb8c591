"""Brings batches of records to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import tenacity

from ai_cost_calc.core.event import Record
from ai_cost_calc.delivery import lifecycle
from ai_cost_calc.delivery.quarantine import Quarantine
from ai_cost_calc.delivery.tally import Tally
from ai_cost_calc.errors import LedgerError, LedgerUnavailable
from ai_cost_calc.forks import ForkLock
from ai_cost_calc.ports.ledgers import Ledger

FAULT_ATTEMPTS: Final = 3
"""How often a batch is tried whose append fails with an error that is not the ledger's own."""
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0

_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=30)


class Pause(Protocol):
    """Waits between attempts; returns early when there is a reason to hurry, unless `firm`."""

    def __call__(self, seconds: float, *, firm: bool) -> None:
        """Wait."""
        ...


class Courier:
    """Delivers batches: again until the ledger takes them, and without the records that it can never take.

    - `LedgerUnavailable`, or a ledger that cannot be opened: tried again for ever, with exponential backoff and jitter,
      or after the error's own `retry_after` (seconds).
    - Another `LedgerError`: the batch is halved until the record that causes it stands alone, and goes to quarantine.
    - Any other exception is a fault of the ledger's code: tried again a few times, then taken for a record's fault.

    Args:
        open_ledger: called when the first batch comes, in the thread that delivers.
        pause: waits between attempts.
        stopping: whether to give up; what was not acknowledged stays where it is.
        busy: held while the ledger's code runs.
    """

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        *,
        quarantine: Quarantine,
        tally: Tally,
        on_fault: Callable[[str, BaseException], None],
        pause: Pause,
        stopping: Callable[[], bool],
        busy: ForkLock,
    ) -> None:
        self._open_ledger = open_ledger
        self._quarantine = quarantine
        self._tally = tally
        self._on_fault = on_fault
        self._stopping = stopping
        self._busy = busy
        self._ledger: Ledger | None = None
        self._firm = False
        self._faults = 0
        self._retrying = tenacity.Retrying(
            retry=self._is_worth_it,
            wait=_delay,
            before_sleep=self._report,
            sleep=lambda seconds: pause(seconds, firm=self._firm),
            stop=lambda _: stopping(),
            reraise=True,
        )

    def deliver(self, batch: Sequence[Record]) -> None:
        """Return when every record is in the ledger or in quarantine.

        Raises:
            Exception: the last failure, when `stopping`; or the quarantine cannot be written.
        """
        if not batch:
            return
        self._faults = 0
        try:
            new = self._retrying(self._append, batch)
        except Exception as exc:
            if self._stopping():
                raise
            self._isolate(batch, exc)
        else:
            self._tally.add("delivered", new)
            self._tally.add("duplicates", len(batch) - new)

    def _append(self, batch: Sequence[Record]) -> int:
        with self._busy:
            if self._ledger is None:
                self._ledger = self._opened()
            return self._ledger.append(batch)

    def _opened(self) -> Ledger:
        try:
            ledger = self._open_ledger()
        except LedgerUnavailable:
            raise
        except Exception as exc:
            msg = f"the ledger cannot be opened: {exc}"
            raise LedgerUnavailable(msg) from exc
        lifecycle.stand_first()
        return ledger

    def _isolate(self, batch: Sequence[Record], error: Exception) -> None:
        if len(batch) == 1:
            self._quarantine.keep_record(batch[0], f"{type(error).__name__}: {error}")
            self._on_fault("quarantine", error)
            return
        middle = len(batch) // 2
        self.deliver(batch[:middle])
        self.deliver(batch[middle:])

    def _is_worth_it(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, LedgerError):
            return isinstance(error, LedgerUnavailable)
        self._faults += error is not None
        return isinstance(error, Exception) and self._faults < FAULT_ATTEMPTS

    def _report(self, state: tenacity.RetryCallState) -> None:
        error = _error(state)
        self._firm = _retry_after(error) is not None
        self._on_fault("ledger", error)

    def close(self) -> None:
        """Close the ledger, if it was opened."""
        if self._ledger is not None:
            with self._busy, suppress(LedgerError):
                self._ledger.close()


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    return error or LedgerError("the ledger gave no answer")


def _delay(state: tenacity.RetryCallState) -> float:
    asked = _retry_after(_error(state))
    return _backoff(state) if asked is None else asked


def _retry_after(error: BaseException) -> float | None:
    """The seconds that the ledger asks us to stay away, where it does."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, (int, float)) and asked >= 0:
        return min(float(asked), LONGEST_RETRY_AFTER_SECONDS)
    return None
