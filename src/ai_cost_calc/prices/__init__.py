"""The price book: genai-prices compiled to tables, refreshed and overlaid, names of models, contexts of readings.

May import `config`, `ports`, `core` and `errors`. genai-prices itself is imported only when nothing compiled is kept.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ai_cost_calc.core.price_book import PriceBook, Snapshot
from ai_cost_calc.core.terms import Terms
from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices.kept import KeptData, KeptPrices
from ai_cost_calc.prices.slugs import read_with
from ai_cost_calc.prices.source import installed
from ai_cost_calc.prices.store import SnapshotFile
from ai_cost_calc.prices.terms import TERMS

__all__ = [
    "OwnPrices",
    "base_snapshot",
    "book_of",
    "bundled_snapshot",
    "load_price_book",
    "snapshot_in_force",
    "user_cache",
]

OnFault = Callable[[str, BaseException], None]

_NOTHING = Snapshot("no-prices", (), ())
_DIGITS: Final = 12
_LARGEST: Final = 16 * 2**20
_log = logging.getLogger("ai_cost_calc")


def _log_fault(where: str, error: BaseException) -> None:
    _log.warning("%s: %s", where, error)


class OwnPrices(msgspec.Struct, frozen=True):
    """A file of the user's own prices, as it was read."""

    name: str
    text: str
    digest: str

    @classmethod
    def read(cls, path: Path) -> OwnPrices:
        """Read a file.

        Raises:
            ConfigError: it cannot be read, or is no text.
        """
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise ConfigError(f"the prices in {path} cannot be read: {exc.strerror or exc}") from exc
        return cls.of(content, str(path))

    @classmethod
    def of(cls, content: bytes, name: str) -> OwnPrices:
        """Take the content of a file; its SHA-256 becomes part of every price version."""
        if len(content) > _LARGEST:
            raise ConfigError(f"the prices in {name} cannot be read: the file is larger than {_LARGEST:,} bytes")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = content[: exc.start].count(b"\n") + 1
            raise ConfigError(f"{name}, line {line}: the file is no text in UTF-8") from exc
        return cls(name, text, hashlib.sha256(content).hexdigest()[:_DIGITS])

    def over(self, base: Snapshot) -> Snapshot:
        """A snapshot with these prices in it.

        Raises:
            ConfigError: a field is not possible; one line for each, with file, line and field.
        """
        from ai_cost_calc.prices.overlay import overlaid, rate_names  # noqa: PLC0415 - seldom needed
        from ai_cost_calc.prices.overlay_file import parse_overlay  # noqa: PLC0415 - imports pydantic

        overlay = parse_overlay(self.text, name=self.name, units=rate_names(base))
        return overlaid(base, overlay, self.version_over(base.version))

    def version_over(self, base: str) -> str:
        """Name a snapshot that has these prices in it: `genai-prices-0.2.3+5f4d85ead2a1+overlay-1a2b3c4d5e6f`."""
        return f"{base}+overlay-{self.digest}"


def load_price_book(
    cache_dir: Path | None = None,
    *,
    own_prices: Path | None = None,
    on_fault: OnFault = _log_fault,
    model_map: Mapping[str, str] | None = None,
    terms: Terms | None = TERMS,
) -> PriceBook:
    """Load the prices in force: 10 ms when they are kept compiled, else a second.

    They are those that `prices refresh` fetched last, else those of the installed genai-prices, with the user's own
    over them. Only a fault in the user's own prices is raised.

    Args:
        cache_dir: where to keep them compiled, and where fetched ones are; the user's cache folder when left out.
        own_prices: a file of the user's own prices.
        on_fault: told when something stands in the way: a disk that cannot be written (the prices are then kept in
            memory only), fetched data that is damaged, or prices that cannot be had at all (every model is then
            unknown).
        model_map: names of your own, such as Azure deployments, and the models they stand for (see `slugs.read_with`).
        terms: what sellers charge beyond listed rates; `None` for those rates alone.

    Raises:
        ConfigError: the user's own prices cannot be read, or a field is not possible.
    """
    own = None if own_prices is None else OwnPrices.read(own_prices)
    try:
        folder = user_cache() if cache_dir is None else cache_dir
        book = book_of(snapshot_in_force(folder, own, on_fault), model_map, terms)
    except ConfigError:
        raise
    except Exception as exc:  # noqa: BLE001 - a call that was made must be recorded, with or without a price
        on_fault("prices: nothing can be priced", exc)
        return PriceBook(_NOTHING, terms=terms)
    for note in book.notes:
        _log.warning("your own prices: %s", note)
    return book


def book_of(snapshot: Snapshot, model_map: Mapping[str, str] | None = None, terms: Terms | None = TERMS) -> PriceBook:
    """The price book of a snapshot, which reads names in every way that people write them."""
    return PriceBook(snapshot, read_with({**snapshot.names, **(model_map or {})}), terms)


def base_snapshot(folder: Path, on_fault: OnFault = _log_fault) -> Snapshot:
    """The prices in force without the user's own: the last good ones that were fetched, else the bundled ones."""
    kept = KeptPrices(folder)
    for known, path in kept.in_force(installed().release):
        try:
            return _compiled(folder, known.version, lambda: _fetched(kept, known, path), on_fault)  # noqa: B023 - called here
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with it, an earlier one may do
            on_fault(f"prices: {path} cannot be used, an earlier version is", exc)
    return bundled_snapshot(folder, on_fault)


def bundled_snapshot(folder: Path, on_fault: OnFault = _log_fault) -> Snapshot:
    """The prices of the installed genai-prices."""
    version = str(installed())

    def compiled() -> Snapshot:
        from ai_cost_calc.prices.compile import compile_snapshot  # noqa: PLC0415 - imports genai-prices and pydantic

        return compile_snapshot(version)

    return _compiled(folder, version, compiled, on_fault)


def user_cache() -> Path:
    """Where prices are kept when no folder is given."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - not needed when a folder is given

    return user_cache_path("ai-cost-calc", appauthor=False) / "prices"


def snapshot_in_force(folder: Path, own: OwnPrices | None, on_fault: OnFault = _log_fault) -> Snapshot:
    """The prices in force, with the user's own over them.

    Raises:
        ConfigError: a field of the user's own prices is not possible.
    """
    base = base_snapshot(folder, on_fault)
    if own is None:
        return base
    return _compiled(folder, own.version_over(base.version), lambda: own.over(base), on_fault)


def _fetched(kept: KeptPrices, known: KeptData, path: Path) -> Snapshot:
    from ai_cost_calc.prices.fetched import read_fetched  # noqa: PLC0415 - imports genai-prices and pydantic

    return read_fetched(kept.read(known, path), known.version)


def _compiled(folder: Path, version: str, compiled: Callable[[], Snapshot], on_fault: OnFault) -> Snapshot:
    """What is kept compiled, else what is compiled now and kept."""
    file = SnapshotFile(folder, version)
    kept = file.load()
    if kept is not None:
        return kept
    made = compiled()
    try:
        file.save(made)
    except OSError as exc:
        on_fault(f"prices: cannot be kept in {file.path.parent}, so every process compiles them anew", exc)
    return made
