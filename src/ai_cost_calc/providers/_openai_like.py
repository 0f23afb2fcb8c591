"""SDKs whose clients speak the APIs of OpenAI: which of their requests are billed, and what is known of each before it.

Which requests are billed follows OpenAI's API reference and prices (platform.openai.com/docs/pricing). What an SDK has
of its own is said in its own file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers._batch_request import about_batch, new_batch
from ai_cost_calc.providers._batches import place_of
from ai_cost_calc.providers._include_usage import UNASKED, asking, asks
from ai_cost_calc.providers._jobs import polls
from ai_cost_calc.providers._request import Input, Request, Sending, body_of, path_of, text, whole
from ai_cost_calc.providers._sdk import SdkProvider, Taps, Vendor, provider_at
from ai_cost_calc.providers._session import Session

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
    "rerank": "rerank",
    "responses": "responses",
    "responses/compact": "responses_compact",
}
"""Endings of the paths of billed requests, and the API that each belongs to."""
STREAMING_USAGE: Final = frozenset({"chat", "completions"})
"""APIs whose streams report usage only when asked."""
MOST_REFUSALS: Final = 1_000
_refusing: dict[tuple[str, Any, str | None], None] = {}
"""Hosts, API versions and models that do not take `stream_options`."""


class OpenAiLike(msgspec.Struct, frozen=True, kw_only=True):
    """One such SDK.

    Attributes:
        name: the provider its clients talk to, unless their base URL says otherwise.
        also_billed: what is billed beside OpenAI's APIs, as in `BILLED`.
    """

    name: str
    also_billed: Mapping[str, str] = {}

    def sending(self, client: Any, options: Any) -> Sending | None:
        """What this request is; `None` for one that is not billed."""
        path = path_of(options.url)
        api = self._api(path)
        if api is None or options.method.lower() != "post":
            return self._unbilled(client, options, path)
        body = body_of(options)
        host = provider_of(client)
        request = _request(client, host or self.name, api, body, Input(body, options.files))
        if request.stream and api in STREAMING_USAGE and not asks(body) and _may_ask(client, request):
            asked = asking(options, body)
            if asked is not None:
                return Sending(request, asked, path, host is None, hides_usage=True)
        background = api == "responses" and body.get("background") is True
        return Sending(request, options, path, host is None, background=background)

    def _api(self, path: bytes) -> str | None:
        two, last = _ends(path)
        return BILLED.get(two) or BILLED.get(last) or self.also_billed.get(last)

    def _unbilled(self, client: Any, options: Any, path: bytes) -> Sending | None:
        """A request that costs nothing by itself: it makes a batch, or may say what an answer made earlier used."""
        place = place_of(options.method, path)
        if place is None and not polls(options.method, path):
            return None
        host = provider_of(client)
        provider = host or self.name
        if place is None:
            return Sending(CallRequest(provider=provider, api="responses"), options, path, host is None, polls=True)
        return about_batch(
            place, provider, lambda name: new_batch(name, body_of(options)), options, path, by_proxy=host is None
        )


def _request(client: Any, provider: str, api: str, body: Mapping[str, Any], sent: Input) -> Request:
    asked = body.get
    return Request(
        provider=provider,
        model=text(asked("model")) or text(getattr(client, "_azure_deployment", None)),
        api=api,
        stream=asked("stream") is True,
        input=sent,
        max_output_tokens=whole(asked("max_completion_tokens") or asked("max_output_tokens") or asked("max_tokens")),
        choices=max(whole(asked("n")) or 1, whole(asked("best_of")) or 1) if "n" in body or "best_of" in body else 1,
        service_tier=text(asked("service_tier")),
    )


def asked_of(client: Any, provider: str, body: Mapping[str, Any], session: Session) -> Request:
    """What an event of a WebSocket session asks for: what it says itself, with what stands in the session already."""
    sent = Input(body, range(session.media_items), framing=session.heard_bytes)
    named = body if session.model is None or "model" in body else {**body, "model": session.model}
    return _request(client, provider, session.dialect.api, {**named, "stream": True}, sent)


def _may_ask(client: Any, request: CallRequest) -> bool:
    return request.provider not in UNASKED and (not _refusing or _host(client, request) not in _refusing)


def refused(client: Any, sent: Sending) -> None:
    """Remember not to ask this host again."""
    _refusing[_host(client, sent.request)] = None
    if len(_refusing) > MOST_REFUSALS:
        _refusing.pop(next(iter(_refusing)), None)


def _host(client: Any, request: CallRequest) -> tuple[str, Any, str | None]:
    return str(client.base_url), getattr(client, "_api_version", None), request.model


@lru_cache(maxsize=256)
def _ends(path: bytes) -> tuple[str, str]:
    """The last two parts of a path, and the last one."""
    parts = path.decode().split("/")
    return "/".join(parts[-2:]), parts[-1]


def provider_of(client: Any) -> str | None:
    """Whose API a client talks to, in genai-prices' ids; `None` where its host does not tell."""
    return "azure" if hasattr(client, "_azure_endpoint") else provider_at(client, "chat/completions")


def wrapping(
    sdk: OpenAiLike, *, module: str, oldest: tuple[int, ...], client: str, sockets: Taps | None = None
) -> SdkProvider:
    """The provider that wraps this SDK's clients.

    Args:
        sdk: what its requests are.
        module: its root module.
        oldest: the first version that is supported.
        client: the name of its client class; its asynchronous twin is called after it.
        sockets: taps its WebSocket connections, where it makes any.
    """
    return SdkProvider(
        Vendor(
            name=sdk.name,
            module=module,
            oldest=oldest,
            clients=(client, f"Async{client}"),
            sending=sdk.sending,
            refused=refused,
            sockets=sockets,
        )
    )
