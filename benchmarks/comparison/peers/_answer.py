"""What the scripts share: calls come in as JSON, costs go out as JSON. Only the standard library is at hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

Call = dict[str, Any]


def answer(distribution: str, cost: Callable[[Call], object]) -> None:
    """Print what each call costs as a decimal text, `null` where this library has no price for it."""
    costs = [_or_none(cost, call) for call in json.load(sys.stdin)]
    json.dump({"version": version(distribution), "costs": costs}, sys.stdout)


def _or_none(cost: Callable[[Call], object], call: Call) -> str | None:
    try:
        found = cost(call)
    except Exception:  # noqa: BLE001 - each library has errors of its own for what it does not know
        return None
    return None if found is None else str(found)
