"""`ai-cost-calc prices list|show|history`: what everything costs, from when, and where the prices come from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from ai_cost_calc.cli.options import JsonOption, PricesOption
from ai_cost_calc.cli.output import console, errors, named, show_json, show_table, table, whole
from ai_cost_calc.cli.shelf import Shelf, amount, counted, day, dollars, hours, plain_rate, say_fault, usd_per, words
from ai_cost_calc.client.reports import instant
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.core.price_book import PriceBook, Snapshot
from ai_cost_calc.core.terms import ModelTerms
from ai_cost_calc.core.timetable import ModelData, PriceData, RateData
from ai_cost_calc.errors import UnknownPrice
from ai_cost_calc.prices import book_of, bundled_snapshot
from ai_cost_calc.prices.kept import BUNDLED
from ai_cost_calc.prices.listing import STANDARD, Key, context_name, models_of, rates_in_force
from ai_cost_calc.prices.source import installed
from ai_cost_calc.prices.terms import TERMS

WIDE: Final = 150
NARROW: Final = 70
_COLUMNS: Final = {"input_tokens": "Input", "cache_read_tokens": "Cached", "output_tokens": "Output"}

_LEAST: Final = "cache_read_tokens"
"""What a narrow terminal has no room for."""

app = typer.Typer(help="What models cost, your own prices, and fresh ones.", no_args_is_help=True)

ModelArgument = Annotated[str, typer.Argument(help="Such as gpt-5-mini, or a slug such as openai/gpt-4o.")]
ProviderOption = Annotated[str | None, typer.Option("--provider", help="Where the name does not say it.")]


@app.command("list")
def list_prices(
    search: Annotated[list[str] | None, typer.Argument(help="Words that the name of a model has in it.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only models of this provider.")] = None,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search all models and their rates of today."""
    shelf = Shelf(prices)
    snapshot = shelf.current()
    book = book_of(snapshot)
    listed = models_of(shelf.base(), TERMS) if shelf.file else {}
    owner = provider and (book.provider_id(provider) or provider.lower())
    found = [
        (key, model)
        for key, model in models_of(snapshot, TERMS).items()
        if (owner is None or key[0] == owner) and _has(key, model, search or [])
    ]
    own = {key for key, model in found if shelf.file and listed.get(key) != model}
    if as_json:
        show_json({
            "version": book.version,
            "models": [{**_described(key, model), "own": key in own, "rates": _today(model)} for key, model in found],
        })  # fmt: skip
    elif found:
        _print_list(found, own, book.version)
    else:
        errors.print(f"no model is called that; {book.version} was searched")
    if not found:
        raise typer.Exit(1)


def _has(key: Key, model: ModelData, words: list[str]) -> bool:
    name = f"{key[0]}/{key[1]} {model.name or ''}".lower()
    return all(word.lower() in name for word in words)


def _print_list(found: list[tuple[Key, ModelData]], own: set[Key], version: str) -> None:
    wide = console.width >= WIDE
    shown = {name: heading for name, heading in _COLUMNS.items() if name != _LEAST or console.width >= NARROW}
    columns = [("Model", False), *((heading, True) for heading in shown.values())]
    made = table(None, [*columns, *([("Other rates", False)] if wide else [])])
    tiered = False
    for key, model in found:
        rates = rates_in_force(model, time.time())[STANDARD]
        tiered = tiered or any(rate.tiers for rate in rates.values())
        others = ", ".join(f"{_short(name)} {usd_per(rate)}" for name, rate in rates.items() if name not in _COLUMNS)
        cells = [usd_per(rates[name]) if name in rates else "-" for name in shown]
        name = f"{named(key[0])}/{named(key[1])}{' *' if key in own else ''}"
        if others and not wide and set(cells) == {"-"}:
            name += f"\n  {others}"
        made.add_row(name, *cells, *([others] if wide else []))
    show_table(made)
    console.print(f"\nUS dollars per 1,000,000 tokens. {counted(len(found), 'model')}. "
                  f"Prices {version}.", style="dim", soft_wrap=True)  # fmt: skip
    if tiered:
        console.print("+ dearer for large requests; see: ai-cost-calc prices show MODEL", style="dim")
    if own:
        console.print("* your own prices", style="dim")


@app.command("show")
def show(
    model: ModelArgument,
    provider: ProviderOption = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="An ISO date or time; now when left out.")
    ] = None,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every rate of a model.

    Tiers, contexts and dates, and where the price comes from.
    """
    shelf = Shelf(prices)
    snapshot = shelf.current()
    book = book_of(snapshot)
    key, data, match = _found(book, provider, model)
    terms = list(_terms(book.terms_of(provider, model)))
    micros = instant(at, time.time())
    moment = time.time() if micros is None else micros / MICROS
    rates = rates_in_force(data, moment)
    own = shelf.file is not None and models_of(shelf.base(), TERMS).get(key) != data
    if as_json:
        show_json({
            **_described(key, data), "match": match, "version": book.version, "own": own,
            "source": _source(shelf, own=own), "at": datetime.fromtimestamp(moment, UTC).isoformat(),
            "rates": {context: _plain_rates(given) for context, given in rates.items()},
            "schedule": [_plain_price(price) for price in _schedule(data)], "terms": terms,
        })  # fmt: skip
        return
    console.print(Text("/".join(map(named, key)), "bold"), f"  {named(data.name)}" if data.name else "")
    window = f"{whole(data.context_window)} tokens" if data.context_window else "not known"
    console.print(f"context window {window}; found by {_MATCHES[match]}")
    console.print(f"{_source(shelf, own=own)}; version {book.version}\n", soft_wrap=True)
    show_table(_rates_table(rates, {unit.name: unit.per for unit in snapshot.units}))
    if len(_schedule(data)) > 1:
        console.print()
        show_table(_schedule_table(data, "All its prices"))
    if terms:
        console.print()
        show_table(_terms_table(terms))


_MATCHES: Final = {"exact": "its name", "alias": "another name of it", "prefix": "the family its name begins like"}


def _found(book: PriceBook, provider: str | None, model: str) -> tuple[Key, ModelData, str]:
    found, data = book.find(provider, model), book.data_of(provider, model)
    if found is None or data is None:
        raise UnknownPrice(
            f"no price is known for {model!r}; search with: ai-cost-calc prices list WORD",
            provider=provider, model=model,
        )  # fmt: skip
    return (found.provider, found.id), data, found.match


def _terms(terms: ModelTerms | None) -> Iterator[dict[str, Any]]:
    """What a seller charges beyond the rates: fees, and what contexts do to them."""
    if terms is None:
        return
    for fee in terms.fees:
        per = f"${fee.usd_per_1000} per 1,000"
        yield {"what": fee.count, "when": fee.context, "since": fee.since, "usd": per, "source": fee.source}
    for term in terms.multipliers:
        times = f"times {term.factor}"
        yield {"what": "tokens", "when": term.context, "since": term.since, "usd": times, "source": term.source}


def _terms_table(terms: list[dict[str, Any]]) -> Table:
    made = table("On top, where the rates above do not say it", [("What", False), ("When", False), ("USD", False)])
    for term in terms:
        made.add_row(words(term["what"]), term["when"], term["usd"])
    return made


def _source(shelf: Shelf, *, own: bool) -> str:
    if own:
        return f"your own prices in {shelf.file}"
    fetched = shelf.in_force()
    if fetched is not None:
        return f"refreshed {fetched.fetched_at} from {fetched.source}"
    return f"bundled with genai-prices {installed().release}"


def _rates_table(rates: dict[str, dict[str, RateData]], units: dict[str, int]) -> Table:
    """A row for each rate and context, so that it fits any width."""
    made = table(None, [("Rate", False), ("When", False), ("USD", True), ("Per", True)])
    standard = rates[STANDARD]
    for context, given in rates.items():
        for name, rate in given.items():
            if context != STANDARD and standard.get(name) == rate:
                continue
            made.add_row(words(name), context, dollars(rate.base), whole(units[name]))
            for above, price in rate.tiers:
                made.add_row("", f"over {whole(above)} input", dollars(price), whole(units[name]))
    return made


def _schedule(data: ModelData) -> list[PriceData]:
    """Everything that is known of a model, in the order of its beginnings."""
    prices = [price for price in (*data.prices, *data.variants) if price.rates]
    return sorted(prices, key=lambda price: (context_name(price.context) != STANDARD, price.start or 0))


def _schedule_table(data: ModelData, title: str) -> Table:
    made = table(title, [("From", False), ("Until", False), ("When", False), ("Rates", False)])
    for price in _schedule(data):
        when = " ".join(part for part in (context_name(price.context), hours(price)) if part)
        rates = "\n".join(f"{_short(name)} {usd_per(rate)}" for name, rate in price.rates.items())
        made.add_row(day(price.start), day(price.until), when, rates)
    return made


@app.command("history")
def history(
    model: Annotated[str | None, typer.Argument(help="A model, to see its prices over time.")] = None,
    provider: ProviderOption = None,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which versions of prices are kept.

    With a model, its prices over time too.
    """
    shelf = Shelf(prices)
    snapshot = shelf.current()
    found = _found(book_of(snapshot), provider, model) if model else None
    versions = list(_versions(shelf, found[0] if found else None))
    if as_json:
        shown: dict[str, Any] = {"version": snapshot.version, "versions": versions}
        if found is not None:
            schedule = [_plain_price(price) for price in _schedule(found[1])]
            shown = {**_described(found[0], found[1]), "schedule": schedule, **shown}
        show_json(shown)
        return
    if found is not None:
        show_table(_schedule_table(found[1], "/".join(found[0])))
        console.print()
    _print_versions(versions, with_rates=found is not None)


def _versions(shelf: Shelf, key: Key | None) -> Iterator[dict[str, Any]]:
    """The versions that are kept, the newest first, the bundled one last."""
    in_force = shelf.in_force()
    for known, path in shelf.kept.versions():
        if known.version != BUNDLED:
            row = {"version": known.version, "fetched_at": known.fetched_at, "source": known.source,
                   "models": known.models, "in_force": known == in_force}  # fmt: skip
            yield row | _rates_then(shelf, str(path.name), known.version, key)
    bundled = bundled_snapshot(shelf.folder, say_fault)
    yield {
        "version": bundled.version, "fetched_at": None, "source": BUNDLED, "models": len(models_of(bundled)),
        "in_force": in_force is None,
    } | _rates_of(bundled, key)  # fmt: skip


def _rates_then(shelf: Shelf, name: str, version: str, key: Key | None) -> dict[str, Any]:
    if key is None:
        return {}
    try:
        return _rates_of(shelf.named(version), key)
    except (OSError, ValueError) as exc:
        errors.print(f"{name}: {exc}", style="yellow")
        return {"rates": None}


def _rates_of(snapshot: Snapshot, key: Key | None) -> dict[str, Any]:
    if key is None:
        return {}
    data = models_of(snapshot).get(key)
    return {"rates": None if data is None else _plain_rates(rates_in_force(data, time.time())[STANDARD])}


def _print_versions(versions: list[dict[str, Any]], *, with_rates: bool) -> None:
    columns = [("Version", False), ("Fetched", False), ("Models", True)]
    columns += [("Input", True), ("Output", True)] if with_rates else []
    made = table("Versions", columns)
    for row in versions:
        rates = row.get("rates") or {}
        cells = [amount(rates.get(name)) for name in ("input_tokens", "output_tokens")] if with_rates else []
        fetched = (row["fetched_at"] or row["source"])[: len("2026-11-25")]
        made.add_row(f"{row['version']}{' *' if row['in_force'] else ''}", fetched, whole(row["models"]), *cells)
    show_table(made)
    console.print("* in force", style="dim")


def _short(name: str) -> str:
    return words(name).removesuffix(" tokens")


def _described(key: Key, model: ModelData) -> dict[str, Any]:
    return {"provider": key[0], "model": key[1], "name": model.name, "context_window": model.context_window}


def _today(model: ModelData) -> dict[str, Any]:
    return _plain_rates(rates_in_force(model, time.time())[STANDARD])


def _plain_rates(rates: dict[str, RateData]) -> dict[str, Any]:
    return {name: plain_rate(rate) for name, rate in rates.items()}


def _plain_price(price: PriceData) -> dict[str, Any]:
    return {
        "from": None if price.start is None else day(price.start), "when": price.context,
        "until": None if price.until is None else day(price.until), "hours": hours(price) or None,
        "rates": _plain_rates(price.rates),
    }  # fmt: skip
