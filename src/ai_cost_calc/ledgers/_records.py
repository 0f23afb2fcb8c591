"""Records as ledgers keep them: checked, and as rows of whole numbers and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import LAST_AT, MICROS, Record, RevenueEvent, UsageEvent
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import LedgerError

COMMON: Final = Usage.__struct_fields__[:5]
"""Counts that have a column of their own. The finer ones are kept by name, so that most calls carry none of them."""

MEASURES: Final = (
    "calls",
    "unpriced_calls",
    "cost_nanos",
    "estimated_nanos",
    "adjusted_nanos",
    "revenue_nanos",
    "unconverted_revenue",
    *COMMON,
)
"""What is summed in columns, in the order in which every ledger lists it."""

AUDIO: Final = "audio_micros"
"""Seconds of audio are kept as microseconds, so that sums stay exact."""

LABELS: Final = ("customer", "feature", "session", "provider", "model")
"""Columns of text that may be without a value, which is kept as `''`."""

EVENT_COLUMNS: Final = (
    *("organization", "id", "at"),
    *LABELS,
    "tags",
    *COMMON,
    "counts",
    *("cost_nanos", "price_version", "unpriced", "complete", "estimated", "status", "latency_ms"),
    *("response_id", "service_tier", "speed", "region", "context", "calls", "computed_nanos", "anomaly", "token"),
)
REVENUE_COLUMNS: Final = (
    *("organization", "id", "at", "customer", "feature", "amount_nanos", "currency", "source", "external_id"),
    *("period_start", "period_end"),
)

ADJUSTMENT_COLUMNS: Final = (
    *("at", "run", "reason", "old_nanos", "new_nanos", "old_unpriced", "new_unpriced"),
    *("old_price_version", "new_price_version"),
)

_DEAREST: Final = 2**53
"""No call costs as much ($9 million). It is also what JSON and Redis hold exactly, and far from overflowing sums."""
_MOST: Final = 10**10
"""No call uses as much of anything; one count that a provider got wrong must not make sums overflow."""
_WIDEST: Final = 2**63
_FINER: Final = (*Usage.__struct_fields__[len(COMMON) : -1], AUDIO)
_NO_FINER: Final = (0,) * len(_FINER)

_encode = msgspec.json.Encoder().encode
_decode_counts = msgspec.json.Decoder(dict[str, int]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode


def event_row(event: UsageEvent) -> tuple[Any, ...]:
    """The values of `EVENT_COLUMNS`.

    Raises:
        LedgerError: a value cannot be kept exactly; the message says which.
    """
    common, finer = counts_of(event)
    return (
        event.organization,
        *_identity(event.id, event.at),
        event.customer_id or "",
        event.feature or "",
        event.session_id or "",
        event.provider or "",
        event.model or "",
        _texts(event.tags),
        *common,
        _encode(finer).decode() if finer else None,
        _cost(event.id, "cost_nanos", event.cost_nanos),
        event.price_version,
        _names(event.unpriced),
        event.complete,
        event.estimated,
        event.status,
        event.latency_ms,
        event.response_id,
        event.service_tier,
        event.speed,
        event.region,
        _texts(event.context),
        event.calls,
        _cost(event.id, "computed_nanos", event.computed_nanos),
        event.anomaly,
        event.token or None,
    )


def event_of(row: Sequence[Any]) -> UsageEvent:
    """The event that `event_row` made these values of."""
    kept = dict(zip(EVENT_COLUMNS, row, strict=True))
    common = [kept.pop(name) for name in COMMON]
    customer, feature, session, provider, model = (kept.pop(name) or None for name in LABELS)
    tags, context, finer, unpriced = (kept.pop(name) for name in ("tags", "context", "counts", "unpriced"))
    return UsageEvent(
        customer_id=customer, feature=feature, session_id=session, provider=provider, model=model,
        tags=_decode_texts(tags) if tags else {}, context=_decode_texts(context) if context else {},
        usage=usage_of(common, _decode_counts(finer) if finer else {}),
        unpriced=_decode_names(unpriced) if unpriced else (), complete=bool(kept.pop("complete")),
        estimated=bool(kept.pop("estimated")), **kept,
    )  # fmt: skip


def revenue_row(revenue: RevenueEvent) -> tuple[Any, ...]:
    """The values of `REVENUE_COLUMNS`.

    Raises:
        LedgerError: a value cannot be kept exactly; the message says which.
    """
    return (
        revenue.organization,
        *_identity(revenue.id, revenue.at),
        revenue.customer_id or "",
        revenue.feature or "",
        _whole(revenue.id, "amount_nanos", revenue.amount_nanos, _WIDEST),
        revenue.currency.upper(),
        revenue.source,
        revenue.external_id or None,
        revenue.period_start,
        revenue.period_end,
    )


def adjustment_row(adjustment: Adjustment) -> dict[str, Any]:
    """The values of `ADJUSTMENT_COLUMNS` by name, and what tells the event.

    Raises:
        LedgerError: a value cannot be kept exactly; the message says which.
    """
    event_id, at = _identity(adjustment.event_id, adjustment.at)
    return {
        "organization": adjustment.organization,
        "event_id": event_id,
        "at": at,
        "run": adjustment.run,
        "reason": adjustment.reason,
        "old_nanos": _cost(event_id, "old_nanos", adjustment.old_nanos),
        "new_nanos": _cost(event_id, "new_nanos", adjustment.new_nanos),
        "old_unpriced": _names(adjustment.old_unpriced),
        "new_unpriced": _names(adjustment.new_unpriced),
        "old_price_version": adjustment.old_price_version,
        "new_price_version": adjustment.new_price_version,
    }


def adjustment_of(organization: str, event_id: str, values: Sequence[Any]) -> Adjustment:
    """The adjustment that `adjustment_row` made these values of `ADJUSTMENT_COLUMNS` of."""
    kept = dict(zip(ADJUSTMENT_COLUMNS, values, strict=True))
    for name in ("old_unpriced", "new_unpriced"):
        kept[name] = _decode_names(kept[name]) if kept[name] else ()
    return Adjustment(organization=organization, event_id=event_id, **kept)


def standing_of(row: Sequence[Any]) -> Standing:
    """An event of `EVENT_COLUMNS`, and its last adjustment of `ADJUSTMENT_COLUMNS`, all null where there is none."""
    event, last = event_of(row[: len(EVENT_COLUMNS)]), row[len(EVENT_COLUMNS) :]
    return Standing(event, None if last[0] is None else adjustment_of(event.organization, event.id, last))


def counts_of(event: UsageEvent) -> tuple[tuple[int, ...], dict[str, int]]:
    """The values of `COMMON`, and the finer counts that are not zero by name."""
    counts = msgspec.structs.astuple(event.usage)
    if max(counts) >= _MOST:
        raise LedgerError(f"event {event.id!r} cannot be kept: a count of {max(counts)} is more than any call can use")
    common, finer = counts[: len(COMMON)], counts[len(COMMON) :]
    if finer == _NO_FINER:
        return common, {}
    whole = (*finer[:-1], round(finer[-1] * MICROS))
    return common, {name: count for name, count in zip(_FINER, whole, strict=True) if count}


def usage_of(common: Sequence[int], finer: Mapping[str, int]) -> Usage:
    """The usage of these counts, or of sums of them; counts that only a newer version knows are left out."""
    counts: dict[str, Any] = {name: finer[name] for name in finer if name in _FINER}
    micros = counts.pop(AUDIO, 0)
    return Usage(
        **dict(zip(COMMON, common, strict=True)),
        **counts,
        audio_seconds=micros / MICROS if micros % MICROS else micros // MICROS,
    )


def measures_of(record: Record, last: Adjustment | None = None) -> tuple[tuple[int, ...], dict[str, int]]:
    """What one record, with its last adjustment, adds to each of `MEASURES`, and to finer counts by name."""
    if isinstance(record, RevenueEvent):
        converted = record.currency.upper() == "USD"
        return (0, 0, 0, 0, 0, record.amount_nanos if converted else 0, int(not converted), *_NO_COUNTS), {}
    common, finer = counts_of(record)
    now = Standing(record, last)
    cost = now.cost_nanos or 0
    adjusted = cost - (record.cost_nanos or 0)
    return (1, int(not now.priced), cost, cost if record.estimated else 0, adjusted, 0, 0, *common), finer


def _identity(record_id: str, at: int) -> tuple[str, int]:
    """The id and the time; a time in another unit would break every later report by day."""
    if not record_id:
        raise LedgerError("a record cannot be kept without an id")
    if type(at) is not int or not 0 <= at < LAST_AT:
        raise LedgerError(
            f"record {record_id!r} cannot be kept: at={at!r} is no time in unix microseconds, 1970 to 2199"
        )
    return record_id, at


def _cost(record_id: str, name: str, value: int | None) -> int | None:
    return None if value is None else _whole(record_id, name, value, _DEAREST)


def _whole(record_id: str, name: str, value: int, limit: int) -> int:
    if type(value) is not int or not -limit < value < limit:
        raise LedgerError(f"record {record_id!r} cannot be kept: {name}={value!r} is no whole number below {limit}")
    return value


def _names(names: Sequence[str]) -> str | None:
    return _encode(names).decode() if names else None


def _texts(named: Mapping[str, str]) -> str | None:
    """Tags, or the like; those without a name or a value are left out."""
    if not named:
        return None
    said = {name: value for name, value in named.items() if name and value}
    return _encode(said).decode() if said else None


_NO_COUNTS: Final = (0,) * len(COMMON)
