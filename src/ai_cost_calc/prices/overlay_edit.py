"""Changes one entry of a file of own prices, and leaves everything else in it, comments too, as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices.overlay_text import decode, is_json
from ai_cost_calc.prices.positions import positions

_IDENTITY: Final = ("provider", "model", "from", "when")
"""What tells two entries of one list apart."""
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ORDER: Final = ("provider", "model", "name", "context_window", "from", "until", "when", "percent", "only", "rates")

Entry = Mapping[str, Any]


def put_entry(text: str, name: str, kind: str, entry: Entry) -> str:
    """The text of a file with an entry in it; what an entry for the same model, day and context says is replaced.

    Args:
        text: what stands in the file; may be empty.
        name: the file's name, whose ending says whether it is JSON.
        kind: `prices` or `discounts`.
        entry: what it says; rates that it does not name stay as the file has them.

    Raises:
        ConfigError: the file is not well-formed, or is laid out in a way that has to be changed by hand.
    """
    data = _decoded(text, name)
    entries = _entries(data, kind)
    place = next((number for number, one in enumerate(entries) if _same(one, entry)), None)
    old = {} if place is None else entries[place]
    merged = {**old, **entry}
    if "rates" in entry:
        merged["rates"] = {**old.get("rates", {}), **entry["rates"]}
    changed = [*entries]
    changed[len(entries) if place is None else place :] = [merged, *(changed[place + 1 :] if place is not None else ())]
    return _written(text, name, {**data, kind: changed}, (kind, place), merged)


def remove_entries(text: str, name: str, entry: Entry) -> tuple[str, int]:
    """The text of a file without the prices and discounts of a model, and how many there were.

    Args:
        text: what stands in the file.
        name: the file's name.
        entry: `provider` and `model`; with `from` or `when`, only entries that say the same.

    Raises:
        ConfigError: as in `put_entry`.
    """
    removed = 0
    for kind in ("prices", "discounts"):
        while True:
            data = _decoded(text, name)
            entries = _entries(data, kind)
            place = next((number for number, one in enumerate(entries) if _is_named(one, entry)), None)
            if place is None:
                break
            left = {**data, kind: [one for number, one in enumerate(entries) if number != place]}
            if not left[kind]:
                del left[kind]
            text = _written(text, name, left, (kind, place), None)
            removed += 1
    return text, removed


def _decoded(text: str, name: str) -> dict[str, Any]:
    if is_json(name) and not text.strip():
        return {}
    data = decode(text, name)
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: the file must be a table")
    return data


def _entries(data: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = data.get(kind, [])
    return entries


def _same(one: Entry, other: Entry) -> bool:
    return all(_plain(one.get(key)) == _plain(other.get(key)) for key in _IDENTITY)


def _is_named(one: Entry, named: Entry) -> bool:
    return all(_plain(one.get(key)) == _plain(value) for key, value in named.items() if value)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value.lower() if isinstance(value, str) else value or None


def _written(text: str, name: str, data: Any, place: tuple[str, int | None], entry: Entry | None) -> str:
    """The new text: of JSON written anew, of TOML with only the lines of this entry changed."""
    kind, number = place
    if is_json(name):
        return json.dumps(data, indent=2, ensure_ascii=False, default=_json) + "\n"
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    block = [] if entry is None else [f"{line}\n" for line in _toml(kind, entry)]
    if number is None:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += (["\n"] if lines and lines[-1].strip() else []) + block
    else:
        extent = positions(text, toml=True)[kind, number]
        end = extent.last
        while entry is None and end < len(lines) and not lines[end].strip():
            end += 1  # the empty lines behind what is taken out
        lines[extent.first - 1 : end] = block
    made = "".join(lines)
    if _readable(made, name) != _readable_values(data):
        raise ConfigError(f"{name}: this entry is written in a way that can only be changed by hand")
    return made


def _readable(text: str, name: str) -> Any:
    try:
        return _readable_values(decode(text, name))
    except ConfigError:
        return None


def _readable_values(data: Any) -> str:
    return json.dumps(data, default=_json, sort_keys=True)


def _json(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)


def _toml(kind: str, entry: Entry) -> list[str]:
    keys = sorted(entry, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
    return [f"[[{kind}]]", *(f"{key} = {_value(entry[key])}" for key in keys)]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(part)}' for key, part in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)
