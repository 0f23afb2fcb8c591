"""Reads recorded responses for what was used and what it cost; nothing of what was said in them is looked at."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from ai_cost_calc import AiCostCalc, Reading, Usage, read_usage

TODAY: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When the tables are compared: those of other libraries mostly know one price, that of their release."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded call.

    Attributes:
        reading: what was read from it, without its stated cost and what was billed on top.
        at: when it was made, where the recording says so, else `TODAY`; unix seconds.
        stated: what the provider said that it cost, in US dollars.
        then: our own figure for the time of the call; `None` without a price.
        now: our own figure for `TODAY`.
        unpriced: counts that no rate of ours pays for.
    """

    reading: Reading
    at: float
    stated: Decimal | None = None
    then: Decimal | None = None
    now: Decimal | None = None
    unpriced: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """Its counts."""
        return self.reading.usage or Usage()

    @property
    def name(self) -> str:
        """Whose model it was."""
        return f"{self.reading.provider}/{self.reading.model}"


def recorded_calls(folder: Path, calc: AiCostCalc) -> Iterator[Call]:
    """Every call in a folder of recordings that says what it used."""
    for path in sorted(folder.rglob("*.json")):
        exchange = json.loads(path.read_text(encoding="utf-8"))
        reading = read_usage(_body(exchange), **_about(exchange))
        if reading.usage is not None and reading.usage.counts() and reading.model and reading.provider:
            yield priced(reading, _when(exchange), calc)


def priced(reading: Reading, at: float, calc: AiCostCalc) -> Call:
    """A call with our figures for it."""
    alone = msgspec.structs.replace(reading, also=(), provider_cost_usd=None)
    then, now = calc.price(alone, at=at), calc.price(alone, at=TODAY)
    return Call(
        reading=alone, at=at, stated=reading.provider_cost_usd, then=then.total, now=now.total, unpriced=then.unpriced
    )


def _body(exchange: dict[str, Any]) -> bytes:
    body: str = exchange["body"]
    return base64.b64decode(body) if exchange["body_encoding"] == "base64" else body.encode()


def _about(exchange: dict[str, Any]) -> dict[str, Any]:
    return {
        "provider": exchange["provider"],
        "api": exchange["api"],
        "url": f"https://{exchange.get('url_host')}{exchange.get('url_path') or ''}",
        "content_type": exchange.get("content_type"),
        "model": exchange.get("model_hint") or exchange.get("model"),
        "headers": exchange.get("headers") or {},
        "status": exchange.get("status") or 200,
    }


def _when(exchange: dict[str, Any]) -> float:
    said = (exchange.get("cost_basis") or {}).get("priced_at")
    return (datetime.fromisoformat(said) if said else TODAY).timestamp()
