"""Takes the text of a file of own prices apart: TOML, or JSON where its name says so, without a single float."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

from ai_cost_calc.errors import ConfigError
from ai_cost_calc.prices.positions import Path, repeated


class Float:
    """A number with a decimal point or an exponent, as it is written; none is wanted anywhere in the file."""

    def __init__(self, text: str) -> None:
        self.text = text


def is_json(name: str) -> bool:
    """Whether a file of this name is read as JSON."""
    return name.lower().endswith(".json")


def dotted(way: Path) -> str:
    """A way as people write it: `prices[2].rates.input_tokens`."""
    said = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in way).removeprefix(".")
    return said or "the file"


_ENDLESS: Final = re.compile(r"\d{4000}")


def _json(text: str, name: str) -> Any:
    doubled: list[bool] = []

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        doubled.append(len(made) < len(pairs))
        return made

    data = json.loads(text, parse_float=Float, parse_constant=Float, object_pairs_hook=table)
    if any(doubled):
        way, extent = repeated(text)
        raise ConfigError(f"{name}, line {extent.first}, {dotted(way)}: is given twice")
    return data


def decode(text: str, name: str) -> Any:
    """The plain values of a file.

    Raises:
        ConfigError: it is not well-formed, or gives one thing twice.
    """
    try:
        if is_json(name):
            return _json(text, name)
        return tomllib.loads(text, parse_float=Float)
    except json.JSONDecodeError as exc:
        raise ConfigError(f"{name}, line {exc.lineno}: {exc.msg}; the file is no JSON") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{name}: {exc}; the file is no TOML") from exc
    except ConfigError:
        raise
    except ValueError as exc:  # a whole number of thousands of digits
        line = next((number for number, said in enumerate(text.splitlines(), 1) if _ENDLESS.search(said)), 1)
        raise ConfigError(f"{name}, line {line}: a number is longer than any that is possible") from exc
    except RecursionError as exc:
        raise ConfigError(f"{name}: tables and lists are nested too deeply") from exc
