"""Recorded responses of vendors cost what an independent reading of them came to, and where not, it is said why."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import read_usage
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.pricing import Cost
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices.context import price_context

pytestmark = pytest.mark.recorded

BATCHES = datetime(2026, 10, 14, tzinfo=UTC)
"""The first day for which genai-prices 0.2.3 has most of its batch rates."""


def exchanges(folder: Path) -> dict[str, dict[str, Any]]:
    """The recorded exchanges whose cost was worked out from genai-prices, and is not stated by the provider."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.json"))}
    return {
        name: exchange
        for name, exchange in found.items()
        if exchange.get("expected_cost_usd") and not exchange.get("provider_reported_cost_usd")
    }


def read(exchange: dict[str, Any]) -> Reading:
    """What we read from an exchange."""
    body = exchange["body"]
    host = exchange.get("url_host")
    return read_usage(
        base64.b64decode(body) if exchange["body_encoding"] == "base64" else body.encode(),
        provider=exchange["provider"],
        api=exchange["api"],
        url=f"https://{host}{exchange.get('url_path') or ''}" if host else None,
        content_type=exchange.get("content_type"),
        model=exchange.get("model_hint") or exchange.get("model"),
        headers=exchange.get("headers") or {},
        status=exchange.get("status") or 200,
    )


def costs(book: PriceBook, exchange: dict[str, Any]) -> list[tuple[Reading, Cost]]:
    """What everything in an exchange costs at the time of the recording."""
    reading, at = read(exchange), recorded_at(exchange).timestamp()
    return [
        (part, book.price(part.usage or Usage(), provider=part.provider, model=part.model, at=at,
                          context=price_context(part)))
        for part in (reading, *reading.also)
    ]  # fmt: skip


def recorded_at(exchange: dict[str, Any]) -> datetime:
    """When the exchange was recorded, which is when it was priced."""
    return datetime.fromisoformat(exchange["cost_basis"]["priced_at"])


def test_recorded_tokens_cost_what_was_worked_out(genai_book: PriceBook, recorded: Path) -> None:
    """At the rates of genai-prices alone, each exchange costs the independently computed amount, to the nano-dollar.

    Google's searches on top of an answer were left out there. A model that was swapped for another by its maker was
    priced there as the one that was asked for.
    """
    found = exchanges(recorded)
    wrong = {}
    for name, exchange in found.items():
        (_, answer), *others = costs(genai_book, exchange)
        parts = [answer, *(cost for part, cost in others if part.usage and part.usage.total_tokens)]
        total = sum((cost.total or Decimal(0) for cost in parts), Decimal(0))
        if total != round(Decimal(exchange["expected_cost_usd"]), 9):
            wrong[name] = exchange["cost_basis"]["matched_model"], [cost.model for cost in parts]
    assert len(found) > 300
    assert list(wrong.values()) == [("pixtral-12b", ["ministral-14b-2512"])]


def why(part: Reading, ours: Cost, rates_alone: Cost, exchange: dict[str, Any]) -> str:
    """Why a part costs something else here, as `prices/DIFFERENCES.md` names it; empty where there is no reason."""
    usage = part.usage or Usage()
    halved = ours.nanos == round((rates_alone.nanos or 0) / 2)
    if part.service_tier in {"batch", "flex"} and halved and recorded_at(exchange) < BATCHES:
        return "contexts before their first rates"
    if part.context.get("search") == "preview" and usage.web_searches:
        return "search tools of an older kind"
    fee = Decimal("0.005") * (usage.web_searches + usage.social_searches)
    if part.provider == "x-ai" and fee and ours.total == (rates_alone.total or 0) + fee:
        return "fees for tools"
    return ""


def test_every_other_amount_has_a_reason(book: PriceBook, genai_book: PriceBook, recorded: Path) -> None:
    """What sellers charge beyond genai-prices' rates changes these recordings, in these ways, and no other."""
    reasons: dict[str, int] = {}
    for exchange in exchanges(recorded).values():
        for (part, ours), (_, alone) in zip(costs(book, exchange), costs(genai_book, exchange), strict=True):
            if ours.nanos != alone.nanos:
                reason = why(part, ours, alone, exchange)
                reasons[reason] = reasons.get(reason, 0) + 1
            assert {mark for mark in ours.unpriced if ":" in mark} <= UNKNOWN
    assert reasons == {
        "contexts before their first rates": 3,
        "search tools of an older kind": 1,
        "fees for tools": 3,
    }


UNKNOWN = {
    "service_tier:priority",  # GPT-5 before 12 October 2026
    "region:<aws_region>",
    "region:<google_cloud_location>",
    "region:eu-central-1",
}
"""What recordings say that nobody told the price of; two of them had their region taken out."""
