"""Money is exact: whole nano-dollars, no floats, and back to dollars without loss."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.money import Money, nanos_from_usd, usd

NANOS = st.integers(min_value=-(10**30), max_value=10**30)


@given(NANOS)
def test_dollars_and_back_lose_nothing(nanos: int) -> None:
    """Every whole number of nano-dollars survives the way to dollars and back, as a `Decimal` and as its text."""
    dollars = usd(nanos)
    assert nanos_from_usd(dollars) == nanos
    assert nanos_from_usd(str(dollars)) == nanos


@given(NANOS)
def test_the_callers_decimal_context_changes_nothing(nanos: int) -> None:
    """An application that works with three digits still gets exact money."""
    with localcontext() as context:
        context.prec = 3
        assert nanos_from_usd(usd(nanos)) == nanos
    assert getcontext().prec == 28


@given(NANOS, NANOS, st.integers(min_value=-1000, max_value=1000))
def test_arithmetic_is_that_of_whole_numbers(one: int, other: int, times: int) -> None:
    """Adding, subtracting and multiplying money is adding, subtracting and multiplying nano-dollars."""
    assert (Money(one) + Money(other)).nanos == one + other
    assert (Money(one) - Money(other)).nanos == one - other
    assert (Money(one) * times).nanos == (times * Money(one)).nanos == one * times
    assert (-Money(one)).nanos == -one
    assert (Money(one) < Money(other)) == (one < other)
    assert bool(Money(one)) == (one != 0)


@pytest.mark.parametrize("amount", [0.1, 0.0, float("nan"), True, None, 1 + 2j, b"1"])
def test_a_float_is_refused_even_when_it_looks_whole(amount: object) -> None:
    """What cannot hold money exactly is a `TypeError` that says what to write instead."""
    with pytest.raises(TypeError, match=r'write "0\.10"'):
        Money.usd(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", ["0.0000000001", "NaN", "Infinity", "1 dollar", "", Decimal("1e-10"), "1e400"])
def test_what_is_no_whole_nano_dollar_is_refused(amount: str | Decimal) -> None:
    """Nothing is rounded on the way in: finer amounts and words are a `ValueError` that names the value."""
    with pytest.raises(ValueError, match="at most nine decimal places"):
        Money.usd(amount)


@pytest.mark.parametrize("nanos", [1.0, True, "1", Decimal(1)])
def test_nano_dollars_are_whole(nanos: object) -> None:
    """`Money` itself holds an `int` and nothing that only resembles one."""
    with pytest.raises(TypeError, match="whole nano-dollars"):
        Money(nanos)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [1, 1.0, Decimal(1), "1"])
def test_money_adds_only_to_money(other: object) -> None:
    """A bare number has no currency, so it neither adds to money nor is taken from it."""
    with pytest.raises(TypeError):
        Money(1) + other
    with pytest.raises(TypeError):
        Money(1) - other


@pytest.mark.parametrize("times", [1.5, True, Decimal(2)])
def test_money_multiplies_only_by_whole_numbers(times: object) -> None:
    """A float would bring its error in."""
    with pytest.raises(TypeError):
        Money(1) * times


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(12_500_000, "$0.0125"), (0, "$0"), (-1, "-$0.000000001"), (10**11, "$100"), (3_000_000_000_000, "$3000")],
)
def test_money_reads_as_dollars(nanos: int, text: str) -> None:
    """Money is shown without exponents and without trailing zeros."""
    assert str(Money(nanos)) == text
    assert f"{abs(Money(nanos).as_usd):f}" == text.lstrip("-$")
