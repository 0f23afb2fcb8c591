"""xAI: Grok, whose chat counts thinking outside the completion and which states the cost in ticks.

Source: docs.x.ai, "Cost tracking" (`cost_in_usd_ticks`, ten thousand million to the dollar), "Tools" (what searches
cost) and the protocol of xai-sdk 1.21 (`usage.proto`: `SamplingUsage`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Flavour, Source, Vendor, usd
from ai_cost_calc.providers.readers._openai_shape import CHAT, Chat, ChatChunk, ChatUsage, chat_counts, chat_reading
from ai_cost_calc.providers.readers._realtime_shape import REALTIME
from ai_cost_calc.providers.readers._responses_shape import (
    RESPONSES,
    Response,
    ResponseEvent,
    ResponseUsage,
    response_counts,
    response_reading,
)
from ai_cost_calc.providers.readers._wire import Count, Wire


def in_usd(ticks: int | None) -> Decimal | None:
    """A cost in ticks as US dollars, exactly."""
    return None if ticks is None else usd(f"{ticks}e-10")


class XaiUsage(ChatUsage):
    """`usage` of a completion."""

    cost_in_usd_ticks: Count = None


class XaiChat(Chat):
    """A completion."""

    usage: XaiUsage | None = None


class XaiChunk(ChatChunk):
    """One chunk of a streamed completion."""

    usage: XaiUsage | None = None


def read_xai_chat(wire: Any, source: Source) -> Reading:
    """Read a completion; thinking comes on top of `completion_tokens`."""
    usage = wire.usage
    if usage is None:
        return chat_reading(wire, source, None)
    counts = chat_counts(usage)
    counts["output_tokens"] += counts.get("output_reasoning_tokens", 0)
    return chat_reading(wire, source, counts, in_usd(usage.cost_in_usd_ticks))


class ToolDetails(Wire):
    """How often xAI's own tools were called."""

    web_search_calls: Count = None
    x_search_calls: Count = None
    code_interpreter_calls: Count = None
    file_search_calls: Count = None
    document_search_calls: Count = None


class XaiResponseUsage(ResponseUsage):
    """`usage` of a response."""

    cost_in_usd_ticks: Count = None
    server_side_tool_usage_details: ToolDetails | None = None


class XaiResponse(Response):
    """A response."""

    usage: XaiResponseUsage | None = None


class XaiEvent(ResponseEvent):
    """One event of a streamed response."""

    response: XaiResponse | None = None


def read_xai_response(wire: Any, source: Source) -> Reading:
    """Read a response; calls of tools are counted by xAI, and from the output where older models do not."""
    usage = wire.usage
    if usage is None:
        return response_reading(wire, source, None)
    if (tools := usage.server_side_tool_usage_details) is None:
        counts = response_counts(usage, wire.output)
    else:
        counts = response_counts(usage) | {
            "web_searches": tools.web_search_calls or 0,
            "social_searches": tools.x_search_calls or 0,
            "code_executions": tools.code_interpreter_calls or 0,
            "storage_searches": tools.file_search_calls or 0,
        }
    reading = response_reading(wire, source, counts, in_usd(usage.cost_in_usd_ticks))
    return with_attachments(reading, (tools and tools.document_search_calls) or 0)


def with_attachments(reading: Reading, searches: int) -> Reading:
    """Add a reading for searches of attached files, which cost more than those of collections."""
    if not searches:
        return reading
    extra = structs.replace(
        reading, usage=Usage(storage_searches=searches), context={"search": "attachments"}, response_id=None,
        provider_cost_usd=None, anomaly=None,
    )  # fmt: skip
    return structs.replace(reading, also=(extra,))


class SamplingUsage(Wire):
    """`usage` of the gRPC API; `completion_tokens` exclude thinking, prompt tokens include images."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    reasoning_tokens: Count = None
    cached_prompt_text_tokens: Count = None
    server_side_tools_used: list[str | int] | None = None
    cost_in_usd_ticks: Count = None


class Sampling(Wire):
    """An answer of the gRPC API."""

    id: str | None = None
    model: str | None = None
    usage: SamplingUsage | None = None


_TOOLS: Final = {
    "SERVER_SIDE_TOOL_WEB_SEARCH": "web_searches",
    "SERVER_SIDE_TOOL_X_SEARCH": "social_searches",
    "SERVER_SIDE_TOOL_CODE_EXECUTION": "code_executions",
    "SERVER_SIDE_TOOL_COLLECTIONS_SEARCH": "storage_searches",
}
_ATTACHMENTS: Final = "SERVER_SIDE_TOOL_ATTACHMENT_SEARCH"


def read_sampling(wire: Sampling, source: Source) -> Reading:
    """Read an answer of the gRPC API."""
    usage = wire.usage
    if usage is None:
        return source.reading(None, wire.model, wire.id)
    thoughts = usage.reasoning_tokens or 0
    counts: dict[str, Any] = {
        "input_tokens": usage.prompt_tokens or 0,
        "output_tokens": (usage.completion_tokens or 0) + thoughts,
        "cache_read_tokens": usage.cached_prompt_text_tokens or 0,
        "output_reasoning_tokens": thoughts,
    }
    used = usage.server_side_tools_used or []
    counts |= Counter(_TOOLS[tool] for tool in used if tool in _TOOLS)
    reading = source.reading(counts, wire.model, wire.id, provider_cost_usd=in_usd(usage.cost_in_usd_ticks))
    return with_attachments(reading, used.count(_ATTACHMENTS))


XAI: Final = Vendor(
    name="x-ai",
    aliases=("xai", "grok"),
    hosts=(r"(?:(?P<region>[\w-]+)\.)?api\.x\.ai",),
    paths=((r"/xai_api\.Chat/", "grpc_chat"), (r"/realtime$", "realtime")),
    flavours={
        **COMPATIBLE,
        "chat": replace(CHAT, wire=XaiChat, event=XaiChunk, read=read_xai_chat),
        "responses": replace(RESPONSES, wire=XaiResponse, event=XaiEvent, read=read_xai_response),
        "realtime": REALTIME,
        "grpc_chat": Flavour(wire=Sampling, event=Sampling, read=read_sampling),
    },
)
