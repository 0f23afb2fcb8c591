"""The two ways in: a whole body, or a reader to feed a body to as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import NO_HEADERS, Source
from ai_cost_calc.providers.readers._reader import ERROR, Known, UsageReader
from ai_cost_calc.providers.readers._registry import route
from ai_cost_calc.providers.readers._streams import holds_lines


def open_reader(
    *,
    provider: str | None = None,
    api: str | None = None,
    url: str | None = None,
    content_type: str | None = None,
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> UsageReader:
    """A reader for one response, to be fed its bytes as they come.

    Args:
        provider: whose API answers, by its id in genai-prices or a usual alias; else the URL, else the body tells.
        api: the flavour: `chat`, `responses`, `messages`, …; else the URL, else the body tells.
        url: where the request went.
        content_type: of the response.
        model: the requested model, for responses that name none.
        headers: of the response, names in lower case.
        status: of the response; from 400 on there is nothing to read.
    """
    way = route(provider, api, url)
    source = Source(way.provider, model or way.model, way.region, headers or NO_HEADERS)
    return UsageReader(way, source, content_type, status)


def read_usage(
    body: bytes | str | dict[str, Any] | list[Any],
    *,
    provider: str | None = None,
    api: str | None = None,
    url: str | None = None,
    content_type: str | None = None,
    model: str | None = None,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> Reading:
    """What a provider's response says about its usage.

    Args:
        body: a whole response: JSON, what JSON was parsed to, or the bytes of a stream.
        provider: whose API answered, such as `openai`; else the URL, else the body tells.
        api: the flavour: `chat`, `responses`, `messages`, …; else the URL, else the body tells.
        url: where the request went.
        content_type: of the response.
        model: the requested model, for responses that name none.
        headers: of the response, names in lower case.
        status: of the response; from 400 on there is nothing to read.

    Returns:
        A `Reading`, never an exception. Its `usage` is `None` where the response has none: `complete` then tells
        whether nothing is billed (an error, a free endpoint, a job under way), or what is billed is not known.

    Raises:
        TypeError: the body is none of these, such as a vendor's response object, which `calc.record` takes.
    """
    way = route(provider, api, url)
    source = Source(way.provider, model or way.model, way.region, headers or NO_HEADERS)
    if status >= ERROR:
        return source.reading(None)
    if isinstance(body, dict):
        return Known(way, source).read(body)
    raw = _bytes(body)
    lines = (way.flavour is not None and way.flavour.lines) or (content_type and holds_lines(content_type))
    if raw.startswith(b"{") and not lines:
        reading = Known(way, source).read(raw)
        if reading.usage is not None:
            return reading
    reader = UsageReader(way, source, content_type, status)
    reader.feed(raw)
    return reader.close()


def _bytes(body: object) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, list):  # what Gemini streams where it is not asked for server-sent events
        try:
            return msgspec.json.encode(body)
        except (TypeError, ValueError, RecursionError):  # no JSON was parsed to this
            return b""
    msg = f"body must be JSON as bytes, text, a dict or a list, not {type(body).__name__}; calc.record takes objects"
    raise TypeError(msg)
