"""Perplexity: Sonar, where thinking, citations and searches come on top of the completion, and what it all cost.

Source: docs.perplexity.ai, "Chat completions" (`usage.cost.total_cost`, `citation_tokens`, `num_search_queries`) and
"Responses" (`usage.cost`, `usage.tool_calls_details`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Flavour, Source, Vendor, name, usd
from ai_cost_calc.providers.readers._openai_shape import (
    Chat,
    ChatChunk,
    ChatUsage,
    chat_counts,
    chat_ends,
    chat_reading,
    chat_text,
    fold_chat,
)
from ai_cost_calc.providers.readers._responses_shape import (
    RESPONSES,
    Response,
    ResponseEvent,
    ResponseInputDetails,
    ResponseUsage,
    response_counts,
    response_reading,
)
from ai_cost_calc.providers.readers._wire import Count, Wire


class PerplexityCost(Wire):
    """What the call cost in US dollars."""

    total_cost: Decimal | None = None


class PerplexityUsage(ChatUsage):
    """`usage` with what Perplexity adds; none of it is part of `completion_tokens`."""

    citation_tokens: Count = None
    num_search_queries: Count = None
    search_context_size: str | None = None
    cost: PerplexityCost | None = None


class PerplexityChat(Chat):
    """A completion or embeddings."""

    usage: PerplexityUsage | None = None


class PerplexityChunk(ChatChunk):
    """One chunk; `usage` is a running total."""

    usage: PerplexityUsage | None = None


def read_perplexity(wire: Any, source: Source) -> Reading:
    """Read a completion or embeddings."""
    usage = wire.usage
    if usage is None:
        return chat_reading(wire, source, None)
    counts = chat_counts(usage)
    citations = usage.citation_tokens or 0
    counts["output_tokens"] += (usage.reasoning_tokens or 0) + citations
    counts["output_citation_tokens"] = citations
    counts["web_searches"] = usage.num_search_queries or 0
    reading = chat_reading(wire, source, counts, usd(usage.cost and usage.cost.total_cost))
    size = name(usage.search_context_size)
    return reading if size is None else replace(reading, context={"search": size})


class AgentInputDetails(ResponseInputDetails):
    """Perplexity's name for cached tokens."""

    cache_read_input_tokens: Count = None


class Invocations(Wire):
    """How often a tool was called."""

    invocation: Count = None


class ToolCalls(Wire):
    """Calls of billed tools."""

    search_web: Invocations | None = None


class AgentUsage(ResponseUsage):
    """`usage` of a response."""

    input_tokens_details: AgentInputDetails | None = None
    tool_calls_details: ToolCalls | None = None
    cost: PerplexityCost | None = None


class AgentResponse(Response):
    """A response."""

    usage: AgentUsage | None = None


class AgentEvent(ResponseEvent):
    """One event of a streamed response."""

    response: AgentResponse | None = None


def read_agent(wire: AgentResponse, source: Source) -> Reading:
    """Read a response."""
    usage = wire.usage
    if usage is None:
        return response_reading(wire, source, None)
    counts = response_counts(usage)
    if (details := usage.input_tokens_details) is not None and not counts.get("cache_read_tokens"):
        counts["cache_read_tokens"] = details.cache_read_input_tokens or 0
    searches = usage.tool_calls_details.search_web if usage.tool_calls_details is not None else None
    counts["web_searches"] = searches.invocation or 0 if searches is not None else 0
    return response_reading(wire, source, counts, usd(usage.cost and usage.cost.total_cost))


PERPLEXITY_CHAT: Final = Flavour(
    wire=PerplexityChat,
    event=PerplexityChunk,
    read=read_perplexity,
    fold=fold_chat,
    text=chat_text,
    ends=chat_ends,
)

PERPLEXITY_AGENT: Final = Flavour(
    wire=AgentResponse,
    event=AgentEvent,
    read=read_agent,
    fold=RESPONSES.fold,
    text=RESPONSES.text,
    ends=RESPONSES.ends,
)

PERPLEXITY: Final = Vendor(
    name="perplexity",
    hosts=(r"api\.perplexity\.ai",),
    paths=((r"/decisions$", "decisions"),),
    flavours={
        **COMPATIBLE,
        "chat": PERPLEXITY_CHAT,
        "embeddings": PERPLEXITY_CHAT,
        "responses": PERPLEXITY_AGENT,
        "decisions": PERPLEXITY_AGENT,
    },
)
