"""Recorded responses of vendors cost what an independent reading of them came to."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import read_usage
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices.context import price_context

pytestmark = pytest.mark.recorded


def exchanges(folder: Path) -> dict[str, dict[str, Any]]:
    """The recorded exchanges of one provider whose cost was worked out, and is not stated by the provider."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.json"))}
    return {
        name: exchange
        for name, exchange in found.items()
        if exchange.get("expected_cost_usd") and not exchange.get("provider_reported_cost_usd")
    }


def our_cost(book: PriceBook, exchange: dict[str, Any]) -> Decimal:
    """What we read from an exchange, priced at the time of the recording."""
    body = exchange["body"]
    reading = read_usage(
        base64.b64decode(body) if exchange["body_encoding"] == "base64" else body.encode(),
        provider=exchange["provider"],
        api=exchange["api"],
        url=f"https://{exchange.get('url_host')}{exchange.get('url_path') or ''}",
        content_type=exchange.get("content_type"),
        model=exchange.get("model_hint") or exchange.get("model"),
        headers=exchange.get("headers") or {},
        status=exchange.get("status") or 200,
    )
    at = datetime.fromisoformat(exchange["cost_basis"]["priced_at"]).timestamp()
    return sum((_cost(book, part, at) for part in (reading, *reading.also)), Decimal(0))


def _cost(book: PriceBook, reading: Reading, at: float) -> Decimal:
    usage, context = reading.usage or Usage(), price_context(reading)
    return book.price(usage, provider=reading.provider, model=reading.model, at=at, context=context).total or Decimal(0)


@pytest.mark.parametrize("provider", ["openai", "azure", "anthropic", "bedrock", "cohere", "deepseek", "groq"])
def test_recorded_responses_cost_what_was_worked_out(book: PriceBook, recorded: Path, provider: str) -> None:
    """Each exchange costs the independently computed amount, rounded to the nano-dollar."""
    costs = {
        name: (our_cost(book, exchange), round(Decimal(exchange["expected_cost_usd"]), 9))
        for name, exchange in exchanges(recorded / provider).items()
    }
    assert costs
    assert {name: cost for name, cost in costs.items() if cost[0] != cost[1]} == {}
