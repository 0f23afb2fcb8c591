"""What a model's name says of its make: rules for tokens are published for families of models."""

from __future__ import annotations

import re
from typing import Final

_MAKERS: Final = re.compile(r".*(?:/|anthropic\.|openai\.)")
_CLAUDE: Final = re.compile(r"claude-(?:[a-z]+-)?v?(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")
_GEMINI: Final = re.compile(r"gemini-(?:[a-z]+-)*(\d+)")
_NEWEST: Final = (99, 0)


def plain_name(model: str | None) -> str:
    """A model's name without what clouds and routers put before it: `us.anthropic.claude-…`, `openai/gpt-…`."""
    return _MAKERS.sub("", (model or "").lower())


def claude_version(name: str) -> tuple[int, int]:
    """Of `claude-opus-4-7` it is (4, 7); a name that tells none, such as `claude-latest`, means the newest."""
    found = _CLAUDE.match(name)
    return (int(found[1]), int(found[2] or 0)) if found else _NEWEST


def gemini_version(name: str) -> int:
    """Of `gemini-2.5-flash` it is 2; a name that tells none means the newest."""
    found = _GEMINI.match(name)
    return int(found[1]) if found else _NEWEST[0]
