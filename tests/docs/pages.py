"""The pages of the documentation as tests see them: their code, the output they show, their headings and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
DOCS: Final = ROOT / "docs"
PAGES: Final = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCE: Final = re.compile(r'^```(\w*)(?: title="([^"]+)")?[^\n]*\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"`[^`\n]*`")
_OTHER_SITE: Final = re.compile(r"[a-z]+:")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        title: the file that it is, for a block that is one.
        line: the line of the page on which its text starts.
    """

    language: str
    title: str
    text: str
    line: int


def name_of(page: Path) -> str:
    """A page as people name it: its path from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(found[1], found[2] or "", found[3], text.count("\n", 0, found.start(3)) + 1)
        for found in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    """The headings of a page, without marks of code."""
    return [heading.replace("`", "") for heading in _HEADING.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`: the headings in lower case, words joined by dashes, other signs left out."""
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings(page)}


def links(page: Path) -> list[str]:
    """The targets of a page's links, but for those to other sites."""
    return [target for target in _LINK.findall(_CODE.sub("", prose(page))) if not _OTHER_SITE.match(target)]


def shows(expected: str, printed: str) -> bool:
    """Whether what was printed is what a page shows: `…` stands for anything in a line, a gap for one of any width."""
    lines = [_pattern(line) for line in expected.strip().splitlines()]
    return re.fullmatch(r"\s*" + r"\s*\n\s*".join(lines) + r"\s*", printed) is not None


def _pattern(line: str) -> str:
    return r"[^\S\n]+".join(re.escape(word).replace("…", "[^\n]*?") for word in line.split())
