"""A value that fits a JSON schema, so that SDKs can parse simulated structured output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 20
"""Where a schema that contains itself is cut off."""

_PLAIN: Final[dict[str, Any]] = {"string": "word", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def example(schema: Mapping[str, Any]) -> object:
    """Return a value that the schema allows: the first choice everywhere, one item in every array."""
    return _example(schema, schema, 0)


def _example(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> object:
    if depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        return _example(_resolve(schema["$ref"], root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return _example(schema[choice][0], root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> object:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: _example(inner, root, depth + 1) for name, inner in fields.items()}
    if kind == "array":
        return [_example(schema["items"], root, depth + 1)] if "items" in schema else []
    return _PLAIN.get(kind)


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        found = found[name] if name else found
    return found if isinstance(found, Mapping) else {}
