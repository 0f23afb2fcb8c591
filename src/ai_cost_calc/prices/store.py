"""Keeps a compiled snapshot on disk, so that processes after the first need not import genai-prices."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Final

import msgspec

from ai_cost_calc.core.price_book import Snapshot

FORMAT: Final = 2
"""Raise it whenever the structs of a `Snapshot` or the rules that compile one change: older files are then not read."""

_DIGEST_BYTES: Final = 32
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot)


class SnapshotFile:
    """One compiled snapshot in a folder that processes may share.

    The file is a SHA-256 and the bytes it vouches for, put in place whole: readers see all of it or none.

    Args:
        folder: where to keep it; made when something is saved.
        version: of the prices in it; another version is another file.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.path = folder / f"{version}.v{FORMAT}.msgpack"
        self._version = version

    def load(self) -> Snapshot | None:
        """What is kept, or `None` when there is nothing, or nothing that can be trusted."""
        try:
            kept = self.path.read_bytes()
        except OSError:
            return None
        body = memoryview(kept)[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != kept[:_DIGEST_BYTES]:
            return None
        try:
            snapshot = _DECODER.decode(body)
        except msgspec.DecodeError:
            return None
        return snapshot if snapshot.version == self._version else None

    def save(self, snapshot: Snapshot) -> None:
        """Keep this snapshot.

        Raises:
            OSError: the folder cannot be written, or the disk is full; nothing half-written is left in place.
        """
        body = msgspec.msgpack.encode(snapshot)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}.new")
        try:
            new.write_bytes(hashlib.sha256(body).digest() + body)
            new.replace(self.path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
