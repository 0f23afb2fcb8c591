"""Rules that say which names mean which model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, Literal

import msgspec

Op = Literal["equals", "starts_with", "ends_with", "contains", "regex", "or", "and"]


class Clause(msgspec.Struct, frozen=True, array_like=True):
    """One rule of genai-prices: a comparison with a text in lower case, or several rules joined.

    Attributes:
        op: how to compare, or `or`, `and` for joined rules.
        text: what to compare with; a pattern for `regex`, which may match anywhere in a name.
        of: the joined rules.
    """

    op: Op
    text: str = ""
    of: tuple[Clause, ...] = ()

    def matches(self, name: str) -> bool:
        """Whether the rule accepts this name (in lower case)."""
        op, text = self.op, self.text
        if op == "equals":
            return name == text
        if op == "starts_with":
            return name.startswith(text)
        if op == "contains":
            return text in name
        if op == "ends_with":
            return name.endswith(text)
        if op == "regex":
            return re.search(text, name) is not None
        join = any if op == "or" else all
        return join(clause.matches(name) for clause in self.of)

    def texts(self) -> Iterator[str]:
        """Every text that the rule compares with, patterns left out."""
        if self.of:
            for clause in self.of:
                yield from clause.texts()
        elif self.op != "regex":
            yield self.text


_COMPACT_DATE: Final = re.compile(r"-(20\d{2})(\d{2})(\d{2})(?=-|:|$)")
_VERSION: Final = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest|default))?(?:-v\d+)?(?::\d+)?$")


def with_dashed_date(name: str) -> str:
    """`gpt-5.2-20251211`, as LiteLLM and OpenRouter write it, as `gpt-5.2-2025-12-11`."""
    return _COMPACT_DATE.sub(lambda found: _dashed(found) or found.group(), name)


def _dashed(found: re.Match[str]) -> str | None:
    try:
        return f"-{date(*map(int, found.groups())).isoformat()}"
    except ValueError:
        return None


def without_version(name: str) -> str:
    """A name without the date or version of its snapshot, and without what an ARN or a path puts before it."""
    return _VERSION.sub("", name.rpartition("/")[2])
