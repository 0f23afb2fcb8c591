"""OpenAI's Responses API, which Azure, xAI, DeepSeek, OpenRouter, Amazon and local servers speak too.

Source: OpenAI's API reference, "The response object" and "Streaming events"; openai 3.54,
`types/responses/response_usage.py`, `response_function_web_search.py`, `response.py` (`ToolUsage`). Built-in tools are
billed and not part of `usage` (openai.com/api/pricing, "Built-in tools"): their calls are counted from `output`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, utf8_bytes
from ai_cost_calc.providers.readers._wire import Count, Wire


class ResponseInputDetails(Wire):
    """What the input tokens consist of."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    text_tokens: Count = None


class ResponseOutputDetails(Wire):
    """What the output tokens consist of."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    text_tokens: Count = None


class ResponseUsage(Wire):
    """`usage` of a response; totals include their details."""

    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: ResponseInputDetails | None = None
    output_tokens_details: ResponseOutputDetails | None = None


class SvgUsage(Wire):
    """Tokens of writing an SVG, billed to a model of its own."""

    model: str | None = None
    input_tokens: Count = None
    output_tokens: Count = None
    reasoning_tokens: Count = None


class OutputItem(Wire):
    """One item of the output; only calls of built-in tools matter."""

    type: str | None = None
    status: str | None = None
    action: Any = None
    environment: Any = None
    svg_usage: SvgUsage | None = None


class HostedSearches(Wire):
    """How many searches are billed."""

    num_requests: Count = None


class CachedDetails(Wire):
    """What was read from the cache to paint."""

    cached_text_tokens: Count = None
    cached_image_tokens: Count = None


class ImageGenUsage(ResponseUsage):
    """What painting used."""

    cached_tokens: Count = None
    cached_tokens_details: CachedDetails | None = None


class ToolUsage(Wire):
    """What built-in tools used; image tokens are billed to the image model."""

    web_search: HostedSearches | None = None
    image_gen: ImageGenUsage | None = None


class Tool(Wire):
    """A tool that the model may call; image generation names its model."""

    type: str | None = None
    model: str | None = None


class Response(Wire):
    """A response; one that runs in the background has its usage when it is done."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: ResponseUsage | None = None
    output: list[OutputItem] | None = None
    tools: list[Tool] | None = None
    tool_usage: ToolUsage | None = None


class ResponseEvent(Wire):
    """One event of a streamed response."""

    type: str | None = None
    delta: Any = None
    response: Response | None = None


TOOLS: Final = {
    "web_search_call": "web_searches",
    "file_search_call": "storage_searches",
    "code_interpreter_call": "code_executions",
    "shell_call": "code_executions",
}
"""Output items that are calls of billed tools, and what we count them as."""


def response_counts(usage: Any, output: list[OutputItem] | None = None) -> dict[str, Any]:
    """The counts of `usage` and of billed tool calls, under our names."""
    counts = {"input_tokens": usage.input_tokens or 0, "output_tokens": usage.output_tokens or 0}
    if (details := usage.input_tokens_details) is not None:
        counts["cache_read_tokens"] = details.cached_tokens or 0
        counts["cache_write_tokens"] = details.cache_write_tokens or 0
        _add_modalities(counts, "input", details)
    if (details := usage.output_tokens_details) is not None:
        counts["output_reasoning_tokens"] = details.reasoning_tokens or 0
        _add_modalities(counts, "output", details)
    for item in output or ():
        if (name := TOOLS.get(item.type or "")) and _billed(item):
            counts[name] = counts.get(name, 0) + 1
    return counts


def _add_modalities(counts: dict[str, Any], side: str, details: Any) -> None:
    if details.audio_tokens or details.image_tokens:
        counts[f"{side}_audio_tokens"] = details.audio_tokens or 0
        counts[f"{side}_image_tokens"] = details.image_tokens or 0
        counts[f"{side}_text_tokens"] = details.text_tokens or 0


def _billed(item: OutputItem) -> bool:
    """Only a finished `search` is billed; `open_page` and `find_in_page` are not. Early models name no action.

    Shells are billed in OpenAI's containers, not on the caller's machine.
    """
    if item.type == "shell_call":
        return _type_of(item.environment) == "container_reference"
    return item.type != "web_search_call" or (item.status == "completed" and _type_of(item.action) in {"", "search"})


def _type_of(said: Any) -> str:
    kind = said.get("type") if isinstance(said, dict) else getattr(said, "type", None)
    return kind if isinstance(kind, str) else ""


def response_reading(wire: Any, source: Source, counts: dict[str, Any] | None, cost: Decimal | None = None) -> Reading:
    """A reading of these counts and of what a response says beside them."""
    tier = wire.service_tier or None
    reading = source.reading(counts, wire.model, wire.id, service_tier=tier, provider_cost_usd=cost)
    preview = counts is not None and counts.get("web_searches") and _previews(wire.tools)
    return replace(reading, context={"search": "preview"}) if preview else reading


def _previews(tools: list[Tool] | None) -> bool:
    """Whether the search tool is the preview, which has its own price (`web_search_preview`, also with a date)."""
    return any((tool.type or "").startswith("web_search_preview") for tool in tools or ())


def read_response(wire: Any, source: Source) -> Reading:
    """Read a response; what it says of its tools goes before what can be counted in the output."""
    if wire.usage is None:
        return response_reading(wire, source, None)
    counts = response_counts(wire.usage, wire.output)
    drawn = [svg_reading(item.svg_usage, source) for item in wire.output or () if item.svg_usage is not None]
    tools = wire.tool_usage or ToolUsage()
    if tools.web_search is not None and tools.web_search.num_requests is not None:
        counts["web_searches"] = tools.web_search.num_requests
    reading = response_reading(wire, source, counts)
    if tools.image_gen is not None and (tools.image_gen.input_tokens or tools.image_gen.output_tokens):
        drawn.insert(0, _painted(tools.image_gen, wire, source))
    return replace(reading, also=tuple(drawn)) if drawn else reading


def _painted(usage: ImageGenUsage, wire: Any, source: Source) -> Reading:
    model = next((tool.model for tool in wire.tools or () if tool.type == "image_generation"), None)
    details = usage.cached_tokens_details or CachedDetails()
    counts = response_counts(usage) | {
        "cache_read_tokens": usage.cached_tokens or 0,
        "cache_text_read_tokens": details.cached_text_tokens or 0,
        "cache_image_read_tokens": details.cached_image_tokens or 0,
    }
    return source.reading(counts, model or DEFAULT_IMAGE_MODEL)


def svg_reading(usage: SvgUsage, source: Source) -> Reading:
    """Read what the model used that writes SVG (`image_generation_call.svg_usage`, `images_response.py`)."""
    counts = {
        "input_tokens": usage.input_tokens or 0,
        "output_tokens": usage.output_tokens or 0,
        "output_reasoning_tokens": usage.reasoning_tokens or 0,
    }
    return source.reading(counts, usage.model)


DEFAULT_IMAGE_MODEL: Final = "gpt-image-1"
"""What paints where the tool names no model (API reference, "Image generation tool")."""


def fold_response(kept: Any, event: Any) -> Any:
    """Each event carries the whole response as it stands: the last one with usage wins."""
    if event.response is None:
        return kept
    return event.response if kept is None or event.response.usage is not None else kept


def response_text(event: Any) -> int:
    """UTF-8 bytes of what this event adds to the answer; `delta` is text in every delta event but audio's."""
    return utf8_bytes(event.delta) if event.type != "response.audio.delta" else 0


def response_ends(event: Any) -> bool:
    """Whether the response is over, in whichever way."""
    return event.type in {"response.completed", "response.incomplete", "response.failed"}


RESPONSES: Final = Flavour(
    wire=Response,
    event=ResponseEvent,
    read=read_response,
    fold=fold_response,
    text=response_text,
    ends=response_ends,
)
