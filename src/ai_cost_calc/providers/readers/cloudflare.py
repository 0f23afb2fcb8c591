"""Cloudflare Workers AI: OpenAI's shapes, and an envelope of its own with the answer in `result`.

Source: developers.cloudflare.com/workers-ai, "REST API" and "OpenAI compatible API endpoints"; genai-prices 0.2.3,
extractors `default` and `decisions` of cloudflare.
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._openai_shape import Chat, ChatUsage, chat_reading, read_chat
from ai_cost_calc.providers.readers._responses_shape import (
    ResponseInputDetails,
    ResponseOutputDetails,
    response_counts,
)
from ai_cost_calc.providers.readers._wire import Count, Wire


class RunUsage(ChatUsage):
    """`usage`, in the words of chat completions or of responses, which decisions speak too."""

    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: ResponseInputDetails | None = None
    output_tokens_details: ResponseOutputDetails | None = None


class RunAnswer(Chat):
    """An answer."""

    usage: RunUsage | None = None


class Envelope(Wire):
    """The answer in its envelope."""

    result: RunAnswer | None = None


class RunEvent(RunAnswer):
    """One event of a streamed answer, which has no envelope."""

    response: str | None = None


def read_envelope(wire: Any, source: Source) -> Reading:
    """Read what is in the envelope."""
    answer = wire if isinstance(wire, RunAnswer) else wire.result or RunAnswer()
    usage = answer.usage
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return read_chat(answer, source)
    return chat_reading(answer, source, response_counts(usage))


def _fold(kept: Any, event: Any) -> Any:
    event.response = None
    return event if kept is None or event.usage is not None else kept


CLOUDFLARE: Final = Vendor(
    name="cloudflare",
    aliases=("workers-ai",),
    hosts=(r"api\.cloudflare\.com/client/v4/accounts/[^/]+/ai",),
    paths=((r"/ai/run/(?P<model>.+)$", "run"), (r"/decisions$", "run")),
    flavours={
        **COMPATIBLE,
        "run": Flavour(
            wire=Envelope,
            event=RunEvent,
            read=read_envelope,
            fold=_fold,
            text=lambda event: utf8_bytes(event.response),
            ends=lambda event: event.usage is not None,
        ),
    },
)
