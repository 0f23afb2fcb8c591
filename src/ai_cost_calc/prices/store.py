"""Keeps a compiled snapshot on disk, so that processes after the first need not import genai-prices."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ai_cost_calc.core.price_book import Snapshot

FORMAT: Final = 4
"""Raise it whenever the structs of a `Snapshot` or the rules that compile one change: older files are then not read."""

COMPILED_KEPT: Final = 16
_SUFFIX: Final = f".v{FORMAT}.msgpack"
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
        self.path = folder / f"{version}{_SUFFIX}"
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
        put_in_place(self.path, hashlib.sha256(body).digest() + body)
        _forget_old(self.path.parent)


def put_in_place(path: Path, content: bytes) -> None:
    """Write a file that others see whole or not at all; it keeps the rights of the one that it replaces.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing half-written is left in place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        new.write_bytes(content)
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _forget_old(folder: Path) -> None:
    """Keep the compiled snapshots that were made last: one more is made each time a file of own prices is edited."""
    with suppress(OSError):
        compiled = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in compiled[COMPILED_KEPT:]:
            path.unlink(missing_ok=True)
