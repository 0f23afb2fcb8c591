"""Amazon Bedrock: Converse for every model, InvokeModel in each model's own shape, and the Mantle endpoint.

Source: docs.aws.amazon.com/bedrock/latest/APIReference, `API_runtime_TokenUsage`, `API_runtime_ConverseStream`,
`API_runtime_InvokeModel`; "Inference request parameters and response fields for foundation models". The headers
`x-amzn-bedrock-*-token-count` and the last chunk's `amazon-bedrock-invocationMetrics` are what is billed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from msgspec import field

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._bedrock_invoke import INVOKE, read_sold
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._wire import Count, Wire


class CacheDetail(Wire, rename="camel"):
    """Tokens written to the cache for one time to live."""

    ttl: str | None = None
    input_tokens: Count = None


class TokenUsage(Wire, rename="camel"):
    """`usage`; `inputTokens` excludes what was read from or written to the cache."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_write_input_tokens: Count = None
    cache_details: list[CacheDetail] | None = None


class ServiceTier(Wire):
    """The tier that served the call."""

    type: str | None = None


class Performance(Wire):
    """Whether the faster, dearer hardware served the call."""

    latency: str | None = None


class PromptRouter(Wire, rename="camel"):
    """Which model a prompt router chose."""

    invoked_model_id: str | None = None


class Trace(Wire, rename="camel"):
    """What happened on the way."""

    prompt_router: PromptRouter | None = None


class Converse(Wire, rename="camel"):
    """An answer, or the `metadata` event at the end of a streamed one."""

    usage: TokenUsage | None = None
    service_tier: ServiceTier | None = None
    performance_config: Performance | None = None
    trace: Trace | None = None


class ToolInput(Wire):
    """A fragment of a tool's input."""

    input: Any = None


class BlockDelta(Wire, rename="camel"):
    """What an event adds."""

    text: str | None = None
    tool_use: ToolInput | None = None
    reasoning_content: Any = None


class BlockEvent(Wire):
    """The event inside botocore's envelope."""

    delta: BlockDelta | None = None


class ConverseEvent(Converse, rename="camel"):
    """One event: bare on the wire, under its name as botocore hands it out."""

    delta: BlockDelta | None = None
    metadata: Converse | None = None
    content_block_delta: BlockEvent | None = field(default=None)


def converse_counts(usage: TokenUsage) -> dict[str, Any]:
    """The counts of `usage`, under our names, cached tokens inside the input."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_write_input_tokens or 0
    counts = {
        "input_tokens": (usage.input_tokens or 0) + read + written,
        "output_tokens": usage.output_tokens or 0,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }
    for detail in usage.cache_details or ():
        if detail.ttl in {"5m", "1h"}:
            name = f"cache_write_{detail.ttl}_tokens"
            counts[name] = counts.get(name, 0) + (detail.input_tokens or 0)
    return counts


def read_converse(wire: Converse, source: Source) -> Reading:
    """Read an answer; Converse names no model but the one that a prompt router chose."""
    router = wire.trace.prompt_router if wire.trace is not None else None
    optimized = wire.performance_config is not None and wire.performance_config.latency == "optimized"
    return source.reading(
        None if wire.usage is None else converse_counts(wire.usage),
        router.invoked_model_id if router is not None else None,
        service_tier=wire.service_tier.type if wire.service_tier is not None else None,
        speed="optimized" if optimized else None,
    )


def _fold(kept: Any, event: ConverseEvent) -> Any:
    told = event.metadata or event
    event.delta = event.content_block_delta = None
    return told if kept is None or told.usage is not None else kept


def _text(event: ConverseEvent) -> int:
    delta = event.delta or (event.content_block_delta.delta if event.content_block_delta is not None else None)
    if delta is None:
        return 0
    thought = delta.reasoning_content
    said = utf8_bytes(delta.text) + utf8_bytes(thought.get("text") if isinstance(thought, dict) else None)
    return said + (utf8_bytes(delta.tool_use.input) if delta.tool_use is not None else 0)


SOLD_MESSAGES: Final = replace(MESSAGES, read=read_sold)
_MODEL: Final = r"/model/(?P<model>.+?)"

BEDROCK: Final = Vendor(
    name="aws",
    aliases=("bedrock", "aws-bedrock", "amazon-bedrock", "amazon", "bedrock-runtime"),
    hosts=(r"bedrock-runtime(?:-fips)?\.(?P<region>[^./]+)\.amazonaws\.com(?:\.cn)?",),
    paths=(
        (rf"{_MODEL}/converse(-stream)?$", "converse"),
        (rf"{_MODEL}/invoke(-with-response-stream)?$", "invoke"),
        (rf"{_MODEL}/count-tokens$", "count_tokens"),
        (r"/guardrail/|/guardrail-checks/|/async-invoke", "apply_guardrail"),
    ),
    flavours={
        **COMPATIBLE,
        "messages": SOLD_MESSAGES,
        "converse": Flavour(
            wire=Converse,
            event=ConverseEvent,
            read=read_converse,
            fold=_fold,
            text=_text,
            ends=lambda event: (event.metadata or event).usage is not None,
        ),
        "invoke": INVOKE,
        "count_tokens": FREE,
        "apply_guardrail": UNREPORTED,
        "rerank": UNREPORTED,
    },
)
MANTLE: Final = Vendor(
    name="aws",
    aliases=("mantle", "bedrock_mantle"),
    hosts=(r"bedrock-mantle\.(?P<region>[^./]+)\.api\.aws",),
    flavours={**COMPATIBLE, "messages": SOLD_MESSAGES},
)
