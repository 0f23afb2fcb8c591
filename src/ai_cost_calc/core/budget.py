"""Budgets: a limit over a window, for whatever its selectors match, and the claims a call makes on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, NewType
from zlib import crc32

import msgspec

from ai_cost_calc.core.attribution import Attribution, label
from ai_cost_calc.core.money import nanos_from_usd, usd
from ai_cost_calc.core.windows import PERIODS, Per, Window, window_at, zone
from ai_cost_calc.errors import BudgetExceeded, ConfigError

ReservationId = NewType("ReservationId", str)
Unit = Literal["usd", "tokens", "calls"]
Mode = Literal["block", "warn"]
EstimateRule = Literal["learned", "strict", "none"]

EACH: Final = ("customer", "feature", "provider", "model", "session")
"""What a budget can be kept for each value of; `tag:plan` keeps one for each value of the tag `plan`."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What budgets are matched against: who a call is for, and which model it goes to."""

    attribution: Attribution
    provider: str | None = None
    model: str | None = None

    def value_of(self, selector: str) -> str | None:
        """The value of `customer`, `feature`, `provider`, `model`, `session` or `tag:name`."""
        match selector:
            case "customer":
                return self.attribution.customer_id
            case "feature":
                return self.attribution.feature
            case "provider":
                return self.provider
            case "model":
                return self.model
            case "session":
                return self.attribution.session_id
        return self.attribution.tags.get(selector.removeprefix("tag:"))


@dataclass(frozen=True)
class Budget:
    """A limit over a window for whatever its selectors match.

    Args:
        limit: the most that may be spent in one window: US dollars as a string, int or Decimal, or a whole number of
            tokens or calls. `0` blocks everything that matches.
        per: `hour`, `day`, `week`, `month`, `year` or `total`.
        customer_id: only this customer's calls; likewise `feature`, `provider`, `model`, `tags`.
        each: one budget for every value of `customer`, `feature`, `provider`, `model`, `session` or `tag:name` that
            ever appears, new ones included. A name, or several.
        unit: what is counted: `usd`, `tokens` or `calls`.
        mode: `block` refuses calls over the limit, `warn` only reports them.
        timezone: IANA name of the calendar that windows follow.
        rolling: the last hour, day, … instead of the calendar's; forgets in sixtieths of the window.
        alert_at: shares of the limit at which alerts fire, where something sends them.
        on_unavailable: whether calls go on (`open`) or are refused (`closed`) while budget state cannot be reached.
        estimate: what a call reserves before it is made: `learned`, `strict` or `none`.
        id: a name of your own; otherwise made from the selectors, so that the same budget keeps its state.

    Raises:
        ConfigError: a value is not possible; the message says which and what is.
    """

    limit: Decimal | int | str
    per: Per
    customer_id: str | None = field(default=None, kw_only=True)
    feature: str | None = field(default=None, kw_only=True)
    provider: str | None = field(default=None, kw_only=True)
    model: str | None = field(default=None, kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    each: str | Iterable[str] = field(default=(), kw_only=True)
    unit: Unit = field(default="usd", kw_only=True)
    mode: Mode = field(default="block", kw_only=True)
    timezone: str = field(default="UTC", kw_only=True)
    rolling: bool = field(default=False, kw_only=True)
    alert_at: tuple[float, ...] = field(default=(0.5, 0.8, 1.0), kw_only=True)
    on_unavailable: Literal["open", "closed"] = field(default="open", kw_only=True)
    estimate: EstimateRule = field(default="learned", kw_only=True)
    id: str | None = field(default=None, kw_only=True)

    amount: int = field(init=False, repr=False, compare=False)
    """The limit in whole units: nano-dollars, tokens or calls."""
    ceiling: int | None = field(init=False, repr=False, compare=False)
    """The limit that calls are refused over, in whole units; `None` for a budget that only warns."""
    selectors: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    """The selectors with their values, sorted by name."""

    def __post_init__(self) -> None:
        """Check every value and fill in what follows from them."""
        put = object.__setattr__
        put(self, "each", _checked_each(self.each))
        put(self, "alert_at", _checked_shares(self.alert_at))
        put(self, "tags", _checked_tags(self.tags))
        _check_choices(self)
        put(self, "selectors", _selectors(self))
        put(self, "amount", _whole_limit(self))
        put(self, "limit", self.in_unit(self.amount))
        put(self, "ceiling", self.amount if self.mode == "block" else None)
        put(self, "id", _made_id(self) if self.id is None else _checked_id(self.id))

    def __hash__(self) -> int:
        """Hash by id, since tags cannot be hashed."""
        return hash(self.id)

    @property
    def name(self) -> str:
        """The id, which after construction is never `None`."""
        return self.id or ""

    def matches(self, subject: Subject) -> bool:
        """Whether this budget counts such a call; a budget kept for each value needs a value."""
        return all(subject.value_of(name) == value for name, value in self.selectors) and all(
            subject.value_of(name) is not None for name in self.each
        )

    def key(self, subject: Subject) -> str:
        """Where the state for such a call is kept."""
        return self.key_of([str(subject.value_of(name)) for name in self.each])

    def key_of(self, values: Iterable[str]) -> str:
        """Where the state is kept for these values of `each`: the id and the values."""
        key = "|".join([part.replace("\\", "\\\\").replace("|", "\\p") for part in (self.name, *values)])
        return key if self.unit == "usd" else f"{key}||{self.unit}"  # dollars spent under this id are not tokens spent

    def scope(self, subject: Subject | None = None) -> str:
        """What it covers, for people: `organization`, `customer acme, feature chat`."""
        return self.scope_of([str(subject.value_of(name)) for name in self.each] if subject else None)

    def scope_of(self, values: Iterable[str] | None) -> str:
        """What it covers for these values of `each`; for any value when there are none."""
        parts = [f"{name} {value}" for name, value in self.selectors]
        if values is None:
            parts += [f"each {name}" for name in self.each]
        else:
            parts += [f"{name} {value}" for name, value in zip(self.each, values, strict=True)]
        return ", ".join(parts) or "organization"

    def window(self, now: float) -> Window:
        """The window that contains `now` (unix seconds)."""
        return window_at(now, self.per, self.timezone, rolling=self.rolling)

    def in_unit(self, amount: int) -> Decimal:
        """Whole units as people count them: dollars, tokens or calls."""
        return usd(amount) if self.unit == "usd" else Decimal(amount)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What one call asks of one budget.

    Attributes:
        budget: the budget asked.
        key: where that budget's state is kept.
        window: the window of the call's time.
        amount: what to hold, in the budget's whole units.
        scope: what the budget covers here, for messages.
    """

    budget: Budget
    key: str
    window: Window
    amount: int
    scope: str

    @property
    def limit(self) -> int | None:
        """The limit to enforce; `None` for a budget that only warns."""
        return self.budget.ceiling


class Reservation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A hold taken before a call: all its claims, or none of them."""

    id: ReservationId
    claims: tuple[Claim, ...]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a reservation was not taken: the claim that did not fit, and the state it met."""

    claim: Claim
    spent: int
    held: int

    def error(self) -> BudgetExceeded:
        """The exception a caller gets."""
        claim, budget = self.claim, self.claim.budget
        end = claim.window.resets_at
        return BudgetExceeded(
            budget=budget.name,
            scope=claim.scope,
            limit=budget.in_unit(budget.amount),
            spent=budget.in_unit(self.spent),
            held=budget.in_unit(self.held),
            requested=budget.in_unit(claim.amount),
            unit=budget.unit,
            resets_at=None if end == float("inf") else datetime.fromtimestamp(end, UTC),
        )


class BudgetState(msgspec.Struct, frozen=True, kw_only=True):
    """What a store knows of one key now: spent and held over the windows that count."""

    spent: int = 0
    held: int = 0


def fits(limit: int | None, spent: int, held: int, amount: int) -> bool:
    """Whether a claim may be taken. One that asks for nothing still needs room left: a spent budget is spent."""
    return limit is None or spent + held + (amount or 1) <= limit


def _check_choices(budget: Budget) -> None:
    choices: dict[str, tuple[Any, ...]] = {
        "per": PERIODS,
        "unit": ("usd", "tokens", "calls"),
        "mode": ("block", "warn"),
        "on_unavailable": ("open", "closed"),
        "estimate": ("learned", "strict", "none"),
        "rolling": (False, True),
    }
    for name, allowed in choices.items():
        value = getattr(budget, name)
        if value not in allowed:
            raise ConfigError(f"Budget {name}={value!r} is not possible; choose one of {', '.join(map(str, allowed))}")
    try:
        zone(str(budget.timezone))
    except ValueError as exc:
        raise ConfigError(f"Budget {exc}") from exc


def _checked_each(each: Any) -> tuple[str, ...]:
    names = (each,) if isinstance(each, str) or not isinstance(each, Iterable) else tuple(each)
    for name in names:
        if name not in EACH and not (isinstance(name, str) and name.startswith("tag:") and len(name) > len("tag:")):
            raise ConfigError(f"Budget each={name!r} is not possible; choose among {', '.join(EACH)} or tag:<name>")
    return tuple(dict.fromkeys(names))


def _checked_shares(alert_at: Any) -> tuple[float, ...]:
    shares = tuple(alert_at) if isinstance(alert_at, Iterable) else (alert_at,)
    if not all(isinstance(share, (int, float)) and 0 < share < float("inf") for share in shares):
        raise ConfigError(
            f"Budget alert_at={alert_at!r} must be shares of the limit above zero, such as (0.5, 0.8, 1.0)"
        )
    return shares


def _checked_tags(tags: Any) -> dict[str, str]:
    if not isinstance(tags, Mapping):
        raise ConfigError(f"Budget tags={tags!r} must be a mapping of names to values")
    return {_label("tag name", name): value for name, value in tags.items()}


def _checked_id(budget_id: Any) -> str:
    if not isinstance(budget_id, str) or not budget_id.strip():
        raise ConfigError(f"Budget id={budget_id!r} must be a string that is not empty")
    return budget_id


def _selectors(budget: Budget) -> tuple[tuple[str, str], ...]:
    named: dict[str, Any] = {
        "customer": budget.customer_id,
        "feature": budget.feature,
        "provider": budget.provider,
        "model": budget.model,
        **{f"tag:{name}": value for name, value in budget.tags.items()},
    }
    return tuple(sorted((name, _label(name, value)) for name, value in named.items() if value is not None))


def _label(name: str, value: Any) -> str:
    """What calls are labelled with: a budget for anything else would match none of them."""
    try:
        return label(name, value)
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"Budget {name}={value!r} is not possible: {exc}") from exc


def _whole_limit(budget: Budget) -> int:
    try:
        amount = nanos_from_usd(budget.limit, field="Budget limit") if budget.unit == "usd" else _whole(budget.limit)
    except (TypeError, ValueError) as exc:
        raise ConfigError(str(exc)) from exc
    if amount < 0:
        raise ConfigError(
            f"Budget limit={budget.limit!r} is negative; 0 blocks everything, and removing the budget lifts it"
        )
    return amount


def _whole(limit: Decimal | int | str) -> int:
    try:
        whole = None if isinstance(limit, (bool, float)) else Decimal(limit)
        if whole is not None and whole == int(whole):
            return int(whole)
    except (ArithmeticError, TypeError, ValueError):
        pass
    raise ValueError(f"Budget limit={limit!r} must be a whole number of tokens or calls")


def _made_id(budget: Budget) -> str:
    """The same selectors and window give the same id, so state survives a restart and a raised limit."""
    said = repr((budget.selectors, budget.each, budget.per, budget.unit, budget.timezone, budget.rolling, budget.mode))
    words = [value for _, value in budget.selectors] + [f"each-{name}" for name in budget.each] or ["organization"]
    return "-".join([*words, budget.per]) + "-" + f"{crc32(said.encode()):08x}"
