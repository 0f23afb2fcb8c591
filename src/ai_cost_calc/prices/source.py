"""Which genai-prices is installed, found out without importing it."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

_DATA: Final = ("data.py", "data_units.py")
_DIGITS: Final = 12


class Installed(msgspec.Struct, frozen=True):
    """The price data at hand: its release, and the SHA-256 of its files, which also tells edited copies apart."""

    release: str
    digest: str

    def __str__(self) -> str:
        """Name this data, as price books do: `genai-prices-0.2.3+5f4d85ead2a1`."""
        return f"genai-prices-{self.release}+{self.digest[:_DIGITS]}"


def installed() -> Installed:
    """Look at the installed genai-prices.

    Raises:
        ModuleNotFoundError: it is not installed.
        OSError: its files cannot be read.
    """
    spec = find_spec("genai_prices")
    if spec is None or spec.origin is None:
        msg = "genai-prices is not installed; without it no model has a price: pip install genai-prices"
        raise ModuleNotFoundError(msg, name="genai_prices")
    package = Path(spec.origin).parent
    digest = hashlib.sha256()
    for name in _DATA:
        digest.update((package / name).read_bytes())
    return Installed(_release(package), digest.hexdigest())


def _release(package: Path) -> str:
    """The version as the folder beside the package says it: loading `importlib.metadata` takes ten times as long."""
    found = sorted(package.parent.glob("genai_prices-*.dist-info"))
    if found:
        return found[-1].name.removeprefix("genai_prices-").removesuffix(".dist-info")
    from importlib.metadata import version  # noqa: PLC0415 - only where there is no such folder

    return version("genai-prices")
