"""Every error this package raises on purpose.

CostCalcError
├── ConfigError           wrong settings; only while something is being built
├── BudgetExceeded        the call was not made
├── BudgetStoreError      the state of budgets cannot be reached
├── UnknownPrice          no price for this model at this time
├── PriceDataError        fetched price data cannot be had or used
├── UnsupportedClient     no provider file knows this object
└── LedgerError           a record could not be kept or read
    └── LedgerUnavailable     worth trying again later
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


class CostCalcError(Exception):
    """The root of every error of this package."""


class ConfigError(CostCalcError, ValueError):
    """A setting is wrong. Raised while a client, a budget or a price book is built, never during a call."""


class BudgetExceeded(CostCalcError, RuntimeError):
    """A budget does not allow this call, so the call was not made and nothing was charged.

    Amounts are in the budget's own unit: US dollars (`Decimal`), tokens or calls.

    Attributes:
        budget: id of the budget that refused.
        scope: what it covers, such as `organization`, `customer acme` or `feature chat`.
        limit: what may be spent in one window.
        spent: what had been spent in this window.
        held: what calls still running had reserved.
        requested: what this call asked for.
        unit: `usd`, `tokens` or `calls`.
        resets_at: when the window ends; `None` for a budget that never resets.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        budget: str,
        scope: str,
        limit: Decimal,
        spent: Decimal,
        held: Decimal,
        requested: Decimal,
        unit: str = "usd",
        resets_at: datetime | None = None,
    ) -> None:
        self.budget = budget
        self.scope = scope
        self.limit = limit
        self.spent = spent
        self.held = held
        self.requested = requested
        self.unit = unit
        self.resets_at = resets_at
        super().__init__(message or self._sentence())

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, so that process pools hand the refusal back whole."""
        return _rebuild_budget_exceeded, (str(self), dict(self.__dict__))

    def _sentence(self) -> str:
        when = f"; it resets at {self.resets_at.isoformat()}" if self.resets_at else ""
        return (
            f"budget {self.budget!r} ({self.scope}) refused the call: {self._amount(self.requested)} requested, "
            f"{self._amount(self.spent)} spent and {self._amount(self.held)} held "
            f"of {self._amount(self.limit)}{when}"
        )

    def _amount(self, value: Decimal) -> str:
        return f"${value:f}" if self.unit == "usd" else f"{value:f} {self.unit}"


def _rebuild_budget_exceeded(message: str, values: dict[str, object]) -> BudgetExceeded:
    error = BudgetExceeded.__new__(BudgetExceeded, message)
    error.__dict__.update(values)
    return error


class BudgetStoreError(CostCalcError):
    """The state of budgets cannot be reached; `Budget.on_unavailable` says whether calls go on."""


class UnknownPrice(CostCalcError, LookupError):
    """No price is known for this model at this time.

    Attributes:
        provider: the provider as it was given, or `None`.
        model: the model as it was given.
    """

    def __init__(self, message: str, *, provider: str | None, model: str | None) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model


class PriceDataError(CostCalcError):
    """Price data cannot be fetched, or cannot be used; the prices that were in force stay in force."""


class UnsupportedClient(CostCalcError, TypeError):
    """No provider file knows this object; the message lists what can be used instead."""


class LedgerError(CostCalcError):
    """A record could not be kept or read; the cause is attached."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be reached or is busy; the same call may succeed later."""
