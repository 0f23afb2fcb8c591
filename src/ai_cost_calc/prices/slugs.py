"""Ways in which people write a provider and a model: slugs, paths, profiles, variants, dots and dashes, own names.

Slugs are those of MarginDash, OpenRouter and LiteLLM (`openai/gpt-4o`) and of pydantic-ai (`openai:gpt-4o`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ai_cost_calc.core.matching import is_customized, without_variant
from ai_cost_calc.core.price_book import Candidate, Spellings

_PROVIDERS: Final = {
    "amazon-bedrock": "aws",
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "grok": "x-ai",
    "perplexity-ai": "perplexity",
    "together_ai": "together",
    "xai": "x-ai",
    "z-ai": "zai",
}
"""First parts of slugs that genai-prices does not know as names of a provider."""

_ROUTERS: Final = {"litellm", "portkey"}
"""Name no provider: the model's slug does, and its provider sends the bill (docs.portkey.ai, docs.litellm.ai)."""

_BEDROCK_MAKERS: Final = {"amazon"}
"""Sell their models on Bedrock, which writes `amazon.nova-pro-v1` where slugs say `amazon/nova-pro-v1`."""

_BEDROCK: Final = re.compile(
    r"(?:(?:us|eu|apac|jp|au|ca|in|us-gov|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshotai?|nvidia|openai|qwen|writer|zai)\.\w"
)
"""Ids of models and inference profiles that only Bedrock has (docs.aws.amazon.com, "Supported foundation models")."""

_COLON: Final = re.compile(
    r"(?P<provider>anthropic|azure|bedrock|cerebras|cohere|deepseek|fireworks|gemini|google(?:-gla|-vertex)?|grok|groq"
    r"|mistral|moonshotai|openai(?:-chat|-responses)?|openrouter|perplexity|together|x-?ai):(?P<model>.+)",
    re.IGNORECASE,
)
"""Names of pydantic-ai (ai.pydantic.dev/models): the provider, a colon, the model."""

_OPENROUTER: Final = re.compile(r":(?:batch|exacto|extended|floor|free|nitro|online|thinking)$", re.IGNORECASE)
"""Variants that only OpenRouter has."""

_ALIASES: Final = {
    ("aws", "anthropic.claude-haiku-4-5"): "anthropic.claude-haiku-4-5-20251001-v1:0",
    ("aws", "anthropic.claude-sonnet-4-5"): "anthropic.claude-sonnet-4-5-20250929-v1:0",
    ("mistral", "ministral-14b-latest"): "ministral-14b-2512",
    ("mistral", "ministral-3b-latest"): "ministral-3b-2512",
    ("mistral", "pixtral-12b-2409"): "pixtral-12b",
    ("x-ai", "grok-3-mini-high"): "grok-3-mini",
    ("x-ai", "grok-3-mini-low"): "grok-3-mini",
    ("x-ai", "grok-3-mini-fast-high"): "grok-3-mini-fast",
    ("x-ai", "grok-3-mini-fast-low"): "grok-3-mini-fast",
}
"""Names that genai-prices 0.2.3 does not know. Bedrock's newer endpoint leaves dates out. What `latest` means is said
in docs.mistral.ai, "Models", 2026-11. xAI's gRPC API answers with Grok's reasoning effort behind the model, whose
tokens cost the same (docs.x.ai, "Reasoning", 2026-11)."""

_OPENAI_NAMES: Final = (
    *("text-embedding-", "text-moderation-", "omni-moderation-", "chatgpt-", "davinci", "babbage"),
    *("ft:gpt-", "ft:o1", "ft:o3", "ft:o4", "ft:davinci", "ft:babbage"),
)
"""Families of OpenAI that genai-prices 0.2.3 does not tell by the model's name alone."""

_NO_SLUGS: Final = ("arn:", "models/", "projects/", "publishers/", "accounts/", "@")
"""Beginnings of paths that do not name a provider."""

_DOT: Final = re.compile(r"(?<=\d)\.(?=\d)")
_DASH: Final = re.compile(r"(?<=\d)-(?=\d{1,2}(?!\d))")


def read_with(model_map: Mapping[str, str]) -> Spellings:
    """A way to read names that knows some of the user's own.

    Args:
        model_map: name to model. The name is that of an Azure deployment, a Bedrock application inference profile (its
            ARN or the last part of it), a tuned model or an endpoint, by itself or after `provider/`. The model is a
            slug (`openai/gpt-4o`) or a name. Upper and lower case are the same.
    """
    if not model_map:
        return spellings
    own = {name.lower(): target for name, target in model_map.items()}

    def read(provider: str | None, model: str) -> Iterator[Candidate]:
        name = model.lower()
        names = (f"{provider}/{name}".lower(), name, name.rpartition("/")[2])
        target = next((own[each] for each in names if each in own), None)
        if target is None:
            yield from spellings(provider, model)
            return
        if provider is not None and provider.lower() not in _ROUTERS:
            yield from _of(provider, target.partition("/")[2] or target)
        yield from spellings(None, target)

    return read


def spellings(provider: str | None, model: str) -> Iterator[Candidate]:
    """Ways to read `model` of `provider`, the likeliest first.

    Where a slug names the provider, that wins over what the model's name says: `openrouter/google/gemini-2.5-pro` is
    paid to OpenRouter. A slug that nobody else knows may still be one of OpenRouter's, who writes them the same way.
    """
    named = None if provider is None or provider.lower() in _ROUTERS else provider
    if named is not None:
        yield from _of(_provider(named), model)
    elif (colon := _COLON.fullmatch(model)) is not None:
        head = colon["provider"].lower().removesuffix("-chat").removesuffix("-responses")
        yield from _of(_provider(head), colon["model"])
    elif "/" in model and not model.lower().startswith(_NO_SLUGS):
        yield from _slug(model)
    else:
        yield from _of(_maker(model.lower()), model)


def _slug(model: str) -> Iterator[Candidate]:
    head, _, rest = model.partition("/")
    if _OPENROUTER.search(model):
        yield from _of("openrouter", model.removeprefix("openrouter/"))
    yield from _of(_provider(head), rest)
    if head.lower() in _BEDROCK_MAKERS:
        yield "aws", f"{head}.{rest}"
    yield None, model
    yield "openrouter", model


def _maker(model: str) -> str | None:
    """Whose model this is, where genai-prices cannot tell by its name."""
    if model.startswith(_OPENAI_NAMES):
        return "openai"
    if model.startswith(("models/gemini", "publishers/google/", "projects/")):
        return "google"
    return "aws" if model.startswith("arn:aws") or _BEDROCK.match(model) else None


def _provider(name: str) -> str:
    name = name.lower()
    return _PROVIDERS.get(name, name)


def _of(provider: str | None, model: str) -> Iterator[Candidate]:
    """A model as it stands, without what a path puts before it (`models/gemini-2.5-pro`), with other dashes."""
    last = model if is_customized(model.lower()) else model.rpartition("/")[2]
    if (alias := _ALIASES.get((provider or "", last.lower()))) is not None:
        yield provider, alias
    if provider == "huggingface" and ":" in model:
        name, _, under = model.rpartition(":")
        yield f"huggingface_{under}", name
    for name in dict.fromkeys((model, last)):
        yield provider, name
        yield from ((provider, spelled) for spelled in _variants(name))
    if provider == "openrouter":
        yield provider, without_variant(model)
    if provider == "aws":
        yield from ((provider, f"{last}{version}") for version in _LEFT_OUT)


_LEFT_OUT: Final = ("-v1:0", "-1:0")
"""What Bedrock's newer endpoint leaves out of ids: it says `openai.gpt-oss-120b` for `openai.gpt-oss-120b-1:0`."""


def _variants(model: str) -> Iterator[str]:
    """`claude-sonnet-4.5` as `claude-sonnet-4-5`, and the other way round."""
    for spelled in (_DOT.sub("-", model), _DASH.sub(".", model)):
        if spelled != model:
            yield spelled
