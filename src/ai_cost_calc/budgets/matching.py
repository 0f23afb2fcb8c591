"""Which budgets a call counts for, found without looking at the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final

from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.budget import Budget, Claim, Subject
from ai_cost_calc.core.recent import Recent
from ai_cost_calc.core.windows import Per, Window
from ai_cost_calc.errors import ConfigError

SUBJECTS: Final = 10_000
"""For how many subjects (a customer, feature, provider and model together) the budgets found are remembered."""

_FOREVER: Final = float("inf")

Calendar = tuple[Per, str, bool]
"""What a window depends on besides the time: `per`, timezone, and whether it rolls."""


Asked = tuple[Budget, str, Window, str]
"""A budget that a call counts for: the budget, the key of its state, its window now, and its scope in words."""


class Matched:
    """The budgets that count for one subject, with their windows, which are right for start <= now < end."""

    __slots__ = ("_claimed", "asked", "end", "start")

    def __init__(self, asked: tuple[Asked, ...]) -> None:
        self.asked = asked
        self.start = max((window.start for _, _, window, _ in asked), default=-_FOREVER)
        self.end = min((window.end for _, _, window, _ in asked), default=_FOREVER)
        self._claimed: tuple[int, tuple[Claim, ...]] = (0, self._of(0))

    def claims(self, amount: int) -> tuple[Claim, ...]:
        """The same amount claimed of every budget. Most calls claim what the one before them did."""
        before, claims = self._claimed
        if amount != before:
            claims = self._of(amount)
            self._claimed = amount, claims
        return claims

    def _of(self, amount: int) -> tuple[Claim, ...]:
        return tuple([Claim(budget, key, window, amount, scope) for budget, key, window, scope in self.asked])


class BudgetSet:
    """The budgets in force, ready to be asked which of them a call counts for.

    Immutable: `added`, `replaced` and `removed` give a new set. Threads may share it. Finding the budgets of a call
    takes as long among ten thousand budgets as among ten: they are looked up by the values they select, once for every
    combination of selectors that occurs, and remembered for the subjects seen last.

    Args:
        budgets: the budgets; refusals name the first one, in this order, that does not fit.
        subjects: how many subjects are remembered.

    Attributes:
        strict: whether a budget among them reserves the most a call can cost.

    Raises:
        ConfigError: two budgets have the same id.
    """

    def __init__(self, budgets: Iterable[Budget] = (), *, subjects: int = SUBJECTS) -> None:
        self._budgets: dict[str, Budget] = {}
        self._shapes: dict[tuple[str, ...], dict[tuple[str | None, ...], list[tuple[int, Budget]]]] = {}
        for position, budget in enumerate(budgets):
            if budget.name in self._budgets:
                raise ConfigError(f"two budgets have the id {budget.name!r}; give one of them an id of its own")
            self._budgets[budget.name] = budget
            shape = tuple([name for name, _ in budget.selectors])
            values: tuple[str | None, ...] = tuple([value for _, value in budget.selectors])
            self._shapes.setdefault(shape, {}).setdefault(values, []).append((position, budget))
        self.strict = any(budget.estimate == "strict" for budget in self._budgets.values())
        self._subjects = subjects
        self._rarer = self._rarer_names()
        self._matches: Recent[tuple[str | None, ...], Matched] = Recent(subjects)
        self._windows: dict[Calendar, Window] = {}

    def claims(
        self,
        attribution: Attribution,
        provider: str | None,
        model: str | None,
        now: float,
        amount_of: Callable[[Budget], int],
    ) -> tuple[Claim, ...]:
        """What a call asks of each budget it counts for.

        Args:
            attribution: whom and what the call is for.
            provider: whose API it goes to, and `model` to which model, where they are known.
            now: unix seconds.
            amount_of: what to claim of a budget, in its whole units; what it raises is passed on.
        """
        return tuple(
            [
                Claim(budget, key, window, amount_of(budget), scope)
                for budget, key, window, scope in self.matched(attribution, provider, model, now).asked
            ]
        )

    def matched(self, attribution: Attribution, provider: str | None, model: str | None, now: float) -> Matched:
        """The budgets a call counts for, each with the key, the window and the scope of its claim."""
        subject: tuple[str | None, ...] = (attribution.customer_id, attribution.feature, provider, model)
        if self._rarer:
            subject += self._rarer_values(attribution)
        match = self._matches.get(subject)
        if match is None or not match.start <= now < match.end:
            match = self._match(subject, Subject(attribution=attribution, provider=provider, model=model), now)
        return match

    def added(self, budget: Budget) -> BudgetSet:
        """These budgets and one more; a `ConfigError` when its id is taken."""
        return BudgetSet((*self, budget), subjects=self._subjects)

    def replaced(self, budget: Budget) -> BudgetSet:
        """These budgets with this one in place of the one that has its id, or added when none has."""
        return BudgetSet({**self._budgets, budget.name: budget}.values(), subjects=self._subjects)

    def removed(self, budget_id: str) -> BudgetSet:
        """These budgets without the one that has this id; the same ones when none has."""
        return BudgetSet((budget for budget in self if budget.name != budget_id), subjects=self._subjects)

    def get(self, budget_id: str) -> Budget | None:
        """The budget that has this id."""
        return self._budgets.get(budget_id)

    def __iter__(self) -> Iterator[Budget]:
        return iter(self._budgets.values())

    def __len__(self) -> int:
        return len(self._budgets)

    def __contains__(self, budget: object) -> bool:
        return isinstance(budget, Budget) and self._budgets.get(budget.name) == budget

    def _rarer_names(self) -> tuple[str, ...]:
        """Names besides customer, feature, provider and model that matter here: the session, tags."""
        names = {name for shape in self._shapes for name in shape}
        names.update(name for budget in self for name in budget.each)
        return tuple(sorted(name for name in names if name == "session" or name.startswith("tag:")))

    def _rarer_values(self, attribution: Attribution) -> tuple[str | None, ...]:
        subject = Subject(attribution=attribution)
        return tuple([subject.value_of(name) for name in self._rarer])

    def _match(self, key: tuple[str | None, ...], subject: Subject, now: float) -> Matched:
        found = self._found(subject)
        asked = tuple(
            [(budget, budget.key(subject), self._window(budget, now), budget.scope(subject)) for budget in found]
        )
        match = Matched(asked)
        self._matches.put(key, match)
        return match

    def _found(self, subject: Subject) -> list[Budget]:
        """The budgets that match, in the order they were given."""
        found: list[tuple[int, Budget]] = []
        for shape, by_values in self._shapes.items():
            found += by_values.get(tuple([subject.value_of(name) for name in shape]), ())
        found.sort(key=itemgetter(0))
        return [budget for _, budget in found if all(subject.value_of(name) is not None for name in budget.each)]

    def _window(self, budget: Budget, now: float) -> Window:
        calendar = (budget.per, budget.timezone, budget.rolling)
        window = self._windows.get(calendar)
        if window is None or not window.start <= now < window.end:
            self._windows[calendar] = window = budget.window(now)
        return window
