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
from ai_cost_calc.providers.readers._flavour import Flavour, Source, Vendor, usd, utf8_bytes
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
    service_tier: str | int | None = None


class Function(Wire):
    """A call of a tool."""

    arguments: str | None = None


class ToolCall(Wire):
    """A call of a tool, in its envelope."""

    function: Function | None = None


class Delta(Wire):
    """What a chunk adds."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Output(Wire):
    """What a chunk adds to one of the answers; `finish_reason` with the last of it."""

    delta: Delta | None = None
    finish_reason: str | int | None = None


class SamplingChunk(Sampling):
    """One chunk of a streamed answer; its usage is a running total."""

    outputs: list[Output] | None = None


class Images(Sampling):
    """Pictures that were made; `data` is what the REST API calls them."""

    images: list[Wire] | None = None
    data: list[Wire] | None = None


_TOOLS: Final = {
    "SERVER_SIDE_TOOL_WEB_SEARCH": "web_searches",
    "SERVER_SIDE_TOOL_X_SEARCH": "social_searches",
    "SERVER_SIDE_TOOL_CODE_EXECUTION": "code_executions",
    "SERVER_SIDE_TOOL_COLLECTIONS_SEARCH": "storage_searches",
}
_ATTACHMENTS: Final = "SERVER_SIDE_TOOL_ATTACHMENT_SEARCH"


_OVER: Final = frozenset({"REASON_STOP", "REASON_MAX_LEN", "REASON_MAX_CONTEXT", "REASON_TIME_LIMIT"})
"""Reasons with which an answer is over; after a call of one of xAI's own tools it goes on."""


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
    tier, cost = service_tier_of(wire), in_usd(usage.cost_in_usd_ticks)
    reading = source.reading(counts, wire.model, wire.id, service_tier=tier, provider_cost_usd=cost)
    return with_attachments(reading, used.count(_ATTACHMENTS))


def service_tier_of(wire: Sampling) -> str | None:
    """The tier that served the call, as other APIs write it."""
    name = wire.service_tier
    tier = name.removeprefix("SERVICE_TIER_").lower() if isinstance(name, str) else None
    return None if tier == "unspecified" else tier


def read_images(wire: Images, source: Source) -> Reading:
    """Read an answer with pictures, which are billed by their number."""
    made = {"images": len(wire.images or wire.data or ())}
    usage = wire.usage or SamplingUsage()
    counts = made | {"input_tokens": usage.prompt_tokens or 0, "output_tokens": usage.completion_tokens or 0}
    return source.reading(counts, wire.model, provider_cost_usd=in_usd(usage.cost_in_usd_ticks))


def read_video(wire: Sampling, source: Source) -> Reading:
    """Read an answer with a video, of whose bill no count tells but the cost itself."""
    reading = read_sampling(wire, source)
    return reading if reading.provider_cost_usd is not None else structs.replace(reading, usage=None, complete=False)


def _said(chunk: SamplingChunk) -> int:
    said = 0
    for output in chunk.outputs or ():
        if (delta := output.delta) is not None:
            called = (call.function.arguments for call in delta.tool_calls or () if call.function is not None)
            said += sum(utf8_bytes(text) for text in (delta.content, delta.reasoning_content, *called))
    return said


def _is_over(chunk: SamplingChunk) -> bool:
    return any(output.finish_reason in _OVER for output in chunk.outputs or ())


IMAGES: Final = Flavour(wire=Images, read=read_images)

XAI: Final = Vendor(
    name="x-ai",
    aliases=("xai", "grok"),
    hosts=(r"(?:(?P<region>[\w-]+)\.)?api\.x\.ai",),
    paths=(
        (r"/xai_api\.Chat/", "grpc_chat"),
        (r"/xai_api\.Image/", "grpc_image"),
        (r"/xai_api\.Video/", "grpc_video"),
        (r"/images/(generations|edits)$", "images"),
        (r"/realtime$", "realtime"),
    ),
    flavours={
        **COMPATIBLE,
        "chat": replace(CHAT, wire=XaiChat, event=XaiChunk, read=read_xai_chat),
        "responses": replace(RESPONSES, wire=XaiResponse, event=XaiEvent, read=read_xai_response),
        "realtime": REALTIME,
        "grpc_chat": Flavour(wire=Sampling, event=SamplingChunk, read=read_sampling, text=_said, ends=_is_over),
        "grpc_image": IMAGES,
        "images": IMAGES,
        "grpc_video": Flavour(wire=Sampling, read=read_video),
    },
)
