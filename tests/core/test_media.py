"""The size of an image, a clip or a PDF is read from its bytes."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.media import Media, sniff

JPEG_TABLES = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP" + "/" * 86 + "2wBDAf" + "/" * 86
HEADS = {
    "png": "iVBORw0KGgoAAAANSUhEUgAAASwAAADICAIAAADdvUsC",
    "gif": "R0lGODdhLAHIAIEAAA==",
    "webp, lossy": "UklGRroAAABXRUJQVlA4IK4AAAAQEQCdASosAcgA",
    "webp, lossless": "UklGRiQAAABXRUJQVlA4TBgAAAAvK8ExAAdQrSYU",
    "webp, extended": "UklGRuYAAABXRUJQVlA4WAoAAAAQAAAAKwEAxwAA",
    "jpeg, baseline": f"{JPEG_TABLES}wAARCADIASwDAQ==",
    "jpeg, progressive": f"{JPEG_TABLES}wgARCADIASwDAQ==",
}
"""How files of a picture of 300 x 200 pixels begin, as Pillow writes them."""


@pytest.mark.parametrize("form", HEADS)
def test_images_say_how_large_they_are(form: str) -> None:
    """Each format's header gives width and height, in this order."""
    assert sniff(base64.b64decode(HEADS[form])) == Media(kind="image", width=300, height=200)


def test_a_jpeg_may_keep_much_before_its_frame() -> None:
    """Segments of any length, and fill bytes between them, are stepped over."""
    jpeg = base64.b64decode(HEADS["jpeg, baseline"])
    exif = b"\xff\xe1" + struct.pack(">H", 20_002) + bytes(20_000)
    found = sniff(jpeg[:2] + exif * 3 + b"\xff\xff" + jpeg[2:])
    assert found == Media(kind="image", width=300, height=200)


@pytest.mark.parametrize("form", HEADS)
@given(cut=st.integers(0, 400), damage=st.binary(max_size=40))
def test_what_is_cut_or_damaged_is_of_unknown_size_at_worst(form: str, cut: int, damage: bytes) -> None:
    """Whatever follows the first bytes of an image, nothing is raised, and no edge is less than a pixel."""
    found = sniff(base64.b64decode(HEADS[form])[:cut] + damage)
    assert found is None or found.kind in {"image", "audio", "document"}
    assert found is None or found.pixels is None or min(found.pixels) > 0


@given(st.binary(max_size=200))
def test_other_bytes_are_nothing_known(data: bytes) -> None:
    """Bytes that begin like no known format are not taken for one."""
    if not data.startswith((b"%PDF", b"RIFF", b"\x89PNG", b"\xff\xd8", b"GIF8")):
        assert sniff(data) is None


def test_a_clip_lasts_its_bytes_over_its_rate() -> None:
    """Two and a half seconds of a WAV file, of which the header is enough."""
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setparams((1, 2, 16_000, 0, "NONE", ""))
        clip.writeframes(bytes(2 * 40_000))
    found = sniff(file.getvalue()[:64], whole=False)
    assert found is not None
    assert found.kind == "audio"
    assert found.seconds == pytest.approx(2.5, abs=0.01)


def pdf(pages: int, *, linearized: str = "", packed: bool = False) -> bytes:
    """The objects of a PDF that tell its pages; `packed` keeps them in a compressed stream, as PDF 1.5 may."""
    kids = b"".join(b"%d 0 obj <</Type /Page /Parent 1 0 R>> endobj\n" % (number + 2) for number in range(pages))
    if packed:
        kids = b"9 0 obj <</Type /ObjStm /Filter /FlateDecode>> stream\n" + zlib.compress(kids) + b"endstream\n"
    root = b"1 0 obj <</Type /Pages /Count %d>> endobj\n" % pages
    return b"%PDF-1.7\n" + linearized.encode() + root + kids


@pytest.mark.parametrize(
    ("data", "whole", "pages"),
    [
        (pdf(3), True, 3),
        (pdf(3), False, None),
        (pdf(3, packed=True), True, None),
        (pdf(3, linearized="5 0 obj <</Linearized 1 /L 4711 /H [ 1 2 ] /O 7 /E 9 /N 40 /T 4>> endobj\n"), False, 40),
        (pdf(3, linearized=f"5 0 obj <</Linearized 1 /N {'9' * 400}>> endobj\n"), False, None),
        (pdf(3, linearized="5 0 obj <</Linearized 1 /N 12345>> endobj\n"), True, 3),
        (b"%PDF-1.4 broken", True, None),
    ],
)
def test_pages_of_a_pdf(data: bytes, whole: bool, pages: int | None) -> None:  # noqa: FBT001
    """Pages are counted where every one can be seen, or the file says how many there are; else they are unknown."""
    assert sniff(data, whole=whole) == Media(kind="document", pages=pages)
