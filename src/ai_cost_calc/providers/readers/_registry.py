"""Which vendors there are, and which flavour of whose API a response is. Vendors load when they are first met."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import import_module
from typing import Final

import msgspec

from ai_cost_calc.providers.readers._flavour import Flavour, Vendor
from ai_cost_calc.providers.readers._wire import loading

_HERE: Final = "ai_cost_calc.providers.readers"
_CLIENTS: Final = "ai_cost_calc.providers"


class Entry(msgspec.Struct, frozen=True):
    """One vendor. Nothing of it is loaded before one of its responses or clients is met.

    Attributes:
        reads: module and name of its `Vendor`, which says how its responses are read.
        sdk: root module of its own SDK.
        wraps: module and name of the `Provider` that wraps that SDK's clients.
    """

    reads: str
    sdk: str | None = None
    wraps: str | None = None


VENDORS: Final = {
    "openai": Entry(f"{_HERE}.openai:OPENAI", "openai", f"{_CLIENTS}.openai:PROVIDER"),
    "anthropic": Entry(f"{_HERE}.anthropic:ANTHROPIC", "anthropic", f"{_CLIENTS}.anthropic:PROVIDER"),
    "azure": Entry(f"{_HERE}.azure:AZURE"),
    "google": Entry(f"{_HERE}.google:GOOGLE", "google", f"{_CLIENTS}.google:PROVIDER"),
    "aws": Entry(f"{_HERE}.bedrock:BEDROCK", "botocore", f"{_CLIENTS}.bedrock:PROVIDER"),
    "bedrock-mantle": Entry(f"{_HERE}.bedrock:MANTLE"),
    "groq": Entry(f"{_HERE}.groq:GROQ", "groq", f"{_CLIENTS}.groq:PROVIDER"),
    "mistral": Entry(f"{_HERE}.mistral:MISTRAL", "mistralai", f"{_CLIENTS}.mistral:PROVIDER"),
    "cohere": Entry(f"{_HERE}.cohere:COHERE", "cohere", f"{_CLIENTS}.cohere:PROVIDER"),
    "deepseek": Entry(f"{_HERE}.compatible:DEEPSEEK"),
    "x-ai": Entry(f"{_HERE}.xai:XAI", "xai_sdk", f"{_CLIENTS}.xai:PROVIDER"),
    "openrouter": Entry(f"{_HERE}.openrouter:OPENROUTER"),
    "perplexity": Entry(f"{_HERE}.perplexity:PERPLEXITY"),
    "together": Entry(f"{_HERE}.compatible:TOGETHER", "together", f"{_CLIENTS}.together:PROVIDER"),
    "fireworks": Entry(f"{_HERE}.compatible:FIREWORKS", "fireworks", f"{_CLIENTS}.fireworks:PROVIDER"),
    "cerebras": Entry(f"{_HERE}.compatible:CEREBRAS"),
    "moonshotai": Entry(f"{_HERE}.compatible:MOONSHOT"),
    "zai": Entry(f"{_HERE}.compatible:ZAI"),
    "zhipuai": Entry(f"{_HERE}.compatible:ZHIPU"),
    "voyageai": Entry(f"{_HERE}.voyageai:VOYAGE", "voyageai"),
    "ollama": Entry(f"{_HERE}.ollama:OLLAMA", "ollama", f"{_CLIENTS}.ollama:PROVIDER"),
    "huggingface": Entry(f"{_HERE}.compatible:HUGGINGFACE"),
    "alibaba": Entry(f"{_HERE}.compatible:ALIBABA"),
    "cloudflare": Entry(f"{_HERE}.cloudflare:CLOUDFLARE"),
    "databricks": Entry(f"{_HERE}.compatible:DATABRICKS"),
    "snowflake": Entry(f"{_HERE}.compatible:SNOWFLAKE"),
    "deepinfra": Entry(f"{_HERE}.compatible:DEEPINFRA"),
    "nvidia": Entry(f"{_HERE}.compatible:NVIDIA"),
    "novita": Entry(f"{_HERE}.compatible:NOVITA"),
    "baseten": Entry(f"{_HERE}.compatible:BASETEN"),
    "crusoe": Entry(f"{_HERE}.compatible:CRUSOE"),
    "minimax": Entry(f"{_HERE}.compatible:MINIMAX"),
    "arcee": Entry(f"{_HERE}.compatible:ARCEE"),
    "avian": Entry(f"{_HERE}.compatible:AVIAN"),
    "doubleword": Entry(f"{_HERE}.compatible:DOUBLEWORD"),
    "meta": Entry(f"{_HERE}.compatible:META"),
    "ovhcloud": Entry(f"{_HERE}.compatible:OVHCLOUD"),
    "quicksilverpro": Entry(f"{_HERE}.compatible:QUICKSILVERPRO"),
    "typesafe": Entry(f"{_HERE}.compatible:TYPESAFE"),
    "github-copilot": Entry(f"{_HERE}.compatible:COPILOT"),
    "portkey": Entry(f"{_HERE}.compatible:PORTKEY"),
    "pydantic-gateway": Entry(f"{_HERE}.compatible:PYDANTIC_GATEWAY"),
    "vllm": Entry(f"{_HERE}.compatible:VLLM"),
    "lmstudio": Entry(f"{_HERE}.compatible:LMSTUDIO"),
}
"""Vendors by their id in genai-prices, or our own; in the order in which a host is looked up. A new one adds a line."""
SDKS: Final = {entry.sdk: name for name, entry in VENDORS.items() if entry.sdk is not None}
"""Vendors by the root module of their SDK."""

PATHS: Final = (
    (r"/chat/completions$", "chat"),
    (r"/responses/input_tokens$|/messages/count_tokens$", "count_tokens"),
    (r"/responses/compact$", "responses_compact"),
    (r"/responses(/[^/]+)?$", "responses"),
    (r"/messages$", "messages"),
    (r"/embeddings$", "embeddings"),
    (r"/completions$", "completions"),
)
"""Paths that most vendors copied."""


class Route(msgspec.Struct, frozen=True):
    """What the provider's name, the API and the URL say about a response.

    Attributes:
        vendor: whose API it is; `None` when nothing tells.
        provider: the vendor's name, or what the caller called it.
        api: what the API is called: by the caller, else by the path.
        flavour: how to read it; `None` when only the body can tell.
        model: the model that the path names.
        region: the region that the host names.
        settled: whether the caller named the API, so that a body of another shape is not read as what it looks like.
    """

    vendor: Vendor | None = None
    provider: str | None = None
    api: str | None = None
    flavour: Flavour | None = None
    model: str | None = None
    region: str | None = None
    settled: bool = False


@cache
def vendor_named(name: str) -> Vendor | None:
    """The vendor of this name or alias."""
    if name in VENDORS:
        module, _, attribute = VENDORS[name].reads.partition(":")
        with loading:
            found: Vendor = getattr(import_module(module), attribute)
        return found
    vendors = (vendor_named(each) for each in VENDORS)
    return next((vendor for vendor in vendors if vendor is not None and name in vendor.aliases), None)


@lru_cache(maxsize=1024)
def route(provider: str | None, api: str | None, url: str | None) -> Route:
    """Find the vendor and flavour. What the caller says goes before what the URL says."""
    place = _place(url)
    vendor, found = (vendor_named(provider.lower()), None) if provider else vendor_at(place)
    if vendor is None:
        known_as = api or _api_at(PATHS, place)[0]
        standard = _standard(known_as)
        return Route(None, provider, known_as, standard, settled=api is not None and standard is not None)
    if found is None:
        at, found = vendor_at(place)
        vendor, found = (at, found) if at is not None and at.name == vendor.name else (vendor, None)
    api_here, told = _api_at((*vendor.paths, *PATHS), place)
    named = vendor.flavours.get(api or "")
    flavour = named or vendor.flavours.get(api_here or "") or _standard(api or api_here)
    parts = found.groupdict() if found is not None else {}
    name = f"{vendor.name}_{parts['under']}" if parts.get("under") else vendor.name
    region = parts.get("region") or told.get("region")
    return Route(vendor, name, api or api_here, flavour, told.get("model"), region, settled=named is not None)


def vendor_at(place: str) -> tuple[Vendor | None, re.Match[str] | None]:
    """The vendor who lives at this host and path, and how it matched."""
    for name in VENDORS if place else ():
        vendor = vendor_named(name)
        if vendor is not None and (found := _match(vendor, place)) is not None:
            return vendor, found
    return None, None


def flavour_of(inventor: str, api: str, vendor: Vendor | None = None) -> Flavour | None:
    """The flavour of an API: this vendor's own way with it, or that of whoever invented it."""
    if vendor is not None and api in vendor.flavours:
        return vendor.flavours[api]
    home = vendor_named(inventor)
    return None if home is None else home.flavours.get(api)


def _standard(api: str | None) -> Flavour | None:
    """The flavour of an API that many vendors copied."""
    if api in {"chat", "completions", "count_tokens", "embeddings", "responses", "responses_compact"}:
        return flavour_of("openai", api)
    return flavour_of("anthropic", api) if api == "messages" else None


def _place(url: str | None) -> str:
    place = re.split(r"[?#]", re.sub(r"^\w+://", "", url or ""), maxsplit=1)[0]
    if "%" not in place:
        return place
    from urllib.parse import unquote  # noqa: PLC0415 - a long import that few URLs need

    return unquote(place)


def _match(vendor: Vendor, place: str) -> re.Match[str] | None:
    """How this place is the vendor's; a host that only starts like one of the vendor's is somebody else's."""
    host = re.split("[/:]", place, maxsplit=1)[0]
    matches = (re.match(pattern, place) for pattern in vendor.hosts)
    return next((found for found in matches if found is not None and found.end() >= len(host)), None)


def _api_at(paths: tuple[tuple[str, str], ...], place: str) -> tuple[str | None, dict[str, str | None]]:
    for pattern, api in paths:
        if (found := re.search(pattern, place)) is not None:
            return api, found.groupdict()
    return None, {}
