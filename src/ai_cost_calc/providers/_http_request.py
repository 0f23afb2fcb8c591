"""What an HTTP request is, whoever makes it: whose API it calls, whether that is billed, and how much input it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.providers._batch_request import about_batch, new_batch
from ai_cost_calc.providers._batches import place_of as batch_place_of
from ai_cost_calc.providers._jobs import polls
from ai_cost_calc.providers._request import Input, Request, Sending, decoded, path_of, text
from ai_cost_calc.providers._settings import CHOICES, LIMITS, setting
from ai_cost_calc.providers.readers import Route, route

LATER: Final = frozenset({"assistants_runs", "batch_results", "batches", "jobs", "live", "realtime", "videos"})
"""APIs whose requests are not billed by what they answer: jobs, whose bill comes later, and WebSockets."""
OWN_BATCHES: Final = frozenset({"google"})
"""Who tells of batches in a way of their own, that only their own SDK's seam knows (`_google_jobs`)."""
INVENTORS: Final = {"messages": "anthropic"}
"""Whose API it is that many offer; the others are OpenAI's."""
STREAMS_UNASKED: Final = re.compile(r"/api/(?:chat|generate)$|:stream\w+$|-stream$")
"""Paths that stream without a `stream` in the body: Ollama's (unless it says false), Google's, Bedrock's."""
_LOCAL: Final = re.compile(r"^\w+://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::|/|$)")
_PART: Final = re.compile(rb'name="([^"]*)"(;\s*filename)?')
_MOST_HEADER: Final = 1_000


class Body(msgspec.Struct, frozen=True):
    """What a request's body says before it is sent.

    Attributes:
        fields: of JSON or of a form.
        files: what is sent beside them, or in place of them where a body cannot be looked at before it is sent.
        unseen_bytes: how long a body is that cannot be looked at; all of it may be text.
    """

    fields: Mapping[str, Any] = {}
    files: int = 0
    unseen_bytes: int = 0


class Place(msgspec.Struct, frozen=True):
    """Where a billed request goes.

    Attributes:
        tail: the end of its path, which its responses share, wherever they were redirected to.
        streams: whether its answer streams unless the body says otherwise.
        by_proxy: whether its host is none that is known.
        sure: whether host and path are enough to tell that this is a model's API.
    """

    provider: str
    api: str
    model: str | None
    tail: bytes
    streams: bool
    by_proxy: bool
    sure: bool


def sending_of(method: str, url: str, body: Callable[[], Body], home: str | None = None) -> Sending | None:
    """What a request is; `None` for one that costs nothing, or of which nothing tells that it is a model's.

    Args:
        body: gives the request's body; asked for only where the URL is one that may be billed.
        home: whose API it is where the host does not tell, for clients of one vendor.
    """
    where = re.split(r"[?#]", url, maxsplit=1)[0]  # a query may hold a key, which no cache is to keep
    place = place_of(where, home) if method == "POST" else None
    if place is None:
        return _batch(method, where, body, home) or _poll(method, where, home)
    found = body()
    asked = found.fields.get
    model = text(asked("model")) or place.model
    if not place.sure and model is None:
        return None
    request = Request(
        provider=place.provider,
        model=model,
        api=place.api,
        stream=asked("stream", place.streams) is True,
        input=Input(found.fields, found.files, found.unseen_bytes),
        max_output_tokens=setting(found.fields, LIMITS),
        choices=setting(found.fields, CHOICES) or 1,
        service_tier=text(asked("service_tier")),
    )
    background = place.api == "responses" and asked("background") is True
    return Sending(request, None, place.tail, place.by_proxy, background=background)


@lru_cache(maxsize=1024)
def place_of(url: str, home: str | None) -> Place | None:
    """Where a `POST` to this URL, without its query, goes; `None` where it is not billed."""
    way, by_proxy = _way(url, home)
    path = _path(url)
    if way.flavour is None or way.flavour.free or way.api is None or way.api in LATER:
        return None
    if way.api == "responses" and not path.endswith("/responses"):
        return None
    tail = "/".join(path.strip("/").split("/")[-2:]).encode()
    provider = way.provider or INVENTORS.get(way.api, "openai")
    sure = _sure(way, url, home)
    streams = STREAMS_UNASKED.search(path) is not None
    return Place(provider, way.api, way.model, tail, streams, by_proxy, sure)


def _way(url: str, home: str | None) -> tuple[Route, bool]:
    """Whose API a URL is, and whether its host is none that is known."""
    way = route(None, None, url)
    by_proxy = way.vendor is None
    return (route(home, None, url) if by_proxy and home is not None else way), by_proxy


def _sure(way: Route, url: str, home: str | None) -> bool:
    """Whether a URL is enough to tell that this is a model's API."""
    return way.vendor is not None and (home is not None or _LOCAL.match(url) is None)


def _batch(method: str, url: str, body: Callable[[], Body], home: str | None) -> Sending | None:
    """Making a batch, looking at one, or fetching what may be its results; of a host that is known to have them."""
    path = path_of(url)
    place = batch_place_of(method, path)
    if place is None:
        return None
    way, by_proxy = _way(url, home)
    if way.provider is None or way.provider in OWN_BATCHES or not _sure(way, url, home):
        return None
    if way.api != ("batch_results" if place.results else "batches"):
        return None
    return about_batch(place, way.provider, lambda name: _new_batch(name, body()), None, path, by_proxy=by_proxy)


def _new_batch(provider: str, body: Body) -> Request:
    return new_batch(provider, body.fields, body.files, body.unseen_bytes)


def _poll(method: str, url: str, home: str | None) -> Sending | None:
    """Looking for a response made earlier, or giving it up: free, but it may say what a background response used."""
    path = _path(url).encode()
    if not polls(method, path):
        return None
    way = route(None, None, url)
    request = CallRequest(provider=way.provider or home or "openai", api="responses")
    return Sending(request, None, path, way.vendor is None, polls=True)


def _path(url: str) -> str:
    return f"/{url.partition('://')[2].partition('/')[2].rstrip('/')}"


def unseen_body(content_length: str | None) -> Body:
    """A body that must not be looked at: it is made while it is sent, or cannot be read twice."""
    if content_length is not None and content_length.isdigit():
        return Body(unseen_bytes=int(content_length))
    return Body(files=1)


def body_of_bytes(content: bytes, content_type: str) -> Body:
    """What bytes say that are sent as they are: JSON, or a form with files."""
    if content_type.startswith("multipart/form-data"):
        return _form(content, content_type)
    return Body(fields) if (fields := decoded(content)) else Body(unseen_bytes=len(content))


def _form(content: bytes, content_type: str) -> Body:
    """The fields of an encoded form. What a file holds is passed over."""
    boundary = content_type.partition("boundary=")[2].partition(";")[0].strip('" ')
    fields: dict[str, Any] = {}
    files = 0
    for part in content.split(b"--" + boundary.encode()) if boundary else ():
        named = _PART.search(part, 0, _MOST_HEADER)
        if named is None:
            continue
        if named[2] is not None:
            files += 1
        else:
            value = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            fields[named[1].decode("utf-8", "replace")] = form_value(value.decode("utf-8", "replace"))
    return Body(fields, files)


def form_value(value: object) -> object:
    """A form has only text; what JSON has as truth values and numbers is told by how it looks."""
    if not isinstance(value, str):
        return value
    if value in {"true", "false"}:
        return value == "true"
    return int(value) if value.isascii() and value.isdigit() and len(value) < len(str(2**63)) else value
