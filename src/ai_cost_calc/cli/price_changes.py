"""`ai-cost-calc prices diff|refresh|override`: what would change, fetching prices, and stating your own."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from ai_cost_calc.cli.options import JsonOption, PricesOption, name_and_value
from ai_cost_calc.cli.output import console, errors, named, show_json, show_table, table
from ai_cost_calc.cli.prices import ModelArgument, ProviderOption
from ai_cost_calc.cli.shelf import CURRENT, Shelf, amount, counted, plain_rate, say_fault, words
from ai_cost_calc.errors import PriceDataError
from ai_cost_calc.prices import OwnPrices
from ai_cost_calc.prices.kept import BUNDLED
from ai_cost_calc.prices.listing import STANDARD, Change, Differences, Key, differences

_SHOWN: Final = 20


def diff(
    old: Annotated[str, typer.Argument(help="bundled, refreshed, current, or a version that is kept.")] = BUNDLED,
    new: Annotated[str, typer.Argument(help="The version to compare it with; current has your own prices.")] = CURRENT,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions of prices."""
    shelf = Shelf(prices)
    one, two = shelf.named(old), shelf.named(new)
    found = differences(one, two, time.time())
    if as_json:
        show_json({"old": one.version, "new": two.version, **_plain(found)})
        return
    console.print(f"{one.version}\n→ {two.version}\n", soft_wrap=True)
    _print_differences(found)


def refresh(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL|FILE", help="Where from; genai-prices' own data when left out.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Put it in force whatever is odd about it.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that fetching may take.")] = 30.0,
    restore: Annotated[
        str | None, typer.Option("--restore", metavar="VERSION", help="Go back to a kept version, or to bundled.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch fresh prices, look hard at them, put them in force.

    Exit code 1 when the old ones stay.
    """
    from ai_cost_calc.prices import refresh as refreshing

    shelf = Shelf(None)
    if restore is not None:
        version = refreshing.restore(restore, shelf.folder, now=time.time())
        show_json({"version": version, "in_force": True}) if as_json else console.print(f"{version} is in force")
        return
    source = url or refreshing.SOURCE
    body = refreshing.fetch(source, timeout_seconds=timeout)
    candidate = refreshing.examine(body, source, shelf.folder, now=time.time(), on_fault=say_fault)
    agreed = yes or not candidate.concerns
    if not as_json:
        console.print(f"{candidate.version}: {counted(candidate.models, 'model')}, from {source}\n", soft_wrap=True)
        _print_differences(candidate.differences)
        _print_concerns(candidate.concerns)
        agreed = agreed or (_is_terminal() and typer.confirm("Put these prices in force?", err=True))
    if agreed:
        refreshing.put_in_force(candidate, shelf.folder, now=time.time())
    if as_json:
        show_json({
            "version": candidate.version, "before": candidate.before, "source": source, "models": candidate.models,
            "in_force": agreed, "concerns": list(candidate.concerns), **_plain(candidate.differences),
        })  # fmt: skip
    elif agreed:
        console.print("In force from now on; programs take it up when they start.")
    if not agreed:
        raise PriceDataError(f"held back; {candidate.before} stays in force. Look at it, then run again with --yes")


def override(
    model: ModelArgument,
    rates: Annotated[
        list[str] | None,
        typer.Option("--rate", metavar="NAME=USD", help="input_tokens=1.25; tiers as 1.25,200000:2.50; repeatable."),
    ] = None,
    percent: Annotated[str | None, typer.Option("--discount", metavar="PERCENT", help="Off the listed rates.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, such as 2026-07-01.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="First day it no longer holds.")] = None,
    when: Annotated[
        list[str] | None, typer.Option("--when", metavar="NAME=VALUE", help="processing=batch, service_tier=flex, ….")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take out what the file states of this model.")] = False,
    provider: ProviderOption = None,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """State your own price of a model, or a discount.

    It is written to your file of prices, which is made when it is not there.
    """
    from ai_cost_calc.prices.overlay_edit import put_entry, remove_entries

    shelf = Shelf(prices)
    if shelf.file is None:
        raise typer.BadParameter("which file? Give --prices prices.toml, or set AI_COST_CALC_PRICES")
    if bool(rates) + (percent is not None) + remove != 1:
        raise typer.BadParameter("give either --rate, --discount or --remove")
    entry: dict[str, Any] = {
        **_named(provider, model), "from": start, "when": dict(map(name_and_value, when or [])),
    }  # fmt: skip
    path = shelf.file.resolve()
    text = OwnPrices.read(path).text if path.exists() else ""
    if remove:
        made, removed = remove_entries(text, str(path), entry)
        if not removed:
            errors.print(f"{path} states nothing of {entry['provider']}/{entry['model']}")
            raise typer.Exit(1)
    else:
        said = entry | {"until": until, "percent": percent, "rates": dict(map(_rate, rates or []))}
        kind = "prices" if rates else "discounts"
        said = {name: _dated(name, value, path) for name, value in said.items() if value}
        made = put_entry(text, str(path), kind, said)
    version = _replace(path, made, shelf)
    if as_json:
        show_json({"file": str(path), "version": version})
    else:
        console.print(f"{path} changed; prices are now {version}", soft_wrap=True)


def _replace(path: Path, text: str, shelf: Shelf) -> str:
    """Write the file once it is known to be good; what is not is refused, and the file stays."""
    from ai_cost_calc.prices.store import put_in_place

    content = text.encode()
    made = OwnPrices.of(content, str(path)).over(shelf.base())
    try:
        put_in_place(path, content)
    except OSError as exc:
        raise PriceDataError(f"{path} cannot be written: {exc.strerror or exc}") from exc
    for note in made.notes:
        errors.print(f"your own prices: {note}", style="yellow")
    return made.version


def _named(provider: str | None, model: str) -> dict[str, str]:
    if provider is not None:
        return {"provider": provider, "model": model}
    head, slash, rest = model.partition("/")
    if not slash:
        raise typer.BadParameter(f"whose {model}? Write provider/{model}, or give --provider")
    return {"provider": head, "model": rest}


def _rate(text: str) -> tuple[str, Any]:
    """`input_tokens=1.25,200000:2.50` as the file has it."""
    name, value = name_and_value(text)
    base, *tiers = value.split(",")
    if not tiers:
        return name, _amount(base)
    steps = [tier.partition(":") for tier in tiers]
    if not all(above.strip().isdecimal() and sign for above, sign, _ in steps):
        raise typer.BadParameter(f"{text!r}: write tiers as 1.25,200000:2.50")
    prices = [{"above": int(above), "price": _amount(price)} for above, _, price in steps]
    return name, {"base": _amount(base), "tiers": prices}


def _amount(text: str) -> str:
    try:
        if Decimal(text) >= 0:
            return text.strip()
    except InvalidOperation:
        pass
    raise typer.BadParameter(f"{text!r} is no amount of US dollars such as 1.25")


def _dated(name: str, value: Any, path: Path) -> Any:
    """Days are days in TOML, and text in JSON."""
    if name not in {"from", "until"}:
        return value
    try:
        day = date.fromisoformat(value)
    except ValueError as exc:
        raise typer.BadParameter(f"{value!r} is no day such as 2026-07-01") from exc
    return value if path.suffix == ".json" else day


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _print_concerns(concerns: Sequence[str]) -> None:
    if concerns:
        errors.print("\nLook at this first:", style="bold yellow")
    for concern in concerns[:_SHOWN]:
        errors.print(f"  {concern}")
    if len(concerns) > _SHOWN:
        errors.print(f"  … and {len(concerns) - _SHOWN:,} more")


def _print_differences(found: Differences) -> None:
    if not found:
        console.print("No model and no price differs.")
        return
    if found.rates:
        made = table(None, [("Rates", False), ("Old", True), ("New", True), ("Times", True)])
        by_model = groupby(found.rates, key=lambda change: (change.provider, change.model))
        for number, (key, changes) in enumerate(by_model):
            if number < _SHOWN:
                made.add_row("/".join(map(named, key)), "", "", "")
                for change in changes:
                    made.add_row(f"  {_what(change)}", *_old_and_new(change))
        show_table(made)
        _print_more(len({(change.provider, change.model) for change in found.rates}))
    for title, keys in (("New models", found.added), ("Models that are gone", found.removed),
                        ("Other dates or past prices", found.scheduled)):  # fmt: skip
        _print_keys(title, keys)


def _what(change: Change) -> str:
    return words(change.rate) + ("" if change.context == STANDARD else f" ({change.context})")


def _old_and_new(change: Change) -> tuple[str, str, str]:
    return amount(plain_rate(change.old)), amount(plain_rate(change.new)), change.times


def _print_keys(title: str, keys: Sequence[Key]) -> None:
    if keys:
        console.print(Text(title, "bold"), f"({len(keys):,})")
        for key in keys[:_SHOWN]:
            console.print("  " + "/".join(map(named, key)))
        _print_more(len(keys))


def _print_more(count: int) -> None:
    if count > _SHOWN:
        console.print(f"  … and {count - _SHOWN:,} more; all of them with --json", style="dim")


def _plain(found: Differences) -> dict[str, Any]:
    return {
        "added": ["/".join(key) for key in found.added],
        "removed": ["/".join(key) for key in found.removed],
        "scheduled": ["/".join(key) for key in found.scheduled],
        "rates": [
            {
                "provider": change.provider, "model": change.model, "when": change.context, "rate": change.rate,
                "old": plain_rate(change.old), "new": plain_rate(change.new),
            }
            for change in found.rates
        ],
    }  # fmt: skip
