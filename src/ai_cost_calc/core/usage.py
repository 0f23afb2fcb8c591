"""What one call used: inclusive totals and the parts they are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec
from msgspec.structs import astuple

Count = int | float
"""Tokens, searches, images and pages are whole; seconds of audio may be a fraction."""

MOST: Final = 2**53 - 1
"""No count is greater: stores, JSON readers and scripts keep whole numbers exactly up to here."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """What one call used. Totals include their parts: `input_tokens` includes the cached ones.

    The names are those of genai-prices 0.2.3 wherever it has one. `output_tokens` includes reasoning.

    Raises:
        TypeError: a count is not a whole number.
        ValueError: a count is negative, or parts exceed their total.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_reasoning_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    input_video_tokens: int = 0
    input_text_tokens: int = 0
    input_tool_tokens: int = 0
    cache_audio_read_tokens: int = 0
    cache_text_read_tokens: int = 0
    cache_image_read_tokens: int = 0
    cache_video_read_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    output_video_tokens: int = 0
    output_text_tokens: int = 0
    output_citation_tokens: int = 0
    web_searches: int = 0
    web_fetches: int = 0
    social_searches: int = 0
    storage_searches: int = 0
    code_executions: int = 0
    rerank_searches: int = 0
    input_document_pages: int = 0
    input_annotated_document_pages: int = 0
    images: int = 0
    audio_seconds: Count = 0

    def __post_init__(self) -> None:
        """Refuse counts that no provider can mean. Most usages have no finer parts, which one comparison settles."""
        total_in, total_out, read, written, reasoned, *finer = astuple(self)
        if not (
            finer == _NO_FINER
            and _written(finer) == _NO_FINER_WRITTEN
            and type(total_in) is type(total_out) is type(read) is type(written) is type(reasoned) is int
            and 0 <= reasoned <= total_out <= MOST
            and 0 <= written <= read + written <= total_in <= MOST
        ):
            _check_counts(self)
            _check_parts(self)

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def counts(self) -> dict[str, Count]:
        """The counts that are not zero, by name."""
        values = zip(self.__struct_fields__, astuple(self), strict=True)
        return {name: value for name, value in values if value}

    def __add__(self, other: Usage) -> Usage:
        """Add two usages, count by count."""
        if not isinstance(other, Usage):
            return NotImplemented
        sums: list[Any] = [mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)]
        return Usage(**dict(zip(self.__struct_fields__, sums, strict=True)))

    def __bool__(self) -> bool:
        """Whether anything was used."""
        return any(astuple(self))

    @classmethod
    def corrected(cls, counts: Mapping[str, Any]) -> tuple[Self, str | None]:
        """Build from counts a provider reported, bending those that cannot be true. Never raises.

        Returns:
            The usage, and what had to be bent (`None` when nothing was): a record is never lost because a provider
            miscounted (Azure's Grok reports more cached tokens than prompt tokens). The words name counts, never
            values of another type, which could be anything.
        """
        if not _ONLY_WHOLE.issuperset(map(type, counts.values())):
            counts = {name: 0 if type(count) in _ZEROS and not count else count for name, count in counts.items()}
        try:
            return cls(**counts), None
        except (TypeError, ValueError) as exc:
            unknown = not counts.keys() <= _NAMES
            return cls(**_bent(counts)), "counts of unknown names were left out" if unknown else str(exc)


_ONLY_WHOLE: Final = frozenset({int})
_ZEROS: Final = frozenset({float, bool})
"""Types whose zero is a whole number in other clothes."""

TOTALS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "input_tokens": (
        ("cache_read_tokens", "cache_write_tokens", "input_tool_tokens"),
        ("input_text_tokens", "input_audio_tokens", "input_image_tokens", "input_video_tokens"),
    ),
    "output_tokens": (
        ("output_reasoning_tokens", "output_citation_tokens"),
        ("output_text_tokens", "output_audio_tokens", "output_image_tokens", "output_video_tokens"),
    ),
    "cache_write_tokens": (("cache_write_5m_tokens", "cache_write_1h_tokens"),),
    "cache_read_tokens": (
        ("cache_text_read_tokens", "cache_audio_read_tokens", "cache_image_read_tokens", "cache_video_read_tokens"),
    ),
    "input_document_pages": (("input_annotated_document_pages",),),
}
"""Each total and the groups of parts that it includes; the parts of one group do not overlap each other."""

_NAMES: Final = frozenset(Usage.__struct_fields__)
_NO_FINER: Final = [0] * len(Usage.__struct_fields__[5:])
"""What most calls say of the counts after the first five."""
_written: Final = msgspec.msgpack.Encoder().encode
_NO_FINER_WRITTEN: Final = _written(_NO_FINER)
"""`False`, `0.0` and `Decimal(0)` equal zero, but would be written as another thing. Four times as quick as types."""


class _AsDataclass:
    """Lets `dataclasses.asdict` and `fields` take a usage; what they look for is made once they do."""

    def __get__(self, usage: Usage | None, kind: Any) -> dict[str, Any]:
        fields = [(name, int, 0) for name in Usage.__struct_fields__]
        made: dict[str, Any] = vars(dataclasses.make_dataclass("Usage", fields))["__dataclass_fields__"]
        kind.__dataclass_fields__ = made
        return made


Usage.__dataclass_fields__ = _AsDataclass()  # type: ignore[assignment]


def _check_counts(usage: Usage) -> None:
    for count in astuple(usage):
        if type(count) is not int or not 0 <= count <= MOST:
            break
    else:
        return
    for name in usage.__struct_fields__:
        _check_count(name, getattr(usage, name))


def _check_count(name: str, value: object) -> None:
    kinds = (int, float) if name == "audio_seconds" else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        msg = f"{name} must be a whole number, not a {type(value).__name__}"
        raise TypeError(msg)
    if not 0 <= value <= MOST:
        msg = f"{name} must be from 0 to {MOST}, not {value}"
        raise ValueError(msg)


def _check_parts(usage: Usage) -> None:
    """Compare totals with their parts; `TOTALS` written out, because a loop over it takes longer than all the rest."""
    if (
        usage.cache_read_tokens + usage.cache_write_tokens + usage.input_tool_tokens > usage.input_tokens
        or usage.output_reasoning_tokens + usage.output_citation_tokens > usage.output_tokens
        or usage.cache_write_5m_tokens + usage.cache_write_1h_tokens > usage.cache_write_tokens
        or usage.input_text_tokens + usage.input_audio_tokens + usage.input_image_tokens + usage.input_video_tokens
        > usage.input_tokens
        or usage.output_text_tokens + usage.output_audio_tokens + usage.output_image_tokens + usage.output_video_tokens
        > usage.output_tokens
        or usage.cache_text_read_tokens
        + usage.cache_audio_read_tokens
        + usage.cache_image_read_tokens
        + usage.cache_video_read_tokens
        > usage.cache_read_tokens
        or usage.input_annotated_document_pages > usage.input_document_pages
    ):
        _refuse_parts(usage)


def _refuse_parts(usage: Usage) -> None:
    overfull = [
        f"{' + '.join(parts)} is more than {total}"
        for total, groups in TOTALS.items()
        for parts in groups
        if sum(getattr(usage, part) for part in parts) > getattr(usage, total)
    ]
    raise ValueError("; ".join(overfull))


def _bent(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Make counts possible: what is no number is dropped, totals win over their parts."""
    bent = {name: value for name, raw in counts.items() if (value := _possible(name, raw))}
    for total, groups in TOTALS.items():
        for parts in groups:
            room = bent.get(total, 0)
            for part in parts:
                bent[part] = min(bent.get(part, 0), room)
                room -= bent[part]
    return bent


def _possible(name: object, raw: object) -> Count:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or name not in _NAMES:
        return 0
    if not 0 < raw <= MOST:  # NaN is in no range
        return 0
    return raw if name == "audio_seconds" else int(raw)
