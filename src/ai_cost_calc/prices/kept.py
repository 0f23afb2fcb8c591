"""The price data that `prices refresh` fetched: the newest is in force, earlier ones are there to fall back on."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from ai_cost_calc.prices.store import put_in_place

KEPT: Final = 5
"""How many versions are kept."""
BUNDLED: Final = "bundled"
"""Stands for the data that comes with the installed genai-prices."""

_DIGITS: Final = 12
_NUMBER: Final = re.compile(r"\d+")


class KeptData(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one fetched version.

    Attributes:
        version: as price books name it.
        fetched_at: when, as an ISO time in UTC.
        source: the URL or file it came from.
        beside: the release of genai-prices that was installed then; a newer release supersedes it.
        sha256: of the data.
        models: how many there are.
    """

    version: str
    fetched_at: str
    source: str
    beside: str
    sha256: str
    models: int


_DECODER: Final = msgspec.json.Decoder(KeptData)


def version_of(body: bytes) -> str:
    """Name fetched data by its content: the same data has the same name, whenever and wherever it was fetched."""
    return f"genai-prices-fetched+{hashlib.sha256(body).hexdigest()[:_DIGITS]}"


class KeptPrices:
    """A folder with one file for each fetched version: a line about it, then the data as it was fetched.

    The names of the files sort by time, so that the folder is its own index and no two files have to agree.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "fetched"

    def versions(self) -> list[tuple[KeptData, Path]]:
        """What is kept, the newest first; files that cannot be read are left out."""
        try:
            paths = sorted(self.folder.glob("*.prices"), reverse=True)
        except OSError:
            return []
        return [(known, path) for path in paths if (known := _known(path)) is not None]

    def in_force(self, release: str) -> list[tuple[KeptData, Path]]:
        """Those that count beside this release of genai-prices, the best first; after a restored `bundled`, none."""
        usable = []
        for known, path in self.versions():
            if known.version == BUNDLED:
                break
            if not _is_newer(release, known.beside):
                usable.append((known, path))
        return usable

    def read(self, known: KeptData, path: Path) -> bytes:
        """The data of a kept version.

        Raises:
            OSError: the file cannot be read.
            ValueError: the data is not what was fetched.
        """
        body = path.read_bytes().partition(b"\n")[2]
        if hashlib.sha256(body).hexdigest() != known.sha256:
            raise ValueError(f"{path} was changed or cut short")
        return body

    def keep(self, body: bytes, *, version: str, source: str, beside: str, models: int, now: float) -> Path:
        """Keep data and put it in force; of the same version only the newest file stays, and of all of them a few.

        Raises:
            OSError: the folder cannot be written; what was in force stays.
        """
        at = datetime.fromtimestamp(now, UTC)
        digest = hashlib.sha256(body).hexdigest()
        known = KeptData(
            version=version, fetched_at=f"{at:%Y-%m-%dT%H:%M:%SZ}", source=source, beside=beside, sha256=digest,
            models=models,
        )  # fmt: skip
        path = self.folder / f"{at:%Y%m%dT%H%M%S%fZ}.{digest[:_DIGITS]}.prices"
        put_in_place(path, msgspec.json.encode(known) + b"\n" + body)
        self._tidy(path)
        return path

    def _tidy(self, newest: Path) -> None:
        kept: list[str] = []
        for known, path in self.versions():
            if path != newest and (known.version in kept or len(kept) >= KEPT):
                path.unlink(missing_ok=True)
            else:
                kept.append(known.version)


def _known(path: Path) -> KeptData | None:
    try:
        with path.open("rb") as file:
            return _DECODER.decode(file.readline())
    except (OSError, msgspec.DecodeError):
        return None


def _is_newer(release: str, other: str) -> bool:
    """Whether one release comes after another, as far as their numbers say."""
    one, two = (tuple(map(int, _NUMBER.findall(text))) for text in (release, other))
    return one > two
