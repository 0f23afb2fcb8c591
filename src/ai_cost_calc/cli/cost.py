"""`ai-cost-calc cost MODEL`: what so many tokens cost."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from ai_cost_calc import Usage
from ai_cost_calc.cli.options import JsonOption, LedgerOption, books
from ai_cost_calc.cli.output import console, errors, money, named, show_json, show_table, table


def cost(
    model: Annotated[str, typer.Argument(help="Such as gpt-5-mini, or a slug such as openai/gpt-4o.")],
    input_tokens: Annotated[int, typer.Option("--input", "-i", min=0, help="Input tokens, cached ones included.")] = 0,
    output_tokens: Annotated[int, typer.Option("--output", "-o", min=0, help="Output tokens, with reasoning.")] = 0,
    cache_read_tokens: Annotated[int, typer.Option("--cache-read", min=0, help="Of the input, read from a cache.")] = 0,
    cache_write_tokens: Annotated[int, typer.Option("--cache-write", min=0, help="Of the input, written to it.")] = 0,
    service_tier: Annotated[str | None, typer.Option("--tier", help="Service tier such as flex or priority.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Where the name does not say it.")] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what so many tokens of a model cost, line by line."""
    try:
        usage = Usage(
            input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
        )  # fmt: skip
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    context = {"service_tier": service_tier} if service_tier else None
    with books(ledger or "memory:") as calc:
        priced = calc.price(usage, provider=provider, model=model, context=context)
    if as_json:
        show_json({
            "model": priced.model, "provider": priced.provider, "total": priced.total,
            "unpriced": list(priced.unpriced), "price_version": priced.price_version, "reason": priced.reason,
            "items": [{"name": item.name, "count": item.count, "usd": item.usd} for item in priced.items],
        })  # fmt: skip
    elif priced.total is None:
        search = f"search with: ai-cost-calc prices list {named(model)}"
        errors.print(f"unknown price: {priced.reason}; {search}", soft_wrap=True)
    elif not priced.items:
        errors.print(f"{named(model)}: say how many tokens, with --input and --output")
    else:
        made = table(f"{priced.provider}/{priced.model}", [("", False), ("Count", True), ("USD", True)])
        for item in priced.items:
            made.add_row(item.name.replace("_", " "), f"{item.count:,}", f"{item.usd:f}")
        show_table(made)
        console.print(Text(money(priced.total), "bold"), f" (prices {priced.price_version})")
        if priced.unpriced:
            errors.print(
                f"no price is known for {', '.join(map(named, priced.unpriced))}: that is not in it", style="yellow"
            )
    if priced.total is None:
        raise typer.Exit(1)
