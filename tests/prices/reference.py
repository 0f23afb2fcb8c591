"""What genai-prices itself finds and charges, and usages that it accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any, Final, NamedTuple

from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.data_units import unit_data
from hypothesis import strategies as st

from ai_cost_calc.core.usage import Usage

SNAPSHOT: Final = DataSnapshot(providers=providers, from_auto_update=False)
PROVIDERS: Final = {provider.id: provider for provider in providers}
COUNTED: Final = tuple(name for name in Usage.__struct_fields__ if name in unit_data)
"""Counts that genai-prices has too."""
CONTEXTS: Final[tuple[Mapping[str, str] | None, ...]] = (
    None,
    {"service_tier": "default"},
    {"service_tier": "flex"},
    {"service_tier": "priority"},
    {"service_tier": "fast"},
    {"service_tier": "no-such-tier"},
    {"processing": "batch"},
    {"processing": "batch", "service_tier": "flex", "speed": "fast"},
    {"speed": "fast"},
    {"search_type": "fast"},
    {"route": "mistral/eu"},
)
"""Every context that the data of genai-prices 0.2.3 has rates for, several at once, and one it has none for."""


class Model(NamedTuple):
    """One model of one provider, and a name that finds it."""

    provider: types.Provider
    info: types.ModelInfo
    name: str


def genai_nanos(
    model: types.ModelInfo, provider: types.Provider, usage: Usage, at: float, context: Mapping[str, str] | None
) -> int:
    """The price by genai-prices in whole nano-dollars; in a wide decimal context, because it takes the ambient one."""
    with localcontext(Context(prec=80, rounding=ROUND_HALF_EVEN)):
        total = model.calc_price(
            types.Usage(**{name: getattr(usage, name) for name in COUNTED}),
            provider,
            genai_request_timestamp=datetime.fromtimestamp(at, UTC),
            price_context=context,
        ).total_price
        return int((total * 10**9).quantize(Decimal(1)))


def found_by_genai(provider: str | None, name: str) -> tuple[str, str] | None:
    """Whose model this name is, and its id; `None` where genai-prices knows no such model."""
    try:
        served_by, model = SNAPSHOT.find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    sellers = [served_by.id, *(served_by.fallback_model_providers or ())]
    return next((seller, model.id) for seller in sellers if any(model is known for known in PROVIDERS[seller].models))


def texts(rule: Any) -> Iterator[str]:
    """The texts in a matching rule, patterns left out."""
    if isinstance(rule, types.ClauseOr | types.ClauseAnd):
        for clause in rule.or_ if isinstance(rule, types.ClauseOr) else rule.and_:
            yield from texts(clause)
    elif not isinstance(rule, types.ClauseRegex):
        yield next(iter(vars(rule).values()))


def names_of(model: types.ModelInfo) -> Iterator[str]:
    """Names that may mean this model."""
    yield from dict.fromkeys((model.id, *texts(model.match)))


def models() -> Iterator[Model]:
    """Every model of every provider."""
    for provider in providers:
        for info in provider.models:
            name = next(name for name in names_of(info) if provider.find_model(name, all_providers=providers) is info)
            yield Model(provider, info, name)


def moments(model: types.ModelInfo) -> list[int]:
    """Unix seconds on both sides of every time at which a price of this model changes, and one far from all."""
    constraints = [price.constraint for price in model.prices] if isinstance(model.prices, list) else []
    constraints += [variant.constraint for variant in model.price_variants or ()]
    edges = {int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())}
    for constraint in constraints:
        edges.update(_edges(constraint))
    return sorted(moment for edge in edges for moment in (edge - 1, edge))


def _edges(constraint: Any) -> Iterator[int]:
    if isinstance(constraint, types.StartDateConstraint):
        yield int(datetime.combine(constraint.start_date, time(), UTC).timestamp())
    elif constraint is not None:
        for clock in (constraint.start_time, constraint.end_time):
            yield int(datetime.combine(datetime(2026, 11, 23, tzinfo=UTC), clock).timestamp())


TIER_STARTS: Final = (0, 32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
"""Every start of a tier in the data of genai-prices 0.2.3 (a test checks that)."""

_TOKENS = st.integers(min_value=0, max_value=50_000)
_FEW = st.integers(min_value=0, max_value=20)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages that genai-prices accepts: built from leaves, so that overlaps of parts are stated."""
    leaves = {name: draw(_TOKENS | st.just(0)) for name in _LEAVES}
    read = {kind: leaves[f"{kind} read"] for kind in _KINDS}
    total = {kind: leaves[kind] + read[kind] for kind in _KINDS}
    written = leaves["5m"] + leaves["1h"]
    inputs = sum(total.values()) + written + leaves["tool"]
    wanted = draw(st.sampled_from(TIER_STARTS)) + draw(st.sampled_from((0, 1)))
    outputs = {name: leaves[f"output {name}"] for name in ("reasoning", "citation", "audio", "image")}
    return Usage(
        input_tokens=max(inputs, wanted),
        cache_read_tokens=sum(read.values()),
        cache_write_tokens=written,
        cache_write_5m_tokens=leaves["5m"],
        cache_write_1h_tokens=leaves["1h"],
        input_tool_tokens=leaves["tool"],
        input_audio_tokens=total["audio"],
        input_image_tokens=total["image"],
        input_video_tokens=total["video"],
        cache_text_read_tokens=read["text"],
        cache_audio_read_tokens=read["audio"],
        cache_image_read_tokens=read["image"],
        cache_video_read_tokens=read["video"],
        output_tokens=sum(outputs.values()) + leaves["output text"],
        output_reasoning_tokens=outputs["reasoning"],
        output_citation_tokens=outputs["citation"],
        output_audio_tokens=outputs["audio"],
        output_image_tokens=outputs["image"],
        web_searches=draw(_FEW),
        social_searches=draw(_FEW),
        storage_searches=draw(_FEW),
        code_executions=draw(_FEW),
        rerank_searches=draw(_FEW),
        input_document_pages=draw(_FEW),
        audio_seconds=draw(_FEW | st.decimals(min_value=0, max_value=10_000, places=3).map(float)),
    )


_KINDS = ("text", "audio", "image", "video")
_LEAVES = (
    *_KINDS,
    *(f"{kind} read" for kind in _KINDS),
    "5m",
    "1h",
    "tool",
    *(f"output {kind}" for kind in ("text", "reasoning", "citation", "audio", "image")),
)
