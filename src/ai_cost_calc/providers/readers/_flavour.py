"""What readers are made of: a wire flavour, the vendor that speaks it, and what is known beside the body.

A *flavour* is one API's way to report usage, such as OpenAI's chat completions or Anthropic's messages. Several vendors
share one; a vendor that differs has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Source(msgspec.Struct, frozen=True, gc=False):
    """What is known of a response beside its body.

    Attributes:
        provider: whose API answered, by its id in genai-prices where it has one.
        model: the requested model, for responses that name none.
        region: where it ran, when the host tells.
        headers: response headers, names in lower case.
    """

    provider: str | None = None
    model: str | None = None
    region: str | None = None
    headers: Mapping[str, str] = NO_HEADERS

    def reading(
        self,
        counts: dict[str, Any] | None,
        model: str | None = None,
        response_id: str | None = None,
        *,
        service_tier: str | None = None,
        speed: str | None = None,
        region: str | None = None,
        provider_cost_usd: Decimal | None = None,
    ) -> Reading:
        """A reading of these counts, bent where they cannot be true; `None` where the response has none."""
        usage, anomaly = (None, None) if counts is None else Usage.corrected(counts)
        return Reading(
            usage=usage,
            model=name(model) or self.model,
            provider=self.provider,
            service_tier=service_tier and name(service_tier),
            speed=speed and name(speed),
            region=(region and name(region)) or self.region,
            response_id=name(response_id),
            provider_cost_usd=provider_cost_usd,
            anomaly=anomaly,
        )


def name(said: str | None) -> str | None:
    """A name as a provider states it, made fit for any store: no lone surrogates, and no longer than names are."""
    if not said:
        return None
    if said.isascii() and len(said) <= LONGEST_NAME:
        return said
    return said[:LONGEST_NAME].encode("utf-8", "replace").decode()


LONGEST_NAME: Final = 512


def last(kept: Any, event: Any) -> Any:
    """The plainest way to add up a stream: the last event with usage says it all."""
    return event if kept is None or getattr(event, "usage", None) is not None else kept


def no_text(_: Any) -> int:
    """For events that carry no answer text."""
    return 0


def always(_: Any) -> bool:
    """For events each of which is final."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """How one API's responses are read.

    Attributes:
        wire: what is decoded of one JSON document.
        read: turns what was decoded, or folded, into a `Reading`.
        event: what is decoded of one event of a stream; `None` where the API never streams. Where it is `wire` itself,
            a lone document is one event.
        fold: adds one event to what is kept so far, `None` at first; keeps counts and names, never content.
        text: UTF-8 bytes of answer text in one event.
        ends: whether the usage is final with this event.
        lines: whether the body is one JSON document a line, whatever its content type says.
        free: whether the provider charges nothing for it.
    """

    wire: type[Any]
    read: Callable[[Any, Source], Reading]
    event: type[Any] | None = None
    fold: Callable[[Any, Any], Any] = last
    text: Callable[[Any], int] = no_text
    ends: Callable[[Any], bool] = always
    lines: bool = False
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One provider: what it is called, where it lives, what its APIs speak.

    Attributes:
        name: its id in genai-prices, or our own where it has none there.
        flavours: by the name of the API.
        hosts: regular expressions for a whole host, or for it and the start of the path; a group `region` names the
            place that is billed, a group `under` a provider behind this one.
        paths: regular expressions for a part of the path and the API they tell, the more telling ones first; a group
            `model` names the model, a group `region` the place where the host does not.
        aliases: other names people use for it.
    """

    name: str
    flavours: Mapping[str, Flavour]
    hosts: tuple[str, ...] = ()
    paths: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()


def utf8_bytes(text: object) -> int:
    """UTF-8 bytes of answer text, or of the strings in a list of content parts (base64 media left out)."""
    if isinstance(text, str):
        return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if isinstance(text, list):
        return sum(utf8_bytes(part.get("text") or part.get("thinking")) for part in text if isinstance(part, dict))
    return 0


def usd(amount: object) -> Decimal | None:
    """An amount of US dollars as a provider states it; `None` where it cannot be one."""
    if amount is None:
        return None
    try:
        exact = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    except ArithmeticError:
        return None
    if not exact.is_finite() or not 0 <= exact <= _MOST_USD:
        return None
    exponent = exact.as_tuple().exponent
    return exact if isinstance(exponent, int) and exponent > -_MOST_PLACES else None


_MOST_USD: Final = 10**9
_MOST_PLACES: Final = 60
"""Amounts beyond these bounds are no prices, and arithmetic on them could exhaust memory."""


def sum_counts(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts added up, name by name."""
    names = {name for part in parts for name in part}
    return {name: sum(part.get(name, 0) for part in parts) for name in names}


def whole(seconds: float) -> float:
    """A duration without a fraction as an `int`."""
    return int(seconds) if seconds == int(seconds) else seconds


class _Unread(msgspec.Struct, gc=False):
    """A body of which nothing is read."""


def _read_nothing(_: object, source: Source) -> Reading:
    return source.reading(None)


FREE: Final = Flavour(wire=_Unread, read=_read_nothing, free=True)
"""Nothing is billed for it: counting tokens, listing models, moderation, the state of a job."""

UNREPORTED: Final = Flavour(wire=_Unread, event=_Unread, read=_read_nothing, fold=lambda _, event: event)
"""Billed by what the response does not say: characters of input, seconds of video."""
