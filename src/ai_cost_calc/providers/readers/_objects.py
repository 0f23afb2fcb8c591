"""Reading what SDKs hand to their callers: models, raw responses, parsed dictionaries."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers._flavour import Source
from ai_cost_calc.providers.readers._read import read_usage
from ai_cost_calc.providers.readers._reader import Known
from ai_cost_calc.providers.readers._registry import SDKS, route
from ai_cost_calc.providers.readers._wire import fields_of

SHARED: Final = frozenset({"openai"})
"""Vendors whose SDK is used with any provider's URL."""


def reading_of(
    response: object,
    *,
    provider: str | None = None,
    api: str | None = None,
    url: str | None = None,
    model: str | None = None,
) -> Reading:
    """What a vendor's response object says about its usage.

    Args:
        response: an SDK's model, an SDK's raw response, an HTTP client's response, a dictionary such as botocore's, or
            a JSON body as text or bytes; a `Usage` or `Reading` passes through.
        provider: whose API answered, where the object does not tell.
        api: the flavour, likewise.
        url: where the request went, likewise.
        model: the requested model, for responses that name none.

    Returns:
        A `Reading`. Where the object is none of these, such as a stream that was not consumed, its `usage` is `None`
        and its `anomaly` says why: this is called beside the user's own call, which must go on.
    """
    known: dict[str, Any] = {"provider": provider, "api": api, "url": url, "model": model}
    try:
        if isinstance(response, (bytes, str)):
            reading = read_usage(response, provider=provider, api=api, url=url, model=model)
        else:
            reading = _read(response, known)
        if reading.usage is None and not reading.complete and reading.anomaly is None:
            return _unread(response, known, "it has none")
    except Exception as exc:  # noqa: BLE001 - any object may be handed in, and any attribute of it may raise
        return _unread(response, known, type(exc).__name__)
    return reading


def _read(response: object, known: dict[str, Any]) -> Reading:
    if isinstance(response, Reading):
        return response
    if isinstance(response, Usage):
        way = route(known["provider"], known["api"], known["url"])
        return Reading(usage=response, provider=way.provider, model=known["model"])
    if isinstance(response, Mapping):
        return _mapping(response, known)
    if hasattr(response, "__next__") or hasattr(response, "__anext__"):
        return _unread(response, known, "it is a stream; record what it adds up to")
    http = _http_inside(response)
    return _model(response, known) if http is None else _http(http, known)


def _mapping(response: Mapping[str, Any], known: dict[str, Any]) -> Reading:
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, Mapping):
        return read_usage(dict(response), **known)
    known = known | {"provider": known["provider"] or "aws", "headers": metadata.get("HTTPHeaders") or {}}
    if "body" not in response:
        reading = read_usage(dict(response), **known | {"api": known["api"] or "converse"})
    else:  # the body of InvokeModel can be read once, by the caller; the headers have its counts too
        reading = read_usage({}, **known | {"api": "invoke"})
    return replace(reading, response_id=reading.response_id or metadata.get("RequestId"))


def _http_inside(response: object) -> Any:
    """The HTTP client's response: this object itself, or what a raw response of an SDK wraps."""
    for http in (response, getattr(response, "http_response", None), getattr(response, "response", None)):
        if hasattr(http, "status_code") and hasattr(http, "headers"):
            return http
    return None


def _http(http: Any, known: dict[str, Any]) -> Reading:
    """A response of httpx, httpx2 or requests, where its body was read."""
    if getattr(http, "is_stream_consumed", True) is False or getattr(http, "_content_consumed", True) is False:
        return _unread(http, known, "its body was not read yet")
    headers = {str(name).lower(): str(value) for name, value in http.headers.items()}
    return read_usage(
        http.content,
        content_type=headers.get("content-type"),
        headers=headers,
        status=http.status_code,
        **known | {"url": known["url"] or str(http.url)},
    )


def _model(response: Any, known: dict[str, Any]) -> Reading:
    root = type(response).__module__.partition(".")[0]
    if root == "xai_sdk":
        known = known | {"api": "grpc_chat"}
        response = getattr(response, "proto", response)
    maker = SDKS.get(root)
    way = route(known["provider"] or (None if maker in SHARED else maker), known["api"], known["url"])
    fields = message_fields(response) if hasattr(response, "DESCRIPTOR") else fields_of(response)
    if not fields or isinstance(response, type):
        return _unread(response, known, "it is no response")
    if root == "google":
        fields = {_camel(name): value for name, value in fields.items()}
    return Known(way, Source(way.provider, known["model"] or way.model, way.region)).read(fields)


def message_fields(message: Any, inside: Container[str] = ("usage",)) -> dict[str, Any]:
    """The scalars of a protocol buffer, enumerations by name; of messages in it, only those named `inside` are read.

    What was not set is left out: it would look like a zero.
    """
    fields: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        name = field.name
        if (field.message_type is not None and name not in inside) or _unset(message, field):
            continue
        value = getattr(message, name)
        many = not isinstance(value, (int, float, str, bytes)) and not hasattr(value, "DESCRIPTOR")
        if field.message_type is not None:
            value = [message_fields(each, inside) for each in value] if many else message_fields(value, inside)
        elif field.enum_type is not None:
            value = [_enumerated(field, each) for each in value] if many else _enumerated(field, value)
        fields[name] = value
    return fields


def _unset(message: Any, field: Any) -> bool:
    return field.has_presence and not message.HasField(field.name)


def _enumerated(field: Any, number: int) -> str | int:
    """The name of a value; its number where the SDK is older than it."""
    known = field.enum_type.values_by_number.get(number)
    return number if known is None else str(known.name)


def _camel(name: str) -> str:
    """The name on the wire of a field of Google's models."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _unread(response: object, known: dict[str, Any], why: str) -> Reading:
    way = route(known["provider"], known["api"], known["url"])
    return Reading(
        provider=way.provider,
        model=known["model"],
        complete=False,
        anomaly=f"no usage can be read from a {type(response).__name__}: {why}",
    )
