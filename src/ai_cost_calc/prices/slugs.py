"""Ways in which people write a provider and a model: slugs of MarginDash, OpenRouter and LiteLLM, dots and dashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ai_cost_calc.core.price_book import Candidate

_PROVIDERS: Final = {
    "azure_ai": "azure",
    "bedrock_converse": "aws",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "perplexity-ai": "perplexity",
    "together_ai": "together",
    "z-ai": "zai",
}
"""First parts of slugs that genai-prices does not know as names of a provider."""

_ROUTERS: Final = {"litellm"}
"""Name no provider: the model's slug does (as in genai-prices)."""

_BEDROCK_MAKERS: Final = {"amazon"}
"""Sell their models on Bedrock, which writes `amazon.nova-pro-v1` where slugs say `amazon/nova-pro-v1`."""

_OPENAI_NAMES: Final = ("text-embedding-", "text-moderation-", "omni-moderation-", "chatgpt-", "davinci", "babbage")
"""Families of OpenAI that genai-prices 0.2.3 does not tell by the model's name alone."""

_DOT: Final = re.compile(r"(?<=\d)\.(?=\d)")
_DASH: Final = re.compile(r"(?<=\d)-(?=\d{1,2}(?!\d))")


def spellings(provider: str | None, model: str) -> Iterator[Candidate]:
    """Ways to read `model` of `provider`, the likeliest first.

    Where a slug names the provider, that wins over what the model's name says: `openrouter/google/gemini-2.5-pro` is
    paid to OpenRouter. A slug that nobody else knows may still be one of OpenRouter's, who writes them the same way.
    """
    named = None if provider is None or provider.lower() in _ROUTERS else provider
    head, slash, rest = model.partition("/")
    if named is not None:
        yield from _of(named, model)
    elif slash:
        yield from _of(_provider(head), rest)
        if head.lower() in _BEDROCK_MAKERS:
            yield "aws", f"{head}.{rest}"
        yield None, model
        yield "openrouter", model
    else:
        yield from _of("openai" if model.lower().startswith(_OPENAI_NAMES) else None, model)


def _provider(name: str) -> str:
    name = name.lower()
    return _PROVIDERS.get(name, name)


def _of(provider: str | None, model: str) -> Iterator[Candidate]:
    """A model as it stands, without what a path puts before it (`models/gemini-2.5-pro`), with other dashes."""
    last = model.rpartition("/")[2]
    for name in dict.fromkeys((model, last)):
        yield provider, name
        yield from ((provider, spelled) for spelled in _variants(name))


def _variants(model: str) -> Iterator[str]:
    """`claude-sonnet-4.5` as `claude-sonnet-4-5`, and the other way round."""
    for spelled in (_DOT.sub("-", model), _DASH.sub(".", model)):
        if spelled != model:
            yield spelled
