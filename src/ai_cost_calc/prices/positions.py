"""Where in a TOML or JSON file a value stands: neither `tomllib` nor `json` tells."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value: `("prices", 2, "rates", "input_tokens")`."""

_TOKEN: Final = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^'\n]*'|\#[^\n]*|\n|[\[\]{},=:.]|[^\s\[\]{},=:.#"']+""",
    re.DOTALL,
)


class Extent(NamedTuple):
    """The first and the last line of something, counted from 1."""

    first: int
    last: int


class _Token(NamedTuple):
    text: str
    line: int


def positions(text: str, *, toml: bool) -> dict[Path, Extent]:
    """The lines of every value in a file that is known to be well-formed, by the way that leads to it."""
    reader = _Reader(list(_tokens(text)), _toml_key if toml else _json_key)
    if toml:
        reader.read_document()
    else:
        reader.read_value(())
    return reader.found


def repeated(text: str) -> tuple[Path, Extent]:
    """Where a JSON file that is known to give something twice does so: the first one that repeats another."""
    reader = _Reader(list(_tokens(text)), _json_key)
    reader.read_value(())
    return reader.twice[0]


def _tokens(text: str) -> Iterator[_Token]:
    line = 1  # every line break is in a token: it is one, or stands inside of a string
    for token in _TOKEN.findall(text):
        if not token.startswith("#"):
            yield _Token(token, line)
        line += token.count("\n")


class _Reader:
    """Follows the structure of a file, token by token, and notes the lines of what it meets."""

    def __init__(self, tokens: list[_Token], read_key: Callable[[str], str]) -> None:
        self.found: dict[Path, Extent] = {}
        self.twice: list[tuple[Path, Extent]] = []
        self._tokens = tokens
        self._read_key = read_key
        self._next = 0
        self._line = 1
        self._counts: dict[Path, int] = {}

    # TOML: headers and lines of `key = value`.

    def read_document(self) -> None:
        """Read a whole TOML file."""
        table: Path = ()
        while self._skip_lines():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table, "=")

    def _header(self) -> Path:
        first = self._take().line
        is_array = self._peek() == "["
        if is_array:
            self._take()
        path = self._within(self._keys())
        while self._peek() == "]":
            self._take()
        if is_array:
            self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, self._counts[path])
        self._note(path, first)
        return path

    def _within(self, keys: Path) -> Path:
        """A dotted name, led through the newest element of each array of tables on its way."""
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self._counts:
                path = (*path, self._counts[path])
        return (*path, *keys[-1:])

    # What TOML's values and JSON have in common.

    def _pair(self, table: Path, sign: str) -> None:
        first = self._line_ahead()
        path = (*table, *self._keys())
        if self._peek() == sign:
            self._take()
        if path in self.found:
            self.twice.append((path, Extent(first, first)))
        self.read_value(path)
        self._note(path, first)

    def read_value(self, path: Path) -> None:
        """Read one value, and everything inside of it."""
        self._skip_lines()
        first = self._line_ahead()
        opening = self._peek()
        if opening == "{":
            self._take()
            self._members(path)
        elif opening == "[":
            self._take()
            self._items(path)
        else:
            while self._peek() not in {",", "]", "}", "\n", ""}:
                self._take()
        self._note(path, first)

    def _members(self, path: Path) -> None:
        while self._skip_lines() and self._peek() != "}":
            self._pair(path, self._sign())
            self._skip_comma()
        self._take()

    def _items(self, path: Path) -> None:
        index = 0
        while self._skip_lines() and self._peek() != "]":
            self.read_value((*path, index))
            index += 1
            self._skip_comma()
        self._take()

    def _sign(self) -> str:
        """What stands between this key and its value."""
        ahead = (token.text for token in self._tokens[self._next :])
        return next((text for text in ahead if text in {"=", ":"}), "=")

    def _skip_comma(self) -> None:
        self._skip_lines()
        if self._peek() == ",":
            self._take()

    def _keys(self) -> Path:
        keys: list[str | int] = [self._read_key(self._take().text)]
        while self._peek() == ".":
            self._take()
            keys.append(self._read_key(self._take().text))
        return tuple(keys)

    def _skip_lines(self) -> bool:
        """Go to the next token that is no line break; False at the end."""
        while self._peek() == "\n":
            self._take()
        return self._next < len(self._tokens)

    def _peek(self) -> str:
        return self._tokens[self._next].text if self._next < len(self._tokens) else ""

    def _line_ahead(self) -> int:
        return self._tokens[self._next].line if self._next < len(self._tokens) else self._line

    def _take(self) -> _Token:
        if self._next >= len(self._tokens):
            return _Token("", self._line)
        token = self._tokens[self._next]
        self._next += 1
        self._line = token.line + token.text.count("\n") * (token.text != "\n")
        return token

    def _note(self, path: Path, first: int) -> None:
        """Note where this is, and that what it is in goes on up to here."""
        for length in range(1, len(path) + 1):
            known = self.found.get(path[:length], Extent(first, first))
            self.found[path[:length]] = Extent(min(known.first, first), max(known.last, self._line))


def _toml_key(text: str) -> str:
    return next(iter(tomllib.loads(f"{text} = 0")))


def _json_key(text: str) -> str:
    key: str = json.loads(text)
    return key
