"""Exchanges that public projects recorded from providers, asked for again through the real SDKs."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from ai_cost_calc.providers import read_usage
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.seams.recording import RecordingMeter

RECORDED: Final = Path(__file__).resolve().parents[4] / "shared" / "recorded"

Ask = Callable[[Any, bool], Any]

needs_recordings = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"recorded provider responses are absent: {RECORDED} does not exist"
)


def names(provider: str, apis: dict[str, Ask]) -> list[str]:
    """The recordings of these APIs of a provider."""
    return [
        f"{provider}/{api}/{path.name}" for api in apis for path in sorted((RECORDED / provider / api).glob("*.json"))
    ]


@cache
def load(name: str) -> dict[str, Any]:
    """One recording."""
    exchange: dict[str, Any] = json.loads((RECORDED / name).read_text())
    return exchange


def plan(simulator: ProviderSimulator, exchange: dict[str, Any]) -> None:
    """Answer the next request as the provider did."""
    kind = exchange["content_type"] or ("text/event-stream" if exchange["streaming"] else "application/json")
    simulator.replay(body=body_of(exchange), content_type=kind, status=exchange["status"])


def body_of(exchange: dict[str, Any]) -> bytes:
    """The bytes of an answer."""
    body: str = exchange["body"]
    return b64decode(body) if exchange["body_encoding"] == "base64" else body.encode()


def outcome(ask: Ask, client: Any, exchange: dict[str, Any]) -> Any:
    """What the SDK makes of an exchange: the answer's fields, the chunks', or the error."""
    streaming = exchange["streaming"] and exchange["status"] == 200
    try:
        answer = ask(client, exchange["streaming"])
        if streaming:
            return [chunk.to_dict(warnings=False) for chunk in answer]
        return answer.to_dict(warnings=False) if hasattr(answer, "to_dict") else answer
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is compared
        return type(error), str(error)


def check(simulator: ProviderSimulator, meter: RecordingMeter, exchange: dict[str, Any], ask: Ask, client: Any) -> None:
    """The tap reads what `read_usage` reads of the whole body; what a stream never said is estimated."""
    plan(simulator, exchange)
    outcome(ask, client, exchange)
    if exchange["status"] >= 400:
        assert meter.call.ends[0][0] is not None
    check_reading(simulator, meter, exchange)


def check_reading(simulator: ProviderSimulator, meter: RecordingMeter, exchange: dict[str, Any]) -> None:
    """What was read of an exchange that has been replayed is what `read_usage` reads of its whole body."""
    request = meter.call.request
    ((_, aborted),) = meter.call.ends
    assert not aborted
    if exchange["status"] >= 400:
        assert meter.call.readings == []
        return
    expected = read_usage(
        body_of(exchange),
        provider=exchange["provider"],
        api=request.api,
        model=request.model,
        url=f"{simulator.url}{simulator.requests[-1].path}",
        content_type=exchange["content_type"],
    )
    if expected.usage is None and expected.complete:
        assert meter.call.readings == []
    elif expected.complete or not exchange["streaming"]:
        assert meter.call.reading == expected
    else:
        assert meter.call.reading.estimated
        assert meter.call.usage.output_tokens >= (expected.usage.output_tokens if expected.usage is not None else 0)
