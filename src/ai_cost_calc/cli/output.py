"""How the command line shows things: tables, money, bars, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

FAILED: Final = 1
WRONG_USAGE: Final = 2
OVER_BUDGET: Final = 3
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_CENT: Final = Decimal("0.01")
_WIDE: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
"""Room for the cents of any limit that a budget takes."""
_SIGNIFICANT: Final = 4
_NAME_WIDTH: Final = 16
"""Where a terminal is narrow, names are folded, but to no less than this."""
_ENDLESS: Final = 10_000
_GAP: Final = 2
"""Between two columns."""


class _Stdout(Console):
    """Tells of a reader that has seen enough (`| head`) in the same way as everything else that writes."""

    def on_broken_pipe(self) -> None:
        """Rich would end the process, as a failure."""
        raise BrokenPipeError


def _width() -> int | None:
    """As wide as the terminal is, or COLUMNS says; a file or another program has room for everything."""
    to_people = sys.stdout is not None and sys.stdout.isatty()
    return None if to_people or "COLUMNS" in os.environ else _ENDLESS


console = _Stdout(highlight=False, markup=False, emoji=False, width=_width())
"""What is shown holds names that customers chose: it is text, never markup."""
errors = Console(stderr=True, highlight=False, markup=False, emoji=False)


def money(amount: Decimal | None) -> str:
    """Dollars for people: cents from a dollar up, four significant digits below one."""
    if amount is None:
        return "unknown"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size == 0 or size >= 1:
        return f"{sign}${size.quantize(_CENT, context=_WIDE):,}"
    places = max(2, _SIGNIFICANT - 1 - size.adjusted())
    return f"{sign}${round(size, places):f}"


def percent(value: Decimal | None) -> str:
    """A percentage; `n/a` where there is nothing to divide by."""
    return "n/a" if value is None else f"{value.quantize(Decimal('0.1'), context=_WIDE)} %"


def whole(value: int) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def named(value: str | None) -> str:
    """A label for people: what a terminal would act on is written out, and there may be none."""
    if not value:
        return "(none)"
    return value if value.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)


def bar(share: float, width: int = 20) -> str:
    """A horizontal bar for a share between 0 and 1; more than 1 fills it."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[Decimal]) -> str:
    """One character a value, the highest one full."""
    top = max(values, default=Decimal(0))
    if top <= 0:
        return _BLOCKS[1] * len(values)
    return "".join(_BLOCKS[max(1, round(value / top * 8))] if value > 0 else _BLOCKS[0] for value in values)


def table(title: str | None, columns: Iterable[tuple[str, bool]], *, whole: Collection[str] = ()) -> Table:
    """A table; a column is a heading and whether its figures line up on the right.

    Args:
        title: what stands above it.
        columns: names, which are folded where the terminal is narrow, and figures, which never are.
        whole: headings of further columns that are never folded, such as bars.
    """
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False)
    made.box = None
    for heading, right in columns:
        made.add_column(
            heading, justify="right" if right else "left", no_wrap=right or heading in whole, overflow="fold"
        )
    made.show_header = any(column.header for column in made.columns)
    return made


def that_fits(tables: Iterable[Table]) -> Table:
    """The first table that the terminal has room for, with names that can be read; else the last one."""
    for made in tables:
        if _needed(made) <= console.width:
            break
    return made


def show_table(made: Table) -> None:
    """Print a table. In a terminal too narrow for its figures, lines go on past the edge: no figure is ever cut."""
    needed = _needed(made)
    made.width = needed if needed > console.width else None
    console.print(made, crop=False)


def _needed(made: Table) -> int:
    widths = [_natural(column) if column.no_wrap else min(_natural(column), _NAME_WIDTH) for column in made.columns]
    return sum(widths) + _GAP * (len(widths) - 1)


def _natural(column: Column) -> int:
    lines = [line for cell in (column.header, *column.cells) for line in str(cell).split("\n")]
    return max(map(cell_len, lines))


def show_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON on stdout."""
    try:
        sys.stdout.write(json.dumps(value, indent=indent, default=_plain) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        console.on_broken_pipe()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)
