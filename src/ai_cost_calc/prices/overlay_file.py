"""Reads a file of the user's own prices: checks every field, and says in which line one is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from ai_cost_calc.core.timetable import RateData, rate_text
from ai_cost_calc.core.usage import MOST
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices.overlay import Discount, Overlay, OwnPrice
from ai_cost_calc.prices.overlay_text import Float, decode, dotted, is_json
from ai_cost_calc.prices.positions import Path as Way
from ai_cost_calc.prices.positions import positions

_MOST_USD: Final = 10**7
_MOST_PLACES: Final = 18
"""Amounts beyond these bounds are slips of the keyboard."""
_MOST_ERRORS: Final = 20


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{message}", {"message": message})


def _number(value: object) -> Decimal:
    """An exact number, from text or an integer."""
    if isinstance(value, Float):
        raise _wrong(f'{value.text} is a float, which cannot hold money exactly; write "{value.text}"')
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _wrong(f'write the amount as a string such as "1.25", not as {_kind(value)}')
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise _wrong(f'{value!r} is no amount; write it as a string such as "1.25"') from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(number) > _MOST_USD or not -_MOST_PLACES <= exponent <= _MOST_PLACES:
        raise _wrong(f"{value!r} is not possible: at most {_MOST_USD:,}, with at most {_MOST_PLACES} decimal places")
    return number


def _rate(value: object) -> Decimal:
    number = _number(value)
    if number < 0:
        raise _wrong(f"{value!r} is negative; a rate is at least 0")
    return number


def _percent(value: object) -> Decimal:
    number = _number(value)
    if number > 100 or number < -_MOST_SURCHARGE or not number:  # noqa: PLR2004 - per cent
        raise _wrong(f"{value!r} is not possible: at most 100; below 0 it is a surcharge; 0 changes nothing")
    return number


_MOST_SURCHARGE: Final = 1_000


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(f"must be text that is not empty, not {_kind(value)}")
    if not value.isprintable():
        raise _wrong(f"{value!r} has characters in it that cannot be shown")
    return value.strip()


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise _wrong("must be a day such as 2026-11-01") from None


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {str: "empty text", int: "a number", dict: "a table", list: "a list", Float: "a float"}
    return names.get(type(value), type(value).__name__)


_Rate = Annotated[Decimal, BeforeValidator(_rate)]
_Tokens = Annotated[int, Field(strict=True, ge=0, le=MOST)]
_Text = Annotated[str, BeforeValidator(_text)]
_Day = Annotated[date, BeforeValidator(_day)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tier(_Part):
    above: _Tokens
    price: _Rate


class _Tiered(_Part):
    base: _Rate
    tiers: list[_Tier] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        starts = [tier.above for tier in self.tiers]
        if starts != sorted(set(starts)):
            raise _wrong(f"tiers must ascend, each above the one before, not {starts}")
        return self

    def data(self) -> RateData:
        return RateData(rate_text(self.base), tuple((tier.above, rate_text(tier.price)) for tier in self.tiers))


def _rate_kind(value: object) -> str:
    """One amount for every size of request, or tiers."""
    return "tiers" if isinstance(value, (dict, _Tiered)) else "amount"


_AnyRate = Annotated[Annotated[_Rate, Tag("amount")] | Annotated[_Tiered, Tag("tiers")], Discriminator(_rate_kind)]


def _rate_data(rate: Decimal | _Tiered) -> RateData:
    return rate.data() if isinstance(rate, _Tiered) else RateData(rate_text(rate))


class _Dated(_Part):
    from_: _Day | None = Field(default=None, alias="from")
    until: _Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise _wrong("must begin before it ends: `until` is the first day on which it no longer applies")
        return self

    def seconds(self) -> dict[str, int | None]:
        return {"start": _midnight(self.from_), "until": _midnight(self.until)}


def _midnight(day: date | None) -> int | None:
    return None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


class _Price(_Dated):
    provider: _Text
    model: _Text
    rates: dict[str, _AnyRate] = Field(min_length=1)
    when: dict[_Text, _Text] = Field(default_factory=dict)
    name: _Text | None = None
    context_window: Annotated[int, Field(strict=True, gt=0, le=MOST)] | None = None


class _Discount(_Dated):
    provider: _Text | None = None
    model: _Text | None = None
    percent: Annotated[Decimal, BeforeValidator(_percent)]
    only: list[_Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _on_something(self) -> Self:
        if self.provider is None and self.model is None:
            raise _wrong("must name a provider, a model or both")
        return self


class _Alias(_Part):
    name: _Text
    model: _Text
    provider: _Text | None = None


class _File(_Part):
    prices: list[_Price] = Field(default_factory=list)
    discounts: list[_Discount] = Field(default_factory=list)
    aliases: list[_Alias] = Field(default_factory=list)


def parse_overlay(text: str, *, name: str, units: Sequence[str]) -> Overlay:
    """The prices that a file states.

    Args:
        text: what stands in the file.
        name: the file's name: `.json` is read as JSON, everything else as TOML; it is in every error.
        units: the names that rates may have.

    Raises:
        ConfigError: it is not well-formed, or a field is not possible; one line for each, with file, line and field.
    """
    data = decode(text, name)
    lines = positions(text, toml=not is_json(name))

    def place(way: Way) -> str:
        known = next((way[:length] for length in range(len(way), 0, -1) if way[:length] in lines), None)
        return f"{name}, line {lines[known].first if known else 1}, {dotted(way)}"

    try:
        file = _File.model_validate(data)
    except ValidationError as exc:
        said = [f"{place(_way(error, data))}: {_message(error)}" for error in exc.errors(include_url=False)]
    else:
        said = [f"{place(way)}: {message}" for way, message in _further_errors(file, units)]
    if said:
        raise ConfigError("\n".join([*said[:_MOST_ERRORS], *(["…"] if len(said) > _MOST_ERRORS else [])]))
    return _overlay(file, place)


def _way(error: ErrorDetails, data: Any) -> Way:
    """The way to what an error is about; pydantic's own has names of its types in between."""
    way: Way = ()
    here = data
    for part in error["loc"]:
        if part in (here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()):
            here = here[part]
        elif error["type"] != "missing" or part != error["loc"][-1]:
            continue
        way = (*way, part)
    return way


def _message(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return "is not known here"
    if error["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "must be a table"
    return error["msg"].removeprefix("Value error, ")


def _further_errors(file: _File, units: Sequence[str]) -> Iterator[tuple[Way, str]]:
    """What one field alone does not show."""
    known = f"rates are {', '.join(units)}"
    for number, price in enumerate(file.prices):
        for name in price.rates:
            if name not in units:
                yield ("prices", number, "rates", name), f"is no rate that is known; {known}"
    for number, discount in enumerate(file.discounts):
        for place, name in enumerate(discount.only):
            if name not in units:
                yield ("discounts", number, "only", place), f"{name!r} is no rate that is known; {known}"
    seen: set[tuple[str | None, str]] = set()
    for number, alias in enumerate(file.aliases):
        key = (alias.provider, alias.name.lower())
        if key in seen:
            yield ("aliases", number, "name"), f"{alias.name!r} is given twice"
        seen.add(key)


def _overlay(file: _File, place: Callable[[Way], str]) -> Overlay:
    return Overlay(
        prices=tuple(
            OwnPrice(
                provider=price.provider, model=price.model, name=price.name,
                when={name: value.lower() for name, value in price.when.items()},
                rates={name: _rate_data(rate) for name, rate in price.rates.items()},
                context_window=price.context_window, place=place(("prices", number)), **price.seconds(),
            )
            for number, price in enumerate(file.prices)
        ),
        discounts=tuple(
            Discount(
                provider=discount.provider, model=discount.model, percent=discount.percent, only=tuple(discount.only),
                place=place(("discounts", number)), **discount.seconds(),
            )
            for number, discount in enumerate(file.discounts)
        ),
        names={_slug(alias.provider, alias.name).lower(): _slug(alias.provider, alias.model) for alias in file.aliases},
    )  # fmt: skip


def _slug(provider: str | None, model: str) -> str:
    return model if provider is None else f"{provider}/{model}"
