"""The price book: the snapshot of genai-prices compiled to tables, names of models, contexts of readings.

May import `config`, `ports`, `core` and `errors`. genai-prices itself is imported only when nothing compiled is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from ai_cost_calc.core.price_book import PriceBook, Snapshot
from ai_cost_calc.core.terms import Terms
from ai_cost_calc.prices.slugs import read_with
from ai_cost_calc.prices.source import installed
from ai_cost_calc.prices.store import SnapshotFile
from ai_cost_calc.prices.terms import TERMS

__all__ = ["load_price_book"]

OnFault = Callable[[str, BaseException], None]

_NOTHING = Snapshot("no-prices", (), ())
_log = logging.getLogger("ai_cost_calc")


def _log_fault(where: str, error: BaseException) -> None:
    _log.warning("%s: %s", where, error)


def load_price_book(
    cache_dir: Path | None = None,
    *,
    on_fault: OnFault = _log_fault,
    model_map: Mapping[str, str] | None = None,
    terms: Terms | None = TERMS,
) -> PriceBook:
    """Load the prices of the installed genai-prices: 10 ms when they are kept compiled, else a second. Never raises.

    Args:
        cache_dir: where to keep them compiled; the user's cache folder when left out.
        on_fault: told when something stands in the way: a disk that cannot be written (the prices are then kept in
            memory only), or prices that cannot be had at all (every model is then unknown).
        model_map: names of your own, such as Azure deployments, and the models they stand for (see `slugs.read_with`).
        terms: what sellers charge beyond genai-prices' rates; `None` for those rates alone.
    """
    try:
        return PriceBook(_snapshot(cache_dir, on_fault), read_with(model_map or {}), terms)
    except Exception as exc:  # noqa: BLE001 - a call that was made must be recorded, with or without a price
        on_fault("prices: nothing can be priced", exc)
        return PriceBook(_NOTHING, terms=terms)


def _snapshot(cache_dir: Path | None, on_fault: OnFault) -> Snapshot:
    version = str(installed())
    file = SnapshotFile(_user_cache() if cache_dir is None else cache_dir, version)
    kept = file.load()
    if kept is not None:
        return kept
    from ai_cost_calc.prices.compile import compile_snapshot  # noqa: PLC0415 - imports genai-prices and pydantic

    compiled = compile_snapshot(version)
    try:
        file.save(compiled)
    except OSError as exc:
        on_fault(f"prices: cannot be kept in {file.path.parent}, so every process compiles them anew", exc)
    return compiled


def _user_cache() -> Path:
    from platformdirs import user_cache_path  # noqa: PLC0415 - not needed when a folder is given

    return user_cache_path("ai-cost-calc", appauthor=False) / "prices"
