"""Anthropic's SDK: `Anthropic`, `AsyncAnthropic` and what is made from them, stable and beta messages alike.

Billed is `POST /v1/messages` (docs.claude.com, "Pricing"); counting tokens is free. Batches are billed when their
results are made, and are not metered here. Read in anthropic 2.12 (`resources/messages/`, `resources/beta/messages/`).
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.providers._request import Input, Request, Sending, body_of, text, whole
from ai_cost_calc.providers._sdk import SdkProvider, Vendor, provider_at

TOOL_PROMPT_BYTES: Final = 2_400
"""What Anthropic adds before the tools of a request, at the most: 530 tokens (docs.claude.com, "Tool use", pricing)."""

_PATH: Final = b"messages"


def sending(client: Any, options: Any) -> Sending | None:
    """What this request is; `None` for one that is not billed."""
    if options.method.lower() != "post" or not options.url.partition("?")[0].endswith("/messages"):
        return None
    body = body_of(options)
    host = provider_at(client, "v1/messages")
    request = Request(
        provider=host or "anthropic",
        model=text(body.get("model")),
        api="messages",
        stream=body.get("stream") is True,
        input=Input(body, framing=TOOL_PROMPT_BYTES if body.get("tools") else 0),
        max_output_tokens=whole(body.get("max_tokens")),
        service_tier=text(body.get("service_tier")),
    )
    return Sending(request, options, _PATH, host is None)


PROVIDER: Final = SdkProvider(
    Vendor(
        name="anthropic",
        module="anthropic",
        oldest=(2, 0),
        clients=("Anthropic", "AsyncAnthropic"),
        sending=sending,
    )
)
