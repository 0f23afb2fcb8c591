"""Fetches price data, looks hard at it, and puts it in force. Only ever on demand: nothing here runs by itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from ai_cost_calc.core.price_book import Snapshot
from ai_cost_calc.errors import PriceDataError
from ai_cost_calc.prices import OnFault, base_snapshot
from ai_cost_calc.prices.fetched import read_fetched
from ai_cost_calc.prices.kept import BUNDLED, KeptPrices, version_of
from ai_cost_calc.prices.listing import STANDARD, Change, Differences, Key, differences, models_of
from ai_cost_calc.prices.source import installed

SOURCE: Final = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
"""Where genai-prices publishes its data: `DEFAULT_UPDATE_URL` of its 0.2.3."""
LARGEST: Final = 64 * 2**20
TIMEOUT_SECONDS: Final = 30.0
_SHRINK: Final = 20
"""A twentieth of the models may go without a question,"""
_HALF: Final = 2
"""unless that is more than half of one provider's."""
_JUMP: Final = 2
_REDIRECTS: Final = 5


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Price data that can be used.

    Attributes:
        body: as it was fetched.
        before: the version it would replace.
        differences: what would change.
        concerns: what a person should have looked at before it is put in force.
    """

    body: bytes
    snapshot: Snapshot
    source: str
    before: str
    models: int
    differences: Differences
    concerns: tuple[str, ...]

    @property
    def version(self) -> str:
        """Its name."""
        return self.snapshot.version


def fetch(
    source: str, *, timeout_seconds: float = TIMEOUT_SECONDS, clock: Callable[[], float] = time.monotonic
) -> bytes:
    """What a URL or a file holds.

    Args:
        source: an `http:` or `https:` URL, a `file:` URL, or a path.
        timeout_seconds: for all of it; a server that sends little by little does not get longer.
        clock: seconds that only go forward.

    Raises:
        PriceDataError: it cannot be had, takes too long, or is too large.
    """
    try:
        if source.startswith(("http://", "https://")):
            return _bounded(_download(source, timeout_seconds, clock), source)
        with Path(source.removeprefix("file://")).expanduser().open("rb") as file:
            return _bounded(iter(lambda: file.read(2**16), b""), source)
    except httpx2.HTTPStatusError as exc:
        raise PriceDataError(f"{source} answered {exc.response.status_code}; nothing was changed") from exc
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        raise PriceDataError(
            f"{source} cannot be reached: {str(exc) or type(exc).__name__}; nothing was changed"
        ) from exc
    except OSError as exc:
        raise PriceDataError(f"{source} cannot be read: {exc.strerror or exc}; nothing was changed") from exc


def _download(url: str, timeout_seconds: float, clock: Callable[[], float]) -> Iterator[bytes]:
    deadline = clock() + timeout_seconds
    with (
        httpx2.Client(timeout=timeout_seconds, follow_redirects=True, max_redirects=_REDIRECTS) as client,
        client.stream("GET", url) as response,
    ):
        response.raise_for_status()
        for chunk in response.iter_bytes():
            if clock() > deadline:
                raise PriceDataError(f"{url} took longer than {timeout_seconds:g} s; nothing was changed")
            yield chunk


def _bounded(chunks: Iterator[bytes], source: str) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > LARGEST:
            raise PriceDataError(f"{source} holds more than {LARGEST:,} bytes, which price data never does")
    return bytes(body)


def examine(body: bytes, source: str, folder: Path, *, now: float, on_fault: OnFault) -> Candidate:
    """Look at price data beside what is in force.

    Args:
        body: the data.
        source: where it came from.
        folder: where prices are kept.
        now: unix seconds.
        on_fault: told when something that is kept cannot be used.

    Raises:
        PriceDataError: it is no price data, or has something in it that cannot be a price.
    """
    before = base_snapshot(folder, on_fault)
    try:
        snapshot = read_fetched(body, version_of(body))
    except PriceDataError as exc:
        raise PriceDataError(f"{source}: {exc}; {before.version} stays in force") from exc
    changed = differences(before, snapshot, now)
    models = len(models_of(snapshot))
    return Candidate(
        body=body, snapshot=snapshot, source=source, before=before.version, models=models, differences=changed,
        concerns=tuple(_concerns(changed, models, models_of(before))),
    )  # fmt: skip


def put_in_force(candidate: Candidate, folder: Path, *, now: float) -> Path:
    """Keep price data, and use it from now on; programs that run take it up when they start anew.

    Raises:
        PriceDataError: the folder cannot be written; what was in force stays in force.
    """
    try:
        return KeptPrices(folder).keep(
            candidate.body, version=candidate.version, source=candidate.source, beside=installed().release,
            models=candidate.models, now=now,
        )  # fmt: skip
    except OSError as exc:
        raise PriceDataError(f"{folder} cannot be written: {exc.strerror or exc}; nothing was changed") from exc


def restore(version: str, folder: Path, *, now: float) -> str:
    """Put a version in force that is kept, or the bundled one; return its name.

    Raises:
        PriceDataError: none is kept under this name, or it is damaged.
    """
    kept = KeptPrices(folder)
    try:
        if version == BUNDLED:
            kept.keep(b"", version=BUNDLED, source=BUNDLED, beside=installed().release, models=0, now=now)
            return str(installed())
        for known, path in kept.versions():
            if version in known.version and known.version != BUNDLED:
                body = kept.read(known, path)
                read_fetched(body, known.version)
                kept.keep(
                    body, version=known.version, source=known.source, beside=installed().release, models=known.models,
                    now=now,
                )  # fmt: skip
                return known.version
    except (OSError, ValueError) as exc:
        raise PriceDataError(f"{version} cannot be restored: {exc}") from exc
    raise PriceDataError(f"no version {version!r} is kept; see: ai-cost-calc prices history")


def _concerns(changed: Differences, models: int, before: Collection[Key]) -> Iterator[str]:
    if len(changed.removed) * _SHRINK > len(before):
        yield f"{len(changed.removed):,} of {len(before):,} models would be gone ({models:,} are in the new data)"
    had = Counter(provider for provider, _ in before)
    for provider, gone in Counter(provider for provider, _ in changed.removed).items():
        if gone * _HALF > had[provider]:
            yield f"{gone:,} of {had[provider]:,} models of {provider} would be gone"
    for change in changed.rates:
        if (jump := _jump(change)) is not None:
            yield jump


def _jump(change: Change) -> str | None:
    what = f"{change.provider}/{change.model}, {change.rate}"
    if change.context != STANDARD:
        what += f" ({change.context})"
    if change.old is not None and change.new is None:
        return f"{what}: would have no price any more, ${change.old.base} until now"
    pair, factor = change.widest(), change.factor
    if pair is None or pair[0] == pair[1]:
        return None
    from_to = f"from ${pair[0]:f} to ${pair[1]:f}"
    if not factor:
        return f"{what}: {from_to}"
    return f"{what}: {change.times} times as much, {from_to}" if factor > _JUMP or factor * _JUMP < 1 else None
