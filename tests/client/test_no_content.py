"""Promise 6: no prompt, completion, tool argument, file or header value reaches disk, network, log, error or trace."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc, AiCostCalcError, Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc

openai = pytest.importorskip("openai", reason="the openai SDK is absent")
anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is absent")

CANARIES = {
    where: f"canary-{where}-7f3a9c"
    for where in ("prompt", "system", "completion", "argument", "filename", "header", "error", "image", "exception")
}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger says, down to debug."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("ai_cost_calc")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


def _messages() -> list[Any]:
    return [
        {"role": "system", "content": CANARIES["system"]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": CANARIES["prompt"]},
                {"type": "image_url", "image_url": {"url": f"https://example.com/{CANARIES['image']}.png"}},
                {"type": "file", "file": {"filename": CANARIES["filename"], "file_data": "data:;base64,AAAA"}},
            ],
        },
    ]


_TOOLS = [{"type": "function", "function": {"name": "look", "description": CANARIES["argument"], "parameters": {}}}]


def _answer() -> bytes:
    message = {
        "role": "assistant",
        "content": CANARIES["completion"],
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "look", "arguments": json.dumps(CANARIES["argument"])},
            }
        ],
    }
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }).encode()  # fmt: skip


def _use_everything(calc: AiCostCalc, provider: ProviderSimulator) -> list[str]:
    """Calls that succeed, stream, fail, are refused and are recorded by hand; returns every error of ours as text."""
    headers = {"x-secret": CANARIES["header"]}
    with (
        openai.OpenAI(
            base_url=provider.openai_base_url, api_key=CANARIES["header"], max_retries=0, default_headers=headers
        ) as one,
        anthropic.Anthropic(
            base_url=provider.anthropic_base_url, api_key=CANARIES["header"], default_headers=headers
        ) as other,
    ):
        return _ask(calc, provider, calc.wrap(one).chat.completions, calc.wrap(other).messages)


def _ask(calc: AiCostCalc, provider: ProviderSimulator, chat: Any, messages: Any) -> list[str]:
    shown = []
    with calc.attribute(customer_id="acme"):
        provider.replay(body=_answer(), content_type="application/json")
        response = chat.create(model="gpt-4o", messages=_messages(), tools=_TOOLS)
        calc.record({**response.model_dump(), "id": None})
        list(chat.create(model="gpt-4o", messages=_messages(), stream=True))
        stream = chat.create(model="gpt-4o", messages=_messages(), stream=True)
        next(iter(stream))
        stream.close()
        prompt = [{"role": "user", "content": CANARIES["prompt"]}]
        messages.create(model="claude-haiku-4-5", max_tokens=50, system=CANARIES["system"], messages=prompt)
        error = json.dumps({"error": {"message": CANARIES["error"], "type": "invalid_request_error"}}).encode()
        provider.replay(body=error, content_type="application/json", status=400)
        with pytest.raises(openai.BadRequestError):
            chat.create(model="gpt-4o", messages=_messages())
        provider.replay(body=CANARIES["completion"].encode(), content_type="application/json")
        with pytest.raises(json.JSONDecodeError):
            chat.create(model="gpt-4o", messages=_messages())
        with pytest.raises(ValueError, match="canary"), calc.guard():
            raise ValueError(CANARIES["exception"])
    with calc.attribute(customer_id="banned"):
        try:
            chat.create(model="gpt-4o", messages=_messages())
        except BudgetExceeded as refusal:
            shown.append("".join(traceback.format_exception(refusal)))
            shown.append(repr(vars(refusal)))
    return shown


def test_promise_6_canaries_in_every_kind_of_content_appear_nowhere(
    make_calc: MakeCalc, tmp_path: Path, log: io.StringIO
) -> None:
    """Search every byte that is written, logged, reported or raised for what must not be there."""
    errors: list[AiCostCalcError] = []
    calc = make_calc(budgets=[Budget(0, per="day", customer_id="banned")], on_error=errors.append)
    with ProviderSimulator(seed=1) as provider:
        shown = _use_everything(calc, provider)
        assert len(shown) == 2
        shown += [repr(calc.stats()), repr(calc.report(["customer", "model"]).as_dict()), repr(errors), log.getvalue()]
        assert any(CANARIES["prompt"] in json.dumps(request.body) for request in provider.requests)
    before_shutdown = _bytes_below(tmp_path)
    calc.shutdown()
    written = before_shutdown + _bytes_below(tmp_path)
    assert b"gpt-4o" in written
    for where, canary in CANARIES.items():
        assert canary.encode() not in written, f"{where} was written"
        assert not any(canary in text for text in shown), f"{where} was shown"


def _bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
