"""What one `AiCostCalc` opens and closes: its ledger, and its price book."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from ai_cost_calc.client.stats import Counters
from ai_cost_calc.config import Config, Durability
from ai_cost_calc.core.event import Record, UsageEvent
from ai_cost_calc.forks import ForkLock, held_over_forks, renew_in_child
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ports.ledgers import Ledger, SpendQuery, SpendRow

if TYPE_CHECKING:
    from pathlib import Path

    from ai_cost_calc.core.price_book import PriceBook

_SQLITE = "sqlite:///"
_MEMORY = "memory:"
LOADING_SECONDS = 60.0
"""How long a fork waits for prices that are being loaded: a child could never finish the modules that they need."""


class _Shared:
    """A ledger that the delivery thread uses and leaves open: it is somebody else's."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def append(self, records: Sequence[Record], /) -> int:
        return self._ledger.append(records)

    def spend(self, query: SpendQuery, /) -> list[SpendRow]:
        return self._ledger.spend(query)

    def events(self, query: SpendQuery, /, *, limit: int = 100, after: str | None = None) -> list[UsageEvent]:
        return self._ledger.events(query, limit=limit, after=after)

    def close(self) -> None:
        pass


class Books:
    """The ledger: opened when first needed, anew in a forked child, closed only if it was opened here."""

    def __init__(self, config: Config, given: Ledger | None) -> None:
        self._config = config
        self._given = given
        self._lock = threading.Lock()
        self._opened: Ledger | None = None
        renew_in_child(self)

    def open(self) -> Ledger:
        """A ledger for the delivery thread: one of its own, unless there can be only this one."""
        if self._given is not None or self._config.ledger.startswith(_MEMORY):
            return _Shared(self.current())
        return open_ledger(self._config.ledger)

    def current(self) -> Ledger:
        """The ledger that reports are read from."""
        if self._given is not None:
            return self._given
        with self._lock:
            if self._opened is None:
                self._opened = open_ledger(self._config.ledger)
            return self._opened

    def close(self) -> None:
        """Close what was opened; using it again opens it again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def durability(self) -> Durability:
        """How durable records are on their way; a ledger that ends with this process needs nothing on disk."""
        return "none" if self._config.ledger.startswith(_MEMORY) else self._config.durability

    def journal_folder(self) -> Path:
        """Where journals of this ledger wait: beside a SQLite file, so that both move together, else in data_dir."""
        from pathlib import Path  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        url = self._config.ledger
        if url.startswith(_SQLITE):
            path = Path(url.removeprefix(_SQLITE).partition("?")[0]).expanduser()
            if path.name:  # opening the ledger says what is wrong with a URL that names no file
                return path.with_name(path.name + ".pending")
        if self._given is not None:
            url = f"{type(self._given).__module__}.{type(self._given).__qualname__} {getattr(self._given, 'url', '')}"
        name = f"{crc32(f'{url} {self._config.organization}'.encode()):08x}"
        return self._config.data_dir / "pending" / name

    def renew(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._lock = threading.Lock()
        self._opened = None


class Prices:
    """The price book: loaded on a thread of its own beside the construction, so that no call waits long for it.

    With prices of the user's own it is loaded at once, since a fault in their file has to be said now.

    Raises:
        ConfigError: the user's own prices cannot be read, or are wrong.
    """

    def __init__(self, config: Config, counters: Counters, model_map: Mapping[str, str]) -> None:
        self._model_map = model_map
        self._folder = config.data_dir / "prices"
        self._own = config.prices
        self._counters = counters
        self._lock = held_over_forks(ForkLock(LOADING_SECONDS))
        self._book: PriceBook | None = None
        if self._own is not None:
            self._load()

    def warm_up(self) -> None:
        """Start loading."""
        if self._book is None:
            threading.Thread(target=self.book, name="ai-cost-calc-prices", daemon=True).start()

    def book(self) -> PriceBook:
        """The price book; waits for it only on the very first calls."""
        book = self._book
        return self._load() if book is None else book

    def _load(self) -> PriceBook:
        from ai_cost_calc.prices import load_price_book  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        with self._lock:
            if self._book is None:
                self._book = load_price_book(
                    self._folder, own_prices=self._own, on_fault=self._counters.fault, model_map=self._model_map
                )
            return self._book

    @property
    def version(self) -> str | None:
        """The version in use; `None` before the first use."""
        return None if self._book is None else self._book.version
