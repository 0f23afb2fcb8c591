"""`ai-cost-calc doctor`: what works here, what does not, and how to fix it."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import typer
from rich.table import Table
from rich.text import Text

from ai_cost_calc.cli.options import JsonOption, LedgerOption
from ai_cost_calc.cli.output import console, named, show_json
from ai_cost_calc.cli.shelf import counted
from ai_cost_calc.client.resources import Books
from ai_cost_calc.config import Config
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.delivery import backlog
from ai_cost_calc.errors import ConfigError, CostCalcError
from ai_cost_calc.ports.ledgers import Ledger, SpendQuery
from ai_cost_calc.prices import load_price_book
from ai_cost_calc.providers.not_metered import NOT_METERED

State = Literal["ok", "warn", "fail"]
_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_SDKS: Final = {
    "openai": (2, 3), "anthropic": (2,), "boto3": (1,), "cohere": (7,), "fireworks-ai": (1,), "google-genai": (3,),
    "groq": (1,), "mistralai": (3,), "ollama": (0,), "together": (3,), "xai-sdk": (1,),
}  # fmt: skip
_MONTH_SECONDS: Final = 30 * 86_400
_MANY_WAIT: Final = 10_000
_NEWEST: Final = (3, 13)
_NAMED: Final = 5
_ABSENT: Final = "not installed, so nothing to wrap"


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is, and what to do about it."""

    name: str
    state: State
    found: str
    fix: str = ""


def doctor(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Check what works here, and say how to fix the rest.

    The interpreter, SDKs, prices, the ledger and what waits to be delivered. Exit code 1 when one is broken.
    """
    checks = list(_checks(Config.from_env(ledger=ledger)))
    if as_json:
        show_json([asdict(check) for check in checks])
    else:
        console.print(_sheet(checks))
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(1)


def _sheet(checks: list[Check]) -> Table:
    sheet = Table.grid(padding=(0, 2))
    sheet.add_column()
    sheet.add_column(style="bold", no_wrap=True)
    sheet.add_column(overflow="fold")
    for check in _without_repetition(checks):
        found = f"{check.found}\n{check.fix}" if check.fix else check.found
        sheet.add_row(Text(check.state, _STYLES[check.state]), check.name, found)
    return sheet


def _without_repetition(checks: list[Check]) -> Iterator[Check]:
    """The findings, with one line for all the SDKs that are not here."""
    absent = [check for check in checks if check.found == _ABSENT]
    for check in checks:
        if check not in absent:
            yield check
        elif check is absent[-1]:
            yield Check("other SDKs", "ok", f"{', '.join(one.name for one in absent)}: {_ABSENT}")


def _checks(config: Config) -> Iterator[Check]:
    yield _interpreter()
    for package, majors in _SDKS.items():
        yield _sdk(package, majors)
    yield _not_metered()
    yield _prices(config)
    books = Books(config, None)
    try:
        ledger = books.current()
    except CostCalcError as exc:
        yield Check("ledger", "fail", str(exc), "Check the URL, and that its folder can be written to.")
        return
    try:
        for check in (_ledger, _clock, _unpriced, _estimated):
            yield _guarded(check, config, ledger)
        yield _backlog(books.journal_folder())
    finally:
        books.close()


def _guarded(check: Callable[[Config, Ledger], Check], config: Config, ledger: Ledger) -> Check:
    try:
        return check(config, ledger)
    except CostCalcError as exc:
        return Check(
            check.__name__.strip("_"), "fail", str(exc), "The message above says what is wrong with the ledger."
        )


def _interpreter() -> Check:
    current = sys.version_info[:2]
    known = (3, 11) <= current <= _NEWEST
    found = f"Python {platform.python_version()} on {platform.system()}, ai-cost-calc {version('ai-cost-calc')}"
    return Check("interpreter", "ok" if known else "warn", found, "" if known else "Tested on Python 3.11 to 3.13.")


def _sdk(package: str, majors: tuple[int, ...]) -> Check:
    installed = _installed(package)
    if installed is None:
        return Check(package, "ok", _ABSENT)
    known = int(installed.partition(".")[0]) in majors
    fix = (
        "" if known else f"wrap() is tested with {package} {' and '.join(map(str, majors))}; others may not be metered."
    )
    return Check(package, "ok" if known else "warn", f"{installed}, can be wrapped", fix)


def _not_metered() -> Check:
    """What the installed SDKs can spend without our noticing."""
    spending = [
        f"{package}: {', '.join(name for each in spent for name in each.calls)}"
        for package, spent in NOT_METERED.items()
        if _installed(package)
    ]
    fix = (
        "See the provider's own usage page for these; what you know of them can be recorded by hand."
        if spending
        else ""
    )
    return Check("not metered", "ok", "; ".join(spending) or "nothing of what is installed", fix)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _prices(config: Config) -> Check:
    try:
        book = load_price_book(config.data_dir / "prices", own_prices=config.prices)
    except ConfigError as exc:
        return Check("prices", "fail", str(exc), "Correct the file, then: ai-cost-calc prices list")
    if book.notes:
        return Check(
            "prices", "warn", f"{book.version}; {'; '.join(book.notes)}", "Check the names in your own prices."
        )
    return Check("prices", "ok", book.version)


def _ledger(config: Config, ledger: Ledger) -> Check:
    if hasattr(ledger, "remove_budget"):
        ledger.remove_budget("", organization=config.organization)  # no budget has this id: it only tells of writing
    rows = ledger.spend(SpendQuery(organization=config.organization))
    calls = rows[0].calls if rows else 0
    return Check("ledger", "ok", f"{config.ledger}, {counted(calls, 'call')} recorded")


def _clock(config: Config, ledger: Ledger) -> Check:
    newest = ledger.events(SpendQuery(organization=config.organization), limit=1)
    ahead = newest[0].at / MICROS - time.time() if newest else 0.0
    if ahead > 60:  # noqa: PLR2004 - a minute of skew between machines is ordinary
        return Check("clock", "fail", f"the newest call is {ahead:,.0f} s in the future", "Set the clock (NTP).")
    return Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _unpriced(config: Config, ledger: Ledger) -> Check:
    since = int((time.time() - _MONTH_SECONDS) * MICROS)
    rows = ledger.spend(SpendQuery(by=("provider", "model"), since=since, organization=config.organization))
    unknown = [row for row in rows if row.unpriced_calls]
    if not unknown:
        return Check("unpriced models", "ok", "none in the last 30 days")
    names = ", ".join(
        f"{'/'.join(named(name) for name in row.group if name)} ({counted(row.unpriced_calls, 'call')})"
        for row in unknown[:_NAMED]
    ) + (f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else "")
    return Check(
        "unpriced models",
        "warn",
        names,
        "Their cost is unknown and in no total. First: ai-cost-calc prices override, then: ai-cost-calc reprice.",
    )


def _estimated(config: Config, ledger: Ledger) -> Check:
    since = int((time.time() - _MONTH_SECONDS) * MICROS)
    rows = ledger.spend(SpendQuery(since=since, organization=config.organization))
    row = rows[0] if rows else None
    if row is None or not row.cost_nanos or row.estimated_nanos * 20 < row.cost_nanos:
        return Check("estimated cost", "ok", "under 5 % of the last 30 days")
    share = row.estimated_nanos / row.cost_nanos
    return Check(
        "estimated cost", "warn", f"{share:.0%} of the last 30 days", "Read streams to their end where you can."
    )


def _backlog(folder: Path) -> Check:
    refused = folder / "quarantine.jsonl"
    if refused.is_file() and refused.stat().st_size:
        return Check("journal", "warn", f"records were set aside in {refused}", "Each line there says why.")
    try:
        waiting = backlog(folder)
    except OSError as exc:
        return Check("journal", "fail", f"{folder} cannot be read: {exc}", "Check who may read that folder.")
    state: State = "warn" if waiting > _MANY_WAIT else "ok"
    fix = "Start any program that uses this ledger: it delivers what waits." if state == "warn" else ""
    return Check("journal", state, f"{counted(waiting, 'record')} to be delivered in {folder}", fix)
