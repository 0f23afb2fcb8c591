"""Tells how large the images, files and clips of a request are, from their bytes, which are looked at and not kept."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ai_cost_calc.core.media import HEAD_BYTES, PDF, Kind, Media, sniff

KINDS: Final[Mapping[str, Kind]] = {
    "audio": "audio",
    "computer_screenshot": "image",
    "container_upload": "other",
    "document": "document",
    "file": "document",
    "image": "image",
    "image_file": "image",
    "image_url": "image",
    "input_audio": "audio",
    "input_file": "document",
    "input_image": "image",
    "input_video": "video",
    "video": "video",
    "video_url": "video",
}
"""`type` of the content parts whose tokens do not follow from their bytes, in OpenAI's and Anthropic's requests."""
MOST_LOOKED_AT: Final = 1_000_000
"""Files longer than this are not looked through for their pages: no request may take milliseconds to measure."""

INLINE: Final = frozenset({"fileData", "file_data", "inlineData", "inline_data", "s3Location"})
"""Fields in which parts without a `type` hold what is no text: Gemini's, and Bedrock's files that it fetches itself."""

_MIMES: Final[Mapping[str, Kind]] = {"application": "document", "audio": "audio", "image": "image", "video": "video"}
_MIME_FIELDS: Final = frozenset({"media_type", "mimeType", "mime_type"})
_PAYLOADS: Final = frozenset({"bytes", "data", "file_data", "image_url", "url"})
_DETAILS: Final = frozenset({"detail", "level", "media_resolution", "mediaResolution", "resolution"})
_HEAD: Final = HEAD_BYTES // 3 * 4
_LONGEST_PREFIX: Final = 200
_DEPTH: Final = 4
_NOTHING: Final = Media(kind="other")


def is_media(part: dict[Any, Any]) -> bool:
    """Whether a part of a request is something whose tokens do not follow from its bytes."""
    said = part.get("type")
    if type(said) is str:
        return said in KINDS and not _is_text_document(part)
    return not INLINE.isdisjoint(part) and any(part.get(name) is not None for name in INLINE)


def _is_text_document(part: Mapping[Any, Any]) -> bool:
    """Anthropic's documents may be plain text, which is measured like any other."""
    source = part.get("source")
    return part["type"] == "document" and isinstance(source, dict) and source.get("type") in {"text", "content"}


def media_of(part: Mapping[Any, Any]) -> Media:
    """What is known of one part of a request that is no text."""
    kind = KINDS.get(str(part.get("type")), "other")
    payload = detail = None
    for name, value in _leaves(part, _DEPTH):
        if name in _PAYLOADS:
            payload = value
        elif name in _DETAILS and isinstance(value, str):
            detail = value
        elif name in _MIME_FIELDS and isinstance(value, str):
            kind = _MIMES.get(value.partition("/")[0], kind)
    found = _seen(payload) or Media(kind=kind)
    return found if detail is None else msgspec.structs.replace(found, detail=detail)


def pictures(images: object) -> list[Media]:
    """Images that a request has beside its text, encoded: in Ollama's messages and prompts, in Cohere's embeddings."""
    if not isinstance(images, list | tuple) or not all(isinstance(image, str | bytes) for image in images):
        return []
    return [_seen(image) or Media(kind="image") for image in images]


def media_in(value: object) -> Media:
    """What is known of something that is neither text nor JSON: the bytes of a file, or what nothing is known of."""
    if not isinstance(value, bytes):
        return _NOTHING
    whole = len(value) <= MOST_LOOKED_AT
    return sniff(value if whole else value[:HEAD_BYTES], whole=whole) or _NOTHING


def _leaves(value: Mapping[Any, Any], depth: int) -> Iterator[tuple[Any, Any]]:
    """What a part holds, in mappings and in an SDK's models alike."""
    for name, inner in value.items():
        held = vars(inner) if hasattr(inner, "model_fields_set") else inner
        if not isinstance(held, Mapping):
            yield name, inner
        elif depth:
            yield from _leaves(held, depth - 1)


def _seen(payload: object) -> Media | None:
    """What base64 (plain, or in a `data:` URL) or bytes are; `None` for addresses and ids of files."""
    if isinstance(payload, bytes):
        return media_in(payload)
    if not isinstance(payload, str):
        return None
    start = payload.find(",", 0, _LONGEST_PREFIX) + 1 if payload.startswith("data:") else 0
    head = _decoded(payload[start : start + _HEAD])
    if head.startswith(PDF) and start + _HEAD < len(payload) <= MOST_LOOKED_AT:
        head = _decoded(payload[start:])
    return sniff(head, whole=len(payload) <= MOST_LOOKED_AT)


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4])
    except (ValueError, binascii.Error):  # an address, or an id
        return b""
