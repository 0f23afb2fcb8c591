"""Exact money: whole nano-dollars, never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, Inexact
from typing import Final, Self

NANOS_PER_USD: Final = 1_000_000_000
_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_ONE: Final = Decimal(1)
_EXACT: Final = Context(prec=60, traps=[Inexact])


def usd(nanos: int) -> Decimal:
    """Return nano-dollars as US dollars, exactly, without trailing zeros."""
    value = _WIDE.scaleb(Decimal(nanos), -9)
    value = value.normalize(_WIDE)
    return value.quantize(_ONE, context=_WIDE) if value == value.to_integral_value() else value


def nanos_from_usd(amount: Decimal | int | str, *, field: str = "amount") -> int:
    """Return US dollars as whole nano-dollars.

    Raises:
        TypeError: a float (or bool) was given; it cannot hold money exactly.
        ValueError: not a finite number, or finer than a nano-dollar.
    """
    if isinstance(amount, (bool, float)) or not isinstance(amount, (Decimal, int, str)):
        msg = f'{field} must be a string, an int or a Decimal, not {type(amount).__name__}: write "0.10", not 0.10'
        raise TypeError(msg)
    try:
        scaled = _EXACT.scaleb(_EXACT.create_decimal(amount), 9)
        return int(_EXACT.quantize(scaled, _ONE))
    except (DecimalException, ValueError, OverflowError) as exc:
        msg = f"{field} {amount!r} is not an amount of US dollars with at most nine decimal places"
        raise ValueError(msg) from exc


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount of US dollars, held as whole nano-dollars.

    Args:
        nanos: the amount in nano-dollars; may be negative (an adjustment, a loss).
    """

    nanos: int

    def __post_init__(self) -> None:
        """Refuse what is not a whole number."""
        if isinstance(self.nanos, bool) or not isinstance(self.nanos, int):
            msg = f"Money holds whole nano-dollars, not {type(self.nanos).__name__}; use Money.usd for dollars"
            raise TypeError(msg)

    @classmethod
    def usd(cls, amount: Decimal | int | str) -> Self:
        """Build from US dollars. A float is a `TypeError`; finer than a nano-dollar is a `ValueError`."""
        return cls(nanos_from_usd(amount))

    @property
    def as_usd(self) -> Decimal:
        """The amount in US dollars, exact."""
        return usd(self.nanos)

    def __add__(self, other: object) -> Money:
        """Add two amounts."""
        return Money(self.nanos + other.nanos) if isinstance(other, Money) else NotImplemented

    def __sub__(self, other: object) -> Money:
        """Subtract an amount."""
        return Money(self.nanos - other.nanos) if isinstance(other, Money) else NotImplemented

    def __mul__(self, count: object) -> Money:
        """Multiply by a whole number."""
        return Money(self.nanos * count) if type(count) is int else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        """Change the sign."""
        return Money(-self.nanos)

    def __bool__(self) -> bool:
        """Whether there is any money."""
        return self.nanos != 0

    def __str__(self) -> str:
        """Show dollars, as in `$0.0125`."""
        sign = "-" if self.nanos < 0 else ""
        return f"{sign}${usd(abs(self.nanos)):f}"
