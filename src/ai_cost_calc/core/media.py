"""Images, files and clips in a request: what is known of their size, and how it is told from their first bytes."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

Kind = Literal["image", "document", "audio", "video", "other"]
Pixels = tuple[int, int]
"""Width and height."""

PDF: Final = b"%PDF"
"""How a PDF begins."""
HEAD_BYTES: Final = 65_536
"""How much of an image is looked at for its width and height; a JPEG may keep a thumbnail before them."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """One image, file or clip: its size, and nothing of what it shows. `None` where its size is not known.

    Attributes:
        kind: what it is.
        width: of an image, in pixels.
        height: of an image, in pixels.
        pages: of a document.
        seconds: of a clip.
        detail: how closely the model is asked to look, in the provider's word: `low`, `high`, `MEDIA_RESOLUTION_LOW`.
    """

    kind: Kind
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    seconds: float | None = None
    detail: str | None = None

    @property
    def pixels(self) -> Pixels | None:
        """Width and height, where both are known."""
        return None if self.width is None or self.height is None else (self.width, self.height)


def sniff(data: bytes, *, whole: bool = True) -> Media | None:
    """What these bytes are; `None` where they are no image, clip or PDF.

    Args:
        data: a file, or its first `HEAD_BYTES`.
        whole: whether it is the whole file: only then are the pages of a PDF counted.
    """
    if data.startswith(PDF):
        return Media(kind="document", pages=_pages(data, whole=whole))
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return Media(kind="audio", seconds=_wav_seconds(data))
    for start, size_of in _IMAGES.items():
        if data.startswith(start):
            width, height = size_of(data) or (None, None)
            return Media(kind="image", width=width, height=height)
    return None


def _png(data: bytes) -> Pixels | None:
    """Width and height lead the first chunk (W3C PNG, 11.2.1 "IHDR")."""
    return _positive(_big(data[16:20]), _big(data[20:24])) if data[12:16] == b"IHDR" and len(data) >= 24 else None  # noqa: PLR2004


def _gif(data: bytes) -> Pixels | None:
    """Width and height of the logical screen follow the signature (GIF89a, 18)."""
    return _positive(_little(data[6:8]), _little(data[8:10])) if len(data) >= 10 else None  # noqa: PLR2004


def _webp(data: bytes) -> Pixels | None:
    """Lossy, lossless and extended files each write their size in their own way (RFC 9649, 2.5 to 2.7)."""
    if data[8:12] != b"WEBP" or len(data) < 30:  # noqa: PLR2004
        return None
    chunk = data[12:16]
    if chunk == b"VP8 ":
        return _positive(_little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF)
    if chunk == b"VP8L":
        packed = _little(data[21:25])
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return (_little(data[24:27]) + 1, _little(data[27:30]) + 1) if chunk == b"VP8X" else None


_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment that says how large a JPEG is (ITU T.81, table B.1)."""


def _jpeg(data: bytes) -> Pixels | None:
    """Walk the segments to the frame header; what comes before it may be long."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:  # noqa: PLR2004
        marker = data[place + 1]
        if marker in _FRAMES:
            return _positive(_big(data[place + 7 : place + 9]), _big(data[place + 5 : place + 7]))
        place += 1 if marker == 0xFF else 2 + _big(data[place + 2 : place + 4])  # noqa: PLR2004
    return None


_IMAGES: Final = {b"\x89PNG\r\n\x1a\n": _png, b"\xff\xd8\xff": _jpeg, b"GIF8": _gif, b"RIFF": _webp}


def _big(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _positive(width: int, height: int) -> Pixels | None:
    """An image of no size is a broken header."""
    return (width, height) if width and height else None


_PAGE: Final = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_LINEARIZED: Final = re.compile(rb"/Linearized\b[^>]{0,200}/N\s+(\d{1,4})(?!\d)")
"""A number of more digits is a lie: Gemini reads 1,000 pages (ai.google.dev, "Document processing"), others fewer."""


def _pages(data: bytes, *, whole: bool) -> int | None:
    """Pages of a PDF; `None` where they are written in compressed objects, which are not opened here."""
    said = _LINEARIZED.search(data[:1024])
    if said is not None:
        return int(said.group(1)) or None
    return len(_PAGE.findall(data)) or None if whole and b"/ObjStm" not in data else None


def _wav_seconds(data: bytes) -> float | None:
    """How long a WAV file plays: its bytes over its bytes per second, both in its header."""
    per_second = _little(data[28:32]) if data[12:16] == b"fmt " else 0
    return (_little(data[4:8]) + 8) / per_second if per_second else None
