"""What the commands about prices share: the versions at hand, and how a rate is written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ai_cost_calc.cli.output import errors
from ai_cost_calc.config import Config
from ai_cost_calc.core.price_book import Snapshot
from ai_cost_calc.core.timetable import DAY, PriceData, RateData
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices import OwnPrices, base_snapshot, bundled_snapshot, snapshot_in_force
from ai_cost_calc.prices.kept import BUNDLED, KeptData, KeptPrices
from ai_cost_calc.prices.source import installed

CURRENT: Final = "current"
REFRESHED: Final = "refreshed"


class Shelf:
    """The versions of prices that are at hand."""

    def __init__(self, prices: str | None) -> None:
        config = Config.from_env(prices=prices)
        self.folder = config.data_dir / "prices"
        self.file: Path | None = config.prices
        self.kept = KeptPrices(self.folder)

    def base(self) -> Snapshot:
        """What is in force, without the user's own prices."""
        return base_snapshot(self.folder, say_fault)

    def current(self) -> Snapshot:
        """What is in force, with the user's own prices."""
        own = None if self.file is None else OwnPrices.read(self.file)
        made = snapshot_in_force(self.folder, own, say_fault)
        for note in made.notes:
            errors.print(f"your own prices: {note}", style="yellow")
        return made

    def named(self, name: str) -> Snapshot:
        """The version that somebody means."""
        from ai_cost_calc.prices.fetched import read_fetched

        if name == CURRENT:
            return self.current()
        if name == BUNDLED:
            return bundled_snapshot(self.folder, say_fault)
        if name == REFRESHED:
            if not self.in_force():
                raise ConfigError("no refreshed prices are in force; fetch some with: ai-cost-calc prices refresh")
            return self.base()
        for known, path in self.kept.versions():
            if name in known.version and known.version != BUNDLED:
                return read_fetched(self.kept.read(known, path), known.version)
        raise ConfigError(f"no version {name!r} is kept; there are {CURRENT}, {BUNDLED}, {REFRESHED} and those that "
                          "`prices history` shows")  # fmt: skip

    def in_force(self) -> KeptData | None:
        """The refreshed data that is in force, if any is."""
        used = self.base().version  # what is damaged is passed over
        return next((known for known, _ in self.kept.in_force(installed().release) if known.version == used), None)


def say_fault(where: str, error: BaseException) -> None:
    """Say on stderr what stands in the way."""
    errors.print(f"{where}: {error}", style="yellow")


def plain_rate(rate: RateData | None) -> Any:
    """A rate for JSON, as it stands in a file of own prices."""
    if rate is None or not rate.tiers:
        return rate and rate.base
    return {"base": rate.base, "tiers": [{"above": above, "price": price} for above, price in rate.tiers]}


def amount(rate: Any) -> str:
    """A rate for people; `+` where large requests pay more."""
    if rate is None:
        return "-"
    return f"{dollars(rate['base'])}+" if isinstance(rate, dict) else dollars(rate)


def dollars(amount: str) -> str:
    """Every digit of an amount, and cents in any case."""
    whole, _, cents = amount.partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


def usd_per(rate: RateData) -> str:
    """A rate as it is kept, for people."""
    return amount(plain_rate(rate))


def counted(count: int, noun: str) -> str:
    """`1 model`, `2,330 models`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def words(name: str) -> str:
    """`input_tokens` as `input tokens`."""
    return name.replace("_", " ")


def day(second: int | None) -> str:
    """The day of UTC that begins with this second."""
    return "" if second is None else f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d}"


def hours(price: PriceData) -> str:
    """The hours of the day for which a price is."""
    if price.daily is None:
        return ""
    first, last = (f"{second % DAY // 3_600:02}:{second % 3_600 // 60:02}" for second in price.daily)
    return f"{first}-{last} UTC"
