"""OpenAI's SDK, versions 2 and 3: `OpenAI`, `AsyncOpenAI`, `AzureOpenAI`, `AsyncAzureOpenAI` and their subclasses.

Which requests are billed follows OpenAI's API reference and prices (platform.openai.com/docs/pricing); paths and
parameters were read in openai 2.54 and 3.54 (`resources/`). Not metered: batches, videos, fine-tuning, assistants'
runs, vector stores, containers and evals, whose bill comes later and elsewhere, and WebSockets (`realtime`, `live`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers._include_usage import UNASKED, asking, asks
from ai_cost_calc.providers._request import Input, Request, Sending, body_of, text, whole
from ai_cost_calc.providers._sdk import SdkProvider, Vendor, provider_at

BILLED: Final = {
    "audio/speech": "speech",
    "audio/transcriptions": "transcriptions",
    "audio/translations": "translations",
    "chat/completions": "chat",
    "completions": "completions",
    "decisions": "decisions",
    "embeddings": "embeddings",
    "images/edits": "images",
    "images/generations": "images",
    "images/variations": "images",
    "responses": "responses",
    "responses/compact": "responses_compact",
}
"""Endings of the paths of billed requests, and the API that each belongs to."""
STREAMING_USAGE: Final = frozenset({"chat", "completions"})
"""APIs whose streams report usage only when asked."""
MOST_REFUSALS: Final = 1_000
_refusing: dict[tuple[str, Any, str | None], None] = {}
"""Hosts, API versions and models that do not take `stream_options`."""


def sending(client: Any, options: Any) -> Sending | None:
    """What this request is; `None` for one that is not billed."""
    url = options.url
    api = _api(url)
    if api is None or options.method.lower() != "post":
        return _poll(client, options)
    body = body_of(options)
    host = provider_of(client)
    request = _request(client, host or "openai", api, body, Input(body, options.files))
    if request.stream and api in STREAMING_USAGE and not asks(body) and _may_ask(client, request):
        asked = asking(options, body)
        if asked is not None:
            return Sending(request, asked, _path(url), host is None, hides_usage=True)
    background = api == "responses" and body.get("background") is True
    return Sending(request, options, _path(url), host is None, background=background)


def _request(client: Any, provider: str, api: str, body: Mapping[str, Any], sent: Input) -> Request:
    asked = body.get
    return Request(
        provider=provider,
        model=text(asked("model")) or text(getattr(client, "_azure_deployment", None)),
        api=api,
        stream=asked("stream") is True,
        input=sent,
        max_output_tokens=whole(asked("max_completion_tokens") or asked("max_output_tokens") or asked("max_tokens")),
        choices=max(whole(asked("n")) or 1, whole(asked("best_of")) or 1),
        service_tier=text(asked("service_tier")),
    )


def _poll(client: Any, options: Any) -> Sending | None:
    """Looking for a response made earlier, or giving it up: free, but it may say what a background response used."""
    path = _path(options.url)
    if options.method.lower() != ("post" if path.endswith(b"/cancel") else "get"):
        return None
    path = path.removesuffix(b"/cancel")
    if not path.rpartition(b"/")[0].endswith(b"responses"):
        return None
    host = provider_of(client)
    request = CallRequest(provider=host or "openai", api="responses")
    return Sending(request, options, path, host is None, polls=True)


def _may_ask(client: Any, request: CallRequest) -> bool:
    return request.provider not in UNASKED and _host(client, request) not in _refusing


def refused(client: Any, sent: Sending) -> None:
    """Remember not to ask this host again."""
    _refusing[_host(client, sent.request)] = None
    if len(_refusing) > MOST_REFUSALS:
        _refusing.pop(next(iter(_refusing)), None)


def _host(client: Any, request: CallRequest) -> tuple[str, Any, str | None]:
    return str(client.base_url), getattr(client, "_api_version", None), request.model


@lru_cache(maxsize=256)
def _path(url: str) -> bytes:
    """The path of a request's URL, relative as SDKs give it or absolute, without slashes at its ends or a query."""
    path = url.partition("?")[0]
    if "://" in path:
        path = path.partition("://")[2].partition("/")[2]
    return path.strip("/").encode()


@lru_cache(maxsize=256)
def _api(url: str) -> str | None:
    parts = _path(url).decode().split("/")
    return BILLED.get("/".join(parts[-2:])) or BILLED.get(parts[-1])


def provider_of(client: Any) -> str | None:
    """Whose API a client talks to, in genai-prices' ids; `None` where its host does not tell."""
    return "azure" if hasattr(client, "_azure_endpoint") else provider_at(client, "chat/completions")


PROVIDER: Final = SdkProvider(
    Vendor(
        name="openai",
        module="openai",
        oldest=(2, 0),
        clients=("OpenAI", "AsyncOpenAI"),
        sending=sending,
        refused=refused,
    )
)
