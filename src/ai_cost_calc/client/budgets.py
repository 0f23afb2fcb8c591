"""`calc.budgets`: which budgets are in force, what they have spent, and how they start out knowing it."""

from __future__ import annotations

import builtins
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ai_cost_calc.client.catch_up import CatchUp
from ai_cost_calc.client.metering import Metering
from ai_cost_calc.core.budget import Budget, Claim
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.core.windows import Window, window_at
from ai_cost_calc.errors import ConfigError, LedgerError, LedgerUnavailable
from ai_cost_calc.forks import ForkLock, held_over_forks
from ai_cost_calc.ports.ledgers import BudgetBook, Ledger, SpendQuery, SpendRow

if TYPE_CHECKING:
    from ai_cost_calc.core.price_book import PriceBook

_FOREVER: Final = float("inf")
_SELECTORS: Final = ("customer_id", "feature", "provider", "model", "tags")


class BudgetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a budget stands now, in its own unit (US dollars, tokens or calls).

    Attributes:
        used: spent and held over the limit, as a share; `None` for a limit of 0.
        resets_at: when the window ends; `None` for `total`.
    """

    id: str
    scope: str
    per: str
    unit: str
    mode: str
    limit: Decimal
    spent: Decimal
    held: Decimal
    remaining: Decimal
    used: float | None
    window: str
    resets_at: datetime | None

    @property
    def exceeded(self) -> bool:
        """Whether nothing is left."""
        return self.remaining <= 0


def _check_is_budget(given: Any) -> None:
    if not isinstance(given, Budget):
        msg = f'budgets must be Budget objects, such as Budget("25.00", per="day"), not {given!r}'
        raise ConfigError(msg)


class Budgets:
    """The budgets in force: those given to the constructor, and those set at run time, which the ledger keeps."""

    def __init__(
        self, *, metering: Metering, ledger: Callable[[], Ledger], book: Callable[[], PriceBook],
        clock: Callable[[], float], organization: str, fail_closed: bool, flush: Callable[[], object],
        catch_up: CatchUp,
    ) -> None:  # fmt: skip
        self._metering = metering
        self._ledger = ledger
        self._book = book
        self._clock = clock
        self._organization = organization
        self._fail_closed = fail_closed
        self._flush = flush
        self._lock = held_over_forks(ForkLock())
        self._given: dict[str, Budget] = {}
        self._kept: dict[str, Budget] = {}
        self._in_force: list[Budget] = []
        self._unseeded: builtins.set[str] = builtins.set()
        self._catch_up = catch_up

    def __repr__(self) -> str:
        """Show the ids of the budgets in force."""
        return f"Budgets({[budget.name for budget in self.list()]})"

    def start(self, given: Iterable[Any]) -> None:
        """Take the constructor's budgets and the kept ones, and seed their state from the ledger.

        A ledger that cannot be reached must not keep an application from starting: that is made good later.
        """
        if not isinstance(given, Iterable):
            raise ConfigError(f"budgets must be Budget objects in a list, not {given!r}")
        for budget in given:
            _check_is_budget(budget)
            if budget.name in self._given:
                msg = f"two budgets have the id {budget.name!r}; give one of them an id of its own"
                raise ConfigError(msg)
            self._given[budget.name] = budget
        try:
            self.refresh()
        except LedgerUnavailable as exc:
            instead = "budgets know only what this process spends, until the ledger answers"
            self._metering.counters.mistake("ledger", exc, instead)
            self._put_in_force(seed=False)
            self._catch_up.begin(self._try_again)  # also where none is given: the ledger may keep some

    def _try_again(self) -> bool:
        try:
            self.refresh()
        except LedgerUnavailable:
            return False
        except Exception as exc:  # noqa: BLE001 - there is nobody to raise it to
            self._metering.fault("seed", exc)
        return not self._unseeded

    def refresh(self) -> None:
        """Take over budgets that were set elsewhere, such as on the command line, and what the ledger knows of all."""
        with self._lock:
            keeper = self._keeper()
            if keeper is not None:
                self._kept = self._understood(keeper.budgets(organization=self._organization))
            self._in_force = []
            self._put_in_force()

    def _understood(self, kept: Mapping[str, Mapping[str, Any]]) -> dict[str, Budget]:
        """The kept budgets. One that is not possible, set by another version perhaps, must not stop an application."""
        budgets = {}
        for budget_id, values in kept.items():
            try:
                budgets[budget_id] = from_definition(budget_id, values)
            except (TypeError, ValueError) as exc:
                instead = f"it holds nothing back: set {budget_id!r} anew, or remove it (ai-cost-calc budgets rm)"
                self._metering.counters.mistake("kept budget", exc, instead)
        return budgets

    def set(self, budget: Budget) -> Budget:
        """Put a budget in force at once and keep it in the ledger; the same id replaces an earlier one.

        Raises:
            ConfigError: it is no `Budget`.
            LedgerError: the ledger cannot keep it.
        """
        _check_is_budget(budget)
        with self._lock:
            keeper = self._keeper()
            if keeper is not None:
                keeper.save_budget(budget.name, definition(budget), organization=self._organization)
            self._given.pop(budget.name, None)
            self._kept[budget.name] = budget
            self._put_in_force()
        return budget

    def remove(self, budget_id: str) -> bool:
        """Lift a budget; False when there is none with this id.

        Args:
            budget_id: `Budget.id`, as `list` and `status` show it.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        with self._lock:
            keeper = self._keeper()
            removed = keeper.remove_budget(budget_id, organization=self._organization) if keeper is not None else False
            removed = any([self._given.pop(budget_id, None), self._kept.pop(budget_id, None), removed])
            self._put_in_force()
        return bool(removed)

    def list(self) -> list[Budget]:
        """The budgets in force."""
        with self._lock:
            return [*self._given.values(), *(b for name, b in self._kept.items() if name not in self._given)]

    def status(self) -> builtins.list[BudgetStatus]:
        """Where every budget stands; one kept for each customer has a row for each who spent in this window."""
        self._flush()
        now = self._clock()
        return [row for budget in self.list() for row in self._rows(budget, now)]

    def _rows(self, budget: Budget, now: float) -> Iterator[BudgetStatus]:
        window = budget.window(now)
        canonical = self._canonical(budget)
        for group in self._groups(canonical, now):
            if None in group:
                continue
            values = [str(value) for value in group]
            claim = Claim(
                budget=budget, key=budget.key_of(values), window=window, amount=0, scope=budget.scope_of(values)
            )
            state = self._metering.store.state([claim], now=now)[0]
            yield _status(claim, state.spent, state.held)

    def _groups(self, budget: Budget, now: float) -> builtins.list[tuple[str | None, ...]]:
        """The values of `each` with spend that counts now; one without values where there is no `each`."""
        if not tuple(budget.each):
            return [()]
        windows = _windows(budget, now)
        try:
            return [row.group for row in self._spent(budget, windows[-1].start, windows[0].end, budget.each)]
        except LedgerError as exc:
            self._metering.fault("status", exc)
            return []

    def _keeper(self) -> BudgetBook | None:
        ledger: Any = self._ledger()
        return ledger if hasattr(ledger, "save_budget") else None

    def _put_in_force(self, *, seed: bool = True) -> None:
        budgets = [self._canonical(budget) for budget in self.list()]
        before = {budget.name: budget for budget in self._in_force}
        new = [budget for budget in budgets if before.get(budget.name) != budget or budget.name in self._unseeded]
        if new and seed:
            self._flush()  # the ledger's figures are to hold what this process has spent until now
        unseeded = {budget.name: budget for budget in new if not (seed and self._seed(budget))}
        self._unseeded = builtins.set(unseeded)
        self._in_force = budgets
        self._metering.unknown = frozenset([name for name in unseeded if unseeded[name].on_unavailable == "closed"])
        self._metering.enforce(budgets)
        if unseeded:
            self._catch_up.begin(self._try_again)
        elif seed:
            self._catch_up.done()

    def _canonical(self, budget: Budget) -> Budget:
        """Name the model as the price book does, since that is what calls are matched and kept by."""
        changes: dict[str, Any] = {"id": budget.name}
        if self._fail_closed:
            changes["on_unavailable"] = "closed"
        if budget.model is not None and (found := self._book().find(budget.provider, budget.model)) is not None:
            changes["model"] = found.id
        return dataclasses.replace(budget, **changes)

    def _seed(self, budget: Budget) -> bool:
        """Tell the store what the ledger knows of this window, so that a restart forgets nothing; whether it could."""
        now = self._clock()
        try:
            for window in _windows(budget, now):
                rows = self._spent(budget, window.start, window.end, budget.each)
                unknown = self._unknown(budget, window, now) if any(row.unpriced_calls for row in rows) else Counter()
                for row in rows:
                    if None not in row.group:
                        key = budget.key_of([str(value) for value in row.group])
                        self._metering.store.seed(key, window, _in_unit(budget, row) + unknown[row.group])
        except LedgerError as exc:
            self._metering.fault("seed", exc)
            return False
        return True

    def _unknown(self, budget: Budget, window: Window, now: float) -> Counter[tuple[str | None, ...]]:
        """What models of which no cost is known count as, by what the budget is for each of."""
        found: Counter[tuple[str | None, ...]] = Counter()
        each = tuple(budget.each)
        by = tuple(dict.fromkeys((*each, "provider", "model")))
        for row in self._spent(budget, window.start, window.end, by) if budget.unit == "usd" else ():
            if row.unpriced_calls == row.calls and not row.cost_nanos:
                provider = row.group[by.index("provider")]
                nanos = self._metering.estimator.stand_in(provider, row.usage.total_tokens, now)
                found[row.group[: len(each)]] += nanos or 0
        return found

    def _spent(self, budget: Budget, start: float, end: float, by: Iterable[str]) -> builtins.list[SpendRow]:
        query = SpendQuery(
            by=tuple(by),
            since=None if start == -_FOREVER else int(start * MICROS),
            until=None if end == _FOREVER else int(end * MICROS),
            where=dict(budget.selectors),
            organization=self._organization,
        )
        return self._ledger().spend(query)


def _windows(budget: Budget, now: float) -> list[Window]:
    """The windows that count now, newest first: one, or every sub-window of a rolling budget."""
    current = budget.window(now)
    if len(current.ids) == 1:
        return [current]
    length = current.end - current.start
    return [window_at(current.start - step * length, budget.per, rolling=True) for step in range(len(current.ids))]


def _in_unit(budget: Budget, row: SpendRow) -> int:
    if budget.unit == "usd":
        return row.cost_nanos
    return row.usage.total_tokens if budget.unit == "tokens" else row.calls


def _status(claim: Claim, spent: int, held: int) -> BudgetStatus:
    budget = claim.budget
    end = claim.window.resets_at
    return BudgetStatus(
        id=budget.name,
        scope=claim.scope,
        per=budget.per,
        unit=budget.unit,
        mode=budget.mode,
        limit=budget.in_unit(budget.amount),
        spent=budget.in_unit(spent),
        held=budget.in_unit(held),
        remaining=budget.in_unit(max(budget.amount - spent - held, 0)),
        used=round((spent + held) / budget.amount, 4) if budget.amount else None,
        window=claim.window.id,
        resets_at=None if end == _FOREVER else datetime.fromtimestamp(end, UTC),
    )


def definition(budget: Budget) -> dict[str, Any]:
    """A budget as plain values, to keep in a ledger."""
    values = {
        item.name: getattr(budget, item.name) for item in dataclasses.fields(budget) if item.init and item.name != "id"
    }
    return {**values, "limit": str(budget.limit), "each": list(budget.each), "alert_at": list(budget.alert_at)}


def from_definition(budget_id: str, values: Mapping[str, Any]) -> Budget:
    """The budget that was kept under an id; fields of a newer version are left alone."""
    known = {item.name for item in dataclasses.fields(Budget) if item.init}
    return Budget(id=budget_id, **{name: value for name, value in values.items() if name in known and name != "id"})
