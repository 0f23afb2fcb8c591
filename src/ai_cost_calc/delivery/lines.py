"""Records as journal lines, and what to make of a line that is not whole."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ai_cost_calc.core.event import Record

START = b'{"type":"'
"""How every record begins; inside of a string the quotes would be escaped."""

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Decoded(msgspec.Struct):
    """What some journal lines hold.

    Attributes:
        records: in the order of the lines.
        unreadable: each run of bytes that is no record, with the reason.
    """

    records: list[Record] = msgspec.field(default_factory=list)
    unreadable: list[tuple[bytes, str]] = msgspec.field(default_factory=list)


def decode(lines: Iterable[bytes]) -> Decoded:
    """Read every line; one that cannot be read does not hold up the others."""
    decoded = Decoded()
    for line in lines:
        if line:
            _decode_line(line, decoded)
    return decoded


def _decode_line(line: bytes, into: Decoded) -> None:
    try:
        into.records.append(_decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        if (whole := _behind_a_fragment(line)) is None:
            into.unreadable.append((line, str(exc)))
        else:
            into.records.append(whole[1])
            into.unreadable.append((line[: whole[0]], str(exc)))


def _behind_a_fragment(line: bytes) -> tuple[int, Record] | None:
    """Find a whole record glued to one that a full disk cut short, which left no line end between them."""
    at = line.find(START, 1)
    while at > 0:
        try:
            return at, _decode(line[at:])
        except (msgspec.DecodeError, UnicodeDecodeError):
            at = line.find(START, at + 1)
    return None
