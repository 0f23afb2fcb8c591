"""What genai-prices itself finds and charges, and usages that it accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from random import Random
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
    {"search_type": "web"},
    {"route": "mistral/eu"},
)
"""Every context that the data of genai-prices 0.2.3 has rates for (a test checks that), several at once, one more."""


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


def prices(model: types.ModelInfo) -> list[types.ModelPrice]:
    """Every set of rates that this model has or had, those for a context included."""
    standard = [price.prices for price in model.prices] if isinstance(model.prices, list) else [model.prices]
    return [*standard, *(variant.prices for variant in model.price_variants or ())]


def tier_starts(model: types.ModelInfo) -> set[int]:
    """Numbers of input tokens above which a rate of this model changes."""
    rates = [rate for price in prices(model) for rate in vars(price).values() if isinstance(rate, types.TieredPrices)]
    return {tier.start for rate in rates for tier in rate.tiers}


def input_sizes(model: types.ModelInfo) -> list[int]:
    """Numbers of input tokens on both sides of each tier's start, and one below all of them."""
    return [5_000, *(start + more for start in sorted(tier_starts(model)) for more in (-1, 0, 1))]


def contexts(model: types.ModelInfo) -> list[Mapping[str, str] | None]:
    """No context, each that this model has rates for, and all of those at once."""
    each = [variant.when for variant in model.price_variants or ()]
    together = {name: value for when in each for name, value in when.items()}
    return [None, *each, together] if each else [None]


def units(model: types.ModelInfo) -> set[str]:
    """What this model has rates for, by the names of a usage."""
    priced = {name for price in prices(model) for name, rate in vars(price).items() if rate is not None}
    return {name for name, unit in unit_data.items() if unit.get("price_key", name) in priced}


_KINDS = ("text", "audio", "image", "video")
_OUTPUTS = ("reasoning", "citation", "audio", "image", "video")
INPUT_LEAVES: Final = (*_KINDS, *(f"{kind} read" for kind in _KINDS), "5m", "1h", "tool")
"""Parts of an input that do not overlap."""
OUTPUT_LEAVES: Final = (*(f"output {kind}" for kind in _OUTPUTS), "output text")
CALLS: Final = ("web_searches", "social_searches", "storage_searches", "code_executions", "rerank_searches",
                "input_document_pages")  # fmt: skip


def usage_of(leaves: Mapping[str, int], *, inputs: int = 0, beyond: Mapping[str, Any] | None = None) -> Usage:
    """A usage that genai-prices accepts, because overlaps of its parts are stated.

    Args:
        leaves: tokens by name of `INPUT_LEAVES` and `OUTPUT_LEAVES`.
        inputs: input tokens in all, where that is more than their parts.
        beyond: counts of what is no token.
    """
    read = {kind: leaves.get(f"{kind} read", 0) for kind in _KINDS}
    total = {kind: leaves.get(kind, 0) + read[kind] for kind in _KINDS}
    short, long = leaves.get("5m", 0), leaves.get("1h", 0)
    outputs = {kind: leaves.get(f"output {kind}", 0) for kind in _OUTPUTS}
    return Usage(
        input_tokens=max(sum(total.values()) + short + long + leaves.get("tool", 0), inputs),
        cache_read_tokens=sum(read.values()),
        cache_write_tokens=short + long,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        input_tool_tokens=leaves.get("tool", 0),
        input_audio_tokens=total["audio"],
        input_image_tokens=total["image"],
        input_video_tokens=total["video"],
        cache_text_read_tokens=read["text"],
        cache_audio_read_tokens=read["audio"],
        cache_image_read_tokens=read["image"],
        cache_video_read_tokens=read["video"],
        output_tokens=sum(outputs.values()) + leaves.get("output text", 0),
        output_reasoning_tokens=outputs["reasoning"],
        output_citation_tokens=outputs["citation"],
        output_audio_tokens=outputs["audio"],
        output_image_tokens=outputs["image"],
        output_video_tokens=outputs["video"],
        **(beyond or {}),
    )


def some_usage(random: Random, inputs: int) -> Usage:
    """A usage of so many input tokens, with parts and other counts as chance has it."""
    share = inputs // len(INPUT_LEAVES)
    leaves = {name: random.choice((0, random.randint(0, share))) for name in INPUT_LEAVES}
    leaves |= {name: random.choice((0, random.randint(0, 9_999))) for name in OUTPUT_LEAVES}
    beyond: dict[str, Any] = {name: random.choice((0, 0, random.randint(1, 9))) for name in CALLS}
    beyond["audio_seconds"] = random.choice((0, random.randint(1, 9_999), random.randint(1, 9_999_999) / 1_000))
    return usage_of(leaves, inputs=inputs, beyond=beyond)


def usage_of_one(unit: str, inputs: int) -> Usage | None:
    """A usage of this unit alone, in a request of so many input tokens; `None` for what a usage does not count."""
    if unit not in COUNTED:
        return None
    single = {
        "input_tokens": {}, "output_tokens": {"output text": 777}, "cache_read_tokens": {"text read": 777},
        "cache_write_tokens": {"5m": 388, "1h": 389}, "cache_write_5m_tokens": {"5m": 777},
        "cache_write_1h_tokens": {"1h": 777}, "input_tool_tokens": {"tool": 777},
        **{f"input_{kind}_tokens": {kind: 777} for kind in _KINDS},
        **{f"cache_{kind}_read_tokens": {f"{kind} read": 777} for kind in _KINDS},
        **{f"output_{kind}_tokens": {f"output {kind}": 777} for kind in (*_OUTPUTS, "text")},
    }  # fmt: skip
    if unit == "input_annotated_document_pages":
        return usage_of({}, inputs=inputs, beyond={unit: 7, "input_document_pages": 7})
    leaves = single.get(unit)
    return usage_of({}, inputs=inputs, beyond={unit: 7}) if leaves is None else usage_of(leaves, inputs=inputs)


_TOKENS = st.integers(min_value=0, max_value=50_000)
_FEW = st.integers(min_value=0, max_value=20)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages that genai-prices accepts, of any size and around any tier."""
    leaves = {name: draw(_TOKENS | st.just(0)) for name in (*INPUT_LEAVES, *OUTPUT_LEAVES)}
    wanted = draw(st.sampled_from(TIER_STARTS)) + draw(st.sampled_from((0, 1)))
    seconds = draw(_FEW | st.decimals(min_value=0, max_value=10_000, places=3).map(float))
    beyond: dict[str, Any] = {name: draw(_FEW) for name in CALLS}
    return usage_of(leaves, inputs=wanted, beyond={**beyond, "audio_seconds": seconds})
