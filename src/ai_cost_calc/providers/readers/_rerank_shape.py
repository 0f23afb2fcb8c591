"""Reranking: searches where Cohere's shape says so, tokens where Voyage's does.

Source: docs.cohere.com, "Rerank" (`meta.billed_units.search_units`); docs.voyageai.com, "Reranker API"
(`usage.total_tokens`); openrouter.ai/docs, "Rerank" (`usage.total_tokens`, `usage.cost`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, usd
from ai_cost_calc.providers.readers._wire import Count, Wire


class BilledSearches(Wire):
    """What Cohere bills."""

    search_units: Count = None
    input_tokens: Count = None


class RerankMeta(Wire):
    """What stands beside Cohere's results."""

    billed_units: BilledSearches | None = None


class RerankUsage(Wire):
    """What others report."""

    total_tokens: Count = None
    prompt_tokens: Count = None
    search_units: Count = None
    cost: Decimal | None = None


class Rerank(Wire):
    """A ranking."""

    id: str | None = None
    model: str | None = None
    meta: RerankMeta | None = None
    usage: RerankUsage | None = None


def read_rerank(wire: Rerank, source: Source) -> Reading:
    """Read searches and tokens."""
    counts, cost = None, None
    if wire.usage is not None:
        tokens = wire.usage.prompt_tokens or wire.usage.total_tokens or 0
        counts, cost = {"input_tokens": tokens, "rerank_searches": wire.usage.search_units or 0}, wire.usage.cost
    elif wire.meta is not None and (billed := wire.meta.billed_units) is not None:
        counts = {"input_tokens": billed.input_tokens or 0, "rerank_searches": billed.search_units or 0}
    return source.reading(counts, wire.model, wire.id, provider_cost_usd=usd(cost))


RERANK: Final = Flavour(wire=Rerank, read=read_rerank)
