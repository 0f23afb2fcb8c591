"""Typed decoding of providers' JSON that forgives: what has the wrong type is left out, the rest is kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

from ai_cost_calc.forks import ForkLock, held_over_forks

W = TypeVar("W")

MOST: Final = 2**53
"""No provider counts higher; a larger number is a fault, and would survive neither JSON nor SQL."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)] | None
"""A count as providers send it: whole, not negative; absent or null when there is none."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=MOST)] | None
"""A duration as providers send it."""

UNFIT: Final = (msgspec.ValidationError, UnicodeEncodeError)
"""What msgspec raises for a value of another type; the latter for text with lone surrogates, looked at as a number."""


class Wire(msgspec.Struct, gc=False, kw_only=True):
    """Base of everything decoded from a provider's JSON; fields that are not named are skipped, never built."""


Decoded = tuple[W, tuple[str, ...]]
"""What could be decoded, and the names of the fields that had to be dropped."""


loading: Final = held_over_forks(ForkLock())
"""Held while a vendor's file is imported, and while msgspec 0.22 looks at a type for the first time: the type is half
known then, and another thread, or a forked child, that uses it as it is crashes."""


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    with loading:
        return msgspec.json.Decoder(kind)


def convert(kind: type[W], data: object) -> Decoded[W]:
    """Read what was parsed already: a mapping, whose values may be an SDK's objects."""
    _decoder(kind)  # type: ignore[arg-type]  # a type is hashable; see `loading`
    try:
        return msgspec.convert(data, kind), ()
    except UNFIT:
        return _salvaged(kind, data)


def parsed(kind: type[W], body: bytes | str | Mapping[str, Any]) -> Decoded[W]:
    """Decode one JSON document, or read what it was parsed to already.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    if not isinstance(body, (bytes, str)):
        return convert(kind, body)
    try:
        return _decoder(kind).decode(body), ()  # type: ignore[arg-type]  # a type is hashable
    except msgspec.ValidationError:
        return _salvaged(kind, _any(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _salvaged(kind, lenient(body))


def _any(raw: bytes | str) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a number out of range, half a character, broken UTF-8
        return lenient(raw)


def lenient(raw: bytes | str) -> object:
    """Python's own parser takes what msgspec refuses and some servers send: NaN, lone surrogates, broken UTF-8."""
    import json  # noqa: PLC0415 - only for what the quick decoder refuses

    return json.loads(raw if isinstance(raw, str) else raw.decode("utf-8-sig", "replace"))


def _salvaged(kind: type[W], data: object) -> Decoded[W]:
    dropped: list[str] = []
    wire = _salvage(kind, data, "", dropped)
    return kind() if wire is None else wire, tuple(dropped)


def _salvage(kind: Any, data: object, path: str, dropped: list[str]) -> Any:
    """Rebuild what fits `kind`, field by field; `dropped` gets the path of what does not, never its value."""
    try:
        return msgspec.convert(data, kind, strict=False, from_attributes=True)
    except UNFIT:
        plain = _plain(kind)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct) and (fields := fields_of(data)):
        return _salvage_fields(plain, fields, path, dropped)
    if get_origin(plain) is list and isinstance(data, list):
        kept = (_salvage(get_args(plain)[0], item, path, dropped) for item in data)
        return [item for item in kept if item is not None]
    if fields_of(data) != {}:
        dropped.append(path)
    return None


def fields_of(data: object) -> Mapping[str, Any] | None:
    """What a mapping or an SDK's model holds; `None` for what has no fields, such as a number.

    Empty for the objects by which some SDKs say that a field was not set.
    """
    if isinstance(data, Mapping):
        return data
    if isinstance(data, msgspec.Struct):
        return {name: getattr(data, name) for name in data.__struct_fields__}
    fields: dict[str, Any] | None = getattr(data, "__dict__", None)
    return fields if fields is None else fields | (getattr(data, "__pydantic_extra__", None) or {})


def _salvage_fields(kind: type[msgspec.Struct], data: Mapping[str, object], path: str, dropped: list[str]) -> Any:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in data:
            value = _salvage(field.type, data[field.encode_name], f"{path}.{field.name}".lstrip("."), dropped)
            values |= {} if value is None else {field.name: value}
    return kind(**values)


def _plain(kind: Any) -> Any:
    """The one type that `kind` allows beside `None`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return get_args(kind)[0]
    if origin in (Union, UnionType):
        return next((_plain(option) for option in get_args(kind) if option is not type(None)), kind)
    return kind
