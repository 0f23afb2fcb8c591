"""Readers against responses that public projects recorded from the providers.

Each recording carries the usage that somebody else read from it, by the provider's documentation. Where they read none
although the response is whole, there is nothing to compare: such recordings check that nothing raises.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers import read_usage
from tests.providers.readers.bodies import fed, pieces

RECORDED: Final = Path(__file__).resolve().parents[4] / "shared" / "recorded"
OPTIONAL: Final = {"input_text_tokens", "output_text_tokens", "cache_text_read_tokens", "images", "code_executions"}
"""Counts that the recordings name where the response does, and that no price depends on."""

EXCHANGES: Final = sorted(RECORDED.rglob("*.json")) if RECORDED.is_dir() else []

pytestmark = pytest.mark.skipif(
    not EXCHANGES, reason=f"recorded provider responses are absent: {RECORDED} does not exist"
)


def _load(path: Path) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    exchange = json.loads(path.read_text())
    body = exchange["body"]
    raw = base64.b64decode(body) if exchange["body_encoding"] == "base64" else body.encode()
    host = exchange.get("url_host")
    known = {
        "provider": exchange["provider"],
        "api": exchange["api"],
        "url": f"https://{host}{exchange.get('url_path') or ''}" if host else None,
        "content_type": exchange.get("content_type"),
        "model": exchange.get("model_hint") or exchange.get("model"),
        "headers": exchange.get("headers") or {},
        "status": exchange.get("status") or 200,
    }
    return exchange, raw, known


def _expected(exchange: dict[str, Any]) -> tuple[dict[str, int], tuple[int, int]]:
    usage = dict(exchange["expected_usage"])
    extra = usage.pop("extra", [])
    sides = [sum(each.get(side, 0) for each in extra) for side in ("input_tokens", "output_tokens")]
    return {name: count for name, count in usage.items() if count and name not in OPTIONAL}, (sides[0], sides[1])


def _read(reading: Reading) -> tuple[dict[str, Any], tuple[int, int]]:
    assert reading.usage is not None
    found = {name: count for name, count in reading.usage.counts().items() if name not in OPTIONAL}
    also = [each.usage for each in reading.also if each.usage is not None]
    return found, (sum(each.input_tokens for each in also), sum(each.output_tokens for each in also))


@pytest.mark.parametrize("path", EXCHANGES, ids=lambda path: "/".join((*path.parts[-3:-1], path.stem[-9:])))
def test_a_recorded_response_reads_as_documented(path: Path) -> None:
    """Counts, completeness, cost and tier agree, whole and in pieces; errors have no usage."""
    exchange, raw, known = _load(path)
    reading = read_usage(raw, **known)
    assert fed(pieces(raw, range(7, len(raw), 997)), **known) == reading
    if exchange.get("anomaly"):
        assert reading.anomaly
    elif exchange["expected_usage"]:
        assert _read(reading) == _expected(exchange)
        assert reading.complete == exchange["usage_complete"]
        assert exchange["service_tier"] in {None, reading.service_tier}
        cost = exchange["provider_reported_cost_usd"]
        assert cost is None or reading.provider_cost_usd == Decimal(cost)
    elif exchange["status"] >= 400:
        assert reading.usage is None
