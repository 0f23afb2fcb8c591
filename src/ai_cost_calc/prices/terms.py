"""What sellers charge beyond the rates of genai-prices 0.2.3: fees for tools, multipliers for contexts, a few models.

Each term is a statement of a seller's documentation; `source` names the page and the month from which it is known.
Only what is documented stands here: a context or a count that nothing here answers to is named in `Cost.unpriced`. So
are the code tools of OpenAI (a container costs by the minute since 2 June 2026) and Anthropic (by the hour): no
response tells how long one lived and which responses shared it. Free allowances per day or month (Google's first
searches) depend on all that an account does, so fees are charged from the first one on.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.core.matching import Clause
from ai_cost_calc.core.terms import Fee, Multiplier, Terms
from ai_cost_calc.core.timetable import ModelData, PriceData, RateData
from ai_cost_calc.prices.context import STANDARD

_OPENAI: Final = "developers.openai.com/api/docs/pricing, 2026-11"
_ANTHROPIC: Final = "platform.claude.com/docs/en/about-claude/pricing, 2026-11"
_GEMINI: Final = "ai.google.dev/gemini-api/docs/pricing, 2026-09"
_GEMINI_TIERS: Final = "ai.google.dev/gemini-api/docs/optimization, 2026-11"
_XAI: Final = "docs.x.ai/developers/pricing, 2026-11"
_BEDROCK: Final = "aws.amazon.com/bedrock/pricing, 2026-10"
_PRICE_LIST: Final = "AWS Price List, AmazonBedrock in us-east-1, 2026-09"
_PERPLEXITY: Final = "docs.perplexity.ai/docs/getting-started/pricing, 2026-11"
_GROQ: Final = "console.groq.com/docs/batch and /docs/flex-processing, 2026-11"

_CACHED: Final = ("cache_read_", "cache_text_", "cache_audio_", "cache_image_", "cache_video_")

_BATCH: Final = (
    Multiplier(
        sellers=("openai",), context="processing:batch", factor="0.5", spares=_CACHED, since="2024-04-15",
        source=f"{_OPENAI}: half of input and output; no cached rate is listed",
    ),
    Multiplier(
        sellers=("azure",), context="processing:batch", factor="0.5", spares=_CACHED, since="2024-10-01",
        source="azure.microsoft.com/pricing/details/azure-openai, 2026-10: half of Global Standard",
    ),
    Multiplier(
        sellers=("anthropic",), context="processing:batch", factor="0.5", since="2024-10-08",
        source=f"{_ANTHROPIC}: half of all tokens, cached ones too; searches cost what they always cost",
    ),
    Multiplier(
        sellers=("google",), context="processing:batch", factor="0.5", spares=_CACHED, since="2025-07-07",
        source="ai.google.dev/gemini-api/docs/batch-api, 2026-03: half; cached tokens as in other calls",
    ),
    Multiplier(
        sellers=("groq",), context="processing:batch", factor="0.5", spares=_CACHED, since="2025-03-01",
        source=f"{_GROQ}: half; not together with the discount for cached tokens",
    ),
    Multiplier(
        sellers=("mistral",), context="processing:batch", factor="0.5", since="2024-11-07",
        source="docs.mistral.ai/capabilities/batch, 2026-10: half",
    ),
    Multiplier(
        sellers=("aws",), context="processing:batch", factor="0.5", since="2024-08-21",
        source=f"{_BEDROCK}: half of on-demand",
    ),
)  # fmt: skip

_TIERS: Final = (
    Multiplier(
        sellers=("openai",), models=r"o3|o4-mini|gpt-5.*|gpt-6.*", context="service_tier:flex", factor="0.5",
        since="2025-04-17", source="developers.openai.com/api/docs/guides/flex-processing, 2026-11: at batch rates",
    ),
    Multiplier(
        sellers=("google",), models=r"gemini-.*", context="service_tier:flex", factor="0.5", spares=_CACHED,
        since="2026-04-01", source=f"{_GEMINI_TIERS}: half",
    ),
    Multiplier(
        sellers=("groq",), context="service_tier:flex", factor="1",
        source=f"{_GROQ}: costs what on-demand costs",
    ),
    Multiplier(
        sellers=("aws",), models=r"(?!.*(?:anthropic|openai\.gpt-[5-9])).*", context="service_tier:flex", factor="0.5",
        since="2025-11-18", source=f"{_BEDROCK}: half of Standard",
    ),
    Multiplier(
        sellers=("aws",), models=r"(?!.*(?:anthropic|openai\.gpt-[5-9])).*", context="service_tier:priority",
        factor="1.75", since="2025-11-18", source=f"{_PRICE_LIST}: 75 % above Standard",
    ),
    Multiplier(
        sellers=("aws",), models=r".*(?:nova-pro|claude-3-5-haiku|llama3-1-70b).*", context="speed:optimized",
        factor="1.25", since="2024-12-02", source=f"{_BEDROCK}: latency-optimized inference",
    ),
)  # fmt: skip

_NEW_OPENAI: Final = r"gpt-(?:5\.[4-9]|[6-9])(?!.*(?:image|cyber|rosalind)).*"
_OLD_OPENAI: Final = (
    r"(?:ft:)?(?:gpt-3|gpt-4|gpt-5(?!\.[4-9])|o[134]|chatgpt-4o|codex|text-|whisper|tts-|davinci|babbage).*"
)
_NEW_CLAUDE: Final = r"claude-(?:(?:opus|sonnet|haiku)-4-[5-9]|(?:opus|sonnet|haiku|fable|mythos)-[5-9]).*"
_RESIDENCY: Final = "developers.openai.com/api/docs/guides/data-residency, 2026-11"
_VERTEX: Final = "docs.claude.com/en/docs/build-with-claude/claude-on-vertex-ai, 2026-11"

_REGIONS: Final = (
    Multiplier(
        sellers=("openai",), models=_NEW_OPENAI, context="region:us|eu|ae|au|in|jp", factor="1.1", since="2026-03-05",
        source=f"{_RESIDENCY}: 10 % more for models released on or after 5 March 2026",
    ),
    Multiplier(
        sellers=("openai",), models=_OLD_OPENAI, context="region:us|eu|ae|au|in|jp", factor="1",
        source=f"{_RESIDENCY}: nothing more for models released before",
    ),
    Multiplier(
        sellers=("anthropic",), context="region:us", factor="1.1", since="2026-02-05",
        source=f"{_ANTHROPIC}: `inference_geo` of `us`, all tokens",
    ),
    Multiplier(
        sellers=("google",), models=_NEW_CLAUDE, context="region:.+", factor="1.1", since="2025-09-29",
        source=f"{_VERTEX}: regional and multi-region endpoints, from Claude Sonnet 4.5 on",
    ),
    Multiplier(
        sellers=("google",), models=rf"(?!{_NEW_CLAUDE})claude-.*|gemini-(?:[12]\.|pro|flash|live-2).*|gemma.*",
        context="region:.+", factor="1", source=f"{_VERTEX} and cloud.google.com/vertex-ai/generative-ai/pricing: one "
        "price everywhere for models before Claude Sonnet 4.5 and Gemini 3",
    ),
    Multiplier(
        sellers=("mistral",), context="region:eu|us", factor="1.1",
        source="docs.mistral.ai/studio/regional-inference, 2026-11: 1.1 times, cached tokens too",
    ),
    Multiplier(
        sellers=("together",), context="region:us|ca", factor="1.25",
        source="docs.together.ai/docs/serverless/geo-specific-inference, 2026-11: 1.25 times, cached tokens too",
    ),
    Multiplier(
        sellers=("x-ai",), context="region:us", factor="1.1",
        source="docs.x.ai/developers/advanced-api-usage/regions, 2026-11: tokens cost 10 % more",
    ),
    Multiplier(
        sellers=("aws",), models=r"(?:regional|global)\..*", context=r"region:(?!us-gov-).+", factor="1",
        source=f"{_BEDROCK}: one price in all regions; genai-prices has the 10 % of geographic profiles",
    ),
    Multiplier(
        sellers=("aws",), models=r"(?!regional\.|global\.).*", context="region:us-east-1|us-east-2|us-west-2",
        factor="1", source=f"{_BEDROCK}: the regions whose prices genai-prices has",
    ),
)  # fmt: skip

_FEES: Final = (
    Fee(sellers=("openai",), count="web_searches", usd_per_1000="10", source=f"{_OPENAI}: web search, all models"),
    Fee(
        sellers=("openai",), models=r"gpt-4o.*|gpt-4\.1.*", count="web_searches", usd_per_1000="25",
        context="search:preview", source=f"{_OPENAI}: web search preview, models that do not reason",
    ),
    Fee(
        sellers=("openai",), models=r"(?!gpt-4).*", count="web_searches", usd_per_1000="10", context="search:preview",
        source=f"{_OPENAI}: web search preview, models that reason",
    ),
    Fee(
        sellers=("openai",), models="gpt-4o-search-preview", count="requests", usd_per_1000="25",
        source=f"{_OPENAI}: every request of a search model searches",
    ),
    Fee(
        sellers=("openai",), models="gpt-5-search-api", count="requests", usd_per_1000="10",
        source=f"{_OPENAI}: every request of a search model searches",
    ),
    Fee(sellers=("openai",), count="storage_searches", usd_per_1000="2.5", source=f"{_OPENAI}: file search"),
    Fee(
        sellers=("anthropic", "google"), models="claude-.*", count="web_searches", usd_per_1000="10",
        source=f"{_ANTHROPIC}: web search, also on Google Cloud",
    ),
    Fee(
        sellers=("google",), models=r"gemini-(?:live-)?[12].*", count="web_searches", usd_per_1000="35",
        source=f"{_GEMINI}: a prompt grounded with Google Search",
    ),
    Fee(
        sellers=("google",), models=r"gemini-(?:[3-9]|omni|nano).*", count="web_searches", usd_per_1000="14",
        source=f"{_GEMINI}: a search query",
    ),
    Fee(
        sellers=("google",), models=r"gemini-(?:live-)?[12].*", count="web_searches", usd_per_1000="25",
        context="search:maps", source=f"{_GEMINI}: a prompt grounded with Google Maps",
    ),
    Fee(
        sellers=("google",), models=r"gemini-(?:[3-9]|omni|nano).*", count="web_searches", usd_per_1000="14",
        context="search:maps", source=f"{_GEMINI}: a query to Google Maps",
    ),
    *(
        Fee(sellers=("x-ai",), count=count, usd_per_1000="5", source=f"{_XAI}: tool invocation")
        for count in ("web_searches", "social_searches", "code_executions")
    ),
    Fee(sellers=("x-ai",), count="storage_searches", usd_per_1000="2.5", source=f"{_XAI}: collections search"),
    Fee(
        sellers=("x-ai",), count="storage_searches", usd_per_1000="10", context="search:attachments",
        source=f"{_XAI}: file attachments",
    ),
    Fee(
        sellers=("perplexity",), models=r"sonar(?:-pro|-reasoning|-reasoning-pro)?", count="web_searches",
        usd_per_1000="0", source=f"{_PERPLEXITY}: the fee for the request is for its searches",
    ),
    *(
        Fee(
            sellers=("perplexity",), models=models, count="requests", usd_per_1000=usd, context=f"search:{size}",
            source=f"{_PERPLEXITY}: request fee by search context size",
        )
        for models, fees in (
            (r"sonar|sonar-reasoning", ("5", "8", "12")),
            (r"sonar-pro|sonar-reasoning-pro", ("6", "10", "14")),
        )
        for size, usd in zip(("low", "medium", "high"), fees, strict=True)
    ),
)  # fmt: skip

_MODELS: Final = {
    "cohere": tuple(
        ModelData(name, Clause("equals", name), (PriceData({"rerank_searches": RateData("2")}),))
        for name in ("rerank-v3.5", "rerank-english-v3.0", "rerank-multilingual-v3.0")
    )
}
"""Cohere's rerankers: $2 for a thousand searches (cohere.com/pricing, 2025-06; the page names no price since)."""

TERMS: Final = Terms(_FEES, _BATCH + _TIERS + _REGIONS, STANDARD, _MODELS)
